"""The three kinds of marketplaces of the tests' towns as one: what is in them in common words, and what buyers, the
operator and people in the seller's portal do there."""

from __future__ import annotations

from collections import Counter
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from marketplace_sync.domain.effects import EffectKind
from marketplace_sync.flows import returns_by_hand
from marketplace_sync.ledger import wished
from marketplace_sync_tests.flows import marketplacer_town as market
from marketplace_sync_tests.flows.mirakl_town import BAZAAR, SHOP_OF_A_LARGE_PLAN, mirakl_town
from marketplace_sync_tests.flows.stores import StoreSide
from marketplace_sync_tests.flows.town import JL, KLAVIYO, SHOP, SHOPIFY, Town, town

UNHURRIED = {"requests_per_minute": 100_000}
Units = Counter[str]
"""SKU -> units."""


@dataclass(frozen=True)
class Placed:
    """One order: `key` is what we know it by, `act` what the marketplace's people call it."""

    key: str
    act: Any


class MarketSide(Protocol):
    name: str

    def town(
        self, database_url: str, folder: Path, store: StoreSide | None, with_klaviyo: bool
    ) -> AbstractContextManager[Town]: ...
    def place(self, here: Town, *skus: str, quantity: int) -> Placed: ...
    def is_acknowledged(self, here: Town, order: Placed) -> bool: ...
    def acknowledge_in_portal(self, here: Town, order: Placed) -> None: ...
    def ship_in_portal(self, here: Town, order: Placed, sku: str | None, number: str) -> None:
        """All units of one SKU leave, or all that are left, without anything of ours."""

    def cancel_in_portal(self, here: Town, order: Placed, sku: str | None) -> None:
        """People of the seller cancel all units of a SKU, or everything."""

    def cancel_by_buyer(self, here: Town, order: Placed, sku: str | None) -> None:
        """One unit of a SKU, or everything."""

    def give_back(self, here: Town, order: Placed, sku: str, pence: int | None) -> None:
        """A unit is sent back; once it is there the buyer gets what it cost, or so much of it."""

    def dispatched(self, here: Town, order: Placed) -> Units: ...
    def cancelled(self, here: Town, order: Placed) -> Units: ...
    def numbers(self, here: Town, order: Placed) -> set[str]:
        """The tracking numbers that it was told."""

    def written(self, here: Town) -> list[dict[str, Any]]:
        """What it took from us and others, as it keeps it."""

    def given_back_by_seller(self, here: Town, order: Placed) -> int | None:
        """Refunds that it made because the seller said so; None where the seller cannot say so."""


def _of_route(store: StoreSide | None, with_klaviyo: bool) -> dict[str, Any]:
    return {"store": store.name if store else None, "marketing": KLAVIYO if with_klaviyo else None}


class JohnLewisSide:
    name = JL

    def town(
        self, database_url: str, folder: Path, store: StoreSide | None, with_klaviyo: bool
    ) -> AbstractContextManager[Town]:
        route = {**_of_route(store, with_klaviyo), **({} if store else {"stock": None})}
        connections = {JL: UNHURRIED}
        settings = {JL: {"limit": None}, **({} if store and store.name != SHOP else {SHOP: SHOP_OF_A_LARGE_PLAN})}
        return town(
            database_url, folder, store=store or SHOPIFY, route=route, connections=connections, settings=settings
        )

    def place(self, here: Town, *skus: str, quantity: int) -> Placed:
        order_id = here.place(*skus, quantity=quantity)
        return Placed(str(order_id), order_id)

    def _line(self, here: Town, order: Placed, sku: str | None) -> dict[str, Any]:
        lines = here.jl_order(order.act)["lines"]
        return {} if sku is None else {"line_ref": next(line["line_ref"] for line in lines if line["sku"] == sku)}

    def is_acknowledged(self, here: Town, order: Placed) -> bool:
        return {line["status"] for line in here.jl_order(order.act)["lines"]} == {"ORDER_ACK"}

    def acknowledge_in_portal(self, here: Town, order: Placed) -> None:
        here.sandbox.act(JL, "acknowledge_in_portal", order_id=order.act)

    def ship_in_portal(self, here: Town, order: Placed, sku: str | None, number: str) -> None:
        here.sandbox.act(JL, "dispatch_in_portal", order_id=order.act, **self._line(here, order, sku))

    def cancel_in_portal(self, here: Town, order: Placed, sku: str | None) -> None:
        here.sandbox.act(JL, "cancel_in_portal", order_id=order.act, **self._line(here, order, sku))

    def cancel_by_buyer(self, here: Town, order: Placed, sku: str | None) -> None:
        part = {**self._line(here, order, sku), "quantity": 1} if sku is not None else {}
        here.sandbox.act(JL, "request_cancellation", order_id=order.act, **part)

    def answer_in_portal(self, here: Town, order: Placed) -> None:
        """People of the seller agree to what the buyer asked for."""
        for line in here.jl_order(order.act)["lines"]:
            if line["status"] == "CANCEL":
                part = {"line_ref": line["line_ref"], "quantity": line["quantity"]}
                here.sandbox.act(JL, "cancel_in_portal", order_id=order.act, **part)

    def give_back(self, here: Town, order: Placed, sku: str, pence: int | None) -> None:
        part = {**self._line(here, order, sku), "quantity": 1}
        asked = here.sandbox.act(JL, "request_return", order_id=order.act, **part)
        here.settle()
        if here.context.routes[0].store is None:  # people of the seller answer it
            here.sandbox.act(JL, "authorise_return", return_id=asked["return_id"])
        amount = {} if pence is None else {"amount": pence}
        here.sandbox.act(JL, "approve_return", return_id=asked["return_id"], **amount)

    def _units(self, here: Town, order: Placed, wanted: str) -> Units:
        found: Units = Counter()
        for one in here.sandbox.documents(JL, "orders"):
            if one["id"] == order.act:
                for line in one["lines"]:
                    units = line.get("cancelled", 0) if wanted == "CANCEL_ACK" else line["quantity"]
                    if line["status"] == wanted:
                        found[line["sku"]] += units
        return found

    def dispatched(self, here: Town, order: Placed) -> Units:
        return self._units(here, order, "DISPATCH")

    def cancelled(self, here: Town, order: Placed) -> Units:
        return self._units(here, order, "CANCEL_ACK")

    def numbers(self, here: Town, order: Placed) -> set[str]:
        return {one["tracking_number"] for one in here.jl_actions("dispatch", order.act)}

    def written(self, here: Town) -> list[dict[str, Any]]:
        return here.sandbox.documents(JL, "actions")

    def given_back_by_seller(self, here: Town, order: Placed) -> int | None:
        return None


class MiraklSide:
    name = BAZAAR

    def town(
        self, database_url: str, folder: Path, store: StoreSide | None, with_klaviyo: bool
    ) -> AbstractContextManager[Town]:
        return mirakl_town(
            database_url,
            folder,
            store=store or SHOPIFY,
            routes={BAZAAR: _of_route(store, with_klaviyo)},
            like={BAZAAR: {"multi_shipment": True}},
            connections={JL: UNHURRIED},
        )

    def place(self, here: Town, *skus: str, quantity: int) -> Placed:
        order_id = str(here.place(*skus, quantity=quantity, at=BAZAAR))
        return Placed(order_id, order_id)

    def _order(self, here: Town, order: Placed) -> dict[str, Any]:
        return next(one for one in here.sandbox.documents(BAZAAR, "orders") if one["id"] == order.act)

    def _part(self, here: Town, order: Placed, sku: str) -> dict[str, Any]:
        line = next(line for line in self._order(here, order)["lines"] if line["sku"] == sku)
        return {"line_id": line["id"], "quantity": line["quantity"]}

    def is_acknowledged(self, here: Town, order: Placed) -> bool:
        return {line["state"] for line in self._order(here, order)["lines"]} == {"SHIPPING"}

    def acknowledge_in_portal(self, here: Town, order: Placed) -> None:
        here.sandbox.act(BAZAAR, "accept_in_portal", order_id=order.act)

    def ship_in_portal(self, here: Town, order: Placed, sku: str | None, number: str) -> None:
        lines = [
            self._part(here, order, line["sku"])
            for line in self._order(here, order)["lines"]
            if line["sku"] == sku or (sku is None and line["state"] == "SHIPPING")
        ]
        here.sandbox.act(BAZAAR, "ship_in_portal", order_id=order.act, lines=lines, number=number)

    def cancel_in_portal(self, here: Town, order: Placed, sku: str | None) -> None:
        part = {} if sku is None else {"lines": [self._part(here, order, sku)]}
        here.sandbox.act(BAZAAR, "cancel_in_portal", order_id=order.act, **part)

    def cancel_by_buyer(self, here: Town, order: Placed, sku: str | None) -> None:
        part = {} if sku is None else {"lines": [{**self._part(here, order, sku), "quantity": 1}]}
        here.sandbox.act(BAZAAR, "buyer_cancel", order_id=order.act, **part)

    def give_back(self, here: Town, order: Placed, sku: str, pence: int | None) -> None:
        if self._order(here, order)["lines"][0]["state"] == "SHIPPED":
            here.sandbox.act(BAZAAR, "receive", order_id=order.act)
        self.send_back(here, order, sku)
        line = next(line for line in self._order(here, order)["lines"] if line["sku"] == sku)
        each = line["ordered"]["price"] // 3
        amount = each if pence is None else pence
        here.sandbox.act(BAZAAR, "refund_by_operator", line_id=line["id"], amount=amount, quantity=1)

    def give_the_rest(self, here: Town, order: Placed, sku: str, pence: int) -> None:
        """What a unit cost beyond so much of it."""
        line = next(line for line in self._order(here, order)["lines"] if line["sku"] == sku)
        amount = line["ordered"]["price"] // 3 - pence
        here.sandbox.act(BAZAAR, "refund_by_operator", line_id=line["id"], amount=amount)

    def send_back(self, here: Town, order: Placed, sku: str) -> None:
        """The buyer sends a unit back, which is accepted; no money yet."""
        part = {**self._part(here, order, sku), "quantity": 1}
        here.sandbox.act(BAZAAR, "request_return", order_id=order.act, lines=[part])
        here.settle()

    def receive_by_hand(self, here: Town, order: Placed) -> None:
        """A person has seen the goods of every return that is under way, and tells us."""
        for one in here.sandbox.documents(BAZAAR, "returns"):
            if one["order_id"] == order.act and one["state"] == "IN_PROGRESS":
                returns_by_hand.received(here.context, BAZAAR, one["id"], {})

    def returns(self, here: Town, order: Placed) -> list[str]:
        """The states of its returns."""
        return [one["state"] for one in here.sandbox.documents(BAZAAR, "returns") if one["order_id"] == order.act]

    def dispatched(self, here: Town, order: Placed) -> Units:
        return Counter({line["sku"]: line["sent"] for line in self._order(here, order)["lines"] if line["sent"]})

    def cancelled(self, here: Town, order: Placed) -> Units:
        found: Units = Counter()
        for line in self._order(here, order)["lines"]:
            found[line["sku"]] += sum(one["quantity"] for one in line["cancelations"])
        return +found

    def numbers(self, here: Town, order: Placed) -> set[str]:
        shipments = here.sandbox.documents(BAZAAR, "shipments")
        return {one["tracking"]["tracking_number"] for one in shipments if one["order_id"] == order.act}

    def written(self, here: Town) -> list[dict[str, Any]]:
        return here.sandbox.documents(BAZAAR, "actions")

    def given_back_by_seller(self, here: Town, order: Placed) -> int | None:
        return len([one for one in self.written(here) if one["operation"] == "OR28"])


class MarketplacerSide:
    name = market.MARKET

    def town(
        self, database_url: str, folder: Path, store: StoreSide | None, with_klaviyo: bool
    ) -> AbstractContextManager[Town]:
        return market.marketplacer_town(database_url, folder, store=store, with_klaviyo=with_klaviyo)

    def place(self, here: Town, *skus: str, quantity: int) -> Placed:
        order = market.place(here, *skus, quantity=quantity)
        return Placed(order["id"], order["order_id"])

    def is_acknowledged(self, here: Town, order: Placed) -> bool:
        """An instance knows no such thing: what is placed is accepted, and nothing is told of it."""
        with here.project.ledger.begin() as connection:
            kind = EffectKind.ACKNOWLEDGE_ORDER
            return bool(wished.of_order(connection, self.name, kind, self.name, order.key))

    def acknowledge_in_portal(self, here: Town, order: Placed) -> None:
        """There is nothing to press."""

    def ship_in_portal(self, here: Town, order: Placed, sku: str | None, number: str) -> None:
        lines = None if sku is None else [{"sku": sku}]
        market.act(here, "ship", order_id=order.act, lines=lines, tracking_number=number)

    def cancel_in_portal(self, here: Town, order: Placed, sku: str | None) -> None:
        lines = None if sku is None else [{"sku": sku}]
        market.act(here, "cancel_by_seller", order_id=order.act, lines=lines)

    def cancel_by_buyer(self, here: Town, order: Placed, sku: str | None) -> None:
        lines = None if sku is None else [{"sku": sku, "quantity": 1}]
        market.act(here, "buyer_cancel", order_id=order.act, lines=lines)

    def give_back(self, here: Town, order: Placed, sku: str, pence: int | None) -> None:
        asked = market.act(here, "request_return", order_id=order.act, lines=[{"sku": sku, "quantity": 1}])
        (number,) = asked["refund_request_ids"]
        here.settle()
        market.act(here, "receive_return", refund_request_id=number)
        market.act(here, "refund", refund_request_id=number, cash_cents=pence)

    def _units(self, here: Town, order: Placed, wanted: str) -> Units:
        found: Units = Counter()
        for line in here.sandbox.documents(market.MARKET, "line_items"):
            if line["order"] == order.act:
                found[line["variantSku"]] += line[wanted]
        return +found

    def dispatched(self, here: Town, order: Placed) -> Units:
        return self._units(here, order, "sent")

    def cancelled(self, here: Town, order: Placed) -> Units:
        return self._units(here, order, "cancelled")

    def _of(self, here: Town, collection: str, order: Placed) -> list[dict[str, Any]]:
        lines = here.sandbox.documents(market.MARKET, "line_items")
        invoices = {line["invoice"] for line in lines if line["order"] == order.act}
        return [one for one in here.sandbox.documents(market.MARKET, collection) if one["invoice"] in invoices]

    def numbers(self, here: Town, order: Placed) -> set[str]:
        return {one["trackingNumber"] for one in self._of(here, "shipments", order)}

    def parcels(self, here: Town, order: Placed) -> int:
        return len(self._of(here, "shipments", order))

    def written(self, here: Town) -> list[dict[str, Any]]:
        return [
            {"id": one["n"], "status": one.get("status")}
            for collection in ("shipments", "refund_requests")
            for one in here.sandbox.documents(market.MARKET, collection)
        ]

    def given_back_by_seller(self, here: Town, order: Placed) -> int | None:
        requests = self._of(here, "refund_requests", order)
        return len([one for one in requests if one["initiatedBy"] == "SELLER" and one["status"] == "REFUNDED"])
