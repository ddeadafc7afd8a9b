"""The catalogue: single entries, bulk jobs with row errors, relations, and who waits for stock."""

from __future__ import annotations

from collections.abc import Iterator
from urllib.parse import quote

import pytest

from marketplace_sync_tests.sandbox.klaviyo_caller import Caller, Json, account, errors, pointers, resource

PREFIX = "$custom:::$default:::"


@pytest.fixture
def caller() -> Iterator[Caller]:
    with account(rate_limits=False) as found:
        yield found


def _item(key: str, **attributes: object) -> Json:
    base: Json = {"external_id": key, "title": f"Mug {key}", "description": "A mug", "url": "https://shop.example/mug"}
    return {"type": "catalog-item", "attributes": {**base, **attributes}}


def _variant(key: str, item: str, **attributes: object) -> Json:
    base = {**_item(key)["attributes"], "sku": key, "inventory_quantity": 5, "price": 14.5, **attributes}
    related = {"item": {"data": {"type": "catalog-item", "id": PREFIX + item}}}
    return {"type": "catalog-variant", "attributes": base, "relationships": related}


def _category(key: str) -> Json:
    return {"type": "catalog-category", "attributes": {"external_id": key, "name": f"Category {key}"}}


def _changed(kind: str, key: str, **attributes: object) -> Json:
    return {"type": f"catalog-{kind}", "id": PREFIX + key, "attributes": attributes}


def _named(kind: str, *keys: str) -> Json:
    return {"data": [{"type": f"catalog-{kind}", "id": PREFIX + key} for key in keys]}


def _path(plural: str, key: str) -> str:
    return f"/api/catalog-{plural}/{quote(PREFIX + key, safe='')}"


def _make(caller: Caller, plural: str, row: Json) -> Json:
    answer = caller.post(f"/api/catalog-{plural}", {"data": row})
    assert answer.status_code == 201, answer.text
    found: Json = answer.json()["data"]
    return found


def _job(caller: Caller, kind: str, plural: str, action: str, *rows: Json) -> Json:
    """The finished job, after it was watched through its stages."""
    path = f"/api/catalog-{kind}-bulk-{action}-jobs"
    name = f"catalog-{kind}-bulk-{action}-job"
    answer = caller.post(path, resource(name, {plural: {"data": list(rows)}}))
    assert answer.status_code == 202, answer.text
    assert answer.json()["data"]["attributes"]["status"] == "queued"
    here = f"{path}/{answer.json()['data']['id']}"
    caller.advance(0.31)
    assert caller.read(here)["data"]["attributes"]["status"] == "processing"
    caller.settle()
    found: Json = caller.read(here)["data"]["attributes"]
    assert found["status"] == "complete"
    return found


def test_entries_have_compound_ids_and_live_through_create_change_and_delete(caller: Caller) -> None:
    made = _make(caller, "items", _item("MUG/1", price=14.5, custom_metadata={"colour": "red"}))
    assert made["id"] == "$custom:::$default:::MUG/1"
    assert made["attributes"]["published"] is True
    caller.advance(5)
    answer = caller.patch(_path("items", "MUG/1"), {"data": _changed("item", "MUG/1", price=15, published=False)})
    changed = answer.json()["data"]["attributes"]
    assert (changed["price"], changed["published"], changed["title"]) == (15, False, "Mug MUG/1")
    assert changed["created"] < changed["updated"]
    assert caller.read(_path("items", "MUG/1"))["data"]["attributes"] == changed
    assert caller.delete(_path("items", "MUG/1")).status_code == 204
    assert errors(caller.get(_path("items", "MUG/1")), 404)
    assert errors(caller.delete(_path("items", "MUG/1")), 404)
    assert errors(caller.patch(_path("items", "MUG/1"), {"data": _changed("item", "MUG/1")}), 404)


def test_creating_is_no_upsert(caller: Caller) -> None:
    _make(caller, "items", _item("MUG"))
    assert pointers(caller.post("/api/catalog-items", {"data": _item("MUG")}), 409) == ["/data/attributes/external_id"]


def test_required_members_and_limits_of_entries(caller: Caller) -> None:
    _make(caller, "items", _item("MUG"))
    for plural, row, missing in (
        ("items", _item("A"), "url"),
        ("variants", _variant("A", "MUG"), "sku"),
        ("variants", _variant("A", "MUG"), "inventory_quantity"),
        ("variants", _variant("A", "MUG"), "price"),
        ("categories", _category("A"), "name"),
    ):
        del row["attributes"][missing]
        assert pointers(caller.post(f"/api/catalog-{plural}", {"data": row})) == [f"/data/attributes/{missing}"]
    for attributes, pointer in (
        ({"price": "14.50"}, "/data/attributes/price"),
        ({"custom_metadata": {"a": {"b": 1}}}, "/data/attributes/custom_metadata"),
        ({"custom_metadata": {"a": "x" * 100_000}}, "/data/attributes/custom_metadata"),
        ({"integration_type": "$shopify"}, "/data/attributes/integration_type"),
        ({"inventory_policy": 7}, "/data/attributes/inventory_policy"),
    ):
        answer = caller.post("/api/catalog-variants", {"data": _variant("A", "MUG", **attributes)})
        assert pointers(answer) == [pointer]
    row = _variant("A", "MUG")
    del row["relationships"]
    assert pointers(caller.post("/api/catalog-variants", {"data": row})) == ["/data/relationships"]


def test_a_variant_needs_its_item_and_cannot_change_it(caller: Caller) -> None:
    answer = caller.post("/api/catalog-variants", {"data": _variant("MUG-RED", "MUG")})
    assert pointers(answer, 404) == ["/data/relationships/item/data/id"]
    _make(caller, "items", _item("MUG"))
    made = _make(caller, "variants", _variant("MUG-RED", "MUG"))
    assert made["relationships"]["item"]["data"]["id"] == f"{PREFIX}MUG"
    assert made["attributes"]["inventory_policy"] == 0
    body = {"data": {**_changed("variant", "MUG-RED"), "relationships": _variant("X", "BOWL")["relationships"]}}
    assert pointers(caller.patch(_path("variants", "MUG-RED"), body)) == ["/data/relationships"]


def test_an_item_takes_its_variants_with_it(caller: Caller) -> None:
    _make(caller, "items", _item("MUG"))
    _make(caller, "variants", _variant("MUG-RED", "MUG"))
    caller.delete(_path("items", "MUG"))
    assert caller.read("/api/catalog-variants")["data"] == []


def test_entries_can_be_filtered_and_come_a_hundred_a_page_in_order_of_creation(caller: Caller) -> None:
    _make(caller, "categories", _category("KITCHEN"))
    for number in range(3):
        caller.advance(1)
        row = _item(f"MUG-{number}", published=number != 1)
        row["relationships"] = {"categories": _named("category", "KITCHEN")} if number else {}
        _make(caller, "items", row)
        _make(caller, "variants", _variant(f"SKU-{number}", f"MUG-{number}"))

    def found(plural: str, filter: str, **query: str) -> list[str]:
        documents = caller.every(f"/api/catalog-{plural}", filter=filter, **query)
        return [one["attributes"]["external_id"] for one in documents]

    assert found("items", f'any(ids,["{PREFIX}MUG-0","{PREFIX}MUG-2"])') == ["MUG-0", "MUG-2"]
    assert found("items", f'equals(category.id,"{PREFIX}KITCHEN")', sort="-created") == ["MUG-2", "MUG-1"]
    assert found("items", 'contains(title,"mug-1")') == ["MUG-1"]
    assert found("items", "equals(published,false)") == ["MUG-1"]
    assert found("variants", 'equals(sku,"SKU-1")') == ["SKU-1"]
    assert found("variants", f'equals(item.id,"{PREFIX}MUG-2")') == ["SKU-2"]
    assert found("categories", f'equals(item.id,"{PREFIX}MUG-2")') == ["KITCHEN"]
    assert found("categories", 'contains(name,"kitch")') == ["KITCHEN"]
    whole = [one["id"] for one in caller.every("/api/catalog-items", sort="created", **{"page[size]": "1"})]
    assert whole == [f"{PREFIX}MUG-{number}" for number in range(3)]
    answer = caller.send("GET", "/api/catalog-items", query={"page[size]": "101"}, judge=False)
    assert pointers(answer) == ["page[size]"]
    assert len(caller.read("/api/catalog-items", include="variants")["included"]) == 3
    one = caller.read(_path("items", "MUG-0"), include="variants")
    assert one["data"]["relationships"]["variants"]["data"] == _named("variant", "SKU-0")["data"]


def test_relations_between_items_and_categories_work_from_both_ends(caller: Caller) -> None:
    for key in ("MUG", "BOWL"):
        _make(caller, "items", _item(key))
    for key in ("KITCHEN", "GIFTS"):
        _make(caller, "categories", _category(key))
    mug, kitchen = _path("items", "MUG"), _path("categories", "KITCHEN")
    assert caller.post(f"{mug}/relationships/categories", _named("category", "KITCHEN")).status_code == 204
    assert caller.post(f"{kitchen}/relationships/items", _named("item", "BOWL")).status_code == 204
    assert len(caller.read(f"{kitchen}/items")["data"]) == 2
    assert caller.read(f"{kitchen}/relationships/items")["data"] == _named("item", "BOWL", "MUG")["data"]
    assert caller.patch(f"{kitchen}/relationships/items", _named("item", "MUG")).status_code == 204
    assert len(caller.read(f"{kitchen}/items", include="variants")["data"]) == 1
    assert caller.patch(f"{mug}/relationships/categories", _named("category", "GIFTS")).status_code == 204
    assert caller.read(f"{mug}/relationships/categories")["data"] == _named("category", "GIFTS")["data"]
    assert caller.read(f"{kitchen}/items")["data"] == []
    assert caller.delete(f"{mug}/relationships/categories", _named("category", "GIFTS")).status_code == 204
    assert caller.read(f"{mug}/categories")["data"] == []
    caller.post(f"{kitchen}/relationships/items", _named("item", "MUG", "BOWL"))
    assert caller.delete(f"{kitchen}/relationships/items", _named("item", "MUG")).status_code == 204
    assert caller.read(f"{kitchen}/relationships/items")["data"] == _named("item", "BOWL")["data"]
    assert caller.delete(_path("categories", "KITCHEN")).status_code == 204
    assert caller.read(f"{_path('items', 'BOWL')}/categories")["data"] == []
    _make(caller, "variants", _variant("MUG-RED", "MUG"))
    assert caller.read(f"{mug}/relationships/variants")["data"] == _named("variant", "MUG-RED")["data"]
    assert len(caller.read(f"{mug}/variants")["data"]) == 1
    assert errors(caller.post(f"{mug}/relationships/categories", _named("category", "NONE")), 404)


def test_bulk_jobs_create_update_and_delete_all_three_kinds(caller: Caller) -> None:
    _job(caller, "category", "categories", "create", _category("KITCHEN"), _category("GIFTS"))
    _job(caller, "item", "items", "create", _item("MUG"), _item("BOWL"))
    done = _job(caller, "variant", "variants", "create", _variant("MUG-RED", "MUG"), _variant("MUG-BLUE", "MUG"))
    assert (done["total_count"], done["completed_count"], done["failed_count"], done["errors"]) == (2, 2, 0, [])
    _job(caller, "category", "categories", "update", _changed("category", "KITCHEN", name="Cooking"))
    _job(caller, "item", "items", "update", _changed("item", "MUG", price=9))
    _job(caller, "variant", "variants", "update", _changed("variant", "MUG-RED", inventory_quantity=0))
    assert caller.read(_path("categories", "KITCHEN"))["data"]["attributes"]["name"] == "Cooking"
    assert caller.read(_path("items", "MUG"))["data"]["attributes"]["price"] == 9
    assert caller.read(_path("variants", "MUG-RED"))["data"]["attributes"]["inventory_quantity"] == 0
    _job(caller, "variant", "variants", "delete", *_named("variant", "MUG-RED")["data"])
    _job(caller, "item", "items", "delete", *_named("item", "BOWL")["data"])
    _job(caller, "category", "categories", "delete", *_named("category", "GIFTS")["data"])
    left = {
        plural: len(caller.read(f"/api/catalog-{plural}")["data"]) for plural in ("items", "variants", "categories")
    }
    assert left == {"items": 1, "variants": 1, "categories": 1}


def test_rows_of_a_job_fail_on_their_own_with_documented_errors(caller: Caller) -> None:
    _make(caller, "items", _item("MUG"))
    done = _job(caller, "item", "items", "create", _item("BOWL"), _item("MUG"), _item("PLATE"))
    assert (done["completed_count"], done["failed_count"]) == (2, 1)
    (error,) = done["errors"]
    assert {"id", "code", "title", "detail", "source", "meta"} == set(error)
    assert error["source"]["pointer"] == "/data/attributes/items/data/1/attributes/external_id"
    assert error["meta"] == {"external_id": "MUG"}
    done = _job(caller, "item", "items", "update", _changed("item", "NONE", price=1), _changed("item", "MUG", price=1))
    assert (done["completed_count"], done["errors"][0]["meta"]) == (1, {"external_id": "NONE"})
    done = _job(caller, "variant", "variants", "create", _variant("X", "NONE"))
    assert done["errors"][0]["source"]["pointer"] == "/data/attributes/variants/data/0/relationships/item/data/id"


def test_row_errors_may_come_in_the_short_form_seen_live() -> None:
    with account(rate_limits=False, catalog_errors="short") as caller:
        _make(caller, "items", _item("MUG"))
        name = "catalog-item-bulk-create-job"
        answer = caller.post(f"/api/{name}s", resource(name, {"items": {"data": [_item("MUG")]}}))
        caller.settle()
        here = f"/api/{name}s/{answer.json()['data']['id']}"
        (error,) = caller.send("GET", here, judge=False).json()["data"]["attributes"]["errors"]
        assert set(error) == {"detail", "source", "meta"}


def test_a_job_takes_a_hundred_rows_and_refuses_malformed_ones_at_once(caller: Caller) -> None:
    name = "catalog-item-bulk-create-job"
    rows = [_item(f"MUG-{number}") for number in range(101)]
    body = resource(name, {"items": {"data": rows}})
    assert pointers(caller.post(f"/api/{name}s", body)) == ["/data/attributes/items/data"]
    body["data"]["attributes"]["items"]["data"] = rows[:100]
    assert caller.post(f"/api/{name}s", body).status_code == 202
    rows[7]["attributes"]["price"] = "cheap"
    at = "/data/attributes/items/data/7/attributes/price"
    assert pointers(caller.post(f"/api/{name}s", body)) == [at]
    body["data"]["type"] = "catalog-item-bulk-update-job"
    rows[7]["attributes"]["price"] = 1
    assert pointers(caller.post(f"/api/{name}s", body)) == ["/data/type"]


def test_jobs_are_listed_by_status_and_show_what_they_touched(caller: Caller) -> None:
    _job(caller, "item", "items", "create", _item("MUG"))
    path = "/api/catalog-item-bulk-create-jobs"
    (job,) = caller.read(path, filter='equals(status,"complete")')["data"]
    assert caller.read(path, filter='equals(status,"queued")')["data"] == []
    answer = caller.read(f"{path}/{job['id']}", include="items")
    assert [one["id"] for one in answer["included"]] == [f"{PREFIX}MUG"]
    assert errors(caller.get(f"/api/catalog-item-bulk-update-jobs/{job['id']}"), 404)


def test_at_most_five_hundred_jobs_may_be_in_progress() -> None:
    with account(rate_limits=False, job_seconds=3_600) as caller:
        name = "catalog-category-bulk-create-job"
        for number in range(500):
            body = resource(name, {"categories": {"data": [_category(str(number))]}})
            assert caller.post(f"/api/{name}s", body, judge=False).status_code == 202
        assert errors(caller.post(f"/api/{name}s", body), 400)


def test_back_in_stock_fires_once_when_stock_returns_even_from_a_glitch(caller: Caller) -> None:
    _make(caller, "items", _item("MUG"))
    _make(caller, "variants", _variant("MUG-RED", "MUG"))

    def wait(variant: str, **profile: str) -> Json:
        data = {"type": "profile", "attributes": profile}
        related = {"variant": {"data": {"type": "catalog-variant", "id": PREFIX + variant}}}
        attributes = {"channels": ["EMAIL"], "profile": {"data": data}}
        return resource("back-in-stock-subscription", attributes, relationships=related)

    path = "/api/back-in-stock-subscriptions"
    answer = caller.post(path, wait("MUG-RED", email="kim@example.com"))
    assert (answer.status_code, answer.content) == (202, b"")
    assert pointers(caller.post(path, wait("NONE", email="kim@example.com"))) == ["/data/relationships/variant/data/id"]
    assert pointers(caller.post(path, wait("MUG-RED"))) == ["/data/attributes/profile/data/attributes"]
    caller.settle()

    def stock(quantity: int) -> int:
        body = {"data": _changed("variant", "MUG-RED", inventory_quantity=quantity)}
        assert caller.patch(_path("variants", "MUG-RED"), body).status_code == 200
        return len(caller.kept("flow_messages"))

    assert [stock(quantity) for quantity in (7, 0, 7, 0, 7)] == [0, 0, 1, 1, 1]
    (message,) = caller.kept("flow_messages")
    assert (message["email"], message["sku"]) == ("kim@example.com", "MUG-RED")
