"""How many units had gone before an effect, counted at the moment it leaves and not when it was wished for.

Whoever wishes for the second parcel of a line counts the first, which is about to be told. That one may be refused,
given up or skipped, or turn out to have been counted twice; and the count is what tells afterwards whether an effect
happened whose answer was lost. One leaves only when all earlier ones of its order are settled: then the lines say it.
"""

from __future__ import annotations

from collections.abc import Sequence

import msgspec
from msgspec.structs import replace
from sqlalchemy import Connection

from marketplace_sync.domain.effects import CancelLines, Dispatch, Effect
from marketplace_sync.ledger.database import driver


def counted(connection: Connection, effects: Sequence[Effect]) -> list[Effect]:
    """These effects, just claimed, with `LineUnits.before` as the marketplace's lines are now, and kept so. One that
    may have been sent before keeps its count: what the lines show may be what it did itself."""
    orders = {(e.connection, e.payload.order_id) for e in effects if _counts(e)}
    if not orders:
        return list(effects)
    shown = {
        (name, order_id, line_id): (dispatched, cancelled)
        for name, order_id, line_id, dispatched, cancelled in driver(connection).execute(
            "SELECT connection, order_id, line_id, dispatched, cancelled FROM ledger.order_lines"
            " WHERE connection = ANY(%s) AND order_id = ANY(%s)",
            (sorted({name for name, _ in orders}), sorted({order_id for _, order_id in orders})),
        )
    }
    return [_recounted(connection, effect, shown) if _counts(effect) else effect for effect in effects]


def _counts(effect: Effect) -> bool:
    return (
        isinstance(effect.payload, Dispatch | CancelLines)
        and effect.attempts == 1
        and any(units.before is not None for units in effect.payload.lines)
    )


def _recounted(connection: Connection, effect: Effect, shown: dict[tuple[str, str, str], tuple[int, int]]) -> Effect:
    payload: Dispatch | CancelLines = effect.payload
    lines = []
    for units in payload.lines:
        known = shown.get((effect.connection, payload.order_id, units.line_id))
        if units.before is not None and known is not None:
            units = replace(units, before=known[0] if isinstance(payload, Dispatch) else known[1])
        lines.append(units)
    newest = replace(payload, lines=tuple(lines))
    if newest == payload:
        return effect
    driver(connection).execute(
        "UPDATE ledger.effects SET payload = %s::json WHERE effect_id = %s",
        (msgspec.json.encode(newest).decode(), effect.effect_id),
    )
    return replace(effect, payload=newest)
