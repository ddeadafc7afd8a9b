"""Gathers what the modules of the shop registered: one resolver per field that is not read straight off a document."""

from __future__ import annotations

from marketplace_sync.sandbox.shopify import (  # noqa: F401 -- imported for what they register
    cancellation,
    catalogue_fields,
    fulfilment,
    inventory,
    line_fields,
    metafields,
    order_fields,
    orders,
    parcel_fields,
    queries,
    refunds,
    returns,
    shop_fields,
    subscriptions,
)
from marketplace_sync.sandbox.shopify.wiring import FIELDS as RESOLVERS

__all__ = ["RESOLVERS"]
