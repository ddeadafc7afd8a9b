"""Reads what `orderCreate` was given into an order document, with every default of the vendor, welcome or not."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from marketplace_sync.sandbox.shopify import totals
from marketplace_sync.sandbox.shopify.money import minor, share
from marketplace_sync.sandbox.shopify.shop import Shop
from marketplace_sync.sandbox.shopify.things import split_gid
from marketplace_sync.sandbox.shopify.wiring import Problem, Refused
from marketplace_sync.sandbox.state import Document


class OrderReader:
    """One order being read. Collects every problem before it refuses."""

    def __init__(self, shop: Shop, given: dict[str, Any]) -> None:
        self.shop = shop
        self.given = given
        self.problems: list[Problem] = []
        self.currency = str(given.get("currency") or shop.settings.currency)

    def read(self) -> Document:
        """The order, without customer and metafields. Raises Refused."""
        given, shop = self.given, self.shop
        self._check_currencies()
        lines = [self._line(at, line) for at, line in enumerate(given.get("lineItems") or [])]
        if not lines:
            self._problem("Line items must have at least one line item", "lineItems")
        shipping = [self._shipping(at, line) for at, line in enumerate(given.get("shippingLines") or [])]
        self._taxes(lines, shipping)
        if self.problems:
            raise Refused(*self.problems)
        now = shop.now()
        number = shop.state.counter("order number", 1001)
        order: Document = {
            "id": shop.next_id("Order"),
            "number": number,
            "name": given.get("name") or f"#{number}",
            "createdAt": now,
            "updatedAt": now,
            # A time in the future is taken as now (Shopify, since 2026-07).
            "processedAt": min(given.get("processedAt") or now, now),
            "cancelledAt": None,
            "cancelReason": None,
            "staffNote": None,
            "closedAt": given.get("closedAt"),
            "sourceName": given.get("sourceName") or "sandbox-connector",
            "sourceIdentifier": given.get("sourceIdentifier"),
            "sourceUrl": given.get("sourceUrl"),
            "poNumber": given.get("poNumber"),
            "note": given.get("note"),
            "email": given.get("email"),
            "phone": given.get("phone"),
            "tags": tags(given.get("tags") or []),
            "customAttributes": [dict(attribute) for attribute in given.get("customAttributes") or []],
            "currency": self.currency,
            "taxesIncluded": bool(given.get("taxesIncluded")),
            "test": bool(given.get("test")),
            "customerAcceptsMarketing": bool(given.get("buyerAcceptsMarketing")),
            "customerId": None,
            "shippingAddress": address(shop, given.get("shippingAddress")),
            "billingAddress": address(shop, given.get("billingAddress")),
            "financialStatusGiven": given.get("financialStatus"),
            "discountCode": None,
            "edited": False,
            "claimed": False,
            "routeDue": None,
            "lines": lines,
            "shippingLines": shipping,
            "transactions": [],
            "fulfillmentOrders": [],
            "fulfillments": [],
            "refunds": [],
            "returns": [],
            "metafields": [],
        }
        self._discount(order)
        for at, transaction in enumerate(given.get("transactions") or []):
            order["transactions"].append(self._transaction(at, transaction, now))
        if self.problems:
            raise Refused(*self.problems)
        for part in lines:
            part["id"] = shop.next_id("LineItem")
        for part in shipping:
            part["id"] = shop.next_id("ShippingLine")
        for part in order["transactions"]:
            part["id"] = shop.next_id("OrderTransaction")
        return order

    def _problem(self, message: str, *path: str, code: str = "INVALID") -> None:
        self.problems.append(Problem(message, ["order", *path], code))

    def _check_currencies(self) -> None:
        presentment = self.given.get("presentmentCurrency")
        if presentment and presentment != self.currency:
            self._problem(
                f"the simulated shop sells in one currency at a time: {presentment} beside {self.currency}",
                "presentmentCurrency",
            )

    def _amount(self, given: dict[str, Any], *path: str) -> int:
        shop_money = given["shopMoney"]
        if shop_money["currencyCode"] != self.currency:
            self._problem(
                f"Currency {shop_money['currencyCode']} does not match the order's currency {self.currency}",
                *path, "shopMoney", "currencyCode",
            )  # fmt: skip
        return minor(shop_money["amount"], self.currency)

    def _line(self, at: int, given: dict[str, Any]) -> Document:
        path = ("lineItems", str(at))
        variant = self._variant(given.get("variantId"), *path, "variantId")
        product = self.shop.products.get(str(variant["productId"])) if variant else None
        quantity = given["quantity"]
        if quantity < 1:
            self._problem("Quantity must be greater than 0", *path, "quantity")
        title = given.get("title") or (product["title"] if product else None)
        if not title:
            self._problem("Title can't be blank", *path, "title")
        if given.get("priceSet") is not None:
            price = self._amount(given["priceSet"], *path, "priceSet")
        elif variant:
            price = variant["price"]
        else:
            self._problem("Price can't be blank", *path, "priceSet")
            price = 0
        if price < 0:
            self._problem("Price must be greater than or equal to 0", *path, "priceSet")
        variant_title = variant["title"] if variant and variant["title"] != "Default Title" else None
        return {
            "variantId": variant["id"] if variant else None,
            "productId": variant["productId"] if variant else None,
            "inventoryItemId": variant["inventoryItemId"] if variant else None,
            "sku": given.get("sku") or (variant["sku"] if variant else None),
            "title": title,
            "variantTitle": given.get("variantTitle") or variant_title,
            "vendor": given.get("vendor") or (product["vendor"] if product else None),
            "quantity": quantity,
            "price": price,
            "discount": 0,
            "requiresShipping": bool(given.get("requiresShipping")),
            "taxable": given.get("taxable") is not False,
            "isGiftCard": bool(given.get("giftCard")),
            "weight": given.get("weight"),
            "taxLines": self._tax_lines(given.get("taxLines"), *path, "taxLines"),
            "customAttributes": [{"key": p["name"], "value": p["value"]} for p in given.get("properties") or []],
        }

    def _variant(self, given: str | None, *path: str) -> Document | None:
        if given is None:
            return None
        parts = split_gid(given)
        variant = self.shop.variants.get(parts[1]) if parts and parts[0] == "ProductVariant" else None
        if variant is None:
            self._problem("Product variant does not exist", *path)
        return variant

    def _tax_lines(self, given: list[dict[str, Any]] | None, *path: str) -> list[Document]:
        return [
            {
                "title": tax["title"],
                "rate": str(tax["rate"]),
                "price": self._amount(tax["priceSet"], *path, str(at), "priceSet") if tax.get("priceSet") else None,
                "channelLiable": tax.get("channelLiable"),
            }
            for at, tax in enumerate(given or [])
        ]

    def _shipping(self, at: int, given: dict[str, Any]) -> Document:
        path = ("shippingLines", str(at))
        return {
            "title": given["title"],
            "code": given.get("code"),
            "source": given.get("source"),
            "price": self._amount(given["priceSet"], *path, "priceSet"),
            "discount": 0,
            "taxLines": self._tax_lines(given.get("taxLines"), *path, "taxLines"),
        }

    def _taxes(self, lines: list[Document], shipping: list[Document]) -> None:
        """Tax lines stand on the order or on its lines, never on both (Shopify, orderCreate)."""
        of_order = self._tax_lines(self.given.get("taxLines"), "taxLines")
        if of_order and any(line["taxLines"] for line in [*lines, *shipping]):
            self._problem("Tax lines can be on the order or on its line items, not on both", "taxLines")
            return
        taxable = [line for line in lines if line["taxable"]]
        whole = sum(totals.line_total(line) for line in taxable)
        for tax in of_order:
            if tax["price"] is None:
                tax["price"] = _tax_on(whole, tax["rate"], bool(self.given.get("taxesIncluded")))
            before = 0
            for line in taxable:
                part = totals.line_total(line)
                line["taxLines"].append({**tax, "price": share(tax["price"], before, part, whole) if whole else 0})
                before += part
        for line in [*lines, *shipping]:
            for tax in line["taxLines"]:
                if tax["price"] is None:
                    base = totals.line_total({"quantity": 1, **line})
                    tax["price"] = _tax_on(base, tax["rate"], bool(self.given.get("taxesIncluded")))

    def _discount(self, order: Document) -> None:
        """One discount code at most; no automatic discount is applied."""
        given = self.given.get("discountCode")
        if not given:
            return
        kind, terms = next(iter(given.items()))
        order["discountCode"] = terms["code"]
        if kind == "freeShippingDiscountCode":
            for line in order["shippingLines"]:
                line["discount"] = line["price"]
            return
        whole = totals.subtotal(order)
        if kind == "itemPercentageDiscountCode":
            percentage = Decimal(str(terms.get("percentage") or 0))
            off = int((whole * percentage / 100).to_integral_value())
        else:
            off = self._amount(terms["amountSet"], "discountCode", "amountSet") if terms.get("amountSet") else 0
        off, before = min(off, whole), 0
        for line in order["lines"]:
            gross = line["price"] * line["quantity"]
            line["discount"] = share(off, before, gross, whole) if whole else 0
            before += gross

    def _transaction(self, at: int, given: dict[str, Any], now: str) -> Document:
        return {
            "kind": given.get("kind") or "SALE",
            "status": given.get("status") or "SUCCESS",
            "amount": self._amount(given["amountSet"], "transactions", str(at), "amountSet"),
            "gateway": given.get("gateway") or "manual",
            "authorizationCode": given.get("authorizationCode"),
            "processedAt": given.get("processedAt") or now,
            "createdAt": now,
            "parentId": None,
            "test": bool(given.get("test")),
        }


def _tax_on(amount: int, rate: str, included: bool) -> int:
    factor = Decimal(rate)
    return int((amount * factor / (1 + factor) if included else amount * factor).to_integral_value())


def tags(given: list[str]) -> list[str]:
    """Tags as the shop keeps them: trimmed, without repetition in any case, sorted; a comma separates."""
    found: dict[str, str] = {}
    for text in given:
        for tag in text.split(","):
            if tag.strip():
                found.setdefault(tag.strip().lower(), tag.strip())
    return sorted(found.values(), key=str.lower)


def address(shop: Shop, given: dict[str, Any] | None) -> Document | None:
    """A mailing address of its own."""
    if not given:
        return None
    known = (
        "firstName", "lastName", "company", "address1", "address2", "city", "provinceCode", "province", "countryCode",
        "country", "zip", "phone",
    )  # fmt: skip
    return {"id": shop.next_id("MailingAddress"), **{name: given.get(name) for name in known}}
