"""A Mirakl marketplace's own statements, from order to payout: what its simulation gets wrong on purpose is found."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text

from marketplace_sync.connectors.mirakl.settings import MiraklSettings
from marketplace_sync.connectors.mirakl.sold import sold_order
from marketplace_sync.connectors.ports import Malformed
from marketplace_sync.domain.settlement.inputs import SoldLine
from marketplace_sync.flows.settlement import reconcile_connection
from marketplace_sync.flows.settlement_feed import import_settlement
from marketplace_sync.flows.settlement_payout import payout_of
from marketplace_sync_tests.flows.mirakl_town import BAZAAR, bazaar_order, mirakl_town
from marketplace_sync_tests.flows.town import Town

DAY = 86_400
FAULTS = {"wrong_commission_rate": 0.3, "missing_refund_commission_rate": 0.5, "surprise_fee_rate": 0.1}
SETTINGS = MiraklSettings.model_validate(
    {"platform": "mirakl", "base_url": "http://127.0.0.1:1", "api_key": {"env": "X", "default": "k"}}
)


@pytest.fixture
def here(database_url: str, tmp_path: Path) -> Iterator[Town]:
    shop = {"automatic_cycles": False, "subscription_fee": 3900, **FAULTS}
    finance = {"finance": {"commission_rates": {"default": 0.15}, "settlement_due_days": 30}}
    with mirakl_town(database_url, tmp_path, like={BAZAAR: shop}, routes={BAZAAR: finance}) as found:
        yield found


def test_what_the_marketplace_gets_wrong_is_found_and_nothing_else(here: Town) -> None:
    ids = [str(here.place("MUG-RED", quantity=2, at=BAZAAR)) for _ in range(12)]
    _sync_until(here, lambda: all(len(here.shopify_orders(order_id, BAZAAR)) == 1 for order_id in ids))
    for order_id in ids:
        here.ship(order_id, at=BAZAAR)
    _sync_until(here, lambda: all(bazaar_order(here, order_id)["state"] == "SHIPPED" for order_id in ids))
    refunded = ids[:6]
    for order_id in refunded:
        here.sandbox.act(BAZAAR, "refund_by_operator", **_refund(here, order_id))
    for order_id in ids:
        here.sandbox.act(BAZAAR, "receive", order_id=order_id)
    here.sandbox.act(BAZAAR, "close_payment_cycle")
    _sync_until(here, lambda: _refunded_in_store(here) == set(refunded) and _received(here) == set(ids))
    read = import_settlement(here.context, BAZAAR)
    assert read.read > 4 * len(ids), "new or read already by a pass before"
    again = import_settlement(here.context, BAZAAR)
    assert (again.new, again.changed) == (0, 0)
    import_settlement(here.context, BAZAAR, everything=True)
    assert _billing(here) == _billed(here), "the operator's invoice, with what it transferred, as the operator has it"

    done = reconcile_connection(here.context, BAZAAR)
    found = {row["order_id"]: set(row["codes"]) for row in done.result.orders.iter_rows(named=True)}
    assert found == _deliberate(here, ids)
    (payout,) = done.result.documents
    assert payout.lines_total == payout.amount_transferred > 0
    assert set(done.result.unallocated["code"]) == {"SUBSCRIPTION"}
    (figures,) = payout_of(here.context, done, payout.accounting_document_number).figures
    assert figures.invoiced == figures.fees > 0, "the operator's invoice is what it took"


def _billing(here: Town) -> list[dict[str, Any]]:
    """Documents as the ledger keeps them: a payout and the invoice in it bear one number."""
    with here.project.ledger.begin() as connection:
        rows = connection.execute(
            text(
                "SELECT document, currency, transferred, state, reference, detail ->> 'type' AS type,"
                " (detail ->> 'excl_taxes')::bigint AS net, (detail ->> 'incl_taxes')::bigint AS gross,"
                " detail ->> 'cycle_id' AS cycle FROM ledger.settlement_documents WHERE connection = :name"
                " ORDER BY document"
            ),
            {"name": BAZAAR},
        )
        return [dict(row) for row in rows.mappings()]


def _billed(here: Town) -> list[dict[str, Any]]:
    cycles = {cycle["voucher"]: cycle for cycle in here.sandbox.documents(BAZAAR, "cycles")}
    documents = sorted(here.sandbox.documents(BAZAAR, "documents"), key=lambda each: str(each["id"]))
    assert documents
    assert all(document["amount"] > 0 for document in documents)
    return [
        {
            "document": document["id"],
            "currency": "GBP",
            "transferred": cycles[document["id"]]["transferred"],
            "state": "PAID",
            "reference": cycles[document["id"]]["reference"],
            "type": "AUTO_INVOICE",
            "net": document["amount"],
            "gross": document["amount"] + document["tax"],
            "cycle": cycles[document["id"]]["id"],
        }
        for document in documents
    ]


def _sync_until(here: Town, there: Callable[[], bool], seconds: float = 240) -> None:
    """However slow the machine is: one thing after the other."""
    give_up = time.monotonic() + seconds
    while not there():
        assert time.monotonic() < give_up, f"waited in vain; open work items: {here.work_items()}"
        here.settle(1)


def _refunded_in_store(here: Town) -> set[str]:
    """Orders of which our own ledger has seen a refund in the store."""
    return _order_ids(
        here,
        "SELECT order_id FROM ledger.store_orders WHERE order_connection = :name"
        " AND json_array_length(COALESCE(document->'refunds', '[]'::json)) > 0",
    )


def _received(here: Town) -> set[str]:
    """Orders that our own ledger has read since they arrived."""
    return _order_ids(here, "SELECT order_id FROM ledger.orders WHERE connection = :name AND status = 'RECEIVED'")


def _order_ids(here: Town, query: str) -> set[str]:
    with here.project.ledger.begin() as connection:
        return {str(order_id) for order_id in connection.execute(text(query), {"name": BAZAAR}).scalars()}


def _refund(here: Town, order_id: str) -> dict[str, Any]:
    order = here.sandbox.act(BAZAAR, "get_order", order_id=order_id)
    (line,) = order["lines"]
    return {"line_id": line["id"], "quantity": 1, "reason_code": "26"} | {"amount": line["price"] // 2}


def _deliberate(here: Town, ids: list[str]) -> dict[str, set[str]]:
    """What the simulation noted of its own mistakes, by order."""
    names = {
        # it leaves the VAT at what was due on the right commission
        "wrong_commission": {"COMMISSION_RATE_MISMATCH", "COMMISSION_VAT_MISMATCH"},
        "missing_refund_commission": {"COMMISSION_NOT_REFUNDED"},
        "surprise_fee": {"MANUAL_INVOICE_REVIEW"},
    }
    wanted: dict[str, set[str]] = {order_id: set() for order_id in ids}
    for noted in here.sandbox.documents(BAZAAR, "discrepancies"):
        wanted[str(noted["about"]).rpartition("-")[0]].update(names[noted["kind"]])
    assert any(wanted.values()), "a seed without mistakes proves nothing"
    return wanted


def stated(**changes: Any) -> bytes:
    line = {
        "order_line_id": "C1-A-1",
        "order_line_state": "SHIPPED",
        "offer_sku": "MUG-RED",
        "category_code": "kitchen",
        "category_label": "Kitchen",
        "quantity": 2,
        "price": 45.0,
        "shipping_price": 5.0,
        "commission_fee": 7.5,
        "shipped_date": "2026-09-01T23:30:00Z",
    }
    order = {
        "order_id": "C1-A",
        "commercial_id": "C1",
        "order_state": "SHIPPED",
        "created_date": "2026-08-31T12:00:00Z",
        "currency_iso_code": "GBP",
        "order_lines": [line | changes.pop("line", {})],
    }
    return json.dumps(order | changes).encode()


def line_of(**changes: Any) -> SoldLine:
    return sold_order(stated(line=changes), BAZAAR, SETTINGS).lines[0]


def test_an_order_is_read_as_what_it_is_worth() -> None:
    order = sold_order(stated(), BAZAAR, SETTINGS)
    assert (order.order_id, order.commercial_id, order.currency, order.placed_on) == (
        "C1-A",
        "C1",
        "GBP",
        date(2026, 8, 31),
    )
    (line,) = order.lines
    assert (line.price, line.shipping, line.own_commission) == (4500, 500, 750)
    assert line.categories == ("kitchen", "Kitchen")
    # half past eleven in the evening UTC is the next day in London's summer
    assert line.shipped_on == date(2026, 9, 2)


def test_a_part_that_is_not_payable_is_not_expected_and_one_that_is_not_commissionable_is_no_base() -> None:
    parts = [
        {"amount": 40.0, "payable_to_shop": True, "commissionable": True},
        {"amount": 5.0, "payable_to_shop": False, "commissionable": True},
    ]
    line = line_of(price_amount_breakdown={"parts": parts})
    assert (line.price, line.base_price) == (4000, 4500)


def test_a_discount_leaves_the_price_before_it_known() -> None:
    line = line_of(origin_unit_price=25.0, promotions=[{"deduced_amount": 5.0}])
    assert (line.price, line.base_price) == (4500, None)
    assert 5000 in line.other_prices


def test_tax_that_the_operator_remits_is_not_the_sellers() -> None:
    kept = {"amount": 3.0}
    remitted = {"amount": 2.0, "amount_breakdown": {"parts": [{"amount": 2.0, "payable_to_shop": False}]}}
    assert line_of(taxes=[kept, remitted]).tax == 300


def test_refunds_come_with_their_reasons() -> None:
    refund = {"id": "R1", "amount": 10.0, "shipping_amount": 1.0, "quantity": 1, "reason_code": "CHARGEBACK",
              "created_date": "2026-09-10T10:00:00Z"}  # fmt: skip
    order = sold_order(stated(line={"refunds": [refund]}), BAZAAR, SETTINGS)
    (found,) = order.refunds
    assert (found.refund_id, found.amount, found.shipping, found.refunded_on) == ("R1", 1000, 100, date(2026, 9, 10))
    assert order.refund_reasons == {"R1": "CHARGEBACK"}


@pytest.mark.parametrize("state", ["CANCELED", "REFUSED"])
def test_nobody_owes_for_what_was_cancelled_or_refused(state: str) -> None:
    assert sold_order(stated(order_state=state), BAZAAR, SETTINGS).cancelled
    assert sold_order(stated(line={"order_line_state": state}), BAZAAR, SETTINGS).cancelled


@pytest.mark.parametrize("payload", [b"{", b'{"order_id": "x"}', stated(order_id=""), stated(line={"price": "much"})])
def test_what_cannot_be_read_says_so(payload: bytes) -> None:
    with pytest.raises(Malformed):
        sold_order(payload, BAZAAR, SETTINGS)


def test_a_due_date_is_counted_from_the_local_day() -> None:
    assert line_of().shipped_on == date(2026, 9, 1) + timedelta(days=1)
