"""Three indexes that no statement uses: every order that is stored had to be entered into each"""

from alembic import op

revision = "0014"
down_revision = "0013"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.drop_index("ix_orders_placed", table_name="orders", schema="ledger")
    op.drop_index("ix_orders_customer_order_number", table_name="orders", schema="ledger")
    op.drop_index("ix_order_events_kind", table_name="order_events", schema="ledger")


def downgrade() -> None:
    op.create_index("ix_order_events_kind", "order_events", ["connection", "kind", "occurred_at"], schema="ledger")
    op.create_index("ix_orders_customer_order_number", "orders", ["customer_order_number"], schema="ledger")
    op.create_index("ix_orders_placed", "orders", ["connection", "placed_at"], schema="ledger")
