"""What people in the shop do, by name, as the running shop and other tests call it."""

from __future__ import annotations

import pytest

from marketplace_sync_tests.sandbox.shopify.app import App

VARIANTS = """
query Variants($q: String) {
  productVariants(first: 10, query: $q) { nodes { id sku price inventoryItem { id duplicateSkuCount } } }
}
"""


def test_orders_are_listed_while_something_is_left_to_ship(app: App) -> None:
    order = app.create()
    (listed,) = app.act("list_orders")
    assert listed["id"] == order["id"]
    assert listed["source_identifier"] == "JL-1001"
    assert listed["name"] == order["name"]
    (line,) = listed["lines"]
    assert (line["sku"], line["quantity"], line["unfulfilled"]) == ("MUG-RED", 2, 2)
    app.act("ship", order_id=order["id"])
    assert app.act("list_orders") == []
    assert len(app.act("list_orders", unfulfilled=False)) == 1


def test_an_order_can_be_named_by_number_or_global_id(app: App) -> None:
    order = app.create()
    number = order["id"].rpartition("/")[2]
    app.act("ship", order_id=number, lines=[{"sku": "MUG-RED", "quantity": 1}])
    app.act("ship", order_id=int(number))
    assert app.act("order_by_source", source_identifier="JL-1001")["fulfillment_status"] == "FULFILLED"


@pytest.mark.parametrize(
    ("act", "arguments", "reason"),
    [
        ("ship", {"order_id": 1}, "there is no order 1"),
        ("ship", {"order_id": "gid://shopify/Product/1"}, "there is no order"),
        ("edit_tracking", {"fulfillment_id": 1}, "there is no fulfilment 1"),
        ("set_stock", {"sku": "NOPE", "available": 1}, "NOPE"),
        ("close_return", {"return_id": 1}, "there is no return"),
    ],
)
def test_what_does_not_exist_is_named(app: App, act: str, arguments: dict[str, object], reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        app.act(act, **arguments)


def test_what_is_not_possible_says_why(app: App) -> None:
    order = app.create()
    with pytest.raises(ValueError, match="1 of the units"):
        app.act("ship", order_id=order["id"], lines=[{"sku": "MUG-RED", "quantity": 3}])
    with pytest.raises(ValueError, match="BOWL-RED"):
        app.act("ship", order_id=order["id"], lines=[{"sku": "BOWL-RED", "quantity": 1}])
    parcel = app.act("ship", order_id=order["id"])
    with pytest.raises(ValueError, match="nothing left to ship"):
        app.act("ship", order_id=order["id"])
    with pytest.raises(ValueError, match="removing"):
        app.act("remove_unit", order_id=order["id"], sku="MUG-RED")
    app.act("cancel_fulfillment", fulfillment_id=parcel["id"])
    with pytest.raises(ValueError, match="already cancelled"):
        app.act("cancel_fulfillment", fulfillment_id=parcel["id"])
    with pytest.raises(ValueError, match="is cancelled"):
        app.act("edit_tracking", fulfillment_id=parcel["id"])
    app.act("refund", order_id=order["id"], lines=[{"sku": "MUG-RED", "quantity": 2}])
    with pytest.raises(ValueError, match="nothing left to refund"):
        app.act("refund", order_id=order["id"])
    with pytest.raises(ValueError, match="0 of what was received is left"):
        app.act("refund", order_id=order["id"], amount=1)


def test_two_lines_of_one_sku_are_shipped_one_after_the_other(app: App) -> None:
    order = app.create(lineItems=[app.line("MUG-RED", 2), app.line("MUG-RED", 2)])
    app.act("ship", order_id=order["id"], lines=[{"sku": "MUG-RED", "quantity": 3}])
    (listed,) = app.act("list_orders")
    assert [line["unfulfilled"] for line in listed["lines"]] == [0, 1]


def test_a_product_that_is_added_to_an_order_is_shipped_with_the_rest(app: App) -> None:
    order = app.create(lineItems=[app.line("MUG-RED", 2)])
    app.act("add_line", order_id=order["id"], sku="LAMP-BRASS", quantity=2)
    found = app.order(order["id"], "edited lineItems(first: 5) { nodes { sku quantity unfulfilledQuantity } }")
    assert found["edited"] is True
    assert [(one["sku"], one["unfulfilledQuantity"]) for one in found["lineItems"]["nodes"]] == [
        ("MUG-RED", 2),
        ("LAMP-BRASS", 2),
    ]
    app.act("ship", order_id=order["id"])
    (listed,) = app.act("list_orders", unfulfilled=False)
    assert [line["unfulfilled"] for line in listed["lines"]] == [0, 0]
    with pytest.raises(ValueError, match="cannot be added"):
        app.act("add_line", order_id=order["id"], sku="NOBODY")


def test_a_deleted_variant_leaves_its_order_lines_without_one(app: App) -> None:
    order = app.create()
    app.act("delete_variant", sku="MUG-RED")
    found = app.order(order["id"], "lineItems(first: 1) { nodes { sku variant { id } product { title } } }")
    (line,) = found["lineItems"]["nodes"]
    assert line["sku"] == "MUG-RED"
    assert line["variant"] is None
    assert app.ask(VARIANTS, q="sku:MUG-RED")["nodes"] == []
    app.act("ship", order_id=order["id"])
    app.act("refund", order_id=order["id"])
    assert app.order(order["id"], "displayFinancialStatus")["displayFinancialStatus"] == "REFUNDED"


def test_a_sku_can_be_given_twice_and_nothing_prevents_it(app: App) -> None:
    app.act("duplicate_sku", sku="MUG-RED")
    found = app.ask(VARIANTS, q="sku:mug-red")["nodes"]
    assert [one["sku"] for one in found] == ["MUG-RED", "MUG-RED"]
    assert [one["inventoryItem"]["duplicateSkuCount"] for one in found] == [1, 1]
    app.act("delete_variant", sku="MUG-RED")
    assert [one["inventoryItem"]["duplicateSkuCount"] for one in app.ask(VARIANTS, q="sku:MUG-RED")["nodes"]] == [0]


def test_a_variant_is_added_with_its_price_and_stock(app: App) -> None:
    added = app.act("add_variant", sku="MUG-GOLD", title="Gold", price=1999, product_title="Stoneware mug", stock=3)
    document = """query($id: ID!) { productVariant(id: $id) { sku price title inventoryQuantity sellableOnlineQuantity
      availableForSale inventoryPolicy selectedOptions { name value } product { title options { name values }
      variantsCount { count } totalInventory } } }"""
    found = app.ask(document, id=added["id"])
    assert (found["sku"], found["price"], found["inventoryQuantity"]) == ("MUG-GOLD", "19.99", 3)
    assert found["product"]["variantsCount"]["count"] == 4
    assert found["selectedOptions"] == [{"name": "Colour", "value": "Gold"}]
    assert "Gold" in found["product"]["options"][0]["values"]
    nameless = app.act("add_variant", sku=None, title="Gift box", price=250)
    assert app.ask(document, id=nameless["id"])["sku"] is None


def test_the_shop_sells_what_the_brand_makes(app: App) -> None:
    document = """{ products(first: 50, sortKey: TITLE) { nodes { title vendor productType status handle tags
      collections(first: 5) { nodes { title } } variants(first: 50) { nodes { sku barcode } } } } }"""
    products = app.ask(document)["nodes"]
    assert [one["title"] for one in products] == sorted(one["title"] for one in products)
    mug = next(one for one in products if one["title"] == "Stoneware mug")
    assert (mug["vendor"], mug["productType"]) == ("Hearth & Field", "Kitchen")
    assert mug["collections"]["nodes"] == [{"title": "Everyday table"}]
    assert [one["sku"] for one in mug["variants"]["nodes"]] == ["MUG-RED", "MUG-BLUE", "MUG-SAND"]
    collections = app.ask(
        "{ collections(first: 9) { nodes { title productsCount { count } products(first: 9) { nodes { id } } } } }"
    )
    assert sum(one["productsCount"]["count"] for one in collections["nodes"]) == len(products) == 8


def test_a_price_can_change(app: App) -> None:
    app.act("set_price", sku="MUG-RED", price=1550)
    assert app.variant()["price"] == "15.50"
