"""A real PostgreSQL for every test that needs one, and a database of its own for each."""

from __future__ import annotations

import os
import shutil
import signal
import tempfile
from collections.abc import Iterator
from pathlib import Path
from uuid import uuid4

import psycopg
import pytest
from hypothesis import settings

from marketplace_sync.ledger import embedded
from marketplace_sync.ledger.database import migrate
from marketplace_sync.ledger.location import with_driver

EXTERNAL = "MARKETPLACE_SYNC_TEST_DATABASE_URL"

_KEPT = {EXTERNAL, "MARKETPLACE_SYNC_CONTRACTS"}

FAST = {"fsync": "off", "synchronous_commit": "off", "full_page_writes": "off", "max_connections": "400"}
"""What is lost if the machine dies in the middle of a test run is of no use to anybody."""


def pytest_configure() -> None:
    """No test may meet the real installation of whoever runs it, and none fails because the machine had other work."""
    settings.register_profile("unhurried", deadline=None)
    settings.load_profile("unhurried")
    # A shell ignores Ctrl-C for what it starts in the background, and what tests start would inherit that.
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    for name in [name for name in os.environ if name.startswith(("MARKETPLACE_SYNC_", "DAGSTER_"))]:
        if name not in _KEPT:
            del os.environ[name]


@pytest.fixture(scope="session")
def short_folder() -> Iterator[Path]:
    """A folder with a short path, closed to others, gone at the end: PostgreSQL's sockets allow about 100 bytes."""
    folder = Path(tempfile.mkdtemp(prefix="mst-"))
    yield folder
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="session")
def postgres_url(short_folder: Path) -> Iterator[str]:
    """A PostgreSQL server of this test process (each parallel worker has its own: a start costs 0.6 s), or the one
    that MARKETPLACE_SYNC_TEST_DATABASE_URL names. The database in the URL is for making others."""
    external = os.environ.get(EXTERNAL, "").strip()
    if external:
        yield with_driver(external, "psycopg")
        return
    home = short_folder / "home"
    with embedded.start(home, FAST) as server:
        yield server.url
    assert embedded.wait_until_stopped(home, 30), "the embedded server outlived its last user"


@pytest.fixture(scope="session")
def migrated_template(postgres_url: str) -> Iterator[str]:
    """The name of a database with the ledger's newest schema, from which others are copied in a few milliseconds."""
    name = f"template_{uuid4().hex[:12]}"
    _administer(postgres_url, f'CREATE DATABASE "{name}"')
    try:
        migrate(_database(postgres_url, name))
        yield name
    finally:
        _administer(postgres_url, f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)')


def _fresh(postgres_url: str, template: str) -> Iterator[str]:
    name = f"test_{uuid4().hex[:12]}"
    _administer(postgres_url, f'CREATE DATABASE "{name}" TEMPLATE "{template}"')
    try:
        yield _database(postgres_url, name)
    finally:
        _administer(postgres_url, f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)')


@pytest.fixture
def database_url(postgres_url: str, migrated_template: str) -> Iterator[str]:
    """A fresh ledger for one test, at the newest schema (SQLAlchemy URL with psycopg 3)."""
    yield from _fresh(postgres_url, migrated_template)


@pytest.fixture(scope="module")
def module_database_url(postgres_url: str, migrated_template: str) -> Iterator[str]:
    """A fresh ledger for all tests of one module."""
    yield from _fresh(postgres_url, migrated_template)


@pytest.fixture
def empty_database_url(postgres_url: str) -> Iterator[str]:
    """A database with nothing in it, not even the ledger's schema."""
    yield from _fresh(postgres_url, "template0")


def _administer(postgres_url: str, statement: str) -> None:
    with psycopg.connect(with_driver(postgres_url, None), autocommit=True) as connection:
        connection.execute(statement.encode())


def _database(postgres_url: str, name: str) -> str:
    address, mark, query = postgres_url.partition("?")
    return f"{address.rpartition('/')[0]}/{name}{mark}{query}"
