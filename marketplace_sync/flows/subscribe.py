"""Keeps vendors delivering their webhooks to us: asked for at start and again and again, because vendors drop them, and
some switch them off."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from marketplace_sync.connectors.ports import SwitchesWebhooksOff, WebhookSource
from marketplace_sync.domain.work_items import Problem
from marketplace_sync.flows import import_orders, observe_store
from marketplace_sync.flows.context import Context
from marketplace_sync.ledger import work_items

VARIABLE = "MARKETPLACE_SYNC_RECEIVER_URL"
"""The receiver's address as vendors reach it, e.g. https://hooks.example.com. Not set: polling alone has to do."""
_EVERY_HOUR = 3600
_SOON = 300


@dataclass(frozen=True)
class Subscribed:
    """`off`: topics that were found switched off. `read`: orders read because of it, None when nothing was read."""

    topics: list[str]
    off: list[str]
    read: int | None = None


def receiver_url(environ: Mapping[str, str] = os.environ) -> str | None:
    return environ.get(VARIABLE, "").strip().rstrip("/") or None


def every_seconds(source: WebhookSource) -> int:
    """How often a connection is asked again: soon where deliveries may end without a word."""
    return _SOON if isinstance(source, SwitchesWebhooksOff) else _EVERY_HOUR


def subscribe(context: Context, name: str, receiver: str) -> list[str]:
    """Make one connection deliver to `receiver`. Returns the topics; empty when it has no webhooks. Raises
    TransportError."""
    return _subscribe(context, name, receiver)[0].topics


def watch(context: Context, name: str, receiver: str) -> Subscribed:
    """As `subscribe`. Of a marketplace whose deliveries have just been found switched off, every list is read at once:
    what they would have told is in them. Raises TransportError."""
    found, is_news = _subscribe(context, name, receiver)
    if not is_news or name not in context.marketplaces:
        return found
    for route in context.routes_of(name):
        if route.store is not None:
            observe_store.ensure_catalogue(context, route.store)
    reports = [import_orders.import_feed(context, name, one.name) for one in context.marketplaces[name].feeds()]
    return Subscribed(found.topics, found.off, sum(report.read for report in reports))


def _subscribe(context: Context, name: str, receiver: str) -> tuple[Subscribed, bool]:
    """And whether something is switched off that was not known to be."""
    source = context.stores.get(name) or context.marketplaces.get(name)
    if not isinstance(source, WebhookSource):
        return Subscribed([], []), False
    url = f"{receiver}/webhooks/{name}"
    off = list(source.switched_off(url)) if isinstance(source, SwitchesWebhooksOff) else []
    topics = list(source.subscribe(url))
    with context.ledger.begin() as connection:
        if off:
            is_news = work_items.report(connection, [_switched_off(name, url, off, topics)]) > 0
        else:
            is_news = False
            work_items.close(connection, ["WEBHOOKS_SWITCHED_OFF"], [name], "the vendor delivers again")
    return Subscribed(topics, off), is_news


def _switched_off(name: str, url: str, off: Sequence[str], topics: Sequence[str]) -> Problem:
    on_again = [topic for topic in off if topic in topics]
    done = (
        "They were switched on again: whatever it was that refused a delivery may do so once more."
        if len(on_again) == len(off)
        else "They stay off until a person switches them on, or re_enable_webhooks of the connection is set."
    )
    return Problem(
        code="WEBHOOKS_SWITCHED_OFF",
        subject=name,
        connection=name,
        message=f"{name} has switched off its deliveries of {', '.join(off)} to {url}: something on the way answered"
        f" one of them with a 4xx or a redirect. {done} Its lists are polled meanwhile, so nothing is lost; it is only"
        " noticed later.",
        evidence={"topics": list(off), "switched_on_again": on_again, "url": url},
    )
