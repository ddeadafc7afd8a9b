"""The settlement line types that are known, and what each is to an order: one table.

Names as the transaction log spells them (Mirakl, transaction types), plus the older names that file exports use.
"""

from __future__ import annotations

from enum import StrEnum

import msgspec

from marketplace_sync.domain.settlement.codes import Code


class Component(StrEnum):
    """What is compared, in the order in which it is shown."""

    PRODUCT = "product"
    SHIPPING = "shipping"
    TAX = "tax"
    COMMISSION = "commission"
    COMMISSION_VAT = "commission_vat"
    REFUND = "refund"
    REFUND_SHIPPING = "refund_shipping"
    REFUND_COMMISSION = "refund_commission"
    REFUND_COMMISSION_VAT = "refund_commission_vat"
    FEE = "fee"
    OTHER = "other"


COMPONENT_ORDER: dict[str, int] = {component.value: place for place, component in enumerate(Component)}

COMMISSION_KINDS = frozenset(
    {Component.COMMISSION, Component.COMMISSION_VAT, Component.REFUND_COMMISSION, Component.REFUND_COMMISSION_VAT}
)


class Place(StrEnum):
    """Where a line of this type is at home."""

    ORDER = "order"
    """Always about an order; without one, nobody knows whose it is."""
    EITHER = "either"
    """On the order that it names by id, else outside orders."""
    OUTSIDE = "outside"
    """Never about an order."""
    PAYOUT = "payout"
    """The payout itself."""


class LineType(msgspec.Struct, frozen=True, kw_only=True):
    name: str
    place: Place
    component: Component = Component.OTHER
    refund: bool = False
    sign: int
    """The natural sign for the seller; a line against it takes something back."""
    operator_nets: bool = False
    """The operator keeps what it paid or remits itself: nets against the shipping or tax it mirrors."""
    shipping_tax: bool = False
    code: Code | None = None
    """What it is called outside orders, and on an order when nothing explains it. A VAT twin has its base line's."""


def _table(*types: LineType) -> dict[str, LineType]:
    return {line_type.name: line_type for line_type in types}


def _sale(name: str, component: Component, sign: int = 1, *, nets: bool = False) -> LineType:
    return LineType(name=name, place=Place.ORDER, component=component, sign=sign, operator_nets=nets,
                    shipping_tax=component is Component.TAX and "SHIPPING" in name)  # fmt: skip


def _refund(name: str, component: Component, sign: int = -1, *, nets: bool = False) -> LineType:
    return LineType(name=name, place=Place.ORDER, component=component, refund=True, sign=sign, operator_nets=nets,
                    shipping_tax=component is Component.TAX and "SHIPPING" in name)  # fmt: skip


def _charge(*names: str) -> list[LineType]:
    return [LineType(name=n, place=Place.EITHER, sign=-1, code=Code.MANUAL_INVOICE_REVIEW) for n in names]


def _credit(*names: str) -> list[LineType]:
    return [LineType(name=n, place=Place.EITHER, sign=1, code=Code.MANUAL_CREDIT_REVIEW) for n in names]


def _outside(name: str, sign: int, code: Code) -> LineType:
    return LineType(name=name, place=Place.OUTSIDE, sign=sign, code=code)


_C = Component

KNOWN: dict[str, LineType] = _table(
    _sale("ORDER_AMOUNT", _C.PRODUCT),
    _sale("ORDER_SHIPPING_AMOUNT", _C.SHIPPING),
    _sale("ORDER_AMOUNT_TAX", _C.TAX),
    _sale("ORDER_SHIPPING_AMOUNT_TAX", _C.TAX),
    _sale("COMMISSION_FEE", _C.COMMISSION, -1),
    _sale("COMMISSION_VAT", _C.COMMISSION_VAT, -1),
    _sale("OPERATOR_PAID_ORDER_SHIPPING_AMOUNT", _C.SHIPPING, -1, nets=True),
    _sale("OPERATOR_PAID_ORDER_SHIPPING_AMOUNT_TAX", _C.TAX, -1, nets=True),
    _sale("OPERATOR_REMITTED_ORDER_AMOUNT_TAX", _C.TAX, -1, nets=True),
    _sale("OPERATOR_REMITTED_ORDER_SHIPPING_AMOUNT_TAX", _C.TAX, -1, nets=True),
    _refund("REFUND_ORDER_AMOUNT", _C.REFUND),
    _refund("REFUND_ORDER_SHIPPING_AMOUNT", _C.REFUND_SHIPPING),
    _refund("REFUND_ORDER_AMOUNT_TAX", _C.TAX),
    _refund("REFUND_ORDER_SHIPPING_AMOUNT_TAX", _C.TAX),
    _refund("REFUND_COMMISSION_FEE", _C.REFUND_COMMISSION, 1),
    _refund("REFUND_COMMISSION_VAT", _C.REFUND_COMMISSION_VAT, 1),
    _refund("OPERATOR_PAID_REFUND_ORDER_SHIPPING_AMOUNT", _C.REFUND_SHIPPING, 1, nets=True),
    _refund("OPERATOR_PAID_REFUND_ORDER_SHIPPING_AMOUNT_TAX", _C.TAX, 1, nets=True),
    _refund("OPERATOR_REMITTED_REFUND_ORDER_AMOUNT_TAX", _C.TAX, 1, nets=True),
    _refund("OPERATOR_REMITTED_REFUND_ORDER_SHIPPING_AMOUNT_TAX", _C.TAX, 1, nets=True),
    # Fees that the buyer pays on top (deposits, recycling), handed on to the seller or remitted by the operator.
    _sale("ORDER_FEE_AMOUNT", _C.FEE),
    _sale("OPERATOR_REMITTED_ORDER_FEE_AMOUNT", _C.FEE, -1, nets=True),
    _refund("REFUND_ORDER_FEE_AMOUNT", _C.FEE),
    _refund("OPERATOR_REMITTED_REFUND_ORDER_FEE_AMOUNT", _C.FEE, 1, nets=True),
    # What an invoice came to in one amount, product and shipping together: our own names, for files that say no more.
    _sale("ORDER_TOTAL_AMOUNT", _C.PRODUCT),
    _refund("REFUND_TOTAL_AMOUNT", _C.REFUND),
    # Where the operator buys from the seller and resells.
    _sale("PURCHASE_COMMISSION_FEE", _C.COMMISSION, -1),
    _sale("PURCHASE_SHIPPING_COMMISSION_FEE", _C.COMMISSION, -1),
    _sale("PURCHASE_FEE_COMMISSION_FEE", _C.COMMISSION, -1),
    _sale("PURCHASE_ORDER_AMOUNT_TAX", _C.TAX),
    _sale("PURCHASE_ORDER_SHIPPING_AMOUNT_TAX", _C.TAX),
    _refund("REFUND_PURCHASE_COMMISSION_FEE", _C.REFUND_COMMISSION, 1),
    _refund("REFUND_PURCHASE_SHIPPING_COMMISSION_FEE", _C.REFUND_COMMISSION, 1),
    _refund("REFUND_PURCHASE_FEE_COMMISSION_FEE", _C.REFUND_COMMISSION, 1),
    _refund("REFUND_PURCHASE_ORDER_AMOUNT_TAX", _C.TAX),
    _refund("REFUND_PURCHASE_ORDER_SHIPPING_AMOUNT_TAX", _C.TAX),
    *_charge("MANUAL_INVOICE", "MANUAL_INVOICE_VAT", "INVOICEABLE_ONE_OFF_DEBIT", "INVOICEABLE_ONE_OFF_DEBIT_TAX"),
    *_credit("MANUAL_CREDIT", "MANUAL_CREDIT_VAT", "INVOICEABLE_ONE_OFF_CREDIT", "INVOICEABLE_ONE_OFF_CREDIT_TAX"),
    *(
        LineType(name=name, place=Place.EITHER, component=_C.FEE, sign=-1, code=Code.MANUAL_INVOICE_REVIEW)
        for name in ("SELLER_FEE_ON_ORDER", "SELLER_FEE_ON_ORDER_TAX")
    ),
    *(
        LineType(name=name, place=Place.EITHER, component=_C.FEE, sign=-1, code=Code.PENALTY_FEE)
        for name in ("SELLER_PENALTY_FEE", "SELLER_PENALTY_FEE_TAX")
    ),
    *(
        _outside(name, -1, Code.SUBSCRIPTION)
        for name in ("SUBSCRIPTION_FEE", "SUBSCRIPTION", "SUBSCRIPTION_VAT", "SUBSCRIPTION_FEE_VAT")
    ),
    _outside("RESERVE_FUNDING", -1, Code.RESERVE),
    _outside("RESERVE_SETTLEMENT", 1, Code.RESERVE),
    LineType(name="PAYMENT", place=Place.PAYOUT, sign=-1),
)

PAYMENT = "PAYMENT"


def _plain(line_type: LineType) -> bool:
    return (
        line_type.place is Place.ORDER
        and not line_type.operator_nets
        and not line_type.name.startswith(("PURCHASE", "REFUND_PURCHASE"))
        and line_type.component is not Component.FEE
        and not (line_type.refund and line_type.component is Component.TAX)
        and not line_type.shipping_tax
    )


INVOICED = frozenset({
    "COMMISSION_FEE", "COMMISSION_VAT", "REFUND_COMMISSION_FEE", "REFUND_COMMISSION_VAT", "SUBSCRIPTION_FEE",
    "SUBSCRIPTION_FEE_VAT", "SUBSCRIPTION", "SUBSCRIPTION_VAT", "SELLER_FEE_ON_ORDER", "SELLER_FEE_ON_ORDER_TAX",
    "SELLER_PENALTY_FEE", "SELLER_PENALTY_FEE_TAX",
})  # fmt: skip
"""What a marketplace takes for itself, and the tax on it: what the invoice that comes with a payout is about (Mirakl,
billing documents; that it is about nothing else is assumed)."""

PLAIN_TYPES: dict[str, int] = {t.name: COMPONENT_ORDER[t.component] for t in KNOWN.values() if _plain(t)}
"""Types whose one line is one component, without netting or interpretation: to the component's place."""


def is_manual(line_type: LineType | None) -> bool:
    """Made by hand by the operator: what it uses to put an earlier mistake right."""
    return line_type is not None and line_type.place is Place.EITHER and line_type.component is Component.OTHER


def outside_code(name: str) -> Code:
    """The code of a line of this type that belongs to no order."""
    known = KNOWN.get(name)
    if known is None:
        return Code.UNKNOWN_LINE_TYPE
    if known.place is Place.ORDER:
        return Code.UNKNOWN_ORDER
    if known.code is Code.PENALTY_FEE:
        return Code.MANUAL_INVOICE_REVIEW
    assert known.code is not None, f"{name} has no code outside orders"
    return known.code
