"""The installation as a Dagster resource: opened once per process, so that a sensor's tick starts warm."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import dagster as dg

from marketplace_sync.flows.context import Context
from marketplace_sync.project import Project, open_project


@cache
def _opened() -> Project:
    return open_project()


class Installation(dg.ConfigurableResource[None]):
    """The configured installation: its ledger, its connections, its routes."""

    @property
    def context(self) -> Context:
        return _opened().context

    @property
    def home(self) -> Path:
        """The installation's own folder."""
        return _opened().configuration.home

    @property
    def inbox(self) -> Path:
        """Where finance puts files."""
        return _opened().configuration.inbox


def outline() -> Context:
    """Connections and routes, to make definitions from. Opens no vendor and asks the ledger nothing."""
    return _opened().context
