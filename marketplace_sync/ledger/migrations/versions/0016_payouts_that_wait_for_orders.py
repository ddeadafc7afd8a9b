"""Payouts that wait for an order are found without reading all that was ever concluded"""

import sqlalchemy as sa
from alembic import op

revision = "0016"
down_revision = "0015"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_index(
        "ix_reconciliation_results_awaited",
        "reconciliation_results",
        ["connection"],
        schema="ledger",
        postgresql_where=sa.text("codes = 'ORDER_AWAITED'"),
    )


def downgrade() -> None:
    op.drop_index("ix_reconciliation_results_awaited", table_name="reconciliation_results", schema="ledger")
