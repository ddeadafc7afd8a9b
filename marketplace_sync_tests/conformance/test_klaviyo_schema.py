"""The judge of exchanges finds what is wrong with them, and nothing in what is right."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from marketplace_sync_tests.conformance import klaviyo_schema
from marketplace_sync_tests.conformance.klaviyo_schema import validate_exchange
from marketplace_sync_tests.sandbox.klaviyo_caller import event

needs_description = pytest.mark.skipif(not klaviyo_schema.available(), reason=klaviyo_schema.WHY_SKIPPED)

ERROR = {"errors": [{"id": "1", "code": "invalid", "title": "Invalid", "detail": "No", "source": {"pointer": "/data"}}]}
LINKS = {"self": "https://a.klaviyo.com/api/lists", "next": None, "prev": None}


def _list(**changes: Any) -> dict[str, Any]:
    attributes = {"name": "N", "created": "2026-11-01T00:00:00+00:00", "opt_in_process": "single_opt_in", **changes}
    return {"type": "list", "id": "1", "attributes": attributes, "links": {"self": "https://a.klaviyo.com/api/lists/1"}}


def _read(data: Any, query: dict[str, str] | None = None, **options: Any) -> list[str]:
    return validate_exchange("GET", "/api/lists", query or {}, None, 200, {"data": data, "links": LINKS}, **options)


def test_a_missing_description_fails_where_its_folder_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv(klaviyo_schema.FOLDER, str(tmp_path))
    klaviyo_schema.description.cache_clear()
    try:
        with pytest.raises(FileNotFoundError, match=klaviyo_schema.FILE):
            klaviyo_schema.description()
    finally:
        klaviyo_schema.description.cache_clear()


@needs_description
def test_right_exchanges_have_no_problems() -> None:
    assert validate_exchange("POST", "/api/events", {}, event(), 202, None) == []
    assert validate_exchange("POST", "/api/events/", {}, event(), 400, ERROR) == []
    assert _read([_list()], unknown_in_answers="report") == []
    wanted = {"filter": 'any(name,["a"]),greater-than(created,2026-01-01T00:00:00Z)', "page[size]": "10", "sort": "-id"}
    assert _read([_list(opt_in_process=None)], wanted) == []


@needs_description
@pytest.mark.parametrize(
    ("path", "change"),
    [
        ("request /data/attributes", {"colour": "red"}),
        ("request /data/attributes/value", {"value": "12"}),
        ("request /data/attributes/time", {"time": "yesterday"}),
        ("request /data/attributes/properties", {"properties": []}),
        ("request /data/attributes/unique_id", {"unique_id": 5}),
        ("request /data/attributes/metric", {"metric": {}}),
    ],
)
def test_a_wrong_request_that_was_accepted_is_reported(path: str, change: dict[str, Any]) -> None:
    body = event()
    body["data"]["attributes"] |= change
    problems = validate_exchange("POST", "/api/events", {}, body, 202, None)
    assert [one.partition(":")[0] for one in problems] == [path]
    assert validate_exchange("POST", "/api/events", {}, body, 400, ERROR) == [], "refusing it was right"


@needs_description
@pytest.mark.parametrize(
    "query",
    [
        {"limit": "5"},
        {"page[size]": "11"},
        {"page[size]": "many"},
        {"sort": "opt_in_process"},
        {"include": "profiles"},
        {"filter": 'contains(name,"a")'},
        {"filter": 'equals(colour,"a")'},
        {"filter": 'greater-than(created,"2026-01-01T00:00:00Z")'},
        {"filter": 'and(equals(id,"1"),contains(name,"a"))'},
    ],
)
def test_a_query_that_is_not_the_vendors_is_reported(query: dict[str, str]) -> None:
    assert len(_read([_list()], query)) == 1


@needs_description
@pytest.mark.parametrize(
    "data",
    [
        [_list(opt_in_process="triple_opt_in")],
        [_list(created="then")],
        [{**_list(), "type": "lists"}],
        [{"type": "list", "id": "1"}],
        _list(),
    ],
)
def test_a_wrong_answer_is_reported(data: Any) -> None:
    assert _read(data) != []


@needs_description
def test_unknown_members_of_answers_are_tolerated_unless_asked_for() -> None:
    assert _read([_list(colour="red")]) == []
    (problem,) = _read([_list(colour="red")], unknown_in_answers="report")
    assert "colour" in problem


@needs_description
def test_wrong_statuses_bodies_and_paths_are_reported() -> None:
    assert validate_exchange("POST", "/api/events", {}, event(), 201, None) == ["answer: 201 is not among "
                                                                               "['202', '4XX', '5XX']"]  # fmt: skip
    assert validate_exchange("POST", "/api/events", {}, event(), 202, {"data": {}}) != []
    assert validate_exchange("POST", "/api/event", {}, event(), 202, None) != []
    assert validate_exchange("POST", "/api/events", {}, event(), 400, {"error": "no"}) != []


@needs_description
def test_what_a_later_revision_allows_is_judged_by_that_revision() -> None:
    body = event()
    body["data"]["attributes"]["profile"]["data"]["meta"] = {"patch_properties": {"unset": "a"}}
    assert validate_exchange("POST", "/api/events", {}, body, 202, None) != []
    assert validate_exchange("POST", "/api/events", {}, body, 202, None, revision="2026-10-15") == []
