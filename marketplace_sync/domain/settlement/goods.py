"""What a report says that names goods instead of orders: a day, a product, units; and what the ledger sent of them."""

from __future__ import annotations

from typing import Any

import polars as pl

GOODS = pl.Schema(
    {
        "line_id": pl.String,
        "ean": pl.String,
        "stock_number": pl.String,
        "sold": pl.Int64,
        "returned": pl.Int64,
        "net_of_tax": pl.Boolean,
        "customer_order_number": pl.String,
    }
)
"""Beside a settlement line: which product it is about and how many units, or what the buyer calls the order."""

_DISPATCH_COLUMNS: dict[str, Any] = {
    "order_id": pl.String,
    "line_id": pl.String,
    "day": pl.Date,
    "quantity": pl.Int64,
    "wanted": pl.Int64,
    "codes": pl.List(pl.String),
    "has_cost": pl.Boolean,
}
DISPATCHES = pl.Schema(_DISPATCH_COLUMNS)
"""Units of one order line that left on one day. `wanted`: the line's units that are not cancelled. `codes`: all that
the product is called by. `has_cost`: whether the order says what a unit costs."""

NAMES = pl.Schema({"order_id": pl.String, "name": pl.String})
"""What an order is called beside its id: its reference, the buyer's number."""


def code(text: str) -> str:
    """A product number without what spreadsheets do to it: spaces, hyphens and zeros at its beginning."""
    plain = "".join(letter for letter in text if not letter.isspace() and letter != "-").upper()
    return plain.lstrip("0") or plain
