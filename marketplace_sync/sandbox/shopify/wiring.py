"""How fields and mutations are tied to the schema: who may call them, how they refuse, what counts as one action."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from graphql import GraphQLResolveInfo

from marketplace_sync.sandbox.shopify.shop import Shop
from marketplace_sync.sandbox.shopify.things import Thing, TopLevelError

MOST_INPUTS = 250


@dataclass
class Call:
    """One request: whose it is and what came with it."""

    shop: Shop
    app: str
    scopes: frozenset[str]
    version: str
    variables: dict[str, Any] = dataclasses.field(default_factory=dict)
    """As they were sent, with their order: the idempotency fingerprint is made of them."""
    running_keys: frozenset[str] = frozenset()
    """Idempotency keys that another request is busy with."""


@dataclass
class Problem:
    message: str
    field: list[str] | None = None
    code: str | None = None
    extra: dict[str, Any] = dataclasses.field(default_factory=dict)


class Refused(Exception):
    """A mutation was not carried out, and nothing was changed: what goes into `userErrors`."""

    def __init__(self, *problems: Problem) -> None:
        super().__init__("; ".join(problem.message for problem in problems))
        self.problems = problems

    def as_json(self) -> list[dict[str, Any]]:
        return [{"message": p.message, "field": p.field, "code": p.code, **p.extra} for p in self.problems]


def refused(message: str, *path: str, code: str | None = None) -> Refused:
    return Refused(Problem(message, list(path) or None, code))


Resolver = Callable[..., Any]
Mutation = Callable[[Call, dict[str, Any]], dict[str, Any]]
Around = Callable[[Call, GraphQLResolveInfo, str, dict[str, Any], Callable[[], dict[str, Any]]], dict[str, Any]]

FIELDS: dict[tuple[str, str], Resolver] = {}
"""Resolvers by type and field, filled by the modules that define them."""


def resolves(typename: str, *fields: str) -> Callable[[Resolver], Resolver]:
    """The decorated function resolves these fields of this type."""

    def register(resolver: Resolver) -> Resolver:
        for name in fields:
            FIELDS[(typename, name)] = resolver
        return resolver

    return register


def require(call: Call, name: str, scopes: tuple[str, ...]) -> None:
    """Raises TopLevelError when the app has none of these scopes."""
    if scopes and not call.scopes.intersection(scopes):
        wanted = " or ".join(f"`{scope}`" for scope in scopes)
        raise TopLevelError(
            f"Access denied for {name} field. Required access: {wanted} access scope.",
            "ACCESS_DENIED",
            documentation="https://shopify.dev/api/usage/access-scopes",
            requiredAccess=f"{wanted} access scope.",
        )


def root(name: str, *scopes: str) -> Callable[[Callable[[Call, dict[str, Any]], Any]], Any]:
    """The decorated function answers this root query: it takes the call and the arguments. Any of `scopes` will do."""

    def register(function: Callable[[Call, dict[str, Any]], Any]) -> Callable[[Call, dict[str, Any]], Any]:
        def resolve(_: Any, info: GraphQLResolveInfo, **arguments: Any) -> Any:
            call: Call = info.context
            require(call, name, scopes)
            return function(call, arguments)

        FIELDS[("QueryRoot", name)] = resolve
        return function

    return register


def _plainly(
    call: Call, info: GraphQLResolveInfo, name: str, arguments: dict[str, Any], run: Callable[[], dict[str, Any]]
) -> dict[str, Any]:
    return run()


def mutation(
    name: str, *scopes: str, errors: str = "userErrors", around: Around = _plainly
) -> Callable[[Mutation], Mutation]:
    """The decorated function carries out this mutation: it returns the payload or raises Refused before any change."""

    def register(function: Mutation) -> Mutation:
        def resolve(_: Any, info: GraphQLResolveInfo, **arguments: Any) -> dict[str, Any]:
            call: Call = info.context
            require(call, name, scopes)
            _check_sizes(arguments)

            def run() -> dict[str, Any]:
                with call.shop.action():
                    return function(call, arguments)

            try:
                return {errors: [], **around(call, info, name, arguments, run)}
            except Refused as refusal:
                return {errors: refusal.as_json()}

        FIELDS[("Mutation", name)] = resolve
        return function

    return register


def _check_sizes(value: Any) -> None:
    """Lists of more than 250 are refused whole (Shopify, API limits)."""
    if isinstance(value, list):
        if len(value) > MOST_INPUTS:
            raise TopLevelError(
                f"The input array size of {len(value)} is greater than the maximum allowed of {MOST_INPUTS}.",
                "MAX_INPUT_SIZE_EXCEEDED",
            )
        for item in value:
            _check_sizes(item)
    elif isinstance(value, dict):
        for item in value.values():
            _check_sizes(item)


def default_resolver(source: Any, info: GraphQLResolveInfo, **arguments: Any) -> Any:
    """Documents are kept under the names of the fields."""
    name = info.field_name
    if isinstance(source, Thing):
        if name == "id":
            return source.gid
        if name == "legacyResourceId":
            return str(source.doc["id"])
        return source.doc.get(name)
    if isinstance(source, dict):
        return source.get(name)
    return getattr(source, name)
