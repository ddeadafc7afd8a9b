"""Klaviyo: customer events, profiles and consent; read back for drift."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress

from marketplace_sync.connectors.klaviyo.platform import CAPABILITIES, Klaviyo
from marketplace_sync.connectors.klaviyo.settings import KlaviyoSettings, budget
from marketplace_sync.connectors.ports import MarketingCapabilities
from marketplace_sync.connectors.wire import Authentication, Wire
from marketplace_sync.settings import SecretMissing

__all__ = ["ROLE", "SETTINGS", "THROTTLED_SECONDS", "authentication", "budget", "capabilities", "connect", "secrets"]

ROLE = "marketing"
SETTINGS = KlaviyoSettings
THROTTLED_SECONDS = 2.0
"""A 429 that says nothing else comes from a window of one second or of one minute; its text is heeded as well."""


class _PrivateKey:
    """The account's private key on every request; looked up again when it was refused, as keys are rotated."""

    def __init__(self, settings: KlaviyoSettings) -> None:
        self._settings = settings
        self._headers = self._current()

    def headers(self, wire: Wire, *, refused: bool) -> Mapping[str, str]:
        if refused:
            with suppress(SecretMissing):
                self._headers = self._current()
        return self._headers

    def _current(self) -> Mapping[str, str]:
        return {"authorization": f"Klaviyo-API-Key {self._settings.api_key.reveal()}"}


def authentication(settings: KlaviyoSettings) -> Authentication:
    """Raises SecretMissing."""
    return _PrivateKey(settings)


def secrets(settings: KlaviyoSettings) -> list[str]:
    """What must never be printed. Raises SecretMissing."""
    return [settings.api_key.reveal()]


def capabilities(settings: KlaviyoSettings) -> MarketingCapabilities:
    """What any account offers."""
    return CAPABILITIES


def connect(name: str, settings: KlaviyoSettings, wire: Wire) -> Klaviyo:
    return Klaviyo(name, settings, wire)
