"""A whole small world for a test: simulated vendors over HTTP, an installation on a real ledger, and eyes for both."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import yaml

from marketplace_sync.config import PACKAGED, load
from marketplace_sync.flows import courier, import_orders, observe_store
from marketplace_sync.flows.sync import SyncReport, sync
from marketplace_sync.ledger import work_items
from marketplace_sync.ledger.location import urls_of
from marketplace_sync.project import Project, open_project
from marketplace_sync.sandbox.serve import RunningSandbox
from marketplace_sync.sandbox.world import SMALL_WORLD
from marketplace_sync_tests.flows.stores import ShopifySide, Stored, StoreSide

JL, SHOP, KLAVIYO = "john_lewis", "shopify_main", "klaviyo_main"
SHOPIFY = ShopifySide()


class Town:
    """`sandbox` is the vendors' side, `project` is ours. Assertions look at the vendors' own state."""

    def __init__(self, sandbox: RunningSandbox, project: Project, store: StoreSide = SHOPIFY) -> None:
        self.sandbox = sandbox
        self.store = store
        self.project = project
        self.context = project.context

    # what happens at the vendors

    def place(self, *skus: str, quantity: int = 1, at: str = JL, **more: Any) -> Any:
        lines = [{"sku": sku, "quantity": quantity} for sku in skus or ("MUG-RED",)]
        return self.sandbox.act(at, "place_order", lines=lines, **more)["order_id"]

    def ship(self, order_id: Any, company: str = "Royal Mail", at: str = JL, **more: Any) -> Any:
        more.setdefault("tracking_numbers", ["RM123456785GB"])
        return self.store.ship(self.sandbox, self.stored(order_id, at).order_id, company, **more)

    def cancel_in_store(self, order_id: Any, at: str = JL) -> Any:
        return self.store.cancel(self.sandbox, self.stored(order_id, at).order_id)

    def take_off(self, order_id: Any, sku: str, quantity: int = 1, at: str = JL) -> Any:
        return self.store.take_off(self.sandbox, self.stored(order_id, at).order_id, sku, quantity)

    def refund_in_store(self, order_id: Any, sku: str, quantity: int = 1, at: str = JL) -> Any:
        return self.store.refund(self.sandbox, self.stored(order_id, at).order_id, sku, quantity)

    # what ours does

    def sync(self) -> SyncReport:
        return sync(self.context)

    def settle(self, rounds: int = 12) -> None:
        """Passes until nothing waits any more; effects that were postponed come due in between, and are waited for
        when that is soon."""
        import time

        began = time.monotonic()
        passes = 0
        while passes < rounds or (self._due_soon() and time.monotonic() - began < 30):
            passes += 1
            report = self.sync()
            with self.project.ledger.begin() as connection:
                from sqlalchemy import text

                waiting = connection.execute(
                    text("SELECT count(*) FROM ledger.effects WHERE state IN ('pending', 'sending', 'in_doubt')")
                ).scalar()
            if not waiting and not report.problems:
                return
            time.sleep(0.3)

    def _due_soon(self) -> bool:
        from sqlalchemy import text

        soon = "state = 'pending' AND not_before < now() + interval '3 s'"
        with self.project.ledger.begin() as connection:
            return bool(connection.execute(text(f"SELECT EXISTS (SELECT FROM ledger.effects WHERE {soon})")).scalar())

    # what is there afterwards

    def jl_order(self, order_id: Any) -> Any:
        return self.sandbox.act(JL, "get_order", order_id=order_id)

    def jl_actions(self, action: str, order_id: Any = None) -> list[dict[str, Any]]:
        return [
            one
            for one in self.sandbox.documents(JL, "actions")
            if one["action"] == action and (order_id is None or str(one["order_id"]) == str(order_id))
        ]

    def stored(self, order_id: Any, at: str = JL) -> Stored:
        """The order as the store has it, whichever store; there must be one."""
        (found,) = self.all_stored(order_id, at)
        return found

    def all_stored(self, order_id: Any = None, at: str = JL) -> list[Stored]:
        return self.store.orders(self.sandbox, None if order_id is None else f"{at}:{order_id}")

    def shopify_order(self, order_id: Any, at: str = JL) -> Any:
        return self.sandbox.act(SHOP, "order_by_source", source_identifier=f"{at}:{order_id}")

    def shopify_orders(self, order_id: Any = None, at: str = JL) -> list[dict[str, Any]]:
        orders = self.sandbox.documents(SHOP, "orders")
        return [o for o in orders if order_id is None or o["sourceIdentifier"] == f"{at}:{order_id}"]

    def events(self, order_id: Any = None) -> Counter[str]:
        return Counter(event["name"] for event in self.event_list(order_id))

    def event_list(self, order_id: Any = None) -> list[dict[str, Any]]:
        events = self.sandbox.documents(KLAVIYO, "events")
        # after the events: a metric comes into being with its first one
        names = {metric["id"]: metric["name"] for metric in self.sandbox.documents(KLAVIYO, "metrics")}
        return [
            {**event, "name": names[event["metric"]]}
            for event in events
            if order_id is None or event["properties"]["MarketplaceOrderId"] == str(order_id)
        ]

    def work_items(self) -> Counter[str]:
        with self.project.ledger.begin() as connection:
            return Counter(work_items.counts(connection))

    def read_marketplace(self, feed: str = "orders", at: str = JL) -> import_orders.FeedReport:
        return import_orders.import_feed(self.context, at, feed)

    def read_store(self) -> observe_store.StoreReport:
        return observe_store.poll_orders(self.context, self.store.name)

    def deliver(self, name: str) -> courier.DrainReport:
        return courier.drain(self.context, name)


@contextmanager
def town(
    database_url: str,
    folder: Path,
    *,
    route: dict[str, Any] | None = None,
    connections: dict[str, dict[str, Any]] | None = None,
    accounts: dict[str, str] | None = None,
    routes: dict[str, dict[str, Any]] | None = None,
    store: StoreSide = SHOPIFY,
    **world: Any,
) -> Iterator[Town]:
    """A fresh world. `route` changes keys of John Lewis' route, `connections` those of connections; `accounts` (name to
    platform) and `routes` are further ones, beside the packaged; `store` is another store in place of the packaged one;
    `world` are fields of the sandbox's WorldSettings."""
    world["settings"] = {store.name: store.vendor, KLAVIYO: {"visibility_delay": 0}, **world.get("settings", {})}
    route, connections, accounts = route or {}, connections or {}, accounts or {}
    if store.name != SHOP:
        accounts = {**accounts, store.name: store.platform}
        connections = {**connections, store.name: {**store.connection, **connections.get(store.name, {})}}
        route = {"store": store.name, **route}
    simulated = {**SMALL_WORLD, **accounts}
    if store.name != SHOP:
        del simulated[SHOP]
    with RunningSandbox(accounts=simulated, **world) as sandbox:
        path = write_configuration(
            folder,
            sandbox.base_url,
            route,
            connections,
            accounts,
            routes,
            without=set(SMALL_WORLD) - set(simulated),
        )
        with open_project(load(path), database=urls_of(database_url)) as project:
            yield Town(sandbox, project, store)


def small(content: dict[str, Any]) -> dict[str, Any]:
    """Of the packaged configuration what one marketplace's route needs."""
    connections = {name: content["connections"][name] for name in SMALL_WORLD}
    return {"connections": connections, "routes": {JL: content["routes"][JL]}}


def write_configuration(
    folder: Path,
    base_url: str,
    route: dict[str, Any],
    connections: dict[str, dict[str, Any]],
    accounts: dict[str, str] | None = None,
    routes: dict[str, dict[str, Any]] | None = None,
    without: Iterable[str] = (),
) -> Path:
    """The packaged configuration, pointed at a sandbox on another port, less some connections."""
    content = small(yaml.safe_load(PACKAGED.read_text(encoding="utf-8")))
    content["connections"] |= {name: {"platform": platform} for name, platform in (accounts or {}).items()}
    for name in without:
        del content["connections"][name]
    for name, connection in content["connections"].items():
        connection |= {"base_url": f"{base_url}/{name}", **connections.get(name, {})}
    content["routes"]["john_lewis"] |= {"carriers": {"Royal Mail": "royal-mail", "DPD UK": "dpd"}, **route}
    content["routes"] |= routes or {}
    path = folder / "marketplace_sync.yaml"
    path.write_text(yaml.safe_dump(content), encoding="utf-8")
    return path
