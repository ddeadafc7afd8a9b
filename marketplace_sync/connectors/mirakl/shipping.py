"""States parcels: tracking and ship for whole orders, or one shipment per parcel where the platform has those."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Collection, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import quote

import msgspec

from marketplace_sync.connectors.mirakl import fields
from marketplace_sync.connectors.mirakl.account import Account
from marketplace_sync.connectors.mirakl.calls import Calls
from marketplace_sync.connectors.mirakl.now import OrderNow, order_now
from marketplace_sync.connectors.mirakl.progress import DEAD, SHIPPED, SHIPPING
from marketplace_sync.connectors.mirakl.reading import Reader
from marketplace_sync.connectors.mirakl.refusals import Errors, refused
from marketplace_sync.connectors.mirakl.settings import MiraklSettings
from marketplace_sync.connectors.mirakl.shipments import SHIPMENTS, Shipment
from marketplace_sync.connectors.outcomes import outcome_of, unresolved
from marketplace_sync.decoding import decoded
from marketplace_sync.domain.effects import (
    WAITS_FOR_THE_REST,
    Delivered,
    Dispatch,
    InDoubt,
    NotThere,
    Outcome,
    Postponed,
    Refused,
    Resolution,
)
from marketplace_sync.domain.errors import RequestRejected, TransportError

_NOT_YET_SHIPPED = ("SHIPPING", "READY_FOR_PICK_UP", "SHIPMENT_PREPARED")
_HEARD_LATE = timedelta(minutes=5)
"""A parcel that left longer ago than this may have been stated by a ledger that was put back to before it left."""
_REMEMBERED = 10_000


class _Stated(msgspec.Struct):
    id: Any = None


class _Answer(Errors):
    """ST01's."""

    shipment_success: list[_Stated] | None = None


class Shipping:
    """Thread-safe. Remembers the last shipments that it stated or found: each of them is one parcel and no other."""

    def __init__(self, settings: MiraklSettings, calls: Calls, reader: Reader, account: Account) -> None:
        self._settings = settings
        self._calls = calls
        self._reader = reader
        self._account = account
        self._lock = threading.Lock()
        self._known: deque[str] = deque(maxlen=_REMEMBERED)

    def dispatch(self, wish: Dispatch) -> Outcome:
        """One parcel. Tracking is stated before or together with the shipment, because it may be mandatory."""
        if not wish.lines:
            return Refused("it names no line of the order", code="NO_LINES")
        try:
            carrier = self._carrier(wish)
            if isinstance(carrier, Refused):
                return carrier
            if self._account.multi_shipment():
                return self._create_shipment(wish, carrier)
        except TransportError as problem:
            return unresolved(problem)  # nothing but reads so far
        return self._ship_order(wish, carrier)

    def verdict(self, wish: Dispatch) -> Resolution:
        """Whether the marketplace shows this parcel."""
        try:
            if self._account.multi_shipment():
                return self._shipment_verdict(wish)
        except TransportError as problem:
            return unresolved(problem)
        now = order_now(self._reader, self._settings, wish.order_id)
        if isinstance(now, Refused | Postponed | InDoubt):
            return now
        return self._order_verdict(wish, now)

    def _carrier(self, wish: Dispatch) -> dict[str, str] | Refused:
        """A registered carrier by its code, another by its name where the platform takes such (Mirakl, carriers).
        Raises TransportError."""
        if any(wish.carrier == carrier.code for carrier in self._account.carriers()):
            return {"carrier_code": wish.carrier}
        if self._account.only_registered_carriers():
            known = ", ".join(sorted(carrier.code for carrier in self._account.carriers()))
            return Refused(
                f"the marketplace has no carrier {wish.carrier!r} and takes no others; its carriers: {known}",
                code="CARRIER_NOT_APPROVED",
            )
        return {"carrier_name": wish.carrier}

    # -- orders that ship as a whole -------------------------------------------------------------------------------

    def _order_verdict(self, wish: Dispatch, now: OrderNow) -> Resolution:
        """One that somebody marked as shipped without a number still takes one (Mirakl, order life cycle: SHIPPED)."""
        if now.state == "SHIPPED" and not now.tracking and wish.tracking_number.strip():
            return NotThere()
        if now.state in SHIPPED:
            return Delivered({"found": True, "state": now.state})
        if now.state in DEAD:
            return Refused(f"order {wish.order_id} is {now.state}, it cannot be shipped any more", code=now.state)
        return NotThere()

    def _ship_order(self, wish: Dispatch, carrier: dict[str, str]) -> Outcome:
        """OR23 and OR24 know one parcel and all units (Mirakl, order writes): an order that leaves in several ships
        with the one that completes it, and has its tracking."""
        now = order_now(self._reader, self._settings, wish.order_id)
        if isinstance(now, InDoubt):
            return Postponed(now.reason)
        if isinstance(now, Refused | Postponed):
            return now
        verdict = self._order_verdict(wish, now)
        if isinstance(verdict, Delivered | Refused):
            return verdict
        is_by_hand = now.state in SHIPPED
        if now.state != SHIPPING and not is_by_hand:
            return Postponed(f"order {wish.order_id} is {now.state} and may not be shipped yet", after=300.0)
        refuses = self._settings.partial_dispatch == "refuse" and not is_by_hand
        if refuses and not wish.completes and (left := _left_behind(wish, now)):
            return Refused(
                f"this marketplace ships order {wish.order_id} only as a whole, and the parcel leaves"
                f" {', '.join(left)} behind; it is shipped once the rest has left or is cancelled",
                code=WAITS_FOR_THE_REST,
            )
        tracking = {**carrier, "tracking_number": wish.tracking_number}
        if "carrier_name" in carrier and wish.tracking_url:
            tracking["carrier_url"] = wish.tracking_url
        path = f"/api/orders/{quote(wish.order_id, safe='')}"
        try:
            self._calls.send("PUT", f"{path}/tracking", json=tracking, operation="state tracking")
            if not is_by_hand:
                self._calls.send("PUT", f"{path}/ship", content=b"", operation="ship order")
        except RequestRejected as problem:
            return self._refused(wish, problem)
        except TransportError as problem:
            return outcome_of(problem)
        return Delivered()

    def _refused(self, wish: Dispatch, problem: RequestRejected) -> Outcome:
        """Perhaps because it was done already: by hand in the back office, or by a try whose answer was lost."""
        outcome = refused(problem)
        if isinstance(outcome, Refused) and outcome.code != "NOT_SENT":
            verdict = self.verdict(wish)
            if isinstance(verdict, Delivered):
                return verdict
            if isinstance(verdict, Postponed):
                return InDoubt(f"{outcome.reason}; whether it was done before could not be found out")
        return outcome

    # -- one shipment per parcel -----------------------------------------------------------------------------------

    def _create_shipment(self, wish: Dispatch, carrier: dict[str, str]) -> Outcome:
        """The order does not show what left of a line until all of it did: whether a parcel heard of late was stated
        already, only the shipments tell. Raises TransportError while only reading."""
        if datetime.now(UTC) - wish.shipped_at > _HEARD_LATE:
            with self._lock:
                others = frozenset(self._known)
            verdict = self._shipment_verdict(wish, others)
            if isinstance(verdict, Delivered):
                return verdict
        tracking = {**carrier, "tracking_number": wish.tracking_number}
        if "carrier_name" in carrier and wish.tracking_url:
            tracking["tracking_url"] = wish.tracking_url
        shipment = {
            "order_id": wish.order_id,
            "shipment_lines": [{"order_line_id": each.line_id, "quantity": each.quantity} for each in wish.lines],
            "tracking": tracking,
            "shipped": True,
        }
        try:
            answer = self._calls.send("POST", SHIPMENTS, json={"shipments": [shipment]}, operation="create shipment")
            found = self._calls.decoded(answer, _Answer, "create shipment")
        except RequestRejected as problem:
            return self._refused(wish, problem)
        except TransportError as problem:
            return outcome_of(problem)
        if not found.shipment_errors:
            self._remember(found.shipment_success or ())
            return Delivered()
        verdict = self.verdict(wish)
        if isinstance(verdict, Delivered):
            return verdict
        return Refused(f"order {wish.order_id}: {found.words()}", code="SHIPMENT_REFUSED")

    def _remember(self, shipments: Sequence[_Stated | Shipment]) -> None:
        with self._lock:
            self._known.extend(fields.text(one.id) for one in shipments)

    def _shipment_verdict(self, wish: Dispatch, others: Collection[str] = ()) -> Resolution:
        """By tracking number and units; where that fits an earlier parcel too, by how many units left before. Not by
        shipments `others`. Raises TransportError."""
        operation = "read shipments"
        shipments = [
            self._decoded(row, operation)
            for rows in self._calls.seek(
                SHIPMENTS, params={"order_id": wish.order_id}, limit=self._settings.page_size, operation=operation
            )
            for row in rows
        ]
        alive = [shipment for shipment in shipments if fields.text(shipment.status) != "CANCELED"]
        wanted = {units.line_id: units.quantity for units in wish.lines}
        same = [
            shipment
            for shipment in alive
            if shipment.tracking is not None
            and fields.text(shipment.tracking.tracking_number) == wish.tracking_number.strip()
            and shipment.units() == wanted
            and fields.text(shipment.id) not in others
        ]
        if not same:
            return NotThere()
        shipped: dict[str, int] = {}
        for shipment in alive:
            for line_id, quantity in shipment.units().items():
                shipped[line_id] = shipped.get(line_id, 0) + quantity
        if any(u.before is not None and shipped.get(u.line_id, 0) < u.before + u.quantity for u in wish.lines):
            return NotThere()
        if fields.text(same[-1].status) in _NOT_YET_SHIPPED:
            return InDoubt(f"shipment {same[-1].id} of order {wish.order_id} exists and is not marked as shipped")
        self._remember(same[-1:])
        return Delivered({"found": True, "shipment_id": fields.text(same[-1].id)})

    def _decoded(self, row: bytes, operation: str) -> Shipment:
        try:
            found = decoded(row, Shipment)
            found.units()
            return found
        except (ValueError, RecursionError) as problem:
            raise self._calls.unreadable(operation, str(problem)[:200], 200) from None


def _left_behind(wish: Dispatch, now: OrderNow) -> list[str]:
    """Lines of which units would stay open after this parcel."""
    leaving = {units.line_id: units.quantity for units in wish.lines}
    return [line_id for line_id, counts in now.counts.items() if counts.open > leaving.get(line_id, 0)]
