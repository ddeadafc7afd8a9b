"""What is read: each marketplace's feeds, each store's catalogue and fulfilments, with the schedules that read them."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime, timedelta
from typing import Any

import dagster as dg

from marketplace_sync.connectors.ports import Feed, StoreCapabilities, WebhookSource
from marketplace_sync.defs import naming
from marketplace_sync.defs.resources import Installation
from marketplace_sync.domain.errors import BudgetFull, TransportError
from marketplace_sync.domain.work_items import Team
from marketplace_sync.flows import deliveries, import_orders, observe_store, reachable, subscribe, watch_deadlines
from marketplace_sync.flows.context import Context, Route
from marketplace_sync.flows.overdue import SELDOM, Reading, overdue

CATALOGUE_SECONDS = 3600
_SHORTEST_POLL = 300

_RETRY = dg.RetryPolicy(max_retries=2, delay=5, backoff=dg.Backoff.EXPONENTIAL, jitter=dg.Jitter.PLUS_MINUS)


@contextmanager
def read_in_its_time(of: str) -> Iterator[None]:
    """A vendor that gave no answer to several attempts is asked again when its schedule, or `overdue_reads`, says so: a
    run that began anew at once would only ask more of a vendor that is in trouble. One that was not asked, because what
    it allows was used up, is."""
    try:
        yield
    except TransportError as problem:
        raise dg.Failure(
            f"{of} could not be read: {problem}. What was read of it is kept; the rest is read in its time.",
            allow_retries=isinstance(problem, BudgetFull),
        ) from problem


def build(context: Context) -> dg.Definitions:
    assets: list[dg.AssetsDefinition] = []
    schedules: list[dg.ScheduleDefinition] = []
    readings: dict[Reading, dg.AssetsDefinition] = {}
    for marketplace in sorted({route.marketplace for route in context.routes}):
        routes = context.routes_of(marketplace)
        for feed in context.marketplaces[marketplace].feeds():
            asset = _feed_asset(context, marketplace, feed, routes)
            assets.append(asset)
            schedules.append(_schedule(asset, feed.every_seconds, context.connections[marketplace].time_zone))
            readings[Reading(marketplace, feed.name, timedelta(seconds=feed.every_seconds))] = asset
        connector = context.marketplaces[marketplace]
        if isinstance(connector, WebhookSource):
            asset = _webhooks_asset(context, marketplace)
            assets.append(asset)
            schedules.append(_schedule(asset, subscribe.every_seconds(connector)))
    for store in sorted({route.store for route in context.routes if route.store}):
        offers = context.stores[store].capabilities
        catalogue = _catalogue_asset(context, store)
        readings[Reading(store, observe_store.CATALOGUE, timedelta(seconds=CATALOGUE_SECONDS))] = catalogue
        found = [
            (catalogue, CATALOGUE_SECONDS),
            (_fulfilments_asset(context, store, context.routes_into(store), offers), _poll_seconds(offers)),
        ]
        if offers.has_webhooks:
            found.append((_webhooks_asset(context, store), CATALOGUE_SECONDS))
        for asset, seconds in found:
            assets.append(asset)
            schedules.append(_schedule(asset, seconds))
    return dg.Definitions(assets=assets, schedules=schedules, sensors=[_first_reads(assets), _overdue_reads(readings)])


def _poll_seconds(offers: StoreCapabilities) -> int:
    """A store that sends no webhooks is asked by its attendant, as often as it says; a run per poll is only to make
    sure of it."""
    return max(_SHORTEST_POLL, offers.poll_seconds)


def _first_reads(assets: Sequence[dg.AssetsDefinition]) -> dg.SensorDefinition:
    @dg.sensor(
        name="first_reads",
        target=list(assets),
        minimum_interval_seconds=10,
        default_status=dg.DefaultSensorStatus.RUNNING,
        description="Reads everything once as soon as an installation starts, instead of waiting for its schedule.",
    )
    def tick(context: dg.SensorEvaluationContext) -> dg.SensorResult | dg.SkipReason:
        if context.cursor:
            return dg.SkipReason("everything was read once; the schedules go on from there")
        # one run: catalogues come before the orders that are judged by them
        return dg.SensorResult(run_requests=[dg.RunRequest(run_key="first reads")], cursor="started")

    return tick


def _overdue_reads(readings: Mapping[Reading, dg.AssetsDefinition]) -> dg.SensorDefinition:
    @dg.sensor(
        name="overdue_reads",
        target=list(readings.values()),
        minimum_interval_seconds=60,
        default_status=dg.DefaultSensorStatus.RUNNING,
        description="Reads what is seldom read and was missed, because its vendor was away or nothing ran at its hour.",
    )
    def tick(context: dg.SensorEvaluationContext, installation: Installation) -> dg.SensorResult | dg.SkipReason:
        opened = installation.context
        now = opened.now()
        began = datetime.fromisoformat(context.cursor) if context.cursor else now
        late = overdue(opened, readings, since=now - began)
        if not late:
            return dg.SensorResult(cursor=began.isoformat(), skip_reason="everything was read in its time")
        keys = [readings[reading].key for reading in late]
        # one that fails again is left alone for a while
        attempt = int(now.timestamp() // SELDOM.total_seconds())
        run = dg.RunRequest(run_key=f"{attempt} {sorted(key.to_user_string() for key in keys)}", asset_selection=keys)
        return dg.SensorResult(cursor=began.isoformat(), run_requests=[run])

    return tick


def _schedule(asset: dg.AssetsDefinition, seconds: int, zone: str | None = None) -> dg.ScheduleDefinition:
    """`zone`: where it is night when something is read once a night."""
    name = "_".join(asset.key.path)
    return dg.ScheduleDefinition(
        name=f"read_{name}",
        target=asset,
        cron_schedule=naming.every(seconds),
        execution_timezone=zone if seconds >= naming.DAY else None,
        default_status=dg.DefaultScheduleStatus.RUNNING,
        tags={"marketplace_sync/feed": asset.key.to_user_string()},
        description=f"Reads {asset.key.to_user_string()}.",
    )


def _feed_asset(context: Context, marketplace: str, feed: Feed, routes: Sequence[Route]) -> dg.AssetsDefinition:
    stores = sorted({route.store for route in routes if route.store})

    @dg.asset(
        key=naming.feed(marketplace, feed.name),
        group_name=routes[0].name if len(routes) == 1 else marketplace,
        kinds={context.connections[marketplace].platform, "postgres"},
        owners=[naming.owner(Team.OPERATIONS)],
        deps=[naming.catalogue(store) for store in stores] if feed.name == "orders" else [],
        description=f"{feed.description} Every version is kept, every difference is an order event.",
        freshness_policy=naming.read_within(feed.every_seconds),
        retry_policy=_RETRY,
        pool=f"{marketplace}_reads",
        tags={"connection": marketplace},
    )
    def read(installation: Installation) -> dg.MaterializeResult[Any]:
        opened = installation.context
        for store in stores:
            with read_in_its_time(f"The catalogue of {store}"):
                observe_store.ensure_catalogue(opened, store)
        not_again = ""
        with read_in_its_time(f"The feed {feed.name} of {marketplace}"):
            try:
                report = import_orders.import_feed(opened, marketplace, feed.name)
            except BudgetFull as problem:
                # a list that may be read once in five minutes was read a minute ago by another run
                if not reachable.was_read_lately(opened, marketplace, feed.name):
                    raise
                report, not_again = import_orders.FeedReport(marketplace, feed.name), str(problem)
        metadata: dict[str, Any] = {
            "dagster/row_count": report.read,
            "new": report.new,
            "changed": report.changed,
            "events": report.events,
            "unreadable": report.malformed,
        }
        if report.examples:
            metadata["new_orders"] = ", ".join(report.examples)
        if not_again:
            metadata["not_read_again_yet"] = not_again
        for route in routes:
            with opened.ledger.begin() as connection:
                waiting = watch_deadlines.acknowledgements(connection, opened, route)
                parcels = watch_deadlines.dispatches(connection, opened, route)
                returns_overdue = watch_deadlines.returns(connection, opened, route)
            metadata |= {
                "to_acknowledge": waiting.waiting,
                "acknowledgements_due_soon": waiting.due_soon,
                "acknowledgements_overdue": waiting.overdue,
                "dispatches_overdue": parcels.overdue,
                "returns_overdue": returns_overdue,
            }
            if waiting.next_deadline:
                metadata["next_deadline"] = dg.MetadataValue.timestamp(waiting.next_deadline)
        return dg.MaterializeResult(metadata=metadata)

    return read


def _catalogue_asset(context: Context, store: str) -> dg.AssetsDefinition:
    @dg.asset(
        key=naming.catalogue(store),
        group_name=store,
        kinds={context.connections[store].platform, "postgres"},
        owners=[naming.owner(Team.MERCHANDISING)],
        description="What the store sells: SKUs, prices, brands, categories. Orders are matched and valued by it.",
        freshness_policy=naming.read_within(CATALOGUE_SECONDS),
        retry_policy=_RETRY,
        pool=f"{store}_reads",
        tags={"connection": store},
    )
    def read(installation: Installation) -> dg.MaterializeResult[Any]:
        with read_in_its_time(f"The catalogue of {store}"):
            count = observe_store.refresh_catalogue(installation.context, store)
        return dg.MaterializeResult(metadata={"dagster/row_count": count})

    return read


def _webhooks_asset(context: Context, name: str) -> dg.AssetsDefinition:
    @dg.asset(
        key=dg.AssetKey([name, "webhooks"]),
        group_name=name,
        kinds={context.connections[name].platform},
        owners=[naming.owner(Team.OPERATIONS)],
        description="The vendor's deliveries to our receiver. Asked for again regularly: vendors drop subscriptions"
        " that failed for a while, or switch them off; then its lists are read at once.",
        retry_policy=_RETRY,
        pool=f"{name}_reads",
        tags={"connection": name},
    )
    def subscribed(installation: Installation) -> dg.MaterializeResult[Any]:
        receiver = subscribe.receiver_url()
        if receiver is None:
            return dg.MaterializeResult(
                metadata={"topics": 0, "note": f"{subscribe.VARIABLE} is not set: it is polled, and that is all"}
            )
        found = subscribe.watch(installation.context, name, receiver)
        metadata: dict[str, Any] = {"topics": len(found.topics), "names": ", ".join(found.topics), "to": receiver}
        if found.off:
            metadata |= {"switched_off": ", ".join(found.off), "read_because_of_it": found.read or 0}
        return dg.MaterializeResult(metadata=metadata)

    return subscribed


def _fulfilments_asset(
    context: Context, store: str, routes: Sequence[Route], offers: StoreCapabilities
) -> dg.AssetsDefinition:
    told = (
        "Webhooks bring them within a second; this poll finds whatever a webhook did not."
        if offers.has_webhooks
        else f"The store sends no webhooks: its courier asks every {offers.poll_seconds} s, and this poll makes sure."
    )

    @dg.asset(
        key=naming.fulfilments(store),
        group_name=store,
        kinds={context.connections[store].platform, "postgres"},
        owners=[naming.owner(Team.OPERATIONS)],
        deps=[
            *(naming.store_orders(route) for route in routes),
            *([dg.AssetKey([store, "webhooks"])] if offers.has_webhooks else []),
        ],
        description=f"What became of our orders in the store: parcels, cancellations, refunds. {told}",
        freshness_policy=naming.read_within(_poll_seconds(offers)),
        retry_policy=_RETRY,
        pool=f"{store}_reads",
        tags={"connection": store},
    )
    def read(installation: Installation) -> dg.MaterializeResult[Any]:
        webhooks = deliveries.process_inbox(installation.context, store)
        with read_in_its_time(f"The orders of {store}"):
            report = observe_store.poll_orders(installation.context, store)
        return dg.MaterializeResult(
            metadata={
                "dagster/row_count": report.read,
                "ours": report.ours,
                "moved_on": report.moved,
                "webhooks_handled": webhooks,
            }
        )

    return read
