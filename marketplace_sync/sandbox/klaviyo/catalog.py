"""The custom catalogue: items, their variants, categories, and who waits for stock."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

from marketplace_sync.sandbox.clock import Clock
from marketplace_sync.sandbox.klaviyo.answers import Json, moment
from marketplace_sync.sandbox.klaviyo.profile_views import relation
from marketplace_sync.sandbox.state import State

PREFIX = "$custom:::$default:::"
"""The only integration and catalogue that the API manages."""


@dataclass(frozen=True)
class Kind:
    """One of the three kinds of things in a catalogue."""

    name: str
    """item, variant, category"""
    plural: str
    attributes: tuple[str, ...]

    @property
    def type(self) -> str:
        return f"catalog-{self.name}"


_SHARED = ("price", "url", "image_full_url", "image_thumbnail_url", "images", "custom_metadata", "published")
ITEM = Kind("item", "items", ("title", "description", *_SHARED))
VARIANT = Kind(
    "variant", "variants", ("title", "description", "sku", "inventory_policy", "inventory_quantity", *_SHARED)
)
CATEGORY = Kind("category", "categories", ("name",))
_DEFAULTS: Json = {"published": True, "inventory_policy": 0, "images": [], "custom_metadata": {}}


class RowProblem(Exception):
    """Why one row, or one single request, cannot be done. `code` tells a conflict from something missing."""

    def __init__(self, detail: str, pointer: str, code: str) -> None:
        super().__init__(detail)
        self.detail = detail
        self.pointer = pointer
        self.code = code


class CatalogBook:
    """Everything in the catalogue, by compound id."""

    def __init__(self, state: State, clock: Clock) -> None:
        self._documents = {kind.name: state.collection(f"catalog_{kind.plural}") for kind in (ITEM, VARIANT, CATEGORY)}
        self._waiting = state.collection("back_in_stock_subscriptions")
        self._state = state
        self._clock = clock
        self.on_restock: Callable[[Json, Json], None] = lambda variant, waiting: None
        """Told of everybody who waited for a variant that has stock again."""
        self.reload()

    def reload(self) -> None:
        """Rebuild the indexes from what is kept."""
        self._variants: dict[str, dict[str, None]] = {}
        self._items: dict[str, dict[str, None]] = {}
        for variant in self.values(VARIANT):
            self._variants.setdefault(variant["item"], {})[variant["id"]] = None
        for item in self.values(ITEM):
            for category in item["categories"]:
                self._items.setdefault(category, {})[item["id"]] = None

    def get(self, kind: Kind, key: str) -> Json | None:
        return self._documents[kind.name].get(key)

    def values(self, kind: Kind) -> Iterator[Json]:
        return self._documents[kind.name].values()

    def variants_of(self, item: str) -> list[Json]:
        return [self._documents["variant"][key] for key in self._variants.get(item, {})]

    def items_of(self, category: str) -> list[Json]:
        return [self._documents["item"][key] for key in self._items.get(category, {})]

    def create(self, kind: Kind, attributes: Json, related: Json) -> Json:
        """Raises RowProblem when the id is taken or something it refers to is missing: creating is no upsert."""
        key = PREFIX + attributes["external_id"]
        if key in self._documents[kind.name]:
            raise RowProblem(f"A {kind.type} with id {key} already exists.", "/attributes/external_id", "conflict")
        self._check(related)
        now = self._clock.timestamp()
        document: Json = {"id": key, "external_id": attributes["external_id"], "created": now, "updated": now}
        for name in kind.attributes:
            given = attributes.get(name)
            document[name] = _DEFAULTS.get(name) if given is None else given
        if kind is ITEM:
            document["categories"] = []
            self._classify(document, related.get("categories") or [])
        if kind is VARIANT:
            document["item"] = related["item"]
            self._variants.setdefault(document["item"], {})[key] = None
        self._put(kind, document)
        if kind is CATEGORY:
            self.relate(key, items=set(related.get("items") or []))
        return document

    def update(self, kind: Kind, key: str, attributes: Json, related: Json) -> Json:
        """Absent members stay. Raises RowProblem when it does not exist."""
        document = self.get(kind, key)
        if document is None:
            raise RowProblem(f"A {kind.type} with id {key} does not exist.", "/id", "not_found")
        self._check(related)
        before = document.get("inventory_quantity")
        for name in kind.attributes:
            if name in attributes:
                document[name] = attributes[name]
        if kind is ITEM and related.get("categories") is not None:
            self._classify(document, related["categories"])
        document["updated"] = self._clock.timestamp()
        self._put(kind, document)
        if kind is CATEGORY and related.get("items") is not None:
            self.relate(key, items=set(related["items"]), whole=True)
        if kind is VARIANT:
            self._restock(document, before)
        return document

    def delete(self, kind: Kind, key: str) -> None:
        """An item takes its variants with it. Raises RowProblem when it does not exist."""
        document = self.get(kind, key)
        if document is None:
            raise RowProblem(f"A {kind.type} with id {key} does not exist.", "/id", "not_found")
        if kind is ITEM:
            for variant in self.variants_of(key):
                self.delete(VARIANT, variant["id"])
            self._classify(document, [])
        elif kind is VARIANT:
            self._variants[document["item"]].pop(key)
        else:
            self.relate(key, items=set(), whole=True)
        self._documents[kind.name].delete(key)

    def relate(self, category: str, *, items: set[str], whole: bool = False, remove: bool = False) -> None:
        """Put items into a category, take them out, or (`whole`) make these the only ones."""
        inside = {one["id"] for one in self.items_of(category)}
        joining = set() if remove else items - inside
        leaving = items & inside if remove else inside - items if whole else set()
        for key in sorted(joining | leaving):
            item = self._documents["item"][key]
            kept = [one for one in item["categories"] if one != category]
            self._classify(item, [*kept, category] if key in joining else kept)
            self._put(ITEM, item)

    def _classify(self, item: Json, categories: list[str]) -> None:
        for category in item["categories"]:
            self._items[category].pop(item["id"])
        item["categories"] = list(dict.fromkeys(categories))
        for category in item["categories"]:
            self._items.setdefault(category, {})[item["id"]] = None

    def wait(self, variant: str, profile: str, channels: list[str]) -> None:
        """The profile wants to hear when the variant has stock again."""
        key = f"{variant}:{profile}"
        waiting: Json = {"id": key, "variant": variant, "profile": profile, "channels": channels}
        self._waiting.put(key, {**waiting, "since": self._clock.timestamp()})

    def move(self, source: str, destination: str) -> None:
        """After a merge the survivor waits for what the source waited for."""
        for waiting in [one for one in self._waiting.values() if one["profile"] == source]:
            self._waiting.delete(waiting["id"])
            self.wait(waiting["variant"], destination, waiting["channels"])

    def _restock(self, variant: Json, before: float | None) -> None:
        """Stock that rises from nothing is told to everybody who waits, once, whatever the reason it was zero."""
        if before is None or before > 0 or (variant["inventory_quantity"] or 0) <= 0:
            return
        for waiting in [one for one in self._waiting.values() if one["variant"] == variant["id"]]:
            self._waiting.delete(waiting["id"])
            self.on_restock(variant, waiting)

    def _check(self, related: Json) -> None:
        for name, kind in (("categories", CATEGORY), ("items", ITEM)):
            for place, key in enumerate(related.get(name) or []):
                if self.get(kind, key) is None:
                    pointer = f"/relationships/{name}/data/{place}/id"
                    raise RowProblem(f"A {kind.type} with id {key} does not exist.", pointer, "not_found")
        if "item" in related and self.get(ITEM, related["item"]) is None:
            detail = f"A catalog-item with id {related['item']} does not exist."
            raise RowProblem(detail, "/relationships/item/data/id", "not_found")

    def _put(self, kind: Kind, document: Json) -> None:
        self._documents[kind.name].put(document["id"], document)


def as_resource(kind: Kind, document: Json, base: str) -> Json:
    """A catalogue entry as GET shows it."""
    here = f"{base}/api/catalog-{kind.plural}/{document['id']}"
    attributes: Json = {"external_id": document["external_id"]}
    attributes |= {name: document[name] for name in kind.attributes}
    attributes["updated"] = moment(document["updated"])
    relationships: Json
    if kind is CATEGORY:
        relationships = {"items": relation(here, "items")}
    else:
        attributes["created"] = moment(document["created"])
        relationships = {"variants": relation(here, "variants")} if kind is ITEM else {"item": relation(here, "item")}
    if kind is VARIANT:
        relationships["item"]["data"] = {"type": "catalog-item", "id": document["item"]}
    return {
        "type": kind.type,
        "id": document["id"],
        "attributes": attributes,
        "relationships": relationships,
        "links": {"self": f"{here}/"},
    }


def categories_of(item: Json, every: Iterable[Json]) -> list[Json]:
    return [one for one in every if one["id"] in item["categories"]]
