"""Reads the Edge's lists: page after page, without losing what moves between pages, in as few calls as that allows."""

from __future__ import annotations

import contextlib
import hashlib
import threading
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import quote

import msgspec
import structlog

from marketplace_sync.connectors.john_lewis import fields, statuses
from marketplace_sync.connectors.john_lewis.settings import JohnLewisSettings
from marketplace_sync.connectors.ports import Feed, Page, Statement
from marketplace_sync.connectors.wire import Answer, Wire
from marketplace_sync.decoding import decoded, decoder
from marketplace_sync.domain.errors import (
    AnswerUnreadable,
    CredentialsRefused,
    RequestRejected,
    Throttled,
    VendorUnavailable,
)

ORDERS = "/restapi/v4/orders/"
FEEDS = (
    Feed(
        name="orders",
        every_seconds=120,
        description="New orders, cancellations that John Lewis asks for, and back orders.",
    ),
    Feed(
        name="sweep",
        every_seconds=3600,
        description="Every open order, what became of those that are no longer open, and orders never seen before.",
    ),
    Feed(name="returns", every_seconds=900, description="Returns, until they have surely ended."),
)
_log = structlog.get_logger(__name__)
_PASSES = 5
"""A list that keeps moving is read this often at most; what is still missed then is found by the next poll."""
_REMEMBERED = 200
_UNREADABLE_ORDERS = 3
_LONGEST_KEY = 200


class _List(msgspec.Struct):
    results: list[msgspec.Raw]
    count: int | None = None
    next: str | None = None


class _Head(msgspec.Struct, gc=False):
    """What of a row must be known to keep it."""

    id: str | int | None = None
    url: str | None = None
    status: Any = None
    order_date: str | None = None
    retailer: Any = None


class Row(msgspec.Struct, frozen=True, gc=False):
    """One row of a list: its key, its status and its exact JSON."""

    key: str
    status: str
    order_date: str
    retailer: Any
    payload: bytes


class SweepMark(msgspec.Struct):
    """What a sweep leaves for the next one: orders that were open, and the newest orders there were."""

    open: list[str] = []
    newest: list[str] = []


_lists = decoder(_List)
_heads = decoder(_Head)


class Reader:
    """The read side of one account. Thread-safe. Every method raises TransportError."""

    def __init__(self, settings: JohnLewisSettings, wire: Wire) -> None:
        self._settings = settings
        self._wire = wire
        self._lock = threading.Lock()
        self._retailer_id = settings.retailer_id

    # -- feeds ---------------------------------------------------------------------------------------------------

    def orders(self) -> Iterator[Page]:
        """Orders that somebody may have to do something about. The Edge has no date filter, so all of them."""
        for status in (statuses.NEW, statuses.CANCEL_ASKED, statuses.BACKORDER):
            for rows in self._whole_list(status):
                yield Page(statements=[_order(row) for row in rows])

    def sweep(self, watermark: str | None) -> Iterator[Page]:
        """What the `orders` feed cannot see: moves made by hand in the portal, and orders that were never new to us.

        Orders are asked for one by one when they were open at the last sweep and are in no open list now. The first
        sweep reads everything the Edge has.
        """
        before = decoded(watermark, SweepMark) if watermark else None
        still_open: set[str] = set()
        newest: list[str] = []
        known = set(before.newest) if before else set()
        if before is not None:
            for status in statuses.OPEN:
                for rows in self._whole_list(status):
                    still_open.update(row.key for row in rows)
                    yield Page(statements=[_order(row) for row in rows])
            for rows in self._one_by_one([order_id for order_id in before.open if order_id not in still_open]):
                still_open.update(row.key for row in rows if row.status in statuses.OPEN or not row.payload)
                yield Page(statements=[_order(row) for row in rows if row.payload])
        for rows in self._newest_first():
            newest.extend(row.key for row in rows[: _REMEMBERED - len(newest)])
            still_open.update(row.key for row in rows if row.status in statuses.OPEN)
            yield Page(statements=[_order(row) for row in rows])
            if not known.isdisjoint(row.key for row in rows):
                break
        mark = SweepMark(open=sorted(still_open), newest=newest)
        yield Page(statements=(), watermark=msgspec.json.encode(mark).decode())

    def returns(self, watermark: str | None) -> Iterator[Page]:
        """Returns made since `returns_followed` before the last read; the first read takes all there are."""
        params: dict[str, str | int] = {}
        started = datetime.now(UTC)
        if watermark:
            since = min(datetime.fromisoformat(watermark), started) - self._settings.returns_followed
            params["from_date"] = since.date().isoformat()
        for rows in self._passes("/restapi/v4/returns/", params, "read returns"):
            statements = [
                Statement(kind="return", key=row.key, payload=row.payload)
                for row in rows
                if not self._of_another_retailer(row)
            ]
            yield Page(statements=statements)
        yield Page(statements=(), watermark=(started - timedelta(minutes=1)).isoformat())

    def order(self, order_id: str) -> Row | None:
        """One order as it is now; None when the Edge has no such order."""
        answer = self._wire.request(
            "GET",
            f"{ORDERS}{quote(order_id, safe='')}/",
            params={"format": "json"},
            reads=(404,),
            operation="read one order",
        )
        return None if answer.status == 404 else _row(answer.body, by_url=True)

    def _one_by_one(self, order_ids: Sequence[str]) -> Iterator[list[Row]]:
        """Single orders, a page's worth at a time. One that cannot be read now comes without payload; when several
        cannot, the Edge is down and the error is raised."""
        failures = 0
        for start in range(0, len(order_ids), self._settings.page_size):
            rows = []
            for order_id in order_ids[start : start + self._settings.page_size]:
                try:
                    found = self.order(order_id)
                except (VendorUnavailable, RequestRejected) as problem:
                    failures += 1
                    if failures > _UNREADABLE_ORDERS or isinstance(problem, Throttled):
                        raise
                    _log.warning("an order cannot be read", connection=self._wire.connection, order=order_id)
                    found = Row(order_id, "", "", None, b"")
                if found is not None:
                    rows.append(found)
            yield rows

    def retailer_id(self) -> str:
        """The id of John Lewis for this login. Raises CredentialsRefused when the login serves no such retailer."""
        with self._lock:
            if self._retailer_id is None:
                self._retailer_id = self._found_retailer()
            return self._retailer_id

    def retailers(self) -> list[tuple[str, str]]:
        """(id, name) of the retailers this login serves."""
        found = []
        for rows in self._passes("/restapi/v4/customers/", {}, "read retailers"):
            for row in rows:
                stated = msgspec.json.decode(row.payload)
                name = stated.get("name") if isinstance(stated, dict) else None
                found.append((row.key, fields.words(name) if isinstance(name, str) else ""))
        return found

    def first_page(self) -> int:
        """How many new orders there are, by one small read that proves that orders can be read."""
        page = self._page(ORDERS, {**self._order_filter(statuses.NEW), "limit": 1, "offset": 0}, "read orders")
        return page.count if page.count is not None else len(page.results)

    # -- lists ---------------------------------------------------------------------------------------------------

    def _order_filter(self, status: str | None) -> dict[str, str | int]:
        found: dict[str, str | int] = {"retailer_id": self.retailer_id()}
        if status is not None:
            found["status"] = status
        return found

    def _whole_list(self, status: str) -> Iterator[list[Row]]:
        return self._passes(ORDERS, self._order_filter(status), f"read orders {status}")

    def _passes(self, path: str, params: Mapping[str, str | int], operation: str) -> Iterator[list[Row]]:
        """A list from its start to its end, again while rows may have slipped from page to page under our reading.

        Rows leave a list when their status moves, also because what was read first is answered meanwhile; then the
        rows behind them move up past the reader. A pass that saw as many rows as the list had all along missed none.
        Later passes yield only what is new or different.
        """
        seen: dict[str, int] = {}
        for _ in range(_PASSES):
            in_pass: set[str] = set()
            counts: set[int | None] = set()
            for rows, count in self._one_pass(path, params, operation):
                counts.add(count)
                in_pass.update(row.key for row in rows)
                fresh = []
                for row in rows:
                    digest = hash(row.payload)  # 64 bits under a key of this process: nobody can aim at it
                    if seen.get(row.key) != digest:
                        seen[row.key] = digest
                        fresh.append(row)
                if fresh:
                    yield fresh
            if len(counts) <= 1 and len(in_pass) >= (max(counts, default=0, key=lambda count: count or 0) or 0):
                return

    def _one_pass(
        self, path: str, params: Mapping[str, str | int], operation: str
    ) -> Iterator[tuple[list[Row], int | None]]:
        offset = 0
        while True:
            page = self._page(path, {**params, "limit": self._settings.page_size, "offset": offset}, operation)
            rows = [_row(bytes(raw), by_url=path == ORDERS) for raw in page.results]
            if rows:
                yield rows, page.count
            offset += len(rows)
            # `next` only says whether there is more: its host is not the API's and is never followed.
            if not rows or not page.next:
                return

    def _newest_first(self) -> Iterator[list[Row]]:
        """Orders of any status, newest page first, whichever way the Edge sorts them (no order is documented)."""
        size = self._settings.page_size
        offset = 0
        params = {**self._order_filter(None), "limit": size}
        first = self._page(ORDERS, {**params, "offset": 0}, "read newest orders")
        rows = [_row(bytes(raw), by_url=True) for raw in first.results]
        dates = [row.order_date for row in rows if row.order_date]
        if dates and dates[0] < dates[-1] and first.next and first.count:
            offset = first.count
            while offset > 0:
                start = max(0, offset - size)
                page = self._page(ORDERS, {**params, "limit": offset - start, "offset": start}, "read newest orders")
                yield [_row(bytes(raw), by_url=True) for raw in reversed(page.results)]
                offset = start
            return
        while rows:
            yield rows
            if not first.next:
                return
            offset += len(rows)
            first = self._page(ORDERS, {**params, "offset": offset}, "read newest orders")
            rows = [_row(bytes(raw), by_url=True) for raw in first.results]

    def _page(self, path: str, params: Mapping[str, str | int], operation: str) -> _List:
        answer = self._wire.request(
            "GET", path, params={**params, "format": "json"}, operation=operation, decoder=_lists
        )
        return answer.content if isinstance(answer.content, _List) else self._decoded(answer, operation)

    def _decoded(self, answer: Answer, operation: str) -> _List:
        body = answer.body
        try:
            if body.lstrip()[:1] == b"[":  # a short list may come bare, without the envelope of pages
                return _List(results=decoded(body, list[msgspec.Raw]))
            return _lists.decode(body)
        except (ValueError, RecursionError) as problem:
            # One spoilt row must not cost the others of its page, nor be kept otherwise than it came.
            with contextlib.suppress(ValueError, RecursionError):
                rows, envelope = fields.rows_apart(body)
                around = _List(results=[]) if envelope.strip() == b"[]" else fields.read_leniently(_lists, envelope)
                return _List(results=[msgspec.Raw(row) for row in rows], count=around.count, next=around.next)
            raise AnswerUnreadable(
                f"{self._wire.connection}: the answer to {operation} is no list of the Edge: {str(problem)[:200]}",
                connection=self._wire.connection,
                operation=operation,
                status=answer.status,
            ) from None

    # -- the retailer --------------------------------------------------------------------------------------------

    def _found_retailer(self) -> str:
        served = self.retailers()
        wanted = self._settings.retailer.casefold()
        same = [identifier for identifier, name in served if name.casefold() == wanted]
        alike = [identifier for identifier, name in served if name.casefold().startswith(wanted)]
        for found in (same, alike):
            if len(found) == 1:
                return found[0]
        names = ", ".join(f"{name} ({identifier})" for identifier, name in served) or "none"
        raise CredentialsRefused(
            f"{self._wire.connection}: this login serves no single retailer called {self._settings.retailer!r}; "
            f"it serves: {names}. Set retailer_id to the right one",
            connection=self._wire.connection,
            operation="find the retailer",
        )

    def _of_another_retailer(self, row: Row) -> bool:
        """The returns list has no retailer filter; rows say their retailer by name, at least sometimes."""
        stated = row.retailer.get("name") if isinstance(row.retailer, dict) else row.retailer
        if not isinstance(stated, str) or not stated.strip() or "/" in stated:
            return False
        return not stated.strip().casefold().startswith(self._settings.retailer.casefold())


def _order(row: Row) -> Statement:
    return Statement(kind="order", key=row.key, payload=row.payload)


def _row(payload: bytes, *, by_url: bool) -> Row:
    """Orders are known by the id in their URL, returns and retailers by their own. A row without a readable id is
    kept under a key made of its content, so that it is seen by a person."""
    try:
        head = fields.read_leniently(_heads, payload)
    except (ValueError, RecursionError):
        head = _Head()
    key = fields.id_in(head.url) if by_url else fields.exact(head.id)
    key = key or (fields.exact(head.id) if by_url else fields.id_in(head.url))
    if not key or len(key) > _LONGEST_KEY:
        key = f"unreadable-{_digest(payload).hex()}"
    return Row(
        key,
        statuses.code(head.status) if isinstance(head.status, str) else "",
        head.order_date or "",
        head.retailer,
        payload,
    )


def _digest(payload: bytes) -> bytes:
    return hashlib.blake2b(payload, digest_size=8).digest()
