"""How soon a parcel is known: fulfilment webhook of the store -> dispatch at the marketplace, event in Klaviyo.

The real thing: `marketplace-sync up` (receiver, Dagster's daemon and web interface, embedded PostgreSQL) against the
simulated vendors in a process of their own, whose clock gives both ends: the first webhook about an order is sent, the
dispatch (or the event) is stored. John Lewis' limit of 250 calls a minute is lifted on both sides, because more parcels
leave in the second part than it would take. The small dose does without Dagster, in one process.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any

from _headless import Headless
from _installation import Folder, Installation, configuration
from _report import median, options, percentile, say, show
from _vendors import JL, KLAVIYO, SHOP, Vendors

MANY = 100_000
"""Calls a minute that nobody here comes near."""
PATIENCE = 120.0
"""Seconds after which what has not arrived is missing."""
SKUS = ("MUG-RED", "MUG-BLUE", "CANDLE-SMALL", "LAMP-BRASS", "THROW-MOSS")
"""Sold at both."""


class Town:
    """Orders that are in the store and acknowledged, ready to be shipped, and what became of those that were."""

    def __init__(self, vendors: Vendors) -> None:
        self.vendors = vendors
        self._ready: list[dict[str, Any]] = []
        self._chance = random.Random(4)
        self._looked = {JL: 0, KLAVIYO: 0}
        self._dispatched: dict[str, float] = {}
        self._told: dict[str, float] = {}
        self.began = 0.0
        """When the first parcel left: webhooks before that tell of orders that were made."""

    def place(self, count: int, ordered_at: str | None = None) -> None:
        for _ in range(count):
            lines = [{"sku": sku, "quantity": 1} for sku in self._chance.sample(SKUS, 2)]
            self.vendors.act(JL, "place_order", lines=lines, ordered_at=ordered_at)

    def stock_up(self, count: int) -> None:
        """Wait until this many orders wait to be shipped, and until nothing else is going on."""
        wait_for(
            lambda: self.vendors.counts(JL)["actions"] >= 2 * count, 600, f"{count} orders in the store, acknowledged"
        )
        settle(self.vendors)
        self._ready = self.vendors.act(SHOP, "list_orders", limit=MANY)[:count]
        self._chance.shuffle(self._ready)
        self.began = time.time()

    def ship(self) -> dict[str, Any]:
        order = self._ready.pop()
        self.vendors.act(SHOP, "ship", order_id=order["id"], tracking_numbers=["RM123456785GB"])
        return order

    def look(self) -> None:
        """Take in what the vendors have stored since the last look: little, so that looking slows nobody down."""
        new = self.vendors.documents(JL, "actions", self._looked[JL])
        self._looked[JL] += len(new)
        for action in new:
            if action["action"] == "dispatch":
                self._dispatched[str(action["order_id"])] = timestamp(action["received_at"])
        new = self.vendors.documents(KLAVIYO, "events", self._looked[KLAVIYO])
        self._looked[KLAVIYO] += len(new)
        if new:
            metrics = {one["id"]: one["name"] for one in self.vendors.documents(KLAVIYO, "metrics")}
            for event in new:
                if metrics[event["metric"]] == "Fulfilled Order":
                    self._told[event["properties"]["MarketplaceOrderId"]] = event["received"]

    def arrived(self, shipped: Sequence[dict[str, Any]]) -> bool:
        self.look()
        return all(number(order) in self._dispatched and number(order) in self._told for order in shipped)

    def latencies(self, shipped: Sequence[dict[str, Any]]) -> tuple[list[float], list[float]]:
        """Seconds from webhook to dispatch, and from webhook to event, of what arrived."""
        sent: dict[str, float] = {}
        for entry in self.vendors.control("GET", f"{SHOP}/webhooks"):
            if entry["sent_at"] >= self.began:
                sent.setdefault(entry["about"], entry["sent_at"])
        return (
            [self._dispatched[number(one)] - sent[one["id"]] for one in shipped if number(one) in self._dispatched],
            [self._told[number(one)] - sent[one["id"]] for one in shipped if number(one) in self._told],
        )


def number(order: dict[str, Any]) -> str:
    """The marketplace's number of a store's order."""
    found: str = order["source_identifier"].partition(":")[2]
    return found


def timestamp(moment: str) -> float:
    return datetime.fromisoformat(moment).timestamp()


def wait_for(there: Callable[[], bool], seconds: float, what: str) -> None:
    give_up = time.monotonic() + seconds
    while not there():
        if time.monotonic() > give_up:
            raise RuntimeError(f"waited {seconds:g} s in vain for: {what}")
        time.sleep(0.2)


def settle(vendors: Vendors, seconds: float = 4.0) -> None:
    """Wait until the vendors have heard nothing new for a while."""
    known, since = None, time.monotonic()
    while time.monotonic() - since < seconds:
        counts = [vendors.counts(name) for name in (JL, SHOP, KLAVIYO)]
        seen = [
            (found.get("actions"), found.get("orders"), found.get("events"), found.get("profiles")) for found in counts
        ]
        if seen != known:
            known, since = seen, time.monotonic()
        time.sleep(0.5)


def one_at_a_time(town: Town, count: int) -> list[dict[str, Any]]:
    """Each parcel alone, at a random moment, after the one before it has arrived everywhere."""
    chance, shipped = random.Random(1), []
    for _ in range(count):
        shipped.append(town.ship())
        give_up = time.monotonic() + PATIENCE
        while not town.arrived(shipped[-1:]) and time.monotonic() < give_up:
            time.sleep(0.05)
        time.sleep(chance.uniform(0.2, 1.2))
    return shipped


def at_a_rate(town: Town, count: int, per_second: float) -> list[dict[str, Any]]:
    """Parcels at a steady rate, whether earlier ones have arrived or not."""
    shipped, start = [], time.monotonic()
    for place in range(count):
        time.sleep(max(0.0, start + place / per_second - time.monotonic()))
        shipped.append(town.ship())
    give_up = time.monotonic() + PATIENCE
    while not town.arrived(shipped) and time.monotonic() < give_up:
        time.sleep(0.3)
    return shipped


def rows_of(town: Town, situation: str, shipped: list[dict[str, Any]]) -> list[dict[str, Any]]:
    found = []
    for what, seconds in zip(("dispatch", "Klaviyo event"), town.latencies(shipped), strict=True):
        values = seconds or [float("nan")]
        found.append(
            {
                "situation": situation, "webhook to": what, "parcels": len(shipped),
                "missing": len(shipped) - len(seconds), "p50 s": median(values), "p95 s": percentile(values, 0.95),
                "worst s": max(values),
            }
        )  # fmt: skip
    return found


def bury_in_history(town: Town, installation: Installation | Headless, count: int) -> None:
    """Orders of last week, all at once: thousands of acknowledgements, profiles and events of history to bring."""
    week_ago = time.strftime("%Y-%m-%dT%H:%M:%S+00:00", time.gmtime(time.time() - 7 * 86400))
    vendors = town.vendors
    town.place(count, ordered_at=week_ago)
    before = vendors.counts(KLAVIYO).get("events", 0)
    installation.poll_orders()
    wait_for(lambda: vendors.counts(KLAVIYO).get("events", 0) > before + 20, 120, "history on its way to Klaviyo")


def main() -> None:
    given = options(
        str(__doc__),
        ("--only", {"choices": ("idle", "rate", "backlog"), "help": "one of the three situations"}),
        ("--rate", {"type": float, "default": 20.0, "help": "parcels a second in the second situation"}),
    )
    alone, flood, during, history = (3, 6, 3, 15) if given.quick else (30, 400, 100, 3000)
    wanted = [given.only] if given.only else ["idle", "rate", "backlog"]
    total = sum({"idle": alone, "rate": flood, "backlog": during}[name] for name in wanted)
    settings: dict[str, dict[str, Any]] = {JL: {"limit": None}, SHOP: {"restore_rate": None}, KLAVIYO: {}}
    rows = []
    with Folder() as folder, Vendors(settings, folder / "world.sqlite") as vendors:
        town = Town(vendors)
        town.place(total)
        content = configuration(vendors.base_url, {JL: {"requests_per_minute": MANY}})
        whole = Headless(folder, content) if given.quick else Installation(folder, content, "--no-sandbox")
        with whole as installation:
            say(f"all is ready after {installation.ready_seconds:.1f} s; {total} orders on their way into the store")
            town.stock_up(total)
            if "idle" in wanted:
                say(f"{alone} parcels, one at a time")
                rows += rows_of(town, "idle", one_at_a_time(town, alone))
            if "rate" in wanted:
                say(f"{flood} parcels, {given.rate:g} a second")
                rows += rows_of(town, f"{given.rate:g} a second", at_a_rate(town, flood, given.rate))
            if "backlog" in wanted:
                say(f"{history} orders of last week, and {during} parcels meanwhile")
                bury_in_history(town, installation, history)
                rows += rows_of(town, "during a backlog", at_a_rate(town, during, 5))
    show("From fulfilment webhook to dispatch", rows, given)


if __name__ == "__main__":
    main()
