"""How much of each vendor's documented limit is reached, and how many calls are refused for coming too soon.

Every vendor, all at once or some alone (`--only`): its own connector, the transport and the budget that is shared
through the ledger, against the sandbox with its limits as documented. Each is given several times what it takes at
once, so a full run takes about three minutes. What a vendor takes at once after a rest is not counted: the rate is that
from the first call after it to the first call after as much again, once or several times.
"""

from __future__ import annotations

import base64
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import msgspec
import yaml
from _installation import Folder, configuration
from _report import options, say, show
from _vendors import JL, KLAVIYO, MAGENTO, MARKETPLACER, MIRAKL, SHOP, Vendors

from marketplace_sync import log
from marketplace_sync.config import load
from marketplace_sync.connectors import registry
from marketplace_sync.connectors.transport import Exchange
from marketplace_sync.domain.effects import Effect, EffectKind, Lane, TrackEvent
from marketplace_sync.domain.errors import Throttled
from marketplace_sync.ledger import embedded
from marketplace_sync.ledger.budgets import SharedBudget
from marketplace_sync.ledger.database import Ledger, migrate
from marketplace_sync.ledger.location import urls_of

Call = Callable[[Any, int], object]
"""(connector, which one) -> one or several calls of the vendor."""


@dataclass
class Load:
    """What is asked of one vendor. `at_once` and `per_minute` are its limit: calls, or points at Shopify. `rounds` is
    how many times what it takes at once the rate is measured over."""

    account: str
    documented: str
    at_once: float
    per_minute: float
    call: Call
    threads: int
    rounds: int = 2
    answers: list[tuple[float, float, int]] = field(default_factory=list)
    """(when, what it cost, status)"""
    granted: float = 0.0
    lock: threading.Lock = field(default_factory=threading.Lock)

    def noted(self, exchange: Exchange) -> None:
        cost = 1.0
        if self.account == SHOP:
            stated = msgspec.json.decode(exchange.response_body).get("extensions", {}).get("cost", {})
            cost = float(stated.get("actualQueryCost") or 0)
        with self.lock:
            self.answers.append((time.monotonic(), cost, exchange.status))
            self.granted += cost

    def throttled(self) -> int:
        return sum(status == 429 for _, _, status in self.answers)

    def per_minute_reached(self) -> float | None:
        """After what was free at once; None when not enough was asked for. From the beginning of one window to that of
        another, where there are windows: a run that ends somewhere within one says nothing else of it."""
        begins: list[tuple[float, float]] = []
        used = 0.0
        for at, cost, _ in self.answers:
            if used >= self.at_once * (len(begins) + 1):
                begins.append((at, used))
            used += cost
        if len(begins) < self.rounds:
            return None
        (began, before), (ended, until) = begins[0], begins[self.rounds - 1]
        return (until - before) / (ended - began) * 60

    def goal(self) -> float:
        return self.at_once * (self.rounds + 0.95)


def event(connector: Any, number: int) -> None:
    payload = TrackEvent(
        metric="Placed Order",
        unique_id=f"n-{number}",
        occurred_at=datetime.now(UTC),
        identifiers={"email": f"buyer{number}@example.com"},
        properties={"OrderId": str(number)},
    )
    connector.deliver(
        [
            Effect(
                effect_id=number, connection=KLAVIYO, kind=EffectKind.TRACK_EVENT, subject=str(number),
                lane=Lane.EVENTS, payload=payload, natural_key=str(number),
            )
        ]
    )  # fmt: skip


LOADS = (
    Load(
        JL, "250 calls a minute", 250, 250, lambda jl, n: jl.fetch_order(str(4_500_000 + n)), 8,
    ),
    Load(
        SHOP, "2,000 points, 100 more a second", 2_000, 6_000, lambda shop, n: [*shop.variants()], 8, rounds=8,
    ),
    Load(
        MAGENTO, "none of its own; our setting: 600 calls a minute", 600, 600,
        lambda shop, n: shop.order(str(n)), 8,
    ),
    Load(
        MARKETPLACER, "600 calls in ten seconds for one address", 600, 3_600,
        lambda market, n: market.fetch_order(base64.b64encode(f"Order-{n}".encode()).decode()), 8, rounds=9,
    ),
    Load(
        MIRAKL, "20 pages of transactions a minute, 60 an hour", 20, 20, lambda shop, n: shop.page(), 4,
    ),
    Load(
        KLAVIYO, "350 events a second, 3,500 a minute", 3_500, 3_500, event, 32,
    ),
)  # fmt: skip
SIMULATED: dict[str, dict[str, Any]] = {
    # Nobody publishes what is in front of a shop: it refuses what is beyond our setting, so that a refusal would show.
    MAGENTO: {"requests_per_minute": 600},
}
CONFIGURED: dict[str, dict[str, Any]] = {
    MIRAKL: {"platform": "mirakl", "api_key": {"env": "MIRAKL_SHOP_API_KEY", "default": "sandbox-mirakl-shop-key"}},
    MAGENTO: {},
    # All that one address may have; a third of it is what we take unless told.
    MARKETPLACER: {"requests_per_second": 60},
}
"""Keys of the connections that John Lewis' route does not have; others as packaged."""


def drive(load: Load, ledger: Ledger, settings: Any, goal: float) -> None:
    """Call until the goal is reached, from several threads, as fast as the budget lets them."""
    wire = registry.open_wire(
        load.account,
        settings,
        lambda name, spec: SharedBudget(ledger.engine, name, spec),
        patience=600,
        on_exchange=load.noted,
    )
    if load.account == MIRAKL:
        connector: Any = _Transactions(wire)
    else:
        connector = registry.package_of(settings).connect(load.account, settings, wire)
    numbers = iter(range(1, 10_000_000))

    def worker() -> None:
        while load.granted < goal:
            with load.lock:
                number = next(numbers)
            if load.account != SHOP and number > goal:
                return  # one call too many may have to wait for an hour
            try:
                load.call(connector, number)
            except Throttled as problem:  # counted where the answer was seen
                time.sleep(min(problem.retry_after or 1.0, 5.0))

    with ThreadPoolExecutor(load.threads) as pool:
        for done in [pool.submit(worker) for _ in range(load.threads)]:
            done.result()
    wire.close()
    say(f"{load.account}: {load.granted:.0f} of {load.documented}, {load.throttled()} refused")


class _Transactions:
    """The only documented limit of Mirakl that is a rate: what else it limits is allowed once in a while."""

    def __init__(self, wire: Any) -> None:
        self._wire = wire

    def page(self) -> object:
        return self._wire.request(
            "GET", "/api/sellerpayment/transactions_logs", params={"limit": 10}, bucket="transactions",
            operation="read transactions",
        )  # fmt: skip


def main() -> None:
    names = [one.account for one in LOADS]
    given = options(__doc__ or "", ("--only", {"choices": names, "nargs": "+", "default": names}))
    log.configure()
    loads = [one for one in LOADS if one.account in given.only]
    with (
        Vendors({name: SIMULATED.get(name, {}) for name in names}) as vendors,
        Folder() as folder,
        embedded.start(folder / "home") as server,
    ):
        migrate(server.url)
        path = folder / "marketplace_sync.yaml"
        content = configuration(vendors.base_url, further=CONFIGURED)
        path.write_text(yaml.safe_dump(content), encoding="utf-8")
        connections = load(path).connections
        ledger = Ledger(urls_of(server.url).ledger, pool_size=64)
        with ThreadPoolExecutor(len(loads)) as pool:
            goals = [min(10.0, one.at_once / 2) if given.quick else one.goal() for one in loads]
            started = [
                pool.submit(drive, one, ledger, connections[one.account], goal)
                for one, goal in zip(loads, goals, strict=True)
            ]
            for done in started:
                done.result()
        ledger.close()
    show("Vendors at their documented limits", [row(one) for one in loads], given)


def row(load: Load) -> dict[str, object]:
    reached = load.per_minute_reached()
    return {
        "vendor": load.account,
        "documented limit": load.documented,
        "calls": len(load.answers),
        "allowed a minute": load.per_minute,
        "reached a minute": "" if reached is None else f"{reached:.0f}",
        "of the limit": "" if reached is None else f"{reached / load.per_minute:.1%}",
        "refused (429)": f"{load.throttled() / max(1, len(load.answers)):.2%}",
    }


if __name__ == "__main__":
    main()
