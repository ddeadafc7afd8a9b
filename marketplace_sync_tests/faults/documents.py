"""What the simulated vendors hold, as the sandbox's control endpoint shows it: nothing of ours is asked."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from marketplace_sync_tests.faults.money import CURRENCY, GivenBack, InStore, Sold, Stated

JL, SHOP, KLAVIYO = "john_lewis", "shopify_main", "klaviyo_main"

Document = dict[str, Any]
Ask = Callable[[str], Any]
"""Path under /control -> its JSON."""

_SHIPPED = ("DISPATCH", "RMA", "RMA_ACK", "RMA_AUTHORISED", "RMA_COLLECTION_BOOKED", "RMA_REC", "RMA_REJ", "RMA_EXC")
_LINE_MARK = "_marketplace_line"
_VAT_PER_CENT = 20
"""What John Lewis adds to its cost prices, and to what it takes back of them."""


@dataclass
class Line:
    """One line of a marketplace order, in units, whatever rows the vendor has split it into."""

    sku: str
    part_number: str
    ordered: int = 0
    new: int = 0
    acknowledged: int = 0
    """Accepted and not shipped yet."""
    asked: int = 0
    """Somebody wants them cancelled, and nobody has answered."""
    cancelled: int = 0
    shipped: int = 0


@dataclass
class StoreOrder:
    """One order of the shop, in units per marketplace line."""

    name: str
    ordered: Counter[str] = field(default_factory=Counter)
    removed: Counter[str] = field(default_factory=Counter)
    parcels: list[tuple[str, str, Counter[str]]] = field(default_factory=list)
    """(carrier, tracking number, units) of every parcel that left."""
    refunds: Counter[tuple[str, str]] = field(default_factory=Counter)
    """(reference in the note, line) -> units given back after they left."""
    by_hand: Counter[str] = field(default_factory=Counter)
    """Of the removed units those that somebody took off in the store."""
    money: InStore = field(default_factory=lambda: InStore(0, 0))

    def left(self, ref: str, carriers: set[str]) -> Counter[str]:
        """Tracking number -> units of a line that left with one of these carriers."""
        found: Counter[str] = Counter()
        for company, number, units in self.parcels:
            if company in carriers:
                found[number] += units[ref]
        return +found

    def sent_though_removed(self, ref: str, carriers: set[str]) -> int:
        """Units of a line that left after the store had taken them off. Magento lets them: what it still has to send
        of a line is what was ordered without the greater of shipped and credited, not without both."""
        return max(0, self.left(ref, carriers).total() + self.removed[ref] - self.ordered[ref])


@dataclass
class Documents:
    """Everything that the books are made of, by marketplace order id."""

    orders: dict[str, Document]
    lines: dict[str, dict[str, Line]]
    actions: dict[str, list[Document]]
    returns: dict[str, list[Document]]
    stored: dict[str, list[StoreOrder]]
    events: dict[str, list[Document]]
    repeats: int
    """Events that Klaviyo was sent again and dropped by their key."""
    skus: set[str]
    money: dict[str, Stated]

    @classmethod
    def read(cls, ask: Ask) -> Documents:
        def all_of(account: str, collection: str) -> list[Document]:
            found: list[Document] = ask(f"{account}/state/{collection}?limit=10000000")
            return found

        orders = {str(order["id"]): order for order in all_of(JL, "orders")}
        metrics = {metric["id"]: metric["name"] for metric in all_of(KLAVIYO, "metrics")}
        events = [{**event, "name": metrics[event["metric"]]} for event in all_of(KLAVIYO, "events")]
        # a shop may serve other marketplaces too: their orders are in other books
        shop = [one for one in all_of(SHOP, "orders") if str(one["sourceIdentifier"]).startswith(f"{JL}:")]
        lines = {order_id: _lines(order) for order_id, order in orders.items()}
        returns = grouped(all_of(JL, "returns"), lambda one: str(one["order_id"]))
        prices = {variant["sku"]: int(variant["price"]) for variant in all_of(SHOP, "variants")}
        return cls(
            orders=orders,
            lines=lines,
            actions=grouped(all_of(JL, "actions"), lambda one: str(one["order_id"])),
            returns=returns,
            stored={
                source.removeprefix(f"{JL}:"): [store_order(one) for one in same]
                for source, same in grouped(shop, lambda one: str(one["sourceIdentifier"])).items()
            },
            events=grouped(events, lambda one: str(one["properties"].get("MarketplaceOrderId"))),
            repeats=sum(int(one["times"]) for one in all_of(KLAVIYO, "event_repeats")),
            skus=set(prices),
            money={
                order_id: _stated(order, lines[order_id], returns.get(order_id, []), prices)
                for order_id, order in orders.items()
            },
        )


def grouped(documents: Iterable[Document], key: Callable[[Document], str]) -> dict[str, list[Document]]:
    found: dict[str, list[Document]] = {}
    for document in documents:
        found.setdefault(key(document), []).append(document)
    return found


def _lines(order: Mapping[str, Any]) -> dict[str, Line]:
    found: dict[str, Line] = {}
    for row in order["lines"]:
        line = found.setdefault(str(row["ref"]), Line(row["sku"], row["part_number"]))
        units, cancelled, status = int(row["quantity"]), int(row.get("cancelled", 0)), row["status"]
        line.ordered += units + cancelled
        line.cancelled += cancelled
        line.new += units if status == "ORDER" else 0
        line.asked += units if status == "CANCEL" else 0
        line.acknowledged += units if status == "ORDER_ACK" else 0
        line.shipped += units if status in _SHIPPED else 0
    return found


def _stated(
    order: Document, lines: Mapping[str, Line], returns: Iterable[Document], prices: Mapping[str, int]
) -> Stated:
    """John Lewis states what it pays for a unit, and adds the tax to each line. What it takes back of a return, in full
    or in part, is stated likewise."""
    costs = {str(row["ref"]): int(row["cost"] or 0) for row in order["lines"]}
    refunds = []
    for one in returns:
        if one["status"] == "RMA_REC":
            ref, quantity, amount = str(one["line_ref"]), int(one["quantity"]), int(one["approved_amount"] or 0)
            refunds.append(GivenBack(with_tax(amount), Counter({ref: quantity})))
    sold = {
        ref: Sold(line.sku, line.ordered, line.cancelled, with_tax(costs[ref] * line.ordered))
        for ref, line in lines.items()
    }
    return Stated(sold, refunds, prices=prices)


def with_tax(net: int) -> int:
    """Rounded half up, as each line of an order is."""
    return net + (net * _VAT_PER_CENT + 50) // 100


def _money_of(document: Mapping[str, Any], refunds: Iterable[GivenBack]) -> InStore:
    """A line of Shopify's has a price of one unit, and its tax in that, or on top of it. What does not divide is a
    charge beside the delivery."""
    if document["currency"] != CURRENCY:
        return InStore(0, 0)
    rows = [*document["lines"], *({"quantity": 1, **line} for line in document["shippingLines"])]
    total = sum(int(row["price"]) * int(row["quantity"]) - int(row["discount"]) for row in rows)
    if not document["taxesIncluded"]:
        total += sum(int(tax["price"]) for row in rows for tax in row["taxLines"])
    moved: Counter[str] = Counter()
    for one in document["transactions"]:
        moved[one["kind"]] += int(one["amount"]) if one["status"] == "SUCCESS" else 0
    return InStore(total, moved["SALE"], tuple(refunds), is_empty=moved["REFUND"] == moved["SALE"])


def _taken_off(line: Mapping[str, Any]) -> bool:
    """Whether a refund's line is of units that had not left: put back into stock or not."""
    return bool(line["restockType"] == "CANCEL" or line.get("removed"))


def store_order(document: Mapping[str, Any]) -> StoreOrder:
    marks = {
        line["id"]: next((a["value"] for a in line["customAttributes"] if a["key"] == _LINE_MARK), "")
        for line in document["lines"]
    }
    found = StoreOrder(document["name"])
    for line in document["lines"]:
        found.ordered[marks[line["id"]]] += int(line["quantity"])
    for parcel in document["fulfillments"]:
        if parcel["status"] == "SUCCESS":
            packed: Counter[str] = Counter()
            for line in parcel["lines"]:
                packed[marks[line["lineId"]]] += int(line["quantity"])
            tracking = next((t for t in parcel["trackingInfo"] if t["number"]), {"company": "", "number": ""})
            found.parcels.append((tracking["company"], tracking["number"], packed))
    booked = {one["id"]: int(one["amount"]) for one in document["transactions"]}
    given_back = []
    for refund in document["refunds"]:
        _, mark, rest = (refund["note"] or "").rpartition("[marketplace-sync ")
        reference = rest.rstrip("]") if mark else ""
        for line in refund["lines"]:
            if _taken_off(line):
                found.removed[marks[line["lineId"]]] += int(line["quantity"])
                found.by_hand[marks[line["lineId"]]] += 0 if reference else int(line["quantity"])
            else:
                found.refunds[reference, marks[line["lineId"]]] += int(line["quantity"])
        if not refund["lines"] or not all(_taken_off(line) for line in refund["lines"]):
            units: Counter[str] = Counter()
            for line in refund["lines"]:
                units[marks[line["lineId"]]] += int(line["quantity"])
            given_back.append(GivenBack(sum(booked[each] for each in refund["transactions"]), units))
    found.money = _money_of(document, given_back)
    return found
