"""Finds the refund request that an effect made or agreed to, so that a try whose answer was lost is never repeated.

A request of ours is marked twice: by its external id, where the instance has such, and by a note, which every request
has to have (sheet, 7). Where neither can be read, because the instance has no such field or the order was purged, a
request of the same units and amounts may be ours or not: that is for a person.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import msgspec

from marketplace_sync.connectors.marketplacer import documents, fields
from marketplace_sync.connectors.marketplacer.account import Account
from marketplace_sync.connectors.marketplacer.graphql import GraphQL
from marketplace_sync.connectors.marketplacer.settings import MarketplacerSettings
from marketplace_sync.connectors.marketplacer.stated import Invoice, RefundRequest
from marketplace_sync.connectors.ports import Malformed
from marketplace_sync.domain.effects import Effect
from marketplace_sync.domain.errors import CredentialsRefused, RequestRejected

_OVER = ("REFUNDED", "REFUND_DENIED")


@dataclass(frozen=True)
class Asked:
    """What an effect asks of one invoice."""

    effect: Effect
    units: Mapping[str, int]
    amounts: Mapping[str, int]
    """Minor units of a line, where it has to be so much."""
    cancelling: bool
    purged: bool

    def is_alike(self, request: RefundRequest) -> bool:
        """The same units and amounts, sent or not sent."""
        if _units(request) != dict(self.units) or not self.is_of_the_kind(request):
            return False
        return all(
            line.amount_cents in (None, each * line.quantity)
            for line in request.line_items
            if line.line_item and (each := per_item(self.amounts, self.units, line.line_item.id))
        )

    def is_part_of_it(self, request: RefundRequest) -> bool:
        """Some of the units that are to be cancelled, and no others."""
        asked = _units(request)
        return self.cancelling and bool(asked) and asked <= Counter(self.units) and self.is_of_the_kind(request)

    def is_of_the_kind(self, request: RefundRequest) -> bool:
        return not any(line.dispatched is self.cancelling for line in request.line_items)


def per_item(amounts: Mapping[str, int], units: Mapping[str, int], line_id: str) -> int:
    """Minor units for each unit of a line, as a request states them; the buyer gets the exact sum."""
    return amounts.get(line_id, 0) // max(1, units[line_id])


class Undecided(Exception):
    """A request is there that may be ours or somebody's. The message says which, and what to do."""


class _Note(msgspec.Struct):
    note: Any = None


class _Noted(msgspec.Struct):
    id: str
    notes: list[_Note | None] | None = None


class _InvoiceNotes(msgspec.Struct, rename="camel"):
    refund_requests: list[_Noted] | None = None


class Recognising:
    """Thread-safe. Its questions raise TransportError."""

    def __init__(self, settings: MarketplacerSettings, calls: GraphQL, account: Account) -> None:
        self._settings = settings
        self._calls = calls
        self._account = account

    def external_ids(self, effect: Effect) -> list[dict[str, str]]:
        """The mark of a new request; none where it could not be read again."""
        if not documents.has_external_ids(self._account.schema()):
            return []
        return [{"key": self._settings.marker_key, "value": effect.natural_key}]

    def notes(self, effect: Effect, words: str) -> list[dict[str, str]]:
        """What is noted with everything that this effect does, for people and for `ours`."""
        return [{"note": words}, {"note": self._note(effect)}]

    def ours(self, asked: Asked, invoice: Invoice, *, repeated: bool) -> tuple[list[RefundRequest], dict[str, int]]:
        """The requests that this effect made or agreed to, with those by which the buyer asks for units that are to be
        cancelled, which we agree to; and the units for which there is none yet. `repeated`: the effect may have been
        sent before. Raises TransportError, Undecided."""
        key, marker = asked.effect.natural_key, self._settings.marker_key
        pairs = {
            request.id: [fields.text(one.value) for one in request.external_ids or () if fields.text(one.key) == marker]
            for request in invoice.refund_requests
        }
        for request in invoice.refund_requests:
            if key in pairs[request.id]:
                return [request], {}
        others = [request for request in invoice.refund_requests if not pairs[request.id]]
        notes = self._notes(invoice) if others else {}
        noted = [request for request in others if self._note(asked.effect) in notes.get(request.id, ())]
        if any(not asked.cancelling or _initiator(request) == "SELLER" for request in noted):
            return noted, {}  # made by it, for all that nobody had asked for
        free = [
            request
            for request in others
            if (asked.is_alike(request) or asked.is_part_of_it(request))
            and not any(note.startswith(f"{marker} ") for note in notes.get(request.id, ()))
        ]
        found = noted
        rest = Counter(asked.units)
        for request in noted:
            rest -= _units(request)
        for request in sorted(free, key=lambda one: -_units(one).total()):
            told = _initiator(request) not in ("", "SELLER") or self._shows_marks(asked, request, notes)
            waits = all(fields.text(line.status) not in _OVER for line in request.line_items)
            if asked.cancelling and told and waits and _units(request) <= rest:
                found = [*found, request]
                rest -= _units(request)
        if repeated and rest:
            missing = replace(asked, units=dict(rest))
            self._decide(missing, [request for request in free if request not in found], notes)
        return found, dict(rest)

    def can_tell(self, asked: Asked) -> bool:
        """Whether a request that is made now is recognised afterwards."""
        schema = self._account.schema()
        return not asked.purged and (documents.has_external_ids(schema) or documents.refund_notes(schema) is not None)

    def _decide(self, asked: Asked, free: Sequence[RefundRequest], notes: Mapping[str, list[str]]) -> None:
        for request in free:
            # one that we agreed to has no external id of ours, and a refund is never agreed to
            agreed = asked.cancelling and _initiator(request) != "SELLER"
            if not agreed and not asked.is_alike(request):
                continue
            known = not asked.purged and request.id in notes if agreed else self._shows_marks(asked, request, notes)
            if not known and (asked.cancelling or _initiator(request) != "BUYER"):
                what = "cancellation" if asked.cancelling else "refund"
                raise Undecided(
                    f"a {what} of the same units is there (refund request {request.id},"
                    f" {fields.text(request.status) or 'without a state'}) and shows no mark by which it could be told"
                    f" whether it is this one; look at it in the portal: if it is, skip this effect; if it is not, make"
                    f" the {what} there and skip this effect"
                )

    def _shows_marks(self, asked: Asked, request: RefundRequest, notes: Mapping[str, list[str]]) -> bool:
        return not asked.purged and (request.external_ids is not None or request.id in notes)

    def _notes(self, invoice: Invoice) -> dict[str, list[str]]:
        """Refund request -> its notes; without those whose notes this key or this instance does not show."""
        document = documents.refund_notes(self._account.schema())
        if document is None:
            return {}
        try:
            said = self._calls.ask(document, {"ids": [invoice.id]})
        except (RequestRejected, CredentialsRefused) as problem:
            if problem.status == 401:
                raise
            return {}
        raw = said.data.get("nodes", msgspec.Raw(b"[]"))
        found = self._account.decoded(document, raw, list[_InvoiceNotes | None])
        return {
            request.id: [fields.text(one.note) for one in request.notes if one is not None]
            for each in found
            for request in (each.refund_requests if each else None) or ()
            if request.notes is not None
        }

    def _note(self, effect: Effect) -> str:
        return f"{self._settings.marker_key} {effect.natural_key}"


def _units(request: RefundRequest) -> Counter[str]:
    """Line -> units. Raises Undecided for what cannot be read."""
    found: Counter[str] = Counter()
    try:
        for line in request.line_items:
            if line.line_item:
                found[line.line_item.id] += fields.units(line.quantity, "quantity")
    except Malformed as problem:
        raise Undecided(f"refund request {request.id} cannot be read: {problem}; look at it in the portal") from None
    return found


def _initiator(request: RefundRequest) -> str:
    return fields.text(request.initiated_by)
