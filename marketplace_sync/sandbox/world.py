"""Builds a sandbox from settings: which accounts exist, what each is like, whether the shop is open, what is kept."""

from __future__ import annotations

import fcntl
import importlib
from dataclasses import dataclass, field
from importlib.metadata import entry_points
from pathlib import Path
from typing import IO, Any

from marketplace_sync.sandbox.clock import Clock
from marketplace_sync.sandbox.faults import fault_rules
from marketplace_sync.sandbox.server import Sandbox
from marketplace_sync.sandbox.shop import Shop
from marketplace_sync.sandbox.state import State
from marketplace_sync.sandbox.vendor import Vendor

PLATFORMS = {
    "john_lewis": "marketplace_sync.sandbox.john_lewis:JohnLewis",
    "shopify": "marketplace_sync.sandbox.shopify:Shopify",
    "klaviyo": "marketplace_sync.sandbox.klaviyo:Klaviyo",
    "mirakl": "marketplace_sync.sandbox.mirakl:Mirakl",
    "magento": "marketplace_sync.sandbox.magento:Magento",
    "marketplacer": "marketplace_sync.sandbox.marketplacer:Marketplacer",
}
"""Where the simulation of each platform is found. A further platform is a further line, or an entry point of another
distribution in the group `PLUGINS`."""

PLUGINS = "marketplace_sync.sandbox"

SMALL_WORLD = {"john_lewis": "john_lewis", "shopify_main": "shopify", "klaviyo_main": "klaviyo"}
"""The accounts of one marketplace's route, for those who name none: account to platform."""

ODDITIES: dict[str, dict[str, Any]] = {
    "john_lewis": {
        "null_cost_rate": 0.02,
        "test_order_rate": 0.02,
        "unknown_status_rate": 0.005,
        "extra_field_rate": 0.05,
        "publishing_rate": 0.01,
        "part_number_change_days": 7.0,
    },
}
"""What is odd now and then at a platform, for those who asked for a world with `oddities`."""


class StateInUse(RuntimeError):
    """Another sandbox is running on the same state file."""


@dataclass
class WorldSettings:
    """What the world is like. Everything random in it follows from `seed`."""

    state_file: Path | None = None
    """SQLite file that lets the world survive a restart; None keeps it in memory only."""

    seed: int = 1
    accounts: dict[str, str] = field(default_factory=lambda: dict(SMALL_WORLD))
    """Account name (also its path under the sandbox's address) to platform."""

    settings: dict[str, dict[str, Any]] = field(default_factory=dict)
    """Account name to the settings of its vendor; each vendor documents its own."""

    faults: dict[str, list[dict[str, Any]]] = field(default_factory=dict)
    """Account name to what goes wrong on its wire, as the fields of FaultRule."""

    shop: bool = True
    """Whether the shop is open: buyers order, parcels leave, things are returned."""

    shop_settings: dict[str, Any] = field(default_factory=dict)
    """Knobs of the shop, as its `configure` takes them."""

    oddities: bool = True
    """Whether vendors show their rare faces (an unknown status, a price left out) at the rates seen in the wild."""

    clock_speed: float = 1.0
    clock_offset_seconds: float = 0.0


def build(settings: WorldSettings) -> Sandbox:
    """The sandbox of these settings, not yet served.

    Raises StateInUse, and ValueError for a platform, account or setting that does not exist.
    """
    if unknown := {*settings.settings, *settings.faults} - set(settings.accounts):
        raise ValueError(f"settings for accounts that do not exist: {', '.join(sorted(unknown))}")
    lock = _lock(settings.state_file)
    memory = State("sandbox", settings.state_file)
    lead = memory.collection("clock").get("lead")
    offset = float(lead["seconds"]) if lead else settings.clock_offset_seconds
    clock = Clock(offset_seconds=offset, speed=settings.clock_speed)
    vendors = [_vendor(settings, account, platform, clock) for account, platform in settings.accounts.items()]
    shop = None
    if settings.shop:
        shop = Shop(vendors, state=State("shop", settings.state_file), clock=clock, seed=settings.seed)
        shop.configure(settings.shop_settings)
    return Sandbox(vendors, clock, shop, memory=memory, lock=lock)


def platforms() -> dict[str, str]:
    """Every platform that there is a simulation of, with where it is: `module:Class`."""
    return {**{found.name: found.value for found in entry_points(group=PLUGINS)}, **PLATFORMS}


def _vendor(settings: WorldSettings, account: str, platform: str, clock: Clock) -> Vendor:
    known = PLATFORMS if platform in PLATFORMS else platforms()
    if platform not in known:
        raise ValueError(f"account {account!r}: no simulation of {platform!r}; there are: {', '.join(known)}")
    module, _, name = known[platform].partition(":")
    simulation: type[Vendor] = getattr(importlib.import_module(module), name)
    odd = ODDITIES.get(platform, {}) if settings.oddities else {}
    vendor = simulation(
        account,
        state=State(account, settings.state_file),
        clock=clock,
        seed=settings.seed,
        settings={**odd, **settings.settings.get(account, {})},
    )
    vendor.faults.rules = fault_rules(settings.faults.get(account, []))
    return vendor


def _lock(state_file: Path | None) -> IO[str] | None:
    """Two sandboxes on one file would overwrite each other's memory. The kernel frees the lock of a killed one."""
    if state_file is None:
        return None
    state_file.parent.mkdir(parents=True, exist_ok=True)
    lock = state_file.with_name(state_file.name + ".lock").open("w")
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        lock.close()
        raise StateInUse(f"another sandbox is running on {state_file}: stop it, or choose another state file") from None
    return lock
