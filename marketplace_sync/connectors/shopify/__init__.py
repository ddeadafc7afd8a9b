"""Shopify as a store, over its Admin GraphQL API."""

from __future__ import annotations

from marketplace_sync.connectors.budget import BudgetSpec, CostBucket
from marketplace_sync.connectors.ports import StoreCapabilities
from marketplace_sync.connectors.shopify.access import TOKEN_BUCKET, authentication
from marketplace_sync.connectors.shopify.graphql import BUCKET
from marketplace_sync.connectors.shopify.settings import ShopifySettings
from marketplace_sync.connectors.shopify.store import ShopifyStore, declared
from marketplace_sync.connectors.wire import Wire
from marketplace_sync.settings import Secret

__all__ = [
    "ROLE", "SETTINGS", "ShopifySettings", "ShopifyStore", "authentication", "budget", "capabilities", "connect",
    "secrets",
]  # fmt: skip

ROLE = "store"
SETTINGS = ShopifySettings
THROTTLED_SECONDS = 2.0

_SMALLEST_BUCKET = CostBucket(capacity=2000, restore_per_second=100)


def capabilities(settings: ShopifySettings) -> StoreCapabilities:
    """What a shop offers, before anybody asked it."""
    return declared(settings)


def connect(name: str, settings: ShopifySettings, wire: Wire) -> ShopifyStore:
    return ShopifyStore(name, settings, wire)


def budget(settings: ShopifySettings) -> BudgetSpec:
    """The cost bucket of the smallest plan (Shopify, throttling). Every answer tells what is left of the real one, and
    that replaces our count, so a larger plan is used in full."""
    return {BUCKET: _SMALLEST_BUCKET, TOKEN_BUCKET: ()}


def secrets(settings: ShopifySettings) -> list[str]:
    """Every secret value of the connection. Raises SecretMissing."""
    named: list[Secret | None] = [settings.access_token, settings.client_id, settings.client_secret]
    return [secret.reveal() for secret in [*named, *settings.webhook_secrets] if secret is not None]
