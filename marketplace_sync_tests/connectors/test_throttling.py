"""How long a vendor is left alone that refuses and does not say for how long."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from starlette.responses import JSONResponse
from starlette.routing import Route

from marketplace_sync.connectors import marketplacer, registry
from marketplace_sync.connectors.budget import LocalBudget
from marketplace_sync.connectors.marketplacer.settings import MarketplacerSettings
from marketplace_sync.connectors.throttling import Waits
from marketplace_sync.domain.errors import AnswerLost
from marketplace_sync.settings import Secret
from marketplace_sync_tests.connectors.http_service import serving, wire_to
from marketplace_sync_tests.connectors.test_transport import Vendor


@pytest.fixture
def vendor() -> Vendor:
    return Vendor()


@pytest.fixture
def url(vendor: Vendor) -> Iterator[str]:
    with serving(Route("/{path:path}", vendor.respond, methods=["GET", "POST"])) as found:
        yield found


def test_refusals_in_a_row_that_name_no_wait_are_waited_for_longer_each_time(vendor: Vendor, url: str) -> None:
    now, slept = [0.0], []

    def sleep(seconds: float) -> None:
        slept.append(round(seconds))
        now[0] += seconds

    room = LocalBudget({"default": ()}, clock=lambda: now[0], sleep=sleep)
    waits = marketplacer.THROTTLED_SECONDS
    wire = wire_to(url, room=room, throttled_seconds=waits, throttled_by=(503,), patience=300, clock=lambda: now[0])
    vendor.answer(*(JSONResponse({}, status) for status in (503, 429, 503)), JSONResponse({}))
    wire.request("GET", "/a/")
    assert slept == [60, 120, 240]
    now[0] += 241
    vendor.answer(JSONResponse({}, 503), JSONResponse({}))
    wire.request("GET", "/a/")
    assert slept == [60, 120, 240, 60], "it had let us in meanwhile"
    vendor.answer(JSONResponse({}, 503), JSONResponse({}))
    with pytest.raises(AnswerLost):
        wire.request("POST", "/a/", write=True)
    wire.request("GET", "/a/")
    assert slept[4:] == [120]


def test_too_many_calls_to_marketplacer_may_be_answered_with_a_503(vendor: Vendor, url: str) -> None:
    slept: list[int] = []
    room = LocalBudget({"default": ()}, clock=lambda: 60.0 * len(slept), sleep=lambda wait: slept.append(round(wait)))
    settings = MarketplacerSettings(platform="marketplacer", base_url=url, api_key=Secret(default="a key"))
    vendor.answer(JSONResponse({}, 503), JSONResponse({}))
    registry.open_wire("instance", settings, lambda *_: room).request("GET", "/a/")
    assert slept == [60]


def test_calls_that_are_refused_together_wait_for_the_same_moment() -> None:
    now = [0.0]
    waits = Waits((60.0, 120.0), lambda: now[0])
    assert waits.after_refusal("default") == 60
    now[0] = 1.0
    assert waits.after_refusal("default") == 59
    now[0] = 60.0
    assert [waits.after_refusal("default"), waits.after_refusal("other")] == [120, 60]
