"""The books of a Marketplacer instance: purchase by purchase, unit by unit, penny by penny, from what the instance, the
store and Klaviyo hold."""

from __future__ import annotations

import base64
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from marketplace_sync_tests.faults.books import Books
from marketplace_sync_tests.faults.documents import Document, StoreOrder, grouped
from marketplace_sync_tests.soak.brand_money import stated_by_marketplacer

Collection = Callable[[str], list[Document]]
_NOTE = "marketplace_sync "


@dataclass
class _Line:
    """One line, in units, and what the instance says happened to them."""

    ordered: int
    cancelled: int
    returned: int
    shipped: Counter[str] = field(default_factory=Counter)
    """Tracking number -> units."""
    returns: int = 0
    """Requests for what had left, without those by which we ask for what the store gave back."""
    refunds: int = 0
    """Of these, those that were paid."""
    by_us: int = 0
    """Of the cancelled units those that we cancelled there, because the store had taken them off."""
    crossed: int = 0
    """Units that had been cancelled when they left the store."""

    @property
    def by_others(self) -> int:
        """Units that their buyer, the operator or a seller in its portal cancelled: these may leave the store all the
        same. What we cancel there has been taken off in the store, and cannot."""
        return self.cancelled - self.by_us


def arcade_balance(
    books: Books,
    all_of: Collection,
    stored: Mapping[str, Sequence[StoreOrder]],
    told: Mapping[str, Sequence[Document]],
    carriers: set[str],
) -> set[str]:
    """Adds an instance's purchases to the books. `stored` and `told` are the stores' orders and Klaviyo's events by
    order id. Returns the ids of all orders."""
    orders = {_gid("Order", one["n"]): one for one in all_of("orders")}
    lines = _lines(all_of)
    documents = {one["n"]: one for one in all_of("line_items")}
    order_of = {one["n"]: one["order"] for one in all_of("invoices")}
    items = grouped(all_of("refund_request_line_items"), lambda one: str(one["request"]))
    requests = grouped(all_of("refund_requests"), lambda one: str(order_of[one["invoice"]]))
    _marked_once(books, all_of)
    books.counts["orders at the Marketplacer instance"] = len(orders)
    for order_id, order in orders.items():
        mine = {_gid("LineItem", number): lines[number] for number in order["lineItems"]}
        _one_order(books, order_id, mine, stored.get(order_id, []), carriers)
        _told(books, order_id, mine, stored.get(order_id, []), told.get(order_id, []))
        said = stated_by_marketplacer(
            order,
            {_gid("LineItem", number): documents[number] for number in order["lineItems"]},
            [(one, items.get(str(one["n"]), [])) for one in requests.get(str(order["n"]), [])],
        )
        books.compare_money(order_id, said, stored.get(order_id, []), told.get(order_id, []))
    return set(orders)


def _gid(typename: str, number: int) -> str:
    return base64.b64encode(f"{typename}-{number}".encode()).decode()


def _lines(all_of: Collection) -> dict[int, _Line]:
    found = {
        one["n"]: _Line(int(one["quantity"]), int(one["cancelled"]), int(one["returned"]))
        for one in all_of("line_items")
    }
    for shipment in all_of("shipments"):
        for item in shipment["items"]:
            found[item["line"]].shipped[shipment["trackingNumber"]] += int(item["quantity"])
    ours = {one["n"] for one in all_of("refund_requests") if one["initiatedBy"] == "SELLER" and _marks(one)}
    for item in all_of("refund_request_line_items"):
        if item["request"] in ours and item["dispatched"] is False and item["status"] == "REFUNDED":
            found[item["line"]].by_us += int(item["quantity"])
        if item["dispatched"]:
            found[item["line"]].returns += item["request"] not in ours
            found[item["line"]].refunds += item["status"] == "REFUNDED"
    return found


def _marked_once(books: Books, all_of: Collection) -> None:
    """Whatever we asked for is there once: two requests with one mark are one wish, carried out twice."""
    order_of = {one["n"]: one["order"] for one in all_of("invoices")}
    marked = Counter((request["invoice"], mark) for request in all_of("refund_requests") for mark in _marks(request))
    books.counts["cancellations and refunds that we asked for"] = len(marked)
    books.repeated += [
        f"order {_gid('Order', order_of[invoice])}: refund request {mark} was made {times} times"
        for (invoice, mark), times in marked.items()
        if times > 1
    ]


def _marks(request: Document) -> set[str]:
    """Which wish of ours a request was made for, as its external id or a note says."""
    notes = {str(one["note"]) for one in request["notes"]}
    return {str(one["value"]) for one in request.get("externalIds") or ()} | {
        note.removeprefix(_NOTE) for note in notes if note.startswith(_NOTE)
    }


def _one_order(
    books: Books, order_id: str, lines: Mapping[str, _Line], stored: Sequence[StoreOrder], carriers: set[str]
) -> None:
    if not stored and all(line.cancelled == line.ordered for line in lines.values()):
        books.counts["of them cancelled before the store had them"] += 1
        return
    books.compare("orders in the store", order_id, len(stored), 1)
    if len(stored) != 1:
        return
    (one,) = stored
    for line_id, line in lines.items():
        left, removed_before = one.left(line_id, carriers), one.sent_though_removed(line_id, carriers)
        # the instance lets a buyer cancel what left the store a moment ago: then a person is asked, and the parcel
        # is not taken there any more
        surplus = left.total() + line.cancelled - line.ordered - removed_before
        cancelled_since = max(0, min(surplus, line.by_others))
        line.crossed = crossed = cancelled_since + removed_before
        books.crossing(order_id, crossed)
        kept = one.ordered[line_id] - one.removed[line_id]
        detail = f"line {line_id}"
        books.compare(
            "units kept in the store", order_id, kept, line.ordered - line.cancelled + cancelled_since, detail
        )
        given_back = sum(units for (_, ref), units in one.refunds.items() if ref == line_id)
        books.compare("units refunded in the store", order_id, given_back, line.returned, detail)
        books.compare("units dispatched", order_id, line.shipped.total(), left.total() - crossed, detail)
        if not crossed:
            for number in left.keys() | line.shipped.keys():
                if line.shipped[number] != left[number]:
                    books.missing.append(f"order {order_id}: {detail}: {number} has {line.shipped} instead of {left}")


def _told(
    books: Books,
    order_id: str,
    lines: Mapping[str, _Line],
    stored: Sequence[StoreOrder],
    events: Sequence[Document],
) -> None:
    names = Counter(event["name"] for event in events)
    parcels = [units for one in stored for _, _, units in one.parcels]
    # a parcel of nothing but units that had been cancelled is told to nobody when that was known before it
    certain = sum(any(not lines[line_id].crossed for line_id in units) for units in parcels)
    for name, wanted in (
        ("Placed Order", 1),
        ("Ordered Product", len(lines)),
        ("Fulfilled Order", min(max(names["Fulfilled Order"], certain), len(parcels))),
        ("Return Requested", sum(line.returns for line in lines.values())),
        ("Refunded Order", sum(line.refunds for line in lines.values())),
    ):
        books.compare("customer events that had to come", order_id, names[name], wanted, name)
    told = sum(
        int(item["Quantity"])
        for event in events
        if event["name"] == "Cancelled Order"
        for item in event["properties"]["Items"]
    )
    books.compare("cancelled units told to Klaviyo", order_id, told, sum(line.cancelled for line in lines.values()))
