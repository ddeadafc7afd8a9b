"""Asset checks: the systems compared with each other, deadlines, and what waits for a person."""

from collections.abc import Mapping, Sequence
from typing import Any

import dagster as dg

from marketplace_sync.defs import naming
from marketplace_sync.defs.resources import Installation
from marketplace_sync.domain.work_items import CODES, Severity
from marketplace_sync.flows import drift, watch_deadlines
from marketplace_sync.flows.context import Context, Route
from marketplace_sync.flows.customer_events import ALL_METRICS
from marketplace_sync.ledger import work_items

EVERY_MINUTES = 10


def build(context: Context) -> dg.Definitions:
    checks: list[dg.AssetChecksDefinition] = []
    for route in context.routes:
        checks += _route_checks(context, route)
    job = dg.define_asset_job(
        "compare_systems",
        selection=dg.AssetSelection.checks(*checks),
        description="Compares marketplaces, stores and Klaviyo with each other, and looks at deadlines.",
    )
    schedule = dg.ScheduleDefinition(
        name="compare_systems_regularly",
        job=job,
        cron_schedule=f"*/{EVERY_MINUTES} * * * *",
        default_status=dg.DefaultScheduleStatus.RUNNING,
    )
    return dg.Definitions(asset_checks=checks, jobs=[job], schedules=[schedule])


def _route_checks(context: Context, route: Route) -> list[dg.AssetChecksDefinition]:
    found = [
        _items_check(
            naming.feed(route.marketplace, "orders"), route, "orders_are_readable_and_complete",
            ("UNKNOWN_SKU", "UNUSABLE_ADDRESS", "MALFORMED_STATEMENT"),
            "Orders that cannot go on without a person: unknown products, unusable addresses, unreadable statements.",
        )
    ]  # fmt: skip
    if route.store:
        found += [
            _comparison_check(naming.store_orders(route), route, "every_order_is_in_the_store", "ORDER_NOT_IN_STORE"),
            _comparison_check(
                naming.dispatches(route), route, "every_parcel_is_at_the_marketplace", "DISPATCH_NOT_AT_MARKETPLACE"
            ),
            _items_check(
                naming.dispatches(route), route, "every_carrier_is_mapped", ("UNMAPPED_CARRIER",),
                "Parcels whose carrier the route does not map to a code of the marketplace.",
            ),
            _deadline_check(route),
        ]  # fmt: skip
    if route.marketing:
        found.append(
            _comparison_check(naming.customer_events(route), route, "every_event_is_in_klaviyo", "EVENT_NOT_IN_KLAVIYO")
        )
    for name, (key, connection) in naming.delivery_assets(route).items():
        if name in ("store_orders", "dispatches", "customer_events"):
            found.append(_given_up_check(key, route, connection, name))
    return found


def _result(
    passed: bool, code: str, rows: Sequence[Mapping[str, Any]], metadata: Mapping[str, Any]
) -> dg.AssetCheckResult:
    severity = CODES[code].severity
    shown: dict[str, Any] = {**metadata}
    if rows:
        shown |= {"offending": naming.table(rows), "what_to_do": naming.manual(code)}
    return dg.AssetCheckResult(
        passed=passed,
        severity=dg.AssetCheckSeverity.ERROR if severity is Severity.ERROR else dg.AssetCheckSeverity.WARN,
        metadata=shown,
    )


def _comparison_check(key: dg.AssetKey, route: Route, name: str, code: str) -> dg.AssetChecksDefinition:
    @dg.asset_check(asset=key, name=name, description=CODES[code].title + "?")
    def check(installation: Installation) -> dg.AssetCheckResult:
        context = installation.context
        if code == "ORDER_NOT_IN_STORE":
            found = drift.orders_in_store(context, route)
        elif code == "DISPATCH_NOT_AT_MARKETPLACE":
            found = drift.dispatches_at_marketplace(context, route)
        else:
            found = drift.events_in_klaviyo(context, route, ALL_METRICS)
        rows = [*found.missing, *found.extra]
        metadata = {"compared": found.compared, "missing": len(found.missing), "too_many": len(found.extra)}
        if code == "DISPATCH_NOT_AT_MARKETPLACE":
            metadata["as_stated_since"] = found.as_stated
        return _result(found.agrees, code, rows, metadata)

    return check


def _items_check(
    key: dg.AssetKey, route: Route, name: str, codes: tuple[str, ...], description: str
) -> dg.AssetChecksDefinition:
    @dg.asset_check(asset=key, name=name, description=description)
    def check(installation: Installation) -> dg.AssetCheckResult:
        rows = []
        with installation.context.ledger.begin() as connection:
            for code in codes:
                rows += [
                    item
                    for item in work_items.listing(connection, code=code, limit=500)
                    if item["connection"] == route.marketplace
                ]
        shown = [{"code": r["code"], "message": r["message"], "since": r["first_seen_at"]} for r in rows]
        return _result(not rows, rows[0]["code"] if rows else codes[0], shown, {"open": len(rows)})

    return check


def _given_up_check(key: dg.AssetKey, route: Route, connection_name: str, name: str) -> dg.AssetChecksDefinition:
    kinds = {kind.value for kind in naming.DELIVERIES[name]}

    @dg.asset_check(asset=key, name="nothing_was_given_up", description="Deliveries refused or given up?")
    def check(installation: Installation) -> dg.AssetCheckResult:
        with installation.context.ledger.begin() as connection:
            items = [
                item
                for code in ("EFFECT_REFUSED", "EFFECT_DEAD")
                for item in work_items.listing(connection, code=code, limit=500)
                if item["connection"] == connection_name and item["evidence"].get("kind") in kinds
            ]
        shown = [{"message": item["message"], "since": item["first_seen_at"]} for item in items]
        return _result(not items, "EFFECT_REFUSED", shown, {"given_up": len(items)})

    return check


def _deadline_check(route: Route) -> dg.AssetChecksDefinition:
    @dg.asset_check(
        asset=naming.acknowledgements(route),
        name="orders_are_acknowledged_in_time",
        description="Orders whose acknowledgement is due or overdue?",
    )
    def check(installation: Installation) -> dg.AssetCheckResult:
        context = installation.context
        with context.ledger.begin() as connection:
            found = watch_deadlines.acknowledgements(connection, context, route)
            items = [
                item
                for code in ("ACKNOWLEDGE_OVERDUE", "ACKNOWLEDGE_DUE")
                for item in work_items.listing(connection, code=code, limit=500)
                if item["connection"] == route.marketplace
            ]
        shown = [{"message": item["message"], "since": item["first_seen_at"]} for item in items]
        metadata: dict[str, Any] = {"waiting": found.waiting, "due_soon": found.due_soon, "overdue": found.overdue}
        if found.next_deadline:
            metadata["next_deadline"] = dg.MetadataValue.timestamp(found.next_deadline)
        code = "ACKNOWLEDGE_OVERDUE" if found.overdue else "ACKNOWLEDGE_DUE"
        return _result(not items, code, shown, metadata)

    return check
