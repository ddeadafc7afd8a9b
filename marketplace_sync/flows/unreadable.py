"""What a vendor stated and nobody can read or keep: kept verbatim, shown to a person, and tried again."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

import structlog
from sqlalchemy import Connection

import marketplace_sync
from marketplace_sync.connectors.ports import Statement
from marketplace_sync.domain.work_items import Problem
from marketplace_sync.flows.context import source_identifier
from marketplace_sync.ledger import orders, work_items
from marketplace_sync.ledger.plain import plain

CODE = "MALFORMED_STATEMENT"
_log = structlog.get_logger(__name__)


def digest(payload: bytes) -> bytes:
    """What a statement is known by that this version could not read. Never its content hash, so that a version that
    can read it does; and the same every time, so that it is not a new statement at every poll."""
    return orders.content_hash(payload + b"\x00unreadable for " + marketplace_sync.__version__.encode())


def keep(
    connection: Connection, name: str, statement: Statement, head: orders.Head | None, problem: str, now: datetime
) -> None:
    """Keep a statement that says nothing to us, once, and tell a person why. `head` is the last kept version of it."""
    known = digest(statement.payload)
    version = head.version if head else 0
    if head is None or head.content_hash != known:
        version += 1
        orders.keep_statement(
            connection, name, statement.kind, statement.key, version, statement.payload, now, content_hash=known
        )
    work_items.report(
        connection,
        [
            Problem(
                code=CODE,
                subject=source_identifier(name, statement.key),
                connection=name,
                order_id=statement.key if statement.kind == "order" else "",
                message=f"{name} stated {statement.kind} {statement.key} in a way that cannot be read: {problem}."
                " The statement is kept; nothing was done with it.",
                evidence={"kind": statement.kind, "version": version, "problem": problem},
            )
        ],
    )


def reason(name: str, key: str, problem: Exception) -> str:
    """Why something that could be read could not be kept, for people; the log has the rest."""
    _log.error("cannot be kept", connection=name, key=key, exc_info=problem)
    words = next(iter(plain(str(problem)).splitlines()), "without a word")
    return f"it cannot be kept ({type(problem).__name__}: {words[:300]})"


def report_store_order(connection: Connection, name: str, store_order_id: str, problem: str) -> None:
    """A store's order that cannot be followed: what became of it has to be looked up by hand."""
    work_items.report(
        connection,
        [
            Problem(
                code=CODE,
                subject=source_identifier(name, store_order_id),
                connection=name,
                message=f"{name} states its order {store_order_id} in a way that cannot be read: {problem}. The others"
                " are followed; this one is tried again whenever it changes.",
                evidence={"store_order": store_order_id, "problem": problem},
            )
        ],
    )


def close_store_orders(connection: Connection, name: str, store_order_ids: Sequence[str]) -> None:
    """They can be read now."""
    if store_order_ids:
        subjects = [source_identifier(name, store_order_id) for store_order_id in store_order_ids]
        work_items.close(connection, [CODE], subjects, "it was read")
