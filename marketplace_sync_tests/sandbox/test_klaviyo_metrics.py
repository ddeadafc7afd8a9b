"""Metrics and their meaning, aggregates over event time, and what flows would send."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from marketplace_sync_tests.sandbox.klaviyo_caller import Caller, Json, account, bulk, errors, event, pointers, resource


@pytest.fixture
def caller() -> Iterator[Caller]:
    with account(rate_limits=False) as found:
        yield found


def _query(metric: str, start: str, end: str, **attributes: Any) -> Json:
    filters = [f"greater-or-equal(datetime,{start})", f"less-than(datetime,{end})"]
    base: Json = {"metric_id": metric, "measurements": ["count", "sum_value", "unique"], "filter": filters}
    return resource("metric-aggregate", {**base, **attributes})


def test_a_metric_is_made_by_its_first_event_and_is_its_name_and_its_integration(caller: Caller) -> None:
    names = [(one["name"], one["service"]) for one in caller.kept("metrics")]
    assert ("Placed Order", "shopify") in names
    assert ("Placed Order", "api") not in names
    caller.post("/api/events", event())
    caller.settle()
    assert caller.metric("Placed Order", "API") != caller.metric("Placed Order", "Shopify")
    assert caller.read(f"/api/metrics/{caller.metric('Placed Order')}")["data"]["attributes"]["name"] == "Placed Order"
    assert errors(caller.get("/api/metrics/none"), 404)


def test_metrics_cannot_be_filtered_by_name_but_by_integration(caller: Caller) -> None:
    wrong = {"filter": 'equals(name,"Placed Order")'}
    assert pointers(caller.send("GET", "/api/metrics", query=wrong, judge=False)) == ["filter"]
    found = caller.read("/api/metrics", filter='equals(integration.name,"Shopify")')["data"]
    assert {one["attributes"]["name"] for one in found} == {"Placed Order", "Refunded Order"}
    assert caller.read("/api/metrics", filter='equals(integration.category,"API")')["data"] == []


def test_metrics_come_two_hundred_a_page(caller: Caller) -> None:
    rows = [event(f"A-{number}", metric=f"Metric {number}") for number in range(250)]
    caller.post("/api/event-bulk-create-jobs", bulk(({"email": "kim@example.com"}, rows)))
    caller.settle()
    assert len(caller.read("/api/metrics")["data"]) == 200
    assert len(list(caller.every("/api/metrics"))) == 255
    answer = caller.send("GET", "/api/metrics", query={"page[size]": "50"}, judge=False)
    assert pointers(answer) == ["page[size]"]


def test_the_flows_a_metric_starts_can_be_seen_before_a_backfill(caller: Caller) -> None:
    caller.act("set_flow", metric="Refunded Order", status="draft")
    for number, metric in enumerate(("Placed Order", "Refunded Order", "Fulfilled Order")):
        caller.post("/api/events", event(f"A-{number}", metric=metric))
    caller.settle()
    answer = caller.read("/api/metrics", include="flow-triggers")
    statuses = {one["id"]: one["attributes"]["status"] for one in answer["included"]}
    started = {
        one["attributes"]["name"]: [statuses[flow["id"]] for flow in one["relationships"]["flow-triggers"]["data"]]
        for one in answer["data"]
        if one["attributes"]["integration"]["name"] == "API"
    }
    assert started == {"Placed Order": ["live"], "Refunded Order": ["draft"], "Fulfilled Order": []}
    here = f"/api/metrics/{caller.metric('Placed Order')}"
    assert [one["type"] for one in caller.read(f"{here}/flow-triggers")["data"]] == ["flow"]
    assert [one["type"] for one in caller.read(f"{here}/relationships/flow-triggers")["data"]] == ["flow"]


def test_a_flow_would_send_for_every_new_event_and_never_for_backfill(caller: Caller) -> None:
    caller.post("/api/events", event("A-1"))
    caller.post("/api/events", event("A-1"))
    caller.post("/api/events", event("A-2", backfill=True))
    caller.post("/api/events", event("A-3", metric="Fulfilled Order"))
    caller.post("/api/events", event("A-4", profile={"external_id": "mkt-7"}))
    caller.post("/api/event-bulk-create-jobs", bulk(({"email": "kim@example.com"}, [event("A-5")]), backfill=True))
    caller.post(
        "/api/event-bulk-create-jobs",
        bulk(({"email": "kim@example.com"}, [event("A-6"), event("A-7", backfill=True)])),
    )
    caller.settle()
    sent = [(one["unique_id"], one["deliverable"]) for one in caller.kept("flow_messages")]
    assert sent == [("A-1", True), ("A-4", False), ("A-6", True)]


def test_a_flow_that_is_not_live_sends_nothing(caller: Caller) -> None:
    caller.act("set_flow", metric="Placed Order", status="manual")
    caller.post("/api/events", event())
    caller.settle()
    assert caller.kept("flow_messages") == []


def test_mapped_metrics_say_what_a_metric_means(caller: Caller) -> None:
    before = {one["id"]: one["relationships"]["metric"] for one in caller.read("/api/mapped-metrics")["data"]}
    assert len(before) == 7
    assert "data" not in before["revenue"]
    caller.post("/api/events", event())
    caller.settle()
    answer = caller.read("/api/mapped-metrics/revenue", include="metric")
    assert answer["data"]["relationships"]["metric"]["data"]["id"] == caller.metric("Placed Order")
    assert [one["attributes"]["name"] for one in answer["included"]] == ["Placed Order"]
    caller.act("map_metric", meaning="revenue", metric="Placed Order", service="shopify")
    wrong = caller.read("/api/mapped-metrics/revenue")["data"]["relationships"]["metric"]["data"]["id"]
    assert wrong == caller.metric("Placed Order", "Shopify")
    related = {"metric": {"data": {"type": "metric", "id": caller.metric("Placed Order")}}}
    body = {"data": {"type": "mapped-metric", "id": "revenue", "relationships": related}}
    assert caller.patch("/api/mapped-metrics/revenue", body).status_code == 200
    repaired = caller.read("/api/mapped-metrics/revenue")["data"]["relationships"]["metric"]["data"]["id"]
    assert repaired == caller.metric("Placed Order")
    assert errors(caller.get("/api/mapped-metrics/profit"), 404)


@pytest.fixture(scope="module")
def busy() -> Iterator[Caller]:
    """Orders on both sides of a London midnight, in two currencies, of two people."""
    with account(rate_limits=False) as found:
        orders = [
            ("kim", "K-1", "2026-06-30T22:30:00Z", 0.1, "GBP"),
            ("kim", "K-2", "2026-06-30T23:30:00Z", 0.2, "GBP"),
            ("sam", "S-1", "2026-07-01T10:00:00Z", 10, "EUR"),
            ("kim", "K-3", "2026-07-02T10:00:00Z", 20, "GBP"),
            ("sam", "S-2", "2026-07-02T10:00:01Z", None, "GBP"),
        ]
        for who, key, time, value, currency in orders:
            body = event(key, email=f"{who}@example.com", time=time, value=value, value_currency=currency)
            found.post("/api/events", body)
        found.settle()
        yield found


def _rows(caller: Caller, body: Json) -> tuple[list[str], dict[tuple[str, ...], Json]]:
    answer = caller.post("/api/metric-aggregates", body)
    assert answer.status_code == 200, answer.text
    attributes = answer.json()["data"]["attributes"]
    return attributes["dates"], {tuple(one["dimensions"]): one["measurements"] for one in attributes["data"]}


def test_aggregates_are_by_event_time_and_aligned_with_their_dates(busy: Caller) -> None:
    body = _query(busy.metric("Placed Order"), "2026-06-30T00:00:00", "2026-07-04T00:00:00")
    dates, rows = _rows(busy, body)
    assert dates == [f"2026-{day}T00:00:00+00:00" for day in ("06-30", "07-01", "07-02", "07-03")]
    assert rows == {(): {"count": [2, 1, 2, 0], "sum_value": [0.3, 10, 20, 0], "unique": [1, 1, 2, 0]}}


def test_aggregates_cut_days_in_the_asked_time_zone(busy: Caller) -> None:
    metric = busy.metric("Placed Order")
    body = _query(metric, "2026-06-30T00:00:00", "2026-07-02T00:00:00", timezone="Europe/London")
    dates, rows = _rows(busy, body)
    assert dates == ["2026-06-30T00:00:00+01:00", "2026-07-01T00:00:00+01:00"]
    assert rows[()]["count"] == [1, 2]
    for zone in ("Europe/Kyiv", "europe/london", "Moon/Base"):
        answer = busy.post("/api/metric-aggregates", _query(metric, "2026-06-30", "2026-07-02", timezone=zone))
        assert pointers(answer) == ["/data/attributes/timezone"]


def test_aggregates_group_by_currency_and_filter_by_it(busy: Caller) -> None:
    metric = busy.metric("Placed Order")
    body = _query(metric, "2026-06-30T00:00:00", "2026-07-04T00:00:00", by=["$value_currency"], interval="month")
    _, rows = _rows(busy, body)
    assert {key: one["sum_value"] for key, one in rows.items()} == {("GBP",): [0.3, 20], ("EUR",): [0, 10]}
    body["data"]["attributes"]["filter"].append('equals($value_currency,"EUR")')
    _, rows = _rows(busy, body)
    assert list(rows) == [("EUR",)]


@pytest.mark.parametrize(("interval", "first", "number"), [("hour", "22", 36), ("week", "29", 1), ("month", "01", 2)])
def test_aggregates_come_by_hour_week_and_month(busy: Caller, interval: str, first: str, number: int) -> None:
    body = _query(busy.metric("Placed Order"), "2026-06-30T22:30:00", "2026-07-02T10:00:00", interval=interval)
    dates, rows = _rows(busy, body)
    assert len(dates) == number
    assert first in dates[0]
    assert sum(rows[()]["count"]) == 3


@pytest.mark.parametrize(
    ("changes", "pointer"),
    [
        ({"filter": ["greater-or-equal(datetime,2026-06-30T00:00:00)"]}, "/data/attributes/filter"),
        ({"by": ["Marketplace"]}, "/data/attributes/by/0"),
        ({"measurements": []}, "/data/attributes/measurements"),
        ({"measurements": ["mean"]}, "/data/attributes/measurements/0"),
        ({"page_size": 501}, "/data/attributes/page_size"),
        ({"sort": "Marketplace"}, "/data/attributes/sort"),
        ({"interval": "minute"}, "/data/attributes/interval"),
    ],
)
def test_aggregates_refuse_what_they_cannot_answer(busy: Caller, changes: Json, pointer: str) -> None:
    body = _query(busy.metric("Placed Order"), "2026-06-30T00:00:00", "2026-07-04T00:00:00", **changes)
    assert pointers(busy.post("/api/metric-aggregates", body)) == [pointer]


def test_aggregates_span_at_most_a_year_of_a_known_metric(busy: Caller) -> None:
    answer = busy.post("/api/metric-aggregates", _query(busy.metric("Placed Order"), "2025-01-01", "2026-07-01"))
    assert pointers(answer) == ["/data/attributes/filter"]
    assert errors(busy.post("/api/metric-aggregates", _query("none", "2026-01-01", "2026-07-01")), 404)


def test_aggregates_are_paged_through_a_cursor_in_the_body(busy: Caller) -> None:
    metric = busy.metric("Placed Order")
    body = _query(metric, "2026-06-30", "2026-07-04", by=["$value_currency"], page_size=1, sort="-sum_value")
    first = busy.post("/api/metric-aggregates", body, judge=False).json()
    assert [one["dimensions"] for one in first["data"]["attributes"]["data"]] == [["GBP"]]
    body["data"]["attributes"]["page_cursor"] = first["links"]["next"]
    second = busy.post("/api/metric-aggregates", body, judge=False).json()
    assert [one["dimensions"] for one in second["data"]["attributes"]["data"]] == [["EUR"]]
    assert "next" not in second["links"]
