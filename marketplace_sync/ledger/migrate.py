"""The ledger's schema version: upgrades it, and refuses one that a later version of this software has written."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from sqlalchemy import Connection, create_engine, text
from sqlalchemy.exc import OperationalError

from marketplace_sync.domain.errors import LedgerTooNew, LedgerUnavailable
from marketplace_sync.ledger.database import _first_line, _where, driver_url
from marketplace_sync.ledger.tables import SCHEMA

if TYPE_CHECKING:
    from alembic.config import Config

    from marketplace_sync.ledger.database import Ledger

_LOCK = 7_203_114_021
"""Advisory lock: two starting processes migrate one after the other."""


def _configuration(connection: Connection | None) -> Config:
    from alembic.config import Config

    configuration = Config()
    configuration.set_main_option("script_location", str(Path(__file__).parent / "migrations"))
    configuration.attributes["connection"] = connection
    return configuration


def _known_revisions() -> tuple[str, set[str]]:
    from alembic.script import ScriptDirectory

    scripts = ScriptDirectory.from_config(_configuration(None))
    head = scripts.get_current_head()
    assert head is not None
    return head, {script.revision for script in scripts.walk_revisions()}


@contextmanager
def _connected(url: str) -> Iterator[Connection]:
    engine = create_engine(driver_url(url))
    try:
        with engine.connect() as connection:
            yield connection
    except OperationalError as problem:
        raise LedgerUnavailable(
            f"the ledger's database does not answer ({_where(driver_url(url))}): {_first_line(problem)}"
        ) from problem
    finally:
        engine.dispose()


def current(connection: Connection) -> str | None:
    """The schema version found in the database; None when it is empty."""
    if connection.execute(text("SELECT to_regclass(:name)"), {"name": f"{SCHEMA}.alembic_version"}).scalar() is None:
        return None
    found = connection.execute(text(f"SELECT version_num FROM {SCHEMA}.alembic_version")).scalar()
    return str(found) if found is not None else None


def upgrade(url: str, revision: str = "head") -> None:
    from alembic import command

    with _connected(url) as connection:
        connection.execute(text("SELECT pg_advisory_lock(:lock)"), {"lock": _LOCK})
        try:
            _refuse_newer(current(connection))
            connection.execute(text(f"CREATE SCHEMA IF NOT EXISTS {SCHEMA}"))
            connection.commit()
            command.upgrade(_configuration(connection), revision)
            connection.commit()
        finally:
            connection.rollback()
            connection.execute(text("SELECT pg_advisory_unlock(:lock)"), {"lock": _LOCK})
            connection.commit()


def _refuse_newer(found: str | None) -> None:
    head, known = _known_revisions()
    if found is not None and found not in known:
        raise LedgerTooNew(
            f"the ledger has schema version {found}, which this version of marketplace-sync (up to {head}) does not"
            " know: it was written by a later version. Upgrade marketplace-sync, or restore a backup made before."
        )


def check(ledger: Ledger) -> None:
    head, _ = _known_revisions()
    with ledger.begin() as connection:
        found = current(connection)
    _refuse_newer(found)
    if found != head:
        raise LedgerUnavailable(
            f"the ledger has schema version {found or 'none'}, and {head} is needed. Run `marketplace-sync migrate`"
            " (or `marketplace-sync up`, which does it)."
        )
