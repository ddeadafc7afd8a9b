"""What happens to events that are sent: accepted and queued, stored once, refused whole."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from marketplace_sync_tests.sandbox.klaviyo_caller import Caller, Json, account, bulk, errors, event, pointers, resource


@pytest.fixture
def caller() -> Iterator[Caller]:
    with account(rate_limits=False) as found:
        yield found


def _events(caller: Caller) -> list[Json]:
    return list(caller.every("/api/events", sort="datetime"))


def test_an_event_is_accepted_with_202_and_no_body_and_seen_only_later(caller: Caller) -> None:
    answer = caller.post("/api/events", event())
    assert (answer.status_code, answer.content) == (202, b"")
    assert _events(caller) == []
    assert caller.read("/api/profiles")["data"] == [], "the profile comes with the event, not before it"
    caller.advance(0.29)
    assert _events(caller) == []
    caller.advance(0.02)
    assert [one["attributes"]["event_properties"] for one in _events(caller)] == [{"OrderId": "A-1"}]


def test_a_unique_id_is_stored_once_per_profile_and_metric_and_the_first_wins(caller: Caller) -> None:
    for value in (10, 20, 30):
        assert caller.post("/api/events", event("A-1", value=value)).status_code == 202
    caller.post("/api/events", event("A-1", metric="Fulfilled Order"))
    caller.post("/api/events", event("A-1", email="sam@example.com"))
    caller.settle()
    kept = [(one["metric_name"], one["value"]) for one in caller.act("events_of", key="A-1")]
    assert sorted(kept) == [("Fulfilled Order", 120.5), ("Placed Order", 10), ("Placed Order", 120.5)]


def test_dedupe_survives_the_delay_and_comes_after_it(caller: Caller) -> None:
    caller.post("/api/events", event("A-1"))
    caller.settle()
    caller.post("/api/events", event("A-1"))
    caller.settle()
    assert len(_events(caller)) == 1
    assert [(one["key"], one["times"]) for one in caller.kept("event_repeats")] == [("id:A-1", 1)]


def test_without_a_unique_id_one_event_per_profile_metric_and_second_is_kept(caller: Caller) -> None:
    for time in ("2026-11-19T08:30:00.100Z", "2026-11-19T08:30:00.900Z", "2026-11-19T08:30:01Z"):
        caller.post("/api/events", event(None, time=time, properties={}))
    caller.settle()
    times = [one["attributes"]["datetime"] for one in _events(caller)]
    assert times == ["2026-11-19T08:30:00+00:00", "2026-11-19T08:30:01+00:00"]


def test_an_event_id_property_takes_no_part_in_dedupe(caller: Caller) -> None:
    for number in (1, 2):
        caller.post("/api/events", event(f"A-{number}", properties={"$event_id": "same"}))
    caller.settle()
    assert len(_events(caller)) == 2


def test_a_replay_that_resolves_to_another_profile_counts_twice(caller: Caller) -> None:
    caller.post("/api/events", event("A-1", email="relay-1@market.example"))
    caller.post("/api/events", event("A-1", email="relay-2@market.example"))
    caller.settle()
    assert len(caller.act("events_of", key="A-1")) == 2


def test_time_is_cut_to_the_second_and_defaults_to_the_moment_of_receipt(caller: Caller) -> None:
    body = event("A-1")
    del body["data"]["attributes"]["time"]
    now = datetime.fromisoformat(caller.sandbox.control("GET")["now"])
    caller.post("/api/events", body)
    caller.post("/api/events", event("A-2", time="2026-11-19T09:30:00.999+01:00"))
    caller.settle()
    first, second = _events(caller)
    assert first["attributes"]["datetime"] == "2026-11-19T08:30:00+00:00"
    assert second["attributes"]["timestamp"] == int(now.timestamp())


def test_time_reaches_from_1990_to_a_year_ahead(caller: Caller) -> None:
    now = datetime.now(UTC)
    for time in (
        "1989-12-31T23:59:59Z",
        "0001-01-01T00:00:00+14:00",
        (now + timedelta(days=370)).isoformat(),
        "yesterday",
        "1795077000",
    ):
        assert pointers(caller.post("/api/events", event(time=time))) == ["/data/attributes/time"]
    for time in ("1990-01-01T00:00:00Z", (now + timedelta(days=360)).isoformat()):
        assert caller.post("/api/events", event(time=time)).status_code == 202


def test_older_revisions_reach_back_to_2000_only(caller: Caller) -> None:
    older = {"revision": "2026-04-15"}
    answer = caller.post("/api/events", event(time="1995-01-01T00:00:00Z"), headers=older)
    assert pointers(answer) == ["/data/attributes/time"]
    assert caller.post("/api/events", event(time="2001-01-01T00:00:00Z"), headers=older).status_code == 202


@pytest.mark.parametrize(
    ("changes", "pointer"),
    [
        ({"properties": {f"p{number}": 1 for number in range(401)}}, "/data/attributes/properties"),
        ({"properties": {"html": "x" * 100_001}}, "/data/attributes/properties/html"),
        ({"properties": {"deep": {"er": "é" * 50_001}}}, "/data/attributes/properties/deep/er"),
        ({"properties": {"many": list(range(4_001))}}, "/data/attributes/properties/many"),
        ({"properties": {"a": [[[[[[[[[[1]]]]]]]]]]}}, "/data/attributes/properties/a/0/0/0/0/0/0/0/0/0"),
        ({"properties": []}, "/data/attributes/properties"),
        ({"metric": "x" * 128}, "/data/attributes/metric/data/attributes/name"),
        ({"metric": " "}, "/data/attributes/metric/data/attributes/name"),
        ({"value": True}, "/data/attributes/value"),
        ({"value_currency": "EURO"}, "/data/attributes/value_currency"),
        ({"profile": {"first_name": "Kim"}}, "/data/attributes/profile/data/attributes"),
        ({"profile": {"email": "kim"}}, "/data/attributes/profile/data/attributes/email"),
        ({"profile": {"external_id": "x" * 256}}, "/data/attributes/profile/data/attributes/external_id"),
    ],
)
def test_limits_of_an_event_refuse_it_whole(caller: Caller, changes: dict[str, Any], pointer: str) -> None:
    assert pointers(caller.post("/api/events", event(**changes))) == [pointer]
    caller.settle()
    assert _events(caller) == []


def test_what_is_just_within_the_limits_is_accepted(caller: Caller) -> None:
    properties: Json = {f"p{number}": number for number in range(397)}
    properties |= {"html": "x" * 100_000, "many": list(range(4_000)), "deep": [[[[[[[[[1]]]]]]]]]}
    assert caller.post("/api/events", event(metric="x" * 127, properties=properties)).status_code == 202
    caller.settle()
    assert _events(caller)[0]["attributes"]["event_properties"] == properties


def test_a_phone_number_that_is_not_e164_rejects_the_whole_event(caller: Caller) -> None:
    for phone in ("07700 900123", "+44 7700 900123", "447700900123", "+0123456789"):
        answer = caller.post("/api/events", event(profile={"email": "kim@example.com", "phone_number": phone}))
        assert pointers(answer) == ["/data/attributes/profile/data/attributes/phone_number"]
        assert "+12345678901" in errors(answer, 400)[0]["detail"]
    caller.settle()
    assert (_events(caller), caller.kept("profiles")) == ([], [])


def test_a_phone_number_may_be_refused_although_it_is_well_formed() -> None:
    with account(ineligible_phones=["+447700900123"]) as caller:
        answer = caller.post("/api/events", event(profile={"phone_number": "+447700900123"}))
        assert "ineligible" in errors(answer, 400)[0]["detail"]


def test_events_known_by_phone_only_are_lost_without_sms() -> None:
    with account(sms_enabled=False) as caller:
        assert caller.post("/api/events", event(profile={"phone_number": "+447700900123"})).status_code == 202
        caller.settle()
        assert caller.kept("events") == []


def test_an_event_for_a_profile_id_nobody_has_is_accepted_and_lost(caller: Caller) -> None:
    body = event(email=None)
    body["data"]["attributes"]["profile"]["data"]["id"] = "01NOBODY"
    assert caller.post("/api/events", body).status_code == 202
    caller.settle()
    assert _events(caller) == []


def test_meta_of_an_event_profile_moved_with_the_revision(caller: Caller) -> None:
    meta = {"patch_properties": {"append": {"Marketplaces": "mirakl"}}}
    outside, inside = event("A-1"), event("A-2")
    outside["data"]["attributes"]["profile"]["data"]["meta"] = meta
    inside["data"]["attributes"]["profile"]["data"]["attributes"]["meta"] = meta
    older = {"revision": "2026-07-15"}
    assert caller.post("/api/events", outside).status_code == 202
    assert caller.post("/api/events", inside, headers=older).status_code == 202
    at = "/data/attributes/profile/data"
    assert pointers(caller.post("/api/events", inside)) == [f"{at}/attributes/meta"]
    assert pointers(caller.post("/api/events", outside, headers=older)) == [f"{at}/meta"]
    caller.settle()
    assert caller.profile("kim@example.com")["attributes"]["properties"] == {"Marketplaces": ["mirakl", "mirakl"]}


def test_backfill_needs_a_revision_that_knows_it(caller: Caller) -> None:
    older = {"revision": "2026-01-15"}
    assert pointers(caller.post("/api/events", event(backfill=True), headers=older)) == ["/data/attributes/backfill"]
    assert caller.post("/api/events", event(backfill=True)).status_code == 202
    many = bulk(({"email": "kim@example.com"}, [event("A-2")]), backfill=True)
    at = "/data/attributes/events-bulk-create/data/0/attributes/backfill"
    assert pointers(caller.post("/api/event-bulk-create-jobs", many, headers=older)) == [at]
    with account(old_revision_backfill="ignore") as lenient:
        assert lenient.post("/api/events", event(backfill=True), headers=older).status_code == 202
        assert lenient.post("/api/event-bulk-create-jobs", many, headers=older).status_code == 202
        lenient.settle()
        assert len(lenient.kept("flow_messages")) == 2, "the older revision does not know the word: flows start"


def test_a_bulk_request_stores_the_events_of_all_its_groups(caller: Caller) -> None:
    body = bulk(
        ({"email": "kim@example.com"}, [event("A-1"), event("A-2", metric="Fulfilled Order")]),
        ({"external_id": "mkt-7"}, [event("A-3")]),
    )
    answer = caller.post("/api/event-bulk-create-jobs", body)
    assert (answer.status_code, answer.content) == (202, b"")
    assert _events(caller) == []
    caller.settle()
    assert len(_events(caller)) == 3
    assert len(caller.kept("profiles")) == 2


def test_a_bulk_request_takes_a_thousand_events_and_not_one_more(caller: Caller) -> None:
    rows = [event(f"A-{number}") for number in range(1_001)]
    at = "/data/attributes/events-bulk-create"
    profile = {"email": "kim@example.com"}
    assert pointers(caller.post("/api/event-bulk-create-jobs", bulk((profile, rows)))) == [at]
    assert caller.post("/api/event-bulk-create-jobs", bulk((profile, rows[:1_000]))).status_code == 202
    caller.settle()
    assert len(caller.kept("events")) == 1_000


def test_one_bad_event_refuses_the_whole_bulk_request_and_is_pointed_at(caller: Caller) -> None:
    body = bulk(
        ({"email": "kim@example.com"}, [event("A-1")]),
        ({"email": "sam@example.com"}, [event("A-2"), event("A-3", value_currency="pounds")]),
    )
    at = "/data/attributes/events-bulk-create/data/1/attributes/events/data/1/attributes/value_currency"
    assert pointers(caller.post("/api/event-bulk-create-jobs", body)) == [at]
    body = bulk(({"email": "kim@example.com"}, [event("A-1"), event("A-2", time=5)]))
    at = "/data/attributes/events-bulk-create/data/0/attributes/events/data/1/attributes/time"
    assert pointers(caller.post("/api/event-bulk-create-jobs", body)) == [at]
    caller.settle()
    assert caller.kept("events") == []


def test_a_key_repeated_within_a_bulk_request_refuses_it_whole(caller: Caller) -> None:
    profile = {"email": "Kim@Example.com"}
    body = bulk((profile, [event("A-1")]), ({"email": "kim@example.com"}, [event("A-2"), event("A-1")]))
    at = "/data/attributes/events-bulk-create/data/1/attributes/events/data/1/attributes/unique_id"
    assert pointers(caller.post("/api/event-bulk-create-jobs", body)) == [at]
    caller.settle()
    assert caller.kept("events") == []
    other = bulk((profile, [event("A-1"), event("A-1", metric="Fulfilled Order")]))
    assert caller.post("/api/event-bulk-create-jobs", other).status_code == 202


def test_a_key_already_stored_refuses_a_bulk_request_only_where_that_is_set() -> None:
    body = bulk(({"email": "kim@example.com"}, [event("A-1"), event("A-2")]))
    for mode, status in (("request", 202), ("stored", 400), ("off", 202)):
        with account(bulk_duplicates=mode) as caller:
            caller.post("/api/events", event("A-1"))
            caller.settle()
            assert caller.post("/api/event-bulk-create-jobs", body).status_code == status
            caller.settle()
            assert len(caller.kept("events")) == (1 if status == 400 else 2)


def test_identifiers_of_two_profiles_in_one_event_join_them(caller: Caller) -> None:
    caller.post("/api/events", event("A-1", profile={"external_id": "mkt-7"}))
    caller.post("/api/events", event("A-2", profile={"email": "kim@example.com"}))
    caller.settle()
    assert len(caller.kept("profiles")) == 2
    caller.post("/api/events", event("A-3", profile={"external_id": "mkt-7", "email": "KIM@example.com "}))
    caller.settle()
    (profile,) = caller.kept("profiles")
    assert (profile["external_id"], profile["email"]) == ("mkt-7", "kim@example.com")
    assert {one["profile"] for one in caller.kept("events")} == {profile["id"]}


def test_identifiers_that_contradict_each_other_do_not_join_profiles(caller: Caller) -> None:
    caller.post("/api/profile-import", resource("profile", {"external_id": "mkt-7", "email": "kim@example.com"}))
    caller.post("/api/profile-import", resource("profile", {"external_id": "mkt-8", "email": "sam@example.com"}))
    caller.post("/api/events", event("A-1", profile={"external_id": "mkt-7", "email": "sam@example.com"}))
    caller.settle()
    owner = next(one for one in caller.kept("profiles") if one["external_id"] == "mkt-7")
    assert owner["email"] == "kim@example.com"
    assert [one["profile"] for one in caller.kept("events")] == [owner["id"]]
