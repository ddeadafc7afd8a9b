"""The simulated Klaviyo's table of operations is the vendor's: paths, quotas, filters, scopes, sorting and paging."""

from __future__ import annotations

import re
from typing import Any

import pytest

from marketplace_sync.sandbox.klaviyo.aggregates import DIMENSIONS
from marketplace_sync.sandbox.klaviyo.metrics import MAPPED
from marketplace_sync.sandbox.klaviyo.operations import EXPENSIVE, OPERATIONS, Operation
from marketplace_sync_tests.conformance import klaviyo_schema

pytestmark = pytest.mark.skipif(not klaviyo_schema.available(), reason=klaviyo_schema.WHY_SKIPPED)

EVERY = pytest.mark.parametrize("operation", OPERATIONS, ids=[one.key for one in OPERATIONS])


def _described(operation: Operation) -> dict[str, Any]:
    for method, path, found in klaviyo_schema.operations():
        if (method, path) == (operation.method, operation.path):
            return found
    raise AssertionError(f"the vendor has no {operation.key}")


@EVERY
def test_the_quota_is_the_vendors(operation: Operation) -> None:
    limits = operation.limits
    ours = {"burst": f"{limits.burst}/s", "steady": f"{limits.steady}/m"}
    if limits.daily is not None:
        ours["daily"] = f"{limits.daily}/d"
    assert ours == _described(operation)["x-klaviyo-ratelimit"]


@EVERY
def test_the_filters_and_their_operators_are_the_vendors(operation: Operation) -> None:
    theirs = {}
    for name, one in _described(operation).get("x-klaviyo-filters", {}).items():
        value = one.get("value", {"type": "none"})
        operators = {operator for several in one["operators"].values() for operator in several}
        theirs[name] = (value.get("format", value["type"]), operators)
    assert {name: (kind, set(text.split())) for name, (kind, text) in operation.filters.items()} == theirs


@EVERY
def test_the_scopes_are_the_vendors(operation: Operation) -> None:
    assert set(operation.scopes) == set(_described(operation)["x-klaviyo-scopes"])


@EVERY
def test_sorting_inclusion_additional_fields_and_paging_are_the_vendors(operation: Operation) -> None:
    known = klaviyo_schema.parameters(_described(operation))

    def choices(name: str) -> set[str]:
        schema = known.get(name, {}).get("schema", {})
        return set(schema.get("enum", schema.get("items", {}).get("enum", [])))

    assert set(operation.sort) == choices("sort")
    assert set(operation.include) == choices("include")
    assert set(operation.additional) == {
        one for name in known if name.startswith("additional") for one in choices(name)
    }
    size = known.get("page[size]", {}).get("schema")
    assert operation.page_size == (None if size is None else (size["default"], size["maximum"]))
    assert operation.paged == ("page[cursor]" in known)


def test_costly_additions_have_the_limits_the_vendor_writes_about_them() -> None:
    for (key, parameter, value), limits in EXPENSIVE.items():
        operation = next(one for one in OPERATIONS if one.key == key)
        text = _described(operation)["description"]
        # The vendor writes include=list where the parameter's value is lists.
        named = rf"`{re.escape(parameter)}={re.escape(value.rstrip('s'))}s?` parameter[^`]*"
        found = re.search(rf"{named}Burst: `(\d+)/s`<br>Steady: `(\d+)/m`", text)
        assert found is not None, f"{key} says nothing about {parameter}={value}"
        assert (int(found[1]), int(found[2])) == (limits.burst, limits.steady)


def test_no_costly_addition_is_missing() -> None:
    ours = {(key, parameter) for key, parameter, _ in EXPENSIVE}
    for operation in OPERATIONS:
        known = klaviyo_schema.parameters(_described(operation))
        for parameter in re.findall(r"when using the `([^=]+)=", _described(operation)["description"]):
            # The vendor also warns where the parameter does not exist.
            assert parameter not in known or (operation.key, parameter) in ours


def test_dimensions_and_mapped_metrics_are_the_vendors() -> None:
    aggregate = klaviyo_schema.find("POST", "/api/metric-aggregates")
    assert aggregate is not None
    schema = next(iter(aggregate["requestBody"]["content"].values()))["schema"]
    for step in ("data", "attributes", "by"):
        schema = klaviyo_schema.resolved(klaviyo_schema.resolved(schema)["properties"][step])
    assert set(DIMENSIONS) == set(schema["items"]["enum"])
    mapped = klaviyo_schema.find("PATCH", "/api/mapped-metrics/revenue")
    assert mapped is not None
    schema = next(iter(mapped["requestBody"]["content"].values()))["schema"]
    for step in ("data", "id"):
        schema = klaviyo_schema.resolved(klaviyo_schema.resolved(schema)["properties"][step])
    assert set(MAPPED) == set(schema["enum"])
