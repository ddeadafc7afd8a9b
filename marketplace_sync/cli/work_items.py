"""`marketplace-sync work-items`: what needs a person."""

from __future__ import annotations

from typing import Annotated

import typer


def work_items(
    json: Annotated[bool, typer.Option("--json", help="One JSON document instead of a table.")] = False,
    owner: Annotated[
        str | None, typer.Option(help="Only one team's: operations, finance, marketing, cx, merchandising.")
    ] = None,
    code: Annotated[str | None, typer.Option(help="Only one code, e.g. UNKNOWN_SKU.")] = None,
    order: Annotated[str | None, typer.Option(help="Only one order's, by the marketplace's order id.")] = None,
    closed: Annotated[bool, typer.Option("--closed", help="The closed ones instead of the open ones.")] = False,
    limit: Annotated[int, typer.Option(min=1, max=10000)] = 200,
) -> None:
    """What needs a person, most money at risk first. Items close by themselves when their cause is gone."""
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
            connection, state="closed" if closed else "open", owner=owner, code=code, order_id=order, limit=limit
        )
    if json:
        as_json(items)
        return
    as_table(
        f"{'Closed' if closed else 'Open'} work items",
        ("id", "code", "owner", "at risk", "since (UTC)", "what happened", "what to do"),
        [
            (
                item["work_item_id"],
                item["code"],
                item["owner"],
                money(item["impact"], item["currency"]),
                f"{item['first_seen_at']:%Y-%m-%d %H:%M}",
                item["message"],
                item["closed_because"] if closed else item["action"],
            )
            for item in items
        ],
    )
