"""The exception queue: one row per (code, subject), closed when the cause is gone, reopened when it returns."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from typing import Any

import msgspec
from sqlalchemy import Connection, text

from marketplace_sync.domain.work_items import CODES, Problem
from marketplace_sync.ledger.database import driver
from marketplace_sync.ledger.plain import plain, plain_value

_LONGEST_SUBJECT = 300
_MANY = 50
"""Subjects from which on it pays to ask first whether there is anything to close."""

_LEFT_CLOSED = "(w.state = 'closed' AND w.closed_by IS NOT NULL AND w.message = excluded.message)"
"""A person has dealt with exactly this: seeing it again is no news."""


def subject_of(text: str) -> str:
    """A subject as it is kept: whatever a vendor puts into an id, an index has to take it."""
    if len(text) > _LONGEST_SUBJECT:
        digest = hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=8).hexdigest()
        text = f"{text[: _LONGEST_SUBJECT - 20]}…{digest}"
    return plain(text)


def report(connection: Connection, problems: Iterable[Problem]) -> int:
    """Open a work item for each problem, refresh it when it is open, reopen it when it was closed; one that a person
    closed stays so until something else is said of it. Returns how many were not open before."""
    rows = {row["code"] + "\0" + row["subject"]: row for row in map(_row, problems)}
    if not rows:
        return 0
    opened = connection.execute(
        text(
            "INSERT INTO ledger.work_items AS w (code, subject, owner, severity, connection, order_id, message,"
            " action, impact, currency, evidence, first_seen_at, last_seen_at)"
            " SELECT code, subject, owner, severity, connection, order_id, message, action, impact, currency, evidence,"
            " now(), now() FROM json_to_recordset(CAST(:rows AS json)) AS r (code text, subject text, owner text,"
            " severity text, connection text, order_id text, message text, action text, impact bigint, currency text,"
            " evidence jsonb)"
            " ON CONFLICT (code, subject) DO UPDATE SET message = excluded.message, impact = excluded.impact,"
            " currency = excluded.currency, evidence = excluded.evidence, last_seen_at = now(),"
            " action = excluded.action, times_seen = w.times_seen + 1,"
            f" times_opened = w.times_opened + (w.state = 'closed' AND NOT {_LEFT_CLOSED})::int,"
            f" state = CASE WHEN {_LEFT_CLOSED} THEN w.state ELSE 'open' END,"
            f" closed_at = CASE WHEN {_LEFT_CLOSED} THEN w.closed_at END,"
            f" closed_because = CASE WHEN {_LEFT_CLOSED} THEN w.closed_because END,"
            f" closed_by = CASE WHEN {_LEFT_CLOSED} THEN w.closed_by END"
            # the sub-query sees the row as it was before this statement: missing, closed or open
            " RETURNING w.state = 'open' AND COALESCE((SELECT o.state = 'closed' FROM ledger.work_items o"
            " WHERE o.work_item_id = w.work_item_id), true)"
        ),
        {"rows": msgspec.json.encode(list(rows.values())).decode()},
    )
    return sum(opened.scalars())


def _row(problem: Problem) -> dict[str, Any]:
    code = CODES[problem.code]
    return {
        "code": problem.code,
        "subject": subject_of(problem.subject),
        "owner": code.owner.value,
        "severity": code.severity.value,
        "connection": problem.connection or None,
        "order_id": plain(problem.order_id) or None,
        "message": plain(problem.message),
        "action": code.action,
        "impact": problem.impact,
        "currency": problem.currency or None,
        "evidence": plain_value(problem.evidence),
    }


def close(connection: Connection, codes: Sequence[str], subjects: Sequence[str], because: str) -> int:
    """The cause is gone for these subjects."""
    if not subjects or (len(subjects) > _MANY and not _are_open(connection, codes)):
        return 0  # nearly always so while a history is read
    # nearly always one subject, and nearly always nothing to close: asked so often that it has to cost little
    of_subjects = "= %s" if len(subjects) == 1 else "= ANY(%s)"
    kept = [subject_of(one) for one in subjects]
    return (
        driver(connection)
        .execute(
            "UPDATE ledger.work_items SET state = 'closed', closed_at = now(), closed_because = %s"
            f" WHERE state = 'open' AND code = ANY(%s::text[]) AND subject {of_subjects}",
            (because, f"{{{','.join(codes)}}}", kept[0] if len(kept) == 1 else kept),
        )
        .rowcount
    )


class Settled:
    """What turns out to be over while one subject is looked at: closed together in the end, with one statement."""

    def __init__(self, subject: str) -> None:
        self._subject = subject
        self._because: dict[str, str] = {}

    def add(self, codes: Sequence[str], because: str) -> None:
        self._because |= dict.fromkeys(codes, because)

    def close(self, connection: Connection) -> None:
        if self._because:
            driver(connection).execute(
                "UPDATE ledger.work_items w SET state = 'closed', closed_at = now(), closed_because = over.because"
                " FROM unnest(%s::text[], %s::text[]) AS over (code, because)"
                " WHERE w.state = 'open' AND w.code = over.code AND w.subject = %s",
                (list(self._because), list(self._because.values()), subject_of(self._subject)),
            )


def open_subjects(connection: Connection, codes: Sequence[str]) -> set[str]:
    """What open items of these codes are about."""
    rows = connection.execute(
        text("SELECT subject FROM ledger.work_items WHERE state = 'open' AND code = ANY(:codes)"),
        {"codes": list(codes)},
    )
    return {str(subject) for (subject,) in rows}


def _are_open(connection: Connection, codes: Sequence[str]) -> bool:
    found = connection.execute(
        text("SELECT EXISTS (SELECT 1 FROM ledger.work_items WHERE state = 'open' AND code = ANY(:codes))"),
        {"codes": list(codes)},
    )
    return bool(found.scalar())


def report_all(
    connection: Connection,
    codes: Sequence[str],
    name: str,
    problems: Sequence[Problem],
    because: str,
    beginning: str = "",
) -> int:
    """All that was found of these codes at a connection: each problem is reported, and every other item of theirs
    closed. `beginning`: as of `close_others`. Returns how many were not open before."""
    opened = report(connection, problems)
    for code in codes:
        still = [problem.subject for problem in problems if problem.code == code]
        close_others(connection, code, name, still, because, beginning)
    return opened


def close_others(
    connection: Connection, code: str, name: str, still: Sequence[str], because: str, beginning: str = ""
) -> int:
    """Of one code and connection, close whatever is not among the subjects that were found just now. `beginning`: only
    subjects that begin so were looked at."""
    return connection.execute(
        text(
            "UPDATE ledger.work_items SET state = 'closed', closed_at = now(), closed_because = :because"
            " WHERE state = 'open' AND code = :code AND connection = :name AND NOT subject = ANY(:still)"
            " AND starts_with(subject, :beginning)"
        ),
        {
            "code": code,
            "name": name,
            "still": [subject_of(one) for one in still],
            "because": because,
            "beginning": beginning,
        },
    ).rowcount


def decide(
    connection: Connection, work_item_id: int, *, by: str, because: str | None = None, assign_to: str | None = None
) -> dict[str, Any] | None:
    """A person closes an open item (`because`: why) or gives it to somebody (`assign_to`). The item afterwards; None
    when there is no such open item."""
    row = (
        connection.execute(
            text(
                "UPDATE ledger.work_items SET assigned_to = COALESCE(:assign_to, assigned_to),"
                " state = CASE WHEN CAST(:because AS text) IS NULL THEN state ELSE 'closed' END,"
                " closed_at = CASE WHEN CAST(:because AS text) IS NOT NULL THEN now() END, closed_because = :because,"
                " closed_by = CASE WHEN CAST(:because AS text) IS NOT NULL THEN :by END"
                " WHERE work_item_id = :work_item_id AND state = 'open' RETURNING code, subject, assigned_to"
            ),
            {"work_item_id": work_item_id, "by": by, "because": because, "assign_to": assign_to},
        )
        .mappings()
        .first()
    )
    return None if row is None else dict(row)


class Decided(msgspec.Struct, frozen=True):
    """What a person said when they closed an item, and of what: seen again unchanged, it stays closed."""

    message: str
    by: str
    because: str


def decided(connection: Connection, name: str, codes: Sequence[str]) -> dict[tuple[str, str], Decided]:
    """(code, subject) of a connection's items that a person has closed."""
    rows = connection.execute(
        text(
            "SELECT code, subject, message, closed_by, closed_because FROM ledger.work_items"
            " WHERE state = 'closed' AND closed_by IS NOT NULL AND connection = :name AND code = ANY(:codes)"
        ),
        {"name": name, "codes": list(codes)},
    )
    return {(row.code, row.subject): Decided(row.message, row.closed_by, row.closed_because or "") for row in rows}


def one(connection: Connection, work_item_id: int) -> dict[str, Any] | None:
    """A work item whole; None when there is none."""
    row = (
        connection.execute(
            text("SELECT * FROM ledger.work_items WHERE work_item_id = :work_item_id"), {"work_item_id": work_item_id}
        )
        .mappings()
        .first()
    )
    return None if row is None else dict(row)


def listing(
    connection: Connection,
    *,
    state: str | None = "open",
    owner: str | None = None,
    code: str | None = None,
    order_id: str | None = None,
    assigned_to: str | None = None,
    limit: int = 200,
) -> list[dict[str, Any]]:
    """Work items, most money at risk first, then oldest first."""
    rows = connection.execute(
        text(
            "SELECT work_item_id, code, subject, owner, severity, connection, order_id, message, action, impact,"
            " currency, evidence, state, assigned_to, first_seen_at, last_seen_at, closed_at, closed_because,"
            " closed_by, times_seen, times_opened FROM ledger.work_items"
            " WHERE (CAST(:state AS text) IS NULL OR state = :state)"
            " AND (CAST(:owner AS text) IS NULL OR owner = :owner)"
            " AND (CAST(:code AS text) IS NULL OR code = :code)"
            " AND (CAST(:order_id AS text) IS NULL OR order_id = :order_id)"
            " AND (CAST(:assigned_to AS text) IS NULL OR assigned_to = :assigned_to)"
            " ORDER BY impact DESC NULLS LAST, first_seen_at LIMIT :limit"
        ),
        {
            "state": state,
            "owner": owner,
            "code": code,
            "order_id": order_id,
            "assigned_to": assigned_to,
            "limit": limit,
        },
    )
    return [dict(row._mapping) for row in rows]


def counts(connection: Connection) -> dict[str, int]:
    """Open work items by code."""
    rows = connection.execute(
        text("SELECT code, count(*) FROM ledger.work_items WHERE state = 'open' GROUP BY code ORDER BY code")
    )
    return {str(code): int(count) for code, count in rows}
