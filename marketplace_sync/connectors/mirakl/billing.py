"""Invoices and credit notes that the operator issued to the shop."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from decimal import Decimal
from typing import Any
from urllib.parse import quote

import msgspec

from marketplace_sync.connectors.mirakl import fields
from marketplace_sync.connectors.mirakl.calls import Calls
from marketplace_sync.connectors.mirakl.settings import MiraklSettings
from marketplace_sync.connectors.ports import Malformed
from marketplace_sync.connectors.selling import BillingDocument, BillingLine
from marketplace_sync.decoding import decoder

_INVOICES = "/api/invoices"


class _Tax(msgspec.Struct):
    amount: Any = None


class _Line(msgspec.Struct):
    description: Any = None
    quantity: Any = None
    amount_excl_taxes: Any = None
    taxes: list[_Tax] | None = None
    order_id: Any = None


class _Payment(msgspec.Struct):
    state: Any = None
    reference: Any = None
    transaction_date: Any = None


class _Stated(msgspec.Struct):
    id: Any = None
    invoice_id: Any = None
    type: Any = None
    state: Any = None
    currency_iso_code: Any = None
    issue_date: Any = None
    date_created: Any = None
    due_date: Any = None
    total_amount_excl_taxes: Any = None
    total_amount_incl_taxes: Any = None
    total_charged_amount: Any = None
    details: list[_Line] | None = None
    payment: _Payment | None = None


class _Page(msgspec.Struct):
    invoices: list[msgspec.Raw]
    total_count: int


class Billing:
    """Thread-safe. Methods raise TransportError, and Malformed naming what cannot be read."""

    def __init__(self, settings: MiraklSettings, calls: Calls) -> None:
        self._settings = settings
        self._calls = calls

    def documents(self, since: datetime | None, cycle_id: str = "") -> Iterator[BillingDocument]:
        """IV01 to its end, of every type (its default is only the automatic ones), the oldest first. Allowed once a day
        with its pages."""
        params: dict[str, str | int] = {"type": "ALL", "sort": "dateCreated", "order": "asc"}
        if since is not None:
            params["start_date"] = fields.timestamp(since)
        if cycle_id:
            params["seller_billing_cycle_id"] = cycle_id
        offset = 0
        while True:
            asked = {**params, "max": self._settings.page_size, "offset": offset}
            page = self._calls.get(_INVOICES, _Page, params=asked, operation="read billing documents")
            for row in page.invoices:
                yield self._document(bytes(row))
            offset += len(page.invoices)
            if self._calls.is_over("read billing documents", page.invoices, offset, page.total_count):
                return

    def file(self, document_id: str) -> bytes:
        """IV02: the document itself."""
        return self._calls.raw(
            f"{_INVOICES}/{quote(document_id, safe='')}",
            bucket="default",
            operation="fetch billing document",
            headers={"accept": "application/octet-stream, */*"},
        ).body

    def _document(self, row: bytes) -> BillingDocument:
        try:
            stated = decoder(_Stated, float_hook=Decimal).decode(row)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError, ArithmeticError) as problem:
            raise Malformed(f"a billing document cannot be read: {str(problem)[:200]}") from None
        document_id = fields.text(stated.id) or fields.text(stated.invoice_id)
        where = f"billing document {document_id}"
        currency = fields.text(stated.currency_iso_code).upper() or self._settings.currency
        if not document_id or len(currency) != 3:
            raise Malformed(f"{where}: id or currency_iso_code is missing")
        payment = stated.payment or _Payment()
        return BillingDocument(
            document_id=document_id,
            number=fields.text(stated.invoice_id),
            type=fields.text(stated.type),
            state=fields.text(stated.state),
            currency=currency,
            issued_at=fields.moment(stated.issue_date) or fields.moment(stated.date_created),
            due_at=fields.moment(stated.due_date),
            net=fields.amount(stated.total_amount_excl_taxes, currency, f"{where} total_amount_excl_taxes"),
            gross=fields.amount(stated.total_amount_incl_taxes, currency, f"{where} total_amount_incl_taxes"),
            charged=fields.money(stated.total_charged_amount, currency, f"{where} total_charged_amount"),
            payment_state=fields.text(payment.state),
            bank_reference=fields.text(payment.reference),
            paid_at=fields.moment(payment.transaction_date),
            lines=tuple(_line(line, currency, where) for line in stated.details or ()),
        )


def _line(line: _Line, currency: str, where: str) -> BillingLine:
    return BillingLine(
        description=fields.text(line.description),
        quantity=1 if line.quantity is None else fields.units(line.quantity, f"{where} quantity"),
        net=fields.amount(line.amount_excl_taxes, currency, f"{where} amount_excl_taxes"),
        tax=sum(fields.amount(tax.amount, currency, f"{where} taxes") for tax in line.taxes or ()),
        order_id=fields.text(line.order_id),
    )
