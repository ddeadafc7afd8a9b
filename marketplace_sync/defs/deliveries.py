"""What is delivered: one asset per kind of effect and route. Couriers report what they brought; materialising one of
these by hand lets the courier of its connection run now."""

from typing import Any

import dagster as dg

from marketplace_sync.defs import naming
from marketplace_sync.defs.couriers import RUN_PATIENCE
from marketplace_sync.defs.resources import Installation
from marketplace_sync.domain.work_items import Team
from marketplace_sync.flows import courier
from marketplace_sync.flows.context import Context, Route

_ABOUT = {
    "store_orders": (Team.OPERATIONS, "Orders of {marketplace}, put into {store} once each."),
    "store_reversals": (Team.CX, "Cancellations and refunds of {marketplace}, mirrored in {store}."),
    "acknowledgements": (Team.OPERATIONS, "Orders acknowledged to {marketplace}, and their number in the store."),
    "dispatches": (Team.OPERATIONS, "Parcels stated to {marketplace}, with its own carrier codes and tracking."),
    "marketplace_reversals": (Team.CX, "Cancellations and returns answered to {marketplace}."),
    "customer_events": (Team.MARKETING, "What Klaviyo knows of {marketplace} orders: every event once, in order."),
    "profiles": (Team.MARKETING, "Klaviyo profiles of {marketplace} buyers, created or enriched at the first order."),
}


def build(context: Context) -> dg.Definitions:
    assets = [
        _asset(context, route, name, key, connection)
        for route in context.routes
        for name, (key, connection) in naming.delivery_assets(route).items()
    ]
    return dg.Definitions(assets=assets)


def _upstream(context: Context, route: Route, name: str) -> list[dg.AssetKey]:
    feeds = [feed.name for feed in context.marketplaces[route.marketplace].feeds()]
    # sweeps and the like find what `orders` missed: drawn once, into the store, or the picture is all lines
    swept = [naming.feed(route.marketplace, feed) for feed in feeds if feed not in ("orders", "returns")]
    placed = [naming.feed(route.marketplace, feed) for feed in feeds if feed == "orders"]
    returned = [naming.feed(route.marketplace, feed) for feed in feeds if feed == "returns"]
    shipped = [naming.fulfilments(route.store)] if route.store else []
    return {
        "store_orders": [*placed, *swept, *([naming.catalogue(route.store)] if route.store else [])],
        "store_reversals": [*placed, *returned],
        "acknowledgements": [naming.store_orders(route)] if route.store else [],
        "dispatches": shipped,
        "marketplace_reversals": [*returned, *shipped],
        "customer_events": [*placed, *returned, *shipped],
        "profiles": placed,
    }[name]


def _asset(context: Context, route: Route, name: str, key: dg.AssetKey, connection: str) -> dg.AssetsDefinition:
    team, about = _ABOUT[name]
    kinds = [kind.value for kind in naming.DELIVERIES[name]]

    @dg.asset(
        key=key,
        group_name=route.name,
        kinds={context.connections[connection].platform},
        owners=[naming.owner(team)],
        deps=naming.distinct(_upstream(context, route, name)),
        description=about.format(marketplace=route.display_name, store=route.store),
        pool=f"{connection}_courier",
        tags={"connection": connection, "route": route.name},
    )
    def deliver(installation: Installation) -> dg.MaterializeResult[Any]:
        report = courier.drain(installation.context, connection, patience=RUN_PATIENCE)
        delivered = sum(report.delivered[kind, route.marketplace] for kind in kinds)
        metadata = naming.delivery_metadata(installation.context, route, name, connection, delivered)
        if not report.held:
            metadata["courier"] = "another courier of this connection is at work"
        if report.last_problem:
            metadata["last_problem"] = report.last_problem
        return dg.MaterializeResult(metadata=metadata)

    return deliver
