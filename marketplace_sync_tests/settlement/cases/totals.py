"""Remittances: one amount per invoice or amendment, product and shipping together, and one commission."""

from __future__ import annotations

from typing import Any

from marketplace_sync.domain.settlement.inputs import SettlementLine
from marketplace_sync_tests.settlement.scene import LONG_AGO, Scene, gave_back, item, line, order, payment

PLAIN: dict[str, Any] = {"commission_rates": {"default": "0.10"}, "commission_vat_rate": "0"}
"""Commission on product and shipping, tax inside it."""


def remitted(
    name: str, total: int, commission: int | None = None, order_id: str = "A", order_line_id: str = "", **more: Any
) -> list[SettlementLine]:
    """The lines of one remittance: negative for an amendment; a tenth of it is commission unless told otherwise."""
    if commission is None:
        commission = (abs(total) + 5) // 10 * (-1 if total > 0 else 1)
    kinds = ("ORDER_TOTAL_AMOUNT", "COMMISSION_FEE") if total >= 0 else ("REFUND_TOTAL_AMOUNT", "REFUND_COMMISSION_FEE")
    amounts = zip(kinds, (total, commission), strict=True)
    return [line(f"{name}/{kind}", kind, amount, order_id, order_line_id, **more) for kind, amount in amounts]


ALIKE = (item("A-1", 3000, 500, invoice="I1"), item("A-2", 3000, 500, invoice="I2"))
BY_SKU = PLAIN | {"commission_rates": {"default": "0.10", "skus": {"LAMP": "0.20"}}}
TWO = (item("A-1", 3000, 500), item("A-2", 2000, 0))

CASES = (
    Scene(
        "an invoice in one amount",
        "",
        [order("A", item("A-1", 5000, 500))],
        [*remitted("r", 5500), payment(4950)],
        settings=PLAIN,
        orders={"A": set()},
        expected_net={"A": 4950},
        documents={"D1": set()},
        balances={"D1": (0, 0)},
    ),
    Scene(
        "an invoice of several lines in one amount",
        "",
        [order("A", *TWO)],
        remitted("r", 5500),
        settings=PLAIN,
        orders={"A": set()},
    ),
    Scene(
        "two invoices of one order in two advices",
        "each is what one line comes to",
        [order("A", *TWO)],
        [*remitted("r", 3500), *remitted("s", 2000, document="D2")],
        settings=PLAIN,
        orders={"A": set()},
    ),
    Scene(
        "one of two invoices is remitted",
        "",
        [order("A", *TWO)],
        remitted("r", 2000),
        settings=PLAIN,
        orders={"A": {"PARTIALLY_SETTLED"}},
    ),
    Scene(
        "one of two invoices was never remitted",
        "",
        [order("A", item("A-1", 3000, 500, shipped_on=LONG_AGO), item("A-2", 2000, 0, shipped_on=LONG_AGO))],
        remitted("r", 2000),
        settings=PLAIN,
        orders={"A": {"MISSING_SETTLEMENT"}},
    ),
    Scene(
        "one of two invoices with postage is remitted",
        "postage belongs to an invoice: nothing is short, and the other is waited for",
        [order("A", item("A-1", 3000, 500, invoice="I1"), item("A-2", 2000, 400, invoice="I2"))],
        remitted("r", 2400, description="I2"),
        settings=PLAIN,
        orders={"A": {"PARTIALLY_SETTLED"}},
        unsettled={"A": {"A-1": 3150}},
    ),
    Scene(
        "one of two invoices that come to the same",
        "the one that the remittance names",
        [order("A", *ALIKE)],
        remitted("r", 3500, description="I2"),
        settings=PLAIN,
        orders={"A": {"PARTIALLY_SETTLED"}},
        unsettled={"A": {"A-1": 3150}},
    ),
    Scene(
        "one of two invoices that come to the same, and nobody says which",
        "they differ in nothing, so one is settled and one is waited for",
        [order("A", item("A-1", 3000, 500), item("A-2", 3000, 500))],
        remitted("r", 3500),
        settings=PLAIN,
        orders={"A": {"PARTIALLY_SETTLED"}},
    ),
    Scene(
        "two invoices that come to the same at two rates",
        "each commission is that of the invoice it comes with",
        [order("A", item("A-1", 3000, 500, invoice="I1"), item("A-2", 3000, 500, invoice="I2", sku="LAMP"))],
        [*remitted("r", 3500, -700, description="I2"), *remitted("s", 3500, document="D2", description="I1")],
        settings=BY_SKU,
        orders={"A": set()},
    ),
    Scene(
        "an invoice of two lines beside another one",
        "its postage comes with its first line",
        [
            order(
                "A",
                item("A-1", 3000, 500, invoice="I1"),
                item("A-2", 2000, 0, invoice="I1"),
                item("A-3", 5000, 500, invoice="I2"),
            )
        ],
        remitted("r", 5500, description="I1"),
        settings=PLAIN,
        orders={"A": {"PARTIALLY_SETTLED"}},
    ),
    Scene(
        "one of two invoices is remitted short",
        "of its own amount, with its own postage; the other waits",
        [order("A", *ALIKE)],
        remitted("r", 3400, description="I1"),
        settings=PLAIN,
        orders={"A": {"AMOUNT_MISMATCH", "PARTIALLY_SETTLED"}},
        unsettled={"A": {"A-2": 3150}},
    ),
    Scene(
        "one of two invoices is remitted twice",
        "the second is no settlement of the other",
        [order("A", *ALIKE)],
        [*remitted("r", 3500, description="I1"), *remitted("s", 3500, description="I1")],
        settings=PLAIN,
        orders={"A": {"DUPLICATE_LINE", "PARTIALLY_SETTLED"}},
        unsettled={"A": {"A-2": 3150}},
    ),
    Scene(
        "one of two invoices was never remitted, and both had postage",
        "",
        [
            order(
                "A",
                item("A-1", 3000, 500, invoice="I1 11", shipped_on=LONG_AGO),
                item("A-2", 3000, 500, invoice="I2 12", shipped_on=LONG_AGO),
            )
        ],
        remitted("r", 3500, description="12"),
        settings=PLAIN,
        orders={"A": {"MISSING_SETTLEMENT"}},
        unsettled={"A": {"A-1": 3150}},
    ),
    Scene(
        "an amendment of one of two invoices",
        "as much was given back of the other, and is waited for",
        [
            order(
                "A",
                *ALIKE,
                refunds=(gave_back("R1", "A-1", amount=1000), gave_back("R2", "A-2", amount=1000)),
            )
        ],
        [
            *remitted("r", 3500, description="I1"),
            *remitted("s", 3500, description="I2"),
            *remitted("t", -1000, description="I2"),
        ],
        settings=PLAIN,
        orders={"A": {"PARTIALLY_SETTLED"}},
        unsettled={"A": {"A-1": -900}},
    ),
    Scene(
        "a remittance names its line item",
        "both lines come to the same",
        [order("A", item("A-1", 2000, 0), item("A-2", 2000, 0))],
        remitted("r", 2000, order_line_id="A-2"),
        settings=PLAIN,
        orders={"A": {"PARTIALLY_SETTLED"}},
        unsettled={"A": {"A-1": 1800}},
    ),
    Scene(
        "an invoice short of what was sold",
        "one difference, one code: the shipping is whole",
        [order("A", item("A-1", 5000, 500))],
        remitted("r", 5300),
        settings=PLAIN,
        orders={"A": {"AMOUNT_MISMATCH"}},
        variance={"A": -180},
    ),
    Scene(
        "an amendment gives back what the store gave back",
        "",
        [order("A", item("A-1", 5000, 500), refunds=(gave_back("R1", amount=5000, shipping=500),))],
        [*remitted("r", 5500), *remitted("s", -5500, document="D2")],
        settings=PLAIN,
        orders={"A": set()},
        expected_net={"A": 0},
    ),
    Scene(
        "an amendment for a part",
        "",
        [order("A", item("A-1", 5000, 500), refunds=(gave_back("R1", amount=1200), gave_back("R2", amount=700)))],
        [*remitted("r", 5500), *remitted("s", -700), *remitted("t", -1200)],
        settings=PLAIN,
        orders={"A": set()},
    ),
    Scene(
        "an amendment that the store knows nothing of",
        "",
        [order("A", item("A-1", 5000, 500))],
        [*remitted("r", 5500), *remitted("s", -1000)],
        settings=PLAIN,
        orders={"A": {"REFUND_NOT_IN_STORE"}},
    ),
    Scene(
        "an amendment without its commission",
        "",
        [order("A", item("A-1", 5000, 500), refunds=(gave_back("R1", amount=5000),))],
        [*remitted("r", 5500), *remitted("s", -5000)[:1]],
        settings=PLAIN,
        orders={"A": {"COMMISSION_NOT_REFUNDED"}},
    ),
    Scene(
        "another commission on an invoice",
        "",
        [order("A", item("A-1", 5000, 500))],
        remitted("r", 5500, -825),
        settings=PLAIN,
        orders={"A": {"COMMISSION_RATE_MISMATCH"}},
    ),
    Scene(
        "an invoice twice",
        "",
        [order("A", item("A-1", 5000, 500))],
        [*remitted("r", 5500), *remitted("s", 5500)],
        settings=PLAIN,
        orders={"A": {"DUPLICATE_LINE"}},
    ),
    Scene(
        "an invoice of an order that nobody knows",
        "",
        [],
        remitted("r", 5500),
        settings=PLAIN,
        orders={"A": {"UNKNOWN_ORDER"}},
    ),
    Scene(
        "an amount of an invoice without an order",
        "",
        [],
        [line("r", "ORDER_TOTAL_AMOUNT", 5500, "", "")],
        settings=PLAIN,
        outside={"r": "UNKNOWN_ORDER"},
    ),
    Scene(
        "amendments outweigh invoices and wait",
        "a negative total is not advised until it is positive again",
        [
            order("A", item("A-1", 5000, 0), refunds=(gave_back("R1", amount=5000),)),
            order("B", item("B-1", 7000, 0)),
        ],
        [
            *remitted("r", 5000, document="D0"),
            payment(4500, "D0"),
            *remitted("s", -5000, document="D1"),
            *remitted("t", 7000, order_id="B", document="D1"),
            payment(1800, "D1"),
        ],
        settings=PLAIN,
        orders={"A": set(), "B": set()},
        documents={"D0": set(), "D1": set()},
        balances={"D0": (0, 0), "D1": (0, 0)},
    ),
)
