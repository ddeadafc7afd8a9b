"""searchCriteria: groups of conditions, sorting and pages, as far from exact as the vendor's. (search criteria)"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from decimal import Decimal, InvalidOperation
from typing import Any

from marketplace_sync.sandbox.magento.errors import Refused, required
from marketplace_sync.sandbox.magento.settings import Settings
from marketplace_sync.sandbox.state import Document

_FILTER = re.compile(r"\[(?:filterGroups|filter_groups)\]\[(\d+)\]\[filters\]\[(\d+)\]\[(\w+)\]")
_SORT = re.compile(r"\[(?:sortOrders|sort_orders)\]\[(\d+)\]\[(\w+)\]")
_PAGE = re.compile(r"\[(pageSize|page_size|currentPage|current_page)\]")
_NUMBER = re.compile(r"-?\d+(\.\d+)?")
CONDITIONS = (
    "eq", "neq", "gt", "gteq", "lt", "lteq", "moreq", "like", "nlike", "in", "nin", "finset", "nfinset", "from", "to",
    "null", "notnull",
)  # fmt: skip


@dataclass
class Criteria:
    groups: list[list[dict[str, str]]] = field(default_factory=list)
    """Each filter {field, value, condition_type}; one of a group has to hold, and every group."""
    sorts: list[dict[str, str]] = field(default_factory=list)
    page_size: int | None = None
    page: int = 1

    def certain(self) -> Iterator[tuple[str, str, str]]:
        """(column, condition, value) of every filter that has to hold whatever others do."""
        for group in self.groups:
            if len(group) == 1:
                yield group[0]["field"], group[0]["condition_type"], group[0]["value"]

    def echo(self) -> dict[str, Any]:
        found: dict[str, Any] = {"filter_groups": [{"filters": group} for group in self.groups]}
        if self.sorts:
            found["sort_orders"] = self.sorts
        if self.page_size is not None:
            found["page_size"] = self.page_size
            found["current_page"] = self.page
        return found


def parse(query: Iterable[tuple[str, str]], settings: Settings) -> Criteria:
    """Raises Refused: no criteria at all, no number where one belongs, more than the merchant's limits allow."""
    given = [(m[1], value) for name, value in query if (m := re.fullmatch(r"search_?[cC]riteria(.*)", name))]
    if not given:
        raise required("searchCriteria")
    criteria = Criteria()
    filters: dict[tuple[int, int], dict[str, str]] = {}
    sorts: dict[int, dict[str, str]] = {}
    for rest, value in given:
        if found := _FILTER.fullmatch(rest):
            name = "condition_type" if found[3] in ("conditionType", "condition_type") else found[3]
            filters.setdefault((int(found[1]), int(found[2])), {})[name] = value
        elif found := _SORT.fullmatch(rest):
            sorts.setdefault(int(found[1]), {})[found[2]] = value
        elif found := _PAGE.fullmatch(rest):
            if not value.isdigit():
                raise Refused(400, f"{found[1]} is not a valid number: %1", [value])
            if found[1] in ("pageSize", "page_size"):
                criteria.page_size = int(value) or None
            else:
                criteria.page = max(1, int(value))
    for (group, _), one in sorted(filters.items()):
        _add_filter(criteria, group, one)
    for _, one in sorted(sorts.items()):
        direction = one.get("direction", "DESC").upper()
        if direction not in ("ASC", "DESC"):
            raise Refused(400, "Invalid sort direction %1", [direction])
        criteria.sorts.append({"field": one.get("field", ""), "direction": direction})
    _limit(criteria, settings)
    return criteria


def _add_filter(criteria: Criteria, group: int, one: dict[str, str]) -> None:
    if "field" not in one:
        raise required("field")
    condition = one.get("condition_type", "eq")
    if condition not in CONDITIONS:
        raise Refused(400, "Invalid condition type %1", [condition])
    while len(criteria.groups) <= group:
        criteria.groups.append([])
        if len(criteria.groups) > 1000:
            raise Refused(400, "Too many filter groups")
    filter_ = {"field": one["field"], "value": one.get("value", ""), "condition_type": condition}
    criteria.groups[group].append(filter_)


def _limit(criteria: Criteria, settings: Settings) -> None:
    criteria.groups = [group for group in criteria.groups if group]
    if settings.input_limits:
        if criteria.page_size is None:
            criteria.page_size = settings.default_page
        if criteria.page_size > settings.largest_page:
            raise Refused(400, "Maximum SearchCriteria pageSize is %max", {"max": settings.largest_page})


def search(
    rows: Iterable[Document],
    criteria: Criteria,
    settings: Settings,
    columns: Callable[[Document, str], Any],
    known: Callable[[str], bool],
    render: Callable[[Document], Any] = lambda row: row,
) -> dict[str, Any]:
    """One page as the vendor answers it. `columns` gives a row's value of a column, `known` says which there are."""
    for name in [one["field"] for group in criteria.groups for one in group] + [s["field"] for s in criteria.sorts]:
        if not known(name):
            raise Refused(
                400,
                f"SQLSTATE[42S22]: Column not found: 1054 Unknown column 'main_table.{name}' in 'where clause'",
            )
    tests = [[(one["field"], test(one["condition_type"], one["value"])) for one in group] for group in criteria.groups]
    found = [row for row in rows if all(any(holds(columns(row, f)) for f, holds in group) for group in tests)]
    for sort in reversed(criteria.sorts):
        name = sort["field"]
        found.sort(key=lambda row: _order(columns(row, name)), reverse=sort["direction"] == "DESC")
    items: list[Any] | None = [render(row) for row in _page(found, criteria, settings)]
    if not items and settings.items_null_when_empty:
        items = None
    return {"items": items, "search_criteria": criteria.echo(), "total_count": len(found)}


def _page(found: list[Document], criteria: Criteria, settings: Settings) -> list[Document]:
    size = criteria.page_size
    if size is None:
        return found
    page = criteria.page
    last = max(1, -(-len(found) // size))
    if page > last and settings.page_past_end_repeats:
        page = last
    start = (page - 1) * size
    if page > 1:
        start = max(0, start - settings.shifted_rows)
    return found[start : start + size]


def _order(value: Any) -> tuple[int, Any]:
    """The database's order: nothing first, numbers as numbers, text without regard to case."""
    if value is None:
        return (0, 0)
    return (1, value) if isinstance(value, int | float) else (2, _plain(str(value)))


def _plain(text: str) -> str:
    """The database compares without case and trailing blanks. (products and SKUs)"""
    return text.rstrip(" ").casefold()


def _compare(value: Any, given: str) -> int:
    if isinstance(value, bool | int | float):
        try:
            left, right = Decimal(str(int(value) if isinstance(value, bool) else value)), Decimal(given.strip() or "0")
        except InvalidOperation:
            right = Decimal(found[0]) if (found := _NUMBER.match(given)) else Decimal(0)
        return (left > right) - (left < right)
    one, other = _plain(str(value)), _plain(given)
    return (one > other) - (one < other)


def test(condition: str, given: str) -> Callable[[Any], bool]:
    """Whether a column's value meets a condition. As in the database, nothing meets only `null`."""
    if condition == "null":
        return lambda value: value is None
    if condition == "notnull":
        return lambda value: value is not None
    if condition in ("in", "nin"):
        listed = given.split(",")
        plainly = {_plain(one) for one in listed}

        def is_listed(value: Any) -> bool:
            if isinstance(value, str):
                return _plain(value) in plainly
            return any(_compare(value, one) == 0 for one in listed)

        return lambda value: value is not None and is_listed(value) == (condition == "in")
    if condition in ("like", "nlike"):
        parts = (".*" if c == "%" else "." if c == "_" else re.escape(c) for c in given)
        pattern = re.compile("".join(parts), re.IGNORECASE | re.DOTALL)
        return lambda value: value is not None and bool(pattern.fullmatch(str(value))) == (condition == "like")
    if condition in ("finset", "nfinset"):
        wanted = _plain(given)
        return lambda value: (
            value is not None and (wanted in map(_plain, str(value).split(","))) == (condition == "finset")
        )
    signs = {
        "eq": (0,), "neq": (-1, 1), "gt": (1,), "gteq": (0, 1), "lt": (-1,), "lteq": (-1, 0), "moreq": (0, 1),
        "from": (0, 1), "to": (-1, 0),
    }[condition]  # fmt: skip
    plain = _plain(given)

    def compared(value: Any) -> int:
        if not isinstance(value, str):
            return _compare(value, given)
        one = _plain(value)
        return (one > plain) - (one < plain)

    return lambda value: value is not None and compared(value) in signs
