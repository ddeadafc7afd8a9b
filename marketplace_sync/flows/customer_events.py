"""What Klaviyo is told of an order: which event, of whom, with which properties and what value.

Value: what the buyer paid, delivery included, where the marketplace says it (`Order.paid`), else the goods.
Marketplaces that state cost prices say nothing about revenue, so revenue is then what the store asked for the SKUs when
the order was told as placed, whatever it asks later. Where any SKU's price was unknown no value is sent rather than a
wrong one.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

import msgspec
from sqlalchemy import Connection

from marketplace_sync.domain.buyers import Identity, identity, split_name
from marketplace_sync.domain.effects import Effect, EffectKind, Lane, TrackEvent, UpsertProfile
from marketplace_sync.domain.lifecycle import EventKind, OrderEvent, event_id
from marketplace_sync.domain.money import json_number
from marketplace_sync.domain.orders import Order, OrderLine, PriceBasis
from marketplace_sync.domain.store import Tracking, Variant
from marketplace_sync.flows import injection, taken_off
from marketplace_sync.flows.context import Route, source_identifier
from marketplace_sync.ledger import outbox, store, wished
from marketplace_sync.ledger.database import driver

METRICS = {
    EventKind.CANCELLATION_REQUESTED: "Cancellation Requested",
    EventKind.CANCELLED: "Cancelled Order",
    EventKind.RETURN_REQUESTED: "Return Requested",
    EventKind.RETURN_DECLINED: "Return Declined",
    EventKind.RETURNED: "Returned Order",
    EventKind.REFUNDED: "Refunded Order",
}
ALL_METRICS = ("Placed Order", "Ordered Product", "Fulfilled Order", *METRICS.values())
"""Every metric this project feeds."""
_MARKETPLACE_PRICE = "marketplace_price"

Units = Mapping[str, int]
"""Line id -> units concerned."""


class Teller:
    """Builds the wishes for one route's events. Catalogue and identities are read once for all orders given."""

    def __init__(self, connection: Connection, route: Route, orders: Sequence[Order], now: datetime) -> None:
        assert route.marketing is not None
        self.route = route
        self.marketing = route.marketing
        self.now = now
        self.skus = injection.our_skus(connection, route, orders)
        skus = sorted(set(self.skus.values()) - {""})
        self.variants = store.variants(connection, route.store, skus) if route.store and skus else {}
        self.identities = _identities(connection, route, orders, now)
        self._connection = connection
        self._noted: dict[str, Mapping[str, int | None]] = {}
        """Order id -> line id -> what the store asked when the order was placed."""

    def placed(self, order: Order, *, sale: bool = True) -> Iterable[outbox.Wish]:
        """Profile, Placed Order, and one Ordered Product per line. Without `sale` the profile alone: somebody else
        tells Klaviyo of what was bought."""
        identifier = source_identifier(self.route.marketplace, order.order_id)
        lines = {line.line_id: line.quantity for line in order.lines if line.quantity > 0}
        yield self._profile(order)
        if not sale:
            return
        prices = None
        if order.price_basis is PriceBasis.COST:
            self._noted[order.order_id] = prices = {line.line_id: self._asked(order, line) for line in order.lines}
        value = order.paid
        if value is None and (value := self._value(order, lines)) is not None:
            value += order.to_come
        placed = self._event(order, "Placed Order", identifier, order.placed_at, lines, {}, value, first=True)
        told = msgspec.structs.replace(placed.payload, prices=prices)
        yield msgspec.structs.replace(placed, payload=told, waits=self._waits(order))
        for line in order.lines:
            if line.quantity > 0:
                yield self._ordered_product(order, line, identifier)

    def fulfilled(
        self,
        order: Order,
        key: str,
        occurred_at: datetime,
        units: Units,
        tracking: Sequence[Tracking],
        complete: bool,
        *,
        tracking_missing: bool = False,
    ) -> outbox.Wish:
        """Fulfilled Order for the units of one fulfilment. `tracking_missing`: there should be a number and it did not
        come."""
        properties: dict[str, Any] = {
            "TrackingNumbers": [parcel.number for parcel in tracking if parcel.number],
            "TrackingUrls": [parcel.url for parcel in tracking if parcel.url],
            "Carrier": next((parcel.company for parcel in tracking if parcel.company), ""),
            "Partial": not complete,
        }
        if tracking_missing:
            properties["TrackingMissing"] = True
        unique = _fulfilled_id(self.route, order, key)
        value = self._value(order, units)
        return self._event(order, "Fulfilled Order", unique, occurred_at, units, properties, value)

    def reversal(self, order: Order, events: Sequence[OrderEvent], first: bool) -> outbox.Wish:
        """One event for facts of one kind that came together. `first`: nothing of that kind was told of this order
        before, so that it carries the order's own id and Klaviyo nets lifetime value."""
        kind = events[0].kind
        units: dict[str, int] = {}
        for event in events:
            units[event.line_id] = units.get(event.line_id, 0) + event.quantity
        everything = all(units.get(line.line_id, 0) >= line.quantity for line in order.lines if line.quantity > 0)
        value, in_full, basis = None, True, self._basis(order)
        if kind is EventKind.REFUNDED:
            value, in_full, basis = self._given_back(order, events)
        elif kind is EventKind.CANCELLED:
            value = (
                self._value(order, units)
                if order.paid is None
                else taken_off.cancelled(order, order.paid, self._told(order))
            )
        reasons = sorted({str(event.detail["reason"]) for event in events if event.detail.get("reason")})
        properties = {
            "Reason": ", ".join(reasons),
            "InitiatedBy": events[0].initiator.value,
            "Partial": not (everything and in_full),
        }
        netted = kind in (EventKind.CANCELLED, EventKind.REFUNDED)
        unique = (
            source_identifier(self.route.marketplace, order.order_id) if first and netted else str(events[0].event_id)
        )
        return self._event(
            order, METRICS[kind], unique, events[0].occurred_at, units, properties, value, value_basis=basis
        )

    def _waits(self, order: Order) -> timedelta:
        """How long nothing is told of an order that is only stated in part: Klaviyo keeps the first event of an id and
        drops all others in silence (its sheet, events), so a list of items that left short stays short."""
        if not order.to_come:
            return timedelta()
        longest = self.route.settings.whole_within
        return max(timedelta(), min(longest, order.placed_at + longest - self.now))

    def _profile(self, order: Order) -> outbox.Wish:
        known = self.identities[order.order_id]
        first_name, last_name = split_name(order.shipping_address.full_name)
        attributes: dict[str, Any] = {"first_name": first_name, "last_name": last_name}
        if order.buyer_locale:
            attributes["locale"] = order.buyer_locale
        address = order.shipping_address
        location = {
            "city": address.city, "region": address.region, "country": address.country, "zip": address.postal_code,
        }  # fmt: skip
        attributes["location"] = {key: value for key, value in location.items() if value}
        return outbox.Wish(
            connection=self.marketing,
            kind=EffectKind.UPSERT_PROFILE,
            natural_key=f"profile:{self.route.marketplace}:{known.profile_key}",
            subject=known.profile_key,
            lane=Lane.PROFILES,
            payload=UpsertProfile(
                identifiers=known.identifiers,
                attributes={key: value for key, value in attributes.items() if value},
                properties={
                    "Marketplaces " + self.route.display_name: True,
                    "Uncaptured Contact": "email" not in known.identifiers,
                },
            ),
            order_connection=self.route.marketplace,
            order_id=order.order_id,
        )

    def _ordered_product(self, order: Order, line: OrderLine, identifier: str) -> outbox.Wish:
        item = self._item(order, line, line.quantity)
        properties = {
            **self._common(order),
            **item,
            "ProductBrand": item["Brand"],
        }
        value = self._value(order, {line.line_id: line.quantity})
        return self._wish(
            order, "Ordered Product", f"{identifier}:{line.line_id}", order.placed_at, properties, value, {}
        )

    def _event(
        self,
        order: Order,
        metric: str,
        unique: str,
        occurred_at: datetime,
        units: Units,
        extra: Mapping[str, Any],
        value: int | None,
        *,
        first: bool = False,
        value_basis: str | None = None,
    ) -> outbox.Wish:
        items = [self._item(order, line, units[line.line_id]) for line in order.lines if units.get(line.line_id)]
        properties: dict[str, Any] = {
            **self._common(order),
            **extra,
            "Items": items,
            "ItemNames": _distinct(item["ProductName"] for item in items),
            "SKUs": _distinct(item["SKU"] for item in items),
            "Brands": _distinct(item["Brand"] for item in items),
            "Categories": _distinct(category for item in items for category in item["Categories"]),
            "Collections": _distinct(collection for item in items for collection in item["Collections"]),
            "value_basis": (value_basis or self._basis(order)) if value is not None else "unknown",
        }
        if attributes := _distinct(attribute for item in items for attribute in item.get("Attributes", ())):
            properties["Attributes"] = attributes
        profile: dict[str, Any] = {}
        if first:
            first_name, last_name = split_name(order.shipping_address.full_name)
            profile = {k: v for k, v in {"first_name": first_name, "last_name": last_name}.items() if v}
        return self._wish(order, metric, unique, occurred_at, properties, value, profile)

    def _wish(
        self,
        order: Order,
        metric: str,
        unique: str,
        occurred_at: datetime,
        properties: dict[str, Any],
        value: int | None,
        profile: dict[str, Any],
    ) -> outbox.Wish:
        late = self.now - occurred_at > self.route.settings.late_event_after
        # a buyer waits to hear of the parcel; of the order they know already
        lane = Lane.URGENT if metric == "Fulfilled Order" else Lane.EVENTS
        return outbox.Wish(
            connection=self.marketing,
            kind=EffectKind.TRACK_EVENT,
            natural_key=_natural_key(self.route, order, metric, unique),
            subject=source_identifier(self.route.marketplace, order.order_id),
            lane=Lane.BACKFILL if late else lane,
            payload=TrackEvent(
                metric=metric,
                unique_id=unique,
                occurred_at=occurred_at,
                identifiers=self.identities[order.order_id].identifiers,
                properties=properties,
                value=value,
                currency=order.currency,
                backfill=late,
                profile=profile,
            ),
            order_connection=self.route.marketplace,
            order_id=order.order_id,
        )

    def _common(self, order: Order) -> dict[str, Any]:
        return {
            "OrderId": order.customer_order_number or order.order_id,
            "MarketplaceOrderId": order.order_id,
            "Marketplace": self.route.display_name,
            "Connection": self.route.marketplace,
            "Channel": self.route.marketplace,
        }

    def _item(self, order: Order, line: OrderLine, quantity: int) -> dict[str, Any]:
        sku = self.skus[order.order_id, line.line_id]
        variant: Variant | None = self.variants.get(sku)
        price = self._unit_price(order, line)
        item: dict[str, Any] = {
            # the id under which a catalogue in Klaviyo knows it: recommendations and back-in-stock go by it
            "ProductID": sku or line.stock_number,
            "SKU": sku or line.stock_number,
            "ProductName": (variant.title if variant else "") or line.title,
            "Quantity": quantity,
            "Brand": (variant.brand if variant else "") or line.brand,
            "Categories": [c for c in [(variant.category if variant else "") or line.category] if c],
            "Collections": list(variant.collections if variant and variant.collections else line.collections),
        }
        if line.attributes:
            item["Attributes"] = [f"{name}: {value}" for name, value in sorted(line.attributes.items())]
        if price is not None:
            item["ItemPrice"] = json_number(price, order.currency)
        if (total := self._price_of(order, line, quantity)) is not None:
            item["RowTotal"] = json_number(total, order.currency)
        if variant and variant.url:
            item["ProductURL"] = variant.url
        if variant and variant.image_url:
            item["ImageURL"] = variant.image_url
        return item

    def _unit_price(self, order: Order, line: OrderLine) -> int | None:
        if order.price_basis is PriceBasis.RETAIL:
            return line.unit_price
        noted = self._noted.get(order.order_id)
        if noted is None:
            told: TrackEvent | None = wished.payload(self._connection, self.marketing, placed_key(self.route, order))
            noted = self._noted[order.order_id] = (told and told.prices) or {}
        return noted[line.line_id] if line.line_id in noted else self._asked(order, line)

    def _price_of(self, order: Order, line: OrderLine, units: int) -> int | None:
        """What the buyer paid for so many units, to the penny; a price of one may be a rounding."""
        if order.price_basis is PriceBasis.RETAIL:
            return line.price_of(units)
        price = self._unit_price(order, line)
        return None if price is None else price * units

    def _asked(self, order: Order, line: OrderLine) -> int | None:
        """What the store asks for one unit now, in the order's currency."""
        variant = self.variants.get(self.skus[order.order_id, line.line_id])
        if variant is None or variant.price is None or variant.currency not in ("", order.currency):
            return None
        return variant.price

    def _given_back(self, order: Order, events: Sequence[OrderEvent]) -> tuple[int | None, bool, str]:
        """What refunds are worth, whether that is all that their units came to, and on which price basis."""
        found = [
            taken_off.refunded(order, event, self._value(order, {event.line_id: event.quantity})) for event in events
        ]
        values = [value for value, _ in found]
        value = None if None in values else sum(value for value in values if value)
        if value and order.paid is not None and taken_off.is_all_off(order):
            # the cancellation has taken this money off already
            value = min(value, taken_off.left(order.paid, self._told(order)))
        bases = {taken_off.basis_of(order, event) for event in events if event.amount is not None}
        at_retail = bases == {PriceBasis.RETAIL} and None not in [event.amount for event in events]
        return value, all(in_full for _, in_full in found), _MARKETPLACE_PRICE if at_retail else self._basis(order)

    def _told(self, order: Order) -> list[TrackEvent]:
        kind = EffectKind.TRACK_EVENT
        known = wished.of_order(self._connection, self.marketing, kind, self.route.marketplace, order.order_id)
        return [one.payload for one in known]

    def _value(self, order: Order, units: Units) -> int | None:
        if not any(units.values()):
            return None  # money alone, in a basis that says nothing about what the buyer paid
        total = 0
        for line in order.lines:
            quantity = units.get(line.line_id, 0)
            if not quantity:
                continue
            price = self._price_of(order, line, quantity)
            if price is None:
                return None
            total += price
        return total

    def _basis(self, order: Order) -> str:
        return _MARKETPLACE_PRICE if order.price_basis is PriceBasis.RETAIL else "store_price"


def as_of(effect: Effect, routes: Iterable[Route], now: datetime) -> Effect:
    """An event as it may be sent now. What has become older than its route's late limit while it waited, because the
    installation was off or a person tries it again, is history, and no flow writes to its buyer (Klaviyo's sheet, 9).
    `routes`: those of the marketplace that it comes from."""
    event: TrackEvent = effect.payload
    limits = [route.settings.late_event_after for route in routes if route.marketing == effect.connection]
    if event.backfill or not limits or now - event.occurred_at <= min(limits):
        return effect
    return msgspec.structs.replace(effect, payload=msgspec.structs.replace(event, backfill=True))


def placed_key(route: Route, order: Order) -> str:
    """The natural key of the wish that `Teller.placed` makes for the order as a whole."""
    return _natural_key(route, order, "Placed Order", source_identifier(route.marketplace, order.order_id))


def fulfilled_key(route: Route, order: Order, key: str) -> str:
    """The natural key of the wish that `Teller.fulfilled` makes for `key`."""
    return _natural_key(route, order, "Fulfilled Order", _fulfilled_id(route, order, key))


def first_reversal_key(route: Route, order: Order, kind: EventKind) -> str:
    """The natural key of the wish that `Teller.reversal` makes for the first of a kind, with the order's own id."""
    return _natural_key(route, order, METRICS[kind], source_identifier(route.marketplace, order.order_id))


def _fulfilled_id(route: Route, order: Order, key: str) -> str:
    return str(event_id(route.marketplace, order.order_id, "fulfilled", "", key))


def _natural_key(route: Route, order: Order, metric: str, unique: str) -> str:
    return f"{metric}:{source_identifier(route.marketplace, order.order_id)}:{unique}"


def _distinct(values: Iterable[str]) -> list[str]:
    return [value for value in dict.fromkeys(values) if value]


def _identities(connection: Connection, route: Route, orders: Sequence[Order], now: datetime) -> dict[str, Identity]:
    """Each order's identity, fixed the first time it is told of: a replay under another one would count twice."""
    wanted = {order.order_id: identity(route.marketplace, order) for order in orders}
    cursor = driver(connection).cursor()
    cursor.executemany(
        "INSERT INTO ledger.order_identities (connection, order_connection, order_id, identifiers, profile_key,"
        " created_at) VALUES (%s, %s, %s, %s::json, %s, %s) ON CONFLICT DO NOTHING",
        [
            (
                route.marketing, route.marketplace, order_id, msgspec.json.encode(known.identifiers).decode(),
                known.profile_key, now,
            )
            for order_id, known in wanted.items()
        ],
    )  # fmt: skip
    rows = cursor.execute(
        "SELECT order_id, identifiers, profile_key FROM ledger.order_identities"
        " WHERE connection = %s AND order_connection = %s AND order_id = ANY(%s)",
        (route.marketing, route.marketplace, list(wanted)),
    ).fetchall()
    return {row[0]: Identity(row[1], row[2]) for row in rows}
