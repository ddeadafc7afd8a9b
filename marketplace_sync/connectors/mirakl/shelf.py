"""What a Mirakl shop can do beyond the life of orders: `connectors.selling` over the seller API."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime

from marketplace_sync.connectors.mirakl.account import Account
from marketplace_sync.connectors.mirakl.billing import Billing
from marketplace_sync.connectors.mirakl.calls import Calls
from marketplace_sync.connectors.mirakl.documents import Documents
from marketplace_sync.connectors.mirakl.offers import Offers
from marketplace_sync.connectors.mirakl.prices import Prices
from marketplace_sync.connectors.mirakl.products import Products
from marketplace_sync.connectors.mirakl.settings import MiraklSettings
from marketplace_sync.connectors.ports import Malformed
from marketplace_sync.connectors.selling import (
    BillingDocument,
    Document,
    ImportReport,
    OfferChange,
    OfferState,
    Price,
)


class Shelf:
    """Prices, offers, products, documents. Thread-safe; see the protocols of `connectors.selling` for each method."""

    def __init__(self, settings: MiraklSettings, calls: Calls, account: Account) -> None:
        self._settings = settings
        self._account = account
        self._prices = Prices(calls)
        self._offers = Offers(settings, calls)
        self._products = Products(calls)
        self._documents = Documents(calls)
        self._billing = Billing(settings, calls)

    def shop_currency(self) -> str:
        """The one currency of the shop (A01). Raises TransportError, Malformed when it is stated nowhere."""
        currency = self._account.shop().currency_iso_code or self._settings.currency
        if not currency:
            raise Malformed("the shop states no currency; set `currency`")
        return currency

    def send_prices(self, prices: Sequence[Price]) -> str:
        """In a shop of the model DROPSHIP these are what the operator pays (Mirakl, shop models)."""
        return self._prices.send(prices, self.shop_currency())

    def price_report(self, import_id: str) -> ImportReport:
        return self._prices.report(import_id)

    def offers(self) -> Iterator[Sequence[OfferState]]:
        return self._offers.all()

    def send_offers(self, offers: Sequence[OfferChange]) -> str:
        return self._offers.send(offers, self.shop_currency())

    def offer_report(self, import_id: str) -> ImportReport:
        return self._offers.report(import_id)

    def known_products(self, references: Sequence[tuple[str, str]]) -> Mapping[tuple[str, str], str]:
        return self._products.known(references)

    def send_products(self, rows: Sequence[Mapping[str, str]]) -> str:
        return self._products.send(rows)

    def product_report(self, import_id: str) -> ImportReport:
        return self._products.report(import_id)

    def documents(self, order_ids: Sequence[str]) -> Sequence[Document]:
        return self._documents.of(order_ids)

    def document(self, document_id: str) -> bytes:
        return self._documents.content(document_id)

    def add_document(self, order_id: str, type_code: str, file_name: str, content: bytes) -> None:
        self._documents.add(order_id, type_code, file_name, content)

    def close_incident(self, order_id: str, line_id: str, reason_code: str) -> None:
        """Say that what the buyer complained of is settled: the line is paid again. Raises RequestRejected."""
        self._documents.close_incident(order_id, line_id, reason_code)

    def billing_documents(self, since: datetime | None = None, *, cycle_id: str = "") -> Iterator[BillingDocument]:
        return self._billing.documents(since, cycle_id)

    def billing_file(self, document_id: str) -> bytes:
        return self._billing.file(document_id)
