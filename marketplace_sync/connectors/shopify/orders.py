"""Reads orders from a shop: those that changed, single ones, and by our own key. Nothing is cut off silently."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Protocol, TypeVar

import msgspec
from msgspec.structs import replace

from marketplace_sync.connectors.ports import Malformed, StoreOrderPage
from marketplace_sync.connectors.shopify import order_queries as queries
from marketplace_sync.connectors.shopify.graphql import Document, GraphQL, Paged, PageInfo
from marketplace_sync.connectors.shopify.order_answers import Connection, Facts, Fulfillment, Line, Refund
from marketplace_sync.connectors.shopify.order_reading import listed, read_facts, store_order
from marketplace_sync.connectors.shopify.settings import ShopifySettings
from marketplace_sync.domain.store import StoreOrder

N = TypeVar("N")

_ORDERS_A_PAGE = 8
_SOURCES_A_PAGE = 200
_LINES_A_PAGE = 50
_MOST_PARTS = 250
"""Fulfilments or refunds of one order: as many as Shopify hands out."""
_MOST_PARCELS = 100
_CLOCKS_DIFFER = timedelta(days=2)
_WALK = 20_000
"""Orders after which a walk starts anew from where it is: deep paging ends at 25,000 (Shopify, paging)."""


@dataclass(frozen=True)
class _Sizes:
    """How much of an order's lists is asked for: what most orders have, within what one operation may cost."""

    lines: int
    fulfilments: int
    refunds: int
    parcels: int

    def hold(self, facts: Facts) -> bool:
        """Whether nothing of the order was cut off."""
        return not (
            facts.line_items.page_info.has_next_page
            or len(facts.fulfillments) >= self.fulfilments
            or len(facts.refunds) >= self.refunds
            or any(len(shipped.tracking_info) >= self.parcels for shipped in facts.fulfillments)
            or any(shipped.fulfillment_line_items.page_info.has_next_page for shipped in facts.fulfillments)
            or any(refund.refund_line_items.page_info.has_next_page for refund in facts.refunds)
        )


_ON_A_PAGE = _Sizes(lines=5, fulfilments=2, refunds=2, parcels=2)
_ALONE = _Sizes(lines=20, fulfilments=5, refunds=4, parcels=5)


class OrderReader:
    """Orders of one shop, as they are now. Every method raises TransportError."""

    def __init__(self, settings: ShopifySettings, graphql: GraphQL) -> None:
        self._settings = settings
        self._graphql = graphql

    def changed(self, watermark: str | None) -> Iterator[StoreOrderPage]:
        """Orders by time of change, oldest first, from a little before `watermark` on.

        A watermark is the latest time of change seen. Reads go back behind it, because an order shows in Shopify's
        search some seconds after it changed; None reads all that the app may see (60 days, without
        `read_all_orders`).
        """
        latest = datetime.fromisoformat(watermark) if watermark else None
        since = latest - self._settings.search_overlap if latest else None
        for nodes in self._walk(queries.ORDERS, "updated_at", since, _changed_at, _ORDERS_A_PAGE, asdict(_ON_A_PAGE)):
            seen = [at for node in nodes if (at := _changed_at(node)) is not None]
            latest = max([*seen, *([latest] if latest else [])], default=None)
            orders, unreadable = [], []
            for node in nodes:
                try:
                    order = self._complete(read_facts(node))
                except Malformed as problem:
                    unreadable.append((listed(node).id, str(problem)))
                else:
                    orders += [order] if order is not None else []
            yield StoreOrderPage(
                orders=orders,
                watermark=latest.astimezone(UTC).isoformat() if latest else None,
                unreadable=unreadable,
            )

    def _complete(self, facts: Facts) -> StoreOrder | None:
        """A listed order, read again alone when the list cut it off. Raises Malformed."""
        whole = facts if _ON_A_PAGE.hold(facts) else self._facts(facts.id)
        return store_order(whole) if whole else None

    def one(self, store_order_id: str) -> StoreOrder | None:
        """One order, None when the shop does not have it. Raises Malformed."""
        facts = self._facts(store_order_id)
        return store_order(facts) if facts else None

    def by_key(self, source_identifier: str) -> StoreOrder | None:
        """The order that carries our unique key, at once after it was made (Shopify, order dedupe)."""
        identifier = {
            "customId": {
                "namespace": self._settings.metafield_namespace,
                "key": self._settings.metafield_key,
                "value": source_identifier,
            }
        }
        found = self._graphql.run(queries.ORDER_BY_KEY, {"identifier": identifier}).order_by_identifier
        return self.one(found.id) if found else None

    def by_search(self, source_identifier: str) -> StoreOrder | None:
        """The oldest order with this source identifier that Shopify's search knows yet; compared exactly."""
        page = self._graphql.run(
            queries.SOURCES, self._sources(f"source_identifier:{_quoted(source_identifier)}", first=10)
        )
        found = [order for order in page.orders.nodes if order.source_identifier == source_identifier]
        return self.one(min(found, key=lambda order: order.created_at).id) if found else None

    def sources(self, since: datetime) -> Iterator[tuple[str, str]]:
        """(source identifier, order id) of every order created since that carries our unique key."""
        for nodes in self._walk(
            queries.SOURCES, "created_at", since, lambda order: order.created_at, _SOURCES_A_PAGE, self._sources("")
        ):
            for order in nodes:
                if order.metafield is not None:
                    yield order.metafield.value, order.id

    def _sources(self, query: str, first: int = 0) -> dict[str, Any]:
        return {
            "query": query,
            "first": first,
            "namespace": self._settings.metafield_namespace,
            "key": self._settings.metafield_key,
        }

    def _walk(
        self,
        document: Document[_OrdersOf[N]],
        field: str,
        since: datetime | None,
        moment: Callable[[N], datetime | None],
        first: int,
        variables: dict[str, Any],
    ) -> Iterator[list[N]]:
        """The orders of all pages, in the order of `field`, from `since` on; begun anew where paging gets too deep."""
        while True:
            walked = 0
            query = f"{field}:>={_quoted(_search_time(since))}" if since else None
            for page in self._graphql.pages(document, {**variables, "query": query}, first):
                nodes = page.orders.nodes
                if not nodes:
                    continue
                yield nodes
                walked += len(nodes)
                reached = moment(nodes[-1])
                if reached is None or walked < _WALK or not page.page_info.has_next_page:
                    continue
                if since is None or reached > since:
                    since = reached
                    break
            else:
                return

    def _facts(self, order_id: str) -> Facts | None:
        """One order, complete. Raises Malformed."""
        stated = self._graphql.run(queries.ORDER, {"id": order_id, **asdict(_ALONE)}).order
        if bytes(stated) == b"null":
            return None
        facts = read_facts(stated)
        return facts if _ALONE.hold(facts) else self._piece_by_piece(facts)

    def _piece_by_piece(self, facts: Facts) -> Facts | None:
        """An unusually large order: every list read to its end on its own. Raises Malformed where that has none."""
        lines: list[Line] = []
        for page in self._graphql.pages(queries.ORDER_LINES, {"id": facts.id}, _LINES_A_PAGE):
            if page.order is None:
                return None
            lines.extend(page.order.line_items.nodes)
        parts = self._graphql.run(queries.ORDER_PARTS, {"id": facts.id, "most": _MOST_PARTS}).order
        if parts is None:
            return None
        if max(len(parts.fulfillments), len(parts.refunds)) >= _MOST_PARTS:
            # Kept apart like any order that cannot be read: the orders around it go on.
            raise Malformed(
                f"order {facts.name} ({facts.id}) has {_MOST_PARTS} fulfilments or refunds or more, which is more than"
                " Shopify hands out: what is beyond cannot be seen, so nothing of it was used"
            )
        fulfilments = [self._fulfilment(part.id) for part in parts.fulfillments]
        refunds = [self._refund(part.id) for part in parts.refunds]
        return replace(
            facts,
            line_items=_whole(lines),
            fulfillments=[fulfilment for fulfilment in fulfilments if fulfilment],
            refunds=[refund for refund in refunds if refund],
        )

    def _fulfilment(self, fulfilment_id: str) -> Fulfillment | None:
        whole: Fulfillment | None = None
        variables = {"id": fulfilment_id, "parcels": _MOST_PARCELS}
        for page in self._graphql.pages(queries.FULFILMENT, variables, _LINES_A_PAGE):
            part = page.fulfillment
            if part is None:
                return None
            if len(part.tracking_info) >= _MOST_PARCELS:
                raise Malformed(f"fulfilment {part.id} has {_MOST_PARCELS} parcels or more: it may be cut off")
            earlier = whole.fulfillment_line_items.nodes if whole else []
            whole = replace(part, fulfillment_line_items=_whole(earlier + part.fulfillment_line_items.nodes))
        return whole

    def _refund(self, refund_id: str) -> Refund | None:
        whole: Refund | None = None
        for page in self._graphql.pages(queries.REFUND, {"id": refund_id}, _LINES_A_PAGE):
            part = page.refund
            if part is None:
                return None
            earlier = whole.refund_line_items.nodes if whole else []
            whole = replace(part, refund_line_items=_whole(earlier + part.refund_line_items.nodes))
        return whole


class _OrdersOf(Paged, Protocol[N]):
    @property
    def orders(self) -> Connection[N]: ...


def _changed_at(node: msgspec.Raw) -> datetime | None:
    """When a listed order changed; None when it does not say, or names a time to come: a position in the feed that no
    later change could pass."""
    at = listed(node).updated_at
    return at if at is not None and at <= datetime.now(UTC) + _CLOCKS_DIFFER else None


def _whole(nodes: list[N]) -> Connection[N]:
    return Connection(nodes=nodes, page_info=PageInfo(has_next_page=False))


def _quoted(value: str) -> str:
    """A value in Shopify's search syntax: quoted, with what would end the quotation escaped."""
    escaped = value.replace("\\", "\\\\").replace("'", "\\'")
    return f"'{escaped}'"


def _search_time(moment: datetime) -> str:
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
