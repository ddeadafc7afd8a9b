"""Tells Dagster where this installation keeps its things, so that `up`, `dagster dev` and every worker agree.

Named in dagster.yaml instead of environment variables, because a variable that is not set makes Dagster refuse to
start: a clean checkout must work with nothing exported.
"""

from __future__ import annotations

import os
from functools import cache
from pathlib import Path
from typing import Any

from dagster._config.config_schema import UserConfigSchema
from dagster._core.storage.local_compute_log_manager import LocalComputeLogManager
from dagster._core.storage.root import LocalArtifactStorage
from dagster._serdes import ConfigurableClassData
from dagster_postgres import DagsterPostgresStorage

from marketplace_sync.home import ensure, home_folder
from marketplace_sync.ledger.location import DatabaseUrls, prepare, resolve_database

CODE_SERVER_THREADS = 64
"""A code server answers everything in one pool of threads: the ticks of our sensors, which stay for 4.5 s each, but
also starts of runs, schedules, and the heartbeat without which it ends itself. By default it has 6 on two cores, and a
heartbeat waits 8 s behind twelve such sensors; with these it waits 2 ms."""


class Storage(DagsterPostgresStorage):
    """Dagster's runs, events and schedules in the installation's database, in a schema of their own.

    Where nobody started the database (`dagster dev` alone), it is started, migrated, and kept until this process ends.
    Raises ConfigurationError, HomeUnusable, LedgerError.
    """

    def __init__(self, inst_data: ConfigurableClassData | None = None) -> None:
        for variable in ("DAGSTER_GRPC_MAX_WORKERS", "DAGSTER_CODE_SERVER_MAX_WORKERS"):
            # Here, because whoever starts a code server opens the storage first; dagster.yaml has no key for it.
            os.environ.setdefault(variable, str(CODE_SERVER_THREADS))
        super().__init__(_database(home_folder()).dagster, inst_data=inst_data)

    @classmethod
    def config_type(cls) -> UserConfigSchema:
        return {}

    @classmethod
    def from_config_value(cls, inst_data: ConfigurableClassData | None, config_value: Any) -> Storage:
        return cls(inst_data)


@cache
def _database(home: Path) -> DatabaseUrls:
    """Once per process, and for all of its life: Dagster takes the parts out of a Storage and drops it at once."""
    urls = resolve_database(home)
    prepare(urls)
    if urls.server is not None:
        # With a server of somebody else's, migrating is an act of theirs: `marketplace-sync up` or `migrate`.
        from marketplace_sync.ledger.database import migrate

        migrate(urls.ledger)
    return urls


class Artifacts(LocalArtifactStorage):
    """Files that Dagster keeps for itself."""

    def __init__(self, inst_data: ConfigurableClassData | None = None) -> None:
        super().__init__(base_dir=_folder("dagster/artifacts"), inst_data=inst_data)

    @classmethod
    def config_type(cls) -> UserConfigSchema:
        return {}

    @classmethod
    def from_config_value(cls, inst_data: ConfigurableClassData | None, config_value: Any) -> Artifacts:
        return cls(inst_data)


class ComputeLogs(LocalComputeLogManager):
    """What the steps of runs print."""

    def __init__(self, inst_data: ConfigurableClassData | None = None) -> None:
        super().__init__(base_dir=_folder("dagster/compute_logs"), inst_data=inst_data)

    @classmethod
    def config_type(cls) -> UserConfigSchema:
        return {}

    @classmethod
    def from_config_value(cls, inst_data: ConfigurableClassData | None, config_value: Any) -> ComputeLogs:
        return cls(inst_data)


def _folder(name: str) -> str:
    folder = ensure(home_folder()) / Path(name)
    folder.mkdir(parents=True, exist_ok=True)
    return str(folder)
