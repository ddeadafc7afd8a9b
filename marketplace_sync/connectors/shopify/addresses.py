"""Turns an address as marketplaces state it into Shopify's: names split, lengths kept, nothing guessed."""

from __future__ import annotations

from typing import Any

from marketplace_sync.connectors.shopify.provinces import province_code
from marketplace_sync.domain.orders import Address

_LONGEST = 255
_NOT_ISO = {"UK": "GB", "EL": "GR"}
"""Country codes in use that are not ISO 3166's."""


def mailing_address(address: Address) -> dict[str, Any]:
    """A MailingAddressInput. Parts that are not there are left out, and so is a province whose code is not known."""
    first_name, last_name = split_name(address.full_name)
    country = address.country.strip().upper()
    country = _NOT_ISO.get(country, country)
    line_1, line_2 = _lines(address.line_1, address.line_2)
    parts = {
        "firstName": first_name,
        "lastName": last_name,
        "company": address.company,
        "address1": line_1,
        "address2": line_2,
        "city": address.city,
        "provinceCode": province_code(country, address.region),
        "countryCode": country if len(country) == 2 and country.isascii() and country.isalpha() else "",
        "zip": address.postal_code,
        "phone": address.phone,
    }
    return {part: value for part, text in parts.items() if (value := _trimmed(text))}


def split_name(full_name: str) -> tuple[str, str]:
    """`"Anna van der Berg"` -> `("Anna", "van der Berg")`: the surname is the last word and small words before it."""
    words = full_name.split()
    if len(words) < 2:
        return "", " ".join(words)
    start = len(words) - 1
    while start > 1 and words[start - 1].islower():
        start -= 1
    return " ".join(words[:start]), " ".join(words[start:])


def _lines(line_1: str, line_2: str) -> tuple[str, str]:
    """Two lines of which the first fits; what does not goes to the front of the second."""
    first = " ".join(line_1.split())
    if len(first) <= _LONGEST:
        return first, line_2
    end = first.rfind(" ", 0, _LONGEST + 1)
    end = end if end > 0 else _LONGEST
    return first[:end], f"{first[end:].strip()}, {line_2}".strip(", ")


def _trimmed(text: str) -> str:
    return " ".join(text.split())[:_LONGEST].strip()
