"""What the shop says of itself: websites, store views, currency, modules; and tokens for its people."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from marketplace_sync.sandbox.magento.gate import Call, Gate
from marketplace_sync.sandbox.magento.oauth import Doorman
from marketplace_sync.sandbox.magento.seed import ROOT
from marketplace_sync.sandbox.magento.shapes import plain
from marketplace_sync.sandbox.magento.shop import Shop
from marketplace_sync.sandbox.state import Document

_MODULES = (
    "Magento_Store", "Magento_Config", "Magento_Webapi", "Magento_Eav", "Magento_Catalog", "Magento_Sales",
    "Magento_Integration", "Magento_AsynchronousOperations", "Magento_Inventory", "Magento_InventoryApi",
    "Magento_InventorySales", "Magento_InventorySalesApi", "Magento_InventoryShipping",
    "Magento_ConfigurableProduct", "Magento_OfflinePayments", "Magento_OfflineShipping", "Magento_TwoFactorAuth",
)  # fmt: skip


class StoreApi:
    def __init__(self, shop: Shop, doorman: Doorman, address: Callable[[], str]) -> None:
        self.shop, self.doorman, self._address = shop, doorman, address

    def open_in(self, gate: Gate) -> None:
        store = "Magento_Backend::store"
        gate.open("GET", "store/storeConfigs", store, self._configs)
        gate.open("GET", "store/storeViews", store, lambda call: self._views())
        gate.open("GET", "store/storeGroups", store, lambda call: self._groups())
        gate.open("GET", "store/websites", store, lambda call: self._websites())
        gate.open("GET", "directory/currency", "", lambda call: self._currency())
        gate.open("GET", "modules", "Magento_Backend::module_info", lambda call: self._modules())
        token = plain("username password", text="username password")
        gate.open("POST", "integration/admin/token", "", self._token, token)
        with_code = plain("username password otp", text="username password otp")
        gate.open("POST", "tfa/provider/google/authenticate", "", self._token, with_code)

    def _views(self) -> list[Document]:
        views = [
            {
                "id": number,
                "code": code,
                "name": code.capitalize(),
                "website_id": 1,
                "store_group_id": 1,
                "is_active": 1,
            }
            for code, number in self.shop.settings.stores.items()
        ]
        admin = {"id": 0, "code": "admin", "name": "Admin", "website_id": 0, "store_group_id": 0, "is_active": 1}
        return [admin, *views]

    def _groups(self) -> list[Document]:
        first = next(iter(self.shop.settings.stores.values()))
        return [
            {"id": 0, "website_id": 0, "root_category_id": 0, "default_store_id": 0, "name": "Default",
             "code": "default"},
            {"id": 1, "website_id": 1, "root_category_id": ROOT, "default_store_id": first,
             "code": "main_website_store",
             "name": "Main Website Store"},
        ]  # fmt: skip

    def _websites(self) -> list[Document]:
        return [
            {"id": 0, "code": "admin", "name": "Admin", "default_group_id": 0},
            {"id": 1, "code": "base", "name": self.shop.settings.shop_name, "default_group_id": 1},
        ]

    def _configs(self, call: Call) -> list[Document]:
        wanted = [value for name, value in call.query if name.partition("[")[0] == "storeCodes"]
        settings, address = self.shop.settings, f"{self._address()}/"
        found = []
        for code, number in settings.stores.items():
            if wanted and code not in wanted:
                continue
            one: dict[str, Any] = {
                "id": number, "code": code, "website_id": 1, "locale": settings.locale,
                "base_currency_code": settings.currency, "default_display_currency_code": settings.currency,
                "timezone": settings.timezone, "weight_unit": "kgs",
            }  # fmt: skip
            for secure in ("", "secure_"):
                one |= {
                    f"{secure}base_url": address, f"{secure}base_link_url": address,
                    f"{secure}base_static_url": f"{address}static/", f"{secure}base_media_url": f"{address}media/",
                }  # fmt: skip
            found.append(one)
        return found

    def _currency(self) -> Document:
        code = self.shop.settings.currency
        symbol = {"GBP": "£", "EUR": "€"}.get(code, code)
        return {
            "base_currency_code": code, "base_currency_symbol": symbol, "default_display_currency_code": code,
            "default_display_currency_symbol": symbol, "available_currency_codes": [code],
            "exchange_rates": [{"currency_to": code, "rate": 1}],
        }  # fmt: skip

    def _modules(self) -> list[str]:
        return [*_MODULES, *(["Magento_InventoryExportStock"] if self.shop.settings.export_module else [])]

    def _token(self, call: Call) -> str:
        return self.doorman.admin_token(call.body["username"], call.body["password"], call.body.get("otp"))
