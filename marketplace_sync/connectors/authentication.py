"""Credentials that never change: the same headers on every request."""

from __future__ import annotations

import base64
from collections.abc import Mapping

from marketplace_sync.connectors.wire import Wire


class FixedHeaders:
    """`wire.Authentication` by headers that are known from the start (API keys, access tokens, Basic)."""

    def __init__(self, headers: Mapping[str, str]) -> None:
        self._headers = dict(headers)

    def headers(self, wire: Wire, *, refused: bool) -> Mapping[str, str]:
        return self._headers


def basic(username: str, password: str) -> FixedHeaders:
    """HTTP Basic, in UTF-8."""
    credentials = base64.b64encode(f"{username}:{password}".encode()).decode()
    return FixedHeaders({"authorization": f"Basic {credentials}"})
