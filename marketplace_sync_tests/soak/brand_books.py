"""The books of a brand with four marketplaces, two stores and one Klaviyo account: order by order, unit by unit, penny
by penny, from what the simulated vendors hold and from nothing of ours."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from marketplace_sync_tests.faults.books import Books, balance
from marketplace_sync_tests.faults.documents import Ask, Document, StoreOrder, grouped, store_order
from marketplace_sync_tests.faults.money import Stated, pence
from marketplace_sync_tests.soak.arcade_books import arcade_balance
from marketplace_sync_tests.soak.brand_money import given_back_by, kept_by_magento, stated_by_mirakl

_SOURCE = "marketplace-sync source: "
_NOTE = "[marketplace-sync "


@dataclass(frozen=True)
class Roles:
    """Accounts by what they are. The marketplaces are those run on Mirakl; the Edge and Marketplacer have books of
    their own."""

    store_of: Mapping[str, str]
    arcade: str
    shopify: str
    magento: str
    klaviyo: str
    at_cost: frozenset[str]
    """The marketplaces of which the prices are what they pay the seller (DROPSHIP)."""


@dataclass
class _Held:
    """What the vendors hold of one marketplace, by order id."""

    orders: dict[str, Document]
    stored: dict[str, list[StoreOrder]]
    events: dict[str, list[Document]]
    returns: dict[str, list[Document]]
    shipments: dict[str, list[Document]]
    accepted: Counter[str]
    money: dict[str, Stated]


def brand_balance(ask: Ask, roles: Roles, carriers: set[str]) -> Books:
    """The books of everything. `carriers` are the stores' carrier names that the routes map."""

    def all_of(account: str, collection: str) -> list[Document]:
        found: list[Document] = ask(f"{account}/state/{collection}?limit=10000000")
        return found

    books = balance(ask, carriers)
    metrics = {metric["id"]: metric["name"] for metric in all_of(roles.klaviyo, "metrics")}
    events = [{**event, "name": metrics[event["metric"]]} for event in all_of(roles.klaviyo, "events")]
    told = grouped(
        events, lambda one: f"{one['properties'].get('Connection')}:{one['properties']['MarketplaceOrderId']}"
    )
    papers = tuple(all_of(roles.magento, kind) for kind in ("orders", "shipments", "creditmemos"))
    stored = _stored(all_of(roles.shopify, "orders"), papers)
    prices = {
        roles.shopify: {one["sku"]: int(one["price"]) for one in all_of(roles.shopify, "variants")},
        roles.magento: {one["sku"]: pence(one["price"]) for one in all_of(roles.magento, "products")},
    }
    known = {f"john_lewis:{one['id']}" for one in all_of("john_lewis", "orders")}
    for name, store in roles.store_of.items():
        orders = {str(order["id"]): order for order in all_of(name, "orders")}
        known |= {f"{name}:{order_id}" for order_id in orders}
        own = f"{name}:"
        held = _Held(
            orders=orders,
            stored={key.removeprefix(own): same for key, same in stored.items() if key.startswith(own)},
            events={key.removeprefix(own): same for key, same in told.items() if key.startswith(own)},
            returns=grouped(all_of(name, "returns"), lambda one: str(one["order_id"])),
            shipments=grouped(all_of(name, "shipments"), lambda one: str(one["order_id"])),
            accepted=Counter(str(one["about"]) for one in all_of(name, "actions") if one["operation"] == "OR21"),
            money={
                order_id: stated_by_mirakl(order, prices[store] if name in roles.at_cost else None)
                for order_id, order in orders.items()
            },
        )
        books.counts[f"orders at {name}"] = len(orders)
        for order_id, order in orders.items():
            _one_order(books, held, order_id, order, carriers)
    own = f"{roles.arcade}:"
    books_of_arcade = arcade_balance(
        books,
        lambda collection: all_of(roles.arcade, collection),
        {key.removeprefix(own): same for key, same in stored.items() if key.startswith(own)},
        {key.removeprefix(own): same for key, same in told.items() if key.startswith(own)},
        carriers,
    )
    known |= {f"{own}{order_id}" for order_id in books_of_arcade}
    for source in sorted((stored.keys() | told.keys()) - known):
        books.repeated.append(f"{source} is in a store or at Klaviyo and at no marketplace")
    books.counts["events at Klaviyo, of all marketplaces"] = len(events)
    repeats = Counter((event["name"], event["unique_id"]) for event in events)
    books.repeated += [
        f"{name} {key} is {times} times at Klaviyo" for (name, key), times in repeats.items() if times > 1
    ]
    return books


def _stored(shopify: list[Document], magento: tuple[list[Document], ...]) -> dict[str, list[StoreOrder]]:
    """Every order of both stores by whose it says it is."""
    found: dict[str, list[StoreOrder]] = {}
    for order in shopify:
        found.setdefault(str(order["sourceIdentifier"]), []).append(store_order(order))
    orders, shipments, memos = magento
    parcels, credited = (grouped(papers, lambda one: str(one["order_id"])) for papers in (shipments, memos))
    for order in orders:
        said = order["payment"]["additional_information"]
        source = next((entry.removeprefix(_SOURCE) for entry in said if entry.startswith(_SOURCE)), "None")
        key = str(order["entity_id"])
        found.setdefault(source, []).append(_of_magento(order, parcels.get(key, []), credited.get(key, [])))
    return found


def _of_magento(order: Document, parcels: list[Document], memos: list[Document]) -> StoreOrder:
    """A credit memo of ours says whether it takes units off or records a refund of the marketplace's. One of the staff
    does not: what had not left by then is taken off, the rest came back (Magento, credit memo)."""
    ref = {item["item_id"]: str(item["ext_order_item_id"]) for item in order["items"]}
    found = StoreOrder(order["increment_id"])
    for item in order["items"]:
        found.ordered[ref[item["item_id"]]] += int(item["qty_ordered"])
        found.removed[ref[item["item_id"]]] += int(item["qty_canceled"])
    for parcel in parcels:
        units: Counter[str] = Counter()
        for item in parcel["items"]:
            units[ref[item["order_item_id"]]] += int(item["qty"])
        track = next(iter(parcel["tracks"]), {"title": "", "track_number": ""})
        found.parcels.append((track["title"], track["track_number"], units))
    credited, off = Counter[str](), Counter[str]()
    refunds = []
    for memo in sorted(memos, key=lambda one: (one["created_at"], one["entity_id"])):
        reference, back = _reference(memo), Counter[str]()
        earlier = [parcel for parcel in parcels if parcel["created_at"] < memo["created_at"]]
        for item in memo["items"]:
            line, quantity = ref[item["order_item_id"]], int(item["qty"])
            left = sum(
                int(one["qty"]) for parcel in earlier for one in parcel["items"] if ref[one["order_item_id"]] == line
            )
            taken = min(quantity, max(0, credited[line] + quantity - left - off[line]))
            if reference:
                taken = 0 if reference.startswith("refund:") else quantity
            credited[line] += quantity
            off[line] += taken
            found.removed[line] += taken
            back[line] += quantity - taken
            found.refunds[reference, line] += quantity - taken
        if +back or reference.startswith("refund:"):
            refunds.append(given_back_by(memo, +back, of_staff=not reference))
    found.money = kept_by_magento(order, refunds)
    return found


def _reference(memo: Document) -> str:
    said = " ".join(each["comment"] or "" for each in memo["comments"])
    return said.rpartition(_NOTE)[2].rstrip("]") if _NOTE in said else ""


def _one_order(books: Books, held: _Held, order_id: str, order: Document, carriers: set[str]) -> None:
    stored, lines, crossing = held.stored.get(order_id, []), order["lines"], set[str]()
    dead = all(line["state"] in ("CANCELED", "REFUSED") for line in lines)
    if dead and not stored:
        books.counts["of them cancelled before the store had them"] += 1
    else:
        books.compare("orders in the store", order_id, len(stored), 1)
    if len(stored) == 1:
        (one,) = stored
        reference = order["seller_reference"]
        books.compare("store's numbers at the marketplace", order_id, int(reference == one.name), 1, str(reference))
        for line in lines:
            kept = one.ordered[line["id"]] - one.removed[line["id"]]
            books.compare("units kept in the store", order_id, kept, line["quantity"], f"line {line['id']}")
            given_back = sum(refund["quantity"] for refund in line["refunds"])
            there = sum(units for (_, ref), units in one.refunds.items() if ref == line["id"])
            books.compare("units refunded in the store", order_id, there, given_back, f"line {line['id']}")
        crossing = _dispatched(books, held, order_id, one, carriers)
    if order["accepted"] is not None or stored:
        books.compare("orders accepted", order_id, held.accepted[order_id], 1)
    for one_return in held.returns.get(order_id, []):
        books.counts["returns"] += 1
        if one_return["state"] == "WAITING_ACCEPTANCE":
            books.missing.append(f"order {order_id}: nobody answers return {one_return['id']}")
    _told(books, held, order_id, lines, stored, crossing)
    books.compare_money(order_id, held.money[order_id], stored, held.events.get(order_id, []))


def _dispatched(books: Books, held: _Held, order_id: str, stored: StoreOrder, carriers: set[str]) -> set[str]:
    """Returns the lines of which more left than the marketplace still wanted."""
    books.counts["parcels with a carrier that is not mapped"] += sum(
        company not in carriers for company, _, _ in stored.parcels
    )
    there: dict[str, Counter[str]] = {ref: Counter() for ref in stored.ordered}
    for shipment in held.shipments.get(order_id, []):
        if shipment["status"] != "SHIPPING":
            for line in shipment["lines"]:
                number = shipment["tracking"]["tracking_number"]
                there.setdefault(line["order_line_id"], Counter())[number] += line["quantity"]
    crossing = set()
    for ref, shown in there.items():
        left, crossed = stored.left(ref, carriers), stored.sent_though_removed(ref, carriers)
        books.crossing(order_id, crossed)
        detail = f"line {ref}"
        if crossed:
            crossing.add(ref)
            books.compare("units dispatched", order_id, shown.total(), left.total() - crossed, detail)
            continue
        for number in left.keys() | shown.keys():
            books.compare("units dispatched", order_id, shown[number], left[number], f"{detail}, {number}")
    return crossing


def _told(
    books: Books,
    held: _Held,
    order_id: str,
    lines: Sequence[Document],
    stored: Sequence[StoreOrder],
    crossing: set[str],
) -> None:
    events = held.events.get(order_id, [])
    names = Counter(event["name"] for event in events)
    parcels = [units for one in stored for _, _, units in one.parcels]
    # a parcel of nothing but units that had been taken off is told to nobody
    certain = sum(not units.keys() <= crossing for units in parcels)
    # what died before the store had it was a sale to Klaviyo, or was not, as soon as it was seen
    sold = bool(stored) or bool(events)
    for name, wanted in (
        ("Placed Order", 1),
        ("Ordered Product", len(lines)),
        ("Fulfilled Order", min(max(names["Fulfilled Order"], certain), len(parcels))),
        ("Return Requested", len(held.returns.get(order_id, []))),
        ("Returned Order", sum(_came_back(one) for one in held.returns.get(order_id, []))),
        ("Refunded Order", sum(len(line["refunds"]) for line in lines)),
    ):
        books.compare("customer events that had to come", order_id, names[name], wanted if sold else 0, name)
    told = sum(
        int(item["Quantity"])
        for event in events
        if event["name"] == "Cancelled Order"
        for item in event["properties"]["Items"]
    )
    cancelled = sum(taken["quantity"] for line in lines for taken in line["cancelations"])
    books.compare("cancelled units told to Klaviyo", order_id, told, cancelled if sold else 0)


def _came_back(one_return: Document) -> bool:
    """Whether the marketplace was told that its goods are there, by us or by hand."""
    return one_return["state"] == "RECEIVED" or any(line["compliance"] for line in one_return["lines"])
