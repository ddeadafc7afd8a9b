"""Columns of text turned into amounts, days and keys, exactly; what cannot be is given back with the reason."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any
from zoneinfo import ZoneInfo

import polars as pl

from marketplace_sync.domain.money import NotMoney, minor_units
from marketplace_sync.domain.settlement.inputs import CANCELLED_STATES
from marketplace_sync.domain.settlement.layouts import FileLayout
from marketplace_sync.domain.settlement.numbers import plain, whole_minor_units
from marketplace_sync.domain.settlement.rows import TEXT_KEPT, Rejected, Rows

_CURRENCY = r"^[A-Z]{3}$"
LONGEST_KEY = 500
"""Bytes of an id."""


@dataclass(frozen=True)
class Channels:
    """Whose rows these are."""

    own: str
    others: dict[str, str]
    """Channel -> the connection it belongs to."""


@dataclass
class Typed:
    """Rows that can be taken, and those that cannot. `elsewhere`: rows of another channel, which are nobody's error."""

    frame: pl.DataFrame
    rejected: list[Rejected]
    elsewhere: int = 0


def settlement(rows: Rows, layout: FileLayout, zone: ZoneInfo, channels: Channels) -> Typed:
    """line_id, type, amount, currency, channel, order_id, order_line_id, refund_id, document, payment_state,
    created_on, date_created, description; of rows that name goods: customer_order_number, ean, stock_number, sold,
    returned, net_of_tax."""
    work = _Work(rows, layout, zone)
    work.required("id", "type")
    work.short("id", "type", "channel", "order_id", "order_line_id", "refund_id", "accounting_document_number")
    work.units("quantity")
    work.units("returned_quantity")
    work.currency()
    work.amount("amount", "amount", signed=True)
    work.day("date_created", "created_on")
    for name, connection in sorted(channels.others.items()):
        work.reject_where(pl.col("channel") == name, f"it belongs to the connection {connection}: import it there")
    own = pl.when(pl.col("channel") == "").then(pl.lit(channels.own)).otherwise("channel").alias("channel")
    return work.taken(
        pl.col("id").alias("line_id"),
        pl.col("type").str.to_uppercase(),
        "amount_minor",
        "currency",
        own,
        "order_id",
        "order_line_id",
        "refund_id",
        pl.col("accounting_document_number").alias("document"),
        pl.col("payment_state").str.to_uppercase(),
        "created_on",
        "date_created",
        "description",
        "customer_order_number",
        "ean",
        "stock_number",
        # some write what came back as units sold less than none
        pl.max_horizontal("quantity_units", 0).alias("sold"),
        (pl.col("returned_quantity_units").abs() + pl.max_horizontal(-pl.col("quantity_units"), 0)).alias("returned"),
        pl.lit(layout.net_of_tax).alias("net_of_tax"),
    )


def store_orders(rows: Rows, layout: FileLayout, zone: ZoneInfo, channels: Channels) -> Typed:
    """record, order_id, commercial_id, cancelled, currency; of lines: shipped_on, line_id, sku, quantity, price,
    shipping, tax; of refunds: line_id, refund_id, refunded_on, amount, shipping, quantity, reason."""
    work = _Work(rows, layout, zone)
    elsewhere = work.set_aside(~pl.col("channel").is_in(["", channels.own]))
    work.lower("record")
    work.reject_where(
        ~pl.col("record").is_in(["order_line", "refund"]), "`record` is neither `order_line` nor `refund`"
    )
    work.required("order_id")
    work.short("order_id", "commercial_id", "order_line_id", "refund_id")
    work.currency()
    is_line = pl.col("record") == "order_line"
    work.amount("price", "price", only=is_line, needed=True)
    work.amount("shipping_price", "shipping price", only=is_line)
    work.amount("tax", "tax", only=is_line, empty=None)
    work.amount("refund_amount", "refund amount", only=~is_line)
    work.amount("refund_shipping_amount", "refunded shipping amount", only=~is_line)
    work.whole("quantity", "quantity")
    work.whole("refund_quantity", "refund quantity")
    work.day("shipped_date", "shipped_on")
    work.day("refund_date", "refunded_on")
    cancelled = pl.col("state").str.to_uppercase().is_in(sorted(CANCELLED_STATES)).alias("cancelled")
    typed = work.taken(
        "record",
        "order_id",
        "commercial_id",
        cancelled,
        "currency",
        "shipped_on",
        pl.col("order_line_id").alias("line_id"),
        "sku",
        pl.when(is_line).then("quantity_whole").otherwise("refund_quantity_whole").alias("quantity"),
        pl.col("price_minor").alias("price"),
        pl.when(is_line).then("shipping_price_minor").otherwise("refund_shipping_amount_minor").alias("shipping"),
        pl.col("tax_minor").alias("tax"),
        "refund_id",
        "refunded_on",
        pl.col("refund_amount_minor").alias("amount"),
        pl.col("refund_reason").alias("reason"),
    )
    typed.elsewhere = elsewhere
    return typed


def bank_receipts(rows: Rows, layout: FileLayout, zone: ZoneInfo) -> Typed:
    """bank_ref, amount, currency, received_on, documents (a list)."""
    work = _Work(rows, layout, zone)
    work.required("bank_ref")
    work.short("bank_ref")
    work.currency()
    work.amount("amount", "amount", signed=True)
    work.day("date", "received_on")
    named = pl.col("documents").str.split(";").list.eval(pl.element().str.strip_chars())
    return work.taken(
        "bank_ref",
        "amount_minor",
        "currency",
        "received_on",
        named.list.eval(pl.element().filter(pl.element() != "")).list.sort().alias("documents"),
    )


def _rounded(text: str, currency: str, layout: FileLayout) -> int:
    return minor_units(plain(text, layout), currency)


class _Work:
    """Rows on their way from text to values. `problem` is the first thing that is wrong with a row."""

    def __init__(self, rows: Rows, layout: FileLayout, zone: ZoneInfo) -> None:
        self._layout, self._zone = layout, zone
        self._rejected = list(rows.rejected)
        schema = dict.fromkeys(rows.columns, pl.String)
        self.frame = pl.DataFrame(rows.columns, schema).with_columns(
            pl.Series("line_number", rows.lines, pl.Int64),
            pl.Series("raw", rows.raws, pl.String),
            pl.lit("", pl.String).alias("problem"),
        )

    def taken(self, *columns: str | pl.Expr) -> Typed:
        bad = self.frame.filter(pl.col("problem") != "")
        self._rejected += [
            Rejected(number, problem, raw[:TEXT_KEPT])
            for number, problem, raw in bad.select("line_number", "problem", "raw").iter_rows()
        ]
        good = self.frame.filter(pl.col("problem") == "").select(*columns)
        good = good.rename({"amount_minor": "amount"}) if "amount_minor" in good.columns else good
        return Typed(good, sorted(self._rejected, key=lambda each: each.line))

    def short(self, *columns: str) -> None:
        """What things are found by is no essay: PostgreSQL keeps no index of it."""
        for column in columns:
            self.reject_where(pl.col(column).str.len_bytes() > LONGEST_KEY, f"`{column}` is longer than {LONGEST_KEY}")

    def reject_where(self, wrong: pl.Expr, reason: str | pl.Expr) -> None:
        said = pl.lit(reason) if isinstance(reason, str) else reason
        self.frame = self.frame.with_columns(
            pl.when((pl.col("problem") == "") & wrong).then(said).otherwise("problem").alias("problem")
        )

    def set_aside(self, elsewhere: pl.Expr) -> int:
        count = self.frame.height
        self.frame = self.frame.filter(~elsewhere)
        return count - self.frame.height

    def lower(self, column: str) -> None:
        self.frame = self.frame.with_columns(pl.col(column).str.to_lowercase())

    def required(self, *columns: str) -> None:
        for column in columns:
            self.reject_where(pl.col(column) == "", f"`{column}` is empty")

    def currency(self) -> None:
        self.frame = self.frame.with_columns(pl.col("currency").str.to_uppercase())
        self.reject_where(~pl.col("currency").str.contains(_CURRENCY), "`currency` is not a code like GBP")

    def amount(
        self,
        column: str,
        what: str,
        *,
        signed: bool = False,
        only: pl.Expr | None = None,
        needed: bool = False,
        empty: int | None = 0,
    ) -> None:
        """Adds `<column>_minor`. An empty cell is `empty`, or wrong where the amount is `needed` or `signed`."""
        layout = self._layout

        def read(text: str, currency: str) -> tuple[int | None, str]:
            if not text:
                return (None, f"the {what} is empty") if needed or signed else (empty, "")
            try:
                # what was settled or received is exact; what a store keeps may be a part of a penny, such as tax
                minor = (whole_minor_units if signed else _rounded)(text, currency, layout)
            except NotMoney as problem:
                return None, f"the {what} {text[:40]!r} {problem}"
            return (None, f"the {what} {text!r} is negative") if minor < 0 and not signed else (minor, "")

        self._convert([column, "currency"], f"{column}_minor", read, pl.Int64, only)

    def whole(self, column: str, what: str) -> None:
        def read(text: str) -> tuple[int | None, str]:
            if not text:
                return None, ""
            plain = text.removesuffix(".0")
            return (
                (int(plain), "")
                if plain.isdecimal() and len(plain) < 10
                else (None, f"the {what} {text!r} is no count")
            )

        self._convert([column], f"{column}_whole", read, pl.Int64, None)

    def units(self, column: str) -> None:
        """Adds `<column>_units`: a whole number, none where the cell is empty."""

        def read(text: str) -> tuple[int | None, str]:
            whole, _, rest = text.replace(self._layout.decimal, ".").partition(".")
            digits = whole.removeprefix("-").removeprefix("+")
            if not text:
                return 0, ""
            if not digits.isascii() or not digits.isdigit() or len(digits) > 9 or rest.strip("0"):
                return None, f"`{column}` {text[:40]!r} is no number of units"
            return int(whole), ""

        self._convert([column], f"{column}_units", read, pl.Int64, None)

    def day(self, column: str, name: str) -> None:
        """Adds `name`: the local day of a date, or of a date and time, which is local unless it says otherwise."""

        def read(text: str) -> tuple[date | None, str]:
            if not text:
                return None, ""
            try:
                return self._local_day(text), ""
            except (ValueError, OverflowError):
                return None, f"`{column}` {text[:40]!r} is not a date"

        self._convert([column], name, read, pl.Date, None)

    def _local_day(self, text: str) -> date:
        if self._layout.date_format:
            moment = datetime.strptime(text, self._layout.date_format)  # noqa: DTZ007  (its zone is looked at below)
        elif len(text) == 10:
            return date.fromisoformat(text)
        else:
            moment = datetime.fromisoformat(text)
        return moment.date() if moment.tzinfo is None else moment.astimezone(self._zone).date()

    def _convert(
        self, columns: list[str], name: str, read: Callable[..., tuple[Any, str]], kind: Any, only: pl.Expr | None
    ) -> None:
        """Reads every different text once."""
        different = self.frame.select(columns).unique(maintain_order=True)
        values, problems = [], []
        for cells in different.iter_rows():
            value, problem = read(*cells)
            values.append(value)
            problems.append(problem)
        different = different.with_columns(
            pl.Series(name, values, kind), pl.Series(f"_{name}_problem", problems, pl.String)
        )
        self.frame = self.frame.join(different, on=columns, how="left", maintain_order="left")
        wrong = pl.col(f"_{name}_problem") != ""
        self.reject_where(wrong if only is None else wrong & only, pl.col(f"_{name}_problem"))
        self.frame = self.frame.drop(f"_{name}_problem")
