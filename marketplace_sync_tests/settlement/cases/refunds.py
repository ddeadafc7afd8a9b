"""Refunds: on one side only, too much, without their commission, by the buyer's bank."""

from __future__ import annotations

from typing import Any

from marketplace_sync_tests.settlement.scene import (
    LONG_AGO,
    SETTLED,
    Scene,
    gave_back,
    item,
    line,
    order,
    refund,
    sale,
)

REFUNDED = order("A", refunds=(gave_back("R1"),))
TWO = order("A", refunds=(gave_back("R1", amount=1000), gave_back("R2", amount=1000)))
TEN: dict[str, Any] = {"product": -1000, "commission": 150, "vat": 30}
TWO_LINES = (item("A-1", 5000, 0), item("A-2", 3000, 0))
SOLD_TWO = [
    *sale("A", "A-1", shipping=None, commission=-750, vat=-150),
    *sale("A", "A-2", product=3000, shipping=None, commission=-450, vat=-90),
]

CASES = (
    Scene(
        "refunded on both sides",
        "",
        [REFUNDED],
        sale() + refund(),
        orders={"A": set()},
        variance={"A": 0},
        expected_net={"A": 410},
    ),
    Scene(
        "refunded with its shipping",
        "",
        [order("A", refunds=(gave_back("R1", shipping=500),))],
        sale() + refund(shipping=-500, commission=825, vat=165),
        orders={"A": set()},
        expected_net={"A": 0},
    ),
    Scene(
        "the store does not know the refund", "", [order()], sale() + refund(), orders={"A": {"REFUND_NOT_IN_STORE"}}
    ),
    Scene(
        "the marketplace's own list of refunds is not the store's",
        "The reason is known, the refund is not.",
        [order("A", refund_reasons={"R1": "RETURN"})],
        sale() + refund(),
        orders={"A": {"REFUND_NOT_IN_STORE"}},
    ),
    Scene(
        "unknown to the store, and no commission back",
        "CX has to book it, finance has to claim: two errors.",
        [order()],
        sale() + refund(commission=None, vat=None),
        orders={"A": {"REFUND_NOT_IN_STORE", "COMMISSION_NOT_REFUNDED"}},
    ),
    Scene(
        "two refunds, the store knows one",
        "",
        [order("A", refunds=(gave_back("R1", amount=1000),))],
        sale() + refund("R1", **TEN) + refund("R2", product=-2000, commission=300, vat=60),
        orders={"A": {"REFUND_NOT_IN_STORE"}},
    ),
    Scene(
        "never settled",
        "",
        [order("A", refunds=(gave_back("R1", refunded_on=LONG_AGO),))],
        sale(),
        orders={"A": {"REFUND_NOT_SETTLED"}},
        variance={"A": 4100},
    ),
    Scene(
        "not settled yet",
        "Inside its window.",
        [REFUNDED],
        sale(),
        orders={"A": {"PARTIALLY_SETTLED"}},
        status={"A": "pending"},
    ),
    Scene(
        "two refunds, one is settled",
        "The other one is still in time.",
        [TWO],
        sale() + refund("R1", **TEN),
        orders={"A": {"PARTIALLY_SETTLED"}},
    ),
    Scene(
        "two equal refunds",
        "Two refunds explain two equal lines.",
        [TWO],
        sale() + refund("R1", **TEN) + refund("R2", **TEN),
        orders={"A": set()},
    ),
    Scene(
        "two equal refunds without ids",
        "",
        [TWO],
        sale() + refund("", name="x", **TEN) + refund("", name="y", **TEN),
        orders={"A": set()},
    ),
    Scene(
        "one refund twice",
        "The same refund id and amount, two lines.",
        [order("A", refunds=(gave_back("R1", amount=1000),))],
        sale() + refund("R1", **TEN) + refund("R1", name="again", **TEN),
        orders={"A": {"DUPLICATE_LINE"}},
    ),
    Scene(
        "an unknown refund twice",
        "Unknown, and repeated.",
        [order()],
        sale() + refund("R1", **TEN) + refund("R1", name="again", **TEN),
        orders={"A": {"REFUND_NOT_IN_STORE", "DUPLICATE_LINE"}},
    ),
    Scene(
        "more refunded than sold",
        "Before unknown to the store.",
        [order()],
        sale() + refund(product=-8000, commission=825, vat=165),
        orders={"A": {"REFUND_EXCEEDS_ORDER"}},
    ),
    Scene(
        "refunded again",
        "The store knows the first; with the second more is gone than was sold.",
        [REFUNDED],
        sale() + refund() + refund("R2"),
        orders={"A": {"REFUND_EXCEEDS_ORDER"}},
    ),
    Scene(
        "refunded again, the unknown one first",
        "Which one is the surplus does not depend on their days.",
        [REFUNDED],
        sale() + refund("R0") + refund("R1"),
        orders={"A": {"REFUND_EXCEEDS_ORDER"}},
    ),
    Scene(
        "more than one line cost",
        "Less than the order, more than its line.",
        [order("A", *TWO_LINES)],
        SOLD_TWO + refund("R1", "A", "A-2", product=-4000, commission=600, vat=120),
        orders={"A": {"REFUND_EXCEEDS_ORDER"}},
    ),
    Scene(
        "no commission back",
        "Covers its VAT.",
        [REFUNDED],
        sale() + refund(commission=None, vat=None),
        orders={"A": {"COMMISSION_NOT_REFUNDED"}},
        variance={"A": -900},
    ),
    Scene(
        "no commission back, but its VAT",
        "Still the missing commission.",
        [REFUNDED],
        sale() + refund(commission=None),
        orders={"A": {"COMMISSION_NOT_REFUNDED"}},
    ),
    Scene(
        "too little commission back",
        "",
        [REFUNDED],
        sale() + refund(commission=500, vat=100),
        orders={"A": {"COMMISSION_REFUND_SHORT"}},
    ),
    Scene(
        "commission back on the product only",
        "Shipping was refunded too: below the sale's rate.",
        [order("A", refunds=(gave_back("R1", shipping=500),))],
        sale() + refund(shipping=-500, commission=750, vat=150),
        orders={"A": {"COMMISSION_REFUND_SHORT"}},
    ),
    Scene(
        "commission back, no VAT", "", [REFUNDED], sale() + refund(vat=None), orders={"A": {"COMMISSION_VAT_MISMATCH"}}
    ),
    Scene(
        "VAT back at another rate", "", [REFUNDED], sale() + refund(vat=131), orders={"A": {"COMMISSION_VAT_MISMATCH"}}
    ),
    Scene(
        "too much commission back",
        "Not the rate of the sale either.",
        [REFUNDED],
        sale() + refund(commission=900, vat=180),
        orders={"A": {"COMMISSION_RATE_MISMATCH"}},
    ),
    Scene("a penny of commission back", "", [REFUNDED], sale() + refund(commission=749), orders={"A": {"ROUNDING"}}),
    Scene(
        "refunded for less than the store says",
        "",
        [REFUNDED],
        sale() + refund(product=-4000, commission=600, vat=120),
        orders={"A": {"AMOUNT_MISMATCH"}},
    ),
    Scene(
        "refunded shipping differs",
        "",
        [order("A", refunds=(gave_back("R1", shipping=500),))],
        sale() + refund(shipping=-300, commission=795, vat=159),
        orders={"A": {"SHIPPING_MISMATCH"}},
    ),
    Scene(
        "chargeback by the marketplace's reason",
        "Before unknown to the store.",
        [order("A", refund_reasons={"R1": "CHARGEBACK"})],
        sale() + refund(),
        orders={"A": {"CHARGEBACK"}},
    ),
    Scene(
        "chargeback by the file's words",
        "",
        [order()],
        sale() + refund(description="Charge-back lost, case 4711"),
        orders={"A": {"CHARGEBACK"}},
    ),
    Scene(
        "a chargeback that the store knows",
        "It is one all the same.",
        [order("A", refunds=(gave_back("R1", reason="CHARGEBACK"),))],
        sale() + refund(),
        orders={"A": {"CHARGEBACK"}},
    ),
    Scene(
        "a chargeback of more than was sold",
        "CHARGEBACK before REFUND_EXCEEDS_ORDER.",
        [order()],
        sale() + refund(product=-8000, commission=825, vat=165, description="chargeback"),
        orders={"A": {"CHARGEBACK"}},
    ),
    Scene(
        "a chargeback by another name",
        "",
        [order("A", refund_reasons={"R1": "FRAUD_DISPUTE"})],
        sale() + refund(),
        settings={"chargeback_reasons": ["FRAUD_DISPUTE"]},
        orders={"A": {"CHARGEBACK"}},
    ),
    Scene(
        "the word in another connection",
        "A recharge and a back office are no chargeback.",
        [REFUNDED],
        sale() + refund(description="recharge, back office"),
        orders={"A": set()},
    ),
    Scene(
        "a store that has its own refund ids",
        "Without an id the same line and amount are the same refund.",
        [order("A", refunds=(gave_back("", amount=1000),))],
        sale() + refund("R1", **TEN),
        orders={"A": set()},
    ),
    Scene(
        "two refunds of a store that has its own ids",
        "Each by its amount.",
        [order("A", refunds=(gave_back("", amount=1000), gave_back("", amount=2000)))],
        sale() + refund("R7", product=-2000, commission=300, vat=60) + refund("R8", **TEN),
        orders={"A": set()},
    ),
    Scene(
        "another refund than the store's",
        "Ids on both sides that differ are two refunds.",
        [order("A", refunds=(gave_back("R1", amount=1000, refunded_on=LONG_AGO),))],
        sale() + refund("R2", **TEN),
        orders={"A": {"REFUND_NOT_IN_STORE", "REFUND_NOT_SETTLED"}},
    ),
    Scene(
        "one refund over two lines",
        "",
        [order("A", *TWO_LINES, refunds=(gave_back("R1", "A-1"), gave_back("R1", "A-2", 3000)))],
        SOLD_TWO + refund("R1", "A", "A-1") + refund("R1", "A", "A-2", product=-3000, commission=450, vat=90),
        orders={"A": set()},
    ),
    Scene(
        "one refund over two lines, settled in one sum",
        "",
        [order("A", *TWO_LINES, refunds=(gave_back("R1", "A-1"), gave_back("R1", "A-2", 3000)))],
        SOLD_TWO + refund("R1", "A", "", product=-8000, commission=1200, vat=240),
        orders={"A": set()},
    ),
    Scene(
        "the refund is held",
        "Held is neither missing nor settled.",
        [REFUNDED],
        sale() + refund(payment_state="PENDING"),
        orders={"A": {"HELD"}},
        variance={"A": 0},
    ),
    Scene(
        "a refund on an overdue order that was never settled",
        "The sale is late and so is the refund.",
        [order("A", item("A-1", shipped_on=LONG_AGO), refunds=(gave_back("R1", refunded_on=LONG_AGO),))],
        [],
        orders={"A": {"MISSING_SETTLEMENT", "REFUND_NOT_SETTLED"}},
    ),
    Scene(
        "refunded, and the sale's product short",
        "Independent of each other.",
        [order()],
        sale(product=4500) + refund(created_on=SETTLED),
        orders={"A": {"AMOUNT_MISMATCH", "REFUND_NOT_IN_STORE"}},
    ),
    Scene(
        "shipping refunded by the operator",
        "What it paid itself is netted.",
        [order("A", refunds=(gave_back("R1"),))],
        [
            *sale(),
            line("x", "OPERATOR_PAID_ORDER_SHIPPING_AMOUNT", -500),
            *refund(shipping=-500),
            line("y", "OPERATOR_PAID_REFUND_ORDER_SHIPPING_AMOUNT", 500, refund_id="R1"),
        ],
        orders={"A": set()},
    ),
)
