"""Gets and renews the token that every call carries."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping
from urllib.parse import urlencode

import msgspec

from marketplace_sync.connectors.shopify.settings import ShopifySettings
from marketplace_sync.connectors.wire import Wire
from marketplace_sync.decoding import decoded
from marketplace_sync.domain.errors import (
    AnswerLost,
    AnswerUnreadable,
    CredentialsRefused,
    RequestRejected,
    VendorUnavailable,
)
from marketplace_sync.settings import Secret, SecretMissing

HEADER = "x-shopify-access-token"
TOKEN_BUCKET = "token"  # noqa: S105 (the name of a rate budget)
_AHEAD_SECONDS = 300.0


class _Grant(msgspec.Struct):
    access_token: str
    expires_in: float = 86_399.0
    """Seconds."""


class GrantedToken:
    """Tokens by the client-credentials grant, for an app and a store of one organisation (Shopify, app types).

    There is no refresh token: a new one is simply asked for, ahead of the old one's end and once after a 401.
    """

    def __init__(self, client_id: Secret, client_secret: Secret, clock: Callable[[], float] = time.monotonic) -> None:
        self._client_id = client_id
        self._client_secret = client_secret
        self._clock = clock
        self._lock = threading.Lock()
        self._token = ""
        self._renew_at = 0.0
        self._handed = threading.local()

    def headers(self, wire: Wire, *, refused: bool) -> Mapping[str, str]:
        """The header with a token that should work. Raises TransportError."""
        with self._lock:
            # Several threads may have been refused with the same old token: the first of them renews it for all.
            stale = refused and getattr(self._handed, "token", "") == self._token
            if stale or not self._token or self._clock() >= self._renew_at:
                self._renew(wire)
            self._handed.token = self._token
            return {HEADER: self._token}

    def _renew(self, wire: Wire) -> None:
        form = {
            "grant_type": "client_credentials",
            "client_id": revealed(self._client_id, wire.connection),
            "client_secret": revealed(self._client_secret, wire.connection),
        }
        asked_at = self._clock()
        try:
            answer = wire.request(
                "POST",
                "/admin/oauth/access_token",
                content=urlencode(form).encode(),
                headers={"content-type": "application/x-www-form-urlencoded"},
                # Sent once: the call that waits for the token is itself repeated where that is harmless.
                write=True,
                bucket=TOKEN_BUCKET,
                authenticated=False,
                operation="access token",
            )
        except RequestRejected as problem:
            raise CredentialsRefused(
                f"{wire.connection}: Shopify gave no access token ({problem.status}): check client_id and "
                "client_secret, and that the app is installed in this shop",
                connection=wire.connection,
                operation="access token",
                status=401,
            ) from None
        except AnswerLost as problem:
            raise VendorUnavailable(str(problem), connection=wire.connection, operation="access token") from None
        try:
            grant = decoded(answer.body, _Grant)
        except (msgspec.DecodeError, RecursionError):
            raise AnswerUnreadable(
                f"{wire.connection}: Shopify's answer to the request for an access token holds none; check base_url",
                connection=wire.connection,
                operation="access token",
            ) from None
        self._token = grant.access_token
        self._renew_at = asked_at + max(grant.expires_in / 2, grant.expires_in - _AHEAD_SECONDS)


class FixedToken:
    """A token that never changes."""

    def __init__(self, token: Secret) -> None:
        self._token = token

    def headers(self, wire: Wire, *, refused: bool) -> Mapping[str, str]:
        """The header. Raises CredentialsRefused when the token is not there to be read."""
        return {HEADER: revealed(self._token, wire.connection)}


def authentication(settings: ShopifySettings) -> GrantedToken | FixedToken:
    """The way in that the settings name."""
    if settings.client_id is not None and settings.client_secret is not None:
        return GrantedToken(settings.client_id, settings.client_secret)
    if settings.access_token is None:
        raise ValueError("neither access_token nor client_id and client_secret are given")
    return FixedToken(settings.access_token)


def revealed(secret: Secret, connection: str) -> str:
    """The secret's value. Raises CredentialsRefused, naming where it should be, when it is not there."""
    try:
        return secret.reveal()
    except SecretMissing as problem:
        raise CredentialsRefused(f"{connection}: {problem}", connection=connection, status=401) from None
