"""What a Mirakl shop is polled for: orders, returns, the transaction log and payouts."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, date, datetime

import pytest

from marketplace_sync.connectors.mirakl.settings import MiraklSettings
from marketplace_sync.connectors.ports import Malformed, Statement
from marketplace_sync.domain.effects import Delivered
from marketplace_sync.domain.errors import AnswerUnreadable, Throttled
from marketplace_sync.domain.orders import Return, ReturnState
from marketplace_sync_tests.connectors.mirakl_marketplace import line, stated_return
from marketplace_sync_tests.connectors.mirakl_shop import Shop, dispatch, shop, units


@pytest.fixture(scope="module")
def host() -> Iterator[Shop]:
    with shop() as found:
        yield found


@pytest.fixture
def mugs(host: Shop) -> Shop:
    return host.anew()


# -- feeds -----------------------------------------------------------------------------------------------------------


def test_every_page_is_read_and_the_next_read_begins_a_little_earlier(mugs: Shop) -> None:
    for number in range(7):
        mugs.marketplace.place(f"O{number}-A", line(1, "MUG", 1, 10.0))
    paged = mugs.with_settings(page_size=3)  # three pages
    statements, watermark = paged.poll("orders")
    assert [one.key for one in statements] == [f"O{number}-A" for number in range(7)]
    assert watermark == "2026-03-01T12:00:07+00:00"
    _, again = paged.poll("orders", watermark)
    assert paged.exchanges[-1].params["start_update_date"] == "2026-03-01T11:55:07Z"
    assert again == watermark


def test_orders_that_the_operator_holds_back_are_left_alone(mugs: Shop) -> None:
    mugs.marketplace.place("O1-A", line(1, "MUG", 1, 10.0), state="STAGING")
    assert mugs.poll("orders")[0] == []
    mugs.marketplace.state("O1-A", "WAITING_ACCEPTANCE")
    assert [one.key for one in mugs.poll("orders")[0]] == ["O1-A"]


def test_an_order_that_slips_in_front_of_our_place_is_found_by_the_next_read(mugs: Shop) -> None:
    for number in range(4):
        mugs.marketplace.place(f"O{number}-A", line(1, "MUG", 1, 10.0), created_date=f"2026-03-01T1{number}:00:00Z")
    paged = mugs.with_settings(page_size=2)
    _, watermark = paged.poll("orders")
    assert watermark is not None

    def late(offset: int) -> None:
        if offset == 0 and "OLD-A" not in mugs.marketplace.orders:
            mugs.marketplace.place("OLD-A", line(1, "MUG", 1, 10.0), created_date="2026-02-01T10:00:00Z")
            mugs.marketplace.touch("O3-A")

    mugs.marketplace.on_page = late
    seen, watermark = paged.poll("orders", watermark)
    assert "OLD-A" not in [one.key for one in seen]
    seen, _ = paged.poll("orders", watermark)
    assert "OLD-A" in [one.key for one in seen]


@pytest.mark.parametrize("blank_from", [0, 3])
def test_a_list_that_ends_before_its_end_moves_no_watermark(mugs: Shop, blank_from: int) -> None:
    for number in range(7):
        mugs.marketplace.place(f"O{number}-A", line(1, "MUG", 1, 10.0))
    mugs.marketplace.blank_from = blank_from
    read = mugs.with_settings(page_size=3).connector.read("orders", None)
    pages = [next(read) for _ in range(blank_from // 3 + 1)]
    with pytest.raises(AnswerUnreadable, match=f"nothing comes after the first {blank_from}, and 7 are there"):
        next(read)
    assert sum(len(page.statements) for page in pages) == blank_from
    assert all(page.watermark is None for page in pages)


def test_a_row_without_an_id_is_kept_for_a_person(mugs: Shop) -> None:
    mugs.marketplace.place("O1-A", line(1, "MUG", 1, 10.0))["order_id"] = None
    (statement,), _ = mugs.poll("orders")
    assert statement.key.startswith("unreadable-")
    with pytest.raises(Malformed, match="order_id"):
        mugs.connector.parse(statement)


def test_a_list_that_was_read_too_often_keeps_no_parcel_waiting(mugs: Shop) -> None:
    mugs.marketplace.place("O1-A", line(1, "MUG", 1, 10.0))
    mugs.marketplace.polls_refused = True
    with pytest.raises(Throttled):
        mugs.poll("orders")
    assert mugs.deliver(dispatch("O1-A", units("O1-A-1"))) == Delivered()


def test_an_order_that_does_not_exist_is_nothing(mugs: Shop) -> None:
    assert mugs.connector.fetch_order("NOPE") is None
    assert mugs.connector.fetch_order("A,B") is None


def test_returns_are_read_page_by_page_and_move_no_money(mugs: Shop) -> None:
    for number in range(3):
        mugs.marketplace.returns.append(stated_return(f"r{number}", ("O1-A-1", 1)))
    mugs.marketplace.returns.append(stated_return("both", ("O1-A-1", 1), ("O1-A-2", 2), state="RECEIVED"))
    paged = mugs.with_settings(page_size=2)
    statements, watermark = paged.poll("returns")
    found = [part for one in statements for part in paged.connector.parse(one)]
    assert all(isinstance(part, Return) for part in found)
    returns = [part for part in found if isinstance(part, Return)]
    assert [(one.return_id, one.quantity) for one in returns] == [
        ("r0", 1), ("r1", 1), ("r2", 1), ("both#O1-A-1", 1), ("both#O1-A-2", 2),
    ]  # fmt: skip
    assert {one.state for one in returns} == {ReturnState.REQUESTED, ReturnState.RECEIVED}
    assert all(one.refund_amount is None for one in returns)
    assert [one.of for one in returns] == ["r0", "r1", "r2", "both", "both"]
    assert watermark == "2026-03-10T10:00:00+00:00"


def test_where_a_model_has_no_returns_nothing_is_asked(mugs: Shop) -> None:
    mugs.marketplace.model = "DROPSHIP"
    assert mugs.poll("returns") == ([], None)
    assert ("GET", "/api/returns") not in mugs.marketplace.calls


# -- money -----------------------------------------------------------------------------------------------------------


def test_the_transaction_log_is_read_to_its_end_with_the_operators_signs(mugs: Shop) -> None:
    found = mugs.with_settings(transactions_page_size=2, time_zone="Europe/Paris")
    found.marketplace.transactions = [
        {
            "id": f"t{number}",
            "type": "COMMISSION_FEE",
            "amount": -1.1,
            "currency_iso_code": "EUR",
            "date_created": "2026-03-01T23:30:00Z",
            "payment_state": "PAID",
            "accounting_document_number": "D1",
            "entities": {"order": {"id": "O1-A"}, "order_line": {"id": "O1-A-1"}, "refund": None},
        }
        for number in range(5)
    ]
    lines = list(found.connector.settlement_lines(datetime(2026, 3, 1, tzinfo=UTC)))
    assert [one.line_id for one in lines] == ["t0", "t1", "t2", "t3", "t4"]
    one = lines[0]
    assert (one.amount, one.currency, one.channel, one.document) == (-110, "EUR", "mugs", "D1")
    assert (one.order_id, one.order_line_id, one.refund_id) == ("O1-A", "O1-A-1", "")
    assert one.created_on == date(2026, 3, 2)
    assert found.exchanges[0].params["last_updated_from"] == "2026-03-01T00:00:00Z"


def test_payout_cycles_say_what_the_bank_should_have(mugs: Shop) -> None:
    mugs.marketplace.cycles = [
        {
            "id": "c1",
            "date_created": "2026-03-11T00:00:00Z",
            "currency_iso_code": "GBP",
            "amount_transferred_to_seller": 120.05,
            "pay_out": {"state": "PAID", "reference": "BANK-1", "transaction_date": "2026-03-12T00:00:00Z"},
        }
    ]
    (cycle,) = mugs.connector.settlement_documents()
    assert (cycle.transferred_to_seller, cycle.bank_reference, cycle.state) == (12005, "BANK-1", "PAID")


def test_money_that_cannot_be_read_is_malformed(mugs: Shop) -> None:
    good = {"id": "t2", "type": "ORDER_AMOUNT", "currency_iso_code": "GBP", "amount": 1.5}
    mugs.marketplace.transactions = [{"id": "t1", "currency_iso_code": "GBP", "amount": None}, good]
    lines = mugs.connector.settlement_lines()
    assert next(lines).line_id == "t2", "what can be read comes first"
    with pytest.raises(Malformed, match="1 of the transactions: transaction t1"):
        next(lines)


def test_a_statement_of_another_shape_is_malformed(mugs: Shop) -> None:
    for kind in ("order", "return"):
        with pytest.raises(Malformed, match=f"{kind} X"):
            mugs.connector.parse(Statement(kind=kind, key="X", payload=b"[1"))


def test_settings_refuse_what_they_do_not_know() -> None:
    with pytest.raises(ValueError, match="bearer"):
        MiraklSettings.model_validate(
            {"platform": "mirakl", "base_url": "https://x", "api_key": {"env": "K"}, "bearer": True}
        )
