"""Carries out what the flows wish for at the Edge, one call per effect, and asks what became of those in doubt."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import quote
from zoneinfo import ZoneInfo

import msgspec

from marketplace_sync.connectors.john_lewis import fields
from marketplace_sync.connectors.john_lewis.orders import decoded, rows_by_line
from marketplace_sync.connectors.john_lewis.reading import ORDERS, Reader
from marketplace_sync.connectors.john_lewis.settings import JohnLewisSettings
from marketplace_sync.connectors.john_lewis.split_lines import Part, parts_of, whole_lines
from marketplace_sync.connectors.john_lewis.statuses import Progress, progress
from marketplace_sync.connectors.john_lewis.verdicts import Action, verdict
from marketplace_sync.connectors.outcomes import outcome_of, unresolved
from marketplace_sync.connectors.ports import Malformed
from marketplace_sync.connectors.wire import Wire
from marketplace_sync.domain.effects import (
    AcknowledgeOrder,
    AcknowledgeReturn,
    CancelLines,
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

_PATHS = {
    AcknowledgeOrder: "acknowledge",
    Dispatch: "dispatch",
    CancelLines: "cancel_acknowledge",
    AcknowledgeReturn: "return_acknowledge",
}
_LONGEST_TRACKING_NUMBER = 100
_LONGEST_TEXT = 255


_HELD_SECONDS = 60.0
_Unread = Refused | Postponed | InDoubt
"""Why an order cannot be judged by."""


def _held(action: Action, lines: dict[str, Progress]) -> str:
    """The first of the action's lines that is in a status of no documentation; empty when none is."""
    for units in action.lines:
        if (counts := lines.get(units.line_id)) is not None and counts.unknown:
            return f"line {units.line_id} is {counts.unknown[0]}"
    return ""


class _Stated(msgspec.Struct, frozen=True):
    """An order's lines, and an action's units by the parts of split lines (`parts_of`)."""

    lines: dict[str, Progress]
    parts: list[Part]


def _judged(action: Action, stated: _Stated | _Unread) -> Resolution:
    return verdict(action, stated.lines) if isinstance(stated, _Stated) else stated


class Actions:
    """The write side of orders. Thread-safe."""

    def __init__(
        self, settings: JohnLewisSettings, wire: Wire, reader: Reader, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._settings = settings
        self._wire = wire
        self._reader = reader
        self._clock = clock
        self._zone = ZoneInfo(settings.time_zone)
        self._lock = threading.Lock()
        self._doubted_since: dict[int, float] = {}

    def carry_out(self, effect_id: int, action: Action) -> Outcome:
        """One action, sent once; once more where a line is split and the Edge knows its parts apart."""
        if (unfit := self._unfit(action)) is not None:
            return unfit
        return self._tell(effect_id, action, whole_lines(action))

    def _tell(self, effect_id: int, action: Action, parts: Sequence[Part], *, again: bool = False) -> Outcome:
        name = _PATHS[type(action)]
        try:
            self._wire.request(
                "POST",
                f"{ORDERS}{quote(action.order_id, safe='')}/{name}/",
                params={"format": "json"},
                json={"items": self._items(action, parts)},
                write=True,
                operation=name,
            )
        except RequestRejected as problem:
            stated = self._stated(action) if problem.status in (400, 409) else None
            by_part = [] if again or not isinstance(stated, _Stated) else stated.parts
            # where nothing of it was done, and a line is split whose parts go by references of their own
            if stated is not None and by_part not in ([], parts) and isinstance(_judged(action, stated), NotThere):
                return self._tell(effect_id, action, by_part, again=True)
            return self._refused(action, problem, stated)
        except TransportError as problem:
            outcome = outcome_of(problem)
            if isinstance(outcome, InDoubt):
                with self._lock:
                    self._doubted_since[effect_id] = self._clock()
            return outcome
        return Delivered()

    def resolve(self, effect_id: int, action: Action) -> Resolution:
        """Whether an action in doubt happened. What is not shown only counts as not done once the Edge has had
        `settle_after` to show it, counted from the lost answer or, in a new process, from the first question."""
        now = self._clock()
        with self._lock:
            since = self._doubted_since.setdefault(effect_id, now)
        found = self._seen(action)
        if isinstance(found, NotThere | Refused):
            left = since + self._settings.settle_after.total_seconds() - now
            if left > 0:
                return Postponed("the Edge does not show it yet, but it may be slow to", left, counts_as_attempt=False)
        if isinstance(found, Delivered | NotThere | Refused):
            with self._lock:
                self._doubted_since.pop(effect_id, None)
        return found

    def _seen(self, action: Action) -> Resolution:
        return _judged(action, self._stated(action))

    def _stated(self, action: Action) -> _Stated | _Unread:
        """The order's lines as they are now, or why there are none."""
        try:
            row = self._reader.order(action.order_id)
        except TransportError as problem:
            return unresolved(problem)
        if row is None:
            return Refused(f"John Lewis has no order {action.order_id}", code="ORDER_NOT_FOUND")
        try:
            stated = decoded(row.payload)
            rows = rows_by_line(stated)
            return _Stated(
                lines={line_id: progress(line_id, of, stated.status) for line_id, of in rows.items()},
                parts=parts_of(action, rows, stated.status),
            )
        except Malformed as problem:
            return InDoubt(f"order {action.order_id} cannot be read to find out: {problem}")

    def _refused(self, action: Action, problem: RequestRejected, stated: _Stated | _Unread | None) -> Outcome:
        """The Edge said no. Perhaps because it was done already: by hand in the portal, or by a try whose answer was
        lost."""
        if problem.status is None:
            return outcome_of(problem)  # it was not even sent
        said, code = fields.reason_in(problem.body)
        reason = f"John Lewis refused it ({problem.status}): {said or 'without a reason'}"
        if isinstance(stated, _Stated) and (held := _held(action, stated.lines)):
            # It becomes NEW, or whatever it will be, in its own time: refused until then is not refused for good.
            return Postponed(f"{reason}; {held}, which is no status that we know; tried again", after=_HELD_SECONDS)
        found = None if stated is None else _judged(action, stated)
        if isinstance(found, Delivered):
            return found
        if isinstance(found, Postponed):
            return InDoubt(f"{reason}; whether it was done before could not be found out: {found.reason}")
        if isinstance(found, Refused):
            return Refused(f"{found.reason} ({reason})", code=found.code)
        return Refused(reason, code=code or str(problem.status))

    def _unfit(self, action: Action) -> Refused | None:
        """What the Edge could only refuse, said more clearly and without a call."""
        if not action.lines:
            return Refused("it names no line of the order", code="NO_LINES")
        for units in action.lines:
            if not units.stock_number:
                return Refused(
                    f"line {units.line_id} has no stock number, which the Edge demands", code="NO_STOCK_NUMBER"
                )
        if (
            isinstance(action, CancelLines)
            and not action.requested_by_marketplace
            and not self._settings.seller_can_cancel
        ):
            return Refused("John Lewis takes no cancellations from the seller here", code="SELLER_CANCEL_UNSUPPORTED")
        if isinstance(action, Dispatch):
            if not action.tracking_number.strip():
                return Refused(
                    "the Edge demands a tracking number, of untracked parcels too", code="NO_TRACKING_NUMBER"
                )
            if len(action.tracking_number) > _LONGEST_TRACKING_NUMBER:
                return Refused("the tracking number is longer than 100 characters", code="TRACKING_NUMBER_TOO_LONG")
            approved = self._settings.approved_carriers
            if approved and action.carrier not in approved:
                return Refused(
                    f"John Lewis has not approved the carrier {action.carrier!r}; approved: {', '.join(approved)}",
                    code="CARRIER_NOT_APPROVED",
                )
        return None

    def _items(self, action: Action, parts: Sequence[Part]) -> list[dict[str, Any]]:
        """Reads call it `line_reference`, writes `line_ref` (John Lewis, order writes)."""
        items: list[dict[str, Any]] = [
            {"part_number": part.stock_number, "line_ref": part.reference, "quantity": part.quantity} for part in parts
        ]
        further: dict[str, Any] = {}
        if isinstance(action, AcknowledgeOrder):
            further = self._acknowledgement(action)
        elif isinstance(action, Dispatch):
            further = {
                "carrier": action.carrier,
                "supplier_dispatch_date": action.shipped_at.astimezone(self._zone).date().isoformat(),
                "tracking_number": action.tracking_number,
            }
            if 0 < len(action.tracking_url) <= _LONGEST_TEXT:
                further["tracking_url"] = action.tracking_url
        elif isinstance(action, CancelLines) and action.reason:
            further = {"comment": action.reason[:_LONGEST_TEXT]}
        return [{**item, **further} for item in items]

    def _acknowledgement(self, action: AcknowledgeOrder) -> dict[str, Any]:
        """Delivery is promised from the day of the order on (John Lewis, order writes), and for no day that is over."""
        further: dict[str, Any] = {}
        if self._settings.acknowledgement_delivery_days is not None:
            today = datetime.now(UTC).astimezone(self._zone).date()
            ordered = today if action.placed_at is None else action.placed_at.astimezone(self._zone).date()
            promised = max(today, ordered + timedelta(days=self._settings.acknowledgement_delivery_days))
            further["supplier_delivery_date"] = f"{promised.isoformat()}T00:00:00"
        if self._settings.fulfilment_route:
            further["fulfillment_route"] = self._settings.fulfilment_route
        return further
