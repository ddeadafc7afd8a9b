"""Puts an installation together: configuration, ledger, connectors. CLI, receiver and Dagster start from here."""

from __future__ import annotations

import gc
import sys
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from marketplace_sync import log
from marketplace_sync.config import Configuration, load
from marketplace_sync.connectors import registry
from marketplace_sync.flows.context import Connectors, Context, Route
from marketplace_sync.flows.courier import PATIENCE
from marketplace_sync.ledger.budgets import SharedBudget
from marketplace_sync.ledger.database import Ledger
from marketplace_sync.ledger.location import DatabaseUrls, resolve_database
from marketplace_sync.ledger.memory import KeptMemory

_OBJECTS_BETWEEN_LOOKS_FOR_CYCLES = 10_000
"""What is read and stored here has no cycles. To look for them after every 700 objects, as the interpreter does, costs
a tenth of the time of an import and finds nothing."""


_SECONDS_UNTIL_OTHERS_MAY_RUN = 0.0005
"""A thread whose answer from a vendor or from the database has come waits as long for one that computes. With the
interpreter's 5 ms, each of the dozens of answers to an import's transaction would wait longer than it took to make."""


@dataclass
class Project:
    """An installation that is open: `context` is what flows take. Close it to let go of the database."""

    configuration: Configuration
    context: Context
    database: DatabaseUrls

    @property
    def ledger(self) -> Ledger:
        return self.context.ledger

    def webhook_refusal(self, name: str, usual: int) -> int:
        """What a delivery of this connection that is not taken is answered with: some vendors stop delivering
        altogether after a 4xx, and their packages say so."""
        vendor = registry.package_of(self.configuration.connections[name])
        return int(getattr(vendor, "WEBHOOK_REFUSAL", usual))

    def close(self) -> None:
        self.context.ledger.close()
        self.database.close()

    def __enter__(self) -> Project:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def routes_of(configuration: Configuration) -> tuple[Route, ...]:
    return tuple(
        Route(
            name=name,
            marketplace=settings.marketplace or name,
            display_name=display_name(configuration, settings.marketplace or name),
            settings=settings,
            store=settings.store,
            marketing=settings.marketing,
        )
        for name, settings in configuration.routes.items()
    )


def display_name(configuration: Configuration, connection: str) -> str:
    return configuration.connections[connection].name or connection.replace("_", " ").title()


def open_project(
    configuration: Configuration | None = None,
    *,
    database: DatabaseUrls | None = None,
    on_exchange: Callable[[Any], None] | None = None,
) -> Project:
    """Open the configured installation. Connectors are opened at first use.

    Raises ConfigurationError, HomeUnusable, LedgerError."""
    configuration = configuration or load()
    log.configure(configuration.log_level)
    sys.setswitchinterval(_SECONDS_UNTIL_OTHERS_MAY_RUN)
    gc.set_threshold(_OBJECTS_BETWEEN_LOOKS_FOR_CYCLES, *gc.get_threshold()[1:])
    database = database or resolve_database(configuration.home)
    ledger = Ledger(database.ledger)

    def open_one(name: str) -> Any:
        return registry.open_connection(
            name,
            configuration.connections[name],
            lambda connection, spec: SharedBudget(ledger.counting, connection, spec),
            write_patience=PATIENCE,
            on_exchange=on_exchange,
            memory=KeptMemory(ledger, name),
        )

    def with_role(role: str) -> Connectors:
        return Connectors(list(configuration.with_role(role)), open_one)

    context = Context(
        ledger=ledger,
        connections=configuration.connections,
        routes=routes_of(configuration),
        marketplaces=with_role("marketplace"),
        stores=with_role("store"),
        marketing=with_role("marketing"),
    )
    return Project(configuration, context, database)
