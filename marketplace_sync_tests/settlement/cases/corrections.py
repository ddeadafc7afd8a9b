"""What was wrong and was put right later, in whole or in part; and what the operator charges by hand."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from marketplace_sync_tests.settlement.scene import LONG_AGO, SETTLED, Scene, gave_back, item, line, order, refund, sale

LATER: dict[str, Any] = {"created_on": SETTLED + timedelta(days=10), "document": "D2"}
REFUNDED = order("A", refunds=(gave_back("R1"),))

CASES = (
    Scene(
        "product short, the rest later",
        "",
        [order()],
        [*sale(product=4500), line("x", "ORDER_AMOUNT", 500, **LATER)],
        orders={"A": {"CORRECTED"}},
        status={"A": "matched"},
        variance={"A": 0},
    ),
    Scene(
        "product twice, one taken back",
        "",
        [order()],
        [*sale(), line("x", "ORDER_AMOUNT", 5000), line("y", "ORDER_AMOUNT", -5000, **LATER)],
        orders={"A": {"CORRECTED"}},
    ),
    Scene(
        "product twice, taken back on the same day",
        "A line against the nature of its type is a correction.",
        [order()],
        [*sale(), line("x", "ORDER_AMOUNT", 5000), line("y", "ORDER_AMOUNT", -5000)],
        orders={"A": {"CORRECTED"}},
    ),
    Scene(
        "commission too high, given back in part",
        "The rest of commission and VAT came back.",
        [order()],
        [
            *sale(commission=-990, vat=-198),
            line("x", "COMMISSION_FEE", 165, **LATER),
            line("y", "COMMISSION_VAT", 33, **LATER),
        ],
        orders={"A": {"CORRECTED"}},
    ),
    Scene(
        "commission too high, credited by hand",
        "A manual line with the order's id belongs to the order.",
        [order()],
        [
            *sale(commission=-990, vat=-198),
            line("x", "MANUAL_CREDIT", 165, **LATER),
            line("y", "MANUAL_CREDIT_VAT", 33, **LATER),
        ],
        orders={"A": {"CORRECTED"}},
        variance={"A": 0},
    ),
    Scene(
        "product short, credited by hand",
        "",
        [order()],
        [*sale(product=4500), line("x", "MANUAL_CREDIT", 500, **LATER)],
        orders={"A": {"CORRECTED"}},
    ),
    Scene(
        "product over, invoiced by hand",
        "",
        [order()],
        [*sale(product=5500), line("x", "MANUAL_INVOICE", -500, **LATER)],
        orders={"A": {"CORRECTED"}},
    ),
    Scene(
        "commission not refunded, credited by hand",
        "",
        [REFUNDED],
        [*sale(), *refund(commission=None, vat=None), line("x", "MANUAL_CREDIT", 900, **LATER)],
        orders={"A": {"CORRECTED"}},
    ),
    Scene(
        "commission refunded later",
        "Until then it was missing.",
        [REFUNDED],
        [*sale(), *refund(commission=None, vat=None), *refund(product=None, **LATER)],
        orders={"A": {"CORRECTED"}},
    ),
    Scene(
        "never settled, credited by hand",
        "",
        [order("A", item("A-1", shipped_on=LONG_AGO))],
        [line("x", "MANUAL_CREDIT", 4510)],
        orders={"A": {"CORRECTED"}},
        variance={"A": 0},
    ),
    Scene(
        "commission too high, refunded without a refund",
        "A commission refund that belongs to no refund.",
        [order()],
        [
            *sale(commission=-990, vat=-198),
            line("x", "REFUND_COMMISSION_FEE", 165, **LATER),
            line("y", "REFUND_COMMISSION_VAT", 33, **LATER),
        ],
        orders={"A": {"CORRECTED"}},
    ),
    Scene(
        "one of two errors put right",
        "The other one stays.",
        [order()],
        [*sale(product=4500, shipping=300), line("x", "MANUAL_CREDIT", 200, **LATER)],
        orders={"A": {"CORRECTED", "AMOUNT_MISMATCH"}},
        status={"A": "exception"},
    ),
    Scene(
        "credited by hand, too little",
        "Still short, for the same reason.",
        [order()],
        [*sale(product=4500), line("x", "MANUAL_CREDIT", 200, **LATER)],
        orders={"A": {"AMOUNT_MISMATCH"}},
        variance={"A": -300},
    ),
    Scene(
        "credited before it went wrong",
        "A correction comes later.",
        [order()],
        [*sale(product=4500), line("x", "MANUAL_CREDIT", 500, created_on=SETTLED - timedelta(3))],
        orders={"A": {"AMOUNT_MISMATCH", "MANUAL_CREDIT_REVIEW"}},
    ),
    Scene(
        "charged by hand for no reason",
        "Nothing explains it.",
        [order()],
        [*sale(), line("x", "MANUAL_INVOICE", -700)],
        orders={"A": {"MANUAL_INVOICE_REVIEW"}},
        status={"A": "exception"},
        variance={"A": -700},
    ),
    Scene(
        "charged by hand and taken back",
        "",
        [order()],
        [*sale(), line("x", "MANUAL_INVOICE", -700), line("y", "MANUAL_CREDIT", 700, **LATER)],
        orders={"A": {"CORRECTED"}},
    ),
    Scene(
        "penalty",
        "",
        [order()],
        [*sale(), line("x", "SELLER_PENALTY_FEE", -500), line("y", "SELLER_PENALTY_FEE_TAX", -100)],
        orders={"A": {"PENALTY_FEE"}},
        variance={"A": -600},
    ),
    Scene(
        "penalty taken back",
        "",
        [order()],
        [*sale(), line("x", "SELLER_PENALTY_FEE", -500), line("y", "SELLER_PENALTY_FEE", 500, **LATER)],
        orders={"A": {"CORRECTED"}},
    ),
    Scene(
        "penalty before anything is settled",
        "The sale itself is in time.",
        [order()],
        [line("x", "SELLER_PENALTY_FEE", -500)],
        orders={"A": {"PENALTY_FEE", "NOT_YET_DUE"}},
    ),
    Scene(
        "penalty and a wrong product",
        "",
        [order()],
        [*sale(product=4500), line("x", "SELLER_PENALTY_FEE", -500)],
        orders={"A": {"PENALTY_FEE", "AMOUNT_MISMATCH"}},
    ),
    Scene(
        "penalty and a penny",
        "Rounding is only said where nothing else differs.",
        [order()],
        [*sale(commission=-826), line("x", "SELLER_PENALTY_FEE", -500)],
        orders={"A": {"PENALTY_FEE"}},
    ),
    Scene(
        "unknown line type",
        "Kept, counted, never dropped.",
        [order()],
        [*sale(), line("x", "ECO_SURCHARGE", -42)],
        orders={"A": {"UNKNOWN_LINE_TYPE"}},
        variance={"A": -42},
    ),
    Scene(
        "a refund taken back",
        "",
        [order()],
        [
            *sale(),
            *refund(),
            *[
                line(f"z{n}", kind, amount, refund_id="R1", **LATER)
                for n, (kind, amount) in enumerate(
                    (("REFUND_ORDER_AMOUNT", 5000), ("REFUND_COMMISSION_FEE", -750), ("REFUND_COMMISSION_VAT", -150))
                )
            ],
        ],
        orders={"A": {"CORRECTED"}},
        variance={"A": 0},
    ),
    Scene(
        "cancelled, charged and taken back",
        "",
        [order("A", cancelled=True)],
        [line("x", "COMMISSION_FEE", -825), line("y", "COMMISSION_FEE", 825, **LATER)],
        orders={"A": {"CORRECTED"}},
    ),
    Scene(
        "settled late, never wrong",
        "Late is not wrong.",
        [order("A", item("A-1", shipped_on=LONG_AGO))],
        sale(),
        orders={"A": set()},
    ),
)
