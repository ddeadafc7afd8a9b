"""What buyers of one kind of marketplace do by themselves, and what the marketplace does then: each vendor has its own.

A marketplace that takes part in the running shop has `habits` (`Vendor.habits`) and an act `place_order` with `lines`
of {sku, quantity}, which returns an `order_id`. Everything else goes through acts of its own.
"""

from __future__ import annotations

import random
from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

Do = Callable[..., Awaitable[Any]]
"""`await do("act", argument=…)`: what the act returned, or None when it has become impossible."""


@dataclass(frozen=True)
class Later:
    """An act of the same marketplace, so many seconds from now."""

    after_seconds: float
    act: str
    arguments: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Unpacked:
    """Units of an order lie in the warehouse again so many seconds from now: the store's staff put them back on the
    shelf and give the money back."""

    after_seconds: float
    order_id: Any
    sku: str
    quantity: int


class Habits(ABC):
    """The buyers of one marketplace, and the people behind it."""

    consent_is_asked: bool = False
    """Whether the marketplace lets its buyers say if they want to be written to."""

    def of_a_morning(self, place: int) -> tuple[dict[str, Any], list[Later]]:
        """For the order at this place of the first morning: further arguments of `place_order`, and what somebody does
        with it at once ({order_id} is added)."""
        return {}, []

    def wrong_on_purpose(self) -> list[dict[str, Any]]:
        """Arguments of `place_order` for orders that a newcomer's checks are to find; `lines` where they matter."""
        return []

    @abstractmethod
    async def change_their_mind(self, do: Do, order_id: Any) -> bool:
        """The buyer cancels. False when it has left."""

    @abstractmethod
    async def send_back(self, do: Do, order_id: Any, chance: random.Random) -> Sequence[Later | Unpacked] | None:
        """The buyer sends back something of an order, and what follows from it; None while nothing has left."""

    async def change_consent(self, do: Do, order_id: Any, chance: random.Random) -> None:
        """The buyer says whether they want to be written to."""
        raise NotImplementedError(f"{type(self).__name__} says that nobody asks")
