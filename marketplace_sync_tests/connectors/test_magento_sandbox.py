"""The connector on the simulated Magento, which was written apart from it from the same sheet: they agree."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from decimal import Decimal
from typing import Any

import pytest
from msgspec.structs import replace

from marketplace_sync.domain.effects import Delivered, InDoubt, NotThere, RecordRefund, Refused
from marketplace_sync.domain.store import StoreOrder
from marketplace_sync.sandbox.serve import RunningSandbox
from marketplace_sync.settings import Secret
from marketplace_sync_tests.conformance.magento_schema import FILES, WHY_SKIPPED, available, validate_exchange
from marketplace_sync_tests.connectors.magento_double import Double
from marketplace_sync_tests.connectors.magento_shop import Shop, cancel, create_order, line, refund, remove

MUG = "MUG-RED"
KEYS = {
    key: Secret(default=f"sandbox-magento-{key.replace('_', '-')}")
    for key in ("consumer_key", "consumer_secret", "access_token", "access_token_secret")
}


@contextmanager
def simulated(vendor: dict[str, Any] | None = None, **settings: Any) -> Iterator[tuple[RunningSandbox, Shop]]:
    with RunningSandbox(accounts={"magento": "magento"}, settings={"magento": vendor or {}}) as sandbox:
        yield sandbox, Shop(Double(), f"{sandbox.base_url}/magento", **{**KEYS, "brand_attribute": "brand", **settings})


def ordered(here: Shop, number: int, quantity: int = 2, sku: str = MUG, product: Any = 1) -> Any:
    """An order of mugs that is in the shop, as we read it."""
    wish = create_order(number, [line("L1", sku, quantity)], product_id=str(product))
    outcome = here.deliver(wish, number)
    assert isinstance(outcome, Delivered), outcome
    return here.store.order(outcome.result["store_order_id"])


def dispatched(sandbox: RunningSandbox, here: Shop, lines: list[Any], **order: Any) -> StoreOrder:
    """An order that is in the shop and has left, as we read it."""
    made = here.deliver(create_order(1, lines, **order), 1)
    assert isinstance(made, Delivered), made
    sandbox.act("magento", "ship", order_id=int(made.result["store_order_id"]), company="Royal Mail")
    there = here.store.order(made.result["store_order_id"])
    assert there is not None
    return there


def sellable(here: Shop, sku: str = MUG) -> int | None:
    return next(one.available for page in here.store.variants() for one in page if one.sku == sku)


@pytest.mark.skipif(not available(), reason=WHY_SKIPPED)
@pytest.mark.parametrize("version", FILES)
def test_a_life_of_orders_and_every_exchange_of_it_fits_the_description(version: str) -> None:
    with simulated({"version": version}, reservations="subtract", page_size=2) as (sandbox, here):
        assert all(finding.works for finding in here.store.check())
        orders = [ordered(here, number) for number in (1, 2, 3)]
        sandbox.act("magento", "ship", order_id=int(orders[0].store_order_id), company="Royal Mail",
                    tracking_numbers=["RM1"])  # fmt: skip
        assert isinstance(here.deliver(remove(orders[1])), Delivered)
        assert isinstance(here.deliver(cancel(orders[2])), Delivered)
        found, watermark = here.changed()
        shipped, reduced, cancelled = sorted(found, key=lambda order: order.name)
        assert shipped.fulfilments[0].tracking[0].company == "Royal Mail"
        for order, units in ((reduced, 1), (cancelled, 2)):
            assert [(one.quantity, one.unshipped) for memo in order.refunds for one in memo.lines] == [(units, True)]
        assert dict(here.store.source_identifiers(shipped.updated_at.replace(year=2020))) == {
            f"john_lewis:edge-{number}": str(number) for number in (1, 2, 3)
        }
        assert len([one for page in here.store.variants() for one in page]) == 21
        here.changed(watermark)
        problems = [
            problem
            for one in here.exchanges
            for problem in validate_exchange(
                one.method, one.path, one.params, json.loads(one.request_body or b"null"), one.status,
                json.loads(one.response_body), version=version,
            )
        ]  # fmt: skip
        assert len(here.exchanges) > 40
        assert problems == []


@pytest.mark.parametrize("sku", ["MUG RED 1", "mug/red", "TASSE-GRÖSSE 2", "杯子/紅 50%+&?#", "a,b"])
def test_a_sku_of_any_signs_goes_through_every_call(sku: str) -> None:
    """Blanks, slashes, commas, letters of other alphabets: signed, searched for, bought, sent, counted, taken off."""
    with simulated(reservations="subtract", authentication="oauth1") as (sandbox, here):
        made = sandbox.act("magento", "add_product", sku=sku, title="Mug", price=1250)
        sandbox.act("magento", "set_stock", sku=sku, available=30)
        assert sellable(here, sku) == 30
        orders = [ordered(here, number, sku=sku, product=made["id"]) for number in (1, 2, 3)]
        assert sellable(here, sku) == 24
        sandbox.act("magento", "ship", order_id=int(orders[0].store_order_id), tracking_numbers=["RM1"])
        assert isinstance(here.deliver(remove(orders[1])), Delivered)
        assert isinstance(here.deliver(cancel(orders[2])), Delivered)
        found, _ = here.changed()
        shipped, reduced, cancelled = sorted(found, key=lambda order: order.name)
        assert [one.sku for one in shipped.fulfilments[0].lines] == [sku]
        assert {one.sku for order in (reduced, cancelled) for memo in order.refunds for one in memo.lines} == {sku}
        assert isinstance(here.deliver(refund(shipped, None)), Delivered)
        (product,) = [one for one in sandbox.documents("magento", "products") if one["sku"] == sku]
        assert product["sku"] == sku
        assert all(exchange.status == 200 for exchange in here.exchanges)


@pytest.mark.parametrize("kind", ["lost_answer", "error_after", "truncate", "cut"])
def test_no_answer_makes_a_second_order_or_leaves_one_without_its_invoice(kind: str) -> None:
    with simulated() as (sandbox, here):
        wish = create_order(1, [line("L1", MUG)])
        here.store.check()  # what is remembered of the shop is known
        outcome: Any = None
        for attempts, place in enumerate(("/V1/orders", "/invoice", ""), 1):
            rule = {"kind": kind, "method": "POST", "path": place, "remaining": 1}
            sandbox.control("PUT", "magento/faults", [rule] if place else [])
            outcome = here.deliver(wish, attempts=attempts)
            if place:
                assert isinstance(outcome, InDoubt), place
                assert isinstance(here.resolve(wish), NotThere | Delivered)
        assert isinstance(outcome, Delivered)
        (order,) = sandbox.documents("magento", "orders")
        assert [item["qty_invoiced"] for item in order["items"]] == [2]
        assert len(sandbox.documents("magento", "invoices")) == 1


@pytest.mark.parametrize("kind", ["lost_answer", "error_after", "truncate", "cut"])
def test_no_answer_takes_units_off_twice_or_pays_back_twice(kind: str) -> None:
    with simulated() as (sandbox, here):
        there = ordered(here, 1, 3)
        for wish in (remove(there), refund(there, None)):
            if isinstance(wish, RecordRefund):
                sandbox.act("magento", "ship", order_id=int(there.store_order_id))
            sandbox.control(
                "PUT", "magento/faults", [{"kind": kind, "method": "POST", "path": "/refund", "remaining": 1}]
            )
            assert isinstance(here.deliver(wish), InDoubt)
            sandbox.control("PUT", "magento/faults", [])
            if not isinstance(here.resolve(wish), Delivered):
                assert isinstance(here.deliver(wish, attempts=2), Delivered)
        quantities = [[item["qty"] for item in memo["items"]] for memo in sandbox.documents("magento", "creditmemos")]
        assert quantities == [[1], [1]]


def test_what_can_be_sold_is_right_whatever_becomes_of_our_orders_and_again_after_a_repair() -> None:
    with simulated(reservations="subtract") as (sandbox, here):
        assert sellable(here) is not None
        sandbox.act("magento", "set_stock", sku=MUG, available=30)
        believing = here.anew(**{**KEYS, "reservations": "module"})
        orders = [ordered(here, number) for number in (1, 2, 3, 4)]
        assert (sellable(here), sellable(believing)) == (22, 30), "Magento reserved nothing"
        sandbox.act("magento", "ship", order_id=int(orders[0].store_order_id), company="X", tracking_numbers=["1"])
        assert sellable(here) == 22
        assert isinstance(here.deliver(cancel(orders[1])), Delivered)
        assert isinstance(here.deliver(remove(orders[2]), 2), Delivered)
        assert sellable(here) == 25, "three units are there again"
        sandbox.act("magento", "repair_reservations")
        assert sellable(believing) == 25
        repaired = here.anew(**{**KEYS, "reservations": "subtract", "reservations_repaired_at": "2099-01-01T00:00:00Z"})
        assert sellable(repaired) == 25


def test_orders_of_another_connection_in_another_view_of_the_website_are_taken_off_too() -> None:
    with simulated(reservations="subtract") as (sandbox, here):
        sandbox.act("magento", "set_stock", sku=MUG, available=30)
        outlet = here.anew(**{**KEYS, "reservations": "subtract", "store_view": "outlet"})
        ordered(outlet, 1)
        assert (sellable(here), sellable(outlet)) == (28, 28)


def test_the_check_finds_out_that_no_module_reserves_for_orders_over_the_api() -> None:
    with simulated(reservations="module") as (sandbox, here):

        def reservations() -> Any:
            return next(one for one in here.store.check() if one.subject == "reservations")

        assert "no order of ours is open" in reservations().detail
        ordered(here, 1)
        found = reservations()
        assert not found.works
        assert "'mug-red'" in found.detail
        sandbox.act("magento", "repair_reservations")  # as if a module had reserved
        found = reservations()
        assert found.works
        assert "nothing speaks against it in the 1 products" in found.detail


def test_an_integration_that_was_deactivated_is_told_from_one_that_lacks_a_permission() -> None:
    with simulated() as (sandbox, here):
        sandbox.act("magento", "deactivate_integration")
        (finding,) = here.store.check()
        assert not finding.works
        assert "keys" in finding.detail


@pytest.mark.parametrize(("price", "units"), [(1400, 2), (2200, 2), (8900, 2), (5600, 3), (999, 2)])
def test_units_of_a_row_are_given_back_to_the_penny_though_magento_rounds_their_tax_for_itself(
    price: int, units: int
) -> None:
    """One of two units at 22.00 is 18.34 and 3.67 of tax there."""
    stated = line("L1", MUG, units, unit_price=price, total=units * price, tax=(2 * units * price + 6) // 12)
    with simulated() as (sandbox, here):
        there = dispatched(sandbox, here, [stated])
        for number in range(1, units + 1):
            wish = refund(there, price, reference=f"refund:john_lewis:edge-1:R{number}")
            assert here.deliver(wish, number + 1) == Delivered({"refund_id": str(number)})
        memos = sandbox.documents("magento", "creditmemos")
        assert [round(100 * memo["grand_total"]) for memo in memos] == [price] * units


@pytest.mark.parametrize("price", [1400, 1399, 1250, 999])
def test_the_last_unit_is_given_back_though_magento_rounded_the_others_up(price: int) -> None:
    """Two units of 14.00, each credited for itself, come to 28.01 there."""
    tax = (2 * 2 * price + 6) // 12
    stated = line("L1", MUG, 2, unit_price=price, total=2 * price, tax=tax)
    with simulated() as (sandbox, here):
        made = here.deliver(create_order(1, [stated]), 1)
        assert isinstance(made, Delivered), made
        order_id = int(made.result["store_order_id"])
        sandbox.act("magento", "remove_unit", order_id=order_id, sku=MUG, quantity=1)
        sandbox.act("magento", "ship", order_id=order_id, company="Royal Mail", tracking_numbers=["RM1"])
        stored = here.store.order(str(order_id))
        assert stored is not None
        given_back = refund(stored, price)
        assert isinstance(here.deliver(given_back, 2), Delivered)
        assert isinstance(here.deliver(given_back, 2), Delivered)
        memos = sandbox.documents("magento", "creditmemos")
        assert len(memos) == 2
        assert 2 * price - 2 <= sum(round(100 * memo["grand_total"]) for memo in memos) <= 2 * price


def test_a_refund_above_what_was_paid_by_the_rounding_of_a_price_is_booked_and_says_so() -> None:
    """Three units at 3.33 that the marketplace sold for 10.00 together."""
    stated = line("L1", MUG, 3, unit_price=333, total=None, tax=166)
    with simulated() as (sandbox, here):
        there = dispatched(sandbox, here, [stated])
        outcome = here.deliver(refund(there, 1000, 3), 2)
        assert isinstance(outcome, Delivered), outcome
        assert outcome.result["not_booked"] == "0.01 GBP"
        (memo,) = sandbox.documents("magento", "creditmemos")
        assert (memo["grand_total"], sum(item["qty"] for item in memo["items"])) == (9.99, 3)
        more = refund(there, 1, 0, reference="refund:john_lewis:edge-1:R2")
        assert here.deliver(more, 3) == Delivered({"not_booked": "0.01 GBP"})
        refused = here.deliver(replace(more, reference="refund:john_lewis:edge-1:R3", amount=3), 4)
        assert isinstance(refused, Refused), "a minor unit for each unit ordered is more than a rounding"


@pytest.mark.parametrize(("amount", "quantity"), [(500, 1), (1200, 1), (250, 0), (1333, 1)])
def test_a_refund_in_another_currency_than_the_shops_books_is_credited_to_the_penny(amount: int, quantity: int) -> None:
    """Magento takes adjustments in the currency of its books and works out the order's from them."""
    stated = [line("L1", MUG, 1), line("L2", "LAMP-BRASS", 1)]
    with simulated(currency_rates={"EUR": Decimal("1.2")}) as (sandbox, here):
        there = dispatched(sandbox, here, stated, currency="EUR")
        outcome = here.deliver(refund(there, amount, quantity, currency="EUR"), 2)
        assert isinstance(outcome, Delivered), outcome
        assert "not_booked" not in outcome.result
        (memo,) = sandbox.documents("magento", "creditmemos")
        assert round(100 * memo["grand_total"]) == amount
        assert memo["base_grand_total"] == pytest.approx(amount / 120, abs=0.01)


def test_what_the_shops_own_currency_is_too_coarse_for_is_not_credited_and_says_so() -> None:
    """A penny is 1.2 cents: there is no adjustment of 3 cents, and two halves of 10.00 euros are a penny too much."""
    stated = line("L1", MUG, 1, unit_price=1000, total=1000, tax=167)
    with simulated(currency_rates={"EUR": Decimal("1.2")}) as (sandbox, here):
        there = dispatched(sandbox, here, [stated], currency="EUR")
        results: list[dict[str, Any]] = []
        for number, amount in enumerate((3, 500, 497), 1):
            wish = refund(there, amount, 0, currency="EUR", reference=f"refund:john_lewis:edge-1:R{number}")
            outcome = here.deliver(wish, number + 1)
            assert isinstance(outcome, Delivered), outcome
            results.append(outcome.result)
        memos = sandbox.documents("magento", "creditmemos")
        credited = [round(100 * memo["grand_total"]) for memo in memos]
        told = [round(100 * Decimal(one.get("not_booked", "0 EUR").removesuffix(" EUR"))) for one in results]
        assert [a + b for a, b in zip(credited, told, strict=True)] == [3, 500, 497]
        assert credited[0] == 2
        assert sum(credited) in (998, 999, 1000)


def unpriced(line_id: str) -> Any:
    return line(line_id, MUG, 2, unit_price=None, total=None, tax=None)


def test_what_is_worth_nothing_is_not_credited_and_a_cancellation_of_it_says_what_to_do() -> None:
    with simulated() as (sandbox, here):
        for number, lines in ((1, [unpriced("L1")]), (2, [unpriced("L1"), line("L2", "LAMP-BRASS")])):
            outcome = here.deliver(create_order(number, lines), number)
            assert isinstance(outcome, Delivered), outcome
            there: Any = here.store.order(outcome.result["store_order_id"])
            for amount in (None, 0):
                assert here.deliver(refund(there, amount)) == Delivered({})
            refused = here.deliver(remove(there))
            assert isinstance(refused, Refused)
            assert "the warehouse" in refused.reason
            if number == 1:
                assert here.deliver(refund(there, 500)) == Delivered({"not_booked": "5.00 GBP"})
                assert isinstance(here.deliver(cancel(there)), Refused)
            else:
                assert isinstance(here.deliver(cancel(there)), Delivered)
        assert len(sandbox.documents("magento", "creditmemos")) == 1


def test_a_cancelled_order_in_another_currency_gives_its_delivery_back_whole() -> None:
    with simulated(currency_rates={"EUR": Decimal("1.2")}) as (sandbox, here):
        made = here.deliver(create_order(1, [line("L1", MUG, 1)], currency="EUR", shipping_price=495), 1)
        assert isinstance(made, Delivered), made
        there = here.store.order(made.result["store_order_id"])
        assert there is not None
        assert isinstance(here.deliver(cancel(there), 2), Delivered)
        (memo,) = sandbox.documents("magento", "creditmemos")
        assert (memo["grand_total"], memo["shipping_amount"]) == (16.95, 4.95)
