"""Every change this connector can ask a shop for, and how Shopify answers."""

from __future__ import annotations

import msgspec

from marketplace_sync.connectors.shopify.failures import UserError
from marketplace_sync.connectors.shopify.graphql import Document
from marketplace_sync.connectors.shopify.order_answers import Connection, GlobalId, Line, Reference


class CreatedOrder(msgspec.Struct, rename="camel"):
    id: GlobalId
    name: str
    line_items: Connection[Line]


class OrderCreatePayload(msgspec.Struct, rename="camel"):
    order: CreatedOrder | None = None
    user_errors: list[UserError] = []


class OrderCreated(msgspec.Struct, rename="camel"):
    order_create: OrderCreatePayload


ORDER_CREATE = Document(
    "OrderCreate",
    """
mutation OrderCreate($order: OrderCreateOrderInput!, $options: OrderCreateOptionsInput, $lines: Int!) {
  orderCreate(order: $order, options: $options) {
    order {
      id
      name
      lineItems(first: $lines) {
        nodes { id sku quantity customAttributes { key value } }
        pageInfo { hasNextPage }
      }
    }
    userErrors { code field message }
  }
}
""",
    OrderCreated,
    cost=30,
    write=True,
)


class Job(msgspec.Struct):
    id: GlobalId
    done: bool


class _OrderCancelPayload(msgspec.Struct, rename="camel"):
    job: Job | None = None
    order_cancel_user_errors: list[UserError] = []


class OrderCancelled(msgspec.Struct, rename="camel"):
    order_cancel: _OrderCancelPayload


# The marketplace holds the buyer's money, so Shopify is never asked to give any back (Shopify, cancel and refund).
ORDER_CANCEL = Document(
    "OrderCancel",
    """
mutation OrderCancel($orderId: ID!, $reason: OrderCancelReason!, $staffNote: String) {
  orderCancel(
    orderId: $orderId
    reason: $reason
    restock: true
    notifyCustomer: false
    refundMethod: { originalPaymentMethodsRefund: false }
    staffNote: $staffNote
  ) {
    job { id done }
    orderCancelUserErrors { code field message }
  }
}
""",
    OrderCancelled,
    cost=12,
    write=True,
)


class _RefundCreatePayload(msgspec.Struct, rename="camel"):
    refund: Reference | None = None
    user_errors: list[UserError] = []


class RefundCreated(msgspec.Struct, rename="camel"):
    refund_create: _RefundCreatePayload


REFUND_CREATE = Document(
    "RefundCreate",
    """
mutation RefundCreate($input: RefundInput!, $key: String!) {
  refundCreate(input: $input) @idempotent(key: $key) {
    refund { id }
    userErrors { field message }
  }
}
""",
    RefundCreated,
    cost=12,
    write=True,
)


class _DefinitionPayload(msgspec.Struct, rename="camel"):
    created_definition: Reference | None = None
    user_errors: list[UserError] = []


class DefinitionCreated(msgspec.Struct, rename="camel"):
    metafield_definition_create: _DefinitionPayload


DEFINITION_CREATE = Document(
    "DefinitionCreate",
    """
mutation DefinitionCreate($definition: MetafieldDefinitionInput!) {
  metafieldDefinitionCreate(definition: $definition) {
    createdDefinition { id }
    userErrors { code field message }
  }
}
""",
    DefinitionCreated,
    cost=12,
    write=True,
)


class _SubscriptionPayload(msgspec.Struct, rename="camel"):
    webhook_subscription: Reference | None = None
    user_errors: list[UserError] = []


class SubscriptionCreated(msgspec.Struct, rename="camel"):
    webhook_subscription_create: _SubscriptionPayload


SUBSCRIPTION_CREATE = Document(
    "SubscriptionCreate",
    """
mutation SubscriptionCreate($topic: WebhookSubscriptionTopic!, $webhookSubscription: WebhookSubscriptionInput!) {
  webhookSubscriptionCreate(topic: $topic, webhookSubscription: $webhookSubscription) {
    webhookSubscription { id }
    userErrors { field message }
  }
}
""",
    SubscriptionCreated,
    cost=12,
    write=True,
)


class _DeletionPayload(msgspec.Struct, rename="camel"):
    deleted_webhook_subscription_id: str | None = None
    user_errors: list[UserError] = []


class SubscriptionDeleted(msgspec.Struct, rename="camel"):
    webhook_subscription_delete: _DeletionPayload


SUBSCRIPTION_DELETE = Document(
    "SubscriptionDelete",
    """
mutation SubscriptionDelete($id: ID!) {
  webhookSubscriptionDelete(id: $id) {
    deletedWebhookSubscriptionId
    userErrors { field message }
  }
}
""",
    SubscriptionDeleted,
    cost=12,
    write=True,
)
