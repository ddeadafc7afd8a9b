"""How listings look: a table for people, JSON for programs, from the same rows."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import Any

import msgspec


def as_json(value: Any) -> None:
    """One JSON document on standard output."""
    encoded = msgspec.json.format(msgspec.json.encode(value, enc_hook=str), indent=2)
    sys.stdout.write(encoded.decode() + "\n")


def as_table(title: str, columns: Sequence[str], rows: Sequence[Sequence[Any]]) -> None:
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(title=title, title_justify="left", header_style="bold", expand=False)
    for column in columns:
        table.add_column(column, overflow="fold")
    for row in rows:
        # what vendors and buyers wrote is text, never markup
        table.add_row(*(Text("" if cell is None else str(cell)) for cell in row))
    Console(width=None if sys.stdout.isatty() else 160).print(table)


def ago(seconds: float | None) -> str:
    """`95` -> `1 min`; None -> `never`."""
    if seconds is None:
        return "never"
    for size, unit in ((86400, "d"), (3600, "h"), (60, "min")):
        if seconds >= size:
            return f"{seconds / size:.0f} {unit}"
    return f"{seconds:.0f} s"


def money(minor: int | None, currency: str | None) -> str:
    from marketplace_sync.domain.money import decimal_text

    return "" if minor is None or currency is None else f"{decimal_text(minor, currency)} {currency}"
