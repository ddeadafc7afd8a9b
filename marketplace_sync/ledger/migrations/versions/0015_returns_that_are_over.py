"""Returns that are over are told apart from those that go on, and those are found without reading all"""

import sqlalchemy as sa
from alembic import op

revision = "0015"
down_revision = "0014"
branch_labels = None
depends_on = None


def upgrade() -> None:
    # until now a return was authorised from its acceptance to its end, and it is not stated again after that
    for status, state in (("RECEIVED", "received"), ("CLOSED", "closed")):
        op.execute(
            f"UPDATE ledger.reversals SET state = '{state}',"
            f" document = jsonb_set(document::jsonb, '{{state}}', '\"{state}\"')::json"
            f" WHERE kind = 'return' AND state = 'authorised' AND document->>'status' = '{status}'"
        )
    # of a return with several lines each is kept by itself, and says from now on which return it is of
    op.execute(
        "UPDATE ledger.reversals SET"
        " document = jsonb_set(document::jsonb, '{whole}', to_jsonb(split_part(key, '#', 1)))::json"
        " WHERE kind = 'return' AND position('#' IN key) > 0"
    )
    op.create_index(
        "ix_reversals_returns_open",
        "reversals",
        ["connection"],
        schema="ledger",
        postgresql_where=sa.text("kind = 'return' AND state IN ('requested', 'authorised', 'received')"),
    )


def downgrade() -> None:
    op.drop_index("ix_reversals_returns_open", table_name="reversals", schema="ledger")
    op.execute(
        "UPDATE ledger.reversals SET state = 'authorised',"
        " document = jsonb_set(document::jsonb, '{state}', '\"authorised\"')::json"
        " WHERE kind = 'return' AND state IN ('received', 'closed')"
    )
