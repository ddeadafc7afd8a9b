"""`orderCreate` as it is, with every default that costs somebody a weekend."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from marketplace_sync_tests.sandbox.shopify.app import CREATE, DECREMENT, App, pounds, wait_for


def test_the_same_order_twice_makes_two_orders(app: App) -> None:
    first, second = app.create(), app.create()
    assert first["id"] != second["id"]
    assert first["name"] != second["name"]
    assert len(app.act("order_by_source", source_identifier="JL-1001")["all_ids"]) == 2


def test_by_default_nothing_is_to_be_shipped(app: App) -> None:
    line = app.line()
    del line["requiresShipping"]
    order = app.create(lineItems=[line])
    fields = """displayFulfillmentStatus requiresShipping fulfillmentOrders(first: 5) { nodes { id } }
      lineItems(first: 5) { nodes { unfulfilledQuantity requiresShipping } }"""
    found = app.order(order["id"], fields)
    assert found["displayFulfillmentStatus"] == "FULFILLMENT_NOT_REQUIRED"
    assert found["fulfillmentOrders"]["nodes"] == []
    assert found["lineItems"]["nodes"] == [{"unfulfilledQuantity": 0, "requiresShipping": False}]


def test_by_default_stock_is_not_touched(app: App) -> None:
    before = app.stock()
    app.do(CREATE, order=app.order_input())
    assert app.stock() == before
    app.do(CREATE, order=app.order_input(), options={"inventoryBehaviour": "BYPASS"})
    assert app.stock() == before


def test_ignoring_the_policy_takes_stock_below_zero(app: App) -> None:
    app.act("set_stock", sku="MUG-RED", available=1)
    app.create()
    assert app.stock() == {"available": -1, "committed": 2, "on_hand": 1}


def test_obeying_the_policy_fails_when_stock_is_short_and_leaves_no_order(app: App) -> None:
    app.act("set_stock", sku="MUG-RED", available=1)
    options = {"inventoryBehaviour": "DECREMENT_OBEYING_POLICY"}
    assert app.refuse(CREATE, order=app.order_input(), options=options)["code"] == "INVENTORY_CLAIM_FAILED"
    assert app.act("order_by_source", source_identifier="JL-1001") is None
    assert app.stock()["available"] == 1
    app.act("set_stock", sku="MUG-RED", available=2)
    app.do(CREATE, order=app.order_input(), options=options)
    assert app.stock()["available"] == 0


def test_by_default_taxes_come_on_top(app: App) -> None:
    order = app.order_input()
    del order["taxesIncluded"]
    made = app.do(CREATE, order=order)["order"]
    totals = app.order(
        made["id"],
        "taxesIncluded displayFinancialStatus totalPriceSet { shopMoney { amount } }",
    )
    assert totals["taxesIncluded"] is False
    assert totals["totalPriceSet"]["shopMoney"]["amount"] == "28.0"
    assert totals["displayFinancialStatus"] == "PARTIALLY_PAID"


def test_taxes_included_are_in_the_price(app: App) -> None:
    order = app.create()
    fields = """displayFinancialStatus subtotalPriceSet { shopMoney { amount currencyCode } }
      totalPriceSet { shopMoney { amount } } totalTaxSet { shopMoney { amount } } taxLines { title rate priceSet {
      shopMoney { amount } } } totalOutstandingSet { shopMoney { amount } }"""
    found = app.order(order["id"], fields)
    assert found["totalPriceSet"]["shopMoney"]["amount"] == "24.0"
    assert found["totalTaxSet"]["shopMoney"]["amount"] == "4.0"
    assert found["taxLines"] == [{"title": "VAT", "rate": 0.2, "priceSet": {"shopMoney": {"amount": "4.0"}}}]
    assert found["displayFinancialStatus"] == "PAID"
    assert found["totalOutstandingSet"]["shopMoney"]["amount"] == "0.0"


def test_tax_lines_on_the_order_are_split_over_its_taxable_lines_to_the_penny(app: App) -> None:
    lines = [
        app.line("MUG-RED", 1, taxLines=[], priceSet=pounds("10.00")),
        app.line("MUG-BLUE", 1, taxLines=[], priceSet=pounds("10.00")),
        app.line("MUG-SAND", 1, taxLines=[], priceSet=pounds("10.00")),
        app.line("BOWL-RED", 1, taxLines=[], priceSet=pounds("50.00"), taxable=False),
    ]
    taxes = [{"title": "VAT", "rate": "0.2", "priceSet": pounds("5.00")}]
    order = app.create(lineItems=lines, taxLines=taxes)
    found = app.order(order["id"], "lineItems(first: 9) { nodes { taxLines { priceSet { shopMoney { amount } } } } }")
    amounts = [
        [tax["priceSet"]["shopMoney"]["amount"] for tax in line["taxLines"]] for line in found["lineItems"]["nodes"]
    ]
    assert amounts == [["1.67"], ["1.66"], ["1.67"], []]


def test_tax_lines_on_both_levels_are_invalid(app: App) -> None:
    taxes = [{"title": "VAT", "rate": "0.2", "priceSet": pounds("4.00")}]
    problem = app.refuse(CREATE, order=app.order_input(taxLines=taxes))
    assert problem["code"] == "INVALID"
    assert problem["field"] == ["order", "taxLines"]


def test_a_line_without_a_variant_is_linked_to_nothing(app: App) -> None:
    before = app.stock()
    line = {"sku": "MUG-RED", "title": "A mug", "quantity": 2, "priceSet": pounds("12.00"), "requiresShipping": True}
    order = app.create(lineItems=[line])
    found = app.order(order["id"], "lineItems(first: 1) { nodes { sku variant { id } product { id } } }")
    assert found["lineItems"]["nodes"] == [{"sku": "MUG-RED", "variant": None, "product": None}]
    assert app.stock() == before


def test_a_line_takes_title_price_and_sku_from_its_variant(app: App) -> None:
    order = app.create(lineItems=[{"variantId": app.variant("LAMP-BRASS")["id"], "quantity": 1}], transactions=[])
    fields = """displayFinancialStatus lineItems(first: 1) { nodes { sku title variantTitle vendor name taxable
      originalUnitPriceSet { shopMoney { amount } } } }"""
    found = app.order(order["id"], fields)
    assert found["displayFinancialStatus"] == "PENDING"
    assert found["lineItems"]["nodes"] == [
        {
            "sku": "LAMP-BRASS", "title": "Table lamp", "variantTitle": "Brass", "vendor": "Lumen Works",
            "name": "Table lamp - Brass", "taxable": True,
            "originalUnitPriceSet": {"shopMoney": {"amount": "129.0"}},
        }
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("line", "field"),
    [
        ({"variantId": "gid://shopify/ProductVariant/1", "quantity": 1}, "variantId"),
        ({"quantity": 1, "priceSet": pounds("1.00")}, "title"),
        ({"title": "A mug", "quantity": 1}, "priceSet"),
        ({"title": "A mug", "quantity": 0, "priceSet": pounds("1.00")}, "quantity"),
        (
            {"title": "A", "quantity": 1, "priceSet": {"shopMoney": {"amount": "1", "currencyCode": "EUR"}}},
            "priceSet",
        ),
    ],
)
def test_a_line_that_makes_no_sense_is_refused_with_its_place(app: App, line: dict[str, Any], field: str) -> None:
    problem = app.refuse(CREATE, order=app.order_input(lineItems=[line]))
    assert problem["field"][:4] == ["order", "lineItems", "0", field]
    assert problem["code"] == "INVALID"


def test_an_order_needs_lines(app: App) -> None:
    assert app.refuse(CREATE, order=app.order_input(lineItems=[]))["field"] == ["order", "lineItems"]


def test_the_processing_time_lies_in_the_past(app: App) -> None:
    past = app.create(processedAt="2026-11-01T10:00:00+01:00")
    assert app.order(past["id"], "processedAt")["processedAt"] == "2026-11-01T09:00:00Z"
    future = app.create(processedAt="2099-01-01T00:00:00Z")
    found = app.order(future["id"], "processedAt createdAt")
    assert found["processedAt"] == found["createdAt"]


def test_the_name_may_be_anything_and_need_not_be_unique(app: App) -> None:
    assert [app.create(name="JL 77")["name"] for _ in range(2)] == ["JL 77", "JL 77"]


def test_both_forms_of_customer_are_redundant(app: App) -> None:
    made = app.create(customer={"toUpsert": {"email": "a@example.test", "firstName": "Ann"}})
    customer = app.order(made["id"], "customer { id firstName lastName email }")["customer"]
    order = app.order_input(customerId=customer["id"], customer={"toAssociate": {"id": customer["id"]}})
    assert app.refuse(CREATE, order=order)["code"] == "REDUNDANT_CUSTOMER_FIELDS"


def test_a_customer_is_made_once_and_filled_from_the_order(app: App) -> None:
    first = app.create(customer={"toUpsert": {"phone": "+447700900123"}})
    fields = "customer { id firstName lastName email defaultAddress { city } }"
    customer = app.order(first["id"], fields)["customer"]
    assert customer["firstName"] == "A"
    assert customer["email"] == "relay@example.test"
    assert customer["defaultAddress"]["city"] == "Leeds"
    second = app.create(customer={"toAssociate": {"email": "RELAY@example.test"}})
    assert app.order(second["id"], fields)["customer"]["id"] == customer["id"]
    taken = app.order_input(customer={"toUpsert": {"email": "b@example.test", "phone": "+447700900123"}})
    assert app.refuse(CREATE, order=taken)["message"] == "Phone has already been taken"


def test_no_customer_is_made_from_an_email_alone(app: App) -> None:
    order = app.create()
    assert app.order(order["id"], "email customer { id }") == {"email": "relay@example.test", "customer": None}


def test_what_was_given_can_be_read_back(app: App) -> None:
    order = app.create(
        poNumber="PO-7",
        note="Gift",
        sourceName="jl",
        sourceUrl="https://example.test/orders/1",
        tags=["vip", "john-lewis", "VIP"],
        customAttributes=[{"key": "marketplace_order", "value": "JL-1001"}],
        shippingLines=[{"title": "Standard", "code": "STD", "priceSet": pounds("3.50")}],
    )
    fields = """poNumber note sourceName sourceIdentifier registeredSourceUrl tags customAttributes { key value } test
      email shippingLine { title code originalPriceSet { shopMoney { amount } } } transactions(first: 5) { kind status
      gateway amountSet { shopMoney { amount } } } shippingAddress { firstName city countryCodeV2 zip } legacyResourceId
      totalPriceSet { shopMoney { amount } } paymentGatewayNames"""
    found = app.order(order["id"], fields)
    assert found["tags"] == ["john-lewis", "vip"]
    assert found["registeredSourceUrl"] == "https://example.test/orders/1"
    assert found["totalPriceSet"]["shopMoney"]["amount"] == "27.5"
    assert found["legacyResourceId"] == order["id"].rpartition("/")[2]
    assert found["shippingAddress"] == {"firstName": "A", "city": "Leeds", "countryCodeV2": "GB", "zip": None}
    assert found["paymentGatewayNames"] == ["John Lewis"]
    assert found["customAttributes"] == [{"key": "marketplace_order", "value": "JL-1001"}]


def test_a_given_financial_status_may_contradict_the_transactions_until_something_is_recalculated(app: App) -> None:
    order = app.create(financialStatus="PENDING")
    assert app.order(order["id"], "displayFinancialStatus")["displayFinancialStatus"] == "PENDING"
    app.act("remove_unit", order_id=order["id"], sku="MUG-RED")
    assert app.order(order["id"], "displayFinancialStatus")["displayFinancialStatus"] == "PAID"


@pytest.mark.parametrize(
    ("discount", "total"),
    [
        ({"itemPercentageDiscountCode": {"code": "TEN", "percentage": 10.0}}, "25.1"),
        ({"itemFixedDiscountCode": {"code": "FIVE", "amountSet": pounds("5.00")}}, "22.5"),
        ({"freeShippingDiscountCode": {"code": "FREE"}}, "24.0"),
    ],
)
def test_one_discount_code_is_applied(app: App, discount: dict[str, Any], total: str) -> None:
    shipping = [{"title": "Standard", "priceSet": pounds("3.50")}]
    order = app.create(discountCode=discount, shippingLines=shipping)
    found = app.order(order["id"], "discountCode totalPriceSet { shopMoney { amount } }")
    assert found["totalPriceSet"]["shopMoney"]["amount"] == total
    assert found["discountCode"] == next(iter(discount.values()))["code"]


def test_fulfilment_orders_appear_after_a_delay(shop_with: Callable[..., App]) -> None:
    app = shop_with(routing_seconds=60)
    order = app.create()
    fields = "fulfillmentOrders(first: 5) { nodes { id } }"
    assert app.order(order["id"], fields)["fulfillmentOrders"]["nodes"] == []
    app.advance(61)
    wait_for(lambda: app.order(order["id"], fields)["fulfillmentOrders"]["nodes"])


def test_a_development_store_takes_five_orders_a_minute(shop_with: Callable[..., App]) -> None:
    app = shop_with(orders_per_minute=5)
    order = app.order_input()
    for _ in range(5):
        app.do(CREATE, order=order, options=DECREMENT)
    assert "Too many attempts" in app.refuse(CREATE, order=order)["message"]
    app.advance(61)
    app.do(CREATE, order=order)


def test_an_order_read_back_has_its_metafields_and_the_attribution_of_the_app(app: App) -> None:
    metafield = {"namespace": "$app:sync", "key": "number", "type": "single_line_text_field", "value": "JL-1001"}
    order = app.create(metafields=[metafield])
    fields = """metafield(namespace: "$app:sync", key: "number") { namespace value type }
      attribution { handle } app { name }"""
    found = app.order(order["id"], fields)
    assert found["metafield"]["value"] == "JL-1001"
    assert found["metafield"]["namespace"].startswith("app--")
    assert found["attribution"]["handle"] == "sandbox-connector"
