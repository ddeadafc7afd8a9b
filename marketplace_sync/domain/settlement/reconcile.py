"""Reconciles a connection's whole book: matches every line, judges every order, conserves every penny."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from typing import Any

import polars as pl

from marketplace_sync.domain.settlement import bulk, documents, outside, result
from marketplace_sync.domain.settlement.cells import Cell
from marketplace_sync.domain.settlement.frames import LINES, Book, settlement_lines, sold_orders
from marketplace_sync.domain.settlement.inputs import HELD_STATE, SETTLED_STATES, SettlementLine, SoldOrder
from marketplace_sync.domain.settlement.line_types import KNOWN, PAYMENT, Place
from marketplace_sync.domain.settlement.order import Verdict, judge
from marketplace_sync.domain.settlement.result import Document, Result, check_conservation
from marketplace_sync.domain.settlement.rules import Rules
from marketplace_sync.domain.settlement.settings import FinanceSettings

_OUTSIDE = [t.name for t in KNOWN.values() if t.place is Place.OUTSIDE]


def reconcile(book: Book, settings: FinanceSettings, as_of: date, *, all_careful: bool = False) -> Result:
    """What a correct matcher concludes on the evening of `as_of`. `all_careful` judges every order one by one: slower,
    with the same result. Raises NotConserved (a bug, never bad input)."""
    book = book.on(as_of)
    lines = book.lines.filter(pl.col("type") != PAYMENT)
    attached, unallocated = attach(book, lines)
    clean = bulk.conclude(attached, settings, as_of)
    if all_careful:
        nothing = clean.orders.head(0), clean.components.head(0), clean.roundings.head(0)
        clean = bulk.Clean(*nothing, left=attached.orders["o"])
    verdicts = _judge(attached, clean.left, settings, as_of)
    concluded = Result(
        as_of=as_of,
        orders=_orders(attached, clean, verdicts),
        components=_components(clean, verdicts),
        unallocated=_unallocated(unallocated, attached.orders, settings, as_of),
        documents=_documents(book, clean, verdicts, settings, as_of),
        careful=len(verdicts),
    )
    accounted = pl.concat(
        [attached.lines.select("amount", "counted", "o"), unallocated.select("amount", "counted", "o")]
    )
    check_conservation(accounted, concluded)
    return concluded


def attach(book: Book, lines: pl.DataFrame) -> tuple[bulk.Attached, pl.DataFrame]:
    """Numbers orders and order lines, and finds those of each settlement line: (the book with lines on orders, lines
    outside orders). Orders that only the settlement knows are added, as not held."""
    counted = pl.col("payment_state").is_in([*SETTLED_STATES, HELD_STATE]).alias("counted")
    lines = lines.with_columns(counted)
    lines = _with_order_ids(lines, book.order_lines)
    is_outside = (pl.col("order_id") == "") | pl.col("type").is_in(_OUTSIDE)
    unallocated = lines.filter(is_outside).with_columns(pl.lit(None, pl.UInt32).alias("o"))
    lines = lines.filter(~is_outside)
    key = ["channel", "order_id"]
    strangers = lines.join(book.orders, on=key, how="anti").select(*key, "currency").sort(*key, "currency")
    orders = pl.concat([book.orders, _strangers(strangers.unique(key, keep="first", maintain_order=True))])
    orders = orders.sort(key).with_row_index("o")
    numbers = orders.select(*key, "o")
    order_lines = book.order_lines.join(numbers, on=key, how="left").sort("o", "line_no").with_row_index("l")
    known = order_lines.filter(pl.col("line_id") != "").select("o", "l", "line_id")
    named = known.unique(["o", "line_id"], keep="first", maintain_order=True)
    lines = lines.join(numbers, on=key, how="left", maintain_order="left").join(
        named, left_on=["o", "order_line_id"], right_on=["o", "line_id"], how="left", maintain_order="left"
    )
    refunds = (
        book.refunds.rename({"shipping": "shipping_refund"})
        .join(numbers, on=key, how="left")
        .join(named, on=["o", "line_id"], how="left")
        .sort("o", "refund_id", "line_id", "refunded_on", "amount")
    )
    reasons = book.refund_reasons.join(numbers, on=key, how="left").sort("o", "refund_id")
    return bulk.Attached(orders, order_lines, refunds, reasons, lines), unallocated


def _with_order_ids(lines: pl.DataFrame, order_lines: pl.DataFrame) -> pl.DataFrame:
    """A line with an order line id but no order id belongs to that line's order, where only one order has it."""
    nameless = (pl.col("order_id") == "") & (pl.col("order_line_id") != "")
    if lines.filter(nameless).is_empty():
        return lines
    owners = (
        order_lines.filter(pl.col("line_id") != "")
        .group_by("channel", pl.col("line_id").alias("order_line_id"))
        .agg(pl.col("order_id").unique())
        .filter(pl.col("order_id").list.len() == 1)
        .select("channel", "order_line_id", pl.col("order_id").list.first().alias("owner"))
    )
    found = lines.join(owners, on=["channel", "order_line_id"], how="left", maintain_order="left")
    owner = pl.when(nameless).then(pl.col("owner").fill_null("")).otherwise("order_id").alias("order_id")
    return found.with_columns(owner).drop("owner")


def _strangers(keys: pl.DataFrame) -> pl.DataFrame:
    return keys.select(
        "channel",
        "order_id",
        pl.lit("").alias("commercial_id"),
        "currency",
        pl.lit(False).alias("held"),
        pl.lit(False).alias("cancelled"),
        pl.lit(None, pl.Date).alias("placed_on"),
        pl.lit(None, pl.Date).alias("shipped_on"),
    )


def _judge(
    book: bulk.Attached, numbers: pl.Series, settings: FinanceSettings, as_of: date
) -> list[tuple[int, SoldOrder, Verdict, str]]:
    """(order number, order, verdict, currency of its settlement) of the orders that are judged one by one."""
    chosen = numbers.cast(pl.UInt32).alias("o").to_frame()

    def of_these(frame: pl.DataFrame) -> pl.DataFrame:
        return frame.join(chosen, on="o", how="semi", maintain_order="left")

    lines = settlement_lines(of_these(book.lines))
    orders = sold_orders(
        of_these(book.orders),
        of_these(book.order_lines),
        of_these(book.refunds).rename({"shipping_refund": "shipping"}),
        of_these(book.refund_reasons),
    )
    rules: dict[str, Rules] = {}
    verdicts = []
    for number, order in orders:
        if order.currency not in rules:
            rules[order.currency] = Rules.of(settings, order.currency, as_of)
        settled = lines.get(number, [])
        verdict = judge(order, settled, rules[order.currency])
        currencies = {line.currency for line in settled}
        verdicts.append((number, order, verdict, currencies.pop() if len(currencies) == 1 else order.currency))
    return verdicts


def _orders(
    book: bulk.Attached, clean: bulk.Clean, verdicts: Sequence[tuple[int, SoldOrder, Verdict, str]]
) -> pl.DataFrame:
    variance = (pl.col("settled") + pl.col("held") - pl.col("expected")).alias("variance")
    concluded = clean.orders.with_columns(variance, pl.lit(None, pl.String).alias("settled_currency"))
    rows = [
        (number, v.status.value, sorted(c.value for c in v.codes), v.expected, v.settled, v.held, v.variance, currency)
        for number, _, v, currency in verdicts
    ]
    judged = pl.DataFrame(rows, concluded.schema, orient="row")
    documents = (
        book.lines.filter(pl.col("document") != "")
        .select("o", "document")
        .unique()
        .sort("o", "document")
        .group_by("o", maintain_order=True)
        .agg(pl.col("document").alias("documents"))
    )
    return (
        book.orders.select("o", "channel", "order_id", "commercial_id", "currency")
        .join(pl.concat([concluded, judged]), on="o", how="left", maintain_order="left")
        .join(documents, on="o", how="left", maintain_order="left")
        .with_columns(
            pl.col("documents").fill_null(pl.lit([], pl.List(pl.String))),
            pl.col("settled_currency").fill_null(pl.col("currency")),
        )
        .select(result.ORDERS.names())
    )


def _components(clean: bulk.Clean, verdicts: Sequence[tuple[int, SoldOrder, Verdict, str]]) -> pl.DataFrame:
    rows: list[tuple[Any, ...]] = [
        (number, place, *_component(cell))
        for number, _, verdict, _ in verdicts
        for place, cell in enumerate(verdict.cells)
    ]
    schema = clean.components.schema
    judged = pl.DataFrame(rows, schema, orient="row")
    return pl.concat([clean.components, judged]).sort("o", "place").select(result.COMPONENTS.names())


def _component(cell: Cell) -> tuple[str, str, str, int, int, int, str]:
    code = cell.code.value if cell.code else ""
    return (cell.line_id, cell.refund_id, cell.component.value, cell.expected, cell.settled, cell.held, code)


def _unallocated(lines: pl.DataFrame, orders: pl.DataFrame, settings: FinanceSettings, as_of: date) -> pl.DataFrame:
    records = [SettlementLine(**row) for row in lines.select(LINES.names()).iter_rows(named=True)]
    names: dict[str, str] = {}
    if any(record.description for record in records):
        names = _names(orders.filter("held"))
    rows = [
        (line.line_id, line.type, line.amount, line.currency, code.value, suggested, line.document, line.created_on)
        for line, code, suggested in outside.conclude(records, names, as_of, settings.reserve_due_days)
    ]
    return pl.DataFrame(rows, result.UNALLOCATED, orient="row")


def _names(orders: pl.DataFrame) -> dict[str, str]:
    """Order ids, and what buyers call orders where only one is called so."""
    called = orders.filter((pl.col("commercial_id") != "") & ~pl.col("commercial_id").is_duplicated())
    names = dict(zip(called["commercial_id"], called["order_id"], strict=True))
    return names | {order_id: order_id for order_id in orders["order_id"]}


def _documents(
    book: Book,
    clean: bulk.Clean,
    verdicts: Sequence[tuple[int, SoldOrder, Verdict, str]],
    settings: FinanceSettings,
    as_of: date,
) -> tuple[Document, ...]:
    is_payment = pl.col("type") == PAYMENT
    payment_day = pl.col("created_on").filter(is_payment).max()
    sums = (
        book.lines.filter(pl.col("document") != "")
        .group_by("document", "currency")
        .agg(
            pl.col("amount").filter(~is_payment).sum().alias("lines_total"),
            pl.when(is_payment.any()).then(-pl.col("amount").filter(is_payment).sum()).alias("transferred"),
            pl.coalesce(pl.col("document_created_on").min(), payment_day, pl.col("created_on").max()).alias("created"),
            payment_day.alias("paid_on"),
        )
    )
    payouts = [
        documents.Payout(
            number=row["document"],
            currency=row["currency"],
            lines_total=row["lines_total"],
            transferred=row["transferred"],
            created_on=row["created"],
            paid_on=row["paid_on"],
        )
        for row in sums.iter_rows(named=True)
    ]
    roundings = [*clean.roundings.iter_rows(), *(each for _, _, verdict, _ in verdicts for each in verdict.roundings)]
    return documents.conclude(payouts, book.receipts, roundings, settings, as_of)
