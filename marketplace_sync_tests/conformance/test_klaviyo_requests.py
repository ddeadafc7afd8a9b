"""Every request our Klaviyo connector can send fits the vendor's description and the vendor's own models."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import msgspec
import pytest
from pydantic import ValidationError

from marketplace_sync.connectors import klaviyo as package
from marketplace_sync.connectors.transport import Exchange
from marketplace_sync.domain.effects import EffectKind
from marketplace_sync_tests.conformance import klaviyo_schema
from marketplace_sync_tests.conformance.klaviyo_models import MODELS, strict
from marketplace_sync_tests.connectors.klaviyo_account import (
    NOW,
    Account,
    account,
    consent,
    eventually,
    history,
    live,
    profile,
)

OPERATIONS = {
    "POST /api/events",
    "GET /api/events",
    "POST /api/event-bulk-create-jobs",
    "GET /api/metrics",
    "GET /api/mapped-metrics",
    "POST /api/metric-aggregates",
    "POST /api/profile-import",
    "POST /api/profile-bulk-import-jobs",
    "GET /api/profile-bulk-import-jobs/{id}",
    "GET /api/profile-bulk-import-jobs/{id}/import-errors",
    "GET /api/profiles",
    "POST /api/profile-subscription-bulk-create-jobs",
    "POST /api/profile-subscription-bulk-delete-jobs",
    "GET /api/lists",
    "GET /api/lists/{id}",
    "GET /api/lists/{id}/profiles",
    "GET /api/accounts",
}


@pytest.fixture(scope="module")
def exchanges() -> list[Exchange]:
    """What went over the wire while the connector did everything it can do."""
    vendor = {"visibility_delay": 0.0, "job_seconds": 0.1, "import_validation": "asynchronous"}
    found: list[Exchange] = []
    for list_id in ("", "SbxNws"):
        with account(vendor, list_id=list_id) as klaviyo:
            _everything(klaviyo)
            found.extend(klaviyo.exchanges)
    return found


def _everything(klaviyo: Account) -> None:
    connector = klaviyo.connector
    rich = {"first_name": "Kim", "last_name": "Jones", "location": {"city": "Leeds", "country": "GB", "zip": "LS1"}}
    connector.deliver([live(1, profile=rich)])
    connector.deliver([live(2, identifiers={"external_id": "mkt-2"}, value=None, currency="")])
    connector.deliver([live(3, identifiers={"email": "kim3@example.com", "external_id": "mkt-3"}, currency="JPY")])
    connector.deliver([live(4, properties={"Gift": "x" * 200_000})])
    connector.deliver([*history(range(10, 1010)), *history([2000], identifiers={"email": "kim10@example.com"})])
    assert eventually(lambda: len(klaviyo.keys()) == 1005)
    connector.resolve(live(1))
    connector.metric_aggregates("Placed Order", NOW - timedelta(days=30), NOW)
    connector.metric_aggregates("Placed Order", NOW - timedelta(days=1), NOW, ["$flow"], interval="hour")
    phone = {"phone_number": "+442079460958", "locale": "en-GB", "organization": "Hearth", "title": "Ms", **rich}
    connector.deliver([profile(1, attributes=phone), profile(2, identifiers={"external_id": "mkt-9"})])
    connector.deliver([profile(3, attributes=phone)])
    connector.deliver([*(profile(number) for number in range(20, 40)), profile(40, identifiers={"email": "bad"})])
    connector.resolve(profile(1))
    connector.deliver([consent(1), consent(2), consent(3, list_id="SbxDoi")])
    connector.resolve(consent(3, list_id="SbxDoi"))
    connector.deliver([consent(1, EffectKind.UNSUBSCRIBE), consent(2, EffectKind.UNSUBSCRIBE, list_id="SbxNws")])
    connector.deliver([consent(3, EffectKind.UNSUBSCRIBE, list_id="SbxDoi")])
    connector.check()


def _operation(exchange: Exchange) -> str:
    path = re.sub(r"(/api/(?:lists|profile-bulk-import-jobs))/[^/]+", r"\1/{id}", exchange.path)
    return f"{exchange.method} {path}"


def _parsed(body: bytes) -> Any:
    return msgspec.json.decode(body) if body else None


def test_everything_the_connector_can_ask_for_was_asked_for(exchanges: list[Exchange]) -> None:
    assert {_operation(exchange) for exchange in exchanges} == OPERATIONS
    source = "".join(path.read_text() for path in Path(str(package.__file__)).parent.glob("*.py"))
    named = set(re.findall(r"/api/([a-z-]+)", source))
    assert named == {operation.split("/")[2] for operation in OPERATIONS}


@pytest.mark.skipif(not klaviyo_schema.available(), reason=klaviyo_schema.WHY_SKIPPED)
def test_every_exchange_fits_the_vendors_description(exchanges: list[Exchange]) -> None:
    problems = []
    for exchange in exchanges:
        found = klaviyo_schema.validate_exchange(
            exchange.method,
            exchange.path,
            {name: str(value) for name, value in exchange.params.items()},
            _parsed(exchange.request_body),
            exchange.status,
            _parsed(exchange.response_body),
        )
        problems += [f"{_operation(exchange)} {exchange.status}: {problem}" for problem in found]
    assert problems == []


@pytest.mark.parametrize("path", sorted(MODELS))
def test_every_body_fits_the_vendors_own_models(exchanges: list[Exchange], path: str) -> None:
    bodies = [_parsed(exchange.request_body) for exchange in exchanges if _operation(exchange) == f"POST {path}"]
    assert bodies
    with strict(path) as model:
        for body in bodies:
            model.model_validate(body)


def test_the_models_are_strict_here() -> None:
    """So that the test above could have failed: by itself the model takes a misspelt member and drops it."""
    body = {"data": {"type": "profile", "attributes": {"email": "kim@example.com", "frist_name": "Kim"}}}
    with strict("/api/profile-import") as model, pytest.raises(ValidationError, match="frist_name"):
        model.model_validate(body)


def test_no_body_states_an_unknown_value(exchanges: list[Exchange]) -> None:
    """A null in a profile import wipes what the vendor knows."""

    def nulls(value: Any, path: str) -> Iterator[str]:
        if value is None:
            yield path
        for key, member in value.items() if isinstance(value, dict) else ():
            yield from nulls(member, f"{path}/{key}")
        for index, member in enumerate(value) if isinstance(value, list) else ():
            yield from nulls(member, f"{path}/{index}")

    for exchange in exchanges:
        if exchange.request_body:
            assert list(nulls(_parsed(exchange.request_body), "")) == []
