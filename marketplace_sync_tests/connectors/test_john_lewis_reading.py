"""Lists that move under the reader: nothing is lost between pages, nothing is read for ever, no page stops a feed."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from marketplace_sync.connectors.ports import Malformed
from marketplace_sync.domain.errors import AnswerUnreadable, TransportError, VendorUnavailable
from marketplace_sync.domain.orders import Order
from marketplace_sync_tests.connectors.edge_account import Account, connected, edge, keys
from marketplace_sync_tests.connectors.http_service import serving


class Edge:
    """Order lists of a few lines of code, so that a test decides what moves between two calls."""

    def __init__(self) -> None:
        self.orders: dict[int, str] = {}
        """Order id -> status, in the order in which they are listed."""
        self.asked: list[dict[str, str]] = []
        self.fetched: list[int] = []
        self.before_page: Callable[[dict[str, str]], None] = lambda query: None
        self.failing: set[int] = set()
        self.raw: dict[int, bytes] = {}

    def place(self, numbers: range, status: str = "ORDER") -> None:
        for number in numbers:
            self.orders[number] = status

    def body(self, number: int) -> bytes:
        order = {
            "url": f"https://www.the-edge.io/restapi/v4/orders/{number}/",
            "order_reference": f"R{number}",
            "order_date": f"2026-05-{1 + number // 1000 % 28:02d}T{number // 40 % 24:02d}:{number % 40:02d}:00",
            "status": self.orders[number],
            "items": [{"line_reference": "1", "part_number": "1", "quantity": 1, "status": self.orders[number]}],
            "currency_code": "GBP",
        }
        return self.raw.get(number, json.dumps(order).encode())

    async def list(self, request: Request) -> Response:
        query = dict(request.query_params)
        self.asked.append(query)
        self.before_page(query)
        rows = [n for n, status in self.orders.items() if query.get("status") in (None, status)]
        start, size = int(query["offset"]), int(query["limit"])
        more = start + size < len(rows)
        results = b",".join(self.body(number) for number in rows[start : start + size])
        envelope = b'{"count":%d,"next":%s,"previous":null,"results":[%s]}' % (
            len(rows), b'"https://www.the-edge.io/next"' if more else b"null", results,
        )  # fmt: skip
        return Response(envelope, media_type="application/json")

    async def one(self, request: Request) -> Response:
        number = int(request.path_params["number"])
        self.fetched.append(number)
        if number in self.failing:
            return JSONResponse({"detail": "broken"}, status_code=500)
        if number not in self.orders:
            return JSONResponse({"detail": "Not found."}, status_code=404)
        return Response(self.body(number), media_type="application/json")


@contextmanager
def listed(**changes: Any) -> Iterator[tuple[Edge, Account]]:
    service = Edge()
    routes = (Route("/restapi/v4/orders/", service.list), Route("/restapi/v4/orders/{number}/", service.one))
    with serving(*routes) as url:
        further = {"authentication": "basic", "retailer_id": "224", "page_size": 10, **changes}
        yield service, connected(url, **further)


def test_rows_that_move_up_while_we_read_are_found_by_reading_again() -> None:
    with listed() as (service, account):
        service.place(range(1, 36))

        def the_first_ones_are_acknowledged(query: dict[str, str]) -> None:
            if query["offset"] == "10":
                for number in range(1, 8):
                    service.orders[number] = "ORDER_ACK"

        service.before_page = the_first_ones_are_acknowledged
        found = keys(list(account.connector.read("orders", None)))
        assert {int(key) for key in found} == set(range(1, 36))
        assert len(found) == 35


def test_new_rows_that_push_others_to_the_next_page_are_not_stated_twice() -> None:
    with listed() as (service, account):
        service.place(range(100, 125))

        def a_new_order_comes_first(query: dict[str, str]) -> None:
            if query["offset"] == "10" and 999 not in service.orders:
                service.orders = {999: "ORDER", **service.orders}

        service.before_page = a_new_order_comes_first
        found = [int(key) for key in keys(list(account.connector.read("orders", None)))]
        assert sorted(found) == [*range(100, 125), 999]


def test_a_list_that_fits_its_count_is_read_once() -> None:
    with listed() as (service, account):
        service.place(range(1, 36))
        list(account.connector.read("orders", None))
        assert [query["offset"] for query in service.asked if query["status"] == "ORDER"] == ["0", "10", "20", "30"]
        assert {query["status"] for query in service.asked} == {"ORDER", "CANCEL", "BACKORDER"}
        assert all(query["retailer_id"] == "224" and query["format"] == "json" for query in service.asked)


def test_a_list_that_never_rests_is_left_after_a_few_passes() -> None:
    with listed() as (service, account):
        service.place(range(1, 36))

        def churn(query: dict[str, str]) -> None:
            first = next(number for number, status in service.orders.items() if status == "ORDER")
            service.orders[first] = "ORDER_ACK"
            service.orders[max(service.orders) + 1] = "ORDER"
            service.orders[max(service.orders) + 1] = "ORDER"

        service.before_page = churn
        list(account.connector.read("orders", None))
        assert len(service.asked) < 60


def test_the_first_sweep_reads_everything_and_the_next_only_what_can_have_moved() -> None:
    with listed() as (service, account):
        for number in range(3000, 2900, -1):
            service.orders[number] = "DISPATCH" if number < 2980 else "ORDER_ACK"
        first = list(account.connector.read("sweep", None))
        assert sorted(map(int, keys(first))) == sorted(service.orders)
        assert [page.watermark for page in first[:-1]] == [None] * (len(first) - 1)
        service.asked.clear()
        # One was dispatched by hand, one cancelled, one taken back into its list, and two are new: one of them was
        # dispatched before anybody saw it.
        service.orders[2990] = "DISPATCH"
        service.orders[2991] = "CANCEL_ACK"
        service.orders[2992] = "SOMETHING_NEW"
        service.orders = {3002: "DISPATCH", 3001: "ORDER", **service.orders}
        second = list(account.connector.read("sweep", first[-1].watermark))
        stated = {int(key) for key in keys(second)}
        assert {2990, 2991, 2992, 3001, 3002} <= stated
        assert sorted(service.fetched) == [2990, 2991, 2992]
        unfiltered = [query for query in service.asked if "status" not in query]
        assert len(unfiltered) == 1
        service.fetched.clear()
        third = list(account.connector.read("sweep", second[-1].watermark))
        assert service.fetched == []
        assert third[-1].watermark is not None


def test_the_sweep_finds_new_orders_whichever_way_the_list_is_sorted() -> None:
    with listed() as (service, account):
        service.place(range(2000, 2060), "DISPATCH")
        first = list(account.connector.read("sweep", None))
        assert {int(key) for key in keys(first)} == set(range(2000, 2060))
        service.place(range(2060, 2063), "DISPATCH")
        service.asked.clear()
        second = list(account.connector.read("sweep", first[-1].watermark))
        assert {2060, 2061, 2062} <= {int(key) for key in keys(second)}
        assert len([query for query in service.asked if "status" not in query]) == 2


def test_one_order_that_cannot_be_read_does_not_stop_the_sweep_and_is_asked_for_again() -> None:
    with listed() as (service, account):
        service.place(range(500, 480, -1), "ORDER_ACK")
        first = list(account.connector.read("sweep", None))
        for number in (490, 491, 492):
            service.orders[number] = "DISPATCH"
        service.failing = {491}
        del service.orders[492]
        second = list(account.connector.read("sweep", first[-1].watermark))
        assert "490" in keys(second)
        service.failing = set()
        service.fetched.clear()
        third = list(account.connector.read("sweep", second[-1].watermark))
        assert service.fetched == [491]
        assert "491" in keys(third)


def test_a_sweep_of_an_edge_that_is_down_says_so() -> None:
    with listed() as (service, account):
        service.place(range(500, 480, -1), "ORDER_ACK")
        first = list(account.connector.read("sweep", None))
        for number in range(481, 491):
            service.orders[number] = "DISPATCH"
            service.failing.add(number)
        with pytest.raises(VendorUnavailable):
            list(account.connector.read("sweep", first[-1].watermark))


def test_one_spoilt_order_costs_neither_its_page_nor_the_others() -> None:
    with listed() as (service, account):
        service.place(range(1, 8))
        service.raw = {
            2: b'{"url": 17, "items": "none"}',
            3: service.body(3).replace(b'"R3"', b'{"deep": [1]}'),
            4: service.body(4).replace(b'"R4"', rb'"half a smile: \ud83d"'),
            5: service.body(5).replace(b'"R5"', b'"\xff\xfe"'),
            6: b"null",
            7: service.body(7).replace(b'"quantity": 1', b'"quantity": -1'),
        }
        statements = [s for page in account.connector.read("orders", None) for s in page.statements]
        assert len(statements) == 7
        read: dict[str, Order] = {}
        unread: dict[str, str] = {}
        for statement in statements:
            try:
                order = account.connector.parse(statement)[0]
            except Malformed as problem:
                unread[statement.key] = str(problem)
            else:
                assert isinstance(order, Order)
                read[order.order_id] = order
        assert set(read) == {"1", "4"}
        assert read["4"].reference == "half a smile: \ufffd"
        assert {"3", "5", "7"} <= set(unread)
        assert "quantity" in unread["7"]
        assert "order_reference" in unread["3"]
        assert len([key for key in unread if key.startswith("unreadable-")]) == 2


def test_a_page_that_is_no_json_by_the_letter_is_read_all_the_same() -> None:
    with listed() as (service, account):
        service.place(range(1, 4))
        service.raw = {
            1: service.body(1).replace(b'"R1"', b'"R\x011\n"'),
            2: service.body(2).replace(b'"quantity": 1', b'"quantity": 1, "tax": NaN, "total": 1.10'),
        }
        statements = [s for page in account.connector.read("orders", None) for s in page.statements]
        orders = [account.connector.parse(statement)[0] for statement in statements]
        assert [order.order_id for order in orders] == ["1", "2", "3"]
        assert isinstance(orders[1], Order)
        assert (orders[1].lines[0].tax, orders[1].lines[0].total) == (None, 110)


def test_an_answer_that_is_no_list_is_an_error_of_the_family() -> None:
    async def odd(request: Request) -> Response:
        return JSONResponse({"message": "hello"})

    with serving(Route("/{path:path}", odd)) as url:
        account = connected(url, authentication="basic", retailer_id="224")
        for feed in ("orders", "sweep", "returns"):
            with pytest.raises(AnswerUnreadable, match="no list"):
                list(account.connector.read(feed, None))
        assert all(isinstance(finding.detail, str) for finding in account.connector.check())


def test_a_feed_that_does_not_exist_is_a_mistake() -> None:
    with listed() as (_, account), pytest.raises(ValueError, match="returns"):
        account.connector.read("refunds", None)


def test_returns_are_read_again_until_they_have_surely_ended() -> None:
    with edge(returns_followed="10d") as account:
        first = list(account.connector.read("returns", None))
        assert "from_date" not in account.exchanges[-1].params
        list(account.connector.read("returns", "2026-06-20T08:00:00+00:00"))
        assert account.exchanges[-1].params["from_date"] == "2026-06-10"
        assert first[-1].watermark is not None


def test_a_thousand_orders_come_whole_while_more_are_being_placed() -> None:
    with edge() as account:
        account.act("place_orders", count=1000)
        found: set[str] = set()
        for number, page in enumerate(account.connector.read("orders", None)):
            if number < 5:
                account.act("place_orders", count=3)
            found.update(keys([page]))
        assert len(found) >= 1000
        again = set(keys(list(account.connector.read("orders", None))))
        assert len(again) == 1015


def test_what_is_not_there_is_none_and_errors_stay_in_the_family() -> None:
    with edge() as account:
        assert account.connector.fetch_order("123456") is None
        with pytest.raises(TransportError):
            account.connector.fetch_order("../customers")
