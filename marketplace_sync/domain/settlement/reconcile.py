"""Reconciles a connection's whole book: matches every line, judges every order, conserves every penny."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date
from typing import Any

import msgspec
import polars as pl

from marketplace_sync.domain.settlement import bulk, documents, outside, result
from marketplace_sync.domain.settlement.attaching import Attached, attach, by_value
from marketplace_sync.domain.settlement.cells import Cell
from marketplace_sync.domain.settlement.codes import Code
from marketplace_sync.domain.settlement.frames import Book, settlement_lines, sold_orders
from marketplace_sync.domain.settlement.goods_placing import place
from marketplace_sync.domain.settlement.inputs import SettlementLine, SoldOrder
from marketplace_sync.domain.settlement.line_types import KNOWN, PAYMENT, Place
from marketplace_sync.domain.settlement.order import Verdict, judge
from marketplace_sync.domain.settlement.result import Document, Result, check_conservation
from marketplace_sync.domain.settlement.rules import Rules
from marketplace_sync.domain.settlement.settings import FinanceSettings
from marketplace_sync.domain.settlement.totals_placing import split

_BOTH = ["channel", "order_id"]
_SALES = ["ORDER_AMOUNT", "REFUND_ORDER_AMOUNT"]
_OUTSIDE = [t.name for t in KNOWN.values() if t.place is Place.OUTSIDE]


def reconcile(book: Book, settings: FinanceSettings, as_of: date, *, all_careful: bool = False) -> Result:
    """What a correct matcher concludes on the evening of `as_of`. `all_careful` judges every order one by one: slower,
    with the same result. Raises NotConserved (a bug, never bad input)."""
    kept = book.on(as_of)
    placed = place(kept, as_of)
    book = split(placed.book)
    attached, outside_rows = attach(book, settings)
    orders, named = attached.orders, _documents_of_orders(attached.lines)
    idle = attached.lines.filter(~pl.col("counted"))["amount"]
    clean = bulk.conclude(attached, settings, as_of)
    if all_careful:
        nothing = clean.orders.head(0), clean.components.head(0), clean.roundings.head(0)
        clean = bulk.Clean(*nothing, left=orders["o"])
    verdicts = _judge(book, attached, clean.left, settings, as_of)
    del attached  # a fifth of all that is in memory, and everything is concluded
    concluded = Result(
        as_of=as_of,
        orders=_orders(orders, named, clean, verdicts),
        components=_components(clean, verdicts),
        unallocated=_unallocated(book.lines[outside_rows], orders, settings, as_of, placed.left),
        documents=_documents(book, clean, verdicts, settings, as_of),
        sums=_sums(book),
        placed=placed.lines,
        careful=len(verdicts),
    )
    check_conservation(kept.lines, idle, concluded)
    return concluded


def _judge(
    book: Book, attached: Attached, numbers: pl.Series, settings: FinanceSettings, as_of: date
) -> list[tuple[int, SoldOrder, Verdict, str]]:
    """(order number, order, verdict, currency of its settlement) of the orders that are judged one by one."""
    chosen = numbers.alias("o").to_frame()

    def of_these(frame: pl.DataFrame) -> pl.DataFrame:
        return frame.join(chosen, on="o", how="semi", maintain_order="left")

    keys = attached.orders.select("o", "channel", "order_id")
    rows = of_these(attached.lines.select("n", "o"))
    whole = book.lines[rows["n"]].with_columns(rows["o"])
    owner = keys.rename({"channel": "owner_channel", "order_id": "owner"})
    whole = whole.join(owner, on="o", how="left", maintain_order="left")
    lines = settlement_lines(whole.with_columns(pl.col("owner").alias("order_id")))
    orders = sold_orders(
        of_these(attached.orders),
        of_these(attached.order_lines),
        of_these(attached.refunds).rename({"shipping_refund": "shipping"}),
        of_these(attached.refund_reasons),
    )
    rules: dict[str, Rules] = {}
    verdicts = []
    for number, order in orders:
        if order.currency not in rules:
            rules[order.currency] = Rules.of(settings, order.currency, as_of)
        settled = lines.get(number, [])
        if not order.held and order.order_id in book.awaited:
            order = msgspec.structs.replace(order, awaited=True)
        verdict = judge(order, settled, rules[order.currency])
        currencies = {line.currency for line in settled}
        verdicts.append((number, order, verdict, currencies.pop() if len(currencies) == 1 else order.currency))
    return verdicts


def _orders(
    orders: pl.DataFrame,
    documents: pl.DataFrame,
    clean: bulk.Clean,
    verdicts: Sequence[tuple[int, SoldOrder, Verdict, str]],
) -> pl.DataFrame:
    variance = (pl.col("settled") + pl.col("held") - pl.col("expected")).alias("variance")
    concluded = clean.orders.with_columns(variance, pl.lit(None, pl.String).alias("settled_currency"))
    rows = [
        (number, v.status.value, sorted(c.value for c in v.codes), v.expected, v.settled, v.held, v.variance, currency)
        for number, _, v, currency in verdicts
    ]
    judged = pl.DataFrame(rows, concluded.schema, orient="row")
    return (
        orders.select("o", "channel", "order_id", "commercial_id", "currency")
        .join(pl.concat([concluded, judged]), on="o", how="left", maintain_order="left")
        .join(documents, on="o", how="left", maintain_order="left")
        .with_columns(
            pl.col("documents").fill_null(pl.lit([], pl.List(pl.String))),
            pl.col("settled_currency").fill_null(pl.col("currency")),
        )
        .select(result.ORDERS.names())
    )


def _documents_of_orders(lines: pl.DataFrame) -> pl.DataFrame:
    """o and the list of its documents, by name. Sought as numbers, which takes a third of the time."""
    names = sorted(name for name in lines["document"].unique().to_list() if name)
    rank = by_value(lines["document"], {name: place for place, name in enumerate(names)}.get, pl.UInt32)
    pairs = pl.DataFrame({"o": lines["o"], "rank": rank}).drop_nulls()
    pairs = pairs.select(pair=pl.col("o").cast(pl.UInt64) * 2**32 + pl.col("rank")).unique().sort("pair")
    found = pairs.select((pl.col("pair") // 2**32).cast(pl.UInt32).alias("o"), pl.col("pair") % 2**32)
    documents = pl.Series("documents", names, pl.String).gather(found["pair"])
    return found.select("o", documents).group_by("o", maintain_order=True).agg("documents")


def _components(clean: bulk.Clean, verdicts: Sequence[tuple[int, SoldOrder, Verdict, str]]) -> pl.DataFrame:
    rows: list[tuple[Any, ...]] = [
        (number, place, *_component(cell))
        for number, _, verdict, _ in verdicts
        for place, cell in enumerate(verdict.cells)
    ]
    schema = clean.components.schema
    judged = pl.DataFrame(rows, schema, orient="row").sort("o", "place")
    # No order is in both, and both are in order.
    return clean.components.merge_sorted(judged, "o").select(result.COMPONENTS.names())


def _component(cell: Cell) -> tuple[str, str, str, int, int, int, str]:
    code = cell.code.value if cell.code else ""
    return (cell.line_id, cell.refund_id, cell.component.value, cell.expected, cell.settled, cell.held, code)


def _unallocated(
    lines: pl.DataFrame,
    orders: pl.DataFrame,
    settings: FinanceSettings,
    as_of: date,
    left: Mapping[str, tuple[Code, str]],
) -> pl.DataFrame:
    records = [SettlementLine(**row) for row in lines.iter_rows(named=True)]
    names: dict[str, str] = {}
    if any(record.description for record in records):
        names = _names(orders.filter("held"))
    rows = []
    for line, found, named in outside.conclude(records, names, as_of, settings.reserve_due_days):
        code, suggested = left.get(line.line_id, (found, named))
        rows.append(
            (line.line_id, line.type, line.amount, line.currency, code.value, suggested, line.document, line.created_on)
        )
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
    is_payment = pl.col("is_payment")
    payment_day = pl.col("created_on").filter(is_payment).max()
    sums = (
        book.lines.lazy()
        .filter(pl.col("document") != "")
        .select(
            pl.col("document").cast(pl.Categorical),
            pl.col("currency").cast(pl.Categorical),
            pl.col("amount"),
            pl.col("created_on"),
            pl.col("document_created_on"),
            (pl.col("type") == PAYMENT).alias("is_payment"),
            pl.col("type").is_in(_SALES).alias("is_sale"),
        )
        .group_by("document", "currency")
        .agg(
            (pl.col("amount") * ~is_payment).sum().alias("lines_total"),
            pl.when(is_payment.any()).then(-(pl.col("amount") * is_payment).sum()).alias("transferred"),
            pl.coalesce(pl.col("document_created_on").min(), payment_day, pl.col("created_on").max()).alias("created"),
            payment_day.alias("paid_on"),
            pl.col("is_sale").any().alias("has_sales"),
        )
        .collect()
    )
    payouts = [
        documents.Payout(
            number=row["document"],
            currency=row["currency"],
            lines_total=row["lines_total"],
            transferred=row["transferred"],
            created_on=row["created"],
            paid_on=row["paid_on"],
            alone=not row["has_sales"] and book.goods.height > 0,
        )
        for row in sums.iter_rows(named=True)
    ]
    roundings = [*clean.roundings.iter_rows(), *(each for _, _, verdict, _ in verdicts for each in verdict.roundings)]
    return documents.conclude(payouts, book.receipts, roundings, settings, as_of)


def _sums(book: Book) -> pl.DataFrame:
    return (
        book.lines.lazy()
        .filter(pl.col("document") != "")
        .select(*(pl.col(name).cast(pl.Categorical) for name in ("document", "currency", "type")), "amount")
        .group_by("document", "currency", "type")
        .agg(pl.col("amount").sum())
        .with_columns(pl.col("document", "currency", "type").cast(pl.String))
        .sort("document", "currency", "type")
        .collect()
    )
