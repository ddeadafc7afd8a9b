"""Every order of the account, and the lists the API serves, kept sorted so that no page looks at more than its rows."""

from __future__ import annotations

import bisect
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from marketplace_sync.sandbox.clock import Clock
from marketplace_sync.sandbox.state import State

Order = dict[str, Any]

ANY = ""
_KEPT_BODIES = 250_000


class OrderBook:
    """Orders by id, with sorted lists of ids by retailer and status, by part number and by reference.

    The lists and the bodies in them may lag behind the orders (`stale_seconds`), which is why they are kept apart: an
    order read by its id is always as it is.
    """

    def __init__(self, state: State, clock: Clock, render: Callable[[Order], bytes]) -> None:
        self.stale_seconds = 0.0
        self.on_change: list[Callable[[Order | None, Order], None]] = []
        """Told of every `put`: the order as it was (None for a new one) and as it is."""
        self._orders = state.collection("orders")
        self._clock = clock
        self._render = render
        state.on_reload.append(self._rebuild)
        self._rebuild()

    def _rebuild(self) -> None:
        self._lists: dict[tuple[str, str], list[int]] = {}
        self._by_part: dict[str, list[int]] = {}
        self._by_reference: dict[str, int] = {}
        self._listed: dict[int, tuple[str, str]] = {}
        self._bodies: dict[int, bytes] = {}
        self._late: deque[tuple[float, int]] = deque()
        for order in self._orders.values():
            self._list_new(order)

    def __len__(self) -> int:
        return len(self._orders)

    def get(self, order_id: int | str) -> Order | None:
        return self._orders.get(str(order_id))

    def by_reference(self, reference: str) -> Order | None:
        found = self._by_reference.get(reference)
        return None if found is None else self._orders[str(found)]

    def copy_of(self, order_id: int | str) -> Order:
        """An order to change and `put` back: until then nobody sees the changes. Raises LookupError."""
        order = self.get(order_id)
        if order is None:
            raise LookupError(f"no order {order_id}")
        return {**order, "lines": [dict(line) for line in order["lines"]]}

    def put(self, order: Order) -> None:
        order_id = int(order["id"])
        before = self._orders.get(str(order_id))
        if before is not None and self.stale_seconds and order_id not in self._bodies:
            self._bodies[order_id] = self._render(before)
        self._orders.put(str(order_id), order)
        if before is None:
            self._list_new(order)
        elif self.stale_seconds:
            self._late.append((self._clock.timestamp() + self.stale_seconds, order_id))
        else:
            self._list_again(order_id)
        for told in self.on_change:
            told(before, order)

    def body(self, order_id: int) -> bytes:
        """The order as it is, for a call that asks for it by its id."""
        return self._render(self._orders[str(order_id)])

    def page(
        self,
        *,
        retailer: str = ANY,
        status: str = ANY,
        part_number: str | None = None,
        reference: str | None = None,
        offset: int,
        limit: int,
    ) -> tuple[int, list[bytes]]:
        """How many orders match, and the bodies of one page of them, newest first."""
        self._catch_up()
        ids: Sequence[int] = self._lists.get((retailer, status), [])
        if reference is not None:
            found = self._by_reference.get(reference)
            ids = [found] if found is not None and self._matches(found, retailer, status) else []
        if part_number is not None:
            candidates = self._by_part.get(part_number, []) if reference is None else ids
            ids = [n for n in candidates if self._matches(n, retailer, status) and self._has_part(n, part_number)]
        end = max(0, len(ids) - offset)
        return len(ids), [self._listed_body(n) for n in reversed(ids[max(0, end - limit) : end])]

    def newest(self, status: str | None, limit: int) -> list[Order]:
        """Orders as they are, newest first, of this status or of any."""
        self._catch_up()
        ids = self._lists.get((ANY, status or ANY), [])
        return [self._orders[str(n)] for n in reversed(ids[-limit:])]

    def write_bodies(self, order_ids: Iterable[int]) -> None:
        """Have these bodies at hand before anybody asks for them."""
        for order_id in order_ids:
            self._listed_body(order_id)

    def forget_bodies(self) -> None:
        """Bodies are to be written anew: what goes into them was changed."""
        self._bodies.clear()

    def with_status(self, statuses: Iterable[str]) -> list[int]:
        """The orders whose own status is one of these, oldest first."""
        self._catch_up()
        return sorted(n for status in statuses for n in self._lists.get((ANY, status), []))

    def _matches(self, order_id: int, retailer: str, status: str) -> bool:
        its_retailer, its_status = self._listed[order_id]
        return retailer in (ANY, its_retailer) and status in (ANY, its_status)

    def _has_part(self, order_id: int, part_number: str) -> bool:
        return any(line["part_number"] == part_number for line in self._orders[str(order_id)]["lines"])

    def _listed_body(self, order_id: int) -> bytes:
        body = self._bodies.get(order_id)
        if body is None:
            if len(self._bodies) >= _KEPT_BODIES:
                self._bodies.clear()
            body = self._bodies[order_id] = self._render(self._orders[str(order_id)])
        return body

    def _catch_up(self) -> None:
        now = self._clock.timestamp()
        while self._late and self._late[0][0] <= now:
            self._list_again(self._late.popleft()[1])

    def _list_new(self, order: Order) -> None:
        order_id = int(order["id"])
        self._by_reference[order["reference"]] = order_id
        for part_number in {line["part_number"] for line in order["lines"]}:
            _insert(self._by_part.setdefault(part_number, []), order_id)
        self._enter(order_id, str(order["retailer"]), order["status"])

    def _list_again(self, order_id: int) -> None:
        self._bodies.pop(order_id, None)
        order = self._orders[str(order_id)]
        retailer, status = self._listed[order_id]
        if status == order["status"]:
            return
        for key in ((ANY, status), (retailer, status)):
            ids = self._lists[key]
            del ids[bisect.bisect_left(ids, order_id)]
        self._listed[order_id] = (retailer, order["status"])
        for key in ((ANY, order["status"]), (retailer, order["status"])):
            _insert(self._lists.setdefault(key, []), order_id)

    def _enter(self, order_id: int, retailer: str, status: str) -> None:
        self._listed[order_id] = (retailer, status)
        for key in ((ANY, ANY), (ANY, status), (retailer, ANY), (retailer, status)):
            _insert(self._lists.setdefault(key, []), order_id)


def _insert(ids: list[int], order_id: int) -> None:
    if not ids or ids[-1] < order_id:
        ids.append(order_id)
    else:
        bisect.insort(ids, order_id)
