"""Lets `python -m marketplace_sync.cli` be the command, for children that must run in the same interpreter."""

from marketplace_sync.cli.main import app

app()
