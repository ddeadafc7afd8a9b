"""The `finance:` settings of a route: tolerances, delays, commission rates with validity dates, exchange rate."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from decimal import Decimal
from fractions import Fraction
from typing import Annotated, Any, Literal

from pydantic import AliasChoices, BaseModel, BeforeValidator, ConfigDict, Field, model_validator

from marketplace_sync.domain.money import exponent
from marketplace_sync.domain.settlement.layouts import FileLayouts


def _exact(value: Any) -> Any:
    """A YAML number is a float: what was written is what counts, `0.01` and not its binary neighbour."""
    return Decimal(repr(value)) if isinstance(value, float) else value


Number = Annotated[Decimal, BeforeValidator(_exact), Field(allow_inf_nan=False)]
Amount = Annotated[Number, Field(ge=0)]


class DatedRate(BaseModel):
    """A commission rate as a fraction of the base, valid for orders placed `from` … `until`, both days included."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    rate: Annotated[Number, Field(ge=0)]
    valid_from: date | None = Field(default=None, validation_alias=AliasChoices("from", "valid_from"))
    valid_until: date | None = Field(
        default=None, validation_alias=AliasChoices("until", "to", "valid_until", "valid_to")
    )

    @model_validator(mode="after")
    def _a_fraction(self) -> DatedRate:
        if self.rate >= 1:
            raise ValueError(f"{self.rate} is not a commission rate; write 0.15 for 15 %")
        if self.valid_from and self.valid_until and self.valid_from > self.valid_until:
            raise ValueError(f"from {self.valid_from} is after until {self.valid_until}")
        return self

    def holds_on(self, day: date) -> bool:
        return (self.valid_from is None or self.valid_from <= day) and (
            self.valid_until is None or day <= self.valid_until
        )


def _dated(value: Any) -> Any:
    """`0.15` · `{rate: 0.15, from: …}` · a list of those."""
    if value is None:
        return ()
    entries = value if isinstance(value, list | tuple) else [value]
    return tuple(entry if isinstance(entry, dict | DatedRate) else {"rate": entry} for entry in entries)


def _text_keys(value: Any) -> Any:
    """YAML reads a SKU of digits as a number."""
    return {str(key): entry for key, entry in value.items()} if isinstance(value, dict) else value


DatedRates = Annotated[tuple[DatedRate, ...], BeforeValidator(_dated)]
RatesByKey = Annotated[dict[str, DatedRates], BeforeValidator(_text_keys)]


class CommissionRates(BaseModel):
    """What was agreed: SKU before category before default. Of several rates that hold on a day the one that began
    last wins."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    default: DatedRates = ()
    categories: RatesByKey = {}
    skus: RatesByKey = {}

    def rate(self, sku: str, categories: Sequence[str], day: date) -> Fraction | None:
        """The agreed rate for a line sold on `day`; None when nothing was agreed for it."""
        levels = (self.skus.get(sku, ()), *(self.categories.get(name, ()) for name in categories), self.default)
        for entries in levels:
            found = [entry for entry in entries if entry.holds_on(day)]
            if found:
                return Fraction(max(found, key=lambda entry: entry.valid_from or date.min).rate)
        return None


class JournalAccounts(BaseModel):
    """Account codes (or names) of the accounting package, by what is booked there."""

    model_config = ConfigDict(extra="forbid", frozen=True, coerce_numbers_to_str=True)

    sales: str = "200"
    shipping: str = "201"
    tax: str = "820"
    refunds: str = "202"
    commission: str = "310"
    commission_vat: str = "821"
    fees: str = "311"
    subscription: str = "312"
    reserve: str = "611"
    manual: str = "313"
    unknown: str = "899"
    bank: str = "090"
    """Where the payout arrives, or is on its way."""
    marketplace: str = "610"
    """What the marketplace owes, or is owed: the balance that is carried forward."""


class JournalSettings(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    layout: Literal["xero", "quickbooks", "sage"] = "xero"
    accounts: JournalAccounts = JournalAccounts()
    tax_rate: str = "No VAT"
    """What the package calls the tax rate of journal lines: tax is booked on lines of its own."""
    wait_for_exceptions: bool = True
    """Whether Dagster makes a payout's journal only once nothing in it needs a person any more."""


class FinanceSettings(BaseModel):
    """How a route's payouts are judged. Amounts in major units of the order's currency."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    settlement: Literal["api", "files"] = "api"
    """Where settlement lines come from: the marketplace's interface where it has one, or imported files only."""
    files: FileLayouts = FileLayouts()
    """How imported files are laid out, where that is not our layout."""
    commission_on_shipping: bool = True
    commission_vat_rate: Annotated[Number, Field(ge=0, lt=1)] = Decimal("0.20")
    commission_rates: CommissionRates = CommissionRates()
    tolerance_per_component: Amount = Decimal("0.01")
    """Per order line or refund that a component covers."""
    tolerance_per_order: Amount = Decimal("0.02")
    document_rounding_limit: Amount = Decimal("0.05")
    settlement_due_days: int = Field(default=30, ge=0)
    reserve_due_days: int = Field(default=90, ge=0)
    tax_mode: Literal["TAX_INCLUDED", "TAX_EXCLUDED"] = "TAX_INCLUDED"
    base_currency: str = Field(default="GBP", pattern="^[A-Z]{3}$")
    """What the bank account is kept in."""
    fx_rate: Annotated[Number, Field(gt=0)] | dict[str, Annotated[Number, Field(gt=0)]] | None = None
    """Document currency × rate = bank currency; one number, or one per document currency."""
    fx_tolerance_pct: Amount = Decimal(0)
    chargeback_reasons: tuple[str, ...] = ("CHARGEBACK",)
    match_rate_wanted: Annotated[Number, Field(ge=0, le=1)] = Decimal("0.95")
    """The share of a payout's orders that are to be no exceptions; below it a check warns."""
    commission_drift_allowed: Amount = Decimal("0.01")
    """By how much a month's effective commission rate may differ from the months before it."""
    journal: JournalSettings = JournalSettings()

    def exchange_rate(self, currency: str) -> Fraction | None:
        """What one unit of `currency` is agreed to be worth in the bank's; None when nothing was agreed."""
        rate = self.fx_rate.get(currency) if isinstance(self.fx_rate, dict) else self.fx_rate
        return None if rate is None else Fraction(rate)


def whole_minor_units(amount: Decimal, currency: str) -> int:
    """A limit in minor units, the fraction cut off: a tolerance of 0.01 is none where there are no hundredths."""
    return int(amount.scaleb(exponent(currency)))
