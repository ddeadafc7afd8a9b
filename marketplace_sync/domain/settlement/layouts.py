"""How a file is laid out that is not laid out as ours: declared in the settings, never guessed."""

from __future__ import annotations

import codecs
from enum import StrEnum

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator


class FileKind(StrEnum):
    STORE_ORDERS = "store_orders"
    SETTLEMENT = "settlement"
    BANK_RECEIPTS = "bank_receipts"


REQUIRED: dict[FileKind, tuple[str, ...]] = {
    FileKind.STORE_ORDERS: ("record", "order_id", "currency"),
    FileKind.SETTLEMENT: ("id", "type", "amount", "currency"),
    FileKind.BANK_RECEIPTS: ("bank_ref", "amount", "currency"),
}
OPTIONAL: dict[FileKind, tuple[str, ...]] = {
    FileKind.STORE_ORDERS: (
        "channel",
        "commercial_id",
        "state",
        "shipped_date",
        "order_line_id",
        "sku",
        "quantity",
        "price",
        "shipping_price",
        "tax",
        "refund_id",
        "refund_date",
        "refund_amount",
        "refund_shipping_amount",
        "refund_quantity",
        "refund_reason",
    ),
    FileKind.SETTLEMENT: (
        "channel",
        "order_id",
        "order_line_id",
        "refund_id",
        "accounting_document_number",
        "payment_state",
        "date_created",
        "description",
        "customer_order_number",
        "ean",
        "stock_number",
        "quantity",
        "returned_quantity",
    ),
    FileKind.BANK_RECEIPTS: ("date", "documents"),
}


def columns_of(kind: FileKind) -> tuple[str, ...]:
    return (*REQUIRED[kind], *OPTIONAL[kind])


NEXT = "next"
"""The first number after the marker."""


class ControlTotal(BaseModel):
    """A row in which a file states its own totals, below its rows or above the names of its columns."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    marker: str = Field(min_length=1)
    """How its first cell with anything in it begins, in whatever letters: `Total`."""
    column: str = ""
    """The file's column in which the marker stands, where that is not the first with anything in it."""
    sums: dict[str, str] = {}
    """The file's column that is summed -> the file's column in which the total stands, or `next`: the first number
    after the marker."""
    rows: str = ""
    """Where the number of rows stands, in the same way."""
    by: tuple[str, ...] = ()
    """The file's columns in which the rows that are meant say what this one says, such as the payout's."""


class FileLayout(BaseModel):
    """Where our columns are in somebody else's file, and how it writes numbers and days."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    encoding: str = "utf-8"
    """As Python names encodings: `cp1252`, `utf-16`. A byte order mark is always taken off."""
    separator: str = Field(default=",", min_length=1, max_length=1)
    decimal: str = Field(default=".", min_length=1, max_length=1)
    thousands: str = Field(default="", max_length=1)
    date_format: str | None = None
    """As `strptime` has it: `%d/%m/%Y`; ISO 8601 otherwise."""
    skip_rows: int = Field(default=0, ge=0)
    """Lines above the line with the names of the columns."""
    sheet: str | None = None
    """Of an XLSX file; the first one by default."""
    columns: dict[str, str] = {}
    """Our column -> what the file calls it."""
    constants: dict[str, str] = {}
    """Our column -> what it is in every row of a file that does not have it."""
    values: dict[str, dict[str, str]] = {}
    """Our column -> what the file writes -> what it means: `type: {Sale: ORDER_AMOUNT}`."""
    amounts: dict[str, dict[str, str]] = {}
    """For files with several amounts in a row: kind of row (`*`: any) -> the file's column -> the type of the line that
    its amount becomes. `+TYPE` and `-TYPE` are owed to and taken from the seller however the file signs them, `TYPE` is
    as it is signed, `ONE|OTHER` depends on the sign, `~` before either turns it round, `TYPE & TYPE` are two lines."""
    row_kind: str = ""
    """The file's column that says of what kind a row is."""
    net: str = ""
    """The file's column with what a row comes to: whatever its parts do not explain becomes a line of its own."""
    controls: tuple[ControlTotal, ...] = ()
    """Rows that state totals, to be compared with the others."""
    net_of_tax: bool = False
    """Whether amounts of rows that name goods are without the tax that order lines include."""
    nameless: str = ""
    """What the amounts of a row become that names neither an order nor goods, written as in `amounts`."""
    row_key: tuple[str, ...] = ()
    """The file's columns that make a row unique, where `amounts` are declared; all of them by default."""

    @field_validator("encoding")
    @classmethod
    def _a_known_encoding(cls, value: str) -> str:
        try:
            codecs.lookup(value)
        except LookupError:
            raise ValueError(f"{value!r} is not an encoding; write one like utf-8, cp1252 or utf-16") from None
        return value

    @model_validator(mode="after")
    def _different_marks(self) -> FileLayout:
        if self.decimal == self.thousands:
            raise ValueError(f"{self.decimal!r} cannot be both the decimal mark and the thousands mark")
        return self


class FileLayouts(BaseModel):
    """The layouts of a route's files; ours for what is not declared."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    store_orders: FileLayout = FileLayout()
    settlement: FileLayout = FileLayout()
    bank_receipts: FileLayout = FileLayout()

    @model_validator(mode="after")
    def _known_columns(self) -> FileLayouts:
        for kind in FileKind:
            known = columns_of(kind)
            layout = self.of(kind)
            if layout.amounts and kind is not FileKind.SETTLEMENT:
                raise ValueError(f"{kind}: `amounts` are for files of settlement lines")
            for name in {*layout.columns, *layout.constants, *layout.values} - set(known):
                raise ValueError(f"{kind}: there is no column {name!r}; ours are {', '.join(known)}")
        return self

    def of(self, kind: FileKind) -> FileLayout:
        layout: FileLayout = getattr(self, kind.value)
        return layout
