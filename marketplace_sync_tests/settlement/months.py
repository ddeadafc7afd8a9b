"""Months of trade made up from a seed, with discrepancies of every kind put in on purpose and written down."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import date, timedelta
from fractions import Fraction
from random import Random
from typing import Any

from marketplace_sync.domain.settlement.frames import Book
from marketplace_sync.domain.settlement.inputs import BankReceipt, SettlementLine, SoldLine, SoldOrder, StoreRefund
from marketplace_sync.domain.settlement.settings import FinanceSettings

CHANNEL = "bazaar"
AS_OF = date(2026, 10, 31)
FIRST_DAY = date(2026, 8, 20)
PAID_UNTIL = date(2026, 10, 21)
"""Cycles that ended by then are paid; what was settled since is held."""

SETTINGS: dict[str, Any] = {
    "commission_rates": {"default": 0.15, "categories": {"garden": 0.125}, "skus": {"SKU-7": 0.08}},
}
_RATES = {"garden": Fraction(125, 1000), "SKU-7": Fraction(8, 100)}

Row = dict[str, Any]


@dataclass
class Month:
    """Records, and the codes that a correct matcher gives: order id -> codes, line id -> code, document -> codes."""

    sold: list[SoldOrder] = field(default_factory=list)
    lines: list[SettlementLine] = field(default_factory=list)
    receipts: list[BankReceipt] = field(default_factory=list)
    orders: dict[str, set[str]] = field(default_factory=dict)
    outside: dict[str, str] = field(default_factory=dict)
    documents: dict[str, set[str]] = field(default_factory=dict)
    as_of: date = AS_OF

    @property
    def book(self) -> Book:
        return Book.of(self.sold, self.lines, self.receipts)

    @property
    def finance(self) -> FinanceSettings:
        return FinanceSettings.model_validate(SETTINGS)


@dataclass
class Draft:
    """An order that is settled as it should be, until a fault is put in."""

    order: Row
    items: list[Row]
    refunds: list[Row]
    rows: list[Row]
    rng: Random
    settled_on: date
    codes: set[str] = field(default_factory=set)
    pennies: int = 0

    def rows_of(self, kind: str) -> list[Row]:
        return [row for row in self.rows if row["type"] == kind]

    def add(self, like: Row, **changes: Any) -> None:
        name = f"{like['line_id']}+{len(self.rows)}"
        self.rows.append(like | {"line_id": name} | changes)

    @property
    def old(self) -> bool:
        """Shipped and settled so long ago that everything missing is overdue."""
        return bool((AS_OF - self.settled_on).days > 31)


def month(seed: int, orders: int = 1000, faults: float = 0.1, items: tuple[int, ...] = (1, 1, 2, 3)) -> Month:
    """`orders` orders, of which about the share `faults` is wrong; a few lines outside orders; payouts and receipts.
    `items`: how many lines an order may have, each as likely."""
    rng = Random(seed)
    made = Month()
    pennies: dict[str, list[int]] = {}
    for number in range(orders):
        draft = _draft(rng, f"{CHANNEL.upper()}-{number:07d}-A", rng.choice(items))
        if rng.random() < faults:
            _put_a_fault_in(draft, rng)
        elif draft.settled_on > AS_OF:
            draft.rows, draft.codes = [], {"NOT_YET_DUE"}
        elif draft.settled_on > PAID_UNTIL:
            draft.codes = {"HELD"}
        if draft.pennies:
            pennies.setdefault(draft.rows[0]["document"], []).append(draft.pennies)
        _finish(draft, made)
    _outside(rng, made)
    _payouts(rng, made, pennies)
    rng.shuffle(made.lines)
    return made


def half_up(value: Fraction) -> int:
    return int(value + Fraction(1, 2)) if value >= 0 else -int(-value + Fraction(1, 2))


def _rate(item: Row) -> Fraction:
    return _RATES.get(item["sku"]) or _RATES.get(item["categories"][0]) or Fraction(15, 100)


def _draft(rng: Random, order_id: str, items_sold: int) -> Draft:
    placed = FIRST_DAY + timedelta(days=rng.randrange(68))
    shipped = placed + timedelta(days=rng.randrange(1, 4))
    settled = shipped + timedelta(days=rng.randrange(6, 12))
    items: list[Row] = [
        {
            "line_id": f"{order_id}-{n}",
            "sku": f"SKU-{rng.randrange(40)}",
            "categories": (rng.choice(["kitchen", "garden", "toys"]),),
            "price": rng.randrange(300, 20000),
            "shipping": rng.choice([0, 395, 495, 1095]) if n == 1 else 0,
            "shipped_on": shipped,
        }
        for n in range(1, items_sold + 1)
    ]
    about = {"order_id": order_id, "created_on": settled} | _state(settled)
    rows = [row for item in items for row in _sale_rows(item, about)]
    draft = Draft({"order_id": order_id, "placed_on": placed}, items, [], rows, rng, settled)
    if rng.random() < 0.12 and settled < PAID_UNTIL - timedelta(days=10):
        _refund(draft, items[0], "R1", items[0]["price"] if rng.random() < 0.5 else items[0]["price"] // 3)
    return draft


def _state(day: date) -> Row:
    if day > PAID_UNTIL:
        return {"payment_state": "PENDING", "document": ""}
    cycle = min((limit for limit in (1, 11, 21) if day.day <= limit), default=0)
    end = day.replace(day=cycle) if cycle else (day.replace(day=28) + timedelta(days=5)).replace(day=1)
    return {"payment_state": "PAID", "document": f"INV-{end:%Y%m%d}"}


def _sale_rows(item: Row, about: Row) -> list[Row]:
    fee = half_up(_rate(item) * (item["price"] + item["shipping"]))
    amounts = {
        "ORDER_AMOUNT": item["price"],
        "ORDER_SHIPPING_AMOUNT": item["shipping"],
        "COMMISSION_FEE": -fee,
        "COMMISSION_VAT": -half_up(Fraction(fee, 5)),
    }
    return [
        about
        | {"line_id": f"{item['line_id']}/{kind}", "type": kind, "amount": amount, "order_line_id": item["line_id"]}
        for kind, amount in amounts.items()
        if amount
    ]


def _refund(
    draft: Draft, item: Row, refund_id: str, amount: int, *, day: date | None = None, recorded: bool = True
) -> None:
    """Both sides of a refund, or only the settlement's."""
    day = day or draft.settled_on + timedelta(days=5)
    if recorded:
        draft.refunds.append({"refund_id": refund_id, "line_id": item["line_id"], "refunded_on": day, "amount": amount})
    fee = half_up(_rate(item) * amount)
    amounts = {
        "REFUND_ORDER_AMOUNT": -amount,
        "REFUND_COMMISSION_FEE": fee,
        "REFUND_COMMISSION_VAT": half_up(Fraction(fee, 5)),
    }
    about = {
        "order_id": draft.order["order_id"],
        "order_line_id": item["line_id"],
        "refund_id": refund_id,
        "created_on": day,
    }
    draft.rows += [
        about | _state(day) | {"line_id": f"{item['line_id']}/{refund_id}/{kind}", "type": kind, "amount": amount}
        for kind, amount in amounts.items()
    ]


def _finish(draft: Draft, made: Month) -> None:
    common: Row = {"channel": CHANNEL, "currency": "GBP"}
    order = common | draft.order
    if order.pop("recorded", True):
        lines = tuple(SoldLine(**item) for item in draft.items)
        refunds = tuple(StoreRefund(**refund) for refund in draft.refunds)
        made.sold.append(SoldOrder(**order, lines=lines, refunds=refunds))
    made.lines += [SettlementLine(**common | row) for row in draft.rows]
    made.orders[draft.order["order_id"]] = draft.codes


# What goes wrong. Each fault says False when the order does not lend itself to it.


def _pennies(draft: Draft) -> bool:
    if draft.settled_on > PAID_UNTIL or draft.refunds:
        return False
    off = draft.rng.choice([-1, -1, 1])
    draft.rows_of("COMMISSION_VAT")[0]["amount"] += off
    draft.pennies = off
    return _says(draft, "ROUNDING")


def _says(draft: Draft, *codes: str) -> bool:
    draft.codes |= set(codes)
    return True


def _short(draft: Draft) -> bool:
    draft.rows_of("ORDER_AMOUNT")[0]["amount"] -= draft.rng.randrange(2, 200)
    return _says(draft, "AMOUNT_MISMATCH")


def _shipping(draft: Draft) -> bool:
    rows = draft.rows_of("ORDER_SHIPPING_AMOUNT")
    if rows:
        rows[0]["amount"] -= 95
    return bool(rows) and _says(draft, "SHIPPING_MISMATCH")


def _twice(draft: Draft) -> bool:
    row = draft.rng.choice(draft.rows_of("ORDER_AMOUNT") + draft.rows_of("COMMISSION_FEE"))
    draft.add(row)
    return abs(row["amount"]) > 5 and _says(draft, "DUPLICATE_LINE")


def _missing(draft: Draft) -> bool:
    if not draft.old or draft.refunds:
        return False
    draft.rows = []
    return _says(draft, "MISSING_SETTLEMENT")


def _missing_part(draft: Draft) -> bool:
    if not draft.old or len(draft.items) < 2 or draft.refunds:
        return False
    gone = draft.items[-1]["line_id"]
    draft.rows = [row for row in draft.rows if row["order_line_id"] != gone]
    return _says(draft, "MISSING_SETTLEMENT")


def _unknown(draft: Draft) -> bool:
    draft.order["recorded"] = False
    return _says(draft, "UNKNOWN_ORDER")


def _cancelled(draft: Draft) -> bool:
    draft.order["cancelled"] = True
    return _says(draft, "CANCELLED_BUT_CHARGED")


def _currency(draft: Draft) -> bool:
    for row in draft.rows:
        row |= {"currency": "EUR", "document": row["document"] and f"EUR-{row['document']}"}
    return _says(draft, "CURRENCY_MISMATCH")


def _at(draft: Draft, kind: str, factor: Fraction, code: str) -> bool:
    """The first amount of a kind times a factor, its VAT with it."""
    rows = draft.rows_of(kind)
    if not rows:
        return False
    row = rows[0]
    vat_kind = {"COMMISSION_FEE": "COMMISSION_VAT", "REFUND_COMMISSION_FEE": "REFUND_COMMISSION_VAT"}.get(kind)
    before = row["amount"]
    row["amount"] = half_up(before * factor)
    if abs(before - row["amount"]) < 20:
        return False
    for vat in draft.rows_of(vat_kind or ""):
        if vat["order_line_id"] == row["order_line_id"]:
            vat["amount"] = half_up(Fraction(row["amount"], 5))
    return _says(draft, code)


def _rate_wrong(draft: Draft) -> bool:
    return not draft.refunds and _at(draft, "COMMISSION_FEE", Fraction(119, 100), "COMMISSION_RATE_MISMATCH")


def _base_wrong(draft: Draft) -> bool:
    item = draft.items[0]
    if item["shipping"] < 200 or draft.refunds:
        return False
    fee = half_up(_rate(item) * item["price"])
    draft.rows_of("COMMISSION_FEE")[0]["amount"] = -fee
    draft.rows_of("COMMISSION_VAT")[0]["amount"] = -half_up(Fraction(fee, 5))
    return _says(draft, "COMMISSION_BASE_MISMATCH")


def _vat_wrong(draft: Draft) -> bool:
    return not draft.refunds and _at(draft, "COMMISSION_VAT", Fraction(7, 8), "COMMISSION_VAT_MISMATCH")


def _recent_refund_day(draft: Draft) -> date:
    return min(draft.settled_on + timedelta(days=3), PAID_UNTIL)


def _not_in_store(draft: Draft) -> bool:
    if draft.settled_on > PAID_UNTIL or draft.refunds:
        return False
    _refund(draft, draft.items[0], "R9", draft.items[0]["price"] // 2, recorded=False, day=_recent_refund_day(draft))
    return _says(draft, "REFUND_NOT_IN_STORE")


def _exceeds(draft: Draft) -> bool:
    if draft.settled_on > PAID_UNTIL:
        return False
    much = sum(item["price"] + item["shipping"] for item in draft.items) + 100
    _refund(draft, draft.items[0], "R9", much, recorded=False, day=_recent_refund_day(draft))
    return _says(draft, "REFUND_EXCEEDS_ORDER")


def _refund_not_settled(draft: Draft) -> bool:
    if not draft.old or draft.refunds:
        return False
    day = draft.settled_on
    draft.refunds.append({"refund_id": "R9", "line_id": draft.items[0]["line_id"], "refunded_on": day, "amount": 250})
    return _says(draft, "REFUND_NOT_SETTLED")


def _refund_waits(draft: Draft) -> bool:
    if draft.settled_on > PAID_UNTIL:
        return False
    day = AS_OF - timedelta(days=3)
    if draft.refunds:
        return False
    draft.refunds.append({"refund_id": "R9", "line_id": draft.items[0]["line_id"], "refunded_on": day, "amount": 250})
    return _says(draft, "PARTIALLY_SETTLED")


def _no_commission_back(draft: Draft) -> bool:
    if not draft.refunds or abs(draft.rows_of("REFUND_COMMISSION_FEE")[0]["amount"]) < 5:
        return False
    draft.rows = [row for row in draft.rows if not row["type"].startswith("REFUND_COMMISSION")]
    return _says(draft, "COMMISSION_NOT_REFUNDED")


def _little_commission_back(draft: Draft) -> bool:
    return _at(draft, "REFUND_COMMISSION_FEE", Fraction(1, 2), "COMMISSION_REFUND_SHORT")


def _chargeback(draft: Draft) -> bool:
    if not draft.refunds:
        return False
    if draft.rng.random() < 0.5:
        draft.order["refund_reasons"] = {"R1": "CHARGEBACK"}
    else:
        draft.rows_of("REFUND_ORDER_AMOUNT")[0]["description"] = "Chargeback received"
    return _says(draft, "CHARGEBACK")


def _corrected(draft: Draft) -> bool:
    day = draft.settled_on + timedelta(days=4)
    if day > PAID_UNTIL:
        return False
    row = draft.rows_of("ORDER_AMOUNT")[0]
    kind = draft.rng.choice(["ORDER_AMOUNT", "MANUAL_CREDIT"])
    row["amount"] -= 77
    draft.add(row, type=kind, amount=77, created_on=day, **_state(day))
    return _says(draft, "CORRECTED")


def _penalty(draft: Draft) -> bool:
    draft.add(draft.rows[0], type="SELLER_PENALTY_FEE", amount=-500)
    return _says(draft, "PENALTY_FEE")


def _strange(draft: Draft) -> bool:
    draft.add(draft.rows[0], type="GREEN_LEVY", amount=-3)
    return _says(draft, "UNKNOWN_LINE_TYPE")


def _held_long(draft: Draft) -> bool:
    if not draft.old:
        return False
    for row in draft.rows:
        row |= {"payment_state": "PENDING", "document": ""}
    return not draft.refunds and _says(draft, "HOLD_OVERDUE")


FAULTS: tuple[Callable[[Draft], bool], ...] = (
    _pennies,
    _short,
    _shipping,
    _twice,
    _missing,
    _missing_part,
    _unknown,
    _cancelled,
    _currency,
    _rate_wrong,
    _base_wrong,
    _vat_wrong,
    _not_in_store,
    _exceeds,
    _refund_not_settled,
    _refund_waits,
    _no_commission_back,
    _little_commission_back,
    _chargeback,
    _corrected,
    _penalty,
    _strange,
    _held_long,
)

_ALONE = {"UNKNOWN_ORDER", "CURRENCY_MISMATCH", "CANCELLED_BUT_CHARGED", "MISSING_SETTLEMENT", "HOLD_OVERDUE"}


def _put_a_fault_in(draft: Draft, rng: Random) -> None:
    """One fault that the order lends itself to; orders that are held stay held beside it."""
    if draft.settled_on > AS_OF:
        draft.rows, draft.codes = [], {"NOT_YET_DUE"}
        return
    faults = list(FAULTS)
    rng.shuffle(faults)
    for fault in faults:
        before = [dict(row) for row in draft.rows], [dict(r) for r in draft.refunds], dict(draft.order)
        if fault(draft):
            break
        draft.rows, draft.refunds, draft.order = before
    if any(row["payment_state"] == "PENDING" for row in draft.rows) and not draft.codes & _ALONE:
        draft.codes.add("HELD")


def _outside(rng: Random, made: Month) -> None:
    for number, day in enumerate((date(2026, 9, 1), date(2026, 9, 11), date(2026, 10, 1), date(2026, 10, 21))):
        for kind, amount, code in (
            ("SUBSCRIPTION_FEE", -3999, "SUBSCRIPTION"),
            ("SUBSCRIPTION_VAT", -800, "SUBSCRIPTION"),
            ("MANUAL_INVOICE", -1000 - number, "MANUAL_INVOICE_REVIEW"),
            ("MANUAL_CREDIT", 250 + number, "MANUAL_CREDIT_REVIEW"),
            ("RESERVE_FUNDING", -5000, "RESERVE_OVERDUE" if number == 0 else "RESERVE"),
            ("STARDUST", 1, "UNKNOWN_LINE_TYPE"),
        ):
            name = f"out/{number}/{kind}"
            created = date(2026, 7, 1) if code == "RESERVE_OVERDUE" else day
            made.lines.append(
                SettlementLine(line_id=name, type=kind, amount=amount, currency="GBP", channel=CHANNEL,
                               payment_state="PAID", document=f"INV-{day:%Y%m%d}", created_on=created)
            )  # fmt: skip
            made.outside[name] = code


def _payouts(rng: Random, made: Month, pennies: dict[str, list[int]]) -> None:
    totals: dict[tuple[str, str], int] = {}
    for line in made.lines:
        if line.document:
            key = (line.document, line.currency)
            totals[key] = totals.get(key, 0) + line.amount
    carried: dict[str, int] = {}
    for document, currency in sorted(totals, key=lambda key: (key[0][-8:], key)):
        end = date(int(document[-8:-4]), int(document[-4:-2]), int(document[-2:]))
        balance = totals[document, currency] + carried.pop(currency, 0)
        transferred = max(0, balance)
        if balance < 0:
            carried[currency] = balance
        made.lines.append(
            SettlementLine(line_id=f"pay/{document}", type="PAYMENT", amount=-transferred, currency=currency,
                           channel=CHANNEL, payment_state="PAID", document=document, created_on=end)
        )  # fmt: skip
        short = rng.random() < 0.2 and transferred > 1000
        codes = {"PAYOUT_SHORT"} if short else set()
        received = transferred - 1000 if short else transferred
        made.receipts.append(
            BankReceipt(
                bank_ref=f"bank/{document}", amount=received, currency=currency, received_on=end, documents=(document,)
            )
        )
        off = pennies.get(document, [])
        if off and (min(off) > 0 or max(off) < 0) and abs(sum(off)) > 5:
            codes.add("SYSTEMATIC_ROUNDING")
        made.documents[document] = codes
