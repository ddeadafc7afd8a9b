"""Money as integer minor units and an ISO 4217 code: parsed and printed exactly, never a float."""

from __future__ import annotations

from decimal import ROUND_HALF_UP, Decimal, InvalidOperation

# Currencies whose minor unit is not a hundredth (ISO 4217).
_EXPONENTS = {
    **dict.fromkeys(("BIF", "CLP", "DJF", "GNF", "ISK", "JPY", "KMF", "KRW", "PYG", "RWF", "UGX", "VND", "VUV"), 0),
    **dict.fromkeys(("XAF", "XOF", "XPF"), 0),
    **dict.fromkeys(("BHD", "IQD", "JOD", "KWD", "LYD", "OMR", "TND"), 3),
}
_LARGEST = 10**15
"""More minor units than any order holds: a larger number is a malformed answer, not money."""


class NotMoney(ValueError):
    """A vendor stated an amount that is not one."""


def exponent(currency: str) -> int:
    """Decimal digits of the currency's minor unit: 2 for GBP, 0 for JPY."""
    return _EXPONENTS.get(currency, 2)


def minor_units(amount: str | int | Decimal, currency: str) -> int:
    """`"12.00", "GBP"` -> 1200. Half a minor unit rounds away from zero. Raises NotMoney; floats are refused."""
    if isinstance(amount, float):
        raise NotMoney(f"{amount!r} is a float: amounts are decimal text or integers")
    if isinstance(amount, str) and amount[-3:-2] == "." and len(amount) < 16 and exponent(currency) == 2:
        digits = amount[:-3] + amount[-2:]
        if digits.isdecimal() and digits.isascii():  # what nearly every amount looks like, without a Decimal
            return int(digits)
    try:
        value = Decimal(amount.strip()) if isinstance(amount, str) else Decimal(amount)
    except InvalidOperation:
        raise NotMoney(f"{str(amount)[:40]!r} is not an amount") from None
    if not value.is_finite() or abs(value) > _LARGEST:
        raise NotMoney(f"{str(amount)[:40]!r} is not an amount that an order can have")
    return int(value.scaleb(exponent(currency)).quantize(Decimal(1), rounding=ROUND_HALF_UP))


def decimal_text(minor: int, currency: str) -> str:
    """`1200, "GBP"` -> `"12.00"`."""
    digits = exponent(currency)
    if digits == 0:
        return str(minor)
    sign, value = ("-", -minor) if minor < 0 else ("", minor)
    return f"{sign}{value // 10**digits}.{value % 10**digits:0{digits}d}"


def json_number(minor: int, currency: str) -> int | float:
    """The amount as the JSON number some vendors insist on; for the wire only, never calculated with."""
    digits = exponent(currency)
    return minor if digits == 0 else float(Decimal(minor).scaleb(-digits))


def share(total: int, weights: list[int]) -> list[int]:
    """Split `total` in proportion to `weights` so that the parts add up exactly (largest remainders first)."""
    whole = sum(weights)
    if not weights:
        return []
    if whole == 0:
        parts = [total // len(weights)] * len(weights)
        parts[0] += total - sum(parts)
        return parts
    parts = [total * weight // whole for weight in weights]
    remainders = sorted(range(len(weights)), key=lambda i: (-(total * weights[i] % whole), i))
    for index in remainders[: total - sum(parts)]:
        parts[index] += 1
    return parts
