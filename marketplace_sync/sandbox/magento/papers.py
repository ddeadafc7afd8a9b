"""What is written for an order: invoices, shipments, credit memos; each moves quantities, totals and the state."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from typing import Any

from marketplace_sync.sandbox.magento import stock, workflow
from marketplace_sync.sandbox.magento.amounts import ZERO, exact, number, pence, rate_of, share, twins
from marketplace_sync.sandbox.magento.errors import Refused
from marketplace_sync.sandbox.magento.order_entry import add_comment
from marketplace_sync.sandbox.magento.shop import Shop
from marketplace_sync.sandbox.state import Collection, Document

Picked = list[tuple[Document, Decimal]]

_FROM_ORDER = (
    "base_currency_code", "global_currency_code", "order_currency_code", "store_currency_code", "store_to_base_rate",
    "store_to_order_rate", "base_to_global_rate", "base_to_order_rate", "billing_address_id",
)  # fmt: skip


def pick(
    kind: str, order: Document, wanted: list[dict[str, Any]] | None, able: Callable[[Document], Decimal], nothing: str
) -> Picked:
    """Units of items by `order_item_id`; without any, all there are. Raises Refused in the shop's words."""
    title = f"{kind} Document Validation Error(s):\n"
    if not wanted:
        picked = [(item, able(item)) for item in order["items"] if able(item) > 0]
    else:
        by_id = {str(item["item_id"]): item for item in order["items"]}
        picked = []
        for one in wanted:
            item = by_id.get(str(one["order_item_id"]))
            if item is None:
                raise Refused(400, f"{title}The %1 contains product item %2 that is not part of the original order.", [
                    kind.lower(), one["order_item_id"],
                ])  # fmt: skip
            quantity = exact(one["qty"])
            if quantity < 0 or quantity > able(item):
                raise Refused(
                    400,
                    f'{title}The quantity must not be greater than what is left for product SKU "%1".',
                    [item["sku"]],
                )
            if quantity:
                picked.append((item, quantity))
    if not picked:
        raise Refused(400, title + nothing)
    return picked


def _refuse_state(kind: str, what: str, order: Document) -> Refused:
    title = f"{kind} Document Validation Error(s):\n"
    return Refused(400, f"{title}{what} when an order has a status of %1", [order["status"]])


def _head(shop: Shop, order: Document, table: str) -> Document:
    now = shop.now()
    paper: Document = {
        "entity_id": shop.next_id(table), "increment_id": shop.next_number(table, order["store_id"]),
        "order_id": order["entity_id"], "store_id": order["store_id"], "created_at": now, "updated_at": now,
        "items": [], "comments": [],
    }  # fmt: skip
    return paper


def _grow(
    document: Document, amounts: dict[str, Decimal], rate: Decimal, base: dict[str, Decimal] | None = None
) -> None:
    """Add to running totals, in both currencies."""
    for name, amount in twins(amounts, rate, base).items():
        document[name] = number(exact(document.get(name)) + amount)


def _doubled(amounts: dict[str, Decimal], rate: Decimal, base: dict[str, Decimal] | None = None) -> dict[str, Any]:
    return {name: number(amount) for name, amount in twins(amounts, rate, base).items()}


def _rows(shop: Shop, order: Document, picked: Picked, paper: Document) -> dict[str, Decimal]:
    """Writes a paper's rows; returns their sums."""
    sums = dict.fromkeys(("subtotal", "subtotal_incl_tax", "tax_amount", "discount_amount"), ZERO)
    for item, quantity in picked:
        ordered = exact(item.get("qty_ordered"))
        amounts = {
            name: share(item.get(name), quantity, ordered)
            for name in ("row_total", "row_total_incl_tax", "tax_amount", "discount_amount")
        }
        paper["items"].append({
            "entity_id": shop.next_id("paper row"), "parent_id": paper["entity_id"], "order_item_id": item["item_id"],
            "sku": item["sku"], "name": item.get("name"), "product_id": item.get("product_id"),
            "qty": number(quantity), "base_cost": item.get("base_cost"), "price": item.get("price"),
            "base_price": item.get("base_price", 0), "price_incl_tax": item.get("price_incl_tax"),
            "base_price_incl_tax": item.get("base_price_incl_tax"), **_doubled(amounts, rate_of(order)),
        })  # fmt: skip
        sums["subtotal"] += amounts["row_total"]
        sums["subtotal_incl_tax"] += amounts["row_total_incl_tax"]
        sums["tax_amount"] += amounts["tax_amount"]
        sums["discount_amount"] += amounts["discount_amount"]
    return sums


def invoice(shop: Shop, order: Document, wanted: list[dict[str, Any]] | None = None, capture: bool = False) -> Document:
    """Returns the invoice. With `capture` it is paid. (invoice)"""
    if not workflow.can_invoice(order):
        raise _refuse_state("Invoice", "An invoice cannot be created", order)
    picked = pick(
        "Invoice", order, wanted, workflow.to_invoice, "The invoice can't be created without products. Add products."
    )
    paper = _head(shop, order, "invoices")
    sums = _rows(shop, order, picked, paper)
    earlier = any(exact(item["qty_invoiced"]) for item in order["items"])
    for item, quantity in picked:
        item["qty_invoiced"] = number(exact(item["qty_invoiced"]) + quantity)
    sums["shipping_amount"] = ZERO if earlier else exact(order.get("shipping_amount"))
    sums["shipping_tax_amount"] = ZERO if earlier else exact(order.get("shipping_tax_amount"))
    total = sums["subtotal"] + sums["tax_amount"] - sums["discount_amount"]
    sums["grand_total"] = total + sums["shipping_amount"] + sums["shipping_tax_amount"]
    if not any(workflow.to_invoice(item) > 0 for item in order["items"]):
        sums["grand_total"] = exact(order["grand_total"]) - exact(order.get("total_invoiced"))
    paper.update(
        {name: order[name] for name in _FROM_ORDER if order.get(name) is not None},
        state=2 if capture else 1, total_qty=number(sum((q for _, q in picked), ZERO)),
        **_doubled(sums, rate_of(order)),
    )  # fmt: skip
    _grow(order, {"total_invoiced": sums["grand_total"], "subtotal_invoiced": sums["subtotal"],
                  "tax_invoiced": sums["tax_amount"], "shipping_invoiced": sums["shipping_amount"],
                  "discount_invoiced": sums["discount_amount"]}, rate_of(order))  # fmt: skip
    if capture:
        pay(order, sums["grand_total"])
    shop.invoices.put(str(paper["entity_id"]), paper)
    workflow.settle(order)
    shop.put_order(order)
    return paper


def pay(order: Document, amount: Decimal) -> None:
    rate = rate_of(order)
    _grow(order, {"total_paid": amount}, rate)
    order |= _doubled({"total_due": exact(order["grand_total"]) - exact(order["total_paid"])}, rate)


def ship(
    shop: Shop,
    order: Document,
    wanted: list[dict[str, Any]] | None = None,
    tracks: list[dict[str, Any]] | None = None,
    source_code: str | None = None,
) -> Document:
    """Returns the shipment. The place has less, and a promise that perhaps never was is taken back. (shipment)"""
    if order["state"] in ("holded", "payment_review", "canceled"):
        raise _refuse_state("Shipment", "A shipment cannot be created", order)
    picked = pick(
        "Shipment", order, wanted, lambda item: workflow.to_ship(order, item),
        "You can't create a shipment without products.",
    )  # fmt: skip
    source = stock.source_for(shop, source_code)
    stock.take(shop, source, [(item["sku"], quantity) for item, quantity in picked])
    paper = _head(shop, order, "shipments")
    for item, quantity in picked:
        paper["items"].append({
            "entity_id": shop.next_id("paper row"), "parent_id": paper["entity_id"], "order_item_id": item["item_id"],
            "sku": item["sku"], "name": item.get("name"), "product_id": item.get("product_id"),
            "price": item.get("price"), "weight": item.get("weight"), "qty": number(quantity),
        })  # fmt: skip
        item["qty_shipped"] = number(exact(item["qty_shipped"]) + quantity)
        shop.reserve(stock.STOCK, item["sku"], number(quantity), "shipment_created", order)
    paper.update(
        tracks=[], packages=[], total_qty=number(sum((q for _, q in picked), ZERO)),
        extension_attributes={"source_code": source}, billing_address_id=order.get("billing_address_id"),
    )  # fmt: skip
    for one in tracks or []:
        track(shop, paper, {"weight": None, "qty": None, "description": None, **one})
    shop.shipments.put(str(paper["entity_id"]), paper)
    workflow.settle(order)
    partial = any(workflow.to_ship(order, item) > 0 for item in order["items"])
    shop.put_order(order, touch=shop.settings.partial_shipment_touches_order or not partial)
    return paper


def track(shop: Shop, shipment: Document, given: dict[str, Any]) -> Document:
    """Add a parcel's number to a shipment; the caller puts it."""
    now = shop.now()
    found = {
        **{name: given.get(name) for name in ("track_number", "title", "carrier_code", "description", "weight", "qty")},
        "entity_id": shop.next_id("track"), "parent_id": shipment["entity_id"], "order_id": shipment["order_id"],
        "created_at": now, "updated_at": now,
    }  # fmt: skip
    shipment["tracks"].append(found)
    return found


def refund(
    shop: Shop,
    order: Document,
    wanted: list[dict[str, Any]] | None = None,
    *,
    shipping: Decimal | None = None,
    positive: Decimal = ZERO,
    negative: Decimal = ZERO,
    back_to_stock: list[int] | None = None,
    invoice_id: int | None = None,
    money_only: bool = False,
) -> Document:
    """Returns the credit memo, made offline. Without `shipping` what is left of it goes back too. Amounts are in the
    currency of the shop's books, whatever the order's. (credit memo)"""
    if not workflow.can_refund(order):
        raise _refuse_state("Creditmemo", "A creditmemo can not be created", order)
    named = wanted is not None and any(one.get("qty") for one in wanted)
    picked: Picked = []
    if not money_only and (named or not wanted):
        picked = pick(
            "Creditmemo", order, wanted, workflow.to_refund, "You can't create a creditmemo without products."
        )
    paper = _head(shop, order, "creditmemos")
    sums = _rows(shop, order, picked, paper)
    rate, total = rate_of(order), sums["subtotal"] + sums["tax_amount"] - sums["discount_amount"]
    delivery, base = _shipping(order, shipping)
    sums |= delivery
    # What is asked for beyond units is an amount of the books; the order's follows from it. (credit memo)
    base |= {"adjustment_positive": pence(positive), "adjustment_negative": pence(negative)}
    base["adjustment"] = base["adjustment_positive"] - base["adjustment_negative"]
    base["grand_total"] = exact(total / rate) + base["adjustment"]
    base["grand_total"] += base["shipping_amount"] + base["shipping_tax_amount"]
    sums |= {name: pence(base[name] * rate) for name in ("adjustment_positive", "adjustment_negative")}
    sums["adjustment"] = sums["adjustment_positive"] - sums["adjustment_negative"]
    sums["grand_total"] = total + sums["shipping_amount"] + sums["shipping_tax_amount"] + sums["adjustment"]
    paid, refunded = exact(order.get("base_total_paid")), exact(order.get("base_total_refunded"))
    if pence(refunded + base["grand_total"]) > pence(paid):
        raise Refused(400, "Creditmemo Document Validation Error(s):\nThe most money available to refund is %1.", [
            f"{pence(paid - refunded)}",
        ])  # fmt: skip
    if sums["grand_total"] <= 0:
        raise Refused(400, "Creditmemo Document Validation Error(s):\nThe credit memo's total must be positive.")
    paper.update(
        {name: order[name] for name in _FROM_ORDER if order.get(name) is not None},
        state=2, invoice_id=invoice_id, **_doubled(sums, rate, base),
    )  # fmt: skip
    for item, quantity in picked:
        _give_back(shop, order, item, quantity, item["item_id"] in (back_to_stock or []))
    given_back = {
        "total_refunded": "grand_total", "total_offline_refunded": "grand_total", "subtotal_refunded": "subtotal",
        "tax_refunded": "tax_amount", "shipping_refunded": "shipping_amount", "discount_refunded": "discount_amount",
        "adjustment_positive": "adjustment_positive", "adjustment_negative": "adjustment_negative",
    }  # fmt: skip
    _grow(order, {name: sums[of] for name, of in given_back.items()}, rate,
          {name: base[of] for name, of in given_back.items() if of in base})  # fmt: skip
    shop.creditmemos.put(str(paper["entity_id"]), paper)
    workflow.settle(order)
    shop.put_order(order)
    return paper


def _shipping(order: Document, asked: Decimal | None) -> tuple[dict[str, Decimal], dict[str, Decimal]]:
    """Shipping to give back, with its share of tax, in the order's currency and in that of the books, which `asked` is
    in too. Raises Refused for more than is left."""
    rate, whole = rate_of(order), exact(order.get("shipping_amount"))
    in_books = exact(order["base_shipping_amount"]) if "base_shipping_amount" in order else exact(whole / rate)
    left = in_books - exact(order.get("base_shipping_refunded"))
    if asked is not None and pence(asked) > pence(left):
        message = "Creditmemo Document Validation Error(s):\nMaximum shipping amount allowed to refund is: %1"
        raise Refused(400, message, [f"{pence(left)}"])
    if asked is None or pence(asked) >= left:
        amount, base = whole - exact(order.get("shipping_refunded")), left
    else:
        amount, base = pence(whole * pence(asked) / in_books), pence(asked)
    tax = share(order.get("shipping_tax_amount"), amount, whole)
    found = {"shipping_amount": amount, "shipping_tax_amount": tax, "shipping_incl_tax": amount + tax}
    tax_in_books = exact(tax / rate)
    return found, {
        "shipping_amount": base, "shipping_tax_amount": tax_in_books, "shipping_incl_tax": base + tax_in_books,
    }  # fmt: skip


def _give_back(shop: Shop, order: Document, item: Document, quantity: Decimal, to_stock: bool) -> None:
    """Units that never left free a promise, whether there was one or not; units that did may be put back."""
    before, shipped = exact(item["qty_refunded"]), exact(item["qty_shipped"])
    after = before + quantity
    unsent = max(ZERO, after - shipped) - max(ZERO, before - shipped)
    item["qty_refunded"] = number(after)
    worth = share(item.get("row_total"), quantity, exact(item.get("qty_ordered")))
    _grow(item, {"amount_refunded": worth}, rate_of(order))
    if unsent:
        shop.reserve(stock.STOCK, item["sku"], number(unsent), "creditmemo_created", order)
    if to_stock and quantity > unsent:
        stock.put_back(shop, stock.source_for(shop, None), item["sku"], quantity - unsent)


def cancel(shop: Shop, order: Document) -> bool:
    """What is neither invoiced nor sent is cancelled; False when there is nothing of it. (state machine)"""
    if not workflow.can_cancel(order):
        return False
    for item in order["items"]:
        cancel_units(shop, order, item, workflow.to_cancel(order, item))
    if any(exact(item["qty_invoiced"]) or exact(item["qty_shipped"]) for item in order["items"]):
        open_ = any(workflow.to_ship(order, item) > 0 for item in order["items"])
        order["state"] = order["status"] = "processing" if open_ else "complete"
    else:
        order["state"] = order["status"] = "canceled"
    amount = exact(order["grand_total"]) - exact(order.get("total_paid"))
    _grow(order, {"total_canceled": max(ZERO, amount)}, rate_of(order))
    shop.put_order(order)
    return True


def cancel_units(shop: Shop, order: Document, item: Document, quantity: Decimal) -> None:
    if quantity > 0:
        item["qty_canceled"] = number(exact(item["qty_canceled"]) + quantity)
        shop.reserve(stock.STOCK, item["sku"], number(quantity), "order_canceled", order)


def hold(shop: Shop, order: Document) -> bool:
    if not workflow.can_hold(order):
        return False
    order.update(hold_before_state=order["state"], hold_before_status=order["status"], state="holded", status="holded")
    shop.put_order(order)
    return True


def unhold(shop: Shop, order: Document) -> bool:
    if order["state"] != "holded":
        return False
    order.update(state=order.pop("hold_before_state"), status=order.pop("hold_before_status"))
    shop.put_order(order)
    return True


def note(shop: Shop, order: Document, paper: Document, papers: Collection, body: dict[str, Any]) -> None:
    """The comment that came with a paper stays with it, and is the order's as well when it is to be appended."""
    comment, append = body.get("comment"), bool(body.get("appendComment"))
    if not comment:
        return
    visible = int(comment["is_visible_on_front"])
    kept = {
        "comment": comment["comment"], "created_at": shop.now(), "entity_id": shop.next_id("comment"),
        "is_customer_notified": int(append), "is_visible_on_front": visible, "parent_id": paper["entity_id"],
    }  # fmt: skip
    papers.put(str(paper["entity_id"]), {**paper, "comments": [*paper["comments"], kept]})
    if append:
        add_comment(shop, order, comment["comment"], None, visible=visible)
