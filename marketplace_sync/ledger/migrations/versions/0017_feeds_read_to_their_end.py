"""When the last reading of each feed began that came to its end: what its vendor states since can be told from memory"""

import sqlalchemy as sa
from alembic import op

revision = "0017"
down_revision = "0016"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("watermarks", sa.Column("whole_from", sa.DateTime(timezone=True), nullable=True), schema="ledger")


def downgrade() -> None:
    op.drop_column("watermarks", "whole_from", schema="ledger")
