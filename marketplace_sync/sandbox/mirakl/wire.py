"""How an order is written in OR11. (Mirakl, OR11)"""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from marketplace_sync.sandbox.mirakl.carriers import tracking_url
from marketplace_sync.sandbox.mirakl.settings import MiraklSettings
from marketplace_sync.sandbox.mirakl.values import iso, money
from marketplace_sync.sandbox.mirakl.workflow import ADDRESS_FROM, CANCELLABLE, DEAD, RANK, REFUNDABLE, remaining

_DAY = 86_400


def order(document: Mapping[str, Any], settings: MiraklSettings) -> dict[str, Any]:
    """The order as the seller sees it now: without addresses until it may ship."""
    currency = settings.currency
    lines = document["lines"]
    goods, shipping = sum(line["price"] for line in lines), sum(line["shipping"] for line in lines)
    state = document["state"]
    tracking = document["tracking"] or {}
    shown_from = 0 if settings.address_before_acceptance else ADDRESS_FROM
    visible = RANK.get(state, -1) >= shown_from or (state in DEAD and document["debited"] is not None)
    living = [line for line in lines if line["state"] not in DEAD]
    deadline = None
    if RANK.get(state, -1) >= ADDRESS_FROM:
        deadline = (document["debited"] or document["accepted"] or document["created"]) + settings.lead_time_days * _DAY
    email = {} if document["email"] is None else {"customer_notification_email": document["email"]}
    found = {
        "order_id": document["id"],
        "commercial_id": document["commercial_id"],
        "order_state": _called(state, settings),
        "order_state_reason_code": document["reason"],
        "order_state_reason_label": document["reason"],
        "created_date": iso(document["created"]),
        "last_updated_date": iso(document["updated"]),
        "acceptance_decision_date": iso(document["accepted"]),
        "customer_debited_date": iso(document["debited"]),
        "currency_iso_code": currency,
        "price": money(goods, currency),
        "shipping_price": money(shipping, currency),
        "total_price": money(goods + shipping, currency),
        "total_commission": money(sum(line["fee"] + line["fee_tax"] for line in lines), currency),
        "order_tax_mode": settings.order_tax_mode,
        "payment_type": "CARD",
        "paymentType": "CARD",
        "payment_workflow": document["payment_workflow"],
        "transaction_date": iso(document["debited"]),
        "transaction_number": document["transaction_number"],
        "customer_directly_pays_seller": False,
        "can_cancel": state in CANCELLABLE,
        "can_shop_ship": state == "SHIPPING",
        "fully_refunded": bool(living) and all(sum(remaining(line)) == 0 for line in living),
        "has_incident": any(line["incident"] is not None for line in lines),
        "has_invoice": False,
        "has_customer_message": False,
        "leadtime_to_ship": settings.lead_time_days,
        "shipping_deadline": iso(deadline),
        "delivery_date": None
        if deadline is None
        else {"earliest": iso(deadline + _DAY), "latest": iso(deadline + 3 * _DAY)},
        "shipping_type_code": "STD",
        "shipping_type_label": "Standard delivery",
        "shipping_type_standard_code": "CST_HOME",
        "shipping_zone_code": "HOME",
        "shipping_zone_label": "Mainland",
        "shipping_carrier_code": tracking.get("carrier_code"),
        "shipping_carrier_standard_code": tracking.get("carrier_standard_code"),
        "shipping_company": tracking.get("carrier_name"),
        "shipping_tracking": tracking.get("tracking_number"),
        "shipping_tracking_url": tracking_url(tracking),
        "channel": {"code": "INIT", "label": settings.instance},
        "fulfillment": {"center": {"code": "DEFAULT"}},
        "references": {
            "order_reference_for_customer": document["customer_reference"],
            "order_reference_for_seller": document["seller_reference"],
        },
        "order_additional_fields": additional_fields(document["additional_fields"]),
        "promotions": {"applied_promotions": [], "total_deduced_amount": Decimal(0)},
        "customer": _customer(document, settings, visible=visible),
        **email,
        "order_lines": [_line(line, document, settings) for line in lines],
    }
    if document["extra"]:
        found["fraud_screening"] = {"provider": "unheard-of", "score": 12}
    return found


def additional_fields(values: Mapping[str, str]) -> list[dict[str, str]]:
    return [{"code": code, "type": "STRING", "value": value} for code, value in values.items()]


def _customer(document: Mapping[str, Any], settings: MiraklSettings, *, visible: bool) -> dict[str, Any]:
    person = document["buyer"]
    first, _, last = person["full_name"].partition(" ")
    shown = address(document, settings) if visible else None
    billing = None if shown is None else {k: v for k, v in shown.items() if k != "additional_info"}
    return {
        "customer_id": document["customer_id"],
        "civility": None,
        "firstname": first,
        "lastname": last or first,
        "locale": "en_GB" if settings.country == "GBR" else None,
        "billing_address": billing,
        "shipping_address": shown,
    }


def address(document: Mapping[str, Any], settings: MiraklSettings) -> dict[str, Any]:
    """The buyer's address with the operator's label of the country beside its code."""
    person = document["buyer"]
    first, _, last = person["full_name"].partition(" ")
    # Some operators lose the leading zero of telephone numbers. (Mirakl, simulator rules)
    phone = str(person.get("phone", ""))
    return {
        "firstname": first,
        "lastname": last or first,
        "civility": None,
        "company": None,
        "street_1": person["line_1"],
        "street_2": person.get("line_2") or None,
        "zip_code": person["postal_code"],
        "city": person["city"],
        "state": person.get("state"),
        "country": settings.country_label,
        "country_iso_code": settings.country,
        "phone": phone[1:] if document["number"] % 10 == 0 and phone.startswith("0") else phone or None,
        "additional_info": None,
    }


def _taxes(amount: int, settings: MiraklSettings, *, rule: bool = True) -> list[dict[str, Any]]:
    if not amount:
        return []
    tax = {"code": "TAX_STD", "rate": Decimal(settings.tax_rate), "amount": money(amount, settings.currency)}
    return [{**tax, "tax_calculation_rule": "PROPORTIONAL_TO_AMOUNT"} if rule else tax]


def _commission_taxes(line: Mapping[str, Any], settings: MiraklSettings, *, rate: bool = True) -> list[dict[str, Any]]:
    tax: dict[str, Any] = {"code": "TAX_STD", "amount": money(line["fee_tax"], settings.currency)}
    return [{**tax, "rate": Decimal(settings.commission_tax_rate)} if rate else tax]


def _called(state: str, settings: MiraklSettings) -> str:
    return settings.held_as if state == "STAGING" else state


def _line_state(line: Mapping[str, Any]) -> str:
    if line["incident"] is not None:
        return "INCIDENT_OPEN"
    refunds = line["refunds"]
    if refunds and sum(remaining(line)) == 0 and all(refund["state"] == "REFUNDED" for refund in refunds):
        return "REFUNDED"
    return str(line["state"])


def _line(line: Mapping[str, Any], document: Mapping[str, Any], settings: MiraklSettings) -> dict[str, Any]:
    currency = settings.currency
    return {
        "order_line_id": line["id"],
        "order_line_index": line["index"],
        "order_line_state": _called(_line_state(line), settings),
        "order_line_state_reason_code": line["reason"],
        "order_line_state_reason_label": line["reason"],
        "offer_id": line["offer_id"],
        "offer_sku": line["sku"],
        "offer_state_code": "11",
        "product_sku": line["product_sku"],
        "product_shop_sku": line["sku"],
        "product_title": line["title"],
        "product_medias": [],
        "category_code": line["category"].upper().replace(" ", "_"),
        "category_label": line["category"],
        "description": None,
        "quantity": line["quantity"],
        "price_unit": money(line["price_unit"], currency),
        "origin_unit_price": money(line["price_unit"], currency),
        "price": money(line["price"], currency),
        "price_amount_breakdown": _parts(line["price"], currency),
        "shipping_price": money(line["shipping"], currency),
        "shipping_price_amount_breakdown": _parts(line["shipping"], currency),
        "total_price": money(line["price"] + line["shipping"], currency),
        "taxes": _taxes(line["tax"], settings),
        "shipping_taxes": _taxes(line["shipping_tax"], settings),
        "commission_fee": money(line["fee"], currency),
        "commission_rate_vat": Decimal(settings.commission_tax_rate),
        "commission_vat": money(line["fee_tax"], currency),
        "commission_taxes": _commission_taxes(line, settings),
        "total_commission": money(line["fee"] + line["fee_tax"], currency),
        "fees": [],
        "promotions": [],
        "refunds": [_refund(refund, settings) for refund in line["refunds"]],
        "cancelations": [_taken(taken, settings) for taken in line["cancelations"]],
        "can_refund": line["state"] in REFUNDABLE and sum(remaining(line)) > 0,
        "created_date": iso(document["created"]),
        "last_updated_date": iso(document["updated"]),
        "debited_date": iso(line["debited"]),
        "shipped_date": iso(line["shipped"]),
        "received_date": iso(line["received"]),
        "shipping_from": {"address": {"country_iso_code": settings.country}},
        "order_line_additional_fields": additional_fields(line["additional_fields"]),
    }


def _parts(amount: int, currency: str) -> dict[str, Any]:
    part = {"commissionable": True, "debitable_from_customer": True, "payable_to_shop": True}
    return {"parts": [{"amount": money(amount, currency), **part}]}


def _taken(taken: Mapping[str, Any], settings: MiraklSettings) -> dict[str, Any]:
    currency = settings.currency
    return {
        "id": taken["id"],
        "created_date": iso(taken["created"]),
        "amount": money(taken["amount"], currency),
        "amount_breakdown": _parts(taken["amount"], currency),
        "shipping_amount": money(taken["shipping_amount"], currency),
        "shipping_amount_breakdown": _parts(taken["shipping_amount"], currency),
        "taxes": _taxes(taken["tax"], settings, rule=False),
        "shipping_taxes": _taxes(taken["shipping_tax"], settings, rule=False),
        "quantity": taken["quantity"],
        "reason_code": taken["reason_code"],
        "commission_amount": money(taken["fee"], currency),
        "commission_taxes": _commission_taxes(taken, settings, rate=False),
        "commission_total_amount": money(taken["fee"] + taken["fee_tax"], currency),
        "fees": [],
    }


def _refund(refund: Mapping[str, Any], settings: MiraklSettings) -> dict[str, Any]:
    return {
        **_taken(refund, settings),
        "order_refund_id": refund["order_refund_id"],
        "commission_tax_amount": money(refund["fee_tax"], settings.currency),
        "refund_state": refund["state"],
        "state": refund["state"],
        "transaction_date": iso(refund["transaction_date"]),
        "transaction_number": refund["transaction_number"],
    }
