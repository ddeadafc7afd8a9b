"""What a settlement line is booked as: the few names that statements, journals and pictures are made of."""

from __future__ import annotations

from collections.abc import Iterable

from marketplace_sync.domain.settlement.codes import Code
from marketplace_sync.domain.settlement.line_types import KNOWN, PAYMENT, Component

_COMPONENTS = {
    Component.PRODUCT: "sales",
    Component.SHIPPING: "shipping",
    Component.TAX: "tax",
    Component.REFUND: "refunds",
    Component.REFUND_SHIPPING: "refunds",
    Component.COMMISSION: "commission",
    Component.REFUND_COMMISSION: "commission",
    Component.COMMISSION_VAT: "commission_vat",
    Component.REFUND_COMMISSION_VAT: "commission_vat",
    Component.FEE: "fees",
}
_OUTSIDE = {Code.SUBSCRIPTION: "subscription", Code.RESERVE: "reserve"}

ACCOUNTS = (
    "sales", "shipping", "tax", "refunds", "commission", "commission_vat", "fees", "subscription", "reserve", "manual",
    "unknown",
)  # fmt: skip
"""Every name, in the order in which money goes from gross sales down to the payout."""


def account_of(line_type: str) -> str:
    """One of `ACCOUNTS`: where lines of a type belong in the books. Tax on a refund is booked with the tax."""
    known = KNOWN.get(line_type)
    if known is None:
        return "unknown"
    if known.code in _OUTSIDE:
        return _OUTSIDE[known.code]
    return _COMPONENTS.get(known.component, "manual")


def by_account(amounts: Iterable[tuple[str, int]]) -> dict[str, int]:
    """(line type, minor units) added up by account, in the order of `ACCOUNTS`, without those that come to nothing.
    The payment itself is none of them."""
    sums = dict.fromkeys(ACCOUNTS, 0)
    for line_type, amount in amounts:
        if line_type != PAYMENT:
            sums[account_of(line_type)] += amount
    return {name: amount for name, amount in sums.items() if amount}
