"""Reading Klaviyo back: totals for revenue drift, cursors that die, answers that are odd, and the check."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any

import pytest
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from marketplace_sync.connectors.budget import LocalBudget
from marketplace_sync.connectors.klaviyo.platform import Klaviyo
from marketplace_sync.connectors.klaviyo.settings import KlaviyoSettings
from marketplace_sync.connectors.ports import Finding, MarketingPlatform
from marketplace_sync.connectors.registry import open_connection
from marketplace_sync.domain.effects import Delivered, EffectKind, Postponed, Refused
from marketplace_sync.domain.errors import AnswerUnreadable, CredentialsRefused, RequestRejected
from marketplace_sync.flows.customer_events import ALL_METRICS
from marketplace_sync.settings import Secret
from marketplace_sync_tests.connectors.http_service import serving
from marketplace_sync_tests.connectors.klaviyo_account import NOW, Account, account, consent, eventually, history, live

DAY = timedelta(days=1)


@pytest.fixture
def klaviyo() -> Iterator[Account]:
    with account({"visibility_delay": 0.0, "unknown_attributes": True}) as opened:
        yield opened


def test_the_connector_is_what_the_flows_know(klaviyo: Account) -> None:
    platform: MarketingPlatform = klaviyo.connector
    assert platform.concurrency() == 32


def test_the_check_looks_at_every_metric_that_is_fed() -> None:
    assert set(KlaviyoSettings.model_fields["metrics"].default) == set(ALL_METRICS)


def test_totals_are_exact_and_by_currency(klaviyo: Account) -> None:
    amounts = [(1, 1010, "GBP"), (2, 2020, "GBP"), (3, 3, "GBP"), (4, 5000, "JPY"), (5, 999, "EUR")]
    for number, value, currency in amounts:
        klaviyo.connector.deliver([live(number, value=value, currency=currency)])
    klaviyo.connector.deliver([live(6, value=None, currency="")])
    assert eventually(lambda: len(klaviyo.keys()) == 6)
    totals = klaviyo.connector.metric_aggregates("Placed Order", NOW - 7 * DAY, NOW + DAY)
    found: dict[str, tuple[int, int]] = {}
    for total in totals:
        count, value = found.get(total.currency, (0, 0))
        found[total.currency] = (count + total.count, value + total.value)
    assert found.pop("", (1, 0)) == (1, 0)
    assert found == {"GBP": (3, 3033), "JPY": (1, 5000), "EUR": (1, 999)}


def test_totals_are_by_day(klaviyo: Account) -> None:
    klaviyo.connector.deliver(history(range(1, 11), occurred_at=NOW - 3 * DAY))
    assert eventually(lambda: len(klaviyo.keys()) == 10)
    since = (NOW - 5 * DAY).replace(hour=0, minute=0, second=0)
    (total,) = klaviyo.connector.metric_aggregates("Placed Order", since, NOW + DAY)
    assert total.begins_at == (NOW - 3 * DAY).replace(hour=0, minute=0, second=0)
    assert (total.count, total.value, total.currency) == (10, 120_500, "GBP")


def test_a_metric_without_events_adds_up_to_nothing(klaviyo: Account) -> None:
    assert klaviyo.connector.metric_aggregates("Never Heard Of", NOW - DAY, NOW) == []


def test_more_than_a_year_of_totals_is_not_asked_for(klaviyo: Account) -> None:
    with pytest.raises(ValueError, match="year"):
        klaviyo.connector.metric_aggregates("Placed Order", NOW - 400 * DAY, NOW)


def test_reading_goes_on_when_the_vendor_forgets_where_we_were(klaviyo: Account) -> None:
    """With many events in one second, so that going on from that second must neither lose nor double any."""
    moment = NOW - DAY
    klaviyo.connector.deliver(history(range(1, 501), occurred_at=moment - timedelta(seconds=1)))
    klaviyo.connector.deliver(history(range(501, 1501), occurred_at=moment))
    klaviyo.connector.deliver(history(range(1501, 1801), occurred_at=moment + timedelta(seconds=1)))
    assert eventually(lambda: len(klaviyo.keys()) == 1800)
    found = []
    for number, seen in enumerate(klaviyo.connector.events("Placed Order", NOW - 2 * DAY, NOW)):
        if number == 700:
            klaviyo.sandbox.act("klaviyo", "expire_cursors")
        found.append(seen.sync_key)
    assert len(found) == 1800
    assert len(set(found)) == 1800


def test_a_read_outlives_what_passes(klaviyo: Account) -> None:
    klaviyo.connector.deliver([live(1)])
    assert eventually(lambda: len(klaviyo.keys()) == 1)
    for fault in ({"kind": "html"}, {"kind": "cut"}, {"kind": "truncate"}, {"kind": "throttle", "retry_after": 1}):
        klaviyo.faults({**fault, "path": "/api/events", "remaining": 1})
        assert klaviyo.keys() == ["john_lewis:A-1"]


def _by_subject(findings: Any) -> dict[str, Finding]:
    return {finding.subject: finding for finding in findings}


def test_the_check_of_a_good_connection_says_what_our_events_start(klaviyo: Account) -> None:
    klaviyo.connector.deliver([live(1)])
    assert eventually(lambda: len(klaviyo.keys()) == 1)
    findings = klaviyo.connector.check()
    assert all(finding.works for finding in findings)
    assert "test account" in _by_subject(findings)["key"].detail
    assert "After Placed Order" in _by_subject(findings)["flows"].detail
    assert "Placed Order" in _by_subject(findings)["revenue"].detail


def test_the_check_finds_the_wrong_account() -> None:
    with account(expected_test_account=False, expected_currency="EUR", list_id="NoList") as klaviyo:
        failed = {finding.subject for finding in klaviyo.connector.check() if not finding.works}
        assert failed == {"test account", "currency", "lists"}
        assert all(finding.fix for finding in klaviyo.connector.check() if not finding.works)


def test_the_check_finds_the_missing_scope() -> None:
    scopes = ["accounts:read", "events:read", "profiles:read", "subscriptions:read", "lists:read"]
    with account({"scopes": scopes}) as klaviyo:
        failed = [finding for finding in klaviyo.connector.check() if not finding.works]
        assert [finding.subject for finding in failed] == ["metrics"]
        assert "metrics:read" in failed[0].fix


def test_the_check_of_a_wrong_key_or_a_dead_vendor_says_so() -> None:
    with account(api_key=Secret(default="pk_wrong_key")) as klaviyo:
        (finding,) = klaviyo.connector.check()
        assert not finding.works
        assert "api_key" in finding.fix
        assert "pk_wrong_key" not in finding.detail + finding.fix
    nobody = KlaviyoSettings(base_url="http://127.0.0.1:9", api_key=Secret(default="k"), connect_timeout_seconds=1)
    (finding,) = open_connection("klaviyo", nobody, lambda _, spec: LocalBudget(spec)).check()
    assert not finding.works


def test_without_the_scope_to_read_the_reader_is_told() -> None:
    with account({"scopes": ["events:write"]}) as klaviyo:
        assert klaviyo.connector.deliver([live(1)]) == [Delivered()]
        with pytest.raises(CredentialsRefused):
            klaviyo.keys()


# What the simulated vendor never does, and a real one might.


def _against(*routes: Route, then: Callable[[Klaviyo], None]) -> None:
    with serving(*routes) as base_url:
        settings = KlaviyoSettings(base_url=base_url, api_key=Secret(default="k"))
        then(open_connection("klaviyo", settings, lambda _, spec: LocalBudget(spec)))


async def _metrics(request: Request) -> Response:
    # the vendor's integration object has been seen with `name` and with `key`
    attributes = {"name": "Placed Order", "integration": {"object": "integration", "key": "api"}}
    return JSONResponse({"data": [{"type": "metric", "id": "M1", "attributes": attributes, "links": {}}]})


def _events(link: Callable[[Request], str | None]) -> Route:
    async def page(request: Request) -> Response:
        event = {"attributes": {"datetime": "2026-11-01 08:00:00+00:00", "event_properties": {"SyncKey": "jl:1"}}}
        return JSONResponse({"data": [event], "links": {"next": link(request)}, "meta": {"agent_hints": {}}})

    return Route("/api/events", page)


def _read(klaviyo: Klaviyo) -> list[str]:
    return [seen.sync_key for seen in klaviyo.events("Placed Order", NOW - 60 * DAY, NOW)]


def test_a_link_to_another_host_is_not_followed() -> None:
    def link(request: Request) -> str | None:
        cursor = request.query_params.get("page[cursor]")
        return "https://203.0.113.7/steal?page%5Bcursor%5D=second" if cursor is None else None

    _against(
        Route("/api/metrics", _metrics),
        _events(link),
        then=lambda klaviyo: _equal(_read(klaviyo), ["jl:1", "jl:1"]),
    )


def _equal(found: object, expected: object) -> None:
    assert found == expected


@pytest.mark.parametrize("link", ["https://a.klaviyo.com/api/events?next=2", "/api/events?page%5Bcursor%5D=same"])
def test_paging_that_leads_nowhere_ends_with_an_error(link: str) -> None:
    def read(klaviyo: Klaviyo) -> None:
        with pytest.raises(AnswerUnreadable):
            _read(klaviyo)

    _against(Route("/api/metrics", _metrics), _events(lambda _: link), then=read)


def test_an_event_without_a_time_is_unreadable_not_skipped() -> None:
    async def page(request: Request) -> Response:
        return JSONResponse({"data": [{"attributes": {"event_properties": {"SyncKey": "jl:1"}}}]})

    def read(klaviyo: Klaviyo) -> None:
        with pytest.raises(AnswerUnreadable, match="events of Placed Order"):
            _read(klaviyo)

    _against(Route("/api/metrics", _metrics), Route("/api/events", page), then=read)


@pytest.mark.parametrize(
    ("detail", "headers", "least"),
    [
        ("Request was throttled. Expected available in 0 seconds.", {}, 1.0),
        ("Request was throttled. Expected available in 7 seconds.", {}, 7.0),
        ("Request was throttled.", {}, 1.0),
        ("Request was throttled. Expected available in 2 seconds.", {"retry-after": "4"}, 4.0),
    ],
)
def test_a_429_is_heeded_however_it_is_put(detail: str, headers: dict[str, str], least: float) -> None:
    async def throttled(request: Request) -> Response:
        error = {"id": "1", "status": 429, "code": "throttled", "title": "Throttled", "detail": detail}
        return Response(
            json.dumps({"errors": [error]}), 429, headers={"content-type": "application/vnd.api+json", **headers}
        )

    def send(klaviyo: Klaviyo) -> None:
        (outcome,) = klaviyo.deliver([live(1)])
        assert isinstance(outcome, Postponed)
        assert outcome.after == least
        assert not outcome.counts_as_attempt

    _against(Route("/api/events", throttled, methods=["POST"]), then=send)


@pytest.mark.parametrize("status", [404, 410, 415])
def test_what_is_wrong_with_every_request_is_not_blamed_on_one_event(status: int) -> None:
    async def wrong(request: Request) -> Response:
        return JSONResponse({"errors": []}, status)

    def send(klaviyo: Klaviyo) -> None:
        outcomes = klaviyo.deliver(history(range(1, 51)))
        assert {type(outcome) for outcome in outcomes} == {Postponed}
        assert not any(outcome.counts_as_attempt for outcome in outcomes if isinstance(outcome, Postponed))

    _against(Route("/api/event-bulk-create-jobs", wrong, methods=["POST"]), then=send)


def test_a_job_too_large_for_the_vendor_is_halved() -> None:
    sizes: list[int] = []

    async def small_only(request: Request) -> Response:
        groups = (await request.json())["data"]["attributes"]["events-bulk-create"]["data"]
        sizes.append(len(groups))
        return Response("Payload Too Large", 413) if len(groups) > 30 else Response(status_code=202)

    def send(klaviyo: Klaviyo) -> None:
        assert klaviyo.deliver(history(range(1, 101))) == [Delivered()] * 100
        assert sizes == [100, 50, 25, 25, 50, 25, 25]

    _against(Route("/api/event-bulk-create-jobs", small_only, methods=["POST"]), then=send)


def test_an_unknown_kind_of_effect_is_a_bug(klaviyo: Account) -> None:
    from marketplace_sync.domain.effects import Lane

    with pytest.raises(ValueError, match="set_stock"):
        klaviyo.connector.batch_limit(EffectKind.SET_STOCK, Lane.STOCK)


def test_a_cursor_refused_at_once_is_an_error() -> None:
    async def refuse(request: Request) -> Response:
        return JSONResponse({"errors": [{"id": "1", "code": "invalid", "title": "t", "detail": "bad filter"}]}, 400)

    def read(klaviyo: Klaviyo) -> None:
        with pytest.raises(RequestRejected):
            _read(klaviyo)

    _against(Route("/api/metrics", _metrics), Route("/api/events", refuse), then=read)


def test_one_address_the_vendor_cannot_look_up_stops_no_other() -> None:
    """A filter with it in is refused as a whole; who may not be looked up is not subscribed."""
    subscribed: list[str] = []

    async def profiles(request: Request) -> Response:
        if "odd" in request.query_params["filter"]:
            return JSONResponse({"errors": [{"id": "1", "code": "invalid", "title": "t", "detail": "bad value"}]}, 400)
        return JSONResponse({"data": []})

    async def subscribe(request: Request) -> Response:
        people = (await request.json())["data"]["attributes"]["profiles"]["data"]
        subscribed.extend(person["attributes"]["email"] for person in people)
        return Response(status_code=202)

    def send(klaviyo: Klaviyo) -> None:
        effects = [consent(number) for number in range(1, 21)]
        effects[4] = consent(5, identifiers={"email": "odd@example.com"})
        outcomes = klaviyo.deliver(effects)
        assert [index for index, outcome in enumerate(outcomes) if isinstance(outcome, Refused)] == [4]
        assert sorted(subscribed) == sorted(f"kim{number}@example.com" for number in range(1, 21) if number != 5)

    _against(
        Route("/api/profiles", profiles),
        Route("/api/profile-subscription-bulk-create-jobs", subscribe, methods=["POST"]),
        then=send,
    )
