"""`marketplace-sync sync`: one headless pass over everything."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from marketplace_sync.config import Configuration


def sync(
    json: Annotated[bool, typer.Option("--json", help="One JSON document at the end instead of lines.")] = False,
) -> None:
    """Read every marketplace and store, deliver everything that waits, and say so. For cron, or without Dagster.

    Exit code 0: everything could be read and delivered. 1: something could not, or nothing listens where a connection
    leads; what waits is kept and tried again next time.
    """
    from marketplace_sync.cli.opened import opened
    from marketplace_sync.cli.showing import as_json
    from marketplace_sync.flows.sync import sync as run

    def tell(line: str) -> None:
        print(line, file=sys.stderr if json else sys.stdout, flush=True)

    with opened(prepare=True) as project:
        away = _away(project.configuration)
        report = run(project.context, tell, inbox=project.configuration.inbox, away=away)
    if json:
        as_json({"delivered": report.delivered, "problems": report.problems})
    else:
        total = sum(report.delivered.values())
        print(f"{total} delivered, {len(report.problems)} problem(s)")
    if report.problems:
        raise typer.Exit(1)


def _away(configuration: Configuration) -> dict[str, str]:
    """Connection -> why there is no use in asking: nothing listens where it leads on this machine."""
    from marketplace_sync.cli.addresses import silent_place
    from marketplace_sync.config import SANDBOX_PORT_VARIABLE

    fix = "start it, or correct base_url"
    if configuration.is_packaged:
        start = "start the simulated vendors (`marketplace-sync sandbox`, or `up`)"
        fix = f"{start}, or name the port that theirs is on in {SANDBOX_PORT_VARIABLE}"
    places = {name: silent_place(settings.base_url) for name, settings in configuration.connections.items()}
    return {name: f"nothing listens on {place}; {fix}" for name, place in places.items() if place}
