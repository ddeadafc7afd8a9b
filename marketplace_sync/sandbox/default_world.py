"""The world that people meet when they name no other: every system of the packaged configuration, each in its way.

In the real world marketplaces take their time; here charges are confirmed within half a minute and a payout is made
every ten, so that a newcomer sees an order's whole life.
"""

from __future__ import annotations

from typing import Any

ACCOUNTS = {
    "john_lewis": "john_lewis",
    "john_lewis_home": "mirakl",
    "bazaar": "mirakl",
    "galerie": "mirakl",
    "arcade": "marketplacer",
    "shopify_main": "shopify",
    "magento_main": "magento",
    "klaviyo_main": "klaviyo",
}
"""Account to platform. `john_lewis_home` is John Lewis on its Mirakl rail, which is Mirakl's protocol."""

_PROMPT: dict[str, Any] = {
    "debit_seconds": 20,
    "refund_seconds": 20,
    "receive_seconds": 240,
    "cycle_days": 600 / 86_400,
    # the warehouse sends orders off in parts
    "multi_shipment": True,
}

SETTINGS: dict[str, dict[str, Any]] = {
    "john_lewis_home": {**_PROMPT, "shop_model": "DROPSHIP", "instance": "john-lewis"},
    "bazaar": {**_PROMPT, "instance": "bazaar", "short_payout_rate": 0.5, "surprise_fee_rate": 0.05},
    "galerie": {**_PROMPT, "instance": "galerie", "order_acceptance": "AUTOMATIC"},
    "arcade": {
        "vertical_code": "arcade",
        "site_name": "Arcade",
        "country": "GB",
        "currency": "GBP",
        "sellers_ship_after_seconds": 45,
    },
}
