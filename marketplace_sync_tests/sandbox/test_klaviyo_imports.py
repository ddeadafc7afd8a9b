"""Bulk profile import: a job that goes through its stages, with failures of single rows."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from marketplace_sync_tests.sandbox.klaviyo_caller import Caller, Json, account, errors, pointers, resource

PATH = "/api/profile-bulk-import-jobs"
AT = "/data/attributes/profiles/data"


@pytest.fixture
def caller() -> Iterator[Caller]:
    with account(rate_limits=False) as found:
        yield found


def _job(*attributes: Json, lists: tuple[str, ...] = ()) -> Json:
    rows = [{"type": "profile", "attributes": one} for one in attributes]
    related = {"lists": {"data": [{"type": "list", "id": one} for one in lists]}}
    extra = {"relationships": related} if lists else {}
    return resource("profile-bulk-import-job", {"profiles": {"data": rows}}, **extra)


def test_a_job_is_queued_then_processing_then_complete(caller: Caller) -> None:
    answer = caller.post(PATH, _job({"email": "kim@example.com"}, {"email": "sam@example.com"}))
    assert answer.status_code == 202
    here = f"{PATH}/{answer.json()['data']['id']}"
    seen = [answer.json()["data"]["attributes"]]
    for _ in range(3):
        seen.append(caller.read(here)["data"]["attributes"])
        caller.advance(0.31)
    assert [one["status"] for one in seen] == ["queued", "queued", "processing", "complete"]
    assert [one["completed_count"] for one in seen] == [0, 0, 0, 2]
    assert (seen[0]["started_at"], seen[0]["completed_at"]) == (None, None)
    assert seen[-1]["started_at"] < seen[-1]["expires_at"]
    assert seen[-1]["completed_at"] is not None
    assert len(caller.kept("profiles")) == 2
    shown = [one["attributes"]["email"] for one in caller.every(f"{here}/profiles", **{"page[size]": "1"})]
    assert sorted(shown) == ["kim@example.com", "sam@example.com"]
    assert len(caller.read(f"{here}/relationships/profiles")["data"]) == 2
    assert caller.read(f"{here}/import-errors")["data"] == []
    assert errors(caller.get(f"{PATH}/none"), 404)


def test_null_does_not_clear_here_unlike_in_a_single_import(caller: Caller) -> None:
    caller.post("/api/profile-import", resource("profile", {"email": "kim@example.com", "first_name": "Kim"}))
    row = {"email": "kim@example.com", "first_name": None, "last_name": "Lee", "properties": {"a": None, "b": 1}}
    caller.post(PATH, _job(row))
    caller.settle()
    attributes = caller.profile("kim@example.com")["attributes"]
    assert (attributes["first_name"], attributes["last_name"], attributes["properties"]) == ("Kim", "Lee", {"b": 1})


def test_a_job_completes_with_failures_that_can_be_read(caller: Caller) -> None:
    caller.post("/api/profile-import", resource("profile", {"email": "kim@example.com"}))
    caller.post("/api/profile-import", resource("profile", {"phone_number": "+447700900123"}))
    clash = {"email": "kim@example.com", "phone_number": "+447700900123"}
    answer = caller.post(PATH, _job({"email": "a@example.com"}, clash, {"email": "b@example.com"}))
    caller.settle()
    here = f"{PATH}/{answer.json()['data']['id']}"
    attributes = caller.read(here)["data"]["attributes"]
    assert (attributes["status"], attributes["completed_count"], attributes["failed_count"]) == ("complete", 2, 1)
    (error,) = caller.read(f"{here}/import-errors")["data"]
    assert error["attributes"]["code"] == "duplicate_profile"
    assert error["attributes"]["source"]["pointer"] == f"{AT}/1/attributes"
    assert error["attributes"]["original_payload"]["attributes"] == clash


def test_malformed_rows_refuse_the_whole_request_and_are_all_pointed_at(caller: Caller) -> None:
    rows = [{"email": f"p{number}@example.com"} for number in range(5)]
    rows[1]["phone_number"] = "07700900123"
    rows[3]["email"] = "nobody"
    assert pointers(caller.post(PATH, _job(*rows))) == [f"{AT}/1/attributes/phone_number", f"{AT}/3/attributes/email"]
    assert pointers(caller.post(PATH, _job({"first_name": "Kim"}))) == [f"{AT}/0/attributes"]
    assert pointers(caller.post(PATH, _job({"email": 5}))) == [f"{AT}/0/attributes/email"]
    caller.settle()
    assert caller.kept("profiles") == []


def test_malformed_rows_may_become_import_errors_instead() -> None:
    with account(import_validation="asynchronous") as caller:
        bad = {"email": "a@example.com", "phone_number": "07700900123"}
        answer = caller.post(PATH, _job(bad, {"email": "b@example.com"}))
        assert answer.status_code == 202
        caller.settle()
        here = f"{PATH}/{answer.json()['data']['id']}"
        assert caller.read(here)["data"]["attributes"]["failed_count"] == 1
        (error,) = caller.read(f"{here}/import-errors")["data"]
        assert error["attributes"]["source"]["pointer"] == f"{AT}/0/attributes/phone_number"
        assert error["attributes"]["original_payload"]["attributes"] == bad
        assert len(caller.kept("profiles")) == 1


def test_a_job_takes_ten_thousand_profiles_of_a_hundred_kilobytes_and_five_megabytes(caller: Caller) -> None:
    rows = [{"external_id": str(number)} for number in range(10_001)]
    assert pointers(caller.post(PATH, _job(*rows), judge=False)) == [AT]
    assert caller.post(PATH, _job(*rows[:10_000]), judge=False).status_code == 202
    large = {"email": "kim@example.com", "properties": {"note": "x" * 100_000}}
    assert pointers(caller.post(PATH, _job(large))) == [f"{AT}/0/attributes"]
    many = [{"external_id": str(number), "properties": {"note": "x" * 90_000}} for number in range(60)]
    assert errors(caller.post(PATH, _job(*many), judge=False), 413)
    assert pointers(caller.post(PATH, _job())) == [AT]
    caller.settle()
    assert len(caller.kept("profiles")) == 10_000


def test_imported_profiles_can_join_lists_without_any_consent(caller: Caller) -> None:
    answer = caller.post(PATH, _job({"email": "kim@example.com"}, lists=("SbxNws",)))
    caller.settle()
    here = f"{PATH}/{answer.json()['data']['id']}"
    assert [one["id"] for one in caller.read(here, include="lists")["included"]] == ["SbxNws"]
    assert [one["id"] for one in caller.read(f"{here}/lists")["data"]] == ["SbxNws"]
    assert [one["id"] for one in caller.read(f"{here}/relationships/lists")["data"]] == ["SbxNws"]
    state = caller.act("consent_of", email="kim@example.com")
    assert (state["lists"], state["consent"]) == (["SbxNws"], "NEVER_SUBSCRIBED")
    wrong = _job({"email": "kim@example.com"}, lists=("none",))
    assert pointers(caller.post(PATH, wrong)) == ["/data/relationships/lists/data/0/id"]


def test_jobs_can_be_listed_by_status(caller: Caller) -> None:
    caller.post(PATH, _job({"email": "kim@example.com"}))
    caller.settle()
    caller.post(PATH, _job({"email": "sam@example.com"}))
    statuses = [one["attributes"]["status"] for one in caller.every(PATH, sort="-created_at", **{"page[size]": "1"})]
    assert statuses == ["queued", "complete"]
    found = caller.read(PATH, filter='any(status,["complete"])')["data"]
    assert [one["attributes"]["status"] for one in found] == ["complete"]
