"""What an HTTP answer means: which error it is, whether it can be repeated, and words that give no secret away."""

from __future__ import annotations

import base64
import math
import re
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from urllib.parse import quote

import msgspec

from marketplace_sync.decoding import decoded
from marketplace_sync.domain.errors import (
    AnswerLost,
    AnswerUnreadable,
    CredentialsRefused,
    RequestRejected,
    Throttled,
    TransportError,
    VendorUnavailable,
)

KEPT_OF_A_REFUSAL = 64 * 1024
_LONGEST_WAIT = 3600.0
_SHORTEST_SECRET = 4


def failure(
    status: int,
    headers: Mapping[str, str],
    body: bytes,
    *,
    connection: str,
    operation: str,
    write: bool,
    throttled_seconds: float,
) -> TransportError | None:
    """The error that an answer stands for, None when it is a success that can be used.

    `throttled_seconds` is how long a 429 without Retry-After asks us to wait. 401 is not judged here.
    """
    what = f"{connection}: {operation}"
    if status == 429:
        wait = retry_after(headers, default=throttled_seconds)
        return Throttled(
            f"{what}: the vendor asked us to wait {wait:g} s (429)",
            retry_after=wait,
            connection=connection,
            operation=operation,
        )
    if status >= 500 or status == 408:
        if write:
            return AnswerLost(
                f"{what}: the vendor answered {status}, so the change may or may not have been made",
                status=status,
                connection=connection,
                operation=operation,
            )
        return VendorUnavailable(
            f"{what}: the vendor answered {status}; try again later",
            status=status,
            connection=connection,
            operation=operation,
        )
    if status == 403 and is_html(headers, body):
        return VendorUnavailable(
            f"{what}: something in front of the vendor's API answered 403 with a web page; try again later",
            status=status,
            connection=connection,
            operation=operation,
        )
    if status in (401, 403):
        return CredentialsRefused(
            f"{what}: the vendor refused the credentials ({status}); check this connection's keys and permissions",
            status=status,
            connection=connection,
            operation=operation,
        )
    if status >= 400:
        return RequestRejected(
            f"{what}: the vendor refused the request ({status})",
            body=body[:KEPT_OF_A_REFUSAL],
            status=status,
            connection=connection,
            operation=operation,
        )
    if status >= 300:
        return AnswerUnreadable(
            f"{what}: the vendor redirects elsewhere ({status}), which is not followed; check base_url",
            status=status,
            connection=connection,
            operation=operation,
        )
    return None


def retry_after(headers: Mapping[str, str], *, default: float) -> float:
    """Seconds a vendor asks us to wait: Retry-After as (fractional) seconds or as an HTTP date.

    At most an hour: a vendor that means more says so again, and one that means nothing must not close its connection
    for a day. `default` also for a time that is past: to come back at once for ever is what nobody asks for.
    """
    stated = headers.get("retry-after", "").strip()
    if not stated:
        return default
    try:
        seconds = float(stated)
    except ValueError:
        try:
            moment = parsedate_to_datetime(stated)
        except ValueError:
            return default
        moment = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
        seconds = (moment - datetime.now(UTC)).total_seconds()
    if math.isnan(seconds) or seconds <= 0:
        return default
    return min(_LONGEST_WAIT, seconds)


def is_html(headers: Mapping[str, str], body: bytes) -> bool:
    """A web page: error pages of load balancers, firewalls and maintenance modes, whatever they call themselves."""
    kind = headers.get("content-type", "").lower()
    return kind.startswith(("text/html", "application/xhtml")) or body[:64].lstrip()[:1] == b"<"


def unusable_json(headers: Mapping[str, str], body: bytes) -> str:
    """Why a body cannot be the JSON that was asked for, empty when it can. No body at all is none of our business."""
    if not body:
        return ""
    if is_html(headers, body):
        return "a web page came instead of JSON"
    if "json" not in headers.get("content-type", "").lower():
        return ""
    try:
        decoded(body, msgspec.Raw)
    except (msgspec.DecodeError, RecursionError):
        # Readers refuse what is odd but complete, such as half of a surrogate pair, NaN, or brackets thousands deep.
        # What was cut short, and may come whole the next time, does not close what it opened.
        return "" if _is_whole(body) else "the JSON is cut short or broken"
    return ""


_BRACKETS = re.compile(rb'"(?:[^"\\]|\\.)*"|[\[\]{}"]', re.DOTALL)


def _is_whole(body: bytes) -> bool:
    """Whether a JSON object or list ends where it should, as far as brackets and quotation marks tell."""
    depth = 0
    ended = -1
    for found in _BRACKETS.finditer(body):
        sign = found.group()
        if ended >= 0 or sign == b'"':  # something behind the end, or a text without one
            return False
        depth += (sign in b"[{") - (sign in b"]}")
        if depth < 0:
            return False
        if depth == 0:
            ended = found.end()
    return ended >= 0 and not body[ended:].strip()


class Redaction:
    """Takes configured secrets out of words that people or logs will see."""

    def __init__(self, secrets: Iterable[str]) -> None:
        found = {secret for secret in secrets if len(secret) >= _SHORTEST_SECRET}
        found |= {quote(secret, safe="") for secret in found}
        found |= {base64.b64encode(secret.encode()).decode() for secret in found}
        self._secrets = sorted(found, key=len, reverse=True)

    def text(self, words: str) -> str:
        for secret in self._secrets:
            words = words.replace(secret, "***")
        return words

    def body(self, body: bytes) -> bytes:
        for secret in self._secrets:
            body = body.replace(secret.encode(), b"***")
        return body
