"""Prices alone: a file that replaces all prices of the offers it names and leaves everything else of them alone."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any
from urllib.parse import quote

import msgspec

from marketplace_sync.connectors.mirakl import fields, files
from marketplace_sync.connectors.mirakl.calls import Calls
from marketplace_sync.connectors.selling import ImportReport, ImportState, Price
from marketplace_sync.domain.money import decimal_text

_IMPORTS = "/api/offers/pricing/imports"
_COLUMNS = ("offer-sku", "price", "discount-price", "discount-start-date", "discount-end-date")


class _Row(msgspec.Struct):
    import_id: Any
    status: str
    has_error_report: bool = False
    lines_in_success: int | None = None
    reason_status: Any = None


class _Rows(msgspec.Struct):
    data: list[_Row]


class Prices:
    """Thread-safe. Methods raise TransportError."""

    def __init__(self, calls: Calls) -> None:
        self._calls = calls

    def send(self, prices: Sequence[Price], currency: str) -> str:
        """PRI01: delete and replace per offer (Mirakl, offers), so every price of an offer is in its one row.

        Raises ValueError for nothing to send, and for an offer that is named twice: the later row would undo the
        earlier one.
        """
        skus = [price.sku for price in prices]
        if not prices or len(set(skus)) < len(skus):
            raise ValueError("a file of prices names at least one offer, and each once")
        rows = [_row(price, currency) for price in prices]
        return files.send(
            self._calls,
            _IMPORTS,
            files.table(_COLUMNS, rows),
            bucket="prices",
            operation="send prices",
            file_name="prices.csv",
        )

    def report(self, import_id: str) -> ImportReport:
        """PRI02 for this file, and PRI03 where it says that rows failed. Asked at most as often as every minute."""
        found = self._calls.get(
            _IMPORTS, _Rows, params={"import_id": import_id}, bucket="price_reports", operation="read price status"
        )
        row = next((one for one in found.data if fields.text(one.import_id) == import_id), None)
        if row is None:
            raise self._calls.unreadable("read price status", f"it does not have file {import_id}", 200)
        if row.status not in ("COMPLETE", "FAILED"):
            return ImportReport(import_id=import_id, state=ImportState.UNDER_WAY, status=row.status)
        problems: tuple[Any, ...] = ()
        if row.has_error_report:
            path = f"{_IMPORTS}/{quote(import_id, safe='')}/error_report"
            answer = self._calls.raw(path, bucket="default", operation="read price errors", headers=files.REPORT)
            problems = files.problems(answer.body)
        return ImportReport(
            import_id=import_id,
            state=ImportState.DONE if row.status == "COMPLETE" else ImportState.FAILED,
            status=row.status,
            taken=row.lines_in_success,
            problems=problems,
            reason=fields.text(row.reason_status),
        )


def _row(price: Price, currency: str) -> list[str]:
    discount = "" if price.discount is None else decimal_text(price.discount, currency)
    return [
        price.sku,
        decimal_text(price.amount, currency),
        discount,
        _moment(price.discount_from),
        _moment(price.discount_until),
    ]


def _moment(value: datetime | None) -> str:
    return "" if value is None else fields.timestamp(value)
