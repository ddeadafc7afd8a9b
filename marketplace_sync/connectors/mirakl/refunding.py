"""Gives buyers money back, once: Mirakl repeats a refund as often as it is sent, so what is there is read first."""

from __future__ import annotations

import threading
from collections import Counter
from typing import Any

import msgspec

from marketplace_sync.connectors.mirakl import fields
from marketplace_sync.connectors.mirakl.account import Account
from marketplace_sync.connectors.mirakl.amounts import (
    delivery_left,
    delivery_of,
    goods_left,
    goods_of,
    gross_of,
    refund,
)
from marketplace_sync.connectors.mirakl.calls import Calls
from marketplace_sync.connectors.mirakl.now import OrderNow, order_now
from marketplace_sync.connectors.mirakl.reading import Reader
from marketplace_sync.connectors.mirakl.refusals import refused
from marketplace_sync.connectors.mirakl.settings import MiraklSettings
from marketplace_sync.connectors.outcomes import outcome_of, unresolved
from marketplace_sync.connectors.ports import Malformed
from marketplace_sync.domain.effects import (
    Delivered,
    InDoubt,
    NotThere,
    Outcome,
    Postponed,
    RefundLines,
    Refused,
    Resolution,
)
from marketplace_sync.domain.errors import RequestRejected, TransportError

_CLOSED = "CLOSED"


class _Made(msgspec.Struct):
    refund_id: Any = None


class _Answer(msgspec.Struct):
    refunds: list[_Made]


class Refunding:
    """Thread-safe. Remembers, as long as it lives, which refunds an order had before each of its calls."""

    def __init__(self, settings: MiraklSettings, calls: Calls, reader: Reader, account: Account) -> None:
        self._settings = settings
        self._calls = calls
        self._reader = reader
        self._account = account
        self._lock = threading.Lock()
        self._before: dict[int, set[str]] = {}

    def give_back(self, effect_id: int, wish: RefundLines) -> Outcome:
        """OR28, after reading which refunds there are."""
        now = order_now(self._reader, self._settings, wish.order_id)
        if isinstance(now, InDoubt):
            return Postponed(now.reason)
        if isinstance(now, Refused | Postponed):
            return now
        unfit = _unfit(wish, now)
        if unfit is not None:
            return unfit
        try:
            reason = self._reason()
            if reason is None:
                return Refused(
                    "the marketplace lists no reason for which sellers may refund; set refund_reason", code="NO_REASON"
                )
            entries, left = _entries(wish, now, reason)
        except Malformed as problem:
            return Refused(f"order {wish.order_id} cannot be read: {problem}", code="MALFORMED")
        except TransportError as problem:
            return unresolved(problem)  # nothing but reads so far
        with self._lock:
            self._before[effect_id] = refund_ids(now)
        body = {"refunds": entries, **({"order_tax_mode": now.tax_mode} if now.tax_mode else {})}
        try:
            answer = self._calls.send("PUT", "/api/orders/refund", json=body, operation="refund lines")
            made = self._calls.decoded(answer, _Answer, "refund lines")
        except RequestRejected as problem:
            return refused(problem)
        except TransportError as problem:
            return outcome_of(problem)
        self._forget(effect_id)
        return Delivered({"refund_ids": [fields.text(one.refund_id) for one in made.refunds], **_missing(left)})

    def verdict(self, effect_id: int, wish: RefundLines) -> Resolution:
        """Whether the refund is there. Known for certain by comparing with what was there before the call; in a new
        process only when there is no such refund, or no room for another one."""
        now = order_now(self._reader, self._settings, wish.order_id)
        if isinstance(now, Refused | Postponed | InDoubt):
            return now
        try:
            with self._lock:
                before = self._before.get(effect_id)
            fitting = _fitting(wish, now, before or set())
            if fitting is None:
                self._forget(effect_id)
                return NotThere()
            if before is not None or not _room_for_another(wish, now):
                self._forget(effect_id)
                left = wish.delivery - _delivery_in(now, fitting)
                return Delivered({"found": True, "refund_ids": fitting, **_missing(left)})
        except Malformed as problem:
            return InDoubt(f"order {wish.order_id} cannot be read to find out: {problem}")
        return InDoubt(
            f"order {wish.order_id} has refunds {', '.join(fitting)} of the same amounts, which may be this one or an"
            " earlier one; look at the order at the marketplace before you let it be sent again"
        )

    def _forget(self, effect_id: int) -> None:
        with self._lock:
            self._before.pop(effect_id, None)

    def _reason(self) -> str | None:
        """Raises TransportError."""
        if self._settings.refund_reason:
            return self._settings.refund_reason
        return next((reason.code for reason in self._account.reasons("REFUND")), None)


def refund_ids(now: OrderNow) -> set[str]:
    return {fields.text(one.id) for line in now.lines.values() for one in line.refunds or ()}


def wanted(wish: RefundLines, now: OrderNow) -> list[tuple[str, int, int]]:
    """(line, units, gross minor units): the units' own price where no amount is stated, and nothing of what is to get
    nothing. Raises Malformed."""
    return [
        (units.line_id, units.quantity, gross_of(now, units.line_id, units.quantity) if amount is None else amount)
        for units, amount in zip(wish.lines, wish.amounts, strict=True)
        if amount != 0
    ]


def _entries(wish: RefundLines, now: OrderNow, reason: str) -> tuple[list[dict[str, Any]], int]:
    """OR28's, and what of the delivery is more than is left of these lines' own. Raises Malformed."""
    left, entries = wish.delivery, []
    room = {units.line_id: delivery_left(now, units.line_id) for units in wish.lines}
    for line_id, quantity, gross in wanted(wish, now):
        part = min(left, room.pop(line_id, 0))
        left -= part
        entries.append(refund(now, line_id, quantity, gross, part, reason))
    return entries, left


def _delivery_in(now: OrderNow, ids: list[str]) -> int:
    made = [one for line in now.lines.values() for one in line.refunds or () if fields.text(one.id) in ids]
    return sum(delivery_of(now, one) for one in made)


def _missing(left: int) -> dict[str, int]:
    return {"not_given_back": left} if left > 0 else {}


def _unfit(wish: RefundLines, now: OrderNow) -> Refused | None:
    """What could only be refused, or would give back the wrong money."""
    if not wish.lines or len(wish.lines) != len(wish.amounts):
        return Refused("it names no lines, or not one amount for each", code="NO_LINES")
    if wish.currency != now.currency:
        return Refused(
            f"the refund is in {wish.currency} and order {wish.order_id} in {now.currency}", code="OTHER_CURRENCY"
        )
    if any(amount is not None and amount < 0 for amount in (*wish.amounts, wish.delivery)):
        return Refused("an amount is negative", code="NEGATIVE_AMOUNT")
    if not any(amount is None or amount for amount in wish.amounts):
        return Refused("it gives no money back", code="NO_AMOUNT")
    missing = [units.line_id for units in wish.lines if units.line_id not in now.lines]
    if missing:
        return Refused(f"order {wish.order_id} has no line {', '.join(missing)}", code="NO_SUCH_LINE")
    if now.state == _CLOSED:
        return Refused(f"order {wish.order_id} is closed: the time for refunds is over", code=_CLOSED)
    return None


def _fitting(wish: RefundLines, now: OrderNow, before: set[str]) -> list[str] | None:
    """Ids of refunds that are these lines' and amounts, none of them from before; None unless every line has one."""
    taken: Counter[str] = Counter()
    found = []
    for line_id, quantity, gross in wanted(wish, now):
        line = now.lines.get(line_id)
        same = [
            fields.text(one.id)
            for one in (line.refunds if line else None) or ()
            if fields.text(one.id) not in before
            and goods_of(now, one) == gross
            and (one.quantity is None or fields.units(one.quantity, "refunds quantity") == quantity)
        ]
        key = f"{line_id} {quantity} {gross}"
        if len(same) <= taken[key]:
            return None
        found.append(same[-1 - taken[key]])
        taken[key] += 1
    return found


def _room_for_another(wish: RefundLines, now: OrderNow) -> bool:
    """Whether every line has enough left that the same refund could have been made twice."""
    return all(gross <= goods_left(now, line_id) for line_id, _, gross in wanted(wish, now))
