"""TL02, its export, SBC11 and the invoices: the seller's view of the money."""

from __future__ import annotations

import uuid
from typing import Any

from starlette.datastructures import QueryParams
from starlette.requests import Request
from starlette.responses import Response

from marketplace_sync.sandbox.clock import Clock
from marketplace_sync.sandbox.mirakl.gate import Gate, answer, encode, json_body
from marketplace_sync.sandbox.mirakl.ledger import Ledger, Transaction
from marketplace_sync.sandbox.mirakl.order_book import OrderBook
from marketplace_sync.sandbox.mirakl.paging import asked, links, offset_page, seek, several, time_of
from marketplace_sync.sandbox.mirakl.settings import MiraklSettings
from marketplace_sync.sandbox.mirakl.values import BadValue, iso, money
from marketplace_sync.sandbox.state import State

_REPEATED = (
    "seller_billing_cycle_id",
    "payment_state",
    "transaction_type",
    "order_id",
    "order_line_id",
    "order_reference_for_customer",
    "order_reference_for_seller",
    "shop_model",
)


class MoneyApi:
    """Handlers of TL02 to TL05, SBC11, IV01 and IV02. `base_url` is where the vendor is reached. (Mirakl, money)"""

    def __init__(self, state: State, clock: Clock, settings: MiraklSettings, book: OrderBook, ledger: Ledger) -> None:
        self.settings = settings
        self.base_url = ""
        self._clock = clock
        self._book = book
        self._ledger = ledger
        self._cycles = state.collection("cycles")
        self._documents = state.collection("documents")
        self._exports = state.collection("transaction_exports")

    def open_in(self, gate: Gate) -> None:
        logs = "/api/sellerpayment/transactions_logs"
        gate.open("TL02", "GET", logs, self._transactions)
        gate.open("TL03", "POST", f"{logs}/async", self._export)
        gate.open("TL04", "GET", f"{logs}/async/status/{{tracking_id}}", self._export_status)
        gate.open("TL05", "GET", f"{logs}/async/files/{{tracking_id}}/{{chunk}}", self._export_file)
        gate.open("SBC11", "GET", "/api/seller-billing-cycles", self._billing_cycles)
        gate.open("IV01", "GET", "/api/invoices", self._invoices)
        gate.open("IV02", "GET", "/api/invoices/{number}", self._invoice)

    async def _transactions(self, request: Request) -> Response:
        query, start = asked(request)
        kind = query.get("sort", "dateCreated,ASC").partition(",")[0]
        if kind not in ("dateCreated", "lastUpdated"):
            raise BadValue("The parameter 'sort' has an unknown value")
        places = self._ledger.updated if kind == "lastUpdated" else self._ledger.created
        first = time_of(query, "last_updated_from" if kind == "lastUpdated" else "date_created_from")
        wanted = self._wanted(query)
        page = seek(query, start, places, self._ledger.get, wanted, ceiling=2000, first=first)
        return answer(page.body(self._row))

    def _wanted(self, query: QueryParams) -> Any:
        chosen = {name: values for name in _REPEATED if (values := several(query, name))}
        since, until = time_of(query, "date_created_from"), time_of(query, "date_created_to")
        moved_from, moved_to = time_of(query, "transaction_date_from"), time_of(query, "transaction_date_to")
        updated = time_of(query, "last_updated_from")
        documents = {query[name] for name in ("accounting_document_id", "accounting_document_number") if name in query}
        fields = {
            "seller_billing_cycle_id": "cycle",
            "payment_state": "state",
            "transaction_type": "type",
            "order_id": "order_id",
            "order_line_id": "line_id",
        }

        def wanted(transaction: Transaction) -> bool:
            order = self._book.get(transaction["order_id"] or "")
            moved = None if order is None else order["debited"]
            references = {
                "order_reference_for_customer": order and order["customer_reference"],
                "order_reference_for_seller": order and order["seller_reference"],
                "shop_model": self.settings.shop_model,
            }
            return (
                all(
                    (transaction[fields[name]] if name in fields else references[name]) in values
                    for name, values in chosen.items()
                )
                and (since is None or transaction["created"] >= since)
                and (until is None or transaction["created"] < until + 1)
                and (updated is None or transaction["updated"] >= updated)
                and (moved_from is None or (moved is not None and moved >= moved_from))
                and (moved_to is None or (moved is not None and moved < moved_to + 1))
                and (not documents or transaction["document"] in documents)
            )

        return wanted

    def _row(self, transaction: Transaction) -> dict[str, Any]:
        currency = self.settings.currency
        amount = transaction["amount"]
        document = self._documents.get(transaction["document"] or "")
        row: dict[str, Any] = {
            "id": transaction["id"],
            "type": transaction["type"],
            "date_created": iso(transaction["created"]),
            "last_updated": iso(transaction["updated"]),
            "amount": money(amount, currency),
            "amount_credited": money(max(amount, 0), currency),
            "amount_debited": money(max(-amount, 0), currency),
            "balance": money(transaction["balance"], currency),
            "currency_iso_code": currency,
            "payment_state": transaction["state"],
            "entities": self._entities(transaction),
        }
        if transaction["cycle"] is not None:
            row["seller_billing_cycle_id"] = transaction["cycle"]
        if document is not None:
            row["accounting_document_id"] = document["id"]
            row["accounting_document_number"] = document["id"]
            row["accounting_document_creation_date"] = iso(document["created"])
        return row

    def _entities(self, transaction: Transaction) -> dict[str, Any]:
        entities: dict[str, Any] = {"domain": "PRODUCT", "channel": {"code": "INIT"}}
        order = self._book.get(transaction["order_id"] or "")
        if order is not None:
            entities["order"] = {
                "id": order["id"],
                "commercial_id": order["commercial_id"],
                "creation_date": iso(order["created"]),
                "references": {
                    "order_reference_for_customer": order["customer_reference"],
                    "order_reference_for_seller": order["seller_reference"],
                },
                "payment_info": {"payment_type": "CARD"},
            }
            if order["debited"] is not None:
                entities["transaction_info"] = {"number": order["transaction_number"], "date": iso(order["debited"])}
        if transaction["line_id"] is not None:
            entities["order_line"] = {"id": transaction["line_id"]}
        if transaction["refund_id"] is not None:
            entities["refund"] = {"id": transaction["refund_id"]}
        return entities

    async def _export(self, request: Request) -> Response:
        body = await json_body(request)
        pairs = [(name, str(value)) for name, value in body.items() if isinstance(value, str)]
        pairs += [(name, str(each)) for name, value in body.items() if isinstance(value, list) for each in value]
        wanted = self._wanted(QueryParams(pairs))
        rows = [self._ledger.get(number) for _, number in self._ledger.created]
        lines = [encode(self._row(row)).decode() for row in rows if wanted(row)]
        size = body.get("items_per_chunk") or 10_000
        chunks = [lines[start : start + size] for start in range(0, len(lines), size)]
        ndjson = body.get("format") == "NDJSON"
        now = self._clock.timestamp()
        export: dict[str, Any] = {
            "id": str(uuid.uuid4()),
            "ready": now + self.settings.import_seconds,
            "chunks": ["\n".join(part) if ndjson else f"[{','.join(part)}]" for part in chunks],
        }
        self._exports.put(export["id"], export)
        return answer({"tracking_id": export["id"]})

    def _found(self, request: Request) -> dict[str, Any]:
        export = self._exports.get(request.path_params["tracking_id"])
        if export is None:
            raise LookupError("The export was not found")
        return export

    async def _export_status(self, request: Request) -> Response:
        export = self._found(request)
        now = self._clock.timestamp()
        if export["ready"] > now:
            return answer({"status": "PENDING", "last_updated": iso(now)})
        address = f"{self.base_url}/api/sellerpayment/transactions_logs/async/files/{export['id']}"
        urls = [f"{address}/{chunk}" for chunk in range(len(export["chunks"]))]
        return answer({"status": "COMPLETED", "last_updated": iso(export["ready"]), "urls": urls})

    async def _export_file(self, request: Request) -> Response:
        export = self._found(request)
        chunk = request.path_params["chunk"]
        if not chunk.isdecimal() or int(chunk) >= len(export["chunks"]):
            raise LookupError("The file was not found")
        return Response(export["chunks"][int(chunk)], media_type="application/json")

    async def _billing_cycles(self, request: Request) -> Response:
        query, start = asked(request)
        ids, states, currencies = (several(query, name) for name in ("id", "pay_out_state", "currency"))
        since, until = time_of(query, "start_date"), time_of(query, "end_date")

        def wanted(cycle: dict[str, Any]) -> bool:
            return (
                (not ids or cycle["id"] in ids)
                and (not states or cycle["state"] in states)
                and (not currencies or self.settings.currency in currencies)
                and (since is None or cycle["created"] >= since)
                and (until is None or cycle["created"] < until + 1)
            )

        by_number = {cycle["number"]: cycle for cycle in self._cycles.values()}
        places = sorted((cycle["created"], number) for number, cycle in by_number.items())
        return answer(seek(query, start, places, by_number.__getitem__, wanted, ceiling=1000).body(self._cycle))

    def _cycle(self, cycle: dict[str, Any]) -> dict[str, Any]:
        currency = self.settings.currency
        return {
            "id": cycle["id"],
            "date_created": iso(cycle["created"]),
            "currency_iso_code": currency,
            "amount_transferred_to_seller": money(cycle["transferred"], currency),
            "amount_transferred_to_operator": money(cycle["to_operator"], currency),
            "pay_out": {
                "state": cycle["state"],
                "reference": cycle["reference"],
                "transaction_date": iso(cycle["paid"]),
            },
            "payment_voucher_number": cycle["voucher"],
            "shop": {
                "shop_id": self.settings.shop_id,
                "shop_name": self.settings.shop_name,
                "shop_model": self.settings.shop_model,
            },
            "summary": {name: money(amount, currency) for name, amount in cycle["summary"].items()},
        }

    async def _invoices(self, request: Request) -> Response:
        offset, size = offset_page(request)
        query = request.query_params
        cycles = several(query, "seller_billing_cycle_id")
        since, until = time_of(query, "start_date"), time_of(query, "end_date")
        found = [
            document
            for document in self._documents.values()
            if query.get("type", "AUTO_INVOICE") in ("AUTO_INVOICE", "ALL")
            and (not cycles or document["cycle"] in cycles)
            and query.get("payment_status", document["state"]) == document["state"]
            and (since is None or document["created"] >= since)
            and (until is None or document["created"] < until + 1)
        ]
        if query.get("order") == "desc":
            found.reverse()
        rows = [self._invoice_row(document) for document in found[offset : offset + size]]
        headers = links(request, self.base_url, offset, size, len(found))
        return answer({"invoices": rows, "total_count": len(found)}, headers=headers)

    def _invoice_row(self, document: dict[str, Any]) -> dict[str, Any]:
        currency = self.settings.currency

        def taxes(amount: int) -> list[dict[str, Any]]:
            return [{"code": "TAX_STD", "amount": money(amount, currency)}] if amount else []

        return {
            "id": document["id"],
            "invoice_id": document["number"],
            "type": "AUTO_INVOICE",
            "state": "COMPLETE",
            "currency_iso_code": currency,
            "date_created": iso(document["created"]),
            "issue_date": iso(document["created"]),
            "due_date": iso(document["created"]),
            "shop_id": self.settings.shop_id,
            "shop_name": self.settings.shop_name,
            "shop_model": self.settings.shop_model,
            "total_amount_excl_taxes": money(document["amount"], currency),
            "total_amount_incl_taxes": money(document["amount"] + document["tax"], currency),
            "total_charged_amount": money(document["charged"], currency),
            "total_taxes": taxes(document["tax"]),
            "details": [
                {
                    "description": each["description"],
                    "quantity": 1,
                    "amount_excl_taxes": money(each["amount"], currency),
                    "taxes": taxes(each["tax"]),
                }
                for each in document["details"]
            ],
            "payment": {
                "state": document["state"],
                "reference": document["reference"],
                "transaction_date": iso(document["paid"]),
            },
        }

    async def _invoice(self, request: Request) -> Response:
        document = self._documents.get(request.path_params["number"])
        if document is None:
            raise LookupError(f"The invoice {request.path_params['number']} was not found")
        row = self._invoice_row(document)
        lines = [f"Invoice {document['id']} of {row['issue_date']} to {self.settings.shop_name}"]
        lines += [f"{each['description']}: {each['amount_excl_taxes']}" for each in row["details"]]
        lines.append(f"Total including tax: {row['total_amount_incl_taxes']} {self.settings.currency}")
        name = f'attachment; filename="invoice-{document["id"]}.txt"'
        headers = {"Content-Disposition": name}
        return Response("\n".join(lines), media_type="application/octet-stream", headers=headers)
