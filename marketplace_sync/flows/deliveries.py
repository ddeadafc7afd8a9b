"""Handles stored webhook deliveries of any connection: what they are about is read again, the body is not trusted."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

from marketplace_sync.connectors.ports import PassesOnPrivacy, StillArriving, UnreadableWebhook, WebhookSource
from marketplace_sync.domain.errors import TransportError
from marketplace_sync.domain.work_items import Problem
from marketplace_sync.flows import import_orders, observe_store, privacy
from marketplace_sync.flows.context import Context, source_identifier
from marketplace_sync.ledger import inbox, work_items

_READERS = 8
"""Orders read from the vendor at once while handling webhooks."""
_TRY_AGAIN = timedelta(seconds=5)


def process_inbox(context: Context, name: str, limit: int = 100) -> int:
    """Handle stored webhook deliveries of a store or a marketplace.

    Each order is read outside any transaction and noted in one of its own, several at once. Returns how many deliveries
    were finished. A vendor that cannot be read now leaves them waiting. Two who do this at once do it harmlessly twice.
    """
    source = context.stores.get(name) or context.marketplaces.get(name)
    if not isinstance(source, WebhookSource):
        return 0
    about: dict[str, list[str]] = {}
    done: list[str] = []
    with context.ledger.begin() as connection:
        deliveries = inbox.waiting(connection, name, limit)
        for delivery in deliveries:
            try:
                concerned = source.concerns(delivery.topic, delivery.body)
                if isinstance(source, PassesOnPrivacy):
                    asked = source.privacy_request(delivery.topic, delivery.body)
                    if asked is not None:
                        privacy.ask_a_person(connection, context, name, delivery.delivery_id, asked)
            except UnreadableWebhook as problem:
                inbox.unreadable(connection, name, delivery.delivery_id, str(problem))
                work_items.report(connection, [_unreadable(name, delivery, str(problem))])
                continue
            if not concerned:
                done.append(delivery.delivery_id)
            for order_id in concerned:
                about.setdefault(order_id, []).append(delivery.delivery_id)
        if done:
            inbox.processed(connection, name, done)
    if not about:
        return len(done)
    with ThreadPoolExecutor(min(len(about), _READERS), thread_name_prefix=f"inbox-{name}") as readers:
        finished = readers.map(lambda one: _read_again(context, name, *one), about.items())
        return len(done) + sum(finished)


def _read_again(context: Context, name: str, order_id: str, delivery_ids: list[str]) -> int:
    try:
        if name in context.stores:
            observe_store.read_again(context, name, order_id)
        else:
            for route in context.routes_of(name):
                if route.store is not None:
                    # a delivery may come before anything was ever read, and then every product would be unknown
                    observe_store.ensure_catalogue(context, route.store)
            import_orders.import_order(context, name, order_id)
    except (TransportError, StillArriving) as problem:
        with context.ledger.begin() as connection:
            inbox.later(connection, name, delivery_ids, str(problem), _TRY_AGAIN)
        return 0
    with context.ledger.begin() as connection:
        inbox.processed(connection, name, delivery_ids)
    return len(delivery_ids)


def _unreadable(name: str, delivery: inbox.Delivery, problem: str) -> Problem:
    return Problem(
        code="UNREADABLE_WEBHOOK",
        subject=source_identifier(name, delivery.delivery_id),
        connection=name,
        message=f"{name} delivered {delivery.topic} {delivery.delivery_id}, genuine and unreadable: {problem}."
        " The delivery is kept.",
        evidence={"topic": delivery.topic, "problem": problem},
    )
