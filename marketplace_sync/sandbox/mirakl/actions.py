"""The record of every write that was accepted from the seller, for those who check what was done how often."""

from __future__ import annotations

from typing import Any

from marketplace_sync.sandbox.clock import Clock
from marketplace_sync.sandbox.mirakl.values import iso
from marketplace_sync.sandbox.state import State


class Actions:
    """`note` once per accepted item: a refund call with three items is three actions."""

    def __init__(self, state: State, clock: Clock) -> None:
        self._state = state
        self._clock = clock
        self._actions = state.collection("actions")

    def note(self, operation: str, about: str, **details: Any) -> None:
        """`about` is the order, line, shipment, return, import or shop that was changed."""
        number = self._state.counter("action")
        at = iso(self._clock.timestamp())
        self._actions.put(str(number), {"number": number, "operation": operation, "about": about, "at": at, **details})
