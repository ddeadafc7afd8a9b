"""What a person does about an effect that was refused or given up (retry it, let it go) or a work item (close it).

An effect is changed by command only: its payload has names and addresses, which do not belong into a run's settings.
"""

import dagster as dg

from marketplace_sync.defs.resources import Installation
from marketplace_sync.flows import decide


class OneEffect(dg.Config):
    """`effect_id` as the work item names it."""

    effect_id: int


class SkippedEffect(OneEffect):
    reason: str


class ClosedWorkItem(dg.Config):
    """`because` and `by` are kept with the item."""

    work_item_id: int
    because: str
    by: str


def build() -> dg.Definitions:
    @dg.op
    def retry_effect(context: dg.OpExecutionContext, config: OneEffect, installation: Installation) -> None:
        context.log.info(decide.retry(installation.context, config.effect_id))

    @dg.op
    def skip_effect(context: dg.OpExecutionContext, config: SkippedEffect, installation: Installation) -> None:
        context.log.info(decide.skip(installation.context, config.effect_id, config.reason))

    @dg.op
    def close_work_item(context: dg.OpExecutionContext, config: ClosedWorkItem, installation: Installation) -> None:
        context.log.info(decide.close_work_item(installation.context, config.work_item_id, config.because, config.by))

    @dg.job(description="Send a refused or given-up effect again, as it is.")
    def effects_retry() -> None:
        retry_effect()

    @dg.job(description="Let an effect go: it will not be sent.")
    def effects_skip() -> None:
        skip_effect()

    @dg.job(description="Close a work item that was dealt with outside.")
    def work_item_close() -> None:
        close_work_item()

    return dg.Definitions(jobs=[effects_retry, effects_skip, work_item_close])
