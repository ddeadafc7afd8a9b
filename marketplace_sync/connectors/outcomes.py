"""What becomes of an effect when the wire raises: the same reading for every vendor."""

from __future__ import annotations

from marketplace_sync.domain.effects import InDoubt, Outcome, Postponed, Refused
from marketplace_sync.domain.errors import (
    AnswerLost,
    AnswerUnreadable,
    CredentialsRefused,
    RequestRejected,
    Throttled,
    TooLate,
    TransportError,
)

_CREDENTIALS_AGAIN_SECONDS = 300.0


def outcome_of(problem: TransportError) -> Outcome:
    """The outcome of a write that ended in `problem`.

    A connector that reads a vendor's refusal codes looks at RequestRejected itself and uses this for the rest.
    Credentials that are refused as a whole (401) cost the effect no attempt: every effect of the connection waits
    until a person has put them right. A 403 may be about this one effect, so it counts.
    """
    reason = str(problem)
    if isinstance(problem, Throttled):
        return Postponed(reason, after=problem.retry_after, counts_as_attempt=False)
    if isinstance(problem, TooLate):
        return Postponed(reason, counts_as_attempt=False, shown=True)
    if isinstance(problem, AnswerLost | AnswerUnreadable):
        return InDoubt(reason)
    if isinstance(problem, CredentialsRefused):
        refused_as_a_whole = problem.status == 401
        return Postponed(
            reason,
            after=_CREDENTIALS_AGAIN_SECONDS,
            counts_as_attempt=not refused_as_a_whole,
            of_its_own=not refused_as_a_whole,
            shown=refused_as_a_whole,
        )
    if isinstance(problem, RequestRejected):
        return Refused(reason, code=str(problem.status or ""))
    return Postponed(reason)


def unresolved(problem: TransportError) -> Postponed:
    """The resolution when the vendor could not even be asked: still in doubt, ask again later."""
    if isinstance(problem, Throttled):
        return Postponed(str(problem), after=problem.retry_after, counts_as_attempt=False)
    return Postponed(str(problem), counts_as_attempt=False, shown=True)
