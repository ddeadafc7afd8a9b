"""The table of what is validated by what names every operation that a connector sends, and is up to date."""

from __future__ import annotations

import importlib
import inspect
import re
from collections.abc import Iterable
from pathlib import Path

import pytest
from graphql import parse, validate

from marketplace_sync.connectors.john_lewis import actions
from marketplace_sync.connectors.marketplacer import documents as of_marketplacer
from marketplace_sync.connectors.marketplacer.graphql import Document
from marketplace_sync.sandbox.marketplacer.schema import schema as simulated_marketplacer
from marketplace_sync_tests.conformance import (
    mirakl_schema,
    operations,
    table,
    test_klaviyo_requests,
    test_magento_requests,
    test_mirakl_requests,
    test_shopify_requests,
)
from marketplace_sync_tests.connectors import test_mirakl_shelf

WRITE_IT = "if that is meant, write it again: python -m marketplace_sync_tests.conformance.table"


def source(platform: str) -> str:
    package = importlib.import_module(f"marketplace_sync.connectors.{platform}")
    return "\n".join(
        path.read_text(encoding="utf-8") for path in sorted(Path(str(package.__file__)).parent.glob("*.py"))
    )


def of_the_instance() -> list[Document]:
    """Every document of Marketplacer's connector, those that are made for a schema or a key as well."""
    makers = [one for one in vars(of_marketplacer).values() if _returns_a_document(one)]
    made = [make({} if "schema" in inspect.signature(make).parameters else False) for make in makers]
    return [*made, *(one for one in vars(of_marketplacer).values() if isinstance(one, Document))]


def _returns_a_document(one: object) -> bool:
    return inspect.isfunction(one) and one.__annotations__.get("return") == "Document"


def paths_in(platform: str, beginning: str) -> set[str]:
    """Every path that stands in a connector's sources, with `x` where it says what is asked about."""
    found = re.findall(rf'"({re.escape(beginning)}[^" ]*)"', source(platform))
    return {re.sub(r"\{.*?\}(?=/|$)", "x", one) for one in found}


def _calls(listed: Iterable[str]) -> set[str]:
    """The paths of `METHOD path` as a source without its variables has them."""
    return {re.sub(r"\{\w+\}", "{}", one.split(" ")[1]) for one in listed}


@pytest.mark.parametrize(
    ("written", "sent"),
    [
        (operations.KLAVIYO, test_klaviyo_requests.OPERATIONS),
        (operations.MAGENTO, {" ".join(one) for one in test_magento_requests.SENT}),
        (operations.MIRAKL, {"OR04", *test_mirakl_requests.SENT, *test_mirakl_shelf.SENT}),
        (operations.SHOPIFY, {one.name for one in test_shopify_requests.documents()}),
        (operations.MARKETPLACER, {one.name for one in of_the_instance()}),
    ],
    ids=["Klaviyo", "Magento", "Mirakl", "Shopify", "Marketplacer"],
)
def test_every_operation_that_a_test_judges_is_in_the_table_and_no_other(
    written: Iterable[str], sent: set[str]
) -> None:
    assert set(written) == sent


def test_what_the_sources_call_is_in_the_table() -> None:
    called = set(re.findall(r'(?<!path, )operation(?: = |=)"([^"]+)"', source("mirakl")))
    called |= set(re.findall(r'\("/api/[^"]*", "([^"]+)"\)', source("mirakl")))
    assert called == {name for _, names, _ in operations.MIRAKL.values() for name in names}

    named = set(re.findall(r'"(/(?:restapi|api)/v4/[^"]*)"', source("john_lewis")))
    assert named <= _calls(operations.JOHN_LEWIS)
    steps = {one.rstrip("/").rpartition("/")[2] for one in _calls(operations.JOHN_LEWIS) if "/orders/{}/" in one}
    assert steps - {"{}"} == set(actions._PATHS.values())
    assert len(re.findall(r"/(?:restapi|api)/v4/", source("john_lewis"))) == len(named)

    beside = set(re.findall(r'"(/admin/[^"{]*)"', source("shopify")))
    assert beside == {table.ACCESS_TOKEN.split(" ")[1]}


def test_every_path_in_a_source_is_one_of_the_table_and_every_one_of_the_table_is_in_it() -> None:
    described = {one.split(" ")[1].removeprefix("/V1") for one in operations.MAGENTO}
    shapes = {re.compile(re.sub(r"\{\w+\}", "[^/]+", path)): path for path in described}
    named = {f"{one}x" if one.endswith("/") else one for one in paths_in("magento", "/") if one != "/"}
    assert {one for one in named if not any(shape.fullmatch(one) for shape in shapes)} == set()
    assert {path for shape, path in shapes.items() if not any(map(shape.fullmatch, named))} == set()


@pytest.mark.skipif(not mirakl_schema.available(), reason=table.WHY_SKIPPED)
def test_every_path_to_mirakl_is_described_and_in_the_table() -> None:
    paths = {found["operationId"]: path for _, path, found in mirakl_schema.operations()}
    described = {re.sub(r"\{\w+\}", "x", paths[code]) for code in operations.MIRAKL}
    named = paths_in("mirakl", "/api/")
    # a path may be put together of a list's and what is asked of one of its things
    assert {one for one in named if not any(path.startswith(one) for path in described)} == set()
    assert {path for path in described if not any(path.startswith(one) for one in named)} == set()


def test_the_simulated_marketplacer_can_answer_every_document() -> None:
    for document in of_the_instance():
        assert [error.message for error in validate(simulated_marketplacer(), parse(document.text))] == [], (
            document.name
        )


def test_the_page_names_every_operation() -> None:
    page = table.PAGE.read_text(encoding="utf-8")
    named = {*operations.JOHN_LEWIS, *operations.MIRAKL, *operations.MAGENTO, *operations.KLAVIYO}
    named |= {*operations.SHOPIFY, *operations.MARKETPLACER, table.ACCESS_TOKEN}
    rows = " ".join(re.findall(r"^\| ([^|]+) \|", page, re.MULTILINE))
    missing = [one for one in named if one not in re.split(r"[` ]", rows) and f"`{one}`" not in rows]
    assert missing == [], f"docs/conformance.md lacks operations; {WRITE_IT}"


@pytest.mark.skipif(not mirakl_schema.available(), reason=table.WHY_SKIPPED)
def test_the_page_is_what_the_program_would_write() -> None:
    written = table.PAGE.read_text(encoding="utf-8")
    assert written == table.rendered(table.vendors()), f"docs/conformance.md is out of date; {WRITE_IT}"
