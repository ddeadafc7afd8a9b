"""A marketplace that states nonsense: nothing crashes, no other order suffers, all of it is kept and shown."""

from __future__ import annotations

import json
import random
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import text

from marketplace_sync.config import load
from marketplace_sync.domain.errors import AnswerUnreadable, VendorUnavailable
from marketplace_sync.flows import import_orders, observe_store
from marketplace_sync.ledger.location import urls_of
from marketplace_sync.project import open_project
from marketplace_sync.sandbox.serve import RunningSandbox
from marketplace_sync_tests.faults.documents import JL, SHOP
from marketplace_sync_tests.faults.hostile_edge import HostileEdge, hostile_edge, order, returned
from marketplace_sync_tests.faults.hostile_values import LARGE, VALUES, variations
from marketplace_sync_tests.faults.installation import write_configuration
from marketplace_sync_tests.flows.town import Town

GOOD = (1, 2)
SEED = 20261121


def plain(value: Any) -> bytes:
    return json.dumps(value).encode()


def fenced(rows: Sequence[bytes]) -> list[bytes]:
    """Between two orders with which nothing is wrong."""
    return [plain(order(1)), *rows, plain(order(2))]


@contextmanager
def town(database_url: str, folder: Path, **edge_settings: Any) -> Iterator[tuple[HostileEdge, Town]]:
    quick = {"search_lag_seconds": 0, "routing_seconds": 0, "job_seconds": 0, "restore_rate": None}
    with hostile_edge() as edge, RunningSandbox(settings={SHOP: quick}) as sandbox:
        connection = {"base_url": edge.base_url, "requests_per_minute": 100_000, "timeout_seconds": 60}
        path = write_configuration(
            folder / "c.yaml", sandbox.base_url, {JL: {**connection, "page_size": 100, **edge_settings}}
        )
        with open_project(load(path), database=urls_of(database_url)) as project:
            yield edge, Town(sandbox, project)


@pytest.fixture
def here(database_url: str, tmp_path: Path) -> Iterator[tuple[HostileEdge, Town]]:
    with town(database_url, tmp_path) as found:
        yield found


def kept(town: Town) -> dict[bytes, str]:
    """Every statement in the ledger, byte for byte -> its key."""
    with town.project.ledger.begin() as connection:
        rows = connection.execute(text("SELECT payload, key FROM ledger.statements")).all()
    return {bytes(row.payload): row.key for row in rows}


def imported(town: Town) -> set[str]:
    with town.project.ledger.begin() as connection:
        return set(connection.execute(text("SELECT order_id FROM ledger.orders")).scalars())


def complained_of(town: Town, code: str = "MALFORMED_STATEMENT") -> dict[str, str]:
    """Subject without the connection -> message, of open work items."""
    with town.project.ledger.begin() as connection:
        rows = connection.execute(
            text("SELECT subject, message FROM ledger.work_items WHERE code = :code AND state = 'open'"), {"code": code}
        ).all()
    return {row.subject.removeprefix(f"{JL}:"): row.message for row in rows}


def accounted_for(town: Town, spoilt: Sequence[tuple[int, str, bytes]]) -> None:
    """Each spoilt statement was kept as it came, and is an order or a work item."""
    there, orders, items = kept(town), imported(town), complained_of(town)
    lost = [what for _, what, row in spoilt if row not in there]
    assert not lost, f"not kept verbatim: {lost[:10]}"
    silent = [what for _, what, row in spoilt if there[row] not in orders and there[row] not in items]
    assert not silent, f"neither an order nor a work item: {silent[:10]}"
    assert {str(number) for number in GOOD} <= orders


def test_no_value_in_any_place_of_an_order_costs_another_order_its_place(here: tuple[HostileEdge, Town]) -> None:
    edge, town = here
    spoilt = list(variations(order, 1000, VALUES.keys() - LARGE))
    edge.rows = fenced([row for _, _, row in spoilt])
    report = import_orders.import_feed(town.context, JL, "orders")
    assert report.read == len(spoilt) + 2
    assert 300 < report.malformed < len(spoilt)
    accounted_for(town, spoilt)


def test_megabytes_in_any_place_do_not_either(here: tuple[HostileEdge, Town]) -> None:
    edge, town = here
    spoilt = list(variations(order, 1000, LARGE))
    sample = random.Random(SEED).sample([one for one in spoilt if len(one[2]) > 500_000], 24)
    edge.rows = fenced([row for _, _, row in sample])
    import_orders.import_feed(town.context, JL, "orders")
    accounted_for(town, sample)


def test_a_statement_that_stays_unreadable_is_kept_once_and_shown_until_it_is_stated_readably(
    here: tuple[HostileEdge, Town],
) -> None:
    edge, town = here
    spoilt = order(77, order_date="9999-12-31T23:59:59")
    edge.rows = fenced([plain(spoilt)])
    for _ in range(3):
        import_orders.import_feed(town.context, JL, "orders")
    assert list(complained_of(town)) == ["77"]
    assert "order_date" in complained_of(town)["77"]
    with town.project.ledger.begin() as connection:
        versions = connection.execute(text("SELECT count(*) FROM ledger.statements WHERE key = '77'")).scalar()
    assert versions == 1
    edge.rows = fenced([plain({**spoilt, "order_date": "2026-11-20T10:00:00"})])
    import_orders.import_feed(town.context, JL, "orders")
    assert complained_of(town) == {}
    assert "77" in imported(town)


def test_orders_full_of_nonsense_go_on_to_the_store_and_to_klaviyo_or_to_a_person(
    here: tuple[HostileEdge, Town],
) -> None:
    edge, town = here
    sample = random.Random(SEED).sample(list(variations(order, 1000, VALUES.keys() - LARGE)), 60)
    edge.rows = fenced([row for _, _, row in sample])
    town.sync()
    town.settle()
    accounted_for(town, sample)
    for number in GOOD:
        assert len(town.shopify_orders(number)) == 1
        assert town.events(number)["Placed Order"] == 1
        assert any(path.endswith(f"/orders/{number}/acknowledge/") for path, _ in edge.written)
    with town.project.ledger.begin() as connection:
        stuck = connection.execute(
            text("SELECT kind, subject, last_problem FROM ledger.effects WHERE state NOT IN"
                 " ('delivered', 'refused', 'superseded')")
        ).all()  # fmt: skip
    assert stuck == []


def test_no_value_in_any_place_of_a_return_costs_another_return_its_place(here: tuple[HostileEdge, Town]) -> None:
    edge, town = here
    edge.rows = fenced([])
    import_orders.import_feed(town.context, JL, "orders")

    def one(number: int) -> dict[str, Any]:
        return {key: value for key, value in returned(number, 1).items() if key != "order"} | {
            "order": {"url": "https://edge.example/restapi/v4/orders/1/"}
        }

    # the two spellings of "a NUL within" are one id, and of one id the last statement of a page counts
    spoilt = [one for one in variations(one, 1000, VALUES.keys() - LARGE) if one[1] != "a NUL within as id"]
    edge.returned = [plain(returned(1, 1)), *(row for _, _, row in spoilt), plain(returned(2, 2))]
    import_orders.import_feed(town.context, JL, "returns")
    there = kept(town)
    assert [what for _, what, row in spoilt if row not in there] == []
    with town.project.ledger.begin() as connection:
        read = set(connection.execute(text("SELECT key FROM ledger.reversals")).scalars())
    assert {"r-1", "r-2"} <= read
    items = complained_of(town)
    assert [what for _, what, row in spoilt if there[row] not in read and there[row] not in items] == []


@pytest.mark.parametrize(
    ("page", "readable"),
    [
        (b"", False),
        (b"<html><body><h1>502 Bad Gateway</h1></body></html>", False),
        (b'{"count": 1, "next": null, "results": [{"url": ', False),
        (b'{"detail": "hello"}', False),
        (b'"results"', False),
        (b"[" * 100_000 + b"]" * 100_000, True),
        (b'{"count": "many", "next": 12, "results": "none"}', False),
        (b" " * (33 * 1024 * 1024) + b'{"results": []}', False),
    ],
    ids=["nothing", "a web page", "cut short", "no list", "a word", "all brackets", "wrong types", "33 megabytes"],
)
def test_a_page_that_is_none_leaves_everything_as_it_was_and_is_shown(
    here: tuple[HostileEdge, Town], page: bytes, readable: bool
) -> None:
    edge, town = here
    edge.page = page
    if readable:
        import_orders.import_feed(town.context, JL, "orders")
    else:
        with pytest.raises((AnswerUnreadable, VendorUnavailable)):
            import_orders.import_feed(town.context, JL, "orders")
        assert town.work_items().keys() & {"MALFORMED_STATEMENT", "CONNECTION_DOWN"}
    edge.page, edge.rows = None, fenced([])
    import_orders.import_feed(town.context, JL, "orders")
    assert imported(town) == {"1", "2"}
    assert "CONNECTION_DOWN" not in town.work_items()


@pytest.mark.parametrize(
    "said",
    [
        rb'{"detail": "no \u0000 such \ud83d thing", "code": "\u0000"}',
        b"\x00\xff" * 1000,
        b'{"detail": "' + b"x" * 3_000_000 + b'"}',
        b"[" * 100_000,
        b'{"items": {"\\u0000": [{"\\ud800": NaN}]}}',
    ],
    ids=["NUL and half a pair", "no text", "megabytes", "brackets", "NUL as a key"],
)
def test_a_refusal_in_words_that_no_database_keeps_is_kept_and_shown(
    here: tuple[HostileEdge, Town], said: bytes
) -> None:
    edge, town = here
    edge.rows, edge.refusal = fenced([]), (422, said)
    town.settle()
    assert town.work_items() == {"EFFECT_REFUSED": 2}
    edge.refusal = None
    with town.project.ledger.begin() as connection:
        states = connection.execute(
            text("SELECT state, count(*) FROM ledger.effects WHERE connection = :name GROUP BY 1"), {"name": JL}
        ).all()
    assert [tuple(row) for row in states] == [("refused", 2)]


_json = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.sampled_from(["\x00", "\U0001f600"]),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=12,
)


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(rows=st.lists(_json | st.fixed_dictionaries({}, optional=dict.fromkeys(order(1), _json)), max_size=30))
def test_whatever_json_stands_among_the_rows(here: tuple[HostileEdge, Town], rows: list[Any]) -> None:
    edge, town = here
    edge.rows = fenced([json.dumps(row).encode("utf-8", "surrogatepass") for row in rows])
    import_orders.import_feed(town.context, JL, "orders")
    assert {"1", "2"} <= imported(town)
    there = kept(town)
    # what is stated twice under one id within a page is kept as it was stated last
    assert all(row in there for row in edge.rows if b'"url"' not in row)


def test_the_store_is_still_read_afterwards(here: tuple[HostileEdge, Town]) -> None:
    _, town = here
    assert observe_store.refresh_catalogue(town.context, SHOP) == 21
