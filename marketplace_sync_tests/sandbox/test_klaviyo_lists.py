"""Lists, their members and their flows; segments, which compute their members."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from marketplace_sync_tests.sandbox.klaviyo_caller import Caller, Json, account, errors, event, pointers, resource


@pytest.fixture
def caller() -> Iterator[Caller]:
    with account(rate_limits=False, live_list_flows=["Newsletter"]) as found:
        yield found


def _people(caller: Caller, number: int) -> list[str]:
    found = []
    for one in range(number):
        answer = caller.post("/api/profile-import", resource("profile", {"email": f"p{one}@example.com"}))
        found.append(answer.json()["data"]["id"])
        caller.advance(1)
    return found


def _named(*profiles: str) -> Json:
    return {"data": [{"type": "profile", "id": one} for one in profiles]}


def test_lists_are_made_changed_and_deleted(caller: Caller) -> None:
    answer = caller.post("/api/lists", resource("list", {"name": "Buyers", "opt_in_process": "single_opt_in"}))
    assert answer.status_code == 201
    key = answer.json()["data"]["id"]
    here = f"/api/lists/{key}"
    assert caller.read(here)["data"]["attributes"]["opt_in_process"] == "single_opt_in"
    changed = caller.patch(here, resource("list", {"opt_in_process": "double_opt_in"}, id=key)).json()["data"]
    assert (changed["attributes"]["name"], changed["attributes"]["opt_in_process"]) == ("Buyers", "double_opt_in")
    assert pointers(caller.patch(here, resource("list", {}, id="other"))) == ["/data/id"]
    assert pointers(caller.post("/api/lists", resource("list", {"name": " "}))) == ["/data/attributes/name"]
    wrong = resource("list", {"name": "X", "opt_in_process": "none"})
    assert pointers(caller.post("/api/lists", wrong)) == ["/data/attributes/opt_in_process"]
    (member,) = _people(caller, 1)
    caller.post(f"{here}/relationships/profiles", _named(member))
    assert caller.delete(here).status_code == 204
    assert errors(caller.get(here), 404)
    assert caller.read(f"/api/profiles/{member}/lists")["data"] == []


def test_a_list_made_without_saying_takes_the_accounts_default(caller: Caller) -> None:
    made = caller.post("/api/lists", resource("list", {"name": "Default"})).json()["data"]
    assert made["attributes"]["opt_in_process"] == "double_opt_in"


def test_membership_takes_ids_is_not_consent_and_may_start_a_flow(caller: Caller) -> None:
    first, second = _people(caller, 2)
    here = "/api/lists/SbxNws"
    assert caller.post(f"{here}/relationships/profiles", _named(first, second, first)).status_code == 204
    assert caller.act("consent_of", email="p0@example.com")["consent"] == "NEVER_SUBSCRIBED"
    assert [one["email"] for one in caller.kept("flow_messages")] == ["p0@example.com", "p1@example.com"]
    assert [one["type"] for one in caller.read(f"{here}/flow-triggers")["data"]] == ["flow"]
    assert len(caller.read(f"{here}/relationships/flow-triggers")["data"]) == 1
    assert len(caller.read(here, include="flow-triggers")["included"]) == 1
    count = caller.read(here, **{"additional-fields[list]": "profile_count"})["data"]["attributes"]["profile_count"]
    assert count == 2
    assert caller.delete(f"{here}/relationships/profiles", _named(first)).status_code == 204
    assert [one["id"] for one in caller.read(f"{here}/relationships/profiles")["data"]] == [second]
    assert pointers(caller.post(f"{here}/relationships/profiles", _named(first, "none"))) == ["/data/1/id"]
    many = _named(*["none"] * 1_001)
    assert pointers(caller.post(f"{here}/relationships/profiles", many)) == ["/data"]


def test_members_say_when_they_joined_and_come_in_pages(caller: Caller) -> None:
    people = _people(caller, 25)
    here = "/api/lists/SbxNws"
    joined = []
    for one in people:
        caller.post(f"{here}/relationships/profiles", _named(one))
        joined.append(caller.sandbox.control("GET")["now"])
        caller.advance(60)
    first = caller.read(f"{here}/profiles", sort="joined_group_at")
    assert len(first["data"]) == 20
    found = list(caller.every(f"{here}/profiles", sort="joined_group_at"))
    assert [one["id"] for one in found] == people
    moments = [one["attributes"]["joined_group_at"] for one in found]
    assert moments == sorted(moments)
    later = f"greater-than(joined_group_at,{joined[9]})"
    assert [one["id"] for one in caller.every(f"{here}/profiles", filter=later, sort="joined_group_at")] == people[10:]
    one_of = 'any(email,["p3@example.com","p4@example.com"])'
    assert len(caller.read(f"{here}/relationships/profiles", filter=one_of)["data"]) == 2
    extra = {"additional-fields[profile]": "subscriptions"}
    assert "subscriptions" in caller.read(f"{here}/profiles", **extra)["data"][0]["attributes"]


def test_lists_come_ten_a_page_and_can_be_found_by_name(caller: Caller) -> None:
    for number in range(15):
        caller.act("create_list", name=f"List {number}", opt_in_process="single_opt_in")
    assert len(caller.read("/api/lists")["data"]) == 10
    assert len(list(caller.every("/api/lists", sort="name"))) == 17
    found = caller.read("/api/lists", filter='any(name,["List 3","Newsletter","None"])', sort="-name")["data"]
    assert [one["attributes"]["name"] for one in found] == ["Newsletter", "List 3"]
    answer = caller.send("GET", "/api/lists", query={"page[size]": "11"}, judge=False)
    assert pointers(answer) == ["page[size]"]
    with pytest.raises(ValueError, match="single_opt_in or double_opt_in"):
        caller.act("create_list", name="X", opt_in_process="none")


def test_segments_are_read_only_and_follow_their_rule(caller: Caller) -> None:
    caller.post("/api/events", event())
    caller.settle()
    caller.act("subscribe", email="sam@example.com")
    caller.act("create_segment", name="Suppressed", rule="suppressed")
    assert [one["attributes"]["name"] for one in caller.read("/api/segments", sort="name")["data"]] == [
        "E-mail subscribers",
        "Has placed an order",
        "Suppressed",
    ]
    members = caller.read("/api/segments/SbxSub/profiles")["data"]
    assert [one["attributes"]["email"] for one in members] == ["sam@example.com"]
    buyers = caller.read("/api/segments/SbxBuy/profiles")["data"]
    assert buyers[0]["attributes"]["joined_group_at"] == "2026-11-19T08:30:00+00:00"
    filter = f'equals(profile_id,["{buyers[0]["id"]}"])'
    assert len(caller.read("/api/segments/SbxBuy/relationships/profiles", filter=filter)["data"]) == 1
    caller.act("unsubscribe", email="sam@example.com")
    assert caller.read("/api/segments/SbxSub/profiles")["data"] == []
    extra = {"additional-fields[segment]": "profile_count"}
    attributes = caller.read("/api/segments/SbxBuy", **extra)["data"]["attributes"]
    assert (attributes["profile_count"], attributes["is_processing"]) == (1, False)
    assert errors(caller.get("/api/segments/none"), 404)
    assert errors(caller.send("POST", "/api/segments/SbxSub/relationships/profiles", _named("x"), judge=False), 405)
    with pytest.raises(ValueError, match="rule is"):
        caller.act("create_segment", name="X", rule="tall")
