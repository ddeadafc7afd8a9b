"""Every exchange a seller can have with the simulated marketplace fits Mirakl's published description."""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Callable
from typing import Any

import httpx
import pytest

from marketplace_sync.sandbox.catalogue import products
from marketplace_sync_tests.conformance.mirakl_schema import WHY_SKIPPED, available, find, validate_exchange
from marketplace_sync_tests.sandbox.mirakl.seller import LAMP, MUG, Seller

pytestmark = pytest.mark.skipif(not available(), reason=WHY_SKIPPED)

DAY = {"start_date": "2026-01-01T00:00:00Z", "end_date": "2026-12-31T00:00:00Z"}


class Watched:
    """Judges every exchange of a seller's client, and remembers which operations there were."""

    def __init__(self, seller: Seller) -> None:
        self.problems: list[str] = []
        self.operations: set[str] = set()
        seller.http.event_hooks = {"response": [self._judge]}

    def _judge(self, response: httpx.Response) -> None:
        response.read()
        request = response.request
        path = request.url.path.removeprefix("/mirakl")
        operation = find(request.method, path)
        if operation is not None and response.status_code < 400:
            self.operations.add(str(operation["operationId"]))
        query = dict(request.url.params)
        found = validate_exchange(
            request.method,
            path,
            query,
            _parsed(request.headers.get("content-type", ""), request.read()),
            response.status_code,
            _parsed(response.headers.get("content-type", ""), response.content),
            answers="strict",
        )
        self.problems += [f"{response.status_code} {problem}" for problem in found]


def _parsed(kind: str, content: bytes) -> Any:
    if not content:
        return None
    return json.loads(content) if kind.startswith("application/json") else content


def _life(seller: Seller) -> None:
    order_id = seller.received((MUG, 2), (LAMP, 1))
    line_id = f"{order_id}-1"
    seller.cancel(f"{seller.paid((MUG, 2))}-1", "14.00", 1)
    taxes = {"taxes": [{"code": "TAX_STD", "amount": 0.2}]}
    assert seller.refund(line_id, "1.00", **taxes, quantity=1).status_code == 200
    seller.put("/api/orders", {"orders": [{"order_id": order_id, "references": {"order_reference_for_seller": "#1"}}]})
    seller.act("open_incident", line_id=line_id)
    seller.order(order_id)
    seller.put(f"/api/orders/{order_id}/lines/{line_id}/resolve_incident", {"reason_code": "40"})
    seller.put(f"/api/orders/{seller.paid()}/cancel")
    seller.later(200)
    lines = [{"line_id": line_id, "quantity": 1}]
    return_id = seller.act("request_return", order_id=order_id, lines=lines)["return_id"]
    seller.get("/api/returns/items_to_return")
    announced = {"order_line_id": line_id, "quantity": 1, "reason_code": "RETURN_OTHER"}
    basket = {"order_commercial_id": order_id.removesuffix("-A"), "method_code": "RETURN_METHOD_BY_MAIL"}
    seller.http.post("/api/returns", json={"returns": [{**basket, "return_lines": [announced]}] * 2})
    for step, details in (
        ("accept", {"accepted": True}),
        ("receive", {}),
        ("compliance", {"return_lines": [{"order_line_id": line_id, "compliant": True}]}),
        ("close", {}),
    ):
        seller.put(f"/api/returns/{step}", {"returns": [{"id": return_id, **details}]})
        seller.get("/api/returns")
    seller.act("close_payment_cycle")
    for path in ("/api/orders", "/api/invoices", "/api/seller-billing-cycles"):
        seller.get(path)
    seller.pages("/api/sellerpayment/transactions_logs", limit=100)


def _catalogue(seller: Seller) -> None:
    ean = products()[0].barcode
    offer = {"shop_sku": MUG, "product_id": ean, "product_id_type": "EAN", "price": 20, "state_code": "11"}
    offer_id = seller.offer(MUG)["offer_id"]
    job = seller.http.post(
        "/api/offers", json={"offers": [{**offer, "update_delete": "update", "discount": {"price": 15}}]}
    ).json()["import_id"]
    stock = seller.upload("/api/offers/stock/imports", f"offer-sku;quantity\n{MUG};5\nX;1\n").json()["import_id"]
    seller.upload("/api/offers/pricing/imports", f"offer-sku;price\n{LAMP};5\nX;1\n")
    head = "shop_sku;ean;title;brand;category"
    made = seller.upload("/api/products/imports", f"{head}\nX;{ean};X;X;X\n").json()["import_id"]
    for _ in range(2):
        for path in (
            f"/api/offers/imports/{job}",
            f"/api/offers/stock/imports/{stock}/status",
            f"/api/products/imports/{made}",
            f"/api/offers/{offer_id}",
            f"/api/offers/{offer_id}/quantity",
            "/api/offers",
            "/api/offers/imports",
            "/api/offers/pricing/imports",
            "/api/products/imports",
        ):
            seller.get(path)
        seller.later(6)
    seller.http.get(f"/api/offers/stock/imports/{stock}/error_report")
    seller.get("/api/products", product_references=f"EAN|{ean}")


def _documents(seller: Seller) -> None:
    order_id = seller.paid()
    document_id = seller.act("add_document", order_id=order_id)["document_id"]
    named = {"order_documents": [{"file_name": name, "type_code": "CUSTOMER_INVOICE"} for name in ("a.pdf", "b.exe")]}
    files = [("files", (name, b"%PDF", "application/pdf")) for name in ("a.pdf", "b.exe")]
    sent: Any = [*files, ("order_documents", (None, json.dumps(named), "application/json"))]
    failed = seller.http.post(f"/api/orders/{order_id}/documents", files=sent).json()
    assert [one["input"]["file_name"] for one in failed["order_documents"]] == ["b.exe"]
    kept = seller.get("/api/orders/documents", order_ids=order_id)["order_documents"]
    assert [one["file_name"] for one in kept] == ["note.pdf", "a.pdf"]
    download = "/api/orders/documents/download"
    assert seller.http.get(download, params={"document_ids": document_id}).content == b"%PDF"
    archive = zipfile.ZipFile(io.BytesIO(seller.http.get(download, params={"order_ids": order_id}).content))
    assert archive.namelist() == [f"{order_id}/note.pdf", f"{order_id}/a.pdf"]
    assert seller.http.delete(f"/api/orders/documents/{document_id}").status_code == 204
    seller.get("/api/documents")


def _reference(seller: Seller) -> None:
    for path in (
        "/api/account",
        "/api/platform/configuration",
        "/api/reasons",
        "/api/currencies",
        "/api/channels",
        "/api/locales",
        "/api/shipping/types",
        "/api/shipping/carriers",
        "/api/shipping/zones",
        "/api/shipping/logistic_classes",
        "/api/additional_fields",
        "/api/hierarchies",
        "/api/products/attributes",
        "/api/values_lists",
        "/api/offers/states",
    ):
        seller.get(path)
    seller.put("/api/account", {"description": "We sell mugs"})
    for path, body in (
        ("/api/orders/async-export", DAY),
        ("/api/sellerpayment/transactions_logs/async", {"date_created_from": DAY["start_date"]}),
    ):
        tracking_id = seller.http.post(path, json=body).json()["tracking_id"]
        for _ in range(2):
            seller.get(f"{path}/status/{tracking_id}")
            seller.later(6)


@pytest.mark.parametrize("tax_mode", ["TAX_INCLUDED", "TAX_EXCLUDED"])
def test_orders_returns_and_money_fit_the_description(seller_with: Callable[..., Seller], tax_mode: str) -> None:
    seller = seller_with(order_tax_mode=tax_mode)
    watched = Watched(seller)
    if tax_mode == "TAX_EXCLUDED":
        _life(seller)
    else:
        _reference(seller)
        seller.refund(f"{seller.shipped()}-1", "1.00")
        seller.get("/api/orders")
    assert watched.problems == []
    expected = {"OR11", "OR21", "OR23", "OR24", "OR28"}
    lived = {
        "OR04",
        "OR29",
        "OR30",
        "OR64",
        "RT01",
        "RT11",
        "RT12",
        "RT21",
        "RT25",
        "RT26",
        "RT27",
        "TL02",
        "SBC11",
        "IV01",
    }
    read = {"A01", "A02", "PC01", "RE01", "SH12", "SH21", "OR13", "OR14", "TL03", "TL04"}
    assert expected | (lived if tax_mode == "TAX_EXCLUDED" else read) <= watched.operations


def test_offers_and_products_fit_the_description(seller: Seller) -> None:
    watched = Watched(seller)
    _catalogue(seller)
    assert watched.problems == []
    assert {"OF21", "OF22", "OF24", "STO01", "STO02", "STO03", "PRI01", "PRI02", "P41", "P42"} <= watched.operations


def test_documents_fit_the_description(seller: Seller) -> None:
    watched = Watched(seller)
    _documents(seller)
    assert watched.problems == []
    assert {"OR72", "OR73", "OR74", "OR76", "DO01"} <= watched.operations


def test_shipments_fit_the_description(seller_with: Callable[..., Seller]) -> None:
    seller = seller_with(multi_shipment=True)
    watched = Watched(seller)
    order_id = seller.paid((MUG, 3))
    seller.get("/api/shipments/items_to_ship")
    shipment: dict[str, Any] = {
        "order_id": order_id,
        "shipment_lines": [{"order_line_id": f"{order_id}-1", "quantity": 1}],
        "tracking": {"carrier_name": "Parrot Post", "tracking_number": "P1"},
    }
    wrong = {**shipment, "order_id": "nowhere"}
    made = seller.http.post("/api/shipments", json={"shipments": [shipment, wrong]}).json()["shipment_success"][0]
    tracking = {"carrier_code": "dpd", "tracking_number": "1"}
    seller.http.post("/api/shipments/tracking", json={"shipments": [{"id": made["id"], "tracking": tracking}]})
    seller.put("/api/shipments/ship", {"shipments": [{"id": made["id"]}]})
    seller.get("/api/shipments")
    assert watched.problems == []
    assert {"ST01", "ST11", "ST12", "ST23", "ST24"} <= watched.operations
