"""How much of each vendor's documented limit is reached, and how many calls are refused for coming too soon.

Every vendor whose limits are simulated, all at once: its own connector, the transport and the budget that is shared
through the ledger, against the sandbox with its limits as documented. Each is given nearly three times what it takes at
once, so a full run takes about three minutes. What a vendor takes at once after a rest is not counted: the rate is that
of what follows.
"""

from __future__ import annotations

import tempfile
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec
import yaml
from _installation import configuration
from _report import options, say, show
from _vendors import JL, KLAVIYO, MIRAKL, SHOP, Vendors

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
    """What is asked of one vendor. `at_once` and `per_minute` are its limit: calls, or points at Shopify."""

    account: str
    documented: str
    at_once: float
    per_minute: float
    call: Call
    threads: int
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
        """After what was free at once; None when that was not used up."""
        used = 0.0
        for place, (at, cost, _) in enumerate(self.answers):
            used += cost
            if used >= self.at_once and self.answers[place + 1 :]:
                later = self.answers[place + 1 :]
                return sum(each[1] for each in later) / (later[-1][0] - at) * 60
        return None


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
    (JL, "250 calls a minute", 250, 250, lambda jl, n: jl.fetch_order(str(4_500_000 + n)), 8),
    (SHOP, "2,000 points, 100 more a second", 2_000, 6_000, lambda shop, n: [*shop.variants()], 8),
    (KLAVIYO, "350 events a second, 3,500 a minute", 3_500, 3_500, event, 32),
    (MIRAKL, "20 pages of transactions a minute, 60 an hour", 20, 20, lambda shop, n: shop.page(), 4),
)


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
    given = options(__doc__ or "")
    log.configure()
    loads = [Load(*each) for each in LOADS]
    with (
        Vendors({JL: {}, SHOP: {}, KLAVIYO: {}, MIRAKL: {}}) as vendors,
        tempfile.TemporaryDirectory(prefix="msb-") as folder,
        embedded.start(Path(folder) / "home") as server,
    ):
        migrate(server.url)
        path = Path(folder) / "marketplace_sync.yaml"
        content = configuration(vendors.base_url)
        content["connections"][MIRAKL] = {
            "platform": "mirakl",
            "base_url": f"{vendors.base_url}/{MIRAKL}",
            "api_key": {"env": "MIRAKL_SHOP_API_KEY", "default": "sandbox-mirakl-shop-key"},
        }
        path.write_text(yaml.safe_dump(content), encoding="utf-8")
        connections = load(path).connections
        ledger = Ledger(urls_of(server.url).ledger, pool_size=64)
        with ThreadPoolExecutor(len(loads)) as pool:
            goals = [min(10.0, one.at_once / 2) if given.quick else 2.95 * one.at_once for one in loads]
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
