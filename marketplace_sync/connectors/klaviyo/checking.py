"""Tries a connection with harmless reads: the key, its scopes, the account it belongs to, and what our events start."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import msgspec

from marketplace_sync.connectors.klaviyo.calls import Calls
from marketplace_sync.connectors.klaviyo.reading import Collection, Flow, Metric, Reading, Reference
from marketplace_sync.connectors.klaviyo.settings import KlaviyoSettings
from marketplace_sync.connectors.ports import Finding
from marketplace_sync.connectors.trying import gone_wrong
from marketplace_sync.domain.errors import CredentialsRefused, RequestRejected, TransportError


class _AccountAttributes(msgspec.Struct, frozen=True):
    test_account: bool | None = None
    preferred_currency: str = ""


class _Account(msgspec.Struct, frozen=True):
    id: str
    attributes: _AccountAttributes = _AccountAttributes()


class _Accounts(msgspec.Struct, frozen=True):
    data: list[_Account]


class _ListAttributes(msgspec.Struct, frozen=True):
    name: str | None = None


class _List(msgspec.Struct, frozen=True):
    attributes: _ListAttributes = _ListAttributes()


class _ListDocument(msgspec.Struct, frozen=True):
    data: _List


class _One(msgspec.Struct, frozen=True):
    data: Reference | None = None


class _MappedRelationships(msgspec.Struct, frozen=True):
    metric: _One = _One()


class _Mapped(msgspec.Struct, frozen=True):
    id: str
    relationships: _MappedRelationships = _MappedRelationships()


class Checking:
    """`check()` of one account. Never raises for what the vendor does."""

    def __init__(self, calls: Calls, reading: Reading, settings: KlaviyoSettings) -> None:
        self._calls = calls
        self._reading = reading
        self._settings = settings

    def check(self) -> list[Finding]:
        try:
            account = self._calls.read("/api/accounts", _Accounts, bucket="accounts", operation="read the account")
        except TransportError as problem:
            return [_failed("key", problem, "accounts:read")]
        findings = list(self._account(account.data))
        findings.append(self._may_read("events", "events:read", "/api/events", "event-reads", {"page[size]": 1}))
        subscriptions = {"page[size]": 1, "additional-fields[profile]": "subscriptions"}
        findings.append(
            self._may_read(
                "profiles", "profiles:read and subscriptions:read", "/api/profiles", "profile-reads", subscriptions
            )
        )
        findings.extend(self._tried("lists", "lists:read", self._lists))
        findings.extend(self._tried("metrics", "metrics:read", self._metrics))
        return findings

    def _account(self, accounts: Sequence[_Account]) -> Iterator[Finding]:
        if not accounts:
            yield Finding(subject="key", works=False, detail="the key belongs to no account", fix="make a new key")
            return
        attributes = accounts[0].attributes
        kind = "a test account" if attributes.test_account else "a live account"
        yield Finding(
            subject="key",
            works=True,
            detail=f"it belongs to account {accounts[0].id}, {kind}. Whether it may write cannot be tried harmlessly: "
            "events:write, profiles:write, lists:write and subscriptions:write are needed",
        )
        expected = self._settings.expected_test_account
        if expected is not None and attributes.test_account is not expected:
            wanted = "a test account" if expected else "a live account"
            yield Finding(
                subject="test account",
                works=False,
                detail=f"the key belongs to {kind}, and {wanted} is expected",
                fix="use the other account's key, or change expected_test_account",
            )
        currency = attributes.preferred_currency
        expected_currency = self._settings.expected_currency
        fits = not expected_currency or expected_currency == currency
        yield Finding(
            subject="currency",
            works=fits,
            detail=f"revenue is shown in {currency or 'no currency'}; Klaviyo converts nothing",
            fix=""
            if fits
            else f"set the account's preferred currency to {expected_currency}, or change expected_currency",
        )

    def _may_read(self, subject: str, scope: str, path: str, bucket: str, params: dict[str, Any]) -> Finding:
        try:
            self._calls.read(path, Collection, bucket=bucket, operation=f"try to read {subject}", params=params)
        except TransportError as problem:
            return _failed(subject, problem, scope)
        return Finding(subject=subject, works=True, detail=f"can be read ({scope})")

    def _tried(self, subject: str, scope: str, steps: Callable[[], Iterator[Finding]]) -> list[Finding]:
        try:
            return list(steps())
        except TransportError as problem:
            return [_failed(subject, problem, scope)]

    def _lists(self) -> Iterator[Finding]:
        list_id = self._settings.list_id
        if not list_id:
            yield self._may_read("lists", "lists:read", "/api/lists", "lists", {"page[size]": 1})
            return
        try:
            found = self._calls.read(
                f"/api/lists/{list_id}", _ListDocument, bucket="lists", operation="read the list of subscribers"
            )
        except RequestRejected as refusal:
            yield Finding(
                subject="lists",
                works=False,
                detail=f"there is no list {list_id} ({refusal.status})",
                fix="correct list_id: it is the last part of the list's address in Klaviyo",
            )
            return
        yield Finding(subject="lists", works=True, detail=f"people are subscribed to {found.data.attributes.name!r}")

    def _metrics(self) -> Iterator[Finding]:
        ours: dict[str, Metric] = {}
        flows: dict[str, Flow] = {}
        for metrics, included in self._reading.metrics():
            ours.update({metric.id: metric for metric in metrics if metric.ours})
            flows.update({flow.id: flow for flow in included})
        yield Finding(subject="metrics", works=True, detail=f"can be read; {len(ours)} of them are fed by the API")
        for metric in ours.values():
            if metric.attributes.name in self._settings.metrics:
                started = [flows[found.id] for found in metric.relationships.flow_triggers.data if found.id in flows]
                yield from (_starts(flow, metric) for flow in started if flow.live)
        yield from self._revenue(ours)

    def _revenue(self, ours: dict[str, Metric]) -> Iterator[Finding]:
        mapped = self._reading.pages(
            "/api/mapped-metrics", _Mapped, {"include": "metric"}, bucket="default", operation="read the mapped metrics"
        )
        revenue = [meaning for page, _ in mapped for meaning in page if meaning.id == "revenue"]
        for meaning in revenue:
            target = meaning.relationships.metric.data
            metric = ours.get(target.id) if target else None
            if metric is not None and metric.attributes.name in self._settings.metrics:
                yield Finding(
                    subject="revenue", works=True, detail=f"Klaviyo counts our {metric.attributes.name} as revenue"
                )
            else:
                yield Finding(
                    subject="revenue",
                    works=True,
                    detail="Klaviyo counts another metric than ours as revenue and for lifetime value",
                    fix="if marketplace orders are to count, map revenue to our metric in Klaviyo's metric settings",
                )


def _starts(flow: Flow, metric: Metric) -> Finding:
    """A warning: it works, and a person should know."""
    return Finding(
        subject="flows",
        works=True,
        detail=f"the live flow {flow.attributes.name!r} starts on {metric.attributes.name}: an order of a marketplace "
        "starts it, history does not",
        fix="if its messages are not meant for these buyers, filter the flow by the property Marketplace",
    )


def _failed(subject: str, problem: TransportError, scope: str) -> Finding:
    if isinstance(problem, CredentialsRefused):
        fix = (
            "check api_key: the private key was made up, revoked, or belongs to another account"
            if problem.status == 401
            else f"give the private key the scope {scope} (Klaviyo: settings, API keys; scopes need a new key)"
        )
    else:
        fix = "check base_url"
    return gone_wrong(subject, problem, fix)
