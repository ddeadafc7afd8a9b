"""A reconciliation as JSON, written in pieces: byte for byte the same for the same result."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import BinaryIO

import polars as pl

from marketplace_sync.domain.money import decimal_text
from marketplace_sync.domain.settlement.result import Document, Result
from marketplace_sync.reports.settlement_text import decimal_column

ORDERS_AT_ONCE = 20_000
"""So many orders are in memory as text at a time: about 20 MB."""

_NEEDS_ESCAPE = r'["\\\x00-\x1f\x7f]'


def write_json(result: Result, stream: BinaryIO) -> None:
    """The object `{"orders": …, "unallocated": …, "documents": …}`; amounts are decimal strings, codes are sorted."""
    stream.write(b'{"orders": [')
    for number, chunk in enumerate(_orders(result)):
        stream.write((b",\n" if number else b"\n") + chunk)
    stream.write(b'],\n"unallocated": [')
    for number, chunk in enumerate(_unallocated(result.unallocated)):
        stream.write((b",\n" if number else b"\n") + chunk)
    stream.write(b'],\n"documents": [')
    for number, document in enumerate(result.documents):
        stream.write((b",\n" if number else b"\n") + json.dumps(document_row(document), ensure_ascii=False).encode())
    stream.write(b"]}\n")


def document_row(document: Document) -> dict[str, str | list[str]]:
    """One document as plain text values, amounts as decimals."""

    def text(minor: int) -> str:
        return decimal_text(minor, document.currency)

    return {
        "accounting_document_number": document.accounting_document_number,
        "currency": document.currency,
        "opening_balance": text(document.opening_balance),
        "lines_total": text(document.lines_total),
        "amount_transferred": text(document.amount_transferred),
        "closing_balance": text(document.closing_balance),
        "status": document.status.value,
        "codes": [code.value for code in document.codes],
        "bank_expected": decimal_text(document.bank_expected, document.bank_currency),
        "bank_received": decimal_text(document.bank_received, document.bank_currency),
    }


def _orders(result: Result) -> Iterator[bytes]:
    orders = result.orders.sort("o")
    components = result.components
    for start in range(0, orders.height, ORDERS_AT_ONCE):
        some = orders.slice(start, ORDERS_AT_ONCE)
        numbers = some["o"]
        first, last = (
            components["o"].search_sorted(numbers[0]),
            components["o"].search_sorted(numbers[-1], side="right"),
        )
        yield _chunk(some, components.slice(first, last - first))


def _chunk(orders: pl.DataFrame, components: pl.DataFrame) -> bytes:
    """Whole columns of text instead of one object at a time: a month of orders is written in seconds."""
    money = orders.select("o", "currency", "settled_currency")
    parts = components.with_columns(pl.col("component", "code").cast(pl.String))
    parts = _quoted(parts, "order_line_id", "refund_id", "code").join(money, on="o", how="left", maintain_order="left")
    texts = parts.select(
        "o",
        pl.concat_str(
            pl.lit('{"order_line_id": '), "order_line_id",
            pl.lit(', "refund_id": '), "refund_id",
            pl.lit(', "component": "'), "component",
            pl.lit('", "expected": "'), decimal_column("expected", orders["currency"]),
            pl.lit('", "settled": "'), _settled("settled", orders),
            pl.lit('", "held": "'), _settled("held", orders),
            pl.lit('", "code": '), "code",
            pl.lit("}"),
        ).alias("components"),
    )  # fmt: skip
    texts = texts.group_by("o", maintain_order=True).agg(pl.col("components").str.join(", "))
    whole = _quoted(orders, "channel", "order_id", "commercial_id").join(
        texts, on="o", how="left", maintain_order="left"
    )
    documents = _quoted(orders.select("o", "documents").explode("documents").drop_nulls(), "documents")
    documents = documents.group_by("o", maintain_order=True).agg(pl.col("documents").str.join(", "))
    whole = whole.drop("documents").join(documents, on="o", how="left", maintain_order="left")
    variance = decimal_column("variance", orders["currency"])
    rows = whole.select(
        pl.concat_str(
            pl.lit('{"channel": '), "channel",
            pl.lit(', "order_id": '), "order_id",
            pl.lit(', "commercial_id": '), "commercial_id",
            pl.lit(', "currency": "'), "currency",
            pl.lit('", "status": "'), "status",
            pl.lit('", "codes": ['), _names("codes"),
            pl.lit('], "expected_net": "'), decimal_column("expected", orders["currency"]),
            pl.lit('", "settled_net": "'), _settled("settled", orders),
            pl.lit('", "held_net": "'), _settled("held", orders),
            pl.lit('", "variance": '),
            pl.concat_str(pl.lit('"'), variance, pl.lit('"')).fill_null("null"),
            pl.lit(', "documents": ['), pl.col("documents").fill_null(""),
            pl.lit('], "components": ['), pl.col("components").fill_null(""),
            pl.lit("]}"),
        ).str.join(",\n")
    )  # fmt: skip
    return str(rows.item()).encode()


def _settled(column: str, orders: pl.DataFrame) -> pl.Expr:
    return decimal_column(column, orders["settled_currency"], currency="settled_currency")


def _names(column: str) -> pl.Expr:
    """A list of codes, whose names need no escaping."""
    joined = pl.col(column).list.join('", "')
    return (
        pl.when(pl.col(column).list.len() > 0)
        .then(pl.concat_str(pl.lit('"'), joined, pl.lit('"')))
        .otherwise(pl.lit(""))
    )


def _quoted(frame: pl.DataFrame, *columns: str) -> pl.DataFrame:
    """The columns as JSON strings, "" as null. Only what needs escaping is escaped one by one."""
    escaped = []
    for name in columns:
        column = frame[name]
        if column.str.contains(_NEEDS_ESCAPE).any():
            column = column.map_elements(_json_string, return_dtype=pl.String)
            escaped.append(column)
        else:
            text = pl.concat_str(pl.lit('"'), pl.col(name), pl.lit('"'))
            escaped.append(
                frame.select(pl.when(pl.col(name) == "").then(pl.lit("null")).otherwise(text).alias(name))[name]
            )
    return frame.with_columns(escaped)


def _json_string(text: str) -> str:
    return json.dumps(text, ensure_ascii=False) if text else "null"


def _unallocated(frame: pl.DataFrame) -> Iterator[bytes]:
    for row in frame.iter_rows(named=True):
        yield json.dumps(
            {
                "line_id": row["line_id"],
                "type": row["type"],
                "amount": decimal_text(row["amount"], row["currency"]),
                "currency": row["currency"],
                "code": row["code"],
                "suggested_order": row["suggested_order"] or None,
            },
            ensure_ascii=False,
        ).encode()
