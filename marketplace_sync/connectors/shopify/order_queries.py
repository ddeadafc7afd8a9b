"""Every question this connector asks about orders. Names, addresses, e-mail and phone numbers are never asked for.

Lists that have no page information (`fulfillments`, `refunds`, `trackingInfo`) hide that they were cut off, so more is
asked for than is expected, and a list that comes back full is read again in full (Shopify, paging).
"""

from __future__ import annotations

from marketplace_sync.connectors.shopify.graphql import Document
from marketplace_sync.connectors.shopify.order_answers import (
    FulfillmentPage,
    IdentifiedOrder,
    OneOrder,
    OrderLines,
    OrderParts,
    OrdersPage,
    RefundPage,
    SourcesPage,
)

_HEAD = """
fragment Head on Order {
  id
  name
  sourceIdentifier
  updatedAt
  cancelledAt
  cancelReason
  taxesIncluded
}
"""

_LINE = """
fragment Line on LineItem {
  id
  sku
  quantity
  unfulfilledQuantity
  customAttributes { key value }
}
"""

_FULFILMENT = """
fragment Fulfilment on Fulfillment {
  id
  status
  createdAt
  updatedAt
  trackingInfo(first: $parcels) { company number url }
}

fragment ShippedLine on FulfillmentLineItem {
  quantity
  lineItem { id sku }
}
"""

_REFUND = """
fragment Refunded on Refund {
  id
  note
  createdAt
  processedAt
  totalRefundedSet { shopMoney { amount currencyCode } }
}

fragment RefundedLine on RefundLineItem {
  quantity
  restockType
  subtotalSet { shopMoney { amount currencyCode } }
  totalTaxSet { shopMoney { amount currencyCode } }
  lineItem { id sku }
}
"""

_FACTS = (
    """
fragment Facts on Order {
  ...Head
  lineItems(first: $lines) {
    nodes { ...Line }
    pageInfo { hasNextPage }
  }
  fulfillments(first: $fulfilments) {
    ...Fulfilment
    fulfillmentLineItems(first: $lines) {
      nodes { ...ShippedLine }
      pageInfo { hasNextPage }
    }
  }
  refunds(first: $refunds) {
    ...Refunded
    refundLineItems(first: $lines) {
      nodes { ...RefundedLine }
      pageInfo { hasNextPage }
    }
  }
}
"""
    + _HEAD
    + _LINE
    + _FULFILMENT
    + _REFUND
)

ORDERS = Document(
    "Orders",
    """
query Orders(
  $query: String, $first: Int!, $after: String, $lines: Int!, $fulfilments: Int!, $refunds: Int!, $parcels: Int!
) {
  orders(query: $query, sortKey: UPDATED_AT, first: $first, after: $after) {
    nodes { ...Facts }
    pageInfo { hasNextPage endCursor }
  }
}
"""
    + _FACTS,
    OrdersPage,
    cost=1000,
)

ORDER = Document(
    "Order",
    """
query Order($id: ID!, $lines: Int!, $fulfilments: Int!, $refunds: Int!, $parcels: Int!) {
  order(id: $id) { ...Facts }
}
"""
    + _FACTS,
    OneOrder,
    cost=800,
)

ORDER_LINES = Document(
    "OrderLines",
    """
query OrderLines($id: ID!, $first: Int!, $after: String) {
  order(id: $id) {
    ...Head
    lineItems(first: $first, after: $after) {
      nodes { ...Line }
      pageInfo { hasNextPage endCursor }
    }
  }
}
"""
    + _HEAD
    + _LINE,
    OrderLines,
    cost=300,
)

ORDER_PARTS = Document(
    "OrderParts",
    """
query OrderParts($id: ID!, $most: Int!) {
  order(id: $id) {
    fulfillments(first: $most) { id }
    refunds(first: $most) { id }
  }
}
""",
    OrderParts,
    cost=510,
)

FULFILMENT = Document(
    "Fulfilment",
    """
query Fulfilment($id: ID!, $first: Int!, $after: String, $parcels: Int!) {
  fulfillment(id: $id) {
    ...Fulfilment
    fulfillmentLineItems(first: $first, after: $after) {
      nodes { ...ShippedLine }
      pageInfo { hasNextPage endCursor }
    }
  }
}
"""
    + _FULFILMENT,
    FulfillmentPage,
    cost=500,
)

REFUND = Document(
    "Refund",
    """
query Refund($id: ID!, $first: Int!, $after: String) {
  refund(id: $id) {
    ...Refunded
    refundLineItems(first: $first, after: $after) {
      nodes { ...RefundedLine }
      pageInfo { hasNextPage endCursor }
    }
  }
}
"""
    + _REFUND,
    RefundPage,
    cost=700,
)

ORDER_BY_KEY = Document(
    "OrderByKey",
    """
query OrderByKey($identifier: OrderIdentifierInput!) {
  orderByIdentifier(identifier: $identifier) { id }
}
""",
    IdentifiedOrder,
    cost=1,
)

SOURCES = Document(
    "Sources",
    """
query Sources($query: String, $first: Int!, $after: String, $namespace: String!, $key: String!) {
  orders(query: $query, sortKey: CREATED_AT, first: $first, after: $after) {
    nodes {
      id
      createdAt
      sourceIdentifier
      metafield(namespace: $namespace, key: $key) { value }
    }
    pageInfo { hasNextPage endCursor }
  }
}
""",
    SourcesPage,
    cost=510,
)
