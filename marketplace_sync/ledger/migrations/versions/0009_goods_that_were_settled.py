"""What settlement lines say of goods, where they name no order"""

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "settlement_goods",
        sa.Column("connection", sa.Text(), nullable=False),
        sa.Column("line_id", sa.Text(), nullable=False),
        sa.Column("ean", sa.Text(), server_default="", nullable=False),
        sa.Column("stock_number", sa.Text(), server_default="", nullable=False),
        sa.Column("sold", sa.BigInteger(), nullable=False),
        sa.Column("returned", sa.BigInteger(), nullable=False),
        sa.Column("net_of_tax", sa.Boolean(), nullable=False),
        sa.Column("customer_order_number", sa.Text(), server_default="", nullable=False),
        sa.PrimaryKeyConstraint("connection", "line_id", name=op.f("pk_settlement_goods")),
        schema="ledger",
    )


def downgrade() -> None:
    op.drop_table("settlement_goods", schema="ledger")
