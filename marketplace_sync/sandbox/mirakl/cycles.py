"""Payment cycles: what is payable is gathered, paid, and documented, every so many days or when somebody says so."""

from __future__ import annotations

import random
import uuid
from decimal import Decimal
from typing import Any

from marketplace_sync.sandbox.clock import Clock
from marketplace_sync.sandbox.mirakl.ledger import Ledger, Transaction
from marketplace_sync.sandbox.mirakl.settings import MiraklSettings
from marketplace_sync.sandbox.mirakl.values import per_cent
from marketplace_sync.sandbox.state import State

_NAMESPACE = uuid.UUID("c1f8f5f2-7d0a-4f7f-8b3d-d8a3f0a6b0aa")
_SUMMARY = {
    "total_payable_orders": ("ORDER_AMOUNT", "ORDER_SHIPPING_AMOUNT"),
    "total_commissions": ("COMMISSION_FEE",),
    "total_refund_payable_orders": ("REFUND_ORDER_AMOUNT", "REFUND_ORDER_SHIPPING_AMOUNT"),
    "total_refund_commissions": ("REFUND_COMMISSION_FEE",),
    "total_seller_fees_on_orders": ("SELLER_FEE_ON_ORDER",),
    "total_seller_penalty_fees": ("SELLER_PENALTY_FEE",),
    "total_subscription": ("SUBSCRIPTION_FEE",),
    "total_other_credits": ("MANUAL_CREDIT",),
    "total_other_invoices": ("MANUAL_INVOICE",),
}
_TAXES = {
    "COMMISSION_FEE": "COMMISSION_VAT",
    "REFUND_COMMISSION_FEE": "REFUND_COMMISSION_VAT",
    "SUBSCRIPTION_FEE": "SUBSCRIPTION_VAT",
    "MANUAL_CREDIT": "MANUAL_CREDIT_VAT",
    "MANUAL_INVOICE": "MANUAL_INVOICE_VAT",
}
_BILLED = ("COMMISSION_FEE", "REFUND_COMMISSION_FEE", "SUBSCRIPTION_FEE", "SELLER_FEE_ON_ORDER", "SELLER_PENALTY_FEE")


class Cycles:
    """Closed cycles and accounting documents; the time of the next close survives a restart."""

    def __init__(self, state: State, clock: Clock, settings: MiraklSettings, ledger: Ledger, seed: str) -> None:
        self.settings = settings
        self._state = state
        self._clock = clock
        self._ledger = ledger
        self._seed = seed
        self._cycles = state.collection("cycles")
        self._documents = state.collection("documents")
        self._timers = state.collection("cycle_timers")
        if "next" not in self._timers:
            self._plan()

    def _plan(self) -> None:
        self._timers.put("next", {"at": self._clock.timestamp() + self.settings.cycle_days * 86_400})

    def time_passed(self) -> None:
        now = self._clock.timestamp()
        if self.settings.automatic_cycles and self._timers["next"]["at"] <= now:
            self._plan()
            if self.close() is None:
                self._charge(self._subscription())  # a period is over all the same, and its fee is owed
        for cycle in list(self._cycles.values()):
            if cycle["state"] == "TO_PAY" and cycle["pays"] <= now:
                self._paid(cycle)

    def close(self) -> dict[str, Any] | None:
        """Pay what is payable, less the subscription. None when that is nothing, or less: nothing is booked then, and
        a debt waits for the next cycle."""
        subscription = self._subscription()
        total = sum(each["amount"] for each in self._ledger.payable()) + sum(subscription.values())
        if total <= 0:
            return None
        self._charge(subscription)
        transactions = self._ledger.payable()
        number = self._state.counter("cycle")
        cycle_id = str(uuid.uuid5(_NAMESPACE, f"{self._seed}:{number}"))
        document = self._document(cycle_id, transactions)
        self._ledger.pay(transactions, cycle_id, document["id"])
        transferred = total
        if random.Random(f"{self._seed}:cycle:{number}").random() < self.settings.short_payout_rate:
            transferred = total - min(total, 100)
            self._ledger.note_short_payout(cycle_id, total - transferred)
        payment = self._ledger.post("PAYMENT", -total, "PAID", cycle=cycle_id)
        now = self._clock.timestamp()
        cycle = {
            "id": cycle_id,
            "number": number,
            "created": now,
            "total": total,
            "transferred": transferred,
            "to_operator": -sum(
                each["amount"] for each in transactions if each["type"] in {*_BILLED, *_TAXES.values()}
            ),
            "state": "TO_PAY",
            "pays": now + self.settings.pay_out_seconds,
            "paid": None,
            "reference": None,
            "voucher": document["id"],
            "payment": payment["id"],
            "summary": self._summary(transactions),
        }
        self._cycles.put(cycle_id, cycle)
        return self._paid(cycle) if self.settings.pay_out_seconds == 0 else cycle

    def _subscription(self) -> dict[str, int]:
        """What a cycle costs the seller in itself, by type of transaction."""
        fee = self.settings.subscription_fee
        if not fee:
            return {}
        tax = per_cent(fee, Decimal(self.settings.commission_tax_rate))
        return {"SUBSCRIPTION_FEE": -fee, "SUBSCRIPTION_VAT": -tax}

    def _charge(self, amounts: dict[str, int]) -> None:
        for kind, amount in amounts.items():
            self._ledger.post(kind, amount, "PAYABLE")

    def _paid(self, cycle: dict[str, Any]) -> dict[str, Any]:
        reference = f"{self.settings.instance.upper()}-PAYOUT-{cycle['number']:05d}"
        paid = {**cycle, "state": "PAID", "paid": self._clock.timestamp(), "reference": reference}
        self._cycles.put(cycle["id"], paid)
        document = self._documents[cycle["voucher"]]
        self._documents.put(document["id"], {**document, "state": "PAID", "paid": paid["paid"], "reference": reference})
        return paid

    def _summary(self, transactions: list[Transaction]) -> dict[str, int]:
        """Each total without and with tax, minor units; a tax follows what it is on. (Mirakl, money)"""
        sums: dict[str, int] = {}
        for transaction in transactions:
            sums[transaction["type"]] = sums.get(transaction["type"], 0) + transaction["amount"]
        summary = {}
        for name, kinds in _SUMMARY.items():
            without = sum(sums.get(kind, 0) for kind in kinds)
            tax = sum(sums.get(_TAXES.get(kind, f"{kind}_TAX"), 0) for kind in kinds)
            summary[f"{name}_excl_tax"] = without
            summary[f"{name}_incl_tax"] = without + tax
        for of in ("excl", "incl"):
            summary[f"total_refund_orders_{of}_tax"] = summary[f"total_refund_payable_orders_{of}_tax"]
        return summary

    def _document(self, cycle_id: str, transactions: list[Transaction]) -> dict[str, Any]:
        """The operator's invoice for what it took in the cycle; minor units, positive is what the seller owes."""
        number = self._state.counter("document", 70_001)
        details = []
        for kind in _BILLED:
            without = -sum(each["amount"] for each in transactions if each["type"] == kind)
            tax_kind = _TAXES.get(kind, f"{kind}_TAX")
            tax = -sum(each["amount"] for each in transactions if each["type"] == tax_kind)
            if without or tax:
                details.append({"description": kind, "amount": without, "tax": tax})
        document = {
            "id": str(number),
            "number": number,
            "cycle": cycle_id,
            "created": self._clock.timestamp(),
            "amount": sum(each["amount"] for each in details),
            "tax": sum(each["tax"] for each in details),
            "details": details,
            "charged": sum(each["amount"] for each in transactions),
            "state": "PENDING",
            "paid": None,
            "reference": None,
        }
        self._documents.put(document["id"], document)
        return document
