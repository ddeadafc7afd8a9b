"""Where settlements come from, what is not settled yet, and what a month came to: per connection, not per payout."""

import warnings
from datetime import date
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import dagster as dg
from dagster import PreviewWarning

from marketplace_sync.defs import naming, partitions
from marketplace_sync.defs.resources import Installation, outline
from marketplace_sync.defs.settlement_metadata import amounts, at_risk, exceptions
from marketplace_sync.domain.work_items import Team
from marketplace_sync.flows import settlement_feed, settlement_inbox
from marketplace_sync.flows.context import Context

if TYPE_CHECKING:
    from marketplace_sync.flows.settlement_ageing import Ageing
    from marketplace_sync.flows.settlement_import import ImportReport

FEED_SECONDS = 2 * 3600
"""A transaction log may be asked for twenty times a day. (Mirakl, rate limits)"""
_RETRY = dg.RetryPolicy(max_retries=2, delay=5, backoff=dg.Backoff.EXPONENTIAL, jitter=dg.Jitter.PLUS_MINUS)


def build(context: Context) -> dg.Definitions:
    names = sorted({r.marketplace for r in context.routes if settlement_feed.is_settled(context, r.marketplace)})
    return dg.Definitions.merge(*(_of_connection(context, name) for name in names))


def _of_connection(context: Context, name: str) -> dg.Definitions:
    feed, unsettled, statement = _feed(context, name), _unsettled(context, name), _statement(context, name)
    zone = context.connections[name].time_zone
    daily = dg.ScheduleDefinition(
        name=f"look_at_what_is_unsettled_{name}",
        target=dg.AssetSelection.assets(unsettled.key) | dg.AssetSelection.checks_for_assets(unsettled.key),
        cron_schedule="30 6 * * *",
        execution_timezone=zone,
        default_status=dg.DefaultScheduleStatus.RUNNING,
        description=f"What of {name} became late overnight.",
    )
    read = dg.ScheduleDefinition(
        name="_".join(("read", *feed.key.path)),
        target=feed,
        cron_schedule=naming.every(FEED_SECONDS),
        default_status=dg.DefaultScheduleStatus.RUNNING,
        description=f"Reads {feed.key.to_user_string()}.",
    )
    return dg.Definitions(
        assets=[feed, unsettled, statement],
        asset_checks=[*_ageing_checks(name), _drift_check(context, name)],
        schedules=[read, daily, _monthly(name, statement, zone)],
        sensors=[_inbox_sensor(name, feed)],
    )


# -- the feed --------------------------------------------------------------------------------------------------


def _feed(context: Context, name: str) -> dg.AssetsDefinition:
    @dg.asset(
        key=naming.settlement(name),
        group_name=f"{name}_payouts",
        kinds={context.connections[name].platform, "postgres"},
        owners=[naming.owner(Team.FINANCE)],
        description=f"What {name} settled: its transaction log and payouts where it can be asked, and files out of the"
        " inbox. Every line is kept once, every file as it came.",
        freshness_policy=naming.read_within(FEED_SECONDS),
        retry_policy=_RETRY,
        pool=f"{name}_settlement",
        tags={"connection": name},
    )
    def read(installation: Installation) -> dg.MaterializeResult[Any]:
        opened = installation.context
        settlement_inbox.prepare(installation.inbox, [name])
        report = settlement_feed.import_settlement(opened, name)
        files = settlement_inbox.take(opened, name, installation.inbox)
        metadata: dict[str, Any] = {
            "dagster/row_count": report.read,
            "new": report.new,
            "changed": report.changed,
            "payouts_stated": report.payouts,
            "documents_stated": report.invoices,
            "files": len(files),
            "inbox": dg.MetadataValue.path(str(installation.inbox / name)),
        }
        if files:
            metadata |= _of_files(files)
        return dg.MaterializeResult(metadata=metadata)

    return read


def _of_files(files: list[settlement_inbox.Taken]) -> dict[str, Any]:
    rows, rejected = [], []
    for each in files:
        report = each.report
        rows.append(
            {
                "file": each.file,
                "kind": each.kind.value,
                "rows": report.rows if report else 0,
                "new": report.new if report else 0,
                "changed": report.changed if report else 0,
                "rejected": len(report.rejected) if report else 0,
                "own totals": _own_totals(report),
                "what came of it": each.problem or (report.seen_before if report else "") or "taken",
            }
        )
        rejected += [
            {"file": each.file, "line": bad.line, "reason": bad.reason, "text": bad.raw[:200]}
            for bad in (report.rejected if report else ())
        ]
    shown: dict[str, Any] = {"files_taken": naming.table(rows), "rows_rejected": len(rejected)}
    if rejected:
        shown["rejected"] = naming.table(rejected)
    return shown


def _own_totals(report: "ImportReport | None") -> str:
    controls = report.controls if report else []
    wrong = sum(not each.agrees for each in controls)
    if wrong:
        return f"{wrong} of {len(controls)} differ"
    return "agree" if controls else "none stated"


def _inbox_sensor(name: str, feed: dg.AssetsDefinition) -> dg.SensorDefinition:
    @dg.sensor(
        name=f"inbox_of_{name}",
        target=feed,
        minimum_interval_seconds=15,
        default_status=dg.DefaultSensorStatus.RUNNING,
        description=f"Takes files out of the inbox of {name} within a minute, and reads its settlements once as soon as"
        " an installation starts.",
    )
    def tick(context: dg.SensorEvaluationContext, installation: Installation) -> dg.SensorResult | dg.SkipReason:
        settlement_inbox.prepare(installation.inbox, [name])
        found = settlement_inbox.waiting(installation.inbox, name, installation.context.now())
        if not context.cursor:
            return dg.SensorResult(run_requests=[dg.RunRequest(run_key="first read")], cursor="started")
        if not found:
            return dg.SkipReason("there are no files in the inbox")
        key = "; ".join(f"{each.path.name} {each.size} {each.written_at}" for each in found)
        return dg.SensorResult(run_requests=[dg.RunRequest(run_key=key)], cursor="started")

    return tick


# -- what is not settled yet -----------------------------------------------------------------------------------


@lru_cache(maxsize=1)
def _ageing(run_id: str, name: str) -> "Ageing":
    from marketplace_sync.flows.settlement import reconcile_connection
    from marketplace_sync.flows.settlement_ageing import ageing

    return ageing(outline(), reconcile_connection(outline(), name))


def _unsettled(context: Context, name: str) -> dg.AssetsDefinition:
    @dg.asset(
        key=dg.AssetKey([name, "unsettled"]),
        group_name=f"{name}_payouts",
        kinds={context.connections[name].platform, "postgres"},
        owners=[naming.owner(Team.FINANCE)],
        deps=[naming.settlement(name), naming.feed(name, "orders")],
        description=f"Orders that {name} has not settled, or not all of them, and reserves that it holds, by age."
        " Looked at daily: things become late without anything coming in.",
        pool=f"{name}_settlement",
        tags={"connection": name},
    )
    def look(context: dg.AssetExecutionContext) -> dg.MaterializeResult[Any]:
        from marketplace_sync.flows.settlement_ageing import by_age

        found = _ageing(context.run.run_id, name)
        return dg.MaterializeResult(
            metadata={
                "dagster/row_count": len(found.waiting),
                "overdue": len(found.overdue),
                "waiting_by_age": naming.table(by_age(found.waiting)),
                "reserves_held": amounts(_sums([(each.amount, each.currency) for each in found.reserves])),
                "reserves_by_age": naming.table(by_age(found.reserves)),
                "as_of": found.as_of.isoformat(),
            }
        )

    return look


def _sums(each: list[tuple[int, str]]) -> list[tuple[int, str]]:
    return [(sum(a for a, c in each if c == currency), currency) for currency in sorted({c for _, c in each})]


def _ageing_checks(name: str) -> list[dg.AssetChecksDefinition]:
    asset = dg.AssetKey([name, "unsettled"])

    @dg.asset_check(
        asset=asset,
        name="no_settlement_is_overdue",
        description="Is everything settled, released and received within `settlement_due_days`?",
        pool=f"{name}_settlement",
    )
    def overdue(context: dg.AssetCheckExecutionContext) -> dg.AssetCheckResult:
        found = _ageing(context.run.run_id, name)
        metadata: dict[str, Any] = {"overdue": len(found.overdue), "money_at_risk": at_risk(found.overdue)}
        if found.overdue:
            worst = exceptions(found.overdue)
            metadata |= {"offending": naming.table(worst), "what_to_do": naming.manual(str(worst[0]["code"]))}
        return dg.AssetCheckResult(passed=not found.overdue, metadata=metadata)

    @dg.asset_check(
        asset=asset,
        name="no_order_waits_for_long",
        description="Is no order waited for longer than twice `settlement_due_days`, for whatever reason?",
        pool=f"{name}_settlement",
    )
    def aged(context: dg.AssetCheckExecutionContext) -> dg.AssetCheckResult:
        found = _ageing(context.run.run_id, name)
        rows = [
            {"order": each.order_id, "days": each.days, "waiting for": amounts([(each.amount, each.currency)]),
             "codes": " ".join(each.codes)}
            for each in found.aged
        ]  # fmt: skip
        metadata: dict[str, Any] = {
            "aged": len(rows),
            "waiting": len(found.waiting),
            "oldest_days": max((each.days or 0 for each in found.waiting), default=0),
        }
        if rows:
            metadata["offending"] = naming.table(rows)
        return dg.AssetCheckResult(passed=not rows, severity=dg.AssetCheckSeverity.WARN, metadata=metadata)

    @dg.asset_check(
        asset=asset,
        name="reserves_come_back",
        description="Is every reserve given back within `reserve_due_days`?",
        pool=f"{name}_settlement",
    )
    def reserves(context: dg.AssetCheckExecutionContext) -> dg.AssetCheckResult:
        found = _ageing(context.run.run_id, name)
        rows = [
            {"line": each.line_id, "days": each.days, "held back": amounts([(each.amount, each.currency)])}
            for each in found.old_reserves
        ]
        metadata: dict[str, Any] = {
            "overdue": len(rows),
            "held": amounts(_sums([(each.amount, each.currency) for each in found.reserves])),
            "oldest_days": max((each.days or 0 for each in found.reserves), default=0),
        }
        if rows:
            metadata |= {"offending": naming.table(rows), "what_to_do": naming.manual("RESERVE_OVERDUE")}
        return dg.AssetCheckResult(passed=not rows, severity=dg.AssetCheckSeverity.WARN, metadata=metadata)

    return [overdue, aged, reserves]


# -- a month's statement ---------------------------------------------------------------------------------------


def _statement(context: Context, name: str) -> dg.AssetsDefinition:
    @dg.asset(
        key=dg.AssetKey([name, "statement"]),
        group_name=f"{name}_payouts",
        kinds={context.connections[name].platform, "postgres"},
        owners=[naming.owner(Team.FINANCE)],
        deps=[naming.settlement(name)],
        partitions_def=partitions.months(context.connections[name].time_zone),
        description=f"A month of {name}: sales, refunds, effective commission rate, fees, payout, days to cash.",
        tags={"connection": name},
    )
    def state(context: dg.AssetExecutionContext, installation: Installation) -> dg.MaterializeResult[Any]:
        from marketplace_sync.flows.settlement_statement import statement

        found = statement(installation.context, name, partitions.month_of(context.partition_key))
        rows = [each.as_dict() for each in found]
        metadata: dict[str, Any] = {
            "statement": naming.table(
                [{"what": key, **{row["currency"]: row[key] for row in rows}} for key in rows[0] if key != "currency"]
            ),
            "orders": found[0].orders,
        }
        for each in found:
            if each.commission_rate is not None:
                metadata[f"commission_rate_pct_{each.currency}"] = float(each.commission_rate)
            if each.days_to_cash is not None:
                metadata[f"days_to_cash_{each.currency}"] = float(each.days_to_cash)
        return dg.MaterializeResult(metadata=metadata)

    return state


def _drift_check(context: Context, name: str) -> dg.AssetChecksDefinition:
    with warnings.catch_warnings():
        # checks by partition are new in Dagster
        warnings.simplefilter("ignore", PreviewWarning)
        return _partitioned_drift_check(context, name)


def _partitioned_drift_check(context: Context, name: str) -> dg.AssetChecksDefinition:
    @dg.asset_check(
        asset=dg.AssetKey([name, "statement"]),
        name="commission_does_not_drift",
        description="Is the month's effective commission rate that of the three months before, within"
        " `commission_drift_allowed`?",
        partitions_def=partitions.months(context.connections[name].time_zone),
    )
    def check(context: dg.AssetCheckExecutionContext, installation: Installation) -> dg.AssetCheckResult:
        from marketplace_sync.flows.settlement_statement import commission_drift

        first: date = partitions.month_of(context.partition_key)
        found = commission_drift(installation.context, name, first)
        rows = [
            {"currency": each.currency, "rate": str(each.rate), "before": str(each.before or ""),
             "allowed": str(each.allowed)}
            for each in found
        ]  # fmt: skip
        metadata: dict[str, Any] = {"rates": naming.table(rows)}
        for each in found:
            metadata[f"rate_pct_{each.currency}"] = float(each.rate)
        return dg.AssetCheckResult(
            passed=not any(each.is_too_much for each in found), severity=dg.AssetCheckSeverity.WARN, metadata=metadata
        )

    return check


def _monthly(name: str, statement: dg.AssetsDefinition, zone: str) -> dg.ScheduleDefinition:
    months = partitions.months(zone)
    job = dg.define_asset_job(
        f"statement_{name}",
        selection=dg.AssetSelection.assets(statement.key) | dg.AssetSelection.checks_for_assets(statement.key),
        description=f"A month's statement of {name}: choose the month.",
    )

    @dg.schedule(
        name=f"state_the_month_of_{name}",
        job=job,
        cron_schedule="45 6 * * *",
        execution_timezone=zone,
        default_status=dg.DefaultScheduleStatus.RUNNING,
        description=f"The month under way of {name}, and the one before it: late lines belong to it.",
    )
    def tick(context: dg.ScheduleEvaluationContext) -> list[dg.RunRequest]:
        keys = months.get_partition_keys(current_time=context.scheduled_execution_time)[-2:]
        day = context.scheduled_execution_time.date().isoformat()
        return [dg.RunRequest(run_key=f"{key} on {day}", partition_key=key) for key in keys]

    return tick
