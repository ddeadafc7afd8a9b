"""Lines outside orders: subscriptions, reserves, what the operator books by hand, types that nobody knows."""

from __future__ import annotations

from datetime import date

from marketplace_sync_tests.settlement.scene import SETTLED, Scene, fee, order, sale

EARLY = date(2026, 5, 1)
"""More than 90 days ago."""

CASES = (
    Scene(
        "subscription",
        "",
        lines=[fee("x", "SUBSCRIPTION_FEE", -3999), fee("y", "SUBSCRIPTION_VAT", -800), fee("z", "SUBSCRIPTION", -1)],
        outside={"x": "SUBSCRIPTION", "y": "SUBSCRIPTION", "z": "SUBSCRIPTION"},
    ),
    Scene(
        "reserve taken",
        "",
        lines=[fee("x", "RESERVE_FUNDING", -1000, payment_state="RESERVE")],
        outside={"x": "RESERVE"},
    ),
    Scene(
        "reserve kept too long",
        "",
        lines=[fee("x", "RESERVE_FUNDING", -1000, created_on=EARLY)],
        outside={"x": "RESERVE_OVERDUE"},
    ),
    Scene(
        "reserve exactly 90 days",
        "",
        lines=[fee("x", "RESERVE_FUNDING", -1000, created_on=date(2026, 6, 22))],
        outside={"x": "RESERVE"},
    ),
    Scene(
        "reserve given back",
        "",
        lines=[fee("x", "RESERVE_FUNDING", -1000, created_on=EARLY), fee("y", "RESERVE_SETTLEMENT", 1000)],
        outside={"x": "RESERVE", "y": "RESERVE"},
    ),
    Scene(
        "reserve given back oldest first",
        "What came back is the first one's; the second is in time.",
        lines=[
            fee("y", "RESERVE_FUNDING", -1000),
            fee("x", "RESERVE_FUNDING", -1000, created_on=EARLY),
            fee("z", "RESERVE_SETTLEMENT", 1000),
        ],
        outside={"x": "RESERVE", "y": "RESERVE", "z": "RESERVE"},
    ),
    Scene(
        "two old reserves, one given back",
        "",
        lines=[
            fee("x", "RESERVE_FUNDING", -1000, created_on=EARLY),
            fee("y", "RESERVE_FUNDING", -1000, created_on=date(2026, 5, 2)),
            fee("z", "RESERVE_SETTLEMENT", 1000),
        ],
        outside={"x": "RESERVE", "y": "RESERVE_OVERDUE", "z": "RESERVE"},
    ),
    Scene(
        "reserve given back in part",
        "By amount: some of it is still there.",
        lines=[fee("x", "RESERVE_FUNDING", -1000, created_on=EARLY), fee("z", "RESERVE_SETTLEMENT", 400)],
        outside={"x": "RESERVE_OVERDUE", "z": "RESERVE"},
    ),
    Scene(
        "reserves of two currencies",
        "",
        lines=[
            fee("x", "RESERVE_FUNDING", -1000, created_on=EARLY),
            fee("z", "RESERVE_SETTLEMENT", 1000, currency="EUR", document="D2"),
        ],
        outside={"x": "RESERVE_OVERDUE", "z": "RESERVE"},
        documents={"D1": set(), "D2": set()},
    ),
    Scene(
        "charged by hand",
        "",
        lines=[fee("x", "MANUAL_INVOICE", -500), fee("y", "MANUAL_INVOICE_VAT", -100)],
        outside={"x": "MANUAL_INVOICE_REVIEW", "y": "MANUAL_INVOICE_REVIEW"},
    ),
    Scene(
        "credited by hand",
        "",
        lines=[fee("x", "MANUAL_CREDIT", 500), fee("y", "MANUAL_CREDIT_VAT", 100)],
        outside={"x": "MANUAL_CREDIT_REVIEW", "y": "MANUAL_CREDIT_REVIEW"},
    ),
    Scene(
        "one-off items",
        "",
        lines=[fee("x", "INVOICEABLE_ONE_OFF_DEBIT", -500), fee("y", "INVOICEABLE_ONE_OFF_CREDIT_TAX", 100)],
        outside={"x": "MANUAL_INVOICE_REVIEW", "y": "MANUAL_CREDIT_REVIEW"},
    ),
    Scene(
        "a penalty without an order",
        "",
        lines=[fee("x", "SELLER_PENALTY_FEE", -500), fee("y", "SELLER_FEE_ON_ORDER_TAX", -5)],
        outside={"x": "MANUAL_INVOICE_REVIEW", "y": "MANUAL_INVOICE_REVIEW"},
    ),
    Scene(
        "unknown type without an order", "", lines=[fee("x", "LOYALTY_BONUS", 5)], outside={"x": "UNKNOWN_LINE_TYPE"}
    ),
    Scene(
        "an order only named in words",
        "It does not belong to the order, which stays wrong.",
        [order()],
        [*sale(product=4500), fee("x", "MANUAL_CREDIT", 500, description="Missing amount of order A, sorry")],
        orders={"A": {"AMOUNT_MISMATCH"}},
        outside={"x": "MANUAL_CREDIT_REVIEW"},
        suggested={"x": "A"},
    ),
    Scene(
        "a longer order id is not the shorter one",
        "",
        [order("77-A"), order("77-AB")],
        [fee("x", "MANUAL_INVOICE", -1, description="re (77-AB).")],
        orders={"77-A": {"NOT_YET_DUE"}, "77-AB": {"NOT_YET_DUE"}},
        outside={"x": "MANUAL_INVOICE_REVIEW"},
        suggested={"x": "77-AB"},
    ),
    Scene(
        "no order is named",
        "",
        [order("77-A")],
        [fee("x", "MANUAL_INVOICE", -1, description="photo service 177-A")],
        orders={"77-A": {"NOT_YET_DUE"}},
        outside={"x": "MANUAL_INVOICE_REVIEW"},
        suggested={"x": ""},
    ),
    Scene(
        "an order's amount without any order",
        "Settlement for an order that is not held.",
        [order()],
        [*sale(), fee("x", "ORDER_AMOUNT", 100, created_on=SETTLED)],
        orders={"A": set()},
        outside={"x": "UNKNOWN_ORDER"},
    ),
)
for _case in CASES:
    if not _case.documents:
        _case.documents = {"D1": set()}
