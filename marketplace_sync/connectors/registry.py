"""Which platforms exist. A new one is its own folder and one line here."""

from __future__ import annotations

import importlib
from types import ModuleType

PLATFORMS: dict[str, str] = {
    "john_lewis": "marketplace_sync.connectors.john_lewis",
    "klaviyo": "marketplace_sync.connectors.klaviyo",
    "shopify": "marketplace_sync.connectors.shopify",
}
"""Platform name -> package. The package exposes `ROLE` ("marketplace", "store" or "marketing"), `SETTINGS` (a
ConnectionSettings class) and `connect(name, settings, wire) -> connector`; it is imported only when it is used."""


def package(platform: str) -> ModuleType:
    """The vendor's package. Raises KeyError for an unknown platform."""
    return importlib.import_module(PLATFORMS[platform])
