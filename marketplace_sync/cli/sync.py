"""`marketplace-sync sync`: one headless pass over everything."""

from __future__ import annotations

import sys
from typing import Annotated

import typer


def sync(
    json: Annotated[bool, typer.Option("--json", help="One JSON document at the end instead of lines.")] = False,
) -> None:
    """Read every marketplace and store, deliver everything that waits, and say so. For cron, or without Dagster.

    Exit code 0: everything could be read and delivered. 1: something could not; it is kept and tried again next time.
    """
    from marketplace_sync.cli.opened import opened
    from marketplace_sync.cli.showing import as_json
    from marketplace_sync.flows.sync import sync as run

    def tell(line: str) -> None:
        print(line, file=sys.stderr if json else sys.stdout, flush=True)

    with opened(prepare=True) as project:
        report = run(project.context, tell, inbox=project.configuration.inbox)
    if json:
        as_json({"delivered": report.delivered, "problems": report.problems})
    else:
        total = sum(report.delivered.values())
        print(f"{total} delivered, {len(report.problems)} problem(s)")
    if report.problems:
        raise typer.Exit(1)
