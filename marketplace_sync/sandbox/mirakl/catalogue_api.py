"""What describes products, offers and custom fields: categories, attributes, value lists, conditions, zones."""

from __future__ import annotations

from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from marketplace_sync.sandbox.catalogue import products
from marketplace_sync.sandbox.mirakl.gate import Gate, answer
from marketplace_sync.sandbox.mirakl.product_api import ATTRIBUTES

CUSTOM_FIELDS = {"gift-note": ("Gift note", "ORDER", True), "dock": ("Loading dock", "ORDER", False)}
"""Code to label, entity, and whether the seller may write it."""
_ROLES = {"title": "TITLE", "ean": "EAN", "brand": "BRAND", "category": "CATEGORY", "shop_sku": "UNIQUE_IDENTIFIER"}


class CatalogueApi:
    """Handlers of AF01, H11, OF61, PM11, SH11, SH31 and VL11. (Mirakl, catalogue)"""

    def __init__(self) -> None:
        self._categories = sorted({product.category for product in products()})
        self._brands = sorted({product.brand for product in products()})

    def open_in(self, gate: Gate) -> None:
        gate.open("AF01", "GET", "/api/additional_fields", self._fields)
        gate.open("H11", "GET", "/api/hierarchies", self._hierarchies)
        gate.open("OF61", "GET", "/api/offers/states", self._conditions)
        gate.open("PM11", "GET", "/api/products/attributes", self._attributes)
        gate.open("SH11", "GET", "/api/shipping/zones", self._zones)
        gate.open("SH31", "GET", "/api/shipping/logistic_classes", self._classes)
        gate.open("VL11", "GET", "/api/values_lists", self._values)

    async def _fields(self, request: Request) -> Response:
        entities = [each for each in request.query_params.get("entities", "").split(",") if each]
        rows = [
            {
                "code": code,
                "label": label,
                "entity": entity,
                "type": "STRING",
                "required": False,
                "editable": editable,
                "accepted_values": [],
            }
            for code, (label, entity, editable) in CUSTOM_FIELDS.items()
            if not entities or entity in entities
        ]
        return answer({"additional_fields": rows, "total_count": len(rows)})

    async def _hierarchies(self, request: Request) -> Response:
        rows = [
            {"code": _code(label), "label": label, "level": 1, "parent_code": "", "label_translations": []}
            for label in self._categories
        ]
        return answer({"hierarchies": rows})

    async def _attributes(self, request: Request) -> Response:
        rows = [self._attribute(code) for code in ATTRIBUTES]
        return answer({"attributes": rows})

    @staticmethod
    def _attribute(code: str) -> dict[str, Any]:
        return {
            "code": code,
            "label": code.replace("_", " ").capitalize(),
            "hierarchy_code": "",
            "type": "LIST" if code == "brand" else "TEXT",
            "type_parameter": "brands" if code == "brand" else None,
            "type_parameters": [{"name": "LIST_CODE", "value": "brands"}] if code == "brand" else [],
            "required": True,
            "requirement_level": "REQUIRED",
            "roles": [{"type": _ROLES[code], "parameters": []}],
            "variant": False,
            "description_translations": [],
            "label_translations": [],
        }

    async def _values(self, request: Request) -> Response:
        if request.query_params.get("code", "brands") != "brands":
            return answer({"values_lists": []})
        values = [{"code": _code(brand), "label": brand, "label_translations": []} for brand in self._brands]
        row = {"code": "brands", "label": "Brands", "label_translations": [], "values": values}
        return answer({"values_lists": [row]})

    async def _conditions(self, request: Request) -> Response:
        return answer({"offer_states": [{"code": "11", "label": "New"}], "total_count": 1})

    async def _zones(self, request: Request) -> Response:
        return answer({"shipping_zones": [{"code": "HOME", "label": "Mainland", "description": ""}]})

    async def _classes(self, request: Request) -> Response:
        return answer({"logistic_classes": [{"code": "DEFAULT", "label": "Default", "description": ""}]})


def _code(label: str) -> str:
    return label.upper().replace(" ", "_")
