"""How fields and mutations are tied to the schema: who may call them, how they refuse, what counts as one action."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from graphql import GraphQLResolveInfo

from marketplace_sync.sandbox.marketplacer.market import Market
from marketplace_sync.sandbox.marketplacer.paging import connect
from marketplace_sync.sandbox.marketplacer.things import Refused, Thing, TopLevelError
from marketplace_sync.sandbox.state import Document

Info = GraphQLResolveInfo
Resolver = Callable[..., Any]

FIELDS: dict[tuple[str, str], Resolver] = {}
"""Resolvers by type and field, filled by the modules that define them."""

DERIVED: dict[tuple[str, str], Resolver] = {}
"""The functions behind them, for a field that follows from another."""

SYMBOLS = {"GBP": "£", "EUR": "€", "USD": "$", "AUD": "$", "NZD": "$"}
LEVELS = ("read", "write", "manage")


@dataclass(frozen=True)
class Call:
    """One request: whose key it is."""

    market: Market
    name: str
    seller: int | None = None
    """Number of the seller; None for the operator."""
    scopes: frozenset[str] | None = None
    """None for a key without scopes, which may do everything its owner may."""

    def require(self, scope: str | None) -> None:
        """Raises TopLevelError without the scope; a higher level of the same resource includes the lower ones."""
        if self.scopes is None or scope is None:
            return
        resource, _, level = scope.partition(":")
        if not any(f"{resource}:{held}" in self.scopes for held in LEVELS[LEVELS.index(level) :]):
            raise TopLevelError(f"This API key does not have the scope {scope}", "MISSING_SCOPE")

    def operator_only(self, what: str) -> None:
        if self.seller is not None:
            raise TopLevelError(f"You do not have permission to access {what}", "FORBIDDEN")

    def may_see(self, thing: Thing) -> bool:
        """A seller sees what is its own; products, carriers and taxons are everybody's."""
        if self.seller is None:
            return True
        owner = owner_of(self.market, thing.typename, thing.doc)
        return thing.typename not in ("Order", "Webhook", "WebhookEvent") and owner in (None, self.seller)


def owner_of(market: Market, typename: str, doc: Document) -> int | None:
    """Number of the seller whose thing this is; None when it is nobody's in particular."""
    if typename == "Seller":
        return int(doc["n"])
    if "seller" in doc:
        return None if doc["seller"] is None else int(doc["seller"])
    if "invoice" in doc and isinstance(doc["invoice"], int):
        return int(market.get("Invoice", doc["invoice"])["seller"])
    if typename == "RefundRequestLineItem":
        return owner_of(market, "RefundRequest", market.get("RefundRequest", doc["request"]))
    if typename == "Variant":
        return int(market.get("Advert", doc["advert"])["seller"])
    return None


def resolves(typename: str, *fields: str) -> Callable[[Resolver], Resolver]:
    """The decorated function resolves these fields of this type: it takes the thing, the call and the arguments."""

    def register(function: Resolver) -> Resolver:
        def resolve(source: Thing, info: Info, **arguments: Any) -> Any:
            _fail_on_purpose(source, info)
            return function(source, info.context, info.field_name, arguments)

        for name in fields:
            FIELDS[(typename, name)] = resolve
            DERIVED[(typename, name)] = function
        return function

    return register


def _fail_on_purpose(source: Any, info: Info) -> None:
    where = f"{info.parent_type.name}.{info.field_name}"
    one = f"{where}@{source.doc['n']}" if isinstance(source, Thing) else where
    if not {where, one}.isdisjoint(info.context.market.settings.failing_fields):
        raise TopLevelError("Something went wrong", "INTERNAL_ERROR")


def root(name: str, scope: str | None = None, *, operator: bool = False) -> Callable[[Resolver], Resolver]:
    """The decorated function answers this root query: it takes the call and the arguments."""

    def register(function: Resolver) -> Resolver:
        def resolve(_: Any, info: Info, **arguments: Any) -> Any:
            call: Call = info.context
            if operator:
                call.operator_only(name)
            call.require(scope)
            return function(call, arguments)

        FIELDS[("Query", name)] = resolve
        return function

    return register


def mutation(name: str, scope: str, result: str | None, *, operator: bool = True) -> Callable[[Resolver], Resolver]:
    """The decorated function carries out this mutation on its input: it returns the value of the payload's field
    `result`, or raises Refused before any change."""

    def register(function: Resolver) -> Resolver:
        def resolve(_: Any, info: Info, input: dict[str, Any]) -> dict[str, Any]:
            call: Call = info.context
            if operator:
                call.operator_only(name)
            call.require(scope)
            payload: dict[str, Any] = {"clientMutationId": input.get("clientMutationId")}
            try:
                with call.market.action():
                    value = function(call, input)
            except Refused as refusal:
                return {**payload, "status": refusal.status, "errors": refusal.as_json()}
            return {**payload, "status": 200, "errors": None, **({result: value} if result else {})}

        FIELDS[("Mutation", name)] = resolve
        return function

    return register


def things(typename: str, documents: Any) -> list[Thing]:
    return [Thing(typename, document) for document in documents]


def page(call: Call, typename: str, documents: Any, arguments: dict[str, Any]) -> dict[str, Any]:
    return connect(things(typename, documents), arguments, call.market.settings)


def default_resolver(source: Any, info: Info, **arguments: Any) -> Any:
    """Documents are kept under the names of the fields; a formatted amount follows from its cents."""
    name = info.field_name
    _fail_on_purpose(source, info)
    if name.endswith("Formatted"):
        cents = f"{name.removesuffix('Formatted')}Cents"
        resolver = DERIVED.get((info.parent_type.name, cents))
        amount = resolver(source, info.context, cents, {}) if resolver else source.doc.get(cents)
        return None if amount is None else formatted(info.context.market, amount)
    if isinstance(source, Thing):
        return source.gid if name == "id" else source.doc.get(name)
    return source.get(name)


def formatted(market: Market, cents: int) -> str:
    currency = market.settings.currency
    symbol = SYMBOLS.get(currency, f"{currency} ")
    return f"{'-' if cents < 0 else ''}{symbol}{abs(cents) // 100:,}.{abs(cents) % 100:02d}"
