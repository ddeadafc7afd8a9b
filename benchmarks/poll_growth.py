"""The same poll, with ten changes, against a small and a large ledger: it must cost what changed, not what is kept.

The ledger is filled by COPY with orders that are long done; then a simulated John Lewis states ten new orders per poll.
"""

from __future__ import annotations

import statistics
import time

import psycopg
import yaml
from _installation import Folder, configuration
from _report import options, show
from _vendors import JL, KLAVIYO, SHOP, Vendors

from marketplace_sync.config import load
from marketplace_sync.flows import drift, watch_deadlines
from marketplace_sync.flows.import_orders import import_feed
from marketplace_sync.flows.observe_store import refresh_catalogue
from marketplace_sync.flows.status import status
from marketplace_sync.ledger import embedded
from marketplace_sync.ledger.database import migrate
from marketplace_sync.ledger.location import urls_of, with_driver
from marketplace_sync.project import Project, open_project

FILL = """
INSERT INTO ledger.orders (connection, order_id, reference, customer_order_number, status, placed_at, first_seen_at,
    changed_at, currency, is_test, open_units, unacknowledged_units, document)
SELECT 'john_lewis', 'old-' || n, n::text, n::text, 'DISPATCH', now() - interval '300 days',
    now() - interval '300 days',
    now() - interval '290 days', 'GBP', false, 0, 0, '{}' FROM generate_series(1, %(orders)s) n;
INSERT INTO ledger.order_lines (connection, order_id, line_id, sku, stock_number, quantity, acknowledged, dispatched,
    cancelled) SELECT 'john_lewis', 'old-' || n, l::text, 'MUG-RED', '81400137', 1, 1, 1, 0
    FROM generate_series(1, %(orders)s) n, generate_series(1, 3) l;
INSERT INTO ledger.statements (connection, kind, key, version, content_hash, seen_at, payload)
SELECT 'john_lewis', 'order', 'old-' || n, 1, '\\x00', now() - interval '300 days', '{}'
    FROM generate_series(1, %(orders)s) n;
INSERT INTO ledger.order_events (event_id, connection, order_id, kind, line_id, key, quantity, initiator, detail,
    occurred_at, seen_at) SELECT gen_random_uuid(), 'john_lewis', 'old-' || n, 'placed', '', '1', 3, 'unknown', '{}',
    now() - interval '300 days', now() - interval '300 days' FROM generate_series(1, %(orders)s) n;
INSERT INTO ledger.effects (connection, natural_key, kind, subject, lane, payload, state, not_before, created_at,
    finished_at, order_connection, order_id) SELECT 'shopify_main', 'create:john_lewis:old-' || n, 'create_order',
    'john_lewis:old-' || n, 2, '{}', 'delivered', now() - interval '300 days', now() - interval '300 days',
    now() - interval '300 days', 'john_lewis', 'old-' || n FROM generate_series(1, %(orders)s) n
"""


def filled(url: str, orders: int) -> None:
    with psycopg.connect(with_driver(url, None), autocommit=True) as connection:
        for statement in FILL.split(";"):
            connection.execute(statement.encode(), {"orders": orders})
        connection.execute("ANALYZE")


def polled(vendors: Vendors, project: Project, times: int) -> dict[str, float]:
    """Median milliseconds of each thing that is done regularly."""
    context = project.context
    found: dict[str, list[float]] = {}
    refresh_catalogue(context, SHOP)
    import_feed(context, JL, "orders")
    for _ in range(times):
        vendors.act(JL, "place_orders", count=10, lines_per_order=3)
        found.setdefault("poll with ten changes", []).append(timed(lambda: import_feed(context, JL, "orders")))
        found.setdefault("status", []).append(timed(lambda: status(context)))

        def deadlines() -> None:
            with context.ledger.begin() as connection:
                for route in context.routes:
                    watch_deadlines.acknowledgements(connection, context, route)
                    watch_deadlines.dispatches(connection, context, route)

        found.setdefault("deadlines", []).append(timed(deadlines))
        found.setdefault("comparison of dispatches", []).append(
            timed(lambda: drift.dispatches_at_marketplace(context, context.routes[0]))
        )
    return {what: statistics.median(values) for what, values in found.items()}


def timed(work: object) -> float:
    assert callable(work)
    began = time.perf_counter()
    work()
    return (time.perf_counter() - began) * 1000


def main() -> None:
    given = options(__doc__ or "")
    sizes = (100, 1_000) if given.quick else (10_000, 1_000_000)
    results = []
    for size in sizes:
        with (
            Vendors({JL: {"limit": None}, SHOP: {"restore_rate": None}, KLAVIYO: {}}) as vendors,
            Folder() as folder,
            embedded.start(folder / "home") as server,
        ):
            migrate(server.url)
            filled(server.url, size)
            content = configuration(vendors.base_url, {JL: {"requests_per_minute": 100_000}})
            path = folder / "marketplace_sync.yaml"
            path.write_text(yaml.safe_dump(content), encoding="utf-8")
            with open_project(load(path), database=urls_of(server.url)) as project:
                results.append(polled(vendors, project, 2 if given.quick else 15))
    small, large = results
    rows = [
        {
            "what": what,
            f"{sizes[0]:,} orders, ms": round(small[what], 1),
            f"{sizes[1]:,} orders, ms": round(large[what], 1),
            "times": round(large[what] / small[what], 2),
        }
        for what in small
    ]
    show("The same work against ledgers of different age", rows, given)


if __name__ == "__main__":
    main()
