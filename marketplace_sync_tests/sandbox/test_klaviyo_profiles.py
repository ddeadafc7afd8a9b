"""Who is who: upsert, conflicts, null, merging, forgetting, reading, and bulk import."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from marketplace_sync_tests.sandbox.klaviyo_caller import Caller, Json, account, errors, event, pointers, resource

IMPORT = "/api/profile-import"


@pytest.fixture
def caller() -> Iterator[Caller]:
    with account(rate_limits=False) as found:
        yield found


def _upsert(caller: Caller, status: int = 200, **attributes: object) -> Json:
    answer = caller.post(IMPORT, resource("profile", attributes))
    assert answer.status_code == status, answer.text
    found: Json = answer.json()["data"]
    return found


def test_import_creates_with_201_and_updates_with_200_and_shows_the_profile(caller: Caller) -> None:
    made = _upsert(caller, 201, email="kim@example.com", first_name="Kim", properties={"a": 1, "b": 2})
    caller.advance(10)
    changed = _upsert(caller, 200, email="kim@example.com", last_name="Lee", properties={"b": 3})
    assert changed["id"] == made["id"]
    attributes = changed["attributes"]
    assert (attributes["first_name"], attributes["last_name"]) == ("Kim", "Lee")
    assert attributes["properties"] == {"a": 1, "b": 3}, "properties merge key by key"
    assert attributes["created"] == made["attributes"]["created"] < attributes["updated"]


def test_email_addresses_are_trimmed_and_compared_in_lower_case(caller: Caller) -> None:
    made = _upsert(caller, 201, email=" Kim@Example.COM ")
    assert made["attributes"]["email"] == "kim@example.com"
    assert _upsert(caller, 200, email="KIM@example.com")["id"] == made["id"]


def test_null_clears_and_absence_leaves(caller: Caller) -> None:
    _upsert(caller, 201, email="kim@example.com", first_name="Kim", last_name="Lee", external_id="mkt-7")
    changed = _upsert(caller, 200, email="kim@example.com", first_name=None)
    assert changed["attributes"]["first_name"] is None
    assert (changed["attributes"]["last_name"], changed["attributes"]["external_id"]) == ("Lee", "mkt-7")
    _upsert(caller, 200, email="kim@example.com", external_id=None)
    _upsert(caller, 201, external_id="mkt-7")


def test_a_null_property_is_removed_and_null_properties_are_emptied(caller: Caller) -> None:
    _upsert(caller, 201, email="kim@example.com", properties={"a": 1, "b": 2})
    assert _upsert(caller, email="kim@example.com", properties={"a": None})["attributes"]["properties"] == {"b": 2}
    assert _upsert(caller, email="kim@example.com", properties=None)["attributes"]["properties"] == {}


def test_a_profile_needs_an_identifier_and_well_formed_ones(caller: Caller) -> None:
    for attributes, pointer in (
        ({"first_name": "Kim"}, "/data/attributes"),
        ({"email": "kim at example"}, "/data/attributes/email"),
        ({"email": "kim@example"}, "/data/attributes/email"),
        ({"phone_number": "07700900123"}, "/data/attributes/phone_number"),
        ({"external_id": "x" * 256}, "/data/attributes/external_id"),
        ({"anonymous_id": "a"}, "/data/attributes/anonymous_id"),
    ):
        for path in (IMPORT, "/api/profiles"):
            assert pointers(caller.post(path, resource("profile", attributes))) == [pointer]
    assert caller.kept("profiles") == []


def test_identifiers_of_two_profiles_are_409_and_name_the_other_one(caller: Caller) -> None:
    kim = _upsert(caller, 201, email="kim@example.com")
    sam = _upsert(caller, 201, phone_number="+447700900123", email="sam@example.com")
    answer = caller.post(IMPORT, resource("profile", {"email": "kim@example.com", "phone_number": "+447700900123"}))
    (error,) = errors(answer, 409)
    assert error["code"] == "duplicate_profile"
    assert error["meta"]["duplicate_profile_id"] == sam["id"]
    assert error["source"]["pointer"] == "/data/attributes"
    assert caller.profile("kim@example.com")["attributes"]["phone_number"] is None, "nothing was changed"
    retried = _upsert(caller, 200, email="kim@example.com")
    assert retried["id"] == kim["id"]


def test_creating_a_profile_that_exists_is_409_and_so_is_taking_anothers_identifier(caller: Caller) -> None:
    kim = _upsert(caller, 201, email="kim@example.com")
    answer = caller.post("/api/profiles", resource("profile", {"email": "KIM@example.com"}))
    assert errors(answer, 409)[0]["meta"]["duplicate_profile_id"] == kim["id"]
    answer = caller.post("/api/profiles", resource("profile", {"email": "sam@example.com"}))
    assert answer.status_code == 201
    sam = answer.json()["data"]["id"]
    body = resource("profile", {"email": "kim@example.com"}, id=sam)
    assert errors(caller.patch(f"/api/profiles/{sam}", body), 409)[0]["meta"]["duplicate_profile_id"] == kim["id"]
    body = resource("profile", {"email": "sammy@example.com", "first_name": None}, id=sam)
    assert caller.patch(f"/api/profiles/{sam}", body).json()["data"]["attributes"]["email"] == "sammy@example.com"
    assert caller.read("/api/profiles", filter='equals(email,"sam@example.com")')["data"] == []
    assert errors(caller.patch("/api/profiles/none", resource("profile", {}, id="none")), 404)
    assert pointers(caller.patch(f"/api/profiles/{sam}", resource("profile", {}, id=kim["id"]))) == ["/data/id"]


def test_import_by_the_vendors_id_needs_one_that_exists(caller: Caller) -> None:
    kim = _upsert(caller, 201, email="kim@example.com")
    body = resource("profile", {"first_name": "Kim"}, id=kim["id"])
    assert caller.post(IMPORT, body).json()["data"]["attributes"]["first_name"] == "Kim"
    assert errors(caller.post(IMPORT, resource("profile", {"first_name": "Kim"}, id="01NOBODY")), 404)


def test_meta_changes_single_properties_and_secondary_addresses(caller: Caller) -> None:
    made = _upsert(caller, 201, email="kim@example.com", properties={"shops": ["a"], "old": 1})
    patches = {
        "patch_properties": {"append": {"shops": "b"}, "unappend": {"shops": "a"}, "unset": "old"},
        "patch_identifiers": {"append": {"email": "Kim@Work.example"}},
    }
    answer = caller.post(IMPORT, resource("profile", {"email": "kim@example.com"}, meta=patches))
    assert answer.json()["data"]["attributes"]["properties"] == {"shops": ["b"]}
    assert _upsert(caller, 200, email="kim@work.example", first_name="K")["id"] == made["id"]
    gone = {"patch_identifiers": {"unappend": {"email": "kim@work.example"}}}
    body = resource("profile", {"email": "kim@example.com"}, meta=gone, id=made["id"])
    caller.patch(f"/api/profiles/{made['id']}", body)
    _upsert(caller, 201, email="kim@work.example")
    wrong = {"patch_identifiers": {"append": {"phone_number": "+447700900123"}}}
    assert errors(caller.post(IMPORT, resource("profile", {"email": "kim@example.com"}, meta=wrong)), 400)


def test_merging_is_queued_and_moves_everything_to_the_survivor(caller: Caller) -> None:
    caller.post("/api/events", event("A-1", email="old@example.com"))
    caller.post("/api/events", event("A-2", email="new@example.com"))
    caller.settle()
    caller.act("subscribe", email="old@example.com", list_id="SbxNws")
    old, new = caller.profile("old@example.com")["id"], caller.profile("new@example.com")["id"]

    def merge(destination: str, *sources: str) -> Json:
        related = {"profiles": {"data": [{"type": "profile", "id": one} for one in sources]}}
        return {"data": {"type": "profile-merge", "id": destination, "relationships": related}}

    assert errors(caller.post("/api/profile-merge", merge(new, old, new)), 400)
    assert errors(caller.post("/api/profile-merge", merge(new)), 400)
    assert errors(caller.post("/api/profile-merge", merge(new, new)), 400)
    assert errors(caller.post("/api/profile-merge", merge(new, "none")), 404)
    answer = caller.post("/api/profile-merge", merge(new, old))
    assert (answer.status_code, answer.json()["data"]["id"]) == (201, new)
    assert caller.get(f"/api/profiles/{old}").status_code == 200, "not yet"
    caller.settle()
    assert errors(caller.get(f"/api/profiles/{old}"), 404)
    events = list(caller.every("/api/events", filter=f'equals(profile_id,"{new}")'))
    assert {one["attributes"]["event_properties"]["OrderId"] for one in events} == {"A-1", "A-2"}
    assert caller.profile("old@example.com")["id"] == new, "the old address leads to the survivor"
    assert [one["id"] for one in caller.read(f"/api/profiles/{new}/lists")["data"]] == ["SbxNws"]
    caller.post("/api/events", event("A-1", email="old@example.com"))
    caller.settle()
    assert len(caller.act("events_of", key="A-1")) == 1, "the key is still known for the survivor"


def test_forgetting_takes_exactly_one_identifier_and_leaves_blacked_out_events(caller: Caller) -> None:
    properties = {"OrderId": "A-1", "Contact": "kim@example.com", "ShippingAddress": {"Zip": "YO1", "City": "York"}}
    profile = {"email": "kim@example.com", "first_name": "Kim"}
    caller.post("/api/events", event("A-1", profile=profile, properties={**properties, "Names": ["Kim", "Sam"]}))
    caller.settle()
    metric = caller.metric("Placed Order")

    def forget(id: str | None = None, **attributes: str) -> Json:
        data: Json = {"type": "profile", "attributes": attributes, **({"id": id} if id else {})}
        return resource("data-privacy-deletion-job", {"profile": {"data": data}})

    path = "/api/data-privacy-deletion-jobs"
    assert errors(caller.post(path, forget()), 400)
    assert errors(caller.post(path, forget(email="kim@example.com", phone_number="+447700900123")), 400)
    assert errors(caller.post(path, forget("01X", email="kim@example.com")), 400)
    answer = caller.post(path, forget(email="kim@example.com"))
    assert (answer.status_code, answer.content) == (202, b"")
    assert caller.post(path, forget(email="nobody@example.com")).status_code == 202
    caller.settle()
    assert caller.read("/api/profiles")["data"] == []
    assert [one["identifier"] for one in caller.kept("deleted_profiles")] == ["kim@example.com"]
    (shown,) = caller.read("/api/events")["data"]
    assert "data" not in shown["relationships"]["profile"]
    assert shown["attributes"]["event_properties"] == {
        "OrderId": "A-1",
        "Contact": "redacted",
        "Names": ["redacted", "Sam"],
        "ShippingAddress": {"Zip": "redacted", "City": "redacted"},
    }
    query = {"metric_id": metric, "measurements": ["sum_value"]}
    bounds = ["greater-or-equal(datetime,2026-11-19)", "less-than(datetime,2026-11-20)"]
    totals = caller.post("/api/metric-aggregates", resource("metric-aggregate", {**query, "filter": bounds})).json()
    assert totals["data"]["attributes"]["data"][0]["measurements"]["sum_value"] == [120.5], "revenue stays"
    caller.post("/api/events", event("A-1", profile=profile))
    caller.settle()
    assert len(caller.kept("profiles")) == 1, "a later sync quietly brings the person back"


def test_profiles_are_found_by_identifiers_and_by_when_they_changed(caller: Caller) -> None:
    moments = []
    for number in range(5):
        named = {"email": f"p+{number}@example.com", "external_id": f"mkt-{number}"}
        shown = _upsert(caller, 201, **named, phone_number=f"+4477009001{number}0")
        moments.append(shown["attributes"]["updated"])
        caller.advance(10)

    def found(filter: str, **query: str) -> list[str]:
        return [one["attributes"]["external_id"] for one in caller.every("/api/profiles", filter=filter, **query)]

    assert found('equals(email,"p+1@example.com")') == ["mkt-1"]
    assert found('any(email,["p+1@example.com","P+3@example.com","x@example.com"])') == ["mkt-1", "mkt-3"]
    assert found('equals(external_id,"mkt-2")') == ["mkt-2"]
    assert found('any(phone_number,["+447700900140"])') == ["mkt-4"]
    assert found('equals(phone_number,"+44770090014")') == []
    assert found(f"greater-than(updated,{moments[2]})", sort="updated") == ["mkt-3", "mkt-4"], "strictly"
    assert found(f"less-than(created,{moments[1]})") == ["mkt-0"]
    assert found(f"greater-than(updated,{moments[0]}),less-than(updated,{moments[3]})", sort="-email") == [
        "mkt-2",
        "mkt-1",
    ]
    for wrong in ("greater-or-equal(updated,2026-01-01T00:00:00Z)", 'contains(email,"p")', 'equals(first_name,"K")'):
        assert pointers(caller.send("GET", "/api/profiles", query={"filter": wrong}, judge=False)) == ["filter"]


def test_a_plus_in_an_address_must_be_encoded_in_a_filter(caller: Caller) -> None:
    _upsert(caller, 201, email="kim+shop@example.com")
    plain = caller.http.get(
        '/api/profiles?filter=equals(email,"kim+shop@example.com")',
        headers={"authorization": "Klaviyo-API-Key pk_sandbox_klaviyo", "revision": "2026-10-15"},
    )
    assert plain.json()["data"] == []
    assert caller.profile("kim+shop@example.com")["attributes"]["email"] == "kim+shop@example.com"


def test_profiles_come_twenty_a_page_and_a_hundred_at_most(caller: Caller) -> None:
    rows = [{"type": "profile", "attributes": {"email": f"p{number}@example.com"}} for number in range(130)]
    caller.post("/api/profile-bulk-import-jobs", resource("profile-bulk-import-job", {"profiles": {"data": rows}}))
    caller.settle()
    assert len(caller.read("/api/profiles")["data"]) == 20
    assert len(caller.read("/api/profiles", **{"page[size]": "100"})["data"]) == 100
    assert pointers(caller.send("GET", "/api/profiles", query={"page[size]": "101"}, judge=False)) == ["page[size]"]
    for sort in ("id", "-id", "email", "-created", "updated"):
        found = [one["id"] for one in caller.every("/api/profiles", sort=sort, **{"page[size]": "50"})]
        assert len(found) == len(set(found)) == 130


def test_one_profile_shows_its_lists_and_segments_on_request(caller: Caller) -> None:
    caller.post("/api/events", event())
    caller.settle()
    caller.act("subscribe", email="kim@example.com", list_id="SbxNws")
    here = f"/api/profiles/{caller.profile('kim@example.com')['id']}"
    answer = caller.read(here, include="lists,segments")
    assert [(one["type"], one["id"]) for one in answer["included"]] == [
        ("list", "SbxNws"),
        ("segment", "SbxSub"),
        ("segment", "SbxBuy"),
    ]
    assert [one["id"] for one in caller.read(f"{here}/relationships/lists")["data"]] == ["SbxNws"]
    assert [one["id"] for one in caller.read(f"{here}/segments")["data"]] == ["SbxSub", "SbxBuy"]
    assert [one["id"] for one in caller.read(f"{here}/relationships/segments")["data"]] == ["SbxSub", "SbxBuy"]
    extra = {"additional-fields[profile]": "predictive_analytics,subscriptions"}
    attributes = caller.read(here, **extra)["data"]["attributes"]
    assert attributes["predictive_analytics"]["historic_clv"] == 120.5
    assert attributes["predictive_analytics"]["predicted_clv"] is None
    assert attributes["last_event_date"] == "2026-11-19T08:30:00+00:00"


def test_a_strict_filter_on_updated_leaves_out_everything_of_that_second(caller: Caller) -> None:
    last = _upsert(caller, 201, email="kim@example.com")["attributes"]["updated"]
    _upsert(caller, 201, email="sam@example.com")
    assert caller.read("/api/profiles", filter=f"greater-than(updated,{last})")["data"] == []
