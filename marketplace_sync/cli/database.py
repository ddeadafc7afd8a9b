"""`marketplace-sync migrate`, `backup` and `restore`: the database as a whole."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path
from typing import Annotated
from urllib.parse import unquote, urlsplit, urlunsplit

import typer

from marketplace_sync.cli.previous import Tenancy
from marketplace_sync.domain.errors import LedgerError
from marketplace_sync.home import ensure, home_folder
from marketplace_sync.ledger.embedded import DATABASE
from marketplace_sync.ledger.location import DatabaseUrls, prepare, resolve_database
from marketplace_sync.ledger.software import bundled

_REPLACED = f"{DATABASE}_before_restore"
_INCOMING = f"{DATABASE}_incoming"
_OUTGOING = f"{DATABASE}_outgoing"


class BackupFailed(LedgerError):
    """A backup was not written or not read. What was there before is untouched."""


def migrate() -> None:
    """Bring the database to this version's schema, from empty or any earlier one. Harmless when it is there already."""
    from marketplace_sync.ledger.database import migrate as migrate_ledger

    with resolve_database(home_folder()) as database:
        prepare(database)
        migrate_ledger(database.ledger)


def backup(
    file: Annotated[Path, typer.Argument(help="Write here.")],
    force: Annotated[
        bool, typer.Option("--force", help="Replace a file of that name, once the backup is whole.")
    ] = False,
) -> None:
    """Write the whole database (orders, outbox, work items, Dagster's history) into one compressed file.

    It may run while everything else does: the file shows one single moment.
    """
    if file.exists() and not force:
        raise BackupFailed(f"{file} is there already: choose another name, or replace it with --force")
    unfinished = file.with_name(f"{file.name}.unfinished")
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        unfinished.touch(mode=0o600)
    except OSError as problem:
        raise BackupFailed(f"{file} cannot be written ({problem.strerror}): choose another place") from None
    try:
        with resolve_database(home_folder()) as database:
            prepare(database)
            _postgres(database, "pg_dump", "--format=custom", "--no-owner", "--no-privileges", f"--file={unfinished}")
        unfinished.replace(file)
    finally:
        unfinished.unlink(missing_ok=True)
    print(f"{file}: {file.stat().st_size / 1e6:.1f} MB, readable by you alone; it holds buyers' names and addresses")


def restore(
    file: Annotated[
        Path | None, typer.Argument(help="A file that `backup` wrote.", exists=True, dir_okay=False)
    ] = None,
    undo: Annotated[bool, typer.Option("--undo", help="Bring back what the last restore replaced.")] = False,
) -> None:
    """Put a backup back in place of the embedded database, whole or not at all. `up` must not be running.

    What was there before is kept until the next restore: `--undo` brings it back.
    """
    if (file is None) == (not undo):
        raise typer.BadParameter("name a FILE, or say --undo")
    home = ensure(home_folder())
    tenancy = Tenancy(home)
    try:
        with resolve_database(home) as database:
            if database.server is None:
                raise BackupFailed(
                    "this is a server of your own (MARKETPLACE_SYNC_DATABASE_URL): restore into a new database there"
                    f" with `pg_restore --no-owner --dbname=NEW {file or 'FILE'}`, then name that database"
                )
            _undo(database) if file is None else _replace(database, file)
    finally:
        tenancy.leave()


def _replace(database: DatabaseUrls, file: Path) -> None:
    _drop(database, _INCOMING, _OUTGOING)
    _administer(database, f"CREATE DATABASE {_INCOMING}")
    try:
        try:
            _postgres(
                database, "pg_restore", "--exit-on-error", "--no-owner", "--no-privileges", str(file), into=_INCOMING
            )
        except BackupFailed as problem:
            raise BackupFailed(
                f"{file} cannot be put back ({problem}): it is damaged, or no backup of marketplace-sync."
                " The database is what it was; try another backup"
            ) from None
        _rename(
            database,
            *([(_REPLACED, _OUTGOING)] if _exists(database, _REPLACED) else []),
            (DATABASE, _REPLACED),
            (_INCOMING, DATABASE),
        )
    finally:
        _drop(database, _INCOMING, _OUTGOING)
    print(f"the database is now what {file} holds; `marketplace-sync restore --undo` brings back what was there before")


def _undo(database: DatabaseUrls) -> None:
    if not _exists(database, _REPLACED):
        raise BackupFailed("no restore has replaced anything here: there is nothing to bring back")
    _drop(database, _OUTGOING)
    _rename(database, (DATABASE, _OUTGOING), (_REPLACED, DATABASE), (_OUTGOING, _REPLACED))
    print("the database is what it was before the last restore; `--undo` once more turns that round")


def _exists(database: DatabaseUrls, name: str) -> bool:
    return _administer(database, f"SELECT count(*) FROM pg_database WHERE datname = '{name}'") > 0


def _drop(database: DatabaseUrls, *names: str) -> None:
    for name in names:
        _administer(database, f"DROP DATABASE IF EXISTS {name} WITH (FORCE)")


def _rename(database: DatabaseUrls, *pairs: tuple[str, str]) -> None:
    """All or none: after a crash in between, no database may be missing."""
    _administer(database, "BEGIN", *(f"ALTER DATABASE {old} RENAME TO {new}" for old, new in pairs), "COMMIT")


def _administer(database: DatabaseUrls, *statements: str) -> int:
    """Run statements from outside of the database they are about. The number that the last query gives, or 0."""
    import psycopg

    answer = 0
    try:
        with psycopg.connect(_to(database.plain, "postgres"), autocommit=True) as connection:
            for statement in statements:
                cursor = connection.execute(statement.encode())
                row = cursor.fetchone() if cursor.description else None
                answer = int(row[0]) if row else answer
    except psycopg.errors.ObjectInUse:
        raise BackupFailed(
            "another command is using the database (`dagster dev`, perhaps): let it end, then try again"
        ) from None
    return answer


def _to(url: str, name: str) -> str:
    return urlunsplit(urlsplit(url)._replace(path=f"/{name}"))


def _postgres(database: DatabaseUrls, program: str, *arguments: str, into: str | None = None) -> None:
    """Run one of PostgreSQL's own programs. The password travels in the environment: command lines are public."""
    url = _to(database.plain, into) if into else database.plain
    parts = urlsplit(url)
    environment = {name: value for name, value in os.environ.items() if not name.startswith("PG")}
    if parts.password:
        environment["PGPASSWORD"] = unquote(parts.password)
        place = parts.netloc.rpartition("@")[2]
        url = urlunsplit(parts._replace(netloc=f"{parts.username}@{place}"))
    done = subprocess.run(
        [str(bundled() / program), f"--dbname={url}", *arguments], capture_output=True, text=True, env=environment
    )
    if done.returncode != 0:
        reason = [line for line in done.stderr.splitlines() if line.strip()]
        raise BackupFailed(f"{reason[0] if reason else f'{program} ended with {done.returncode}'}")
