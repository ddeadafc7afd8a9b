"""The outbox: wishes recorded in the transaction of the fact that caused them, and what became of each.

    pending ──claim──► sending ──► delivered
       ▲  ▲               │  ├───► refused      the vendor said no          ─┐
       │  └──postponed────┘  ├───► dead         attempts used up            ─┼─► retry / edit and retry / skip
       └──not there── in_doubt ◄─┘ answer lost, or the courier died          ┘   by a person
    pending ──► superseded (a newer wish, or skipped by a person)

Within a subject effects leave in the order in which they were recorded: a later one waits until the earlier one is
settled. One that was refused or given up is a person's, and holds up nothing: a dispatch with a deadline must not wait
for somebody to read why a cancellation was refused.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import timedelta
from typing import Any

import msgspec
from sqlalchemy import Connection, text

from marketplace_sync.decoding import converted, decoded
from marketplace_sync.domain.effects import PAYLOAD_TYPES, Effect, EffectKind, EffectState, Lane, Payload
from marketplace_sync.ledger.counted import counted
from marketplace_sync.ledger.database import driver, notify
from marketplace_sync.ledger.plain import plain, plain_value
from marketplace_sync.ledger.wished import forget


class Wish(msgspec.Struct, frozen=True, kw_only=True):
    """An effect to be recorded. The natural key is unique per connection for ever: wishing it again changes nothing."""

    connection: str
    kind: EffectKind
    natural_key: str
    subject: str
    lane: Lane
    payload: Payload
    order_connection: str | None = None
    order_id: str | None = None
    supersedes: bool = False
    """Undelivered earlier wishes of the same kind and subject are dropped in favour of this one."""
    waits: timedelta = timedelta()
    """How long it stays before it may leave, unless it is let go (`let_go`)."""


# what `_effect` makes an effect of
_READ = (
    "effect_id, connection, kind, subject, lane, payload::text, natural_key, attempts, order_connection, ask_by,"
    " failing_since, broke_at, COALESCE(now() - failing_since, interval '0'),"
    " CASE state WHEN 'sending' THEN sending_until WHEN 'in_doubt' THEN in_doubt_since END"
)
# What an answer may change: an effect that is still as it was when its vendor was called. Meanwhile a person may have
# skipped it; or, when the caller has lost its lease, its successor may have asked, and sent it anew.
_AS_IT_WAS = (
    "effect_id = :effect_id AND (state = 'sending' AND sending_until = CAST(:held_by AS timestamptz)"
    " OR state = 'in_doubt' AND CAST(:held_by AS timestamptz) IN (sending_until, in_doubt_since))"
)
_COLUMNS = "connection, natural_key, kind, subject, lane, payload, order_connection, order_id"
_INSERT = (
    f"INSERT INTO ledger.effects ({_COLUMNS}, not_before, created_at)"
    " VALUES (%s, %s, %s, %s, %s, %s, %s, %s, now(), now()) ON CONFLICT (connection, natural_key) DO NOTHING"
)


def _held(effect: Effect) -> dict[str, Any]:
    return {"effect_id": effect.effect_id, "held_by": effect.held_by}


def record(connection: Connection, wishes: Iterable[Wish]) -> int:
    """Store wishes; those whose natural key is known are left alone. Returns how many are new; wakes their couriers."""
    rows = [
        (
            wish.connection, wish.natural_key, wish.kind.value, wish.subject, int(wish.lane),
            msgspec.json.encode(wish.payload).decode(), wish.order_connection, wish.order_id,
        )
        for wish in wishes
    ]  # fmt: skip
    superseding = [wish for wish in wishes if wish.supersedes]
    if not rows:
        return 0
    if len(rows) > 50:
        new = _copied(connection, rows)
    elif len(rows) == 1:
        new = driver(connection).execute(_INSERT, rows[0]).rowcount
    else:
        cursor = driver(connection).cursor()
        cursor.executemany(_INSERT, rows)
        new = cursor.rowcount
    for wish in superseding:
        forget(connection)
        connection.execute(
            text(
                "UPDATE ledger.effects SET state = 'superseded', finished_at = now(), last_problem = 'a newer one came'"
                " WHERE connection = :connection AND subject = :subject AND kind = :kind AND state = 'pending'"
                " AND natural_key <> :key AND effect_id < (SELECT effect_id FROM ledger.effects"
                " WHERE connection = :connection AND natural_key = :key)"
            ),
            {
                "connection": wish.connection,
                "subject": wish.subject,
                "kind": wish.kind.value,
                "key": wish.natural_key,
            },
        )
    for wish in wishes:
        if wish.waits and new:
            driver(connection).execute(
                "UPDATE ledger.effects SET not_before = now() + %s WHERE connection = %s AND natural_key = %s"
                " AND state = 'pending' AND created_at = now()",  # recorded in this transaction
                (wish.waits, wish.connection, wish.natural_key),
            )
    if new:
        forget(connection)
        notify(connection, {row[0] for row in rows})
    return new


def let_go(connection: Connection, name: str, natural_key: str) -> None:
    """What it was to wait for is there: it may leave now, if nobody has begun to send it."""
    changed = driver(connection).execute(
        "UPDATE ledger.effects SET not_before = now() WHERE connection = %s AND natural_key = %s"
        " AND state = 'pending' AND attempts = 0 AND not_before > now()",
        (name, natural_key),
    )
    if changed.rowcount:
        forget(connection)
        notify(connection, {name})


def _copied(connection: Connection, rows: Sequence[tuple[Any, ...]]) -> int:
    cursor = driver(connection).cursor()
    cursor.execute(
        "CREATE TEMP TABLE IF NOT EXISTS staged_effects (position int GENERATED ALWAYS AS IDENTITY, connection text,"
        " natural_key text, kind text, subject text, lane smallint, payload json, order_connection text, order_id text)"
        " ON COMMIT DELETE ROWS"
    )
    with cursor.copy(f"COPY staged_effects ({_COLUMNS}) FROM STDIN") as copy:
        for row in rows:
            copy.write_row(row)
    cursor.execute(
        f"INSERT INTO ledger.effects ({_COLUMNS}, not_before, created_at)"
        f" SELECT {_COLUMNS}, now(), now() FROM staged_effects ORDER BY position"
        " ON CONFLICT (connection, natural_key) DO NOTHING"
    )
    new = cursor.rowcount
    cursor.execute("TRUNCATE staged_effects")
    return new


# Only the first unfinished effect of a subject may leave; effects after it wait. States stand in the text of these
# statements and are no parameters: only so can the server know that an index of few states will do. The first one is
# looked up and not joined: in the minute after a large import, before the server has counted it, a join is planned for
# one row and takes a second for every few thousand.
_FIRST_OF_ITS_SUBJECT = """
      AND e.not_before <= now()
      AND e.effect_id = (
        SELECT min(b.effect_id) FROM ledger.effects b
        WHERE b.subject = e.subject AND b.connection = e.connection AND b.state IN ('pending', 'sending', 'in_doubt'))
    ORDER BY e.lane, e.effect_id LIMIT %(limit)s
"""


def claim(
    connection: Connection,
    name: str,
    lanes: Sequence[Lane],
    limit: int,
    hold: timedelta,
    *,
    unfailed: bool = False,
) -> list[Effect]:
    """Take up to `limit` effects, most urgent lane first, one per subject, and mark them as being sent until `hold`
    from now. Commit before sending: whoever finds them `sending` later knows that they may have been sent.
    `unfailed`: only what has not failed yet."""
    forget(connection)
    only = " AND e.failing_since IS NULL" if unfailed else ""
    rows = (
        driver(connection)
        .execute(
            f"UPDATE ledger.effects SET state = 'sending', attempts = attempts + 1, sending_until = now() + %(hold)s"
            f" WHERE effect_id IN (SELECT e.effect_id FROM ledger.effects e WHERE e.connection = %(connection)s"
            f" AND e.state = 'pending' AND e.lane = ANY(%(lanes)s){only}"
            f" {_FIRST_OF_ITS_SUBJECT} FOR UPDATE SKIP LOCKED)"
            f" RETURNING {_READ}",
            {"connection": name, "lanes": [int(lane) for lane in lanes], "limit": limit, "hold": hold},
        )
        .fetchall()
    )
    effects = counted(connection, _readable(connection, rows))
    return sorted(effects, key=lambda effect: (effect.lane, effect.effect_id))


def doubtful(connection: Connection, name: str, limit: int) -> list[Effect]:
    """Effects whose outcome is unknown and whose request has surely ended: to be resolved with the vendor."""
    rows = (
        driver(connection)
        .execute(
            f"SELECT {_READ} FROM ledger.effects e"
            " WHERE e.connection = %(connection)s AND e.state = 'in_doubt'"
            f" {_FIRST_OF_ITS_SUBJECT}",
            {"connection": name, "limit": limit},
        )
        .fetchall()
    )
    return _readable(connection, rows)


def abandon(connection: Connection, name: str) -> int:
    """Whoever was sending these is gone (the caller holds the lease): their outcome is in doubt, to be asked after the
    last moment at which their request can still have been under way."""
    return connection.execute(
        text(
            "UPDATE ledger.effects SET state = 'in_doubt', not_before = sending_until, in_doubt_since = now(),"
            " last_problem = 'the courier stopped while it was being sent'"
            " WHERE connection = :connection AND state = 'sending'"
        ),
        {"connection": name},
    ).rowcount


def delivered(connection: Connection, results: Sequence[tuple[int, dict[str, Any]]]) -> set[int]:
    """(effect, what its vendor said) of each that its vendor took: a fact, whatever was decided meanwhile (a person's
    reason to skip it stays). Returns those that were not known to be delivered."""
    rows = (
        driver(connection)
        .execute(
            "UPDATE ledger.effects e SET state = 'delivered', finished_at = now(), sending_until = NULL,"
            " result = r.result::json, last_problem = CASE e.state WHEN 'superseded' THEN e.last_problem END"
            " FROM unnest(%s::bigint[], %s::text[]) AS r (effect_id, result)"
            " WHERE e.effect_id = r.effect_id AND e.state <> 'delivered' RETURNING e.effect_id",
            ([key for key, _ in results], [msgspec.json.encode(plain_value(it)).decode() for _, it in results]),
        )
        .fetchall()
    )
    return {row[0] for row in rows}


def postponed(
    connection: Connection,
    effect: Effect,
    problem: str,
    after: timedelta,
    *,
    counts_as_attempt: bool,
    failed: bool = False,
) -> bool:
    """To be tried again `after` from now. `failed`: for a reason of its vendor's. False: it is not as it was when its
    vendor was called, and stays as it is."""
    forget(connection)
    changed = connection.execute(
        text(
            "UPDATE ledger.effects SET state = 'pending', not_before = now() + :after, sending_until = NULL,"
            " in_doubt_since = NULL, ask_by = NULL,"
            " last_problem = :problem, attempts = attempts - :refund,"
            " failing_since = CASE WHEN :failed THEN COALESCE(failing_since, now()) ELSE failing_since END"
            f" WHERE {_AS_IT_WAS}"
        ),
        {
            **_held(effect),
            "after": after,
            "problem": plain(problem),
            "refund": 0 if counts_as_attempt else 1,
            "failed": failed,
        },
    )
    return changed.rowcount > 0


def in_doubt(
    connection: Connection,
    effect: Effect,
    problem: str,
    after: timedelta | None,
    ask_by: Mapping[str, str] | None = None,
    *,
    failed: bool = False,
    broke_at: str | None = None,
) -> timedelta | None:
    """Its outcome is unknown; to be asked about `after` from now (None: the longer it has been so the later, at most
    five minutes, or one when it `failed`) by `ask_by` (None: as known before). `failed` as in `postponed`; `broke_at`:
    where our own code failed over it. Returns how long it has been so; None as `postponed` says False."""
    forget(connection)
    since = connection.execute(
        text(
            "UPDATE ledger.effects SET state = 'in_doubt', sending_until = NULL,"
            " not_before = now() + COALESCE(CAST(:after AS interval), GREATEST(interval '0.5 s',"
            " LEAST(CASE WHEN :failed THEN interval '1 min' ELSE interval '5 min' END,"
            " (now() - COALESCE(in_doubt_since, now())) / 4))),"
            " last_problem = :problem, in_doubt_since = COALESCE(in_doubt_since, now()),"
            " failing_since = CASE WHEN :failed THEN COALESCE(failing_since, now()) ELSE failing_since END,"
            " broke_at = COALESCE(:broke_at, broke_at),"
            f" ask_by = COALESCE(CAST(:ask_by AS json), ask_by) WHERE {_AS_IT_WAS}"
            " RETURNING now() - in_doubt_since"
        ),
        {
            **_held(effect),
            "after": after,
            "problem": plain(problem),
            "ask_by": msgspec.json.encode(plain_value(dict(ask_by))).decode() if ask_by else None,
            "failed": failed,
            "broke_at": broke_at,
        },
    ).scalar()
    assert since is None or isinstance(since, timedelta)
    return since


def finish(connection: Connection, effect: Effect, state: EffectState, problem: str) -> bool:
    """Refused, dead or superseded, with the reason. False as `postponed` says it."""
    forget(connection)
    changed = connection.execute(
        text(
            "UPDATE ledger.effects SET state = :state, finished_at = now(), sending_until = NULL,"
            f" last_problem = :problem WHERE {_AS_IT_WAS}"
        ),
        {**_held(effect), "state": state.value, "problem": plain(problem)},
    )
    return changed.rowcount > 0


def supersede(connection: Connection, name: str, natural_key: str, because: str) -> bool:
    """Drop a wish that nobody has begun to send. False when it is not pending any more."""
    changed = connection.execute(
        text(
            "UPDATE ledger.effects SET state = 'superseded', finished_at = now(), last_problem = :because"
            " WHERE connection = :connection AND natural_key = :key AND state IN ('pending', 'refused', 'dead')"
        ),
        {"connection": name, "key": natural_key, "because": because},
    )
    if changed.rowcount:
        forget(connection)
    return changed.rowcount > 0


def retry(connection: Connection, effect_id: int, payload: dict[str, Any] | None = None) -> Effect | None:
    """Give a refused or dead effect another life, optionally with another payload. None: it is in no such state.
    Its vendor may have seen it in the first one, so the next try counts as a repetition (`Effect.attempts`).
    Raises ValueError when the payload does not fit the kind."""
    forget(connection)
    row = (
        driver(connection)
        .execute("SELECT kind, state FROM ledger.effects WHERE effect_id = %s FOR UPDATE", (effect_id,))
        .fetchone()
    )
    if row is None or row[1] not in ("refused", "dead"):
        return None
    encoded = None
    if payload is not None:
        try:
            encoded = msgspec.json.encode(converted(payload, PAYLOAD_TYPES[EffectKind(row[0])])).decode()
        except msgspec.ValidationError as problem:
            raise ValueError(f"this is not what {row[0]} needs: {problem}") from None
    changed = (
        driver(connection)
        .execute(
            "UPDATE ledger.effects SET state = 'pending', attempts = LEAST(attempts, 1), not_before = now(),"
            " finished_at = NULL, in_doubt_since = NULL, ask_by = NULL, failing_since = NULL, broke_at = NULL,"
            " payload = COALESCE(%s::json, payload) WHERE effect_id = %s"
            f" RETURNING {_READ}",
            (encoded, effect_id),
        )
        .fetchone()
    )
    assert changed is not None
    try:
        effect = _effect(changed)
    except ValueError as problem:
        raise ValueError(f"its payload is not what {row[0]} needs: {problem}; give it another") from None
    notify(connection, {effect.connection})
    return effect


def skip(connection: Connection, effect_id: int, because: str) -> bool:
    """A person decided that this will not be sent: what waits behind it goes on. False: nothing to skip."""
    forget(connection)
    changed = connection.execute(
        text(
            "UPDATE ledger.effects SET state = 'superseded', finished_at = now(), last_problem = :because"
            " WHERE effect_id = :effect_id AND state IN ('pending', 'in_doubt', 'refused', 'dead') RETURNING connection"
        ),
        {"effect_id": effect_id, "because": f"skipped by a person: {because}"},
    ).scalar()
    if changed is None:
        return False
    notify(connection, {str(changed)})
    return True


def seconds_until_next(connection: Connection, name: str, lanes: Sequence[Lane]) -> float | None:
    """Seconds until the next waiting effect of these lanes (or one in doubt) is due; None: nothing waits."""
    row = (
        driver(connection)
        .execute(
            "SELECT EXTRACT(EPOCH FROM MIN(not_before) - now())::float8 FROM ledger.effects WHERE connection = %s"
            " AND (state = 'pending' AND lane = ANY(%s) OR state = 'in_doubt')",
            (name, [int(lane) for lane in lanes]),
        )
        .fetchone()
    )
    return None if row is None or row[0] is None else float(row[0])


def is_known(connection: Connection, name: str, natural_key: str) -> bool:
    """Whether this was ever wished for, whatever became of it."""
    return bool(
        connection.execute(
            text("SELECT EXISTS (SELECT FROM ledger.effects WHERE connection = :name AND natural_key = :key)"),
            {"name": name, "key": natural_key},
        ).scalar()
    )


def _readable(connection: Connection, rows: Sequence[Sequence[Any]]) -> list[Effect]:
    """The effects in these rows. One whose payload is not what its kind needs (a later version wrote it, or somebody's
    hand) is given up, so that it does not keep the others."""
    effects = []
    for row in rows:
        try:
            effects.append(_effect(row))
        except ValueError as problem:
            driver(connection).execute(
                "UPDATE ledger.effects SET state = 'dead', finished_at = now(), sending_until = NULL,"
                " last_problem = %s, broke_at = 'reading its payload'"
                " WHERE effect_id = %s AND state IN ('sending', 'in_doubt')",
                (plain(f"its payload is not what {row[2]} needs: {problem}"), row[0]),
            )
    return effects


def _effect(row: Sequence[Any]) -> Effect:
    kind = EffectKind(row[2])
    return Effect(
        effect_id=row[0],
        connection=row[1],
        kind=kind,
        subject=row[3],
        lane=Lane(row[4]),
        payload=decoded(row[5], PAYLOAD_TYPES[kind]),
        natural_key=row[6],
        attempts=row[7],
        source=row[8] or "",
        asked_by=row[9] or {},
        failing_since=row[10],
        broke_at=row[11] or "",
        failing_for=row[12],
        held_by=row[13],
    )
