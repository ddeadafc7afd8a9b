"""Tells the marketplace how a return goes on: it is accepted, the goods are back, what they are like, it is over."""

from __future__ import annotations

from typing import Any

from marketplace_sync.connectors.mirakl import fields, returns
from marketplace_sync.connectors.mirakl.calls import Calls
from marketplace_sync.connectors.mirakl.reading import Reader
from marketplace_sync.connectors.mirakl.refusals import Errors, refused
from marketplace_sync.connectors.mirakl.settings import MiraklSettings
from marketplace_sync.connectors.outcomes import outcome_of, unresolved
from marketplace_sync.decoding import decoded
from marketplace_sync.domain.effects import (
    AcknowledgeReturn,
    CloseReturn,
    Delivered,
    InDoubt,
    Judged,
    JudgeReturn,
    NotThere,
    Outcome,
    Postponed,
    ReceiveReturn,
    Refused,
    Resolution,
)
from marketplace_sync.domain.errors import RequestRejected, TransportError

Step = AcknowledgeReturn | ReceiveReturn | JudgeReturn | CloseReturn

_UNDER_WAY, _RECEIVED, _CLOSED = "IN_PROGRESS", "RECEIVED", "CLOSED"
_NEVER_CAME = "NO_RECEPTION"
_CALLS: dict[type[Step], tuple[str, str]] = {
    AcknowledgeReturn: ("/api/returns/accept", "accept return"),
    ReceiveReturn: ("/api/returns/receive", "receive return"),
    JudgeReturn: ("/api/returns/compliance", "judge return"),
    CloseReturn: ("/api/returns/close", "close return"),
}
"""RT21, RT25, RT26, RT27 (Mirakl, returns)."""
_LONGEST_WORDS = 2000


class TakingIn:
    """Thread-safe. A step that is told twice is refused, and the return shows that it was taken."""

    def __init__(self, settings: MiraklSettings, calls: Calls, reader: Reader) -> None:
        self._settings = settings
        self._calls = calls
        self._reader = reader

    def tell(self, wish: Step) -> Outcome:
        """Told without asking first: returns may be read once in five minutes, and a step may be told at any time. One
        that was taken before is refused by the marketplace; only then the return is read."""
        if isinstance(wish, AcknowledgeReturn) and not self._settings.accept_returns:
            return Refused(
                f"return {wish.return_id} waits for a person to accept or refuse it at the marketplace"
                " (accept_returns is off)",
                code="RETURN_FOR_A_PERSON",
            )
        path, operation = _CALLS[type(wish)]
        return_id = returns.vendor_id(wish.return_id)
        body: dict[str, Any] = {"id": return_id}
        if isinstance(wish, AcknowledgeReturn):
            body["accepted"] = True
        elif isinstance(wish, JudgeReturn):
            body["return_lines"] = [_said_of(line) for line in wish.lines]
        try:
            answer = self._calls.send("PUT", path, json={"returns": [body]}, operation=operation)
            errors = self._calls.decoded(answer, Errors, operation)
        except RequestRejected as problem:
            return self._unless_taken(wish, refused(problem))
        except TransportError as problem:
            return outcome_of(problem)
        if not errors.return_errors:
            return Delivered()
        return self._unless_taken(wish, Refused(f"return {return_id}: {errors.words()}", code="RETURN_REFUSED"))

    def _unless_taken(self, wish: Step, outcome: Outcome) -> Outcome:
        """A refusal, unless the return shows that the step was taken, or what else is the matter with it."""
        found = self.verdict(wish)
        if isinstance(found, InDoubt):
            return Postponed(found.reason)
        return outcome if isinstance(found, NotThere) else found

    def verdict(self, wish: Step) -> Resolution:
        """Whether the step was taken, by us or by somebody in the back office; asks by reading the return (RT11)."""
        return_id = returns.vendor_id(wish.return_id)
        try:
            payload = self._reader.one_return(return_id)
        except TransportError as problem:
            return unresolved(problem)
        if payload is None:
            return Refused(f"the marketplace has no return {return_id}", code="RETURN_NOT_FOUND")
        try:
            stated = decoded(payload, returns.Stated)
        except (ValueError, RecursionError) as problem:
            return InDoubt(f"return {return_id} cannot be read to find out: {str(problem)[:200]}")
        state = fields.text(stated.state)
        if isinstance(wish, AcknowledgeReturn):
            # one that does not wait any more needs nothing
            return NotThere() if state == returns.WAITING else Delivered({"state": state})
        if isinstance(wish, ReceiveReturn):
            return _received(return_id, state)
        if isinstance(wish, JudgeReturn):
            return _judged(return_id, state, wish, stated)
        # a return that was called off is over as well
        return NotThere() if state in (_UNDER_WAY, _RECEIVED, _NEVER_CAME) else Delivered({"state": state})


def _received(return_id: str, state: str) -> Resolution:
    if state == _UNDER_WAY:
        return NotThere()
    if state in (_RECEIVED, _CLOSED):
        return Delivered({"state": state})
    return Refused(
        f"return {return_id} is {state or 'in no state'} at the marketplace, and its goods are back: settle it there",
        code="RETURN_NOT_ACCEPTED",
    )


def _judged(return_id: str, state: str, wish: JudgeReturn, stated: returns.Stated) -> Resolution:
    said = {fields.text(line.order_line_id): line.compliant for line in stated.return_lines}
    missing = [line.line_id for line in wish.lines if line.line_id not in said]
    if missing:
        return Refused(f"return {return_id} has no line {', '.join(missing)}", code="NO_SUCH_LINE")
    if all(said[line.line_id] is line.compliant for line in wish.lines):
        return Delivered({"state": state})
    if state in (_UNDER_WAY, _RECEIVED):
        return NotThere()
    if all(line.compliant for line in wish.lines):
        return Delivered({"state": state})  # it is over, and nobody found fault with the goods
    return Refused(
        f"return {return_id} is {state} at the marketplace already, which was not told what is wrong with the goods",
        code="RETURN_OVER",
    )


def _said_of(line: Judged) -> dict[str, Any]:
    found: dict[str, Any] = {"order_line_id": line.line_id, "compliant": line.compliant}
    if not line.compliant and line.reason:
        found["non_compliance_reason_code"] = line.reason
    if not line.compliant and line.words:
        found["non_compliance_additional_info"] = line.words[:_LONGEST_WORDS]
    return found
