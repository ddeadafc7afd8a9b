"""Every user of the database is told its address in the spelling it understands, and nobody is told the password."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

import psycopg
import psycopg2
import pytest

from marketplace_sync.domain.errors import ConfigurationError, LedgerUnavailable
from marketplace_sync.ledger.location import prepare, resolve_database, urls_of, with_driver, without_password


@pytest.mark.parametrize("scheme", ["postgres", "postgresql", "postgresql+psycopg", "postgresql+psycopg2"])
def test_every_usual_scheme_is_understood_and_the_driver_named(scheme: str) -> None:
    urls = urls_of(f"{scheme}://me:pa%2Fss@db.example:5433/sync?sslmode=require")
    assert urls.ledger == "postgresql+psycopg://me:pa%2Fss@db.example:5433/sync?sslmode=require"
    assert urls.dagster == (
        "postgresql+psycopg2://me:pa%2Fss@db.example:5433/sync?sslmode=require&options=-csearch_path%3Ddagster"
    )
    assert urls.plain == "postgresql://me:pa%2Fss@db.example:5433/sync?sslmode=require"
    assert "pa%2Fss" not in repr(urls)


def test_options_that_the_address_has_are_kept() -> None:
    urls = urls_of("postgresql://db/sync?options=-cstatement_timeout%3D5000")
    assert urls.dagster.endswith("?options=-cstatement_timeout%3D5000%20-csearch_path%3Ddagster")


@pytest.mark.parametrize("wrong", ["mysql://me:hush@db/sync", "hush", "sqlite:///hush.db"])
def test_another_kind_of_address_is_refused_without_repeating_it(wrong: str) -> None:
    with pytest.raises(ConfigurationError, match="MARKETPLACE_SYNC_DATABASE_URL: it is not the address") as refused:
        urls_of(wrong)
    assert "hush" not in str(refused.value)


def test_the_address_for_people_has_no_password() -> None:
    assert without_password("postgresql://me:hush@db/sync?password=hush&sslmode=require") == (
        "postgresql://me@db/sync?sslmode=require"
    )


def test_the_variable_wins_over_the_embedded_server(tmp_path: Path) -> None:
    urls = resolve_database(tmp_path, {"MARKETPLACE_SYNC_DATABASE_URL": "postgres://db/sync"})
    assert (urls.server, urls.ledger) == (None, "postgresql+psycopg://db/sync")
    assert list(tmp_path.iterdir()) == []


def test_preparing_makes_dagster_s_schema_once_and_both_drivers_connect(empty_database_url: str) -> None:
    urls = urls_of(empty_database_url)
    prepare(urls)
    prepare(urls)
    with psycopg2.connect(with_driver(urls.dagster, None)) as connection, connection.cursor() as cursor:
        cursor.execute("CREATE TABLE seen (n int); SELECT current_schema()")
        assert cursor.fetchone() == ("dagster",)
    with psycopg.connect(urls.plain) as direct:
        found = direct.execute("SELECT schemaname FROM pg_tables WHERE tablename = 'seen'").fetchone()
    assert found == ("dagster",)


def test_a_database_that_does_not_answer_is_one_line_without_its_password() -> None:
    urls = urls_of("postgresql://me:hush@127.0.0.1:1/sync")
    with pytest.raises(
        LedgerUnavailable, match=r"the database postgresql://me@127.0.0.1:1/sync cannot be used"
    ) as said:
        prepare(urls)
    assert "hush" not in str(said.value)
    assert "\n" not in str(said.value)


@pytest.fixture
def modest_user(postgres_url: str, empty_database_url: str) -> Iterator[str]:
    """The address of a database as a user who may connect and make nothing."""
    with psycopg.connect(with_driver(postgres_url, None), autocommit=True) as admin:
        admin.execute("CREATE ROLE modest LOGIN PASSWORD 'hush'")
    parts = urlsplit(empty_database_url)
    yield urlunsplit(parts._replace(netloc=f"modest:hush@{parts.netloc.rpartition('@')[2]}"))
    with psycopg.connect(with_driver(postgres_url, None), autocommit=True) as admin:
        admin.execute("DROP ROLE modest")


def test_a_user_without_the_right_to_make_a_schema_is_told_so(modest_user: str) -> None:
    with pytest.raises(LedgerUnavailable, match="permission denied for database"):
        prepare(urls_of(modest_user))
