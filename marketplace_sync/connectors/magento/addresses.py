"""Turns an address as marketplaces state it into Magento's: names split, lengths kept, nothing guessed."""

from __future__ import annotations

from typing import Any, Literal

from marketplace_sync.domain.orders import Address

_LONGEST = 255
_LONGEST_NAME = 128
MISSING = "-"
"""Magento insists on fields that marketplaces leave out; nothing is made up for them."""
_NOT_ISO = {"UK": "GB", "EL": "GR"}


def order_address(address: Address, kind: Literal["billing", "shipping"], email: str) -> dict[str, Any]:
    """An order address (Magento, creating an order): first name, last name, town, postcode and telephone must be
    there."""
    first, last = split_name(address.full_name or address.company)
    country = address.country.strip().upper()
    found: dict[str, Any] = {
        "address_type": kind,
        "firstname": first or MISSING,
        "lastname": last or MISSING,
        "street": [line for line in (_short(address.line_1), _short(address.line_2)) if line] or [MISSING],
        "city": _short(address.city) or MISSING,
        "postcode": _short(address.postal_code) or MISSING,
        "country_id": _NOT_ISO.get(country, country),
        "telephone": _short(address.phone) or MISSING,
        "email": email,
    }
    if address.company:
        found["company"] = _short(address.company)
    if address.region:
        found["region"] = _short(address.region)
        if len(address.region) in (2, 3) and address.region.isalpha() and address.region.isupper():
            found["region_code"] = address.region
    return found


def split_name(full_name: str) -> tuple[str, str]:
    """`"Anna van der Berg"` -> `("Anna", "van der Berg")`: the surname is the last word and small words before it."""
    words = full_name.split()
    if len(words) < 2:
        return "", " ".join(words)[:_LONGEST_NAME]
    start = len(words) - 1
    while start > 1 and words[start - 1].islower():
        start -= 1
    return " ".join(words[:start])[:_LONGEST_NAME], " ".join(words[start:])[:_LONGEST_NAME]


def _short(text: str) -> str:
    return " ".join(text.split())[:_LONGEST].strip()
