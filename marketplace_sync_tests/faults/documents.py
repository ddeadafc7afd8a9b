"""What the simulated vendors hold, as the sandbox's control endpoint shows it: nothing of ours is asked."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

JL, SHOP, KLAVIYO = "john_lewis", "shopify_main", "klaviyo_main"

Document = dict[str, Any]
Ask = Callable[[str], Any]
"""Path under /control -> its JSON."""

_SHIPPED = ("DISPATCH", "RMA", "RMA_ACK", "RMA_AUTHORISED", "RMA_COLLECTION_BOOKED", "RMA_REC", "RMA_REJ", "RMA_EXC")
_LINE_MARK = "_marketplace_line"


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
        return cls(
            orders=orders,
            lines={order_id: _lines(order) for order_id, order in orders.items()},
            actions=grouped(all_of(JL, "actions"), lambda one: str(one["order_id"])),
            returns=grouped(all_of(JL, "returns"), lambda one: str(one["order_id"])),
            stored={
                source.removeprefix(f"{JL}:"): [store_order(one) for one in same]
                for source, same in grouped(shop, lambda one: str(one["sourceIdentifier"])).items()
            },
            events=grouped(events, lambda one: str(one["properties"].get("MarketplaceOrderId"))),
            repeats=sum(int(one["times"]) for one in all_of(KLAVIYO, "event_repeats")),
            skus={variant["sku"] for variant in all_of(SHOP, "variants")},
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
            units: Counter[str] = Counter()
            for line in parcel["lines"]:
                units[marks[line["lineId"]]] += int(line["quantity"])
            tracking = next((t for t in parcel["trackingInfo"] if t["number"]), {"company": "", "number": ""})
            found.parcels.append((tracking["company"], tracking["number"], units))
    for refund in document["refunds"]:
        _, mark, rest = (refund["note"] or "").rpartition("[marketplace-sync ")
        reference = rest.rstrip("]") if mark else ""
        for line in refund["lines"]:
            if line["restockType"] == "CANCEL":
                found.removed[marks[line["lineId"]]] += int(line["quantity"])
                found.by_hand[marks[line["lineId"]]] += 0 if reference else int(line["quantity"])
            else:
                found.refunds[reference, marks[line["lineId"]]] += int(line["quantity"])
    return found
