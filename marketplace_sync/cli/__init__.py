"""The `marketplace-sync` command. Nothing here imports Dagster: a command answers at once."""
