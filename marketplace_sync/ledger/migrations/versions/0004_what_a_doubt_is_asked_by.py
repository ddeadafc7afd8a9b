"""What a vendor gave to ask about an effect by is kept with it, so that any courier can ask"""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("effects", sa.Column("ask_by", sa.JSON(), nullable=True), schema="ledger")


def downgrade() -> None:
    op.drop_column("effects", "ask_by", schema="ledger")
