"""Buyers whom a marketplace has blanked since: what was known of them is not overwritten with nothing."""

from __future__ import annotations

from msgspec.structs import replace

from marketplace_sync.domain.orders import Address, Order


def with_known_buyer(before: Order, after: Order) -> Order:
    """`after`, with what `before` knew of the buyer where it states none of it any more (Mirakl, buyer identity).

    An address that is merely not shown any more comes with its buyer's name; where both are gone the buyer was erased.
    """
    known, stated = before.shipping_address, after.shipping_address
    is_gone = _leads_somewhere(known) and not _leads_somewhere(stated)
    billing = after.billing_address
    if before.billing_address is not None and (billing is None or not _leads_somewhere(billing)):
        billing = before.billing_address
    return replace(
        after,
        shipping_address=known if is_gone or stated == Address() else stated,
        billing_address=billing,
        buyer_email=after.buyer_email or before.buyer_email,
        buyer_email_is_relay=after.buyer_email_is_relay if after.buyer_email else before.buyer_email_is_relay,
        buyer_id=after.buyer_id or before.buyer_id,
        buyer_erased=before.buyer_erased or (is_gone and stated.full_name != known.full_name),
    )


def _leads_somewhere(address: Address) -> bool:
    return any(part.strip() for part in (address.line_1, address.city, address.postal_code))
