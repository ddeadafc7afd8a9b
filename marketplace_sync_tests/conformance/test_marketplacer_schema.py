"""The validator against Marketplacer's schema finds what the vendor would refuse or never answer."""

from __future__ import annotations

from typing import Any

import pytest

from marketplace_sync_tests.conformance.marketplacer_schema import (
    WITHOUT_CONTRACTS,
    have_contracts,
    validate_exchange,
    validate_request,
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
