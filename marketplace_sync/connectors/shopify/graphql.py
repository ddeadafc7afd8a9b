"""Sends GraphQL documents to a shop and reads what came of them: cost, throttling, errors that come with status 200."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Generic, Protocol, TypeVar

import msgspec

from marketplace_sync.connectors.mending import mended
from marketplace_sync.connectors.shopify.failures import TooExpensive, failure
from marketplace_sync.connectors.shopify.settings import ShopifySettings
from marketplace_sync.connectors.wire import Answer, Wire
from marketplace_sync.decoding import decoded
from marketplace_sync.domain.errors import (
    AnswerLost,
    AnswerUnreadable,
    CredentialsRefused,
    RequestRejected,
    Throttled,
    TransportError,
)


class PageInfo(msgspec.Struct, rename="camel"):
    has_next_page: bool
    end_cursor: str | None = None


class Paged(Protocol):
    """An answer that may go on."""

    @property
    def page_info(self) -> PageInfo: ...


T = TypeVar("T")
T_co = TypeVar("T_co", covariant=True)
P = TypeVar("P", bound=Paged)

BUCKET = "default"
COSTLIEST = 1000
"""Points that a single operation may ask for (Shopify, throttling)."""
_THROTTLED_READS = 5
_LONGEST_WAIT = 60.0
"""Seconds; an empty bucket of the smallest plan holds the costliest operation after ten."""
_ACCOUNT_PROBLEMS = {
    402: "the shop is frozen for lack of payment",
    403: "it is forbidden: check the app's permissions, and its list of allowed addresses if it has one",
    404: "there is no such shop, or it does not serve this api_version: check both; base_url is https:// and the "
    "shop's myshopify.com address",
    423: "the shop is locked",
}


@dataclass(frozen=True)
class Document(Generic[T_co]):
    """One GraphQL operation that this connector can send."""

    name: str
    text: str
    answer: type[T_co]
    """What `data` is read as."""
    cost: int
    """Points it asks for, roughly, until Shopify has said how many exactly."""
    write: bool = False


class _Throttle(msgspec.Struct, rename="camel"):
    currently_available: float
    restore_rate: float


class _Cost(msgspec.Struct, rename="camel"):
    requested_query_cost: float | None = None
    throttle_status: _Throttle | None = None


class _Extensions(msgspec.Struct):
    cost: _Cost | None = None


class _Envelope(msgspec.Struct):
    data: msgspec.Raw = msgspec.Raw(b"null")
    errors: Any = None
    extensions: msgspec.Raw = msgspec.Raw(b"null")


class GraphQL:
    """The Admin API of one shop. Thread-safe, as its wire is."""

    def __init__(self, settings: ShopifySettings, wire: Wire) -> None:
        self.connection = wire.connection
        self._wire = wire
        self._path = f"/admin/api/{settings.api_version}/graphql.json"
        self._version = settings.api_version
        self._headroom = settings.cost_headroom
        self._costs: dict[tuple[str, tuple[int, ...]], int] = {}
        self._available: float | None = None

    def run(self, document: Document[T], variables: Mapping[str, Any] | None = None) -> T:
        """What one operation answered.

        A throttled read waits for the bucket and is repeated; a throttled write raises Throttled. Raises the
        TransportError family: AnswerLost when a write may have been made, anything else when it surely was not.
        """
        variables = dict(variables or {})
        for last in (False,) * (0 if document.write else _THROTTLED_READS - 1) + (True,):
            try:
                return self._once(document, variables)
            except Throttled:
                if last:
                    raise
        raise AssertionError("the last try ends with an answer or an error")

    def pages(self, document: Document[P], variables: Mapping[str, Any], first: int) -> Iterator[P]:
        """Every page of a document that has the variables `first` and `after`.

        When Shopify finds a page too dear, smaller ones are asked for, as small as it says. Raises AnswerUnreadable
        when the cursor does not move on.
        """
        after: str | None = None
        while True:
            try:
                page = self.run(document, {**variables, "first": first, "after": after})
            except TooExpensive as refused:
                if first == 1:
                    raise
                first = max(1, min(first - 1, int(first * refused.allowed)))
                continue
            yield page
            info = page.page_info
            if not info.has_next_page:
                return
            if not info.end_cursor or info.end_cursor == after:
                raise self.unreadable(document.name, "says that there is more and not where")
            after = info.end_cursor

    def unreadable(self, operation: str, why: str) -> AnswerUnreadable:
        return AnswerUnreadable(
            f"{self.connection}: Shopify's answer to {operation} {why}; nothing of it was used",
            connection=self.connection,
            operation=operation,
        )

    def _once(self, document: Document[T], variables: dict[str, Any]) -> T:
        answer = self._send(document, variables)
        try:
            envelope = decoded(mended(answer.body), _Envelope)
        except (msgspec.DecodeError, RecursionError) as problem:
            self._wire.learn(BUCKET)
            raise self._undecodable(document, str(problem)) from None
        cost = _cost(envelope)
        self._learn(document, variables, cost, refused=bool(envelope.errors))
        served = answer.headers.get("x-shopify-api-version", "")
        nothing_ran = _is_empty(envelope.data)
        if served != self._version and (served or not envelope.errors):
            raise self._other_version(document, served, nothing_ran)
        failed = failure(
            envelope.errors,
            nothing_ran=nothing_ran,
            write=document.write,
            wait=_wait(cost),
            connection=self.connection,
            operation=document.name,
            request_id=answer.headers.get("x-request-id", ""),
        )
        if failed is not None:
            raise failed
        try:
            return decoded(envelope.data, document.answer)
        except (msgspec.DecodeError, RecursionError) as unexpected:
            raise self._undecodable(document, f"is not what Shopify documents ({unexpected})") from None

    def _send(self, document: Document[T], variables: dict[str, Any]) -> Answer:
        try:
            return self._wire.request(
                "POST",
                self._path,
                json={"query": document.text, "variables": variables, "operationName": document.name},
                write=document.write,
                bucket=BUCKET,
                cost=self._costs.get(_shape(document, variables), document.cost),
                operation=document.name,
            )
        except (CredentialsRefused, RequestRejected) as problem:
            explained = _ACCOUNT_PROBLEMS.get(problem.status or 0)
            if explained is None:
                raise
            raise CredentialsRefused(
                f"{self.connection}: Shopify did not run {document.name} ({problem.status}): {explained}",
                connection=self.connection,
                operation=document.name,
                status=problem.status,
            ) from None

    def _learn(self, document: Document[T], variables: dict[str, Any], cost: _Cost | None, *, refused: bool) -> None:
        if cost is None:
            # What was refused before its cost was counted has taken nothing out of the bucket.
            self._wire.learn(BUCKET, available=self._available if refused else None)
            return
        if cost.requested_query_cost:
            asked = min(COSTLIEST, max(1, round(cost.requested_query_cost)))
            self._costs[_shape(document, variables)] = asked
        if cost.throttle_status is None:
            self._wire.learn(BUCKET)
            return
        self._available = max(0.0, cost.throttle_status.currently_available - self._headroom)
        self._wire.learn(BUCKET, available=self._available)

    def _other_version(self, document: Document[T], served: str, nothing_ran: bool) -> TransportError:
        """A version that is no longer served falls forward silently (Shopify, versions): what it means is not known."""
        why = (
            f"came in API version {served or 'unknown'} instead of {self._version}: set api_version to one that "
            "Shopify still serves"
        )
        if not nothing_ran:
            return self._undecodable(document, why)
        return RequestRejected(
            f"{self.connection}: Shopify's answer to {document.name} {why}",
            connection=self.connection,
            operation=document.name,
        )

    def _undecodable(self, document: Document[T], why: str) -> TransportError:
        if not document.write:
            return self.unreadable(document.name, why)
        return AnswerLost(
            f"{self.connection}: {document.name} was sent and its answer {why}, so the change may or may not have "
            "been made",
            connection=self.connection,
            operation=document.name,
        )


def _is_empty(data: msgspec.Raw) -> bool:
    """No data, or only root fields without a value: no mutation of the document was carried out."""
    try:
        values = decoded(data, dict[str, msgspec.Raw] | None) or {}
    except (msgspec.DecodeError, RecursionError):
        return False
    return all(bytes(value) == b"null" for value in values.values())


def _shape(document: Document[Any], variables: dict[str, Any]) -> tuple[str, tuple[int, ...]]:
    """What the cost of an operation depends on: how much of each list is asked for."""
    return document.name, tuple(value for value in variables.values() if type(value) is int)


def _cost(envelope: _Envelope) -> _Cost | None:
    """What the answer says of its cost, None when that cannot be read: it is about our pace, and no reason to doubt
    what the rest of the answer says was done."""
    try:
        extensions = decoded(envelope.extensions, _Extensions | None)
    except (msgspec.DecodeError, RecursionError):
        return None
    return extensions.cost if extensions else None


def _wait(cost: _Cost | None) -> float:
    """Seconds until the bucket holds what was asked for (Shopify, throttling); 1 when the answer does not say."""
    if cost is None or cost.throttle_status is None or not cost.requested_query_cost:
        return 1.0
    status = cost.throttle_status
    if status.restore_rate <= 0:
        return 1.0
    return min(_LONGEST_WAIT, max(0.1, (cost.requested_query_cost - status.currently_available) / status.restore_rate))
