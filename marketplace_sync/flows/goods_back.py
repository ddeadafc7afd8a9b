"""Accepted returns to their end: the goods are back, they are as they should be, the buyer has the money, it is over.

Only for marketplaces that wait to be told. That the goods are back is the store's word, or a person's. None of it moves
money: the refund is an effect of its own, and here it is only waited for.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from itertools import groupby

from msgspec.structs import replace
from sqlalchemy import Connection

from marketplace_sync.domain.effects import (
    CloseReturn,
    EffectKind,
    EffectState,
    Judged,
    JudgeReturn,
    Lane,
    LineUnits,
    ReceiveReturn,
)
from marketplace_sync.domain.lifecycle import EventKind, OrderEvent, return_events
from marketplace_sync.domain.orders import Order, OrderLine, Return, ReturnState
from marketplace_sync.domain.store import StoreOrder
from marketplace_sync.flows.context import Context, Route
from marketplace_sync.flows.fulfilment import line_ids
from marketplace_sync.flows.returning import made_by_staff
from marketplace_sync.flows.telling import to_marketplace
from marketplace_sync.flows.withdrawing import GIVEN_UP, withdraw
from marketplace_sync.ledger import orders, outbox, returns, wished

Step = ReceiveReturn | JudgeReturn | CloseReturn
Units = dict[str, list[tuple[datetime | None, int]]]
"""Marketplace line id -> units, and when they were seen; None: whenever it was."""
ASKED_FOR_LATER = timedelta(days=1)
"""A return may be stated so long after its goods are back. What came back before that was not of this return."""

_COUNTED = (ReturnState.REQUESTED, ReturnState.AUTHORISED, ReturnState.RECEIVED, ReturnState.CLOSED)


def follow(connection: Connection, route: Route, order: Order, store_order: StoreOrder | None) -> None:
    """Wish for the next step of each return of an order (locked by the caller) that may take it."""
    stated = returns.of_order(connection, route.marketplace, order.order_id)
    for one in stated:
        _overtaken(connection, route.marketplace, one)
    if not any(returns.is_open(one) for one in stated):
        return
    back = _back(connection, route, order, store_order) if store_order is not None else {}
    refunded = _refunded(connection, route, order)
    for lines in _wholes(stated):
        # units are interchangeable: those that came first belong to the return that was asked for first
        is_back = _taken_from(back, lines)
        is_refunded = _taken_from(refunded, lines)
        if all(returns.is_open(line) for line in lines):
            _step(connection, route.marketplace, order, lines, is_back, is_refunded)


def _overtaken(connection: Connection, name: str, line: Return) -> None:
    """What was refused or given up, and is so at the marketplace by now: somebody did it there. A fault that it was not
    told of, and goods that came back of a return that it has called off, stay with a person."""
    over = [f"return:{line.return_id}"] if line.state not in (ReturnState.REQUESTED, ReturnState.UNKNOWN) else []
    if line.state in (ReturnState.RECEIVED, ReturnState.CLOSED):
        over.append(_key(EffectKind.RECEIVE_RETURN, line.of))
    if not returns.is_open(line) and line.state is not ReturnState.UNKNOWN:
        over.append(_key(EffectKind.CLOSE_RETURN, line.of))
    for key in over:
        found = wished.find(connection, name, key, name, line.order_id)
        if found is not None and found.state in GIVEN_UP:
            withdraw(connection, found, "the marketplace states it")


def _wholes(stated: Iterable[Return]) -> Iterator[list[Return]]:
    """The lines of each return together, the oldest return first."""
    counted = [one for one in stated if one.state in _COUNTED]
    began: dict[str, int] = {}
    for place, one in enumerate(counted):
        began.setdefault(one.of, place)
    for _, lines in groupby(sorted(counted, key=lambda one: began[one.of]), key=lambda one: one.of):
        yield list(lines)


def _taken_from(units: Units, lines: Sequence[Return]) -> dict[str, bool]:
    """Whether there are enough units for each line; they are gone for those that come after."""
    found = {}
    for line in lines:
        missing = line.quantity
        left: list[tuple[datetime | None, int]] = []
        for moment, count in units.get(line.line_id, ()):
            fits = moment is None or moment + ASKED_FOR_LATER >= line.requested_at
            taken = min(missing, count) if fits else 0
            missing -= taken
            left.append((moment, count - taken))
        units[line.line_id] = left
        found[line.line_id] = missing == 0
    return found


def _step(
    connection: Connection,
    name: str,
    order: Order,
    lines: Sequence[Return],
    is_back: Mapping[str, bool],
    is_refunded: Mapping[str, bool],
) -> None:
    return_id, order_id = lines[0].of, order.order_id
    found = received(connection, name, lines)
    if all(line.state is ReturnState.RECEIVED for line in lines):
        if all(line.compliant is not None for line in lines):
            if all(is_refunded[line.line_id] or line.compliant is False for line in lines):
                _wish(connection, name, EffectKind.CLOSE_RETURN, CloseReturn(order_id=order_id, return_id=return_id))
        elif found is not None and found.state is EffectState.DELIVERED:
            # goods that somebody received in the back office are judged there as well
            judged = {one.line_id: one for one in found.payload.judged}
            said = tuple(judged.get(line.line_id) or Judged(line_id=line.line_id) for line in lines)
            payload = JudgeReturn(order_id=order_id, return_id=return_id, lines=said)
            _wish(connection, name, EffectKind.JUDGE_RETURN, payload)
    elif found is None and all(is_back.values()) and all(is_accepted(connection, name, line) for line in lines):
        receive(connection, name, order, lines)


def received(connection: Connection, name: str, lines: Sequence[Return]) -> wished.Wished | None:
    """The wish that the marketplace knows of one return's goods; None: there was none."""
    key = _key(EffectKind.RECEIVE_RETURN, lines[0].of)
    return wished.find(connection, name, key, name, lines[0].order_id)


def is_accepted(connection: Connection, name: str, line: Return) -> bool:
    """Also by us, a moment ago: the marketplace states it at its next read."""
    if line.state is not ReturnState.REQUESTED:
        return line.state is ReturnState.AUTHORISED
    ours = wished.find(connection, name, f"return:{line.return_id}", name, line.order_id)
    return ours is not None and ours.state is EffectState.DELIVERED


def receive(
    connection: Connection, name: str, order: Order, lines: Sequence[Return], judged: Sequence[Judged] = ()
) -> None:
    """Wish the marketplace to know that all lines of one return are back."""
    units = []
    for line in lines:
        known = order.line(line.line_id)
        units.append(LineUnits(line_id=line.line_id, quantity=line.quantity, sku=known.sku if known else ""))
    payload = ReceiveReturn(order_id=order.order_id, return_id=lines[0].of, lines=tuple(units), judged=tuple(judged))
    _wish(connection, name, EffectKind.RECEIVE_RETURN, payload)


def _wish(connection: Connection, name: str, kind: EffectKind, payload: Step) -> None:
    key = _key(kind, payload.return_id)
    outbox.record(connection, [to_marketplace(name, kind, key, payload, Lane.REVERSALS)])


def _key(kind: EffectKind, return_id: str) -> str:
    return f"{kind.value}:{return_id}"


def _back(connection: Connection, route: Route, order: Order, store_order: StoreOrder) -> Units:
    """Units that the store says came back; not of the refunds that we record in it, which say only what we knew."""
    mapping = line_ids(order, store_order)
    found: Units = {}
    for refund in made_by_staff(connection, route, order, store_order):
        for line in refund.lines:
            line_id = mapping.get(line.line_id)
            if line.returned and line_id is not None:
                found.setdefault(line_id, []).append((refund.refunded_at, line.quantity))
    return found


def _refunded(connection: Connection, route: Route, order: Order) -> Units:
    """Units that the buyer has money for. Of our own refunds those that they were made for, also before the marketplace
    states them. Of the others as many as their money pays for: their quantity is informative only (Mirakl, orders:
    refunds), and counts where nobody knows the money or the price."""
    name = route.marketplace
    ours: dict[str, LineUnits] = {}
    for one in wished.of_order(connection, name, EffectKind.REFUND_LINES, name, order.order_id):
        refund_ids = (str(each) for each in one.result.get("refund_ids") or ())
        ours.update(zip(refund_ids, one.payload.lines, strict=False))
    units: Counter[str] = Counter()
    for given in ours.values():
        units[given.line_id] += given.quantity
    paid: Counter[str] = Counter()
    for event in orders.events_of(connection, name, order.order_id, [EventKind.REFUNDED]):
        if event.key in ours:
            continue
        money = _goods_paid(order, event)
        if money is None:
            units[event.line_id] += event.quantity
        else:
            paid[event.line_id] += money
    for line in order.lines:
        units[line.line_id] += paid[line.line_id] // _unit_price(line) if paid[line.line_id] else 0
    return {line_id: [(None, quantity)] for line_id, quantity in units.items()}


def _goods_paid(order: Order, refund: OrderEvent) -> int | None:
    """Minor units that a refund gave back for goods; None: it does not say, or nobody can tell for how many units."""
    line = order.line(refund.line_id)
    if refund.amount is None or refund.detail.get("basis", order.price_basis) != order.price_basis:
        return None
    if line is None or not _unit_price(line):
        return None
    return refund.amount - int(refund.detail.get("shipping_amount", 0))


def _unit_price(line: OrderLine) -> int:
    """Rounded down, so that units which were paid back one by one are as many as they are; 0: nobody knows."""
    return (line.price_of(line.quantity) or 0) // line.quantity if line.quantity else 0


def told(connection: Connection, context: Context, name: str, payload: Step) -> list[OrderEvent]:
    """The marketplace took a step: note it as if it had stated it. Returns the events that are new."""
    now = context.now()
    said = {one.line_id: one.compliant for one in payload.lines} if isinstance(payload, JudgeReturn) else {}
    events: list[OrderEvent] = []
    for known in returns.of_order(connection, name, payload.order_id):
        if known.of != payload.return_id or not returns.is_open(known):
            continue
        if isinstance(payload, ReceiveReturn):
            after = replace(known, state=ReturnState.RECEIVED, changed_at=now)
            events += return_events(name, after)
        elif isinstance(payload, JudgeReturn):
            after = replace(known, compliant=said.get(known.line_id, known.compliant))
        else:
            after = replace(known, state=ReturnState.CLOSED, changed_at=now)
        orders.save_reversal(connection, name, after, now)
    return orders.record_events(connection, events, now)
