"""Orders, parcels, refunds, amendments and products: the rules of the sheet's sections 3, 4, 5, 7 and 9."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest

from marketplace_sync.sandbox.serve import RunningSandbox
from marketplace_sync_tests.sandbox.marketplacer.client import ACCOUNT, Client, wait_for

Start = Callable[..., Client]

REFUND = """query($id: ID!) { node(id: $id) { id __typename ... on RefundRequest { status refundedAt refundAmountCents
  totalCents initiatedBy lineItems { status dispatched onlyRemittance quantity amountCents } } } }"""
ORDER = """query($id: ID!) { order(orderId: $id) { id status totalCents updatedAt emailAddress purgedAt
  metadata { key value } invoices(first: 10) { totalCount nodes { id totalCents statusFlags } } } }"""
PRODUCT = """query($id: ID!) { order(orderId: $id) { lineItems(first: 1) { nodes { brandName variant { advert {
  __typename ... on Advert { taxonNullable { treeName } brand { name } advertOptionValues(first: 5) { nodes {
  optionType { name } optionValue { name } } } } ... on UnpublishedAdvert { details { taxonNullable { treeName } } }
  ... on DeletedAdvert { legacyId } } } } } } }"""
CREATE = """mutation($input: OrderCreateMutationInput!) { orderCreate(input: $input) {
  status errors { field messages } order { id totalCents taxTotalCents invoices(first: 5) { totalCount } } } }"""
STOCK = """query($f: VariantFilterInput) { variantsWhere(variantFilters: $f, first: 5) {
  nodes { id sku countOnHand } } }"""


def refund(market: Client, asked: Any) -> Any:
    return market.ask(REFUND, id=asked["ids"][0])


def variant(market: Client, sku: str = "MUG-RED") -> Any:
    return market.ask(STOCK, f={"skus": [sku]})["nodes"][0]


def test_one_order_becomes_an_invoice_for_each_seller_and_the_sums_agree(market: Client) -> None:
    order = market.order("MUG-RED", "LAMP-BRASS", "BOWL-RED")
    seen = market.ask(ORDER, id=order["id"])
    assert seen["invoices"]["totalCount"] == 2
    assert seen["totalCents"] == sum(invoice["totalCents"] for invoice in seen["invoices"]["nodes"])


def test_one_seller_can_have_an_invoice_for_each_delivery_type_where_the_instance_splits_so(market_with: Start) -> None:
    market = market_with(split_by_delivery_type=True)
    lines = [{"sku": "MUG-RED"}, {"sku": "MUG-BLUE", "delivery_type": "CLICK_AND_COLLECT"}]
    assert len(market.act("place_order", lines=lines)["invoices"]) == 2


def test_an_unpaid_order_is_new_and_its_invoice_paid_only_later(market: Client) -> None:
    order = market.order(status="NEW")
    assert market.invoice(order)["statusFlags"] == []
    market.act("pay", order_id=order["order_id"])
    assert market.invoice(order)["statusFlags"] == ["PAID"]
    assert market.ask(ORDER, id=order["id"])["status"] == "COMPLETE"


def test_a_partly_sent_invoice_becomes_sent_and_the_order_need_not_move(market: Client) -> None:
    order = market.order()
    before = market.ask(ORDER, id=order["id"])["updatedAt"]
    market.advance(60)
    market.act("ship", order_id=order["order_id"], lines=[{"sku": "MUG-RED", "quantity": 1}])
    assert market.invoice(order)["statusFlags"] == ["PAID", "PARTIALLY_SENT"]
    market.act("ship", order_id=order["order_id"])
    sent = market.invoice(order)
    assert sent["statusFlags"] == ["PAID", "SENT"]
    assert sent["lineItems"][0]["statusFull"] == "SHIPPED"
    assert len(sent["shipments"]) == 2
    assert sent["updatedAt"] > before == market.ask(ORDER, id=order["id"])["updatedAt"]


def test_the_order_moves_with_its_invoices_where_the_instance_does_so(market_with: Start) -> None:
    market = market_with(order_moves_with_invoices=True)
    order = market.order()
    before = market.ask(ORDER, id=order["id"])["updatedAt"]
    market.advance(60)
    market.act("ship", order_id=order["order_id"])
    assert market.ask(ORDER, id=order["id"])["updatedAt"] > before


def test_tracking_may_be_blank_and_come_later(market: Client) -> None:
    order = market.order()
    sent = market.act("ship", order_id=order["order_id"], tracking_number="")
    assert market.invoice(order)["shipments"][0]["trackingLink"] is None
    market.act("update_tracking", shipment_id=sent["ids"][0], tracking_number="AB1")
    assert market.invoice(order)["shipments"][0]["trackingLink"].endswith("AB1")


def test_click_and_collect_is_ready_and_then_collected(market: Client) -> None:
    order = market.order(delivery_type="CLICK_AND_COLLECT")
    document = """mutation($id: ID!, $s: InvoiceClickAndCollectStatusEnum!) { clickAndCollectStatusUpdate(
      input: {invoiceId: $id, status: $s}) { status errors { field messages } invoice { statusFlags } } }"""
    invoice = order["invoices"][0]["id"]
    assert market.ask(document, id=invoice, s="COLLECTED")["invoice"] is None
    assert market.ask(document, id=invoice, s="READY")["invoice"]["statusFlags"] == ["PAID", "READY"]
    assert "COLLECTED" in market.ask(document, id=invoice, s="COLLECTED")["invoice"]["statusFlags"]


def test_a_cancellation_is_a_refund_of_what_was_not_dispatched(market: Client) -> None:
    order = market.order()
    asked = market.act("buyer_cancel", order_id=order["order_id"])
    seen = refund(market, asked)
    assert (seen["status"], seen["initiatedBy"], seen["refundAmountCents"]) == ("REFUNDED", "BUYER", 2800)
    assert [line["dispatched"] for line in seen["lineItems"]] == [False]
    assert market.invoice(order)["lineItems"][0]["statusFull"] == "CANCELLED"
    assert market.invoice(order)["statusFlags"] == ["PAID", "CANCELLED", "REFUNDED"]


def test_a_return_is_awaited_then_back_then_refunded_and_found_by_when_it_was_refunded(market: Client) -> None:
    order = market.order()
    market.act("ship", order_id=order["order_id"])
    asked = market.act("request_return", order_id=order["order_id"], lines=[{"sku": "MUG-RED", "quantity": 1}])
    number = asked["refund_request_ids"][0]
    assert (refund(market, asked)["status"], refund(market, asked)["refundedAt"]) == ("AWAITING", None)
    assert "AWAITING_RETURN" in market.invoice(order)["statusFlags"]
    document = """mutation($id: ID!) { refundRequestRefund(input: {refundRequestId: $id, notes: []}) {
      status errors { field messages } refundRequest { id } } }"""
    assert market.ask(document, id=asked["ids"][0])["errors"][0]["field"] == "status"
    market.act("receive_return", refund_request_id=number)
    assert refund(market, asked)["status"] == "RETURNED"
    assert "AWAITING_REFUND" in market.invoice(order)["statusFlags"]
    assert market.ask(document, id=asked["ids"][0])["errors"] is None
    seen = refund(market, asked)
    assert (seen["status"], seen["refundAmountCents"], seen["lineItems"][0]["dispatched"]) == ("REFUNDED", 1400, True)
    feed = "query($f: RefundRequestFilters) { refundRequests(filters: $f) { totalCount } }"
    assert market.ask(feed, f={"refundedSince": seen["refundedAt"], "statuses": ["REFUNDED"]})["totalCount"] == 1
    assert market.ask(feed, f={"refundedSince": "2099-01-01T00:00:00Z"})["totalCount"] == 0


def test_a_denial_is_final_until_it_is_reverted(market: Client) -> None:
    order = market.order()
    market.act("ship", order_id=order["order_id"])
    asked = market.act("request_return", order_id=order["order_id"])
    assert market.act("deny_return", refund_request_id=asked["refund_request_ids"][0]) == {"status": "DENIED"}
    revert = """mutation($id: ID!) { refundRequestRevertDenial(input: {refundRequestId: $id, notes: []}) {
      status errors { field messages } refundRequest { status lineItems { status } } } }"""
    found = market.ask(revert, id=asked["ids"][0])["refundRequest"]
    assert found == {"status": "AWAITING", "lineItems": [{"status": "PENDING_APPROVAL"}]}


def test_what_is_only_taken_from_the_seller_costs_the_buyers_order_nothing(market: Client) -> None:
    order = market.order()
    asked = market.act("claw_back", invoice_id=order["invoices"][0]["invoice_id"], amount_cents=500)
    seen = refund(market, asked)
    assert (seen["refundAmountCents"], seen["lineItems"][0]["onlyRemittance"]) == (0, True)


def test_an_amendment_gives_money_back_without_any_refund_request(market: Client) -> None:
    order = market.order()
    market.act("amend", order_id=order["order_id"], lines=[{"sku": "MUG-RED", "quantity": 1}])
    feed = """query($f: InvoiceAmendmentFilters) { invoiceAmendments(filters: $f) { nodes { totalCents order { id }
      lineItems { status dispatched quantity amountCents } } } }"""
    (amendment,) = market.ask(feed, f={"updatedSince": "2020-01-01T00:00:00Z"})["nodes"]
    assert amendment["lineItems"] == [{"status": "CANCELLED", "dispatched": False, "quantity": 1, "amountCents": 1400}]
    since = 'updatedRefundRequests(updatedSince: "2020-01-01T00:00:00Z")'
    assert market.ask(f"{{ {since} {{ totalCount }} }}")["totalCount"] == 0
    assert "REFUNDED" in market.invoice(order)["statusFlags"]


@pytest.mark.parametrize("wrong", ["more than is left", "before the order", "another invoice"])
def test_a_parcel_that_cannot_be_is_refused_and_nothing_is_kept(market: Client, wrong: str) -> None:
    order, other = market.order(), market.order()
    carrier = market.ask("{ shipmentCarriers { nodes { id } } }")["nodes"][0]["id"]
    line = (other if wrong == "another invoice" else order)["lines"][0]["id"]
    sent = {
        "invoiceId": order["invoices"][0]["id"],
        "postageCarrierId": carrier,
        "trackingNumber": "1",
        "dispatchedAt": "2020-01-01" if wrong == "before the order" else f"{datetime.now(UTC):%Y-%m-%d}",
        "shippedItems": [{"lineItemId": line, "quantity": 3 if wrong == "more than is left" else 1}],
    }
    document = """mutation($input: ShipmentCreateMutationInput!) { shipmentCreate(input: $input) {
      status errors { field messages } shipment { id } } }"""
    answer = market.ask(document, input=sent)
    assert answer["shipment"] is None
    assert answer["errors"][0]["messages"]
    assert market.invoice(order)["shipments"] == []


def test_the_day_on_which_a_parcel_left_is_one_where_the_instance_is(market_with: Start) -> None:
    now = datetime.now(UTC)
    hours = 12 if now.hour >= 12 else -12  # another day than in Greenwich
    market = market_with(utc_offset_hours=hours)
    order = market.order()
    carrier = market.ask("{ shipmentCarriers { nodes { id } } }")["nodes"][0]["id"]
    document = """mutation($input: ShipmentCreateMutationInput!) { shipmentCreate(input: $input) {
      errors { messages } shipment { dispatchedAt } } }"""
    today = now.astimezone(timezone(timedelta(hours=hours)))
    for days, refused in ((-1, "before the order was placed"), (0, "")):
        day = (today + timedelta(days=days)).date().isoformat()
        sent = {
            "invoiceId": order["invoices"][0]["id"],
            "postageCarrierId": carrier,
            "trackingNumber": "1",
            "dispatchedAt": day,
            "shippedItems": [{"lineItemId": order["lines"][0]["id"], "quantity": 1}],
        }
        answer = market.ask(document, input=sent)
        if refused:
            assert refused in answer["errors"][0]["messages"][0]
        else:
            assert answer["shipment"]["dispatchedAt"].startswith(day)


def test_an_order_can_be_created_once_for_one_external_id_and_its_unit_price_is_rounded_up(market: Client) -> None:
    line = {"variantId": variant(market)["id"], "quantity": 3, "cost": {"amount": 1000}}
    order = {"emailAddress": "a@example.com", "externalIds": [{"key": "shopify", "value": "1"}]}
    made = market.ask(CREATE, input={"order": order, "lineItems": [line]})
    assert made["order"]["totalCents"] == 1002
    again = market.ask(CREATE, input={"order": order, "lineItems": [line]})
    assert (again["status"], again["order"]) == (200, None)
    assert again["errors"] == [{"field": "external_ids", "messages": ["order with same external id already exists"]}]


def test_an_order_is_not_created_for_more_than_is_on_hand_or_with_tax_on_some_lines(market: Client) -> None:
    mug = variant(market)
    much = {"variantId": mug["id"], "quantity": mug["countOnHand"] + 1}
    assert market.ask(CREATE, input={"order": {}, "lineItems": [much]})["errors"][0]["field"] == "quantity"
    mixed = [
        {"variantId": mug["id"], "quantity": 1, "cost": {"amount": 100, "tax": 17}},
        {"variantId": mug["id"], "quantity": 1, "cost": {"amount": 100}},
    ]
    assert "tax" in market.ask(CREATE, input={"order": {}, "lineItems": mixed})["errors"][0]["messages"][0]


def test_stock_is_set_by_variant_and_taken_by_orders(market: Client) -> None:
    document = """mutation($id: ID!, $n: Int!) { variantUpdate(input: {variantId: $id, attributes: {countOnHand: $n}}) {
      status errors { field messages } variant { countOnHand } } }"""
    mug = variant(market)["id"]
    assert market.ask(document, id=mug, n=5)["variant"] == {"countOnHand": 5}
    market.order()
    assert variant(market)["countOnHand"] == 3
    assert market.ask(document, id=mug, n=-1)["errors"][0]["field"] == "count_on_hand"


def test_products_are_not_found_without_a_condition(market: Client) -> None:
    assert market.ask("{ advertsWhere { totalCount } }") == {"totalCount": 0}
    assert market.ask("{ variantsWhere { totalCount } }") == {"totalCount": 0}


def test_a_line_keeps_the_brand_it_was_bought_under_and_the_category_is_that_of_today(market: Client) -> None:
    order = market.order()
    market.act("change_product", code="MUG", brand="New name")
    (line,) = market.ask(PRODUCT, id=order["id"])["lineItems"]["nodes"]
    assert line["brandName"] == "Hearth & Field"
    advert = line["variant"]["advert"]
    assert advert["brand"] == {"name": "New name"}
    assert advert["taxonNullable"] == {"treeName": "Home - Kitchen"}
    assert advert["advertOptionValues"]["nodes"][0]["optionValue"] == {"name": "Everyday table"}


@pytest.mark.parametrize(
    ("life", "kind"), [("unpublished", "UnpublishedAdvert"), ("deleted", "DeletedAdvert"), (None, "Advert")]
)
def test_a_product_may_be_unpublished_deleted_or_without_category(market: Client, life: str | None, kind: str) -> None:
    order = market.order()
    market.act("change_product", code="MUG", life=life, unmap=True)
    advert = market.ask(PRODUCT, id=order["id"])["lineItems"]["nodes"][0]["variant"]["advert"]
    assert advert["__typename"] == kind
    if kind == "Advert":
        assert advert["taxonNullable"] is None


def test_an_order_may_have_no_email_address(market: Client) -> None:
    assert market.ask(ORDER, id=market.order(without_email=True)["id"])["emailAddress"] is None


def test_a_purged_order_stays_and_says_when_it_was_purged(market: Client) -> None:
    order = market.order(metadata={"accepts_marketing": "true"})
    market.act("purge", order_id=order["order_id"])
    seen = market.ask(ORDER, id=order["id"])
    assert seen["purgedAt"] is not None
    assert seen["emailAddress"] == "purged"
    assert seen["metadata"] == [{"key": "accepts_marketing", "value": "true"}]


def test_the_list_of_opt_ins_is_by_day_and_nobody_is_on_it_twice(market: Client) -> None:
    market.order(email="a@example.com", subscribe=True, ordered_at="2026-11-20T23:00:00Z")
    market.act("subscribe", email="A@example.com")
    feed = """query($d: ISO8601Date) { emailMarketingSubscriptions(subscribedSince: $d) {
      nodes { email sourceType subscribedAt } } }"""
    assert [s["sourceType"] for s in market.ask(feed, d="2026-11-20")["nodes"]] == ["checkout"]
    assert market.ask(feed, d="2026-11-21")["nodes"] == []


def test_invoices_of_further_sellers_may_follow_while_the_order_states_the_whole(market_with: Start) -> None:
    market = market_with(invoices_follow_seconds=60)
    order = market.order("MUG-RED", "LAMP-BRASS")
    query = "query($id: ID!) { order(orderId: $id) { totalCents invoices(first: 9) { nodes { totalCents } } } }"
    before = market.ask(query, id=order["id"])
    (first,) = before["invoices"]["nodes"]
    assert first["totalCents"] < before["totalCents"]
    market.advance(61)
    wait_for(lambda: len(market.ask(query, id=order["id"])["invoices"]["nodes"]) == 2)
    after = market.ask(query, id=order["id"])
    assert sum(one["totalCents"] for one in after["invoices"]["nodes"]) == after["totalCents"] == before["totalCents"]


def test_invoices_are_filtered_and_sorted(market: Client) -> None:
    old = market.order(ordered_at="2026-11-01T10:00:00Z", email="old@example.com")
    new = market.order(ordered_at="2026-11-05T10:00:00Z", external_ids={"shopify": "77"})
    feed = """query($f: InvoiceFilters, $s: InvoiceSort) { invoices(filters: $f, sort: $s) { nodes { id } } }"""

    def found(filters: dict[str, Any], **sort: Any) -> list[str]:
        nodes = market.ask(feed, f=filters, s=sort or None)["nodes"]
        return [{old["invoices"][0]["id"]: "old", new["invoices"][0]["id"]: "new"}[node["id"]] for node in nodes]

    assert found({}) == ["old", "new"]
    assert found({}, fields=["CREATED_AT"], ordering="DESCENDING") == ["new", "old"]
    assert found({"createdSince": "2026-11-02", "createdUntil": "2026-11-30"}) == ["new"]
    assert found({"buyerEmailAddress": "OLD@example.com"}) == ["old"]
    assert found({"externalId": "77"}) == ["new"]
    assert found({"statuses": ["SENT"]}) == []


def test_what_was_sent_is_remitted_less_commission_and_less_what_was_amended(market: Client) -> None:
    order = market.order()
    market.act("ship", order_id=order["order_id"])
    market.act("amend", order_id=order["order_id"], amount_cents=300)
    market.act("remit")
    (advice,) = market.ask(
        "{ remittanceAdvices { nodes { totalCents paidAt remittances { amountCents pendingReasons } } } }"
    )["nodes"]
    assert [r["amountCents"] for r in advice["remittances"]] == [2464, -264]
    assert (advice["totalCents"], advice["paidAt"]) == (2200, None)


def test_the_instance_remembers_everything_over_a_restart(tmp_path: Path) -> None:
    world: dict[str, Any] = {"accounts": {ACCOUNT: "marketplacer"}, "state_file": tmp_path / "state.sqlite"}
    with RunningSandbox(**world) as sandbox:
        order = Client(sandbox).order()
        before = Client(sandbox).ask(ORDER, id=order["id"])
    with RunningSandbox(**world) as sandbox:
        again = Client(sandbox)
        assert again.ask(ORDER, id=order["id"]) == before
        assert again.order()["order_id"] == order["order_id"] + 1
