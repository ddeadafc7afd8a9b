"""Complaints of buyers at a marketplace: shown to a person while they are open, because their lines are not paid."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import Connection

from marketplace_sync.domain.orders import Order
from marketplace_sync.domain.work_items import Problem
from marketplace_sync.flows.context import source_identifier
from marketplace_sync.ledger import work_items


def follow(connection: Connection, name: str, read: Sequence[Order]) -> None:
    """Open an item for each order that states incidents, close it for each that does not."""
    work_items.report(connection, [_problem(name, order) for order in read if order.incidents])
    settled = [source_identifier(name, order.order_id) for order in read if not order.incidents]
    work_items.close(connection, ["INCIDENT_OPEN"], settled, "the marketplace states no open incident any more")


def _problem(name: str, order: Order) -> Problem:
    lines = [line for line in order.lines if line.line_id in order.incidents]
    about = ", ".join(f"{line.line_id} ({line.sku})" for line in lines)
    amounts = [line.total for line in lines if line.total is not None]
    return Problem(
        code="INCIDENT_OPEN",
        subject=source_identifier(name, order.order_id),
        connection=name,
        order_id=order.order_id,
        message=f"Order {order.reference} of {name} has an open incident on"
        f" {'line' if len(lines) == 1 else 'lines'} {about}. The marketplace does not pay what it is about"
        " until it is settled.",
        impact=sum(amounts) if amounts else None,
        currency=order.currency,
        evidence={"lines": list(order.incidents)},
    )
