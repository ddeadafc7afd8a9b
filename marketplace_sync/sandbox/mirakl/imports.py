"""Imports of offers, stock and prices: taken at once, done later, with a row in the report for each that failed."""

from __future__ import annotations

import hashlib
import json
import uuid
from decimal import Decimal
from typing import Any

from marketplace_sync.sandbox.clock import Clock
from marketplace_sync.sandbox.mirakl.offers import FRESH, Offer, Offers
from marketplace_sync.sandbox.mirakl.settings import MiraklSettings
from marketplace_sync.sandbox.mirakl.values import BadValue, minor, moment
from marketplace_sync.sandbox.state import State

_DUPLICATE_SECONDS = 60
_WHOLE = (
    "quantity",
    "leadtime_to_ship",
    "min_order_quantity",
    "max_order_quantity",
    "package_quantity",
    "min_quantity_alert",
)
_TEXTS = ("description", "internal_description", "price_additional_info", "logistic_class", "product_tax_code")
Job = dict[str, Any]


class RowError(ValueError):
    """Why one row of an import was not taken."""


class Imports:
    """Jobs by id. What a job does it does when its time has come, in the order in which the jobs were sent."""

    def __init__(self, state: State, clock: Clock, settings: MiraklSettings, offers: Offers) -> None:
        self.settings = settings
        self._state = state
        self._clock = clock
        self._offers = offers
        self._jobs = state.collection("imports")
        state.on_reload.append(self._rebuild)
        self._rebuild()

    def _rebuild(self) -> None:
        self._open = {key: None for key, job in self._jobs.items() if not job["done"]}

    def start(self, kind: str, rows: list[dict[str, Any]], *, mode: str = "NORMAL", repeatable: bool = True) -> Job:
        """Take a job. An offer import that was sent a moment ago already is the one from then. (Mirakl, idempotency)"""
        now = self._clock.timestamp()
        digest = hashlib.sha256(f"{kind}{mode}{json.dumps(rows, default=str)}".encode()).hexdigest()
        if not repeatable:
            for job in self._jobs.values():
                if job["digest"] == digest and now - job["created"] <= _DUPLICATE_SECONDS:
                    return {**job, "repeated": True}
        number = self._state.counter("import", 2001)
        as_text = kind in ("STO01", "PRI01")
        key = str(uuid.uuid5(uuid.NAMESPACE_URL, f"{self.settings.instance}/{number}")) if as_text else str(number)
        job = {
            "key": key,
            "number": number,
            "kind": kind,
            "mode": mode,
            "digest": digest,
            "created": now,
            "ready": now + self.settings.import_seconds,
            "done": False,
            "rows": json.loads(json.dumps(rows, default=str)),
            "errors": [],
            "success": 0,
            "inserted": 0,
            "updated": 0,
            "deleted": 0,
        }
        self._jobs.put(key, job)
        self._open[key] = None
        return job

    def get(self, key: str, kinds: tuple[str, ...]) -> Job:
        """Raises LookupError."""
        job = self._jobs.get(key)
        if job is None or job["kind"] not in kinds:
            raise LookupError(f"The import with id '{key}' was not found")
        return job

    def of_kind(self, kinds: tuple[str, ...]) -> list[Job]:
        return [job for job in self._jobs.values() if job["kind"] in kinds]

    def status(self, job: Job) -> str:
        if job["done"]:
            return "COMPLETE"
        half = (job["created"] + job["ready"]) / 2
        return "RUNNING" if self._clock.timestamp() >= half else "WAITING"

    def time_passed(self) -> None:
        now = self._clock.timestamp()
        for key in [key for key in self._open if self._jobs[key]["ready"] <= now]:
            self._run({**self._jobs[key], "done": True})
            del self._open[key]

    def _run(self, job: Job) -> None:
        kept = set()
        emptied: set[str] = set()
        for number, row in enumerate(job["rows"], start=1):
            sku = str(row.get("shop_sku") or row.get("offer-sku") or row.get("sku") or "")
            try:
                if job["kind"] == "STO01":
                    self._stock(sku, row, emptied)
                elif job["kind"] == "PRI01":
                    self._price(sku, row)
                else:
                    job[self._offer(sku, row)] += 1
                kept.add(sku)
                job["success"] += 1
            except (RowError, BadValue) as problem:
                job["errors"] = [*job["errors"], [number, sku, str(problem)]]
        if job["mode"] == "REPLACE":
            for sku in [sku for sku in self._offers.skus() if sku not in kept]:
                self._offers.delete(sku)
                job["deleted"] += 1
        self._jobs.put(job["key"], job)

    def _known(self, sku: str) -> Offer:
        try:
            return self._offers.by_sku(sku)
        except LookupError:
            raise RowError(f"The offer with sku '{sku}' was not found") from None

    def _stock(self, sku: str, row: dict[str, Any], emptied: set[str]) -> None:
        """Rows of one offer with warehouses add up, the first of them forgets what was; without one it is all."""
        offer = self._known(sku)
        quantity = 0 if row.get("update-delete", "").lower() == "delete" else _quantity(row.get("quantity"))
        if not row.get("warehouse-code"):
            self._offers.change(sku, quantity=quantity, warehouses=[])
            return
        before = offer["warehouses"] if sku in emptied else []
        emptied.add(sku)
        others = [each for each in before if each["code"] != row["warehouse-code"]]
        warehouses = [*others, {"code": row["warehouse-code"], "quantity": quantity}]
        self._offers.change(sku, quantity=sum(each["quantity"] for each in warehouses), warehouses=warehouses)

    def _price(self, sku: str, row: dict[str, Any]) -> None:
        """Everything about the price is replaced: a discount that was not sent is gone."""
        self._known(sku)
        if row.get("price-type", "PRICE") not in ("", "PRICE"):
            raise RowError("Retail prices cannot be edited on this platform")
        price = self._positive(row.get("price"), "price")
        discount = self._discount(
            row.get("discount-price"), row.get("discount-start-date"), row.get("discount-end-date"), price
        )
        self._offers.change(sku, price=price, discount=discount, all_prices=[])

    def _positive(self, value: Any, name: str) -> int:
        amount = minor(_number(value), self.settings.currency, name)
        if amount <= 0:
            raise RowError(f"The {name} must be greater than 0")
        return amount

    def _discount(self, value: Any, start: Any, end: Any, price: int) -> dict[str, Any] | None:
        if value in (None, ""):
            return None
        amount = self._positive(value, "discount price")
        if amount >= price:
            raise RowError("The discount price must be lower than the price")
        moments = [None if each in (None, "") else moment(str(each), "discount date") for each in (start, end)]
        return {"price": amount, "start": moments[0], "end": moments[1]}

    def _offer(self, sku: str, row: dict[str, Any]) -> str:
        """The whole offer: what was not sent is as on a fresh one. Returns which counter the row belongs to."""
        if not sku:
            raise RowError("The field 'shop_sku' is required")
        action = str(row.get("update_delete") or "update").lower()
        if action == "delete":
            self._known(sku)
            self._offers.delete(sku)
            return "deleted"
        if action != "update":
            raise RowError(f"The field 'update_delete' has an unknown value '{action}'")
        kind, reference = str(row.get("product_id_type", "")), str(row.get("product_id", ""))
        product = self._offers.product(kind, reference)
        if product is None:
            raise RowError(f"The product {kind} '{reference}' does not exist")
        if not row.get("state_code"):
            raise RowError("The field 'state_code' is required")
        price = self._positive(row.get("price"), "price")
        fields = {**FRESH, "price": price, "warehouses": []}
        for name in _WHOLE:
            if row.get(name) not in (None, ""):
                fields[name] = _quantity(row[name])
        fields.update({name: row[name] for name in _TEXTS if row.get(name) is not None})
        for name in ("available_started", "available_ended"):
            if row.get(name):
                fields[name] = moment(str(row[name]), name)
        if row.get("msrp") is not None:
            fields["msrp"] = self._positive(row["msrp"], "msrp")
        retail = [self._positive(one["unit_origin_price"], "retail price") for one in row.get("retail_prices") or ()]
        fields["retail_prices"] = retail
        discount = row.get("discount")
        if isinstance(discount, dict):
            ends = discount.get("start_date"), discount.get("end_date")
            fields["discount"] = self._discount(discount.get("price"), *ends, price)
        return "inserted" if self._offers.put(sku, product["sku"], fields) else "updated"


def _number(value: Any) -> Any:
    """Numbers were kept as text or as JSON wrote them."""
    return Decimal(str(value)) if isinstance(value, float) else value


def _quantity(value: Any) -> int:
    text = str(value)
    if text.startswith("-") and text[1:].isdecimal():
        raise RowError("The quantity must not be negative")
    if not text.isdecimal():
        raise RowError(f"The quantity '{text}' is not a whole number")
    return int(text)
