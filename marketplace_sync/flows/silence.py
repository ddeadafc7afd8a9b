"""Keeps quiet toward Klaviyo where a marketplace's operator tells it of the same orders: they would count twice."""

from __future__ import annotations

from dataclasses import replace

import msgspec
from sqlalchemy import Connection

from marketplace_sync.connectors.ports import MarketplaceCapabilities, Silence
from marketplace_sync.domain.work_items import Problem
from marketplace_sync.flows.context import Context, Route
from marketplace_sync.ledger import memory, work_items

CODE = "TOLD_BY_MARKETPLACE"
_KEY = "silence"


def learnt(connection: Connection, context: Context, name: str) -> None:
    """A marketplace was just read: what it said of itself is noted with what was read, for processes that never read
    it."""
    known = context.marketplaces[name].capabilities.silence
    if known is not Silence.UNKNOWN:
        memory.keep(connection, name, _KEY, known.value.encode())


def offered(connection: Connection, context: Context, name: str) -> MarketplaceCapabilities:
    """What a marketplace offers, without asking it: nobody may, inside a transaction. What this process has not learnt
    another one has, or there would be no order."""
    capabilities = context.marketplaces[name].capabilities
    if capabilities.silence is not Silence.UNKNOWN:
        return capabilities
    noted = memory.kept(connection, name, _KEY)
    return msgspec.structs.replace(capabilities, silence=Silence(noted.decode()) if noted else Silence.NONE)


def is_told(route: Route, capabilities: MarketplaceCapabilities) -> bool:
    """Whether Klaviyo hears of this route's orders from us."""
    return route.marketing is not None and capabilities.silence is not Silence.EVERYTHING


def kept(route: Route, capabilities: MarketplaceCapabilities) -> Route:
    """The route as those see it who tell Klaviyo on the way: without Klaviyo where it is to hear nothing."""
    return route if is_told(route, capabilities) else replace(route, marketing=None)


def show(connection: Connection, route: Route, capabilities: MarketplaceCapabilities) -> None:
    """One item for a route as long as it is silent, and the reason."""
    if route.marketing is None:
        return
    if capabilities.silence is not Silence.EVERYTHING:
        work_items.close(connection, [CODE], [route.name], "the operator's own integration tells of no orders any more")
        return
    work_items.report(
        connection,
        [
            Problem(
                code=CODE,
                subject=route.name,
                connection=route.marketplace,
                message=f"The operator of {route.display_name} tells Klaviyo of its orders itself, so {route.marketing}"
                f" hears nothing of them from here (route {route.name}): they would count twice. Orders are kept, and"
                " go to the store, as always.",
                evidence={"setting": f"connections.{route.marketplace}.native_klaviyo"},
            )
        ],
    )
