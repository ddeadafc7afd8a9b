"""`marketplace-sync status`: how every connection stands."""

from __future__ import annotations

from typing import Annotated

import typer


def status(
    json: Annotated[bool, typer.Option("--json", help="One JSON document instead of a table.")] = False,
) -> None:
    """Per connection: when it was read, what waits, what was delivered, what was given up, the next deadline.

    Read from the ledger alone, so it answers while vendors are down.
    """
    from marketplace_sync.cli.opened import opened
    from marketplace_sync.cli.showing import ago, as_json, as_table
    from marketplace_sync.flows.status import status as read

    with opened() as project:
        found = read(project.context)
    if json:
        as_json(found)
        return
    as_table(
        "Connections",
        ("connection", "role", "read", "waiting", "oldest", "in doubt", "delivered 24 h", "refused", "dead",
         "webhooks", "to acknowledge", "next deadline (UTC)"),
        [
            (
                one.connection, one.role, ago(one.last_read_seconds) if one.role != "marketing" else "",
                one.waiting, "" if one.oldest_waiting_seconds is None else ago(one.oldest_waiting_seconds),
                one.in_doubt, one.delivered, one.refused, one.dead, one.unprocessed_webhooks, one.unacknowledged,
                (one.next_deadline or "")[:16].replace("T", " "),
            )
            for one in found.connections
        ],
    )  # fmt: skip
    for one in found.connections:
        if one.order_history_days is not None:
            print(f"{one.connection} shows no order older than {one.order_history_days} days.")
    if found.work_items:
        as_table("Open work items", ("code", "open"), sorted(found.work_items.items()))
