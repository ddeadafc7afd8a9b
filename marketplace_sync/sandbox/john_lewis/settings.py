"""What can be set about the simulated John Lewis, with the value it has when nobody sets it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from typing import Any

from marketplace_sync.sandbox.john_lewis.carriers import APPROVED

WEEKDAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")


@dataclass
class EdgeSettings:
    """Rates are probabilities from 0 to 1; every oddity is off until it is given a rate."""

    # Access
    username: str = "sandbox-seller"
    password: str = "sandbox-john-lewis"  # noqa: S105 -- the documented login of a simulated account
    retailer_username: str = "sandbox-john-lewis-buying"
    retailer_password: str = "sandbox-partner"  # noqa: S105 -- likewise
    """The retailer's own login, which may also create orders, ask for cancellations and announce returns."""
    basic_allowed: bool = True
    """Whether HTTP Basic still works beside the JWT (it is to be retired)."""
    access_token_seconds: float = 300
    refresh_token_seconds: float = 14_400
    limit: int | None = 250
    """Calls a minute and login, in fixed windows; None for no limit."""
    send_retry_after: bool = False

    # Reading
    default_page_size: int = 10
    page_ceiling: int = 100
    stale_read_seconds: float = 0
    """For how long the list of orders may still show an order as it was before a change."""
    show_cancel_reason: bool = False
    """Adds `items[].cancel_reason_code`, which the documented body does not have."""
    second_retailer: bool = False
    """Whether this login also serves a retailer other than John Lewis."""

    # Workflow
    approved_carriers: list[str] = field(default_factory=lambda: sorted(APPROVED))
    """Slugs that John Lewis accepts of all the carriers the platform knows."""
    partial_seller_cancel: bool = False
    """Whether a seller may cancel part of a line that nobody asked to cancel (whole lines only, says the practice)."""
    dispatches_lost: bool = False
    """A dispatch is answered as if it were done, and the order stays as it was."""
    split_line_reference: str = "same"
    """Line reference of the row split off a line: `same`, or `suffixed` (1, 1/2, 1/3)."""
    fulfilment_route_required: bool = False
    promise_working_days: int = 5
    """From order date to `promised_date`."""
    automatic_cancel_working_days: int | None = None
    """So long after the dispatch deadline John Lewis cancels what has not left; None for never."""

    # Oddities
    null_cost_rate: float = 0.0
    blank_sku_rate: float = 0.0
    blank_customer_order_number_rate: float = 0.0
    missing_email_rate: float = 0.06
    missing_state_rate: float = 0.25
    test_order_rate: float = 0.0
    unknown_status_rate: float = 0.0
    """Orders that arrive as ON_HOLD, a status of no documentation, and become ORDER after `hold_seconds`."""
    hold_seconds: float = 120
    extra_field_rate: float = 0.0
    publishing_rate: float = 0.0
    """How often a product is found publishing when it is changed, which then lasts `publishing_seconds`."""
    publishing_seconds: float = 180
    part_number_change_days: float | None = None
    """Every so many days one product gets a new stock number; None for never."""

    # Feeds outside the supplier API
    consent_feed: bool = True
    consent_rate: float = 0.4
    """How many of the buyers accept marketing."""

    # The SFTP rail
    sftp_folder: str | None = None
    """Where every new order is written as a file too, below `live/incoming`; None for nowhere."""
    sftp_delimiter: str = "|"

    # Settlement
    settlement_feed: bool = True
    settlement_mode: str = "aggregate"
    """What the weekly report states: a day and a product per row (`aggregate`), or an order line (`itemised`)."""
    settlement_week_ends_on: str = "saturday"
    settlement_folder: str | None = None
    """Where the files of each week are written as well as served; None for nowhere."""
    settlement_folder_formats: list[str] = field(default_factory=lambda: ["csv", "xlsx"])
    settlement_branch: str = "0990"
    settlement_branch_name: str = "JLCOM"
    payment_terms_days: int = 60
    """From the end of a week to its payment."""
    commission_rate: float = 0.30
    """Of a line's value with VAT where reports are itemised; what retail prices are above cost where they are not."""
    fee_per_line: int = 0
    """Pence for every order line that leaves."""
    penalty_per_point: int = 500
    """Pence; there is a point for every line that leaves, or is cancelled, too late."""

    def __post_init__(self) -> None:
        if self.split_line_reference not in ("same", "suffixed"):
            raise ValueError(f"split_line_reference is 'same' or 'suffixed', not {self.split_line_reference!r}")
        for name, known in (
            ("settlement_mode", ("aggregate", "itemised")),
            ("settlement_week_ends_on", WEEKDAYS),
        ):
            if getattr(self, name) not in known:
                raise ValueError(f"{name} is one of {', '.join(known)}, not {getattr(self, name)!r}")
        if len(self.sftp_delimiter) != 1 or self.sftp_delimiter.isalnum() or self.sftp_delimiter in " \r\n":
            raise ValueError(f"sftp_delimiter is one character, no letter, digit or blank: {self.sftp_delimiter!r}")
        if unknown := set(self.settlement_folder_formats) - {"csv", "xlsx"}:
            raise ValueError(f"settlement_folder_formats are csv and xlsx, not {', '.join(sorted(unknown))}")
        for each in fields(self):
            value = getattr(self, each.name)
            if each.name.endswith("_rate") and not 0 <= value <= 1:
                raise ValueError(f"{each.name} is a probability between 0 and 1, not {value!r}")

    @classmethod
    def parse(cls, given: Mapping[str, Any]) -> EdgeSettings:
        """Raises ValueError for a setting that does not exist, naming those that do."""
        known = {each.name for each in fields(cls)}
        if unknown := set(given) - known:
            raise ValueError(f"no setting {', '.join(sorted(unknown))}; John Lewis has: {', '.join(sorted(known))}")
        return cls(**given)

    def changed(self, changes: Mapping[str, Any]) -> EdgeSettings:
        """These settings with some replaced. Raises ValueError as `parse` does."""
        return self.parse({**asdict(self), **changes})
