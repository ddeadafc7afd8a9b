"""What the law asks about a buyer's data that are kept here: which those are, and that they be erased.

A person answers: whose data these are is the marketplace's to say, and settled payouts need the order's statement.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta

from sqlalchemy import Connection

from marketplace_sync.connectors.ports import PrivacyRequest
from marketplace_sync.domain.orders import Order
from marketplace_sync.domain.work_items import Problem
from marketplace_sync.flows.context import Context, source_identifier
from marketplace_sync.ledger import work_items
from marketplace_sync.ledger.database import driver

ANSWER_WITHIN = timedelta(days=30)


def ask_a_person(connection: Connection, context: Context, store: str, delivery_id: str, asked: PrivacyRequest) -> None:
    """One item per request, naming orders and numbers and never the buyer."""
    ours = [] if asked.everybody else _ours(connection, store, asked.store_order_ids)
    due = (context.now() + ANSWER_WITHIN).date().isoformat()
    whose = "everybody it has" if asked.everybody else f"customer {asked.customer_id or 'without a number'}"
    wants = "to erase the data of" if asked.erase else "what is kept about"
    kept = f"{len(ours)} orders of theirs are held here" if not asked.everybody else "its orders are held here"
    work_items.report(
        connection,
        [
            Problem(
                code="PRIVACY_ERASURE" if asked.erase else "PRIVACY_REQUEST",
                subject=f"{store}:{asked.request_id or delivery_id}",
                connection=store,
                message=f"{store} asks {wants} {whose}: {kept}. Answer until {due}. The request is kept for thirty"
                " days.",
                evidence={
                    "orders": ours,
                    "store_orders": list(asked.store_order_ids),
                    "customer": asked.customer_id,
                    "answer_until": due,
                    "delivery": delivery_id,
                },
            )
        ],
    )


def erased_at_marketplace(connection: Connection, context: Context, name: str, before: Order, after: Order) -> None:
    """One item when a marketplace has erased an order's buyer, which other systems have heard of as well."""
    if before.buyer_erased or not after.buyer_erased:
        return
    due = (context.now() + ANSWER_WITHIN).date().isoformat()
    rows = driver(connection).execute(
        "SELECT connection, store_order_id FROM ledger.store_orders WHERE order_connection = %s AND order_id = %s",
        (name, after.order_id),
    )
    identifier = source_identifier(name, after.order_id)
    work_items.report(
        connection,
        [
            Problem(
                code="PRIVACY_ERASURE",
                subject=identifier,
                connection=name,
                order_id=after.order_id,
                message=f"{name} has erased the buyer of order {after.reference}. What it stated of them before is kept"
                f" here, in the store and at the marketing account. Erase it there until {due}.",
                evidence={
                    "orders": [identifier],
                    "store_orders": [f"{row[0]}:{row[1]}" for row in rows],
                    "customer": after.buyer_id,
                    "answer_until": due,
                },
            )
        ],
    )


def not_imported(connection: Connection, name: str, strangers: Sequence[Order]) -> None:
    """Orders that may have come from a store, which had their marks wiped before they were ever held here: as new ones
    they would go back to it and be sold twice. One of which units are still open is shown to a person."""
    work_items.report(
        connection,
        [
            Problem(
                code="ODD_STATEMENT",
                subject=source_identifier(name, order.order_id),
                connection=name,
                order_id=order.order_id,
                message=f"Order {order.reference} of {name} was purged before it was first read here, with the marks of"
                " orders that came from a store. It was not imported, or it might be sold a second time. If it came"
                f" from no store, send its {order.open_units()} open units by hand.",
                evidence={"order": order.reference, "open_units": order.open_units()},
            )
            for order in strangers
            if order.open_units()
        ],
    )


def _ours(connection: Connection, store: str, store_order_ids: Sequence[str]) -> list[str]:
    """The marketplace orders behind these orders of the store."""
    rows = driver(connection).execute(
        "SELECT order_connection, order_id FROM ledger.store_orders WHERE connection = %s"
        " AND store_order_id = ANY(%s) AND order_id IS NOT NULL ORDER BY 1, 2",
        (store, list(store_order_ids)),
    )
    return [source_identifier(row[0], row[1]) for row in rows]
