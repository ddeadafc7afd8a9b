"""Tables of what was sold, settled, received and concluded. Money is integer minor units; days are local days of the
connection's time zone, because that is what due dates are counted in."""

from __future__ import annotations

from sqlalchemy import (
    ARRAY,
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    Date,
    DateTime,
    ForeignKey,
    Identity,
    Index,
    Integer,
    LargeBinary,
    Table,
    Text,
    UniqueConstraint,
    text,
)
from sqlalchemy.dialects.postgresql import JSONB

from marketplace_sync.ledger.tables import metadata


def _text(name: str) -> Column[str]:
    """Text that is empty, never null, where nothing was stated."""
    return Column(name, Text, nullable=False, server_default="")


def _time(name: str) -> Column[object]:
    return Column(name, DateTime(timezone=True), nullable=False)


_SOURCE = "source IN ('marketplace','store','file')"

settlement_files = Table(
    "settlement_files",
    metadata,
    Column("file_id", BigInteger, Identity(), primary_key=True),
    Column("connection", Text, nullable=False),
    Column("kind", Text, nullable=False),
    Column("content_hash", LargeBinary, nullable=False),
    _text("name"),
    # The file as it came, compressed with zlib.
    Column("content", LargeBinary, nullable=False),
    Column("size", BigInteger, nullable=False),
    Column("row_count", BigInteger, nullable=False),
    Column("rejected", JSONB, nullable=False),
    Column("totals", JSONB, nullable=False),
    _time("imported_at"),
    # What the file states of its own totals, with what was taken of its rows.
    Column("controls", JSONB, nullable=False, server_default=text("'[]'::jsonb")),
    UniqueConstraint("connection", "kind", "content_hash"),
    CheckConstraint("kind IN ('store_orders','settlement','bank_receipts')", name="kind"),
)

settlement_lines = Table(
    "settlement_lines",
    metadata,
    Column("connection", Text, primary_key=True),
    Column("line_id", Text, primary_key=True),
    _text("type"),
    Column("amount", BigInteger, nullable=False),
    _text("currency"),
    _text("channel"),
    _text("order_id"),
    _text("order_line_id"),
    _text("refund_id"),
    _text("document"),
    Column("document_created_on", Date),
    _text("payment_state"),
    Column("created_on", Date),
    # As it was written, with its time of day.
    _text("date_created"),
    _text("description"),
    Column("file_id", BigInteger, ForeignKey(settlement_files.c.file_id)),
    _time("seen_at"),
    _time("changed_at"),
    Index("ix_settlement_lines_document", "connection", "document"),
    Index("ix_settlement_lines_order", "connection", "order_id"),
    Index("ix_settlement_lines_changed", "connection", "changed_at"),
)

settlement_goods = Table(
    "settlement_goods",
    metadata,
    # What a line says instead of an order: a product and units of it, or what the buyer calls the order.
    Column("connection", Text, primary_key=True),
    Column("line_id", Text, primary_key=True),
    _text("ean"),
    _text("stock_number"),
    Column("sold", BigInteger, nullable=False),
    Column("returned", BigInteger, nullable=False),
    # Whether the line's amount is without the tax that order lines include.
    Column("net_of_tax", Boolean, nullable=False),
    _text("customer_order_number"),
)

settlement_documents = Table(
    "settlement_documents",
    metadata,
    # What the marketplace itself says of a payout, beside what its lines add up to.
    Column("connection", Text, primary_key=True),
    Column("document", Text, primary_key=True),
    Column("currency", Text, primary_key=True),
    Column("transferred", BigInteger),
    _text("state"),
    _text("reference"),
    Column("created_on", Date),
    Column("detail", JSONB, nullable=False),
    _time("changed_at"),
)

bank_receipts = Table(
    "bank_receipts",
    metadata,
    Column("connection", Text, primary_key=True),
    # The same row in two files is one receipt; two receipts may bear one reference.
    Column("digest", LargeBinary, primary_key=True),
    Column("bank_ref", Text, nullable=False),
    Column("amount", BigInteger, nullable=False),
    Column("currency", Text, nullable=False),
    Column("received_on", Date),
    Column("documents", ARRAY(Text), nullable=False),
    Column("file_id", BigInteger, ForeignKey(settlement_files.c.file_id)),
    _time("seen_at"),
)

sold_orders = Table(
    "sold_orders",
    metadata,
    Column("connection", Text, primary_key=True),
    # Who says so: the marketplace's feed, the connected store, or an imported store record.
    Column("source", Text, primary_key=True),
    Column("order_id", Text, primary_key=True),
    _text("commercial_id"),
    _text("currency"),
    Column("cancelled", Boolean, nullable=False),
    Column("placed_on", Date),
    Column("shipped_on", Date),
    # Which version of the statement this was read from.
    _text("stated"),
    _time("changed_at"),
    CheckConstraint(_SOURCE, name="source"),
    Index("ix_sold_orders_changed", "connection", "changed_at"),
)

sold_lines = Table(
    "sold_lines",
    metadata,
    Column("connection", Text, primary_key=True),
    Column("source", Text, primary_key=True),
    Column("order_id", Text, primary_key=True),
    Column("line_no", Integer, primary_key=True),
    _text("line_id"),
    _text("sku"),
    Column("categories", ARRAY(Text), nullable=False),
    Column("quantity", Integer, nullable=False),
    Column("price", BigInteger, nullable=False),
    Column("shipping", BigInteger, nullable=False),
    Column("tax", BigInteger),
    Column("fees", BigInteger, nullable=False),
    Column("base_price", BigInteger),
    Column("base_shipping", BigInteger),
    Column("other_prices", ARRAY(BigInteger), nullable=False),
    Column("own_commission", BigInteger),
    Column("shipped_on", Date),
    Column("cancelled", Boolean, nullable=False),
    # What the marketplace calls the invoice that settles it, separated by blanks; empty where it settles order lines.
    _text("invoice"),
)

sold_refunds = Table(
    "sold_refunds",
    metadata,
    Column("connection", Text, primary_key=True),
    Column("source", Text, primary_key=True),
    Column("order_id", Text, primary_key=True),
    Column("refund_no", Integer, primary_key=True),
    _text("refund_id"),
    _text("line_id"),
    Column("refunded_on", Date),
    Column("amount", BigInteger, nullable=False),
    Column("shipping", BigInteger, nullable=False),
    Column("tax", BigInteger),
    Column("quantity", Integer),
    _text("reason"),
)

reconciliation_runs = Table(
    "reconciliation_runs",
    metadata,
    Column("run_id", BigInteger, Identity(), primary_key=True),
    Column("connection", Text, nullable=False),
    Column("as_of", Date, nullable=False),
    _time("ran_at"),
    # When the book was read: what changed later is news to the next run.
    _time("read_at"),
    Column("settings_hash", LargeBinary, nullable=False),
    Column("orders", BigInteger, nullable=False),
    Column("exceptions", BigInteger, nullable=False),
    Column("changes", BigInteger, nullable=False),
    Column("codes", JSONB, nullable=False),
    Index("ix_reconciliation_runs_latest", "connection", "run_id"),
)

reconciliation_results = Table(
    "reconciliation_results",
    metadata,
    # What the last run concluded, per order, line outside orders and document.
    Column("connection", Text, primary_key=True),
    Column("kind", Text, primary_key=True),
    Column("subject", Text, primary_key=True),
    _text("currency"),
    _text("status"),
    _text("codes"),
    Column("expected", BigInteger),
    Column("settled", BigInteger),
    Column("held", BigInteger),
    Column("since_run", BigInteger, nullable=False),
    CheckConstraint("kind IN ('order','line','document')", name="kind"),
    Index("ix_reconciliation_results_awaited", "connection", postgresql_where=text("codes = 'ORDER_AWAITED'")),
)

reconciliation_changes = Table(
    "reconciliation_changes",
    metadata,
    Column("run_id", BigInteger, ForeignKey(reconciliation_runs.c.run_id), primary_key=True),
    Column("kind", Text, primary_key=True),
    Column("subject", Text, primary_key=True),
    # {status, codes, expected, settled, held} in minor units; null: it was not there.
    Column("before", JSONB),
    Column("after", JSONB),
    Column("why", Text, nullable=False),
)

payout_reports = Table(
    "payout_reports",
    metadata,
    # What was reported of one payout, run by run: the earlier ones stay.
    Column("connection", Text, primary_key=True),
    Column("document", Text, primary_key=True),
    Column("run_id", BigInteger, ForeignKey(reconciliation_runs.c.run_id), primary_key=True),
    # Of the report as JSON: the same conclusion is the same report.
    Column("digest", LargeBinary, nullable=False),
    Column("folder", Text, nullable=False),
    Column("figures", JSONB, nullable=False),
    _time("made_at"),
)
