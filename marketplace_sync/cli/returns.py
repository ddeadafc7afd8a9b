"""`marketplace-sync returns`: accepted returns, and a person's word that their goods are back."""

from __future__ import annotations

from typing import Annotated

import typer

returns = typer.Typer(
    add_completion=False,
    pretty_exceptions_enable=False,
    no_args_is_help=True,
    help="Returns that are not over, where the marketplace waits to be told; say that their goods are back.",
)


@returns.command("list")
def list_returns(
    json: Annotated[bool, typer.Option("--json", help="One JSON document instead of a table.")] = False,
    limit: Annotated[int, typer.Option(min=1, max=100000)] = 200,
) -> None:
    """Lines of returns that are not over, the oldest first."""
    from marketplace_sync.cli.opened import opened
    from marketplace_sync.cli.showing import as_json, as_table
    from marketplace_sync.flows import returns_by_hand

    with opened() as project:
        rows = returns_by_hand.listing(project.context, limit)
    if json:
        as_json(rows)
        return
    columns = ("connection", "return", "order", "line", "units", "state", "asked for (UTC)", "reason")
    as_table(
        "Returns",
        columns,
        [[f"{cell:%Y-%m-%d %H:%M}" if hasattr(cell, "strftime") else cell for cell in row.values()] for row in rows],
    )


@returns.command()
def received(
    connection: Annotated[str, typer.Argument(help="The marketplace's connection.")],
    return_id: Annotated[str, typer.Argument(help="The return, as `returns list` shows it.")],
    not_compliant: Annotated[
        list[str] | None,
        typer.Option(
            metavar="LINE=REASON",
            help="A line whose goods are not as they should be, and the marketplace's code for why (may be repeated).",
        ),
    ] = None,
    words: Annotated[str, typer.Option(help="What is wrong, for the marketplace to read.")] = "",
) -> None:
    """All goods of a return are back: tell the marketplace, and that they are as they should be unless told."""
    from marketplace_sync.cli.opened import opened
    from marketplace_sync.flows import returns_by_hand

    wrong: dict[str, str] = {}
    for one in not_compliant or ():
        line_id, sign, reason = one.rpartition("=")
        if not (sign and line_id and reason):
            raise typer.BadParameter(f"{one!r} is not LINE=REASON", param_hint="--not-compliant")
        wrong[line_id] = reason
    with opened() as project:
        print(returns_by_hand.received(project.context, connection, return_id, wrong, words))
