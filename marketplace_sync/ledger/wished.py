"""What was ever wished for one order, and what became of it: read once in a transaction, however often it is asked.

Whoever decides what follows for an order has it locked, and every delivery that changes an order locks it first. So
between two questions of one transaction only its own writes change the answers, and the outbox says when it wrote.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec
from sqlalchemy import Connection, Transaction

from marketplace_sync.decoding import decoded, decoder
from marketplace_sync.domain.effects import PAYLOAD_TYPES, EffectKind, EffectState
from marketplace_sync.ledger.database import driver

_UNSETTLED = (EffectState.PENDING, EffectState.SENDING, EffectState.IN_DOUBT)
_LARGE = (EffectKind.TRACK_EVENT, EffectKind.UPSERT_PROFILE, EffectKind.CREATE_ORDER)
"""What they carry is large and hardly ever asked for: it is read when it is."""
_INFO = "marketplace_sync.wished"

_SELECT = (
    "SELECT connection, kind, natural_key, state, {payload}, {result} FROM ledger.effects"
    " WHERE order_connection = %s AND order_id = %s"
)
_SMALL = "CASE WHEN kind NOT IN (" + ", ".join(f"'{kind.value}'" for kind in _LARGE) + ") THEN {}::text END"
_OF_ORDER = _SELECT.format(payload=_SMALL.format("payload"), result=_SMALL.format("result")) + " ORDER BY effect_id"
_WHOLE = (
    _SELECT.format(payload="payload::text", result="result::text")
    + " AND connection = %s AND kind = %s ORDER BY effect_id"
)


class Wished(msgspec.Struct, frozen=True, kw_only=True):
    """One wish. `kept` and `answer` are JSON; None: not read with the others, or no answer yet."""

    connection: str
    kind: EffectKind
    natural_key: str
    state: EffectState
    kept: str | None
    answer: str | None

    @property
    def payload(self) -> Any:
        """As in `Effect`."""
        assert self.kept is not None, f"the payload of a {self.kind} is not read with the others"
        return decoded(self.kept, PAYLOAD_TYPES[self.kind])

    @property
    def result(self) -> dict[str, Any]:
        """What its vendor said; empty: nothing yet."""
        return decoded(self.answer, dict[str, Any]) if self.answer else {}

    @property
    def unsettled(self) -> bool:
        return self.state in _UNSETTLED


class _Units(msgspec.Struct, frozen=True):
    line_id: str
    quantity: int


class _Carried(msgspec.Struct, frozen=True):
    lines: tuple[_Units, ...] = ()


_decode_units = decoder(_Carried).decode
"""Of whatever version wrote it: that a courier cannot read it is the courier's to say."""


class _Read(msgspec.Struct, frozen=True):
    transaction: Transaction | None
    order: tuple[str, str]
    found: list[Wished]


def all_of_order(connection: Connection, order_connection: str, order_id: str) -> list[Wished]:
    """Every wish there ever was for an order, at every vendor, oldest first."""
    last: _Read | None = connection.info.get(_INFO)
    transaction, order = connection.get_transaction(), (order_connection, order_id)
    if last is None or last.transaction is not transaction or last.order != order or transaction is None:
        last = _Read(transaction, order, _rows(connection, _OF_ORDER, order))
        connection.info[_INFO] = last
    return last.found


def forget(connection: Connection) -> None:
    """Something was wished for, or something became of a wish, in this transaction."""
    connection.info.pop(_INFO, None)


def of_order(connection: Connection, name: str, kind: EffectKind, order_connection: str, order_id: str) -> list[Wished]:
    """Every wish of this kind at this connection, oldest first, with its payload."""
    if kind in _LARGE:
        return _rows(connection, _WHOLE, (order_connection, order_id, name, kind.value))
    found = all_of_order(connection, order_connection, order_id)
    return [one for one in found if one.kind is kind and one.connection == name]


def is_any(connection: Connection, name: str, kind: EffectKind, order_connection: str, order_id: str) -> bool:
    """Whether anything of this kind was ever wished for an order at this connection."""
    found = all_of_order(connection, order_connection, order_id)
    return any(one.kind is kind and one.connection == name for one in found)


def find(connection: Connection, name: str, natural_key: str, order_connection: str, order_id: str) -> Wished | None:
    """One wish for an order by its natural key; None: it was never wished."""
    found = all_of_order(connection, order_connection, order_id)
    return next((one for one in found if one.natural_key == natural_key and one.connection == name), None)


def payload(connection: Connection, name: str, natural_key: str) -> Any:
    """What one wish at this connection carries, however large; None: it was never wished."""
    found = (
        driver(connection)
        .execute(
            "SELECT kind, payload::text FROM ledger.effects WHERE connection = %s AND natural_key = %s",
            (name, natural_key),
        )
        .fetchone()
    )
    return None if found is None else decoded(found[1], PAYLOAD_TYPES[EffectKind(found[0])])


def units_under_way(
    connection: Connection,
    name: str,
    kind: EffectKind,
    order_connection: str,
    order_id: str,
    only: Callable[[Wished], bool] = lambda one: True,
) -> dict[str, int]:
    """Line id -> units that wishes of this kind and order carry and that are not settled yet; `only` those."""
    units: dict[str, int] = {}
    for one in of_order(connection, name, kind, order_connection, order_id):
        for line in _decode_units(one.kept or "{}").lines if one.unsettled and only(one) else ():
            units[line.line_id] = units.get(line.line_id, 0) + line.quantity
    return units


def _rows(connection: Connection, statement: str, parameters: tuple[str, ...]) -> list[Wished]:
    return [
        Wished(
            connection=row[0], kind=EffectKind(row[1]), natural_key=row[2], state=EffectState(row[3]),
            kept=row[4], answer=row[5],
        )
        for row in driver(connection).execute(statement, parameters)
    ]  # fmt: skip
