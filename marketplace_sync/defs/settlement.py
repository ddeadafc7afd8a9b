"""Payouts: one partition per settlement document, from its lines to the accounting journal, rerun as often as needed.

A run reconciles the whole book of its connection once, because orders span payouts and balances are carried forward;
its assets then show the one payout that the partition is. Reruns change nothing where nothing changed.
"""

import json
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import dagster as dg
from dagster import PreviewWarning

from marketplace_sync.defs import naming, partitions, settlement_checks, settlement_failure
from marketplace_sync.defs import settlement_metadata as shown
from marketplace_sync.defs.resources import Day, Installation, outline
from marketplace_sync.domain.errors import LedgerError, MarketplaceSyncError
from marketplace_sync.domain.work_items import Team
from marketplace_sync.flows import settlement_account, settlement_feed
from marketplace_sync.flows.context import Context

if TYPE_CHECKING:
    from marketplace_sync.flows.settlement_payout import Payout

REPORTS = "reports"
"""Where reports are written, below the installation's home."""
CHAIN = ("settlement_lines", "matched_lines", "reconciliation", "exception_report", "accounting_journal")

_ABOUT = {
    "settlement_lines": "The lines of one payout of {marketplace}, as its interface or its files state them.",
    "matched_lines": "The payout's lines against orders and refunds, component by component: what is matched, waited"
    " for, wrong, or outside orders.",
    "reconciliation": "What is concluded of the payout, what changed since it was last reported, and why.",
    "exception_report": "What needs a person, most money first, as a workbook, CSV, JSON and a page. What an earlier"
    " run wrote stays.",
    "accounting_journal": "The payout as a journal that balances, ready to be imported. Made when nothing needs a"
    " person any more, unless `journal: wait_for_exceptions: false`.",
}


def build(context: Context) -> dg.Definitions:
    names = sorted({r.marketplace for r in context.routes if settlement_feed.is_settled(context, r.marketplace)})
    return dg.Definitions.merge(*(_of_connection(context, name) for name in names))


def _of_connection(context: Context, name: str) -> dg.Definitions:
    chain = [_chain_asset(context, name, asset) for asset in CHAIN]
    checks = _checks(context, name)
    selection = dg.AssetSelection.assets(*(asset.key for asset in chain))
    job = dg.define_asset_job(
        f"payout_{name}",
        selection=selection | dg.AssetSelection.checks(*checks),
        description=f"Reconciles one payout of {name}: choose its partition. Several partitions are several runs.",
        tags={"marketplace_sync/connection": name},
    )
    month = _month_job(name)
    return dg.Definitions(assets=chain, asset_checks=checks, jobs=[job, month], sensors=[_sensor(name, job)])


# -- one payout ------------------------------------------------------------------------------------------------


@lru_cache(maxsize=1)
def _payout(run_id: str, name: str, key: str, as_of: date | None) -> "Payout":
    """Once per run: its steps share one process and one reconciliation."""
    from marketplace_sync.flows.settlement_payout import reconcile_payout

    document = partitions.document_of(key)
    try:
        return reconcile_payout(outline(), name, document, as_of)
    except MarketplaceSyncError as problem:
        raise settlement_failure.told(problem, document, name, again=isinstance(problem, LedgerError)) from None


def _metadata(installation: Installation, name: str, payout: "Payout") -> dict[str, Any]:
    """What the asset `name` shows; the last two write their files."""
    if name == "settlement_lines":
        return shown.of_lines(payout)
    if name == "matched_lines":
        return shown.of_matching(payout)
    if name == "reconciliation":
        return shown.of_reconciliation(payout)
    if name == "exception_report":
        return _report(installation, payout)
    return _journal(installation, payout)


def _report(installation: Installation, payout: "Payout") -> dict[str, Any]:
    from marketplace_sync.reports.settlement_folder import write_reports

    written = write_reports(installation.context, payout, installation.home / REPORTS)
    return shown.of_report(payout, written)


def _journal(installation: Installation, payout: "Payout") -> dict[str, Any]:
    from marketplace_sync.reports import settlement_folder as files
    from marketplace_sync.reports.settlement_journal import journals, write_journal

    settings = payout.account.finance.journal
    folder = installation.home / REPORTS / payout.account.name / files.folder_name(payout.document)
    if payout.is_history:
        # what is booked by now stays
        folder /= f"as_of_{payout.as_of}"
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    path: Path = folder / files.JOURNAL
    files.put(path, lambda out: write_journal(payout.part, out, settings))
    return shown.of_journal(journals(payout.part, settings), settings.layout, str(path))


def _chain_asset(context: Context, marketplace: str, name: str) -> dg.AssetsDefinition:
    place = CHAIN.index(name)
    upstream = [naming.of_payout(marketplace, CHAIN[place - 1])] if place else [naming.settlement(marketplace)]
    if name == "matched_lines":
        upstream.append(naming.feed(marketplace, "orders"))
        upstream += [naming.fulfilments(route.store) for route in context.routes_of(marketplace) if route.store]

    @dg.asset(
        key=naming.of_payout(marketplace, name),
        group_name=f"{marketplace}_payouts",
        kinds={context.connections[marketplace].platform, "excel" if name == "exception_report" else "postgres"},
        owners=[naming.owner(Team.FINANCE)],
        deps=naming.distinct(upstream),
        partitions_def=partitions.payouts(marketplace),
        description=_ABOUT[name].format(marketplace=marketplace),
        pool=f"{marketplace}_settlement",
        tags={"connection": marketplace},
    )
    def make(context: dg.AssetExecutionContext, installation: Installation, day: Day) -> dg.MaterializeResult[Any]:
        payout = _payout(context.run.run_id, marketplace, context.partition_key, day.day)
        return dg.MaterializeResult(metadata=_metadata(installation, name, payout))

    return make


# -- checks ----------------------------------------------------------------------------------------------------

_CHECKS: dict[str, tuple[str, Callable[["Payout"], dg.AssetCheckResult]]] = {
    settlement_checks.STATED: ("settlement_lines", settlement_checks.stated),
    settlement_checks.INVOICED: ("settlement_lines", settlement_checks.invoiced),
    settlement_checks.FILES: ("settlement_lines", settlement_checks.files),
    settlement_checks.MATCH_RATE: ("matched_lines", settlement_checks.match_rate),
    settlement_checks.CONSERVATION: ("reconciliation", settlement_checks.conservation),
    settlement_checks.PERSON: ("exception_report", settlement_checks.person),
}
"""Check -> the asset that it is about, and how it is judged."""


def _checks(context: Context, marketplace: str) -> list[dg.AssetChecksDefinition]:
    waits = settlement_account.account(context, marketplace).finance.journal.wait_for_exceptions
    blocking = {settlement_checks.CONSERVATION, *([settlement_checks.PERSON] if waits else [])}
    with warnings.catch_warnings():
        # checks by partition are new in Dagster, and the whole point here
        warnings.simplefilter("ignore", PreviewWarning)
        return [_check(marketplace, name, blocking=name in blocking) for name in _CHECKS]


def _check(marketplace: str, name: str, *, blocking: bool) -> dg.AssetChecksDefinition:
    asset, judge = _CHECKS[name]

    def check(
        context: dg.AssetCheckExecutionContext, installation: Installation, day: Day
    ) -> Iterator[dg.AssetCheckResult]:
        payout = _payout(context.run.run_id, marketplace, context.partition_key, day.day)
        found = judge(payout)
        yield found
        if blocking and not found.passed:
            # Dagster would fail the run too, and name no more than the check.
            raise _why(name, installation, payout) from None

    declared = dg.asset_check(
        asset=naming.of_payout(marketplace, asset),
        name=name,
        description=settlement_checks.ABOUT[name],
        blocking=blocking,
        partitions_def=partitions.payouts(marketplace),
        pool=f"{marketplace}_settlement",
    )
    # Checks may be generators, as whatever Dagster computes; only the types do not say so.
    return declared(cast("Callable[..., dg.AssetCheckResult]", check))


def _why(check: str, installation: Installation, payout: "Payout") -> dg.Failure:
    if check == settlement_checks.CONSERVATION:
        return settlement_failure.lost(payout)
    from marketplace_sync.ledger.payouts import reports_of
    from marketplace_sync.reports.settlement_folder import WORKBOOK

    with installation.context.ledger.begin() as connection:
        reports = reports_of(connection, payout.account.name, payout.document, limit=1)
    return settlement_failure.needs_a_person(payout, Path(reports[0].folder) / WORKBOOK if reports else None)


# -- all of a month --------------------------------------------------------------------------------------------


class OneMonth(dg.Config):
    """`month` like 2026-09; the month before this one when it is left out."""

    month: str = ""


def _month_job(name: str) -> dg.JobDefinition:
    @dg.op(name=f"reconcile_a_month_of_{name}", pool=f"{name}_settlement")
    def reconcile(context: dg.OpExecutionContext, config: OneMonth, installation: Installation, day: Day) -> None:
        from marketplace_sync.flows.settlement import reconcile_connection
        from marketplace_sync.flows.settlement_payout import payout_of
        from marketplace_sync.ledger.payouts import documents_of_month

        opened = installation.context
        done = reconcile_connection(opened, name, day.day)
        first = _first_of(config.month) if config.month else partitions.month_before(done.as_of)
        with opened.ledger.begin() as connection:
            documents = documents_of_month(connection, name, first, partitions.month_after(first))
        context.instance.add_dynamic_partitions(
            str(partitions.payouts(name).name), [partitions.key_of(document) for document in documents]
        )
        known = {each.accounting_document_number for each in done.result.documents}
        wrong: list[str] = []
        lost: list[str] = []
        for document in documents:
            if document not in known:
                context.log.info(f"{document}: nothing of it is dated {done.as_of:%Y-%m-%d} or before")
                continue
            payout = payout_of(opened, done, document)
            if not settlement_checks.conservation(payout).passed:
                lost.append(document)
            elif payout.problems:
                wrong.append(document)
                context.log.warning(f"{document}: {len(payout.problems)} exceptions need a person")
            _say(context, installation, name, payout)
        metadata: dict[str, Any] = {
            "payouts": len(documents),
            "need_a_person": ", ".join(wrong) or "none",
            "as_of": str(done.as_of),
        }
        if lost:
            raise dg.Failure(
                f"Money was lost or invented between the lines and the report of {', '.join(lost)}: nothing further was"
                " made of these. All other payouts of the month were reported. Please report this with the files.",
                metadata=metadata,
                allow_retries=False,
            )
        context.add_output_metadata(metadata)
        context.log.info(f"{len(documents)} payouts of {first:%Y-%m}; {len(wrong)} of them need a person")

    @dg.job(
        name=f"payouts_of_a_month_{name}",
        description=f"Reconciles {name} once and reports every payout of a month into its own partition. Exceptions are"
        " warnings here and red in the payouts' own partitions; the run fails when money was lost.",
        tags={"marketplace_sync/connection": name},
    )
    def job() -> None:
        reconcile()

    return job


def _first_of(month: str) -> date:
    try:
        return partitions.month_of(month)
    except ValueError:
        raise dg.Failure(f"month is {month!r}, which is no month like 2026-09.", allow_retries=False) from None


def _say(context: dg.OpExecutionContext, installation: Installation, name: str, payout: "Payout") -> None:
    """Every asset and check of a payout, as a run of its own partition would have reported them."""
    key = partitions.key_of(payout.document)
    waits = payout.account.finance.journal.wait_for_exceptions
    stopped = ""
    for asset in CHAIN:
        if stopped:
            context.log.warning(f"{payout.document}: {asset} was not made: {stopped}")
            return
        asset_key = naming.of_payout(name, asset)
        metadata = _metadata(installation, asset, payout)
        context.log_event(dg.AssetMaterialization(asset_key=asset_key, partition=key, metadata=metadata))
        for check, (about, judge) in _CHECKS.items():
            if about != asset:
                continue
            found = judge(payout)
            blocking = check == settlement_checks.CONSERVATION or (check == settlement_checks.PERSON and waits)
            context.instance.report_runless_asset_event(
                dg.AssetCheckEvaluation(
                    asset_key=asset_key,
                    check_name=check,
                    passed=found.passed,
                    metadata=found.metadata,
                    severity=found.severity,
                    blocking=blocking,
                    partition=key,
                )
            )
            if blocking and not found.passed:
                stopped = check


# -- when payouts appear ---------------------------------------------------------------------------------------

AT_ONCE = 20
"""Runs asked for in one tick; what is left comes with the next."""
_LOOKS_BACK = timedelta(minutes=10)


def _sensor(name: str, job: Any) -> dg.SensorDefinition:
    @dg.sensor(
        name=f"payouts_of_{name}",
        job=job,
        minimum_interval_seconds=30,
        default_status=dg.DefaultSensorStatus.RUNNING,
        description=f"Makes a partition for each payout of {name} when its first line appears, and reconciles it; again"
        " whenever a line, a payment or a bank receipt of it comes in later.",
    )
    def tick(context: dg.SensorEvaluationContext, installation: Installation) -> dg.SensorResult | dg.SkipReason:
        from marketplace_sync.ledger.payouts import touched_since

        # What was written before the last look and committed after it is found by looking back a while; what was
        # asked for since then is remembered.
        seen = _Seen.read(context.cursor)
        with installation.context.ledger.begin() as connection:
            touched = touched_since(connection, name, seen.since)
        news = [each for each in touched if seen.asked.get(each.document) != _written(each.at)][:AT_ONCE]
        if not news:
            return dg.SkipReason("nothing was heard of any payout")
        keys = [partitions.key_of(each.document) for each in news]
        return dg.SensorResult(
            dynamic_partitions_requests=[partitions.payouts(name).build_add_request(keys)],
            run_requests=[
                dg.RunRequest(run_key=f"{key} at {_written(each.at)}", partition_key=key)
                for key, each in zip(keys, news, strict=True)
            ],
            cursor=seen.after({each.document: _written(each.at) for each in news}).text(),
        )

    return tick


@dataclass(frozen=True)
class _Seen:
    """How far the sensor has looked, and which payouts it asked for not long before that: payout -> news of when."""

    until: str
    asked: dict[str, str]

    @property
    def since(self) -> datetime:
        return datetime.fromisoformat(self.until) - _LOOKS_BACK

    @classmethod
    def read(cls, cursor: str | None) -> "_Seen":
        return cls(**json.loads(cursor)) if cursor else cls(_written(datetime(1900, 1, 1, tzinfo=UTC)), {})

    def after(self, news: dict[str, str]) -> "_Seen":
        now = _Seen(max(self.until, *news.values()), self.asked | news)
        kept = {document: at for document, at in now.asked.items() if at > _written(now.since)}
        return _Seen(now.until, kept)

    def text(self) -> str:
        return json.dumps({"until": self.until, "asked": self.asked})


def _written(at: datetime) -> str:
    """So that earlier is less."""
    return at.astimezone(UTC).isoformat(timespec="microseconds")
