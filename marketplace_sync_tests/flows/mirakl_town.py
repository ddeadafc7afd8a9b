"""A town with marketplaces run on Mirakl in it: accounts that can be read at once, and eyes for their side."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from marketplace_sync_tests.flows.stores import StoreSide
from marketplace_sync_tests.flows.town import KLAVIYO, SHOP, SHOPIFY, Town, town

BAZAAR, MARKT = "bazaar", "markt"
KEY = {"env": "TOWN_MIRAKL_KEY", "default": "sandbox-mirakl-shop-key"}
CARRIERS = {"Royal Mail": "royal-mail", "DPD UK": "dpd"}
SHOP_OF_A_LARGE_PLAN = {"search_lag_seconds": 0, "routing_seconds": 0, "job_seconds": 0, "restore_rate": 2000}
OFTEN = {"imports_per_minute": 10_000, "orders_interval": "0s", "returns_interval": "0s"}
"""A simulated day has more minutes than a test can wait for."""
PROMPT = {"rate_factor": 0, "debit_seconds": 0, "refund_seconds": 0}


@contextmanager
def mirakl_town(
    database_url: str,
    folder: Path,
    *names: str,
    like: dict[str, dict[str, Any]] | None = None,
    connections: dict[str, dict[str, Any]] | None = None,
    routes: dict[str, dict[str, Any]] | None = None,
    store: StoreSide = SHOPIFY,
) -> Iterator[Town]:
    """Marketplaces `names` (one, unless told), each with a route into `store` and Klaviyo. `like`, `connections` and
    `routes` change, by name, the simulated marketplace, the connection and the route."""
    names = names or (BAZAAR,)
    with town(
        database_url,
        folder,
        accounts=dict.fromkeys(names, "mirakl"),
        settings={
            **{name: {**PROMPT, **(like or {}).get(name, {})} for name in names},
            **({SHOP: {**SHOP_OF_A_LARGE_PLAN, **(like or {}).get(SHOP, {})}} if store.name == SHOP else {}),
        },
        connections={
            **(connections or {}),
            **{name: {"api_key": KEY, **OFTEN, **(connections or {}).get(name, {})} for name in names},
        },
        routes={
            name: {"store": store.name, "marketing": KLAVIYO, "carriers": CARRIERS, **(routes or {}).get(name, {})}
            for name in names
        },
        store=store,
    ) as found:
        yield found


def bazaar_order(here: Town, order_id: Any, at: str = BAZAAR) -> Any:
    """The marketplace's own record of an order."""
    return here.sandbox.act(at, "get_order", order_id=order_id)


def writes(here: Town, operation: str, at: str = BAZAAR) -> list[dict[str, Any]]:
    """What the marketplace took from the seller."""
    return [one for one in here.sandbox.documents(at, "actions") if one["operation"] == operation]


def events_named(here: Town, name: str, order_id: Any) -> list[dict[str, Any]]:
    return [event for event in here.event_list(order_id) if event["name"] == name]
