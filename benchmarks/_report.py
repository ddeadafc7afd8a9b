"""Options and output that all benchmarks share: one table, or the same rows as JSON for whoever compares commits."""

from __future__ import annotations

import argparse
import json
import os
import platform
import sys
from collections.abc import Sequence
from typing import Any


def options(description: str, *further: tuple[str, dict[str, Any]]) -> argparse.Namespace:
    """The command line: `--quick`, `--json`, and what a program adds as (flag, arguments of add_argument)."""
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--quick", action="store_true", help="a small dose: shows that it works, not how fast")
    parser.add_argument("--json", action="store_true", help="print the rows as JSON, one per line")
    for flag, arguments in further:
        parser.add_argument(flag, **arguments)
    return parser.parse_args()


def show(title: str, rows: Sequence[dict[str, Any]], given: argparse.Namespace, note: str = "") -> None:
    """Print the rows. Every row has the same keys; numbers are right-aligned."""
    if given.json:
        for row in rows:
            print(json.dumps(row), flush=True)
        return
    columns = list(rows[0])
    cells = [[_cell(row[column]) for column in columns] for row in rows]
    widths = [max(len(name), *(len(line[place]) for line in cells)) for place, name in enumerate(columns)]
    numeric = [isinstance(rows[0][column], int | float) for column in columns]

    def line(values: Sequence[str]) -> str:
        return "  ".join(
            value.rjust(width) if number else value.ljust(width)
            for value, width, number in zip(values, widths, numeric, strict=True)
        ).rstrip()

    print(f"{title}  ({os.cpu_count()} cores, Python {platform.python_version()}, load {os.getloadavg()[0]:.1f})")
    print(line(columns))
    print("  ".join("-" * width for width in widths))
    for values in cells:
        print(line(values))
    if note:
        print(note)
    sys.stdout.flush()


def say(text: str) -> None:
    """Progress, to standard error: standard output is the table's."""
    print(f"  … {text}", file=sys.stderr, flush=True)


def percentile(values: Sequence[float], share: float) -> float:
    """The smallest value that at least this share of the values do not exceed."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, max(0, round(share * len(ordered) + 0.5) - 1))]


def median(values: Sequence[float]) -> float:
    return percentile(values, 0.5)


def _cell(value: Any) -> str:
    return f"{value:,.3f}".rstrip("0").rstrip(".") if isinstance(value, float) else str(value)
