"""Access tokens: the static one of an old admin-made app, and those from the client-credentials grant."""

from __future__ import annotations

import hmac
import secrets
from typing import Any

from marketplace_sync.sandbox.clock import Clock
from marketplace_sync.sandbox.shopify.settings import Settings
from marketplace_sync.sandbox.state import State

Holder = tuple[str, frozenset[str]]
"""The app a token belongs to, and its scopes."""


class Tokens:
    """Granted tokens by their text. They outlive a restart and end with their lifetime."""

    def __init__(self, state: State, clock: Clock, settings: Settings) -> None:
        self._granted = state.collection("access_tokens")
        self._state = state
        self._clock = clock
        self._settings = settings

    def holder(self, token: str) -> Holder | None:
        """Whose token this is, or None when it is unknown or has expired."""
        settings = self._settings
        if settings.access_token and hmac.compare_digest(token.encode(), settings.access_token.encode()):
            return "admin-made app", frozenset(settings.scopes)
        granted = self._granted.get(token)
        if granted is None or granted["expires_at"] <= self._clock.timestamp():
            return None
        return settings.client_id, frozenset(settings.scopes)

    def grant(self, form: dict[str, Any]) -> tuple[int, dict[str, Any]]:
        """Status and body of the answer to a token request (Shopify, client credentials grant)."""
        settings = self._settings
        if form.get("grant_type") != "client_credentials":
            return 400, {"error": "unsupported_grant_type", "error_description": "The grant type is not supported"}
        if form.get("client_id") != settings.client_id or not hmac.compare_digest(
            str(form.get("client_secret") or "").encode(), client_secret(self._state, settings).encode()
        ):
            return 400, {"error": "invalid_client", "error_description": "The client id or secret is not valid"}
        token = f"shpat_{secrets.token_hex(16)}"
        now = self._clock.timestamp()
        for old in [key for key, granted in self._granted.items() if granted["expires_at"] <= now]:
            self._granted.delete(old)
        self._granted.put(token, {"expires_at": now + settings.token_seconds})
        return 200, {
            "access_token": token,
            "scope": ",".join(_shortened(settings.scopes)),
            "expires_in": settings.token_seconds,
        }


def _shortened(scopes: list[str]) -> list[str]:
    """A write scope implies its read scope, which is then not listed."""
    implied = {scope.replace("write_", "read_", 1) for scope in scopes if scope.startswith("write_")}
    return sorted(scope for scope in scopes if scope not in implied)


OLD_SECRET_SECONDS = 3600
"""How long after a rotation deliveries may still be signed with the old secret (Shopify, webhook verification)."""


def client_secret(state: State, settings: Settings) -> str:
    """The app's secret of today."""
    rotated = state.collection("client_secrets").get("rotated")
    return str(rotated["new"]) if rotated else settings.client_secret


def rotate(state: State, settings: Settings, secret: str, now: float) -> None:
    """Give the app another secret."""
    old = client_secret(state, settings)
    state.collection("client_secrets").put("rotated", {"new": secret, "old": old, "at": now})


def signing_secret(state: State, settings: Settings, now: float) -> str:
    """What deliveries are signed with now: the old secret for an hour after a rotation."""
    rotated = state.collection("client_secrets").get("rotated")
    if rotated and now - rotated["at"] < OLD_SECRET_SECONDS:
        return str(rotated["old"])
    return client_secret(state, settings)
