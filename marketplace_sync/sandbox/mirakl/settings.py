"""What one Mirakl marketplace is like; several accounts with different settings are several operators."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

_CHOICES = {
    "shop_model": ("MARKETPLACE", "DROPSHIP"),
    "order_tax_mode": ("TAX_INCLUDED", "TAX_EXCLUDED"),
    "order_acceptance": ("AUTOMATIC", "NOT_AUTOMATIC"),
    "payment_workflow": (
        "PAY_ON_ACCEPTANCE",
        "PAY_ON_SHIPMENT",
        "PAY_ON_DELIVERY",
        "PAY_ON_DUE_DATE",
        "NO_CUSTOMER_PAYMENT_CONFIRMATION",
    ),
    "email_policy": ("relay", "real", "none"),
}


@dataclass
class MiraklSettings:
    """Periods in seconds of the sandbox's clock; amounts in minor units of `currency`."""

    instance: str = "sandbox"
    api_key: str = "sandbox-mirakl-shop-key"
    shop_id: int = 2001
    shop_name: str = "Hearth & Field"
    shop_model: str = "MARKETPLACE"
    """DROPSHIP: every price is what the operator pays the supplier. (Mirakl, shop models)"""
    currency: str = "GBP"
    country: str = "GBR"
    country_label: str = "United Kingdom"
    timezone: str = "Europe/London"
    order_tax_mode: str = "TAX_INCLUDED"
    tax_rate: str = "20"
    """Per cent; listed on the lines when prices exclude tax."""

    # Call budget
    rate_factor: float = 1.0
    """Multiplies every published interval; 0 for no limit."""
    pages_count: bool = False
    """Whether a further page of a list is one more call of its operation. No source says; where pages are spoken of
    at all they come on top. (Mirakl, call budget)"""
    send_retry_after: bool = True
    update_margin_seconds: float = 60
    """What the server subtracts from `start_update_date`. (Mirakl, OR11)"""

    # Life of an order
    order_acceptance: str = "NOT_AUTOMATIC"
    partial_acceptance: bool = True
    acceptance_seconds: float = 3 * 86_400
    payment_workflow: str = "PAY_ON_ACCEPTANCE"
    automatic_debit: bool = True
    """Whether the charge confirms itself; otherwise somebody acts, or the order dies unpaid."""
    debit_seconds: float = 60
    unpaid_seconds: float = 72 * 3600
    receive_seconds: float = 7 * 86_400
    close_seconds: float = 115 * 86_400
    refund_seconds: float = 60
    """From the refund to its money being on the way."""
    lead_time_days: int = 2
    address_before_acceptance: bool = False
    refund_before_shipping: bool = False
    refusal_zeroes_stock: bool = False
    multi_shipment: bool = False
    mandatory_tracking: bool = True
    registered_carriers_only: bool = False
    returns: bool = True
    return_acceptance: bool = True
    """Whether a return waits for the seller's yes."""
    return_window_days: int = 30
    email_policy: str = "relay"

    # Money
    commission_rates: dict[str, str] = field(default_factory=lambda: {"default": "15"})
    """Per cent by category, `default` for the others."""
    commission_tax_rate: str = "20"
    shipping_price: int = 395
    """Per line."""
    automatic_cycles: bool = True
    cycle_days: float = 10
    pay_out_seconds: float = 0
    """From the end of a cycle to its money being at the bank."""
    subscription_fee: int = 0
    """Per cycle, before tax."""

    # Discrepancies, drawn per order line or per cycle
    wrong_commission_rate: float = 0.0
    missing_sale_rate: float = 0.0
    surprise_fee_rate: float = 0.0
    missing_refund_commission_rate: float = 0.0
    short_payout_rate: float = 0.0

    # Imports and oddities
    import_seconds: float = 5
    extra_field_rate: float = 0.0
    unknown_type_rate: float = 0.0
    """Orders whose payment workflow is one that no list has."""
    held_as: str = "STAGING"
    """The state of an order that the operator holds: enumerations grow without notice (Mirakl, basics)."""

    def __post_init__(self) -> None:
        for name, choices in _CHOICES.items():
            if getattr(self, name) not in choices:
                raise ValueError(f"{name} is one of {', '.join(choices)}, not {getattr(self, name)!r}")
        for each in fields(self):
            value = getattr(self, each.name)
            if each.name.endswith("_rate") and isinstance(value, float) and not 0 <= value <= 1:
                raise ValueError(f"{each.name} is a probability between 0 and 1, not {value!r}")
            if each.name.endswith("_seconds") and value < 0:
                raise ValueError(f"{each.name} is a period from 0 upwards, not {value!r}")
        if "default" not in self.commission_rates:
            raise ValueError("commission_rates needs a rate for 'default'")
        ZoneInfo(self.timezone)

    def commission_rate(self, category: str) -> Decimal:
        """Per cent."""
        return Decimal(self.commission_rates.get(category, self.commission_rates["default"]))

    @classmethod
    def parse(cls, given: Mapping[str, Any]) -> MiraklSettings:
        """Raises ValueError for a setting that does not exist, naming those that do."""
        known = {each.name for each in fields(cls)}
        if unknown := set(given) - known:
            raise ValueError(f"no setting {', '.join(sorted(unknown))}; Mirakl has: {', '.join(sorted(known))}")
        return cls(**given)
