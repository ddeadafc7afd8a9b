"""One instance: its documents, its numbers and times, and what it tells those who subscribed."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime, time, timedelta, timezone
from typing import Any

from marketplace_sync.sandbox.clock import Clock
from marketplace_sync.sandbox.marketplacer.settings import Settings
from marketplace_sync.sandbox.marketplacer.things import Thing, not_found, split_gid
from marketplace_sync.sandbox.state import Collection, Document, State

# Numbers of different kinds start far apart, so that a mix-up never hits an existing object by chance.
_FIRST = {
    "Order": 10283, "Invoice": 20294, "LineItem": 30305, "Shipment": 40411, "ShippedItem": 45001,
    "RefundRequest": 50501, "RefundRequestLineItem": 55601, "InvoiceAmendment": 60101,
    "InvoiceAmendmentLineItem": 65001,
    "Advert": 70001, "Variant": 80001, "Webhook": 901, "WebhookEvent": 1000001, "Remittance": 91001,
    "RemittanceAdvice": 95001, "ExternalID": 3001, "Address": 2001, "RefundRequestNote": 58001,
    "ShipmentStatus": 47001,
}  # fmt: skip

COLLECTIONS = {
    "Order": "orders", "Invoice": "invoices", "LineItem": "line_items", "Shipment": "shipments",
    "RefundRequest": "refund_requests", "RefundRequestLineItem": "refund_request_line_items",
    "InvoiceAmendment": "invoice_amendments", "Advert": "adverts", "Variant": "variants", "Taxon": "taxons",
    "Brand": "brands", "Seller": "sellers", "ShipmentCarrier": "carriers", "Webhook": "webhooks",
    "WebhookEvent": "webhook_events", "Remittance": "remittances", "RemittanceAdvice": "remittance_advices",
}  # fmt: skip

Change = tuple[str, Document, str]
"""Type, document and CREATE, UPDATE or DESTROY."""


class Market:
    """Documents by type and number (as text)."""

    def __init__(self, state: State, clock: Clock, settings: Settings) -> None:
        self.state = state
        self.clock = clock
        self.settings = settings
        self.of: dict[str, Collection] = {name: state.collection(kept) for name, kept in COLLECTIONS.items()}
        self.subscriptions = state.collection("subscriptions")
        self.coming = state.collection("coming_invoices")
        """Invoices of orders that are placed, which nobody sees yet."""
        self.publish: Callable[[list[Change]], None] = lambda changes: None
        """Tells those who subscribed; set by whoever knows them."""
        self._changes: list[Change] | None = None

    # --- time and numbers

    @property
    def _zone(self) -> timezone:
        return timezone(timedelta(hours=self.settings.utc_offset_hours))

    def now(self) -> str:
        return self.written(self.clock.now())

    def written(self, moment: datetime) -> str:
        """A moment as the API writes it: whole seconds, in the instance's zone."""
        return moment.astimezone(self._zone).isoformat(timespec="seconds").replace("+00:00", "Z")

    def day(self, moment: datetime) -> date:
        """The day that it is in the instance's zone."""
        return moment.astimezone(self._zone).date()

    def begin_of(self, day: str) -> str:
        """The midnight, in the instance's zone, at which a day begins that the API was given."""
        return self.written(datetime.combine(date.fromisoformat(day), time(), self._zone))

    def moment(self, given: str | None) -> str | None:
        """A moment an act was given, as it is kept."""
        return None if given is None else self.written(_aware(given))

    def next(self, typename: str) -> int:
        return self.state.counter(typename, _FIRST.get(typename, 1001))

    # --- documents

    def add(self, typename: str, document: Document) -> Document:
        """Keep a new document under the next number, and tell that it exists."""
        number = self.next(typename)
        now = self.now()
        kept = {"n": number, "legacyId": number, "createdAt": now, "updatedAt": now, **document}
        kept.setdefault("externalIds", [])
        kept.setdefault("metadata", [])
        self.of[typename].put(str(number), kept)
        self.changed(typename, kept, "CREATE")
        return kept

    def save(self, typename: str, document: Document, *, moves: bool = True) -> None:
        """Keep a changed document: it is updated now, unless the change does not move it."""
        if moves:
            document["updatedAt"] = self.now()
        self.of[typename].put(str(document["n"]), document)
        self.changed(typename, document, "UPDATE")

    def get(self, typename: str, number: int | str | None) -> Document:
        """Raises LookupError when there is none."""
        found = self.of[typename].get(str(number))
        if found is None:
            raise LookupError(f"there is no {typename} {number!r}")
        return found

    def known(self, typename: str, value: str | int) -> Document:
        """The document that a person means by its number or its id. Raises LookupError."""
        parts = split_gid(str(value))
        return self.get(typename, parts[1] if parts and parts[0] == typename else value)

    def by_id(self, typename: str, value: str, argument: str) -> Document:
        """The document with this id in a call. Raises TopLevelError when there is none."""
        parts = split_gid(value)
        found = self.of[typename].get(str(parts[1])) if parts and parts[0] == typename else None
        if found is None:
            raise not_found(argument, value)
        return found

    def find(self, value: str) -> Thing | None:
        parts = split_gid(value)
        if parts is None or parts[0] not in self.of:
            return None
        found = self.of[parts[0]].get(str(parts[1]))
        return Thing(parts[0], found) if found is not None else None

    def all(self, typename: str, numbers: list[int]) -> list[Document]:
        return [self.of[typename][str(number)] for number in numbers]

    # --- what happened

    def changed(self, typename: str, document: Document, event: str) -> None:
        """Note for the subscribers. One action tells of each thing once; that it came into being beats all else."""
        if self._changes is None:
            return
        for number, (kind, known, before) in enumerate(self._changes):
            if kind == typename and known is document:
                self._changes[number] = (kind, known, "CREATE" if before == "CREATE" else event)
                return
        self._changes.append((typename, document, event))

    def not_yet(self, document: Document) -> None:
        """Nobody is told of this document in the action that is under way."""
        self._changes = [one for one in self._changes if one[1] is not document] if self._changes is not None else None

    @contextlib.contextmanager
    def action(self) -> Iterator[None]:
        """One thing done by one person or program. Nothing is told if it fails."""
        if self._changes is not None:
            yield
            return
        self._changes = []
        try:
            yield
            if self._changes:
                self.publish(self._changes)
        finally:
            self._changes = None


def _aware(given: str) -> datetime:
    found = datetime.fromisoformat(given)
    return found if found.tzinfo is not None else found.replace(tzinfo=UTC)


def moment_of(value: Any) -> datetime:
    """What a kept or a given time is; a date is its midnight in UTC."""
    return _aware(str(value))
