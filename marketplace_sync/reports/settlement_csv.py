"""A reconciliation as one CSV file: a row per order, line outside orders and document, told apart by `record`."""

from __future__ import annotations

from typing import BinaryIO

import polars as pl

from marketplace_sync.domain.settlement.codes import MEANINGS, Code
from marketplace_sync.domain.settlement.result import Result
from marketplace_sync.reports.settlement_json import document_row
from marketplace_sync.reports.settlement_text import decimal_column, safe_text

COLUMNS = (
    "record", "channel", "order_id", "commercial_id", "line_id", "type", "accounting_document_number", "currency",
    "status", "codes", "owner", "expected_net", "settled_net", "held_net", "variance", "amount", "suggested_order",
    "opening_balance", "lines_total", "amount_transferred", "closing_balance", "bank_expected", "bank_received",
)  # fmt: skip
_AMOUNTS = frozenset(
    ("expected_net", "settled_net", "held_net", "variance", "amount", "opening_balance", "lines_total",
     "amount_transferred", "closing_balance", "bank_expected", "bank_received")
)  # fmt: skip


def write_csv(result: Result, stream: BinaryIO) -> None:
    """UTF-8 with a byte order mark (spreadsheets need it), decimal points. No cell of text begins a formula."""
    stream.write(b"\xef\xbb\xbf" + ",".join(COLUMNS).encode() + b"\r\n")
    for frame in (_orders(result), _outside(result), _documents(result)):
        if frame.height:
            whole = frame.select(
                *(
                    (pl.col(name) if name in _AMOUNTS else safe_text(name)).fill_null("").alias(name)
                    if name in frame.columns
                    else pl.lit("").alias(name)
                    for name in COLUMNS
                )
            )
            whole.write_csv(stream, include_header=False, line_terminator="\r\n")


def _owner(codes: list[str]) -> str:
    return ", ".join(dict.fromkeys(owner for code in codes if (owner := MEANINGS[Code(code)].owner)))


def _orders(result: Result) -> pl.DataFrame:
    orders = result.orders
    settled = orders["settled_currency"]
    different = orders.select(pl.col("codes").alias("list"), pl.col("codes").list.join(" ").alias("codes"))
    owners = {row["codes"]: _owner(row["list"]) for row in different.unique("codes").iter_rows(named=True)}
    return orders.select(
        pl.lit("order").alias("record"),
        "channel",
        "order_id",
        "commercial_id",
        pl.col("documents").list.join(" ").alias("accounting_document_number"),
        "currency",
        "status",
        pl.col("codes").list.join(" ").alias("codes"),
        pl.col("codes").list.join(" ").replace_strict(owners, default="", return_dtype=pl.String).alias("owner"),
        decimal_column("expected", orders["currency"]).alias("expected_net"),
        decimal_column("settled", settled, currency="settled_currency").alias("settled_net"),
        decimal_column("held", settled, currency="settled_currency").alias("held_net"),
        decimal_column("variance", orders["currency"]).alias("variance"),
    )


def _outside(result: Result) -> pl.DataFrame:
    lines = result.unallocated
    owners = {code.value: meaning.owner for code, meaning in MEANINGS.items()}
    return lines.select(
        pl.lit("line").alias("record"),
        "line_id",
        "type",
        pl.col("document").alias("accounting_document_number"),
        "currency",
        pl.col("code").alias("codes"),
        pl.col("code").replace_strict(owners, return_dtype=pl.String).alias("owner"),
        decimal_column("amount", lines["currency"]).alias("amount"),
        "suggested_order",
    )


def _documents(result: Result) -> pl.DataFrame:
    rows = []
    for document in result.documents:
        row = document_row(document)
        codes = [code.value for code in document.codes]
        rows.append({**row, "record": "document", "codes": " ".join(codes), "owner": _owner(codes)})
    return pl.DataFrame(rows, dict.fromkeys(rows[0], pl.String) if rows else None)
