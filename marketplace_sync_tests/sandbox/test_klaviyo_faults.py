"""Faults on the wire in front of a Klaviyo account, and that a handler that fails leaves the books straight."""

from __future__ import annotations

from typing import Any

import httpx
import pytest

from marketplace_sync_tests.sandbox.klaviyo_caller import ACCOUNT, Caller, account, event


def _fault(caller: Caller, **rule: Any) -> None:
    caller.sandbox.control("PUT", f"{ACCOUNT}/faults", [{"remaining": 1, **rule}])


def test_transient_statuses_come_before_anything_was_written() -> None:
    with account() as caller:
        for status in (500, 503, 524):
            _fault(caller, kind="status", status=status)
            assert caller.post("/api/events", event(), judge=False).status_code == status
        _fault(caller, kind="html")
        answer = caller.post("/api/events", event(), judge=False)
        assert (answer.status_code, answer.headers["content-type"]) == (502, "text/html")
        caller.settle()
        assert caller.kept("events") == []


def test_a_lost_answer_is_an_event_that_was_stored_and_can_be_repeated() -> None:
    with account() as caller:
        _fault(caller, kind="lost_answer")
        with pytest.raises(httpx.TransportError):
            caller.post("/api/events", event("A-1"))
        caller.settle()
        assert len(caller.act("events_of", key="A-1")) == 1
        assert caller.post("/api/events", event("A-1")).status_code == 202
        caller.settle()
        assert len(caller.act("events_of", key="A-1")) == 1


def test_a_handler_that_fails_half_way_leaves_no_trace_and_later_requests_work() -> None:
    with account(visibility_delay=0) as caller:
        caller.post("/api/events", event("A-1"))
        vendor: Any = caller.sandbox.vendor(ACCOUNT)
        working = vendor.events.on_stored

        def failing(stored: Any, profile: Any) -> None:
            raise RuntimeError("made to fail by the test")

        vendor.events.on_stored = failing
        assert caller.post("/api/events", event("A-2", email="sam@example.com"), judge=False).status_code == 500
        vendor.events.on_stored = working
        assert caller.read("/api/profiles", filter='equals(email,"sam@example.com")')["data"] == []
        assert len(caller.read("/api/events")["data"]) == 1
        assert caller.post("/api/events", event("A-2", email="sam@example.com")).status_code == 202
        assert len(caller.read("/api/events")["data"]) == 2
