"""One headless pass over everything: read, wish, deliver, until nothing is left to do.

Connections are worked on beside each other, so a pass takes as long as its slowest vendor and not as all of them.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from math import inf
from pathlib import Path
from threading import Lock

from marketplace_sync.connectors.ports import Feed, Malformed
from marketplace_sync.domain.errors import BudgetFull, TransportError, Unreachable
from marketplace_sync.flows import (
    courier,
    deliveries,
    housekeeping,
    import_orders,
    observe_store,
    reachable,
    settlement_feed,
    settlement_inbox,
    watch_deadlines,
)
from marketplace_sync.flows.context import Context
from marketplace_sync.ledger import watermarks

Tell = Callable[[str], None]
_SLACK = 3600
"""Seconds: a pass that comes once a day does not come to the second."""


@dataclass
class SyncReport:
    """`problems` are sentences; empty when everything could be read and delivered. `away`: nothing answers there."""

    delivered: dict[str, int] = field(default_factory=dict)
    problems: list[str] = field(default_factory=list)
    away: set[str] = field(default_factory=set)

    def of_connections(self) -> Counter[str]:
        """How many were delivered to each connection."""
        counts: Counter[str] = Counter()
        for what, count in self.delivered.items():
            counts[what.partition(":")[0]] += count
        return counts


def sync(
    context: Context,
    tell: Tell = lambda line: None,
    rounds: int = 10,
    inbox: Path | None = None,
    away: Mapping[str, str] | None = None,
) -> SyncReport:
    """Catalogues first (so that prices and variants are known), then marketplaces, stores and deliveries, repeated
    while deliveries cause further ones; what was settled last. A connection that fails does not stop the others; where
    nothing answers, the rest is not read either, for each read would be tried for as long again.
    `inbox`: the folder that files of finance are taken out of. `away`: connections that are known not to answer, and
    why; they are neither read nor delivered to."""
    report = SyncReport()
    tell = _one_at_a_time(tell)
    for name, why in (away or {}).items():
        report.away.add(name)
        _note(report, tell, name, why)
        if name in context.marketplaces or name in context.stores:
            reachable.is_down(context, name, why)

    def imported(name: str) -> None:
        for feed in _due(context, name):
            _read(report, tell, context, name, feed.name, partial(_imported, context, name, feed.name))

    def settled(name: str) -> None:
        _read(report, tell, context, name, "settlement", partial(_settled, context, name))
        if inbox is not None:
            _try(report, tell, f"{name}: files", partial(_files_taken, context, name, inbox, report))

    _beside(
        context.stores, lambda name: _read(report, tell, context, name, "catalogue", partial(_catalogue, context, name))
    )
    _beside(context.marketplaces, imported)
    changed: Iterable[str] = context.stores
    for _ in range(rounds):
        before = report.of_connections()
        _beside(changed, lambda name: _read(report, tell, context, name, "orders", partial(_observed, context, name)))
        _beside(
            [name for name in context.connections if name not in (away or {})],
            lambda name: _try(report, tell, f"{name}: deliveries", partial(_drained, context, name, report)),
        )
        busy = {name for name, count in report.of_connections().items() if count > before[name]}
        if not busy:
            break
        changed = busy & context.stores.keys()
    marketplaces = sorted({route.marketplace for route in context.routes})
    _beside([name for name in marketplaces if settlement_feed.is_settled(context, name)], settled)
    with context.ledger.begin() as connection:
        for route in context.routes:
            watch_deadlines.acknowledgements(connection, context, route)
            watch_deadlines.dispatches(connection, context, route)
            watch_deadlines.returns(connection, context, route)
    housekeeping.clear_inbox(context)
    return report


def _due(context: Context, name: str) -> list[Feed]:
    """What a marketplace can be polled for, without what is long, seldom needed, and was read to its end today."""
    with context.ledger.begin() as connection:
        ages = watermarks.whole_ages(connection)
    return [
        feed
        for feed in context.marketplaces[name].feeds()
        if not feed.is_sweep or ages.get((name, feed.name), inf) > feed.every_seconds - _SLACK
    ]


def _beside(names: Iterable[str], work: Callable[[str], object]) -> None:
    """Do it for each connection by a thread of its own. Raises what one raised, once all are done."""
    names = list(names)
    with ThreadPoolExecutor(max(1, len(names)), thread_name_prefix="pass") as threads:
        list(threads.map(work, names))


def _one_at_a_time(tell: Tell) -> Tell:
    lock = Lock()

    def told(line: str) -> None:
        with lock:
            tell(line)

    return told


def _read(report: SyncReport, tell: Tell, context: Context, name: str, what: str, work: Callable[[], str]) -> None:
    if name in report.away:
        return

    def read() -> str:
        try:
            return work()
        except Unreachable as problem:
            report.away.add(problem.connection or name)  # a marketplace's feed may have asked its store
            raise
        except BudgetFull as problem:
            # `up` reads it too, or the last pass was a minute ago
            if not reachable.was_read_lately(context, name):
                raise
            return f"not yet again ({problem})"

    _try(report, tell, f"{name}: {what}", read)


def _try(report: SyncReport, tell: Tell, what: str, work: Callable[[], str]) -> None:
    try:
        said = work()
    except (TransportError, Malformed) as problem:
        _note(report, tell, what, str(problem))
        return
    if said:
        tell(f"{what}: {said}")


def _note(report: SyncReport, tell: Tell, what: str, why: str) -> None:
    report.problems.append(f"{what}: {why}")
    tell(f"{what}: {why}")


def _settled(context: Context, name: str) -> str:
    found = settlement_feed.import_settlement(context, name)
    return f"{found.read} lines read, {found.new} new, {found.changed} changed" if found.read else ""


def _files_taken(context: Context, name: str, inbox: Path, report: SyncReport) -> str:
    try:
        settlement_inbox.prepare(inbox, [name])
        files = settlement_inbox.take(context, name, inbox)
    except OSError as problem:
        unusable = f"the inbox {inbox} cannot be used ({problem.strerror or problem}); the files in it wait"
        report.problems.append(f"{name}: {unusable}")
        return unusable
    taken = [each.file for each in files if not each.problem]
    refused = [f"{each.file}: {each.problem}" for each in files if each.problem]
    report.problems += [f"{name}: {each}" for each in refused]
    said = [f"{len(taken)} taken: {', '.join(taken)}"] if taken else []
    said += [f"{len(refused)} refused: {' '.join(refused)}"] if refused else []
    return "; ".join(said)


def _catalogue(context: Context, name: str) -> str:
    with reachable.reading(context, name):
        return f"{observe_store.refresh_catalogue(context, name)} variants"


def _imported(context: Context, name: str, feed: str) -> str:
    deliveries.process_inbox(context, name)
    for route in context.routes_of(name):
        if route.store is not None:
            # without any catalogue every product would be unknown and every order without a value
            observe_store.ensure_catalogue(context, route.store)
    found = import_orders.import_feed(context, name, feed)
    return f"{found.read} read, {found.new} new, {found.changed} changed, {found.malformed} unreadable"


def _observed(context: Context, name: str) -> str:
    deliveries.process_inbox(context, name)
    found = observe_store.poll_orders(context, name)
    return f"{found.read} read, {found.moved} of ours moved on"


def _drained(context: Context, name: str, report: SyncReport) -> str:
    done = courier.drain(context, name)
    if not done.held:
        return "another courier is at work"
    kinds: Counter[str] = Counter()
    for (kind, _), count in done.delivered.items():
        kinds[kind] += count
        key = f"{name}: {kind}"
        report.delivered[key] = report.delivered.get(key, 0) + count
    trouble = {"refused": done.refused, "dead": done.dead, "in doubt": done.in_doubt, "postponed": done.postponed}
    for word, count in trouble.items():
        if count:
            report.problems.append(f"{name}: {count} {word}: {done.last_problem}")
    if done.held_back:
        report.problems.append(
            f"{name}: takes nothing just now; one delivery is tried in {max(0.0, done.held_back):.0f} s, and the others"
            " follow once it gets through"
        )
    parts = [f"{count} {kind}" for kind, count in sorted(kinds.items())]
    parts += [f"{count} {word}" for word, count in trouble.items() if count]
    return ", ".join(parts)
