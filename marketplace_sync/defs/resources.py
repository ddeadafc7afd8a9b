"""The installation as a Dagster resource: opened once per process, so that a sensor's tick starts warm."""

from __future__ import annotations

from datetime import date
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


class Day(dg.ConfigurableResource[None]):
    """As of the evening of which day payouts are looked at: `as_of` like 2026-09-30, today when it is left out. A day
    before the last run's is history: it is reported, and leaves conclusions and work items as they are."""

    as_of: str = ""

    @property
    def day(self) -> date | None:
        """Raises Failure."""
        if not self.as_of:
            return None
        try:
            return date.fromisoformat(self.as_of)
        except ValueError:
            raise dg.Failure(
                f"as_of is {self.as_of!r}, which is no day like 2026-09-30.", allow_retries=False
            ) from None


def outline() -> Context:
    """Connections and routes, to make definitions from. Opens no vendor and asks the ledger nothing."""
    return _opened().context
