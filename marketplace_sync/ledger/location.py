"""Which database an installation uses, and how each of its users is told the address."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from urllib.parse import parse_qsl, quote, unquote, urlsplit, urlunsplit

from marketplace_sync.domain.errors import ConfigurationError, LedgerUnavailable
from marketplace_sync.ledger.embedded import EmbeddedServer, start

VARIABLE = "MARKETPLACE_SYNC_DATABASE_URL"
OLDEST_VERSION = 15
DAGSTER_SCHEMA = "dagster"


@dataclass
class DatabaseUrls:
    """One database with two schemas: `ledger`, whose tables are named with their schema, and `dagster`, which Dagster
    is led to by its search path because it knows no schemas."""

    ledger: str = field(repr=False)
    """For SQLAlchemy with psycopg 3."""
    dagster: str = field(repr=False)
    """For SQLAlchemy with psycopg2, the driver that dagster-postgres brings."""
    server: EmbeddedServer | None = None
    """The embedded server, in use until `close`; None for a server of somebody else's."""

    @property
    def plain(self) -> str:
        """For libpq and its programs: no driver named."""
        return with_driver(self.ledger, None)

    def close(self) -> None:
        if self.server is not None:
            self.server.close()

    def __enter__(self) -> DatabaseUrls:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, problem: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def resolve_database(home: Path, environ: Mapping[str, str] = os.environ) -> DatabaseUrls:
    """The database of this installation: the server that MARKETPLACE_SYNC_DATABASE_URL names (not contacted here), or
    else the embedded one, which runs from now on until the result is closed.

    Raises ConfigurationError for an address that is none, HomeUnusable, LedgerUnavailable.
    """
    named = environ.get(VARIABLE, "").strip()
    if named:
        return urls_of(named)
    server = start(home)
    return DatabaseUrls(ledger=server.url, dagster=_led_to_schema(server.psycopg2_url), server=server)


def urls_of(url: str) -> DatabaseUrls:
    """The same database in the two spellings its users need. Raises ConfigurationError."""
    return DatabaseUrls(ledger=with_driver(url, "psycopg"), dagster=_led_to_schema(with_driver(url, "psycopg2")))


def with_driver(url: str, driver: str | None) -> str:
    """`postgres://`, `postgresql://` and `postgresql+any://` mean the same; libraries disagree about what a URL without
    a driver is, so each of ours names it. Raises ConfigurationError, which never repeats the URL with its password."""
    scheme, separator, rest = url.partition("://")
    if separator == "" or scheme.split("+")[0] not in ("postgres", "postgresql"):
        raise ConfigurationError(
            [
                f"{VARIABLE}: it is not the address of a PostgreSQL database; write postgresql://user:password@host/database"
            ]
        )
    return f"postgresql{f'+{driver}' if driver else ''}://{rest}"


def without_password(url: str) -> str:
    """For people: the address with any password left out."""
    parts = urlsplit(url)
    place = parts.netloc
    if "@" in place:
        account, _, host = place.rpartition("@")
        place = f"{account.partition(':')[0]}@{host}"
    query = "&".join(f"{key}={quote(value, safe='/')}" for key, value in parse_qsl(parts.query) if "pass" not in key)
    return urlunsplit((parts.scheme, place, parts.path, query, ""))


def prepare(urls: DatabaseUrls) -> None:
    """Prove that the database answers and is recent enough, and make Dagster's schema.
    Raises LedgerUnavailable, without any password."""
    import psycopg

    try:
        with psycopg.connect(urls.plain, autocommit=True, connect_timeout=10) as connection:
            version = connection.info.server_version // 10000
            if version < OLDEST_VERSION:
                raise LedgerUnavailable(
                    f"the database {without_password(urls.plain)} is PostgreSQL {version}; version {OLDEST_VERSION} or"
                    " newer is needed"
                )
            known = connection.execute("SELECT to_regnamespace(%s)", (DAGSTER_SCHEMA,)).fetchone()
            if known is None or known[0] is None:
                connection.execute(f"CREATE SCHEMA IF NOT EXISTS {DAGSTER_SCHEMA}")
    except psycopg.Error as problem:
        raise LedgerUnavailable(
            f"the database {without_password(urls.plain)} cannot be used: {_reason(problem, urls.plain)};"
            f" it is named by {VARIABLE}"
            if urls.server is None
            else f"the embedded database cannot be used: {_reason(problem, urls.plain)}"
        ) from None


def _reason(problem: Exception, url: str) -> str:
    lines = [line.strip() for line in str(problem).splitlines() if line.strip()]
    text = lines[-1] if lines else type(problem).__name__
    password = urlsplit(url).password
    for secret in {password, unquote(password)} if password else set():
        text = text.replace(secret, "…")
    return text


def _led_to_schema(url: str) -> str:
    """Add the search path to the connection's options, next to those that the URL already has."""
    parts = urlsplit(url)
    query = dict(parse_qsl(parts.query, keep_blank_values=True))
    query["options"] = f"{query.get('options', '')} -csearch_path={DAGSTER_SCHEMA}".strip()
    encoded = "&".join(f"{key}={quote(value, safe='/')}" for key, value in query.items())
    return urlunsplit((parts.scheme, parts.netloc, parts.path, encoded, parts.fragment))
