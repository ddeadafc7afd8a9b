"""Which invoice of its order a line is settled with, where a marketplace settles invoices"""

import sqlalchemy as sa
from alembic import op

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("sold_lines", sa.Column("invoice", sa.Text(), server_default="", nullable=False), schema="ledger")


def downgrade() -> None:
    op.drop_column("sold_lines", "invoice", schema="ledger")
