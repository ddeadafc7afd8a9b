"""How listings look: a table for people, JSON for programs, from the same rows."""

from __future__ import annotations

import sys
import textwrap
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import msgspec

if TYPE_CHECKING:
    from rich.table import Table


def as_json(value: Any) -> None:
    """One JSON document on standard output."""
    encoded = msgspec.json.format(msgspec.json.encode(value, enc_hook=str), indent=2)
    sys.stdout.write(encoded.decode() + "\n")


def as_table(title: str, columns: Sequence[str], rows: Sequence[Sequence[Any]], width: int | None = None) -> None:
    """A table on standard output. Where it would be squeezed until words break, one paragraph per row instead.

    `width` is the terminal's by default, and 160 where there is none.
    """
    from rich.console import Console

    console = Console(width=width or (None if sys.stdout.isatty() else 160), highlight=False, markup=False)
    cells = [["" if cell is None else str(cell) for cell in row] for row in rows]
    if not cells:
        console.print(f"{title}: none")
    elif _least_width(columns, cells) <= console.width:
        console.print(_table(title, columns, cells))
    else:
        console.print(_paragraphs(title, columns, cells, console.width), soft_wrap=True)


def _table(title: str, columns: Sequence[str], rows: Sequence[Sequence[str]]) -> Table:
    from rich.table import Table
    from rich.text import Text

    table = Table(title=title, title_justify="left", header_style="bold", expand=False)
    for column in columns:
        table.add_column(column, overflow="fold")
    for row in rows:
        # what vendors and buyers wrote is text, never markup
        table.add_row(*(Text(cell) for cell in row))
    return table


_SHORT = 28
"""Cells up to this length keep to one line; longer ones are prose, and fold."""


def _least_width(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> int:
    """Below this a table breaks words: headings fold at blanks, short cells not at all; each column has a border."""
    least = 1
    for index, column in enumerate(columns):
        widest = max((len(row[index]) for row in rows), default=0)
        least += 3 + max(min(widest, _SHORT), *(len(word) for word in column.split()), 1)
    return least


def _paragraphs(title: str, columns: Sequence[str], rows: Sequence[Sequence[str]], width: int) -> str:
    """Each row: its first cell, what is short in a line, what is long in lines of its own; empty cells are left out."""
    lines = [title]
    for row in rows:
        named = [(column, cell) for column, cell in zip(columns, row, strict=True) if cell]
        lines += ["", " ".join(part for part in named[0] if part)] if named else []
        short = [f"{column}: {cell}" for column, cell in named[1:] if len(cell) <= _SHORT]
        long = [f"{column}: {cell}" for column, cell in named[1:] if len(cell) > _SHORT]
        for text in ([", ".join(short)] if short else []) + long:
            lines += textwrap.wrap(
                text, max(width, 20), initial_indent="  ", subsequent_indent="    ", break_on_hyphens=False
            )
    return "\n".join([*lines, ""])


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
