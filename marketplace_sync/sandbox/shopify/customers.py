"""The customer an order may be given: associated, or made and changed along the way."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from marketplace_sync.sandbox.shopify.order_input import address, tags
from marketplace_sync.sandbox.shopify.shop import Shop
from marketplace_sync.sandbox.shopify.things import split_gid
from marketplace_sync.sandbox.shopify.wiring import refused
from marketplace_sync.sandbox.state import Document


@dataclass
class Claimed:
    """A customer found or to be made, and what to write into it once the order is certain."""

    shop: Shop
    document: Document
    changes: dict[str, Any]

    def keep(self, order: Document) -> int:
        """Write the customer. The order's address becomes the default and fills an empty name; its email fills an
        empty one (Shopify, orderCreate). Returns the customer's number."""
        shop, customer = self.shop, self.document
        if customer["id"] is None:
            customer["id"] = shop.next_id("Customer")
            customer["createdAt"] = shop.now()
        customer.update(self.changes)
        sent_to = order["shippingAddress"]
        if sent_to:
            customer["defaultAddress"] = {**sent_to, "id": shop.next_id("MailingAddress")}
            if not customer["firstName"] and not customer["lastName"]:
                customer["firstName"], customer["lastName"] = sent_to["firstName"], sent_to["lastName"]
        customer["email"] = customer["email"] or order["email"]
        customer["updatedAt"] = shop.now()
        shop.customers.put(str(customer["id"]), customer)
        return int(customer["id"])


def customer_of(shop: Shop, given: dict[str, Any]) -> Claimed | None:
    """The customer an order input names. Raises Refused; nothing is written yet."""
    old_form, new_form = given.get("customerId"), given.get("customer")
    if old_form and new_form:
        raise refused(
            "Only one of customerId and customer can be given", "order", "customer", code="REDUNDANT_CUSTOMER_FIELDS"
        )
    if old_form:
        return Claimed(shop, _by_id(shop, old_form, "customerId"), {})
    if not new_form:
        return None
    if "toAssociate" in new_form:
        wanted = new_form["toAssociate"]
        if wanted.get("id"):
            return Claimed(shop, _by_id(shop, wanted["id"], "customer"), {})
        found = _by(shop, "email", wanted.get("email"))
        if found is None:
            raise refused("Customer does not exist", "order", "customer", "toAssociate", code="INVALID")
        return Claimed(shop, found, {})
    return _upsert(shop, new_form["toUpsert"])


def _upsert(shop: Shop, wanted: dict[str, Any]) -> Claimed:
    found = _by_id(shop, wanted["id"], "customer") if wanted.get("id") else _by(shop, "email", wanted.get("email"))
    same_phone = _by(shop, "phone", wanted.get("phone"))
    if same_phone is not None and same_phone is not found:
        raise refused("Phone has already been taken", "order", "customer", "toUpsert", "phone", code="INVALID")
    if found is None and not any(wanted.get(name) for name in ("email", "phone", "firstName", "lastName")):
        raise refused(
            "Customer must have a name, phone number or email address", "order", "customer", "toUpsert", code="INVALID"
        )
    changes: dict[str, Any] = {
        name: wanted[name]
        for name in ("email", "firstName", "lastName", "phone", "note", "taxExempt")
        if name in wanted
    }
    if wanted.get("tags") is not None:
        changes["tags"] = tags(wanted["tags"])
    if wanted.get("addresses"):
        changes["defaultAddress"] = address(shop, wanted["addresses"][0])
    blank: Document = {
        "id": None, "email": None, "firstName": None, "lastName": None, "phone": None, "note": None,
        "taxExempt": False, "tags": [], "defaultAddress": None,
    }  # fmt: skip
    return Claimed(shop, found if found is not None else blank, changes)


def _by_id(shop: Shop, given: str, where: str) -> Document:
    parts = split_gid(given)
    found = shop.customers.get(parts[1]) if parts and parts[0] == "Customer" else None
    if found is None:
        raise refused("Customer does not exist", "order", where, code="INVALID")
    return found


def _by(shop: Shop, name: str, value: str | None) -> Document | None:
    if not value:
        return None
    return next((c for c in shop.customers.values() if (c[name] or "").lower() == value.lower()), None)
