"""Commission: by rate, by base, its VAT, and the pennies that are tolerated."""

from __future__ import annotations

from datetime import date

from marketplace_sync.domain.settlement.inputs import SettlementLine
from marketplace_sync_tests.settlement.scene import Scene, gave_back, item, line, order, refund, sale

THREE = order("A", *(item(f"A-{n}", 3333, 0) for n in (1, 2, 3)))


def _third(number: int, commission: int, vat: int) -> list[SettlementLine]:
    return sale("A", f"A-{number}", product=3333, shipping=None, commission=commission, vat=vat)


PROMOTED = item("A-1", 4500, 0, other_prices=(5000,))
"""Sold for 45.00 after a discount of 5.00 that the seller pays."""
FUNDED = item("A-1", 4500, 0, base_price=5000)
"""45.00 after a discount of 5.00 that the operator pays; commission is due on 50.00."""

CASES = (
    Scene(
        "commission at another rate",
        "18 % is neither the rate nor the rate on anything known.",
        [order()],
        sale(commission=-990, vat=-198),
        orders={"A": {"COMMISSION_RATE_MISMATCH"}},
        variance={"A": -198},
    ),
    Scene(
        "commission at a lower rate",
        "In the seller's favour, and still not what was agreed.",
        [order()],
        sale(commission=-550, vat=-110),
        orders={"A": {"COMMISSION_RATE_MISMATCH"}},
    ),
    Scene(
        "commission on the product only",
        "The agreed rate on another known base.",
        [order()],
        sale(commission=-750, vat=-150),
        orders={"A": {"COMMISSION_BASE_MISMATCH"}},
    ),
    Scene(
        "commission on shipping, where none is due",
        "The other way round.",
        [order()],
        sale(),
        settings={"commission_on_shipping": False},
        orders={"A": {"COMMISSION_BASE_MISMATCH"}},
    ),
    Scene(
        "no commission on shipping, as agreed",
        "",
        [order()],
        sale(commission=-750, vat=-150),
        settings={"commission_on_shipping": False},
        orders={"A": set()},
    ),
    Scene(
        "commission before the seller's discount",
        "Due after it.",
        [order("A", PROMOTED)],
        sale(product=4500, shipping=None, commission=-750, vat=-150),
        orders={"A": {"COMMISSION_BASE_MISMATCH"}},
    ),
    Scene(
        "commission after the seller's discount",
        "As agreed.",
        [order("A", PROMOTED)],
        sale(product=4500, shipping=None, commission=-675, vat=-135),
        orders={"A": set()},
    ),
    Scene(
        "commission before the operator's discount",
        "As agreed.",
        [order("A", FUNDED)],
        sale(product=4500, shipping=None, commission=-750, vat=-150),
        orders={"A": set()},
    ),
    Scene(
        "a penny of commission",
        "Inside the tolerance.",
        [order()],
        sale(commission=-826),
        orders={"A": {"ROUNDING"}},
        status={"A": "matched_tolerance"},
        variance={"A": -1},
    ),
    Scene("a penny of VAT", "", [order()], sale(vat=-164), orders={"A": {"ROUNDING"}}, variance={"A": 1}),
    Scene(
        "a penny of each, apart",
        "They cancel out in the total and are counted one by one.",
        [order()],
        sale(commission=-826, vat=-164),
        orders={"A": {"ROUNDING"}},
        variance={"A": 0},
    ),
    Scene(
        "two pennies of one commission",
        "Over the tolerance of one component.",
        [order()],
        sale(commission=-827, vat=-165),
        orders={"A": {"COMMISSION_RATE_MISMATCH"}},
    ),
    Scene(
        "a penny on two of three lines",
        "Two pennies in all are still inside.",
        [THREE],
        _third(1, -501, -100) + _third(2, -501, -100) + _third(3, -500, -100),
        orders={"A": {"ROUNDING"}},
    ),
    Scene(
        "a penny on each of three lines",
        "Three pennies are more than the order's tolerance.",
        [THREE],
        _third(1, -501, -100) + _third(2, -501, -100) + _third(3, -501, -100),
        orders={"A": {"COMMISSION_RATE_MISMATCH"}},
    ),
    Scene(
        "a penny beside a wrong product",
        "Rounding is only said where nothing else differs.",
        [order()],
        sale(product=4500, commission=-826),
        orders={"A": {"AMOUNT_MISMATCH"}},
    ),
    Scene(
        "VAT at another rate",
        "The commission is right.",
        [order()],
        sale(vat=-144),
        orders={"A": {"COMMISSION_VAT_MISMATCH"}},
    ),
    Scene(
        "no VAT at all",
        "None is not the VAT on what was charged.",
        [order()],
        sale(vat=None),
        orders={"A": {"COMMISSION_VAT_MISMATCH"}},
    ),
    Scene(
        "VAT of the wrong commission",
        "VAT that follows a wrong commission is right.",
        [order()],
        sale(commission=-990, vat=-198),
        orders={"A": {"COMMISSION_RATE_MISMATCH"}},
    ),
    Scene(
        "wrong commission, VAT of the right one",
        "Two errors: VAT is due on what was charged.",
        [order()],
        sale(commission=-990, vat=-165),
        orders={"A": {"COMMISSION_RATE_MISMATCH", "COMMISSION_VAT_MISMATCH"}},
    ),
    Scene(
        "product short, commission at another rate",
        "Two independent errors.",
        [order()],
        sale(product=4500, commission=-900, vat=-180),
        orders={"A": {"AMOUNT_MISMATCH", "COMMISSION_RATE_MISMATCH"}},
    ),
    Scene(
        "product short, commission on the settled product only",
        "Amount and base.",
        [order()],
        sale(product=4000, commission=-600, vat=-120),
        orders={"A": {"AMOUNT_MISMATCH", "COMMISSION_BASE_MISMATCH"}},
    ),
    Scene(
        "commission twice",
        "Repeated before mispriced.",
        [order()],
        [*sale(), line("x", "COMMISSION_FEE", -825)],
        orders={"A": {"DUPLICATE_LINE"}},
    ),
    Scene(
        "commission and its VAT twice",
        "One error.",
        [order()],
        [*sale(), line("x", "COMMISSION_FEE", -825), line("y", "COMMISSION_VAT", -165)],
        orders={"A": {"DUPLICATE_LINE"}},
    ),
    Scene(
        "half up",
        "7.5 pence of commission are 8; 1.6 pence of VAT are 2.",
        [order("A", item("A-1", 50, 0))],
        sale(product=50, shipping=None, commission=-8, vat=-2),
        orders={"A": set()},
    ),
    Scene(
        "rounded per line, not per order",
        "Twice 0.5 pence are two pennies.",
        [order("A", item("A-1", 50, 0), item("A-2", 50, 0))],
        sale("A", "A-1", product=50, shipping=None, commission=-8, vat=-2)
        + sale("A", "A-2", product=50, shipping=None, commission=-8, vat=-2),
        orders={"A": set()},
        expected_net={"A": 80},
    ),
    Scene(
        "the SKU's rate before the category's",
        "",
        [order("A", item("A-1", 5000, 0, sku="TEA", categories=("drinks",)))],
        sale(shipping=None, commission=-400, vat=-80),
        settings={"commission_rates": {"default": 0.15, "categories": {"drinks": 0.12}, "skus": {"TEA": 0.08}}},
        orders={"A": set()},
    ),
    Scene(
        "the category's rate before the default",
        "",
        [order("A", item("A-1", 5000, 0, categories=("drinks",)))],
        sale(shipping=None, commission=-600, vat=-120),
        settings={"commission_rates": {"default": 0.15, "categories": {"drinks": 0.12}}},
        orders={"A": set()},
    ),
    Scene(
        "the rate of the day of sale",
        "It was sold before the new rate, and settled after it began.",
        [order("A", item("A-1", 5000, 0), placed_on=date(2026, 8, 31))],
        sale(shipping=None, commission=-500, vat=-100),
        settings={
            "commission_rates": {
                "default": [{"rate": 0.10, "until": "2026-08-31"}, {"rate": 0.15, "from": "2026-09-01"}]
            }
        },
        orders={"A": set()},
    ),
    Scene(
        "the old rate after its last day",
        "",
        [order("A", item("A-1", 5000, 0), placed_on=date(2026, 9, 1))],
        sale(shipping=None, commission=-500, vat=-100),
        settings={
            "commission_rates": {
                "default": [{"rate": 0.10, "until": "2026-08-31"}, {"rate": 0.15, "from": "2026-09-01"}]
            }
        },
        orders={"A": {"COMMISSION_RATE_MISMATCH"}},
    ),
    Scene(
        "a SKU's rate that has ended",
        "Then the default holds.",
        [order("A", item("A-1", 5000, 0, sku="TEA"))],
        sale(shipping=None, commission=-750, vat=-150),
        settings={"commission_rates": {"default": 0.15, "skus": {"TEA": {"rate": 0.08, "until": "2026-06-30"}}}},
        orders={"A": set()},
    ),
    Scene(
        "the order's own commission",
        "Without an agreed rate the order says what is due.",
        [order("A", item("A-1", own_commission=660))],
        sale(commission=-660, vat=-132),
        settings={"commission_rates": {}},
        orders={"A": set()},
    ),
    Scene(
        "the order's own commission is not charged",
        "",
        [order("A", item("A-1", own_commission=660))],
        sale(),
        settings={"commission_rates": {}},
        orders={"A": {"COMMISSION_RATE_MISMATCH"}},
    ),
    Scene(
        "the agreed rate before the order's own",
        "Only without an agreed rate does the order's own count.",
        [order("A", item("A-1", own_commission=990))],
        sale(commission=-990, vat=-198),
        orders={"A": {"COMMISSION_RATE_MISMATCH"}},
    ),
    Scene(
        "a rate nobody knows",
        "Without any rate commission cannot be wrong, only its VAT.",
        [order()],
        sale(commission=-990, vat=-198),
        settings={"commission_rates": {}},
        orders={"A": set()},
    ),
    Scene(
        "no commission agreed, none charged",
        "",
        [order()],
        sale(commission=None, vat=None),
        settings={"commission_rates": {"default": 0}},
        orders={"A": set()},
    ),
    Scene(
        "no commission agreed, some charged",
        "",
        [order()],
        sale(),
        settings={"commission_rates": {"default": 0}},
        orders={"A": {"COMMISSION_RATE_MISMATCH"}},
    ),
    Scene(
        "a base that differs by less than a penny of commission",
        "Nothing but a rounding is left of it.",
        [order("A", item("A-1", 5000, 5))],
        sale(shipping=5, commission=-750, vat=-150),
        orders={"A": {"ROUNDING"}},
    ),
    Scene(
        "a fraction of a percent",
        "15.5 % of 55.00 are 8.525, half up 8.53; 20 % of that 1.706.",
        [order()],
        sale(commission=-853, vat=-171),
        settings={"commission_rates": {"default": 0.155}},
        orders={"A": set()},
    ),
    Scene(
        "rate wrong at the sale, the refund follows",
        "One error, at the sale, where it began.",
        [order("A", refunds=(gave_back("R1"),))],
        sale(commission=-990, vat=-198) + refund(commission=900, vat=180),
        orders={"A": {"COMMISSION_RATE_MISMATCH"}},
    ),
    Scene(
        "tolerances by setting",
        "Five pence each, and ten in all, where that is agreed.",
        [order()],
        sale(commission=-830, vat=-170),
        orders={"A": {"ROUNDING"}},
        settings={"tolerance_per_component": 0.05, "tolerance_per_order": 0.10},
    ),
    Scene(
        "no tolerance",
        "",
        [order()],
        sale(commission=-826),
        orders={"A": {"COMMISSION_RATE_MISMATCH"}},
        settings={"tolerance_per_component": 0, "tolerance_per_order": 0},
    ),
)
