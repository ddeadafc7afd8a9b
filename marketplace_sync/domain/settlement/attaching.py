"""Which order and order line a settlement line is on: the book with numbers for keys, which is all that matching is."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import polars as pl

from marketplace_sync.domain.settlement.frames import Book
from marketplace_sync.domain.settlement.inputs import HELD_STATE, SETTLED_STATES
from marketplace_sync.domain.settlement.line_types import KNOWN, PAYMENT, PLAIN_TYPES, Place
from marketplace_sync.domain.settlement.settings import FinanceSettings

_BOTH = ["channel", "order_id"]
_OUTSIDE = [t.name for t in KNOWN.values() if t.place is Place.OUTSIDE]


@dataclass(frozen=True)
class Attached:
    """The book with numbers for keys: `o` is the order's row in `orders`, `l` the order line's in `order_lines`.

    `lines` are those on orders, in the columns that matching needs: n (row in the book), o, l (null where the order
    line is not known), kind (component of a plain line, else null), names_refund, amount, currency, document,
    created_on, counted (settled or held), is_held and spoken (its words may say something)."""

    orders: pl.DataFrame
    order_lines: pl.DataFrame
    refunds: pl.DataFrame
    refund_reasons: pl.DataFrame
    lines: pl.DataFrame
    refund_ids: pl.Series
    """Of the book's lines, by row: few have one, so they are no column of each."""


def attach(book: Book, settings: FinanceSettings) -> tuple[Attached, pl.Series]:
    """Numbers orders and order lines, and finds those of each settlement line: (the book with lines on orders, rows of
    the book's lines that belong to no order). Orders that only the settlement knows are added, as not held."""
    key = _key(book)
    order_ids = _order_ids(book.lines, book.order_lines)
    is_line = ~by_value(book.lines["type"], lambda name: name == PAYMENT, pl.Boolean)
    is_outside = by_value(book.lines["type"], lambda name: name in _OUTSIDE, pl.Boolean) | (order_ids == "")
    orders, owners = _numbered(book, order_ids, is_line & ~is_outside, key)
    numbers = orders.select(*key, "o")
    order_lines = _in_order(book.order_lines, numbers, key)
    named = _named(order_lines)
    columns = {"o": owners, "l": _order_line_of(book.lines["order_line_id"], owners, named, orders.height)}
    lines = _slim(book.lines, settings, columns).filter(is_line & ~is_outside)
    refunds = (
        book.refunds.rename({"shipping": "shipping_refund"})
        .join(numbers, on=key, how="left")
        .drop(_BOTH)
        .join(named, on=["o", "line_id"], how="left")
        .sort("o", "refund_id", "line_id", "refunded_on", "amount", "shipping_refund")
    )
    reasons = book.refund_reasons.join(numbers, on=key, how="left").drop(_BOTH).sort("o", "refund_id")
    attached = Attached(orders, order_lines, refunds, reasons, lines, book.lines["refund_id"])
    return attached, (is_line & is_outside).arg_true()


def _key(book: Book) -> list[str]:
    """What orders are told apart by: their ids alone where everything is of one channel, as it mostly is. A key of one
    column is matched in half the time and memory of a key of two."""
    channels = {name for frame in (book.orders, book.lines) for name in frame["channel"].unique()}
    return ["order_id"] if len(channels) <= 1 else _BOTH


def by_value(column: pl.Series, of: Callable[[str], Any], kind: type[pl.DataType]) -> pl.Series:
    """What is made of each value of a column of categories: asked once per category instead of once per row."""
    different = column.unique()
    found = pl.Series([of(name) for name in different.to_list()], dtype=kind)
    codes = different.to_physical()
    if not len(codes):
        return found
    table = pl.repeat(None, int(str(codes.max())) + 1, dtype=kind(), eager=True).scatter(codes, found)
    return table.gather(column.to_physical())


def _numbered(book: Book, order_ids: pl.Series, on_orders: pl.Series, key: list[str]) -> tuple[pl.DataFrame, pl.Series]:
    """(orders with their numbers `o`, those of strangers among them; the number of each settlement line's order)."""
    orders = book.orders.sort(key).with_row_index("o")
    wanted = pl.DataFrame([order_ids, book.lines["channel"].cast(pl.String)] if len(key) > 1 else [order_ids])
    owners = wanted.join(orders.select(*key, "o"), on=key, how="left", maintain_order="left")["o"]
    unknown = owners.is_null() & on_orders
    if not unknown.any():
        return orders, owners
    named_by = [pl.col("channel").cast(pl.String), order_ids, pl.col("currency").cast(pl.String)]
    of_strangers = book.lines.select(named_by).filter(unknown)
    strangers = of_strangers.sort(*_BOTH, "currency").unique(key, keep="first", maintain_order=True)
    orders = orders.rename({"o": "before"}).with_columns(pl.col("before").cast(pl.UInt32))
    added = _strangers(strangers).with_columns(pl.lit(None, pl.UInt32).alias("before")).select(orders.columns)
    orders = pl.concat([orders, added]).sort(key).with_row_index("o")
    moved = orders.filter(pl.col("before").is_not_null()).sort("before")["o"]
    owners = moved.gather(owners)
    found = of_strangers.join(orders.select(*key, "o"), on=key, how="left", maintain_order="left")["o"]
    return orders.drop("before"), owners.scatter(unknown.arg_true(), found)


def _in_order(order_lines: pl.DataFrame, numbers: pl.DataFrame, key: list[str]) -> pl.DataFrame:
    """Order lines with their number `l`, by order and place in it."""
    owners = order_lines.select(key).join(numbers, on=key, how="left", maintain_order="left")["o"]
    order_lines = order_lines.drop(_BOTH).with_columns(owners)
    place = order_lines.select(pl.col("o").cast(pl.UInt64) * 2**32 + pl.col("line_no")).to_series()
    return order_lines[place.arg_sort()].with_row_index("l")


def _named(order_lines: pl.DataFrame) -> pl.DataFrame:
    """o, l and line_id of the order lines that have an id, each id of an order once."""
    named = order_lines.select("o", "l", "line_id").filter(pl.col("line_id") != "")
    follows = named.select((pl.col("o") == pl.col("o").shift(1)).fill_null(False)).to_series()
    if not follows.any():
        return named
    return named.unique(["o", "line_id"], keep="first", maintain_order=True)


def _order_line_of(ids: pl.Series, owners: pl.Series, named: pl.DataFrame, orders: int) -> pl.Series:
    """The number of each line's order line; null where the order has none of that id. Most orders have one order line,
    or are about the first, so only what is not about that is looked up."""
    first = named.unique("o", keep="first", maintain_order=True)
    first_of = pl.repeat(None, orders, dtype=pl.UInt32, eager=True)
    id_of = pl.repeat(None, orders, dtype=pl.String, eager=True)
    if first.height:
        first_of, id_of = first_of.scatter(first["o"], first["l"]), id_of.scatter(first["o"], first["line_id"])
    is_first = (id_of.gather(owners) == ids).fill_null(False)
    found = pl.select(pl.when(is_first).then(first_of.gather(owners))).to_series()
    others = pl.DataFrame({"o": owners, "order_line_id": ids}).with_row_index("place")
    others = others.filter(~is_first & (pl.col("order_line_id") != "") & pl.col("o").is_not_null())
    others = others.join(named, left_on=["o", "order_line_id"], right_on=["o", "line_id"], how="inner")
    return found.scatter(others["place"], others["l"]) if others.height else found


def _slim(lines: pl.DataFrame, settings: FinanceSettings, found: Mapping[str, pl.Series]) -> pl.DataFrame:
    """What matching needs of the lines, few bytes each: words read already."""
    names = [letters(reason) for reason in settings.chargeback_reasons]
    is_held = by_value(lines["payment_state"], lambda state: state == HELD_STATE, pl.Boolean)
    is_settled = by_value(lines["payment_state"], lambda state: state in SETTLED_STATES, pl.Boolean)
    return lines.with_row_index("n").select(
        "n",
        *(column.alias(name) for name, column in found.items()),
        by_value(lines["type"], PLAIN_TYPES.get, pl.Int8).alias("kind"),
        (pl.col("refund_id") != "").alias("names_refund"),
        "amount",
        "currency",
        pl.col("document").cast(pl.Categorical),
        "created_on",
        is_held.alias("is_held"),
        (is_held | is_settled).alias("counted"),
        may_say("description", names).alias("spoken"),
    )


def _order_ids(lines: pl.DataFrame, order_lines: pl.DataFrame) -> pl.Series:
    """A line with an order line id but no order id belongs to that line's order, where only one order has it."""
    nameless = (pl.col("order_id") == "") & (pl.col("order_line_id") != "")
    if not lines.select(nameless.any()).item():
        return lines["order_id"]
    owners = (
        order_lines.filter(pl.col("line_id") != "")
        .group_by("channel", pl.col("line_id").alias("order_line_id"))
        .agg(pl.col("order_id").unique())
        .filter(pl.col("order_id").list.len() == 1)
        .select("channel", "order_line_id", pl.col("order_id").list.first().alias("owner"))
    )
    wanted = lines.select(pl.col("channel").cast(pl.String), "order_id", "order_line_id")
    found = wanted.join(owners, on=["channel", "order_line_id"], how="left", maintain_order="left")
    owner = pl.when(nameless).then(pl.col("owner").fill_null("")).otherwise("order_id")
    return found.select(owner.alias("order_id")).to_series()


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


def letters(text: str) -> str:
    return re.sub(r"[\W_]+", "", text).casefold()


def may_say(column: str, names: list[str]) -> pl.Expr:
    """Does a text contain one of the names, whatever stands between their letters?"""
    written = pl.col(column)
    said = written.str.to_lowercase().str.replace_all(r"[\W_]+", "").str.contains_any(names)
    return pl.when(written == "").then(False).otherwise(said)


def part_of(book: Attached, first: int, count: int) -> Attached:
    """So many orders, with what belongs to them, numbered from 0."""
    if book.orders.height <= count:
        return book
    orders = book.orders.slice(first, count)
    numbers = orders["o"]
    order_lines = _of_part(book.order_lines, first, numbers[-1])
    first_line = order_lines["l"][0] if order_lines.height else 0

    def renumbered(frame: pl.DataFrame) -> pl.DataFrame:
        there = [(name, start) for name, start in (("o", first), ("l", first_line)) if name in frame.columns]
        return frame.with_columns((pl.col(name) - start).cast(pl.UInt32) for name, start in there)

    return Attached(
        orders=renumbered(orders),
        order_lines=renumbered(order_lines),
        refunds=renumbered(_of_part(book.refunds, first, numbers[-1])),
        refund_reasons=renumbered(_of_part(book.refund_reasons, first, numbers[-1])),
        lines=renumbered(book.lines.filter(pl.col("o").is_between(first, numbers[-1]))),
        refund_ids=book.refund_ids,
    )


def _of_part(frame: pl.DataFrame, first: int, last: int) -> pl.DataFrame:
    """Rows of these orders, of a frame that is in their order."""
    start, end = frame["o"].search_sorted(first), frame["o"].search_sorted(last, side="right")
    return frame.slice(start, end - start)
