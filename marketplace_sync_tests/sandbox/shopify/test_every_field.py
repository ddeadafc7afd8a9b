"""Every field of the simulated schema is asked for, of a shop in which everything has happened at least once."""

from __future__ import annotations

from typing import Any

import pytest
from graphql import (
    GraphQLField,
    GraphQLInterfaceType,
    GraphQLNamedType,
    GraphQLObjectType,
    get_named_type,
    is_leaf_type,
    is_required_argument,
)

from marketplace_sync.sandbox.shopify.schema import schema
from marketplace_sync_tests.sandbox.shopify.app import App, pounds

DEPTH = 6

ARGUMENTS = {
    "names": '["available", "on_hand"]',
    "first": "5",
    "key": '"number"',
    "namespace": '"$app"',
    "withCodeDiscounts": "true",
    "suggestFullRefund": "true",
    "ownerType": "ORDER",
    "includeClosed": "true",
}


def selection(kind: GraphQLNamedType, ids: dict[str, str], depth: int, path: frozenset[str]) -> str:
    """All fields of a type, its objects no deeper than `depth` and no type inside itself."""
    if isinstance(kind, GraphQLInterfaceType):
        possible = schema().get_possible_types(kind)
        if len(possible) > 1:  # fields of the same name and different types could not be asked for together
            return "{ __typename }"
        return f"{{ __typename ... on {possible[0].name} {selection(possible[0], ids, depth, path)} }}"
    assert isinstance(kind, GraphQLObjectType)
    found = ["__typename"]
    for name, field in kind.fields.items():
        inner = get_named_type(field.type)
        called = arguments(name, field, ids)
        if called is None:
            continue
        if is_leaf_type(inner):
            found.append(f"{name}{called}")
        elif depth > 0 and inner.name not in path:
            found.append(f"{name}{called} {selection(inner, ids, depth - 1, path | {kind.name})}")
    return "{ " + " ".join(found) + " }"


def arguments(name_of_field: str, field: GraphQLField, ids: dict[str, str]) -> str | None:
    """The call of a field; None when it needs something there is nothing for."""
    given = []
    ids = {**ids, "id": ids.get(name_of_field, "")}
    for name, argument in field.args.items():
        if name in ARGUMENTS:
            given.append(f"{name}: {ARGUMENTS[name]}")
        elif name in ids and is_required_argument(argument):
            given.append(f'{name}: "{ids[name]}"')
        elif is_required_argument(argument):
            return None
    return f"({', '.join(given)})" if given else ""


def a_full_life(app: App) -> dict[str, str]:
    """An order that was shipped, delivered, refunded and returned; ids of what came of it, by name of root field."""
    define = """mutation($d: MetafieldDefinitionInput!) { metafieldDefinitionCreate(definition: $d) {
      createdDefinition { id } userErrors { message } } }"""
    number = {"namespace": "$app", "key": "number", "type": "id"}
    definition = app.do(define, d={**number, "name": "Number", "ownerType": "ORDER"})["createdDefinition"]
    address = {"firstName": "A", "lastName": "B", "city": "Leeds", "zip": "LS1", "countryCode": "GB", "address1": "1"}
    order = app.create(
        lineItems=[app.line("MUG-RED", 3), app.line("BOWL-BLUE", 2)],
        metafields=[{**number, "value": "1"}],
        customer={"toUpsert": {"email": "a@example.test", "firstName": "Ann", "tags": ["x"]}},
        billingAddress=address,
        shippingAddress=address,
        shippingLines=[{"title": "Standard", "priceSet": pounds("3.00")}],
        discountCode={"itemPercentageDiscountCode": {"code": "TEN", "percentage": 10.0}},
        sourceUrl="https://example.test/1",
        transactions=[{"gateway": "John Lewis", "amountSet": pounds("60.00")}],
    )
    parcel = app.act("ship", order_id=order["id"], lines=[{"sku": "MUG-RED", "quantity": 2}], tracking_numbers=["1"])
    event = {"fulfillmentId": parcel["id"], "status": "DELIVERED", "happenedAt": "2026-11-20T10:00:00Z"}
    app.do(
        """mutation($e: FulfillmentEventInput!) { fulfillmentEventCreate(fulfillmentEvent: $e) {
           fulfillmentEvent { id } userErrors { message } } }""",
        e=event,
    )
    back = app.act("return", order_id=order["id"], lines=[{"sku": "MUG-RED", "quantity": 1}])
    closed = app.act("close_return", return_id=back["id"])
    app.act("refund", order_id=order["id"], amount=150)
    app.act("remove_unit", order_id=order["id"], sku="BOWL-BLUE", with_money=True)
    hook = app.do(
        """mutation { webhookSubscriptionCreate(topic: ORDERS_CREATE, webhookSubscription: {uri: "https://example.test"})
           { webhookSubscription { id } userErrors { message } } }"""
    )["webhookSubscription"]
    item = app.variant()["inventoryItem"]["id"]
    cancelled = app.create()
    job = app.do(
        """mutation($id: ID!) { orderCancel(orderId: $id, reason: OTHER, restock: true) {
           job { id } orderCancelUserErrors { message } } }""",
        id=cancelled["id"],
    )["job"]
    level = app.ask(
        "query($i: ID!, $l: ID!) { inventoryItem(id: $i) { inventoryLevel(locationId: $l) { id } } }",
        i=item,
        l=app.location(),
    )["inventoryLevel"]
    product = app.ask("query($id: ID!) { productVariant(id: $id) { product { id } } }", id=app.variant()["id"])[
        "product"
    ]
    found = app.order(order["id"], "customer { id } fulfillmentOrders(first: 1) { nodes { id } }")
    collection = app.ask("{ collections(first: 1) { nodes { id } } }")["nodes"][0]["id"]
    return {
        "order": order["id"],
        "node": order["id"],
        "fulfillment": parcel["id"],
        "fulfillmentOrder": found["fulfillmentOrders"]["nodes"][0]["id"],
        "refund": closed["refund_id"],
        "return": back["id"],
        "customer": found["customer"]["id"],
        "webhookSubscription": hook["id"],
        "inventoryItem": item,
        "inventoryLevel": level["id"],
        "productVariant": app.variant()["id"],
        "product": product["id"],
        "location": app.location(),
        "job": job["id"],
        "metafieldDefinition": definition["id"],
        "collection": collection,
        "inCollection": collection,
        "hasProduct": product["id"],
        "inventoryItemId": item,
        "locationId": app.location(),
    }


@pytest.fixture
def ids(app: App) -> dict[str, str]:
    return a_full_life(app)


def test_every_field_can_be_asked_for_and_is_what_the_vendor_says_it_is(app: App, ids: dict[str, str]) -> None:
    query = schema().query_type
    assert query is not None
    asked = set()
    for name, field in query.fields.items():
        kind = get_named_type(field.type)
        called = arguments(name, field, ids)
        if name in ("location", "metafieldDefinition"):
            called = f'(id: "{ids[name]}")'
        if called is None:
            continue
        document = f"{{ {name}{called} {selection(kind, ids, DEPTH - 2, frozenset({'QueryRoot'}))} }}"
        answer = app.send(document)
        assert "errors" not in answer, (name, answer["errors"])
        assert answer["data"][name] is not None, name
        asked.add(name)
    assert set(query.fields) - asked == {"orderByIdentifier", "nodes"}


def test_every_type_of_answer_was_seen(app: App, ids: dict[str, str]) -> None:
    """Guards the test above: a type that never occurs in an answer would not have been looked at."""
    seen: set[str] = set()

    def look(value: Any) -> None:
        if isinstance(value, dict):
            seen.add(str(value.get("__typename")))
            for inner in value.values():
                look(inner)
        elif isinstance(value, list):
            for inner in value:
                look(inner)

    for name in ("order", "fulfillment", "refund", "return", "job", "productVariant", "inventoryLevel", "collection"):
        query = schema().query_type
        assert query is not None
        kind = query.fields[name].type
        assert isinstance(kind, GraphQLObjectType)
        document = f'{{ {name}(id: "{ids[name]}") {selection(kind, ids, DEPTH - 2, frozenset({"QueryRoot"}))} }}'
        look(app.send(document)["data"])
    interesting = {
        "Order", "LineItem", "Fulfillment", "FulfillmentOrder", "FulfillmentEvent", "Refund", "RefundLineItem",
        "ReturnLineItem", "OrderAdjustment", "OrderTransaction", "Return", "Metafield", "MetafieldDefinition",
        "Customer", "MailingAddress", "ProductVariant", "Product", "Collection", "InventoryItem", "InventoryLevel",
        "Location", "Job", "SuggestedRefund", "TaxLine", "ShippingLine",
    }  # fmt: skip
    assert interesting - seen == set()
