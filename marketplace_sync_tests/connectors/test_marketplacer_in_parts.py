"""Answers of which a part failed, as the connector reads them: data and errors together."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from marketplace_sync.connectors.ports import Malformed
from marketplace_sync.domain.effects import Delivered, InDoubt, Postponed
from marketplace_sync_tests.connectors.marketplacer_instance import (
    L2,
    Document,
    Instance,
    connector_to,
    effect,
    line,
    parcel,
    read,
)

WHERE: list[Any] = ["nodes", 0, "invoices", "nodes", 0]


def test_a_parcel_of_an_invoice_that_could_not_be_stated_waits_and_is_not_refused(pots: tuple[Instance, str]) -> None:
    box, url = pots
    order_id = box.place(1, line(1), line(2, "PAN", seller="Pans Inc"))
    nodes = box.orders[order_id]["invoices"]["nodes"]
    nodes[1], kept = None, nodes[1]
    here, wish = connector_to(url), effect(parcel(order_id, (L2, 1)))
    (put_off,) = here.deliver([wish])
    assert isinstance(put_off, Postponed)
    assert "2 invoices and only 1" in put_off.reason
    assert isinstance(here.resolve(wish), InDoubt)
    nodes[1] = kept
    assert here.deliver([wish]) == [Delivered()]


def failing(*path: Any) -> Callable[[Document], list[Document]]:
    """The field at the end of the path is null, and an error says so."""

    def spoil(data: Document) -> list[Document]:
        at: Any = data
        for step in path[:-1]:
            at = at[step]
        at[path[-1]] = None
        return [{"message": "Something went wrong", "path": list(path)}]

    return spoil


@pytest.mark.parametrize(
    "path",
    [
        ["nodes", 0, "externalIds"],
        ["nodes", 0, "metadata"],
        ["nodes", 0, "invoices"],
        [*WHERE, "shippingAddress"],
        [*WHERE, "lineItems", 0, "taxTotalCents"],
    ],
)
def test_what_failed_in_an_order_is_no_answer_and_its_neighbour_is_read(
    pots: tuple[Instance, str], path: list[Any]
) -> None:
    box, url = pots
    orders = [box.place(1, line(1)), box.place(2, line(2))]
    box.spoil_next = [failing(*path)] * 9
    connector = connector_to(url, wait_for_invoices="0s")
    bad, good = (one.statement for one in connector._reader.read(orders))
    with pytest.raises(Malformed, match="not all of it can be read: Something went wrong"):
        connector.parse(bad)
    assert len(connector.parse(good)) == 1


def test_how_a_product_looks_may_fail_without_the_order(pots: tuple[Instance, str]) -> None:
    box, url = pots
    order_id = box.place(1, line(1))
    box.spoil_next = [failing(*WHERE, "lineItems", 0, field) for field in ("variant", "image")]
    for _ in ("variant", "image"):
        statement = connector_to(url).fetch_order(order_id)
        assert statement is not None
        assert len(connector_to(url).parse(statement)) == 1


def test_what_fails_for_a_moment_is_read_once_more_by_the_same_poll(pots: tuple[Instance, str]) -> None:
    box, url = pots
    order_id = box.place(1, line(1))
    box.spoil_next = [failing(*WHERE, "lineItems", 0, "taxTotalCents")]
    connector = connector_to(url, wait_for_invoices="0s")
    (statement,), _ = read(connector, "invoices")
    assert statement.key == order_id
    assert len(connector.parse(statement)) == 1


@pytest.mark.parametrize(
    "odd",
    [
        {"status": None},
        {"status": ["COMPLETE"]},
        {"createdAt": 5},
        {"invoices": []},
        {"invoices": {"totalCount": 1, "nodes": ["x"]}},
        {"emailAddress": {"is": "hidden"}},
        {"totalCents": "1000"},
    ],
)
def test_one_odd_order_is_kept_for_a_person_and_all_others_are_read(
    pots: tuple[Instance, str], odd: dict[str, Any]
) -> None:
    box, url = pots
    bad, good = box.place(1, line(1)), box.place(2, line(2))

    def spoil(data: Document) -> list[Document]:
        for node in data["nodes"]:
            if node["id"] == bad:
                node |= odd
        return []

    box.orders[bad]["status"] = odd.get("status", "COMPLETE")  # which the lists show too
    box.spoil_next = [spoil] * 9
    connector = connector_to(url, wait_for_invoices="0s")
    for feed in ("orders", "invoices"):
        found = {one.key: one for one in read(connector, feed)[0]}
        assert list(found) == [bad, good]
        with pytest.raises(Malformed):
            connector.parse(found[bad])
        assert len(connector.parse(found[good])) == 1
    box.opt_ins = [{"email": ["odd"], "sourceType": {}, "subscribedAt": 5}]
    assert connector_to(url).fetch_order(good) is not None
