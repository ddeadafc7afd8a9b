"""The running shop: buyers who order, change their minds and send things back, and a warehouse that ships in the store.

Everything goes through what people can do at the vendors (their acts), so a flow cannot tell it from real trade. What
is to happen later is kept as a plan, and a restarted sandbox goes on where it stopped.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields
from datetime import timedelta
from typing import Any

from marketplace_sync.sandbox import catalogue, parcels
from marketplace_sync.sandbox.clock import Clock
from marketplace_sync.sandbox.state import Document, State
from marketplace_sync.sandbox.vendor import UnknownAct, Vendor

_MOST_PER_TICK = 200
_PLAN_WAITS = 60.0
_PLAN_EXPIRES = 6 * 3600.0
_SKUS = [product.sku for product in catalogue.products()]


@dataclass
class Knobs:
    """Times are seconds on the sandbox's clock, rates are per order."""

    running: bool = True
    orders_per_minute: float = 4.0
    history: int = 25
    """Orders of the last hours that are there when the sandbox first starts."""
    ship_after_seconds: float = 20.0
    ship_within_seconds: float = 40.0
    """A parcel leaves so long after `ship_after_seconds` at the latest."""
    partial_rate: float = 0.10
    two_parcels_rate: float = 0.08
    buyer_cancel_rate: float = 0.04
    return_rate: float = 0.06
    return_after_seconds: float = 120.0
    seller_cancel_rate: float = 0.02
    consent_change_rate: float = 0.05
    stock_changes_per_minute: float = 1.0
    discrepancies: bool = True
    """Whether the world has the few things wrong that a newcomer's checks are to find."""

    def __post_init__(self) -> None:
        for each in fields(self):
            value = getattr(self, each.name)
            if isinstance(value, bool) != (each.type == "bool") or not isinstance(value, int | float):
                raise ValueError(f"shop: {each.name} is a {each.type}, not {value!r}")
            if value < 0 or (each.name.endswith("_rate") and value > 1):
                raise ValueError(f"shop: {each.name} cannot be {value!r}")


class Shop:
    """Directs one marketplace account and, if there is one, one store account."""

    def __init__(self, vendors: Sequence[Vendor], *, state: State, clock: Clock, seed: int = 1) -> None:
        self.knobs = Knobs()
        self.state = state
        self._clock = clock
        self._seed = seed
        self._marketplace = next((vendor for vendor in vendors if vendor.platform == "john_lewis"), None)
        self._store = next((vendor for vendor in vendors if vendor.platform == "shopify"), None)
        self._plans = state.collection("plans")
        self._progress = state.collection("progress")
        self._packed = state.collection("packed")
        self._next_look = 0.0

    def as_json(self) -> dict[str, Any]:
        waiting: dict[str, int] = {}
        for plan in self._plans.values():
            waiting[plan["kind"]] = waiting.get(plan["kind"], 0) + 1
        return {**asdict(self.knobs), "plans": waiting, "done": self._counts(), "refused": self._noted("refused")}

    def configure(self, settings: dict[str, Any]) -> None:
        known = {each.name for each in fields(Knobs)}
        if unknown := set(settings) - known:
            raise ValueError(f"the shop has no {', '.join(sorted(unknown))}; it has: {', '.join(sorted(known))}")
        self.knobs = Knobs(**{**asdict(self.knobs), **settings})

    async def tick(self) -> None:
        if not self.knobs.running or self._marketplace is None:
            return
        if "first_start" not in self._progress:
            await self._first_start()
        await self._trade()
        if self._store is not None and self._clock.timestamp() >= self._next_look:
            self._next_look = self._clock.timestamp() + 1.0
            await self._look_at_the_store()
        for key, plan in [(key, plan) for key, plan in self._plans.items() if plan["due"] <= self._clock.timestamp()]:
            self._plans.delete(key)
            await self._carry_out(plan)

    # Orders

    async def _first_start(self) -> None:
        """A morning's orders, two of which somebody acknowledged by hand, and what is deliberately wrong."""
        self._progress.put("first_start", {"at": self._clock.timestamp()})
        chance = self._chance("history")
        hours = sorted((chance.uniform(0.2, 18.0) for _ in range(self.knobs.history)), reverse=True)
        for place, ago in enumerate(hours):
            ordered_at = (self._clock.now() - timedelta(hours=ago)).isoformat()
            order = await self._place(self._wishes(), ordered_at=ordered_at, test=place == 3)
            if place in (7, 8):
                await self._try("john_lewis", "acknowledge_in_portal", order_id=order["order_id"])
        if self.knobs.discrepancies:
            await self._place([{"sku": catalogue.LISTED_AT_JOHN_LEWIS_ONLY, "quantity": 1}])
            await self._place(self._wishes(), buyer={"line_1": "", "line_2": "", "city": "", "postal_code": ""})

    async def _trade(self) -> None:
        now = self._clock.timestamp()
        for kind, per_minute in (
            ("order", self.knobs.orders_per_minute),
            ("stock_change", self.knobs.stock_changes_per_minute if self._store is not None else 0.0),
        ):
            due = self._progress.get(f"next_{kind}")
            if per_minute <= 0:
                if due is not None:
                    self._progress.delete(f"next_{kind}")
                continue
            due = due or {"at": now}
            if due["at"] > now:
                continue
            # After a jump of the clock or a long stop nobody makes up for what did not happen meanwhile.
            at = max(due["at"], now - 60.0)
            for _ in range(_MOST_PER_TICK):
                if at > now:
                    break
                at += 60.0 / per_minute
                await (self._place(self._wishes()) if kind == "order" else self._change_stock())
            self._progress.put(f"next_{kind}", {"at": at})

    def _wishes(self) -> list[dict[str, Any]]:
        chance = self._chance("wishes")
        skus = chance.sample(_SKUS, chance.choice((1, 1, 1, 2, 2, 3)))
        return [{"sku": sku, "quantity": chance.choice((1, 1, 1, 1, 2, 3))} for sku in skus]

    async def _place(self, wishes: list[dict[str, Any]], **details: Any) -> dict[str, Any]:
        assert self._marketplace is not None
        order: dict[str, Any] = await self._marketplace.act("place_order", {"lines": wishes, **details})
        self._count("orders placed")
        chance = self._chance("fate")
        order_id = order["order_id"]
        if chance.random() < self.knobs.buyer_cancel_rate:
            self._plan("cancel", chance.uniform(5, 90), order_id=order_id)
        elif chance.random() < self.knobs.return_rate:
            after = self.knobs.return_after_seconds
            self._plan("return", chance.uniform(after, 2 * after), order_id=order_id)
        if chance.random() < self.knobs.consent_change_rate:
            self._plan("change_consent", chance.uniform(30, 300), order_id=order_id)
        return order

    # The store

    async def _look_at_the_store(self) -> None:
        """Plan the parcels of every order that has come into the store since the last look."""
        assert self._store is not None
        for order in await self._store.act("list_orders", {"unfulfilled": True, "limit": 250}):
            key = str(order["id"])
            if key in self._packed:
                continue
            number = len(self._packed) + 1
            self._packed.put(key, {"name": order["name"], "number": number})
            chance = self._chance("packing")
            after = self.knobs.ship_after_seconds + chance.uniform(0, self.knobs.ship_within_seconds)
            company = self._deliberate_carrier(number) if self.knobs.discrepancies else None
            if company is None and chance.random() < self.knobs.seller_cancel_rate:
                self._plan("seller_cancel", after, store_order=order["id"], lines=order["lines"])
                continue
            packing = parcels.Packing(self.knobs.partial_rate, self.knobs.two_parcels_rate)
            for parcel in parcels.pack(order["lines"], chance, packing, company):
                after += parcel.after_seconds
                self._plan("ship", after, store_order=order["id"], parcel=asdict(parcel))

    def _deliberate_carrier(self, number: int) -> str | None:
        """The world's first parcel is in order; of the later ones, one goes with a carrier that nobody mapped."""
        if number == 1:
            return "Royal Mail"
        if "unmapped_carrier" in self._progress:
            return None
        self._progress.put("unmapped_carrier", {"number": number})
        return parcels.UNMAPPED_CARRIER

    async def _change_stock(self) -> None:
        chance = self._chance("stock")
        available = chance.choice((0, 1, 3, 8, chance.randrange(5, 60), chance.randrange(20, 200)))
        await self._try("store", "set_stock", sku=chance.choice(_SKUS), available=available)

    # Plans

    def _plan(self, kind: str, after_seconds: float, **details: Any) -> None:
        now = self._clock.timestamp()
        key = str(self.state.counter("plan"))
        self._plans.put(key, {"kind": kind, "due": now + after_seconds, "made": now, **details})

    async def _carry_out(self, plan: Document) -> None:
        kind = plan["kind"]
        if kind == "ship":
            parcel = plan["parcel"]
            shipped = await self._try(
                "store",
                "ship",
                order_id=plan["store_order"],
                lines=parcel["lines"],
                company=parcel["company"],
                tracking_numbers=parcel["tracking_numbers"],
            )
            if shipped is None and parcel["company"] == parcels.UNMAPPED_CARRIER:
                self._progress.delete("unmapped_carrier")  # it was cancelled meanwhile: another order has to do
        elif kind == "seller_cancel":
            await self._seller_cancel(plan)
        elif kind == "cancel":
            asked = await self._try("john_lewis", "request_cancellation", order_id=plan["order_id"])
            if asked is None:  # it has left: the parcel comes back instead
                self._plan("return", self.knobs.return_after_seconds, order_id=plan["order_id"])
        elif kind == "return":
            await self._return(plan)
        elif kind == "authorise_return":
            await self._try("john_lewis", "authorise_return", return_id=plan["return_id"])
            self._plan("decide_return", 40.0, return_id=plan["return_id"])
        elif kind == "decide_return":
            verdict = "approve_return" if self._chance("verdict").random() < 0.9 else "reject_return"
            await self._try("john_lewis", verdict, return_id=plan["return_id"])
        elif kind == "change_consent":
            await self._change_consent(plan)

    async def _seller_cancel(self, plan: Document) -> None:
        """Out of stock: the store takes one unit off an order of several, or cancels it all."""
        spare = [line for line in plan["lines"] if line["unfulfilled"] > 1]
        order_id = plan["store_order"]
        if spare and self._chance("seller_cancel").random() < 0.5:
            await self._try("store", "remove_unit", order_id=order_id, sku=spare[0]["sku"], quantity=1)
            self._plan("ship", 20.0, store_order=order_id, parcel=asdict(self._plain_parcel()))
        else:
            await self._try("store", "cancel_order", order_id=order_id, reason="INVENTORY")

    def _plain_parcel(self) -> parcels.Parcel:
        return parcels.pack([], self._chance("packing"), parcels.Packing())[0]

    async def _return(self, plan: Document) -> None:
        """Send back what was dispatched of the order; look again later while nothing was."""
        order = await self._try("john_lewis", "get_order", order_id=plan["order_id"])
        dispatched = [line for line in (order or {"lines": []})["lines"] if line["status"] == "DISPATCH"]
        if not dispatched:
            if self._clock.timestamp() - plan["made"] < _PLAN_EXPIRES:
                later = {**plan, "due": self._clock.timestamp() + _PLAN_WAITS}
                self._plans.put(str(self.state.counter("plan")), later)
            return
        chance = self._chance("return")
        line = chance.choice(dispatched)
        asked = await self._try(
            "john_lewis",
            "request_return",
            order_id=plan["order_id"],
            line_ref=line["line_ref"],
            quantity=chance.randrange(1, line["quantity"] + 1),
            reason_code=chance.choice((200, 225, 300, 300, 300, 325, 350)),
        )
        if asked is not None:
            self._plan("authorise_return", 20.0, return_id=asked["return_id"])

    async def _change_consent(self, plan: Document) -> None:
        order = await self._try("john_lewis", "get_order", order_id=plan["order_id"])
        if order is not None and order["email"]:
            accepts = self._chance("consent").random() < 0.3
            await self._try("john_lewis", "set_consent", email=order["email"], accepts=accepts)

    async def _try(self, where: str, name: str, **arguments: Any) -> Any:
        """Do something that may have become impossible meanwhile; None when it had, and a note of it is kept."""
        vendor = self._store if where == "store" else self._marketplace
        assert vendor is not None
        try:
            result = await vendor.act(name, arguments)
        except UnknownAct:
            raise
        except (ValueError, LookupError) as problem:
            notes = [*self._noted("refused"), f"{name}: {problem}"]
            self._progress.put("refused", {"notes": notes[-20:]})
            return None
        self._count(name)
        return result

    def _noted(self, what: str) -> list[str]:
        return list((self._progress.get(what) or {"notes": []})["notes"])

    def _counts(self) -> dict[str, int]:
        return {name: int(count) for name, count in (self._progress.get("counts") or {}).items()}

    def _count(self, what: str) -> None:
        counts = self._counts()
        self._progress.put("counts", {**counts, what: counts.get(what, 0) + 1})

    def _chance(self, purpose: str) -> random.Random:
        """Chance for one decision. Numbered in the state, so that a restart does not repeat what was drawn before."""
        return random.Random(f"{self._seed}:{purpose}:{self.state.counter(purpose)}")
