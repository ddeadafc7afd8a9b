"""Since when an effect fails, and where our own code failed over it"""

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("effects", sa.Column("failing_since", sa.DateTime(timezone=True), nullable=True), schema="ledger")
    op.add_column("effects", sa.Column("broke_at", sa.Text(), nullable=True), schema="ledger")
    op.create_index(
        "ix_effects_failing",
        "effects",
        ["connection", "failing_since"],
        schema="ledger",
        postgresql_where=sa.text("failing_since IS NOT NULL AND state IN ('pending','sending','in_doubt')"),
    )
    op.create_index(
        "ix_effects_broken",
        "effects",
        ["connection"],
        schema="ledger",
        postgresql_where=sa.text("broke_at IS NOT NULL"),
    )


def downgrade() -> None:
    op.drop_index("ix_effects_broken", "effects", schema="ledger")
    op.drop_index("ix_effects_failing", "effects", schema="ledger")
    op.drop_column("effects", "broke_at", schema="ledger")
    op.drop_column("effects", "failing_since", schema="ledger")
