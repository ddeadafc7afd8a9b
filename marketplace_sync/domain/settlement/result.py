"""What reconciliation concludes: orders with their components, lines outside orders, documents. Nothing is lost."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date
from typing import Any

import msgspec
import polars as pl

from marketplace_sync.domain.errors import MarketplaceSyncError
from marketplace_sync.domain.settlement.codes import Code, Status
from marketplace_sync.domain.settlement.line_types import PAYMENT, Component

_ORDER_COLUMNS: dict[str, Any] = {
    "o": pl.UInt32,
    "channel": pl.String,
    "order_id": pl.String,
    "commercial_id": pl.String,
    "currency": pl.String,
    "status": pl.String,
    "codes": pl.List(pl.String),
    "expected": pl.Int64,
    "settled": pl.Int64,
    "held": pl.Int64,
    "variance": pl.Int64,
    "documents": pl.List(pl.String),
    "settled_currency": pl.String,
}
ORDERS = pl.Schema(_ORDER_COLUMNS)
"""`settled_currency` is another one than `currency` only where that is what is wrong."""
_COMPONENT_COLUMNS: dict[str, Any] = {
    "o": pl.UInt32,
    "order_line_id": pl.String,
    "refund_id": pl.String,
    "component": pl.Enum([component.value for component in Component]),
    "expected": pl.Int64,
    "settled": pl.Int64,
    "held": pl.Int64,
    "code": pl.Enum(["", *(code.value for code in Code)]),
}
COMPONENTS = pl.Schema(_COMPONENT_COLUMNS)
"""Few words, a million times: as text they would take 50 MB more."""
UNALLOCATED = pl.Schema(
    {
        "line_id": pl.String,
        "type": pl.String,
        "amount": pl.Int64,
        "currency": pl.String,
        "code": pl.String,
        "suggested_order": pl.String,
        "document": pl.String,
        "created_on": pl.Date,
    }
)


SUMS = pl.Schema({"document": pl.String, "currency": pl.String, "type": pl.String, "amount": pl.Int64})
"""What a document's lines of one type add up to, PAYMENT among them."""

PLACED = pl.Schema({"line_id": pl.String, "order_id": pl.String, "document": pl.String, "currency": pl.String,
                    "amount": pl.Int64})  # fmt: skip
"""What of a line that names no order that is known was found to be an order's: in parts, where it pays several."""


class Document(msgspec.Struct, frozen=True, kw_only=True):
    """One payout. Amounts in minor units of `currency`; the bank's in minor units of `bank_currency`."""

    accounting_document_number: str
    currency: str
    opening_balance: int
    lines_total: int
    amount_transferred: int
    closing_balance: int
    status: Status
    codes: tuple[Code, ...]
    bank_currency: str
    bank_expected: int
    bank_received: int
    created_on: date | None = None
    paid_on: date | None = None


@dataclass(frozen=True)
class Result:
    """Frames in the schemas above, in their final order: orders by channel and id, components (`o` is the order's
    number) by order line, refund and component, unallocated lines by id. Amounts in minor units."""

    as_of: date
    orders: pl.DataFrame
    components: pl.DataFrame
    unallocated: pl.DataFrame
    documents: tuple[Document, ...]
    sums: pl.DataFrame
    placed: pl.DataFrame = field(default_factory=lambda: pl.DataFrame(schema=PLACED))
    careful: int = 0
    """How many orders were judged one by one."""

    def payout(self, document: str) -> Result:
        """That document, and every order with a line in it. Raises UnknownDocument."""
        documents = tuple(d for d in self.documents if d.accounting_document_number == document)
        if not documents:
            raise UnknownDocument(
                f"No settlement line names the document {document!r} on {self.as_of:%Y-%m-%d} or before."
            )
        orders = self.orders.filter(pl.col("documents").list.contains(document))
        return Result(
            as_of=self.as_of,
            orders=orders,
            components=self.components.join(orders.select("o"), on="o", how="semi", maintain_order="left"),
            unallocated=self.unallocated.filter(pl.col("document") == document),
            documents=documents,
            sums=self.sums.filter(pl.col("document") == document),
            placed=self.placed.filter(pl.col("document") == document),
            careful=self.careful,
        )


class UnknownDocument(MarketplaceSyncError):
    """A payout was asked for that no settlement line belongs to."""


class NotConserved(MarketplaceSyncError):
    """Money was lost or invented between the settlement and the report: a bug, never to be reported as a result."""


def check_conservation(lines: pl.DataFrame, idle: pl.Series, result: Result) -> None:
    """Σ settled + held of orders, Σ unallocated and `idle` (amounts on orders, in no countable state) add up to Σ
    `lines` without PAYMENT; and the components of orders to the orders. Raises NotConserved."""
    total = _sum(lines.select("type", "amount").filter(pl.col("type") != PAYMENT)["amount"])
    orders = _sum(result.orders["settled"]) + _sum(result.orders["held"])
    parts = _sum(result.components["settled"]) + _sum(result.components["held"])
    outside = _sum(result.unallocated["amount"])
    if orders + outside + _sum(idle) != total or parts != orders:
        raise NotConserved(
            f"Settlement lines add up to {total} minor units; the report accounts for {orders} on orders "
            f"({parts} by component), {outside} outside orders and {_sum(idle)} in no payment state that counts. "
            "Nothing was stored. Please report this with the settlement file."
        )


def _sum(amounts: pl.Series) -> int:
    return int(str(amounts.sum()))
