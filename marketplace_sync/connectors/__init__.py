"""One folder per vendor: the wire protocol outside, domain types inside. Knows no ledger and no Dagster."""
