"""Metrics, made by the first event that names them, and what they mean to the account."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from marketplace_sync.sandbox.clock import Clock
from marketplace_sync.sandbox.klaviyo.answers import Json, moment
from marketplace_sync.sandbox.klaviyo.identity import Ids
from marketplace_sync.sandbox.state import State

MAPPED = (
    "revenue", "ordered_product", "refunded_sales", "cancelled_sales",
    "started_checkout", "added_to_cart", "viewed_product",
)  # fmt: skip

INTEGRATIONS: dict[str, Json] = {
    "api": {"object": "integration", "id": "7FtS4J", "key": "api", "name": "API", "category": "API"},
    "klaviyo": {"object": "integration", "id": "0rG4eQ", "key": "klaviyo", "name": "Klaviyo", "category": "Internal"},
    "shopify": {"object": "integration", "id": "0eMvjm", "key": "shopify", "name": "Shopify", "category": "eCommerce"},
}

NATIVE = (
    ("Received Email", "klaviyo"),
    ("Opened Email", "klaviyo"),
    ("Clicked Email", "klaviyo"),
    ("Placed Order", "shopify"),
    ("Refunded Order", "shopify"),
)
"""What an account with a connected shop already has: the same names, other integrations, other metrics."""


def integration(service: str) -> Json:
    """The integration behind a `service`; an unknown one is shown under its own name."""
    made = {"object": "integration", "id": f"X{service[:5]}", "key": service, "name": service, "category": "API"}
    return INTEGRATIONS.get(service, made)


class MetricBook:
    """A metric is its name *and* its integration: two "Placed Order" are two metrics."""

    def __init__(self, state: State, clock: Clock, ids: Ids) -> None:
        self._documents = state.collection("metrics")
        self._mapped = state.collection("mapped_metrics")
        self._clock = clock
        self._ids = ids
        self.default_mapping: dict[str, str] = {}
        self.reload()

    def reload(self) -> None:
        self._by_name = {(one["name"], one["service"]): one["id"] for one in self._documents.values()}

    def seed(self, native: Sequence[tuple[str, str]]) -> None:
        for name, service in native:
            self.ensure(name, service)

    def __len__(self) -> int:
        return len(self._documents)

    def get(self, key: str) -> Json | None:
        return self._documents.get(key)

    def named(self, name: str, service: str = "api") -> Json | None:
        key = self._by_name.get((name, service))
        return self._documents.get(key) if key is not None else None

    def values(self) -> Iterator[Json]:
        return self._documents.values()

    def ensure(self, name: str, service: str) -> Json:
        key = self._by_name.get((name, service))
        if key is not None:
            return self._documents[key]
        now = self._clock.timestamp()
        document: Json = {"id": self._ids.short("metric"), "name": name, "service": service, "created": now}
        document["updated"] = now
        self._by_name[name, service] = document["id"]
        self._documents.put(document["id"], document)
        for meaning, wanted in self.default_mapping.items():
            if wanted == name and service == "api" and self._mapped.get(meaning) is None:
                self.map(meaning, document["id"])
        return document

    def lose(self, document: Json) -> None:
        """The vendor can no longer tell what this metric is; its events stay."""
        self._by_name.pop((document["name"], document["service"]), None)
        self._documents.delete(document["id"])

    def map(self, meaning: str, metric: str | None) -> Json:
        return self._mapped.put(meaning, {"id": meaning, "metric": metric, "updated": self._clock.timestamp()})

    def mapped(self, meaning: str) -> Json:
        return self._mapped.get(meaning) or {"id": meaning, "metric": None, "updated": self._clock.timestamp()}


def as_resource(document: Json, base: str, flows: list[str] | None = None) -> Json:
    """A metric as GET shows it; `flows` are named in the relationship when they were asked for."""
    here = f"{base}/api/metrics/{document['id']}"
    relation: Json = {"links": {"self": f"{here}/relationships/flow-triggers", "related": f"{here}/flow-triggers"}}
    if flows is not None:
        relation["data"] = [{"type": "flow", "id": flow} for flow in flows]
    return {
        "type": "metric",
        "id": document["id"],
        "attributes": {
            "name": document["name"],
            "created": moment(document["created"]),
            "updated": moment(document["updated"]),
            "integration": integration(document["service"]),
        },
        "relationships": {"flow-triggers": relation},
        "links": {"self": f"{here}/"},
    }
