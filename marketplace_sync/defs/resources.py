"""The installation as a Dagster resource: opened once per process, so that a sensor's tick starts warm."""

from __future__ import annotations

from functools import cache

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


def outline() -> Context:
    """Connections and routes, to make definitions from. Opens no vendor and asks the ledger nothing."""
    return _opened().context
