"""An order as a marketplace states it, whatever the marketplace: who, what, how far along, at what price basis.

Progress is cumulative per line: units acknowledged include those dispatched since, and what was dispatched stays so.
A vendor's statuses are turned into these counts by its connector; what changed between two statements is worked out in
`lifecycle`.
"""

from __future__ import annotations

from datetime import date, datetime
from enum import StrEnum

import msgspec

from marketplace_sync.domain.money import share


class PriceBasis(StrEnum):
    """What a line's `unit_price` is: what the buyer paid, or what the marketplace pays the seller for it."""

    RETAIL = "retail"
    COST = "cost"


class Address(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """Where the parcel goes. Any part may be missing: marketplaces leave out what they like."""

    full_name: str = ""
    company: str = ""
    line_1: str = ""
    line_2: str = ""
    city: str = ""
    region: str = ""
    postal_code: str = ""
    country: str = ""
    """ISO 3166 alpha-2."""
    phone: str = ""
    email: str = ""

    def problems(self) -> list[str]:
        """Why no parcel could be sent here, in words; empty when it can."""
        missing = [
            name
            for name, value in (
                ("name", self.full_name or self.company),
                ("first address line", self.line_1),
                ("city or postcode", self.city or self.postal_code),
            )
            if not value.strip()
        ]
        found = [f"no {name}" for name in missing]
        if len(self.country) != 2 or not self.country.isalpha():
            found.append(f"country {self.country!r} is not a two-letter code")
        return found


class Consent(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """What a marketplace says of a buyer's agreement to marketing, with its evidence. Absence is no consent."""

    given: bool
    stated_at: datetime
    source: str
    """Where it was stated, in words."""


class OrderLine(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """One line. Quantities are units; money is minor units of the order's currency, for one unit or the whole line."""

    line_id: str
    quantity: int
    """Units ordered, cancelled ones included."""
    sku: str = ""
    """Our SKU as the marketplace states it; empty when it does not."""
    stock_number: str = ""
    """The marketplace's own product number."""
    barcode: str = ""
    title: str = ""
    unit_price: int | None = None
    """Gross (including `tax`) for one unit on the order's price basis; None when the marketplace states none."""
    total: int | None = None
    delivery: int = 0
    """What the delivery of all its units costs, tax included, where the marketplace states it by line."""
    tax: int | None = None
    """The part of `total` that is tax."""
    tax_rate: str = ""
    """A decimal fraction as text, `"0.2"` for 20 %."""
    promised_on: date | None = None
    brand: str = ""
    category: str = ""
    collections: tuple[str, ...] = ()
    attributes: dict[str, str] = {}
    """What else the marketplace says of the product (`Colour`, `Seller`), to tell groups of buyers apart."""
    acknowledged: int = 0
    dispatched: int = 0
    cancellation_requested: int = 0
    """Units somebody asked to cancel and nobody has answered yet."""
    cancellation_too_late: int = 0
    """Units of the same kind that are dispatched: whoever answers the request decides about money, not about goods."""
    cancelled: int = 0
    cancel_reason: str = ""
    cancelled_by: str = ""
    """Who asked for the cancellation, an `Initiator`, where the marketplace says it."""

    @property
    def open(self) -> int:
        """Units that still wait to be dispatched or cancelled."""
        return max(0, self.quantity - self.cancelled - self.dispatched)

    def price_of(self, units: int) -> int | None:
        """Minor units, tax included, for so many of its units; None when the marketplace states no price.

        A total is exact and a unit price may be a rounding of it: where the two agree within a minor unit for each unit
        it is the units' part of the total, and all units together are the total to the penny.
        """
        whole = None if self.unit_price is None else self.unit_price * self.quantity
        if self.total is not None and self.quantity and (whole is None or abs(whole - self.total) <= self.quantity):
            return share(self.total, [units, self.quantity - units])[0]
        return None if self.unit_price is None else self.unit_price * units


class StatedParcel(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """A parcel as the marketplace shows it, whoever stated it."""

    units: dict[str, int]
    """Line id -> units."""
    parcel_id: str = ""
    """The marketplace's own id of it; empty: parcels are told apart by their numbers."""
    left_at: datetime | None = None
    """None: the marketplace does not say; then it left when that was first seen."""
    carrier: str = ""
    number: str = ""
    url: str = ""


class Order(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """One order of one marketplace connection, as last stated."""

    order_id: str
    """The marketplace's own key, used in its URLs."""
    reference: str
    """What the marketplace calls the order towards the seller."""
    customer_order_number: str
    """What the buyer knows the order by."""
    status: str
    """The vendor's own status code, kept for display."""
    placed_at: datetime
    currency: str
    price_basis: PriceBasis
    lines: tuple[OrderLine, ...]
    shipping_address: Address = Address()
    billing_address: Address | None = None
    buyer_email: str = ""
    buyer_email_is_relay: bool = False
    """The address identifies the order, not a person: never mailable, never merged on."""
    buyer_id: str = ""
    """The marketplace's own number of the buyer: the same person's orders share it, on this marketplace only."""
    buyer_locale: str = ""
    buyer_erased: bool = False
    """The marketplace has blanked its buyer since: the rest of what is here of them is what it stated before."""
    origin_unknown: bool = False
    """The marks of orders that came from a store were wiped off it: unless it is held already, it may be one of
    those."""
    parcels: tuple[StatedParcel, ...] = ()
    """In the order in which they left, where the marketplace shows them."""
    consent: Consent | None = None
    """What was stated with this order; None: nothing."""
    shipping_price: int | None = None
    shipping_tax: int | None = None
    total: int | None = None
    tax: int | None = None
    paid: int | None = None
    """What the buyer paid for the whole purchase, delivery included, whatever was cancelled of it since; None: the
    marketplace does not say."""
    is_test: bool = False
    awaiting_release: bool = False
    """The marketplace still waits for our acceptance or the buyer's money: nothing may be shipped yet, and there may be
    no address yet."""
    on_hold: bool = False
    """Nobody knows what the marketplace means by its state: it is `awaiting_release`, and not to be accepted either."""
    acknowledge_by: datetime | None = None
    dispatch_by: datetime | None = None
    to_come: int = 0
    """Minor units of goods, gross, that the order costs and that no line accounts for yet."""
    warnings: tuple[str, ...] = ()
    """What was odd in the vendor's statement, in words: becomes a work item, never stops the order."""

    incidents: tuple[str, ...] = ()
    """Lines about which the buyer complained at the marketplace, until that is settled there."""

    def open_units(self) -> int:
        return sum(line.open for line in self.lines)

    def has_units(self) -> bool:
        """Whether anything was bought. Lines of quantity 0 alone are what is left of lines that were cancelled before
        they were ever seen: no order (John Lewis' sheet, 4 and 15), and nobody knows of how many units."""
        return any(line.quantity for line in self.lines)

    def line(self, line_id: str) -> OrderLine | None:
        return next((line for line in self.lines if line.line_id == line_id), None)


class ReturnState(StrEnum):
    """How far a return got. `APPROVED` is where the marketplace gives the buyer the money back; where it does not,
    goods that came back are `RECEIVED`, and money is a refund of its own. `CLOSED`: nothing of it is left to do."""

    REQUESTED = "requested"
    AUTHORISED = "authorised"
    DECLINED = "declined"
    RECEIVED = "received"
    APPROVED = "approved"
    CLOSED = "closed"
    REJECTED = "rejected"
    CANCELLED = "cancelled"
    UNKNOWN = "unknown"


class Return(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One return of units of one order line, as the marketplace states it."""

    return_id: str
    order_id: str
    line_id: str
    quantity: int
    state: ReturnState
    status: str
    """The vendor's own status code."""
    requested_at: datetime
    changed_at: datetime
    reason: str = ""
    refund_amount: int | None = None
    """Minor units of the order's currency, gross, on `refund_basis`; None when not stated."""
    refund_basis: PriceBasis = PriceBasis.RETAIL
    whole: str = ""
    """The marketplace's id of the whole return where it has several lines; empty: `return_id` is."""
    compliant: bool | None = None
    """What was stated to the marketplace of the goods that came back; None: nothing yet."""
    initiator: str = "customer"
    """Who asked for it, an `Initiator`; the buyer, where the marketplace knows nobody else who could."""
    formerly: str = ""
    """The id that earlier releases gave it: where it is held under that one, it stays the same return."""

    @property
    def of(self) -> str:
        """The id of the whole return, of which this is one line."""
        return self.whole or self.return_id


class Refund(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Money a marketplace gave back to a buyer for one order line."""

    refund_id: str
    order_id: str
    line_id: str
    quantity: int
    amount: int | None
    """Minor units of the order's currency, gross, without shipping."""
    refunded_at: datetime
    shipping_amount: int = 0
    reason: str = ""
    initiator: str = "unknown"
    basis: PriceBasis = PriceBasis.RETAIL
    formerly: str = ""
    """As of a return."""


class Initiator(StrEnum):
    """Who started a cancellation, a return or a refund."""

    CUSTOMER = "customer"
    SELLER = "seller"
    MARKETPLACE = "marketplace"
    UNKNOWN = "unknown"
