"""Orders into the ledger, beside a bare loop that only fetches and parses the same pages.

100,000 orders of three lines from a simulated John Lewis in a process of its own, without a call budget. Ours keeps
every payload, every version and every event; the bare loop keeps nothing.
"""

from __future__ import annotations

import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import httpx
import msgspec
from _installation import configuration
from _report import options, show
from _vendors import JL, KLAVIYO, SHOP, Vendors

PAGE = 100
LOGIN = ("sandbox-seller", "sandbox-john-lewis")


class Item(msgspec.Struct):
    line_reference: str
    part_number: str
    quantity: int
    status: str
    unit_cost_price: str | None = None


class Order(msgspec.Struct):
    url: str
    order_reference: str
    order_date: str
    status: str
    items: list[Item]


class Page(msgspec.Struct):
    count: int
    results: list[Order]


def bare(base_url: str) -> tuple[float, int]:
    """Seconds and orders of the loop that keeps nothing."""
    decode = msgspec.json.Decoder(Page).decode
    seen, offset = 0, 0
    began = time.perf_counter()
    with httpx.Client(auth=LOGIN, timeout=60) as client:
        while True:
            query = {"status": "ORDER", "limit": PAGE, "offset": offset, "format": "json"}
            page = decode(client.get(f"{base_url}/{JL}/restapi/v4/orders/", params=query).content)
            seen += len(page.results)
            offset += PAGE
            if offset >= page.count:
                return time.perf_counter() - began, seen


OURS = """
import resource, sys, time
from pathlib import Path
from marketplace_sync.config import load
from marketplace_sync.flows.import_orders import import_feed
from marketplace_sync.ledger import embedded
from marketplace_sync.ledger.database import migrate
from marketplace_sync.ledger.location import urls_of
from marketplace_sync.project import open_project
folder = Path(sys.argv[1])
with embedded.start(folder / "home") as server:
    migrate(server.url)
    with open_project(load(folder / "marketplace_sync.yaml"), database=urls_of(server.url)) as project:
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        context = project.context
        if sys.argv[2] == "kept only":
            from dataclasses import replace
            context = replace(context, routes=())
        began = time.perf_counter()
        report = import_feed(context, "john_lewis", "orders")
        print(time.perf_counter() - began, report.new, before / 1024,
              resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024, flush=True)
"""


def ours(base_url: str, how: str) -> tuple[float, int, float]:
    """Seconds, orders and peak memory (MiB) of a fresh process with a fresh ledger."""
    with tempfile.TemporaryDirectory(prefix="msb-") as folder:
        import yaml

        content = configuration(base_url, {JL: {"requests_per_minute": 100_000}})
        (Path(folder) / "marketplace_sync.yaml").write_text(yaml.safe_dump(content), encoding="utf-8")
        done = subprocess.run(
            [sys.executable, "-c", OURS, folder, how], capture_output=True, text=True, check=False, timeout=1800
        )
        if done.returncode:
            raise RuntimeError(done.stderr[-2000:])
        seconds, orders, _, peak = done.stdout.split()
        return float(seconds), int(orders), float(peak)


def main() -> None:
    given = options(__doc__ or "", ("--orders", {"type": int, "default": 100_000}))
    sizes = [400, 800] if given.quick else [given.orders // 4, given.orders]
    rows = []
    for size in sizes:
        with Vendors({JL: {"limit": None}, SHOP: {}, KLAVIYO: {}}) as vendors:
            placed = 0
            while placed < size:
                count = min(10_000, size - placed)
                vendors.act(JL, "place_orders", count=count, lines_per_order=3)
                placed += count
            loop_seconds, loop_orders = bare(vendors.base_url)
            rows.append(row("bare loop", size, loop_seconds, loop_orders, None, loop_seconds))
            for how in ("kept only",) if not given.quick else ("kept only", "with wishes"):
                seconds, orders, peak = ours(vendors.base_url, how)
                rows.append(row(f"ours, {how}", size, seconds, orders, peak, loop_seconds))
    show("Importing orders of three lines", rows, given, f"own peak {own_peak():.0f} MiB")


def row(what: str, size: int, seconds: float, orders: int, peak: float | None, loop: float) -> dict[str, object]:
    if orders != size:
        raise RuntimeError(f"{what}: {orders} orders of {size}")
    return {
        "what": what,
        "orders": size,
        "seconds": round(seconds, 2),
        "per second": round(orders / seconds),
        "of the bare loop": f"{loop / seconds:.0%}",
        "peak MiB": "" if peak is None else f"{peak:.0f}",
    }


def own_peak() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


if __name__ == "__main__":
    main()
