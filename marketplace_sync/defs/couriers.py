"""Couriers as sensors: each tick asks for a connection to be attended a while longer, and reports what was brought
since the last one, one event per asset and tick. A backlog is handed to a run, which holds the connection until it is
done."""

from collections import Counter
from collections.abc import Iterator
from functools import cache
from typing import Any

import dagster as dg

from marketplace_sync.defs import naming
from marketplace_sync.defs.resources import Installation, outline
from marketplace_sync.flows import courier
from marketplace_sync.flows.attend import Attendant
from marketplace_sync.flows.context import Context
from marketplace_sync.ledger import waiting

ATTENDED_SECONDS = 20.0
"""How long a connection is attended after a tick. The daemon comes back every five seconds; when it does not, because
the sensor was switched off or the daemon is gone, nothing is brought any more after this."""
BACKLOG = 500
"""Effects left at a tick that are worth a run of their own."""
RUN_PATIENCE = 60.0
"""Seconds a run waits for the attendant, or for another run, to let go of the connection."""


def build(context: Context) -> dg.Definitions:
    names = sorted(
        {route.marketplace for route in context.routes}
        | {route.store for route in context.routes if route.store}
        | {route.marketing for route in context.routes if route.marketing}
    )
    jobs = {name: _job(name) for name in names}
    return dg.Definitions(sensors=[_sensor(name, jobs[name]) for name in names], jobs=list(jobs.values()))


def _job(name: str) -> dg.JobDefinition:
    @dg.op(name=f"deliver_to_{name}", pool=f"{name}_courier")
    def deliver(context: dg.OpExecutionContext, installation: Installation) -> None:
        def tell(report: courier.DrainReport) -> None:
            if report.total() % 1000 < 50:
                context.log.info(f"{report.total()} delivered so far")

        report = courier.drain(installation.context, name, progress=tell, patience=RUN_PATIENCE)
        for event in _materialisations(installation.context, name, report.delivered):
            context.log_event(event)
        context.log.info(
            f"{report.total()} delivered, {report.refused} refused, {report.dead} given up, {report.in_doubt} in doubt"
            if report.held
            else "another courier of this connection is at work"
        )

    @dg.job(
        name=f"courier_{name}",
        description=f"Brings everything that waits for {name}, most urgent first.",
        tags={"marketplace_sync/connection": name},
    )
    def job() -> None:
        deliver()

    return job


def _sensor(name: str, job: dg.JobDefinition) -> dg.SensorDefinition:
    @dg.sensor(
        name=f"courier_of_{name}",
        job=job,
        minimum_interval_seconds=1,
        default_status=dg.DefaultSensorStatus.RUNNING,
        description=f"Takes in what {name} tells and brings its effects the moment they appear. Switched off, it stops"
        f" within {ATTENDED_SECONDS:g} seconds.",
    )
    def tick(context: dg.SensorEvaluationContext, installation: Installation) -> dg.SensorResult | dg.SkipReason:
        opened = installation.context
        done = _attendant(name).stay(ATTENDED_SECONDS)
        with opened.ledger.begin() as connection:
            left = waiting.at_most(connection, name, BACKLOG + 1)
        events = list(_materialisations(opened, name, done.delivered))
        requests = [dg.RunRequest()] if left > BACKLOG and not _running(context, job.name) else []
        if not events and not requests:
            return dg.SkipReason(done.last_problem or "nothing to bring")
        return dg.SensorResult(asset_events=events, run_requests=requests)

    return tick


@cache
def _attendant(name: str) -> Attendant:
    return Attendant(outline(), name)


def _running(context: dg.SensorEvaluationContext, job_name: str) -> bool:
    unfinished = [
        dg.DagsterRunStatus.QUEUED, dg.DagsterRunStatus.NOT_STARTED, dg.DagsterRunStatus.STARTING,
        dg.DagsterRunStatus.STARTED,
    ]  # fmt: skip
    return bool(context.instance.get_run_ids(dg.RunsFilter(job_name=job_name, statuses=unfinished), limit=1))


def _materialisations(
    context: Context, courier_name: str, delivered: Counter[tuple[str, str]]
) -> Iterator[dg.AssetMaterialization]:
    for route in context.routes:
        for name, (key, connection) in naming.delivery_assets(route).items():
            count = sum(delivered[kind.value, route.marketplace] for kind in naming.DELIVERIES[name])
            if connection == courier_name and count:
                metadata: dict[str, Any] = naming.delivery_metadata(context, route, name, connection, count)
                yield dg.AssetMaterialization(asset_key=key, metadata=metadata)
