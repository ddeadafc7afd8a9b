"""Shopify says most things with status 200: what each answer means for what was asked, and for the next call."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

import msgspec
import pytest
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from marketplace_sync.connectors.budget import CostBucket
from marketplace_sync.connectors.shopify import ShopifySettings, connect, mutations, order_queries
from marketplace_sync.connectors.shopify.graphql import BUCKET, GraphQL
from marketplace_sync.connectors.shopify.subscriptions import SUBSCRIPTIONS
from marketplace_sync.domain.effects import Delivered, InDoubt, Postponed, Refused
from marketplace_sync.domain.errors import (
    AnswerLost,
    AnswerUnreadable,
    CredentialsRefused,
    RequestRejected,
    Throttled,
    TransportError,
    VendorUnavailable,
)
from marketplace_sync.settings import Secret
from marketplace_sync_tests.connectors.http_service import serving, wire_to
from marketplace_sync_tests.connectors.shopify_shop import Shop, create_order, effect, shop

VERSION = {"x-shopify-api-version": "2026-10", "x-request-id": "abc-1"}
READ, WRITE = order_queries.ORDER_BY_KEY, mutations.SUBSCRIPTION_DELETE
FOUND = {"data": {"orderByIdentifier": {"id": "gid://shopify/Order/1"}}}
PAGE_INFO = {"hasNextPage": False}
IDENTIFIER: dict[str, Any] = {"identifier": {"customId": {"key": "source", "value": "x"}}}


TOKEN: dict[str, Any] = {
    "access_token": Secret(default="shpat_sandbox"),
    "client_id": None,
    "client_secret": None,
}


def error(code: str, message: str = "No") -> dict[str, Any]:
    return {"message": message, "extensions": {"code": code}}


def cost(requested: float, available: float, restore: float = 100) -> dict[str, Any]:
    status = {"maximumAvailable": 2000, "currentlyAvailable": available, "restoreRate": restore}
    return {"cost": {"requestedQueryCost": requested, "actualQueryCost": None, "throttleStatus": status}}


@contextmanager
def answering(*bodies: Any, status: int = 200, headers: dict[str, str] | None = None) -> Iterator[GraphQL]:
    """A connection to a service that answers one call after the other with these bodies, the last one for ever."""
    left = list(bodies)

    async def graphql(request: Request) -> Response:
        body = left.pop(0) if len(left) > 1 else left[0]
        return JSONResponse(body, status_code=status, headers=VERSION if headers is None else headers)

    with serving(Route("/admin/api/2026-10/graphql.json", graphql, methods=["POST"])) as base:
        settings = ShopifySettings(platform="shopify", base_url=base, access_token=Secret(default="shpat_test"))
        wire = wire_to(base, budget={BUCKET: CostBucket(2000, 100), "token": ()})
        yield GraphQL(settings, wire)
        wire.close()


def test_a_throttled_read_is_repeated_once_the_bucket_has_room() -> None:
    throttled = {"errors": [error("THROTTLED", "Throttled")], "extensions": cost(10, 0, restore=1000)}
    with answering(throttled, throttled, FOUND) as graphql:
        assert graphql.run(READ, IDENTIFIER).order_by_identifier is not None


def test_a_read_that_stays_throttled_says_how_long_to_wait() -> None:
    throttled = {"errors": [error("THROTTLED", "Throttled")], "extensions": cost(300, 50)}
    with answering(throttled) as graphql, pytest.raises(Throttled) as problem:
        graphql.run(READ, IDENTIFIER)
    assert problem.value.retry_after == pytest.approx(2.5)


@pytest.mark.parametrize(
    "extensions",
    [
        "nonsense", 7, [], None, {"cost": "dear"}, {"cost": []}, {"cost": {"requestedQueryCost": "ten"}},
        {"cost": {"requestedQueryCost": 10, "throttleStatus": {"currentlyAvailable": "all", "restoreRate": None}}},
        {"cost": {"requestedQueryCost": -1e308, "throttleStatus": {"currentlyAvailable": 10**30, "restoreRate": -5}}},
        {"cost": {"requestedQueryCost": 10**400, "throttleStatus": {"currentlyAvailable": 1e308, "restoreRate": 0}}},
    ],
    ids=lambda given: str(given)[:60],
)  # fmt: skip
def test_what_an_answer_says_of_its_cost_is_no_reason_to_doubt_the_rest_of_it(extensions: Any) -> None:
    with answering({**FOUND, "extensions": extensions}) as graphql:
        for _ in range(3):
            assert graphql.run(READ, IDENTIFIER).order_by_identifier is not None


def test_a_bucket_that_fills_by_next_to_nothing_is_not_waited_for_until_the_end_of_time() -> None:
    throttled = {"errors": [error("THROTTLED", "Throttled")], "extensions": cost(300, 50, restore=1e-300)}
    with answering(throttled) as graphql, pytest.raises(Throttled) as problem:
        graphql.run(WRITE, {"id": "gid://shopify/WebhookSubscription/1"})
    assert problem.value.retry_after == 60


def test_a_throttled_write_is_not_repeated_by_itself() -> None:
    throttled = {"errors": [error("THROTTLED", "Throttled")], "extensions": cost(300, 50)}
    with answering(throttled, {"data": {}}) as graphql, pytest.raises(Throttled):
        graphql.run(WRITE, {"id": "gid://shopify/WebhookSubscription/1"})


@pytest.mark.parametrize(
    ("body", "read", "write"),
    [
        ({"errors": "[API] Invalid API key or access token"}, RequestRejected, RequestRejected),
        ({"errors": [error("ACCESS_DENIED")]}, CredentialsRefused, CredentialsRefused),
        ({"errors": [error("SHOP_INACTIVE")]}, CredentialsRefused, CredentialsRefused),
        ({"errors": [error("MAX_COST_EXCEEDED")]}, RequestRejected, RequestRejected),
        ({"errors": [error("BAD_REQUEST")]}, RequestRejected, RequestRejected),
        ({"errors": [{"message": "Field 'x' doesn't exist"}]}, RequestRejected, RequestRejected),
        ({"errors": ["odd", 7]}, RequestRejected, RequestRejected),
        ({"errors": [error("INTERNAL_SERVER_ERROR")]}, VendorUnavailable, AnswerLost),
        ({"errors": [error("IDEMPOTENCY_CONCURRENT_REQUEST")]}, AnswerLost, AnswerLost),
        ({**FOUND, "errors": [error("ACCESS_DENIED")]}, AnswerUnreadable, AnswerLost),
        ({"data": {"orderByIdentifier": {"id": 7}}}, AnswerUnreadable, AnswerLost),
        ({"data": None}, AnswerUnreadable, AnswerLost),
        ([], AnswerUnreadable, AnswerLost),
    ],
)
def test_every_error_says_whether_something_may_have_happened(
    body: Any, read: type[TransportError], write: type[TransportError]
) -> None:
    with answering(body) as graphql:
        with pytest.raises(read) as read_problem:
            graphql.run(READ, IDENTIFIER)
        with pytest.raises(write) as write_problem:
            graphql.run(WRITE, {"id": "gid://shopify/WebhookSubscription/1"})
    assert type(read_problem.value) is read or issubclass(type(read_problem.value), read)
    assert isinstance(write_problem.value, AnswerLost) == (write is AnswerLost)


def test_what_shopify_support_asks_for_is_in_the_message() -> None:
    with (
        answering({"errors": [error("INTERNAL_SERVER_ERROR")]}) as graphql,
        pytest.raises(VendorUnavailable) as problem,
    ):
        graphql.run(READ, IDENTIFIER)
    assert "abc-1" in str(problem.value)


@pytest.mark.parametrize("served", ["2026-04", ""])
def test_an_answer_in_another_version_is_not_read(served: str) -> None:
    headers = {"x-shopify-api-version": served} if served else {}
    with answering(FOUND, headers=headers) as graphql:
        with pytest.raises(AnswerUnreadable, match="api_version"):
            graphql.run(READ, IDENTIFIER)
        with pytest.raises(AnswerLost, match="api_version"):
            graphql.run(WRITE, {"id": "gid://shopify/WebhookSubscription/1"})


@pytest.mark.parametrize(
    ("status", "words"),
    [(402, "frozen"), (403, "allowed addresses"), (404, "base_url"), (423, "locked")],
)
def test_a_shop_that_is_closed_to_us_is_a_matter_for_a_person(status: int, words: str) -> None:
    with answering({"errors": "x"}, status=status) as graphql, pytest.raises(CredentialsRefused, match=words):
        graphql.run(READ, IDENTIFIER)


def test_a_cursor_that_does_not_move_ends_the_walk_loudly() -> None:
    page = {"webhookSubscriptions": {"nodes": [], "pageInfo": {"hasNextPage": True, "endCursor": "same"}}}
    with answering({"data": page}) as graphql, pytest.raises(AnswerUnreadable, match="there is more"):
        list(graphql.pages(SUBSCRIPTIONS, {}, 10))


def test_a_shop_that_serves_another_version_is_refused_before_anything_is_written() -> None:
    """A version that is too old is answered in the oldest that is still served."""
    with shop(api_version="2025-07") as opened:
        outcome = opened.deliver(create_order())
        assert isinstance(outcome, InDoubt | Postponed | Refused)
        assert "api_version" in outcome.reason
        assert opened.stored("orders") == []
        (finding,) = opened.store.check()
        assert not finding.works


def test_a_permission_that_is_missing_makes_orders_wait_for_a_person() -> None:
    with shop({"scopes": ["read_orders", "read_products", "read_inventory", "read_locations"]}) as opened:
        outcome = opened.deliver(create_order())
        assert isinstance(outcome, Postponed)
        assert "write_orders" in outcome.reason
        findings = {finding.subject: finding for finding in opened.store.check()}
        assert not findings["permissions"].works
        assert "write_orders" in findings["permissions"].detail
        assert not findings["order key"].works


def test_an_email_that_shopify_does_not_believe_is_left_out_and_the_parcel_leaves() -> None:
    """The simulated shop believes every address, so the vendor's refusal is stated here."""
    sent: list[dict[str, Any]] = []

    async def graphql(request: Request) -> Response:
        body = await request.json()
        answers: dict[str, Any] = {
            "Definitions": {"metafieldDefinitions": {"nodes": [{"id": "gid://x", "type": {"name": "id"}}]}},
            "OrderByKey": {"orderByIdentifier": None},
        }
        if body["operationName"] == "OrderCreate":
            sent.append(body["variables"]["order"])
            refusal = {"field": ["order", "email"], "message": "Email is invalid", "code": "INVALID"}
            made = {"id": "gid://shopify/Order/1", "name": "#1", "lineItems": {"nodes": [], "pageInfo": PAGE_INFO}}
            refused = "email" in sent[-1]
            answer = {"order": None if refused else made, "userErrors": [refusal] if refused else []}
            answers["OrderCreate"] = {"orderCreate": answer}
        return JSONResponse({"data": answers[body["operationName"]]}, headers=VERSION)

    with serving(Route("/admin/api/2026-10/graphql.json", graphql, methods=["POST"])) as base:
        settings = ShopifySettings(platform="shopify", base_url=base, access_token=Secret(default="shpat_test"))
        wire = wire_to(base, budget={BUCKET: CostBucket(2000, 100), "token": ()})
        (outcome,) = connect("shopify", settings, wire).deliver([effect(create_order())])
        wire.close()
    assert isinstance(outcome, Delivered)
    assert [("email" in order) for order in sent] == [True, False]


def test_orders_that_the_bucket_has_no_room_for_come_later_and_once() -> None:
    """Four processes that know nothing of each other, and a bucket far smaller than the smallest plan's."""
    with shop({"bucket": 40, "restore_rate": 100}, **TOKEN) as opened:
        opened.deliver(create_order(0))
        workers = [Shop(opened.sandbox, **TOKEN) for _ in range(4)]
        waiting = [opened.effect(create_order(number)) for number in range(1, 17)]
        postponed = 0
        with ThreadPoolExecutor(4) as threads:
            while waiting:
                turns = [(workers[index % 4], one) for index, one in enumerate(waiting)]
                outcomes = list(threads.map(lambda turn: turn[0].store.deliver([turn[1]])[0], turns))
                assert all(isinstance(outcome, Delivered | Postponed) for outcome in outcomes)
                waiting = [turn[1] for turn, what in zip(turns, outcomes, strict=True) if isinstance(what, Postponed)]
                postponed += len(waiting)
        assert postponed > 0
        assert len(opened.stored("orders")) == 17


def test_an_answer_with_cost_teaches_what_the_next_call_takes() -> None:
    with shop() as opened:
        opened.changed()
        opened.changed()
        bodies = [
            msgspec.json.decode(one.response_body) for one in opened.exchanges if b'"orders"' in one.response_body
        ]
        requested = {body["extensions"]["cost"]["requestedQueryCost"] for body in bodies}
        assert set(opened.store._orders._graphql._costs.values()) == requested
