"""Orders searched and paged: the index is behind, the cursors are opaque, old orders are hidden."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from marketplace_sync_tests.sandbox.shopify.app import App

ORDERS = """
query Orders($q: String, $first: Int, $after: String, $last: Int, $before: String, $sort: OrderSortKeys,
             $reverse: Boolean) {
  orders(query: $q, first: $first, after: $after, last: $last, before: $before, sortKey: $sort, reverse: $reverse) {
    nodes { id name updatedAt sourceIdentifier }
    edges { cursor node { id } }
    pageInfo { hasNextPage hasPreviousPage startCursor endCursor }
  }
}
"""


def found(app: App, query: str | None, **how: Any) -> list[str]:
    """The marketplace numbers of the orders a search finds."""
    page = app.ask(ORDERS, **{"q": query, "first": 50, "sort": "ID", **how})
    return [node["sourceIdentifier"] for node in page["nodes"]]


def test_the_search_is_behind_and_the_lookup_is_not(shop_with: Callable[..., App]) -> None:
    app = shop_with(search_lag_seconds=60)
    app.do(
        """mutation($d: MetafieldDefinitionInput!) { metafieldDefinitionCreate(definition: $d) {
           createdDefinition { id namespace } userErrors { code message } } }""",
        d={"name": "Number", "namespace": "$app:sync", "key": "number", "type": "id", "ownerType": "ORDER"},
    )
    number = {"namespace": "$app:sync", "key": "number", "value": "JL-1001"}
    order = app.create(metafields=[{**number, "type": "id"}])
    assert found(app, "source_identifier:'JL-1001'") == []
    assert found(app, None) == []
    by_identifier = "query($i: OrderIdentifierInput!) { orderByIdentifier(identifier: $i) { id } }"
    assert app.ask(by_identifier, i={"customId": number})["id"] == order["id"]
    assert app.ask(by_identifier, i={"id": order["id"]})["id"] == order["id"]
    assert app.order(order["id"], "id")["id"] == order["id"]
    app.advance(61)
    assert found(app, "source_identifier:'JL-1001'") == ["JL-1001"]


def test_a_changed_order_is_searched_as_it_was_until_the_index_has_seen_it(shop_with: Callable[..., App]) -> None:
    app = shop_with(search_lag_seconds=60)
    order = app.create()
    app.advance(61)
    add = 'mutation($id: ID!) { tagsAdd(id: $id, tags: ["late"]) { node { id } userErrors { message } } }'
    app.do(add, id=order["id"])
    assert found(app, "tag:late") == []
    assert app.order(order["id"], "tags")["tags"] == ["john-lewis", "late"]
    app.advance(61)
    assert found(app, "tag:late") == ["JL-1001"]


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("source_identifier:B-2", ["B-2"]),
        ("source_identifier:'b-2'", ["B-2"]),
        ("source_identifier:B", []),
        ("source_identifier:B*", ["B-2"]),
        ("tag:red", ["A-1", "C-3"]),
        ("tag:RED tag:shop", ["C-3"]),
        ("tag:red AND tag:shop", ["C-3"]),
        ("tag:red OR tag:blue", ["A-1", "B-2", "C-3"]),
        ("-tag:red", ["B-2"]),
        ("NOT tag:red", ["B-2"]),
        ("tag_not:red", ["B-2"]),
        ("(tag:red OR tag:blue) AND -tag:shop", ["A-1", "B-2"]),
        ("name:'#1002'", ["B-2"]),
        ("name:1002", ["B-2"]),
        ("sku:mug-blue", ["B-2"]),
        ("po_number:PO-9", ["C-3"]),
        ("status:open", ["A-1", "C-3"]),
        ("status:cancelled", ["B-2"]),
        ("financial_status:paid", ["A-1", "C-3"]),
        ("fulfillment_status:unfulfilled", ["A-1", "C-3"]),
        ("test:true", ["C-3"]),
        ("updated_at:>=2020-01-01", ["A-1", "B-2", "C-3"]),
        ("updated_at:<'2020-01-01T00:00:00Z'", []),
        ("colour:red", ["A-1", "B-2", "C-3"]),
        ("-colour:red tag:blue", ["B-2"]),
        ("B-2", ["B-2"]),
        ("", ["A-1", "B-2", "C-3"]),
    ],
)
def test_the_search_language(three: App, query: str, expected: list[str]) -> None:
    assert found(three, query) == expected


@pytest.fixture
def three(app: App) -> App:
    """Orders A-1, B-2 (cancelled) and C-3."""
    app.create(sourceIdentifier="A-1", tags=["red"])
    blue = app.create(sourceIdentifier="B-2", tags=["blue"], lineItems=[app.line("MUG-BLUE")])
    app.create(sourceIdentifier="C-3", tags=["red", "shop"], poNumber="PO-9", test=True)
    app.act("cancel_order", order_id=blue["id"])
    return app


def test_an_id_is_found_by_its_number_and_its_global_form(app: App) -> None:
    order = app.create()
    number = order["id"].rpartition("/")[2]
    assert found(app, f"id:{number}") == found(app, f"id:'{order['id']}'") == ["JL-1001"]


def test_all_statuses_are_listed_unless_filtered(app: App) -> None:
    order = app.create()
    app.act("cancel_order", order_id=order["id"])
    assert found(app, None) == ["JL-1001"]


def test_a_strict_time_bound_lets_the_bound_itself_through(app: App) -> None:
    order = app.create()
    assert found(app, f"updated_at:>'{order['updatedAt']}'") == ["JL-1001"]
    assert found(app, f"updated_at:>='{order['updatedAt']}'") == ["JL-1001"]


def test_a_time_may_come_with_any_offset(app: App) -> None:
    app.create(processedAt="2026-10-01T12:00:00Z")
    assert found(app, "processed_at:>='2026-10-01T13:00:00+01:00'") == ["JL-1001"]
    assert found(app, "processed_at:>='2026-10-01T13:00:01+01:00'") == []


def test_a_filter_on_a_metafield_without_a_definition_is_an_error(app: App) -> None:
    error = app.error(ORDERS, q="metafields.custom.number:1", first=5)
    assert "metafields.custom.number" in error["message"]


def test_a_filter_on_a_defined_metafield_finds_its_orders(app: App) -> None:
    definition = {"name": "N", "namespace": "custom", "key": "number", "type": "id", "ownerType": "ORDER"}
    app.do(
        """mutation($d: MetafieldDefinitionInput!) { metafieldDefinitionCreate(definition: $d) {
           createdDefinition { id } userErrors { message } } }""",
        d=definition,
    )
    app.create(metafields=[{"namespace": "custom", "key": "number", "type": "id", "value": "7"}])
    app.create(sourceIdentifier="other")
    assert found(app, "metafields.custom.number:7") == ["JL-1001"]


# --- sorting and paging


def test_the_default_order_is_by_processing_time(app: App) -> None:
    app.create(sourceIdentifier="late", processedAt="2026-11-02T00:00:00Z")
    app.create(sourceIdentifier="early", processedAt="2026-11-01T00:00:00Z")
    assert found(app, None, sort=None) == ["early", "late"]
    assert found(app, None, sort="ID") == ["late", "early"]
    assert found(app, None, sort="PROCESSED_AT", reverse=True) == ["late", "early"]


@pytest.mark.parametrize("sort", ["UPDATED_AT", "PROCESSED_AT", "ID", "TOTAL_PRICE"])
@pytest.mark.parametrize("reverse", [False, True])
@pytest.mark.parametrize("query", [None, "tag:john-lewis"])
def test_every_order_is_on_exactly_one_page_in_either_direction(
    app: App, sort: str, reverse: bool, query: str | None
) -> None:
    for number in range(7):
        app.create(sourceIdentifier=f"N-{number}")
    how = {"q": query, "sort": sort, "reverse": reverse}
    whole = [node["id"] for node in app.ask(ORDERS, first=50, **how)["nodes"]]
    assert len(whole) == 7
    seen: list[str] = []
    page = app.ask(ORDERS, first=3, **how)
    assert page["pageInfo"]["hasPreviousPage"] is False
    while True:
        seen += [node["id"] for node in page["nodes"]]
        assert page["pageInfo"]["endCursor"] == page["edges"][-1]["cursor"]
        if not page["pageInfo"]["hasNextPage"]:
            break
        page = app.ask(ORDERS, first=3, after=page["pageInfo"]["endCursor"], **how)
    assert seen == whole
    back = app.ask(ORDERS, last=2, before=page["pageInfo"]["startCursor"], **how)
    assert [node["id"] for node in back["nodes"]] == whole[4:6]
    assert back["pageInfo"]["hasPreviousPage"] is True


def test_an_order_that_changes_moves_to_the_end_of_the_walk_and_none_is_lost(app: App) -> None:
    orders = [app.create(sourceIdentifier=f"N-{number}") for number in range(4)]
    page = app.ask(ORDERS, first=2, sort="UPDATED_AT")
    app.advance(5)
    app.act("remove_unit", order_id=orders[0]["id"], sku="MUG-RED")
    rest = app.ask(ORDERS, first=50, sort="UPDATED_AT", after=page["pageInfo"]["endCursor"])
    assert [node["sourceIdentifier"] for node in rest["nodes"]] == ["N-2", "N-3", "N-0"]


def test_a_cursor_belongs_to_its_order(app: App) -> None:
    app.create()
    cursor = app.ask(ORDERS, first=1, sort="UPDATED_AT")["pageInfo"]["endCursor"]
    assert "cursor" in app.error(ORDERS, first=1, sort="PROCESSED_AT", after=cursor)["message"]
    assert "cursor" in app.error(ORDERS, first=1, sort="UPDATED_AT", after="bm9uc2Vuc2U=")["message"]


@pytest.mark.parametrize("how", [{}, {"first": 1, "last": 1}, {"first": 251}, {"first": -1}])
def test_a_page_has_a_size_from_one_end(app: App, how: dict[str, int]) -> None:
    assert "message" in app.error(ORDERS, **how)


def test_orders_can_be_counted(app: App) -> None:
    for _ in range(3):
        app.create()
    document = "query($q: String, $n: Int) { ordersCount(query: $q, limit: $n) { count precision } }"
    assert app.ask(document, q="tag:john-lewis", n=10) == {"count": 3, "precision": "EXACT"}
    assert app.ask(document, q=None, n=2) == {"count": 2, "precision": "AT_LEAST"}


# --- the past


def test_orders_older_than_sixty_days_are_invisible(shop_with: Callable[..., App]) -> None:
    app = shop_with()
    order = app.create()
    app.advance(59 * 86400)
    assert found(app, None) == ["JL-1001"]
    app.advance(2 * 86400)
    assert found(app, None) == []
    assert found(app, "source_identifier:JL-1001") == []
    assert app.ask("query($id: ID!) { order(id: $id) { id } }", id=order["id"]) is None


def test_orders_older_than_sixty_days_can_be_read_with_read_all_orders(shop_with: Callable[..., App]) -> None:
    app = shop_with(scopes=["read_orders", "read_all_orders", "write_orders", "read_products", "read_inventory"])
    order = app.create()
    app.advance(61 * 86400)
    assert found(app, None) == ["JL-1001"]
    assert app.order(order["id"], "id")["id"] == order["id"]


def test_paging_has_an_end_and_a_narrower_window_goes_on(shop_with: Callable[..., App]) -> None:
    app = shop_with(deepest_object=5)
    for number in range(8):
        app.create(sourceIdentifier=f"N-{number}")
        app.advance(10)
    how: dict[str, Any] = {"first": 4, "sort": "UPDATED_AT", "q": "tag:john-lewis"}
    page = app.ask(ORDERS, **how)
    page = app.ask(ORDERS, **how, after=page["pageInfo"]["endCursor"])
    cursor, last = page["pageInfo"]["endCursor"], page["nodes"][0]["updatedAt"]
    assert "first 5 objects" in app.error(ORDERS, **how, after=cursor)["message"]
    by_id = app.ask(ORDERS, first=6, sort="ID")["pageInfo"]["endCursor"]
    assert "first 5 objects" in app.error(ORDERS, first=1, sort="ID", after=by_id)["message"]
    onwards = app.ask(ORDERS, first=4, sort="UPDATED_AT", q=f"tag:john-lewis updated_at:>='{last}'")
    assert [node["sourceIdentifier"] for node in onwards["nodes"]] == ["N-4", "N-5", "N-6", "N-7"]
