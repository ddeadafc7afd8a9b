"""How the ledger's tables came to be: alembic runs these in order, oldest first."""
