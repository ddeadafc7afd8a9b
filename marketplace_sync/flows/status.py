"""How an installation stands, per connection: what waits, what was delivered, what needs a person, which deadline is
next."""

from __future__ import annotations

from typing import Any

import msgspec
from sqlalchemy import text

from marketplace_sync.flows.context import Context
from marketplace_sync.ledger import lease, work_items


class ConnectionStatus(msgspec.Struct, kw_only=True):
    connection: str
    platform: str
    role: str
    last_read_seconds: float | None = None
    """Since its orders were last read; None: never, or a connection that has none."""
    waiting: int = 0
    in_doubt: int = 0
    delivered: int = 0
    """In the last 24 hours."""
    refused: int = 0
    dead: int = 0
    oldest_waiting_seconds: float | None = None
    unprocessed_webhooks: int = 0
    courier_at_work: bool = False
    unacknowledged: int = 0
    next_deadline: str | None = None
    new_orders: int = 0
    """First seen in the last 24 hours. How many there ever were would cost more with every one of them."""
    order_history_days: int | None = None
    """A store shows no orders older than this; None: it shows all, or is no store."""


class Status(msgspec.Struct, kw_only=True):
    connections: list[ConnectionStatus]
    work_items: dict[str, int]
    """Open ones by code."""


def status(context: Context) -> Status:
    """Read from the ledger alone: works while vendors are down."""
    roles: dict[str, str] = {}
    for role, group in (
        ("marketplace", context.marketplaces),
        ("store", context.stores),
        ("marketing", context.marketing),
    ):
        roles.update(dict.fromkeys(group, role))
    found = {
        name: ConnectionStatus(connection=name, platform=settings.platform, role=roles.get(name, ""))
        for name, settings in context.connections.items()
    }
    for name in context.stores:
        found[name].order_history_days = context.stores[name].capabilities.order_history_days
    with context.ledger.begin() as connection:
        for row in connection.execute(
            text(
                "SELECT connection, state, count(*) AS n, EXTRACT(EPOCH FROM now() - min(created_at)) AS oldest"
                " FROM ledger.effects WHERE state IN ('pending', 'sending', 'in_doubt', 'refused', 'dead')"
                " GROUP BY connection, state"
            )
        ):
            _note(found.get(row.connection), row)
        for name, delivered in connection.execute(
            text(
                "SELECT connection, count(*) FROM ledger.effects WHERE state = 'delivered'"
                " AND finished_at > now() - interval '24 hours' GROUP BY connection"
            )
        ):
            if name in found:
                found[name].delivered = delivered
        for name, age in connection.execute(
            text("SELECT connection, EXTRACT(EPOCH FROM now() - read_at) FROM ledger.watermarks WHERE feed = 'orders'")
        ):
            if name in found:
                found[name].last_read_seconds = float(age)
        for name, waiting in connection.execute(
            text("SELECT connection, count(*) FROM ledger.inbox WHERE state = 'received' GROUP BY connection")
        ):
            if name in found:
                found[name].unprocessed_webhooks = waiting
        for name, count, deadline in connection.execute(
            text(
                "SELECT connection, count(*), min(acknowledge_by) FROM ledger.orders"
                " WHERE unacknowledged_units > 0 AND NOT is_test GROUP BY connection"
            )
        ):
            if name in found:
                found[name].unacknowledged = count
                found[name].next_deadline = deadline.isoformat() if deadline else None
        # by name: so the index answers, and what was seen long ago is not touched
        for name in found:
            found[name].new_orders = connection.execute(
                text(
                    "SELECT count(*) FROM ledger.orders WHERE connection = :name"
                    " AND first_seen_at > now() - interval '24 hours'"
                ),
                {"name": name},
            ).scalar_one()
        items = work_items.counts(connection)
    for name in lease.holders(context.ledger, list(found)):
        found[name].courier_at_work = True
    return Status(connections=list(found.values()), work_items=items)


def _note(one: ConnectionStatus | None, row: Any) -> None:
    if one is None:
        return
    if row.state in ("pending", "sending"):
        one.waiting += row.n
        one.oldest_waiting_seconds = max(one.oldest_waiting_seconds or 0.0, float(row.oldest))
    elif row.state == "in_doubt":
        one.in_doubt = row.n
    elif row.state == "refused":
        one.refused = row.n
    else:
        one.dead = row.n
