"""The simulated Shopify's schema is a part of the vendor's: same names, same types, same defaults."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from graphql import (
    GraphQLEnumType,
    GraphQLInputObjectType,
    GraphQLInterfaceType,
    GraphQLNamedType,
    GraphQLObjectType,
    GraphQLScalarType,
    GraphQLSchema,
    is_required_argument,
    is_required_input_field,
)

from marketplace_sync.sandbox.shopify.schema import schema
from marketplace_sync_tests.conformance.shopify_schema import (
    WITHOUT_CONTRACTS,
    have_contracts,
    validate_exchange,
    vendor_schema,
)

pytestmark = pytest.mark.skipif(not have_contracts(), reason=WITHOUT_CONTRACTS)

OUR_TYPES = sorted(name for name in schema().type_map if not name.startswith("__"))


def differences(ours: GraphQLNamedType, vendor: GraphQLSchema) -> Iterator[str]:
    theirs = vendor.type_map.get(ours.name)
    if theirs is None:
        yield f"{ours.name} does not exist at the vendor"
    elif type(theirs) is not type(ours):
        yield f"{ours.name} is a {type(theirs).__name__} at the vendor, not a {type(ours).__name__}"
    elif isinstance(ours, GraphQLEnumType):
        assert isinstance(theirs, GraphQLEnumType)
        yield from _enum_differences(ours, theirs)
    elif isinstance(ours, GraphQLInputObjectType):
        assert isinstance(theirs, GraphQLInputObjectType)
        if ours.is_one_of != theirs.is_one_of:
            yield f"{ours.name}: @oneOf differs"
        for name, field in theirs.fields.items():
            if name not in ours.fields and is_required_input_field(field):
                yield f"{ours.name}.{name} is required by the vendor and missing here"
        for name, field in ours.fields.items():
            yield from _value_differences(f"{ours.name}.{name}", field, theirs.fields.get(name))
    elif isinstance(ours, GraphQLObjectType | GraphQLInterfaceType):
        assert isinstance(theirs, GraphQLObjectType | GraphQLInterfaceType)
        yield from _field_differences(ours, theirs)
    else:
        assert isinstance(ours, GraphQLScalarType)


def _enum_differences(ours: GraphQLEnumType, theirs: GraphQLEnumType) -> Iterator[str]:
    for name in ours.values.keys() - theirs.values.keys():
        yield f"{ours.name}.{name} does not exist at the vendor"
    if ours.name != "WebhookSubscriptionTopic":  # the one enumeration of which only a part is simulated
        for name in theirs.values.keys() - ours.values.keys():
            yield f"{ours.name}.{name} of the vendor is missing"
    for name in ours.values.keys() & theirs.values.keys():
        if bool(ours.values[name].deprecation_reason) != bool(theirs.values[name].deprecation_reason):
            yield f"{ours.name}.{name}: deprecation differs"


def _field_differences(ours: Any, theirs: Any) -> Iterator[str]:
    for interface in ours.interfaces:
        if interface.name not in {one.name for one in theirs.interfaces}:
            yield f"{ours.name} does not implement {interface.name} at the vendor"
    for name, field in ours.fields.items():
        known = theirs.fields.get(name)
        if known is None:
            yield f"{ours.name}.{name} does not exist at the vendor"
            continue
        if str(field.type) != str(known.type):
            yield f"{ours.name}.{name} is {known.type} at the vendor, not {field.type}"
        if bool(field.deprecation_reason) != bool(known.deprecation_reason):
            yield f"{ours.name}.{name}: deprecation differs"
        for argument, definition in known.args.items():
            if argument not in field.args and is_required_argument(definition):
                yield f"{ours.name}.{name}({argument}) is required by the vendor and missing here"
        for argument, definition in field.args.items():
            yield from _value_differences(f"{ours.name}.{name}({argument})", definition, known.args.get(argument))


def _value_differences(where: str, ours: Any, theirs: Any) -> Iterator[str]:
    """Of an argument or an input field."""
    if theirs is None:
        yield f"{where} does not exist at the vendor"
    elif str(ours.type) != str(theirs.type):
        yield f"{where} is {theirs.type} at the vendor, not {ours.type}"
    elif ours.default_value != theirs.default_value:
        yield f"{where} defaults to {theirs.default_value!r} at the vendor, not to {ours.default_value!r}"
    elif bool(ours.deprecation_reason) != bool(theirs.deprecation_reason):
        yield f"{where}: deprecation differs"


@pytest.mark.parametrize("name", OUR_TYPES)
def test_every_type_field_argument_and_value_of_ours_exists_identically_at_the_vendor(name: str) -> None:
    assert list(differences(schema().type_map[name], vendor_schema())) == []


def test_the_idempotent_directive_is_the_vendors() -> None:
    ours, theirs = schema().get_directive("idempotent"), vendor_schema().get_directive("idempotent")
    assert ours is not None
    assert theirs is not None
    assert {name: str(a.type) for name, a in ours.args.items()} == {n: str(a.type) for n, a in theirs.args.items()}
    assert ours.locations == theirs.locations


ORDER = "query($id: ID!) { order(id: $id) { id name createdAt totalPriceSet { shopMoney { amount currencyCode } } } }"
NUMBER = {"id": "gid://shopify/Order/1"}


def an_order(**changes: Any) -> dict[str, Any]:
    order = {
        "id": "gid://shopify/Order/1",
        "name": "#1001",
        "createdAt": "2026-11-20T10:00:00Z",
        "totalPriceSet": {"shopMoney": {"amount": "12.0", "currencyCode": "GBP"}},
    }
    return {"data": {"order": {**order, **changes}}}


def test_an_exchange_as_the_vendor_has_it_is_accepted() -> None:
    assert validate_exchange(ORDER, NUMBER, an_order()) == []
    assert validate_exchange(ORDER, NUMBER, {"data": {"order": None}}) == []
    assert validate_exchange(ORDER, NUMBER, {"errors": [{"message": "Throttled"}]}) == []


@pytest.mark.parametrize(
    ("changes", "complaint"),
    [
        ({"name": None}, "data.order.name: is null"),
        ({"name": 1001}, "data.order.name: 1001 is no String"),
        ({"id": "1"}, "data.order.id: '1' is no global id"),
        ({"id": "gid://shopify/Product/1"}, "is not the global id of a Order"),
        ({"createdAt": "2026-11-20T10:00:00+01:00"}, "is not in UTC"),
        ({"createdAt": "yesterday"}, "is no DateTime"),
        ({"surprise": 1}, "data.order.surprise: was not asked for"),
        ({"totalPriceSet": {"shopMoney": {"amount": 12.0, "currencyCode": "GBP"}}}, "12.0 is no Decimal"),
        ({"totalPriceSet": {"shopMoney": {"amount": "12.0", "currencyCode": "QUID"}}}, "'QUID' is no CurrencyCode"),
        ({"totalPriceSet": {"shopMoney": {"amount": "12.0"}}}, "currencyCode: was asked for and is missing"),
        ({"totalPriceSet": []}, "an object was expected"),
    ],
)
def test_an_answer_the_vendor_would_never_give_is_reported(changes: dict[str, Any], complaint: str) -> None:
    found = validate_exchange(ORDER, NUMBER, an_order(**changes))
    assert len(found) == 1
    assert complaint in found[0]


def test_a_request_the_vendor_would_refuse_is_reported() -> None:
    assert "Cannot query field" in validate_exchange("{ orderz { id } }", {}, {"data": {}})[0]
    assert "variables:" in validate_exchange(ORDER, {}, an_order())[0]
    update = "mutation($i: OrderInput!) { orderUpdate(input: $i) { order { id } } }"
    invented = {"i": {"id": "gid://shopify/Order/1", "colour": "red"}}
    assert "colour" in validate_exchange(update, invented, {"data": {"orderUpdate": {"order": None}}})[0]


def test_fragments_on_interfaces_are_held_against_the_type_they_turn_out_to_be() -> None:
    document = """query($id: ID!) { node(id: $id) { __typename id ... on Order { name } ... on Product { title } } }"""
    good = {"data": {"node": {"__typename": "Order", "id": "gid://shopify/Order/1", "name": "#1"}}}
    bad = {"data": {"node": {"__typename": "Product", "id": "gid://shopify/Product/1", "name": "#1"}}}
    assert validate_exchange(document, NUMBER, good) == []
    assert any("title: was asked for and is missing" in one for one in validate_exchange(document, NUMBER, bad))
