"""What catalogue items, variants and categories look like in requests."""

from __future__ import annotations

from typing import Any, Literal

import msgspec

from marketplace_sync.sandbox.klaviyo.answers import Json, invalid
from marketplace_sync.sandbox.klaviyo.operations import PROFILE_BODY as METADATA_LIMIT
from marketplace_sync.sandbox.klaviyo.reading import Body

Number = int | float
Integration = Literal["$custom"] | None
Catalogue = Literal["$default"] | None


class ItemReference(Body):
    type: Literal["catalog-item"]
    id: str


class ItemReferences(Body):
    data: list[ItemReference]


class VariantReference(Body):
    type: Literal["catalog-variant"]
    id: str


class VariantReferences(Body):
    data: list[VariantReference]


class CategoryReference(Body):
    type: Literal["catalog-category"]
    id: str


class CategoryReferences(Body):
    data: list[CategoryReference]


class ItemRelations(Body):
    categories: CategoryReferences | None = None


class CategoryRelations(Body):
    items: ItemReferences | None = None


class ItemRelation(Body):
    data: ItemReference


class VariantRelations(Body):
    item: ItemRelation


class ItemAttributes(Body):
    external_id: str
    title: str
    description: str
    url: str
    integration_type: Integration = None
    catalog_type: Catalogue = None
    price: Number | None = None
    image_full_url: str | None = None
    image_thumbnail_url: str | None = None
    images: list[str] | None = None
    custom_metadata: dict[str, Any] | None = None
    published: bool | None = None


class ItemChanges(Body):
    title: str | None = None
    description: str | None = None
    url: str | None = None
    price: Number | None = None
    image_full_url: str | None = None
    image_thumbnail_url: str | None = None
    images: list[str] | None = None
    custom_metadata: dict[str, Any] | None = None
    published: bool | None = None


class VariantAttributes(Body):
    external_id: str
    title: str
    description: str
    sku: str
    inventory_quantity: Number
    price: Number
    url: str
    integration_type: Integration = None
    catalog_type: Catalogue = None
    inventory_policy: Literal[0, 1, 2] | None = None
    image_full_url: str | None = None
    image_thumbnail_url: str | None = None
    images: list[str] | None = None
    custom_metadata: dict[str, Any] | None = None
    published: bool | None = None


class VariantChanges(Body):
    title: str | None = None
    description: str | None = None
    sku: str | None = None
    inventory_quantity: Number | None = None
    inventory_policy: Literal[0, 1, 2] | None = None
    price: Number | None = None
    url: str | None = None
    image_full_url: str | None = None
    image_thumbnail_url: str | None = None
    images: list[str] | None = None
    custom_metadata: dict[str, Any] | None = None
    published: bool | None = None


class CategoryAttributes(Body):
    external_id: str
    name: str
    integration_type: Integration = None
    catalog_type: Catalogue = None


class CategoryChanges(Body):
    name: str | None = None


class NewItem(Body):
    type: Literal["catalog-item"]
    attributes: ItemAttributes
    relationships: ItemRelations | None = None


class ChangedItem(Body):
    type: Literal["catalog-item"]
    id: str
    attributes: ItemChanges
    relationships: ItemRelations | None = None


class NewVariant(Body):
    type: Literal["catalog-variant"]
    attributes: VariantAttributes
    relationships: VariantRelations


class ChangedVariant(Body):
    """The parent of a variant cannot be changed."""

    type: Literal["catalog-variant"]
    id: str
    attributes: VariantChanges


class NewCategory(Body):
    type: Literal["catalog-category"]
    attributes: CategoryAttributes
    relationships: CategoryRelations | None = None


class ChangedCategory(Body):
    type: Literal["catalog-category"]
    id: str
    attributes: CategoryChanges
    relationships: CategoryRelations | None = None


New = NewItem | NewVariant | NewCategory
Changed = ChangedItem | ChangedVariant | ChangedCategory


class BisAttributesProfileAttributes(Body):
    email: str | None = None
    phone_number: str | None = None
    external_id: str | None = None


class BisProfile(Body):
    type: Literal["profile"]
    attributes: BisAttributesProfileAttributes
    id: str | None = None


class BisProfileRelation(Body):
    data: BisProfile


class BisAttributes(Body):
    channels: list[Literal["EMAIL", "PUSH", "SMS", "WHATSAPP"]]
    profile: BisProfileRelation | None = None


class VariantRelation(Body):
    data: VariantReference


class BisRelations(Body):
    variant: VariantRelation


class BisResource(Body):
    type: Literal["back-in-stock-subscription"]
    attributes: BisAttributes
    relationships: BisRelations


class BackInStock(Body):
    data: BisResource


def check_metadata(attributes: Json, pointer: str) -> None:
    """`custom_metadata` is flat and at most 100 KB. Raises a 400."""
    metadata = attributes.get("custom_metadata") or {}
    if any(isinstance(value, dict) for value in metadata.values()):
        raise invalid("custom_metadata must be flat.", f"{pointer}/custom_metadata")
    if len(msgspec.json.encode(metadata)) > METADATA_LIMIT:
        raise invalid("custom_metadata must not be larger than 100 KB.", f"{pointer}/custom_metadata")
