"""Keeps the shop's webhook subscriptions as we want them: Shopify deletes those whose receiver fails for long."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from marketplace_sync.connectors.shopify import mutations
from marketplace_sync.connectors.shopify.failures import UserError, explained
from marketplace_sync.connectors.shopify.graphql import Document, GraphQL, PageInfo
from marketplace_sync.connectors.shopify.order_answers import Connection
from marketplace_sync.domain.errors import RequestRejected

_ORDER_FIELDS = ("id", "admin_graphql_api_id", "updated_at")
_PART_FIELDS = ("id", "order_id", "updated_at")

WANTED: dict[str, tuple[str, ...]] = {
    "ORDERS_CREATE": _ORDER_FIELDS,
    "ORDERS_UPDATED": _ORDER_FIELDS,
    "ORDERS_CANCELLED": _ORDER_FIELDS,
    "ORDERS_DELETE": (),
    "FULFILLMENTS_CREATE": _PART_FIELDS,
    "FULFILLMENTS_UPDATE": _PART_FIELDS,
    "REFUNDS_CREATE": ("id", "order_id", "created_at"),
}
"""Topic -> the fields a delivery is to carry. Ids and times only: the order is read again anyway, and so no buyer's
name or address is ever delivered. Empty: the topic's own few fields."""

_PAGE = 100


class Subscription(msgspec.Struct, rename="camel"):
    id: str
    topic: str
    uri: str
    include_fields: list[str] = []


class SubscriptionsPage(msgspec.Struct, rename="camel"):
    webhook_subscriptions: Connection[Subscription]

    @property
    def page_info(self) -> PageInfo:
        return self.webhook_subscriptions.page_info


SUBSCRIPTIONS = Document(
    "Subscriptions",
    """
query Subscriptions($first: Int!, $after: String) {
  webhookSubscriptions(first: $first, after: $after) {
    nodes { id topic uri includeFields }
    pageInfo { hasNextPage endCursor }
  }
}
""",
    SubscriptionsPage,
    cost=105,
)


class Subscriptions:
    """The subscriptions of this app in this shop. Every method raises TransportError."""

    def __init__(self, graphql: GraphQL) -> None:
        self._graphql = graphql

    def existing(self) -> list[Subscription]:
        """Those on the topics we use. Subscriptions of other apps are not shown to us."""
        return [
            subscription
            for page in self._graphql.pages(SUBSCRIPTIONS, {}, _PAGE)
            for subscription in page.webhook_subscriptions.nodes
            if subscription.topic in WANTED
        ]

    def point_to(self, url: str) -> Sequence[str]:
        """One subscription per topic, to `url`; what is missing is made first, then those elsewhere are deleted."""
        kept: set[str] = set()
        obsolete = []
        for subscription in self.existing():
            fits = subscription.uri == url and set(subscription.include_fields) == set(WANTED[subscription.topic])
            if fits and subscription.topic not in kept:
                kept.add(subscription.topic)
            else:
                obsolete.append(subscription)
        # Shopify takes one subscription per topic and address: one with other fields has to go before it is remade.
        for subscription in [entry for entry in obsolete if entry.uri == url]:
            self._delete(subscription)
        for topic in WANTED:
            if topic not in kept:
                self._create(topic, url)
        for subscription in [entry for entry in obsolete if entry.uri != url]:
            self._delete(subscription)
        return list(WANTED)

    def _create(self, topic: str, url: str) -> None:
        wanted: dict[str, object] = {"uri": url, "format": "JSON"}
        if WANTED[topic]:
            wanted["includeFields"] = list(WANTED[topic])
        payload = self._graphql.run(
            mutations.SUBSCRIPTION_CREATE, {"topic": topic, "webhookSubscription": wanted}
        ).webhook_subscription_create
        if payload.webhook_subscription is None:
            raise self._refused(f"a subscription of {topic} to {url}", payload.user_errors)

    def _delete(self, subscription: Subscription) -> None:
        payload = self._graphql.run(mutations.SUBSCRIPTION_DELETE, {"id": subscription.id}).webhook_subscription_delete
        if payload.user_errors:
            raise self._refused(f"to delete the subscription of {subscription.topic}", payload.user_errors)

    def _refused(self, what: str, errors: list[UserError]) -> RequestRejected:
        return RequestRejected(
            f"{self._graphql.connection}: {explained(what, errors)}", connection=self._graphql.connection
        )
