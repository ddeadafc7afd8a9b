"""Reads what the shop is paid: the transaction log and the payout cycles it adds up to."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, datetime
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

import msgspec
from msgspec.structs import replace

from marketplace_sync.connectors.mirakl import fields
from marketplace_sync.connectors.mirakl.calls import Calls
from marketplace_sync.connectors.mirakl.settings import MiraklSettings
from marketplace_sync.connectors.ports import Malformed
from marketplace_sync.decoding import decoder
from marketplace_sync.domain.settlement.inputs import SettlementLine
from marketplace_sync.domain.settlement.line_types import PAYMENT

_CYCLES_PAGE = 1000


class PayoutCycle(msgspec.Struct, frozen=True, kw_only=True):
    """One payout cycle as the operator closed it. Amounts are minor units of `currency`."""

    cycle_id: str
    created_at: datetime
    currency: str
    transferred_to_seller: int
    state: str
    """`TO_PAY`, `PAID` or `FAILED`; empty when not stated."""
    bank_reference: str = ""
    paid_at: datetime | None = None
    voucher_number: str = ""
    failure_reason: str = ""


class _Id(msgspec.Struct):
    id: Any = None


class _OneOffItem(msgspec.Struct):
    description: Any = None


class _Entities(msgspec.Struct):
    order: _Id | None = None
    order_line: _Id | None = None
    refund: _Id | None = None
    one_off_item: _OneOffItem | None = None


class _Transaction(msgspec.Struct):
    id: Any = None
    type: Any = None
    amount: Any = None
    currency_iso_code: Any = None
    date_created: Any = None
    payment_state: Any = None
    seller_billing_cycle_id: Any = None
    accounting_document_number: Any = None
    accounting_document_creation_date: Any = None
    entities: _Entities | None = None


class _PayOut(msgspec.Struct):
    state: Any = None
    reference: Any = None
    transaction_date: Any = None
    failure_reason: Any = None


class _Cycle(msgspec.Struct):
    id: Any = None
    date_created: Any = None
    currency_iso_code: Any = None
    amount_transferred_to_seller: Any = None
    payment_voucher_number: Any = None
    pay_out: _PayOut | None = None


class Ledger:
    """The money side of one shop, read only. Methods raise TransportError, and Malformed naming what cannot be read."""

    def __init__(self, name: str, settings: MiraklSettings, calls: Calls) -> None:
        self._name = name
        self._settings = settings
        self._calls = calls
        self._zone = ZoneInfo(settings.time_zone)

    def lines(self, since: datetime | None, document: str = "", cycle_id: str = "") -> Iterator[SettlementLine]:
        """Transactions updated since (TL02), in the order of their updates; only those of one document or payout
        cycle when it is named. A line comes again whenever its payment state moves. Amounts keep the operator's sign.

        A payment that states no document gets the one of its cycle's other lines, if they have but one; so payments
        come last. What cannot be read is raised at the end, when everything else was given out.
        """
        params: dict[str, str | int] = {"sort": "lastUpdated,ASC"}
        if since is not None:
            params["last_updated_from"] = fields.timestamp(since)
        if document:
            params["accounting_document_number"] = document
        if cycle_id:
            params["seller_billing_cycle_id"] = cycle_id
        payments: list[tuple[str, SettlementLine]] = []
        problems: list[str] = []
        documents: dict[str, dict[str, date | None]] = {}
        for rows in self._calls.seek(
            "/api/sellerpayment/transactions_logs",
            params=params,
            limit=self._settings.transactions_page_size,
            bucket="transactions",
            operation="read transactions",
        ):
            for row in rows:
                try:
                    cycle, line = self._line(row)
                except Malformed as problem:
                    problems.append(str(problem))
                    continue
                if line.document:
                    documents.setdefault(cycle, {})[line.document] = line.document_created_on
                elif line.type == PAYMENT and cycle:
                    payments.append((cycle, line))
                    continue
                yield line
        for cycle, line in payments:
            known = list(documents.get(cycle, {}).items())
            yield replace(line, document=known[0][0], document_created_on=known[0][1]) if len(known) == 1 else line
        if problems:
            raise Malformed(f"{len(problems)} of the transactions: {'; '.join(problems[:5])}")

    def cycles(self, since: datetime | None) -> Iterator[PayoutCycle]:
        """Payout cycles closed since (SBC11), the oldest first."""
        params: dict[str, str | int] = {"sort": "dateCreated,ASC"}
        if since is not None:
            params["start_date"] = fields.timestamp(since)
        for rows in self._calls.seek(
            "/api/seller-billing-cycles", params=params, limit=_CYCLES_PAGE, operation="read payout cycles"
        ):
            for row in rows:
                yield self._cycle(row)

    def _line(self, row: bytes) -> tuple[str, SettlementLine]:
        """The line, behind its payout cycle."""
        stated = _decoded(row, _Transaction, "a transaction")
        line_id = fields.text(stated.id)
        if not line_id:
            raise Malformed("a transaction has no id")
        currency = self._currency(stated.currency_iso_code, f"transaction {line_id}")
        amount = fields.money(stated.amount, currency, f"transaction {line_id} amount")
        if amount is None:
            raise Malformed(f"transaction {line_id} has no amount")
        entities = stated.entities or _Entities()
        line = SettlementLine(
            line_id=line_id,
            type=fields.text(stated.type),
            amount=amount,
            currency=currency,
            channel=self._name,
            order_id=_id(entities.order),
            order_line_id=_id(entities.order_line),
            refund_id=_id(entities.refund),
            document=fields.text(stated.accounting_document_number),
            document_created_on=self._day(stated.accounting_document_creation_date),
            payment_state=fields.text(stated.payment_state),
            created_on=self._day(stated.date_created),
            description=fields.text(entities.one_off_item.description) if entities.one_off_item else "",
        )
        return fields.text(stated.seller_billing_cycle_id), line

    def _cycle(self, row: bytes) -> PayoutCycle:
        stated = _decoded(row, _Cycle, "a payout cycle")
        cycle_id = fields.text(stated.id)
        created_at = fields.moment(stated.date_created)
        if not cycle_id or created_at is None:
            raise Malformed(f"payout cycle {cycle_id or '?'}: id or date_created is missing")
        currency = self._currency(stated.currency_iso_code, f"payout cycle {cycle_id}")
        pay_out = stated.pay_out or _PayOut()
        return PayoutCycle(
            cycle_id=cycle_id,
            created_at=created_at,
            currency=currency,
            transferred_to_seller=fields.amount(
                stated.amount_transferred_to_seller, currency, f"payout cycle {cycle_id} amount_transferred_to_seller"
            ),
            state=fields.text(pay_out.state),
            bank_reference=fields.text(pay_out.reference),
            paid_at=fields.moment(pay_out.transaction_date),
            voucher_number=fields.text(stated.payment_voucher_number),
            failure_reason=fields.text(pay_out.failure_reason),
        )

    def _currency(self, stated: Any, where: str) -> str:
        currency = fields.text(stated).upper() or self._settings.currency
        if len(currency) != 3 or not currency.isalpha():
            raise Malformed(f"{where}: {currency[:20]!r} is no currency")
        return currency

    def _day(self, stated: Any) -> date | None:
        moment = fields.moment(stated)
        return moment.astimezone(self._zone).date() if moment else None


def _id(entity: _Id | None) -> str:
    return fields.text(entity.id) if entity else ""


def _decoded(row: bytes, kind: type[Any], what: str) -> Any:
    try:
        return decoder(kind, float_hook=Decimal).decode(row)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError, ArithmeticError) as problem:
        raise Malformed(f"{what} cannot be read: {str(problem)[:200]}") from None
