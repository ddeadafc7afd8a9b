"""Indexes for what is looked at regularly, so that a look costs what is open or new and not what was ever there"""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_index(
        "ix_orders_to_dispatch",
        "orders",
        ["connection", "dispatch_by"],
        unique=False,
        schema="ledger",
        postgresql_where=sa.text("open_units > 0"),
    )
    op.create_index("ix_orders_first_seen", "orders", ["connection", "first_seen_at"], unique=False, schema="ledger")
    op.create_index(
        "ix_order_events_seen", "order_events", ["connection", "kind", "seen_at"], unique=False, schema="ledger"
    )


def downgrade() -> None:
    op.drop_index("ix_order_events_seen", table_name="order_events", schema="ledger")
    op.drop_index("ix_orders_first_seen", table_name="orders", schema="ledger")
    op.drop_index("ix_orders_to_dispatch", table_name="orders", schema="ledger")
