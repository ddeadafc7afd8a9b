"""Metric aggregates: counts, sums and distinct profiles per interval of event time, in the caller's time zone."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Literal
from zoneinfo import ZoneInfo, available_timezones

import msgspec

from marketplace_sync.sandbox.klaviyo.answers import Answer, Json, Refusal, invalid, not_found
from marketplace_sync.sandbox.klaviyo.call import Call
from marketplace_sync.sandbox.klaviyo.filters import Condition, meets, parse
from marketplace_sync.sandbox.klaviyo.paging import Key, page_of
from marketplace_sync.sandbox.klaviyo.reading import Body, read

if TYPE_CHECKING:
    from marketplace_sync.sandbox.klaviyo.account import Account

DIMENSIONS = (
    "$attributed_channel", "$attributed_flow", "$attributed_message", "$attributed_variation", "$campaign_channel",
    "$flow", "$flow_channel", "$message", "$message_send_cohort", "$usage_amount", "$value_currency", "$variation",
    "$variation_send_cohort", "Bot Click", "Bounce Type", "Campaign Name", "Client Canonical", "Client Name",
    "Client Type", "Email Domain", "Failure Source", "Failure Type", "From Number", "From Phone Region",
    "Inbox Provider", "List", "Message Format", "Message Name", "Message Type", "Method", "Segment Count", "Subject",
    "To Number", "To Phone Region", "URL", "form_id",
)  # fmt: skip
"""What may be grouped by. Only `$value_currency` has values here: nothing was sent, so nothing is credited."""

WITHOUT_ALIAS = frozenset({"Factory", "Europe/Kyiv", "Pacific/Kanton"})
FILTERS = {
    "datetime": ("date-time", "greater-or-equal less-than"),
    **{name: ("string", "equals any") for name in DIMENSIONS if " " not in name},
}
LONGEST = timedelta(days=366)
ROWS_PER_PAGE = 500
Interval = Literal["hour", "day", "week", "month"]


class QueryAttributes(Body):
    metric_id: str
    measurements: list[Literal["count", "sum_value", "unique"]]
    filter: list[str]
    interval: Interval | None = None
    page_size: int | None = None
    page_cursor: str | None = None
    by: list[str] | None = None
    return_fields: list[str] | None = None
    timezone: str | None = None
    sort: str | None = None


class QueryResource(Body):
    type: Literal["metric-aggregate"]
    attributes: QueryAttributes


class Query(Body):
    data: QueryResource


class AggregateRoutes:
    def __init__(self, account: Account) -> None:
        self.account = account

    def query(self, call: Call) -> Answer:
        wanted = read(Query, call.body).data.attributes
        if not wanted.measurements:
            raise invalid("At least one measurement is required.", "/data/attributes/measurements")
        by = wanted.by or []
        for place, name in enumerate(by):
            if name not in DIMENSIONS:
                raise invalid(f"'{name}' is not a valid dimension.", f"/data/attributes/by/{place}")
        if self.account.metrics.get(wanted.metric_id) is None:
            raise not_found("metric", wanted.metric_id)
        zone = _zone(wanted.timezone or "UTC")
        start, end, conditions = _range(wanted.filter, zone)
        edges = _edges(start, end, wanted.interval or "day")
        rows = self._rows(wanted, by, start, end, conditions, edges)
        size = ROWS_PER_PAGE if wanted.page_size is None else wanted.page_size
        if not 1 <= size <= ROWS_PER_PAGE:
            raise invalid(f"page_size must be between 1 and {ROWS_PER_PAGE}.", "/data/attributes/page_size")
        question = repr({**msgspec.to_builtins(wanted), "page_cursor": None})
        cursor = call.cursors.read(question, wanted.page_cursor) if wanted.page_cursor else None
        order = (wanted.sort or "").lstrip("-")
        if order and order not in (*DIMENSIONS, *MEASURE):
            raise invalid(f"'{wanted.sort}' is not a valid sort key.", "/data/attributes/sort")
        page = page_of(
            _sorted(rows, by, order),
            descending=(wanted.sort or "").startswith("-"),
            size=size,
            cursor=cursor,
            accept=lambda key: True,
            write=lambda key, backwards: call.cursors.write(question, key, backwards),
        )
        data = [{"dimensions": key[1], "measurements": rows[tuple(key[1])]} for key in page.keys]
        attributes: Json = {"dates": [edge.isoformat() for edge in edges], "data": data}
        if wanted.return_fields is not None:
            attributes = {name: value for name, value in attributes.items() if name in wanted.return_fields}
        here = f"{call.base}/api/metric-aggregates"
        resource = {"type": "metric-aggregate", "id": wanted.metric_id, "attributes": attributes}
        answer = call.one({**resource, "links": {"self": here}})
        assert answer.document is not None
        # Where the next cursor is told is not described; the links are where all other collections tell it.
        answer.document["links"] |= {"next": page.next} if page.next else {}
        return answer

    def _rows(
        self,
        wanted: QueryAttributes,
        by: list[str],
        start: datetime,
        end: datetime,
        conditions: list[Condition],
        edges: list[datetime],
    ) -> dict[tuple[str, ...], Json]:
        """Dimension values to measurements, each a list as long as `edges`."""
        starts = [edge.timestamp() for edge in edges]
        found: dict[tuple[str, ...], list[list[Json]]] = {}
        if not by:
            found[()] = [[] for _ in edges]
        place = 0
        keys = self.account.events.timeline(metric=wanted.metric_id).ordered()
        first, last = (bisect_left(keys, (edge.timestamp(), -1)) for edge in (start, end))
        for key in keys[first:last]:
            event = self.account.events.at(key)
            if not all(meets(one, _dimension(event, one.field)) for one in conditions):
                continue
            while place + 1 < len(starts) and starts[place + 1] <= key[0]:
                place += 1
            group = tuple(_dimension(event, name) for name in by)
            found.setdefault(group, [[] for _ in edges])[place].append(event)
        return {
            group: {name: [MEASURE[name](events) for events in buckets] for name in wanted.measurements}
            for group, buckets in found.items()
        }


def _sorted(rows: dict[tuple[str, ...], Json], by: list[str], order: str) -> list[Key]:
    """(what it is sorted by, dimension values) of every row, ascending; a measurement counts over all dates."""

    def value(group: tuple[str, ...]) -> str | float:
        if order in MEASURE:
            return float(sum(rows[group].get(order, [])))
        return group[by.index(order)] if order in by else ""

    return sorted((value(group), list(group)) for group in rows)


def _total(events: list[Json]) -> float:
    # Values came as JSON numbers: added as decimals, so that ten times 0.1 is 1.
    return float(sum((Decimal(str(one["value"])) for one in events if one["value"] is not None), Decimal(0)))


MEASURE: dict[str, Callable[[list[Json]], float]] = {
    "count": lambda events: float(len(events)),
    "sum_value": _total,
    "unique": lambda events: float(len({one["profile"] for one in events})),
}


def _dimension(event: Json, name: str) -> str:
    return str(event["currency"] or "") if name == "$value_currency" else ""


def _zone(name: str) -> ZoneInfo:
    if name not in available_timezones() or name in WITHOUT_ALIAS:
        raise invalid(f"'{name}' is not a valid time zone.", "/data/attributes/timezone")
    return ZoneInfo(name)


def _range(filters: list[str], zone: ZoneInfo) -> tuple[datetime, datetime, list[Condition]]:
    """Start, end and the other conditions. Times without an offset are in the query's time zone."""
    bounds: dict[str, datetime] = {}
    rest: list[Condition] = []
    for place, text in enumerate(filters):
        pointer = f"/data/attributes/filter/{place}"
        try:
            conditions = parse(text, FILTERS)
        except Refusal as refusal:
            raise invalid(refusal.faults[0].detail, pointer) from None
        for one in conditions:
            if one.field != "datetime":
                continue
            moment = datetime.fromisoformat(one.written)
            bounds[one.operator] = moment.replace(tzinfo=zone) if moment.tzinfo is None else moment.astimezone(zone)
        rest += [one for one in conditions if one.field != "datetime"]
    if len(bounds) != 2:
        detail = "The filter must bound datetime with greater-or-equal and less-than."
        raise invalid(detail, "/data/attributes/filter")
    start, end = bounds["greater-or-equal"], bounds["less-than"]
    if end <= start or end - start > LONGEST:
        raise invalid("The time range must be positive and at most one year.", "/data/attributes/filter")
    return start, end, rest


def _edges(start: datetime, end: datetime, interval: Interval) -> list[datetime]:
    """Where each interval begins, the first one at or before `start`."""
    edge = start.replace(minute=0, second=0, microsecond=0)
    if interval != "hour":
        edge = edge.replace(hour=0)
    if interval == "week":
        edge -= timedelta(days=edge.weekday())
    if interval == "month":
        edge = edge.replace(day=1)
    found: list[datetime] = []
    while edge < end:
        found.append(edge)
        if interval == "hour":
            edge = (edge.astimezone(UTC) + timedelta(hours=1)).astimezone(start.tzinfo)
        elif interval == "month":
            edge = (edge.replace(day=28) + timedelta(days=4)).replace(day=1)
        else:
            edge += timedelta(days=1 if interval == "day" else 7)
    return found
