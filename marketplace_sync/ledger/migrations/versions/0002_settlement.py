"""What was sold, settled, received and concluded"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "reconciliation_results",
        sa.Column("connection", sa.Text(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("subject", sa.Text(), nullable=False),
        sa.Column("currency", sa.Text(), server_default="", nullable=False),
        sa.Column("status", sa.Text(), server_default="", nullable=False),
        sa.Column("codes", sa.Text(), server_default="", nullable=False),
        sa.Column("expected", sa.BigInteger(), nullable=True),
        sa.Column("settled", sa.BigInteger(), nullable=True),
        sa.Column("held", sa.BigInteger(), nullable=True),
        sa.Column("since_run", sa.BigInteger(), nullable=False),
        sa.CheckConstraint("kind IN ('order','line','document')", name=op.f("ck_reconciliation_results_kind")),
        sa.PrimaryKeyConstraint("connection", "kind", "subject", name=op.f("pk_reconciliation_results")),
        schema="ledger",
    )
    op.create_table(
        "reconciliation_runs",
        sa.Column("run_id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("connection", sa.Text(), nullable=False),
        sa.Column("as_of", sa.Date(), nullable=False),
        sa.Column("ran_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("read_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("settings_hash", sa.LargeBinary(), nullable=False),
        sa.Column("orders", sa.BigInteger(), nullable=False),
        sa.Column("exceptions", sa.BigInteger(), nullable=False),
        sa.Column("changes", sa.BigInteger(), nullable=False),
        sa.Column("codes", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.PrimaryKeyConstraint("run_id", name=op.f("pk_reconciliation_runs")),
        schema="ledger",
    )
    op.create_index(
        "ix_reconciliation_runs_latest", "reconciliation_runs", ["connection", "run_id"], unique=False, schema="ledger"
    )
    op.create_table(
        "settlement_documents",
        sa.Column("connection", sa.Text(), nullable=False),
        sa.Column("document", sa.Text(), nullable=False),
        sa.Column("currency", sa.Text(), nullable=False),
        sa.Column("transferred", sa.BigInteger(), nullable=True),
        sa.Column("state", sa.Text(), server_default="", nullable=False),
        sa.Column("reference", sa.Text(), server_default="", nullable=False),
        sa.Column("created_on", sa.Date(), nullable=True),
        sa.Column("detail", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("changed_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("connection", "document", "currency", name=op.f("pk_settlement_documents")),
        schema="ledger",
    )
    op.create_table(
        "settlement_files",
        sa.Column("file_id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("connection", sa.Text(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("content_hash", sa.LargeBinary(), nullable=False),
        sa.Column("name", sa.Text(), server_default="", nullable=False),
        sa.Column("content", sa.LargeBinary(), nullable=False),
        sa.Column("size", sa.BigInteger(), nullable=False),
        sa.Column("row_count", sa.BigInteger(), nullable=False),
        sa.Column("rejected", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("totals", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("imported_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint(
            "kind IN ('store_orders','settlement','bank_receipts')", name=op.f("ck_settlement_files_kind")
        ),
        sa.PrimaryKeyConstraint("file_id", name=op.f("pk_settlement_files")),
        sa.UniqueConstraint(
            "connection", "kind", "content_hash", name=op.f("uq_settlement_files_connection_kind_content_hash")
        ),
        schema="ledger",
    )
    op.create_table(
        "sold_lines",
        sa.Column("connection", sa.Text(), nullable=False),
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("order_id", sa.Text(), nullable=False),
        sa.Column("line_no", sa.Integer(), nullable=False),
        sa.Column("line_id", sa.Text(), server_default="", nullable=False),
        sa.Column("sku", sa.Text(), server_default="", nullable=False),
        sa.Column("categories", sa.ARRAY(sa.Text()), nullable=False),
        sa.Column("quantity", sa.Integer(), nullable=False),
        sa.Column("price", sa.BigInteger(), nullable=False),
        sa.Column("shipping", sa.BigInteger(), nullable=False),
        sa.Column("tax", sa.BigInteger(), nullable=True),
        sa.Column("fees", sa.BigInteger(), nullable=False),
        sa.Column("base_price", sa.BigInteger(), nullable=True),
        sa.Column("base_shipping", sa.BigInteger(), nullable=True),
        sa.Column("other_prices", sa.ARRAY(sa.BigInteger()), nullable=False),
        sa.Column("own_commission", sa.BigInteger(), nullable=True),
        sa.Column("shipped_on", sa.Date(), nullable=True),
        sa.Column("cancelled", sa.Boolean(), nullable=False),
        sa.PrimaryKeyConstraint("connection", "source", "order_id", "line_no", name=op.f("pk_sold_lines")),
        schema="ledger",
    )
    op.create_table(
        "sold_orders",
        sa.Column("connection", sa.Text(), nullable=False),
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("order_id", sa.Text(), nullable=False),
        sa.Column("commercial_id", sa.Text(), server_default="", nullable=False),
        sa.Column("currency", sa.Text(), server_default="", nullable=False),
        sa.Column("cancelled", sa.Boolean(), nullable=False),
        sa.Column("placed_on", sa.Date(), nullable=True),
        sa.Column("shipped_on", sa.Date(), nullable=True),
        sa.Column("stated", sa.Text(), server_default="", nullable=False),
        sa.Column("changed_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint("source IN ('marketplace','store','file')", name=op.f("ck_sold_orders_source")),
        sa.PrimaryKeyConstraint("connection", "source", "order_id", name=op.f("pk_sold_orders")),
        schema="ledger",
    )
    op.create_index(
        "ix_sold_orders_changed", "sold_orders", ["connection", "changed_at"], unique=False, schema="ledger"
    )
    op.create_table(
        "sold_refunds",
        sa.Column("connection", sa.Text(), nullable=False),
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("order_id", sa.Text(), nullable=False),
        sa.Column("refund_no", sa.Integer(), nullable=False),
        sa.Column("refund_id", sa.Text(), server_default="", nullable=False),
        sa.Column("line_id", sa.Text(), server_default="", nullable=False),
        sa.Column("refunded_on", sa.Date(), nullable=True),
        sa.Column("amount", sa.BigInteger(), nullable=False),
        sa.Column("shipping", sa.BigInteger(), nullable=False),
        sa.Column("tax", sa.BigInteger(), nullable=True),
        sa.Column("quantity", sa.Integer(), nullable=True),
        sa.Column("reason", sa.Text(), server_default="", nullable=False),
        sa.PrimaryKeyConstraint("connection", "source", "order_id", "refund_no", name=op.f("pk_sold_refunds")),
        schema="ledger",
    )
    op.create_table(
        "bank_receipts",
        sa.Column("connection", sa.Text(), nullable=False),
        sa.Column("digest", sa.LargeBinary(), nullable=False),
        sa.Column("bank_ref", sa.Text(), nullable=False),
        sa.Column("amount", sa.BigInteger(), nullable=False),
        sa.Column("currency", sa.Text(), nullable=False),
        sa.Column("received_on", sa.Date(), nullable=True),
        sa.Column("documents", sa.ARRAY(sa.Text()), nullable=False),
        sa.Column("file_id", sa.BigInteger(), nullable=True),
        sa.Column("seen_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["file_id"],
            ["ledger.settlement_files.file_id"],
        ),
        sa.PrimaryKeyConstraint("connection", "digest", name=op.f("pk_bank_receipts")),
        schema="ledger",
    )
    op.create_table(
        "reconciliation_changes",
        sa.Column("run_id", sa.BigInteger(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("subject", sa.Text(), nullable=False),
        sa.Column("before", postgresql.JSONB(astext_type=sa.Text()), nullable=True),
        sa.Column("after", postgresql.JSONB(astext_type=sa.Text()), nullable=True),
        sa.Column("why", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(
            ["run_id"],
            ["ledger.reconciliation_runs.run_id"],
        ),
        sa.PrimaryKeyConstraint("run_id", "kind", "subject", name=op.f("pk_reconciliation_changes")),
        schema="ledger",
    )
    op.create_table(
        "settlement_lines",
        sa.Column("connection", sa.Text(), nullable=False),
        sa.Column("line_id", sa.Text(), nullable=False),
        sa.Column("type", sa.Text(), server_default="", nullable=False),
        sa.Column("amount", sa.BigInteger(), nullable=False),
        sa.Column("currency", sa.Text(), server_default="", nullable=False),
        sa.Column("channel", sa.Text(), server_default="", nullable=False),
        sa.Column("order_id", sa.Text(), server_default="", nullable=False),
        sa.Column("order_line_id", sa.Text(), server_default="", nullable=False),
        sa.Column("refund_id", sa.Text(), server_default="", nullable=False),
        sa.Column("document", sa.Text(), server_default="", nullable=False),
        sa.Column("document_created_on", sa.Date(), nullable=True),
        sa.Column("payment_state", sa.Text(), server_default="", nullable=False),
        sa.Column("created_on", sa.Date(), nullable=True),
        sa.Column("date_created", sa.Text(), server_default="", nullable=False),
        sa.Column("description", sa.Text(), server_default="", nullable=False),
        sa.Column("file_id", sa.BigInteger(), nullable=True),
        sa.Column("seen_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("changed_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["file_id"],
            ["ledger.settlement_files.file_id"],
        ),
        sa.PrimaryKeyConstraint("connection", "line_id", name=op.f("pk_settlement_lines")),
        schema="ledger",
    )
    op.create_index(
        "ix_settlement_lines_changed", "settlement_lines", ["connection", "changed_at"], unique=False, schema="ledger"
    )
    op.create_index(
        "ix_settlement_lines_document", "settlement_lines", ["connection", "document"], unique=False, schema="ledger"
    )
    op.create_index(
        "ix_settlement_lines_order", "settlement_lines", ["connection", "order_id"], unique=False, schema="ledger"
    )


def downgrade() -> None:
    op.drop_table("reconciliation_changes", schema="ledger")
    op.drop_table("reconciliation_results", schema="ledger")
    op.drop_table("reconciliation_runs", schema="ledger")
    op.drop_table("settlement_documents", schema="ledger")
    op.drop_table("settlement_lines", schema="ledger")
    op.drop_table("bank_receipts", schema="ledger")
    op.drop_table("sold_refunds", schema="ledger")
    op.drop_table("sold_lines", schema="ledger")
    op.drop_table("sold_orders", schema="ledger")
    op.drop_table("settlement_files", schema="ledger")
