"""Alembic's entry point: runs the revisions on the connection it is given, in the ledger's schema."""

from alembic import context

from marketplace_sync.ledger import budgets, memory, outages, settlement_tables  # noqa: F401  (their tables)
from marketplace_sync.ledger.tables import SCHEMA, metadata

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=metadata,
    version_table_schema=SCHEMA,
    include_schemas=True,
    include_name=lambda name, kind, parents: kind != "schema" or name == SCHEMA,
)
with context.begin_transaction():
    context.run_migrations()
