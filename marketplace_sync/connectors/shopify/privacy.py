"""Shopify's three deliveries about the law: what is kept of a buyer, delete a buyer, delete a shop."""

from __future__ import annotations

from typing import Any

import msgspec

from marketplace_sync.connectors.ports import PrivacyRequest, UnreadableWebhook
from marketplace_sync.decoding import decoded

_DATA_REQUEST, _REDACT, _SHOP_REDACT = "customers/data_request", "customers/redact", "shop/redact"


class _DataRequest(msgspec.Struct):
    id: int | str | None = None


class _Customer(msgspec.Struct):
    id: int | str | None = None


class _Body(msgspec.Struct):
    """What says whom it is about. Names, addresses and telephone numbers in it are not read."""

    customer: _Customer | None = None
    data_request: _DataRequest | None = None
    orders_requested: list[int | str] | None = None
    orders_to_redact: list[int | str] | None = None


def privacy_request(topic: str, body: bytes) -> PrivacyRequest | None:
    """None for every other topic. Raises UnreadableWebhook."""
    if topic not in (_DATA_REQUEST, _REDACT, _SHOP_REDACT):
        return None
    try:
        read = decoded(body, _Body)
    except (msgspec.DecodeError, RecursionError) as problem:
        raise UnreadableWebhook(f"a delivery of {topic} cannot be read: {str(problem)[:200]}") from None
    numbers: list[Any] = [*(read.orders_requested or ()), *(read.orders_to_redact or ())]
    return PrivacyRequest(
        erase=topic != _DATA_REQUEST,
        everybody=topic == _SHOP_REDACT,
        request_id=str(read.data_request.id) if read.data_request and read.data_request.id is not None else "",
        customer_id=str(read.customer.id) if read.customer and read.customer.id is not None else "",
        store_order_ids=tuple(
            str(one) if str(one).startswith("gid://") else f"gid://shopify/Order/{one}" for one in numbers
        ),
    )
