"""What the errors of a GraphQL answer mean: did anything happen, may it be repeated, what should a person do."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec

from marketplace_sync.domain.errors import (
    AnswerLost,
    AnswerUnreadable,
    CredentialsRefused,
    RequestRejected,
    Throttled,
    TransportError,
    VendorUnavailable,
)

_LONGEST = 500


class TooExpensive(RequestRejected):
    """One operation asked for more points than Shopify allows; nothing ran."""

    allowed = 0.5
    """What of it would have been allowed, as a fraction, as far as Shopify said."""


class InProgress(AnswerLost):
    """The same change is already under way at Shopify."""


class KeyUsed(RequestRejected):
    """An idempotency key was used before, for a try that failed or for something else; nothing ran now."""


class UserError(msgspec.Struct):
    """Why Shopify did not do what a mutation asked for."""

    message: str
    field: list[str] | None = None
    code: str | None = None


def failure(
    errors: Any,
    *,
    nothing_ran: bool,
    write: bool,
    wait: float,
    connection: str,
    operation: str,
    request_id: str,
) -> TransportError | None:
    """The error that the top-level `errors` of an answer stand for; None when there are none.

    `errors` is a list, or a text for failures of the whole account (Shopify, errors). Data that came with errors is
    never complete, and a write of which data came may have been made.
    """
    if not errors:
        return None
    codes, said = _read(errors)
    said += f" (Shopify request {request_id})" if request_id else ""
    kind, message = _meaning(codes, said, nothing_ran=nothing_ran, write=write)
    message = f"{connection}: {operation}: {message}"
    if issubclass(kind, Throttled):
        return kind(f"{message} for {wait:.1f} s", retry_after=wait, connection=connection, operation=operation)
    status = 403 if kind is CredentialsRefused else None
    problem = kind(message, connection=connection, operation=operation, status=status)
    if isinstance(problem, TooExpensive):
        problem.allowed = _allowed(errors)
    return problem


def _allowed(errors: Any) -> float:
    """`maxCost` over `cost` of the error that has them; a half when they make no sense."""
    for error in errors if isinstance(errors, list) else ():
        stated = error.get("extensions") if isinstance(error, dict) else None
        cost, most = (stated.get("cost"), stated.get("maxCost")) if isinstance(stated, dict) else (None, None)
        if isinstance(cost, int | float) and isinstance(most, int | float) and 0 < most < cost:
            return most / cost
    return 0.5


def _meaning(codes: set[str], said: str, *, nothing_ran: bool, write: bool) -> tuple[type[TransportError], str]:
    if not nothing_ran and write:
        return AnswerLost, f"it may have been carried out; Shopify said: {said}"
    if not nothing_ran:
        return AnswerUnreadable, f"Shopify's answer is incomplete: {said}"
    if "THROTTLED" in codes:
        return Throttled, "Shopify asked us to wait"
    if "MAX_COST_EXCEEDED" in codes:
        return TooExpensive, f"it asks for more in one go than Shopify allows: {said}"
    if "ACCESS_DENIED" in codes:
        return CredentialsRefused, f"the app may not do this; grant it the permission that Shopify names: {said}"
    if "SHOP_INACTIVE" in codes:
        return CredentialsRefused, f"the shop is not active: {said}"
    if "IDEMPOTENCY_CONCURRENT_REQUEST" in codes:
        return InProgress, f"the same change is already under way at Shopify: {said}"
    if codes & KEY_USED:
        return KeyUsed, f"Shopify has seen the key of this change before: {said}"
    if codes & {"INTERNAL_SERVER_ERROR", "TIMEOUT"} and write:
        return AnswerLost, f"Shopify failed half-way, it may have been carried out: {said}"
    if codes & {"INTERNAL_SERVER_ERROR", "TIMEOUT"}:
        return VendorUnavailable, f"Shopify failed, try again later: {said}"
    return RequestRejected, f"Shopify refused the request: {said}"


KEY_USED = {"IDEMPOTENCY_KEY_PARAMETER_MISMATCH", "IDEMPOTENCY_PREVIOUS_ATTEMPT_FAILED"}


def _read(errors: Any) -> tuple[set[str], str]:
    """(codes, what Shopify said) of any shape of `errors`."""
    if isinstance(errors, str):
        return set(), errors[:_LONGEST]
    codes = set()
    said = []
    for error in errors if isinstance(errors, list) else [errors]:
        if not isinstance(error, dict):
            said.append(str(error))
            continue
        said.append(str(error.get("message", error)))
        extensions = error.get("extensions")
        if isinstance(extensions, dict) and isinstance(extensions.get("code"), str):
            codes.add(extensions["code"])
    return codes, "; ".join(said)[:_LONGEST]


_ADVICE = {
    "INVENTORY_CLAIM_FAILED": "the shop has not enough stock; correct its stock, or let inventory_behaviour ignore it",
    "SHOP_DORMANT": "the shop is dormant and takes no orders; check its plan with Shopify",
    "PROCESSED_AT_INVALID": "the order's time lies in the future for Shopify; check this machine's clock",
    "TAX_LINE_RATE_MISSING": "a tax without its rate",
    "FULFILLMENT_SERVICE_INVALID": "a fulfilment service that the shop does not have",
    "NOT_FOUND": "Shopify does not have it (any more)",
}


def explained(what: str, errors: Sequence[UserError]) -> str:
    """A sentence for a person: what was refused, what Shopify said about which field, and what to do about it."""
    said = []
    for error in errors:
        field = f" ({'.'.join(error.field)})" if error.field else ""
        advice = _ADVICE.get(error.code or "")
        said.append(f"{error.message.rstrip('.')}{field}" + (f" [{advice}]" if advice else ""))
    return f"Shopify refused {what}: {'; '.join(said)[:_LONGEST]}"


def codes_of(errors: Sequence[UserError]) -> str:
    """The codes of user errors, each once, for programs."""
    return ",".join(dict.fromkeys(error.code for error in errors if error.code))
