"""A statement that fits into a page is kept as it came: to compress it cost more than all else about storing it"""

from alembic import op

revision = "0013"
down_revision = "0012"
branch_labels = None
depends_on = None


def upgrade() -> None:
    # The largest row that PostgreSQL takes for this; what is larger is compressed and set aside as before.
    op.execute("ALTER TABLE ledger.statements SET (toast_tuple_target = 8160)")


def downgrade() -> None:
    op.execute("ALTER TABLE ledger.statements RESET (toast_tuple_target)")
