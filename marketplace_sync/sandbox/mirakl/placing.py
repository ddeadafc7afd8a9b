"""How an order comes about: the buyer's basket, its lines with price, shipping and commission, and its first state."""

from __future__ import annotations

import random
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any

from marketplace_sync.sandbox.clock import Clock
from marketplace_sync.sandbox.mirakl import buyers
from marketplace_sync.sandbox.mirakl.lifecycle import Lifecycle
from marketplace_sync.sandbox.mirakl.offers import Offers
from marketplace_sync.sandbox.mirakl.order_book import Order, OrderBook
from marketplace_sync.sandbox.mirakl.settings import MiraklSettings
from marketplace_sync.sandbox.mirakl.values import per_cent
from marketplace_sync.sandbox.state import State

FIRST_NUMBER = 10_001
_RETURNING_BUYERS = 0.15


@dataclass(frozen=True)
class Wish:
    """One line somebody wants. `price` (minor units, each) overrides the offer's, `shipping` that of the settings."""

    sku: str
    quantity: int
    price: int | None = None
    shipping: int | None = None

    @classmethod
    def parse(cls, line: Any) -> Wish:
        """Raises ValueError for unknown keys or a quantity that is no positive whole number."""
        try:
            wish = cls(**line)
        except TypeError as problem:
            raise ValueError(f"a line is sku, quantity and optionally price and shipping: {problem}") from None
        if not isinstance(wish.quantity, int) or wish.quantity <= 0:
            raise ValueError(f"line {wish.sku!r}: quantity is a whole number from 1 upwards, not {wish.quantity!r}")
        return wish


class Placing:
    """Places orders. Everything drawn for an order follows from the seed and the order's own number."""

    def __init__(
        self,
        state: State,
        clock: Clock,
        seed: str,
        settings: MiraklSettings,
        book: OrderBook,
        offers: Offers,
        lifecycle: Lifecycle,
    ) -> None:
        self.settings = settings
        self._state = state
        self._clock = clock
        self._seed = seed
        self._book = book
        self._offers = offers
        self._lifecycle = lifecycle

    def place(
        self,
        wishes: list[Wish],
        *,
        buyer: dict[str, Any] | None = None,
        staging: bool = False,
        customer_reference: str | None = None,
        ordered_at: str | None = None,
        email: str | None = None,
    ) -> Order:
        """Make up an order around these lines. Raises ValueError, and LookupError for a SKU without an offer here."""
        if not wishes:
            raise ValueError("an order has at least one line")
        offers = [self._offers.by_sku(wish.sku) for wish in wishes]
        created = self._created(ordered_at)
        number = self._state.counter("order", FIRST_NUMBER)
        chance = random.Random(f"{self._seed}:order:{number}")
        commercial_id = f"{self.settings.instance.upper()}-{number}"
        order_id = f"{commercial_id}-A"
        customer_id, person = self._person(number, chance, buyer)
        lines = [
            self._line(order_id, place + 1, wish, offer)
            for place, (wish, offer) in enumerate(zip(wishes, offers, strict=True))
        ]
        workflow = self.settings.payment_workflow
        if chance.random() < self.settings.unknown_type_rate:
            workflow = "PAY_LATER_PARTNER"
        order: Order = {
            "id": order_id,
            "number": number,
            "commercial_id": commercial_id,
            "created": created,
            "accepted": None,
            "debited": None,
            "timer": None,
            "payment_workflow": workflow,
            "customer_id": customer_id,
            "buyer": person,
            "email": self._email(chance, person, email),
            "customer_reference": customer_reference or commercial_id,
            "seller_reference": None,
            "transaction_number": None,
            "tracking": None,
            "reason": None,
            "additional_fields": {},
            "extra": chance.random() < self.settings.extra_field_rate,
            "lines": lines,
        }
        for wish in wishes:
            self._offers.take(wish.sku, wish.quantity)
        self._lifecycle.begin(order, staging=staging)
        return order

    def _created(self, ordered_at: str | None) -> float:
        if ordered_at is None:
            return self._clock.timestamp()
        when = datetime.fromisoformat(ordered_at)
        if when.tzinfo is None:
            raise ValueError(f"ordered_at needs a zone, e.g. {ordered_at}+00:00")
        return when.timestamp()

    def _line(self, order_id: str, index: int, wish: Wish, offer: dict[str, Any]) -> dict[str, Any]:
        unit = offer["price"] if wish.price is None else wish.price
        if unit < 0:
            raise ValueError(f"line {wish.sku!r}: a price is not negative")
        shipping = self.settings.shipping_price if wish.shipping is None else wish.shipping
        price = unit * wish.quantity
        rate = self.settings.commission_rate(offer["category"])
        fee = 0 if self.settings.shop_model == "DROPSHIP" else per_cent(price + shipping, rate)
        taxed = self.settings.order_tax_mode == "TAX_EXCLUDED"
        amounts = {
            "quantity": wish.quantity,
            "price": price,
            "shipping": shipping,
            "tax": per_cent(price, Decimal(self.settings.tax_rate)) if taxed else 0,
            "shipping_tax": per_cent(shipping, Decimal(self.settings.tax_rate)) if taxed else 0,
            "fee": fee,
            "fee_tax": per_cent(fee, Decimal(self.settings.commission_tax_rate)),
        }
        return {
            "id": f"{order_id}-{index}",
            "index": index,
            "state": "STAGING",
            "reason": None,
            "offer_id": offer["id"],
            "sku": wish.sku,
            "product_sku": offer["product_sku"],
            "title": offer["title"],
            "category": offer["category"],
            "price_unit": unit,
            **amounts,
            "ordered": amounts,
            "refunds": [],
            "cancelations": [],
            "incident": None,
            "incidents": 0,
            "debited": None,
            "shipped": None,
            "received": None,
            "sent": 0,
            "additional_fields": {},
        }

    def _person(self, number: int, chance: random.Random, given: dict[str, Any] | None) -> tuple[str, dict[str, Any]]:
        who = number - FIRST_NUMBER
        if who and chance.random() < _RETURNING_BUYERS:
            who = chance.randrange(who)
        wishes = dict(given or {})
        customer_id = str(wishes.pop("customer_id", f"{self.settings.instance}-c{who + 1:06d}"))
        if unknown := set(wishes) - buyers.FIELDS:
            known = ", ".join(sorted({*buyers.FIELDS, "customer_id"}))
            raise ValueError(f"a buyer has no {', '.join(sorted(unknown))}; there are: {known}")
        person = buyers.buyer(self._seed, who)
        return customer_id, {name: value for name, value in {**person, **wishes}.items() if value is not None}

    def _email(self, chance: random.Random, person: dict[str, Any], given: str | None) -> str | None:
        """A relay address is new for each order. (Mirakl, buyer identity)"""
        if given is not None:
            return given
        if self.settings.email_policy == "none":
            return None
        if self.settings.email_policy == "real":
            return str(person["email"])
        letters = "abcdefghijklmnopqrstuvwxyz0123456789"
        token, host = ("".join(chance.choice(letters) for _ in range(length)) for length in (16, 8))
        return f"notification+{token}.{host}@notification.mirakl.net"
