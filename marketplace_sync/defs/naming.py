"""How assets are called and described, in one place: the key prefix is the connection, the group is the route."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import dagster as dg

from marketplace_sync.domain.effects import EffectKind
from marketplace_sync.domain.work_items import CODES, Team
from marketplace_sync.flows.context import Context, Route
from marketplace_sync.ledger import waiting

MANUAL = "docs/work-items"


def owner(team: Team) -> str:
    return f"team:{team.value}"


def catalogue(store: str) -> dg.AssetKey:
    return dg.AssetKey([store, "catalogue"])


def feed(marketplace: str, name: str) -> dg.AssetKey:
    return dg.AssetKey([marketplace, name])


def settlement(marketplace: str) -> dg.AssetKey:
    return dg.AssetKey([marketplace, "settlement"])


def of_payout(marketplace: str, name: str) -> dg.AssetKey:
    """One of the assets that are made for every payout, such as `exception_report`."""
    return dg.AssetKey([marketplace, name])


def store_orders(route: Route) -> dg.AssetKey:
    assert route.store is not None
    return dg.AssetKey([route.store, f"{route.marketplace}_orders"])


def store_reversals(route: Route) -> dg.AssetKey:
    assert route.store is not None
    return dg.AssetKey([route.store, f"{route.marketplace}_cancellations_and_refunds"])


def fulfilments(store: str) -> dg.AssetKey:
    return dg.AssetKey([store, "fulfilments"])


def acknowledgements(route: Route) -> dg.AssetKey:
    return dg.AssetKey([route.marketplace, "acknowledgements"])


def dispatches(route: Route) -> dg.AssetKey:
    return dg.AssetKey([route.marketplace, "dispatches"])


def marketplace_reversals(route: Route) -> dg.AssetKey:
    return dg.AssetKey([route.marketplace, "cancellations_and_returns"])


def customer_events(route: Route) -> dg.AssetKey:
    assert route.marketing is not None
    return dg.AssetKey([route.marketing, f"{route.marketplace}_events"])


def profiles(route: Route) -> dg.AssetKey:
    assert route.marketing is not None
    return dg.AssetKey([route.marketing, f"{route.marketplace}_profiles"])


DELIVERIES: dict[str, tuple[EffectKind, ...]] = {
    "store_orders": (EffectKind.CREATE_ORDER,),
    "store_reversals": (EffectKind.CANCEL_ORDER, EffectKind.REMOVE_LINES, EffectKind.RECORD_REFUND),
    "acknowledgements": (EffectKind.ACKNOWLEDGE_ORDER, EffectKind.STATE_REFERENCE),
    "dispatches": (EffectKind.DISPATCH,),
    "marketplace_reversals": (
        EffectKind.CANCEL_LINES,
        EffectKind.REFUND_LINES,
        EffectKind.ACKNOWLEDGE_RETURN,
        EffectKind.RECEIVE_RETURN,
        EffectKind.JUDGE_RETURN,
        EffectKind.CLOSE_RETURN,
    ),
    "customer_events": (EffectKind.TRACK_EVENT,),
    "profiles": (EffectKind.UPSERT_PROFILE, EffectKind.SUBSCRIBE, EffectKind.UNSUBSCRIBE),
}
"""Which effects each delivery asset stands for."""

_KEYS = {
    "store_orders": store_orders, "store_reversals": store_reversals, "acknowledgements": acknowledgements,
    "dispatches": dispatches, "marketplace_reversals": marketplace_reversals, "customer_events": customer_events,
    "profiles": profiles,
}  # fmt: skip


def delivery_assets(route: Route) -> dict[str, tuple[dg.AssetKey, str]]:
    """What of `DELIVERIES` this route has: name -> (asset key, the connection whose courier delivers it)."""
    found: dict[str, tuple[dg.AssetKey, str]] = {}
    for name, key in _KEYS.items():
        if name in ("customer_events", "profiles"):
            courier = route.marketing
        elif name in ("store_orders", "store_reversals"):
            courier = route.store
        else:
            courier = route.marketplace if route.store else None
        if courier is not None:
            found[name] = (key(route), courier)
    return found


def delivery_metadata(context: Context, route: Route, name: str, courier: str, delivered: int) -> dict[str, Any]:
    with context.ledger.begin() as connection:
        left = waiting.of_kinds(connection, courier, [kind.value for kind in DELIVERIES[name]], route.marketplace)
    return {
        "dagster/row_count": delivered,
        "waiting": left.waiting,
        "oldest_waiting_seconds": round(left.oldest_seconds, 1),
        "given_up": left.given_up,
    }


def table(rows: Sequence[Mapping[str, Any]], limit: int = 100) -> dg.TableMetadataValue:
    """Offending rows as the UI shows them; every cell a text or a number."""

    def cell(value: Any) -> str | int | float | bool | None:
        if value is None or isinstance(value, str | int | float | bool):
            return value
        if isinstance(value, datetime):
            return value.astimezone(UTC).isoformat(timespec="seconds")
        return str(value)

    records = [dg.TableRecord({key: cell(value) for key, value in row.items()}) for row in rows[:limit]]
    columns = list(rows[0]) if rows else ["nothing"]
    return dg.MetadataValue.table(
        records,
        schema=dg.TableSchema(columns=[dg.TableColumn(name=name, type="string") for name in columns]),
    )


def manual(code: str) -> dg.TextMetadataValue:
    entry = CODES[code]
    return dg.MetadataValue.text(f"{entry.action} See {entry.manual_page}")


def read_within(seconds: int) -> dg.FreshnessPolicy:
    """A feed that is polled every so often has failed its readers when three polls in a row brought nothing."""
    fail = max(timedelta(minutes=5), timedelta(seconds=3 * seconds))
    return dg.FreshnessPolicy.time_window(fail_window=fail, warn_window=fail * 2 / 3)


DAY = 86_400


def every(seconds: int) -> str:
    """A cron line for a poll of this period: minutes up to an hour, then hours; once a day it is at night."""
    minutes = max(1, seconds // 60)
    if minutes < 60:
        return f"*/{minutes} * * * *" if minutes > 1 else "* * * * *"
    hours = max(1, minutes // 60)
    if seconds >= DAY:
        return "7 3 * * *"
    return f"7 */{hours} * * *" if hours > 1 else "7 * * * *"


def distinct(keys: Iterable[dg.AssetKey]) -> list[dg.AssetKey]:
    return list(dict.fromkeys(keys))
