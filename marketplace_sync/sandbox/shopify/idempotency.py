"""`@idempotent(key:)`: required on some mutations, remembered for a day, answered again from the present state."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from typing import Any

from graphql import (
    FieldNode,
    GraphQLResolveInfo,
    OperationDefinitionNode,
    VariableNode,
    print_ast,
    value_from_ast_untyped,
)

from marketplace_sync.sandbox.shopify.shop import Shop, forget_old
from marketplace_sync.sandbox.shopify.things import Thing, TopLevelError
from marketplace_sync.sandbox.shopify.wiring import Call, Problem, Refused
from marketplace_sync.sandbox.state import Document

KEPT_SECONDS = 24 * 3600
REQUIRED_SINCE = "2026-04"


def idempotently(
    call: Call,
    info: GraphQLResolveInfo,
    name: str,
    arguments: dict[str, Any],
    run: Callable[[], dict[str, Any]],
) -> dict[str, Any]:
    """Around a mutation that needs the directive. Raises TopLevelError without it, Refused for a key used badly."""
    node = info.field_nodes[0]
    key = _key(node, call.variables)
    if key is None:
        if call.version < REQUIRED_SINCE:
            return run()
        raise TopLevelError(
            f"The @idempotent directive is required for this mutation but was not provided: {name}", "BAD_REQUEST"
        )
    if not key.strip():
        raise TopLevelError("The @idempotent directive's key can't be blank", "BAD_REQUEST")
    shop, kept = call.shop, call.shop.state.collection("idempotency_keys")
    place = f"{call.app}/{name}/{key}"
    if place in call.running_keys:
        raise _conflict(info, "A request with this idempotency key is in progress.", "IDEMPOTENCY_CONCURRENT_REQUEST")
    fingerprint = _fingerprint(node, call.variables)
    known = kept.get(place)
    if known is not None and shop.clock.timestamp() - known["at"] < KEPT_SECONDS:
        if known["fingerprint"] != fingerprint:
            message = "This idempotency key was used with other parameters."
            raise _conflict(info, message, "IDEMPOTENCY_KEY_PARAMETER_MISMATCH")
        if known["payload"] is None:
            message = "The earlier attempt with this idempotency key failed: use a new key."
            raise _conflict(info, message, "IDEMPOTENCY_PREVIOUS_ATTEMPT_FAILED")
        return {field: _again(shop, value) for field, value in known["payload"].items()}
    # What is put anew goes to the end, so that the oldest always comes first.
    kept.delete(place)
    forget_old(kept, shop.clock.timestamp() - KEPT_SECONDS)
    record: Document = {"at": shop.clock.timestamp(), "fingerprint": fingerprint, "payload": None}
    try:
        payload = run()
    except Refused:
        kept.put(place, record)
        raise
    record["payload"] = {field: _reference(value) for field, value in payload.items()}
    kept.put(place, record)
    return payload


def keys_in(operation: OperationDefinitionNode, variables: dict[str, Any], app: str) -> frozenset[str]:
    """The idempotency keys of an operation's root fields."""
    found = set()
    for node in operation.selection_set.selections:
        if isinstance(node, FieldNode) and (key := _key(node, variables)) is not None:
            found.add(f"{app}/{node.name.value}/{key}")
    return frozenset(found)


def _key(node: FieldNode, variables: dict[str, Any]) -> str | None:
    for directive in node.directives:
        if directive.name.value == "idempotent":
            value = directive.arguments[0].value
            if isinstance(value, VariableNode):
                return str(variables.get(value.name.value) or "")
            return str(value_from_ast_untyped(value))
    return None


def _fingerprint(node: FieldNode, variables: dict[str, Any]) -> str:
    """Of the arguments as they were sent: the order of input fields counts (Shopify, idempotent requests)."""
    text = [print_ast(argument) for argument in node.arguments]
    used = {
        argument.value.name.value: variables.get(argument.value.name.value)
        for argument in node.arguments
        if isinstance(argument.value, VariableNode)
    }
    return hashlib.sha256(json.dumps([text, used]).encode()).hexdigest()


def _conflict(info: GraphQLResolveInfo, message: str, code: str) -> Exception:
    """In `userErrors` where those have a code, else on the top level, so that the code is never lost."""
    payload = info.schema.get_type(info.return_type.name)  # type: ignore[union-attr]
    errors = payload.fields["userErrors"].type.of_type.of_type.of_type  # type: ignore[union-attr]
    if "code" in errors.fields:
        return Refused(Problem(message, None, code))
    return TopLevelError(message, code)


def _reference(value: Any) -> Any:
    if isinstance(value, Thing):
        return [value.typename, str(value.doc["id"])]
    if value is None:
        return None
    raise TypeError(f"an idempotent mutation answers with things, not with a {type(value).__name__}")


def _again(shop: Shop, reference: Any) -> Thing | None:
    """What the first answer named, as it is today."""
    if reference is None:
        return None
    typename, key = reference
    kept = {"Order": shop.orders, "InventoryAdjustmentGroup": shop.adjustments}
    if typename in kept:
        document = kept[typename].get(key)
        return Thing(typename, document) if document is not None else None
    if typename == "InventoryLevel":
        for item in shop.items.values():
            for location, level in item["levels"].items():
                if str(level["id"]) == key:
                    return Thing("InventoryLevel", {**level, "item": item["id"], "location": int(location)})
        return None
    found = shop.part(typename, key)
    return Thing(typename, found[1], found[0]) if found else None
