"""Effects delivered to Klaviyo by the real courier and the shared budget, beside what the vendor's limits allow.

Two rows: events one by one (3,500 in a minute) and history in jobs (150 jobs of 1,000 in a minute). The vendor's own
windows are simulated for real, so a full run takes some minutes; `--quick` sends a few hundred.
"""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta

import yaml
from _installation import Folder, configuration
from _report import options, show
from _vendors import JL, KLAVIYO, SHOP, Vendors

from marketplace_sync.config import load
from marketplace_sync.domain.effects import EffectKind, Lane, TrackEvent
from marketplace_sync.flows import courier
from marketplace_sync.ledger import embedded, outbox
from marketplace_sync.ledger.database import migrate
from marketplace_sync.ledger.location import urls_of
from marketplace_sync.project import Project, open_project

STEADY = {Lane.EVENTS: 3_500, Lane.BACKFILL: 150_000}
"""Events that the vendor takes in a minute (Klaviyo, rate limits)."""


def wished(project: Project, lane: Lane, count: int, start: int = 0) -> None:
    """Record events, as a flow does: `count` of them, numbered from `start`."""
    at = datetime.now(UTC) - timedelta(days=2 if lane is Lane.BACKFILL else 0)
    for first in range(start, start + count, 10_000):
        with project.ledger.begin() as connection:
            outbox.record(
                connection,
                [
                    outbox.Wish(
                        connection=KLAVIYO,
                        kind=EffectKind.TRACK_EVENT,
                        natural_key=f"{lane}:{n}",
                        subject=f"{lane}:{n}",
                        lane=lane,
                        payload=TrackEvent(
                            metric="Placed Order",
                            unique_id=f"{lane}-{n}",
                            occurred_at=at,
                            identifiers={"email": f"buyer{n}@example.com"},
                            properties={"OrderId": str(n), "MarketplaceOrderId": str(n)},
                            value=1200,
                            currency="GBP",
                            backfill=lane is Lane.BACKFILL,
                        ),
                    )
                    for n in range(first, min(first + 10_000, start + count))
                ],
            )


def delivered(project: Project, answers: list[int], lane: Lane, count: int) -> dict[str, object]:
    answers.clear()
    wished(project, lane, count)
    began, done = time.monotonic(), 0
    while done < count and time.monotonic() - began < 900:
        done += courier.drain(project.context, KLAVIYO).total()
        time.sleep(0.05)
    seconds = time.monotonic() - began
    # the first full window is free at once: what counts as possible is a window more than the time that has passed
    possible = STEADY[lane] * (1 + seconds // 60)
    return {
        "what": "events one by one" if lane is Lane.EVENTS else "history in jobs",
        "delivered": done,
        "seconds": round(seconds, 1),
        "per second": round(done / seconds, 1),
        "possible in the windows begun": int(possible),
        "of the possible": f"{done / possible:.1%}",
        "calls": len(answers),
        "refused (429)": f"{answers.count(429) / max(1, len(answers)):.2%}",
    }


def main() -> None:
    given = options(__doc__ or "")
    counts = {Lane.EVENTS: 50, Lane.BACKFILL: 1_000} if given.quick else {Lane.EVENTS: 10_400, Lane.BACKFILL: 300_000}
    answers: list[int] = []
    with (
        Vendors({JL: {}, SHOP: {}, KLAVIYO: {}}) as vendors,
        Folder() as folder,
        embedded.start(folder / "home") as server,
    ):
        migrate(server.url)
        path = folder / "marketplace_sync.yaml"
        path.write_text(yaml.safe_dump(configuration(vendors.base_url)), encoding="utf-8")
        with open_project(
            load(path), database=urls_of(server.url), on_exchange=lambda exchange: answers.append(exchange.status or 0)
        ) as project:
            # one after the other: each has limits of its own
            rows = [delivered(project, answers, lane, count) for lane, count in counts.items()]
    show("Klaviyo at its documented limits", rows, given)


if __name__ == "__main__":
    main()
