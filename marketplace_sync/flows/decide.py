"""A person's decision on an effect that was refused or given up, or on a work item, written down where it is."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec
from sqlalchemy import Connection, text

from marketplace_sync.decoding import decoded
from marketplace_sync.domain.errors import MarketplaceSyncError
from marketplace_sync.flows.context import Context
from marketplace_sync.ledger import outbox, work_items


class NotPossible(MarketplaceSyncError):
    """The decision does not fit the state of what it is about. The message says what the state is."""


def retry(context: Context, effect_id: int) -> str:
    """Raises NotPossible."""
    with context.ledger.begin() as connection:
        found = _state(connection, effect_id)
        effect = outbox.retry(connection, effect_id)
        if effect is None:
            raise NotPossible(_refusal(effect_id, found, "retried"))
    return f"effect {effect_id} ({effect.kind.value} for {effect.subject}) is sent again"


def edit_and_retry(context: Context, effect_id: int, payload_json: str) -> str:
    """Raises NotPossible, also for a payload that does not fit."""
    try:
        payload: dict[str, Any] = decoded(payload_json, dict[str, Any])
    except msgspec.DecodeError as problem:
        raise NotPossible(f"the payload is not a JSON object: {problem}") from None
    with context.ledger.begin() as connection:
        found = _state(connection, effect_id)
        try:
            effect = outbox.retry(connection, effect_id, payload)
        except ValueError as problem:
            raise NotPossible(str(problem)) from None
        if effect is None:
            raise NotPossible(_refusal(effect_id, found, "edited"))
    return f"effect {effect_id} ({effect.kind.value} for {effect.subject}) was changed and is sent again"


def skip(context: Context, effect_id: int, reason: str) -> str:
    """Raises NotPossible."""
    if not reason.strip():
        raise NotPossible("say why it is skipped: the reason is kept with the effect")
    with context.ledger.begin() as connection:
        found = _state(connection, effect_id)
        if not outbox.skip(connection, effect_id, reason):
            raise NotPossible(_refusal(effect_id, found, "skipped"))
        subject = f"{found['connection']}:{found['natural_key']}"
        work_items.close(
            connection,
            ["EFFECT_REFUSED", "EFFECT_DEAD", "EFFECT_IN_DOUBT"],
            [subject],
            f"skipped by a person: {reason}",
        )
    return f"effect {effect_id} ({found['kind']} for {found['subject']}) will not be sent"


def _state(connection: Connection, effect_id: int) -> dict[str, Any]:
    row = (
        connection.execute(
            text(
                "SELECT state, kind, subject, connection, natural_key FROM ledger.effects WHERE effect_id = :effect_id"
            ),
            {"effect_id": effect_id},
        )
        .mappings()
        .first()
    )
    if row is None:
        raise NotPossible(f"there is no effect {effect_id}; `marketplace-sync effects` lists those that need a person")
    return dict(row)


def _refusal(effect_id: int, found: dict[str, Any], verb: str) -> str:
    return f"effect {effect_id} ({found['kind']} for {found['subject']}) is {found['state']} and cannot be {verb}"


def listing(
    context: Context, states: Sequence[str], connection_name: str | None, order_id: str | None, limit: int
) -> list[dict[str, Any]]:
    """Effects without payloads, newest first."""
    with context.ledger.begin() as connection:
        rows = connection.execute(
            text(
                "SELECT effect_id, connection, kind, subject, lane, state, attempts, created_at, not_before,"
                " finished_at, order_connection, order_id, natural_key, last_problem FROM ledger.effects"
                " WHERE state = ANY(:states) AND (CAST(:name AS text) IS NULL OR connection = :name)"
                " AND (CAST(:order_id AS text) IS NULL OR order_id = :order_id)"
                " ORDER BY effect_id DESC LIMIT :limit"
            ),
            {"states": list(states), "name": connection_name, "order_id": order_id, "limit": limit},
        ).mappings()
        return [dict(row) for row in rows]


def show(context: Context, effect_id: int) -> dict[str, Any]:
    """One effect whole. Raises NotPossible when there is none."""
    with context.ledger.begin() as connection:
        row = (
            connection.execute(text("SELECT * FROM ledger.effects WHERE effect_id = :id"), {"id": effect_id})
            .mappings()
            .first()
        )
    if row is None:
        raise NotPossible(f"there is no effect {effect_id}; `marketplace-sync effects list` lists them")
    return dict(row)


def work_item(context: Context, work_item_id: int) -> dict[str, Any]:
    """One work item whole. Raises NotPossible when there is none."""
    with context.ledger.begin() as connection:
        found = work_items.one(connection, work_item_id)
    if found is None:
        raise NotPossible(f"there is no work item {work_item_id}; `marketplace-sync work-items` lists the open ones")
    return found


def close_work_item(context: Context, work_item_id: int, because: str, by: str) -> str:
    """Raises NotPossible."""
    if not because.strip():
        raise NotPossible("say what was done: the reason is kept with the work item")
    return _decided(context, work_item_id, f"is closed by {by}", by=by, because=because.strip())


def assign_work_item(context: Context, work_item_id: int, to: str) -> str:
    """Raises NotPossible."""
    if not to.strip():
        raise NotPossible("name somebody to give the work item to")
    return _decided(context, work_item_id, f"is now with {to.strip()}", by=to, assign_to=to.strip())


def _decided(context: Context, work_item_id: int, done: str, **decision: str) -> str:
    with context.ledger.begin() as connection:
        changed = work_items.decide(connection, work_item_id, **decision)
    if changed is None:
        found = work_item(context, work_item_id)
        raise NotPossible(f"work item {work_item_id} ({found['code']}) is closed already: {found['closed_because']}")
    return f"work item {work_item_id} ({changed['code']} for {changed['subject']}) {done}"
