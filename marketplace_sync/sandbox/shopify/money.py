"""Money as the shop keeps it (integer minor units) and as the API writes it (decimal strings in money bags)."""

from __future__ import annotations

from decimal import ROUND_HALF_UP, Decimal
from typing import Any

# Currencies with no or three decimals; every other one has two (ISO 4217).
_NO_DECIMALS = "BIF CLP DJF GNF ISK JPY KMF KRW PYG RWF UGX VND VUV XAF XOF XPF"
_THREE_DECIMALS = "BHD IQD JOD KWD LYD OMR TND"
_DECIMALS = {**dict.fromkeys(_NO_DECIMALS.split(), 0), **dict.fromkeys(_THREE_DECIMALS.split(), 3)}


def minor(amount: Decimal, currency: str) -> int:
    """Minor units of an amount, rounded half up where the caller sent more decimals than the currency has."""
    return int((amount * 10 ** _DECIMALS.get(currency, 2)).quantize(Decimal(1), ROUND_HALF_UP))


def plain(units: int, currency: str) -> str:
    """The amount as REST bodies and the `Money` scalar write it, e.g. "12.00"."""
    places = _DECIMALS.get(currency, 2)
    if places == 0:
        return str(units)
    sign, digits = ("-" if units < 0 else ""), f"{abs(units):0{places + 1}d}"
    return f"{sign}{digits[:-places]}.{digits[-places:]}"


def decimal(units: int, currency: str) -> str:
    """The amount as the `Decimal` scalar of a money bag writes it: no trailing zeros but one, e.g. "12.0" or "9.99"."""
    text = plain(units, currency)
    if "." not in text:
        return f"{text}.0"
    whole, _, fraction = text.partition(".")
    return f"{whole}.{fraction.rstrip('0') or '0'}"


def money(units: int, currency: str) -> dict[str, Any]:
    """A `MoneyV2`."""
    return {"amount": decimal(units, currency), "currencyCode": currency}


def bag(units: int, currency: str) -> dict[str, Any]:
    """A `MoneyBag`. The simulated shop sells in one currency at a time, so both sides are the same."""
    both = money(units, currency)
    return {"shopMoney": both, "presentmentMoney": both}


def rest_bag(units: int, currency: str) -> dict[str, Any]:
    """A money bag as webhook bodies write it."""
    both = {"amount": plain(units, currency), "currency_code": currency}
    return {"shop_money": both, "presentment_money": both}


def share(total: int, before: int, taken: int, of: int) -> int:
    """The part of `total` that falls on `taken` of `of` units after `before` units: the parts add up to the total."""

    def up_to(count: int) -> int:
        return (2 * total * count + of) // (2 * of)

    return up_to(before + taken) - up_to(before)
