"""Cancels units that never left and gives money back: both are refund requests, told apart by `dispatched`.

A request of ours carries a mark as its external id. Each step looks first at what is there, so that a try that was cut
off is gone on with and never repeated.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from marketplace_sync.connectors.marketplacer import documents, fields
from marketplace_sync.connectors.marketplacer.account import Account
from marketplace_sync.connectors.marketplacer.graphql import GraphQL
from marketplace_sync.connectors.marketplacer.now import OrderNow, order_now
from marketplace_sync.connectors.marketplacer.reading import Reader
from marketplace_sync.connectors.marketplacer.reversals import reversal_id
from marketplace_sync.connectors.marketplacer.settings import MarketplacerSettings
from marketplace_sync.connectors.marketplacer.stated import Invoice, RefundLine, RefundRequest
from marketplace_sync.connectors.outcomes import outcome_of
from marketplace_sync.domain.effects import (
    CancelLines,
    Delivered,
    Effect,
    InDoubt,
    LineUnits,
    NotThere,
    Outcome,
    Postponed,
    RefundLines,
    Refused,
    Resolution,
)
from marketplace_sync.domain.errors import TransportError

_UNANSWERED = ("PENDING_APPROVAL", "AWAITING_RETURN")
_OURS = "REFUND_ACCEPTED"
"""The state that lines of ours are created in: nobody has to accept what the seller asks for itself."""


class _Payload(msgspec.Struct, rename="camel"):
    refund_request: RefundRequest | None = None


class TakingBack:
    """Thread-safe."""

    def __init__(self, settings: MarketplacerSettings, calls: GraphQL, reader: Reader, account: Account) -> None:
        self._settings = settings
        self._calls = calls
        self._reader = reader
        self._account = account

    def cancel(self, effect: Effect, wish: CancelLines) -> Outcome:
        return self._carry_out(effect, wish.order_id, wish.lines, {}, wish.reason, requested=True)

    def give_back(self, effect: Effect, wish: RefundLines) -> Outcome:
        if not wish.lines or len(wish.lines) != len(wish.amounts) or any(amount < 0 for amount in wish.amounts):
            return Refused("it names no lines, or not one amount for each", code="NO_LINES")
        amounts = {units.line_id: amount for units, amount in zip(wish.lines, wish.amounts, strict=True) if amount}
        return self._carry_out(effect, wish.order_id, wish.lines, amounts, wish.reason, requested=False)

    def verdict(self, effect: Effect, wish: CancelLines | RefundLines) -> Resolution:
        """Delivered when all of it is done. Half of it is gone on with by delivering it again."""
        now = order_now(self._reader, self._settings, wish.order_id)
        if isinstance(now, Refused | Postponed | InDoubt):
            return now
        wanted = now.by_invoice(wish.lines)
        if isinstance(wanted, Refused):
            return wanted
        found: list[str] = []
        for invoice_id, units in wanted.items():
            request = self._request(effect, now.invoices[invoice_id], units, isinstance(wish, CancelLines))
            if request is None or not self._done(request):
                return NotThere()
            found += _ids(request)
        return Delivered({"found": True, "refund_ids": found})

    def _carry_out(
        self,
        effect: Effect,
        order_id: str,
        lines: Sequence[LineUnits],
        amounts: Mapping[str, int],
        reason: str,
        *,
        requested: bool,
    ) -> Outcome:
        now = order_now(self._reader, self._settings, order_id)
        if isinstance(now, InDoubt):
            return Postponed(now.reason)
        if isinstance(now, Refused | Postponed):
            return now
        wanted = now.by_invoice(lines)
        if isinstance(wanted, Refused):
            return wanted
        found: list[str] = []
        try:
            for invoice_id, units in wanted.items():
                request = self._request(effect, now.invoices[invoice_id], units, requested)
                if request is None:
                    request = self._create(effect, now, invoice_id, units, amounts, reason, dispatched=not requested)
                self._finish(request, sum(amounts.get(line_id, 0) for line_id in units))
                found += _ids(request)
        except TransportError as problem:
            return outcome_of(problem)
        return Delivered({"refund_ids": found})

    def _request(
        self, effect: Effect, invoice: Invoice, units: Mapping[str, int], cancelling: bool
    ) -> RefundRequest | None:
        """Ours by its mark; else the one by which these units are asked to be cancelled, which we agree to."""
        for request in invoice.refund_requests:
            if any(fields.text(pair.value) == self._mark(effect) for pair in request.external_ids or ()):
                return request
        if not cancelling:
            return None
        for request in invoice.refund_requests:
            asked = {line.line_item.id: line.quantity for line in request.line_items if line.line_item}
            open_ = all(fields.text(line.status) not in ("REFUNDED", "REFUND_DENIED") for line in request.line_items)
            unmarked = not any(
                fields.text(pair.key) == self._settings.marker_key for pair in request.external_ids or ()
            )
            undispatched = all(line.dispatched is False for line in request.line_items)
            if open_ and unmarked and undispatched and asked == dict(units):
                return request
        return None

    def _create(
        self,
        effect: Effect,
        now: OrderNow,
        invoice_id: str,
        units: Mapping[str, int],
        amounts: Mapping[str, int],
        reason: str,
        *,
        dispatched: bool,
    ) -> RefundRequest:
        items: list[dict[str, Any]] = []
        for line_id, quantity in units.items():
            item: dict[str, Any] = {
                "lineItemId": line_id,
                "quantity": quantity,
                "dispatched": dispatched,
                "reason": reason or ("Refunded by the seller" if dispatched else "Cancelled by the seller"),
                "status": "PENDING_APPROVAL" if self._account.is_seller else _OURS,
            }
            if amounts.get(line_id):
                item["amountPerItemCents"] = amounts[line_id] // max(1, quantity)
            items.append(item)
        given = {
            "invoiceId": invoice_id,
            "lineItems": items,
            "initiatedBy": "SELLER",
            "notes": [{"note": reason or f"Order {now.order_id}, by marketplace_sync"}],
            "externalIds": [{"key": self._settings.marker_key, "value": self._mark(effect)}],
        }
        payload = self._calls.write(documents.CREATE_REFUND, {"input": given})
        made = self._account.decoded(documents.CREATE_REFUND, payload, _Payload).refund_request
        if made is None:
            raise self._calls.unreadable(documents.CREATE_REFUND, "it names no refund request")
        for line in made.line_items:
            line.status = items[0]["status"]
        return made

    def _finish(self, request: RefundRequest, cash: int) -> None:
        """Accept what waits for it, and let the buyer have the money: only the operator may (sheet, 7)."""
        if self._account.is_seller or self._done(request):
            return
        for line in request.line_items:
            if fields.text(line.status) in _UNANSWERED:
                given = {"refundRequestLineItemId": line.id, "notes": [{"note": "Accepted by marketplace_sync"}]}
                self._calls.write(documents.ACCEPT_LINE, {"input": given})
        refund: dict[str, Any] = {"refundRequestId": request.id, "notes": [{"note": "Refunded by marketplace_sync"}]}
        if cash:
            refund["cashAmountCents"] = cash
        self._calls.write(documents.GIVE_BACK, {"input": refund})

    def _done(self, request: RefundRequest) -> bool:
        """A seller has done its part with the request; the operator when the buyer has the money."""
        counted: list[RefundLine] = [line for line in request.line_items if not line.only_remittance]
        return self._account.is_seller or all(fields.text(line.status) == "REFUNDED" for line in counted)

    def _mark(self, effect: Effect) -> str:
        return effect.natural_key


def _ids(request: RefundRequest) -> list[str]:
    return [reversal_id(request, line) for line in request.line_items if not line.only_remittance]
