"""Carriers registered with the operator, and the reasons it lets sellers give."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

CARRIERS: dict[str, tuple[str, str]] = {
    "royal-mail": ("Royal Mail", "https://tracking.example.com/royal-mail/{trackingId}"),
    "dpd": ("DPD UK", "https://tracking.example.com/dpd/{trackingId}"),
    "evri": ("Evri", "https://tracking.example.com/evri/{trackingId}"),
    "parcelforce": ("Parcelforce", "https://tracking.example.com/parcelforce/{trackingId}"),
    "yodel": ("Yodel", "https://tracking.example.com/yodel/{trackingId}"),
}
"""Code to label and template of the tracking address."""

REASONS: tuple[tuple[str, str, str, bool], ...] = (
    ("10", "Out of stock", "CANCELATION", True),
    ("11", "Pricing error", "CANCELATION", True),
    ("12", "Cancelled by the customer", "CANCELATION", True),
    ("20", "Item returned", "REFUND", True),
    ("21", "Item damaged", "REFUND", True),
    ("22", "Goodwill", "REFUND", True),
    ("23", "Decided by the operator", "REFUND", False),
    ("30", "Item not received", "INCIDENT_OPEN", False),
    ("31", "Item not as described", "INCIDENT_OPEN", False),
    ("40", "Solved with the customer", "INCIDENT_CLOSE", True),
    ("41", "Item was resent", "INCIDENT_CLOSE", True),
    ("50", "Question about my order", "ORDER_MESSAGING", True),
    ("RETURN_CHANGED_MIND", "Changed my mind", "RETURN", True),
    ("RETURN_DEFECTIVE_ITEM", "Defective item", "RETURN", True),
    ("RETURN_BROKEN_ITEM", "Broken item", "RETURN", True),
    ("RETURN_OTHER", "Other", "RETURN", True),
    ("RETURN_REJECTION_NOT_ELIGIBLE", "Not eligible", "RETURN_REJECTION", True),
    ("RETURN_REJECTION_NOT_NEEDED", "Not needed", "RETURN_REJECTION", True),
    ("RETURN_REJECTION_WINDOW_CLOSED", "Window closed", "RETURN_REJECTION", True),
    ("RETURN_NON_COMPLIANT_DAMAGED_PRODUCT", "Damaged", "RETURN_NON_COMPLIANT", True),
    ("RETURN_NON_COMPLIANT_OTHER", "Other", "RETURN_NON_COMPLIANT", True),
)
"""Code, label, type, and whether a seller may give it. Each operator has its own. (Mirakl, reasons)"""


def is_reason(code: Any, kind: str) -> bool:
    return any(code == known and kind == its_kind for known, _, its_kind, _ in REASONS)


def tracking_url(tracking: Mapping[str, Any]) -> str | None:
    """Computed for a registered carrier, as sent for others."""
    if (carrier := CARRIERS.get(tracking.get("carrier_code") or "")) is not None:
        return carrier[1].replace("{trackingId}", tracking.get("tracking_number") or "")
    return tracking.get("tracking_url")
