"""A fifth of all calls goes wrong, in every way in turn: every wish is carried out once, and nothing else is raised."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

import pytest

from marketplace_sync.domain.effects import (
    AcknowledgeOrder,
    Delivered,
    Dispatch,
    Effect,
    InDoubt,
    NotThere,
    Refused,
    SetStock,
)
from marketplace_sync.domain.errors import TransportError
from marketplace_sync.domain.orders import Order
from marketplace_sync_tests.connectors.edge_account import ACCOUNT, Account, edge, effect, keys, units

FAULTS: dict[str, dict[str, Any]] = {
    "status": {"retry_after": None},
    "throttle": {"retry_after": 0},
    "cut": {},
    "lost_answer": {},
    "error_after": {},
    "truncate": {},
    "html": {},
    "garbage": {},
    "huge": {"megabytes": 2},
    "delay": {"seconds": 0.15},
}
_TRIES = 60


def brought(account: Account, wish: Effect) -> None:
    """What a courier does with one wish, without its pauses."""
    doubt = False
    for _ in range(_TRIES):
        found = account.connector.resolve(wish) if doubt else account.connector.deliver([wish])[0]
        if isinstance(found, Delivered):
            return
        assert not isinstance(found, Refused), found.reason
        doubt = isinstance(found, InDoubt) or (doubt and not isinstance(found, NotThere))
    raise AssertionError(f"{wish.natural_key} did not get through in {_TRIES} tries")


def read(account: Account, feed: str) -> Sequence[str]:
    for _ in range(_TRIES):
        try:
            return keys(list(account.connector.read(feed, None)))
        except TransportError:
            continue
    raise AssertionError(f"{feed} could not be read in {_TRIES} tries")


def fetched(account: Account, order_id: str) -> Order:
    for _ in range(_TRIES):
        try:
            return account.order(order_id)
        except TransportError:
            continue
    raise AssertionError(f"order {order_id} could not be read in {_TRIES} tries")


@pytest.mark.parametrize("kind", FAULTS)
def test_every_wish_is_carried_out_once_whatever_happens_on_the_wire(kind: str) -> None:
    with edge(timeout_seconds=0.1 if kind == "delay" else 5, max_answer_megabytes=1) as account:
        assert account.sandbox is not None
        placed = [account.place(("MUG-RED", 3), ("MUG-BLUE", 1)) for _ in range(4)]
        account.sandbox.control("PUT", f"{ACCOUNT}/faults", [{"kind": kind, "probability": 0.2, **FAULTS[kind]}])
        assert set(read(account, "orders")) == set(read(account, "sweep")) == {order.order_id for order in placed}
        assert read(account, "returns") == []
        number = 0
        for order in placed:
            whole = tuple(units(order, line.line_id, line.quantity) for line in order.lines)
            parcels = (
                (units(order, "1", 1, before=0), units(order, "2", 1, before=0)),
                (units(order, "1", 1, before=1),),
                (units(order, "1", 1, before=2),),
            )
            wishes: list[Any] = [AcknowledgeOrder(order_id=order.order_id, lines=whole)]
            wishes += [
                Dispatch(
                    order_id=order.order_id,
                    lines=parcel,
                    carrier="dpd",
                    tracking_number=f"T{index}",
                    shipped_at=datetime.now(UTC),
                )
                for index, parcel in enumerate(parcels)
            ]
            wishes.append(SetStock(sku="MUG-RED", stock_number=order.lines[0].stock_number, quantity=number))
            for wish in wishes:
                number += 1
                brought(account, effect(wish, number)) if not isinstance(wish, SetStock) else stocked(account, wish)
        account.sandbox.control("PUT", f"{ACCOUNT}/faults", [])
        for order in placed:
            after = fetched(account, order.order_id)
            assert [(line.quantity, line.dispatched) for line in after.lines] == [(3, 3), (1, 1)]
            done = account.actions("dispatch", order.order_id)
            assert sorted((each["tracking_number"], each["line_ref"]) for each in done) == [
                ("T0", "1"), ("T0", "2"), ("T1", "1"), ("T2", "1"),
            ]  # fmt: skip
            assert len(account.actions("acknowledge", order.order_id)) == 2
        struck = account.sandbox.control("GET")["accounts"][ACCOUNT]["faults"]["struck"]
        assert struck.get(kind, 0) > 5, struck


def stocked(account: Account, wish: SetStock) -> None:
    """Stock is harmless to repeat: in doubt means again."""
    for _ in range(_TRIES):
        found = account.connector.deliver([effect(wish)])[0]
        if isinstance(found, Delivered):
            return
        assert not isinstance(found, Refused), found.reason
    raise AssertionError(f"stock did not get through in {_TRIES} tries")
