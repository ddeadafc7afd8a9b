"""The operator's transaction log: what every order line, refund, fee and cycle does to the seller's money."""

from __future__ import annotations

import bisect
import random
import uuid
from typing import Any

from marketplace_sync.sandbox.clock import Clock
from marketplace_sync.sandbox.mirakl.settings import MiraklSettings
from marketplace_sync.sandbox.state import State

_NAMESPACE = uuid.UUID("5f0c7a3e-98c1-4b0c-9a51-6a4f0f7a2e11")
_BACK = (
    ("REFUND_ORDER_AMOUNT", "amount", -1),
    ("REFUND_ORDER_AMOUNT_TAX", "tax", -1),
    ("REFUND_ORDER_SHIPPING_AMOUNT", "shipping_amount", -1),
    ("REFUND_ORDER_SHIPPING_AMOUNT_TAX", "shipping_tax", -1),
    ("REFUND_COMMISSION_FEE", "fee", 1),
    ("REFUND_COMMISSION_VAT", "fee_tax", 1),
)
_SALE = (
    ("ORDER_AMOUNT", "price", 1),
    ("ORDER_AMOUNT_TAX", "tax", 1),
    ("ORDER_SHIPPING_AMOUNT", "shipping", 1),
    ("ORDER_SHIPPING_AMOUNT_TAX", "shipping_tax", 1),
    ("COMMISSION_FEE", "fee", -1),
    ("COMMISSION_VAT", "fee_tax", -1),
)
Transaction = dict[str, Any]


class Ledger:
    """Transactions in minor units, signed for the seller. Deliberate mistakes are noted in `discrepancies`."""

    def __init__(self, state: State, clock: Clock, settings: MiraklSettings, seed: str) -> None:
        self.settings = settings
        self._seed = seed
        self._state = state
        self._clock = clock
        self._all = state.collection("transactions")
        self._discrepancies = state.collection("discrepancies")
        state.on_reload.append(self._rebuild)
        self._rebuild()

    def _rebuild(self) -> None:
        self._by_line: dict[str, list[str]] = {}
        self._payable: dict[str, None] = {}
        self.created: list[tuple[float, int]] = []
        self.updated: list[tuple[float, int]] = []
        self._ids: dict[int, str] = {}
        self._balance = 0
        for transaction in sorted(self._all.values(), key=lambda each: (each["updated"], each["number"])):
            self._enter(transaction)
            self._balance += transaction["amount"]

    def _enter(self, transaction: Transaction) -> None:
        number = transaction["number"]
        self._ids[number] = transaction["id"]
        bisect.insort(self.created, (transaction["created"], number))
        bisect.insort(self.updated, (transaction["updated"], number))
        if transaction["line_id"] is not None:
            self._by_line.setdefault(transaction["line_id"], []).append(transaction["id"])
        if transaction["state"] == "PAYABLE":
            self._payable[transaction["id"]] = None

    def get(self, number: int) -> Transaction:
        return self._all[self._ids[number]]

    def balances(self) -> dict[str, int]:
        """Sums by payment state, in minor units, without the payouts themselves."""
        sums = {"PENDING": 0, "PAYABLE": 0, "PAID": 0}
        for transaction in self._all.values():
            if transaction["type"] != "PAYMENT":
                sums[transaction["state"]] += transaction["amount"]
        return sums

    def post(
        self,
        kind: str,
        amount: int,
        state: str,
        *,
        order: dict[str, Any] | None = None,
        line_id: str | None = None,
        refund_id: str | None = None,
        cycle: str | None = None,
    ) -> Transaction:
        """Write one transaction; `amount` is positive when the seller gains."""
        number = self._state.counter("transaction")
        now = self._clock.timestamp()
        self._balance += amount
        transaction: Transaction = {
            "id": str(uuid.uuid5(_NAMESPACE, f"{self._seed}:{number}")),
            "number": number,
            "type": kind,
            "amount": amount,
            "balance": self._balance,
            "state": state,
            "created": now,
            "updated": now,
            "order_id": order["id"] if order else None,
            "line_id": line_id,
            "refund_id": refund_id,
            "cycle": cycle,
            "document": None,
        }
        self._all.put(transaction["id"], transaction)
        self._enter(transaction)
        return transaction

    def sale(self, order: dict[str, Any], line: dict[str, Any]) -> None:
        """The customer was charged for the line: sale, tax, shipping, commission and its tax, all PENDING."""
        chance = random.Random(f"{self._seed}:sale:{line['id']}")
        if chance.random() < self.settings.missing_sale_rate:
            self._note("missing_sale", line["id"], line["price"])
            return
        amounts = {name: line[name] for _, name, _ in _SALE}
        if amounts["fee"] and chance.random() < self.settings.wrong_commission_rate:
            wrong = amounts["fee"] + max(1, amounts["fee"] // 10)
            self._note("wrong_commission", line["id"], wrong - amounts["fee"])
            amounts["fee"] = wrong
        for kind, name, sign in _SALE:
            if amounts[name]:
                self.post(kind, sign * amounts[name], "PENDING", order=order, line_id=line["id"])
        if chance.random() < self.settings.surprise_fee_rate:
            self._note("surprise_fee", line["id"], 99)
            self.post("SELLER_FEE_ON_ORDER", -99, "PENDING", order=order, line_id=line["id"])

    def given_back(
        self, order: dict[str, Any], line: dict[str, Any], back: dict[str, Any], *, refund_id: str | None
    ) -> None:
        """Money goes back for a line that was charged: a refund, or a cancelation after the debit."""
        chance = random.Random(f"{self._seed}:back:{line['id']}:{back['id']}")
        forget = bool(back["fee"]) and chance.random() < self.settings.missing_refund_commission_rate
        if forget:
            self._note("missing_refund_commission", line["id"], back["fee"] + back["fee_tax"])
        state = "PAYABLE" if line["received"] is not None and line["incident"] is None else "PENDING"
        for kind, name, sign in _BACK:
            if back[name] and not (forget and name in ("fee", "fee_tax")):
                self.post(kind, sign * back[name], state, order=order, line_id=line["id"], refund_id=refund_id)

    def make_payable(self, line_id: str) -> None:
        self._change(line_id, "PENDING", "PAYABLE")

    def hold(self, line_id: str) -> None:
        """An incident is open: what was not paid yet waits."""
        self._change(line_id, "PAYABLE", "PENDING")

    def _change(self, line_id: str, source: str, target: str) -> None:
        for transaction_id in self._by_line.get(line_id, []):
            transaction = self._all[transaction_id]
            if transaction["state"] == source:
                self._replace(transaction, state=target)

    def _replace(self, transaction: Transaction, **changes: Any) -> None:
        number = transaction["number"]
        del self.updated[bisect.bisect_left(self.updated, (transaction["updated"], number))]
        changed = {**transaction, **changes, "updated": self._clock.timestamp()}
        bisect.insort(self.updated, (changed["updated"], number))
        self._all.put(changed["id"], changed)
        self._payable.pop(changed["id"], None)
        if changed["state"] == "PAYABLE":
            self._payable[changed["id"]] = None

    def payable(self) -> list[Transaction]:
        return [self._all[transaction_id] for transaction_id in self._payable]

    def pay(self, transactions: list[Transaction], cycle: str, document: str) -> None:
        """These transactions belong to a cycle that was closed, and to its document."""
        for transaction in transactions:
            self._replace(transaction, state="PAID", cycle=cycle, document=document)

    def _note(self, kind: str, about: str, amount: int) -> None:
        key = f"{kind}:{about}"
        self._discrepancies.put(key, {"kind": kind, "about": about, "amount": amount})

    def note_short_payout(self, cycle: str, amount: int) -> None:
        self._note("short_payout", cycle, amount)
