"""The catalogue endpoints for single entries, alike for items, variants and categories."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, cast

import msgspec

from marketplace_sync.sandbox.klaviyo import catalog_shapes as shapes
from marketplace_sync.sandbox.klaviyo.answers import Answer, Fault, Json, Refusal, invalid, not_found
from marketplace_sync.sandbox.klaviyo.call import Call, references
from marketplace_sync.sandbox.klaviyo.catalog import (
    CATEGORY,
    ITEM,
    VARIANT,
    Kind,
    RowProblem,
    as_resource,
    categories_of,
)
from marketplace_sync.sandbox.klaviyo.profile_shapes import Attributes, as_row, has_identifier
from marketplace_sync.sandbox.klaviyo.reading import read

if TYPE_CHECKING:
    from marketplace_sync.sandbox.klaviyo.account import Account

STATUS = {"conflict": 409, "not_found": 404}

CREATED: dict[str, Any] = {"item": shapes.NewItem, "variant": shapes.NewVariant, "category": shapes.NewCategory}
CHANGED: dict[str, Any] = {
    "item": shapes.ChangedItem,
    "variant": shapes.ChangedVariant,
    "category": shapes.ChangedCategory,
}


def envelope(shape: Any) -> Any:
    """`{data: <shape>}`, with nothing beside it."""
    return msgspec.defstruct("Envelope", [("data", shape)], forbid_unknown_fields=True)


class CatalogRoutes:
    """The endpoints of one kind. Their names are those of the operation table."""

    def __init__(self, account: Account, kind: Kind) -> None:
        self.account = account
        self.kind = kind
        self._new = envelope(CREATED[kind.name])
        self._changed = envelope(CHANGED[kind.name])

    def listed(self, call: Call) -> Answer:
        return self.page(call, list(self.account.catalog.values(self.kind)))

    def page(self, call: Call, documents: list[Json], *, kind: Kind | None = None, whole: bool = True) -> Answer:
        """A page of entries of this kind (or another one), as resources or as mere references."""
        shown = kind or self.kind
        book = self.account.catalog

        def render(one: Json) -> Json:
            return self.shown(call, one, shown) if whole else {"type": shown.type, "id": one["id"]}

        return call.listing(
            documents,
            fields={
                "ids": lambda one: one["id"],
                "category.id": lambda one: one["categories"],
                "item.id": lambda one: (
                    one["item"] if shown is VARIANT else [item["id"] for item in book.items_of(one["id"])]
                ),
                "sku": lambda one: one["sku"],
                "title": lambda one: one["title"],
                "name": lambda one: one["name"],
                "published": lambda one: one["published"],
            },
            keys={"": lambda one: one["created"], "created": lambda one: one["created"]},
            render=render,
            included=lambda found: self._included(call, found),
        )

    def one(self, call: Call) -> Answer:
        document = self._document(call)
        return call.one(self.shown(call, document), self._included(call, [document]))

    def create(self, call: Call) -> Answer:
        row = row_of(read(self._new, call.body).data, "/data")
        document = self._done(lambda: self.account.catalog.create(self.kind, row["attributes"], row["related"]))
        return call.one(self.shown(call, document), status=201)

    def update(self, call: Call) -> Answer:
        document = self._document(call)
        row = row_of(read(self._changed, call.body).data, "/data")
        if row["id"] != document["id"]:
            raise invalid("The id of the body is not the one of the path.", "/data/id")
        changed = self._done(
            lambda: self.account.catalog.update(self.kind, row["id"], row["attributes"], row["related"])
        )
        return call.one(self.shown(call, changed))

    def delete(self, call: Call) -> Answer:
        self.account.catalog.delete(self.kind, self._document(call)["id"])
        return Answer(204)

    def shown(self, call: Call, document: Json, kind: Kind | None = None) -> Json:
        resource = as_resource(kind or self.kind, document, call.base)
        if "variants" in call.include:
            keys = [one["id"] for one in self.account.catalog.variants_of(document["id"])]
            resource["relationships"]["variants"]["data"] = references("catalog-variant", keys)
        return resource

    def _included(self, call: Call, found: list[Json]) -> list[Json]:
        if "variants" not in call.include:
            return []
        variants = [one for document in found for one in self.account.catalog.variants_of(document["id"])]
        return [as_resource(VARIANT, one, call.base) for one in variants]

    def _document(self, call: Call) -> Json:
        found = self.account.catalog.get(self.kind, call.path["id"])
        if found is None:
            raise not_found(self.kind.type, call.path["id"])
        return found

    @staticmethod
    def _done(work: Callable[[], Json]) -> Json:
        try:
            return work()
        except RowProblem as problem:
            title = "Conflict." if problem.code == "conflict" else "Not found."
            fault = Fault(problem.detail, f"/data{problem.pointer}", code=problem.code, title=title)
            raise Refusal(STATUS[problem.code], [fault]) from None


def row_of(given: Any, pointer: str) -> Json:
    """`{"id", "attributes", "related"}`: what is stored of a row, attributes that were given only."""
    found: Json = {"id": getattr(given, "id", None), "attributes": {}, "related": {}}
    attributes = getattr(given, "attributes", None)
    if attributes is not None:
        plain: Json = msgspec.to_builtins(attributes)
        # A struct fills in None for what was left out, and null means the same: nothing to change.
        found["attributes"] = {name: value for name, value in plain.items() if value is not None}
        shapes.check_metadata(plain, f"{pointer}/attributes")
    relations = getattr(given, "relationships", None)
    for name in ("categories", "items"):
        many = getattr(relations, name, None)
        if many is not None:
            found["related"][name] = [one.id for one in many.data]
    if (item := getattr(relations, "item", None)) is not None:
        found["related"]["item"] = item.data.id
    return found


class ItemRoutes(CatalogRoutes):
    def __init__(self, account: Account) -> None:
        super().__init__(account, ITEM)

    def variants_of(self, call: Call) -> Answer:
        return self.page(call, self.account.catalog.variants_of(self._document(call)["id"]), kind=VARIANT)

    def variant_ids_of(self, call: Call) -> Answer:
        documents = self.account.catalog.variants_of(self._document(call)["id"])
        return self.page(call, documents, kind=VARIANT, whole=False)

    def categories_of(self, call: Call) -> Answer:
        return self.page(call, self._categories(call), kind=CATEGORY)

    def category_ids_of(self, call: Call) -> Answer:
        return self.page(call, self._categories(call), kind=CATEGORY, whole=False)

    def _categories(self, call: Call) -> list[Json]:
        return categories_of(self._document(call), self.account.catalog.values(CATEGORY))

    def join_categories(self, call: Call) -> Answer:
        return self._relate(call, lambda kept, named: [*kept, *(one for one in named if one not in kept)])

    def set_categories(self, call: Call) -> Answer:
        return self._relate(call, lambda kept, named: named)

    def part_categories(self, call: Call) -> Answer:
        return self._relate(call, lambda kept, named: [one for one in kept if one not in named])

    def _relate(self, call: Call, combine: Callable[[list[str], list[str]], list[str]]) -> Answer:
        document = self._document(call)
        named = [one.id for one in read(shapes.CategoryReferences, call.body).data]
        wanted = {"categories": combine(document["categories"], named)}
        self._done(lambda: self.account.catalog.update(ITEM, document["id"], {}, wanted))
        return Answer(204)


class CategoryRoutes(CatalogRoutes):
    def __init__(self, account: Account) -> None:
        super().__init__(account, CATEGORY)

    def items_of(self, call: Call) -> Answer:
        return self.page(call, self.account.catalog.items_of(self._document(call)["id"]), kind=ITEM)

    def item_ids_of(self, call: Call) -> Answer:
        documents = self.account.catalog.items_of(self._document(call)["id"])
        return self.page(call, documents, kind=ITEM, whole=False)

    def join_items(self, call: Call) -> Answer:
        self.account.catalog.relate(self._document(call)["id"], items=self._items(call))
        return Answer(204)

    def set_items(self, call: Call) -> Answer:
        self.account.catalog.relate(self._document(call)["id"], items=self._items(call), whole=True)
        return Answer(204)

    def part_items(self, call: Call) -> Answer:
        self.account.catalog.relate(self._document(call)["id"], items=self._items(call), remove=True)
        return Answer(204)

    def _items(self, call: Call) -> set[str]:
        named = [one.id for one in read(shapes.ItemReferences, call.body).data]
        for place, key in enumerate(named):
            if self.account.catalog.get(ITEM, key) is None:
                raise invalid(f"A catalog-item with id {key} does not exist.", f"/data/{place}/id")
        return set(named)


class VariantRoutes(CatalogRoutes):
    def __init__(self, account: Account) -> None:
        super().__init__(account, VARIANT)


class StockRoutes:
    """Who wants to hear when a variant is back."""

    def __init__(self, account: Account) -> None:
        self.account = account

    def wait_for_stock(self, call: Call) -> Answer:
        data = read(shapes.BackInStock, call.body).data
        key = data.relationships.variant.data.id
        if self.account.catalog.get(VARIANT, key) is None:
            raise invalid(f"A catalog-variant with id {key} does not exist.", "/data/relationships/variant/data/id")
        relation_to = data.attributes.profile
        at = "/data/attributes/profile/data/attributes"
        if relation_to is None:
            raise invalid("A profile is required.", "/data/attributes/profile")
        given: Json = msgspec.to_builtins(relation_to.data.attributes)
        named = Attributes(**{name: value for name, value in given.items() if value is not None})
        row = as_row(named, at, id=relation_to.data.id, ineligible=self.account.choices.ineligible_phones)
        if not has_identifier(row):
            raise invalid("One of the profile identifiers is required.", at)
        if row["id"] and self.account.profiles.get(row["id"]) is None:
            raise invalid(f"A profile with id {row['id']} does not exist.", "/data/attributes/profile/data/id")
        if not data.attributes.channels:
            raise invalid("At least one channel is required.", "/data/attributes/channels")
        content = {"row": row, "variant": key, "channels": cast(list[str], data.attributes.channels)}
        self.account.pipeline.later("wait-for-stock", content, self.account.choices.visibility_delay)
        return Answer(202)
