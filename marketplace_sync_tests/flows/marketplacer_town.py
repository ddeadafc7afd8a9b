"""A town with a Marketplacer instance in it, and eyes for what the instance holds."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from marketplace_sync_tests.flows.stores import StoreSide
from marketplace_sync_tests.flows.town import KLAVIYO, SHOP, SHOPIFY, Town, town

MARKET = "market"
KEY = {"env": "TOWN_MARKETPLACER_KEY", "default": "sandbox-marketplacer-operator-key"}
SECRET = {"env": "TOWN_MARKETPLACER_HOOKS", "default": "sandbox-marketplacer-hooks"}
SHOP_OF_A_LARGE_PLAN = {"search_lag_seconds": 0, "routing_seconds": 0, "job_seconds": 0, "restore_rate": 2000}


@contextmanager
def marketplacer_town(
    database_url: str,
    folder: Path,
    *,
    store: StoreSide | None,
    with_klaviyo: bool = True,
    like: dict[str, Any] | None = None,
    whole_within: str = "5m",
    **connection: Any,
) -> Iterator[Town]:
    """One instance, with a route through a store or without one, to Klaviyo unless told otherwise."""
    shop = {} if store is not None and store.name != SHOP else {SHOP: SHOP_OF_A_LARGE_PLAN}
    with town(
        database_url,
        folder,
        accounts={MARKET: "marketplacer"},
        settings={MARKET: {"burst_seconds": 0.0, **(like or {})}, **shop},
        connections={MARKET: {"api_key": KEY, "webhook_secrets": [SECRET], **connection}},
        routes={
            MARKET: {
                "store": store.name if store else None,
                "marketing": KLAVIYO if with_klaviyo else None,
                "whole_within": whole_within,
                "carriers": {"Royal Mail": "Royal Mail", "DPD UK": "Royal Mail"},
            }
        },
        store=store or SHOPIFY,
    ) as found:
        yield found


def place(here: Town, *skus: str, quantity: int = 1, **more: Any) -> Any:
    """The order as the instance made it: `id` is its opaque key, `order_id` its number."""
    lines = [{"sku": sku, "quantity": quantity} for sku in skus or ("MUG-RED",)]
    return here.sandbox.act(MARKET, "place_order", lines=lines, **more)


def act(here: Town, name: str, **arguments: Any) -> Any:
    return here.sandbox.act(MARKET, name, **arguments)


def live(here: Town) -> None:
    """Until nothing waits: what we write makes the instance state more, and that is read too."""
    for _ in range(2):
        here.settle()


def named(here: Town, name: str, order: Any) -> list[dict[str, Any]]:
    return [event for event in here.event_list(order["id"]) if event["name"] == name]


def of_order(here: Town, collection: str, order: Any) -> list[dict[str, Any]]:
    """The instance's own records of what belongs to the invoices of an order."""
    invoices = {invoice["invoice_id"] for invoice in order["invoices"]}
    return [one for one in here.sandbox.documents(MARKET, collection) if one["invoice"] in invoices]
