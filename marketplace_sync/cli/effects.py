"""`marketplace-sync effects`: the outbox, and a person's decisions on it."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated, Any

import typer

effects = typer.Typer(
    add_completion=False,
    pretty_exceptions_enable=False,
    no_args_is_help=True,
    help="What was wished of vendors and what became of it; retry, edit or skip what was refused or given up.",
)

_STATES = ("pending", "sending", "in_doubt", "delivered", "refused", "dead", "superseded")
_JSON = Annotated[bool, typer.Option("--json", help="One JSON document instead of a table.")]


@effects.command("list")
def list_effects(
    json: _JSON = False,
    state: Annotated[
        list[str] | None, typer.Option(help="Only these states (may be repeated); default: refused and dead.")
    ] = None,
    connection: Annotated[str | None, typer.Option(help="Only one connection's.")] = None,
    order: Annotated[str | None, typer.Option(help="Only one order's, by the marketplace's order id.")] = None,
    limit: Annotated[int, typer.Option(min=1, max=100000)] = 200,
) -> None:
    """Effects, newest first. Payloads are left out; `effects show` prints one."""
    from marketplace_sync.cli.opened import opened
    from marketplace_sync.cli.showing import as_json, as_table
    from marketplace_sync.flows import decide

    wanted = state or (["refused", "dead"] if order is None else list(_STATES))
    for one in wanted:
        if one not in _STATES:
            raise typer.BadParameter(
                f"there is no state {one!r}; states are {', '.join(_STATES)}", param_hint="--state"
            )
    with opened() as project:
        rows = decide.listing(project.context, wanted, connection, order, limit)
    if json:
        as_json(rows)
        return
    columns = ("effect_id", "connection", "kind", "subject", "state", "attempts", "created_at", "last_problem")
    as_table("Effects", columns, [[_cell(row[column]) for column in columns] for row in rows])


def _cell(value: Any) -> Any:
    return f"{value:%Y-%m-%d %H:%M:%S}" if hasattr(value, "strftime") else value


@effects.command()
def show(effect_id: int) -> None:
    """One effect with its payload and result, as JSON. Contains the buyer's data that the vendor needs."""
    from marketplace_sync.cli.opened import opened
    from marketplace_sync.cli.showing import as_json
    from marketplace_sync.flows import decide

    with opened() as project:
        as_json(decide.show(project.context, effect_id))


@effects.command()
def retry(effect_id: int) -> None:
    """Send a refused or given-up effect again, as it is."""
    from marketplace_sync.cli.opened import opened
    from marketplace_sync.flows import decide

    with opened() as project:
        print(decide.retry(project.context, effect_id))


@effects.command()
def edit(
    effect_id: int,
    payload: Annotated[Path, typer.Argument(help="A JSON file with the whole payload, changed; - for standard input.")],
) -> None:
    """Change a refused or given-up effect and send it again."""
    from marketplace_sync.cli.opened import opened
    from marketplace_sync.flows import decide

    try:
        text = sys.stdin.read() if str(payload) == "-" else payload.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as problem:
        raise typer.BadParameter(f"{payload} cannot be read: {problem}", param_hint="PAYLOAD") from None
    with opened() as project:
        print(decide.edit_and_retry(project.context, effect_id, text))


@effects.command()
def skip(
    effect_id: int,
    reason: Annotated[str, typer.Option(help="Why; it is kept with the effect.")],
) -> None:
    """Let an effect go: it will not be sent."""
    from marketplace_sync.cli.opened import opened
    from marketplace_sync.flows import decide

    with opened() as project:
        print(decide.skip(project.context, effect_id, reason))
