"""Reads one order, whole, as an instance states it: one purchase, however many invoices it is split into."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from urllib.parse import quote

from msgspec.structs import replace

from marketplace_sync.connectors.marketplacer import fields, stated
from marketplace_sync.connectors.marketplacer.reversals import Reversals, Undone, reversals
from marketplace_sync.connectors.marketplacer.settings import MarketplacerSettings
from marketplace_sync.connectors.ports import Malformed
from marketplace_sync.domain.orders import (
    Address,
    Consent,
    Order,
    OrderLine,
    PriceBasis,
    Refund,
    Return,
    StatedParcel,
)

_SHIPPED_TO_NOBODY = {
    "CLICK_AND_COLLECT": "the buyer fetches it: do not ship it, and state its collection at the marketplace",
    "NO_DISPATCH": "it is not shipped to the buyer",
}
_FETCHED = "COLLECTED"


def parse_order(payload: bytes, settings: MarketplacerSettings) -> list[Order | Return | Refund]:
    """The order, then what was given back of it; nothing when it is none of ours. Raises Malformed."""
    said, order = stated.decoded(payload, seller=settings.key_of == "seller")
    if born_elsewhere(order, settings):
        return []
    invoices = ours(order, settings)
    if not invoices:
        return []
    placed_at = fields.moment(order.created_at)
    if placed_at is None:
        raise Malformed(f"createdAt: {order.created_at!r:.40} is no time")
    currency = said.currency() or settings.currency
    if len(currency) != 3 or not currency.isascii() or not currency.isalpha():
        raise Malformed("the instance states no currency: set `currency`")
    found = reversals(order.id, invoices, currency, placed_at, settings.marker_key)
    warnings = list(found.odd)
    tax_inclusive = said.tax_inclusive()
    if tax_inclusive is None:
        tax_inclusive = settings.tax_inclusive
        if tax_inclusive and any(_looks_taxed_on_top(invoice, currency) for invoice in invoices):
            warnings.append("its amounts add up only with tax on top of its lines: set `tax_inclusive: false`")
    lines = [
        _line(line, invoice, found, settings, currency, tax_inclusive, warnings)
        for invoice in invoices
        for line in invoice.line_items
    ]
    if len({line.line_id for line in lines}) < len(lines):
        raise Malformed("lineItems: an id comes twice")
    whole = len(invoices) == len(stated.invoices_of(order))
    to_come = _to_come(order, invoices, currency) if whole else 0
    # what the buyer is charged stays as it was, whatever is cancelled of it or still to come (sheet, 3 and 10)
    paid = _sum(order, invoices, "total", currency, whole)
    whole = whole and not to_come
    purged = order.purged_at is not None
    if purged:
        warnings.append("the operator has purged the buyer's data, so it goes without a person")
    email = "" if purged else _email(order, invoices)
    shipping = _sum(order, invoices, "shipping_cost", currency, whole)
    number = fields.text(order.legacy_id)
    return [
        Order(
            order_id=order.id,
            reference=number or order.id,
            customer_order_number=number or order.id,
            status=_status(invoices) or fields.text(order.status),
            placed_at=placed_at,
            currency=currency,
            price_basis=PriceBasis.RETAIL,
            lines=tuple(lines),
            shipping_address=_address(
                next((one.shipping_address for one in invoices if one.shipping_address), None) or order.address, order
            ),
            billing_address=_address(order.billing_address, order) if order.billing_address else None,
            buyer_email=email,
            origin_unknown=_is_of_unknown_origin(order, settings),
            shipping_price=shipping,
            total=_sum(order, invoices, "total", currency, whole),
            tax=_sum(order, invoices, "tax_total", currency, whole),
            paid=paid,
            parcels=_parcels(invoices, said.carriers),
            consent=None if purged else _consent(said, order, settings, placed_at),
            to_come=to_come,
            warnings=tuple(warnings),
        ),
        *found.returned,
    ]


def ours(order: stated.Order, settings: MarketplacerSettings) -> list[stated.Invoice]:
    """The invoices that count: of the sellers named in the settings, or all. Raises Malformed."""
    invoices = stated.invoices_of(order)
    if not settings.sellers:
        return invoices
    return [
        one
        for one in invoices
        if one.seller
        and {fields.text(one.seller.id), fields.text(one.seller.legacy_id), fields.text(one.seller.business_name)}
        & set(settings.sellers)
    ]


def born_elsewhere(order: stated.Order, settings: MarketplacerSettings) -> bool:
    """Pushed into Marketplacer by a shop that has it already (sheet, 0 and 11: loop guard)."""
    keys = {key.lower() for key in settings.skip_external_id_keys}
    return any(fields.text(pair.key).lower() in keys for pair in order.external_ids or ())


def _is_of_unknown_origin(order: stated.Order, settings: MarketplacerSettings) -> bool:
    """Whether a purge has cleared what `born_elsewhere` looks at (sheet, 7: purgeExternalIds)."""
    return bool(settings.skip_external_id_keys) and order.purged_at is not None and order.external_ids == []


def _sum(order: stated.Order, invoices: Sequence[stated.Invoice], name: str, currency: str, whole: bool) -> int | None:
    """The order's own amount, or where only some of its invoices count, theirs."""
    parts = [order] if whole else invoices
    amounts = [
        fields.cents(getattr(part, f"{name}_cents"), getattr(part, f"{name}_formatted"), currency, name)
        for part in parts
    ]
    return None if None in amounts else sum(amount for amount in amounts if amount)


def _to_come(order: stated.Order, invoices: Sequence[stated.Invoice], currency: str) -> int:
    """What the order's goods cost beyond those of its invoices: others are still to follow."""
    left = 0
    for name, sign in (("total", 1), ("shipping_cost", -1)):
        all_of_it = _sum(order, invoices, name, currency, True)
        parts = _sum(order, invoices, name, currency, False)
        if all_of_it is None or parts is None:
            return 0
        left += sign * (all_of_it - parts)
    return max(0, left)


def _looks_taxed_on_top(invoice: stated.Invoice, currency: str) -> bool:
    """Whether its total is that of its lines and delivery with the tax, and not without it. Raises Malformed."""

    def cents(part: stated.Invoice | stated.Line, name: str) -> int:
        return fields.cents(getattr(part, f"{name}_cents"), getattr(part, f"{name}_formatted"), currency, name) or 0

    goods = sum(cents(line, "subtotal") - abs(cents(line, "discount")) for line in invoice.line_items)
    tax = cents(invoice, "tax_total")
    return tax > 0 and cents(invoice, "total") == goods + cents(invoice, "shipping_cost") + tax


def _status(invoices: Sequence[stated.Invoice]) -> str:
    flags = dict.fromkeys(fields.text(flag) for invoice in invoices for flag in invoice.status_flags or ())
    return " ".join(flags)


def _email(order: stated.Order, invoices: Sequence[stated.Invoice]) -> str:
    candidates = [order.email_address, order.billing_email_address, *(one.buyer_email_address for one in invoices)]
    return next((found for each in candidates if (found := fields.text(each))), "")


def _consent(
    said: stated.Stated, order: stated.Order, settings: MarketplacerSettings, placed_at: datetime
) -> Consent | None:
    """What the shop stamped on the order, else an opt-in of the address near its time, else one from before; nothing
    else is consent (sheet, 10)."""
    for pair in order.metadata or ():
        if fields.text(pair.key).lower() == settings.consent_key.lower():
            word = fields.text(pair.value).lower()
            if word in ("true", "false"):
                return Consent(given=word == "true", stated_at=placed_at, source=f"order metadata {pair.key}")
    opt_ins = [(at, one) for one in said.opt_ins if (at := fields.moment(one.subscribed_at)) is not None]
    near = [each for each in opt_ins if abs(each[0] - placed_at) <= settings.opt_in_window]
    older = [each for each in opt_ins if each[0] < placed_at]
    for at, one in near or older[-1:]:
        kind = "opt-in" if near else "older opt-in"
        return Consent(given=True, stated_at=at, source=f"{kind}: {fields.text(one.source_type) or 'unnamed'}")
    return None


def _line(
    line: stated.Line,
    invoice: stated.Invoice,
    found: Reversals,
    settings: MarketplacerSettings,
    currency: str,
    tax_inclusive: bool,
    warnings: list[str],
) -> OrderLine:
    where = f"line {line.id}"
    quantity = fields.units(line.quantity, f"{where} quantity")
    subtotal = fields.cents(line.subtotal_cents, line.subtotal_formatted, currency, f"{where} subtotal")
    discount = fields.cents(line.discount_cents, line.discount_formatted, currency, f"{where} discount") or 0
    tax = fields.cents(line.tax_total_cents, line.tax_total_formatted, currency, f"{where} taxTotal")
    total = None if subtotal is None else subtotal - abs(discount)
    if total is not None and not tax_inclusive:
        total += tax or 0
    undone = found.undone.get(line.id, Undone())
    fetched = _FETCHED in {fields.text(flag) for flag in invoice.status_flags or ()}
    # who fetches an order takes all that was not cancelled of it, and there is no parcel (sheet, 4: COLLECTED)
    dispatched = min(max(_shipped(line, invoice), (quantity - undone.cancelled) * fetched), quantity)
    cancelled = min(undone.cancelled, quantity - dispatched)
    if undone.cancelled > cancelled:
        warnings.append(f"line {line.id} has more units cancelled and dispatched than ordered")
    if undone.crossed:
        warnings.append(f"{undone.crossed} of line {line.id} were cancelled and refunded although they had left")
    asked = min(undone.requested, quantity - dispatched - cancelled)
    if what := _SHIPPED_TO_NOBODY.get(fields.text(invoice.delivery_type)):
        what = "the buyer has it: a store that has the order is told by hand that it left" if fetched else what
        warnings.append(f"line {line.id} is {invoice.delivery_type}: {what}")
    advert = _advert(line)
    title = " ".join(word for word in (fields.text(line.advert_title), fields.text(line.variant_name)) if word)
    category = fields.text(advert.taxon_nullable.tree_name) if advert and advert.taxon_nullable else ""
    return OrderLine(
        line_id=line.id,
        quantity=quantity,
        sku=fields.text(line.variant_sku),
        stock_number=fields.text(line.variant_id) or fields.text(line.advert_id),
        barcode=fields.text(line.variant_barcode),
        title=title,
        unit_price=None if total is None or not quantity else _each(total, quantity),
        total=total,
        tax=tax,
        tax_rate=fields.rate(line.tax_rate),
        brand=fields.text(line.brand_name),
        category=category,
        collections=_collections(advert, settings),
        attributes=_attributes(advert, invoice, settings),
        dispatched=dispatched,
        cancellation_requested=asked,
        cancellation_too_late=min(undone.requested - asked, dispatched),
        cancelled=cancelled,
        cancel_reason=undone.reason,
        cancelled_by=undone.initiator.value if undone.cancelled or undone.requested else "",
    )


def _each(total: int, quantity: int) -> int:
    """One unit's share of the line, half away from zero: discounts do not always divide."""
    return (2 * total + quantity) // (2 * quantity)


def _shipped(line: stated.Line, invoice: stated.Invoice) -> int:
    """Units of a line that left; a parcel that names no items is the whole invoice."""
    found = 0
    for shipment in invoice.shipments:
        if shipment.shipped_items is None:
            return fields.units(line.quantity, f"line {line.id} quantity")
        for item in shipment.shipped_items:
            if item.line_item is not None and item.line_item.id == line.id:
                found += fields.units(item.quantity, f"shipment {shipment.id} quantity")
    return found


def _parcels(invoices: Sequence[stated.Invoice], bases: Mapping[str, str]) -> tuple[StatedParcel, ...]:
    """Blank numbers are no numbers (sheet, 3). A link that is not stated is made of the carrier's base address and the
    number (sheet, 10)."""
    shipments = [(shipment, invoice) for invoice in invoices for shipment in invoice.shipments]
    shipments.sort(key=lambda each: str(each[0].created_at or each[0].dispatched_at))
    return tuple(
        StatedParcel(
            units={
                item.line_item.id: fields.units(item.quantity, f"shipment {shipment.id} quantity")
                for item in shipment.shipped_items or ()
                if item.line_item is not None
            }
            if shipment.shipped_items is not None
            else {line.id: fields.units(line.quantity, f"line {line.id} quantity") for line in invoice.line_items},
            parcel_id=shipment.id,
            left_at=fields.moment(shipment.created_at) or fields.moment(shipment.dispatched_at),
            carrier=fields.text(shipment.carrier),
            number=fields.text(shipment.tracking_number),
            url=_link(shipment, bases),
        )
        for shipment, invoice in shipments
    )


def _link(shipment: stated.Shipment, bases: Mapping[str, str]) -> str:
    stated_link, number = fields.text(shipment.tracking_link), fields.text(shipment.tracking_number)
    base = bases.get(fields.text(shipment.carrier), "")
    return stated_link or (f"{base}{quote(number)}" if base and number else "")


def _advert(line: stated.Line) -> stated.Advert | None:
    """The product as it is now; a deleted one says nothing any more."""
    advert = line.variant.advert if line.variant else None
    return advert.details if advert is not None and advert.details is not None else advert


def _options(advert: stated.Advert | None) -> list[tuple[str, str]]:
    found = []
    for one in (advert.advert_option_values.nodes if advert and advert.advert_option_values else None) or ():
        if one is None or one.option_type is None:
            continue
        value = fields.text(one.option_value.name) if one.option_value else fields.text(one.text_value)
        if value:
            found.append((fields.text(one.option_type.name), value))
    return found


def _collections(advert: stated.Advert | None, settings: MarketplacerSettings) -> tuple[str, ...]:
    """Marketplacer has no collections: further categories, else an option or metadata that names one (sheet, 10)."""
    if advert is None:
        return ()
    taxons = advert.secondary_taxons.nodes if advert.secondary_taxons else None
    named = [fields.text(taxon.tree_name) for taxon in taxons or () if taxon is not None]
    wanted = settings.collection_option.lower()
    named = named or [value for name, value in _options(advert) if name.lower() == wanted]
    named = named or [
        fields.text(pair.value) for pair in advert.metadata or () if fields.text(pair.key).lower() == wanted
    ]
    return tuple(dict.fromkeys(name for name in named if name))


def _attributes(
    advert: stated.Advert | None, invoice: stated.Invoice, settings: MarketplacerSettings
) -> dict[str, str]:
    found = dict(_options(advert))
    found.pop(settings.collection_option, None)
    seller = fields.text(invoice.seller.business_name) if invoice.seller else ""
    return {**found, **({"Seller": seller} if seller else {})}


def _address(address: stated.Address | None, order: stated.Order) -> Address:
    name = " ".join(part for part in (fields.text(order.first_name), fields.text(order.surname)) if part)
    here = Address(
        full_name=name,
        company=fields.text(order.company_name),
        phone=fields.text(order.phone),
    )
    if address is None:
        return here
    return replace(
        here,
        line_1=fields.text(address.address),
        line_2=fields.text(address.subaddress),
        city=fields.text(address.city),
        region=fields.text(address.state.short) if address.state else "",
        postal_code=fields.text(address.postcode),
        country=fields.text(address.country.code).upper() if address.country else "",
    )
