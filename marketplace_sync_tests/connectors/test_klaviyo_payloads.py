"""What goes into a request: limits, phone numbers, cursors, settings, and words for people, without any network."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from marketplace_sync.connectors.klaviyo import jobs, people
from marketplace_sync.connectors.klaviyo.events import prepared
from marketplace_sync.connectors.klaviyo.fitting import NOTE, fitted
from marketplace_sync.connectors.klaviyo.reading import next_cursor
from marketplace_sync.connectors.klaviyo.refusals import VendorError, refused
from marketplace_sync.connectors.klaviyo.settings import KlaviyoSettings, budget
from marketplace_sync.domain.rates import FixedWindow
from marketplace_sync.settings import Secret
from marketplace_sync_tests.connectors.klaviyo_account import event

_JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=20,
)


@given(st.dictionaries(st.text(max_size=10).filter(lambda key: key != NOTE), _JSON, max_size=8))
def test_what_fits_is_left_as_it_is(properties: dict[str, Any]) -> None:
    found, notes = fitted(properties, 5_000_000)
    if not notes:
        assert found == _without_nulls(properties)


def _without_nulls(value: Any) -> Any:
    """A member that is null is not stated; an entry of a list keeps its place."""
    if isinstance(value, dict):
        return {key: _without_nulls(member) for key, member in value.items() if member is not None}
    if isinstance(value, list):
        return [_without_nulls(entry) for entry in value]
    return value


@given(
    st.dictionaries(st.text(min_size=1, max_size=10), st.text(max_size=2_000), max_size=30),
    st.integers(min_value=10_000, max_value=40_000),
)
def test_whatever_is_cut_the_rest_fits_and_the_key_stays(properties: dict[str, Any], limit: int) -> None:
    found, notes = fitted({**properties, "SyncKey": "jl:1"}, limit, keep=("SyncKey",))
    assert len(msgspec.json.encode(found)) <= limit
    assert found["SyncKey"] == "jl:1"
    assert (NOTE in found) == bool(notes)


def test_lists_and_depths_have_their_limits() -> None:
    deep: Any = "bottom"
    for _ in range(20):
        deep = {"next": deep}
    found, notes = fitted({"Items": list(range(5_000)), "Deep": deep}, 5_000_000)
    assert len(found["Items"]) == 4_000
    assert "bottom" not in str(found["Deep"])
    assert len(notes) == 2


@pytest.mark.parametrize(
    ("stated", "expected"),
    [
        ("+44 20 7946 0958", "+442079460958"),
        ("+442079460958", "+442079460958"),
        ("+44 (0)20 7946 0958", "+442079460958"),
        ("020 7946 0958", None),
        ("07911123456", None),
        ("+4412", None),
        ("not a number", None),
        ("", None),
    ],
)
def test_a_phone_number_is_sent_only_when_it_is_sure(stated: str, expected: str | None) -> None:
    assert people.international(stated) == expected


def test_nothing_unknown_is_stated_about_a_person() -> None:
    stated = {"first_name": "Kim", "last_name": None, "title": "", "location": {"city": "", "zip": None}, "shoe": 44}
    assert people.attributes(stated) == ({"first_name": "Kim"}, ["shoe"])


@pytest.mark.parametrize(
    ("link", "cursor"),
    [
        ("https://a.klaviyo.com/api/events?page%5Bcursor%5D=bmV4dDo6aWQ%3D&sort=datetime", "bmV4dDo6aWQ="),
        ("https://evil.example/api/events?page[cursor]=abc", "abc"),
        ("http://a.klaviyo.com/api/events?sort=datetime&page%5Bcursor%5D=a%2Bb", "a+b"),
        ("https://a.klaviyo.com/api/events", None),
        ("", None),
        (None, None),
    ],
)
def test_of_a_link_to_the_next_page_only_the_cursor_counts(link: str | None, cursor: str | None) -> None:
    assert next_cursor(link) == cursor


def test_jobs_hold_a_thousand_events_and_five_megabytes_at_most() -> None:
    small = [jobs.row(number, prepared(event(number, backfill=True))) for number in range(2_500)]
    assert [len(job) for job in jobs.split(small)] == [1000, 1000, 500]
    text = {f"T{part}": "x" * 99_000 for part in range(20)}
    large = [jobs.row(number, prepared(event(number, backfill=True, properties=text))) for number in range(7)]
    bodies = [jobs.body(job) for job in jobs.split(large)]
    assert len(bodies) == 4
    assert max(map(len, bodies)) <= 5_000_000


def test_an_error_of_a_job_is_traced_to_its_event() -> None:
    emails = ["a@example.com", "b@example.com", "a@example.com"]
    rows = [
        jobs.row(number, prepared(event(number, identifiers={"email": email}))) for number, email in enumerate(emails)
    ]
    base = "/data/attributes/events-bulk-create/data"
    assert jobs.pointed_at(rows, f"{base}/0/attributes/events/data/1/attributes/time") == [rows[2]]
    assert jobs.pointed_at(rows, f"{base}/0/attributes/profile/data/attributes/email") == [rows[0], rows[2]]
    assert jobs.pointed_at(rows, f"{base}/1/attributes/profile") == [rows[1]]
    for pointer in (f"{base}/7/attributes/profile", f"{base}/1/attributes/events/data/9", "/data", ""):
        assert jobs.pointed_at(rows, pointer) == []


def test_a_refusal_names_no_person() -> None:
    said = VendorError(
        code="invalid",
        title="Invalid input.",
        detail="kim@example.com, mkt-77 and +44 7911 123456 do not fit; a number looks like +12345678901.",
    )
    outcome = refused("an event", 400, [said], private=["mkt-77", ""])
    assert "kim@" not in outcome.reason
    assert "mkt-77" not in outcome.reason
    assert "7911" not in outcome.reason
    assert "+12345678901" in outcome.reason
    assert outcome.code == "invalid"


def test_a_refusal_without_a_reason_says_so() -> None:
    assert "no reason" in refused("an event", 400, []).reason


@pytest.mark.parametrize(
    ("changes", "word"),
    [
        ({"revision": "2025-10-15"}, "backfill"),
        ({"revision": "newest"}, "revision"),
        ({"base_url": "http://a.klaviyo.com"}, "encrypted"),
        ({"quota_percent": 0}, "quota_percent"),
        ({"listid": "X"}, "listid"),
    ],
)
def test_settings_that_make_no_sense_are_refused_with_a_reason(changes: dict[str, Any], word: str) -> None:
    with pytest.raises(ValidationError, match=word):
        KlaviyoSettings(**{"api_key": Secret(default="k"), **changes})


def test_the_budget_is_the_vendors_or_our_part_of_it() -> None:
    """The whole minute, and half of the second: what leaves over two seconds may arrive within one."""
    whole = budget(KlaviyoSettings(api_key=Secret(default="k")))
    half = budget(KlaviyoSettings(api_key=Secret(default="k"), quota_percent=50))
    assert whole["events"] == (FixedWindow(175, 1), FixedWindow(3500, 60))
    assert half["event-jobs"] == (FixedWindow(2, 1), FixedWindow(75, 60))
    assert whole["accounts"] == (FixedWindow(1, 1), FixedWindow(15, 60))
    assert "default" in whole
