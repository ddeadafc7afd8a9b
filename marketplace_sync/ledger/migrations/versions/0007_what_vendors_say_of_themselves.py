"""What vendors say about themselves, and may be asked for once a day, is kept for all processes"""

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "vendor_answers",
        sa.Column("connection", sa.Text(), nullable=False),
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column("answer", sa.LargeBinary(), nullable=False),
        sa.Column("kept_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("connection", "key", name=op.f("pk_vendor_answers")),
        schema="ledger",
    )


def downgrade() -> None:
    op.drop_table("vendor_answers", schema="ledger")
