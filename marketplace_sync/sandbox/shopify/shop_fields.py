"""Resolvers of the shop itself, the calling app, API versions and metafields."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any
from zoneinfo import ZoneInfo

from marketplace_sync.sandbox.shopify.metafields import digest
from marketplace_sync.sandbox.shopify.order_fields import Info, shop_of
from marketplace_sync.sandbox.shopify.settings import Settings
from marketplace_sync.sandbox.shopify.shop import APP_ID
from marketplace_sync.sandbox.shopify.things import Thing
from marketplace_sync.sandbox.shopify.wiring import Call, resolves, root
from marketplace_sync.sandbox.state import Document

SHOP_ID = 55200000001


def offset_of(settings: Settings, moment: datetime) -> str:
    """The shop's distance from UTC at a moment, e.g. "+01:00"."""
    return moment.astimezone(ZoneInfo(settings.timezone)).isoformat()[-6:]


@root("shop")
def shop(call: Call, arguments: dict[str, Any]) -> Thing:
    settings, clock = call.shop.settings, call.shop.clock
    offset = offset_of(settings, clock.now())
    sign = -1 if offset.startswith("-") else 1
    started = str(next(iter(call.shop.locations.values()))["createdAt"])
    return Thing(
        "Shop",
        {
            "id": SHOP_ID,
            "name": settings.shop_name,
            "contactEmail": f"hello@{settings.domain}",
            "email": f"owner@{settings.domain}",
            "myshopifyDomain": settings.domain,
            "url": f"https://{settings.domain}",
            "createdAt": started,
            "updatedAt": started,
            "currencyCode": settings.currency,
            "enabledPresentmentCurrencies": [settings.currency],
            "ianaTimezone": settings.timezone,
            "timezoneAbbreviation": clock.now().astimezone(ZoneInfo(settings.timezone)).tzname(),
            "timezoneOffset": offset.replace(":", ""),
            "timezoneOffsetMinutes": sign * (int(offset[1:3]) * 60 + int(offset[4:6])),
            "taxesIncluded": True,
            "taxShipping": True,
            "weightUnit": "KILOGRAMS",
            "plan": {
                "partnerDevelopment": settings.orders_per_minute is not None,
                "publicDisplayName": "Development" if settings.orders_per_minute is not None else "Basic",
                "shopifyPlus": False,
            },
        },
    )


@root("currentAppInstallation")
def current_app_installation(call: Call, arguments: dict[str, Any]) -> Thing:
    return Thing("AppInstallation", {"id": 661000000001, "scopes": sorted(call.scopes)})


@resolves("AppInstallation", "accessScopes")
def access_scopes(thing: Thing, info: Info) -> list[dict[str, Any]]:
    return [{"handle": scope, "description": scope.replace("_", " ").capitalize()} for scope in thing.doc["scopes"]]


@resolves("AppInstallation", "app")
def installed_app(thing: Thing, info: Info) -> Thing:
    key = shop_of(info).settings.client_id
    return Thing("App", {"id": APP_ID, "title": "Sandbox connector", "handle": "sandbox-connector", "apiKey": key})


def api_version(settings: Settings, handle: str) -> dict[str, Any]:
    supported = handle in settings.versions and handle not in settings.unsupported_versions
    name = handle if supported else f"{handle} (Release candidate)" if handle != "unstable" else handle
    return {"handle": handle, "displayName": name, "supported": supported}


@root("publicApiVersions")
def public_api_versions(call: Call, arguments: dict[str, Any]) -> list[dict[str, Any]]:
    return [api_version(call.shop.settings, handle) for handle in call.shop.settings.versions]


# --- metafields


@resolves("Metafield", "compareDigest", "definition", "jsonValue", "owner", "ownerType", "sizeInBytes")
def metafield_derived(thing: Thing, info: Info) -> Any:
    metafield, name = thing.doc, info.field_name
    typename, owner_type = _owner(info, thing.of_order())
    if name == "compareDigest":
        return digest(metafield)
    if name == "ownerType":
        return owner_type
    if name == "owner":
        return Thing(typename, thing.of_order())
    if name == "sizeInBytes":
        return len(metafield["value"].encode())
    if name == "definition":
        found = shop_of(info).definitions.get(f"{owner_type}/{metafield['namespace']}/{metafield['key']}")
        return Thing("MetafieldDefinition", found) if found else None
    kind = metafield["type"]
    if kind in ("json", "number_integer", "integer", "boolean") or kind.startswith("list."):
        return json.loads(metafield["value"])
    return metafield["value"]


def _owner(info: Info, owner: Document) -> tuple[str, str]:
    """Numbers of different kinds never meet, so the number tells whose document it is."""
    key, shop = str(owner["id"]), shop_of(info)
    if key in shop.orders:
        return "Order", "ORDER"
    return ("Product", "PRODUCT") if key in shop.products else ("ProductVariant", "PRODUCTVARIANT")


@resolves("MetafieldDefinition", "type", "capabilities", "metafieldsCount", "validationStatus")
def definition_derived(thing: Thing, info: Info) -> Any:
    kept = thing.doc
    if info.field_name == "type":
        category = {"id": "ID", "json": "JSON", "boolean": "TRUE_FALSE", "number_integer": "NUMBER", "url": "URL"}
        return {"name": kept["type"], "category": category.get(kept["type"], "TEXT")}
    if info.field_name == "capabilities":
        return {
            "adminFilterable": {"eligible": True, "enabled": kept["filterable"]},
            "uniqueValues": {"eligible": kept["type"] in ("id", "url", "number_integer"), "enabled": kept["unique"]},
        }
    if info.field_name == "validationStatus":
        return "ALL_VALID"
    owners = shop_of(info).orders if kept["ownerType"] == "ORDER" else shop_of(info).products
    return sum(
        (one["namespace"], one["key"]) == (kept["namespace"], kept["key"])
        for owner in owners.values()
        for one in owner["metafields"]
    )


def local(settings: Settings, text: str | None) -> str | None:
    """A time as webhook bodies write it: in the shop's time zone, with its offset (Shopify, webhooks)."""
    if text is None:
        return None
    moment = datetime.fromisoformat(text).astimezone(UTC)
    return moment.astimezone(ZoneInfo(settings.timezone)).isoformat(timespec="seconds")
