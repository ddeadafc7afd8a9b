"""Merges an imported store record into what earlier files said of the same orders."""

from __future__ import annotations

import polars as pl

Sold = tuple[pl.DataFrame, pl.DataFrame, pl.DataFrame]
"""Orders, lines and refunds."""


def merged(known: Sold, rows: pl.DataFrame) -> Sold:
    """What is known after a file (rows as `columns.store_orders` types them): a line or refund that was known is
    replaced by the file's, others of its order stay. An order is cancelled when all its lines are."""
    orders, lines, refunds = known
    lines = _merged_lines(lines, rows.filter(pl.col("record") == "order_line"))
    refunds = _merged_refunds(refunds, rows.filter(pl.col("record") == "refund"))
    return _headers(orders, rows, lines), lines, refunds


def contradictions(rows: pl.DataFrame) -> list[str]:
    """Order lines, refunds and orders of which rows of one file say different things: the last row of each is taken."""
    lines = rows.filter((pl.col("record") == "order_line") & (pl.col("line_id") != ""))
    refunds = rows.filter((pl.col("record") == "refund") & (pl.col("refund_id") != ""))
    found = [
        *_differing(lines, ["order_id", "line_id"], ["sku", "quantity", "price", "shipping", "tax", "shipped_on",
                                                     "cancelled"]),
        *_differing(refunds, ["order_id", "refund_id", "line_id"], ["refunded_on", "amount", "shipping", "quantity",
                                                                    "reason"]),
        *_differing(rows, ["order_id"], ["currency"]),
    ]  # fmt: skip
    return sorted(found)


def _differing(rows: pl.DataFrame, key: list[str], said: list[str]) -> list[str]:
    different = rows.select(*key, *said).unique().group_by(key).len().filter(pl.col("len") > 1)
    return [" ".join(filter(None, names)) for names in different.select(key).iter_rows()]


def _merged_lines(known: pl.DataFrame, rows: pl.DataFrame) -> pl.DataFrame:
    """By line id; lines without an id are replaced together, as nobody can tell one from another."""
    fresh = rows.select(
        "order_id",
        "line_id",
        "sku",
        pl.lit([], pl.List(pl.String)).alias("categories"),
        pl.col("quantity").fill_null(1),
        "price",
        "shipping",
        "tax",
        pl.lit(0, pl.Int64).alias("fees"),
        pl.lit(None, pl.Int64).alias("base_price"),
        pl.lit(None, pl.Int64).alias("base_shipping"),
        pl.lit([], pl.List(pl.Int64)).alias("other_prices"),
        pl.lit(None, pl.Int64).alias("own_commission"),
        pl.lit("").alias("invoice"),
        "shipped_on",
        "cancelled",
    )
    named = fresh.filter(pl.col("line_id") != "").unique(["order_id", "line_id"], keep="last", maintain_order=True)
    fresh = pl.concat([named, fresh.filter(pl.col("line_id") == "")])
    kept = known.join(fresh, on=["order_id", "line_id"], how="anti", maintain_order="left")
    numbered = pl.int_range(pl.len(), dtype=pl.UInt32).over("order_id").alias("line_no")
    together = pl.concat([kept.sort("order_id", "line_no").drop("line_no"), fresh.select(kept.drop("line_no").columns)])
    return together.sort("order_id", "line_id", maintain_order=True).with_columns(numbered)


def _merged_refunds(known: pl.DataFrame, rows: pl.DataFrame) -> pl.DataFrame:
    """By refund id and order line; a refund without an id is known by all that it says."""
    fresh = rows.select(
        "order_id",
        "refund_id",
        "line_id",
        "refunded_on",
        "amount",
        "shipping",
        pl.lit(None, pl.Int64).alias("tax"),
        "quantity",
        "reason",
    )
    named = fresh.filter(pl.col("refund_id") != "")
    named = named.unique(["order_id", "refund_id", "line_id"], keep="last", maintain_order=True)
    nameless = fresh.filter(pl.col("refund_id") == "")
    kept_named = known.filter(pl.col("refund_id") != "").join(
        named, on=["order_id", "refund_id", "line_id"], how="anti", maintain_order="left"
    )
    # Two equal refunds without an id in one file are two; those of an earlier file are the same ones again.
    says = ["order_id", "line_id", "refunded_on", "amount", "shipping"]
    kept_nameless = known.filter(pl.col("refund_id") == "").join(
        nameless, on=says, how="anti", nulls_equal=True, maintain_order="left"
    )
    together = pl.concat(part.select(fresh.columns) for part in (kept_named, kept_nameless, named, nameless)).sort(
        "order_id", "refund_id", "line_id", "refunded_on", "amount", maintain_order=True
    )
    numbered = pl.int_range(pl.len(), dtype=pl.UInt32).over("order_id").alias("refund_no")
    return together.with_columns(numbered)


def _headers(known: pl.DataFrame, rows: pl.DataFrame, lines: pl.DataFrame) -> pl.DataFrame:
    stated = rows.group_by("order_id").agg(
        pl.col("commercial_id").filter(pl.col("commercial_id") != "").last().fill_null("").alias("commercial_id"),
        pl.col("currency").last(),
        pl.col("cancelled").all().alias("all_cancelled"),
    )
    of_lines = lines.group_by("order_id").agg(
        pl.col("cancelled").all().alias("lines_cancelled"), pl.col("shipped_on").max().alias("shipped_on")
    )
    before = known.select("order_id", pl.col("commercial_id").alias("known_as"))
    return (
        stated.join(of_lines, on="order_id", how="left")
        .join(before, on="order_id", how="left")
        .select(
            "order_id",
            pl.when(pl.col("commercial_id") == "").then(pl.col("known_as").fill_null("")).otherwise("commercial_id")
            .alias("commercial_id"),
            "currency",
            pl.coalesce("lines_cancelled", "all_cancelled").alias("cancelled"),
            pl.lit(None, pl.Date).alias("placed_on"),
            "shipped_on",
            pl.lit("").alias("stated"),
        )
        .sort("order_id")
    )  # fmt: skip
