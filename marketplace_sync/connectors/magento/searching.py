"""Magento's search criteria: written as query parameters, and walked to the end without a gap.

Pages of Magento are plain offsets, and rows that move between two of them are skipped or doubled; what lies behind the
last page is the last page again in some versions (Magento, search criteria). So lists that move are read by position:
each page asks for what comes after the last row of the one before, and `total_count` says when that was all.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Generic, Protocol, TypeVar

import msgspec

T = TypeVar("T")

MOST_IN_A_LIST = 50
"""Values of one `in` list, for the sake of the URL's length."""


class Filter(msgspec.Struct, frozen=True):
    field: str
    value: str
    condition: str = "eq"


class Search(msgspec.Struct, frozen=True, kw_only=True):
    """`groups`: each group must hold, by any of its filters."""

    groups: tuple[tuple[Filter, ...], ...] = ()
    sort: tuple[str, ...] = ("entity_id",)
    """Fields, ascending."""
    page_size: int
    page: int = 1
    fields: str = ""
    """What of each item is asked for (`entity_id,items[sku]`); empty: everything."""

    def params(self) -> dict[str, str | int]:
        found: dict[str, str | int] = {}
        for g, group in enumerate(self.groups):
            for f, one in enumerate(group):
                place = f"searchCriteria[filterGroups][{g}][filters][{f}]"
                found[f"{place}[field]"] = one.field
                found[f"{place}[value]"] = one.value
                found[f"{place}[conditionType]"] = one.condition
        for place_in_order, field in enumerate(self.sort):
            found[f"searchCriteria[sortOrders][{place_in_order}][field]"] = field
            found[f"searchCriteria[sortOrders][{place_in_order}][direction]"] = "ASC"
        found["searchCriteria[pageSize]"] = self.page_size
        found["searchCriteria[currentPage]"] = self.page
        if self.fields:
            found["fields"] = f"items[{self.fields}],total_count"
        return found


class Found(msgspec.Struct, Generic[T]):
    """One page. Some modules say null for no items."""

    total_count: int
    items: list[T] | None = None


class Asking(Protocol[T]):
    def __call__(self, search: Search) -> Found[T]: ...


def none_of(total: int) -> str:
    """Why a page cannot be believed that holds nothing though something is there."""
    return f"it holds nothing, and says that {total} are there"


class Stuck(ValueError):
    """A list cannot be walked on: it repeats itself, or stops before its end. The message says which."""


def by_id(search: Search, field: str, ask: Asking[T], identify: Callable[[T], int]) -> Iterator[list[T]]:
    """The pages of a list in the order of its ids, each from the last id on. Raises Stuck."""
    after: int | None = None
    while True:
        more = () if after is None else ((Filter(field, str(after), "gt"),),)
        page = ask(msgspec.structs.replace(search, groups=(*search.groups, *more), sort=(field,)))
        items = page.items or []
        if not items:
            if page.total_count > 0:
                raise Stuck(none_of(page.total_count))
            return
        yield items
        if page.total_count <= len(items):
            return
        last = max(map(identify, items))
        if after is not None and last <= after:
            raise Stuck("it repeats what came before")
        after = last


def by_change(
    search: Search,
    since: str | None,
    ask: Asking[T],
    position: Callable[[T], tuple[str, int]],
) -> Iterator[list[T]]:
    """The pages of a list in the order of its changes, oldest first, each from behind the last row on. `position`:
    (updated_at as stated, entity_id). A row that changes meanwhile comes again at the end. Raises Stuck."""
    at: tuple[str, int] | None = None
    while True:
        groups = search.groups
        if at is not None:
            # Groups hold together, filters of a group by any of them: from this second on, and in it only higher ids.
            groups += (
                (Filter("updated_at", at[0], "gteq"),),
                (Filter("updated_at", at[0], "gt"), Filter("entity_id", str(at[1]), "gt")),
            )
        elif since is not None:
            groups += ((Filter("updated_at", since, "gteq"),),)
        page = ask(msgspec.structs.replace(search, groups=groups, sort=("updated_at", "entity_id")))
        items = page.items or []
        if not items:
            if page.total_count > 0:
                raise Stuck(none_of(page.total_count))
            return
        yield items
        if page.total_count <= len(items):
            return
        last = max(map(position, items))
        if at is not None and last <= at:
            raise Stuck("it repeats what came before")
        at = last


def chunks(values: Sequence[T], size: int = MOST_IN_A_LIST) -> Iterator[Sequence[T]]:
    for start in range(0, len(values), size):
        yield values[start : start + size]
