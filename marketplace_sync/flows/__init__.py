"""The use cases: plain functions of the ledger and the ports. They know no vendor and no Dagster."""
