"""A marketplace that states what the buyer got back, while the store's orders are at cost prices."""

from __future__ import annotations

from pathlib import Path

from marketplace_sync_tests.flows.town import JL, SHOP, town


def test_what_the_buyer_got_back_is_told_to_klaviyo_and_the_store_books_what_its_own_line_is_worth(
    database_url: str, tmp_path: Path
) -> None:
    with town(database_url, tmp_path, connections={JL: {"return_amount_basis": "retail"}}) as here:
        order_id = here.place("MUG-RED")
        here.settle()
        here.ship(order_id)
        here.settle()
        returned = here.sandbox.act(JL, "request_return", order_id=order_id, line_ref="1", quantity=1)
        here.settle()
        here.sandbox.act(JL, "approve_return", return_id=returned["return_id"], amount=500)
        here.settle()
        assert here.work_items() == {}
        refunded = next(e for e in here.event_list(order_id) if e["name"] == "Refunded Order")
        assert (refunded["value"], refunded["properties"]["value_basis"]) == (5.00, "marketplace_price")
        (stored,) = here.sandbox.documents(SHOP, "orders")
        (refund,) = stored["refunds"]
        booked = [one for one in stored["transactions"] if one["id"] in refund["transactions"]]
        assert [one["amount"] for one in booked] == [refund["lines"][0]["subtotal"]], "at cost, as the order is"
