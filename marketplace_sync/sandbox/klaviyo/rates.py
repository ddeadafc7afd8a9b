"""Fixed windows: a burst of one second, a steady minute and here and there a day, per endpoint of the account."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

from marketplace_sync.sandbox.clock import Clock

SECOND, MINUTE, DAY = 1, 60, 86400


@dataclass(frozen=True)
class Limits:
    """How many requests an endpoint takes per second, per minute and, for a few, per day."""

    burst: int
    steady: int
    daily: int | None = None

    def windows(self) -> list[tuple[int, int]]:
        """(length in seconds, requests) of each window."""
        found = [(SECOND, self.burst), (MINUTE, self.steady)]
        return found if self.daily is None else [*found, (DAY, self.daily)]


@dataclass
class _Window:
    opened: float
    used: int = 0


@dataclass(frozen=True)
class Verdict:
    """Whether a request may pass, and what its answer says about the quota."""

    allowed: bool
    wait_seconds: int
    limit: int
    remaining: int
    reset_seconds: int


@dataclass
class RateBook:
    """Every endpoint's windows. A window opens with the first request after the last one ended and never slides.

    `scale` multiplies all limits. `competitors` is what somebody else on the same account sends per second to an
    endpoint: all private keys of an account share one quota (Klaviyo, rate limits).
    """

    clock: Clock
    scale: float = 1.0
    enabled: bool = True
    competitors: dict[str, float] = field(default_factory=dict)
    refused: dict[str, int] = field(default_factory=dict)
    passed: dict[str, int] = field(default_factory=dict)
    _windows: dict[tuple[str, int], _Window] = field(default_factory=dict)

    def ask(self, endpoint: str, limits: Limits) -> Verdict:
        """Count one request to `endpoint`, unless a window is full: a refused request uses up nothing."""
        now = self.clock.timestamp()
        foreign = self.competitors.get(endpoint, 0.0)
        wait, remaining, reset, limit = 0.0, 0, 0.0, 0
        open_windows: list[_Window] = []
        for length, requests in limits.windows():
            allowed = max(1, math.floor(requests * self.scale))
            window = self._windows.get((endpoint, length))
            if window is None or now >= window.opened + length:
                window = self._windows[endpoint, length] = _Window(now)
            elapsed = now - window.opened
            # The other client sends its share at the start of a second; over longer windows it sends evenly.
            used = window.used + math.floor(foreign if length == SECOND else foreign * elapsed)
            if used >= allowed:
                wait = max(wait, window.opened + length - now)
            if length == MINUTE:
                limit, remaining, reset = allowed, allowed - used - 1, window.opened + length - now
            open_windows.append(window)
        if self.enabled and wait > 0:
            self.refused[endpoint] = self.refused.get(endpoint, 0) + 1
            return Verdict(False, max(1, math.ceil(wait)), limit, 0, math.ceil(reset))
        for window in open_windows:
            window.used += 1
        self.passed[endpoint] = self.passed.get(endpoint, 0) + 1
        return Verdict(True, 0, limit, max(0, remaining), math.ceil(reset))
