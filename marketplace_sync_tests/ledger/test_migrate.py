"""The schema: from nothing, from the version before, twice at once, and never from the future."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import create_engine, text

from marketplace_sync.domain.errors import LedgerTooNew, LedgerUnavailable
from marketplace_sync.domain.orders import Return, ReturnState
from marketplace_sync.ledger import budgets, migrate, orders, returns
from marketplace_sync.ledger.database import Ledger
from marketplace_sync.ledger.tables import SCHEMA, metadata


def test_an_empty_database_gets_exactly_the_tables_that_the_code_knows(empty_database_url: str) -> None:
    migrate.upgrade(empty_database_url)
    assert budgets.rate_budgets.metadata is metadata
    with create_engine(empty_database_url).connect() as connection:
        context = MigrationContext.configure(
            connection,
            opts={
                "include_schemas": True,
                "include_name": lambda name, kind, _: kind != "schema" or name == SCHEMA,
                "version_table_schema": SCHEMA,
            },
        )
        assert compare_metadata(context, metadata) == []


def test_two_starting_processes_migrate_one_after_the_other(empty_database_url: str) -> None:
    with ThreadPoolExecutor(2) as pool:
        list(pool.map(migrate.upgrade, [empty_database_url, empty_database_url]))
    Ledger(empty_database_url).check_version()


def test_every_revision_leads_to_the_newest_with_its_data(empty_database_url: str) -> None:
    versions = sorted(
        file.stem.split("_")[0]
        for file in (Path(migrate.__file__).parent / "migrations" / "versions").glob("[0-9]*.py")
    )
    for version in versions:
        migrate.upgrade(empty_database_url, version)
        with create_engine(empty_database_url).begin() as connection:
            connection.execute(
                text(
                    "INSERT INTO ledger.watermarks (connection, feed, value, read_at) VALUES (:v, 'orders', 'x', now())"
                ),
                {"v": version},
            )
    with create_engine(empty_database_url).connect() as connection:
        assert connection.execute(text("SELECT count(*) FROM ledger.watermarks")).scalar() == len(versions)
    Ledger(empty_database_url).check_version()


def test_returns_that_were_over_before_they_were_told_apart_are_over(empty_database_url: str) -> None:
    migrate.upgrade(empty_database_url, "0014")
    asked = datetime(2026, 3, 10, tzinfo=UTC)
    with create_engine(empty_database_url).begin() as connection:
        for key, status in (("r1", "CLOSED"), ("r2#A-1", "RECEIVED"), ("r2#A-2", "RECEIVED"), ("r3", "IN_PROGRESS")):
            known = Return(
                return_id=key, order_id="A", line_id=key[-3:], quantity=1, state=ReturnState.AUTHORISED, status=status,
                requested_at=asked, changed_at=asked,
            )  # fmt: skip
            orders.save_reversal(connection, "bazaar", known, asked)
    migrate.upgrade(empty_database_url)
    with create_engine(empty_database_url).connect() as connection:
        found = returns.of_order(connection, "bazaar", "A")
        still = [one.return_id for _, one in returns.open_ones(connection, ["bazaar"], 10)]
        assert returns.order_of(connection, "bazaar", "r2") == "A"
    assert [(one.of, one.state) for one in found] == [
        ("r1", ReturnState.CLOSED),
        ("r2", ReturnState.RECEIVED),
        ("r2", ReturnState.RECEIVED),
        ("r3", ReturnState.AUTHORISED),
    ]
    assert still == ["r2#A-1", "r2#A-2", "r3"]


def test_a_schema_from_the_future_is_refused(empty_database_url: str) -> None:
    migrate.upgrade(empty_database_url)
    with create_engine(empty_database_url).begin() as connection:
        connection.execute(text("UPDATE ledger.alembic_version SET version_num = '9999'"))
    with pytest.raises(LedgerTooNew, match=r"9999.*later version"):
        Ledger(empty_database_url).check_version()
    with pytest.raises(LedgerTooNew):
        migrate.upgrade(empty_database_url)


def test_a_database_without_schema_says_what_to_run(empty_database_url: str) -> None:
    with pytest.raises(LedgerUnavailable, match="marketplace-sync migrate"):
        Ledger(empty_database_url).check_version()


def test_a_server_that_is_not_there_is_one_sentence_without_the_password() -> None:
    ledger = Ledger("postgresql://someone:hunter2@127.0.0.1:9/nothing")
    with pytest.raises(LedgerUnavailable) as caught, ledger.begin():
        pass
    assert "hunter2" not in str(caught.value)
    assert "127.0.0.1:9" in str(caught.value)
