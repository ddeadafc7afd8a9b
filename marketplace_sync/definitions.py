"""The one entry point of Dagster: configuration in, definitions out. A table of contents, no logic."""

from __future__ import annotations

import dagster as dg

from marketplace_sync.defs import (
    beta,
    couriers,
    deliveries,
    drift,
    housekeeping,
    people,
    polling,
    settlement,
    settlement_feed,
)
from marketplace_sync.defs.resources import Day, Installation, outline

beta.keep_quiet()


@dg.definitions
def defs() -> dg.Definitions:
    context = outline()
    return dg.Definitions.merge(
        polling.build(context),
        deliveries.build(context),
        couriers.build(context),
        drift.build(context),
        settlement_feed.build(context),
        settlement.build(context),
        people.build(),
        housekeeping.build(),
        dg.Definitions(resources={"installation": Installation(), "day": Day()}, executor=dg.in_process_executor),
    )
