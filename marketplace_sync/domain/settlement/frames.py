"""A connection's book as columns: the form in which a million lines are read, matched and cut down to what differs."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import Any

import polars as pl

from marketplace_sync.domain.settlement.goods import DISPATCHES, GOODS, NAMES
from marketplace_sync.domain.settlement.inputs import BankReceipt, SettlementLine, SoldLine, SoldOrder, StoreRefund

_KEY: dict[str, Any] = {"channel": pl.String, "order_id": pl.String}

ORDERS = pl.Schema(
    _KEY
    | {
        "commercial_id": pl.String,
        "currency": pl.String,
        "held": pl.Boolean,
        "cancelled": pl.Boolean,
        "placed_on": pl.Date,
        "shipped_on": pl.Date,
    }
)
ORDER_LINES = pl.Schema(
    _KEY
    | {
        "line_no": pl.UInt32,
        "line_id": pl.String,
        "sku": pl.String,
        "categories": pl.List(pl.String),
        "quantity": pl.Int64,
        "price": pl.Int64,
        "shipping": pl.Int64,
        "tax": pl.Int64,
        "fees": pl.Int64,
        "base_price": pl.Int64,
        "base_shipping": pl.Int64,
        "other_prices": pl.List(pl.Int64),
        "own_commission": pl.Int64,
        "invoice": pl.String,
        "shipped_on": pl.Date,
        "cancelled": pl.Boolean,
    }
)
REFUNDS = pl.Schema(
    _KEY
    | {
        "refund_id": pl.String,
        "line_id": pl.String,
        "refunded_on": pl.Date,
        "amount": pl.Int64,
        "shipping": pl.Int64,
        "tax": pl.Int64,
        "quantity": pl.Int64,
        "reason": pl.String,
    }
)
REFUND_REASONS = pl.Schema(_KEY | {"refund_id": pl.String, "reason": pl.String})
_LINE_COLUMNS: dict[str, Any] = {
    "line_id": pl.String,
    "type": pl.Categorical(),
    "amount": pl.Int64,
    "currency": pl.Categorical(),
    "channel": pl.Categorical(),
    "order_id": pl.String,
    "order_line_id": pl.String,
    "refund_id": pl.String,
    "document": pl.Categorical(),
    "document_created_on": pl.Date,
    "payment_state": pl.Categorical(),
    "created_on": pl.Date,
    "description": pl.String,
}
LINES = pl.Schema(_LINE_COLUMNS)
"""What few values repeat is kept as categories: a million lines of plain text take 100 MB more."""

_LATER_STATES = ("", "PENDING", "PAYABLE", "PAYMENT_IN_PROGRESS", "PAID")


@dataclass(frozen=True)
class Book:
    """Everything known of one connection. Text columns hold "" where nothing is stated, never null; the optional
    columns of `ORDER_LINES`, `REFUNDS` and the days may be null. Frames have exactly the columns of their schemas."""

    orders: pl.DataFrame
    order_lines: pl.DataFrame
    refunds: pl.DataFrame
    refund_reasons: pl.DataFrame
    lines: pl.DataFrame
    receipts: tuple[BankReceipt, ...] = ()
    each_line_once: bool = False
    """Whoever made the book knows that no line id is there twice; otherwise it is looked at."""
    goods: pl.DataFrame = field(default_factory=lambda: pl.DataFrame(schema=GOODS))
    dispatches: pl.DataFrame = field(default_factory=lambda: pl.DataFrame(schema=DISPATCHES))
    names: pl.DataFrame = field(default_factory=lambda: pl.DataFrame(schema=NAMES))
    """The last three only where lines name goods, or orders by another name than their id."""
    awaited: frozenset[str] = frozenset()
    """Ids of orders that may yet come by themselves, as `SoldOrder.awaited` says; also of some that are held."""

    @classmethod
    def of(
        cls, orders: Iterable[SoldOrder], lines: Iterable[SettlementLine], receipts: Iterable[BankReceipt] = ()
    ) -> Book:
        """From plain records. For many, build the frames column by column instead."""
        order_rows, line_rows, refund_rows, reason_rows = [], [], [], []
        for order in orders:
            key = (order.channel, order.order_id)
            order_rows.append(
                (*key, order.commercial_id, order.currency, order.held, order.cancelled, order.placed_on,
                 order.shipped_on)
            )  # fmt: skip
            for number, line in enumerate(order.lines):
                line_rows.append(
                    (*key, number, line.line_id, line.sku, list(line.categories), line.quantity, line.price,
                     line.shipping, line.tax, line.fees, line.base_price, line.base_shipping, list(line.other_prices),
                     line.own_commission, line.invoice, line.shipped_on, line.cancelled)
                )  # fmt: skip
            for refund in order.refunds:
                refund_rows.append(
                    (*key, refund.refund_id, refund.line_id, refund.refunded_on, refund.amount, refund.shipping,
                     refund.tax, refund.quantity, refund.reason)
                )  # fmt: skip
            reason_rows += [(*key, refund_id, reason) for refund_id, reason in order.refund_reasons.items()]
        settled = [
            (line.line_id, line.type, line.amount, line.currency, line.channel, line.order_id, line.order_line_id,
             line.refund_id, line.document, line.document_created_on, line.payment_state,
             line.created_on, line.description)
            for line in lines
        ]  # fmt: skip
        return cls(
            orders=pl.DataFrame(order_rows, ORDERS, orient="row"),
            order_lines=pl.DataFrame(line_rows, ORDER_LINES, orient="row"),
            refunds=pl.DataFrame(refund_rows, REFUNDS, orient="row"),
            refund_reasons=pl.DataFrame(reason_rows, REFUND_REASONS, orient="row"),
            lines=pl.DataFrame(settled, LINES, orient="row"),
            receipts=tuple(receipts),
        )

    def on(self, as_of: date) -> Book:
        """As it was at the end of a day: what is dated later is left out, and each line id is there once."""

        def until(frame: pl.DataFrame, day: str) -> pl.DataFrame:
            later = (frame[day] > as_of).fill_null(False)
            return frame.filter(~later) if later.any() else frame

        def not_yet(frame: pl.DataFrame) -> pl.DataFrame:
            shipped = pl.when(pl.col("shipped_on") <= as_of).then("shipped_on").alias("shipped_on")
            return frame.with_columns(shipped)

        orders = until(self.orders, "placed_on")
        unborn = orders.height < self.orders.height
        keys = orders.select("channel", "order_id")

        def of_these(frame: pl.DataFrame) -> pl.DataFrame:
            return frame.join(keys, on=["channel", "order_id"], how="semi") if unborn else frame

        lines = until(self.lines, "created_on")
        return Book(
            orders=not_yet(orders),
            order_lines=not_yet(of_these(self.order_lines)),
            refunds=of_these(until(self.refunds, "refunded_on")),
            refund_reasons=of_these(self.refund_reasons),
            lines=lines if self.each_line_once else once(lines),
            receipts=tuple(r for r in self.receipts if r.received_on is None or r.received_on <= as_of),
            each_line_once=True,
            goods=self.goods,
            dispatches=until(self.dispatches, "day"),
            names=self.names,
            awaited=self.awaited,
        )


def once(lines: pl.DataFrame) -> pl.DataFrame:
    """Each line id once: of several statements of one line the one furthest in payment, whatever their order."""
    if not lines["line_id"].is_duplicated().any():
        return lines
    repeated = lines["line_id"].is_duplicated()
    progress = pl.col("payment_state").replace_strict(
        {state: rank for rank, state in enumerate(_LATER_STATES)}, default=len(_LATER_STATES), return_dtype=pl.Int8
    )
    others = [name for name in lines.columns if name != "line_id"]
    chosen = lines.filter(repeated).sort(progress, *others).unique("line_id", keep="last", maintain_order=True)
    return pl.concat([lines.filter(~repeated), chosen])


def sold_orders(
    orders: pl.DataFrame, order_lines: pl.DataFrame, refunds: pl.DataFrame, reasons: pl.DataFrame
) -> Iterator[tuple[int, SoldOrder]]:
    """Records again, from frames that carry the order's number in a column `o`."""
    lines = _grouped(order_lines.sort("o", "line_no"))
    given_back = _grouped(refunds)
    reason_of = _grouped(reasons)
    for row in orders.iter_rows(named=True):
        number = row["o"]
        yield (
            number,
            SoldOrder(
                channel=row["channel"],
                order_id=row["order_id"],
                commercial_id=row["commercial_id"],
                currency=row["currency"],
                held=row["held"],
                cancelled=row["cancelled"],
                placed_on=row["placed_on"],
                shipped_on=row["shipped_on"],
                lines=tuple(_sold_line(line) for line in lines.get(number, ())),
                refunds=tuple(_store_refund(refund) for refund in given_back.get(number, ())),
                refund_reasons={each["refund_id"]: each["reason"] for each in reason_of.get(number, ())},
            ),
        )


def settlement_lines(lines: pl.DataFrame) -> dict[int, list[SettlementLine]]:
    """Settlement lines by the order's number in a column `o`."""
    names = LINES.names()
    found: dict[int, list[SettlementLine]] = {}
    for number, *values in lines.select("o", *names).iter_rows():
        found.setdefault(number, []).append(SettlementLine(**dict(zip(names, values, strict=True))))
    return found


def _grouped(frame: pl.DataFrame) -> dict[int, Sequence[dict[str, Any]]]:
    found: dict[int, list[dict[str, Any]]] = {}
    for row in frame.iter_rows(named=True):
        found.setdefault(row["o"], []).append(row)
    return dict(found)


def _sold_line(row: dict[str, Any]) -> SoldLine:
    return SoldLine(
        line_id=row["line_id"],
        sku=row["sku"],
        categories=tuple(row["categories"]),
        quantity=row["quantity"],
        price=row["price"],
        shipping=row["shipping"],
        tax=row["tax"],
        fees=row["fees"],
        base_price=row["base_price"],
        base_shipping=row["base_shipping"],
        other_prices=tuple(row["other_prices"]),
        own_commission=row["own_commission"],
        shipped_on=row["shipped_on"],
        cancelled=row["cancelled"],
        invoice=row["invoice"],
    )


def _store_refund(row: dict[str, Any]) -> StoreRefund:
    return StoreRefund(
        refund_id=row["refund_id"],
        line_id=row["line_id"],
        refunded_on=row["refunded_on"],
        amount=row["amount"],
        shipping=row["shipping"],
        tax=row["tax"],
        quantity=row["quantity"],
        reason=row["reason"],
    )
