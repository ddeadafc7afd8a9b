"""The judge itself: it lets pass what a Magento of that release takes and answers, and nothing else."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from marketplace_sync_tests.conformance import magento_schema
from marketplace_sync_tests.conformance.magento_schema import WHY_SKIPPED, available, validate_exchange

needs_contracts = pytest.mark.skipif(not available(), reason=WHY_SKIPPED)
SEARCH = {"searchCriteria[pageSize]": 1}
COMMENT = {"comment": "x", "is_customer_notified": 0, "is_visible_on_front": 0, "parent_id": 1}


def judged(method: str, path: str, body: Any = None, query: dict[str, Any] | None = None, **how: Any) -> list[str]:
    return validate_exchange(method, path, query or {}, body, 400, None, **how)


@needs_contracts
def test_a_comment_passes_and_one_with_a_member_too_many_or_too_few_does_not() -> None:
    path = "/rest/default/V1/orders/7/comments"
    assert judged("POST", path, {"statusHistory": COMMENT}) == []
    assert "nonsense" in judged("POST", path, {"statusHistory": {**COMMENT, "nonsense": 1}})[0]
    assert "is a required" in judged("POST", path, {"statusHistory": {"comment": ""}})[0]
    inside = {"statusHistory": {**COMMENT, "extension_attributes": {"mine": 1}}}
    assert "mine" in judged("POST", path, inside)[0]


@needs_contracts
def test_a_query_is_held_to_the_search_grammar_and_fields_to_the_answer() -> None:
    path = "/rest/all/V1/orders"
    group = "searchCriteria[filter_groups][0][filters][0]"
    good = {f"{group}[field]": "updated_at", f"{group}[value]": "x", f"{group}[condition_type]": "gteq"}
    assert judged("GET", path, query={**good, "fields": "items[entity_id,items[sku,qty_shipped]],total_count"}) == []
    for wrong in (
        {**good, f"{group}[condition_type]": "above"},
        {**good, "searchCriteria[sortOrders][0][direction]": "up"},
        {**good, "searchCriteria[pagesize]": "5"},
        {**good, "fields": "items[entity_id,shipping_address]"},
        {**good, "fields": "items[entity_id"},
        {},
    ):
        assert len(judged("GET", path, query=wrong)) == 1, wrong


@needs_contracts
def test_an_answer_may_have_nulls_and_leave_out_what_was_not_asked_for() -> None:
    path = "/rest/default/V1/shipments"

    def answer(items: Any, query: dict[str, Any]) -> list[str]:
        body = {"items": items, "search_criteria": {"filter_groups": []}, "total_count": 1}
        return validate_exchange("GET", path, query, None, 200, body, answers="strict")

    whole = {"order_id": 1, "items": [], "tracks": [], "comments": [], "shipment_status": None}
    assert answer([whole], SEARCH) == []
    assert answer(None, SEARCH) == []
    assert "'order_id' is a required" in answer([{"items": [], "tracks": [], "comments": []}], SEARCH)[0]
    assert answer([{"entity_id": 1}], {**SEARCH, "fields": "items[entity_id]"}) == []
    assert "surprise" in answer([{**whole, "surprise": 1}], SEARCH)[0]


@needs_contracts
def test_a_bulk_is_a_list_of_what_its_operation_takes_with_the_path_inside() -> None:
    items = {"sourceItems": [{"sku": "A", "source_code": "default", "quantity": 1, "status": 1}]}
    assert judged("POST", "/rest/all/async/bulk/V1/inventory/source-items", [items]) == []
    assert judged("POST", "/rest/all/async/bulk/V1/inventory/source-items", items) != []
    product = {"product": {"sku": "A"}}
    assert judged("PUT", "/rest/all/async/bulk/V1/products/bySku", [{**product, "sku": "A"}]) == []
    assert "no sku" in judged("PUT", "/rest/all/async/bulk/V1/products/bySku", [product])[0]


@needs_contracts
def test_what_a_release_does_not_have_is_no_operation_of_it() -> None:
    assert judged("POST", "/rest/all/V1/webhooks/subscribe", version="2.4.8") == [
        "POST /V1/webhooks/subscribe is no operation of 2.4.8"
    ]
    assert judged("GET", "/rest/all/V1/nowhere") == ["GET /V1/nowhere is no operation of 2.4.9"]
    assert find_names("/V1/orders/items") == "/V1/orders/items"


def find_names(path: str) -> str:
    found = magento_schema.find("GET", path)
    assert found is not None
    return found[0]


def test_a_folder_without_the_description_is_a_failure(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(magento_schema.FOLDER, str(tmp_path))
    with pytest.raises(FileNotFoundError, match=r"magento-openapi\.json\.gz does not exist"):
        magento_schema.description.__wrapped__("2.4.9")
