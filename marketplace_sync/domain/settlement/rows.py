"""Rows of an imported file as text, and rows that could not be taken."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from marketplace_sync.domain.errors import MarketplaceSyncError

if TYPE_CHECKING:
    from marketplace_sync.domain.settlement.control_totals import ControlTotals

TEXT_KEPT = 2_000
"""So much of a bad row is shown."""


@dataclass(frozen=True)
class Rejected:
    """A row that was not taken. `line`: of the file, counted from 1."""

    line: int
    reason: str
    raw: str


@dataclass
class Rows:
    """Some rows of a file as text, by our column names. `lines` and `raws` say where each came from."""

    columns: dict[str, list[str]]
    lines: list[int]
    raws: list[str]
    rejected: list[Rejected] = field(default_factory=list)
    controls: ControlTotals | None = None
    """Of the whole file; with its last rows only."""


class UnusableFile(MarketplaceSyncError):
    """Nothing of a file can be read: it is no such file, or lacks columns. The message says how to declare them."""
