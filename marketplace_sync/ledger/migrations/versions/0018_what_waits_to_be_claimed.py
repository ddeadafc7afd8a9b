"""The index of what a courier claims holds nothing else, so that nobody takes it for one of what came before"""

import sqlalchemy as sa
from alembic import op

revision = "0018"
down_revision = "0017"
branch_labels = None
depends_on = None


def upgrade() -> None:
    _again("state = 'pending'")


def downgrade() -> None:
    _again("state IN ('pending','sending','in_doubt')")


def _again(states: str) -> None:
    op.drop_index("ix_effects_waiting", table_name="effects", schema="ledger")
    op.create_index(
        "ix_effects_waiting",
        "effects",
        ["connection", "lane", "effect_id"],
        schema="ledger",
        postgresql_where=sa.text(states),
    )
