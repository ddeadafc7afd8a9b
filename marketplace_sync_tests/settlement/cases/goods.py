"""Reports that name a day, a product and units instead of orders: what they pay, and what nobody can say."""

from __future__ import annotations

from datetime import date, timedelta
from typing import Any

from marketplace_sync.domain.settlement.inputs import SettlementLine, SoldOrder
from marketplace_sync_tests.settlement.scene import LONG_AGO, SHIPPED, Goods, Scene, gave_back, item, line, order

EAN, OTHER = "5012345678900", "5012345678917"
BARE: dict[str, Any] = {"commission_rates": {}}
"""What is owed is the cost: no commission is itemised."""


def sent(order_id: str, units: int, cost: int = 2000, ean: str = EAN, day: date = SHIPPED, **more: Any) -> SoldOrder:
    """An order of one line that left on `day`; `cost` is for one unit."""
    return order(order_id, item("1", cost * units, 0, sku=ean, quantity=units, shipped_on=day), **more)


def row(name: str, amount: int, day: date = SHIPPED, document: str = "W1") -> SettlementLine:
    kind = "ORDER_AMOUNT" if amount >= 0 else "REFUND_ORDER_AMOUNT"
    return line(name, kind, amount, "", "", document=document, created_on=day, payment_state="")


def of(sold: int, returned: int = 0, ean: str = EAN, **more: str) -> Goods:
    return Goods(sold, returned, ean, **more)


NEXT = SHIPPED + timedelta(days=1)

CASES = (
    Scene(
        "a row of one product pays the orders of the day",
        "one to many",
        [sent("A", 2), sent("B", 1)],
        [row("r", 6000)],
        settings=BARE,
        goods={"r": of(3)},
        orders={"A": set(), "B": set()},
    ),
    Scene(
        "several rows of one product pay several orders",
        "many to many: branches and orders have nothing to do with each other",
        [sent("A", 3), sent("B", 2)],
        [row("r", 2000), row("s", 8000)],
        settings=BARE,
        goods={"r": of(1), "s": of(4)},
        orders={"A": set(), "B": set()},
    ),
    Scene(
        "costs tell rows of one product and day apart",
        "",
        [sent("A", 1, 2000), sent("B", 1, 2500), sent("C", 1, 2500)],
        [row("r", 2000), row("s", 2500), row("t", 2500)],
        settings=BARE,
        goods={"r": of(1), "s": of(1), "t": of(1)},
        orders={"A": set(), "B": set(), "C": set()},
    ),
    Scene(
        "a row of which only one choice of orders is the sum",
        "of two, one and four units only one and four are five",
        [sent("A", 2), sent("B", 1), sent("C", 4)],
        [row("r", 10000)],
        settings=BARE,
        goods={"r": of(5)},
        orders={"A": {"NOT_YET_DUE"}, "B": set(), "C": set()},
    ),
    Scene(
        "a row that may be of either order",
        "two orders are alike and one is paid: nobody can say which",
        [sent("A", 1), sent("B", 1)],
        [row("r", 2000)],
        settings=BARE,
        goods={"r": of(1)},
        orders={"A": {"NOT_YET_DUE"}, "B": {"NOT_YET_DUE"}},
        outside={"r": "UNKNOWN_ORDER"},
        suggested={"r": "A; B"},
    ),
    Scene(
        "the other row comes a week later",
        "what could not be said then can be said now",
        [sent("A", 1), sent("B", 1)],
        [row("r", 2000), row("s", 2000, document="W2")],
        settings=BARE,
        goods={"r": of(1), "s": of(1)},
        orders={"A": set(), "B": set()},
        documents={"W1": set(), "W2": set()},
    ),
    Scene(
        "a slipped day",
        "",
        [sent("A", 2)],
        [row("r", 4000, NEXT)],
        settings=BARE,
        goods={"r": of(2)},
        orders={"A": set()},
    ),
    Scene(
        "some units of a day slipped into the next",
        "",
        [sent("A", 2), sent("B", 1), sent("C", 2, day=NEXT)],
        [row("r", 4000), row("s", 6000, NEXT)],
        settings=BARE,
        goods={"r": of(2), "s": of(3)},
        orders={"A": set(), "B": set(), "C": set()},
    ),
    Scene(
        "two days off",
        "",
        [sent("A", 2)],
        [row("r", 4000, SHIPPED + timedelta(days=2))],
        settings=BARE,
        goods={"r": of(2)},
        orders={"A": {"NOT_YET_DUE"}},
        outside={"r": "UNKNOWN_ORDER"},
        suggested={"r": ""},
    ),
    Scene(
        "a day that is not reported",
        "",
        [sent("A", 2, day=LONG_AGO), sent("B", 1)],
        [row("r", 2000)],
        settings=BARE,
        goods={"r": of(1)},
        orders={"A": {"MISSING_SETTLEMENT"}, "B": set()},
    ),
    Scene(
        "a row twice",
        "",
        [sent("A", 2)],
        [row("r", 4000), row("s", 4000)],
        settings=BARE,
        goods={"r": of(2), "s": of(2)},
        orders={"A": set()},
        outside={"s": "DUPLICATE_LINE"},
        suggested={"s": "A"},
    ),
    Scene(
        "rows that look alike are not twice",
        "as many orders are alike",
        [sent("A", 2), sent("B", 2)],
        [row("r", 4000), row("s", 4000)],
        settings=BARE,
        goods={"r": of(2), "s": of(2)},
        orders={"A": set(), "B": set()},
    ),
    Scene(
        "more units than were sent",
        "",
        [sent("A", 2)],
        [row("r", 6000)],
        settings=BARE,
        goods={"r": of(3)},
        orders={"A": set()},
        outside={"r": "UNKNOWN_ORDER"},
        suggested={"r": "A"},
    ),
    Scene(
        "fewer units than were sent",
        "the rest may slip",
        [sent("A", 3)],
        [row("r", 4000)],
        settings=BARE,
        goods={"r": of(2)},
        orders={"A": {"PARTIALLY_SETTLED"}},
        unsettled={"A": {"1 (rest)": 2000}},
    ),
    Scene(
        "fewer units than were sent, long ago",
        "",
        [sent("A", 3, day=LONG_AGO)],
        [row("r", 4000, LONG_AGO)],
        settings=BARE,
        goods={"r": of(2)},
        orders={"A": {"MISSING_SETTLEMENT"}},
        unsettled={"A": {"1 (rest)": 2000}},
    ),
    Scene(
        "another cost than agreed",
        "",
        [sent("A", 2)],
        [row("r", 3999)],
        settings=BARE,
        goods={"r": of(2)},
        orders={"A": {"AMOUNT_MISMATCH"}},
    ),
    Scene(
        "a product that nobody has",
        "",
        [sent("A", 2)],
        [row("r", 4000), row("s", 100)],
        settings=BARE,
        goods={"r": of(2), "s": of(1, ean=OTHER)},
        orders={"A": set()},
        outside={"s": "UNKNOWN_ORDER"},
    ),
    Scene(
        "a spreadsheet took a zero away",
        "",
        [sent("A", 2, ean="0712345678911")],
        [row("r", 4000)],
        settings=BARE,
        goods={"r": of(2, ean="712345678911")},
        orders={"A": set()},
    ),
    Scene(
        "known by the stock number only",
        "",
        [sent("A", 2, ean="12345678")],
        [row("r", 4000)],
        settings=BARE,
        goods={"r": of(2, ean=EAN, stock_number="12345678")},
        orders={"A": set()},
    ),
    Scene(
        "a return that the store refunded",
        "",
        [sent("A", 2, refunds=(gave_back("R1", "1", 2000, quantity=1),))],
        [row("r", 4000), row("s", -2000, date(2026, 9, 10))],
        settings=BARE,
        goods={"r": of(2), "s": of(0, 1)},
        orders={"A": set()},
    ),
    Scene(
        "sold and returned in one row",
        "",
        [
            sent("A", 3, refunds=(gave_back("R1", "1", 2000, quantity=1, refunded_on=SHIPPED),)),
        ],
        [row("r", 4000)],
        settings=BARE,
        goods={"r": of(3, 1)},
        orders={"A": set()},
    ),
    Scene(
        "as many returned as sold in one row",
        "the row is worth nothing and pays both",
        [sent("A", 1, refunds=(gave_back("R1", "1", 2000, quantity=1, refunded_on=SHIPPED),))],
        [row("r", 0)],
        settings=BARE,
        goods={"r": of(1, 1)},
        orders={"A": set()},
    ),
    Scene(
        "a return without a refund in the store",
        "",
        [sent("A", 2)],
        [row("r", 4000), row("s", -2000, date(2026, 9, 12))],
        settings=BARE,
        goods={"r": of(2), "s": of(0, 1)},
        orders={"A": set()},
        outside={"s": "REFUND_NOT_IN_STORE"},
        suggested={"s": "A"},
    ),
    Scene(
        "a return of something that nobody has",
        "",
        [sent("A", 2)],
        [row("r", 4000), row("s", -2000, date(2026, 9, 12))],
        settings=BARE,
        goods={"r": of(2), "s": of(0, 1, ean=OTHER)},
        orders={"A": set()},
        outside={"s": "UNKNOWN_ORDER"},
    ),
    Scene(
        "a refund in the store that is never reported",
        "",
        [sent("A", 2, day=LONG_AGO, refunds=(gave_back("R1", "1", 2000, quantity=1, refunded_on=LONG_AGO),))],
        [row("r", 4000, LONG_AGO)],
        settings=BARE,
        goods={"r": of(2)},
        orders={"A": {"REFUND_NOT_SETTLED"}},
    ),
    Scene(
        "an order settled by itself is not looked for among goods",
        "",
        [sent("A", 2), sent("B", 2)],
        [line("x", "ORDER_AMOUNT", 4000, "A", "1"), row("r", 4000)],
        settings=BARE,
        goods={"r": of(2)},
        orders={"A": set(), "B": set()},
    ),
    Scene(
        "cancelled orders were not sent",
        "",
        [sent("A", 2, cancelled=True), sent("B", 2)],
        [row("r", 4000)],
        settings=BARE,
        goods={"r": of(2)},
        orders={"A": set(), "B": set()},
    ),
    Scene(
        "goods of an order in another currency",
        "",
        [sent("A", 2, currency="EUR")],
        [row("r", 4000)],
        settings=BARE,
        goods={"r": of(2)},
        orders={"A": {"NOT_YET_DUE"}},
        outside={"r": "UNKNOWN_ORDER"},
    ),
    Scene(
        "a line that names the buyer's number only",
        "",
        [sent("A", 1, commercial_id="C-77"), sent("B", 1, commercial_id="C-78")],
        [line("x", "ORDER_AMOUNT", 2000, "", "1", document="W1")],
        settings=BARE,
        goods={"x": Goods(customer_order_number="C-78")},
        orders={"A": {"NOT_YET_DUE"}, "B": set()},
    ),
    Scene(
        "two orders of one buyer's number",
        "it says which buyer, and not which order",
        [sent("A", 1, commercial_id="C-77"), sent("B", 1, commercial_id="C-77")],
        [line("x", "ORDER_AMOUNT", 2000, "", "", document="W1")],
        settings=BARE,
        goods={"x": Goods(customer_order_number="C-77")},
        orders={"A": {"NOT_YET_DUE"}, "B": {"NOT_YET_DUE"}},
        outside={"x": "UNKNOWN_ORDER"},
    ),
)
