"""One call to the vendor: its headers, its media type, and what came of a write in the courier's own words."""

from __future__ import annotations

import re
import threading
import time
from collections.abc import Mapping
from typing import Any, TypeVar

import msgspec

from marketplace_sync.connectors.klaviyo.refusals import errors, seconds_until_available
from marketplace_sync.connectors.statuses import retry_after
from marketplace_sync.connectors.wire import Answer, Wire
from marketplace_sync.decoding import decoded
from marketplace_sync.domain.effects import InDoubt, Postponed
from marketplace_sync.domain.errors import (
    AnswerLost,
    AnswerUnreadable,
    CredentialsRefused,
    RequestRejected,
    Throttled,
    TooLate,
    TransportError,
    VendorUnavailable,
)

MEDIA_TYPE = "application/vnd.api+json"
CREDENTIALS_WAIT = 300.0
"""Seconds until an effect is tried again after the key was refused: somebody has to change something first."""
_WRONG_ADDRESS = (405, 406, 410, 415)
"""Answers about how we ask, not about what: another method or media type, a revision that was retired."""
_SHORTEST_WAIT = 1.0
_LONGEST_SAID = 3600.0
_TURN_SECONDS = 10.0
"""How long a write waits for others that are under way: short beside the time for which a courier holds its effects."""
_COUNT = re.compile(r"[0-9]{1,9}")
_LOW = 0.2
_LOOK_AGAIN_SECONDS = 1.0

Wanted = TypeVar("Wanted")


class Calls:
    """The wire, spoken JSON:API. Thread-safe."""

    def __init__(self, wire: Wire, revision: str, at_once: Mapping[str, int]) -> None:
        """`at_once`: how many writes of a bucket may be under way, where that is limited."""
        self.connection = wire.connection
        self._wire = wire
        self._under_way = {bucket: threading.BoundedSemaphore(most) for bucket, most in at_once.items()}
        self._headers = {"revision": revision, "accept": MEDIA_TYPE}
        self._looked: dict[str, float] = {}

    def read(
        self,
        path: str,
        wanted: type[Wanted],
        *,
        bucket: str,
        operation: str,
        params: Mapping[str, str | int] | None = None,
    ) -> Wanted:
        """One document. Unknown members are ignored: revisions add them. Raises TransportError."""
        answer = self._wire.request(
            "GET", path, params=params, headers=self._headers, bucket=bucket, operation=operation
        )
        self._heed(bucket, answer.headers)
        return self.decoded(answer, wanted, operation)

    def ask(self, path: str, body: Any, wanted: type[Wanted], *, bucket: str, operation: str) -> Wanted:
        """A question that is put with POST and changes nothing. Raises TransportError."""
        answer = self._wire.request(
            "POST",
            path,
            content=msgspec.json.encode(body),
            headers={**self._headers, "content-type": MEDIA_TYPE},
            bucket=bucket,
            operation=operation,
        )
        self._heed(bucket, answer.headers)
        return self.decoded(answer, wanted, operation)

    def write(self, path: str, body: bytes, *, bucket: str, operation: str) -> Answer | Postponed | InDoubt:
        """One write: the vendor's answer, be it a success or a refusal (4xx), or why there is none."""
        turn = self._under_way.get(bucket)
        if turn is None:
            return self._write(path, body, bucket, operation)
        if not turn.acquire(timeout=_TURN_SECONDS):
            reason = f"{self.connection}: {operation}: as many as may be are under way"
            return Postponed(reason, after=_SHORTEST_WAIT, counts_as_attempt=False)
        try:
            return self._write(path, body, bucket, operation)
        finally:
            turn.release()

    def _write(self, path: str, body: bytes, bucket: str, operation: str) -> Answer | Postponed | InDoubt:
        try:
            answer = self._wire.request(
                "POST",
                path,
                content=body,
                headers={**self._headers, "content-type": MEDIA_TYPE},
                write=True,
                bucket=bucket,
                reads=(429,),
                operation=operation,
            )
        except RequestRejected as refusal:
            if refusal.status is None:
                # It cannot even be written as a request: an address or a key with characters that do not belong there.
                return Postponed(str(refusal), after=CREDENTIALS_WAIT, counts_as_attempt=False, shown=True)
            if refusal.status in _WRONG_ADDRESS or (refusal.status == 404 and not errors(refusal.body)):
                reason = f"{refusal}. Every request would be: check base_url and revision of this connection"
                return Postponed(reason, after=CREDENTIALS_WAIT, counts_as_attempt=False, shown=True)
            return Answer(status=refusal.status, headers={}, body=refusal.body)
        except (Throttled, VendorUnavailable, CredentialsRefused, AnswerLost, AnswerUnreadable) as problem:
            return no_answer(problem)
        if answer.status == 429:
            return self._throttled(answer, bucket, operation)
        self._heed(bucket, answer.headers)
        return answer

    def decoded(self, answer: Answer, wanted: type[Wanted], operation: str) -> Wanted:
        try:
            return decoded(answer.body, wanted)
        except (msgspec.MsgspecError, RecursionError) as problem:
            raise AnswerUnreadable(
                f"{self.connection}: the answer to {operation} is not what Klaviyo documents: {problem}",
                connection=self.connection,
                operation=operation,
                status=answer.status,
            ) from None

    def _throttled(self, answer: Answer, bucket: str, operation: str) -> Postponed:
        """The wire heeds Retry-After; without it the wait may be told in words, and zero seconds never means zero
        (Klaviyo, rate limits)."""
        said = min(_LONGEST_SAID, seconds_until_available(answer.body) or 0.0)
        wait = max(_SHORTEST_WAIT, retry_after(answer.headers, default=said))
        self._wire.learn(bucket, blocked_seconds=wait)
        return Postponed(
            f"{self.connection}: {operation}: Klaviyo asked us to wait {wait:g} s (429)",
            after=wait,
            counts_as_attempt=False,
        )

    def _heed(self, bucket: str, headers: Mapping[str, str]) -> None:
        """What is left of the minute, told to the budget when it is little: others may use this account's keys too."""
        remaining, limit = headers.get("ratelimit-remaining", ""), headers.get("ratelimit-limit", "").split(",")[0]
        if not _COUNT.fullmatch(remaining) or not _COUNT.fullmatch(limit.strip()) or int(remaining) > int(limit) * _LOW:
            return
        now = time.monotonic()
        if now - self._looked.get(bucket, -_LOOK_AGAIN_SECONDS) >= _LOOK_AGAIN_SECONDS:
            self._looked[bucket] = now
            self._wire.learn(bucket, available=float(remaining))


def no_answer(problem: TransportError) -> Postponed | InDoubt:
    """What a courier does after a call without an answer. Waiting for room or for a person is not a failed try."""
    match problem:
        case AnswerLost() | AnswerUnreadable():
            return InDoubt(str(problem))
        case Throttled():
            return Postponed(str(problem), after=max(_SHORTEST_WAIT, problem.retry_after), counts_as_attempt=False)
        case TooLate():
            return Postponed(str(problem), counts_as_attempt=False, shown=True)
        case CredentialsRefused():
            return Postponed(str(problem), after=CREDENTIALS_WAIT, counts_as_attempt=False, shown=True)
        case _:
            return Postponed(str(problem))
