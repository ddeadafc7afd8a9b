"""Orders into the ledger, beside a bare loop that only fetches and parses the same pages.

100,000 orders of three lines from a simulated John Lewis in a process of its own, without a call budget. The bare loop
fetches with the same HTTP library, reads every field of a page into typed objects (times, decimals, addresses) and
keeps nothing; a second one reads five fields of a line and four of an order, as little as one can call parsing. The
plain loop is what is written in a minute: `client.get(...).json()`, dictionaries as they come.
Ours reads a page leniently, turns statuses into counts and prices into minor units, and stores four things per order in
one transaction per 1,500: the order, its lines, its payload as it came with its hash, and its events. "With wishes"
it also records what follows from each order for store and customers: six effects.
"""

from __future__ import annotations

import os
import resource
import subprocess
import sys
import time
from datetime import datetime
from decimal import Decimal
from pathlib import Path

import httpx
import msgspec
import yaml
from _installation import Folder, configuration
from _report import options, show
from _vendors import JL, KLAVIYO, SHOP, Vendors

PAGE = 100
LOGIN = ("sandbox-seller", "sandbox-john-lewis")


class FewOfItem(msgspec.Struct):
    line_reference: str
    part_number: str
    quantity: int
    status: str
    unit_cost_price: str | None = None


class FewOfOrder(msgspec.Struct):
    url: str
    order_reference: str
    order_date: str
    status: str
    items: list[FewOfItem]


class FewOfPage(msgspec.Struct):
    count: int
    results: list[FewOfOrder]


class Item(msgspec.Struct):
    url: str
    line_reference: str
    part_number: str
    retailer_sku_reference: str
    supplier_sku_reference: str
    quantity: int
    name: str
    description: str
    status: str
    unit_cost_price: Decimal
    subtotal: Decimal
    tax: Decimal
    tax_rate: Decimal
    total: Decimal
    promised_date: datetime


class Address(msgspec.Struct):
    full_name: str = ""
    line_1: str = ""
    line_2: str = ""
    city: str = ""
    state: str = ""
    postal_code: str = ""
    country: str = ""
    phone: str = ""
    email: str = ""


class Order(msgspec.Struct):
    url: str
    retailer: str
    supplier: str
    order_reference: str
    order_date: datetime
    status: str
    channel: str
    end_user_purchase_order_reference: str
    test_flag: bool
    items: list[Item]
    currency_code: str
    subtotal: Decimal
    tax: Decimal
    total: Decimal
    delivery_service_code: str
    shipping_address: Address


class Page(msgspec.Struct):
    count: int
    results: list[Order]


def bare(base_url: str, kind: type[Page | FewOfPage]) -> tuple[float, float, int]:
    """Seconds, processor seconds and orders of the loop that keeps nothing."""
    decode = msgspec.json.Decoder(kind).decode
    seen, offset = 0, 0
    began, worked = time.perf_counter(), time.process_time()
    with httpx.Client(auth=LOGIN, timeout=60) as client:
        while True:
            query: dict[str, str | int] = {"status": "ORDER", "limit": PAGE, "offset": offset, "format": "json"}
            page = decode(client.get(f"{base_url}/{JL}/restapi/v4/orders/", params=query).content)
            seen += len(page.results)
            offset += PAGE
            if offset >= page.count:
                return time.perf_counter() - began, time.process_time() - worked, seen


def plain(base_url: str) -> tuple[float, float, int]:
    """As `bare`, of the loop of three lines that keeps nothing either."""
    seen, offset = 0, 0
    began, worked = time.perf_counter(), time.process_time()
    with httpx.Client(auth=LOGIN, timeout=60) as client:
        while True:
            query: dict[str, str | int] = {"status": "ORDER", "limit": PAGE, "offset": offset, "format": "json"}
            page = client.get(f"{base_url}/{JL}/restapi/v4/orders/", params=query).json()
            seen += len(page["results"])
            offset += PAGE
            if offset >= page["count"]:
                return time.perf_counter() - began, time.process_time() - worked, seen


OURS = """
import resource, sys, time
from dataclasses import replace
from pathlib import Path
from _processor import server_seconds
from marketplace_sync.config import load
from marketplace_sync.flows.import_orders import import_feed
from marketplace_sync.flows.observe_store import refresh_catalogue
from marketplace_sync.ledger import embedded
from marketplace_sync.ledger.database import migrate
from marketplace_sync.ledger.location import urls_of
from marketplace_sync.project import open_project
folder = Path(sys.argv[1])
with embedded.start(folder / "home") as server:
    migrate(server.url)
    with open_project(load(folder / "marketplace_sync.yaml"), database=urls_of(server.url)) as project:
        context = project.context
        if sys.argv[2] == "kept only":
            context = replace(context, routes=())
        else:
            refresh_catalogue(context, "shopify_main")
        stored, worked, began = server_seconds(folder), time.process_time(), time.perf_counter()
        report = import_feed(context, "john_lewis", "orders")
        print(time.perf_counter() - began, time.process_time() - worked, server_seconds(folder) - stored, report.new,
              resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024, flush=True)
"""


def ours(base_url: str, how: str) -> tuple[float, float, float, int, float]:
    """Seconds, processor seconds here and in the database, orders and peak memory (MiB) of a fresh process with a fresh
    ledger."""
    with Folder() as folder:
        content = configuration(base_url, {JL: {"requests_per_minute": 100_000}})
        (folder / "marketplace_sync.yaml").write_text(yaml.safe_dump(content), encoding="utf-8")
        here = str(Path(__file__).resolve().parent)
        done = subprocess.run(
            [sys.executable, "-c", OURS, str(folder), how], capture_output=True, text=True, check=False, timeout=1800,
            env={**os.environ, "PYTHONPATH": os.pathsep.join((here, os.environ.get("PYTHONPATH", "")))},
        )  # fmt: skip
        if done.returncode:
            raise RuntimeError(done.stderr[-2000:])
        seconds, worked, stored, orders, peak = done.stdout.split()
        return float(seconds), float(worked), float(stored), int(orders), float(peak)


def main() -> None:
    given = options(__doc__ or "", ("--orders", {"type": int, "default": 100_000}))
    sizes = [200] if given.quick else [given.orders // 4, given.orders]
    rows = []
    for size in sizes:
        with Vendors({JL: {"limit": None}, SHOP: {}, KLAVIYO: {}}) as vendors:
            placed = 0
            while placed < size:
                count = min(10_000, size - placed)
                vendors.act(JL, "place_orders", count=count, lines_per_order=3)
                placed += count
            loop, worked, seen = bare(vendors.base_url, Page)
            everyday, worked_plainly, seen_plainly = plain(vendors.base_url)
            loops = (loop, everyday)
            rows.append(row("bare loop, every field", size, loop, worked, None, seen, None, loops))
            rows.append(row("plain loop, .json()", size, everyday, worked_plainly, None, seen_plainly, None, loops))
            few, worked, seen = bare(vendors.base_url, FewOfPage)
            rows.append(row("bare loop, few fields", size, few, worked, None, seen, None, loops))
            for how in ("kept only", "with wishes"):
                seconds, worked, stored, orders, peak = ours(vendors.base_url, how)
                rows.append(row(f"ours, {how}", size, seconds, worked, stored, orders, peak, loops))
    show("Importing orders of three lines", rows, given, f"own peak {own_peak():.0f} MiB")


def row(
    what: str,
    size: int,
    seconds: float,
    worked: float,
    stored: float | None,
    orders: int,
    peak: float | None,
    loops: tuple[float, float],
) -> dict[str, object]:
    if orders != size:
        raise RuntimeError(f"{what}: {orders} orders of {size}")
    return {
        "what": what,
        "orders": size,
        "seconds": round(seconds, 2),
        "cpu": round(worked, 2),
        "cpu of the database": "" if stored is None else f"{stored:.2f}",
        "per second": round(orders / seconds),
        "of the bare loop": f"{loops[0] / seconds:.0%}",
        "of the plain loop": f"{loops[1] / seconds:.0%}",
        "peak MiB": "" if peak is None else f"{peak:.0f}",
    }


def own_peak() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


if __name__ == "__main__":
    main()
