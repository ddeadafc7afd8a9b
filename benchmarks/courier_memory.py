"""Whether a courier that runs for long stays as small as it was: its resident memory while it delivers 200,000 effects.

History for Klaviyo in jobs of a thousand, one process, one courier; the limit of jobs a minute is lifted on both sides.
"""

from __future__ import annotations

import time

import yaml
from _installation import Folder, configuration
from _processor import megabytes_now
from _report import options, show
from _vendors import JL, KLAVIYO, SHOP, Vendors
from klaviyo_rate import wished

from marketplace_sync.config import load
from marketplace_sync.connectors import klaviyo
from marketplace_sync.connectors.budget import BudgetSpec
from marketplace_sync.connectors.klaviyo.settings import KlaviyoSettings
from marketplace_sync.domain.effects import Lane
from marketplace_sync.flows import courier
from marketplace_sync.ledger import embedded
from marketplace_sync.ledger.database import migrate
from marketplace_sync.ledger.location import urls_of
from marketplace_sync.project import open_project


def without_limits(settings: KlaviyoSettings) -> BudgetSpec:
    return dict.fromkeys(_documented(settings), ())


_documented = klaviyo.budget


def main() -> None:
    given = options(__doc__ or "", ("--effects", {"type": int, "default": 200_000}))
    count = 1_000 if given.quick else given.effects
    klaviyo.budget = without_limits
    rows: list[dict[str, object]] = []
    with (
        Vendors({JL: {}, SHOP: {}, KLAVIYO: {"rate_limits": False}}) as vendors,
        Folder() as folder,
        embedded.start(folder / "home") as server,
    ):
        migrate(server.url)
        path = folder / "marketplace_sync.yaml"
        path.write_text(yaml.safe_dump(configuration(vendors.base_url)), encoding="utf-8")
        with open_project(load(path), database=urls_of(server.url)) as project:
            began, done = time.monotonic(), 0
            for part in range(10):
                wished(project, Lane.BACKFILL, count // 10, start=part * (count // 10))
                wanted = (part + 1) * (count // 10)
                while done < wanted:
                    done += courier.drain(project.context, KLAVIYO).total()
                rows.append(
                    {
                        "effects delivered": done,
                        "seconds": round(time.monotonic() - began, 1),
                        "resident MiB": round(megabytes_now(), 1),
                    }
                )
    show("A courier's memory over its life", rows, given)


if __name__ == "__main__":
    main()
