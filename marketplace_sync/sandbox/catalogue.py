"""What the simulated brand sells: the same products known to its store and to its marketplaces."""

from __future__ import annotations

from dataclasses import dataclass

LISTED_AT_JOHN_LEWIS_ONLY = "VASE-TEAL"
"""On sale at John Lewis though the store has never heard of it: what happens when somebody lists by spreadsheet."""


@dataclass(frozen=True)
class Product:
    """One variant. Prices are minor units of GBP; `price` includes VAT, `cost` is what John Lewis pays the supplier."""

    sku: str
    stock_number: str
    """John Lewis' 8-digit part number."""
    barcode: str
    """EAN-13, with a valid check digit."""
    title: str
    brand: str
    category: str
    collection: str
    price: int
    cost: int
    stock: int


_LINES = (
    ("MUG", "Stoneware mug", "Hearth & Field", "Kitchen", "Everyday table", 1400, ("RED", "BLUE", "SAND")),
    ("BOWL", "Serving bowl", "Hearth & Field", "Kitchen", "Everyday table", 3200, ("RED", "BLUE", "SAND")),
    ("PLATE", "Dinner plate", "Hearth & Field", "Kitchen", "Everyday table", 1800, ("RED", "BLUE", "SAND")),
    ("THROW", "Lambswool throw", "North Loom", "Bedroom", "Winter warmth", 8900, ("GREY", "MOSS", "RUST")),
    ("CUSHION", "Linen cushion", "North Loom", "Living room", "Winter warmth", 4500, ("GREY", "MOSS", "RUST")),
    ("LAMP", "Table lamp", "Lumen Works", "Lighting", "Evening light", 12900, ("BRASS", "BLACK")),
    ("CANDLE", "Beeswax candle", "Lumen Works", "Lighting", "Evening light", 2200, ("SMALL", "LARGE")),
    ("BOARD", "Oak chopping board", "Hearth & Field", "Kitchen", "Everyday table", 5600, ("SMALL", "LARGE")),
)


def _ean(first_twelve: int) -> str:
    """The 13 digits with the check digit that scanners and validators expect."""
    digits = [int(digit) for digit in f"{first_twelve:012d}"]
    weighted = sum(digit * (3 if place % 2 else 1) for place, digit in enumerate(digits))
    return f"{first_twelve:012d}{-weighted % 10}"


def products() -> list[Product]:
    """Twenty-one variants, the same in every sandbox."""
    found: list[Product] = []
    for code, title, brand, category, collection, price, variants in _LINES:
        for variant in variants:
            number = len(found) + 1
            found.append(
                Product(
                    sku=f"{code}-{variant}",
                    stock_number=f"{81400000 + number * 137}",
                    barcode=_ean(501234500000 + number * 1013),
                    title=f"{title}, {variant.lower()}",
                    brand=brand,
                    category=category,
                    collection=collection,
                    price=price,
                    cost=price // 2,
                    stock=40 + number * 7,
                )
            )
    return found
