"""Reads four lists of what changed, and the orders concerned, whole: lists are hints, orders are what counts.

Every list only says which orders to read again (sheet, 5: whether an order's own time moves with its invoices is not
documented), so the same order seen through four lists is one statement in the same bytes, and stored once.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import Any

import msgspec

from marketplace_sync.connectors.marketplacer import documents, fields
from marketplace_sync.connectors.marketplacer.account import Account
from marketplace_sync.connectors.marketplacer.graphql import Document, GraphQL
from marketplace_sync.connectors.marketplacer.settings import MarketplacerSettings
from marketplace_sync.connectors.ports import Page, Statement

FEEDS = {
    "orders": "updatedOrders",
    "invoices": "invoices",
    "refunds": "updatedRefundRequests",
    "amendments": "invoiceAmendments",
}
"""Feed -> the root field that it is read from."""
_SORTED = ("invoices", "amendments")
"""Lists that are asked for in the order of their changes; the others are only believed to come so (sheet, 5)."""
_BEGINNING = datetime(2000, 1, 1, tzinfo=UTC)
_SOLD = "COMPLETE"
_GRAIN = timedelta(seconds=1)


class _Order(msgspec.Struct, rename="camel"):
    id: str
    status: str = ""


class _Invoice(msgspec.Struct):
    id: str
    order: _Order | None = None


class _Row(msgspec.Struct, rename="camel"):
    id: str
    updated_at: Any = None
    status: str | None = None
    order: _Order | None = None
    invoice: _Invoice | None = None


class _Head(msgspec.Struct, rename="camel"):
    id: str = ""
    status: str = ""
    created_at: Any = None
    email_address: Any = None
    billing_email_address: Any = None


class _OptIn(msgspec.Struct, rename="camel"):
    email: Any = None
    source_type: Any = None
    subscribed_at: Any = None


class Reader:
    """Thread-safe. Everything raises TransportError."""

    def __init__(self, settings: MarketplacerSettings, calls: GraphQL, account: Account) -> None:
        self._settings = settings
        self._calls = calls
        self._account = account
        self._lock = threading.Lock()
        self._opt_ins: dict[str, list[_OptIn]] = {}
        self._opt_ins_since: datetime | None = None
        self._opt_ins_until: datetime | None = None

    def feeds(self) -> Sequence[str]:
        """A seller's key may not ask for orders (sheet, 1)."""
        return [name for name in FEEDS if not (self._account.is_seller and name == "orders")]

    def changed(self, feed: str, watermark: str | None) -> Iterator[Page]:
        """Orders that one list says have changed since the watermark, whole, page by page.

        The list goes on from the time of the last row and not from its place, because rows move while they are read
        (sheet, 2). A watermark is handed on where the list is sorted for certain, else only at its end, and never past
        the moment at which reading began.
        """
        if not self._account.is_seller:
            self._account.native_klaviyo()  # learnt before anything is told on
        since = datetime.fromisoformat(watermark) - self._settings.overlap if watermark else _BEGINNING
        began: datetime | None = None
        newest: datetime | None = None
        done: set[str] = set()
        for rows, date in self._walk(feed, since):
            began = began or date
            moments = [moment for row in rows if (moment := fields.moment(row.updated_at)) is not None]
            newest = max([*moments, *([newest] if newest else [])], default=None)
            ids = dict.fromkeys(found for row in rows if (found := self._concerned(row)) and found not in done)
            done.update(ids)
            watermark_now = _mark(newest, began) if feed in _SORTED else None
            yield Page(statements=self.whole(list(ids)), watermark=watermark_now)
        yield Page(statements=(), watermark=_mark(newest, began))

    def try_list(self, feed: str) -> None:
        """Read the first page of a list, to see that it can be."""
        variables = {"since": fields.timestamp(datetime.now(UTC)), "first": 1, "after": None}
        self._calls.ask(self._document(feed), variables)

    def _walk(self, feed: str, since: datetime) -> Iterator[tuple[list[_Row], datetime]]:
        document = self._document(feed)
        after: str | None = None
        while True:
            said = self._calls.ask(
                document,
                {"since": fields.timestamp(since), "first": self._settings.page_size, "after": after},
            )
            found = self._account.rows(document, said.data.get(FEEDS[feed]))
            rows = [self._account.decoded(document, raw, _Row) for raw in found.nodes or () if bytes(raw) != b"null"]
            yield rows, _said_at(said.date)
            if not found.page_info.has_next_page:
                return
            moments = [fields.moment(row.updated_at) for row in rows]
            known = [moment for moment in moments if moment is not None]
            onward = (known[-1] - _GRAIN).replace(microsecond=0) if known else since
            if len(known) == len(rows) and known == sorted(known) and onward > since:
                since, after = onward, None
                continue
            if not found.page_info.end_cursor or found.page_info.end_cursor == after:
                raise self._calls.unreadable(document, "it says that there is more and not where")
            after = found.page_info.end_cursor

    def _document(self, feed: str) -> Document:
        seller = self._account.is_seller
        return {
            "orders": lambda: documents.CHANGED_ORDERS,
            "invoices": lambda: documents.changed_invoices(seller),
            "refunds": lambda: documents.changed_refunds(seller),
            "amendments": lambda: documents.changed_amendments(seller),
        }[feed]()

    def _concerned(self, row: _Row) -> str:
        """The order (for a seller's key: the invoice) to read again; empty when it is not sold yet."""
        if self._account.is_seller:
            return row.invoice.id if row.invoice else row.id
        order = row.order or (row.invoice.order if row.invoice else None)
        if order is None and row.invoice is None:
            order = _Order(id=row.id, status=row.status or "")
        return order.id if order is not None and order.status in ("", _SOLD) else ""

    def whole(self, ids: Sequence[str]) -> list[Statement]:
        """These orders (or invoices) as they are now; those that are gone or not sold are left out."""
        found: list[Statement] = []
        schema = self._account.schema()
        document = documents.whole_invoices(schema) if self._account.is_seller else documents.whole_orders(schema)
        for start in range(0, len(ids), self._settings.orders_at_once):
            some = ids[start : start + self._settings.orders_at_once]
            said = self._calls.ask(document, {"ids": list(some)})
            nodes = self._account.decoded(document, said.data.get("nodes", msgspec.Raw(b"[]")), list[msgspec.Raw])
            site = bytes(said.data.get("siteConfig", b"null"))
            heads = {key: msgspec.json.decode(raw, type=_Head | None) for key, raw in zip(some, nodes, strict=False)}
            opt_ins = self._matching([head for head in heads.values() if head is not None])
            for key, raw in zip(some, nodes, strict=False):
                head = heads[key]
                if head is None:
                    if said.errors:
                        unread = msgspec.json.encode({"id": key, "errors": list(said.errors)})
                        found.append(Statement(kind="order", key=key, payload=unread))
                    continue
                if head.status not in ("", _SOLD):
                    continue
                mine = msgspec.json.encode(opt_ins.get(head.id, []))
                payload = b'{"site":' + site + b',"optIns":' + mine + b',"node":' + bytes(raw) + b"}"
                found.append(Statement(kind="order", key=head.id or key, payload=payload))
        return found

    def _matching(self, heads: Sequence[_Head]) -> Mapping[str, list[_OptIn]]:
        """Order id -> opt-ins of the same address near the time of the order (sheet, 10)."""
        placed = {head.id: moment for head in heads if (moment := fields.moment(head.created_at)) is not None}
        if not self._settings.opt_ins or self._account.is_seller or not placed:
            return {}
        window = self._settings.opt_in_window
        self._learn_opt_ins(min(placed.values()) - window, max(placed.values()) + window)
        found: dict[str, list[_OptIn]] = {}
        with self._lock:
            for head in heads:
                email = fields.text(head.email_address or head.billing_email_address).lower()
                at = placed.get(head.id)
                near = [
                    one
                    for one in (self._opt_ins.get(email, ()) if email and at else ())
                    if (moment := fields.moment(one.subscribed_at)) and at and abs(moment - at) <= window
                ]
                if near:
                    found[head.id] = sorted(near, key=lambda one: str(one.subscribed_at))
        return found

    def _learn_opt_ins(self, since: datetime, until: datetime) -> None:
        """The list from `since` on, read again once it may have grown: at most once a minute."""
        now = datetime.now(UTC)
        with self._lock:
            start, end = self._opt_ins_since, self._opt_ins_until
        recent = end is not None and (until < end or now - end < timedelta(minutes=1))
        if start is not None and since >= start and recent:
            return
        fresh: dict[str, list[_OptIn]] = {}
        begin = since if start is None else min(start, since)
        variables = {"since": begin.date().isoformat()}
        for page in self._account.pages(documents.OPT_INS, variables, "emailMarketingSubscriptions"):
            for row in page:
                one = self._account.decoded(documents.OPT_INS, row, _OptIn)
                fresh.setdefault(fields.text(one.email).lower(), []).append(one)
        with self._lock:
            self._opt_ins, self._opt_ins_since, self._opt_ins_until = fresh, begin, now


def _mark(newest: datetime | None, began: datetime | None) -> str | None:
    if newest is None:
        return None
    return min(newest, began or newest).isoformat()


def _said_at(date: str) -> datetime:
    try:
        return parsedate_to_datetime(date).astimezone(UTC) if date else datetime.now(UTC)
    except ValueError:
        return datetime.now(UTC)
