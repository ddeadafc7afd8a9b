"""How an order comes about: buyer, lines, promise, and the oddities that some orders have."""

from __future__ import annotations

import random
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from marketplace_sync.sandbox.clock import Clock
from marketplace_sync.sandbox.john_lewis import buyers, wire
from marketplace_sync.sandbox.john_lewis.consents import Consents
from marketplace_sync.sandbox.john_lewis.deadlines import working_days_from
from marketplace_sync.sandbox.john_lewis.order_book import OrderBook
from marketplace_sync.sandbox.john_lewis.products import Products
from marketplace_sync.sandbox.john_lewis.workflow import ON_HOLD, Line, Order
from marketplace_sync.sandbox.state import State

FIRST_ORDER_ID = 4_500_001
_RETURNING_BUYERS = 0.15


@dataclass(frozen=True)
class Wish:
    """One line somebody wants. `cost` in pence overrides the product's."""

    sku: str
    quantity: int
    part_number: str | None = None
    cost: int | None = None

    @classmethod
    def parse(cls, line: Any) -> Wish:
        """Raises ValueError for unknown keys or a quantity that is no positive whole number."""
        try:
            wish = cls(**line)
        except TypeError as problem:
            raise ValueError(f"a line is sku, quantity and optionally part_number and cost: {problem}") from None
        if not isinstance(wish.quantity, int) or wish.quantity <= 0:
            raise ValueError(f"line {wish.sku!r}: quantity is a whole number from 1 upwards, not {wish.quantity!r}")
        return wish


class Placing:
    """Places orders. Everything that is drawn for an order follows from the seed and the order's own number."""

    def __init__(
        self, state: State, clock: Clock, seed: str, book: OrderBook, products: Products, consents: Consents
    ) -> None:
        self.settings = products.settings
        self._state = state
        self._clock = clock
        self._seed = seed
        self._book = book
        self._products = products
        self._consents = consents

    def place(
        self,
        wishes: list[Wish],
        *,
        buyer: dict[str, Any] | None = None,
        test: bool = False,
        reference: str | None = None,
        ordered_at: str | None = None,
        retailer: int = wire.JOHN_LEWIS,
    ) -> Order:
        """Make up an order around these lines.

        Raises ValueError for a reference in use or a time without zone, LookupError for a SKU not on sale here.
        """
        if not wishes:
            raise ValueError("an order has at least one line")
        self._require_free(reference)
        when = self._clock.now() if ordered_at is None else datetime.fromisoformat(ordered_at)
        if when.tzinfo is None:
            raise ValueError(f"ordered_at needs a zone, e.g. {ordered_at}+00:00")
        products = [self._products.by_sku(wish.sku) for wish in wishes]
        number = self._state.counter("order", FIRST_ORDER_ID)
        chance = random.Random(f"{self._seed}:order:{number}")
        person = self._person(number, chance, buyer)
        no_cost = chance.random() < self.settings.null_cost_rate
        promised = promise(when, self.settings.promise_working_days)
        lines: list[Line] = [
            {
                "ref": str(place + 1),
                "sku": "" if chance.random() < self.settings.blank_sku_rate else product["sku"],
                "part_number": wish.part_number or product["part_number"],
                "barcode": product["barcode"],
                "title": product["title"],
                "quantity": wish.quantity,
                "cost": None if no_cost else (wish.cost if wish.cost is not None else product["cost"]),
                "promised": promised,
            }
            for place, (wish, product) in enumerate(zip(wishes, products, strict=True))
        ]
        customer_order_number = str(508_000_000 + (number - FIRST_ORDER_ID) * 7 + 11)
        head = {
            "retailer": retailer,
            "reference": reference or f"{customer_order_number}-001",
            "customer_order_number": customer_order_number,
            "ordered_at": when.isoformat(),
            "test": test or chance.random() < self.settings.test_order_rate,
            "buyer": person,
        }
        if chance.random() < self.settings.blank_customer_order_number_rate:
            head["customer_order_number"] = ""
        if chance.random() < self.settings.extra_field_rate:
            head["extra"] = True
        on_hold = chance.random() < self.settings.unknown_status_rate
        return self._put(number, head, lines, on_hold=on_hold)

    def receive(self, head: dict[str, Any], lines: list[Line]) -> Order:
        """Take an order as the retailer's own systems send it. Raises ValueError for a reference in use."""
        self._require_free(head["reference"])
        return self._put(self._state.counter("order", FIRST_ORDER_ID), head, lines, on_hold=False)

    def _require_free(self, reference: str | None) -> None:
        if reference is not None and self._book.by_reference(reference) is not None:
            raise ValueError(f"order_reference {reference!r} is in use")

    def _put(self, number: int, head: dict[str, Any], lines: list[Line], *, on_hold: bool) -> Order:
        status = ON_HOLD if on_hold else "ORDER"
        for place, line in enumerate(lines):
            line.update(item=number * 20 + place, status=status)
        order: Order = {"id": number, **head, "status": status, "next_item": number * 20 + len(lines), "lines": lines}
        if on_hold:
            order["held_until"] = self._clock.timestamp() + self.settings.hold_seconds
        self._book.put(order)
        return order

    def _person(self, number: int, chance: random.Random, given: dict[str, Any] | None) -> dict[str, Any]:
        who = number - FIRST_ORDER_ID
        if who and chance.random() < _RETURNING_BUYERS:
            who = chance.randrange(who)
        person = buyers.buyer(
            self._seed,
            who,
            missing_email_rate=self.settings.missing_email_rate,
            missing_state_rate=self.settings.missing_state_rate,
        )
        wishes = dict(given or {})
        accepts = wishes.pop("accepts_marketing", None)
        if unknown := set(wishes) - buyers.FIELDS:
            known = ", ".join(sorted(buyers.FIELDS))
            raise ValueError(f"a buyer has no {', '.join(sorted(unknown))}; there are: {known}")
        person = {name: value for name, value in {**person, **wishes}.items() if value is not None}
        if person.get("email"):
            self._consents.met(person["email"], person["full_name"], accepts, chance.random())
        return person


def promise(ordered: datetime, working_days: int) -> str:
    """The delivery promise, midnight after so many working days, as the vendor writes it."""
    return f"{working_days_from(ordered.date(), working_days)}T00:00:00"
