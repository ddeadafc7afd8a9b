"""What a marketplace can offer beyond the life of orders: prices, offers, products and documents. Beside `ports`, what
flows see of it; a connection has these or it has not (`isinstance`).

Files of changes are taken at once and worked off later: sending one gives its number, and `ImportReport` says what
became of it, row by row. Everything raises TransportError; nothing here is repeated by itself.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from enum import StrEnum
from typing import Protocol, runtime_checkable

import msgspec


class Price(msgspec.Struct, frozen=True, kw_only=True):
    """The price of one offer from now on. What is left out of it is taken off the offer: a discount not stated ends."""

    sku: str
    amount: int
    """Minor units of the shop's currency, as the shop states prices (with tax or without, retail or cost)."""
    discount: int | None = None
    discount_from: datetime | None = None
    discount_until: datetime | None = None


class OfferChange(msgspec.Struct, frozen=True, kw_only=True):
    """A whole offer: what is not stated here is left as the marketplace has it, so nothing of this has a default."""

    sku: str
    product_id: str
    product_id_type: str
    """`EAN`, or the name of another key that the marketplace knows products by."""
    amount: int
    """Minor units of the shop's currency."""
    quantity: int
    condition: str
    """The marketplace's code of the offer's condition (`11` is new in most places)."""
    description: str
    lead_time_days: int | None
    """None: as it is."""
    discount: Price | None
    """Its `discount`, `discount_from` and `discount_until` count. None: there is none any more."""
    delete: bool = False


class OfferState(msgspec.Struct, frozen=True, kw_only=True):
    """An offer as the marketplace has it."""

    offer_id: str
    sku: str
    product: str
    """The marketplace's own key of the product."""
    title: str
    eans: tuple[str, ...]
    quantity: int
    amount: int | None
    """Minor units of `currency`; what the offer costs now, discounts counted."""
    currency: str
    active: bool
    inactive_because: tuple[str, ...]
    """The marketplace's own reasons why it is not sold."""


class ImportState(StrEnum):
    UNDER_WAY = "under_way"
    DONE = "done"
    FAILED = "failed"


class RowProblem(msgspec.Struct, frozen=True, kw_only=True):
    """One row that was not taken, in the marketplace's words."""

    message: str
    line: int | None = None
    """As the marketplace counts lines; None where it names none."""
    sku: str = ""


class ImportReport(msgspec.Struct, frozen=True, kw_only=True):
    """What became of a file. Done with problems is normal: every row stands for itself."""

    import_id: str
    state: ImportState
    status: str
    """The marketplace's own word."""
    taken: int | None = None
    """Rows that were taken; None while nobody can know."""
    problems: tuple[RowProblem, ...] = ()
    added: tuple[str, ...] = ()
    """SKUs of products that are new to the marketplace's catalogue."""
    transformed: tuple[Mapping[str, str], ...] = ()
    """What the marketplace made of the rows that it could read, by its own columns, where it converts files: it is
    these that it judges products by."""
    reason: str = ""
    """Why the file failed as a whole."""


class Document(msgspec.Struct, frozen=True, kw_only=True):
    """One file that belongs to an order: a delivery note, a return label, an invoice."""

    document_id: str
    order_id: str
    type: str
    file_name: str
    bytes: int | None = None
    uploaded_at: datetime | None = None


class BillingDocument(msgspec.Struct, frozen=True, kw_only=True):
    """One accounting document that the marketplace issued to the shop. Amounts are minor units of `currency`."""

    document_id: str
    number: str
    type: str
    state: str
    currency: str
    issued_at: datetime | None
    due_at: datetime | None
    net: int
    gross: int
    charged: int | None = None
    payment_state: str = ""
    bank_reference: str = ""
    paid_at: datetime | None = None
    lines: tuple[BillingLine, ...] = ()


class BillingLine(msgspec.Struct, frozen=True, kw_only=True):
    description: str
    quantity: int
    net: int
    tax: int
    order_id: str = ""


@runtime_checkable
class SellsWithPrices(Protocol):
    def send_prices(self, prices: Sequence[Price]) -> str:
        """One file of prices. Returns its number."""
        ...

    def price_report(self, import_id: str) -> ImportReport: ...


@runtime_checkable
class SellsWithOffers(Protocol):
    def offers(self) -> Iterator[Sequence[OfferState]]:
        """Every offer of the shop, page by page."""
        ...

    def send_offers(self, offers: Sequence[OfferChange]) -> str:
        """Whole offers; those that are not named are left alone. Returns the number of the import."""
        ...

    def offer_report(self, import_id: str) -> ImportReport: ...


@runtime_checkable
class SellsWithProducts(Protocol):
    def known_products(self, references: Sequence[tuple[str, str]]) -> Mapping[tuple[str, str], str]:
        """(type, key) -> the marketplace's own key, of those products that it has already."""
        ...

    def send_products(self, rows: Sequence[Mapping[str, str]]) -> str:
        """Products by the marketplace's own columns. Returns the number of the file."""
        ...

    def product_report(self, import_id: str) -> ImportReport: ...


@runtime_checkable
class KeepsDocuments(Protocol):
    def documents(self, order_ids: Sequence[str]) -> Sequence[Document]:
        """What is kept with these orders."""
        ...

    def document(self, document_id: str) -> bytes:
        """One file as it is."""
        ...

    def add_document(self, order_id: str, type_code: str, file_name: str, content: bytes) -> None:
        """Put a file (an invoice) with an order. Raises RequestRejected with the marketplace's words."""
        ...


@runtime_checkable
class IssuesBilling(Protocol):
    def billing_documents(self, since: datetime | None = None, *, cycle_id: str = "") -> Iterator[BillingDocument]:
        """Invoices and credit notes that the marketplace issued to the shop, the oldest first. Raises Malformed."""
        ...

    def billing_file(self, document_id: str) -> bytes: ...
