"""Agreed commission rates beside a column of order lines: the settings' rules, for a million lines at once."""

from __future__ import annotations

from datetime import date
from fractions import Fraction
from typing import Any

import polars as pl

from marketplace_sync.domain.settlement.settings import CommissionRates, DatedRate


def with_rates(lines: pl.DataFrame, rates: CommissionRates) -> pl.DataFrame:
    """`lines` with `agreed_num` and `agreed_den` (null where nothing was agreed), by `sku`, `categories`, `sold_on`."""
    lines = lines.with_row_index("_row")
    levels = []
    if rates.skus:
        keyed = lines.select("_row", "sold_on", pl.col("sku").alias("key"), pl.lit(0, pl.Int64).alias("rank"))
        levels.append(_latest(keyed, rates.skus))
    if rates.categories:
        rank = pl.int_ranges(pl.col("categories").list.len()).alias("rank")
        keyed = lines.select("_row", "sold_on", pl.col("categories").alias("key"), rank)
        keyed = keyed.filter(pl.col("key").list.len() > 0).explode("key", "rank")
        levels.append(_latest(keyed, rates.categories))
    nums, dens = [], []
    for place, level in enumerate(levels):
        lines = lines.join(
            level.rename({"num": f"_num{place}", "den": f"_den{place}"}), on="_row", how="left", maintain_order="left"
        )
        nums.append(pl.col(f"_num{place}"))
        dens.append(pl.col(f"_den{place}"))
    num, den = _default(rates.default)
    lines = lines.with_columns(pl.coalesce(*nums, num).alias("agreed_num"), pl.coalesce(*dens, den).alias("agreed_den"))
    return lines.drop("_row", *(f"_{part}{place}" for place in range(len(levels)) for part in ("num", "den")))


def _default(entries: tuple[DatedRate, ...]) -> tuple[pl.Expr, pl.Expr]:
    num = den = pl.lit(None, pl.Int64)
    # Built from the back: what began last is asked first, and of two that began together the one listed first.
    for _, entry in sorted(enumerate(entries), key=lambda pair: (pair[1].valid_from or date.min, -pair[0])):
        rate = Fraction(entry.rate)
        day = pl.col("sold_on")
        holds = day.is_between(entry.valid_from or date.min, entry.valid_until or date.max)
        num = pl.when(holds).then(pl.lit(rate.numerator, pl.Int64)).otherwise(num)
        den = pl.when(holds).then(pl.lit(rate.denominator, pl.Int64)).otherwise(den)
    return num, den


def _latest(keyed: pl.DataFrame, rates: dict[str, tuple[DatedRate, ...]]) -> pl.DataFrame:
    """Of the rates that hold on the day: the first of several categories, and in it the one that began last."""
    rows = []
    for key, entries in rates.items():
        for listed, entry in enumerate(entries):
            rate = Fraction(entry.rate)
            begins, ends = entry.valid_from or date.min, entry.valid_until or date.max
            rows.append((key, begins, ends, listed, rate.numerator, rate.denominator))
    numbers: dict[str, Any] = dict.fromkeys(("listed", "num", "den"), pl.Int64)
    schema = pl.Schema({"key": pl.String, "begins": pl.Date, "ends": pl.Date} | numbers)
    return (
        keyed.join(pl.DataFrame(rows, schema, orient="row"), on="key", how="inner")
        .filter(pl.col("sold_on").is_between("begins", "ends"))
        .sort("_row", "rank", "begins", "listed", descending=[False, False, True, False])
        .unique("_row", keep="first", maintain_order=True)
        .select("_row", "num", "den")
    )
