"""Whether the connections of a route can do what the route asks of them, by what their packages declare."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from marketplace_sync.connectors import registry
from marketplace_sync.settings import ConnectionSettings, RouteSettings


@dataclass(frozen=True)
class _Need:
    """One thing that a route asks for, and what each side must declare so that it can be had."""

    key: str
    """Below the route's own."""
    asked: bool
    sides: dict[str, tuple[str, str]]
    """Role -> (the capability, what a connection that lacks it does not do)."""
    fix: str


def problems(place: str, route: RouteSettings, connections: Mapping[str, ConnectionSettings]) -> Iterator[str]:
    """One sentence per thing that the route asks for and a connection of it does not offer, with the fix."""
    names = {"marketplace": route.marketplace, "store": route.store, "marketing": route.marketing}
    for need in _needs(route):
        if not need.asked:
            continue
        for role, (capability, lacking) in need.sides.items():
            name = names[role]
            if not name:
                # A marketplace is always named; what else is missing is the person's choice.
                yield f"{place}.{need.key}: {_NOWHERE[role]}; name a `{role}`, or {need.fix}"
            elif name in connections and getattr(_offers(connections[name]), capability, True) is False:
                yield f"{place}.{need.key}: {name} {lacking}; {need.fix}"


_NOWHERE = {
    "store": "this needs a store, and the route has none",
    "marketing": "this needs a marketing account, and the route has none",
}


def _needs(route: RouteSettings) -> tuple[_Need, ...]:
    consent = route.consent.initial == "marketplace" or route.consent.updates in ("marketplace", "newest")
    return (
        _Need(
            "stock",
            route.stock is not None,
            {
                "store": ("has_stock", "does not say how much of a product it has"),
                "marketplace": ("has_stock", "takes no stock levels"),
            },
            "remove `stock`",
        ),
        _Need(
            "consent",
            consent,
            {"marketplace": ("has_consent", "does not say whether buyers agreed to marketing")},
            "write {initial: never, updates: klaviyo}",
        ),
        _Need(
            "consent",
            consent and route.marketing is not None,
            {"marketing": ("takes_consent", "takes no subscriptions")},
            "write {initial: never, updates: klaviyo}",
        ),
        _Need(
            "marketing_allowed",
            route.marketing_allowed,
            {"marketing": ("takes_consent", "takes no subscriptions")},
            "write false",
        ),
        _Need(
            "finance.settlement",
            route.finance.get("settlement") == "api",
            {"marketplace": ("has_settlement_api", "has no interface for settlements")},
            "write files, and import them",
        ),
        _Need(
            "store",
            route.store is not None,
            {
                "store": ("takes_orders", "takes no orders from us"),
                "marketplace": ("takes_dispatch", "cannot be told of parcels, so a store has nobody to ship for"),
            },
            "remove `store`",
        ),
        _Need(
            "marketing",
            route.marketing is not None,
            {"marketing": ("takes_events", "takes no events")},
            "remove `marketing`",
        ),
    )


def _offers(settings: ConnectionSettings) -> Any:
    return registry.package_of(settings).capabilities(settings)
