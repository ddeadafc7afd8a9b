"""Simulator rule 3: groups, conditions, sorting, fields, pages from 1 on, and the page that is not there."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from marketplace_sync_tests.sandbox.magento.caller import GROUP, MUG, Caller, where


def skus(caller: Caller, *conditions: Any, **more: Any) -> list[str]:
    return [one["sku"] for one in caller.get("products", where(*conditions, **more))["items"]]


def test_without_criteria_nothing_is_answered_and_with_empty_ones_everything(caller: Caller) -> None:
    refused = caller.refused("GET", "products")
    assert refused["parameters"] == {"fieldName": "searchCriteria"}
    found = caller.get("products", {"searchCriteria": ""})
    assert (len(found["items"]), found["total_count"]) == (21, 21)


@pytest.mark.parametrize(
    ("condition", "expected"),
    [
        (("sku", "mug-red"), ["MUG-RED"]),
        (("sku", "eq", "MUG-RED "), ["MUG-RED"]),
        (("sku", "in", "MUG-RED,BOWL-RED"), ["MUG-RED", "BOWL-RED"]),
        (("sku", "like", "MUG%"), ["MUG-RED", "MUG-BLUE", "MUG-SAND"]),
        (("price", "gt", "89"), ["LAMP-BRASS", "LAMP-BLACK"]),
        (("price", "lteq", "14.00"), ["MUG-RED", "MUG-BLUE", "MUG-SAND"]),
        (("ean", "null", "1"), []),
        (("category_ids", "finset", "5"), ["CUSHION-GREY", "CUSHION-MOSS", "CUSHION-RUST"]),
    ],
)
def test_conditions_compare_as_the_database_does(caller: Caller, condition: Any, expected: list[str]) -> None:
    assert skus(caller, condition) == expected
    opposite = {"eq": "neq", "in": "nin", "like": "nlike", "gt": "lteq", "lteq": "gt", "null": "notnull",
                "finset": "nfinset"}[condition[1] if len(condition) == 3 else "eq"]  # fmt: skip
    assert len(skus(caller, (condition[0], opposite, condition[-1]))) == 21 - len(expected)


def test_filters_of_a_group_are_alternatives_and_groups_all_hold_in_either_spelling(caller: Caller) -> None:
    either = {
        f"{GROUP}[0][filters][0][field]": "sku", f"{GROUP}[0][filters][0][value]": "%-RED",
        f"{GROUP}[0][filters][0][condition_type]": "like",
        "searchCriteria[filterGroups][0][filters][1][field]": "sku",
        "searchCriteria[filterGroups][0][filters][1][value]": "LAMP-BLACK",
        f"{GROUP}[1][filters][0][field]": "price", f"{GROUP}[1][filters][0][value]": "15",
        "searchCriteria[filterGroups][1][filters][0][conditionType]": "gteq",
        "search_criteria[sort_orders][0][field]": "price", "search_criteria[sort_orders][0][direction]": "DESC",
    }  # fmt: skip
    found = caller.get("products", either)
    assert [one["sku"] for one in found["items"]] == ["LAMP-BLACK", "BOWL-RED", "PLATE-RED"]
    assert found["search_criteria"]["filter_groups"][0]["filters"][0] == {
        "field": "sku",
        "value": "%-RED",
        "condition_type": "like",
    }


def test_the_page_after_the_last_one_is_the_last_one_again_or_empty(shop_with: Callable[..., Caller]) -> None:
    caller = shop_with()
    pages = [skus(caller, pageSize=10, currentPage=page) for page in (0, 1, 2, 3, 4, 99)]
    assert [len(page) for page in pages] == [10, 10, 10, 1, 1, 1]
    assert pages[0] == pages[1] != pages[2]
    assert pages[3] == pages[4] == pages[5]
    assert caller.get("products", where(pageSize=10, currentPage=99))["total_count"] == 21
    assert skus(shop_with(page_past_end_repeats=False), pageSize=10, currentPage=4) == []


def test_a_limited_shop_refuses_large_pages_and_long_lists(shop_with: Callable[..., Caller]) -> None:
    caller = shop_with(input_limits=True)
    assert len(skus(caller)) == 20
    refused = caller.refused("GET", "products", query=where(pageSize=301))
    assert refused["message"] == "Maximum SearchCriteria pageSize is %max"
    row = {"sku": MUG, "source_code": "default", "quantity": 1, "status": 1}
    long = caller.refused("POST", "inventory/source-items", {"sourceItems": [row] * 21})
    assert long["parameters"] == {"type": "sourceItems", "max": 20}
    caller.post("inventory/source-items", {"sourceItems": [row] * 20})


def test_only_columns_of_the_main_table_can_be_asked_for(caller: Caller) -> None:
    for path, field in (("orders", "items.sku"), ("orders", "shipping_address"), ("products", "mood")):
        refused = caller.refused("GET", path, query=where((field, "x")))
        assert "Unknown column" in refused["message"]
    assert caller.get("orders", where(("ext_order_id", "JL-1")))["items"] == []


def test_fields_leave_out_what_was_not_asked_for(caller: Caller) -> None:
    caller.ordered(number="JL-7")
    asked = {**where(), "fields": "items[increment_id,items[sku,qty_ordered]],total_count"}
    row = {"increment_id": "JL-7", "items": [{"sku": MUG, "qty_ordered": 2}]}
    assert caller.get("orders", asked) == {"items": [row], "total_count": 1}


def test_nothing_found_is_an_empty_list_or_null(shop_with: Callable[..., Caller]) -> None:
    for setting, expected in ((False, []), (True, None)):
        found = shop_with(items_null_when_empty=setting).get("shipments", where())
        assert found == {"items": expected, "search_criteria": {"filter_groups": []}, "total_count": 0}


def test_rows_move_between_pages_while_somebody_pages(shop_with: Callable[..., Caller]) -> None:
    caller = shop_with(shifted_rows=1)
    first, second = (skus(caller, pageSize=10, currentPage=page) for page in (1, 2))
    assert first[-1] == second[0]
