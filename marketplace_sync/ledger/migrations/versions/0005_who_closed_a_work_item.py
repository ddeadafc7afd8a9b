"""Who closed a work item: one that a person closed stays closed until something else is said of it"""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("work_items", sa.Column("closed_by", sa.Text(), nullable=True), schema="ledger")


def downgrade() -> None:
    op.drop_column("work_items", "closed_by", schema="ledger")
