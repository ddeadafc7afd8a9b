"""What is asked about an order before money is booked back or units are taken off it."""

from __future__ import annotations

import msgspec

from marketplace_sync.connectors.shopify.graphql import Document
from marketplace_sync.connectors.shopify.mutations import Job
from marketplace_sync.connectors.shopify.order_answers import MoneyBag, Reference


class Transaction(msgspec.Struct, rename="camel"):
    id: str
    kind: str
    status: str
    amount_set: MoneyBag
    gateway: str | None = None
    parent_transaction: Reference | None = None


class SuggestedRefund(msgspec.Struct, rename="camel"):
    amount_set: MoneyBag


class Books(msgspec.Struct, rename="camel"):
    transactions: list[Transaction]
    suggested_refund: SuggestedRefund | None = None


class BooksAnswer(msgspec.Struct):
    order: Books | None = None


BOOKS = Document(
    "Books",
    """
query Books($id: ID!, $most: Int!, $lines: [RefundLineItemInput!]) {
  order(id: $id) {
    transactions(first: $most) {
      id
      kind
      status
      gateway
      amountSet { shopMoney { amount currencyCode } }
      parentTransaction { id }
    }
    suggestedRefund(refundLineItems: $lines, refundShipping: false) {
      amountSet { shopMoney { amount currencyCode } }
    }
  }
}
""",
    BooksAnswer,
    cost=410,
)


class JobAnswer(msgspec.Struct):
    job: Job | None = None


JOB = Document("Job", "query Job($id: ID!) {\n  job(id: $id) { id done }\n}\n", JobAnswer, cost=1)
