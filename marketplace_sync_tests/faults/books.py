"""Counts, from what the vendors hold, whether everything that had to happen did happen, once, and for the right money.

`missing` may still come while things are under way, and `different` sums may still become equal; `repeated` is wrong at
any time. What the sums have to be is in `money`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

from marketplace_sync_tests.faults import money
from marketplace_sync_tests.faults.documents import JL, Ask, Document, Documents, Line, StoreOrder


@dataclass
class Books:
    """What was counted. Every entry of `missing`, `repeated` and `different` is a sentence about one order."""

    counts: Counter[str] = field(default_factory=Counter)
    missing: list[str] = field(default_factory=list)
    repeated: list[str] = field(default_factory=list)
    different: list[str] = field(default_factory=list)
    """What two systems say of the same money."""
    crossed: set[str] = field(default_factory=set)
    """Orders of which units left the store while they were cancelled: a person has to get them back."""

    untold: set[str] = field(default_factory=set)
    """Orders of which staff gave back delivery that no marketplace can be told of: a person has to see to it."""

    @property
    def balanced(self) -> bool:
        return not self.missing and not self.repeated and not self.different

    def compare(self, what: str, order_id: str, there: int, wanted: int, detail: str = "") -> None:
        """`there` units or things of `what` exist for an order, and `wanted` of them ought to."""
        self.counts[what] += min(there, wanted)
        sentence = f"order {order_id}: {what}: {there} instead of {wanted}{detail and f' ({detail})'}"
        if there < wanted:
            self.missing.append(sentence)
        elif there > wanted:
            self.repeated.append(sentence)

    def compare_money(
        self, order_id: str, said: money.Stated, stored: Sequence[StoreOrder], events: Sequence[Document]
    ) -> None:
        """What an order's marketplace says of it, against what one store order and all of its events say."""
        found = money.in_store(said, stored[0].ordered, stored[0].money) if len(stored) == 1 else []
        if len(stored) == 1 and money.beyond(said, stored[0].money):
            self.untold.add(order_id)
        if stored or events:  # else it died before anybody was told of it
            found += money.at_klaviyo(said, events)
        for one in found:
            self.counts[f"pence: {one.what.partition(' of line ')[0]}"] += one.wanted
            if one.matters:
                self.different.append(f"order {order_id}: {one.text()}")

    def crossing(self, order_id: str, units: int) -> None:
        """So many units of a line left the store while they were cancelled."""
        self.counts["units that left while they were cancelled"] += units
        if units:
            self.crossed.add(order_id)

    def text(self) -> str:
        """The counts as a table, and the first of what is wrong."""
        rows = [f"  {count:>7}  {what}" for what, count in self.counts.items()]
        rows.append(f"  {len(self.missing):>7}  missing")
        rows.append(f"  {len(self.repeated):>7}  repeated or too much")
        rows.append(f"  {len(self.different):>7}  sums that differ")
        return "\n".join([*rows, *self.missing[:15], *self.repeated[:15], *self.different[:15]])


def balance(ask: Ask, carriers: set[str]) -> Books:
    """The books of a sandbox. `carriers` are the store's carrier names that the route maps."""
    held = Documents.read(ask)
    books = Books()
    books.counts["orders at the marketplace"] = len(held.orders)
    for order_id, order in held.orders.items():
        _one_order(books, held, order_id, order, carriers)
    for order_id in sorted(held.stored.keys() - held.orders.keys() - {"None", ""}):
        books.repeated.append(f"order {order_id} is in the store and at no marketplace")
    for name, events in _events_by_name(held).items():
        books.counts[f"Klaviyo: {name}"] = len(events)
    books.counts["Klaviyo: repeats that its keys made harmless"] = held.repeats
    return books


def _one_order(books: Books, held: Documents, order_id: str, order: Document, carriers: set[str]) -> None:
    lines, stored = held.lines[order_id], held.stored.get(order_id, [])
    if order["test"]:
        books.counts["of them tests"] += 1
        books.compare("test orders in the store", order_id, len(stored), 0)
        books.compare("customer events of test orders", order_id, len(held.events.get(order_id, [])), 0)
        return
    _in_store(books, held, order_id, order, lines, stored)
    if stored:
        _acknowledged(books, order_id, lines, held.actions.get(order_id, []))
        _dispatched(books, order_id, lines, stored[0], held.actions.get(order_id, []), carriers)
    _cancelled(books, order_id, lines, stored, held.actions.get(order_id, []))
    _returned(books, held, order_id, stored)
    _told(books, held, order_id, lines, stored)
    books.compare_money(order_id, held.money[order_id], stored, held.events.get(order_id, []))


def _in_store(
    books: Books, held: Documents, order_id: str, order: Document, lines: dict[str, Line], stored: list[StoreOrder]
) -> None:
    wanted = 1
    if not all(line.sku in held.skus for line in lines.values()):
        books.counts["of them with an unknown SKU"] += 1
        wanted = 0
    elif not _usable(order["buyer"]):
        books.counts["of them with an unusable address"] += 1
        wanted = 0
    elif not stored and all(line.cancelled == line.ordered for line in lines.values()):
        books.counts["of them cancelled before the store had them"] += 1
        wanted = 0
    books.compare("orders in the store", order_id, len(stored), wanted)
    if len(stored) == 1:
        for ref, line in lines.items():
            kept = stored[0].ordered[ref] - stored[0].removed[ref]
            wanted = line.ordered - line.cancelled
            if kept < wanted <= kept + stored[0].by_hand[ref]:
                # the marketplace takes no part of a line from the seller: a person is asked
                books.counts["units taken off by hand that the marketplace keeps"] += wanted - kept
                wanted = kept
            books.compare("units kept in the store", order_id, kept, wanted, f"line {ref}")


def _usable(buyer: Document) -> bool:
    return bool(
        buyer.get("full_name") and buyer.get("line_1") and (buyer.get("city") or buyer.get("postal_code"))
    ) and bool(buyer.get("country"))


def _units(actions: list[Document], action: str) -> Counter[str]:
    found: Counter[str] = Counter()
    for one in actions:
        if one["action"] == action:
            found[str(one["line_ref"])] += int(one["quantity"])
    return found


def _acknowledged(books: Books, order_id: str, lines: dict[str, Line], actions: list[Document]) -> None:
    done = _units(actions, "acknowledge")
    for ref, line in lines.items():
        if line.new:
            books.missing.append(f"order {order_id}: line {ref}: {line.new} units are not acknowledged")
        if not done[ref] and line.acknowledged + line.shipped:
            books.counts["lines acknowledged by hand"] += 1
            continue
        # units whose cancellation was asked for before the acknowledgement came are cancelled without one
        wanted = max(line.acknowledged + line.shipped, min(done[ref], line.ordered))
        books.compare("units acknowledged", order_id, done[ref], wanted, f"line {ref}")


def _dispatched(
    books: Books,
    order_id: str,
    lines: dict[str, Line],
    stored: StoreOrder,
    actions: list[Document],
    carriers: set[str],
) -> None:
    wanted: Counter[tuple[str, str]] = Counter()
    for company, number, units in stored.parcels:
        if company not in carriers:
            books.counts["parcels with a carrier that is not mapped"] += 1
            continue
        for ref, quantity in units.items():
            wanted[ref, number] += quantity
    there: Counter[tuple[str, str]] = Counter()
    for one in actions:
        if one["action"] == "dispatch":
            there[str(one["line_ref"]), str(one["tracking_number"])] += int(one["quantity"])
    for ref, number in wanted.keys() | there.keys():
        detail = f"line {ref}, {number}"
        books.compare("units dispatched", order_id, there[ref, number], wanted[ref, number], detail)


def _cancelled(
    books: Books, order_id: str, lines: dict[str, Line], stored: list[StoreOrder], actions: list[Document]
) -> None:
    done = _units(actions, "cancel_acknowledge")
    for ref, line in lines.items():
        books.compare("units cancelled", order_id, done[ref], line.cancelled, f"line {ref}")
        if line.asked:
            books.missing.append(f"order {order_id}: line {ref}: nobody answers the cancellation of {line.asked} units")


def _returned(books: Books, held: Documents, order_id: str, stored: list[StoreOrder]) -> None:
    asked: Counter[str] = Counter()
    for one in held.returns.get(order_id, []):
        asked[str(one["line_ref"])] += int(one["quantity"])
        books.counts["returns"] += 1
        if one["status"] == "RMA":
            books.missing.append(f"order {order_id}: nobody answers return {one['id']}")
        if one["status"] == "RMA_REC" and stored:
            reference = (f"refund:{JL}:{order_id}:{one['id']}", str(one["line_ref"]))
            there = sum(each.refunds[reference] for each in stored)
            books.compare("units refunded in the store", order_id, there, int(one["quantity"]), str(one["id"]))
    for ref, quantity in _units(held.actions.get(order_id, []), "return_acknowledge").items():
        books.counts["units of returns acknowledged"] += quantity
        if quantity > asked[ref]:
            books.repeated.append(f"order {order_id}: line {ref}: {quantity} units of returns answered, {asked[ref]}")


def _told(books: Books, held: Documents, order_id: str, lines: dict[str, Line], stored: list[StoreOrder]) -> None:
    events = held.events.get(order_id, [])
    keys = Counter((event["name"], event["unique_id"]) for event in events)
    for (name, key), times in keys.items():
        if times > 1:
            books.repeated.append(f"order {order_id}: {name} {key} is {times} times at Klaviyo")
    names = Counter(name for name, _ in keys)
    returns = Counter(one["status"] for one in held.returns.get(order_id, []))
    declined = returns["RMA_REJ"] + returns["RMA_EXC"]
    for name, wanted in (
        ("Placed Order", 1),
        ("Ordered Product", len(lines)),
        ("Fulfilled Order", sum(len(one.parcels) for one in stored)),
        ("Return Requested", returns.total()),
        ("Return Declined", declined),
        ("Returned Order", returns["RMA_REC"]),
        ("Refunded Order", returns["RMA_REC"]),
    ):
        books.compare("customer events that had to come", order_id, names[name], wanted, name)
    told = sum(
        int(item["Quantity"]) for event in events if event["name"] == "Cancelled Order" for item in _items(event)
    )
    cancelled = sum(line.cancelled for line in lines.values())
    books.compare("cancelled units told to Klaviyo", order_id, told, cancelled)


def _items(event: Document) -> list[Document]:
    found: list[Document] = event["properties"]["Items"]
    return found


def _events_by_name(held: Documents) -> dict[str, list[Document]]:
    found: dict[str, list[Document]] = {}
    for events in held.events.values():
        for event in events:
            found.setdefault(event["name"], []).append(event)
    return dict(sorted(found.items()))
