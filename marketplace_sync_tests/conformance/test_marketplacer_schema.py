"""What the vendor would refuse or never answer is found, and the simulated schema is a part of the vendor's."""

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
    GraphQLUnionType,
    is_required_input_field,
)

from marketplace_sync.sandbox.marketplacer.schema import schema
from marketplace_sync_tests.conformance.marketplacer_schema import (
    WITHOUT_CONTRACTS,
    have_contracts,
    validate_exchange,
    validate_request,
    vendor_schema,
)

pytestmark = pytest.mark.skipif(not have_contracts(), reason=WITHOUT_CONTRACTS)

ORDER = "query($id: ID!) { order(orderId: $id) { id legacyId status createdAt totalCents } }"
NUMBER = {"id": "T3JkZXItMQ=="}


def an_order(**changes: Any) -> dict[str, Any]:
    order = {
        "id": "T3JkZXItMQ==",
        "legacyId": 1,
        "status": "COMPLETE",
        "createdAt": "2026-11-20T10:00:00Z",
        "totalCents": 1200,
    }
    return {"data": {"order": {**order, **changes}}}


def test_an_exchange_as_the_vendor_has_it_is_accepted() -> None:
    assert validate_exchange(ORDER, NUMBER, an_order()) == []
    assert validate_exchange(ORDER, NUMBER, {"errors": [{"message": "API Token has expired"}]}) == []


@pytest.mark.parametrize(
    ("changes", "complaint"),
    [
        ({"legacyId": None}, "legacyId"),
        ({"legacyId": "1"}, "legacyId"),
        ({"id": 1}, "data.order.id: 1 should be '1'"),
        ({"status": "DONE"}, "data.order.status"),
        ({"createdAt": "2026-11-20T10:00:00"}, "is no ISO8601DateTime"),
        ({"surprise": 1}, "data.order.surprise: was not asked for"),
        ({"totalCents": 12.5}, "data.order.totalCents"),
    ],
)
def test_an_answer_the_vendor_would_never_give_is_reported(changes: dict[str, Any], complaint: str) -> None:
    assert complaint in " ".join(validate_exchange(ORDER, NUMBER, an_order(**changes)))


def test_a_field_that_was_asked_for_has_to_be_there() -> None:
    answer = an_order()
    del answer["data"]["order"]["totalCents"]
    assert "data.order.totalCents: was asked for and is missing" in validate_exchange(ORDER, NUMBER, answer)


def test_a_request_the_vendor_would_refuse_is_reported() -> None:
    assert (
        "Cannot query field 'acceptsMarketing'" in validate_request("{ order(orderId: 1) { acceptsMarketing } }", {})[0]
    )
    assert "variables:" in validate_request(ORDER, {})[0]


def test_an_object_behind_node_is_held_against_the_type_it_turns_out_to_be() -> None:
    document = "query($id: ID!) { node(id: $id) { __typename id ... on Order { legacyId } ... on Invoice { paidAt } } }"
    good = {"data": {"node": {"__typename": "Order", "id": "T3JkZXItMQ==", "legacyId": 1}}}
    bad = {"data": {"node": {"__typename": "Invoice", "id": "SW52b2ljZS0x", "legacyId": 1}}}
    assert validate_exchange(document, NUMBER, good) == []
    assert any("paidAt: was asked for and is missing" in one for one in validate_exchange(document, NUMBER, bad))


OUR_TYPES = sorted(name for name in schema().type_map if not name.startswith("__"))


def differences(ours: GraphQLNamedType) -> Iterator[str]:
    theirs = vendor_schema().type_map.get(ours.name)
    if type(theirs) is not type(ours):
        yield f"{ours.name} is a {type(theirs).__name__} at the vendor, not a {type(ours).__name__}"
    elif isinstance(ours, GraphQLEnumType):
        assert isinstance(theirs, GraphQLEnumType)
        if set(ours.values) != set(theirs.values):
            yield f"{ours.name}: values differ"
    elif isinstance(ours, GraphQLUnionType):
        assert isinstance(theirs, GraphQLUnionType)
        if {t.name for t in ours.types} != {t.name for t in theirs.types}:
            yield f"{ours.name}: members differ"
    elif isinstance(ours, GraphQLInputObjectType):
        assert isinstance(theirs, GraphQLInputObjectType)
        for name, given in theirs.fields.items():
            if is_required_input_field(given) and name not in ours.fields:
                yield f"{ours.name}.{name} is required by the vendor and missing here"
        for name, given in ours.fields.items():
            yield from value_differences(f"{ours.name}.{name}", given, theirs.fields.get(name))
    elif isinstance(ours, GraphQLObjectType | GraphQLInterfaceType):
        assert isinstance(theirs, GraphQLObjectType | GraphQLInterfaceType)
        for name, field in ours.fields.items():
            known = theirs.fields.get(name)
            if known is None or str(known.type) != str(field.type):
                yield f"{ours.name}.{name} is {known and known.type} at the vendor, not {field.type}"
                continue
            if bool(known.deprecation_reason) != bool(field.deprecation_reason):
                yield f"{ours.name}.{name}: deprecation differs"
            for argument in known.args.keys() | field.args.keys():
                ours_, theirs_ = field.args.get(argument), known.args.get(argument)
                yield from value_differences(f"{ours.name}.{name}({argument})", ours_, theirs_)


def value_differences(where: str, ours: Any, theirs: Any) -> Iterator[str]:
    if ours is None or theirs is None:
        yield f"{where} exists only on one side"
    elif (str(ours.type), ours.default_value) != (str(theirs.type), theirs.default_value):
        yield f"{where} is {theirs.type} = {theirs.default_value!r} at the vendor, not {ours.type}"


@pytest.mark.parametrize("name", OUR_TYPES)
def test_every_type_field_argument_and_value_of_the_sandbox_exists_identically_at_the_vendor(name: str) -> None:
    assert list(differences(schema().type_map[name])) == []
