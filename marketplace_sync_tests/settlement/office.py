"""An installation with one marketplace, and what finance does in it: import files, reconcile, open the report."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterable, Mapping, Sequence
from contextlib import contextmanager
from datetime import date
from pathlib import Path
from typing import Any

import yaml
from sqlalchemy import text

from marketplace_sync.config import load
from marketplace_sync.domain.money import decimal_text
from marketplace_sync.domain.settlement.inputs import BankReceipt, SettlementLine, SoldOrder
from marketplace_sync.domain.settlement.layouts import FileKind, columns_of
from marketplace_sync.flows.settlement import Reconciled, reconcile_connection
from marketplace_sync.flows.settlement_import import ImportReport, import_file
from marketplace_sync.ledger.location import urls_of
from marketplace_sync.project import Project, open_project
from marketplace_sync.reports.settlement_json import write_json
from marketplace_sync_tests.settlement.scene import Goods

NAME = "bazaar"
TABLES = (
    "reconciliation_changes, reconciliation_results, reconciliation_runs, bank_receipts, settlement_lines,"
    " settlement_documents, settlement_goods, sold_orders, sold_lines, sold_refunds, settlement_files, work_items,"
    " statements, orders, order_lines, watermarks"
)

Row = Mapping[str, Any]


def configuration(finance: Mapping[str, Any], base_url: str = "http://127.0.0.1:9/bazaar") -> dict[str, Any]:
    return {
        "connections": {
            NAME: {"platform": "mirakl", "base_url": base_url, "api_key": {"env": "BAZAAR_KEY", "default": "sandbox"}},
            "klaviyo": {
                "platform": "klaviyo",
                "base_url": "http://127.0.0.1:9/klaviyo",
                "api_key": {"env": "KLAVIYO_KEY", "default": "pk_sandbox"},
            },
        },
        "routes": {NAME: {"marketing": "klaviyo", "finance": dict(finance)}},
    }


class Office:
    def __init__(self, project: Project) -> None:
        self.project = project
        self.context = project.context

    def take(self, kind: FileKind, content: bytes | str, name: str = "file.csv") -> ImportReport:
        raw = content.encode() if isinstance(content, str) else content
        return import_file(self.context, NAME, kind, name, raw)

    def reconcile(self, as_of: date) -> Reconciled:
        return reconcile_connection(self.context, NAME, as_of)

    def report(self, as_of: date) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(as_json(self.reconcile(as_of)))
        return found

    def clear(self) -> None:
        with self.project.ledger.begin() as connection:
            connection.execute(text(f"TRUNCATE {', '.join(f'ledger.{t.strip()}' for t in TABLES.split(','))} CASCADE"))

    def rows(self, query: str, **values: Any) -> list[dict[str, Any]]:
        with self.project.ledger.begin() as connection:
            return [dict(row._mapping) for row in connection.execute(text(query), values)]


def as_json(done: Reconciled) -> bytes:
    stream = io.BytesIO()
    write_json(done.result, stream)
    return stream.getvalue()


@contextmanager
def opened(database_url: str, folder: Path, finance: Mapping[str, Any], **more: Any) -> Any:
    path = folder / "marketplace_sync.yaml"
    path.write_text(yaml.safe_dump(configuration(finance, **more)))
    with open_project(load(path), database=urls_of(database_url)) as project:
        yield Office(project)


GOODS = {"customer_order_number", "ean", "stock_number", "quantity", "returned_quantity"}


def table(kind: FileKind, rows: Iterable[Row]) -> str:
    """A file in our layout; with the columns about goods only where there are any."""
    rows = list(rows)
    stream = io.StringIO(newline="")
    goods = kind is FileKind.SETTLEMENT and any(not GOODS.isdisjoint(row) for row in rows)
    columns = [name for name in columns_of(kind) if goods or kind is not FileKind.SETTLEMENT or name not in GOODS]
    writer = csv.DictWriter(stream, columns, restval="")
    writer.writeheader()
    for row in rows:
        writer.writerow(row)
    return stream.getvalue()


def settlement_file(lines: Sequence[SettlementLine], goods: Mapping[str, Goods] | None = None) -> str:
    rows = [_settlement_row(line) | _goods((goods or {}).get(line.line_id)) for line in lines]
    return table(FileKind.SETTLEMENT, rows)


def _goods(named: Goods | None) -> dict[str, Any]:
    if named is None:
        return {}
    return {
        "ean": named.ean,
        "stock_number": named.stock_number,
        "customer_order_number": named.customer_order_number,
        "quantity": named.sold,
        "returned_quantity": named.returned,
    }


def _settlement_row(line: SettlementLine) -> dict[str, Any]:
    return {
        "id": line.line_id,
        "type": line.type,
        "amount": decimal_text(line.amount, line.currency),
        "currency": line.currency,
        "channel": line.channel,
        "order_id": line.order_id,
        "order_line_id": line.order_line_id,
        "refund_id": line.refund_id,
        "accounting_document_number": line.document,
        "payment_state": line.payment_state,
        "date_created": line.created_on.isoformat() if line.created_on else "",
        "description": line.description,
    }


def store_file(orders: Sequence[SoldOrder]) -> str:
    return table(FileKind.STORE_ORDERS, [row for order in orders for row in _order_rows(order)])


def _order_rows(order: SoldOrder) -> list[Row]:
    about = {
        "channel": order.channel,
        "order_id": order.order_id,
        "commercial_id": order.commercial_id,
        "currency": order.currency,
    }

    def amount(minor: int | None) -> str:
        return "" if minor is None else decimal_text(minor, order.currency)

    lines: list[Row] = [
        {
            "record": "order_line",
            "state": "CANCELED" if order.cancelled or line.cancelled else "SHIPPED",
            "shipped_date": line.shipped_on.isoformat() if line.shipped_on else "",
            "order_line_id": line.line_id,
            "sku": line.sku,
            "quantity": line.quantity,
            "price": amount(line.price),
            "shipping_price": amount(line.shipping),
            "tax": amount(line.tax),
        }
        for line in order.lines
    ]
    refunds: list[Row] = [
        {
            "record": "refund",
            "state": "CANCELED" if order.cancelled else "SHIPPED",
            "order_line_id": refund.line_id,
            "refund_id": refund.refund_id,
            "refund_date": refund.refunded_on.isoformat() if refund.refunded_on else "",
            "refund_amount": amount(refund.amount),
            "refund_shipping_amount": amount(refund.shipping),
            "refund_quantity": "" if refund.quantity is None else refund.quantity,
            "refund_reason": refund.reason,
        }
        for refund in order.refunds
    ]
    return [{**about, **row} for row in (*lines, *refunds)]


def bank_file(receipts: Sequence[BankReceipt]) -> str:
    return table(
        FileKind.BANK_RECEIPTS,
        [
            {
                "bank_ref": receipt.bank_ref,
                "amount": decimal_text(receipt.amount, receipt.currency),
                "currency": receipt.currency,
                "date": receipt.received_on.isoformat() if receipt.received_on else "",
                "documents": ";".join(receipt.documents),
            }
            for receipt in receipts
        ],
    )
