"""Keeps what was sold in step with what marketplace and store last said, so that a reconciliation reads it as columns.

A marketplace's connector that knows what an order is worth to the seller says so (`StatesMoney`); for the others the
order as it was imported has to do.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import date, datetime
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable
from zoneinfo import ZoneInfo

import msgspec
from sqlalchemy import Connection

from marketplace_sync.connectors.ports import Malformed, Statement
from marketplace_sync.decoding import converted, decoder
from marketplace_sync.domain.money import share
from marketplace_sync.domain.orders import Order
from marketplace_sync.domain.settlement.inputs import SoldLine, SoldOrder, StoreRefund
from marketplace_sync.domain.store import RefundedLine, StoreOrder
from marketplace_sync.domain.store import StoreRefund as RefundInStore
from marketplace_sync.flows.began_in_store import REFERENCE
from marketplace_sync.flows.context import Context, source_identifier
from marketplace_sync.flows.settlement_account import Account
from marketplace_sync.ledger import settlement as ledger
from marketplace_sync.ledger.database import driver

if TYPE_CHECKING:
    import polars as pl

AT_ONCE = 5_000


@runtime_checkable
class StatesMoney(Protocol):
    """A marketplace connector that can say what an order is worth to the seller."""

    def sold_order(self, statement: Statement) -> SoldOrder | None:
        """Read an order statement, with the marketplace's own refunds and their reasons; days are local days of the
        connection. None for what nobody is paid for (a test). Raises Malformed. Pure."""
        ...


def refresh(connection: Connection, context: Context, account: Account) -> int:
    """Bring what was sold up to date, in this transaction. Returns how many orders were read again."""
    marketplace = context.marketplaces[account.name]
    if isinstance(marketplace, StatesMoney):
        read = _read_stated(connection, account, marketplace)
    else:
        read = _read_imported(connection, account)
    count = sum(_store(connection, account, "marketplace", part) for part in _parts(read))
    if account.store is not None:
        count += sum(_store(connection, account, "store", part) for part in _parts(_read_store(connection, account)))
    return count


Stated = tuple[SoldOrder, str]
"""An order, and which version of its statement it was read from."""


def _parts(orders: Iterable[Stated]) -> Iterator[list[Stated]]:
    part: list[Stated] = []
    for each in orders:
        part.append(each)
        if len(part) >= AT_ONCE:
            yield part
            part = []
    if part:
        yield part


def _read_stated(connection: Connection, account: Account, marketplace: StatesMoney) -> Iterator[Stated]:
    """Statements that are newer than what is kept. What cannot be read has a work item from its import already."""
    rows = _stream(
        connection,
        "SELECT s.key, s.version::text, s.payload FROM (SELECT DISTINCT ON (key) key, version, payload"
        " FROM ledger.statements WHERE connection = %(name)s AND kind = 'order' ORDER BY key, version DESC) s"
        " LEFT JOIN ledger.sold_orders o ON o.connection = %(name)s AND o.source = 'marketplace' AND o.order_id = s.key"
        " WHERE o.stated IS DISTINCT FROM s.version::text",
        account.name,
    )
    for key, version, payload in rows:
        try:
            order = marketplace.sold_order(Statement(kind="order", key=str(key), payload=bytes(payload)))
        except Malformed:
            continue
        if order is not None:
            yield order, str(version)


def _stream(connection: Connection, query: str, name: str) -> Iterator[tuple[Any, ...]]:
    """Rows in pieces, while other statements run on the same connection."""
    cursor = driver(connection).cursor(name=f"sold_{abs(hash(query))}")
    cursor.itersize = AT_ONCE
    cursor.execute(query.encode(), {"name": name})
    with cursor:
        yield from cursor


def _read_imported(connection: Connection, account: Account) -> Iterator[Stated]:
    """Orders as they were imported: price and shipping as stated, dispatches and refunds from their events."""
    decode = decoder(Order).decode
    rows = _stream(
        connection,
        "SELECT o.document::text, o.changed_at::text,"
        " COALESCE((SELECT json_agg(json_build_object('kind', e.kind, 'key', e.key, 'line_id', e.line_id, 'amount',"
        "   e.amount, 'quantity', e.quantity, 'detail', e.detail, 'at', e.occurred_at) ORDER BY e.occurred_at, e.key)"
        "   FROM ledger.order_events e WHERE e.connection = o.connection AND e.order_id = o.order_id"
        "   AND e.kind IN ('dispatched', 'refunded')), '[]'::json)::text"
        " FROM ledger.orders o LEFT JOIN ledger.sold_orders s ON s.connection = o.connection AND s.source ="
        " 'marketplace' AND s.order_id = o.order_id"
        " WHERE o.connection = %(name)s AND NOT o.is_test AND s.stated IS DISTINCT FROM o.changed_at::text",
        account.name,
    )
    for document, changed_at, events in rows:
        yield _from_import(account, decode(str(document)), msgspec.json.decode(str(events))), str(changed_at)


def _from_import(account: Account, order: Order, events: list[dict[str, object]]) -> SoldOrder:
    shipped: dict[str, date] = {}
    refunds: list[StoreRefund] = []
    for event in events:
        day = _day(datetime.fromisoformat(str(event["at"])), account.zone)
        line_id = str(event["line_id"])
        if event["kind"] == "dispatched":
            shipped[line_id] = max(day, shipped.get(line_id, day))
            continue
        detail = event["detail"] if isinstance(event["detail"], dict) else {}
        shipping = int(detail.get("shipping_amount") or 0)
        refunds.append(
            StoreRefund(
                refund_id=str(event["key"]),
                line_id=line_id,
                refunded_on=day,
                amount=max(0, int(str(event["amount"] or 0)) - shipping),
                shipping=shipping,
                quantity=int(str(event["quantity"])),
                reason=str(detail.get("reason", "")),
            )
        )
    lines = []
    for number, line in enumerate(order.lines):
        whole = line.total if line.total is not None else (line.unit_price or 0) * line.quantity
        wanted = max(0, line.quantity - line.cancelled)
        lines.append(
            SoldLine(
                line_id=line.line_id,
                sku=line.sku,
                categories=(line.category,) if line.category else (),
                quantity=line.quantity,
                price=share(whole, [wanted, line.quantity - wanted])[0] if line.quantity else whole,
                shipping=(order.shipping_price or 0) if number == 0 else 0,
                tax=line.tax,
                shipped_on=shipped.get(line.line_id),
                cancelled=wanted == 0,
            )
        )
    return SoldOrder(
        channel=account.channel,
        order_id=order.order_id,
        commercial_id=order.customer_order_number,
        currency=order.currency,
        cancelled=bool(lines) and all(line.cancelled for line in lines),
        placed_on=_day(order.placed_at, account.zone),
        lines=tuple(lines),
        refunds=tuple(refunds),
    )


def _read_store(connection: Connection, account: Account) -> Iterator[Stated]:
    """What the connected store has of this marketplace's orders: that it has them, what left, what it gave back."""
    decode = decoder(StoreOrder).decode
    rows = _stream(
        connection,
        "SELECT DISTINCT ON (o.order_id) o.order_id, o.document::text, o.updated_at::text FROM ledger.store_orders o"
        " LEFT JOIN ledger.sold_orders s ON s.connection = o.order_connection AND s.source = 'store'"
        " AND s.order_id = o.order_id WHERE o.order_connection = %(name)s AND o.order_id IS NOT NULL"
        " AND s.stated IS DISTINCT FROM o.updated_at::text ORDER BY o.order_id, o.updated_at DESC",
        account.name,
    )
    for order_id, document, updated_at in rows:
        yield _from_store(account, str(order_id), decode(str(document))), str(updated_at)


def _from_store(account: Account, order_id: str, stored: StoreOrder) -> SoldOrder:
    line_ids = {line.line_id: line.source_line_id for line in stored.lines}
    left = [f.shipped_at for f in stored.fulfilments if f.succeeded]
    ours = f"{REFERENCE}{source_identifier(account.name, order_id)}:"
    refunds = [each for refund in stored.refunds for each in _refunds_in_store(refund, line_ids, ours, account.zone)]
    return SoldOrder(
        channel=account.channel,
        order_id=order_id,
        currency="",
        cancelled=stored.cancelled_at is not None and not left,
        shipped_on=_day(max(left), account.zone) if left else None,
        refunds=tuple(refunds),
    )


def _refunds_in_store(
    refund: RefundInStore, line_ids: dict[str, str], ours: str, zone: ZoneInfo
) -> Iterator[StoreRefund]:
    """Per order line. Units that never left are no refund of something settled; what the refund gave back beyond its
    lines is shipping. Only refunds that we recorded bear the marketplace's id."""
    lines = [line for line in refund.lines if not line.unshipped]
    if refund.lines and not lines:
        return
    about = {
        "refund_id": refund.reference.removeprefix(ours) if refund.reference.startswith(ours) else "",
        "refunded_on": _day(refund.refunded_at, zone),
        "reason": "",
    }
    if not lines:
        if refund.amount:
            yield converted(about | {"amount": refund.amount}, StoreRefund)
        return
    amounts = _amounts(refund, lines)
    beyond = max(0, (refund.amount or 0) - sum(amounts)) if len(lines) == len(refund.lines) else 0
    for place, (line, amount) in enumerate(zip(lines, amounts, strict=True)):
        more = {"line_id": line_ids.get(line.line_id, ""), "amount": amount, "quantity": line.quantity}
        yield converted(about | more | {"shipping": beyond if place == 0 else 0}, StoreRefund)


def _amounts(refund: RefundInStore, lines: list[RefundedLine]) -> list[int]:
    stated = [line.amount for line in lines]
    if None not in stated:
        return [amount or 0 for amount in stated]
    return share(refund.amount or 0, [line.quantity for line in lines])


def _day(moment: datetime, zone: ZoneInfo) -> date:
    return moment.astimezone(zone).date()


def _store(connection: Connection, account: Account, source: str, part: list[Stated]) -> int:
    orders, lines, refunds = _frames(part)
    ledger.replace_sold(connection, account.name, source, orders, lines, refunds)
    return len(part)


def _frames(part: list[Stated]) -> tuple[pl.DataFrame, pl.DataFrame, pl.DataFrame]:
    import polars as pl

    from marketplace_sync.domain.settlement.frames import Book

    # Of one order stated twice in a part the last one counts, as it would in two parts.
    stated = {order.order_id: (order, version) for order, version in part}
    book = Book.of((order for order, _ in stated.values()), ())
    versions = pl.DataFrame({"order_id": list(stated), "stated": [version for _, version in stated.values()]})
    number = pl.int_range(pl.len(), dtype=pl.UInt32).over("order_id").alias("refund_no")
    reasons = book.refund_reasons.select("order_id", "refund_id", pl.col("reason").alias("known_reason"))
    refunds = book.refunds.join(reasons, on=["order_id", "refund_id"], how="left", maintain_order="left").with_columns(
        pl.when(pl.col("reason") == "").then(pl.col("known_reason").fill_null("")).otherwise("reason").alias("reason"),
        number,
    )
    return book.orders.join(versions, on="order_id", how="left"), book.order_lines, refunds
