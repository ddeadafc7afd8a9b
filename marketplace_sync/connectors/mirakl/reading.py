"""Reads orders and returns: what changed since the last read, with overlap, to the end of a list that moves."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import Any

import msgspec

from marketplace_sync.connectors.mirakl import fields
from marketplace_sync.connectors.mirakl.account import Account
from marketplace_sync.connectors.mirakl.calls import Calls
from marketplace_sync.connectors.mirakl.progress import SHIPPED, SHIPPING, STAGING
from marketplace_sync.connectors.mirakl.settings import MiraklSettings
from marketplace_sync.connectors.mirakl.shipments import SHIPMENTS, joined
from marketplace_sync.connectors.ports import Page, Statement
from marketplace_sync.connectors.wire import Wire
from marketplace_sync.decoding import decoder

ORDERS = "/api/orders"
RETURNS = "/api/returns"
_MOST_SHIPMENTS = 100
"""A page's ceiling (Mirakl, pagination)."""


class _Orders(msgspec.Struct):
    orders: list[msgspec.Raw]
    total_count: int


class _Head(msgspec.Struct):
    """What of a row must be known to keep it. Orders and returns name their keys differently."""

    order_id: Any = None
    order_state: Any = None
    last_updated_date: Any = None
    id: Any = None
    last_updated: Any = None


_heads = decoder(_Head)


class Reader:
    """The read side of one shop. Thread-safe. Every method raises TransportError."""

    def __init__(self, settings: MiraklSettings, wire: Wire, calls: Calls, account: Account) -> None:
        self._settings = settings
        self._wire = wire
        self._calls = calls
        self._account = account

    def orders(self, watermark: str | None) -> Iterator[Page]:
        """Orders changed since the watermark, whatever their state, but for those that the operator still holds back.

        The list is sorted by creation, so a row that changes while we read may slip in front of our place; it is
        changed after we began, and the watermark never gets past our beginning, so the next read has it.
        """
        self._account.learn_model()
        params = self._order_filter()
        since = _since(watermark, self._settings.overlap)
        if since is not None:
            params["start_update_date"] = fields.timestamp(since)
        began: datetime | None = None
        newest: datetime | None = None
        offset = 0
        while True:
            bucket = self._further("order_pages", "orders") if offset else "orders"
            answer = self._wire.request(
                "GET", ORDERS, params={**params, "offset": offset}, bucket=bucket, operation="read orders"
            )
            began = began or _said_at(answer.headers.get("date"))
            page = self._calls.decoded(answer, _Orders, "read orders")
            rows = [bytes(raw) for raw in page.orders]
            heads = [_head(row) for row in rows]
            newest = _latest(newest, [head.last_updated_date for head in heads])
            shown = self._with_shipments(heads, rows)
            offset += len(rows)
            yield Page(
                statements=[
                    Statement(kind="order", key=_key(head.order_id, row), payload=row)
                    for head, row in zip(heads, shown, strict=True)
                    if head.order_state != STAGING
                ]
            )
            if self._calls.is_over("read orders", rows, offset, page.total_count):
                break
        yield Page(statements=(), watermark=_mark(newest, began))

    def returns(self, watermark: str | None) -> Iterator[Page]:
        """Returns changed since the watermark; nothing where the platform has none for shops of this model."""
        if not self._account.has_returns():
            return
        params: dict[str, str | int] = {"sort": "date_created,ASC"}
        since = _since(watermark, self._settings.overlap)
        if since is not None:
            params["return_last_updated_from"] = fields.timestamp(since)
        began = datetime.now(UTC)
        newest: datetime | None = None
        for rows in self._calls.seek(
            RETURNS,
            params=params,
            limit=self._settings.page_size,
            bucket="returns",
            further=self._further("return_pages", "returns"),
            operation="read returns",
        ):
            heads = [_head(row) for row in rows]
            newest = _latest(newest, [head.last_updated for head in heads])
            yield Page(
                statements=[
                    Statement(kind="return", key=_key(head.id, row), payload=row)
                    for head, row in zip(heads, rows, strict=True)
                ]
            )
        yield Page(statements=(), watermark=_mark(newest, began))

    def order(self, order_id: str) -> bytes | None:
        """One order as it is now; None when the marketplace has no such order."""
        self._account.learn_model()
        if not order_id or "," in order_id:
            return None  # the filter is a list with commas: no order can be called so
        params: dict[str, str | int] = {"order_ids": order_id, "max": 10, **self._language()}
        page = self._calls.get(ORDERS, _Orders, params=params, bucket="lookups", operation="read one order")
        return next((bytes(raw) for raw in page.orders if _key(_head(raw).order_id, raw) == order_id), None)

    def stated_order(self, order_id: str) -> bytes | None:
        """One order as the list of orders is read: with its shipments."""
        row = self.order(order_id)
        return None if row is None else self._with_shipments([_head(row)], [row])[0]

    def _with_shipments(self, heads: Sequence[_Head], rows: Sequence[bytes]) -> list[bytes]:
        """Where parcels are stated one by one, the order shows of them the last number and whole lines only (Mirakl,
        shipments): each order that may have some gets them beside, with one read for all."""
        ids = [_key(head.order_id, row) for head, row in zip(heads, rows, strict=True) if _may_have_left(head)]
        if not ids or not self._account.multi_shipment():
            return list(rows)
        found: dict[str, list[bytes]] = {}
        for page in self._calls.seek(
            SHIPMENTS, params={"order_id": ids}, limit=_MOST_SHIPMENTS, operation="read shipments"
        ):
            for shipment in page:
                found.setdefault(_key(_head(shipment).order_id, shipment), []).append(shipment)
        keys = [_key(head.order_id, row) for head, row in zip(heads, rows, strict=True)]
        return [joined(row, found[key]) if key in found else row for key, row in zip(keys, rows, strict=True)]

    def one_return(self, return_id: str) -> bytes | None:
        """One return as it is now; None when the marketplace has no such return."""
        pages = self._calls.seek(
            RETURNS, params={"return_id": return_id}, limit=10, bucket="lookups", operation="read one return"
        )
        return next((row for rows in pages for row in rows if _key(_head(row).id, row) == return_id), None)

    def order_count(self) -> int:
        """How many orders there are, by one small read that proves that orders can be read."""
        params = {**self._order_filter(), "max": 1}
        return self._calls.get(ORDERS, _Orders, params=params, bucket="orders", operation="read orders").total_count

    def _further(self, pages: str, reads: str) -> str:
        """The bucket of a list's further pages."""
        return reads if self._settings.pages_count else pages

    def _order_filter(self) -> dict[str, str | int]:
        params: dict[str, str | int] = {"max": self._settings.page_size, "sort": "dateCreated", "order": "asc"}
        if self._settings.only_channel:
            params["channel_codes"] = self._settings.only_channel
        if self._settings.shop_id is not None:
            params["shop_id"] = self._settings.shop_id
        return {**params, **self._language()}

    def _language(self) -> dict[str, str]:
        return {"locale": self._settings.locale} if self._settings.locale else {}


def _head(row: bytes | msgspec.Raw) -> _Head:
    try:
        return _heads.decode(row)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return _Head()


def _may_have_left(head: _Head) -> bool:
    return head.order_state == SHIPPING or head.order_state in SHIPPED


def _key(stated: Any, row: bytes | msgspec.Raw) -> str:
    """A row without a readable id is kept under a key made of its content, so that it is seen by a person."""
    if isinstance(stated, str | int) and not isinstance(stated, bool) and str(stated).strip():
        return str(stated).strip()
    return f"unreadable-{hashlib.blake2b(bytes(row), digest_size=8).hexdigest()}"


def _since(watermark: str | None, overlap: timedelta) -> datetime | None:
    return datetime.fromisoformat(watermark) - overlap if watermark else None


def _latest(known: datetime | None, stated: Sequence[Any]) -> datetime | None:
    found = [moment for value in stated if (moment := fields.moment(value)) is not None]
    return max([*found, *([known] if known else [])], default=None)


def _mark(newest: datetime | None, began: datetime | None) -> str | None:
    """The last change seen, never past the moment at which reading began (on the vendor's clock, where it says)."""
    if newest is None:
        return None
    return min(newest, began or newest).isoformat()


def _said_at(date: str | None) -> datetime | None:
    try:
        return parsedate_to_datetime(date).astimezone(UTC) if date else None
    except ValueError:
        return None
