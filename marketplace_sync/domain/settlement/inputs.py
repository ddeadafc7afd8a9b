"""What reconciliation is given: orders with the store's record, settlement lines and bank receipts, as plain data.

Amounts are integer minor units. Days are local days of the connection's time zone: whoever reads a feed or a file
converts them, so that everything behind counts in days only.
"""

from __future__ import annotations

from datetime import date

import msgspec

CANCELLED_STATES = frozenset({"CANCELED", "CANCELLED", "REFUSED", "VOID", "VOIDED"})
"""States, in capitals, of an order or line that nobody owes anything for (Mirakl, order life cycle; files)."""

SETTLED_STATES = frozenset({"PAYABLE", "PAYMENT_IN_PROGRESS", "PAID", ""})
"""Payment states that count as settled; a file that states none states only what was paid."""

HELD_STATE = "PENDING"


class SoldLine(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One order line, whole. Positive amounts of the order's currency: what the seller is to receive."""

    line_id: str = ""
    """The marketplace's id; empty when the record has none."""
    sku: str = ""
    categories: tuple[str, ...] = ()
    """Code and label, whichever the rates are configured by."""
    quantity: int = 1
    price: int
    shipping: int = 0
    tax: int | None = None
    """On price and shipping together, on top of them under TAX_EXCLUDED; None when not stated."""
    fees: int = 0
    """Fees that the buyer pays on top and the seller receives."""
    base_price: int | None = None
    """What commission on the product is due on, where it is not `price`: a promotion that the operator funds."""
    base_shipping: int | None = None
    other_prices: tuple[int, ...] = ()
    """Other amounts known for the product, such as the price before the seller's discount."""
    own_commission: int | None = None
    """The commission that the order itself states, without VAT."""
    shipped_on: date | None = None
    cancelled: bool = False
    invoice: str = ""
    """What the marketplace calls the invoice that settles this line with others in one amount, separated by blanks;
    empty where it settles order lines."""


class StoreRefund(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Money given back as the store's record has it, per order line. Positive amounts."""

    refund_id: str = ""
    """The marketplace's id; empty when the store does not know it: then the amounts decide."""
    line_id: str = ""
    refunded_on: date | None = None
    amount: int = 0
    shipping: int = 0
    tax: int | None = None
    quantity: int | None = None
    reason: str = ""


class SoldOrder(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    channel: str
    order_id: str
    commercial_id: str = ""
    currency: str
    held: bool = True
    """In the store's record, where there is one."""
    awaited: bool = False
    """Not held, and it may yet come by itself: nobody has looked for it since there is money for it, or it is going
    into the store."""
    cancelled: bool = False
    placed_on: date | None = None
    shipped_on: date | None = None
    """For lines that state no day themselves."""
    lines: tuple[SoldLine, ...] = ()
    refunds: tuple[StoreRefund, ...] = ()
    """The store's; the marketplace's own only where they stand in for it."""
    refund_reasons: dict[str, str] = msgspec.field(default_factory=dict)
    """Refund id -> the marketplace's reason."""


class SettlementLine(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One line of the marketplace's transaction log. `amount` is signed: positive is owed to the seller."""

    line_id: str
    """The marketplace's own id: the same id is the same line."""
    type: str
    amount: int
    currency: str
    channel: str
    order_id: str = ""
    order_line_id: str = ""
    refund_id: str = ""
    document: str = ""
    document_created_on: date | None = None
    payment_state: str = ""
    created_on: date | None = None
    description: str = ""


class BankReceipt(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    bank_ref: str
    amount: int
    currency: str
    received_on: date | None = None
    documents: tuple[str, ...] = ()
