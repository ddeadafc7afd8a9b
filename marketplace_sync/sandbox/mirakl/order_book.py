"""Every order of the marketplace's shop, with the sorted lists that let a page of OR11 look at its rows only."""

from __future__ import annotations

import bisect
import heapq
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

from marketplace_sync.sandbox.clock import Clock
from marketplace_sync.sandbox.mirakl.workflow import due_of, state_of
from marketplace_sync.sandbox.state import State

Order = dict[str, Any]
Place = tuple[float, int]
"""When an order was created or updated, and its number: what lists are sorted by."""

_KEPT_BODIES = 120_000


@dataclass(frozen=True)
class Wanted:
    """Which orders a list is to hold; None and empty mean any."""

    states: frozenset[str] = frozenset()
    ids: tuple[str, ...] = ()
    updated_from: float | None = None
    updated_to: float | None = None
    created_from: float | None = None
    created_to: float | None = None
    debited: bool | None = None
    incident: bool | None = None
    customer_references: frozenset[str] = frozenset()
    seller_references: frozenset[str] = frozenset()
    payment_workflow: str | None = None
    descending: bool = False


class OrderBook:
    """Orders by id. `put` stamps the update date, derives the state and notes when time will do something to them."""

    def __init__(self, state: State, clock: Clock, render: Callable[[Order], bytes]) -> None:
        self._orders = state.collection("orders")
        self._clock = clock
        self._render = render
        state.on_reload.append(self._rebuild)
        self._rebuild()

    def _rebuild(self) -> None:
        self._created: list[Place] = []
        self._updated: list[Place] = []
        self._by_state: dict[str, list[Place]] = {}
        self._ids: dict[int, str] = {}
        self._listed: dict[str, tuple[Place, Place, str]] = {}
        self._bodies: dict[str, bytes] = {}
        self._timers: list[tuple[float, str]] = []
        self._by_line: dict[str, str] = {}
        self._found: dict[Wanted, list[str]] = {}
        # By update date, for that list changes most; a list that is nearly sorted takes a new place quickly.
        for order in sorted(self._orders.values(), key=lambda each: (each["updated"], each["number"])):
            self._enter(order)

    def __len__(self) -> int:
        return len(self._orders)

    def get(self, order_id: str) -> Order | None:
        return self._orders.get(order_id)

    def copy_of(self, order_id: str) -> Order:
        """An order to change and `put` back: until then nobody sees the changes. Raises LookupError."""
        order = self._orders.get(order_id)
        if order is None:
            raise LookupError(f"no order {order_id}")
        return {
            **order,
            "lines": [
                {**line, "refunds": [dict(r) for r in line["refunds"]], "cancelations": list(line["cancelations"])}
                for line in order["lines"]
            ],
        }

    def of_line(self, line_id: str) -> Order:
        """A copy of the order that has this line. Raises LookupError."""
        if line_id not in self._by_line:
            raise LookupError(f"no order line {line_id}")
        return self.copy_of(self._by_line[line_id])

    def put(self, order: Order) -> None:
        """Keep the order as changed now."""
        order["updated"] = self._clock.timestamp()
        order["state"] = state_of(order)
        order["due"] = due_of(order)
        self._leave(order["id"])
        self._orders.put(order["id"], order)
        self._enter(order)

    def _leave(self, order_id: str) -> None:
        before = self._listed.pop(order_id, None)
        if before is not None:
            created, updated, state = before
            for places, place in ((self._created, created), (self._updated, updated), (self._by_state[state], created)):
                del places[bisect.bisect_left(places, place)]

    def _enter(self, order: Order) -> None:
        created, updated = (order["created"], order["number"]), (order["updated"], order["number"])
        self._insert(self._created, created)
        self._insert(self._updated, updated)
        self._insert(self._by_state.setdefault(order["state"], []), created)
        self._listed[order["id"]] = (created, updated, order["state"])
        self._ids[order["number"]] = order["id"]
        for line in order["lines"]:
            self._by_line[line["id"]] = order["id"]
        self._bodies.pop(order["id"], None)
        self._found.clear()
        if order["due"] is not None:
            heapq.heappush(self._timers, (order["due"], order["id"]))

    @staticmethod
    def _insert(places: list[Place], place: Place) -> None:
        if not places or places[-1] < place:
            places.append(place)
        else:
            bisect.insort(places, place)

    def due(self, now: float) -> list[str]:
        """The orders to which time does something by now; each is named once."""
        found: dict[str, None] = {}
        while self._timers and self._timers[0][0] <= now:
            at, order_id = heapq.heappop(self._timers)
            order = self._orders.get(order_id)
            if order is not None and order["due"] == at:
                found[order_id] = None
        return list(found)

    def page(self, wanted: Wanted, offset: int, limit: int) -> tuple[int, list[bytes]]:
        """How many orders are wanted, and the bodies of one page of them by creation date."""
        ids = self._found.get(wanted)
        if ids is None:
            if len(self._found) > 8:
                self._found.clear()
            ids = self._found[wanted] = self._find(wanted)
        return len(ids), [self.body(order_id) for order_id in ids[offset : offset + limit]]

    def _find(self, wanted: Wanted) -> list[str]:
        numbers: Iterable[Place]
        if wanted.ids:
            numbers = sorted(self._listed[each][0] for each in {*wanted.ids} if each in self._listed)
        elif wanted.updated_from is not None:
            start = bisect.bisect_left(self._updated, (wanted.updated_from, -1))
            late = [self._ids[number] for _, number in self._updated[start:]]
            numbers = sorted(self._listed[order_id][0] for order_id in late)
        elif wanted.states:
            numbers = sorted(place for state in wanted.states for place in self._by_state.get(state, []))
        else:
            numbers = self._created
        found = [self._ids[number] for _, number in numbers]
        if wanted != Wanted(descending=wanted.descending):
            found = [order_id for order_id in found if self._is_wanted(self._orders[order_id], wanted)]
        return found[::-1] if wanted.descending else found

    @staticmethod
    def _is_wanted(order: Order, wanted: Wanted) -> bool:
        return (
            (not wanted.states or order["state"] in wanted.states)
            and (wanted.updated_from is None or order["updated"] >= wanted.updated_from)
            and (wanted.updated_to is None or order["updated"] <= wanted.updated_to)
            and (wanted.created_from is None or order["created"] >= wanted.created_from)
            and (wanted.created_to is None or order["created"] <= wanted.created_to)
            and (wanted.debited is None or (order["debited"] is not None) == wanted.debited)
            and (wanted.incident is None or any(line["incident"] for line in order["lines"]) == wanted.incident)
            and (not wanted.customer_references or order["customer_reference"] in wanted.customer_references)
            and (not wanted.seller_references or order["seller_reference"] in wanted.seller_references)
            and (wanted.payment_workflow is None or order["payment_workflow"] == wanted.payment_workflow)
        )

    def newest(self, state: str | None, limit: int) -> list[Order]:
        """Newest first, of this state or of any."""
        places = self._created if state is None else self._by_state.get(state, [])
        return [self._orders[self._ids[number]] for _, number in reversed(places[-limit:])]

    def body(self, order_id: str) -> bytes:
        if (body := self._bodies.get(order_id)) is None:
            if len(self._bodies) >= _KEPT_BODIES:
                self._bodies.clear()
            body = self._bodies[order_id] = self._render(self._orders[order_id])
        return body
