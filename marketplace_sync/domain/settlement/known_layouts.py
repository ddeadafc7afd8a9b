"""How marketplaces lay their own settlement files out: used for a file that has their columns, unless a route declares
another layout."""

from __future__ import annotations

from collections.abc import Iterable

from marketplace_sync.domain.settlement.layouts import ControlTotal, FileLayout

_GBP = {"currency": "GBP"}


def _total(*columns: str) -> tuple[ControlTotal, ...]:
    """A last row that begins with `Total`, should there be one (assumed)."""
    return (ControlTotal(marker="Total", sums={column: column for column in columns}),)


JOHN_LEWIS_ITEMISED = FileLayout(
    columns={
        "order_id": "Order Number",
        "order_line_id": "Line Ref",
        "customer_order_number": "Customer Order Number",
        "accounting_document_number": "PO Number",
        "date_created": "Day Date",
        "description": "Product_Description",
    },
    constants=_GBP,
    controls=_total("Net Payable"),
    row_kind="Transaction Type",
    net="Net Payable",
    amounts={
        "SALE": {"Gross": "+ORDER_AMOUNT", "Commission": "-COMMISSION_FEE", "Fee": "-SELLER_FEE_ON_ORDER"},
        "RETURN": {
            "Gross": "-REFUND_ORDER_AMOUNT", "Commission": "+REFUND_COMMISSION_FEE", "Fee": "-SELLER_FEE_ON_ORDER",
        },
        "CANCELLATION": {
            "Gross": "-REFUND_ORDER_AMOUNT", "Commission": "+REFUND_COMMISSION_FEE", "Fee": "-SELLER_FEE_ON_ORDER",
        },
        "COMMISSION": {"Net Payable": "COMMISSION_FEE"},
        "PROCESSING_FEE": {"Net Payable": "SELLER_FEE_ON_ORDER"},
        "PENALTY": {"Net Payable": "SELLER_PENALTY_FEE"},
        "ADJUSTMENT": {"Net Payable": "MANUAL_CREDIT|MANUAL_INVOICE"},
    },
)  # fmt: skip
"""One row per order line and transaction; the purchase order of the week is the payout. (John Lewis, settlement)"""

JOHN_LEWIS_AGGREGATE = FileLayout(
    columns={
        "accounting_document_number": "Week Ending Date",
        "date_created": "Day Date",
        "description": "Product_Description",
        "ean": "EAN Product Code",
        "stock_number": "Product Code",
        "quantity": "Total Sales Quantity",
        "returned_quantity": "Total Returns Quantity",
    },
    constants=_GBP,
    amounts={"*": {"Net Cost Value": "ORDER_AMOUNT|REFUND_ORDER_AMOUNT"}},
    controls=_total("Net Cost Value", "Total Sales Quantity", "Total Returns Quantity"),
    net_of_tax=True,
    nameless="MANUAL_CREDIT|MANUAL_INVOICE",
)
"""A day, a branch and a product per row, and no order: what is owed is the cost, without VAT (assumed: reports are
split by VAT code), and the units are looked for among those that left on that day. A row without product and units is
a charge or a credit (assumed). (John Lewis, settlement)"""

JOHN_LEWIS_REMITTANCE = FileLayout(
    columns={
        "accounting_document_number": "PO Number",
        "currency": "Currency",
        "date_created": "Payment Date",
        "description": "Remittance Number",
    },
    row_kind="Document Type",
    amounts={
        "INVOICE": {"Net": "-PAYMENT", "Discount": "-INVOICEABLE_ONE_OFF_DEBIT"},
        "CREDIT_NOTE": {"Net": "+PAYMENT", "Discount": "+INVOICEABLE_ONE_OFF_CREDIT"},
        "DEBIT_NOTE": {"Net": "+PAYMENT", "Discount": "+INVOICEABLE_ONE_OFF_CREDIT"},
    },
)
"""What was paid of each purchase order: notes are taken off the payment. (John Lewis, settlement)"""

MARKETPLACER_REMITTANCE = FileLayout(
    columns={
        "order_id": "Order ID",
        "order_line_id": "Line Item ID",
        "accounting_document_number": "Remittance Advice ID",
        "currency": "Currency",
        "date_created": "Remitted At",
        "description": "Invoice ID",
    },
    controls=_total("Amount", "Commission Amount"),
    row_key=("Remittance ID", "Line Item ID"),
    amounts={
        "*": {
            "Amount": "ORDER_TOTAL_AMOUNT|REFUND_TOTAL_AMOUNT",
            "Commission Amount": "ORDER_TOTAL_AMOUNT|REFUND_TOTAL_AMOUNT & ~COMMISSION_FEE|REFUND_COMMISSION_FEE",
            "Paid Amount": "-PAYMENT",
        }
    },
)
"""One row per remittance, of an invoice or of an amendment: what of it is paid, the commission taken off before
(negative when it is given back), and in the row of the advice what was paid. The objects are published; the file, and
that amounts are after commission, is assumed. (Marketplacer, settlement)"""

LAYOUTS: dict[str, tuple[FileLayout, ...]] = {
    "john_lewis": (JOHN_LEWIS_ITEMISED, JOHN_LEWIS_REMITTANCE, JOHN_LEWIS_AGGREGATE),
    "marketplacer": (MARKETPLACER_REMITTANCE,),
}


def recognised(platform: str, header: Iterable[str]) -> FileLayout | None:
    """The platform's layout whose amounts the file has; the first of several. None: it is not one of its files."""
    there = {cell.strip() for cell in header}
    for layout in LAYOUTS.get(platform, ()):
        amounts = {column for kind in layout.amounts.values() for column in kind}
        if amounts | {layout.row_kind, layout.net} - {""} <= there | {""}:
            return layout
    return None
