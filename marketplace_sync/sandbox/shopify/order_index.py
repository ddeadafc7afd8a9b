"""The search index over orders: behind the database by a lag, and able to answer the usual questions without a scan."""

from __future__ import annotations

from bisect import bisect_left, bisect_right, insort
from collections import deque
from collections.abc import Callable, Collection, Iterable
from typing import Any

from marketplace_sync.sandbox.shopify import search
from marketplace_sync.sandbox.shopify.paging import Connection, SortValue, connect, cursor_position, window
from marketplace_sync.sandbox.shopify.search import Entry, Query
from marketplace_sync.sandbox.shopify.things import TopLevelError
from marketplace_sync.sandbox.state import Document

_ORDERED = ("created_at", "updated_at", "processed_at")


class OrderIndex:
    """Entries of orders as they were when the index last saw them, and what waits to be seen."""

    def __init__(self, describe: Callable[[Document], dict[str, Any]], deepest: int) -> None:
        """`describe` turns an order into its entry: the value of each filter by name. `deepest` bounds paging."""
        self._describe = describe
        self._deepest = deepest
        self._entries: dict[str, Entry] = {}
        self._waiting: deque[tuple[float, str]] = deque()
        self._by_time: dict[str, list[SortValue]] = {name: [] for name in _ORDERED}
        self._by_source: dict[str, set[str]] = {}

    def later(self, key: str, due: float) -> None:
        """The order changed; the index will see it at `due`. Calls come in order of time."""
        self._waiting.append((due, key))

    def catch_up(self, now: float, orders: Callable[[str], Document | None]) -> None:
        """See everything that is due, as it is now."""
        while self._waiting and self._waiting[0][0] <= now:
            key = self._waiting.popleft()[1]
            order = orders(key)
            self._forget(key)
            if order is not None:
                self._see(key, order)

    def _forget(self, key: str) -> None:
        old = self._entries.pop(key, None)
        if old is None:
            return
        for name, ordered in self._by_time.items():
            place = (old[name] or "", int(key))
            at = bisect_left(ordered, place)
            if at < len(ordered) and ordered[at] == place:
                del ordered[at]
        self._by_source.get((old["source_identifier"] or "").lower(), set()).discard(key)

    def _see(self, key: str, order: Document) -> None:
        entry = self._describe(order)
        self._entries[key] = entry
        for name, ordered in self._by_time.items():
            insort(ordered, (entry[name] or "", int(key)))
        if entry["source_identifier"]:
            self._by_source.setdefault(entry["source_identifier"].lower(), set()).add(key)

    def entry(self, key: str) -> Entry:
        return self._entries[key]

    def __len__(self) -> int:
        return len(self._entries)

    def page(self, query: Query | None, sort: str, arguments: dict[str, Any]) -> Connection:
        """One page of the orders that match; nodes are keys. `sort` is a field of the entries."""
        size, from_the_end = window(arguments, "orders")
        walks = sort in self._by_time and not from_the_end and arguments.get("before") is None
        if walks and self._named(query) is None:
            return self._walk(query, sort, arguments, size)
        found = self._found(query, sort)
        if arguments.get("after") is not None:
            self._check_depth(bisect_right(found, cursor_position(sort, arguments["after"])))
        return connect(found, arguments, keys=found, sort=sort, node=lambda key: str(key[1]))

    def count(self, query: Query | None) -> int:
        return len(self._found(query, "id"))

    def _walk(self, query: Query | None, sort: str, arguments: dict[str, Any], size: int) -> Connection:
        """The usual case, page after page in order of a time: looks at no more orders than the page needs."""
        ordered = self._by_time[sort]
        start, end = self._bounds(query, sort)
        position = cursor_position(sort, arguments["after"]) if arguments.get("after") is not None else None
        reverse = bool(arguments.get("reverse"))
        if position is not None and reverse:
            end = min(end, bisect_left(ordered, position))
        elif position is not None:
            start = max(start, bisect_right(ordered, position))
        first, last = self._bounds(query, sort)
        passed = range(end, last) if reverse else range(first, start)
        if len(passed) >= self._deepest:
            self._check_depth(sum(query is None or search.matches(query, self._at(ordered[at])) for at in passed))
        found: list[SortValue] = []
        for at in range(end - 1, start - 1, -1) if reverse else range(start, end):
            if query is None or search.matches(query, self._at(ordered[at])):
                found.append(ordered[at])
                if len(found) > size:
                    break
        page = found[:size]
        return Connection([str(n) for _, n in page], page, sort, position is not None, len(found) > size)

    def _at(self, place: SortValue) -> Entry:
        return self._entries[str(place[1])]

    def _check_depth(self, passed: int) -> None:
        if passed >= self._deepest:
            message = f"Paging is possible through the first {self._deepest} objects: narrow the search"
            raise TopLevelError(message, "BAD_REQUEST")

    def _bounds(self, query: Query | None, name: str) -> tuple[int, int]:
        """The part of an ordered list that a required range on its time leaves."""
        low, high = "", "~"
        for term in search.required_terms(query) if query is not None else ():
            if term.field == name and term.operator in (">", ">="):
                low = max(low, search.normal_time(term.value))
            if term.field == name and term.operator in ("<", "<="):
                high = min(high, search.normal_time(term.value))
        ordered = self._by_time[name]
        return bisect_left(ordered, (low, 0)), bisect_right(ordered, (high, 1 << 62))

    def _found(self, query: Query | None, sort: str) -> list[SortValue]:
        if query is None:
            keys: Iterable[str] = self._entries
        else:
            keys = [key for key in self._candidates(query) if search.matches(query, self._entries[key])]
        if sort == "id":
            return sorted((0, int(key)) for key in keys)
        return sorted(("" if self._entries[key][sort] is None else self._entries[key][sort], int(key)) for key in keys)

    def _named(self, query: Query | None) -> Collection[str] | None:
        """The few orders that a required id or marketplace number leaves; None where the search has neither."""
        for term in search.required_terms(query) if query is not None else ():
            if term.operator == ":" and term.field == "source_identifier" and "*" not in term.value:
                return self._by_source.get(term.value.lower(), set())
            if term.operator == ":" and term.field == "id":
                number = term.value.rpartition("/")[2]
                return [number] if number in self._entries else []
        return None

    def _candidates(self, query: Query) -> Iterable[str]:
        named = self._named(query)
        if named is not None:
            return named
        for name in _ORDERED:
            start, end = self._bounds(query, name)
            if end - start < len(self._entries):
                return [str(number) for _, number in self._by_time[name][start:end]]
        return self._entries
