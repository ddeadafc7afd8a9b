"""What one simulated shop is like. The defaults are an ordinary shop on the cheapest plan with a young app."""

from __future__ import annotations

from dataclasses import dataclass, field, fields
from typing import Any

ALL_SCOPES = (
    "read_all_orders", "read_orders", "write_orders", "read_products", "write_products", "read_inventory",
    "write_inventory", "read_locations", "read_fulfillments", "write_fulfillments",
    "read_assigned_fulfillment_orders", "write_assigned_fulfillment_orders",
    "read_merchant_managed_fulfillment_orders", "write_merchant_managed_fulfillment_orders",
    "read_third_party_fulfillment_orders", "write_third_party_fulfillment_orders",
    "read_returns", "write_returns", "read_customers", "write_customers",
)  # fmt: skip


@dataclass
class Settings:
    """Knobs of one shop, given by name in the account's settings."""

    shop_name: str = "Hearth & Field Trading"
    domain: str = "hearth-and-field.myshopify.com"
    currency: str = "GBP"
    timezone: str = "Europe/London"

    access_token: str = "shpat_sandbox"  # noqa: S105 -- opens nothing but the simulation
    """The static token of an admin-made app; it never expires."""
    client_id: str = "sandbox-client"
    client_secret: str = "sandbox-shopify-secret"  # noqa: S105
    """Also what webhooks are signed with."""
    token_seconds: int = 86399
    """Life of a token from the client-credentials grant."""
    scopes: list[str] = field(default_factory=lambda: [s for s in ALL_SCOPES if s != "read_all_orders"])

    restore_rate: float | None = 100
    """Cost points per second given back; None for a shop without limits."""
    bucket: float = 2000
    most_cost: int = 1000
    """A single operation may not ask for more."""
    orders_per_minute: int | None = None
    """5 on trial and development stores (Shopify, orderCreate); None elsewhere."""

    search_lag_seconds: float = 2.0
    """How long the search behind `orders(query:)` lags behind writes."""
    routing_seconds: float = 0.5
    """How long an order has no fulfilment orders yet."""
    job_seconds: float = 1.0
    """How long an asynchronous job (cancelling an order) takes."""
    mutation_seconds: float = 0.0
    """How long mutations with an idempotency key take: above 0, two at once can meet."""
    unique_id_metafields: bool = True
    """Whether a second order with the same value of an `id` metafield is refused."""
    deepest_object: int = 25000
    """How far into a search one can page: beyond that the time window has to move (Shopify, pagination)."""
    visible_days: int = 60
    """Older orders need `read_all_orders`."""
    versions: list[str] = field(
        default_factory=lambda: ["2025-10", "2026-01", "2026-04", "2026-07", "2026-10", "2027-01", "unstable"]
    )
    """Accessible versions, oldest first. Anything older is answered by the first."""
    unsupported_versions: list[str] = field(default_factory=lambda: ["2027-01", "unstable"])
    """Accessible, but only as a candidate."""

    @classmethod
    def of(cls, given: dict[str, Any]) -> Settings:
        """Settings by name. Raises ValueError for one that does not exist."""
        known = {f.name for f in fields(cls)}
        if unknown := set(given) - known:
            raise ValueError(
                f"a simulated Shopify has no setting {', '.join(sorted(unknown))}; it has: {', '.join(sorted(known))}"
            )
        settings = cls(**given)
        if "restore_rate" in given and "bucket" not in given and settings.restore_rate is not None:
            settings.bucket = settings.restore_rate * 20
        return settings
