"""The settings of a route, made ready for one currency and one day: limits in minor units, what is overdue."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from fractions import Fraction

from marketplace_sync.domain.settlement.settings import FinanceSettings, whole_minor_units


@dataclass(frozen=True, slots=True)
class Rules:
    settings: FinanceSettings
    as_of: date
    vat: Fraction
    component_tolerance: int
    """Minor units, per order line or refund that a component covers."""
    order_tolerance: int
    commission_on_shipping: bool
    tax_excluded: bool

    @classmethod
    def of(cls, settings: FinanceSettings, currency: str, as_of: date) -> Rules:
        return cls(
            settings=settings,
            as_of=as_of,
            vat=Fraction(settings.commission_vat_rate),
            component_tolerance=whole_minor_units(settings.tolerance_per_component, currency),
            order_tolerance=whole_minor_units(settings.tolerance_per_order, currency),
            commission_on_shipping=settings.commission_on_shipping,
            tax_excluded=settings.tax_mode == "TAX_EXCLUDED",
        )

    def overdue(self, since: date | None) -> bool:
        """More than `settlement_due_days` before the day that is looked at. Nothing without a day is late."""
        return since is not None and (self.as_of - since).days > self.settings.settlement_due_days
