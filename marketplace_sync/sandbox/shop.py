"""The running shop: buyers who order, change their minds and send things back, and warehouses that ship in the stores.

Everything goes through what people can do at the vendors (their acts), so a flow cannot tell it from real trade. What
is to happen later is kept as a plan, and a restarted sandbox goes on where it stopped.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields
from datetime import timedelta
from functools import partial
from typing import Any

from marketplace_sync.sandbox import catalogue, parcels
from marketplace_sync.sandbox.clock import Clock
from marketplace_sync.sandbox.habits import Unpacked
from marketplace_sync.sandbox.state import Document, State
from marketplace_sync.sandbox.vendor import UnknownAct, Vendor

_MOST_PER_TICK = 200
_PLAN_WAITS = 60.0
_PLAN_EXPIRES = 6 * 3600.0
_OF_THE_OTHERS = 5
_TO_PACK = 10_000
"""Far more orders than wait for a parcel at any time. What nobody will ever ship stays first in a store's list, and 250
such orders would hide all that come after them."""
_SKUS = [product.sku for product in catalogue.products()]


@dataclass
class Knobs:
    """Times are seconds on the sandbox's clock, rates are per order."""

    running: bool = True
    orders_per_minute: float = 4.0
    history: int = 25
    """Orders of the last hours that the first marketplace has at the sandbox's first start; the others have a fifth."""
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
    """Directs every marketplace account and every store account. What is wrong on purpose is in the first of each."""

    def __init__(self, vendors: Sequence[Vendor], *, state: State, clock: Clock, seed: int = 1) -> None:
        self.state = state
        self._clock = clock
        self._seed = seed
        self._marketplaces = {vendor.account: vendor for vendor in vendors if vendor.habits is not None}
        self._stores = {vendor.account: vendor for vendor in vendors if vendor.has_a_warehouse}
        self._plans = state.collection("plans")
        self._progress = state.collection("progress")
        self._packed = state.collection("packed")
        self._next_look = 0.0
        kept = self._progress.get("knobs") or {}
        self.knobs = Knobs(**{each.name: kept[each.name] for each in fields(Knobs) if each.name in kept})

    def as_json(self) -> dict[str, Any]:
        waiting: dict[str, int] = {}
        for plan in self._plans.values():
            waiting[plan["kind"]] = waiting.get(plan["kind"], 0) + 1
        return {**asdict(self.knobs), "plans": waiting, "done": self._counts(), "refused": self._noted("refused")}

    def configure(self, settings: dict[str, Any]) -> None:
        """Change knobs, also for later starts. Raises ValueError for one that does not exist or makes no sense."""
        known = {each.name for each in fields(Knobs)}
        if unknown := set(settings) - known:
            raise ValueError(f"the shop has no {', '.join(sorted(unknown))}; it has: {', '.join(sorted(known))}")
        self.knobs = Knobs(**{**asdict(self.knobs), **settings})
        self._progress.put("knobs", asdict(self.knobs))

    async def tick(self) -> None:
        if not self.knobs.running or not self._marketplaces:
            return
        if "first_start" not in self._progress:
            await self._first_start()
        await self._trade()
        if self._stores and self._clock.timestamp() >= self._next_look:
            self._next_look = self._clock.timestamp() + 1.0
            for place, account in enumerate(self._stores):
                await self._look_at_the_store(account, is_first=place == 0)
        for key, plan in [(key, plan) for key, plan in self._plans.items() if plan["due"] <= self._clock.timestamp()]:
            self._plans.delete(key)
            await self._carry_out(plan)

    # Orders

    async def _first_start(self) -> None:
        """A morning's orders, and what is deliberately wrong."""
        self._progress.put("first_start", {"at": self._clock.timestamp()})
        for number, (account, marketplace) in enumerate(self._marketplaces.items()):
            assert marketplace.habits is not None
            chance = self._chance("history")
            count = self.knobs.history if number == 0 else self.knobs.history // _OF_THE_OTHERS
            hours = sorted((chance.uniform(0.2, 18.0) for _ in range(count)), reverse=True)
            for place, ago in enumerate(hours):
                ordered_at = (self._clock.now() - timedelta(hours=ago)).isoformat()
                more, at_once = marketplace.habits.of_a_morning(place)
                order = await self._place(account, self._wishes(), ordered_at=ordered_at, **more)
                for later in at_once:
                    await self._try(account, later.act, **{**later.arguments, "order_id": order["order_id"]})
            if number == 0 and self.knobs.discrepancies:
                for wrong in marketplace.habits.wrong_on_purpose():
                    await self._place(account, **{"lines": self._wishes(), **wrong})

    async def _trade(self) -> None:
        now = self._clock.timestamp()
        for kind, per_minute in (
            ("order", self.knobs.orders_per_minute),
            ("stock_change", self.knobs.stock_changes_per_minute if self._stores else 0.0),
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
                if kind == "order":
                    account = self._chance("marketplace").choice(list(self._marketplaces))
                    await self._place(account, self._wishes())
                else:
                    await self._change_stock()
            self._progress.put(f"next_{kind}", {"at": at})

    def _wishes(self) -> list[dict[str, Any]]:
        chance = self._chance("wishes")
        skus = chance.sample(_SKUS, chance.choice((1, 1, 1, 2, 2, 3)))
        return [{"sku": sku, "quantity": chance.choice((1, 1, 1, 1, 2, 3))} for sku in skus]

    async def _place(self, account: str, lines: list[dict[str, Any]], **details: Any) -> dict[str, Any]:
        marketplace = self._marketplaces[account]
        order: dict[str, Any] = await marketplace.act("place_order", {"lines": lines, **details})
        self._count("orders placed")
        chance = self._chance("fate")
        about = {"marketplace": account, "order_id": order["order_id"]}
        if chance.random() < self.knobs.buyer_cancel_rate:
            self._plan("cancel", chance.uniform(5, 90), **about)
        elif chance.random() < self.knobs.return_rate:
            after = self.knobs.return_after_seconds
            self._plan("return", chance.uniform(after, 2 * after), **about)
        asked = marketplace.habits is not None and marketplace.habits.consent_is_asked
        if asked and chance.random() < self.knobs.consent_change_rate:
            self._plan("change_consent", chance.uniform(30, 300), **about)
        return order

    # The stores

    async def _look_at_the_store(self, account: str, *, is_first: bool) -> None:
        """Plan the parcels of every order that has come into a store since the last look."""
        store = self._stores[account]
        for order in await store.act("list_orders", {"unfulfilled": True, "limit": _TO_PACK}):
            key = str(order["id"]) if is_first else f"{account}:{order['id']}"
            if key in self._packed:
                continue
            number = len(self._packed) + 1
            self._packed.put(key, {"name": order["name"], "number": number})
            chance = self._chance("packing")
            after = self.knobs.ship_after_seconds + chance.uniform(0, self.knobs.ship_within_seconds)
            company = self._deliberate_carrier(number) if is_first and self.knobs.discrepancies else None
            if company is None and chance.random() < self.knobs.seller_cancel_rate:
                self._plan("seller_cancel", after, store=account, store_order=order["id"], lines=order["lines"])
                continue
            packing = parcels.Packing(self.knobs.partial_rate, self.knobs.two_parcels_rate)
            for parcel in parcels.pack(order["lines"], chance, packing, company):
                after += parcel.after_seconds
                self._plan("ship", after, store=account, store_order=order["id"], parcel=asdict(parcel))

    def _deliberate_carrier(self, number: int) -> str | None:
        """The first store's first parcel is in order; of its later ones, one goes with a carrier that nobody mapped."""
        if number == 1:
            return "Royal Mail"
        if "unmapped_carrier" in self._progress:
            return None
        self._progress.put("unmapped_carrier", {"number": number})
        return parcels.UNMAPPED_CARRIER

    async def _change_stock(self) -> None:
        chance = self._chance("stock")
        available = chance.choice((8, chance.randrange(8, 60), chance.randrange(20, 200)))
        account = self._chance("store").choice(list(self._stores))
        await self._try(account, "set_stock", sku=chance.choice(_SKUS), available=available)

    # Plans

    def _plan(self, kind: str, after_seconds: float, **details: Any) -> None:
        now = self._clock.timestamp()
        key = str(self.state.counter("plan"))
        self._plans.put(key, {"kind": kind, "due": now + after_seconds, "made": now, **details})

    async def _carry_out(self, plan: Document) -> None:
        kind = plan["kind"]
        if kind == "ship":
            await self._ship(plan)
        elif kind == "seller_cancel":
            await self._seller_cancel(plan)
        elif kind == "follow":
            await self._try(plan["marketplace"], plan["act"], **plan["arguments"])
        elif kind == "unpack":
            await self._unpack(plan)
        else:
            await self._as_buyers_do(plan)

    async def _as_buyers_do(self, plan: Document) -> None:
        account, order_id = plan["marketplace"], plan["order_id"]
        habits = self._marketplaces[account].habits
        assert habits is not None
        do = partial(self._try, account)
        if plan["kind"] == "cancel":
            if not await habits.change_their_mind(do, order_id):  # it has left: the parcel comes back instead
                self._plan("return", self.knobs.return_after_seconds, marketplace=account, order_id=order_id)
        elif plan["kind"] == "change_consent":
            await habits.change_consent(do, order_id, self._chance("consent"))
        else:
            follows = await habits.send_back(do, order_id, self._chance("return"))
            if follows is None and self._clock.timestamp() - plan["made"] < _PLAN_EXPIRES:
                later = {**plan, "due": self._clock.timestamp() + _PLAN_WAITS}
                self._plans.put(str(self.state.counter("plan")), later)
            for step in follows or ():
                if isinstance(step, Unpacked):
                    goods = {"sku": step.sku, "quantity": step.quantity}
                    source = f"{account}:{step.order_id}"
                    self._plan("unpack", step.after_seconds, source=source, goods=goods)
                else:
                    self._plan(
                        "follow", step.after_seconds, marketplace=account, act=step.act, arguments=step.arguments
                    )

    async def _unpack(self, plan: Document) -> None:
        """In the store whose order names the marketplace's; nobody has anything to do where there is none."""
        for account in self._stores:
            order = await self._try(account, "order_by_source", source_identifier=plan["source"])
            if order is not None:
                await self._try(account, "refund", order_id=order["id"], lines=[plan["goods"]])

    async def _ship(self, plan: Document) -> None:
        parcel = plan["parcel"]
        shipped = await self._try(
            plan["store"],
            "ship",
            order_id=plan["store_order"],
            lines=parcel["lines"],
            company=parcel["company"],
            tracking_numbers=parcel["tracking_numbers"],
        )
        if shipped is None and parcel["company"] == parcels.UNMAPPED_CARRIER:
            self._progress.delete("unmapped_carrier")  # it was cancelled meanwhile: another order has to do

    async def _seller_cancel(self, plan: Document) -> None:
        """Out of stock: the store takes one unit off an order of several, or cancels it all."""
        spare = [line for line in plan["lines"] if line["unfulfilled"] > 1]
        store, order_id = plan["store"], plan["store_order"]
        if spare and self._chance("seller_cancel").random() < 0.5:
            await self._try(store, "remove_unit", order_id=order_id, sku=spare[0]["sku"], quantity=1)
            self._plan("ship", 20.0, store=store, store_order=order_id, parcel=asdict(self._plain_parcel()))
        else:
            await self._try(store, "cancel_order", order_id=order_id, reason="INVENTORY")

    def _plain_parcel(self) -> parcels.Parcel:
        return parcels.pack([], self._chance("packing"), parcels.Packing())[0]

    async def _try(self, account: str, name: str, /, **arguments: Any) -> Any:
        """Do something that may have become impossible meanwhile; None when it had, and a note of it is kept."""
        vendor = self._marketplaces.get(account) or self._stores[account]
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
