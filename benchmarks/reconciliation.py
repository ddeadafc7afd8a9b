"""How long a month takes: 1,000,000 settlement lines against 300,000 orders, beside pandas and a bare Polars join.

    python benchmarks/reconciliation.py [--orders 300000] [--faults 0.03] [--repeat 3]

Prints one table on the same frames: seconds (best of the repeats; `cpu` is what both cores spent), rows, and the
highest memory of the process that did it. Each contender has a process of its own; making up the month is not measured.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import polars as pl
from _processor import highest_megabytes
from _report import options, say, show

from marketplace_sync.domain.settlement.frames import Book
from marketplace_sync.domain.settlement.line_types import PAYMENT
from marketplace_sync.domain.settlement.settings import FinanceSettings

sys.path.insert(0, str(Path(__file__).parent.parent))

from marketplace_sync_tests.settlement.months import AS_OF, SETTINGS, month

FRAMES = ("orders", "order_lines", "refunds", "refund_reasons", "lines")
Row = tuple[str, tuple[float, float], int, int]
"""What, seconds by the clock and of processor time, rows, megabytes."""


def best(repeat: int, work: Callable[[], Any]) -> tuple[tuple[float, float], Any]:
    seconds, found = [], None
    for _ in range(repeat):
        found = None
        began, worked = time.perf_counter(), time.process_time()
        found = work()
        seconds.append((time.perf_counter() - began, time.process_time() - worked))
    return min(seconds), found


def save(book: Book, folder: Path) -> None:
    for name in FRAMES:
        getattr(book, name).write_parquet(folder / f"{name}.parquet")


def load(folder: Path) -> Book:
    frames = {name: pl.read_parquet(folder / f"{name}.parquet") for name in FRAMES}
    return Book(
        orders=frames["orders"],
        order_lines=frames["order_lines"],
        refunds=frames["refunds"],
        refund_reasons=frames["refund_reasons"],
        lines=frames["lines"],
    )


def bare(folder: Path, repeat: int) -> Iterator[Row]:
    book = load(folder)
    lines = book.lines.filter(pl.col("type") != PAYMENT)
    yield "the frames, loaded", (0.0, 0.0), lines.height, highest_megabytes()

    def join() -> pl.DataFrame:
        return lines.join(book.orders, on="order_id", how="left")

    seconds, found = best(repeat, join)
    yield "bare Polars join: lines to orders", seconds, found.height, highest_megabytes()
    del found

    def to_lines() -> pl.DataFrame:
        right = ["order_id", "line_id"]
        return join().join(
            book.order_lines, left_on=["order_id", "order_line_id"], right_on=right, how="left", suffix="_line"
        )

    seconds, found = best(repeat, to_lines)
    yield "bare Polars joins: lines to orders and order lines", seconds, found.height, highest_megabytes()
    del found
    seconds, found = best(repeat, lambda: join().group_by("order_id", "type").agg(pl.col("amount").sum()))
    yield "Polars join and group by order and type", seconds, found.height, highest_megabytes()


def pandas(folder: Path, repeat: int) -> Iterator[Row]:
    import pandas as pd

    book = load(folder)
    lines = pd.DataFrame(book.lines.filter(pl.col("type") != PAYMENT).to_dict(as_series=False))
    orders = pd.DataFrame(book.orders.to_dict(as_series=False))
    seconds, found = best(repeat, lambda: lines.merge(orders, on="order_id", how="left"))
    yield "pandas merge: lines to orders", seconds, len(found), highest_megabytes()

    def grouped() -> Any:
        merged = lines.merge(orders, on="order_id", how="left")
        return merged.groupby(["order_id", "type"])["amount"].sum()

    seconds, found = best(repeat, grouped)
    yield "pandas merge and groupby order and type", seconds, len(found), highest_megabytes()


def ours(folder: Path, repeat: int) -> Iterator[Row]:
    from marketplace_sync.domain.settlement.attaching import attach
    from marketplace_sync.domain.settlement.reconcile import reconcile
    from marketplace_sync.reports.settlement_json import write_json

    book = load(folder)
    settings = FinanceSettings.model_validate(SETTINGS)
    seconds, found = best(repeat, lambda: attach(book, settings))
    yield "ours: lines to orders and order lines", seconds, found[0].lines.height, highest_megabytes()
    del found
    seconds, result = best(repeat, lambda: reconcile(book, settings, AS_OF))
    judged = f"ours: reconciled, {result.careful:,} orders judged one by one"
    yield judged, seconds, result.components.height, highest_megabytes()
    with (folder / "result.json").open("wb") as stream:
        seconds, _ = best(1, lambda: write_json(result, stream))
        size = stream.tell() / 1e6
    yield f"ours: written as JSON, {size:.0f} MB", seconds, result.orders.height, highest_megabytes()


CONTENDERS = {"bare": bare, "pandas": pandas, "ours": ours}


def main() -> None:
    chosen = options(
        (__doc__ or "").splitlines()[0],
        ("--orders", {"type": int, "default": 300_000}),
        ("--faults", {"type": float, "default": 0.03}),
        ("--repeat", {"type": int, "default": 3}),
        ("--seed", {"type": int, "default": 1}),
        ("--contender", {"choices": CONTENDERS, "help": argparse.SUPPRESS}),
        ("--folder", {"type": Path, "help": argparse.SUPPRESS}),
    )
    if chosen.quick:
        chosen.orders, chosen.repeat = 2_000, 1
    if chosen.contender:
        for row in CONTENDERS[chosen.contender](chosen.folder, chosen.repeat):
            print(json.dumps(row), flush=True)
        return
    with TemporaryDirectory() as name:
        folder = Path(name)
        book = month(chosen.seed, chosen.orders, chosen.faults, items=(1,)).book
        say(f"{book.orders.height:,} orders, {book.lines.height:,} settlement lines")
        save(book, folder)
        del book
        rows: list[Row] = []
        for contender in CONTENDERS:
            command = [sys.executable, str(Path(__file__)), "--contender", contender]
            command += ["--folder", name, "--repeat", str(chosen.repeat)]
            output = subprocess.run(command, check=True, capture_output=True, text=True).stdout
            rows += [json.loads(line) for line in output.splitlines()]
    named = [
        {"what": what, "seconds": round(seconds, 3), "cpu": round(worked, 3), "rows": count, "MB": memory}
        for what, (seconds, worked), count, memory in rows
    ]
    show("A month of settlement lines against its orders", named, chosen)


if __name__ == "__main__":
    main()
