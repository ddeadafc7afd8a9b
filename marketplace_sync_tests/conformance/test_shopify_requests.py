"""Whatever the connector can send to Shopify is valid for the vendor's published schemas, and so is what it is told."""

from __future__ import annotations

import functools
import gzip
import importlib
import os
import pkgutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
from graphql import GraphQLSchema, OperationDefinitionNode, build_ast_schema, parse, validate
from graphql.execution.values import get_variable_values
from msgspec.structs import replace

from marketplace_sync.connectors import shopify
from marketplace_sync.connectors.shopify import catalogue_queries
from marketplace_sync.connectors.shopify.graphql import Document
from marketplace_sync.connectors.transport import Exchange
from marketplace_sync.domain.effects import Delivered, InDoubt, Postponed, Refused
from marketplace_sync.domain.orders import Address
from marketplace_sync_tests.conformance.shopify_schema import (
    CONTRACTS,
    WITHOUT_CONTRACTS,
    have_contracts,
    validate_exchange,
)
from marketplace_sync_tests.connectors.shopify_shop import (
    Shop,
    cancel,
    create_order,
    line,
    operation,
    refund,
    remove,
    shop,
)

pytestmark = pytest.mark.skipif(not have_contracts(), reason=WITHOUT_CONTRACTS)

SCHEMAS = ("shopify-admin-schema.graphql.gz", "shopify-admin-schema-2026-07.graphql.gz")


def documents() -> list[Document[Any]]:
    """Every document of the connector, wherever in its package it is written."""
    modules = [
        importlib.import_module(f"{shopify.__name__}.{one.name}") for one in pkgutil.iter_modules(shopify.__path__)
    ]
    found = {value.name: value for module in modules for value in vars(module).values() if isinstance(value, Document)}
    return [found[name] for name in sorted(found)]


@functools.cache
def schema(file: str) -> GraphQLSchema:
    with gzip.open(Path(os.environ[CONTRACTS]) / file, "rt", encoding="utf-8") as text:
        return build_ast_schema(parse(text.read(), no_location=True), assume_valid=True, assume_valid_sdl=True)


@pytest.fixture(scope="module")
def exchanges() -> Iterator[list[Exchange]]:
    """A day in a shop's life, with every operation of the connector in it."""
    with shop({"job_seconds": 3600.0}) as opened:
        _use_everything(opened)
        yield [one for one in opened.exchanges if operation(one)]


def _use_everything(opened: Shop) -> None:
    opened.store.subscribe("http://127.0.0.1:9/old")
    opened.store.subscribe("http://127.0.0.1:9/new")
    assert all(finding.works for finding in opened.store.check())
    variants = [variant for page in opened.store.variants() for variant in page]
    catalogue = opened.store._catalogue
    assert catalogue._product(variants[0].product_id) is not None
    levels = opened.store._orders._graphql.pages(catalogue_queries.LEVELS, {"id": variants[0].inventory_item_id}, 10)
    assert all(page.inventory_item for page in levels)
    _orders(opened)
    assert len(list(opened.store.changed_orders(None))) >= 1


def _orders(opened: Shop) -> None:
    large = opened.injected(create_order(1, [line(f"L{number}", quantity=2) for number in range(30)]))
    for number in range(2):
        opened.act("ship", order_id=large.store_order_id, lines=[{"sku": "MUG-RED", "quantity": 2}])
        assert isinstance(
            opened.deliver(refund(large, amount=100, reference=f"r{number}", line_id=f"L{number}")), Delivered
        )
    assert isinstance(opened.deliver(remove(large, line_id="L29")), Delivered)
    assert isinstance(opened.deliver(refund(large, quantity=99, line_id="L5")), Refused)
    american = Address(
        full_name="Jo Doe", line_1="1 Main St", city="Austin", region="Texas", postal_code="1", country="US"
    )
    plain = opened.injected(create_order(2, shipping_price=395, shipping_tax=66, billing_address=american, total=1))
    assert isinstance(opened.deliver(cancel(large)), Refused)
    effect = opened.effect(cancel(plain))
    (accepted,) = opened.store.deliver([effect])
    assert isinstance(accepted, InDoubt)
    assert isinstance(opened.store.resolve(replace(effect, asked_by=accepted.ask_by)), Postponed)
    nobody = create_order(3, [line("L1", unit_price=None, total=None, tax=None)], shipping_address=Address())
    opened.injected(nobody)
    opened.store.resolve(opened.effect(create_order(4)))


@pytest.mark.parametrize("file", SCHEMAS)
@pytest.mark.parametrize("document", documents(), ids=lambda document: document.name)
def test_every_document_is_valid(document: Document[Any], file: str) -> None:
    assert [error.message for error in validate(schema(file), parse(document.text))] == []


@pytest.mark.parametrize("file", SCHEMAS)
def test_no_document_uses_what_the_vendor_is_about_to_take_away(file: str) -> None:
    from graphql.validation import NoDeprecatedCustomRule

    found = [
        f"{document.name}: {error.message}"
        for document in documents()
        for error in validate(schema(file), parse(document.text), [NoDeprecatedCustomRule])
    ]
    assert found == []


def test_the_documents_name_themselves_and_say_whether_they_write() -> None:
    for document in documents():
        (stated,) = [node for node in parse(document.text).definitions if isinstance(node, OperationDefinitionNode)]
        assert stated.name is not None
        assert stated.name.value == document.name
        assert (stated.operation.value == "mutation") == document.write


def test_everything_was_used(exchanges: list[Exchange]) -> None:
    assert {operation(one) for one in exchanges} == {document.name for document in documents()}


@pytest.mark.parametrize("file", SCHEMAS)
def test_what_was_sent_is_what_the_vendor_takes(exchanges: list[Exchange], file: str) -> None:
    for one in exchanges:
        body = msgspec.json.decode(one.request_body)
        (stated,) = [node for node in parse(body["query"]).definitions if isinstance(node, OperationDefinitionNode)]
        values = get_variable_values(schema(file), stated.variable_definitions or (), body["variables"])
        assert isinstance(values, dict), [error.message for error in values]


def test_what_was_answered_is_what_the_vendor_answers(exchanges: list[Exchange]) -> None:
    """The simulated shop and the vendor mean the same by what the connector reads."""
    for one in exchanges:
        body = msgspec.json.decode(one.request_body)
        answer = msgspec.json.decode(one.response_body)
        assert validate_exchange(body["query"], body["variables"], answer) == [], body["operationName"]
