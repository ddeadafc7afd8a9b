"""What a brand's marketplaces say of their orders in money, and what Magento has of them, from their own documents.

What has to be equal is in `faults.money`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence

from marketplace_sync_tests.faults.documents import Document
from marketplace_sync_tests.faults.money import CURRENCY, GivenBack, InStore, Sold, Stated, pence


def stated_by_mirakl(order: Document, prices: Mapping[str, int] | None) -> Stated:
    """Every amount has its delivery, and its tax where that comes on top, beside it (Mirakl, order fields)."""
    lines, refunds = {}, []
    for line in order["lines"]:
        bought, taken = line["ordered"], line["cancelations"]
        lines[line["id"]] = Sold(
            line["sku"],
            int(bought["quantity"]),
            sum(int(one["quantity"]) for one in taken),
            int(bought["price"] + bought["tax"]),
            int(bought["shipping"] + bought["shipping_tax"]),
            [
                (one["quantity"], one["amount"] + one["tax"], one["shipping_amount"] + one["shipping_tax"])
                for one in taken
            ],
        )
        refunds += [
            GivenBack(
                one["amount"] + one["tax"] + one["shipping_amount"] + one["shipping_tax"],
                Counter({line["id"]: int(one["quantity"])}),
                int(one["shipping_amount"] + one["shipping_tax"]),
            )
            for one in line["refunds"]
        ]
    return Stated(lines, refunds, prices=prices)


def stated_by_marketplacer(
    order: Document, lines: Mapping[str, Document], requests: Iterable[tuple[Document, list[Document]]]
) -> Stated:
    """A line's total has its delivery in it, and a buyer has the cash of a request, which is given for all of its
    items. What only the seller loses (`onlyRemittance`) is no buyer's money (Marketplacer, refund requests)."""
    sold = {
        line_id: Sold(
            line["variantSku"],
            int(line["quantity"]),
            int(line["cancelled"]),
            int(line["totalCents"] - line["postageCents"]),
        )
        for line_id, line in lines.items()
    }
    ids = {line["n"]: line_id for line_id, line in lines.items()}
    refunds = []
    for request, items in requests:
        counted = [one for one in items if one["status"] == "REFUNDED" and not one["onlyRemittance"]]
        of_goods = [one for one in counted if one["dispatched"] is not False]
        if not of_goods:
            continue  # cancelled before it left
        found = [GivenBack(int(one["amountCents"]), _units(one, ids)) for one in of_goods]
        if sum(one["amountCents"] for one in counted) != request["cashAmountCents"]:
            whole = sum((_units(one, ids) for one in of_goods), Counter[str]())
            found = [GivenBack(int(request["cashAmountCents"]), whole)]
        refunds += found
    return Stated(sold, refunds, int(order["shippingCostCents"]))


def _units(item: Document, ids: Mapping[int, str]) -> Counter[str]:
    return Counter({ids[item["line"]]: int(item["quantity"])}) if item["line"] is not None else Counter()


def kept_by_magento(order: Document, refunds: Sequence[GivenBack]) -> InStore:
    if order["order_currency_code"] != CURRENCY:
        return InStore(0, 0)
    paid, given_back = (pence(order.get(name) or 0) for name in ("total_paid", "total_refunded"))
    never_paid = order["state"] == "canceled" and not paid
    return InStore(pence(order["grand_total"]), None if never_paid else paid, refunds, is_empty=given_back == paid)


def given_back_by(memo: Document, units: Counter[str], *, of_staff: bool) -> GivenBack:
    """Of a credit memo, for these units of it: those that had left. Staff give back all of an order's delivery with the
    first of them."""
    return GivenBack(pence(memo["grand_total"]), units, pence(memo["shipping_incl_tax"]) if of_staff else 0)
