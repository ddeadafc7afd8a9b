"""States parcels: one shipment for each invoice of which something left, found again by a mark in its note."""

from __future__ import annotations

from collections.abc import Mapping
from zoneinfo import ZoneInfo

from marketplace_sync.connectors.marketplacer import documents, fields, stated
from marketplace_sync.connectors.marketplacer.account import Account
from marketplace_sync.connectors.marketplacer.graphql import GraphQL
from marketplace_sync.connectors.marketplacer.now import OrderNow, order_now
from marketplace_sync.connectors.marketplacer.reading import Reader
from marketplace_sync.connectors.marketplacer.settings import MarketplacerSettings
from marketplace_sync.connectors.outcomes import outcome_of, unresolved
from marketplace_sync.domain.effects import (
    Delivered,
    Dispatch,
    Effect,
    InDoubt,
    NotThere,
    Outcome,
    Postponed,
    Refused,
    Resolution,
)
from marketplace_sync.domain.errors import TransportError


class Shipping:
    """Thread-safe. A parcel that was half stated is completed by delivering it again: what is there is left alone."""

    def __init__(self, settings: MarketplacerSettings, calls: GraphQL, reader: Reader, account: Account) -> None:
        self._settings = settings
        self._calls = calls
        self._reader = reader
        self._account = account

    def dispatch(self, effect: Effect, wish: Dispatch) -> Outcome:
        left = self._left(effect, wish)
        if isinstance(left, InDoubt):
            return Postponed(left.reason)
        if isinstance(left, Refused | Postponed):
            return left
        now, missing = left
        try:
            carrier = self._carrier(wish.carrier) if missing else ""
        except TransportError as problem:
            return unresolved(problem)  # nothing but reads so far
        if isinstance(carrier, Refused):
            return carrier
        shipped_at = max([wish.shipped_at, *([now.placed_at] if now.placed_at else [])])
        # The day where the instance is: by the clock of UTC it may be the one before the order (sheet, 7).
        shipped_on = shipped_at.astimezone(ZoneInfo(self._settings.time_zone)).date()
        for invoice_id, units in missing.items():
            given = {
                "invoiceId": invoice_id,
                "shippedItems": [{"lineItemId": line, "quantity": quantity} for line, quantity in units.items()],
                "postageCarrierId": carrier,
                "trackingNumber": wish.tracking_number,
                "dispatchedAt": shipped_on.isoformat(),
                "note": self._mark(effect),
            }
            try:
                self._calls.write(documents.CREATE_SHIPMENT, {"input": given})
            except TransportError as problem:
                return outcome_of(problem)
        return Delivered() if missing else Delivered({"found": True})

    def verdict(self, effect: Effect, wish: Dispatch) -> Resolution:
        """Whether every part of the parcel is there. Of a part that is missing it may be delivered again."""
        left = self._left(effect, wish)
        if isinstance(left, Refused | Postponed | InDoubt):
            return left
        return NotThere() if left[1] else Delivered({"found": True})

    def _left(
        self, effect: Effect, wish: Dispatch
    ) -> tuple[OrderNow, Mapping[str, Mapping[str, int]]] | Refused | Postponed | InDoubt:
        """What of the parcel the marketplace does not have yet."""
        now = order_now(self._reader, self._settings, wish.order_id)
        if isinstance(now, Refused | Postponed | InDoubt):
            return now
        wanted = now.by_invoice(wish.lines)
        if isinstance(wanted, Refused):
            return wanted
        return now, {
            invoice_id: units
            for invoice_id, units in wanted.items()
            if not any(self._is(effect, wish, units, each) for each in now.invoices[invoice_id].shipments)
        }

    def _is(self, effect: Effect, wish: Dispatch, units: Mapping[str, int], shipment: stated.Shipment) -> bool:
        """By our mark; one without a mark, made by hand, by its number and units."""
        note = fields.text(shipment.note)
        if note.startswith(self._settings.marker_key):
            return note == self._mark(effect)
        number = wish.tracking_number.strip()
        there = {item.line_item.id: item.quantity for item in shipment.shipped_items or () if item.line_item}
        return bool(number) and fields.text(shipment.tracking_number) == number and there == dict(units)

    def _mark(self, effect: Effect) -> str:
        return f"{self._settings.marker_key} {effect.natural_key}"

    def _carrier(self, code: str) -> str | Refused:
        """A carrier's id by its name or id (sheet, 7: shipments name a carrier of the list). Raises TransportError."""
        known = self._account.carriers()
        if code in {one.id for one in known.values()}:
            return code
        found = next((one.id for name, one in known.items() if name.lower() == code.strip().lower()), None)
        if found is None:
            names = ", ".join(sorted(known))
            return Refused(f"the marketplace has no carrier {code!r}; it has: {names}", code="CARRIER_NOT_APPROVED")
        return found
