"""What changes rarely: version, account, platform configuration, carriers, methods, reasons, currencies, channels."""

from __future__ import annotations

from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from marketplace_sync.sandbox.clock import Clock
from marketplace_sync.sandbox.mirakl.actions import Actions
from marketplace_sync.sandbox.mirakl.carriers import CARRIERS, REASONS
from marketplace_sync.sandbox.mirakl.gate import Gate, answer, json_body
from marketplace_sync.sandbox.mirakl.ledger import Ledger
from marketplace_sync.sandbox.mirakl.offers import Offers
from marketplace_sync.sandbox.mirakl.order_book import OrderBook
from marketplace_sync.sandbox.mirakl.settings import MiraklSettings
from marketplace_sync.sandbox.mirakl.values import decimals, iso, moment, money
from marketplace_sync.sandbox.state import State

_OPENED = 1_704_067_200.0
_EDITABLE = ("shop_name", "description", "return_policy", "closed_from", "closed_to", "email", "web_site")


class ReferenceApi:
    """Handlers of V01, A01, A02, PC01, RE01, CUR01, CH11, L01, SH12 and SH21. (Mirakl, platform and shop settings)"""

    def __init__(
        self,
        state: State,
        clock: Clock,
        settings: MiraklSettings,
        book: OrderBook,
        offers: Offers,
        ledger: Ledger,
        actions: Actions,
    ) -> None:
        self.settings = settings
        self._clock = clock
        self._book = book
        self._offers = offers
        self._ledger = ledger
        self._actions = actions
        self._shop = state.collection("shop")

    def open_in(self, gate: Gate) -> None:
        gate.open("V01", "GET", "/api/version", self._version)
        gate.open("A01", "GET", "/api/account", self._account)
        gate.open("A02", "PUT", "/api/account", self._update)
        gate.open("PC01", "GET", "/api/platform/configuration", self._platform)
        gate.open("RE01", "GET", "/api/reasons", self._reasons)
        gate.open("CUR01", "GET", "/api/currencies", self._currencies)
        gate.open("CH11", "GET", "/api/channels", self._channels)
        gate.open("L01", "GET", "/api/locales", self._locales)
        gate.open("SH12", "GET", "/api/shipping/types", self._shipping_types)
        gate.open("SH21", "GET", "/api/shipping/carriers", self._carriers)

    async def _version(self, request: Request) -> Response:
        return Response(status_code=200)

    def _edits(self) -> dict[str, Any]:
        return self._shop.get("edits") or {}

    async def _account(self, request: Request) -> Response:
        settings, edits = self.settings, self._edits()
        sums = {name: money(amount, settings.currency) for name, amount in self._ledger.balances().items()}
        now = self._clock.timestamp()
        closed = [
            None if edits.get(name) is None else moment(edits[name], name) for name in ("closed_from", "closed_to")
        ]
        away = closed[0] is not None and closed[0] <= now and (closed[1] is None or now < closed[1])
        account: dict[str, Any] = {
            "shop_id": settings.shop_id,
            "shop_name": settings.shop_name,
            "shop_state": "CLOSE" if away else "OPEN",
            "model": settings.shop_model,
            "currency_iso_code": settings.currency,
            "channels": ["INIT"],
            "domains": ["PRODUCT"],
            "date_created": iso(_OPENED),
            "last_updated_date": iso(edits.get("updated", _OPENED)),
            "is_professional": True,
            "premium": False,
            "free_shipping": settings.shipping_price == 0,
            "evaluations_count": 0,
            "offers_count": len(self._offers.skus()),
            "orders_count": len(self._book),
            "kyc": {"status": "APPROVED"},
            "payment_method_mandatory": False,
            "payment_details": {
                "pending_balance": sums["PENDING"],
                "payable_balance": sums["PAYABLE"],
                "paid_balance": sums["PAID"],
            },
            "billing_info": {"owner": settings.shop_name},
            "contact_informations": {
                "city": "Reading",
                "country": settings.country,
                "email": "seller@example.com",
                "lastname": "Seller",
                "street1": "1 Warehouse Way",
                "zip_code": "RG1 1AA",
            },
            "default_billing_information": {
                "id": f"{settings.shop_id}",
                "default_language": "en_GB",
                "registration_address": {
                    "city": "Reading",
                    "country_iso_code": settings.country,
                    "street_1": "1 Warehouse Way",
                    "zip_code": "RG1 1AA",
                },
            },
            "pro_details": {"corporate_name": settings.shop_name, "VAT_number": "GB000000000"},
            "shipping": {"lead_time_to_ship": settings.lead_time_days},
            "shipping_country": settings.country,
            "shipping_types": ["STD"],
            "shipping_zones": ["HOME"],
            "shippings": [
                {
                    "shipping_type_code": "STD",
                    "shipping_type_label": "Standard delivery",
                    "shipping_zone_code": "HOME",
                    "shipping_zone_label": "Mainland",
                }
            ],
            "shop_additional_fields": [],
        }
        if settings.shop_model == "DROPSHIP":
            account["dropship"] = {"retail_pricing_edition_enabled": False}
        return answer({**account, **{name: edits[name] for name in _EDITABLE if name in edits}})

    async def _update(self, request: Request) -> Response:
        body = await json_body(request)
        errors = [
            {"code": "NOT_EDITABLE", "field": name, "message": f"The field '{name}' cannot be changed"}
            for name in body
            if name not in _EDITABLE
        ]
        if errors:
            return answer({"errors": errors})
        for name in ("closed_from", "closed_to"):
            if body.get(name) is not None:
                moment(str(body[name]), name)
        self._shop.put("edits", {**self._edits(), **body, "updated": self._clock.timestamp()})
        self._actions.note("A02", str(self.settings.shop_id), fields=body)
        return answer({"updated": body})

    async def _platform(self, request: Request) -> Response:
        settings = self.settings
        workflow = settings.payment_workflow
        dropship = settings.shop_model == "DROPSHIP"
        number = {"mandatory": False}
        features: dict[str, Any] = {
            "catalog": {
                "allow_shop_contribution_to_all_channels": True,
                "exclude_invalid_products": True,
                "list_of_multiple_values_separator": "|",
                "product_acceptance_by_channel": False,
                "product_data_validation_by_channel": False,
                "product_import_only_on_leaf": True,
            },
            "circular_economy_data_collection": False,
            "competitive_pricing_tool": False,
            "direct_payment_customer_store": {"activated": False, "refund_cancel_authorized": False},
            "disable_seller_alternative_carrier": settings.registered_carriers_only,
            "dropship": {"retail_pricing_enabled": False, "retail_pricing_edition_enabled": "NO"},
            "kyc_status_per_seller": False,
            "lead_time_to_ship_by_sellers_enabled": "YES",
            "multi_currency": False,
            "multi_payout_psp_per_seller": False,
            "no_reply_needed": True,
            "offer_prices_decimals": str(decimals(settings.currency)),
            "operator_csv_delimiter": "SEMICOLON",
            "order_conditions": dict.fromkeys(
                ("lead_time_to_ship", "maximum_order_quantity", "minimum_order_quantity", "package_order_quantity"),
                True,
            ),
            "order_tax_mode": settings.order_tax_mode,
            "order_workflows": {
                "no_customer_payment_confirmation": workflow == "NO_CUSTOMER_PAYMENT_CONFIRMATION",
                "order_acceptance": settings.order_acceptance,
                "pause_debit_workflow": False,
                "pay_on_due_date": workflow == "PAY_ON_DUE_DATE",
                "pay_on_shipment": workflow == "PAY_ON_SHIPMENT",
                "sellers_edit_shipping_origin": False,
                "shipping_and_billing_details_before_acceptance": settings.address_before_acceptance,
            },
            "payment_confirmation": True,
            "pricing": {
                "channel_pricing": "DISABLED",
                "discount_period_required": False,
                "discount_price_creation_in_the_past_blocked": False,
                "scheduled_pricing": False,
                "volume_discount": False,
                "volume_pricing": False,
            },
            "product_data_validation_by_channel": False,
            "promotion": {"cart_promotion_campaign": False, "discount_campaign": False, "seller_promotion": False},
            "returns": {
                "marketplace": settings.returns and not dropship,
                "drop_ship": settings.returns and dropship,
                "one_creditor": False,
            },
            "shipment": {"multi_shipment": settings.multi_shipment, "multi_part_item_shipment": False},
            "shop_tax_options": {"local_tax_number": number, "tax_identification_number": number},
            "tax_collection": {
                "activated": "NO",
                "product_tax_code_mandatory": False,
                "tax_collection_by_operator": False,
            },
            "tax_id_number": number,
            "warehouses": {"geolocation": False, "restricted_countries": []},
        }
        return answer(
            {
                "features": features,
                "modules": {
                    "mirakl_catalog_integrator": False,
                    "mirakl_catalog_manager": True,
                    "mirakl_catalog_transformer": False,
                    "mirakl_platform_services": False,
                    "offer_management": True,
                    "order_management": True,
                    "promotions": False,
                    "quotes": False,
                    "tax_manager": {"activated": False, "tax_provider": {"avalara": False, "vertex": False}},
                },
                "platform_configuration": {
                    "customer_model": {"b2b": False, "b2c": True},
                    "enhanced_seller_invoicing": {"enabled": False},
                    "platform_model": {"marketplace": not dropship, "drop_ship": dropship, "one_creditor": False},
                },
                "platform_name": settings.instance,
                "tenant_name": settings.instance,
                "timezone": settings.timezone,
            }
        )

    async def _reasons(self, request: Request) -> Response:
        rows = [
            {"code": code, "label": label, "type": kind, "is_shop_right": right} for code, label, kind, right in REASONS
        ]
        return answer({"reasons": rows, "total_count": len(rows)})

    async def _currencies(self, request: Request) -> Response:
        return answer(
            {
                "currencies": [
                    {"code": self.settings.currency, "platform_default": True, "label": self.settings.currency}
                ]
            }
        )

    async def _channels(self, request: Request) -> Response:
        return answer({"channels": [{"code": "INIT", "label": self.settings.instance, "description": ""}]})

    async def _locales(self, request: Request) -> Response:
        return answer({"locales": [{"code": "en_GB", "label": "English", "platform_default": True}]})

    async def _shipping_types(self, request: Request) -> Response:
        row = {
            "code": "STD",
            "label": "Standard delivery",
            "description": "",
            "mandatory_tracking": self.settings.mandatory_tracking,
            "click_and_collect": False,
            "delivery_by_operator": False,
            "ignore_lead_time_to_ship": False,
            "standard_code": "CST_HOME",
        }
        return answer({"shipping_types": [row]})

    async def _carriers(self, request: Request) -> Response:
        rows = [
            {"code": code, "label": label, "standard_code": None, "tracking_url": url}
            for code, (label, url) in CARRIERS.items()
        ]
        return answer({"carriers": rows})
