"""One request, understood: its operation, path, query and body, and what answers need from it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

from marketplace_sync.sandbox.klaviyo.answers import Answer, Json, bad_parameter
from marketplace_sync.sandbox.klaviyo.filters import Condition, meets, parse
from marketplace_sync.sandbox.klaviyo.operations import Operation
from marketplace_sync.sandbox.klaviyo.paging import Cursors, Key, Page, page_of

METRICS_PER_PAGE = 200


@dataclass
class Call:
    """A request that passed the gate."""

    operation: Operation
    path: dict[str, str]
    query: dict[str, str]
    body: bytes
    revision: str
    now: float
    """Unix seconds at which it arrived."""
    base: str
    """The account's address, without a slash at its end."""
    here: str
    """The path asked for, from `/api` on."""
    cursors: Cursors

    def check_query(self) -> None:
        """Raises a 400 for a parameter the operation does not take, and for values outside what it allows."""
        operation = self.operation
        for name, value in self.query.items():
            if name.startswith(("fields[", "additional-fields[")):
                continue
            known = {
                "filter": bool(operation.filters),
                "sort": bool(operation.sort),
                "include": bool(operation.include),
                "page[cursor]": operation.paged,
                "page[size]": operation.page_size is not None,
            }
            if not known.get(name):
                raise bad_parameter(f"'{name}' is not a valid query parameter for this endpoint.", name)
            if name == "sort" and value not in operation.sort:
                raise bad_parameter(f"'{value}' is not a valid sort field.", name)
        for one in self.include:
            if one not in operation.include:
                raise bad_parameter(f"'{one}' is not a valid include.", "include")
        for name, value in self.query.items():
            if name.startswith("additional-fields["):
                for one in value.split(","):
                    if one not in operation.additional:
                        raise bad_parameter(f"'{one}' is not a valid additional field.", name)

    @property
    def include(self) -> list[str]:
        return [one for one in self.query.get("include", "").split(",") if one]

    def additional(self, kind: str) -> list[str]:
        return [one for one in self.query.get(f"additional-fields[{kind}]", "").split(",") if one]

    @property
    def conditions(self) -> list[Condition]:
        text = self.query.get("filter", "")
        return parse(text, self.operation.filters) if text.strip() else []

    @property
    def sort(self) -> tuple[str, bool]:
        """(key, descending); the key is empty when none was asked for."""
        text = self.query.get("sort", "")
        return text.lstrip("-"), text.startswith("-")

    @property
    def page_size(self) -> int:
        if self.operation.page_size is None:
            return METRICS_PER_PAGE
        default, largest = self.operation.page_size
        text = self.query.get("page[size]", str(default))
        if not text.isdigit() or not 1 <= int(text) <= largest:
            raise bad_parameter(f"Page size must be between 1 and {largest}.", "page[size]")
        return int(text)

    def page(
        self,
        keys: Sequence[Key],
        accept: Callable[[Key], bool] = lambda key: True,
        *,
        descending: bool | None = None,
        low: int = 0,
        high: int | None = None,
    ) -> Page:
        """The page of the (ascending) keys that this request asks for."""
        question = f"{self.here}?{self.query.get('filter', '')}&{self.query.get('sort', '')}"
        text = self.query.get("page[cursor]", "")
        return page_of(
            keys,
            descending=self.sort[1] if descending is None else descending,
            size=self.page_size,
            cursor=self.cursors.read(question, text) if text else None,
            accept=accept,
            write=lambda key, backwards: self.cursors.write(question, key, backwards),
            low=low,
            high=high,
        )

    def url(self, **changes: str | None) -> str:
        """This request's own address; `cursor` replaces the cursor in it."""
        query = dict(self.query)
        if changes.get("cursor"):
            query["page[cursor]"] = str(changes["cursor"])
        text = "&".join(f"{quote(name, safe='')}={quote(value, safe='')}" for name, value in query.items())
        return f"{self.base}{self.here}" + (f"?{text}" if text else "")

    def one(self, resource: Json, included: Iterable[Json] | None = None, status: int = 200) -> Answer:
        """An answer with a single resource."""
        document: Json = {"data": self.shown(resource), "links": {"self": self.url()}}
        if included is not None and self.include:
            document["included"] = [self.shown(one) for one in included]
        return Answer(status, document)

    def many(self, resources: Iterable[Json], page: Page | None = None, included: Iterable[Json] = ()) -> Answer:
        """An answer with a collection."""
        links = {
            "self": self.url(),
            "next": self.url(cursor=page.next) if page and page.next else None,
            "prev": self.url(cursor=page.prev) if page and page.prev else None,
        }
        document: Json = {"data": [self.shown(one) for one in resources], "links": links}
        if self.include:
            document["included"] = [self.shown(one) for one in included]
        return Answer(200, document)

    def shown(self, resource: Json) -> Json:
        """The resource with only the attributes that `fields[<type>]` asks for."""
        text = self.query.get(f"fields[{resource['type']}]")
        if text is None or "attributes" not in resource:
            return resource
        return {**resource, "attributes": _picked(resource["attributes"], text.split(","))}

    def listing(
        self,
        documents: Iterable[Json],
        *,
        fields: Mapping[str, Callable[[Json], Any]],
        keys: Mapping[str, Callable[[Json], Any]],
        render: Callable[[Json], Json],
        included: Callable[[list[Json]], Iterable[Json]] = lambda found: (),
        identify: Callable[[Json], str] = lambda document: str(document["id"]),
    ) -> Answer:
        """A filtered, sorted page of documents that are few enough to be sorted on the spot.

        `fields` says what a filter sees, `keys` what a sort key sorts by (the empty key is the default order).
        """
        conditions = self.conditions
        found = {
            identify(document): document
            for document in documents
            if all(meets(condition, fields[condition.field](document)) for condition in conditions)
        }
        by = keys[self.sort[0]]
        page = self.page(sorted((by(document), key) for key, document in found.items()))
        chosen = [found[key[1]] for key in page.keys]
        return self.many([render(document) for document in chosen], page, included(chosen))


def _picked(attributes: Json, names: Iterable[str]) -> Json:
    found: Json = {}
    for name in names:
        outer, _, inner = name.partition(".")
        if outer not in attributes:
            continue
        value = attributes[outer]
        if inner and isinstance(value, dict):
            found[outer] = {**found.get(outer, {}), **({inner: value[inner]} if inner in value else {})}
        else:
            found[outer] = value
    return found


def references(kind: str, keys: Iterable[str]) -> list[Json]:
    """Resource identifiers, as relationship endpoints answer with."""
    return [{"type": kind, "id": key} for key in keys]
