"""Reads four lists of what changed, and the orders concerned, whole: lists are hints, orders are what counts.

Every list only says which orders to read again (sheet, 5: whether an order's own time moves with its invoices is not
documented), so the same order seen through four lists is one statement in the same bytes, and stored once. Once a day
the orders of the last weeks are read whatever the lists said of them (sheet, 11).
"""

from __future__ import annotations

import re
import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import Any

import msgspec

from marketplace_sync.connectors.marketplacer import documents, fields
from marketplace_sync.connectors.marketplacer.account import Account, Rows
from marketplace_sync.connectors.marketplacer.graphql import Document, Failure, GraphQL
from marketplace_sync.connectors.marketplacer.opt_ins import OptIns
from marketplace_sync.connectors.marketplacer.settings import MarketplacerSettings
from marketplace_sync.connectors.ports import Malformed, Page, Statement
from marketplace_sync.decoding import decoded

FEEDS = {
    "orders": "updatedOrders",
    "invoices": "invoices",
    "refunds": "updatedRefundRequests",
    "amendments": "invoiceAmendments",
    "sweep": "invoices",
}
"""Feed -> the root field that it is read from."""
SWEEP = "sweep"
_SORTED = ("invoices", "amendments")
"""Lists that are asked for in the order of their changes; the others come in one that nobody documents (sheet, 5)."""
_DAY = timedelta(days=1)
_BEGINNING = datetime(2000, 1, 1, tzinfo=UTC)
_SOLD = "COMPLETE"
_SHOWN = {"variant", "image"}
"""Fields of a line that say how its product looks now; a product may be gone (sheet, 2: deprecations)."""
_GRAIN = timedelta(seconds=1)
_NO_LINK = re.compile(rb'"trackingLink"\s*:\s*null')
_LOOK_AGAIN = 1.0
"""Seconds until an order is read again whose invoices are still arriving."""


class _Order(msgspec.Struct, rename="camel"):
    id: str
    status: Any = ""


class _Invoice(msgspec.Struct):
    id: str
    order: _Order | None = None


class _Row(msgspec.Struct, rename="camel"):
    id: str
    updated_at: Any = None
    status: Any = None
    order: _Order | None = None
    invoice: _Invoice | None = None


class _Part(msgspec.Struct, rename="camel"):
    total_cents: Any = None
    total_formatted: Any = None


class _Parts(msgspec.Struct):
    nodes: list[_Part | None] | None = None


class _Head(msgspec.Struct, rename="camel"):
    id: str = ""
    status: str = ""
    created_at: Any = None
    email_address: Any = None
    billing_email_address: Any = None
    total_cents: Any = None
    total_formatted: Any = None
    invoices: _Parts | None = None


class _Country(msgspec.Struct, rename="camel"):
    currency_code: Any = None


class _Site(msgspec.Struct):
    country: _Country | None = None


@dataclass(frozen=True)
class Found:
    """One order, whole."""

    statement: Statement
    is_arriving: bool = False
    """There are invoices still to come."""
    is_degraded: bool = False
    """Part of it failed this time."""

    @property
    def may_be_whole_soon(self) -> bool:
        return self.is_arriving or self.is_degraded


class Reader:
    """Thread-safe. Everything raises TransportError."""

    def __init__(self, settings: MarketplacerSettings, calls: GraphQL, account: Account) -> None:
        self._settings = settings
        self._calls = calls
        self._account = account
        self._opt_ins = OptIns(settings, account)

    def feeds(self) -> Sequence[str]:
        """A seller's key may not ask for orders (sheet, 1)."""
        left_out = {"orders"} if self._account.is_seller else set()
        if not self._settings.look_back:
            left_out.add(SWEEP)
        return [name for name in FEEDS if name not in left_out]

    def changed(self, feed: str, watermark: str | None) -> Iterator[Page]:
        """Orders that one list says have changed since the watermark, whole, page by page. The sweep has all of
        `look_back`, and nothing the first time: then the lists themselves begin with everything.

        A watermark is handed on where the list is sorted for certain, else only at its end, and never past the moment
        at which reading began.
        """
        if not self._account.is_seller:
            self._account.native_klaviyo()  # learnt before anything is told on
        self._schema()
        if feed == SWEEP and watermark is None:
            yield Page(statements=(), watermark=datetime.now(UTC).isoformat())
            return
        began: datetime | None = None
        newest: datetime | None = None
        done: set[str] = set()
        held: list[str] = []
        for rows, date in self._rows(feed, watermark):
            began = began or date
            moments = [moment for row in rows if (moment := fields.moment(row.updated_at)) is not None]
            newest = max([*moments, *([newest] if newest else [])], default=None)
            ids = dict.fromkeys(found for row in rows if (found := self._concerned(row)) and found not in done)
            done.update(ids)
            orders = self.read(list(ids))
            held += [one.statement.key for one in orders if one.may_be_whole_soon]
            watermark_now = _mark(newest, began) if feed in _SORTED and not held else None
            whole = [one.statement for one in orders if not one.may_be_whole_soon]
            yield Page(statements=whole, watermark=watermark_now)
        give_up = time.monotonic() + self._settings.wait_for_invoices.total_seconds()
        while held:
            time.sleep(_LOOK_AGAIN)
            orders = self.read(held)
            is_over = time.monotonic() >= give_up
            there = [one.statement for one in orders if is_over or not one.may_be_whole_soon]
            held = [one.statement.key for one in orders if one.may_be_whole_soon and not is_over]
            yield Page(statements=there)
        yield Page(statements=(), watermark=_mark(newest, began))

    def try_list(self, feed: str) -> None:
        """Read the first page of a list, to see that it can be."""
        variables = {"since": fields.timestamp(datetime.now(UTC)), "first": 1, "after": None}
        self._calls.ask(self._document(feed), variables)

    def _rows(self, feed: str, watermark: str | None) -> Iterator[tuple[list[_Row], datetime]]:
        if feed == SWEEP:
            return self._made_lately()
        since = datetime.fromisoformat(watermark) - self._settings.overlap if watermark else _BEGINNING
        return self._sorted(feed, since) if feed in _SORTED else self._unsorted(feed, since)

    def _made_lately(self) -> Iterator[tuple[list[_Row], datetime]]:
        """A day after the other: when an invoice was made does not change, so no row moves while they are read. Days
        share a moment, for whether the ends belong to them is not said."""
        now = datetime.now(UTC)
        since = now - self._settings.look_back
        while since < now:
            until = since + _DAY
            after: str | None = None
            while True:
                found, rows, date = self._page(SWEEP, since, after, until + _GRAIN if until < now else None)
                yield rows, date
                if not found.page_info.has_next_page:
                    break
                after = self._next(self._document(SWEEP), found, after)
            since = until

    def _sorted(self, feed: str, since: datetime) -> Iterator[tuple[list[_Row], datetime]]:
        """Goes on from the time of the last row and not from its place, because rows move while they are read (sheet,
        2)."""
        document = self._document(feed)
        after: str | None = None
        while True:
            found, rows, date = self._page(feed, since, after)
            yield rows, date
            if not found.page_info.has_next_page:
                return
            moments = [fields.moment(row.updated_at) for row in rows]
            known = [moment for moment in moments if moment is not None]
            onward = (known[-1] - _GRAIN).replace(microsecond=0) if known else since
            if len(known) == len(rows) and known == sorted(known) and onward > since:
                since, after = onward, None
                continue
            after = self._next(document, found, after)

    def _unsorted(self, feed: str, since: datetime) -> Iterator[tuple[list[_Row], datetime]]:
        """Relies on no order at all. A row that moves to the front or the end while the list is read has others slip
        past the place at which it goes on (sheet, 2), but none leaves the list: it is read whole once as many rows were
        seen as it has. Until then it is read once more."""
        document = self._document(feed)
        seen: set[str] = set()
        while True:
            before, empty, after = len(seen), 0, None
            while True:
                found, rows, date = self._page(feed, since, after)
                yield rows, date
                seen.update(row.id for row in rows)
                empty += len(found.nodes or ()) - len(rows)
                if not found.page_info.has_next_page:
                    break
                after = self._next(document, found, after)
            if len(seen) + empty >= found.total_count:
                return
            if len(seen) == before:
                why = f"it says that {found.total_count} rows are there, and shows {len(seen)}"
                raise self._calls.unreadable(document, why)

    def _page(
        self, feed: str, since: datetime, after: str | None, until: datetime | None = None
    ) -> tuple[Rows, list[_Row], datetime]:
        document = self._document(feed)
        variables = {"since": fields.timestamp(since), "first": self._settings.page_size, "after": after}
        if until is not None:
            variables["until"] = fields.timestamp(until)
        said = self._calls.ask(document, variables)
        found = self._account.rows(document, said.data.get(FEEDS[feed]))
        rows = [self._account.decoded(document, raw, _Row) for raw in found.nodes or () if bytes(raw) != b"null"]
        return found, rows, _said_at(said.date)

    def _next(self, document: Document, found: Rows, after: str | None) -> str:
        onward = found.page_info.end_cursor
        if not onward or onward == after:
            raise self._calls.unreadable(document, "it says that there is more and not where")
        return onward

    def _document(self, feed: str) -> Document:
        seller = self._account.is_seller
        return {
            "orders": lambda: documents.CHANGED_ORDERS,
            "invoices": lambda: documents.changed_invoices(seller),
            "refunds": lambda: documents.changed_refunds(seller),
            "amendments": lambda: documents.changed_amendments(seller),
            SWEEP: lambda: documents.made_invoices(seller),
        }[feed]()

    def _concerned(self, row: _Row) -> str:
        """The order (for a seller's key: the invoice) to read again; empty when it is not sold yet."""
        if self._account.is_seller:
            return row.invoice.id if row.invoice else row.id
        order = row.order or (row.invoice.order if row.invoice else None)
        if order is None and row.invoice is None:
            order = _Order(id=row.id, status=row.status)
        # one whose status says nothing is read, and shown to a person
        is_sold = order is not None and (order.status in ("", _SOLD) or not isinstance(order.status, str))
        return order.id if order is not None and is_sold else ""

    def whole(self, ids: Sequence[str]) -> list[Statement]:
        """These orders (or invoices) as they are now; those that are gone or not sold are left out."""
        return [one.statement for one in self.read(ids)]

    def read(self, ids: Sequence[str]) -> list[Found]:
        """As `whole`, and whether all of each is there."""
        found: list[Found] = []
        document = self._whole(self._schema())
        for start in range(0, len(ids), self._settings.orders_at_once):
            some = ids[start : start + self._settings.orders_at_once]
            said = self._calls.ask(document, {"ids": list(some)})
            nodes = self._account.decoded(document, said.data.get("nodes", msgspec.Raw(b"[]")), list[msgspec.Raw])
            site = bytes(said.data.get("siteConfig", b"null"))
            heads, odd = _heads(some, nodes)
            opt_ins = {} if self._account.is_seller else self._opt_ins.matching(self._buyers(heads.values()))
            currency = _currency(site) or self._settings.currency
            for place, (key, raw) in enumerate(zip(some, nodes, strict=False)):
                head = heads.get(key)
                if head is not None and head.status not in ("", _SOLD):
                    continue
                failed = [one.words for one in said.errors if head is None or _matters(one, place)]
                failed += odd.get(key, [])
                if failed:
                    unread = msgspec.json.encode({"id": key, "errors": failed, "node": raw})
                    found.append(Found(Statement(kind="order", key=key, payload=unread), is_degraded=key not in odd))
                if head is None or failed:
                    continue
                mine = msgspec.json.encode(opt_ins.get(head.id, []))
                payload = b'{"site":' + site + b',"optIns":' + mine + b',"node":' + bytes(raw)
                if _NO_LINK.search(bytes(raw)) and (links := self._account.tracking_links()):
                    payload += b',"carriers":' + msgspec.json.encode(links, order="sorted")
                payload += b"}"
                is_arriving = self._is_arriving(head, currency, _said_at(said.date))
                found.append(Found(Statement(kind="order", key=head.id or key, payload=payload), is_arriving))
        return found

    def _whole(self, schema: documents.Schema) -> Document:
        return documents.whole_invoices(schema) if self._account.is_seller else documents.whole_orders(schema)

    def _schema(self) -> documents.Schema:
        """What may be asked for here; an instance that lacks what orders cannot be read without is not read at all, and
        is told what it lacks (sheet, 11)."""
        schema = self._account.schema()
        if lacking := documents.missing(schema):
            why = f"this instance lacks what orders cannot be read without: {', '.join(lacking)}"
            raise self._calls.unreadable(self._whole(schema), why)
        return schema

    def _buyers(self, heads: Iterable[_Head | None]) -> Iterator[tuple[str, str, datetime]]:
        for head in heads:
            at = fields.moment(head.created_at) if head is not None else None
            if head is not None and at is not None:
                yield head.id, fields.text_if_any(head.email_address or head.billing_email_address), at

    def _is_arriving(self, head: _Head, currency: str, now: datetime) -> bool:
        """Placed a moment ago by the instance's own clock, and its invoices do not add up to it: others follow
        (sheet, 10)."""
        at = fields.moment(head.created_at)
        if self._account.is_seller or at is None or now - at >= self._settings.wait_for_invoices:
            return False
        invoices = [one for one in (head.invoices.nodes if head.invoices else None) or () if one is not None]
        try:
            whole = fields.cents(head.total_cents, head.total_formatted, currency, "total")
            parts = [fields.cents(one.total_cents, one.total_formatted, currency, "total") for one in invoices]
        except Malformed:
            return False  # whoever parses it says so
        return whole is None or None in parts or whole != sum(part for part in parts if part)


def _matters(failure: Failure, place: int) -> bool:
    """Whether it is about this order of the answer, and about more than how a product is shown. What failed comes as
    null, and null is an answer of its own: a parcel of a whole invoice, a refund of no line, an order that was not
    born in a shop."""
    return failure.path[:2] == ("nodes", str(place)) and _SHOWN.isdisjoint(failure.path)


def _heads(keys: Sequence[str], nodes: Sequence[msgspec.Raw]) -> tuple[dict[str, _Head | None], dict[str, list[str]]]:
    """What is read of each order before it is parsed, and why it cannot be: one odd order is no reason to read no
    other."""
    heads: dict[str, _Head | None] = {}
    odd: dict[str, list[str]] = {}
    for key, raw in zip(keys, nodes, strict=False):
        try:
            heads[key] = decoded(raw, _Head | None)
        except (msgspec.DecodeError, RecursionError) as problem:
            odd[key] = [str(problem)[:200]]
    return heads, odd


def _currency(site: bytes) -> str:
    try:
        found = decoded(site, _Site | None)
    except msgspec.DecodeError:
        return ""  # whoever parses an order says so
    return fields.text_if_any(found.country.currency_code) if found is not None and found.country is not None else ""


def _mark(newest: datetime | None, began: datetime | None) -> str | None:
    if newest is None:
        return None
    return min(newest, began or newest).isoformat()


def _said_at(date: str) -> datetime:
    try:
        return parsedate_to_datetime(date).astimezone(UTC) if date else datetime.now(UTC)
    except ValueError:
        return datetime.now(UTC)
