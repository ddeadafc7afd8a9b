"""What is not there: not yet, in part, held, late."""

from __future__ import annotations

from datetime import date, timedelta

from marketplace_sync_tests.settlement.scene import (
    LONG_AGO,
    SETTLED,
    SHIPPED,
    TODAY,
    Scene,
    gave_back,
    item,
    line,
    order,
    refund,
    sale,
)

LATE = order("A", item("A-1", shipped_on=LONG_AGO))
TWO = (item("A-1"), item("A-2", 2500, 0))
SECOND_LATE = (item("A-1"), item("A-2", 2500, 0, shipped_on=LONG_AGO))
THIRTY_DAYS_AGO = TODAY - timedelta(days=30)

CASES = (
    Scene(
        "shipped lately",
        "",
        [order()],
        [],
        orders={"A": {"NOT_YET_DUE"}},
        status={"A": "pending"},
        variance={"A": -4510},
    ),
    Scene(
        "not shipped",
        "However long ago it was ordered.",
        [order("A", item("A-1", shipped_on=None), placed_on=date(2026, 1, 1))],
        [],
        orders={"A": {"NOT_YET_DUE"}},
    ),
    Scene("shipped long ago", "", [LATE], [], orders={"A": {"MISSING_SETTLEMENT"}}, status={"A": "exception"}),
    Scene(
        "exactly on the last day",
        "Overdue is more than 30 days.",
        [order("A", item("A-1", shipped_on=THIRTY_DAYS_AGO))],
        [],
        orders={"A": {"NOT_YET_DUE"}},
    ),
    Scene(
        "a day after the last day",
        "",
        [order("A", item("A-1", shipped_on=THIRTY_DAYS_AGO - timedelta(1)))],
        [],
        orders={"A": {"MISSING_SETTLEMENT"}},
    ),
    Scene(
        "the order's shipping day",
        "For lines that state none.",
        [order("A", item("A-1", shipped_on=None), shipped_on=LONG_AGO)],
        [],
        orders={"A": {"MISSING_SETTLEMENT"}},
    ),
    Scene(
        "another delay", "", [order()], [], settings={"settlement_due_days": 14}, orders={"A": {"MISSING_SETTLEMENT"}}
    ),
    Scene(
        "one of two lines", "The other one is in time.", [order("A", *TWO)], sale(), orders={"A": {"PARTIALLY_SETTLED"}}
    ),
    Scene(
        "one of two lines, the other late",
        "Also when another part is settled.",
        [order("A", *SECOND_LATE)],
        sale(),
        orders={"A": {"MISSING_SETTLEMENT"}},
    ),
    Scene("nothing of two lines, one late", "", [order("A", *SECOND_LATE)], [], orders={"A": {"MISSING_SETTLEMENT"}}),
    Scene(
        "the shipping is still to come",
        "Not another amount: none.",
        [order()],
        sale(shipping=None, commission=-750, vat=-150),
        orders={"A": {"PARTIALLY_SETTLED"}},
    ),
    Scene(
        "the shipping never came",
        "",
        [LATE],
        sale(shipping=None, commission=-750, vat=-150),
        orders={"A": {"MISSING_SETTLEMENT"}},
    ),
    Scene("held", "", [order()], sale(payment_state="PENDING", document=""), orders={"A": {"HELD"}}, variance={"A": 0}),
    Scene(
        "held too long",
        "Since the day of the line, not of the parcel.",
        [order()],
        sale(payment_state="PENDING", document="", created_on=LONG_AGO),
        orders={"A": {"HOLD_OVERDUE"}},
    ),
    Scene(
        "held 30 days",
        "",
        [LATE],
        sale(payment_state="PENDING", document="", created_on=THIRTY_DAYS_AGO),
        orders={"A": {"HELD"}},
    ),
    Scene(
        "part settled, part held",
        "",
        [order("A", *TWO)],
        [*sale(), *sale("A", "A-2", product=2500, shipping=None, commission=-375, vat=-75, payment_state="PENDING")],
        orders={"A": {"HELD"}},
    ),
    Scene(
        "held, and wrong",
        "",
        [order()],
        sale(product=4500, payment_state="PENDING"),
        orders={"A": {"HELD", "AMOUNT_MISMATCH"}},
    ),
    Scene(
        "a penny, held",
        "",
        [order()],
        sale(commission=-826, payment_state="PENDING"),
        orders={"A": {"HELD", "ROUNDING"}},
        status={"A": "pending"},
    ),
    Scene(
        "shipped after the day that is looked at",
        "What is dated later is ignored.",
        [LATE],
        [],
        as_of=date(2026, 6, 30),
        orders={"A": {"NOT_YET_DUE"}},
    ),
    Scene(
        "settled after the day that is looked at",
        "",
        [order()],
        sale(),
        as_of=date(2026, 9, 9),
        orders={"A": {"NOT_YET_DUE"}},
    ),
    Scene(
        "refunded in the store after that day",
        "Then the settlement's is not known there.",
        [order("A", refunds=(gave_back("R1", refunded_on=date(2026, 9, 15)),))],
        sale() + refund(),
        as_of=date(2026, 9, 12),
        orders={"A": {"REFUND_NOT_IN_STORE"}},
    ),
    Scene(
        "payable, in payment and paid are settled",
        "",
        [order()],
        [
            line("1", "ORDER_AMOUNT", 5000, payment_state="PAYABLE"),
            line("2", "ORDER_SHIPPING_AMOUNT", 500, payment_state="PAYMENT_IN_PROGRESS"),
            *sale(product=None, shipping=None),
        ],
        orders={"A": set()},
        documents={},
    ),
    Scene(
        "settled before it was shipped",
        "",
        [order("A", item("A-1", shipped_on=None))],
        sale(created_on=SHIPPED),
        orders={"A": set()},
    ),
    Scene(
        "only in a reserve",
        "Neither settled nor held.",
        [order()],
        sale(payment_state="RESERVE"),
        orders={"A": {"NOT_YET_DUE"}},
    ),
    Scene(
        "unit by unit",
        "One of two units is settled on another day: nothing was wrong in between.",
        [order("A", item("A-1", 5000, 0, quantity=2))],
        [
            *sale(name="x", product=2500, shipping=None, commission=-375, vat=-75),
            *sale(name="y", product=2500, shipping=None, commission=-375, vat=-75, created_on=SETTLED + timedelta(5)),
        ],
        orders={"A": set()},
    ),
)
