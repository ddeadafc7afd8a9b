"""A whole payout run, from the ledger to its stored result: the time it takes, its memory, and how both grow.

    python benchmarks/payout_partition.py [--orders 30000 300000]

For each size a ledger on a real PostgreSQL is filled by COPY (not measured) with a made-up month of about 3.7 lines per
order, 3 % of them with something wrong. Then a process of its own reconciles the connection as the Dagster partition
does: reads the book, concludes, stores the results and opens the work items; once for the first time, once again with
nothing changed. `MB` is the highest memory of that process.
"""

from __future__ import annotations

import json
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import polars as pl
import psycopg
from _installation import Folder
from _processor import highest_megabytes
from _report import options, say, show
from sqlalchemy import make_url

from marketplace_sync.domain.settlement.frames import Book
from marketplace_sync.ledger import embedded
from marketplace_sync.ledger import settlement as ledger
from marketplace_sync.ledger.database import Ledger, migrate
from marketplace_sync.ledger.location import with_driver

TOP = Path(__file__).parent.parent
sys.path.insert(0, str(TOP))

from marketplace_sync_tests.settlement.months import AS_OF, SETTINGS, month  # noqa: E402
from marketplace_sync_tests.settlement.office import NAME, opened  # noqa: E402


def fill(url: str, book: Book) -> None:
    """The month, as feeds and imports would have left it."""
    made = Ledger(url)
    sold = book.refunds.with_columns(pl.int_range(pl.len()).over("order_id").cast(pl.UInt32).alias("refund_no"))
    with made.begin() as connection:
        ledger.replace_sold(
            connection,
            NAME,
            "marketplace",
            book.orders.with_columns(pl.lit("1").alias("stated")),
            book.order_lines,
            sold,
        )
        lines = book.lines.with_columns(pl.lit("").alias("date_created"))
        ledger.merge_lines(connection, NAME, lines, None)
    made.close()
    with psycopg.connect(with_driver(url, None), autocommit=True) as plain:
        plain.execute("ANALYZE")


def reconciled(url: str, folder: Path) -> None:
    """In a process of its own: reconcile twice, and say how long each took."""
    rows = []
    with opened(url, folder, SETTINGS) as office:
        for what in ("first run", "rerun, nothing changed"):
            began, worked = time.perf_counter(), time.process_time()
            done = office.reconcile(AS_OF)
            rows.append(
                {
                    "what": what,
                    "seconds": time.perf_counter() - began,
                    "cpu": time.process_time() - worked,
                    "orders": done.result.orders.height,
                    "exceptions": done.exceptions,
                    "MB": highest_megabytes(),
                }
            )
            del done  # the report is in the ledger: a second run begins without the first one's
    print(json.dumps(rows))


def measured(server_url: str, folder: Path, orders: int, seed: int) -> list[dict[str, Any]]:
    say(f"a month of {orders:,} orders")
    name = f"month_{orders}"
    with psycopg.connect(with_driver(server_url, None), autocommit=True) as plain:
        plain.execute(f'CREATE DATABASE "{name}"'.encode())
    url = make_url(server_url).set(database=name).render_as_string(hide_password=False)
    migrate(url)
    book = month(seed, orders, 0.03, items=(1,)).book
    lines = book.lines.height
    fill(url, book)
    del book
    say("reconciled")
    command = [sys.executable, str(Path(__file__)), "--child", url, "--folder", str(folder)]
    done = subprocess.run(command, check=True, capture_output=True, text=True, cwd=TOP)
    return [{"lines": lines, **row} for row in json.loads(done.stdout.splitlines()[-1])]


def main() -> None:
    given = options(
        __doc__ or "",
        ("--orders", {"type": int, "nargs": "+", "default": [30_000, 300_000]}),
        ("--seed", {"type": int, "default": 1}),
        ("--child", {"help": "for the program itself"}),
        ("--folder", {"type": Path, "help": "for the program itself"}),
    )
    if given.child:
        reconciled(given.child, given.folder)
        return
    rows: list[dict[str, Any]] = []
    with Folder() as folder, embedded.start(folder / "home") as server:
        for orders in [300] if given.quick else given.orders:
            rows += measured(server.url, folder, orders, given.seed)
    show("A payout run, from the ledger to its stored result", rows, given)


if __name__ == "__main__":
    main()
