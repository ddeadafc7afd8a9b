"""What was reported of each payout, run by run: a rerun shows what changed since the one before"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "payout_reports",
        sa.Column("connection", sa.Text(), primary_key=True),
        sa.Column("document", sa.Text(), primary_key=True),
        sa.Column("run_id", sa.BigInteger(), sa.ForeignKey("ledger.reconciliation_runs.run_id"), primary_key=True),
        sa.Column("digest", sa.LargeBinary(), nullable=False),
        sa.Column("folder", sa.Text(), nullable=False),
        sa.Column("figures", JSONB(), nullable=False),
        sa.Column("made_at", sa.DateTime(timezone=True), nullable=False),
        schema="ledger",
    )


def downgrade() -> None:
    op.drop_table("payout_reports", schema="ledger")
