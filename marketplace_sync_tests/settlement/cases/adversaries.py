"""Books made to mislead: look-alikes, coincidences, several faults in one order, odd identifiers."""

from __future__ import annotations

from datetime import timedelta

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

ODD = 'Ü/"7"\\,;=1'

CASES = (
    Scene(
        "order ids that differ in case and blanks",
        "Ids are compared exactly.",
        [order("a1"), order("A1")],
        sale("A1"),
        orders={"A1": set(), "a1": {"NOT_YET_DUE"}},
    ),
    Scene(
        "an id full of traps",
        "Quotes, separators and a formula are part of an id.",
        [order(ODD)],
        sale(ODD),
        orders={ODD: set()},
    ),
    Scene(
        "a refund as large as the commission",
        "Amounts that happen to be equal explain nothing.",
        [order("A", refunds=(gave_back("R1", amount=825),))],
        sale() + refund(product=-825, commission=124, vat=25),
        orders={"A": set()},
    ),
    Scene(
        "shipping equal to the product",
        "Equal amounts of two types are no duplicates.",
        [order("A", item("A-1", 500, 500))],
        sale(product=500, shipping=500, commission=-150, vat=-30),
        orders={"A": set()},
    ),
    Scene(
        "settled for another order's amount",
        "Each order on its own.",
        [order("A"), order("B", item("B-1", 6000, 0))],
        sale("A", product=6000, shipping=None, commission=-900, vat=-180),
        orders={"A": {"AMOUNT_MISMATCH", "PARTIALLY_SETTLED"}, "B": {"NOT_YET_DUE"}},
    ),
    Scene(
        "wrong base, wrong VAT, unknown refund",
        "Three root causes.",
        [order()],
        sale(commission=-750, vat=-100) + refund(product=-1000, commission=150, vat=30),
        orders={"A": {"COMMISSION_BASE_MISMATCH", "COMMISSION_VAT_MISMATCH", "REFUND_NOT_IN_STORE"}},
    ),
    Scene(
        "everything at once on two lines",
        "Each line keeps its own cause.",
        [order("A", item("A-1"), item("A-2", 2000, 0, shipped_on=LONG_AGO))],
        sale(commission=-990, vat=-198),
        orders={"A": {"COMMISSION_RATE_MISMATCH", "MISSING_SETTLEMENT"}},
    ),
    Scene(
        "the second line is paid on the first one's id",
        "Two lines for A-1, none for A-2.",
        [order("A", item("A-1", 2500, 0), item("A-2", 2500, 0))],
        sale("A", "A-1", product=2500, shipping=None, commission=-375, vat=-75)
        + sale("A", "A-1", name="x", product=2500, shipping=None, commission=-375, vat=-75),
        orders={"A": {"DUPLICATE_LINE", "PARTIALLY_SETTLED"}},
    ),
    Scene(
        "a record without line ids",
        "One line without an id, one line in the settlement.",
        [order("A", item(""))],
        sale("A", "whatever"),
        orders={"A": set()},
    ),
    Scene(
        "a record without line ids, two lines",
        "By their prices.",
        [order("A", item("", 5000, 500), item("", 2500, 0))],
        sale("A", "x2", product=2500, shipping=None, commission=-375, vat=-75) + sale("A", "x1"),
        orders={"A": set()},
    ),
    Scene(
        "a commission refund without an id",
        "Goes to the refund that has none yet.",
        [order("A", refunds=(gave_back("R1", amount=1000), gave_back("R2", amount=2000)))],
        [
            *sale(),
            *refund("R1", product=-1000, commission=150, vat=30),
            *refund("R2", product=-2000, commission=None, vat=None),
            *refund("", name="x", product=None, commission=300, vat=60),
        ],
        orders={"A": set()},
    ),
    Scene(
        "a refund before its sale",
        "The log need not be in order.",
        [order("A", refunds=(gave_back("R1"),))],
        refund(created_on=SETTLED - timedelta(5)) + sale(),
        orders={"A": set()},
    ),
    Scene(
        "no days at all",
        "What has no day is not late.",
        [order("A", item("A-1", shipped_on=None))],
        sale(created_on=None, payment_state=""),
        orders={"A": set()},
    ),
    Scene(
        "an order of nothing",
        "An order without lines expects nothing.",
        [order("A", item("A-1", 0, 0))],
        [],
        orders={"A": set()},
    ),
    Scene(
        "large amounts",
        "Beyond what 64 bits hold in a product.",
        [order("A", item("A-1", 10**14, 0))],
        sale(product=10**14, shipping=None, commission=-15 * 10**12, vat=-3 * 10**12),
        orders={"A": set()},
    ),
    Scene(
        "no minor units",
        "Yen have no hundredths: a tolerance of 0.01 is none.",
        [order("A", item("A-1", 5000, 0), currency="JPY")],
        sale(shipping=None, commission=-751, vat=-150, currency="JPY"),
        orders={"A": {"COMMISSION_RATE_MISMATCH"}},
    ),
    Scene(
        "commission at the right amount for the wrong reason",
        "20 % of 41.25 equal 15 % of 55.00: the amount is right.",
        [order()],
        sale(commission=-825, vat=-165),
        orders={"A": set()},
    ),
    Scene(
        "a manual credit equal to another order's error",
        "Only what names the order corrects it.",
        [order("A"), order("B")],
        [*sale(product=4500), *sale("B"), line("x", "MANUAL_CREDIT", 500, "B", "")],
        orders={"A": {"AMOUNT_MISMATCH"}, "B": {"MANUAL_CREDIT_REVIEW"}},
    ),
)
