"""The carriers the platform knows, and those of them that John Lewis takes."""

from __future__ import annotations

from typing import Any

APPROVED = {
    "royal-mail": "Royal Mail (Tracked)",
    "royal-mail-untracked": "Royal Mail (Untracked)",
    "dpd": "DPD",
    "dpd-local": "DPD Local",
    "evri": "Evri",
    "yodel": "Yodel",
    "parcelforce": "Parcelforce",
    "dhl-parcel-uk": "DHL Parcel UK",
    "ups": "UPS",
    "fedex": "FedEx",
    "dx-freight": "DX Freight (Tracked)",
    "dx-express": "DX Express",
    "arrowxl": "ArrowXL",
    "apc-overnight": "APC Overnight",
    "tuffnells": "Tuffnells",
    "whistl": "Whistl",
    "amazon-shipping": "Amazon Shipping",
    "kinetics": "Kinetics (Untracked)",
    "own-fleet": "Own Fleet (Untracked)",
}

ELSEWHERE = {
    "2go": "2GO",
    "4px": "4PX",
    "australia-post": "Australia Post",
    "colissimo": "Colissimo",
    "gls": "GLS",
    "hermes-de": "Hermes Germany",
    "usps": "USPS",
}
"""Known to the platform for retailers in other countries, and refused by John Lewis."""


def listing() -> list[dict[str, Any]]:
    """Every carrier of the platform, as the carriers call answers."""
    everyone = sorted({**APPROVED, **ELSEWHERE}.items())
    return [{"id": 20 + 4 * place, "slug": slug, "name": name} for place, (slug, name) in enumerate(everyone)]


def slug_of(value: str, approved: list[str]) -> str | None:
    """The approved carrier that a seller means by this slug or exact display name, or None."""
    if value in approved:
        return value
    return next((slug for slug in approved if APPROVED.get(slug, ELSEWHERE.get(slug)) == value), None)
