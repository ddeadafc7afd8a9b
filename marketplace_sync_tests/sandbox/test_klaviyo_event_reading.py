"""Reading events back: filters, order, pages, inclusion, and what is not shown."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from marketplace_sync_tests.sandbox.klaviyo_caller import Caller, account, bulk, errors, event, pointers, resource

DAY = "2026-11-{:02}T12:00:00Z"


@pytest.fixture(scope="module")
def caller() -> Iterator[Caller]:
    """Ten orders of Kim, ten of Sam, one a day and each, and ten parcels of Kim's."""
    with account(rate_limits=False) as found:
        for email, letter in (("kim@example.com", "K"), ("sam@example.com", "S")):
            orders = [event(f"{letter}-{day}", time=DAY.format(day)) for day in range(10, 0, -1)]
            parcels = [event(f"K-{day}", metric="Fulfilled Order", time=DAY.format(day)) for day in range(1, 11)]
            rows = orders + (parcels if letter == "K" else [])
            found.post("/api/event-bulk-create-jobs", bulk(({"email": email}, rows)))
        found.settle()
        yield found


def _orders(caller: Caller, filter: str | None = None, **query: str) -> list[str]:
    wanted = query if filter is None else {"filter": filter, **query}
    return [one["attributes"]["event_properties"]["OrderId"] for one in caller.every("/api/events", **wanted)]


def test_events_can_be_filtered_by_metric_profile_and_time_together(caller: Caller) -> None:
    metric, kim = caller.metric("Placed Order"), caller.profile("kim@example.com")["id"]
    assert len(_orders(caller, f'equals(metric_id,"{metric}")')) == 20
    assert len(_orders(caller, f'equals(profile_id,"{kim}")')) == 20
    window = "greater-or-equal(datetime,2026-11-03T12:00:00Z),less-than(datetime,2026-11-05T12:00:00Z)"
    found = _orders(caller, f'and(equals(metric_id,"{metric}"),equals(profile_id,"{kim}"),{window})', sort="datetime")
    assert found == ["K-3", "K-4"]


def test_time_filters_are_strict_or_not_as_they_say(caller: Caller) -> None:
    kim = caller.profile("kim@example.com")["id"]
    metric = caller.metric("Placed Order")
    base = f'equals(profile_id,"{kim}"),equals(metric_id,"{metric}")'
    edge = "2026-11-05T13:00:00+01:00"
    for operator, expected in (
        ("greater-than", 5),
        ("greater-or-equal", 6),
        ("less-than", 4),
        ("less-or-equal", 5),
    ):
        assert len(_orders(caller, f"{base},{operator}(datetime,{edge})")) == expected, operator
        assert len(_orders(caller, f"{base},{operator}(timestamp,1793880000)")) == expected, operator


@pytest.mark.parametrize(
    "filter",
    [
        'greater-than(datetime,"2026-11-03T12:00:00Z")',
        "equals(metric_id,abc)",
        "equals(datetime,2026-11-03T12:00:00Z)",
        'equals(unique_id,"K-1")',
        'contains(metric_id,"a")',
        "greater-than(datetime,yesterday)",
        "greater-than(timestamp,now)",
        "greater-than(datetime,2026-11-03T12:00:00Z",
        "and(has(profile)",
        "or(has(profile),has(metric))",
        "nonsense",
        "has(profile)has(metric)",
    ],
)
def test_a_filter_the_vendor_does_not_take_is_400(caller: Caller, filter: str) -> None:
    assert pointers(caller.send("GET", "/api/events", query={"filter": filter}, judge=False)) == ["filter"]


def test_sorting_goes_both_ways(caller: Caller) -> None:
    kim, metric = caller.profile("kim@example.com")["id"], caller.metric("Placed Order")
    filter = f'equals(profile_id,"{kim}"),equals(metric_id,"{metric}")'
    upwards = [f"K-{day}" for day in range(1, 11)]
    for key in ("datetime", "timestamp"):
        assert _orders(caller, filter, sort=key) == upwards
        assert _orders(caller, filter, sort=f"-{key}") == upwards[::-1]


def test_pages_of_any_size_show_every_event_once(caller: Caller) -> None:
    whole = [one["id"] for one in caller.every("/api/events", sort="datetime")]
    assert len(whole) == len(set(whole)) == 30
    for size in ("1", "7", "10", "29", "30", "1000"):
        for sort in ("datetime", "-datetime"):
            found = [one["id"] for one in caller.every("/api/events", sort=sort, **{"page[size]": size})]
            assert found == (whole if sort == "datetime" else whole[::-1])


def test_pages_lead_back_as_well(caller: Caller) -> None:
    first = caller.read("/api/events", sort="datetime", **{"page[size]": "8"})
    assert first["links"]["prev"] is None
    second = caller.read(first["links"]["next"].removeprefix(caller.base_url))
    back = caller.read(second["links"]["prev"].removeprefix(caller.base_url))
    assert [one["id"] for one in back["data"]] == [one["id"] for one in first["data"]]
    assert back["links"]["prev"] is None


def test_links_are_absolute_and_the_cursor_in_them_is_percent_encoded(caller: Caller) -> None:
    following = caller.read("/api/events", sort="datetime", **{"page[size]": "8"})["links"]["next"]
    assert following.startswith(f"{caller.base_url}/api/events?")
    assert "page%5Bcursor%5D=" in following
    assert "page%5Bsize%5D=8" in following


def test_a_cursor_belongs_to_the_request_it_came_from(caller: Caller) -> None:
    following = caller.read("/api/events", sort="datetime", **{"page[size]": "8"})["links"]["next"]
    cursor = following.partition("page%5Bcursor%5D=")[2].partition("&")[0]
    answer = caller.get("/api/events", sort="-datetime", **{"page[cursor]": cursor})
    assert errors(answer, 400)[0]["detail"] == "Invalid cursor provided."


def test_events_that_arrive_between_two_pages_neither_shift_nor_repeat_rows() -> None:
    with account(rate_limits=False) as caller:
        for day in range(1, 11, 2):
            caller.post("/api/events", event(f"A-{day}", time=DAY.format(day)))
        caller.settle()
        first = caller.read("/api/events", sort="datetime", **{"page[size]": "2"})
        for day in range(2, 11, 2):
            caller.post("/api/events", event(f"A-{day}", time=DAY.format(day)))
        caller.settle()
        rest = list(caller.every(first["links"]["next"].removeprefix(caller.base_url)))
        orders = [one["attributes"]["event_properties"]["OrderId"] for one in [*first["data"], *rest]]
        assert orders == ["A-1", "A-3", *(f"A-{day}" for day in range(4, 11))]


def test_expired_cursors_are_400_and_the_way_out_is_to_start_again() -> None:
    with account(rate_limits=False, cursor_lifetime=100) as caller:
        caller.post("/api/event-bulk-create-jobs", bulk(({"email": "k@example.com"}, [event("1"), event("2")])))
        caller.settle()
        for expire in (lambda: caller.advance(101), lambda: caller.act("expire_cursors")):
            following = caller.read("/api/events", **{"page[size]": "1"})["links"]["next"]
            path = following.removeprefix(caller.base_url)
            assert caller.get(path).status_code == 200
            caller.advance(1)
            expire()
            assert errors(caller.get(path), 400)[0]["detail"] == "Invalid cursor provided."


def test_metric_and_profile_are_included_once_each(caller: Caller) -> None:
    answer = caller.read("/api/events", include="metric,profile,attributions")
    kinds = sorted(one["type"] for one in answer["included"])
    assert kinds == ["metric", "metric", "profile", "profile"]
    by = {(one["type"], one["id"]) for one in answer["included"]}
    for one in answer["data"]:
        related = one["relationships"]
        assert ("metric", related["metric"]["data"]["id"]) in by
        assert ("profile", related["profile"]["data"]["id"]) in by
        assert related["attributions"]["data"] == []
    assert "included" not in caller.read("/api/events")


def test_one_event_and_what_it_relates_to_can_be_read(caller: Caller) -> None:
    first = caller.read("/api/events", **{"page[size]": "1"})["data"][0]
    here = f"/api/events/{first['id']}"
    assert caller.read(here, include="metric")["data"]["attributes"] == first["attributes"]
    assert caller.read(f"{here}/metric")["data"]["id"] == first["relationships"]["metric"]["data"]["id"]
    assert caller.read(f"{here}/relationships/metric")["data"] == first["relationships"]["metric"]["data"]
    assert caller.read(f"{here}/profile")["data"]["id"] == first["relationships"]["profile"]["data"]["id"]
    assert caller.read(f"{here}/relationships/profile")["data"] == first["relationships"]["profile"]["data"]
    assert errors(caller.get("/api/events/nothing"), 404)


def test_key_value_and_currency_are_not_shown_unless_the_switch_is_on(caller: Caller) -> None:
    attributes = caller.read("/api/events", **{"page[size]": "1"})["data"][0]["attributes"]
    assert set(attributes) == {"timestamp", "datetime", "uuid", "event_properties"}
    assert set(attributes["event_properties"]) == {"OrderId"}
    with account(legacy_event_properties=True) as legacy:
        legacy.post("/api/events", event("A-1"))
        legacy.settle()
        (shown,) = legacy.read("/api/events")["data"]
        legacy_properties = {"OrderId": "A-1", "$event_id": "A-1", "$value": 120.5, "$value_currency": "GBP"}
        assert shown["attributes"]["event_properties"] == legacy_properties


def test_has_leaves_out_events_whose_profile_or_metric_is_gone() -> None:
    with account(rate_limits=False) as caller:
        caller.post("/api/events", event("A-1"))
        caller.post("/api/events", event("A-2", email="sam@example.com", metric="Odd"))
        caller.settle()
        job = {"profile": {"data": {"type": "profile", "attributes": {"email": "kim@example.com"}}}}
        caller.post("/api/data-privacy-deletion-jobs", resource("data-privacy-deletion-job", job))
        caller.act("lose_metric", name="Odd")
        caller.settle()
        assert len(_orders(caller)) == 2
        assert _orders(caller, "has(profile)") == ["A-2"]
        assert _orders(caller, "has(metric)") == ["A-1"]
        older = caller.send("GET", "/api/events", headers={"revision": "2026-04-15"}, judge=False)
        assert len(older.json()["data"]) == 1, "before 2026-07-15 an unresolved metric hid its events"
