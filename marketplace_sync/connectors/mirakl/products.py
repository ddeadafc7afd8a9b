"""Products for the operator's catalogue: files in its own columns, and the reports of the stages they go through."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import quote

import msgspec

from marketplace_sync.connectors.mirakl import fields, files
from marketplace_sync.connectors.mirakl.calls import Calls
from marketplace_sync.connectors.selling import ImportReport, ImportState

_IMPORTS = "/api/products/imports"
_KNOWN_AT_ONCE = 100
_FAILED = ("TRANSFORMATION_FAILED", "FAILED", "CANCELLED")
_ENDED = ("COMPLETE", "SENT", *_FAILED)
"""SENT may last for days, while the operator looks at the products; what failed before is known then already."""


class _Product(msgspec.Struct):
    product_id: Any = None
    product_id_type: Any = None
    product_sku: Any = None


class _Products(msgspec.Struct):
    products: list[_Product]


class _Details(msgspec.Struct):
    products_successfully_synchronized: int | None = None


class _Import(msgspec.Struct):
    import_status: str
    has_error_report: bool = False
    has_new_product_report: bool = False
    has_transformed_file: bool = False
    has_transformation_error_report: bool = False
    integration_details: _Details | None = None


class Products:
    """Thread-safe. Methods raise TransportError."""

    def __init__(self, calls: Calls) -> None:
        self._calls = calls

    def known(self, references: Sequence[tuple[str, str]]) -> dict[tuple[str, str], str]:
        """P31: which products the operator has, so that they need no file but only an offer (Mirakl, catalogue)."""
        found: dict[tuple[str, str], str] = {}
        for start in range(0, len(references), _KNOWN_AT_ONCE):
            asked = ",".join(f"{kind}|{key}" for kind, key in references[start : start + _KNOWN_AT_ONCE])
            page = self._calls.get(
                "/api/products", _Products, params={"product_references": asked}, operation="read known products"
            )
            for product in page.products:
                key = (fields.text(product.product_id_type), fields.text(product.product_id))
                found[key] = fields.text(product.product_sku)
        return found

    def send(self, rows: Sequence[Mapping[str, str]]) -> str:
        """P41. Raises ValueError for nothing to send."""
        if not rows:
            raise ValueError("a file of products names at least one")
        columns = list(dict.fromkeys(name for row in rows for name in row))
        content = files.table(columns, [[row.get(name, "") for name in columns] for row in rows])
        return files.send(
            self._calls, _IMPORTS, content, bucket="products", operation="send products", file_name="products.csv"
        )

    def report(self, import_id: str) -> ImportReport:
        """P42, then what the stages say: rows that did not fit the mapping (P47), products that the operator did not
        take (P44), products that are new (P45), and what the mapping made of the rows (P46)."""
        path = f"{_IMPORTS}/{quote(import_id, safe='')}"
        found = self._calls.get(path, _Import, bucket="product_reports", operation="read product import")
        if found.import_status not in _ENDED:
            return ImportReport(import_id=import_id, state=ImportState.UNDER_WAY, status=found.import_status)
        unmapped = self._report(path, "transformation_error_report", found.has_transformation_error_report)
        transformed = self._report(path, "transformed_file", found.has_transformed_file)
        refused = self._report(path, "error_report", found.has_error_report)
        added = self._report(path, "new_product_report", found.has_new_product_report)
        state = ImportState.UNDER_WAY if found.import_status == "SENT" else ImportState.DONE
        return ImportReport(
            import_id=import_id,
            state=ImportState.FAILED if found.import_status in _FAILED else state,
            status=found.import_status,
            taken=found.integration_details.products_successfully_synchronized if found.integration_details else None,
            problems=(*files.problems(unmapped), *files.problems(refused)),
            added=files.column(added, "shop_sku") or files.column(added, "shop-sku"),
            transformed=files.rows(transformed),
        )

    def _report(self, path: str, name: str, there: bool) -> bytes:
        if not there:
            return b""
        return self._calls.raw(f"{path}/{name}", bucket="default", operation=f"read {name}", headers=files.REPORT).body
