"""Reads back what the vendor has: our metrics, their events page by page, and the totals it makes of them."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any, TypeVar
from urllib.parse import parse_qs, urlsplit

import msgspec

from marketplace_sync.connectors.klaviyo.calls import Calls
from marketplace_sync.connectors.klaviyo.events import SYNC_KEY, instant
from marketplace_sync.connectors.ports import MetricTotal, SeenEvent
from marketplace_sync.decoding import decoded
from marketplace_sync.domain.errors import AnswerUnreadable, RequestRejected
from marketplace_sync.domain.money import minor_units

PAGE = 1_000
CURRENCY = "$value_currency"
LONGEST_TOTALS = timedelta(days=365)

Resource = TypeVar("Resource")


class Links(msgspec.Struct, frozen=True):
    next: str | None = None


class Collection(msgspec.Struct, frozen=True):
    """A page of anything, its resources not yet read."""

    data: list[msgspec.Raw]
    links: Links = Links()
    included: list[msgspec.Raw] = []


class Integration(msgspec.Struct, frozen=True):
    name: str | None = None
    key: str | None = None

    @property
    def is_api(self) -> bool:
        return "api" in ((self.name or "").casefold(), (self.key or "").casefold())


class MetricAttributes(msgspec.Struct, frozen=True):
    name: str | None = None
    integration: Integration | None = None


class Reference(msgspec.Struct, frozen=True):
    id: str


class References(msgspec.Struct, frozen=True):
    data: list[Reference] = []


class MetricRelationships(msgspec.Struct, frozen=True, rename={"flow_triggers": "flow-triggers"}):
    flow_triggers: References = References()


class Metric(msgspec.Struct, frozen=True):
    id: str
    attributes: MetricAttributes
    relationships: MetricRelationships = MetricRelationships()

    @property
    def ours(self) -> bool:
        """Made by the API, not by another integration: a metric is its name and where it comes from."""
        return self.attributes.integration is not None and self.attributes.integration.is_api


class FlowAttributes(msgspec.Struct, frozen=True):
    name: str | None = None
    status: str | None = None
    archived: bool | None = None


class Flow(msgspec.Struct, frozen=True):
    id: str
    attributes: FlowAttributes = FlowAttributes()

    @property
    def live(self) -> bool:
        return self.attributes.status == "live" and not self.attributes.archived


class _EventProperties(msgspec.Struct, frozen=True, rename={"sync_key": SYNC_KEY}):
    sync_key: Any = None


class _EventAttributes(msgspec.Struct, frozen=True):
    datetime: datetime
    event_properties: _EventProperties | None = None


class _Event(msgspec.Struct, frozen=True):
    attributes: _EventAttributes


class _TotalsRow(msgspec.Struct, frozen=True):
    dimensions: list[str | None]
    measurements: dict[str, list[Decimal]]


class _TotalsAttributes(msgspec.Struct, frozen=True):
    dates: list[datetime]
    data: list[_TotalsRow]


class _Totals(msgspec.Struct, frozen=True):
    attributes: _TotalsAttributes


class _TotalsDocument(msgspec.Struct, frozen=True):
    data: _Totals
    links: Links = Links()


class Reading:
    """Asks the vendor; changes nothing. Thread-safe. Everything raises TransportError."""

    def __init__(self, calls: Calls) -> None:
        self._calls = calls
        self._metric_ids: dict[str, str] = {}
        self._lock = threading.Lock()

    def pages(
        self, path: str, resource: type[Resource], params: dict[str, str | int], *, bucket: str, operation: str
    ) -> Iterator[tuple[list[Resource], list[msgspec.Raw]]]:
        """The resources of a collection, page by page, each with what is included.

        Of the vendor's link to the next page only the cursor is used, never its address.
        """
        cursor: str | None = None
        while True:
            paged = params if cursor is None else {**params, "page[cursor]": cursor}
            page = self._calls.read(path, Collection, bucket=bucket, operation=operation, params=paged)
            found = self._read(page.data, resource, operation)
            yield found, page.included
            following = next_cursor(page.links.next)
            if page.links.next and following is None:
                raise self._unreadable(operation, "has a link to a next page without a cursor")
            if following is None:
                return
            if following == cursor:
                raise self._unreadable(operation, "leads from a page to the same page again")
            cursor = following

    def metrics(self) -> Iterator[tuple[list[Metric], list[Flow]]]:
        """Every metric of the account, page by page, with the flows they start."""
        operation = "read the metrics"
        include: dict[str, str | int] = {"include": "flow-triggers"}
        for metrics, included in self.pages("/api/metrics", Metric, include, bucket="metrics", operation=operation):
            yield metrics, self._read(included, Flow, operation)

    def metric_id(self, name: str) -> str | None:
        """The id of the metric of this name that the API feeds; None until its first event was processed."""
        with self._lock:
            known = self._metric_ids.get(name)
        if known is not None:
            return known
        for metrics, _ in self.pages("/api/metrics", Metric, {}, bucket="metrics", operation="read the metrics"):
            for metric in metrics:
                if metric.attributes.name == name and metric.ours:
                    with self._lock:
                        self._metric_ids[name] = metric.id
                    return metric.id
        return None

    def events(self, metric: str, since: datetime, until: datetime) -> Iterator[SeenEvent]:
        """Events of ours with `since <= time < until` (whole seconds), by time. Those without our key are passed over:
        somebody else sent them under the same name.

        When the vendor forgets where we were (a cursor does not live for ever), reading goes on from the last second
        that was read.
        """
        metric_id = self.metric_id(metric)
        if metric_id is None:
            return
        begin, last = since, datetime.min.replace(tzinfo=UTC)
        read_in_last: Counter[str] = Counter()
        while True:
            progress = False
            again = read_in_last.copy()
            try:
                for seen in self._window(metric, metric_id, begin, until):
                    if again[seen.sync_key] and seen.occurred_at == last:
                        again[seen.sync_key] -= 1
                        continue
                    if seen.occurred_at != last:
                        last, read_in_last = seen.occurred_at, Counter()
                    read_in_last[seen.sync_key] += 1
                    progress = True
                    yield seen
                return
            except RequestRejected as refusal:
                if refusal.status != 400 or not progress:
                    raise
                begin = last

    def _window(self, metric: str, metric_id: str, since: datetime, until: datetime) -> Iterator[SeenEvent]:
        params: dict[str, str | int] = {
            "filter": (
                f'equals(metric_id,"{metric_id}"),greater-or-equal(datetime,{instant(since)}),'
                f"less-than(datetime,{instant(until)})"
            ),
            "sort": "datetime",
            "page[size]": PAGE,
            "fields[event]": "datetime,event_properties",
        }
        operation = f"read the events of {metric}"
        for events, _ in self.pages("/api/events", _Event, params, bucket="event-reads", operation=operation):
            for event in events:
                stated = event.attributes.event_properties
                if stated is not None and isinstance(stated.sync_key, str) and stated.sync_key:
                    yield SeenEvent(sync_key=stated.sync_key, occurred_at=event.attributes.datetime.astimezone(UTC))

    def totals(
        self, metric: str, since: datetime, until: datetime, by: Sequence[str], interval: str
    ) -> list[MetricTotal]:
        """See `ports.MarketingPlatform.metric_aggregates`. At most a year at a time: ValueError beyond."""
        if until - since > LONGEST_TOTALS:
            raise ValueError("Klaviyo adds up at most a year at a time: ask for shorter windows")
        metric_id = self.metric_id(metric)
        if metric_id is None:
            return []
        wanted = [CURRENCY, *(name for name in by if name != CURRENCY)]
        attributes: dict[str, Any] = {
            "metric_id": metric_id,
            "measurements": ["count", "sum_value"],
            "interval": interval,
            "timezone": "UTC",
            "by": wanted,
            "page_size": 500,
            "filter": [
                f"greater-or-equal(datetime,{instant(since).rstrip('Z')})",
                f"less-than(datetime,{instant(until).rstrip('Z')})",
            ],
        }
        operation = f"add up {metric}"
        found: list[MetricTotal] = []
        while True:
            document = self._calls.ask(
                "/api/metric-aggregates",
                {"data": {"type": "metric-aggregate", "attributes": attributes}},
                _TotalsDocument,
                bucket="aggregates",
                operation=operation,
            )
            found.extend(self._added_up(document.data.attributes, len(wanted), operation))
            cursor = next_cursor(document.links.next)
            if cursor is None or cursor == attributes.get("page_cursor"):
                return found
            attributes["page_cursor"] = cursor

    def _added_up(self, totals: _TotalsAttributes, width: int, operation: str) -> Iterator[MetricTotal]:
        for row in totals.data:
            counts = row.measurements.get("count", [])
            sums = row.measurements.get("sum_value", [])
            if not len(counts) == len(sums) == len(totals.dates) or len(row.dimensions) != width:
                raise self._unreadable(operation, "does not have a number for every date")
            currency, *others = [dimension or "" for dimension in row.dimensions]
            for begins_at, count, value in zip(totals.dates, counts, sums, strict=True):
                if count or value:
                    yield MetricTotal(
                        begins_at=begins_at.astimezone(UTC),
                        currency=currency,
                        count=int(count),
                        value=minor_units(value, currency),
                        dimensions=tuple(others),
                    )

    def _read(self, raw: Sequence[msgspec.Raw], wanted: type[Resource], operation: str) -> list[Resource]:
        try:
            return [decoded(one, wanted) for one in raw]
        except (msgspec.MsgspecError, RecursionError) as problem:
            raise self._unreadable(operation, f"is not what Klaviyo documents: {problem}") from None

    def _unreadable(self, operation: str, why: str) -> AnswerUnreadable:
        return AnswerUnreadable(
            f"{self._calls.connection}: the answer to {operation} {why}",
            connection=self._calls.connection,
            operation=operation,
        )


def next_cursor(link: str | None) -> str | None:
    """The cursor inside a link to the next page; None when there is no next page, or no cursor in it."""
    if not link:
        return None
    query = parse_qs(urlsplit(link).query)
    return next((query[name][0] for name in ("page[cursor]", "page_cursor") if query.get(name)), None)
