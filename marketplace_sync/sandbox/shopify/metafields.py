"""Metafields and their definitions: the app's own namespaces, unique values of type `id`, compare-and-set."""

from __future__ import annotations

import hashlib
import json
import re
from typing import Any

from marketplace_sync.sandbox.shopify.shop import APP_ID, Shop
from marketplace_sync.sandbox.shopify.things import Thing, TopLevelError, key_of
from marketplace_sync.sandbox.shopify.wiring import Call, Problem, Refused, mutation, refused
from marketplace_sync.sandbox.state import Document

TYPES = {
    "boolean", "color", "date", "date_time", "id", "integer", "json", "multi_line_text_field", "number_decimal",
    "number_integer", "rich_text_field", "single_line_text_field", "url", "money", "weight",
    "list.single_line_text_field", "list.number_integer",
}  # fmt: skip


def namespace(given: str | None) -> str:
    """The full name of a namespace: `$app` and what is below it belong to the calling app (Shopify, ownership)."""
    if not given or given == "$app":
        return f"app--{APP_ID}"
    if given.startswith("$app:"):
        return f"app--{APP_ID}--{given.removeprefix('$app:')}"
    return given


def definition(shop: Shop, owner_type: str, full_namespace: str, key: str) -> Document | None:
    return shop.definitions.get(f"{owner_type}/{full_namespace}/{key}")


def digest(metafield: Document) -> str:
    """What `compareDigest` compares: changes whenever the value does."""
    return hashlib.sha256(json.dumps([metafield["type"], metafield["value"]]).encode()).hexdigest()


def read_metafields(
    shop: Shop, given: list[dict[str, Any]], order: Document | None, owner_type: str, *path: str, first: int = 0
) -> list[Document]:
    """New metafields of one owner, checked but not kept. Raises Refused. `order` is the owner, where it exists;
    `first` is the place of the first one in what was sent."""
    problems: list[Problem] = []
    found: list[Document] = []
    for at, one in enumerate(given, first):
        place = [*path, str(at)]
        full, key = namespace(one.get("namespace")), one.get("key")
        known = definition(shop, owner_type, full, key) if key else None
        kind, value = one.get("type") or (known["type"] if known else None), one.get("value")
        problem = _problem(key, kind, value, known, place)
        if problem is None and kind == "id" and known and _taken(shop, full, str(key), str(value), order):
            problem = Problem(f"Value is already assigned to another metafield: {value}", [*place, "value"], "TAKEN")
        if problem is not None:
            problem.extra["elementIndex"] = at
            problems.append(problem)
        else:
            found.append({"namespace": full, "key": key, "type": kind, "value": value})
    if problems:
        raise Refused(*problems)
    return found


def _problem(key: Any, kind: Any, value: Any, known: Document | None, place: list[str]) -> Problem | None:
    if not key or not re.fullmatch(r"[A-Za-z0-9_-]{2,64}", key):
        return Problem("Key must be 2 to 64 letters, digits, hyphens or underscores", [*place, "key"], "INVALID")
    if not kind:
        return Problem("Type can't be blank", [*place, "type"], "BLANK")
    if kind not in TYPES:
        return Problem(f"Type {kind} is not a metafield type", [*place, "type"], "INVALID_TYPE")
    if known and kind != known["type"]:
        message = f"Type '{kind}' must be consistent with the definition's type: '{known['type']}'"
        return Problem(message, [*place, "type"], "INVALID_TYPE")
    if value is None or value == "":
        return Problem("Value can't be blank", [*place, "value"], "BLANK")
    if kind == "id" and len(value) > 255:
        return Problem("Value is too long (maximum is 255 characters)", [*place, "value"], "TOO_LONG")
    if kind in ("number_integer", "integer") and not re.fullmatch(r"-?\d+", value):
        return Problem("Value must be an integer", [*place, "value"], "INVALID_VALUE")
    if kind == "json":
        try:
            json.loads(value)
        except ValueError:
            return Problem("Value is invalid JSON", [*place, "value"], "INVALID_VALUE")
    return None


def _taken(shop: Shop, full: str, key: str, value: str, order: Document | None) -> bool:
    """Whether another order has this value. `id` metafields are unique by definition, of whatever case setting."""
    if not shop.settings.unique_id_metafields:
        return False
    owner = shop.order_by_metafield.get((full, key, value))
    return owner is not None and (order is None or owner != str(order["id"]))


def put_metafields(shop: Shop, owner: Document, found: list[Document]) -> list[Document]:
    """Write checked metafields into their owner's document; the caller saves it."""
    written: list[Document] = []
    now = shop.now()
    for new in found:
        old = next(
            (m for m in owner["metafields"] if (m["namespace"], m["key"]) == (new["namespace"], new["key"])), None
        )
        if old is None:
            old = {"id": shop.next_id("Metafield"), "createdAt": now}
            owner["metafields"].append(old)
        elif old["type"] == "id":
            shop.forget_metafield(old["namespace"], old["key"], old["value"])
        old.update(new, updatedAt=now)
        written.append(old)
    return written


@mutation("metafieldsSet", "write_orders", "write_products")
def metafields_set(call: Call, arguments: dict[str, Any]) -> dict[str, Any]:
    """At most 25, all or none; `compareDigest` refuses what changed meanwhile (Shopify, metafieldsSet)."""
    shop, given = call.shop, arguments["metafields"]
    if len(given) > 25:
        raise refused("Exceeded the maximum metafields input limit of 25.", "metafields", code="LESS_THAN_OR_EQUAL_TO")
    owners: list[tuple[str, Document]] = []
    checked: list[Document] = []
    for at, one in enumerate(given):
        typename, owner = _owner(shop, one["ownerId"], at)
        order = owner if typename == "Order" else None
        new = read_metafields(shop, [one], order, _OWNER_TYPES[typename], "metafields", first=at)[0]
        _compare(one, owner, new, at)
        owners.append((typename, owner))
        checked.append(new)
    _refuse_repeats(owners, checked)
    written = []
    for (typename, owner), new in zip(owners, checked, strict=True):
        metafield = put_metafields(shop, owner, [new])[0]
        written.append(Thing("Metafield", metafield, owner))
        _save(shop, typename, owner)
    return {"metafields": written}


_OWNER_TYPES = {"Order": "ORDER", "Product": "PRODUCT", "ProductVariant": "PRODUCTVARIANT"}


def _owner(shop: Shop, given: str, at: int) -> tuple[str, Document]:
    for typename, kept in (("Order", shop.orders), ("Product", shop.products), ("ProductVariant", shop.variants)):
        if given.startswith(f"gid://shopify/{typename}/"):
            owner = kept.get(key_of(given, typename))
            if owner is not None:
                return typename, owner
    problem = Problem("Owner does not exist.", ["metafields", str(at), "ownerId"], "INVALID", {"elementIndex": at})
    raise Refused(problem)


def _save(shop: Shop, typename: str, owner: Document) -> None:
    if typename == "Order":
        shop.save_order(owner)
        shop.happened("orders/updated", owner)
    elif typename == "Product":
        owner["updatedAt"] = shop.now()
        shop.products.put(str(owner["id"]), owner)
    else:
        shop.save_variant(owner)


def _compare(given: dict[str, Any], owner: Document, new: Document, at: int) -> None:
    if "compareDigest" not in given:
        return
    old = next((m for m in owner["metafields"] if (m["namespace"], m["key"]) == (new["namespace"], new["key"])), None)
    if given["compareDigest"] != (digest(old) if old else None):
        message = "The resource has been updated since it was loaded. Try again with an updated `compareDigest` value."
        raise Refused(Problem(message, ["metafields", str(at)], "STALE_OBJECT", {"elementIndex": at}))


def _refuse_repeats(owners: list[tuple[str, Document]], checked: list[Document]) -> None:
    """Two owners in one call cannot take the same unique value either."""
    seen: dict[tuple[str, str, str], int] = {}
    for at, ((_, owner), new) in enumerate(zip(owners, checked, strict=True)):
        if (
            new["type"] == "id"
            and seen.setdefault((new["namespace"], new["key"], new["value"]), owner["id"]) != owner["id"]
        ):
            message = f"Value is already assigned to another metafield: {new['value']}"
            raise Refused(Problem(message, ["metafields", str(at), "value"], "TAKEN", {"elementIndex": at}))


@mutation("metafieldDefinitionCreate", "write_orders", "write_products")
def metafield_definition_create(call: Call, arguments: dict[str, Any]) -> dict[str, Any]:
    """An `id` definition makes its values unique by itself (Shopify, custom ids)."""
    shop, given = call.shop, arguments["definition"]
    full, key, kind = namespace(given.get("namespace")), given["key"], given["type"]
    if kind not in TYPES:
        raise refused(f"Type name {kind} is not a valid type.", "definition", "type", code="INCLUSION")
    if not re.fullmatch(r"[A-Za-z0-9_-]{2,64}", key):
        raise refused("Key contains one or more invalid characters.", "definition", "key", code="INVALID_CHARACTER")
    name = f"{given['ownerType']}/{full}/{key}"
    if name in shop.definitions:
        message = "Key is in use for Order metafields on the namespace."
        raise refused(message.replace("Order", given["ownerType"].title()), "definition", "key", code="TAKEN")
    asked = given.get("capabilities") or {}
    unique = (asked.get("uniqueValues") or {}).get("enabled")
    if unique and kind not in ("id", "single_line_text_field", "number_integer", "url"):
        message = f"Unique values are not possible for type {kind}."
        raise refused(message, "definition", "capabilities", code="INVALID_CAPABILITY")
    kept = {
        "id": shop.next_id("MetafieldDefinition"),
        "name": given["name"],
        "namespace": full,
        "key": key,
        "type": kind,
        "ownerType": given["ownerType"],
        "description": given.get("description"),
        "unique": kind == "id" or bool(unique),
        "filterable": kind == "id" or bool((asked.get("adminFilterable") or {}).get("enabled")),
    }
    shop.definitions.put(name, kept)
    return {"createdDefinition": Thing("MetafieldDefinition", kept)}


def order_by_custom_id(shop: Shop, given: dict[str, Any]) -> Document | None:
    """The order with this value of an `id` metafield. Raises TopLevelError where no such definition exists."""
    full, key = namespace(given.get("namespace")), given["key"]
    known = definition(shop, "ORDER", full, key)
    if known is None or known["type"] != "id":
        raise TopLevelError(
            f"Metafield definition of type 'id' is required when using custom ids: {full}.{key}", "NOT_FOUND"
        )
    owner = shop.order_by_metafield.get((full, key, given["value"]))
    return shop.orders.get(owner) if owner else None
