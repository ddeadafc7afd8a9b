"""Whose payouts are reconciled, and under which settings: one marketplace connection and its route's `finance:`."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from zoneinfo import ZoneInfo

from pydantic import ValidationError

from marketplace_sync.domain.errors import ConfigurationError, MarketplaceSyncError
from marketplace_sync.domain.settlement.settings import FinanceSettings
from marketplace_sync.flows.context import Context


class UnknownConnection(MarketplaceSyncError):
    """There is no such marketplace connection."""


@dataclass(frozen=True)
class Account:
    name: str
    channel: str
    zone: ZoneInfo
    finance: FinanceSettings
    store: str | None
    other_channels: dict[str, str]
    """Channel -> the other marketplace connection it belongs to."""

    def today(self, context: Context) -> date:
        return context.now().astimezone(self.zone).date()


def account(context: Context, name: str) -> Account:
    """Raises UnknownConnection, and ConfigurationError with every problem of the route's `finance:`."""
    if name not in list(context.marketplaces):
        known = ", ".join(sorted(context.marketplaces)) or "none"
        raise UnknownConnection(f"There is no marketplace connection {name!r}; there are: {known}.")
    routes = context.routes_of(name)
    route = next((route for route in routes if route.settings.finance), routes[0] if routes else None)
    try:
        finance = FinanceSettings.model_validate(route.settings.finance if route else {})
    except ValidationError as wrong:
        place = f"routes.{route.name}.finance" if route else "finance"
        raise ConfigurationError([_sentence(place, problem) for problem in wrong.errors()]) from None
    return Account(
        name=name,
        channel=channel(context, name),
        zone=ZoneInfo(context.connections[name].time_zone),
        finance=finance,
        store=next((route.store for route in routes if route.store), None),
        other_channels={channel(context, other): other for other in context.marketplaces if other != name},
    )


def channel(context: Context, name: str) -> str:
    """What the connection is called in files and reports: its `channel`, by default its name."""
    return context.connections[name].channel or name


def _sentence(place: str, problem: object) -> str:
    assert isinstance(problem, dict)
    where = ".".join([place, *(str(part) for part in problem["loc"])])
    said = str(problem["msg"]).removeprefix("Value error, ")
    return f"{where}: {said} (it is {str(problem['input'])[:60]!r})"
