"""What the shop's office and the vendor itself do: rotate the app's secret, ask about a person's data, delete it."""

from __future__ import annotations

from typing import Any

from marketplace_sync.sandbox.shopify.shop import Shop
from marketplace_sync.sandbox.shopify.shop_fields import SHOP_ID
from marketplace_sync.sandbox.shopify.subscriptions import Publisher
from marketplace_sync.sandbox.shopify.tokens import rotate

COMPLIANCE_TOPICS = ("customers/data_request", "customers/redact", "shop/redact")


class Office:
    """Acts that are about the app and the law, not about goods."""

    shop: Shop
    publisher: Publisher

    def act_rotate_client_secret(self, secret: str) -> dict[str, Any]:
        """Give the app another secret. For an hour webhooks are still signed with the old one."""
        if not secret:
            raise ValueError("a secret cannot be empty")
        rotate(self.shop.state, self.shop.settings, secret, self.shop.clock.timestamp())
        return {"rotated_at": self.shop.now()}

    def act_ask_compliance(
        self, topic: str, uri: str, email: str | None = None, orders: list[str | int] | None = None
    ) -> dict[str, Any]:
        """Send one of the privacy webhooks to the address of the app's configuration (Shopify, privacy law)."""
        if topic not in COMPLIANCE_TOPICS:
            raise ValueError(f"{topic!r} is not one of {', '.join(COMPLIANCE_TOPICS)}")
        body: dict[str, Any] = {"shop_id": SHOP_ID, "shop_domain": self.shop.settings.domain}
        if topic != "shop/redact":
            known = next((c for c in self.shop.customers.values() if c["email"] == email), None)
            numbers = [int(str(order).rpartition("/")[2]) for order in orders or []]
            body["customer"] = {
                "id": known["id"] if known else None, "email": email, "phone": known["phone"] if known else None,
            }  # fmt: skip
            body["orders_requested" if topic == "customers/data_request" else "orders_to_redact"] = numbers
        if topic == "customers/data_request":
            body["data_request"] = {"id": self.shop.state.counter("data requests", 9001)}
        self.publisher.send_compliance(topic, uri, body)
        return body
