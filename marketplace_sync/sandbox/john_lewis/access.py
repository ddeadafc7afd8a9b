"""Who may call and how often: tokens that age on the sandbox's clock, Basic, and calls counted in fixed minutes."""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import json
import secrets
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from marketplace_sync.sandbox.clock import Clock
from marketplace_sync.sandbox.john_lewis.settings import EdgeSettings
from marketplace_sync.sandbox.state import State

_CHALLENGE = {"WWW-Authenticate": 'Bearer realm="api"'}


class Access:
    """The door of the account. Settings are read at each call, so that they can be changed at run time."""

    def __init__(self, state: State, clock: Clock, settings: EdgeSettings) -> None:
        self.settings = settings
        self._clock = clock
        keys = state.collection("signing_keys")
        if "jwt" not in keys:
            keys.put("jwt", {"secret": secrets.token_hex(32)})
            state.commit()
        self._secret = bytes.fromhex(keys["jwt"]["secret"])
        self._window = -1
        self._calls: dict[str, int] = {}

    def refusal(self, request: Request, *, retailer_only: bool = False) -> Response | None:
        """Why this call is not let in: a 401, a 403 or a 429; None when it is."""
        login = self._login(request.headers.get("authorization", ""))
        if isinstance(login, Response):
            return login
        if retailer_only and login != self.settings.retailer_username:
            return JSONResponse({"detail": "You do not have permission to perform this action."}, status_code=403)
        return self._throttled(login)

    def _login(self, header: str) -> str | Response:
        scheme, _, value = header.partition(" ")
        if scheme.lower() == "bearer":
            login = self._verified(value.strip(), "access")
            if login is not None:
                return login
            return _unauthorised("Given token not valid for any token type", code="token_not_valid")
        if scheme.lower() == "basic" and self.settings.basic_allowed:
            try:
                username, _, password = base64.b64decode(value, validate=True).decode().partition(":")
            except (binascii.Error, UnicodeDecodeError):
                return _unauthorised("Invalid basic header. Credentials not correctly base64 encoded.")
            if self._is_right(username, password):
                return username
            return _unauthorised("Invalid username/password.")
        return _unauthorised("Authentication credentials were not provided.")

    def _is_right(self, username: str, password: str) -> bool:
        return (username, password) in (
            (self.settings.username, self.settings.password),
            (self.settings.retailer_username, self.settings.retailer_password),
        )

    def _throttled(self, login: str) -> Response | None:
        if self.settings.limit is None:
            return None
        now = self._clock.timestamp()
        if (window := int(now // 60)) != self._window:
            self._window = window
            self._calls.clear()
        self._calls[login] = self._calls.get(login, 0) + 1
        if self._calls[login] <= self.settings.limit:
            return None
        wait = int((window + 1) * 60 - now) + 1
        headers = {"Retry-After": str(wait)} if self.settings.send_retry_after else {}
        detail = f"Request was throttled. Expected available in {wait}.0 seconds."
        return JSONResponse({"detail": detail}, status_code=429, headers=headers)

    async def token(self, request: Request) -> Response:
        """POST /restapi/v4/token."""
        body = await _body(request)
        if missing := [name for name in ("username", "password") if not body.get(name)]:
            return JSONResponse({name: ["This field is required."] for name in missing}, status_code=400)
        if not self._is_right(str(body["username"]), str(body["password"])):
            return _unauthorised("No active account found with the given credentials")
        return JSONResponse(
            {
                "refresh": self._issue(body["username"], "refresh", self.settings.refresh_token_seconds),
                "access": self._issue(body["username"], "access", self.settings.access_token_seconds),
            }
        )

    async def refreshed(self, request: Request) -> Response:
        """POST /restapi/v4/token/refresh."""
        body = await _body(request)
        if not body.get("refresh"):
            return JSONResponse({"refresh": ["This field is required."]}, status_code=400)
        login = self._verified(str(body["refresh"]), "refresh")
        if login is None:
            return _unauthorised("Token is invalid or expired", code="token_not_valid")
        return JSONResponse({"access": self._issue(login, "access", self.settings.access_token_seconds)})

    def _issue(self, login: str, kind: str, seconds: float) -> str:
        claims = {
            "token_type": kind,
            "exp": self._clock.timestamp() + seconds,
            "jti": secrets.token_hex(8),
            "user": login,
        }
        signed = f"{_part({'alg': 'HS256', 'typ': 'JWT'})}.{_part(claims)}"
        return f"{signed}.{self._signature(signed)}"

    def _verified(self, token: str, kind: str) -> str | None:
        """The login that this token stands for, unless it is forged, of the other kind or too old."""
        signed, _, signature = token.rpartition(".")
        if not hmac.compare_digest(signature.encode(), self._signature(signed).encode()):
            return None
        claims = json.loads(base64.urlsafe_b64decode(signed.partition(".")[2] + "=="))
        if claims["token_type"] != kind or claims["exp"] <= self._clock.timestamp():
            return None
        return str(claims["user"])

    def _signature(self, signed: str) -> str:
        digest = hmac.new(self._secret, signed.encode(), hashlib.sha256).digest()
        return base64.urlsafe_b64encode(digest).rstrip(b"=").decode()


def _part(value: dict[str, Any]) -> str:
    return base64.urlsafe_b64encode(json.dumps(value).encode()).rstrip(b"=").decode()


def _unauthorised(detail: str, code: str | None = None) -> Response:
    body = {"detail": detail, **({"code": code} if code else {})}
    return JSONResponse(body, status_code=401, headers=_CHALLENGE)


async def _body(request: Request) -> dict[str, Any]:
    try:
        body = json.loads(await request.body())
    except ValueError:
        return {}
    return body if isinstance(body, dict) else {}
