"""What a Mirakl marketplace is told, and what becomes of answers that are lost."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pytest
from msgspec.structs import replace

from marketplace_sync.domain.effects import (
    WAITS_FOR_THE_REST,
    AcknowledgeOrder,
    AcknowledgeReturn,
    CloseReturn,
    Delivered,
    InDoubt,
    Judged,
    JudgeReturn,
    NotThere,
    Postponed,
    ReceiveReturn,
    Refused,
)
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


# -- accepting -------------------------------------------------------------------------------------------------------


def test_an_order_is_accepted_with_all_its_lines_even_when_we_know_only_some(mugs: Shop) -> None:
    mugs.marketplace.place("O1-A", line(1, "MUG", 1, 10.0), line(2, "CUP", 1, 5.0), state="WAITING_ACCEPTANCE")
    assert mugs.deliver(AcknowledgeOrder(order_id="O1-A", lines=(units("O1-A-1"),))) == Delivered()
    assert mugs.sent("/api/orders/O1-A/accept")[-1] == {
        "order_lines": [{"id": "O1-A-1", "accepted": True}, {"id": "O1-A-2", "accepted": True}]
    }
    assert mugs.order("O1-A").status == "WAITING_DEBIT_PAYMENT"


def test_an_order_that_somebody_accepted_needs_nothing_and_a_dead_one_is_refused(mugs: Shop) -> None:
    mugs.marketplace.place("O1-A", line(1, "MUG", 1, 10.0))
    wish = AcknowledgeOrder(order_id="O1-A", lines=(units("O1-A-1"),))
    assert isinstance(mugs.deliver(wish), Delivered)
    mugs.marketplace.state("O1-A", "CANCELED")
    outcome = mugs.deliver(wish)
    assert isinstance(outcome, Refused)
    assert outcome.code == "CANCELED"


def test_an_order_in_a_state_that_nobody_knows_is_not_taken_for_accepted(mugs: Shop) -> None:
    mugs.marketplace.place("O1-A", line(1, "MUG", 1, 10.0), state="WAITING_FRAUD_REVIEW")
    wish = AcknowledgeOrder(order_id="O1-A", lines=(units("O1-A-1"),))
    outcome = mugs.deliver(wish)
    assert isinstance(outcome, Postponed)
    assert "WAITING_FRAUD_REVIEW" in outcome.reason
    assert isinstance(mugs.resolve(wish), InDoubt)


def test_a_lost_acceptance_is_found_by_reading_the_order(mugs: Shop) -> None:
    mugs.marketplace.place("O1-A", line(1, "MUG", 1, 10.0), state="WAITING_ACCEPTANCE")
    wish = AcknowledgeOrder(order_id="O1-A", lines=(units("O1-A-1"),))
    assert mugs.resolve(wish) == NotThere()
    mugs.marketplace.lose_answers_of.add("/api/orders/O1-A/accept")
    assert isinstance(mugs.deliver(wish), InDoubt)
    assert isinstance(mugs.resolve(wish), Delivered)


def test_a_return_is_accepted_once_or_left_to_a_person(mugs: Shop) -> None:
    mugs.marketplace.returns.append(stated_return("r1", ("O1-A-1", 1), ("O1-A-2", 1)))
    wish = AcknowledgeReturn(order_id="O1-A", return_id="r1#O1-A-2", lines=(units("O1-A-2"),))
    left = mugs.with_settings(accept_returns=False).deliver(wish)
    assert isinstance(left, Refused)
    assert left.code == "RETURN_FOR_A_PERSON"
    assert isinstance(mugs.deliver(wish), Delivered)
    assert mugs.sent("/api/returns/accept") == [{"returns": [{"id": "r1", "accepted": True}]}]
    assert mugs.reads_of_returns() == 0, "they may be read once in five minutes"
    assert isinstance(mugs.deliver(wish), Delivered), "refused, because it is accepted"
    assert mugs.reads_of_returns() == 1


def test_a_return_goes_its_way_to_the_end_each_step_once(mugs: Shop) -> None:
    lines = ("O1-A-1", "O1-A-2")
    mugs.marketplace.returns.append(stated_return("r1", (lines[0], 1), (lines[1], 1), state="IN_PROGRESS"))
    back = ReceiveReturn(order_id="O1-A", return_id="r1", lines=tuple(units(line) for line in lines))
    torn = Judged(line_id=lines[1], compliant=False, reason="RETURN_NON_COMPLIANT_OTHER", words="it is torn")
    judged = JudgeReturn(order_id="O1-A", return_id="r1", lines=(Judged(line_id=lines[0]), torn))
    over = CloseReturn(order_id="O1-A", return_id="r1")
    bodies: dict[str, dict[str, Any]] = {
        "/api/returns/receive": {"id": "r1"},
        "/api/returns/compliance": {
            "id": "r1",
            "return_lines": [
                {"order_line_id": lines[0], "compliant": True},
                {
                    "order_line_id": lines[1],
                    "compliant": False,
                    "non_compliance_reason_code": "RETURN_NON_COMPLIANT_OTHER",
                    "non_compliance_additional_info": "it is torn",
                },
            ],
        },
        "/api/returns/close": {"id": "r1"},
    }
    for wish, (path, body) in zip((back, judged, over), bodies.items(), strict=True):
        assert mugs.resolve(wish) == NotThere()
        mugs.marketplace.lose_answers_of.add(path)
        assert isinstance(mugs.deliver(wish), InDoubt), "its answer was lost"
        assert isinstance(mugs.resolve(wish), Delivered)
        assert mugs.sent(path) == [{"returns": [body]}]
        assert isinstance(mugs.deliver(wish), Delivered), "told again it is there already"
    stated = mugs.connector.parse(mugs.poll("returns")[0][0])
    assert [(one.of, one.state, one.compliant) for one in stated if isinstance(one, Return)] == [
        ("r1", ReturnState.CLOSED, True),
        ("r1", ReturnState.CLOSED, False),
    ]


def test_a_step_that_a_return_cannot_take_is_refused_in_words(mugs: Shop) -> None:
    mugs.marketplace.returns += [stated_return("r1", ("O1-A-1", 1), state="REFUSED"), stated_return("r2", ("X", 1))]
    mugs.marketplace.returns.append(stated_return("r3", ("O1-A-1", 1), state="CLOSED"))
    fault = Judged(line_id="O1-A-1", compliant=False, reason="RETURN_NON_COMPLIANT_OTHER")
    refusals: list[tuple[Any, str]] = [
        (ReceiveReturn(order_id="O1-A", return_id="r1", lines=(units("O1-A-1"),)), "return r1 is REFUSED"),
        (ReceiveReturn(order_id="O1-A", return_id="r2", lines=(units("X"),)), "WAITING_ACCEPTANCE"),
        (JudgeReturn(order_id="O1-A", return_id="r3", lines=(fault,)), "is CLOSED at the marketplace already"),
        (JudgeReturn(order_id="O1-A", return_id="r2", lines=(fault,)), "has no line O1-A-1"),
        (CloseReturn(order_id="O1-A", return_id="r9"), "has no return r9"),
    ]
    for wish, words in refusals:
        found = mugs.deliver(wish)
        assert isinstance(found, Refused), wish
        assert words in found.reason
    assert isinstance(mugs.deliver(CloseReturn(order_id="O1-A", return_id="r1")), Delivered), "it is over as it is"


# -- parcels ---------------------------------------------------------------------------------------------------------


def test_a_whole_order_gets_its_tracking_and_ships(mugs: Shop) -> None:
    mugs.marketplace.place("O1-A", line(1, "MUG", 2, 20.0))
    assert mugs.deliver(dispatch("O1-A", units("O1-A-1", 2))) == Delivered()
    assert mugs.sent("/api/orders/O1-A/tracking") == [{"carrier_code": "royal-mail", "tracking_number": "RM1"}]
    assert mugs.order("O1-A").lines[0].dispatched == 2
    assert isinstance(mugs.deliver(dispatch("O1-A", units("O1-A-1", 2))), Delivered)
    assert len(mugs.sent("/api/orders/O1-A/tracking")) == 1


def test_an_unregistered_carrier_goes_by_name_where_that_is_allowed(mugs: Shop) -> None:
    mugs.marketplace.place("O1-A", line(1, "MUG", 1, 10.0))
    mugs.deliver(dispatch("O1-A", units("O1-A-1"), carrier="Pigeon"))
    assert mugs.sent("/api/orders/O1-A/tracking") == [{"carrier_name": "Pigeon", "tracking_number": "RM1"}]
    mugs.marketplace.only_registered_carriers = True
    mugs.marketplace.place("O2-A", line(1, "MUG", 1, 10.0))
    outcome = mugs.with_settings().deliver(dispatch("O2-A", units("O2-A-1"), carrier="Pigeon"))
    assert isinstance(outcome, Refused)
    assert "royal-mail" in outcome.reason


def test_a_part_of_an_order_that_ships_only_whole_waits_for_the_rest(mugs: Shop) -> None:
    mugs.marketplace.place("O1-A", line(1, "MUG", 2, 20.0))
    wish = dispatch("O1-A", units("O1-A-1", 1))
    outcome = mugs.deliver(wish)
    assert isinstance(outcome, Refused)
    assert outcome.code == WAITS_FOR_THE_REST
    assert mugs.order("O1-A").status == "SHIPPING"
    assert isinstance(mugs.with_settings(partial_dispatch="ship_order").deliver(wish), Delivered)
    assert mugs.order("O1-A").status == "SHIPPED"
    mugs.marketplace.place("O2-A", line(1, "MUG", 2, 20.0))
    last = replace(dispatch("O2-A", units("O2-A-1", 1)), completes=True)
    assert isinstance(mugs.deliver(last), Delivered)
    assert mugs.order("O2-A").status == "SHIPPED"


def test_an_order_that_is_not_paid_yet_waits_and_a_cancelled_one_is_refused(mugs: Shop) -> None:
    mugs.marketplace.place("O1-A", line(1, "MUG", 1, 10.0), state="WAITING_DEBIT_PAYMENT")
    assert isinstance(mugs.deliver(dispatch("O1-A", units("O1-A-1"))), Postponed)
    mugs.marketplace.state("O1-A", "CANCELED")
    assert isinstance(mugs.deliver(dispatch("O1-A", units("O1-A-1"))), Refused)


def test_a_lost_ship_call_is_found_by_reading_the_order(mugs: Shop) -> None:
    mugs.marketplace.place("O1-A", line(1, "MUG", 1, 10.0))
    wish = dispatch("O1-A", units("O1-A-1"))
    mugs.marketplace.lose_answers_of.add("/api/orders/O1-A/tracking")
    assert isinstance(mugs.deliver(wish), InDoubt)
    assert mugs.resolve(wish) == NotThere()
    mugs.marketplace.lose_answers_of.add("/api/orders/O1-A/ship")
    assert isinstance(mugs.deliver(wish), InDoubt)
    assert isinstance(mugs.resolve(wish), Delivered)


def test_an_order_that_was_marked_as_shipped_by_hand_gets_the_number_that_it_has_none_of(mugs: Shop) -> None:
    mugs.marketplace.place("O1-A", line(1, "MUG", 1, 10.0), state="SHIPPED")
    wish = dispatch("O1-A", units("O1-A-1"))
    assert mugs.resolve(wish) == NotThere()
    mugs.marketplace.lose_answers_of.add("/api/orders/O1-A/tracking")
    assert isinstance(mugs.deliver(wish), InDoubt)
    assert isinstance(mugs.resolve(wish), Delivered)
    assert isinstance(mugs.deliver(wish), Delivered)
    assert mugs.sent("/api/orders/O1-A/tracking") == [{"carrier_code": "royal-mail", "tracking_number": "RM1"}]
    assert ("PUT", "/api/orders/O1-A/ship") not in mugs.marketplace.calls
    mugs.marketplace.place("O2-A", line(1, "MUG", 1, 10.0), state="RECEIVED")
    assert isinstance(mugs.deliver(dispatch("O2-A", units("O2-A-1"))), Delivered)
    assert mugs.sent("/api/orders/O2-A/tracking") == [], "the buyer has it"


def test_where_parcels_are_stated_one_by_one_each_is_a_shipment(mugs: Shop) -> None:
    mugs.marketplace.multi_shipment = True
    mugs.marketplace.place("O1-A", line(1, "MUG", 3, 30.0))
    first = dispatch("O1-A", units("O1-A-1", 1, before=0), number="RM1")
    second = dispatch("O1-A", units("O1-A-1", 1, before=1), number="RM1")
    assert mugs.resolve(first) == NotThere()
    assert mugs.deliver(first) == Delivered()
    assert isinstance(mugs.resolve(first), Delivered)
    assert mugs.resolve(second) == NotThere(), "the same tracking number and units, and yet another parcel"
    mugs.marketplace.lose_answers_of.add("/api/shipments")
    assert isinstance(mugs.deliver(second), InDoubt)
    assert isinstance(mugs.resolve(second), Delivered)
    assert ("PUT", "/api/orders/O1-A/ship") not in mugs.marketplace.calls


def test_a_parcel_heard_of_late_is_not_stated_again_where_its_shipment_is_there(mugs: Shop) -> None:
    mugs.marketplace.multi_shipment = True
    mugs.marketplace.place("O1-A", line(1, "MUG", 3, 30.0))
    parcel = dispatch("O1-A", units("O1-A-1", 1, before=0), number="RM1")
    assert mugs.deliver(parcel) == Delivered()
    restored = mugs.with_settings()
    found = restored.deliver(parcel)
    assert isinstance(found, Delivered)
    assert found.result["found"]
    assert len(mugs.marketplace.shipments) == 1
    assert restored.deliver(parcel) == Delivered()
    assert len(mugs.marketplace.shipments) == 2, "another parcel of the same number: the first was somebody else's"
    prompt = replace(parcel, shipped_at=datetime.now(UTC))
    assert mugs.with_settings().deliver(prompt) == Delivered()
    assert len(mugs.marketplace.shipments) == 3, "nobody can have stated what left just now"


def test_a_shipment_that_fails_inside_a_success_is_refused(mugs: Shop) -> None:
    mugs.marketplace.multi_shipment = True
    mugs.marketplace.place("O1-A", line(1, "MUG", 1, 10.0), state="CANCELED")
    outcome = mugs.deliver(dispatch("O1-A", units("O1-A-1")))
    assert isinstance(outcome, Refused)
    assert "not in SHIPPING" in outcome.reason
