"""Every distinct document that the Marketplacer connector sends is one that the vendor's own schema takes."""

from __future__ import annotations

from typing import Any

import pytest

from marketplace_sync.connectors.marketplacer import documents
from marketplace_sync.connectors.marketplacer.webhooks import KINDS
from marketplace_sync.domain.effects import CancelLines, LineUnits, RefundLines, SetStock
from marketplace_sync_tests.conformance import operations
from marketplace_sync_tests.conformance.marketplacer_schema import (
    WITHOUT_CONTRACTS,
    have_contracts,
    validate_request,
    vendor_schema,
)
from marketplace_sync_tests.connectors.marketplacer_instance import (
    L1,
    L2,
    SECRET,
    connector_to,
    effect,
    instance,
    line,
    opaque,
    parcel,
    read,
)

pytestmark = pytest.mark.skipif(not have_contracts(), reason=WITHOUT_CONTRACTS)


def everything_sent(**settings: Any) -> list[tuple[str, dict[str, Any]]]:
    """All that a connector says: reads, writes, hooks, the trial."""
    with instance() as (box, url):
        order_id = box.place(1, line(1, quantity=3), line(2))
        (invoice,) = box.invoices(order_id)
        connector = connector_to(url, webhook_secrets=[SECRET], re_enable_webhooks=True, **settings)
        for feed in connector.feeds():
            read(connector, feed.name, read(connector, feed.name)[1])
        key = invoice["id"] if settings.get("key_of") == "seller" else order_id
        units = (LineUnits(line_id=L1, quantity=1),)
        money = RefundLines(order_id=key, refund_key="r", lines=units, currency="AUD", amounts=(10,))
        connector.deliver([effect(parcel(key, (L1, 1), (L2, 1)))])
        connector.deliver([effect(CancelLines(order_id=key, lines=units, requested_by_marketplace=True), "c")])
        invoice["refundRequests"][0]["lineItems"][0]["status"] = "AWAITING_RETURN"
        connector.deliver([effect(CancelLines(order_id=key, lines=units, requested_by_marketplace=True), "c")])
        connector.deliver([effect(money, "m")])
        connector.deliver([effect(SetStock(sku="MUG", stock_number="", quantity=1))])
        connector.subscribe("https://us/hooks")
        box.hooks[0]["enabled"] = False
        connector.subscribe("https://us/hooks")
        connector.check()
        return box.asked


@pytest.mark.parametrize("settings", [{}, {"key_of": "seller", "currency": "AUD"}], ids=["operator", "seller"])
def test_every_document_with_its_variables_is_valid(settings: dict[str, Any]) -> None:
    asked = everything_sent(**settings)
    problems = {text: found for text, variables in asked if (found := validate_request(text, variables))}
    assert problems == {}


def test_every_document_of_the_table_was_sent_by_an_operators_or_a_sellers_key() -> None:
    asked = [*everything_sent(), *everything_sent(key_of="seller", currency="AUD")]
    said = {text.split("(")[0].split("{")[0].split()[1] for text, _ in asked}
    assert said == set(operations.MARKETPLACER)


def test_the_schema_of_2024_has_everything_and_one_without_cents_is_asked_for_what_it_has() -> None:
    types = vendor_schema().type_map
    schema = {name: frozenset(getattr(types[name], "fields", {})) for name in documents.TYPES}
    assert documents.missing(schema) == []
    assert documents.left_out(schema) == []
    drifted = {name: frozenset(f for f in fields if not f.endswith("Cents")) for name, fields in schema.items()}
    assert documents.missing(drifted) == []
    ids = {"ids": [opaque("Order", 1)]}
    for form in (schema, drifted):
        for document in (documents.whole_orders(form), documents.whole_invoices(form)):
            assert validate_request(document.text, ids) == []
    assert "Cents" not in documents.whole_orders(drifted).text


def test_the_queries_of_our_hooks_are_valid_and_take_one_id() -> None:
    for kind in KINDS:
        for seller in (False, True):
            assert validate_request(documents.hook_query(kind, seller), {"id": "x"}) == []


def test_nothing_secret_is_ever_selected() -> None:
    sent = " ".join(text for text, _ in everything_sent())
    for field in ("privateApiKey", "paymentGatewayDetails", "pdfData", "token", "hmacKey"):
        assert field not in sent
