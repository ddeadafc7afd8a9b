"""Acts that are about products, stock, the marketing list and the sellers' money."""

from __future__ import annotations

import random
from typing import Any

from marketplace_sync.sandbox.marketplacer import mutations, placing, workflow
from marketplace_sync.sandbox.marketplacer.market import Market, moment_of
from marketplace_sync.sandbox.marketplacer.staff import Number
from marketplace_sync.sandbox.state import Document


class Office:
    """Acts of the sellers' and the operator's offices."""

    market: Market
    seed: str

    def act_set_stock(self, sku: str, available: int) -> dict[str, Any]:
        """A seller counts its stock."""
        variant = next((v for v in self.market.of["Variant"].values() if v["sku"] == sku), None)
        if variant is None:
            raise LookupError(f"nobody sells {sku!r} here")
        if available < 0:
            raise ValueError("stock is not negative")
        with self.market.action():
            variant["countOnHand"] = available
            placing.save_variant(self.market, variant)
        return {"sku": sku, "available": available}

    def act_change_product(
        self, code: str, life: str | None = None, unmap: bool = False, brand: str | None = None
    ) -> dict[str, Any]:
        """A product (the part of its SKUs before the hyphen) becomes `published`, `unpublished` or `deleted`, loses
        its category, or its brand is renamed: what was bought before keeps the old name."""
        advert = next((a for a in self.market.of["Advert"].values() if a["code"] == code), None)
        if advert is None:
            raise LookupError(f"there is no product {code!r}")
        if life not in (None, "published", "unpublished", "deleted"):
            raise ValueError(f"a product is published, unpublished or deleted, not {life!r}")
        with self.market.action():
            advert["life"] = life or advert["life"]
            if unmap:
                advert["taxon"] = None
            if brand is not None:
                kept = self.market.get("Brand", advert["brand"])
                kept["name"] = brand
                self.market.save("Brand", kept)
            self.market.save("Advert", advert)
            if life == "deleted":
                self.market.changed("Advert", advert, "DESTROY")
        return {"code": code, "life": advert["life"], "has_taxon": advert["taxon"] is not None}

    def act_switch_webhooks(self, enabled: bool, type: str | None = None) -> dict[str, Any]:
        """Somebody switches webhooks (of one type, or all) off or on by hand, as a 4xx does by itself (sheet, 6)."""
        market = self.market
        chosen = [hook for hook in market.of["Webhook"].values() if type in (None, hook["type"])]
        if not chosen:
            raise LookupError(f"there is no webhook{f' of type {type}' if type else ''}")
        for hook in chosen:
            hook["enabled"] = enabled
            market.save("Webhook", hook)
        return {"webhook_ids": [hook["n"] for hook in chosen], "enabled": enabled}

    def act_subscribe(
        self, email: str, source: str = "e-mail seller", subscribed_at: str | None = None
    ) -> dict[str, Any]:
        """Somebody joins the marketing list. Nobody can leave it."""
        at = self.market.moment(subscribed_at) or self.market.now()
        return mutations.subscribe(self.market, {"email": email, "sourceType": source, "subscribedAt": at})

    def act_remit(self, release: bool = True) -> dict[str, Any]:
        """The night's work: a remittance for each invoice that is dispatched and each amendment, and, once released,
        an advice per seller. A seller whose total is not positive waits."""
        market = self.market
        with market.action():
            for invoice in list(market.of["Invoice"].values()):
                lines = market.all("LineItem", invoice["lineItems"])
                if invoice["paidAt"] and not any(workflow.waiting(line) for line in lines):
                    self._remittance(invoice["seller"], invoice, None, invoice["totalCents"])
            for amendment in list(market.of["InvoiceAmendment"].values()):
                seller = market.get("Invoice", amendment["invoice"])["seller"]
                self._remittance(seller, None, amendment, -amendment["totalCents"])
            if release:
                for remittance in market.of["Remittance"].values():
                    remittance["released"] = True
            advices = self._advise()
        return {"advice_ids": [advice["n"] for advice in advices]}

    def _remittance(self, seller: int, invoice: Document | None, amendment: Document | None, gross: int) -> None:
        market = self.market
        subject = invoice or amendment
        assert subject is not None
        if subject.get("remittance"):
            return
        commission = gross * market.settings.commission_per_cent // 100
        remittance = market.add(
            "Remittance",
            {
                "seller": seller,
                "invoice": invoice["n"] if invoice else None,
                "amendment": amendment["n"] if amendment else None,
                "amountCents": gross - commission,
                "commissionAmountCents": commission,
                "released": False,
                "advice": None,
            },
        )
        subject["remittance"] = remittance["n"]
        kind = "Invoice" if invoice else "InvoiceAmendment"
        market.of[kind].put(str(subject["n"]), subject)

    def _advise(self) -> list[Document]:
        market = self.market
        made = []
        for seller in market.of["Seller"].values():
            open_ones = [
                r
                for r in market.of["Remittance"].values()
                if r["seller"] == seller["n"] and r["released"] and r["advice"] is None
            ]
            total = sum(r["amountCents"] for r in open_ones)
            if total <= 0:
                continue
            advice = market.add(
                "RemittanceAdvice",
                {
                    "seller": seller["n"],
                    "remittances": [r["n"] for r in open_ones],
                    "totalCents": total,
                    "totalPaidCents": None,
                    "commissionAmountTotalCents": sum(r["commissionAmountCents"] for r in open_ones),
                    "paidAt": None,
                    "paymentReference": None,
                },
            )
            for remittance in open_ones:
                remittance["advice"] = advice["n"]
                market.of["Remittance"].put(str(remittance["n"]), remittance)
                if remittance["invoice"] is not None:
                    self._remitted(market.get("Invoice", remittance["invoice"]))
            made.append(advice)
        return made

    def _remitted(self, invoice: Document) -> None:
        invoice["remittedAt"] = self.market.now()
        invoice["flags"] = [*invoice["flags"], "REMITTED"]
        self.market.save("Invoice", invoice)

    def act_pay_remittance(self, advice_id: Number, reference: str) -> dict[str, Any]:
        """The operator pays an advice in full."""
        advice = self.market.known("RemittanceAdvice", advice_id)
        with self.market.action():
            paid = {"totalPaidCents": advice["totalCents"], "paidAt": self.market.now(), "paymentReference": reference}
            advice.update(paid)
            self.market.save("RemittanceAdvice", advice)
        return {"advice_id": advice["n"], "total_cents": advice["totalCents"]}

    def send_what_is_due(self) -> None:
        """Sellers send by themselves what was paid long enough ago."""
        market, after = self.market, self.market.settings.sellers_ship_after_seconds
        if after is None:
            return
        now = market.clock.timestamp()
        for invoice in list(market.of["Invoice"].values()):
            if invoice["paidAt"] is None or now < moment_of(invoice["paidAt"]).timestamp() + after:
                continue
            if "SENT" in invoice["flags"] or invoice["deliveryType"] == "CLICK_AND_COLLECT":
                continue
            lines = market.all("LineItem", invoice["lineItems"])
            units = [(line, workflow.waiting(line)) for line in lines if workflow.waiting(line)]
            if units:
                chance = random.Random(f"{self.seed}:parcel:{invoice['n']}")
                blank = chance.random() < market.settings.blank_tracking_rate
                number = "" if blank else f"RM{chance.randrange(10**9):09d}GB"
                parcel = {"carrier": "Royal Mail", "trackingNumber": number, "dispatchedAt": market.now(), "note": None}
                with market.action():
                    workflow.ship(market, invoice, units, parcel)
