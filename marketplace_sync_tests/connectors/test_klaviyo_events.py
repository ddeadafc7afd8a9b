"""Customer events arrive in Klaviyo once, whatever happens on the way, and one bad event harms no other."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any

import pytest
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from marketplace_sync.connectors.budget import LocalBudget
from marketplace_sync.connectors.klaviyo.settings import KlaviyoSettings
from marketplace_sync.connectors.registry import open_connection
from marketplace_sync.domain.effects import Delivered, EffectKind, InDoubt, Lane, NotThere, Postponed, Refused
from marketplace_sync.settings import Secret
from marketplace_sync_tests.connectors.http_service import serving
from marketplace_sync_tests.connectors.klaviyo_account import (
    KEY,
    NOW,
    Account,
    account,
    event,
    eventually,
    history,
    live,
)

JOBS = "/api/event-bulk-create-jobs"


@pytest.fixture
def klaviyo() -> Iterator[Account]:
    with account({"visibility_delay": 0.0}) as opened:
        yield opened


def test_a_live_event_is_sent_by_itself_and_read_back_by_our_key(klaviyo: Account) -> None:
    assert klaviyo.connector.deliver([live(1)]) == [Delivered()]
    assert eventually(lambda: klaviyo.keys() == ["john_lewis:A-1"])
    seen = next(klaviyo.connector.events("Placed Order", NOW - timedelta(hours=1), NOW + timedelta(hours=1)))
    assert seen.occurred_at == event(1).occurred_at


def test_the_vendor_gets_value_time_and_person_as_it_wants_them(klaviyo: Account) -> None:
    klaviyo.connector.deliver(
        [
            live(
                1,
                identifiers={"email": "kim@example.com", "phone_number": "+447700900123"},
                profile={"first_name": "Kim", "last_name": "", "locale": "en_GB", "location": {"city": None}},
            )
        ]
    )
    sent = klaviyo.bodies("/api/events")[0]["data"]["attributes"]
    assert (sent["value"], sent["value_currency"]) == (120.5, "GBP")
    assert sent["time"] == event(1).occurred_at.strftime("%Y-%m-%dT%H:%M:%SZ")
    assert sent["profile"]["data"]["attributes"] == {
        "email": "kim@example.com",
        "first_name": "Kim",
        "locale": "en-GB",
    }
    assert "backfill" not in sent


def test_sending_an_event_twice_stores_it_once(klaviyo: Account) -> None:
    assert klaviyo.connector.deliver([live(1)]) == klaviyo.connector.deliver([live(1)]) == [Delivered()]
    klaviyo.connector.deliver([live(2)])
    assert eventually(lambda: klaviyo.keys() == ["john_lewis:A-1", "john_lewis:A-2"])


def test_events_of_a_metric_that_another_integration_feeds_are_not_ours(klaviyo: Account) -> None:
    """The simulated account has a shop's own metric called Placed Order besides the one the API feeds."""
    klaviyo.connector.deliver([live(1)])
    assert eventually(lambda: klaviyo.keys() == ["john_lewis:A-1"])
    names = [one["name"] for one in klaviyo.stored("metrics") if one.get("name") == "Placed Order"]
    assert len(names) == 2


def test_history_goes_in_one_job_grouped_by_person_and_starts_no_flow(klaviyo: Account) -> None:
    effects = history(range(1, 301))
    effects += history(range(301, 311), identifiers={"email": "kim1@example.com"})
    assert klaviyo.connector.deliver(effects) == [Delivered()] * 310
    assert len(klaviyo.calls(JOBS)) == 1
    assert klaviyo.calls("/api/events") == []
    groups = klaviyo.bodies(JOBS)[0]["data"]["attributes"]["events-bulk-create"]["data"]
    assert len(groups) == 300
    assert len(groups[0]["attributes"]["events"]["data"]) == 11
    assert eventually(lambda: len(klaviyo.keys()) == 310)
    assert klaviyo.stored("flow_messages") == []


def test_a_live_event_starts_the_flow_that_history_does_not(klaviyo: Account) -> None:
    """So that the test above could have failed."""
    klaviyo.connector.deliver([live(1)])
    assert eventually(lambda: len(klaviyo.stored("flow_messages")) == 1)


def test_a_job_holds_an_event_once_even_when_the_batch_holds_it_twice(klaviyo: Account) -> None:
    effects = [*history(range(1, 6)), *history([3], identifiers={"email": "KIM3@example.com"})]
    assert klaviyo.connector.deliver(effects) == [Delivered()] * 6
    assert len(klaviyo.calls(JOBS)) == 1
    assert eventually(lambda: len(klaviyo.keys()) == 5)


def test_one_bad_event_of_a_job_is_refused_alone(klaviyo: Account) -> None:
    effects = history(range(1, 101))
    effects[41:42] = history([42], identifiers={"email": "not an address"})
    outcomes = klaviyo.connector.deliver(effects)
    refused = outcomes[41]
    assert isinstance(refused, Refused)
    assert "not an address" not in refused.reason
    assert "Placed Order" in refused.reason
    assert [type(outcome) for outcome in outcomes].count(Delivered) == 99
    assert eventually(lambda: len(klaviyo.keys()) == 99)


def test_an_event_of_a_refused_job_that_is_known_already_counts_as_delivered() -> None:
    """Where a job with a stored event fails as a whole, that event is found and sent singly, which is harmless."""
    with account({"visibility_delay": 0.0, "bulk_duplicates": "stored"}) as klaviyo:
        klaviyo.connector.deliver([live(7)])
        assert eventually(lambda: len(klaviyo.keys()) == 1)
        assert klaviyo.connector.deliver(history(range(1, 51))) == [Delivered()] * 50
        assert eventually(lambda: len(klaviyo.keys()) == 50)


def test_after_a_lost_answer_a_job_is_in_doubt_and_its_events_are_repeated_singly(klaviyo: Account) -> None:
    klaviyo.faults({"kind": "lost_answer", "path": JOBS, "remaining": 1})
    effects = history(range(1, 21))
    outcomes = klaviyo.connector.deliver(effects)
    assert all(isinstance(outcome, InDoubt) for outcome in outcomes)
    assert klaviyo.connector.is_idempotent(EffectKind.TRACK_EVENT)
    again = history(range(1, 21), attempts=2)
    assert klaviyo.connector.deliver(again) == [Delivered()] * 20
    assert len(klaviyo.calls("/api/events")) == 20
    assert eventually(lambda: len(klaviyo.keys()) == 20)


def test_a_job_that_was_turned_away_may_go_as_a_job_again(klaviyo: Account) -> None:
    klaviyo.faults({"kind": "throttle", "path": JOBS, "remaining": 1, "retry_after": 1})
    outcomes = klaviyo.connector.deliver(history(range(1, 11)))
    assert {(type(one), getattr(one, "counts_as_attempt", None)) for one in outcomes} == {(Postponed, False)}
    assert klaviyo.connector.deliver(history(range(1, 11))) == [Delivered()] * 10
    assert klaviyo.calls("/api/events") == []


def test_what_was_not_sent_after_the_vendor_closed_does_not_count_as_tried(klaviyo: Account) -> None:
    klaviyo.faults({"kind": "cut", "path": "/api/events", "remaining": 1})
    first, *others = klaviyo.connector.deliver(history(range(1, 4), attempts=2))
    assert isinstance(first, InDoubt)
    assert others == [Delivered()] * 2


@pytest.mark.parametrize(
    ("fault", "expected"),
    [
        ({"kind": "lost_answer"}, InDoubt),
        ({"kind": "error_after"}, InDoubt),
        ({"kind": "html"}, InDoubt),
        ({"kind": "status", "status": 503}, InDoubt),
        ({"kind": "status", "status": 524}, InDoubt),
        ({"kind": "throttle", "retry_after": 1}, Postponed),
        ({"kind": "throttle", "retry_after": None}, Postponed),
    ],
)
def test_a_fault_on_a_live_event_never_loses_or_doubles_it(
    klaviyo: Account, fault: dict[str, Any], expected: type[Any]
) -> None:
    klaviyo.faults({**fault, "path": "/api/events", "method": "POST", "remaining": 1})
    (outcome,) = klaviyo.connector.deliver([live(1)])
    assert isinstance(outcome, expected)
    assert klaviyo.connector.deliver([live(1)]) == [Delivered()]
    assert eventually(lambda: klaviyo.keys() == ["john_lewis:A-1"])


def test_a_throttled_event_waits_as_long_as_the_vendor_said(klaviyo: Account) -> None:
    klaviyo.faults({"kind": "throttle", "path": "/api/events", "remaining": 1, "retry_after": 2})
    (outcome,) = klaviyo.connector.deliver([live(1)])
    assert isinstance(outcome, Postponed)
    assert (outcome.after, outcome.counts_as_attempt) == (2.0, False)


def test_without_retry_after_the_wait_is_what_the_text_says() -> None:
    with account({"drop_retry_after": True, "rate_scale": 0.003}) as klaviyo:
        outcomes = (klaviyo.connector.deliver([live(number)])[0] for number in range(1, 13))
        throttled = next(outcome for outcome in outcomes if isinstance(outcome, Postponed))
        answer = klaviyo.exchanges[-1]
        assert (answer.status, answer.response_headers.get("retry-after")) == (429, None)
        assert f"available in {throttled.after:g} second".encode() in answer.response_body


def test_in_doubt_can_be_looked_up(klaviyo: Account) -> None:
    assert klaviyo.connector.resolve(live(1)) == NotThere()
    klaviyo.connector.deliver([live(1)])
    assert eventually(lambda: klaviyo.connector.resolve(live(1)) == Delivered())
    assert klaviyo.connector.resolve(live(2)) == NotThere()


def test_in_doubt_stays_in_doubt_while_the_vendor_is_away(klaviyo: Account) -> None:
    klaviyo.faults({"kind": "status", "status": 503, "retry_after": None})
    assert isinstance(klaviyo.connector.resolve(live(1)), Postponed)


def test_a_wrong_key_waits_for_a_person_and_uses_up_no_attempt() -> None:
    from marketplace_sync.settings import Secret

    with account(api_key=Secret(default="pk_wrong_key")) as klaviyo:
        (outcome,) = klaviyo.connector.deliver([live(1)])
        assert isinstance(outcome, Postponed)
        assert not outcome.counts_as_attempt
        assert "pk_wrong_key" not in outcome.reason


@pytest.mark.parametrize(
    ("changes", "word"),
    [
        ({"metric": "M" * 128}, "metric"),
        ({"unique_id": ""}, "unique id"),
        ({"identifiers": {}}, "nobody"),
        ({"identifiers": {"phone_number": "+447700900123"}}, "nobody"),
        ({"currency": "pounds"}, "currency"),
        ({"occurred_at": NOW.replace(year=1950)}, "1990"),
        ({"occurred_at": NOW.replace(tzinfo=None)}, "zone"),
        ({"identifiers": {"external_id": "x" * 256}}, "255"),
    ],
)
def test_what_the_vendor_would_misplace_is_refused_before_it_is_sent(
    klaviyo: Account, changes: dict[str, Any], word: str
) -> None:
    outcomes = klaviyo.connector.deliver([*history([1]), *history([2], **changes), *history([3])])
    refused = outcomes[1]
    assert isinstance(refused, Refused)
    assert word in refused.reason
    assert [outcomes[0], outcomes[2]] == [Delivered()] * 2


def test_what_does_not_fit_is_cut_and_said_so(klaviyo: Account) -> None:
    properties = {"OrderId": "A-1", "Gift": "é" * 80_000, **{f"Extra{number}": number for number in range(500)}}
    (outcome,) = klaviyo.connector.deliver([live(1, properties=properties)])
    assert isinstance(outcome, Delivered)
    assert len(outcome.result["trimmed"]) == 2
    assert eventually(lambda: klaviyo.keys() == ["john_lewis:A-1"])
    stored = klaviyo.bodies("/api/events")[0]["data"]["attributes"]["properties"]
    assert len(stored) == 400
    assert stored["SyncTrimmed"] == outcome.result["trimmed"]
    assert len(stored["Gift"].encode()) <= 100_000


def test_a_batch_larger_than_five_megabytes_goes_in_several_jobs(klaviyo: Account) -> None:
    effects = history(range(1, 101), properties={f"Text{number}": "x" * 50_000 for number in range(2)})
    assert klaviyo.connector.deliver(effects) == [Delivered()] * 100
    sizes = [len(call.request_body) for call in klaviyo.calls(JOBS)]
    assert len(sizes) == 3
    assert max(sizes) <= 5_000_000


def test_reading_follows_the_cursor_over_all_pages(klaviyo: Account) -> None:
    for start in (1, 1001, 2001):
        klaviyo.connector.deliver(history(range(start, start + 1000)))
    assert eventually(lambda: len(klaviyo.keys()) == 3000, seconds=20)
    assert len(set(klaviyo.keys())) == 3000
    assert all(call.params["page[size]"] == 1000 for call in klaviyo.calls("/api/events", "GET"))


def test_a_window_of_reading_begins_with_its_first_and_ends_before_its_last_second(klaviyo: Account) -> None:
    klaviyo.connector.deliver(history([10, 20, 30]))
    assert eventually(lambda: len(klaviyo.keys()) == 3)
    found = klaviyo.connector.events("Placed Order", NOW - timedelta(minutes=30), NOW - timedelta(minutes=10))
    assert [seen.sync_key for seen in found] == ["john_lewis:A-30", "john_lewis:A-20"]


def test_a_metric_without_events_has_none(klaviyo: Account) -> None:
    assert list(klaviyo.connector.events("Never Heard Of", NOW - timedelta(days=1), NOW)) == []


def test_threads_share_one_connector(klaviyo: Account) -> None:
    outcomes: list[Any] = []
    threads = [
        threading.Thread(target=lambda first=first: outcomes.extend(_each(klaviyo, range(first, first + 20))))
        for first in range(1, 161, 20)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert outcomes == [Delivered()] * 160
    assert eventually(lambda: len(klaviyo.keys()) == 160)


def test_batches_are_large_for_history_only(klaviyo: Account) -> None:
    assert klaviyo.connector.batch_limit(EffectKind.TRACK_EVENT, Lane.BACKFILL) == 1000
    assert klaviyo.connector.batch_limit(EffectKind.TRACK_EVENT, Lane.EVENTS) == 1


def _each(klaviyo: Account, numbers: range) -> list[Any]:
    return [klaviyo.connector.deliver([live(number)])[0] for number in numbers]


def test_no_more_jobs_are_under_way_than_a_busy_vendor_may_see_at_once() -> None:
    """All that waited for a vendor that was busy arrives in one moment, and ten a second is what it takes."""
    under_way: set[Request] = set()
    most: list[int] = []

    async def take(request: Request) -> Response:
        under_way.add(request)
        most.append(len(under_way))
        await asyncio.sleep(0.1)
        under_way.remove(request)
        return Response(status_code=202)

    with serving(Route(JOBS, take, methods=["POST"])) as url, ThreadPoolExecutor(20) as couriers:
        settings = KlaviyoSettings(base_url=url, api_key=Secret(default=KEY))
        connector = open_connection("klaviyo", settings, lambda _, spec: LocalBudget(dict.fromkeys(spec, ())))
        batches = [history(range(first, first + 10)) for first in range(0, 200, 10)]
        for outcomes in couriers.map(connector.deliver, batches):
            assert outcomes == [Delivered()] * 10
    assert len(most) == 20
    assert max(most) == 5
