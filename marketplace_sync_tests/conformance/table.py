"""Writes down what every operation of every connector is validated by, and what could not be validated and why.

It takes the vendors' descriptions and sheets (MARKETPLACE_SYNC_CONTRACTS). After a change that is meant, write again:

    python -m marketplace_sync_tests.conformance.table
"""

from __future__ import annotations

import functools
import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from marketplace_sync_tests.conformance import klaviyo_schema, magento_schema, mirakl_schema, operations
from marketplace_sync_tests.conformance.klaviyo_models import MODELS

PAGE = Path(__file__).parents[2] / "docs" / "conformance.md"
FOLDER = mirakl_schema.FOLDER
WHY_SKIPPED = mirakl_schema.WHY_SKIPPED
HEAD = """# Conformance

Every distinct operation that a connector sends: what its requests and the simulated vendor's answers are validated by,
which section of the vendor's sheet the rule was written from, and what could not be validated, with the reason. No live
vendor was reached: what is shown here is that both sides fit what the vendors publish, read twice independently.

This page is generated (`python -m marketplace_sync_tests.conformance.table`); a test fails when it is not what the
program would write. The descriptions are not part of this repository: see `MARKETPLACE_SYNC_CONTRACTS` in
[configuration.md](configuration.md).
"""
VENDORS_MODELS = ", the vendor's own models"
ACCESS_TOKEN = "POST /admin/oauth/access_token"
"""The one call to Shopify that is no document."""


@dataclass(frozen=True)
class Row:
    """`request` and `answer` are what they are validated by; `rule` is a section's number in the vendor's sheet."""

    operation: str
    request: str
    answer: str
    rule: int
    missing: str = ""


@dataclass(frozen=True)
class Vendor:
    """`sheet` is the name of the vendor's sheet; `words` say what holds for all its operations."""

    name: str
    sheet: str
    words: str
    rows: tuple[Row, ...]


def _description_of_klaviyo() -> Iterator[Row]:
    spec = f"OpenAPI {klaviyo_schema.description()['info']['version']}"
    described = {f"{method} {path.rstrip('/')}" for method, path, _ in klaviyo_schema.operations()}
    for operation, (rule, missing) in operations.KLAVIYO.items():
        assert operation in {re.sub(r"\{\w+\}", "{id}", one) for one in described}, f"Klaviyo describes no {operation}"
        models = operation.startswith("POST ") and operation.removeprefix("POST ") in MODELS
        yield Row(f"`{operation}`", f"{spec}{VENDORS_MODELS if models else ''}", spec, rule, missing)


def _description_of_mirakl() -> Iterator[Row]:
    spec = "OpenAPI of the seller API"
    described = {
        found["operationId"]: (f"{method} {path}", found) for method, path, found in mirakl_schema.operations()
    }
    for code, (rule, _, missing) in operations.MIRAKL.items():
        call, found = described[code]
        answers = (answer for status, answer in found["responses"].items() if status.startswith("2"))
        answer = spec if any(answer.get("content") for answer in answers) else f"{spec}: no body"
        yield Row(f"{code} `{call}`", spec, answer, rule, missing)


def _description_of_magento() -> Iterator[Row]:
    for operation, (rule, missing) in operations.MAGENTO.items():
        method, path = operation.split(" ")
        releases = [one for one in magento_schema.FILES if method.lower() in _magento_paths(one).get(path, ())]
        assert releases, f"Magento describes no {operation}"
        spec = f"Swagger {' and '.join(sorted(releases))}"
        yield Row(f"`{operation}`", spec, spec, rule, missing)


@functools.cache
def _magento_paths(release: str) -> dict[str, set[str]]:
    return {path: set(methods) for path, methods in magento_schema.description(release)["paths"].items()}


def _description_of_shopify() -> Iterator[Row]:
    spec = "Admin SDL 2026-10"
    for name, (rule, missing) in operations.SHOPIFY.items():
        yield Row(name, f"{spec} and 2026-07", spec, rule, missing)
    why = "all of it: no part of the GraphQL schema; both sides are written from the sheet"
    yield Row(f"`{ACCESS_TOKEN}`", "–", "–", 3, why)


def _description_of_marketplacer() -> Iterator[Row]:
    spec = "Operator SDL (2024)"
    answer = "simulated schema, a part of the SDL"
    for name, (rule, missing) in operations.MARKETPLACER.items():
        yield Row(name, spec, answer, rule, missing)


def _description_of_john_lewis() -> Iterator[Row]:
    for operation, (rule, missing) in operations.JOHN_LEWIS.items():
        why = "all of it: no public description"
        yield Row(f"`{operation}`", "–", "–", rule, f"{why}; {missing}" if missing else why)


def vendors() -> list[Vendor]:
    """All there is to say. Raises FileNotFoundError when a description is missing, AssertionError or KeyError when an
    operation is in none."""
    return [
        Vendor(
            "John Lewis (Edge)",
            "john_lewis",
            "The Edge has no public description. Connector and simulation are two independent readings of the sheet,"
            " and what the public record leaves open is a setting. On its Mirakl rail what is said of Mirakl holds.",
            tuple(_description_of_john_lewis()),
        ),
        Vendor(
            "Mirakl",
            "mirakl",
            "Requests must have nothing that the description does not know; answers of the simulation neither."
            " Codes that an operator chooses (carriers, reasons, states) are free text to the description.",
            tuple(_description_of_mirakl()),
        ),
        Vendor(
            "Marketplacer",
            "marketplacer",
            "Documents and variables are validated whole. The public schema is of 2024: what an instance lacks of it is"
            " found at start and named.",
            tuple(_description_of_marketplacer()),
        ),
        Vendor(
            "Magento",
            "magento",
            "Members that the description does not know are refused here, as the server does, though the description"
            " lets them pass. Answers of the simulation are validated strictly, for both releases. Signatures are not"
            " described: the simulation's are checked with an independent implementation of OAuth 1.",
            tuple(_description_of_magento()),
        ),
        Vendor(
            "Shopify",
            "shopify",
            "Documents, variables and answers are validated whole; the simulated schema is a part of the vendor's."
            " Deliveries of webhooks are not in the schema.",
            tuple(_description_of_shopify()),
        ),
        Vendor(
            "Klaviyo",
            "klaviyo",
            "Requests must have nothing that the description does not know; filters are validated against the"
            " operators that the vendor lists for each field. Its own models are those of"
            " its Python client, made strict.",
            tuple(_description_of_klaviyo()),
        ),
    ]


def rendered(found: list[Vendor]) -> str:
    """The page. Raises FileNotFoundError without a sheet, KeyError when a sheet has no such section."""
    parts = [HEAD]
    for vendor in found:
        titles = _sections(vendor.sheet)
        lines = [
            f"| {row.operation} | {row.request} | {row.answer} | {row.rule} {titles[row.rule]} | {row.missing or '–'} |"
            for row in vendor.rows
        ]
        head = (
            "| operation | request validated by | simulated answer validated by | rule from | not validated, and why |"
        )
        parts.append("\n".join([f"## {vendor.name}", "", vendor.words, "", head, "|---|---|---|---|---|", *lines, ""]))
    return "\n".join(parts)


@functools.cache
def _sections(sheet: str) -> dict[int, str]:
    """Number -> title of the sections of a vendor's sheet."""
    text = (Path(os.environ[FOLDER]) / f"{sheet}.md").read_text(encoding="utf-8")
    return {int(number): title.strip() for number, title in re.findall(r"^## (\d+)\. ([^(\n]+)", text, re.MULTILINE)}


if __name__ == "__main__":
    PAGE.write_text(rendered(vendors()), encoding="utf-8")
    print(f"{PAGE} written")
