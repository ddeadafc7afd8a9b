"""`marketplace-sync work-items`: what needs a person, and what a person says of it."""

from __future__ import annotations

import getpass
import os
from typing import Annotated, Any

import typer

work_items = typer.Typer(
    add_completion=False,
    pretty_exceptions_enable=False,
    invoke_without_command=True,
    help="What needs a person; show one item, give it to somebody, or close what no cause will close.",
)

_Because = Annotated[str, typer.Option("--because", help="What was done; it is kept with the item.")]


@work_items.callback()
def listing(
    context: typer.Context,
    json: Annotated[bool, typer.Option("--json", help="One JSON document instead of a table.")] = False,
    owner: Annotated[
        str | None, typer.Option(help="Only one team's: operations, finance, marketing, cx, merchandising.")
    ] = None,
    code: Annotated[str | None, typer.Option(help="Only one code, e.g. UNKNOWN_SKU.")] = None,
    order: Annotated[str | None, typer.Option(help="Only one order's, by the marketplace's order id.")] = None,
    assigned_to: Annotated[str | None, typer.Option(help="Only what was given to one person.")] = None,
    closed: Annotated[bool, typer.Option("--closed", help="The closed ones instead of the open ones.")] = False,
    limit: Annotated[int, typer.Option(min=1, max=10000)] = 200,
) -> None:
    """What needs a person, most money at risk first. Items close by themselves when their cause is gone."""
    if context.invoked_subcommand is not None:
        return
    from marketplace_sync.cli.opened import opened
    from marketplace_sync.cli.showing import as_json, as_table, money
    from marketplace_sync.domain.work_items import CODES, Team
    from marketplace_sync.ledger import work_items as ledger

    if owner is not None and owner not in list(Team):
        raise typer.BadParameter(f"there is no team {owner!r}; teams are {', '.join(Team)}", param_hint="--owner")
    if code is not None and code not in CODES:
        raise typer.BadParameter(f"there is no code {code!r}; codes are {', '.join(CODES)}", param_hint="--code")
    with opened() as project, project.ledger.begin() as connection:
        items = ledger.listing(
            connection,
            state="closed" if closed else "open",
            owner=owner,
            code=code,
            order_id=order,
            assigned_to=assigned_to,
            limit=limit,
        )
    if json:
        as_json(items)
        return
    as_table(
        f"{'Closed' if closed else 'Open'} work items",
        ("id", "code", "owner", "at risk", "since (UTC)", "what happened", "why closed" if closed else "what to do"),
        [
            (
                item["work_item_id"],
                item["code"],
                _owner(item),
                money(item["impact"], item["currency"]),
                f"{item['first_seen_at']:%Y-%m-%d %H:%M}",
                item["message"],
                item["closed_because"] if closed else item["action"],
            )
            for item in items
        ],
    )


def _owner(item: dict[str, Any]) -> str:
    return f"{item['owner']}: {item['assigned_to']}" if item["assigned_to"] else str(item["owner"])


@work_items.command()
def show(work_item_id: int) -> None:
    """One item whole, with its evidence, as JSON."""
    from marketplace_sync.cli.opened import opened
    from marketplace_sync.cli.showing import as_json
    from marketplace_sync.flows import decide

    with opened() as project:
        as_json(decide.work_item(project.context, work_item_id))


@work_items.command()
def close(work_item_id: int, because: _Because) -> None:
    """Close an item that was dealt with outside. It opens again only when something else is said of it."""
    from marketplace_sync.cli.opened import opened
    from marketplace_sync.flows import decide

    with opened() as project:
        print(decide.close_work_item(project.context, work_item_id, because, _me()))


def _me() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # a container's user may have a number and no name
        return f"user {os.getuid()}"


@work_items.command()
def assign(work_item_id: int, to: Annotated[str, typer.Argument(help="Who looks after it.")]) -> None:
    """Give an open item to somebody."""
    from marketplace_sync.cli.opened import opened
    from marketplace_sync.flows import decide

    with opened() as project:
        print(decide.assign_work_item(project.context, work_item_id, to))
