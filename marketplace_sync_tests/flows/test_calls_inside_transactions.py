"""A vendor may be asked by a thread that has a transaction of the ledger open, by as many of them as there can be; what
connections offer asks nobody, whoever looks."""

from __future__ import annotations

import contextlib
import json
import threading
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Connection

from marketplace_sync.connectors.transport import Exchange
from marketplace_sync.flows import observe_store
from marketplace_sync.ledger.database import Ledger
from marketplace_sync.project import open_project
from marketplace_sync_tests.flows.marketplacer_town import KEY as MARKETS_KEY
from marketplace_sync_tests.flows.marketplacer_town import MARKET, act, live, marketplacer_town, place
from marketplace_sync_tests.flows.mirakl_town import BAZAAR, OFTEN, PROMPT
from marketplace_sync_tests.flows.mirakl_town import KEY as BAZAARS_KEY
from marketplace_sync_tests.flows.town import JL, KLAVIYO, SHOP, SHOPIFY, town

ALL = 24
"""Every connection that the ledger gives for transactions."""


def test_a_vendor_is_asked_while_every_connection_of_the_ledger_is_in_a_transaction(
    database_url: str, tmp_path: Path
) -> None:
    with town(database_url, tmp_path) as here, contextlib.ExitStack() as held:
        order_id = here.place()
        for _ in range(ALL):
            held.enter_context(here.project.ledger.begin())
        found = here.context.marketplaces[JL].fetch_order(str(order_id))
    assert found is not None


def test_what_a_connection_offers_asks_no_vendor(database_url: str, tmp_path: Path) -> None:
    accounts = {MARKET: "marketplacer", BAZAAR: "mirakl"}
    keys = {MARKET: {"api_key": MARKETS_KEY}, BAZAAR: {"api_key": BAZAARS_KEY}}
    with town(database_url, tmp_path, accounts=accounts, connections=keys) as here:
        asked: list[Any] = []
        own = open_project(here.project.configuration, database=here.project.database, on_exchange=asked.append)
        with here.project.ledger.begin():
            for name in (JL, BAZAAR, MARKET):
                assert own.context.marketplaces[name].capabilities
            assert own.context.stores[SHOP].capabilities
            assert own.context.marketing[KLAVIYO].capabilities
        assert asked == []


def test_a_process_that_never_read_the_marketplace_knows_that_its_operator_tells_klaviyo(
    database_url: str, tmp_path: Path
) -> None:
    tells = {"klaviyo_status": "CONNECTED", "klaviyo_tracks": True}
    with marketplacer_town(database_url, tmp_path, store=SHOPIFY, like=tells) as here:
        order = place(here)
        live(here)
        here.ship(order["id"], at=MARKET)
        asked: list[Any] = []
        own = open_project(here.project.configuration, database=here.project.database, on_exchange=asked.append)
        assert observe_store.poll_orders(own.context, SHOP).moved == 1
        assert asked
        assert all(exchange.path.startswith("/admin/") for exchange in asked), "the store alone"
        own.ledger.close()
        here.deliver(KLAVIYO)
        assert here.event_list() == [], "they would count twice"


def test_no_vendor_is_asked_inside_a_transaction_but_for_the_catalogue_that_is_stored_as_it_is_read(
    database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    inside = threading.local()
    begin = Ledger.begin

    @contextlib.contextmanager
    def watched(ledger: Ledger) -> Iterator[Connection]:
        with begin(ledger) as connection:
            inside.depth = getattr(inside, "depth", 0) + 1
            try:
                yield connection
            finally:
                inside.depth -= 1

    monkeypatch.setattr(Ledger, "begin", watched)
    asked: Counter[str] = Counter()
    amid: set[str] = set()

    def note(exchange: Exchange) -> None:
        asked[exchange.path.split("/")[1]] += 1
        if getattr(inside, "depth", 0):
            amid.add(json.loads(exchange.request_body or b"{}").get("operationName", exchange.path))

    accounts = {MARKET: "marketplacer", BAZAAR: "mirakl"}
    keys: dict[str, dict[str, Any]] = {
        MARKET: {"api_key": MARKETS_KEY}, BAZAAR: {"api_key": BAZAARS_KEY, **OFTEN},
    }  # fmt: skip
    carriers = {MARKET: {"Royal Mail": "Royal Mail"}, BAZAAR: {"Royal Mail": "royal-mail"}}
    routes = {name: {"store": SHOP, "marketing": KLAVIYO, "carriers": carriers[name]} for name in accounts}
    like = {MARKET: {"burst_seconds": 0.0}, BAZAAR: PROMPT, SHOP: SHOPIFY.vendor}
    with town(database_url, tmp_path, accounts=accounts, connections=keys, routes=routes, settings=like) as here:
        own = open_project(here.project.configuration, database=here.project.database, on_exchange=note)
        here.context = own.context
        kept, cancelled = place(here)["id"], place(here)
        shipped = {JL: here.place(), BAZAAR: here.place(at=BAZAAR), MARKET: kept}
        live(here)
        act(here, "buyer_cancel", order_id=cancelled["order_id"])
        for name, order_id in shipped.items():
            here.ship(order_id, at=name)
        live(here)
        own.ledger.close()
    assert {"graphql", "api", "restapi", "admin"} <= asked.keys(), "each of them was asked"
    assert amid <= {"Shop", "Locations", "Variants", "Levels", "Products", "Product"}
