"""What is tidied up daily."""

import dagster as dg

from marketplace_sync.defs.resources import Installation
from marketplace_sync.flows import housekeeping


def build() -> dg.Definitions:
    @dg.op
    def clear_inbox(context: dg.OpExecutionContext, installation: Installation) -> None:
        context.log.info(f"{housekeeping.clear_inbox(installation.context)} handled webhook deliveries deleted")

    @dg.job(
        description=f"Deletes webhook deliveries that were handled more than {housekeeping.KEPT.days} days ago: a"
        " store's privacy requests name the buyer they are about."
    )
    def housekeeping_daily() -> None:
        clear_inbox()

    schedule = dg.ScheduleDefinition(
        job=housekeeping_daily,
        cron_schedule="41 3 * * *",
        default_status=dg.DefaultScheduleStatus.RUNNING,
    )
    return dg.Definitions(jobs=[housekeeping_daily], schedules=[schedule])
