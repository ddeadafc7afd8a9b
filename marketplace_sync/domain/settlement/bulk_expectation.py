"""What every order line should bring, as columns: the same arithmetic as `expectation`, for all lines at once."""

from __future__ import annotations

from datetime import date
from fractions import Fraction

import polars as pl

from marketplace_sync.domain.settlement.line_types import Component
from marketplace_sync.domain.settlement.rates import with_rates
from marketplace_sync.domain.settlement.settings import FinanceSettings

LARGEST = 10**9
"""Above ten million pounds a product of two amounts could leave 64 bits: such orders are judged one by one."""


def half_up(numerator: pl.Expr, denominator: pl.Expr | int) -> pl.Expr:
    """Of numbers that are not negative."""
    return (2 * numerator + denominator) // (2 * denominator)


def expected_lines(
    order_lines: pl.DataFrame, orders: pl.DataFrame, settings: FinanceSettings, as_of: date
) -> pl.DataFrame:
    """Order lines with the signed amount expected per component, `num`/`den` (the commission rate), `due` (the day from
    which a delay counts) and `odd`: not to be concluded in bulk."""
    about = orders.select(
        "o",
        "placed_on",
        pl.col("cancelled").alias("order_cancelled"),
        pl.col("shipped_on").alias("order_shipped_on"),
    )
    lines = order_lines.join(about, on="o", how="left", maintain_order="left")
    due = pl.coalesce("shipped_on", "order_shipped_on")
    base = pl.coalesce("base_price", "price")
    if settings.commission_on_shipping:
        base = base + pl.coalesce("base_shipping", "shipping")
    lines = lines.with_columns(
        due.alias("due"),
        pl.coalesce("placed_on", due, pl.lit(as_of)).alias("sold_on"),
        base.alias("base"),
        (pl.col("cancelled") | pl.col("order_cancelled")).alias("nothing_due"),
    )
    lines = with_rates(lines, settings.commission_rates)
    own, has_base = pl.col("own_commission"), pl.col("base") > 0
    lines = lines.with_columns(
        pl.coalesce("agreed_num", pl.when(has_base).then(own).when(own.is_not_null()).then(0)).alias("num"),
        pl.coalesce("agreed_den", pl.when(has_base).then(pl.col("base")).otherwise(1)).alias("den"),
    )
    lines = lines.with_columns(half_up(pl.col("num") * pl.col("base"), pl.col("den")).alias("fee"))
    vat = Fraction(settings.commission_vat_rate)
    excluded = settings.tax_mode == "TAX_EXCLUDED"
    amounts = {
        Component.PRODUCT: pl.col("price"),
        Component.SHIPPING: pl.col("shipping"),
        Component.TAX: pl.col("tax").fill_null(0) if excluded else pl.lit(0, pl.Int64),
        Component.COMMISSION: -pl.col("fee"),
        Component.COMMISSION_VAT: -half_up(pl.col("fee") * vat.numerator, vat.denominator),
    }
    due_amounts = [pl.when(pl.col("nothing_due")).then(0).otherwise(e).alias(name) for name, e in amounts.items()]
    return lines.with_columns(*due_amounts, _odd(excluded=excluded).alias("odd"))


def _odd(*, excluded: bool) -> pl.Expr:
    sizes = [pl.col(name).abs() for name in ("price", "shipping", "base", "num", "den")]
    odd = pl.col("num").is_null() | (pl.col("fees") != 0) | (pl.max_horizontal(*sizes) > LARGEST)
    odd = odd | (pl.min_horizontal("price", "shipping", "base", "num") < 0)
    return odd | pl.col("tax").is_null() if excluded else odd
