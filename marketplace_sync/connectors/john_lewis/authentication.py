"""Signs in at the Edge: a login becomes a short-lived token, renewed before it runs out or when it is refused."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping

import msgspec

from marketplace_sync.connectors.wire import Wire
from marketplace_sync.decoding import decoded
from marketplace_sync.domain.errors import AnswerUnreadable, CredentialsRefused

_ACCESS_SECONDS = 270.0
"""An access token lives 5 minutes, a refresh token 4 hours (John Lewis, Edge REST basics: authentication)."""
_REFRESH_SECONDS = 3.9 * 3600


class _Tokens(msgspec.Struct):
    access: str
    refresh: str = ""


class JsonWebTokens:
    """`wire.Authentication` with the Edge's tokens. Thread-safe: one thread renews, the others wait for it."""

    def __init__(self, username: str, password: str, clock: Callable[[], float] = time.monotonic) -> None:
        self._username = username
        self._password = password
        self._clock = clock
        self._lock = threading.Lock()
        self._given = threading.local()
        self._tokens: _Tokens | None = None
        self._renewed_at = 0.0
        self._signed_in_at = 0.0

    def headers(self, wire: Wire, *, refused: bool) -> Mapping[str, str]:
        """Raises TransportError; CredentialsRefused when the login itself is wrong."""
        with self._lock:
            now = self._clock()
            # Several threads are refused the same old token: the first renews it, the others take what it got.
            if refused and self._tokens is not None and self._tokens.access == getattr(self._given, "access", None):
                self._tokens = None
            if self._tokens is None or now - self._renewed_at > _ACCESS_SECONDS:
                self._tokens = self._renewed(wire, now)
                self._renewed_at = now
            self._given.access = self._tokens.access
            return {"authorization": f"Bearer {self._tokens.access}"}

    def _renewed(self, wire: Wire, now: float) -> _Tokens:
        if self._tokens is not None and self._tokens.refresh and now - self._signed_in_at < _REFRESH_SECONDS:
            try:
                found = self._ask(
                    wire, "/restapi/v4/token/refresh", {"refresh": self._tokens.refresh}, "renew the token"
                )
                return _Tokens(access=found.access, refresh=self._tokens.refresh)
            except CredentialsRefused:
                pass  # the refresh token has run out: the login itself is asked next
        credentials = {"username": self._username, "password": self._password}
        found = self._ask(wire, "/restapi/v4/token", credentials, "sign in")
        self._signed_in_at = now
        return found

    def _ask(self, wire: Wire, path: str, body: Mapping[str, str], operation: str) -> _Tokens:
        answer = wire.request("POST", path, json=body, authenticated=False, operation=operation)
        try:
            return decoded(answer.body, _Tokens)
        except (msgspec.DecodeError, UnicodeDecodeError):
            raise AnswerUnreadable(
                f"{wire.connection}: the Edge's answer to {operation} holds no token",
                connection=wire.connection,
                operation=operation,
                status=answer.status,
            ) from None
