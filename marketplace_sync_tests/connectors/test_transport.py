"""What a vendor's answer becomes: a read is repeated while that can help, a write is sent once and never guessed at."""

from __future__ import annotations

import gzip
import json
import time
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from itertools import pairwise
from typing import Any

import pytest
from starlette.requests import Request
from starlette.responses import JSONResponse, RedirectResponse, Response
from starlette.routing import Route

from marketplace_sync.connectors.budget import FixedWindow, LocalBudget
from marketplace_sync.connectors.statuses import retry_after
from marketplace_sync.connectors.transport import Exchange
from marketplace_sync.connectors.wire import Answer, Wire, no_write_after
from marketplace_sync.domain.errors import (
    AnswerLost,
    AnswerUnreadable,
    CredentialsRefused,
    RequestRejected,
    Throttled,
    TooLate,
    TransportError,
    Unreachable,
    VendorUnavailable,
)
from marketplace_sync_tests.connectors.http_service import serving, wire_to


class Vendor:
    """Answers each request with the next prepared answer, the last one for ever, and remembers what it was asked."""

    def __init__(self) -> None:
        self.answers: list[Response | Callable[[Request, bytes], Response]] = [JSONResponse({"fine": True})]
        self.asked: list[tuple[Request, bytes]] = []

    async def respond(self, request: Request) -> Response:
        body = await request.body()
        self.asked.append((request, body))
        answer = self.answers[min(len(self.asked), len(self.answers)) - 1]
        return answer if isinstance(answer, Response) else answer(request, body)

    def answer(self, *answers: Response | Callable[[Request, bytes], Response]) -> None:
        self.answers = list(answers)
        self.asked.clear()


@pytest.fixture(scope="module")
def service() -> Iterator[tuple[str, Vendor]]:
    vendor = Vendor()
    with serving(Route("/{path:path}", vendor.respond, methods=["GET", "POST", "PATCH"])) as url:
        yield url, vendor


@pytest.fixture
def vendor(service: tuple[str, Vendor]) -> Vendor:
    service[1].answer(JSONResponse({"fine": True}))
    return service[1]


@pytest.fixture
def url(service: tuple[str, Vendor]) -> str:
    return service[0]


HTML = Response("<html><h1>Sorry</h1></html>", media_type="text/html")


def html(status: int) -> Response:
    return Response("<html><h1>Sorry</h1></html>", status_code=status, media_type="text/html")


def test_a_request_carries_what_it_was_given(vendor: Vendor, url: str) -> None:
    answer = wire_to(url).request("POST", "/a/b/", params={"limit": 5, "q": "x&y"}, json={"é": 1}, headers={"X-A": "b"})
    request, body = vendor.asked[0]
    assert json.loads(answer.body) == {"fine": True}
    assert answer.headers["content-type"] == "application/json"
    assert json.loads(body) == {"é": 1}
    assert dict(request.query_params) == {"limit": "5", "q": "x&y"}
    assert request.headers["x-a"] == "b"
    assert request.headers["accept"] == "application/json"
    assert request.headers["user-agent"].startswith("marketplace-sync/")


@pytest.mark.parametrize(
    "trouble",
    [
        JSONResponse({}, status_code=500),
        html(502),
        HTML,
        html(403),
        Response('{"results": [', media_type="application/json"),
        JSONResponse({}, status_code=429, headers={"retry-after": "0.02"}),
        JSONResponse({}, status_code=408),
    ],
    ids=["500", "502 page", "page instead of JSON", "403 page", "half JSON", "429", "408"],
)
def test_a_read_is_repeated_until_the_vendor_is_back(vendor: Vendor, url: str, trouble: Response) -> None:
    vendor.answer(trouble, trouble, JSONResponse({"fine": True}))
    assert wire_to(url).request("GET", "/orders/").body == b'{"fine":true}'
    assert len(vendor.asked) == 3
    vendor.answer(trouble)
    with pytest.raises(VendorUnavailable):
        wire_to(url).request("GET", "/orders/")
    assert len(vendor.asked) == 4


@pytest.mark.parametrize(
    ("trouble", "error"),
    [
        (JSONResponse({}, status_code=500), AnswerLost),
        (html(503), AnswerLost),
        (HTML, AnswerLost),
        (Response('{"results": [', media_type="application/json"), AnswerLost),
        (JSONResponse({}, status_code=408), AnswerLost),
        (html(403), VendorUnavailable),
        (JSONResponse({}, status_code=403), CredentialsRefused),
        (JSONResponse({}, status_code=429), Throttled),
        (JSONResponse({}, status_code=400), RequestRejected),
        (html(404), RequestRejected),
        (RedirectResponse("/elsewhere/"), AnswerUnreadable),
    ],
)
def test_a_write_is_sent_once_and_told_what_became_of_it(
    vendor: Vendor, url: str, trouble: Response, error: type[TransportError]
) -> None:
    vendor.answer(trouble)
    with pytest.raises(error) as raised:
        wire_to(url).request("POST", "/orders/1/dispatch/", json={}, write=True, operation="dispatch")
    assert type(raised.value) is error
    assert len(vendor.asked) == 1
    assert raised.value.connection == "shop"
    assert raised.value.operation == "dispatch"
    assert "dispatch" in str(raised.value)


def test_a_refusal_keeps_what_the_vendor_said_but_not_a_flood_of_it(vendor: Vendor, url: str) -> None:
    vendor.answer(JSONResponse({"detail": "x" * 100_000}, status_code=409))
    with pytest.raises(RequestRejected) as raised:
        wire_to(url).request("POST", "/a/", json={}, write=True)
    assert raised.value.status == 409
    assert len(raised.value.body) == 64 * 1024
    assert "xxx" not in str(raised.value)


def test_a_status_the_caller_reads_is_an_answer_unless_it_is_a_web_page(vendor: Vendor, url: str) -> None:
    vendor.answer(JSONResponse({"code": "PRODUCT_NOT_FOUND"}, status_code=404))
    assert wire_to(url).request("GET", "/p/1/", reads=(404,)).status == 404
    vendor.answer(html(404))
    with pytest.raises(RequestRejected):
        wire_to(url).request("GET", "/p/1/", reads=(404,))


def test_a_throttled_write_says_how_long_to_wait_and_the_next_call_waits(vendor: Vendor, url: str) -> None:
    vendor.answer(JSONResponse({}, status_code=429, headers={"retry-after": "0.25"}), JSONResponse({}))
    wire = wire_to(url)
    with pytest.raises(Throttled) as raised:
        wire.request("POST", "/a/", write=True)
    assert raised.value.retry_after == 0.25
    before = datetime.now(UTC)
    wire.request("POST", "/a/", write=True)
    assert datetime.now(UTC) - before >= timedelta(seconds=0.2)


def test_the_vendors_wait_is_read_in_all_its_spellings() -> None:
    assert retry_after({"retry-after": "1.5"}, default=60) == 1.5
    assert retry_after({}, default=60) == 60
    assert retry_after({"retry-after": "soon"}, default=60) == 60
    assert retry_after({"retry-after": "nan"}, default=60) == 60
    for nothing in ("-5", "0", "-inf", "Mon, 01 Jan 0001 00:00:00 -2359", "Fri, 31 Dec 99999 23:59:59 GMT", "\xb2"):
        assert retry_after({"retry-after": nothing}, default=60) == 60
    for much in ("1e99", "inf", "9" * 5000, "Fri, 31 Dec 9999 23:59:59 -2359"):
        assert retry_after({"retry-after": much}, default=60) == 3600
    moment = datetime.now(UTC) + timedelta(seconds=90)
    assert 85 < retry_after({"retry-after": format_datetime(moment, usegmt=True)}, default=60) <= 90


def test_a_call_without_room_in_the_budget_is_not_sent_and_not_tried_again(vendor: Vendor, url: str) -> None:
    wire = wire_to(url, budget={"default": (FixedWindow(1, 3600.0),)}, patience=0.1)
    wire.request("GET", "/a/")
    with pytest.raises(Throttled) as raised:
        wire.request("GET", "/a/")
    assert raised.value.retry_after > 3000
    assert len(vendor.asked) == 1


def test_where_nobody_is_there_a_read_does_not_wait_a_minute_for_each_of_its_tries() -> None:
    slept = [0.0]
    budget = LocalBudget({"default": (FixedWindow(1, 60.0),)}, clock=lambda: sum(slept), sleep=slept.append)
    with pytest.raises(Unreachable):
        wire_to("http://127.0.0.1:9", room=budget, patience=120).request("GET", "/orders")
    assert slept == [0.0], "once a minute may be read, and the first try was refused"


def test_a_write_may_be_less_patient_than_a_read(vendor: Vendor, url: str) -> None:
    wire = wire_to(url, budget={"default": (FixedWindow(1, 0.5),)}, patience=5, write_patience=0.1)
    wire.request("GET", "/a/")
    with pytest.raises(Throttled):
        wire.request("POST", "/a/", write=True)
    wire.request("GET", "/a/")
    assert [request.method for request, _ in vendor.asked] == ["GET", "GET"]


class SlowSignature:
    """Takes three seconds for its first signature, so that its request leaves late, and notes when each one left."""

    def __init__(self) -> None:
        self.now = 1_000.0
        self.left: list[float] = []

    def signed(self, method: str, url: str) -> Mapping[str, str]:
        self.now += 0.0 if self.left else 3.0
        self.left.append(self.now)
        return {}

    def sleep(self, seconds: float) -> None:
        self.now += seconds


def test_a_call_answered_late_keeps_its_place_in_the_budget_for_a_whole_window(vendor: Vendor, url: str) -> None:
    slow = SlowSignature()
    room = LocalBudget({"default": (FixedWindow(1, 60.0),)}, clock=lambda: slow.now, sleep=slow.sleep)
    wire = wire_to(url, room=room, authentication=slow, patience=100)
    for _ in range(3):
        wire.request("GET", "/a/")
    assert len(vendor.asked) == 3
    assert all(60 <= later - earlier <= 63 for earlier, later in pairwise(slow.left))


class Tokens:
    """Hands out token-1, token-2, ... and a new one whenever the old one was refused."""

    def __init__(self) -> None:
        self.given = 1

    def headers(self, wire: Wire, *, refused: bool) -> Mapping[str, str]:
        self.given += refused
        return {"authorization": f"Bearer token-{self.given}"}


def only(token: str) -> Callable[[Request, bytes], Response]:
    def answer(request: Request, _: bytes) -> Response:
        return JSONResponse({}, status_code=200 if request.headers.get("authorization") == f"Bearer {token}" else 401)

    return answer


@pytest.mark.parametrize("write", [False, True])
def test_refused_credentials_are_renewed_once_and_the_request_repeated(vendor: Vendor, url: str, write: bool) -> None:
    vendor.answer(only("token-2"))
    assert wire_to(url, authentication=Tokens()).request("POST", "/a/", json={"n": 1}, write=write).status == 200
    assert [body for _, body in vendor.asked] == [b'{"n":1}', b'{"n":1}']


def test_credentials_that_stay_refused_are_an_error_that_shows_none_of_them(vendor: Vendor, url: str) -> None:
    vendor.answer(only("another"))
    with pytest.raises(CredentialsRefused) as raised:
        wire_to(url, authentication=Tokens()).request("GET", "/a/")
    assert len(vendor.asked) == 2
    assert "token" not in str(raised.value)
    assert raised.value.status == 401


def test_an_unauthenticated_call_shows_no_credentials(vendor: Vendor, url: str) -> None:
    wire_to(url, authentication=Tokens()).request("POST", "/token", authenticated=False)
    assert "authorization" not in vendor.asked[0][0].headers


def test_secrets_are_taken_out_of_errors_and_of_refusals(vendor: Vendor, url: str) -> None:
    vendor.answer(JSONResponse({"detail": "who is hunter2/x?"}, status_code=400))
    with pytest.raises(RequestRejected) as raised:
        wire_to(url, secrets=("hunter2/x",)).request("POST", "/a/", write=True)
    assert b"***" in raised.value.body
    assert b"hunter2" not in raised.value.body
    with pytest.raises(TransportError) as unsendable:
        wire_to(url, secrets=("hunter2/x",)).request("GET", "/a/", headers={"x-key": "hunter2/x\r\nx: y"})
    assert "hunter2" not in str(unsendable.value)
    assert len(vendor.asked) == 1


@pytest.mark.parametrize(
    "path", ["/orders/../admin/", "/orders/%2e%2e/admin/", "//elsewhere.example/", "/a?b=c", "orders", "/a b"]
)
def test_an_id_cannot_lead_a_request_astray(vendor: Vendor, url: str, path: str) -> None:
    with pytest.raises(RequestRejected, match="not sent"):
        wire_to(url).request("GET", path)
    assert vendor.asked == []


def test_a_packed_answer_is_unpacked_and_its_real_size_counts(vendor: Vendor, url: str) -> None:
    packed = {"content-encoding": "gzip", "content-type": "application/json"}
    vendor.answer(Response(gzip.compress(b'{"a": 1}'), headers=packed))
    assert wire_to(url).request("GET", "/a/").body == b'{"a": 1}'
    bomb = gzip.compress(b" " * 50_000_000 + b"{}")
    vendor.answer(Response(bomb, headers=packed))
    for write in (False, True):
        with pytest.raises(AnswerUnreadable, match="larger than 1 MiB"):
            wire_to(url).request("POST", "/a/", write=write)
    assert len(vendor.asked) == 2
    vendor.answer(Response(gzip.compress(b'{"a": 1}')[:-9], headers=packed))
    with pytest.raises(VendorUnavailable, match="ends too early"):
        wire_to(url).request("GET", "/a/")
    with pytest.raises(AnswerLost):
        wire_to(url).request("POST", "/a/", write=True)


def test_an_answer_larger_than_the_limit_is_not_read_to_its_end(vendor: Vendor, url: str) -> None:
    vendor.answer(JSONResponse({"a": "x" * 2_000_000}))
    with pytest.raises(AnswerUnreadable, match="larger than 1 MiB"):
        wire_to(url).request("GET", "/big/", operation="read orders")
    assert len(vendor.asked) == 1


def test_odd_but_complete_json_is_an_answer(vendor: Vendor, url: str) -> None:
    vendor.answer(Response(b'{"name": "\\ud83d"}', media_type="application/json"))
    assert wire_to(url).request("GET", "/a/").body == b'{"name": "\\ud83d"}'


def test_cookies_are_not_kept(vendor: Vendor, url: str) -> None:
    vendor.answer(JSONResponse({}, headers={"set-cookie": "session=1; Path=/"}))
    wire = wire_to(url)
    wire.request("GET", "/a/")
    wire.request("GET", "/a/")
    assert "cookie" not in vendor.asked[1][0].headers


def test_whoever_listens_sees_the_exchange(vendor: Vendor, url: str) -> None:
    seen: list[Exchange] = []
    vendor.answer(JSONResponse({"detail": "no"}, status_code=400))
    with pytest.raises(RequestRejected):
        wire_to(url, on_exchange=seen.append).request("POST", "/a/", params={"b": 1}, json=[1], write=True)
    assert (seen[0].method, seen[0].path, dict(seen[0].params), seen[0].request_body) == (
        "POST",
        "/a/",
        {"b": 1},
        b"[1]",
    )
    assert (seen[0].status, seen[0].response_body) == (400, b'{"detail":"no"}')


def test_the_log_tells_what_was_done_and_nothing_about_anybody(vendor: Vendor, url: str) -> None:
    from structlog.testing import capture_logs

    with capture_logs() as lines:
        wire_to(url, authentication=Tokens()).request(
            "GET", "/customers/", params={"email": "ann@example.com"}, json={"phone": "0123"}, operation="find customer"
        )
    assert {key: lines[0][key] for key in ("connection", "operation", "status", "log_level")} == {
        "connection": "shop", "operation": "find customer", "status": 200, "log_level": "debug",
    }  # fmt: skip
    assert "ann@" not in str(lines)
    assert "0123" not in str(lines)
    assert "token-1" not in str(lines)


def test_many_threads_use_one_wire(vendor: Vendor, url: str) -> None:
    from concurrent.futures import ThreadPoolExecutor

    def echo(request: Request, body: bytes) -> Response:
        return JSONResponse({"path": request.url.path, "body": body.decode()})

    vendor.answer(echo)
    wire = wire_to(url)

    def call(number: int) -> Any:
        answer: Answer = wire.request("POST", f"/{number}/", json=number, write=True)
        return json.loads(answer.body)

    with ThreadPoolExecutor(16) as threads:
        assert list(threads.map(call, range(200))) == [{"path": f"/{n}/", "body": str(n)} for n in range(200)]


def test_a_write_whose_time_is_up_is_not_made_and_a_read_is(vendor: Vendor, url: str) -> None:
    wire = wire_to(url)
    with no_write_after(time.monotonic()):
        assert wire.request("GET", "/orders").status == 200
        with pytest.raises(TooLate, match="orders was not sent"):
            wire.request("POST", "/orders", json={}, write=True)
        assert [request.method for request, _ in vendor.asked] == ["GET"]
    assert wire.request("POST", "/orders", json={}, write=True).status == 200


def test_a_write_is_too_late_when_its_sign_in_took_too_long(vendor: Vendor, url: str) -> None:
    class SlowToSignIn:
        def headers(self, wire: Wire, *, refused: bool) -> Mapping[str, str]:
            wire.request("POST", "/sign-in", authenticated=False)
            return {"authorization": "Bearer t"}

    def slow(request: Request, body: bytes) -> Response:
        time.sleep(0.2)
        return JSONResponse({})

    vendor.answer(slow)
    wire = wire_to(url, authentication=SlowToSignIn())
    with no_write_after(time.monotonic() + 0.1), pytest.raises(TooLate):
        wire.request("POST", "/orders", json={}, write=True)
    assert [request.url.path for request, _ in vendor.asked] == ["/sign-in"]
