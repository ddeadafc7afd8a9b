"""Reconciles a connection's whole book: matches every line, judges every order, conserves every penny."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date
from typing import Any

import polars as pl

from marketplace_sync.domain.settlement import bulk, documents, outside, result
from marketplace_sync.domain.settlement.cells import Cell
from marketplace_sync.domain.settlement.codes import Code
from marketplace_sync.domain.settlement.frames import Book, settlement_lines, sold_orders
from marketplace_sync.domain.settlement.goods_placing import place
from marketplace_sync.domain.settlement.inputs import HELD_STATE, SETTLED_STATES, SettlementLine, SoldOrder
from marketplace_sync.domain.settlement.line_types import KNOWN, PAYMENT, PLAIN_TYPES, Place
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
    clean = bulk.conclude(attached, settings, as_of)
    if all_careful:
        nothing = clean.orders.head(0), clean.components.head(0), clean.roundings.head(0)
        clean = bulk.Clean(*nothing, left=attached.orders["o"])
    verdicts = _judge(book, attached, clean.left, settings, as_of)
    unallocated = book.lines[outside_rows]
    concluded = Result(
        as_of=as_of,
        orders=_orders(attached, clean, verdicts),
        components=_components(clean, verdicts),
        unallocated=_unallocated(unallocated, attached.orders, settings, as_of, placed.left),
        documents=_documents(book, clean, verdicts, settings, as_of),
        sums=_sums(book),
        placed=placed.lines,
        careful=len(verdicts),
    )
    check_conservation(kept.lines, attached.lines.filter(~pl.col("counted"))["amount"], concluded)
    return concluded


def attach(book: Book, settings: FinanceSettings) -> tuple[bulk.Attached, pl.Series]:
    """Numbers orders and order lines, and finds those of each settlement line: (the book with lines on orders, rows of
    the book's lines that belong to no order). Orders that only the settlement knows are added, as not held."""
    key = _key(book)
    lines = _with_order_ids(_slim(book.lines, settings), book.order_lines)
    is_outside = (pl.col("order_id") == "") | pl.col("outside")
    outside_rows = lines.filter(is_outside)["n"]
    if len(outside_rows):
        lines = lines.filter(~is_outside)
    named_by = [pl.col(name).cast(pl.String) for name in (*_BOTH, "currency")]
    strangers = lines.join(book.orders, on=key, how="anti").select(named_by).sort(*_BOTH, "currency")
    orders = pl.concat([book.orders, _strangers(strangers.unique(key, keep="first", maintain_order=True))])
    orders = orders.sort(_BOTH).with_row_index("o")
    numbers = orders.select(*key, "o")
    order_lines = book.order_lines.join(numbers, on=key, how="left").drop(_BOTH).sort("o", "line_no")
    order_lines = order_lines.with_row_index("l")
    named = order_lines.filter(pl.col("line_id") != "").select("o", "l", "line_id")
    named = named.unique(["o", "line_id"], keep="first", maintain_order=True)
    lines = lines.join(numbers, on=key, how="left", maintain_order="left").drop(*_BOTH, "outside")
    lines = _with_order_lines(lines, named, orders.height)
    refunds = (
        book.refunds.rename({"shipping": "shipping_refund"})
        .join(numbers, on=key, how="left")
        .drop(_BOTH)
        .join(named, on=["o", "line_id"], how="left")
        .sort("o", "refund_id", "line_id", "refunded_on", "amount", "shipping_refund")
    )
    reasons = book.refund_reasons.join(numbers, on=key, how="left").drop(_BOTH).sort("o", "refund_id")
    return bulk.Attached(orders, order_lines, refunds, reasons, lines), outside_rows


def _key(book: Book) -> list[str]:
    """What orders are told apart by: their ids alone where everything is of one channel, as it mostly is. A key of one
    column is matched in half the time and memory of a key of two."""
    channels = {name for frame in (book.orders, book.lines) for name in frame["channel"].unique()}
    return ["order_id"] if len(channels) <= 1 else _BOTH


def _with_order_lines(lines: pl.DataFrame, named: pl.DataFrame, orders: int) -> pl.DataFrame:
    """The number of each line's order line, in a column `l`; null where the order has none of that id. Most orders have
    one order line, or are about the first, so only what is not about that is looked up."""
    first = named.unique("o", keep="first", maintain_order=True)
    first_of = pl.repeat(None, orders, dtype=pl.UInt32, eager=True)
    id_of = pl.repeat(None, orders, dtype=pl.String, eager=True)
    if first.height:
        first_of, id_of = first_of.scatter(first["o"], first["l"]), id_of.scatter(first["o"], first["line_id"])
    is_first = id_of.gather(lines["o"]) == lines["order_line_id"]
    found = pl.select(pl.when(is_first).then(first_of.gather(lines["o"]))).to_series().alias("l")
    others = lines.select("o", "order_line_id").with_row_index("place")
    others = others.filter(~is_first.fill_null(False) & (pl.col("order_line_id") != ""))
    others = others.join(named, left_on=["o", "order_line_id"], right_on=["o", "line_id"], how="inner")
    if others.height:
        found = found.scatter(others["place"], others["l"])
    return lines.drop("order_line_id").with_columns(found)


def _slim(lines: pl.DataFrame, settings: FinanceSettings) -> pl.DataFrame:
    """What matching needs of the lines, few bytes each: the payouts themselves left out, words read already."""
    names = [bulk.letters(reason) for reason in settings.chargeback_reasons]
    kind = pl.col("type").replace_strict(PLAIN_TYPES, default=None, return_dtype=pl.Int8)
    is_held = pl.col("payment_state") == HELD_STATE
    # Lazily, so that only the columns that are read are cut down to the rows that are kept.
    slim = lines.lazy().with_row_index("n").filter(pl.col("type") != PAYMENT)
    return slim.select(
        "n",
        pl.col("channel").cast(pl.String),
        "order_id",
        "order_line_id",
        "refund_id",
        kind.alias("kind"),
        pl.col("type").is_in(_OUTSIDE).alias("outside"),
        "amount",
        "currency",
        pl.col("document").cast(pl.Categorical),
        "created_on",
        is_held.alias("is_held"),
        (is_held | pl.col("payment_state").is_in(list(SETTLED_STATES))).alias("counted"),
        bulk.may_say("description", names).alias("spoken"),
    ).collect()


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
    book: Book, attached: bulk.Attached, numbers: pl.Series, settings: FinanceSettings, as_of: date
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
        book.lines.select("o", "document")
        .unique()
        .with_columns(pl.col("document").cast(pl.String))
        .filter(pl.col("document") != "")
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
