"""Who a buyer is: one person per normalised address, and an order of its own where the address is not a person's."""

from __future__ import annotations

import hashlib

import msgspec

from marketplace_sync.domain.orders import Order


class Identity(msgspec.Struct, frozen=True):
    """`identifiers` is what customer events are sent under. `profile_key` tells whether two orders are one person, and
    not who: it stands in keys, listings and work items."""

    identifiers: dict[str, str]
    profile_key: str


def normalised_email(email: str) -> str:
    """Trimmed and lower-case; empty when it is not an address anybody could have."""
    from email_validator import EmailNotValidError, validate_email

    text = email.strip().lower()
    try:
        validate_email(text, check_deliverability=False, test_environment=True)
    except EmailNotValidError:
        return ""
    return text


def identity(connection: str, order: Order) -> Identity:
    """By e-mail when the order states a real one. When it states none, a relay or nonsense: by the marketplace's own
    number of the buyer, else by the order itself."""
    email = "" if order.buyer_email_is_relay else normalised_email(order.buyer_email)
    if email:
        digest = hashlib.blake2b(email.encode(), digest_size=16).hexdigest()
        return Identity({"email": email}, f"email:{digest}")
    own = f"buyer:{order.buyer_id}" if order.buyer_id else order.customer_order_number or order.order_id
    external_id = f"{connection}:{own}"[:255]
    return Identity({"external_id": external_id}, f"external_id:{external_id}")


def split_name(full_name: str) -> tuple[str, str]:
    """(first names, last name): the last word is the last name; a single word is a first name."""
    words = full_name.split()
    if len(words) < 2:
        return (" ".join(words), "")
    return (" ".join(words[:-1]), words[-1])
