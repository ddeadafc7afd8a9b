"""Amounts as decimal text and cells safe to open in a spreadsheet, for whole columns at once."""

from __future__ import annotations

import polars as pl

from marketplace_sync.domain.money import exponent

_STARTS_A_FORMULA = r"^[=+\-@\t\r]"


def decimal_column(amount: str, currencies: pl.Series, *, currency: str = "currency") -> pl.Expr:
    """Column `amount` (minor units of the currency in column `currency`) as text such as `-12.05`; null stays null.
    `currencies`: every currency that occurs, so that each is written with its own number of decimals."""
    exponents = {code: exponent(code) for code in currencies.unique().to_list()}
    chain: pl.Expr | None = None
    for digits in sorted(set(exponents.values()) or {2}):
        text = _decimal(pl.col(amount), digits)
        if chain is None:
            chain = text
        else:
            codes = [code for code, places in exponents.items() if places == digits]
            chain = pl.when(pl.col(currency).is_in(codes)).then(text).otherwise(chain)
    assert chain is not None
    return chain


def _decimal(amount: pl.Expr, digits: int) -> pl.Expr:
    if digits == 0:
        return amount.cast(pl.String)
    whole, part = amount.abs() // 10**digits, amount.abs() % 10**digits
    sign = pl.when(amount < 0).then(pl.lit("-")).otherwise(pl.lit(""))
    return pl.concat_str(sign, whole.cast(pl.String), pl.lit("."), part.cast(pl.String).str.zfill(digits))


def safe_text(column: str) -> pl.Expr:
    """Text that no spreadsheet takes for a formula: what would begin one gets an apostrophe in front."""
    text = pl.col(column)
    return pl.when(text.str.contains(_STARTS_A_FORMULA)).then(pl.concat_str(pl.lit("'"), text)).otherwise(text)


def safe_cell(text: str) -> str:
    """The same for one cell."""
    return f"'{text}" if text[:1] in ("=", "+", "-", "@", "\t", "\r") else text
