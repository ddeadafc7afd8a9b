"""A Marketplacer instance read: orders, whoever sold them, whatever was taken back, and what an instance lacks."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from marketplace_sync.connectors.marketplacer.connector import Marketplacer
from marketplace_sync.connectors.ports import Malformed, Silence, Statement
from marketplace_sync.domain.errors import AnswerUnreadable, CredentialsRefused
from marketplace_sync.domain.orders import Order, Refund, Return, ReturnState
from marketplace_sync_tests.connectors.marketplacer_instance import (
    L1,
    L2,
    Instance,
    connector_to,
    line,
    opaque,
    parsed,
    read,
    refund,
    refunded,
)

# -- reading ---------------------------------------------------------------------------------------------------------


def test_a_purchase_from_two_sellers_is_one_order_in_the_instances_currency(pots: tuple[Instance, str]) -> None:
    box, url = pots
    order_id = box.place(7, line(1, quantity=2), line(2, "PAN", seller="Pans Inc", discountCents=-100))
    connector = connector_to(url)
    stated = {feed.name: read(connector, feed.name)[0] for feed in connector.feeds()}
    assert [one.key for one in stated["orders"]] == [order_id]
    assert stated["invoices"] == stated["orders"], "one statement in the same bytes, whichever list named it"
    assert stated["sweep"] == [], "the lists have just read everything"
    order, _ = parsed(url, order_id)
    assert (order.currency, order.customer_order_number, order.total, order.paid) == ("AUD", "7", 2900, 2900)
    assert [(one.sku, one.unit_price, one.attributes["Seller"]) for one in order.lines] == [
        ("MUG", 1000, "Pots Ltd"), ("PAN", 900, "Pans Inc"),
    ]  # fmt: skip
    assert (order.shipping_address.country, order.shipping_address.problems()) == ("AU", [])
    only, _ = parsed(url, order_id, sellers=["Pans Inc"])
    assert ([one.sku for one in only.lines], only.total, only.paid) == (["PAN"], 900, 900)


def test_orders_that_are_not_paid_or_born_in_a_shop_are_left_alone(pots: tuple[Instance, str]) -> None:
    box, url = pots
    box.place(1, line(1), status="CHECKOUT")
    sold = box.place(2, line(2), externalIds=[{"key": "Shopify", "value": "5"}])
    connector = connector_to(url)
    (statement,) = read(connector, "orders")[0]
    assert statement.key == sold
    assert connector.parse(statement) == []


def test_a_list_is_read_to_its_end_although_rows_move_while_it_is_read(pots: tuple[Instance, str]) -> None:
    box, url = pots
    ids = [box.place(number, line(number)) for number in range(1, 12)]
    connector = connector_to(url, page_size=3, orders_at_once=2)
    for feed in ("orders", "invoices"):
        pages = connector.read(feed, None)
        seen = [one.key for one in next(pages).statements]
        moved = box.orders[ids[0]]
        moved["updatedAt"] = box.invoices(ids[0])[0]["updatedAt"] = "2026-03-01T13:00:00Z"
        rest = list(pages)
        seen += [one.key for page in rest for one in page.statements]
        assert set(seen) == set(ids), f"{feed}: the row behind the one that moved was skipped"
        moved["updatedAt"] = box.invoices(ids[0])[0]["updatedAt"] = "2026-03-01T12:00:01Z"


@pytest.mark.parametrize("feed", ["orders", "refunds"])
def test_a_list_in_no_order_is_read_to_its_end_although_its_first_page_ascends(
    pots: tuple[Instance, str], feed: str
) -> None:
    box, url = pots
    box.sorted_by = "id"
    ids = sorted(box.place(number, line(number)) for number in range(1, 8))
    for order_id, second in zip(ids, (50, 55, 10, 30, 20, 40, 12), strict=True):
        at = f"2026-03-01T12:00:{second}Z"
        number = box.orders[order_id]["legacyId"]
        box.orders[order_id]["updatedAt"] = at
        (each,) = box.invoices(order_id)
        each["refundRequests"] = [refund(number, refunded(opaque("LineItem", number), 1, 1), updatedAt=at)]
    found, watermark = read(connector_to(url, page_size=2), feed)
    assert {one.key for one in found} == set(ids)
    assert watermark == "2026-03-01T12:00:55+00:00"


def test_once_a_day_the_orders_of_the_last_weeks_are_read_whatever_the_lists_say(
    pots: tuple[Instance, str],
) -> None:
    box, url = pots
    now = datetime.now(UTC)
    made = {days: box.place(10 + days, line(days)) for days in (0, 1, 2, 30, 34, 36)}
    made[3] = box.place(50, line(50), line(51, seller="Pans Inc"))
    for days, order_id in made.items():
        for invoice in box.invoices(order_id):
            at = now - timedelta(days=days, minutes=1)
            invoice["createdAt"] = at.strftime("%Y-%m-%dT%H:%M:%SZ")
    connector = connector_to(url, page_size=1)
    found, mark = read(connector, "sweep", now.isoformat())
    assert sorted(one.key for one in found) == sorted(made[days] for days in (0, 1, 2, 3, 30, 34)), "each once"
    assert mark is not None
    shorter, _ = read(connector_to(url, look_back="48h"), "sweep", mark)
    assert {one.key for one in shorter} == {made[0], made[1]}
    assert "sweep" not in [feed.name for feed in connector_to(url, look_back="0s").feeds()]


def test_a_list_that_shows_fewer_rows_than_it_counts_moves_no_watermark(pots: tuple[Instance, str]) -> None:
    box, url = pots
    order_id = box.place(1, line(1))
    box.hidden = 1
    pages = connector_to(url).read("orders", None)
    first = next(pages)
    assert ([one.key for one in first.statements], first.watermark) == ([order_id], None)
    assert list(next(pages).statements) == []  # read once more
    with pytest.raises(AnswerUnreadable, match="2 rows are there, and shows 1"):
        next(pages)


def test_a_read_that_is_cut_off_goes_on_from_what_was_stored(pots: tuple[Instance, str]) -> None:
    box, url = pots
    ids = [box.place(number, line(number)) for number in range(1, 9)]
    connector = connector_to(url, page_size=2, overlap="1s")
    for feed in ("orders", "invoices", "refunds", "amendments"):
        for number, order_id in enumerate(ids, 1):
            at = f"2026-03-01T12:00:{number:02d}Z"
            (each,) = box.invoices(order_id)
            each["refundRequests"] = [refund(number, refunded(opaque("LineItem", number), 1, 1), updatedAt=at)]
            each["amendments"] = [{"id": opaque("InvoiceAmendment", number), "updatedAt": at, "lineItems": []}]
        for cut in range(1, 5):
            pages = connector.read(feed, None)
            first = [next(pages) for _ in range(cut)]
            watermark = next((page.watermark for page in reversed(first) if page.watermark), None)
            rest, _ = read(connector, feed, watermark)
            seen = {one.key for page in first for one in page.statements} | {one.key for one in rest}
            assert seen == set(ids), (feed, cut)
        _, end = read(connector, feed)
        assert end == "2026-03-01T12:00:08+00:00"


def test_brand_category_collection_and_options_are_kept_for_each_line(pots: tuple[Instance, str]) -> None:
    box, url = pots
    advert = {
        "__typename": "UnpublishedAdvert",
        "details": {
            "__typename": "Advert", "id": "x", "taxonNullable": {"displayName": "Mugs", "treeName": "Home - Mugs"},
            "secondaryTaxons": {"nodes": []}, "metadata": [],
            "advertOptionValues": {"nodes": [
                {"optionType": {"name": "Colour"}, "optionValue": {"name": "Red"}, "textValue": None},
                {"optionType": {"name": "Collection"}, "optionValue": None, "textValue": "Autumn"},
            ]},
        },
    }  # fmt: skip
    order_id = box.place(1, line(1, variant={"advert": advert}), line(2, variant={"advert": {"__typename": "Deleted"}}))
    order, _ = parsed(url, order_id)
    mug, gone = order.lines
    assert (mug.brand, mug.category, mug.collections) == ("Clay", "Home - Mugs", ("Autumn",))
    assert mug.attributes == {"Colour": "Red", "Seller": "Pots Ltd"}
    assert (gone.category, gone.collections) == ("", ())


def test_consent_is_what_the_order_says_else_an_opt_in_near_it_else_one_from_before(
    pots: tuple[Instance, str],
) -> None:
    box, url = pots
    stamped = box.place(1, line(1), metadata=[{"key": "accepts_marketing", "value": "false"}])
    plain = box.place(2, line(2), emailAddress="Bob@Example.org")
    before = box.place(3, line(3), emailAddress="carl@example.org")
    silent = box.place(4, line(4), emailAddress="dora@example.org")
    box.opt_ins = [
        {"email": "bob@example.org", "sourceType": "checkout", "subscribedAt": "2026-03-01T12:30:00Z"},
        {"email": "ann@example.org", "sourceType": "checkout", "subscribedAt": "2026-03-01T12:30:00Z"},
        {"email": "carl@example.org", "sourceType": "account", "subscribedAt": "2025-01-01T12:30:00Z"},
        {"email": "carl@example.org", "sourceType": "e-mail seller", "subscribedAt": "2024-01-01T12:30:00Z"},
        {"email": "dora@example.org", "sourceType": "account", "subscribedAt": "2026-04-01T12:30:00Z"},
    ]
    said = {order_id: parsed(url, order_id)[0].consent for order_id in (stamped, plain, before, silent)}
    refused, given, older = said[stamped], said[plain], said[before]
    assert refused is not None
    assert refused.given is False, "what the shop says of the order is more than a list"
    assert given is not None
    assert (given.given, given.source) == (True, "opt-in: checkout")
    assert older is not None
    assert (older.given, older.source) == (True, "older opt-in: account"), "the last one before the order"
    assert said[silent] is None, "what came later was not given with this order"


def test_a_cancellation_is_told_from_a_return_by_whether_the_units_had_left(pots: tuple[Instance, str]) -> None:
    box, url = pots
    order_id = box.place(1, line(1, quantity=4, each=500), line(2))
    (invoice,) = box.invoices(order_id)
    items = [{"quantity": 2, "lineItem": {"id": L1}}]
    invoice["shipments"] = [{"id": "s", "carrier": "Post", "trackingNumber": " ", "shippedItems": items}]
    invoice["refundRequests"] = [
        refund(1, refunded(L1, 1, 500, dispatched=False)),
        refund(2, refunded(L1, 1, 500, dispatched=False, status="PENDING_APPROVAL"), status="AWAITING"),
        refund(3, refunded(L1, 1, 450, number=3)),
        refund(4, refunded(L1, 1, 500, number=4, onlyRemittance=True)),
        refund(5, refunded(None, 1, 77, number=5)),
        refund(6, refunded(L2, 1, 0, number=6, status="AWAITING_RETURN"), status="AWAITING"),
    ]
    order, reversals = parsed(url, order_id)
    mug = order.lines[0]
    assert (mug.dispatched, mug.cancelled, mug.cancellation_requested, mug.cancelled_by) == (2, 1, 1, "customer")
    given, alone, waiting = reversals
    assert isinstance(given, Return)
    assert (given.state, given.quantity, given.refund_amount) == (ReturnState.APPROVED, 1, 450)
    assert isinstance(alone, Refund)
    assert (alone.line_id, alone.amount) == ("", 77)
    assert isinstance(waiting, Return)
    assert waiting.state is ReturnState.AUTHORISED


def test_an_amendment_counts_unless_a_refund_says_the_same(pots: tuple[Instance, str]) -> None:
    box, url = pots
    order_id = box.place(1, line(1, quantity=3), line(2))
    (invoice,) = box.invoices(order_id)
    invoice["refundRequests"] = [refund(1, refunded(L1, 1, 1000))]

    def amended(number: int, line_id: str, at: str, dispatched: bool) -> dict[str, Any]:
        each = {"id": f"a{number}", "status": "REFUNDED", "dispatched": dispatched, "quantity": 1, "totalCents": -900}
        return {"id": f"A{number}", "createdAt": at, "lineItems": [{**each, "lineItem": {"id": line_id}}]}

    invoice["amendments"] = [
        amended(1, L1, "2026-03-03T10:05:00Z", True),
        amended(2, L1, "2026-03-04T10:00:00Z", True),
        amended(3, L2, "2026-03-04T10:00:00Z", False),
    ]
    order, reversals = parsed(url, order_id)
    assert [getattr(one, "return_id", "") or getattr(one, "refund_id", "") for one in reversals] == [
        opaque("RefundRequest", 1), "A2",
    ]  # fmt: skip
    assert order.lines[1].cancelled == 1


@pytest.mark.parametrize(
    ("first", "second", "counted"),
    [
        (("10:00", 1000), ("10:06", 700), "A2"),
        (("10:05", 700), ("10:01", 700), "A1"),
        (("10:00", 700), ("10:09", 1000), "A1"),
    ],
    ids=["the other one", "the nearer one is covered", "one of the same amount is covered"],
)
def test_a_refund_says_the_same_of_one_amendment_only(
    pots: tuple[Instance, str], first: tuple[str, int], second: tuple[str, int], counted: str
) -> None:
    box, url = pots
    order_id = box.place(1, line(1, quantity=3))
    (invoice,) = box.invoices(order_id)
    invoice["refundRequests"] = [refund(1, refunded(L1, 1, 1000))]
    invoice["amendments"] = [
        {
            "id": f"A{number}", "createdAt": f"2026-03-03T{at}:00Z",
            "lineItems": [{"id": "a", "status": "REFUNDED", "dispatched": True, "quantity": 1, "totalCents": -total,
                           "lineItem": {"id": L1}}],
        }
        for number, (at, total) in enumerate((first, second), 1)
    ]  # fmt: skip
    _, (whole, besides) = parsed(url, order_id)
    assert isinstance(whole, Return)
    assert whole.refund_amount == 1000
    assert isinstance(besides, Refund)
    assert (besides.refund_id, besides.amount) == (counted, 700)


def test_a_purged_buyer_is_nobody(pots: tuple[Instance, str]) -> None:
    box, url = pots
    order, _ = parsed(url, box.place(1, line(1), purgedAt="2026-03-05T00:00:00Z"))
    assert order.buyer_email == ""
    assert "purged" in order.warnings[0]


def test_a_sellers_key_reads_invoices_and_asks_for_no_order(pots: tuple[Instance, str]) -> None:
    box, url = pots
    order_id = box.place(1, line(1), line(2, seller="Pans Inc"))
    connector = connector_to(url, key_of="seller", currency="AUD")
    assert [feed.name for feed in connector.feeds()] == ["invoices", "refunds", "amendments", "sweep"]
    statements, _ = read(connector, "invoices")
    assert [one.key for one in statements] == [invoice["id"] for invoice in box.invoices(order_id)]
    (order,) = connector.parse(statements[0])
    assert isinstance(order, Order)
    assert (order.currency, order.buyer_email, len(order.lines)) == ("AUD", "ann@example.org", 1)
    assert not any("... on Order" in text or "siteConfig" in text for text, _ in box.asked)


def test_where_a_sellers_key_may_not_ask_a_setting_says_that_tax_is_on_top(pots: tuple[Instance, str]) -> None:
    box, url = pots
    (invoice,) = box.invoices(box.place(1, line(1, quantity=2, taxTotalCents=160)))
    invoice |= {"shippingCostCents": 500, "taxTotalCents": 160, "totalCents": 2660}
    sellers: dict[str, Any] = {"key_of": "seller", "currency": "USD"}
    odd, _ = parsed(url, invoice["id"], **sellers)
    assert [one.total for one in odd.lines] == [2000]
    assert "set `tax_inclusive: false`" in odd.warnings[0]
    order, _ = parsed(url, invoice["id"], **sellers, tax_inclusive=False)
    assert ([one.total for one in order.lines], order.paid, order.warnings) == ([2160], 2660, ())
    invoice["totalCents"] = 2500
    included, _ = parsed(url, invoice["id"], **sellers)
    assert ([one.total for one in included.lines], included.warnings) == ([2000], ())


def test_a_schema_without_cents_and_options_is_read_all_the_same_and_named(pots: tuple[Instance, str]) -> None:
    from marketplace_sync.connectors.marketplacer import documents

    box, url = pots
    fields = [*documents.REQUIRED.items(), *documents.OPTIONAL.items(), *documents.NESTED.items()]
    box.types = {}
    for name, some in fields:
        kept = [one for one in some if one not in ("brandName", "metadata")]
        box.types.setdefault(name, []).extend(one.replace("Cents", "Formatted") for one in kept)
    order_id = box.place(1, line(1, subtotalFormatted="A$1,234.50", discountFormatted="-$34.50", taxTotalFormatted=""))
    order, _ = parsed(url, order_id)
    assert (order.lines[0].total, order.lines[0].brand) == (120000, "")
    findings = {one.subject: one for one in connector_to(url).check()}
    assert findings["schema"].works
    assert "LineItem.brandName" in findings["schema"].detail
    box.types["LineItem"].remove("quantity")
    findings = {one.subject: one for one in connector_to(url).check()}
    assert not findings["schema"].works
    assert "LineItem.quantity" in findings["schema"].detail
    for key in ({}, {"key_of": "seller", "currency": "AUD"}):
        with pytest.raises(AnswerUnreadable, match=r"cannot be read without: LineItem\.quantity"):
            read(connector_to(url, **key), "invoices")


def test_what_cannot_be_read_is_malformed_and_names_the_order(pots: tuple[Instance, str]) -> None:
    _, url = pots
    bad = (b"", b"[]", b'{"node":{}}', b'{"id":"x","errors":["boom"]}', b'{"node":{"id":"x","invoices":[]}}')
    for payload in bad:
        with pytest.raises(Malformed, match="K1"):
            connector_to(url).parse(Statement(kind="order", key="K1", payload=payload))


def test_credentials_and_scopes_that_are_refused_are_said_so(pots: tuple[Instance, str]) -> None:
    box, url = pots
    with pytest.raises(CredentialsRefused):
        read(connector_to(url, api_key={"env": "NONE", "default": "wrong"}), "orders")
    box.refuse["ChangedOrders"] = {
        "data": None, "errors": [{"message": "scope orders:read is missing", "extensions": {"code": "MISSING_SCOPE"}}]
    }  # fmt: skip
    with pytest.raises(CredentialsRefused, match="scope"):
        read(connector_to(url), "orders")
    box.seller = {"id": "s", "businessName": "Pots Ltd"}
    assert not connector_to(url).check()[0].works


# -- the operator's own Klaviyo --------------------------------------------------------------------------------------


def silence_of(connector: Marketplacer) -> Silence:
    """Once it has been read."""
    connector.fetch_order("none")
    return connector.capabilities.silence


def test_the_operators_own_klaviyo_silences_ours_and_says_so(pots: tuple[Instance, str]) -> None:
    box, url = pots
    assert silence_of(connector_to(url)) is Silence.NONE
    box.klaviyo = {"status": "CONNECTED", "ecommerceTrackingEnabled": True, "edmEnabled": False}
    connector = connector_to(url)
    before = len(box.asked)
    assert connector.capabilities.silence is Silence.UNKNOWN
    assert len(box.asked) == before, "what it offers is looked at inside transactions, so nobody is asked"
    assert silence_of(connector) is Silence.EVERYTHING
    (finding,) = [one for one in connector.check() if one.subject == "klaviyo"]
    assert not finding.works
    assert "count twice" in finding.detail
    assert silence_of(connector_to(url, native_klaviyo="coexist")) is Silence.SALES
    assert connector_to(url, key_of="seller", currency="AUD").capabilities.silence is Silence.NONE
