"""Keeps vendors delivering their webhooks to us: asked for at start and again every hour, because vendors drop them."""

from __future__ import annotations

import os
from collections.abc import Mapping

from marketplace_sync.connectors.ports import WebhookSource
from marketplace_sync.flows.context import Context

VARIABLE = "MARKETPLACE_SYNC_RECEIVER_URL"
"""The receiver's address as vendors reach it, e.g. https://hooks.example.com. Not set: polling alone has to do."""


def receiver_url(environ: Mapping[str, str] = os.environ) -> str | None:
    return environ.get(VARIABLE, "").strip().rstrip("/") or None


def subscribe(context: Context, name: str, receiver: str) -> list[str]:
    """Make one connection deliver to `receiver`. Returns the topics; empty when it has no webhooks. Raises
    TransportError."""
    source = context.stores.get(name) or context.marketplaces.get(name)
    if not isinstance(source, WebhookSource):
        return []
    return list(source.subscribe(f"{receiver}/webhooks/{name}"))
