"""Accepts orders."""

from __future__ import annotations

from urllib.parse import quote

from marketplace_sync.connectors.mirakl.calls import Calls
from marketplace_sync.connectors.mirakl.now import order_now
from marketplace_sync.connectors.mirakl.progress import DEAD, KNOWN, STAGING, WAITING
from marketplace_sync.connectors.mirakl.reading import Reader
from marketplace_sync.connectors.mirakl.refusals import refused
from marketplace_sync.connectors.mirakl.settings import MiraklSettings
from marketplace_sync.connectors.outcomes import outcome_of
from marketplace_sync.domain.effects import (
    AcknowledgeOrder,
    Delivered,
    InDoubt,
    NotThere,
    Outcome,
    Postponed,
    Refused,
    Resolution,
)
from marketplace_sync.domain.errors import RequestRejected, TransportError


class Acceptance:
    """Thread-safe."""

    def __init__(self, settings: MiraklSettings, calls: Calls, reader: Reader) -> None:
        self._settings = settings
        self._calls = calls
        self._reader = reader

    def accept(self, wish: AcknowledgeOrder) -> Outcome:
        """Accept every line (OR21). The call must name each line once: when the wish does not, because lines were
        added or taken off since, the order is read and the call repeated with all of them."""
        outcome = self._accept(wish.order_id, [units.line_id for units in wish.lines])
        if not isinstance(outcome, Refused) or outcome.code == "NOT_SENT":
            return outcome
        now = order_now(self._reader, self._settings, wish.order_id)
        if isinstance(now, Postponed | InDoubt):
            return Postponed(f"{outcome.reason}; what became of the order could not be found out: {now.reason}")
        if isinstance(now, Refused):
            return now
        verdict = self.verdict(wish)
        if isinstance(verdict, InDoubt):
            return Postponed(f"{outcome.reason}; {verdict.reason}")
        if not isinstance(verdict, NotThere):
            return verdict
        waiting = [line_id for line_id in now.lines if now.line_state(line_id) == WAITING]
        if set(waiting) == {units.line_id for units in wish.lines}:
            return outcome  # it named the right lines, the refusal has another reason
        return self._accept(wish.order_id, waiting)

    def verdict(self, wish: AcknowledgeOrder) -> Resolution:
        """Whether the order is accepted; asks by reading it."""
        now = order_now(self._reader, self._settings, wish.order_id)
        if isinstance(now, Refused | Postponed | InDoubt):
            return now
        if now.state in (WAITING, STAGING):
            return NotThere()
        if now.state in DEAD:
            return Refused(f"order {wish.order_id} is {now.state}, there is nothing to accept", code=now.state)
        if now.state not in KNOWN:
            return InDoubt(f"order {wish.order_id} has the unknown state {now.state[:40]!r}, accepted or not")
        return Delivered({"found": True, "state": now.state})

    def _accept(self, order_id: str, line_ids: list[str]) -> Outcome:
        if not line_ids:
            return Refused(f"order {order_id} has no line that waits for acceptance", code="NO_LINES")
        try:
            self._calls.send(
                "PUT",
                f"/api/orders/{quote(order_id, safe='')}/accept",
                json={"order_lines": [{"id": line_id, "accepted": True} for line_id in line_ids]},
                operation="accept order",
            )
        except RequestRejected as problem:
            return refused(problem)
        except TransportError as problem:
            return outcome_of(problem)
        return Delivered()

    # -- returns -------------------------------------------------------------------------------------------------
