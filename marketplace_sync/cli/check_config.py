"""`marketplace-sync check-config`: says everything that is wrong before anything runs."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Annotated, Any

import msgspec
import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from marketplace_sync.cli.addresses import silent_place
from marketplace_sync.cli.busy import WaitsInAll, used_by
from marketplace_sync.config import Configuration, find, load
from marketplace_sync.config_sentences import without_credentials
from marketplace_sync.connectors import registry
from marketplace_sync.connectors.ports import Finding
from marketplace_sync.domain.errors import ConfigurationError, MarketplaceSyncError

if TYPE_CHECKING:
    from marketplace_sync.ledger.database import Ledger

TRIED_FOR = 60.0
"""Seconds a connection gets to answer everything that is tried. Connections are tried at the same time."""
WAITED_FOR = 30.0
"""Seconds of it for room in the connection's rate budget, over all that is tried."""


_WORDS = {"works": "works", "fails": "FAILS", "busy": "BUSY"}
_MARKS = {"works": "[green]✓[/green]", "fails": "[red]✗[/red]", "busy": "[yellow]…[/yellow]"}


@dataclass(frozen=True)
class Tried:
    """What came of trying one connection, or the database."""

    name: str
    platform: str
    findings: Sequence[Finding]

    @property
    def works(self) -> bool:
        return all(finding.works for finding in self.findings)

    @property
    def state(self) -> str:
        """`works`, `fails`, or `busy`: nothing fails, and not everything could be tried."""
        states = {_state(finding) for finding in self.findings}
        return "fails" if "fails" in states else "busy" if "busy" in states else "works"


def _state(finding: Finding) -> str:
    return "works" if finding.works else "fails" if finding.free_in is None else "busy"


def check_config(
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON document, for programs.")] = False,
) -> None:
    """Judge the configuration and try every connection with harmless reads.

    Leaves with 0 when everything works, 1 when some connection does not, 2 when the configuration is wrong, 3 when
    nothing fails but some connection was too busy to be tried.
    """
    _be_quiet()
    try:
        configuration = load()
    except ConfigurationError as wrong:
        _print_problems(wrong.problems, as_json)
        raise typer.Exit(2) from None
    database = _try_database(configuration)
    with _ledger(configuration) as ledger:
        tried = [*database, *try_all(configuration, ledger=ledger)]
    if as_json:
        _print_json(str(configuration.path), [], tried)
    else:
        _print_tried(configuration, tried)
    states = {one.state for one in tried}
    if states != {"works"}:
        raise typer.Exit(1 if "fails" in states else 3)


def _be_quiet() -> None:
    """The findings say what came of every request; its log lines would only stand between them."""
    import logging

    import structlog

    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))


@contextmanager
def _ledger(configuration: Configuration) -> Iterator[Ledger | None]:
    """The ledger, where vendors' answers are kept that they give once a day, and where calls are counted: what is asked
    here would else be missing where orders are read, and the next read would be refused. None when there is none to be
    had, which is said elsewhere."""
    from marketplace_sync.ledger.database import Ledger, migrate
    from marketplace_sync.ledger.location import resolve_database

    with ExitStack() as opened:
        ledger = None
        try:
            database = opened.enter_context(resolve_database(configuration.home))
            if database.server is not None:
                migrate(database.ledger)
            ledger = Ledger(database.ledger)
            opened.callback(ledger.close)
            ledger.check_version()
        except MarketplaceSyncError:
            ledger = None
        yield ledger


def try_all(configuration: Configuration, seconds: float = TRIED_FOR, *, ledger: Ledger | None = None) -> list[Tried]:
    """Try every connection, all at the same time. One that does not come back in `seconds` does not work."""
    found: dict[str, Sequence[Finding]] = {}

    def attempt(name: str) -> None:
        found[name] = _try(name, configuration, ledger)

    threads = [threading.Thread(target=attempt, args=(name,), daemon=True) for name in configuration.connections]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(seconds)
    late = Finding(
        subject="connection",
        works=False,
        detail=f"no end of it within {seconds:g} s",
        fix="try again; is the vendor slow?",
    )
    return [
        Tried(name, settings.platform, found.get(name, [late])) for name, settings in configuration.connections.items()
    ]


def _try(name: str, configuration: Configuration, ledger: Ledger | None) -> Sequence[Finding]:
    from marketplace_sync.connectors.budget import LocalBudget
    from marketplace_sync.ledger.budgets import SharedBudget
    from marketplace_sync.ledger.memory import KeptMemory

    settings = configuration.connections[name]
    if nobody := _nobody_there(settings.base_url):
        return nobody
    try:
        connector = registry.open_connection(
            name,
            settings,
            lambda _, spec: WaitsInAll(
                LocalBudget(spec) if ledger is None else SharedBudget(ledger.counting, name, spec), WAITED_FOR
            ),
            memory=None if ledger is None else KeptMemory(ledger, name),
        )
        findings: Sequence[Finding] = connector.check()
        return [one if one.free_in is None else _busy(one, one.free_in, ledger, name) for one in findings]
    except MarketplaceSyncError as problem:
        return [Finding(subject="connection", works=False, detail=str(problem))]
    except Exception as defect:
        # A connector that breaks is one more thing to say: the other connections are to be judged all the same.
        detail = without_credentials(f"it could not be tried ({type(defect).__name__}: {defect})")
        return [Finding(subject="connection", works=False, detail=detail, fix="please report this defect")]


def _busy(finding: Finding, seconds: float, ledger: Ledger | None, name: str) -> Finding:
    when = datetime.now(UTC) + timedelta(seconds=seconds)
    fix = f"nothing is known to be wrong; try again after {when:%H:%M:%S} UTC. In use by {used_by(ledger, name)}"
    return msgspec.structs.replace(finding, fix=fix)


def _nobody_there(base_url: str) -> list[Finding]:
    """On this machine a port without a listener is certain at once, and its usual reason is known."""
    place = silent_place(base_url)
    if not place:
        return []
    fix = "start the simulated vendors: `marketplace-sync sandbox`, or with everything else `marketplace-sync up`"
    return [Finding(subject="connection", works=False, detail=f"nothing listens on {place}", fix=fix)]


def _try_database(configuration: Configuration) -> list[Tried]:
    """A server of somebody else's is tried too; the embedded one is ours to start."""
    if configuration.database_url is None:
        return []
    from marketplace_sync.ledger.location import prepare, urls_of, without_password

    try:
        urls = urls_of(configuration.database_url)
        prepare(urls)
    except ConfigurationError as wrong:
        return [Tried("database", "postgresql", [Finding(subject="address", works=False, detail=wrong.problems[0])])]
    except MarketplaceSyncError as problem:
        return [Tried("database", "postgresql", [Finding(subject="database", works=False, detail=str(problem))])]
    fine = Finding(subject="database", works=True, detail=f"{without_password(urls.plain)} answers")
    return [Tried("database", "postgresql", [fine])]


def _print_problems(problems: list[str], as_json: bool) -> None:
    if as_json:
        _print_json(str(find()), problems, [])
        return
    print(f"{find()}: {len(problems)} {'problem' if len(problems) == 1 else 'problems'}")
    for problem in problems:
        print(f"  {problem}")


def _print_json(path: str, problems: list[str], tried: list[Tried]) -> None:
    connections: list[dict[str, Any]] = [
        {
            "connection": one.name,
            "platform": one.platform,
            "works": one.works,
            "state": one.state,
            "findings": [
                {"subject": f.subject, "works": f.works, "state": _state(f), "detail": f.detail, "fix": f.fix}
                for f in one.findings
            ],
        }
        for one in tried
    ]
    works = not problems and all(one.works for one in tried)
    print(
        json.dumps({"configuration": path, "works": works, "problems": problems, "connections": connections}, indent=2)
    )


def _print_tried(configuration: Configuration, tried: list[Tried]) -> None:
    console = Console(highlight=False)
    routes = len(configuration.routes)
    print(f"{configuration.path}: {len(configuration.connections)} connections, {routes} routes, no problems")
    if not console.is_terminal:
        for one in tried:
            for finding in one.findings:
                fix = f"; {finding.fix}" if finding.fix else ""
                print(f"{one.name}: {finding.subject}: {_WORDS[_state(finding)]}: {finding.detail}{fix}")
        return
    table = Table(box=None, padding=(0, 2, 0, 0))
    for heading in ("connection", "tried", "", "what was found"):
        table.add_column(heading, overflow="fold")
    for one in tried:
        for position, finding in enumerate(one.findings):
            mark = _MARKS[_state(finding)]
            text = escape(finding.detail + (f"\n→ {finding.fix}" if finding.fix else ""))
            table.add_row(one.name if position == 0 else "", finding.subject, mark, text)
    console.print(table)
