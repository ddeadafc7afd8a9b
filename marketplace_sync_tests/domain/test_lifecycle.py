"""Events between statements: every unit is told once, whatever the marketplace repeats, forgets or says late."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime

from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from marketplace_sync.domain.lifecycle import EventKind, OrderEvent, carried, changes, return_events
from marketplace_sync.domain.orders import Address, Initiator, Order, OrderLine, PriceBasis, Return, ReturnState

NOW = datetime(2026, 11, 20, 12, tzinfo=UTC)


def order(*lines: OrderLine) -> Order:
    return Order(
        order_id="7", reference="7-1", customer_order_number="7", status="ORDER", placed_at=NOW, currency="GBP",
        price_basis=PriceBasis.COST, lines=lines,
    )  # fmt: skip


def line(**more: object) -> OrderLine:
    return OrderLine(**{"line_id": "1", "quantity": 3, **more})  # type: ignore[arg-type]


def told(*statements: Order) -> list[OrderEvent]:
    events: list[OrderEvent] = []
    before: Order | None = None
    for statement in statements:
        after = carried(before, statement)
        events += changes("jl", before, after, NOW)
        before = after
    return events


def test_a_first_statement_is_a_placed_order() -> None:
    (event,) = told(order(line()))
    assert (event.kind, event.quantity) == (EventKind.PLACED, 3)


def test_what_is_left_of_cancelled_lines_is_no_order_until_there_are_units() -> None:
    nothing_left = order(line(quantity=0), line(line_id="2", quantity=0))
    assert told(nothing_left, nothing_left) == []
    (event,) = told(nothing_left, order(line(), line(line_id="2", quantity=0)), nothing_left)[:1]
    assert (event.kind, event.quantity) == (EventKind.PLACED, 3)


def test_the_same_statement_again_is_no_news() -> None:
    assert len(told(order(line()), order(line()))) == 1


def test_an_address_that_is_not_shown_any_more_stays_and_nobody_was_erased() -> None:
    home = Address(full_name="Ada Byron", line_1="1 Quay", city="Leith", postal_code="EH6 6LX", country="GB")
    known = replace(order(line()), shipping_address=home, billing_address=home, buyer_email="ada@example.com")
    hidden = replace(order(line()), shipping_address=Address(full_name="Ada Byron"))
    after = carried(known, hidden)
    assert (after.shipping_address, after.billing_address, after.buyer_email) == (home, home, "ada@example.com")
    assert not after.buyer_erased
    moved = replace(home, line_1="2 Quay", full_name="A. Byron")
    assert carried(known, replace(order(line()), shipping_address=moved)).shipping_address == moved
    erased = carried(after, replace(order(line()), shipping_address=Address(full_name="Anonymous")))
    assert (erased.buyer_erased, erased.shipping_address) == (True, home)


def test_a_line_reduced_to_nothing_was_cancelled() -> None:
    events = told(order(line()), order(line(quantity=0)))
    assert [(e.kind, e.quantity) for e in events[1:]] == [(EventKind.CANCELLED, 3)]
    assert events[1].initiator is Initiator.MARKETPLACE


def test_a_cancellation_that_was_asked_for_is_the_customers() -> None:
    events = told(order(line()), order(line(cancellation_requested=3)), order(line(cancelled=3)))
    assert [e.kind for e in events[1:]] == [EventKind.CANCELLATION_REQUESTED, EventKind.CANCELLED]
    assert events[2].initiator is Initiator.CUSTOMER


def test_a_listing_that_lags_behind_takes_nothing_back() -> None:
    events = told(
        order(line()),
        order(line(cancellation_requested=3)),
        order(line(cancelled=3)),
        order(line(cancellation_requested=3)),
        order(line(cancelled=3)),
    )
    assert [e.kind for e in events[1:]] == [EventKind.CANCELLATION_REQUESTED, EventKind.CANCELLED]


def test_a_line_that_vanished_was_cancelled_unless_it_had_left() -> None:
    events = told(order(line(), line(line_id="2", dispatched=1)), order(line()))
    assert [(e.line_id, e.kind, e.quantity) for e in events[2:]] == [("2", EventKind.CANCELLED, 2)]


def test_the_same_fact_has_the_same_id_whoever_sees_it() -> None:
    one = told(order(line()), order(line(dispatched=2)))[-1]
    other = told(order(line(dispatched=2)))[-1]
    assert one.event_id == other.event_id
    assert one.event_id != told(order(line(dispatched=3)))[-1].event_id


counts = st.fixed_dictionaries(
    {"acknowledged": st.integers(0, 5), "dispatched": st.integers(0, 5), "cancelled": st.integers(0, 5)}
)


@given(st.lists(counts, min_size=1, max_size=8), st.randoms())
def test_units_told_add_up_to_the_highest_count_ever_stated(statements: list[dict[str, int]], random: object) -> None:
    """However often and in whatever sequence counts are stated, each unit of each kind is told exactly once."""
    stated = [order(line(quantity=5, **counts)) for counts in statements]
    events = told(*stated, *stated)
    sums: Counter[EventKind] = Counter()
    for event in events:
        sums[event.kind] += event.quantity
    assert sums[EventKind.ACKNOWLEDGED] == max(c["acknowledged"] for c in statements)
    assert sums[EventKind.DISPATCH_CONFIRMED] == max(c["dispatched"] for c in statements)
    assert sums[EventKind.CANCELLED] == max(c["cancelled"] for c in statements)
    assert len({event.event_id for event in events}) == len(events)


def test_a_return_tells_its_steps_and_repeats_none() -> None:
    def stated(state: ReturnState) -> Return:
        return Return(
            return_id="r-1", order_id="7", line_id="1", quantity=1, state=state, status="RMA", requested_at=NOW,
            changed_at=NOW,
        )  # fmt: skip

    requested = return_events("jl", stated(ReturnState.REQUESTED))
    approved = return_events("jl", stated(ReturnState.APPROVED))
    declined = return_events("jl", stated(ReturnState.DECLINED))
    assert [e.kind for e in requested] == [EventKind.RETURN_REQUESTED]
    assert [e.kind for e in approved] == [EventKind.RETURN_REQUESTED, EventKind.RETURNED, EventKind.REFUNDED]
    assert [e.kind for e in declined] == [EventKind.RETURN_REQUESTED, EventKind.RETURN_DECLINED]
    assert requested[0].event_id == approved[0].event_id
