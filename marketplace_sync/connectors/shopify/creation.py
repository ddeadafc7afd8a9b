"""Puts a marketplace's order into the shop: at most once, whatever gets lost on the way."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Any

from marketplace_sync.connectors.shopify import identity, mutations
from marketplace_sync.connectors.shopify.failures import UserError, codes_of, explained
from marketplace_sync.connectors.shopify.graphql import GraphQL
from marketplace_sync.connectors.shopify.order_input import CannotBeSent, order_create_variables
from marketplace_sync.connectors.shopify.order_reading import source_line_id
from marketplace_sync.connectors.shopify.orders import OrderReader
from marketplace_sync.connectors.shopify.settings import ShopifySettings
from marketplace_sync.domain.effects import (
    CreateOrder,
    Delivered,
    Effect,
    InDoubt,
    NotThere,
    Outcome,
    Postponed,
    Refused,
    Resolution,
)
from marketplace_sync.domain.errors import TransportError
from marketplace_sync.domain.store import StoreOrder

_SHORTAGE_OF_TRIALS_SECONDS = 60.0


class OrderCreation:
    """orderCreate itself repeats blindly when asked twice (Shopify, order dedupe): a unique key on the order, looked up
    before every call, makes it once."""

    def __init__(
        self,
        settings: ShopifySettings,
        graphql: GraphQL,
        orders: OrderReader,
        unique_key: identity.UniqueKey,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._settings = settings
        self._graphql = graphql
        self._orders = orders
        self._unique_key = unique_key
        self._clock = clock
        self._first_asked: dict[int, float] = {}
        self._lock = threading.Lock()

    def deliver(self, wanted: CreateOrder) -> Outcome:
        """Raises TransportError; AnswerLost when the order may have been made."""
        try:
            variables = order_create_variables(wanted, self._settings)
        except CannotBeSent as problem:
            return Refused(str(problem))
        self._unique_key.ensure()
        existing = self._orders.by_key(wanted.source_identifier)
        if existing is not None:
            return _delivered(existing)
        payload = self._create(variables)
        if payload.order is None and _only_the_email(payload.user_errors):
            # Nothing was made. A parcel must not wait for an address that Shopify does not believe to be one.
            del variables["order"]["email"]
            payload = self._create(variables)
        if payload.order is not None:
            return self._created(payload.order)
        return self._not_created(wanted, payload.user_errors)

    def _create(self, variables: dict[str, Any]) -> mutations.OrderCreatePayload:
        lines = len(variables["order"]["lineItems"])
        return self._graphql.run(mutations.ORDER_CREATE, {**variables, "lines": lines}).order_create

    def resolve(self, effect: Effect) -> Resolution:
        """Whether an order whose answer was lost is there after all. Raises TransportError.

        The key is looked up first, which works at once, then the search, which lags. An order that neither knows is
        only called missing some seconds after the first time of asking, because the lost call may still be running.
        """
        wanted: CreateOrder = effect.payload
        found = self._orders.by_key(wanted.source_identifier) if self._unique_key.is_there() else None
        found = found or self._orders.by_search(wanted.source_identifier)
        with self._lock:
            now = self._clock()
            first = self._first_asked.setdefault(effect.effect_id, now)
            left = first + self._settings.doubt_settles_after.total_seconds() - now
            if found is not None or left <= 0:
                del self._first_asked[effect.effect_id]
        if found is not None:
            return _delivered(found)
        if left > 0:
            return Postponed(
                f"{wanted.source_identifier} is not in the shop yet; asked again before it is sent again",
                after=left,
                counts_as_attempt=False,
            )
        return NotThere()

    def _created(self, order: mutations.CreatedOrder) -> Outcome:
        if order.line_items.page_info.has_next_page:
            try:
                whole = self._orders.one(order.id)
            except TransportError as problem:
                return InDoubt(f"order {order.name} was made, and its lines could not be read: {problem}")
            if whole is not None:
                return _delivered(whole)
        lines = {source_line_id(line): line.id for line in order.line_items.nodes}
        return _result(order.id, order.name, lines)

    def _not_created(self, wanted: CreateOrder, errors: list[UserError]) -> Outcome:
        """Shopify's reason, unless it is that the order is there already."""
        existing = self._orders.by_key(wanted.source_identifier)
        if existing is not None:
            return _delivered(existing)
        if not errors:
            return InDoubt(f"Shopify neither made order {wanted.order.reference} nor said why not")
        if any("too many" in error.message.lower() for error in errors):
            # A trial or development shop takes five orders a minute (Shopify, throttling).
            return Postponed(errors[0].message, after=_SHORTAGE_OF_TRIALS_SECONDS, counts_as_attempt=False)
        return Refused(explained(f"order {wanted.order.reference}", errors), code=codes_of(errors))


def _only_the_email(errors: list[UserError]) -> bool:
    return bool(errors) and all(error.field is not None and error.field[-1:] == ["email"] for error in errors)


def _delivered(order: StoreOrder) -> Delivered:
    return _result(order.store_order_id, order.name, {line.source_line_id: line.line_id for line in order.lines})


def _result(store_order_id: str, name: str, lines: dict[str, str]) -> Delivered:
    """`lines`: the marketplace's line id -> the shop's."""
    lines.pop("", None)
    return Delivered({"store_order_id": store_order_id, "name": name, "lines": lines})
