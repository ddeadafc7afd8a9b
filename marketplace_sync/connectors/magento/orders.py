"""Reads our orders from the shop: those that changed, single ones, by number. Nothing is cut off silently.

An order's row does not move for certain when something is shipped or credited (Magento, reading orders), nor a
shipment's when a tracking number is added later. So four things are asked for: orders, shipments and credit memos that
changed, and shipments that had no tracking number when they were last seen.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any, TypeVar

import msgspec

from marketplace_sync.connectors.magento import marks
from marketplace_sync.connectors.magento.answers import (
    CREDIT_MEMO_FIELDS,
    ORDER_FIELDS,
    SHIPMENT_FIELDS,
    CreditMemo,
    Listed,
    OrderFacts,
    Shipment,
    Touched,
)
from marketplace_sync.connectors.magento.calls import Calls
from marketplace_sync.connectors.magento.order_reading import moment, store_order
from marketplace_sync.connectors.magento.searching import Asking, Filter, Found, Search, Stuck, by_change, by_id, chunks
from marketplace_sync.connectors.magento.settings import MagentoSettings
from marketplace_sync.connectors.ports import UNNAMED, Malformed, StoreOrderPage
from marketplace_sync.decoding import decoded, decoder
from marketplace_sync.domain.store import StoreOrder

T = TypeVar("T")

_CLOCKS_DIFFER = timedelta(days=2)
OURS = (Filter("ext_order_id", "1", "notnull"),)
"""Only orders that came from elsewhere: those of the shop's own customers carry no number of another system."""


class Position(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """How far the shop was read: the latest change seen of each list, in its own words (UTC)."""

    orders: str = ""
    shipments: str = ""
    credit_memos: str = ""
    without_track: dict[str, str] = {}
    """Shipments that had no tracking number when they were last seen, and when they were made."""
    tracks_at: str = ""
    """When those were asked after last, by our clock."""


class OrderReader:
    """Orders of one shop, as they are now. Every method raises TransportError."""

    def __init__(self, settings: MagentoSettings, calls: Calls) -> None:
        self._settings = settings
        self._calls = calls

    # -- what changed --------------------------------------------------------------------------------------------

    def changed(self, watermark: str | None) -> Iterator[StoreOrderPage]:
        """Our orders by time of change, oldest first, then those of which only a part changed.

        The watermark moves with every page of orders. Shipments and credit memos were looked at first, so their part
        of it moves with the last page, when every order they belong to was handed out.
        """
        position = decoded(watermark, Position) if watermark else Position()
        began = datetime.now(UTC)
        kept = began - self._settings.late_tracks_followed
        ahead = position
        touched: dict[int, None] = {}
        if position.orders:
            for kind in ("shipments", "credit_memos"):
                latest = getattr(position, kind) or position.orders
                for page in self._touched(kind, self._behind(latest)):
                    touched |= dict.fromkeys(one.order_id for one in page)
                    latest = max([latest, *(at for one in page if (at := _believed(one.updated_at)))])
                ahead = msgspec.structs.replace(ahead, **{kind: latest})
            due = moment(position.tracks_at) + self._settings.late_tracks_every if position.tracks_at else began
            if due <= began:
                touched |= dict.fromkeys(self._tracked_since(position.without_track))
                ahead = msgspec.structs.replace(ahead, tracks_at=_written(began))
        reached = position
        without_track = {one: made for one, made in position.without_track.items() if moment(made) > kept}
        since = self._behind(position.orders) if position.orders else None
        for listed in self._walk("orders", "/orders", ORDER_FIELDS, since, msgspec.Raw, _position, (OURS,)):
            found = self._whole_page(listed, without_track)
            seen = [at for raw in listed if (at := _believed(_listed(raw).updated_at))]
            reached = msgspec.structs.replace(
                reached, orders=max([reached.orders, *seen]), without_track=dict(without_track)
            )
            for order in found.orders:
                touched.pop(int(order.store_order_id), None)
            yield _with(found, reached)
        for ids in chunks(sorted(touched), self._settings.page_size):
            raws = self._raw_orders((Filter("entity_id", ",".join(map(str, ids)), "in"),), OURS)
            yield _with(self._whole_page(raws, without_track), reached)
        if not position.orders:
            # The first time every order was read whole, with all that became of it up to now; what came meanwhile is
            # behind the earlier of the two clocks.
            first = min(reached.orders, _written(began))
            ahead = Position(shipments=first, credit_memos=first, tracks_at=_written(began))
        end = msgspec.structs.replace(ahead, orders=reached.orders, without_track=without_track)
        yield _with(StoreOrderPage(orders=[]), end)

    def _tracked_since(self, without_track: Mapping[str, str]) -> Iterator[int]:
        """Orders whose shipments have a tracking number by now and had none before."""
        for some in chunks(sorted(without_track)):
            of = ((Filter("entity_id", ",".join(some), "in"),),)
            fields = "entity_id,order_id,created_at,updated_at,tracks[track_number]"
            for shipment in self._all("/shipments", Shipment, fields, of, "late tracking numbers"):
                if _has_track(shipment):
                    yield shipment.order_id

    def _behind(self, stated: str) -> str:
        return _written(moment(stated) - self._settings.overlap)

    def _touched(self, kind: str, since: str) -> Iterator[list[Touched]]:
        path = "/shipments" if kind == "shipments" else "/creditmemos"
        return self._walk(
            kind.replace("_", " "),
            path,
            "entity_id,order_id,updated_at",
            since,
            Touched,
            lambda one: (one.updated_at, one.entity_id),
        )

    def _walk(
        self,
        name: str,
        path: str,
        fields: str,
        since: str | None,
        kind: type[T],
        position: Callable[[T], tuple[str, int]],
        groups: tuple[tuple[Filter, ...], ...] = (),
    ) -> Iterator[list[T]]:
        search = Search(groups=groups, page_size=self._settings.page_size, fields=fields)
        try:
            yield from by_change(search, since, self._asking(path, kind, f"changed {name}"), position)
        except Stuck as problem:
            raise self._calls.unreadable(f"changed {name}", str(problem)) from None

    def _asking(self, path: str, kind: type[T], operation: str) -> Asking[T]:
        def ask(search: Search) -> Found[T]:
            found: Found[T] = self._calls.get(path, Found[kind], search=search, operation=operation)  # type: ignore[valid-type]
            return found

        return ask

    # -- whole orders --------------------------------------------------------------------------------------------

    def _whole_page(self, listed: Sequence[msgspec.Raw], without_track: dict[str, str]) -> StoreOrderPage:
        """Orders with their shipments and credit memos. Notes in `without_track` which to look at again."""
        facts, unreadable = [], []
        for raw in listed:
            try:
                facts.append(_facts(raw))
            except Malformed as problem:
                unreadable.append((str(_listed(raw).entity_id or UNNAMED), str(problem)))
        shipments, memos = self._parts([one.entity_id for one in facts])
        orders = []
        for one in facts:
            theirs = shipments.get(one.entity_id, [])
            for shipment in theirs:
                without_track.pop(str(shipment.entity_id), None)
                if not _has_track(shipment) and _believed(shipment.created_at):
                    without_track[str(shipment.entity_id)] = shipment.created_at
            try:
                orders.append(store_order(one, theirs, memos.get(one.entity_id, []), self._settings))
            except Malformed as problem:
                unreadable.append((str(one.entity_id), str(problem)))
        return StoreOrderPage(orders=orders, unreadable=unreadable)

    def _parts(self, order_ids: Sequence[int]) -> tuple[Mapping[int, list[Shipment]], Mapping[int, list[CreditMemo]]]:
        """Order id -> its shipments, and its credit memos."""
        shipments: dict[int, list[Shipment]] = {}
        memos: dict[int, list[CreditMemo]] = {}
        for some in chunks(order_ids):
            of = ((Filter("order_id", ",".join(map(str, some)), "in"),),)
            for shipment in self._all("/shipments", Shipment, SHIPMENT_FIELDS, of, "shipments of orders"):
                shipments.setdefault(shipment.order_id, []).append(shipment)
            for memo in self._all("/creditmemos", CreditMemo, CREDIT_MEMO_FIELDS, of, "credit memos of orders"):
                memos.setdefault(memo.order_id, []).append(memo)
        return shipments, memos

    def _all(
        self, path: str, kind: type[T], fields: str, groups: tuple[tuple[Filter, ...], ...], operation: str
    ) -> list[T]:
        """A short list to its end."""
        search = Search(groups=groups, page_size=self._settings.page_size, fields=fields)
        identify: Callable[[Any], int] = _entity_id
        try:
            pages = by_id(search, "entity_id", self._asking(path, kind, operation), identify)
            return [one for page in pages for one in page]
        except Stuck as problem:
            raise self._calls.unreadable(operation, str(problem)) from None

    def _raw_orders(self, *groups: tuple[Filter, ...]) -> list[msgspec.Raw]:
        return self._all("/orders", msgspec.Raw, ORDER_FIELDS, groups, "orders")

    # -- single orders -------------------------------------------------------------------------------------------

    def one(self, store_order_id: str) -> StoreOrder | None:
        """One order, None when the shop does not have it. Raises Malformed."""
        facts = self.facts(store_order_id)
        return None if facts is None else self.complete(facts)

    def facts(self, store_order_id: str) -> OrderFacts | None:
        """One order's own row, as the shop states it. Raises Malformed."""
        if not store_order_id.isascii() or not store_order_id.isdigit():
            return None
        found = self._raw_orders((Filter("entity_id", store_order_id),))
        return _facts(found[0]) if found else None

    def by_number(self, number: str, store_id: int) -> OrderFacts | None:
        """The order that carries this number in this store view. Raises Malformed."""
        found = self._raw_orders((Filter("increment_id", number),), (Filter("store_id", str(store_id)),))
        # MySQL compares without regard to case
        same = [facts for facts in map(_facts, found) if facts.increment_id == number]
        return same[0] if same else None

    def complete(self, facts: OrderFacts) -> StoreOrder:
        """An order's row with its shipments and credit memos. Raises Malformed."""
        shipments, memos = self._parts([facts.entity_id])
        return store_order(facts, shipments.get(facts.entity_id, []), memos.get(facts.entity_id, []), self._settings)

    def sources(self, since: datetime) -> Iterator[tuple[str, str]]:
        """(source identifier, order id) of every order of ours that was made since."""
        fields = "entity_id,increment_id,updated_at,payment[additional_information]"
        made = Filter("created_at", _written(since), "gteq")
        for facts in self._all("/orders", OrderFacts, fields, ((made,), OURS), "orders made lately"):
            information = facts.payment.additional_information if facts.payment else None
            identifier = marks.source_identifier(facts.increment_id, information, self._settings)
            if identifier:
                yield identifier, str(facts.entity_id)


def _facts(raw: msgspec.Raw) -> OrderFacts:
    """Raises Malformed when the order is not as Magento documents orders."""
    try:
        return decoder(OrderFacts, float_hook=Decimal, strict=False).decode(raw)
    except (msgspec.DecodeError, RecursionError, ArithmeticError) as problem:
        listed = _listed(raw)
        which = listed.increment_id or listed.entity_id or "?"
        raise Malformed(f"order {which} is not as documented: {str(problem)[:200]}") from None


def _listed(raw: msgspec.Raw) -> Listed:
    try:
        return decoder(Listed, strict=False).decode(raw)
    except (msgspec.DecodeError, RecursionError):
        return Listed()


def _position(raw: msgspec.Raw) -> tuple[str, int]:
    listed = _listed(raw)
    return listed.updated_at, listed.entity_id


def _entity_id(one: Any) -> int:
    return int(_listed(one).entity_id if isinstance(one, msgspec.Raw) else one.entity_id)


def _believed(stated: str) -> str:
    """A time of change as stated; empty for what is none, or names a time to come: no later change could pass it."""
    try:
        at = moment(stated)
    except ValueError:
        return ""
    return stated if at <= datetime.now(UTC) + _CLOCKS_DIFFER else ""


def _has_track(shipment: Shipment) -> bool:
    return any(track.track_number for track in shipment.tracks or ())


def _written(at: datetime) -> str:
    return at.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S")


def _encoded(position: Position) -> str:
    return msgspec.json.encode(position).decode()


def _with(page: StoreOrderPage, position: Position) -> StoreOrderPage:
    """A page with its watermark. Without any position yet it has none: a later read begins where this one did."""
    watermark = _encoded(position) if position.orders else None
    return msgspec.structs.replace(page, watermark=watermark)
