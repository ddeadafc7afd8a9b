"""Who is let in, under which revision, with what kind of body; and how refusals look."""

from __future__ import annotations

import gzip
import json
from collections.abc import Iterator

import pytest

from marketplace_sync_tests.sandbox.klaviyo_caller import (
    KEY,
    Caller,
    account,
    errors,
    event,
    pointers,
    resource,
)


@pytest.fixture(scope="module")
def caller() -> Iterator[Caller]:
    with account(rate_limits=False) as found:
        yield found


def test_a_request_without_a_key_or_with_a_wrong_one_is_401(caller: Caller) -> None:
    for authorization in ("", "Klaviyo-API-Key", "Klaviyo-API-Key pk_wrong", f"Bearer {KEY}", KEY):
        answer = caller.send("GET", "/api/metrics", headers={"authorization": authorization})
        assert errors(answer, 401)[0]["code"] in ("not_authenticated", "authentication_failed")
        assert "ratelimit-limit" not in answer.headers


def test_the_revision_header_is_required_and_must_be_a_date(caller: Caller) -> None:
    for revision in ("", "latest", "2026-13-01"):
        assert errors(caller.send("GET", "/api/metrics", headers={"revision": revision}), 400)


def test_a_retired_or_unknown_revision_falls_forward(caller: Caller) -> None:
    for revision in ("2022-10-17", "2024-02-15", "2026-07-16", "2031-01-15"):
        assert caller.send("GET", "/api/metrics", headers={"revision": revision}).status_code == 200


def test_falling_forward_can_be_declined_and_then_a_retired_revision_is_410(caller: Caller) -> None:
    declined = {"x-klaviyo-revision-fall-forward-opt-out": "1"}
    assert errors(caller.send("GET", "/api/metrics", headers={"revision": "2024-02-15", **declined}), 410)
    assert errors(caller.send("GET", "/api/metrics", headers={"revision": "2026-07-16", **declined}), 400)
    for revision in ("2026-07-15", "2026-10-15"):
        assert caller.send("GET", "/api/metrics", headers={"revision": revision, **declined}).status_code == 200


def test_a_body_of_another_media_type_is_415(caller: Caller) -> None:
    for kind in ("text/plain", "application/x-www-form-urlencoded", ""):
        answer = caller.send("POST", "/api/events", event(), headers={"content-type": kind}, judge=False)
        assert errors(answer, 415)
    accepted = caller.send("POST", "/api/events", event(), headers={"content-type": "application/json; charset=utf-8"})
    assert accepted.status_code == 202


def test_paths_answer_with_and_without_a_slash_at_the_end(caller: Caller) -> None:
    assert caller.post("/api/events/", event("slash")).status_code == 202
    assert caller.get("/api/metrics/").status_code == 200


def test_an_unknown_path_is_404_and_a_wrong_method_405(caller: Caller) -> None:
    assert errors(caller.send("GET", "/api/nothing", judge=False), 404)
    assert errors(caller.send("GET", "/elsewhere", judge=False), 404)
    assert errors(caller.send("DELETE", "/api/events", judge=False), 405)


def test_a_body_that_is_no_json_or_has_unknown_or_missing_members_is_400_with_a_pointer(caller: Caller) -> None:
    assert pointers(caller.send("POST", "/api/events", content=b'{"data": ')) == ["/data"]
    assert pointers(caller.post("/api/events", {})) == ["/data"]
    assert pointers(caller.post("/api/events", event(colour="red"))) == ["/data/attributes/colour"]
    body = event()
    del body["data"]["attributes"]["metric"]
    assert pointers(caller.post("/api/events", body)) == ["/data/attributes/metric"]
    assert pointers(caller.post("/api/events", event(value="12.00"))) == ["/data/attributes/value"]
    assert pointers(caller.post("/api/events", event(12))) == ["/data/attributes/unique_id"]  # type: ignore[arg-type]
    body = resource("profile", {"email": "a@example.com", "subscriptions": {"email": {}}})
    assert pointers(caller.post("/api/profile-import", body)) == ["/data/attributes/subscriptions"]


def test_an_unknown_query_parameter_include_sort_or_additional_field_is_400(caller: Caller) -> None:
    for name, value in (
        ("limit", "10"),
        ("include", "metrics"),
        ("sort", "id"),
        ("page[size]", "1001"),
        ("page[size]", "0"),
        ("page[size]", "ten"),
        ("page[cursor]", "nonsense"),
    ):
        assert pointers(caller.send("GET", "/api/events", query={name: value}, judge=False)) == [name]
    wrong = {"additional-fields[profile]": "consent"}
    assert pointers(caller.send("GET", "/api/profiles", query=wrong, judge=False)) == ["additional-fields[profile]"]


def test_bodies_over_the_limit_of_their_endpoint_are_413(caller: Caller) -> None:
    filler = "x" * 90_000
    big = event(properties={f"p{number}": filler for number in range(60)})
    assert errors(caller.post("/api/events", big), 413)
    profile = resource("profile", {"email": "a@example.com", "properties": {"note": "x" * 100_000}})
    assert errors(caller.post("/api/profile-import", profile), 413)
    packed = gzip.compress(json.dumps(big).encode())
    assert len(packed) < 100_000
    answer = caller.send("POST", "/api/events", content=packed, headers={"content-encoding": "gzip"})
    assert errors(answer, 413)


def test_a_gzipped_body_is_unpacked(caller: Caller) -> None:
    packed = gzip.compress(json.dumps(event("packed")).encode())
    answer = caller.send("POST", "/api/events", content=packed, headers={"content-encoding": "gzip"})
    assert answer.status_code == 202
    assert errors(caller.send("POST", "/api/events", content=b"no", headers={"content-encoding": "gzip"}), 400)


def test_every_json_answer_of_the_newest_revision_carries_agent_hints(caller: Caller) -> None:
    assert caller.read("/api/metrics")["meta"]["agent_hints"]["next_steps"] == []
    older = caller.send("GET", "/api/metrics", headers={"revision": "2026-07-15"})
    assert "meta" not in older.json()


def test_sparse_fieldsets_leave_out_what_was_not_asked_for(caller: Caller) -> None:
    body = resource("profile", {"email": "sparse@example.com", "location": {"city": "York", "zip": "YO1"}})
    caller.post("/api/profile-import", body)
    fields = {"fields[profile]": "email,location.city", "filter": 'equals(email,"sparse@example.com")'}
    (found,) = caller.read("/api/profiles", **fields)["data"]
    assert found["attributes"] == {"email": "sparse@example.com", "location": {"city": "York"}}


def test_a_key_without_the_scope_of_an_operation_is_403() -> None:
    with account(scopes=["events:write"], more_keys={"pk_privacy": ["data-privacy:write"]}) as caller:
        assert caller.post("/api/events", event()).status_code == 202
        assert errors(caller.get("/api/metrics"), 403)[0]["code"] == "permission_denied"
        body = {"profile": {"data": {"type": "profile", "attributes": {"email": "kim@example.com"}}}}
        job = resource("data-privacy-deletion-job", body)
        assert errors(caller.post("/api/data-privacy-deletion-jobs", job), 403)
        other = {"authorization": "Klaviyo-API-Key pk_privacy"}
        assert caller.post("/api/data-privacy-deletion-jobs", job, headers=other).status_code == 202


def test_a_body_too_large_may_also_be_answered_in_plain_text() -> None:
    with account(plain_413=True) as caller:
        profile = resource("profile", {"email": "a@example.com", "properties": {"note": "x" * 100_000}})
        answer = caller.post("/api/profile-import", profile, judge=False)
        assert answer.status_code == 413
        assert answer.headers["content-type"].startswith("text/plain")


def test_answers_may_carry_members_nobody_announced() -> None:
    with account(unknown_attributes=True) as caller:
        answer = caller.send("GET", "/api/metrics", judge=False).json()
        assert answer["x_unannounced"] is True
        assert all(one["attributes"]["x_unannounced"] for one in answer["data"])


def test_a_setting_that_does_not_exist_is_named() -> None:
    with pytest.raises(ValueError, match="visibility"), account(visibility=3):
        pass
