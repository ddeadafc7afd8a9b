"""What files state of their own totals"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column(
        "settlement_files",
        sa.Column("controls", JSONB(), server_default=sa.text("'[]'::jsonb"), nullable=False),
        schema="ledger",
    )


def downgrade() -> None:
    op.drop_column("settlement_files", "controls", schema="ledger")
