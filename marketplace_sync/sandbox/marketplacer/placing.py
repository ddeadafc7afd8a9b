"""Orders come into being: one order of a buyer, split into an invoice for each seller (sheet, 3 and 7)."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from marketplace_sync.sandbox.marketplacer.market import Market
from marketplace_sync.sandbox.state import Document

MONEY = ("subtotalCents", "discountCents", "shippingCostCents", "taxTotalCents", "totalCents")


@dataclass
class Wanted:
    """One line as it was bought. Amounts are cents; `discount` is zero or less, `tax` is that of the whole line."""

    variant: Document
    quantity: int
    unit: int
    postage: int = 0
    discount: int = 0
    tax: int | None = None
    delivery: str = "BUY_ONLINE"
    metadata: list[Document] = field(default_factory=list)
    external_ids: list[Document] = field(default_factory=list)


def tax_in(market: Market, amount: int) -> int:
    """Tax of an amount of cents: contained in it or on top of it, rounded half up."""
    rate = market.settings.tax_per_cent
    whole = 100 + rate if market.settings.tax_inclusive else 100
    return (2 * amount * rate + whole) // (2 * whole)


def place(market: Market, buyer: Document, wanted: list[Wanted], details: Document) -> Document:
    """A new order with its lines and invoices, and its stock taken. `details` are fields of the order."""
    paid = details.get("status", "COMPLETE") == "COMPLETE"
    now = details.get("createdAt") or market.now()
    order = market.add(
        "Order",
        {
            "status": "COMPLETE",
            "token": f"token-{market.state.counter('token', 700001)}",
            "purgedAt": None,
            "isGift": False,
            "paymentInstrumentType": "card",
            **buyer,
            **details,
            "createdAt": now,
            "updatedAt": now,
            "invoices": [],
            "lineItems": [],
        },
    )
    groups: dict[tuple[int, str], list[Wanted]] = {}
    for line in wanted:
        seller = market.get("Advert", line.variant["advert"])["seller"]
        split = line.delivery if market.settings.split_by_delivery_type else ""
        groups.setdefault((seller, split), []).append(line)
    for (seller, _), lines in groups.items():
        _invoice(market, order, seller, lines, now if paid else None)
    for name in MONEY:
        order[name] = sum(market.get("Invoice", number)[name] for number in order["invoices"])
    if market.settings.invoices_follow_seconds:
        for number in order["invoices"][1:]:
            _hold_back(market, order, market.get("Invoice", number))
    market.of["Order"].put(str(order["n"]), order)
    return order


def _hold_back(market: Market, order: Document, invoice: Document) -> None:
    lines = market.all("LineItem", invoice["lineItems"])
    for kind, document in (("Invoice", invoice), *(("LineItem", line) for line in lines)):
        market.of[kind].delete(str(document["n"]))
        market.not_yet(document)
    order["invoices"] = [number for number in order["invoices"] if number != invoice["n"]]
    order["lineItems"] = [number for number in order["lineItems"] if number not in invoice["lineItems"]]
    due = market.clock.timestamp() + market.settings.invoices_follow_seconds
    market.coming.put(str(invoice["n"]), {"due": due, "invoice": invoice, "lines": lines})


def let_come(market: Market) -> None:
    """Invoices whose time has come come into being."""
    now = market.clock.timestamp()
    for key, held in [(key, held) for key, held in market.coming.items() if held["due"] <= now]:
        market.coming.delete(key)
        invoice, lines = held["invoice"], held["lines"]
        with market.action():
            invoice |= {"createdAt": market.now(), "updatedAt": market.now()}
            for kind, document in (("Invoice", invoice), *(("LineItem", line) for line in lines)):
                market.of[kind].put(str(document["n"]), document)
                market.changed(kind, document, "CREATE")
            order = market.get("Order", invoice["order"])
            order["invoices"].append(invoice["n"])
            order["lineItems"] += invoice["lineItems"]
            market.of["Order"].put(str(order["n"]), order)


def _invoice(market: Market, order: Document, seller: int, wanted: list[Wanted], paid_at: str | None) -> None:
    when = order["createdAt"]
    invoice = market.add(
        "Invoice",
        {
            "order": order["n"],
            "seller": seller,
            "createdAt": when,
            "updatedAt": when,
            "paidAt": paid_at,
            "remittedAt": None,
            "flags": ["PAID"] if paid_at else [],
            "deliveryType": wanted[0].delivery,
            "shippingDescription": "Standard delivery",
            "lineItems": [],
            "shipments": [],
            "refundRequests": [],
            "amendments": [],
            "ready": None,
        },
    )
    lines = [_line(market, order, invoice, line) for line in wanted]
    invoice["subtotalCents"] = sum(line["subtotalCents"] for line in lines)
    invoice["discountCents"] = sum(line["discountCents"] for line in lines)
    invoice["shippingCostCents"] = sum(line["postageCents"] for line in lines)
    invoice["taxTotalCents"] = sum(line["taxTotalCents"] for line in lines)
    invoice["totalCents"] = sum(line["totalCents"] for line in lines)
    invoice["commissionAmountCents"] = sum(line["commissionAmountCents"] for line in lines)
    market.of["Invoice"].put(str(invoice["n"]), invoice)
    order["invoices"].append(invoice["n"])


def _line(market: Market, order: Document, invoice: Document, wanted: Wanted) -> Document:
    variant = wanted.variant
    advert = market.get("Advert", variant["advert"])
    subtotal = wanted.unit * wanted.quantity
    charged = subtotal + wanted.discount + wanted.postage
    tax = tax_in(market, charged) if wanted.tax is None else wanted.tax
    line = market.add(
        "LineItem",
        {
            "order": order["n"],
            "invoice": invoice["n"],
            "quantity": wanted.quantity,
            "sent": 0,
            "cancelled": 0,
            "returned": 0,
            "advertNumber": advert["n"],
            "advertTitle": advert["title"],
            "advertCode": advert["code"],
            "brandName": market.get("Brand", advert["brand"])["name"],
            "variantNumber": variant["n"],
            "variantName": variant["label"],
            "variantSku": variant["sku"],
            "variantBarcode": variant["barcode"],
            "itemAmountCents": wanted.unit,
            "subtotalCents": subtotal,
            "discountCents": wanted.discount,
            "postageCents": wanted.postage,
            "taxTotalCents": tax,
            "totalCents": charged if market.settings.tax_inclusive else charged + tax,
            "taxRate": market.settings.tax_per_cent / 100,
            "commissionRate": str(market.settings.commission_per_cent),
            "commissionAmountCents": charged * market.settings.commission_per_cent // 100,
            "metadata": wanted.metadata,
            "externalIds": wanted.external_ids,
        },
    )
    invoice["lineItems"].append(line["n"])
    order["lineItems"].append(line["n"])
    if not variant["infiniteQuantity"]:
        variant["countOnHand"] = max(0, variant["countOnHand"] - wanted.quantity)
        save_variant(market, variant)
    return line


def save_variant(market: Market, variant: Document) -> None:
    """A changed variant moves its advert as well (sheet, 6: event matrix)."""
    market.save("Variant", variant)
    market.save("Advert", market.get("Advert", variant["advert"]))


def pay(market: Market, order: Document) -> None:
    """An unpaid order becomes COMPLETE, and each of its invoices PAID."""
    order["status"] = "COMPLETE"
    market.save("Order", order)
    for invoice in market.all("Invoice", order["invoices"]):
        invoice["paidAt"] = market.now()
        invoice["flags"] = ["PAID"]
        market.save("Invoice", invoice)


def pairs(given: list[dict[str, Any]] | None, now: str) -> list[Document]:
    """Metadata as they are kept."""
    return [
        {"key": one["key"], "value": one.get("value") or "", "createdAt": now, "updatedAt": now} for one in given or []
    ]


def external_ids(market: Market, given: list[dict[str, Any]] | None) -> list[Document]:
    return [{"n": market.next("ExternalID"), "key": one["key"], "value": one.get("value") or ""} for one in given or []]
