"""Cancels units that never left and gives money back: both are refund requests, told apart by `dispatched`.

A request of ours carries a mark (`recognising`). Each step looks first at what is there, so that a try that was cut off
is gone on with and never repeated.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace as replaced
from typing import Any

import msgspec
from msgspec.structs import replace

from marketplace_sync.connectors.marketplacer import documents, fields
from marketplace_sync.connectors.marketplacer.account import Account
from marketplace_sync.connectors.marketplacer.graphql import GraphQL
from marketplace_sync.connectors.marketplacer.now import OrderNow, order_now
from marketplace_sync.connectors.marketplacer.reading import Reader
from marketplace_sync.connectors.marketplacer.recognising import Asked, Recognising, Undecided, per_item
from marketplace_sync.connectors.marketplacer.reversals import reversal_id
from marketplace_sync.connectors.marketplacer.settings import MarketplacerSettings
from marketplace_sync.connectors.marketplacer.stated import RefundLine, RefundRequest
from marketplace_sync.connectors.outcomes import outcome_of, unresolved
from marketplace_sync.domain.effects import (
    CancelLines,
    Delivered,
    Effect,
    InDoubt,
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
        self._recognising = Recognising(settings, calls, account)

    def cancel(self, effect: Effect, wish: CancelLines) -> Outcome:
        return self._carry_out(effect, wish, {})

    def give_back(self, effect: Effect, wish: RefundLines) -> Outcome:
        if not wish.lines or len(wish.lines) != len(wish.amounts) or any((amount or 0) < 0 for amount in wish.amounts):
            return Refused("it names no lines, or not one amount for each", code="NO_LINES")
        paid = _paid(wish)
        if not paid.lines:
            return Refused("it gives no money back", code="NO_AMOUNT")
        return self._carry_out(effect, paid, _amounts(paid))

    def verdict(self, effect: Effect, wish: CancelLines | RefundLines) -> Resolution:
        """Delivered when all of it is done. Half of it is gone on with by delivering it again. In doubt where there is
        what could be it and nothing to tell by."""
        wish = _paid(wish) if isinstance(wish, RefundLines) else wish
        now = order_now(self._reader, self._settings, wish.order_id)
        if isinstance(now, Refused | Postponed | InDoubt):
            return now
        wanted = now.by_invoice(wish.lines)
        if isinstance(wanted, Refused):
            return wanted
        found: list[str] = []
        try:
            for invoice_id, units in wanted.items():
                asked = _asked(effect, wish, now, invoice_id, units)
                requests, rest = self._recognising.ours(asked, now.invoices[invoice_id], repeated=True)
                if rest or not all(self._done(request) for request in requests):
                    return NotThere()
                found += [each for request in requests for each in _ids(request)]
        except Undecided as problem:
            return InDoubt(str(problem))
        except TransportError as problem:
            return unresolved(problem)
        return Delivered({"found": True, "refund_ids": found, **_missing(wish)})

    def _carry_out(self, effect: Effect, wish: CancelLines | RefundLines, amounts: Mapping[str, int]) -> Outcome:
        now = order_now(self._reader, self._settings, wish.order_id)
        if isinstance(now, InDoubt):
            return Postponed(now.reason)
        if isinstance(now, Refused | Postponed):
            return now
        wanted = now.by_invoice(wish.lines)
        if isinstance(wanted, Refused):
            return wanted
        found: list[str] = []
        made = ""
        try:
            for invoice_id, units in wanted.items():
                asked = _asked(effect, wish, now, invoice_id, units)
                recognisable = self._recognising.can_tell(asked)
                invoice = now.invoices[invoice_id]
                requests, rest = self._recognising.ours(asked, invoice, repeated=effect.attempts > 1)
                stated = all(line_id in amounts for line_id in units)
                # what a line is worth whose amount is not stated, the instance works out itself
                cash = sum(amounts[line_id] for line_id in units) if stated else 0
                for request in requests:
                    self._finish(effect, request, cash)
                if rest:
                    request = self._create(replaced(asked, units=rest), now.order_id, invoice_id, wish.reason)
                    made = made if recognisable else f"{made} {request.id}"
                    self._finish(effect, request, cash)
                    requests = [*requests, request]
                found += [each for request in requests for each in _ids(request)]
        except Undecided as problem:
            return InDoubt(str(problem))
        except TransportError as problem:
            if made:
                # whoever tried again would not know what was made and make it a second time
                return InDoubt(f"{problem} (refund request{made} was made before and carries no mark)")
            return outcome_of(problem)
        return Delivered({"refund_ids": found, **_missing(wish)})

    def _create(self, asked: Asked, order_id: str, invoice_id: str, reason: str) -> RefundRequest:
        items: list[dict[str, Any]] = []
        for line_id, quantity in asked.units.items():
            item: dict[str, Any] = {
                "lineItemId": line_id,
                "quantity": quantity,
                "dispatched": not asked.cancelling,
                "reason": reason or ("Cancelled by the seller" if asked.cancelling else "Refunded by the seller"),
                "status": "PENDING_APPROVAL" if self._account.is_seller else _OURS,
            }
            if asked.amounts.get(line_id):
                item["amountPerItemCents"] = per_item(asked.amounts, asked.units, line_id)
            items.append(item)
        given: dict[str, Any] = {
            "invoiceId": invoice_id,
            "lineItems": items,
            "initiatedBy": "SELLER",
            "notes": self._recognising.notes(asked.effect, reason or f"Order {order_id}, by marketplace_sync"),
        }
        if marks := self._recognising.external_ids(asked.effect):
            given["externalIds"] = marks
        payload = self._calls.write(documents.CREATE_REFUND, {"input": given})
        made = self._account.decoded(documents.CREATE_REFUND, payload, _Payload).refund_request
        if made is None:
            raise self._calls.unreadable(documents.CREATE_REFUND, "it names no refund request")
        for line in made.line_items:
            line.status = items[0]["status"]
        return made

    def _finish(self, effect: Effect, request: RefundRequest, cash: int) -> None:
        """Accept what waits for it, and let the buyer have the money: only the operator may (sheet, 7)."""
        if self._account.is_seller or self._done(request):
            return
        for line in request.line_items:
            if fields.text(line.status) in _UNANSWERED:
                given = {"refundRequestLineItemId": line.id, "notes": [{"note": "Accepted by marketplace_sync"}]}
                self._calls.write(documents.ACCEPT_LINE, {"input": given})
        # the mark again: the request may be one that the buyer made and we agree to
        notes = self._recognising.notes(effect, "Refunded by marketplace_sync")
        refund: dict[str, Any] = {"refundRequestId": request.id, "notes": notes}
        if cash:
            refund["cashAmountCents"] = cash
        self._calls.write(documents.GIVE_BACK, {"input": refund})

    def _done(self, request: RefundRequest) -> bool:
        """A seller has done its part with the request; the operator when the buyer has the money."""
        counted: list[RefundLine] = [line for line in request.line_items if not line.only_remittance]
        return self._account.is_seller or all(fields.text(line.status) == "REFUNDED" for line in counted)


def _paid(wish: RefundLines) -> RefundLines:
    """Without the lines that get nothing back."""
    kept = [pair for pair in zip(wish.lines, wish.amounts, strict=True) if pair[1] != 0]
    return replace(wish, lines=tuple(units for units, _ in kept), amounts=tuple(amount for _, amount in kept))


def _amounts(wish: RefundLines) -> dict[str, int]:
    """Line id -> minor units, of the lines whose amount is stated."""
    return {units.line_id: amount for units, amount in zip(wish.lines, wish.amounts, strict=True) if amount is not None}


def _missing(wish: CancelLines | RefundLines) -> dict[str, int]:
    """Of delivery nothing can be given back by a refund of lines: a person does it."""
    return {"not_given_back": wish.delivery} if isinstance(wish, RefundLines) and wish.delivery else {}


def _asked(
    effect: Effect, wish: CancelLines | RefundLines, now: OrderNow, invoice_id: str, units: Mapping[str, int]
) -> Asked:
    cancelling = isinstance(wish, CancelLines)
    amounts = _amounts(wish) if isinstance(wish, RefundLines) else {}
    return Asked(effect, units, amounts, cancelling=cancelling, purged=now.is_purged(invoice_id))


def _ids(request: RefundRequest) -> list[str]:
    return [reversal_id(request, line) for line in request.line_items if not line.only_remittance]
