"""What a person does about an effect that was refused or given up: retry it, change it, or let it go."""

import dagster as dg

from marketplace_sync.defs.resources import Installation
from marketplace_sync.flows import decide


class OneEffect(dg.Config):
    """`effect_id` as the work item names it."""

    effect_id: int


class EditedEffect(OneEffect):
    """`payload` as JSON text: the whole payload, changed (`marketplace-sync effects show` prints it)."""

    payload: str


class SkippedEffect(OneEffect):
    reason: str


def build() -> dg.Definitions:
    @dg.op
    def retry_effect(context: dg.OpExecutionContext, config: OneEffect, installation: Installation) -> None:
        context.log.info(decide.retry(installation.context, config.effect_id))

    @dg.op
    def edit_and_retry_effect(context: dg.OpExecutionContext, config: EditedEffect, installation: Installation) -> None:
        context.log.info(decide.edit_and_retry(installation.context, config.effect_id, config.payload))

    @dg.op
    def skip_effect(context: dg.OpExecutionContext, config: SkippedEffect, installation: Installation) -> None:
        context.log.info(decide.skip(installation.context, config.effect_id, config.reason))

    @dg.job(description="Send a refused or given-up effect again, as it is.")
    def effects_retry() -> None:
        retry_effect()

    @dg.job(description="Change a refused or given-up effect and send it again.")
    def effects_edit_and_retry() -> None:
        edit_and_retry_effect()

    @dg.job(description="Let an effect go: it will not be sent.")
    def effects_skip() -> None:
        skip_effect()

    return dg.Definitions(jobs=[effects_retry, effects_edit_and_retry, effects_skip])
