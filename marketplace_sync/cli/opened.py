"""Opens the installation for one command, with the schema that this version needs."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from marketplace_sync.project import Project, open_project


@contextmanager
def opened(*, prepare: bool = False) -> Iterator[Project]:
    """`prepare`: bring an embedded, empty or older database up to date first; otherwise say what to run."""
    with open_project() as project:
        if prepare or project.database.server is not None:
            from marketplace_sync.ledger.database import migrate

            migrate(project.database.ledger)
        project.ledger.check_version()
        yield project
