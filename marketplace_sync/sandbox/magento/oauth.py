"""Signed calls: OAuth 1.0a with HMAC-SHA256, and tokens as bearer where the merchant lets them be. (authentication)"""

from __future__ import annotations

import base64
import hashlib
import hmac
import re
import secrets
from collections import OrderedDict
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qsl, quote, unquote

from marketplace_sync.sandbox.clock import Clock
from marketplace_sync.sandbox.magento.errors import Refused
from marketplace_sync.sandbox.magento.settings import Settings
from marketplace_sync.sandbox.state import State

_NEEDED = (
    "oauth_consumer_key", "oauth_token", "oauth_signature_method", "oauth_signature", "oauth_nonce", "oauth_timestamp",
)  # fmt: skip
_MOST_NONCES = 200_000


@dataclass(frozen=True)
class Signed:
    """What a signature is made over, as it came over the wire: the path percent-encoded, the query not yet decoded."""

    method: str
    address: str
    path: str
    query: str
    authorization: str | None


def _encoded(text: str) -> str:
    return quote(text, safe="~")


def signature(method: str, url: str, parameters: list[tuple[str, str]], secret: str, token_secret: str) -> str:
    """HMAC-SHA256 over method, URL without query and all parameters but the signature itself (RFC 5849, 3.4)."""
    pairs = sorted((_encoded(name), _encoded(value)) for name, value in parameters)
    normalised = "&".join(f"{name}={value}" for name, value in pairs)
    base = "&".join((method.upper(), _encoded(url), _encoded(normalised)))
    key = f"{_encoded(secret)}&{_encoded(token_secret)}"
    return base64.b64encode(hmac.new(key.encode(), base.encode(), hashlib.sha256).digest()).decode()


class Doorman:
    """Knows the integrations and the administrator; says what a caller may do."""

    def __init__(self, state: State, clock: Clock, settings: Settings) -> None:
        self._clock, self._settings = clock, settings
        self._admin_tokens = state.collection("admin_tokens")
        self._revoked = state.collection("revoked")
        self._nonces: OrderedDict[tuple[str, str, str], None] = OrderedDict()
        own = {
            name: getattr(settings, name)
            for name in ("consumer_key", "consumer_secret", "access_token", "access_token_secret", "resources")
        }
        self._integrations = [own, *settings.more_integrations]

    def admit(self, call: Signed) -> frozenset[str]:
        """The resources the caller may use; none for a stranger, who is told so where a resource is needed.

        Raises Refused for a signature that is not right.
        """
        kind, _, rest = (call.authorization or "").partition(" ")
        if kind.lower() == "oauth":
            return self._by_signature(call, rest)
        if kind.lower() == "bearer":
            return self._by_token(rest.strip())
        return frozenset()

    def _by_token(self, token: str) -> frozenset[str]:
        admin = self._admin_tokens.get(token)
        if admin is not None and admin["until"] > self._clock.timestamp():
            return frozenset({"*"})
        if self._settings.integration_as_bearer and token not in self._revoked:
            for one in self._integrations:
                if hmac.compare_digest(one["access_token"].encode(), token.encode()):
                    return frozenset(one["resources"])
        return frozenset()

    def _by_signature(self, call: Signed, header: str) -> frozenset[str]:
        given = {name: unquote(value) for name, value in re.findall(r'(\w+)="([^"]*)"', header)}
        if absent := [name for name in _NEEDED if not given.get(name)]:
            raise Refused(400, "parameter_absent", [", ".join(absent)])
        if given.get("oauth_version", "1.0") != "1.0":
            raise Refused(400, "version_rejected")
        one = next((i for i in self._integrations if i["consumer_key"] == given["oauth_consumer_key"]), None)
        if one is None:
            raise Refused(401, "consumer_key_rejected")
        if given["oauth_token"] != one["access_token"] or one["access_token"] in self._revoked:
            raise Refused(401, "token_rejected")
        if given["oauth_signature_method"] != "HMAC-SHA256":
            raise Refused(400, "signature_method_rejected")
        self._check_time(given)
        if not hmac.compare_digest(self._expected(call, given, one).encode(), given["oauth_signature"].encode()):
            raise Refused(401, "signature_invalid")
        nonce = (given["oauth_consumer_key"], given["oauth_timestamp"], given["oauth_nonce"])
        if nonce in self._nonces:
            raise Refused(401, "nonce_used")
        self._nonces[nonce] = None
        if len(self._nonces) > _MOST_NONCES:
            self._nonces.popitem(last=False)
        return frozenset(one["resources"])

    def _check_time(self, given: dict[str, str]) -> None:
        stamp = given["oauth_timestamp"]
        latest = self._clock.timestamp() + self._settings.timestamp_ahead_seconds
        if not stamp.isdigit() or not 0 < int(stamp) <= latest:
            raise Refused(400, "timestamp_refused")

    def _expected(self, call: Signed, given: dict[str, str], one: dict[str, Any]) -> str:
        path = unquote(call.path) if self._settings.encoded_path_breaks_signature else call.path
        parameters = [(name, value) for name, value in given.items() if name not in ("oauth_signature", "realm")]
        parameters += parse_qsl(call.query, keep_blank_values=True)
        url = f"{call.address}{path}"
        return signature(call.method, url, parameters, one["consumer_secret"], one["access_token_secret"])

    def admin_token(self, username: str, password: str, otp: str | None) -> str:
        """A token for a person. Raises Refused; without a code also when two-factor authentication is on."""
        settings = self._settings
        if (username, password) != (settings.admin_username, settings.admin_password):
            message = "The account sign-in was incorrect or your account is disabled temporarily."
            raise Refused(401, f"{message} Please wait and try again later.")
        if otp is None and settings.two_factor:
            raise Refused(400, "Please use the 2fa provider-specific endpoints to obtain a token.", {
                "active_providers": ["google"],
            })  # fmt: skip
        if otp is not None and otp != settings.otp:
            raise Refused(401, "Invalid code.")
        token = secrets.token_urlsafe(24)
        self._admin_tokens.put(token, {"until": self._clock.timestamp() + settings.admin_token_seconds})
        return token

    def revoke(self, revoked: bool) -> None:
        """Deactivate the (first) integration, or activate it again."""
        token = self._settings.access_token
        if revoked:
            self._revoked.put(token, {"token": token})
        else:
            self._revoked.delete(token)
