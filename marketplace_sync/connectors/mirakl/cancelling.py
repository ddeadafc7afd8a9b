"""Cancels units that have not left, with the amounts that go with them."""

from __future__ import annotations

from marketplace_sync.connectors.mirakl.account import Account
from marketplace_sync.connectors.mirakl.amounts import cancelation
from marketplace_sync.connectors.mirakl.calls import Calls
from marketplace_sync.connectors.mirakl.now import OrderNow, order_now
from marketplace_sync.connectors.mirakl.progress import WAITING
from marketplace_sync.connectors.mirakl.reading import Reader
from marketplace_sync.connectors.mirakl.refusals import refused
from marketplace_sync.connectors.mirakl.settings import MiraklSettings
from marketplace_sync.connectors.outcomes import outcome_of, unresolved
from marketplace_sync.connectors.ports import Malformed
from marketplace_sync.domain.effects import (
    CancelLines,
    Delivered,
    InDoubt,
    NotThere,
    Outcome,
    Postponed,
    Refused,
    Resolution,
)
from marketplace_sync.domain.errors import RequestRejected, TransportError


class Cancelling:
    """Thread-safe."""

    def __init__(self, settings: MiraklSettings, calls: Calls, reader: Reader, account: Account) -> None:
        self._settings = settings
        self._calls = calls
        self._reader = reader
        self._account = account

    def cancel(self, wish: CancelLines) -> Outcome:
        """OR30, amounts from the order as it is now."""
        now = order_now(self._reader, self._settings, wish.order_id)
        if isinstance(now, InDoubt):
            return Postponed(now.reason)
        if isinstance(now, Refused | Postponed):
            return now
        verdict = judged(wish, now)
        if isinstance(verdict, InDoubt):
            return Refused(verdict.reason, code="UNCLEAR")
        if not isinstance(verdict, NotThere):
            return verdict
        if now.state == WAITING:
            return Refused(
                f"order {wish.order_id} is not accepted yet: refuse it at the marketplace instead", code=now.state
            )
        try:
            reason = self._reason()
            if reason is None:
                return Refused(
                    "the marketplace lists no reason for which sellers may cancel; set cancel_reason", code="NO_REASON"
                )
            entries = [cancelation(now, units.line_id, units.quantity, reason) for units in wish.lines]
        except Malformed as problem:
            return Refused(f"order {wish.order_id} cannot be read: {problem}", code="MALFORMED")
        except TransportError as problem:
            return unresolved(problem)  # nothing but reads so far
        body = {"cancelations": entries, **({"order_tax_mode": now.tax_mode} if now.tax_mode else {})}
        try:
            self._calls.send("PUT", "/api/orders/cancel", json=body, operation="cancel lines")
        except RequestRejected as problem:
            return refused(problem)
        except TransportError as problem:
            return outcome_of(problem)
        return Delivered()

    def verdict(self, wish: CancelLines) -> Resolution:
        now = order_now(self._reader, self._settings, wish.order_id)
        return now if isinstance(now, Refused | Postponed | InDoubt) else judged(wish, now)

    def _reason(self) -> str | None:
        """Raises TransportError."""
        if self._settings.cancel_reason:
            return self._settings.cancel_reason
        return next((reason.code for reason in self._account.reasons("CANCELATION")), None)


def judged(wish: CancelLines, now: OrderNow) -> Resolution:
    """Whether the lines' counts show the cancellation. Without the count from before it, units of a line that were
    cancelled can be these or others."""
    if not wish.lines:
        return Refused("it names no line of the order", code="NO_LINES")
    seen: list[bool] = []
    for units in wish.lines:
        counts = now.counts.get(units.line_id)
        if counts is None:
            return Refused(f"the order has no line {units.line_id}", code="NO_SUCH_LINE")
        before = units.before
        if counts.cancelled and (
            counts.open <= 0 if before is None else counts.cancelled >= before + units.quantity
        ) and counts.cancelled >= units.quantity:  # fmt: skip
            seen.append(True)
            continue
        if counts.cancelled > (before or 0):
            return InDoubt(
                f"line {units.line_id} of order {wish.order_id} has {counts.cancelled} cancelled units, which does not"
                " tell whether these are among them; look at the order at the marketplace"
            )
        if counts.open < units.quantity:
            return Refused(
                f"line {units.line_id}: only {max(0, counts.open)} units are still open, {counts.dispatched} left",
                code="NOT_POSSIBLE_ANY_MORE",
            )
        seen.append(False)
    if all(seen):
        return Delivered({"found": True})
    if any(seen):
        return InDoubt(f"some lines of order {wish.order_id} are cancelled and some are not; look at the marketplace")
    return NotThere()
