"""What the counts of an order's lines prove about an action in doubt, and what they leave open."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from marketplace_sync.connectors.john_lewis.statuses import Progress
from marketplace_sync.connectors.john_lewis.verdicts import verdict
from marketplace_sync.domain.effects import (
    AcknowledgeOrder,
    AcknowledgeReturn,
    CancelLines,
    Delivered,
    Dispatch,
    InDoubt,
    LineUnits,
    NotThere,
    Refused,
)

YES, NO, GONE, OPEN = Delivered, NotThere, Refused, InDoubt


def line(quantity: int, before: int | None = None, line_id: str = "1", ordered: int | None = None) -> LineUnits:
    return LineUnits(line_id=line_id, quantity=quantity, before=before, ordered=ordered)


def dispatch(*lines: LineUnits) -> Dispatch:
    return Dispatch(order_id="7", lines=lines, carrier="dpd", tracking_number="1", shipped_at=datetime.now(UTC))


def counts(*, new: int = 0, accepted: int = 0, gone: int = 0, asked: int = 0, cancelled: int = 0) -> Progress:
    """A line of units: not acknowledged, acknowledged, dispatched, asked to cancel, cancelled with their quantity."""
    return Progress(
        quantity=new + accepted + gone + asked + cancelled,
        unacknowledged=new,
        acknowledged=accepted + gone,
        dispatched=gone,
        cancellation_requested=asked,
        cancelled=cancelled,
        was_cancelled=cancelled > 0,
    )


@pytest.mark.parametrize(
    ("wished", "shown", "expected"),
    [
        # Without knowing what left before: certain at both ends, open in between.
        (line(1), counts(accepted=2), NO),
        (line(2), counts(accepted=1, gone=1), GONE),
        (line(1), counts(accepted=1, gone=1), OPEN),
        (line(1), counts(gone=2), YES),
        (line(2), counts(gone=2), YES),
        (line(2), counts(accepted=2), NO),
        (line(2), counts(cancelled=2), GONE),
        (line(1), counts(asked=1), NO),
        # Knowing it: every count tells.
        (line(1, 0), counts(accepted=1, gone=1), YES),
        (line(1, 1), counts(accepted=1, gone=1), NO),
        (line(1, 1), counts(gone=2), YES),
        (line(2, 1), counts(accepted=2, gone=1), NO),
        (line(2, 1), counts(accepted=1, gone=2), OPEN),
        (line(1, 1), counts(gone=1, cancelled=1), GONE),
        (line(1, 0), counts(accepted=2), NO),
    ],
)
def test_a_dispatch_is_judged_by_what_left_and_what_is_still_open(
    wished: LineUnits, shown: Progress, expected: type
) -> None:
    assert isinstance(verdict(dispatch(wished), {"1": shown}), expected)


def test_a_dispatch_of_several_lines_is_there_when_all_of_them_are() -> None:
    wish = dispatch(line(1), line(1, line_id="2"))
    assert isinstance(verdict(wish, {"1": counts(gone=1), "2": counts(gone=1)}), Delivered)
    assert isinstance(verdict(wish, {"1": counts(accepted=1), "2": counts(new=1)}), NotThere)
    half = verdict(wish, {"1": counts(gone=1), "2": counts(accepted=1)})
    assert isinstance(half, InDoubt)
    assert "line 2" in half.reason
    missing = verdict(wish, {"1": counts(gone=1)})
    assert isinstance(missing, Refused)
    assert missing.code == "NO_SUCH_LINE"


@pytest.mark.parametrize(
    ("shown", "expected"),
    [
        (counts(new=2), NO),
        (counts(accepted=2), YES),
        (counts(accepted=1, gone=1), YES),
        (counts(new=1, accepted=1), NO),
        (counts(asked=2), GONE),
        (counts(cancelled=2), GONE),
    ],
)
def test_an_acknowledgement_is_there_when_nothing_is_new_any_more(shown: Progress, expected: type) -> None:
    assert isinstance(verdict(AcknowledgeOrder(order_id="7", lines=(line(2),)), {"1": shown}), expected)


@pytest.mark.parametrize(
    ("requested", "wished", "shown", "expected"),
    [
        (True, line(2), counts(asked=2), NO),
        (True, line(2), Progress(was_cancelled=True), YES),
        (True, line(1), counts(gone=1), GONE),
        (True, line(1), counts(accepted=1), GONE),
        (False, line(2), counts(new=2), NO),
        (False, line(2), Progress(was_cancelled=True), YES),
        (False, line(1), counts(gone=1), GONE),
        (False, line(1), Progress(quantity=1, acknowledged=1, was_cancelled=True), OPEN),
        (False, line(1, 0), counts(accepted=1, cancelled=1), YES),
        (False, line(1, 1), counts(accepted=1, cancelled=1), NO),
        # Cancelled rows that are shown with quantity 0.
        (False, line(1, 0, ordered=2), Progress(quantity=1, acknowledged=1, was_cancelled=True), YES),
        (False, line(1, 1, ordered=3), Progress(quantity=2, acknowledged=2, was_cancelled=True), NO),
        (False, line(1, 1, ordered=3), Progress(quantity=1, acknowledged=1, was_cancelled=True), YES),
        (False, line(2, 1, ordered=5), Progress(quantity=3, acknowledged=3, was_cancelled=True), OPEN),
        (False, line(2, 0, ordered=4), Progress(quantity=2, acknowledged=1, dispatched=1, was_cancelled=True), YES),
    ],
)
def test_a_cancellation_is_judged_by_who_began_it(
    requested: bool, wished: LineUnits, shown: Progress, expected: type
) -> None:
    wish = CancelLines(order_id="7", lines=(wished,), requested_by_marketplace=requested)
    assert isinstance(verdict(wish, {"1": shown}), expected)


def test_a_return_is_taken_note_of_when_it_is_not_merely_asked_for_any_more() -> None:
    wish = AcknowledgeReturn(order_id="7", return_id="r", lines=(line(1),))
    asked = Progress(quantity=1, acknowledged=1, dispatched=1, return_requested=1)
    taken = Progress(quantity=1, acknowledged=1, dispatched=1, returning=1)
    assert isinstance(verdict(wish, {"1": asked}), NotThere)
    assert isinstance(verdict(wish, {"1": taken}), Delivered)
    assert isinstance(verdict(wish, {"1": counts(gone=1)}), Refused)


@given(
    ordered=st.integers(1, 5),
    parcels=st.lists(st.integers(1, 3), min_size=1, max_size=4),
    lost=st.integers(0, 3),
    arrived=st.booleans(),
    cancelled=st.integers(0, 2),
    told=st.booleans(),
)
def test_no_dispatch_is_ever_judged_wrongly(
    ordered: int, parcels: list[int], lost: int, arrived: bool, cancelled: int, told: bool
) -> None:
    """Parcels leave one after the other; the answer to one is lost; nothing after it was sent."""
    lost %= len(parcels)
    before = sum(parcels[:lost])
    units = parcels[lost]
    if before + units > ordered:
        return
    gone = before + (units if arrived else 0)
    cancelled = min(cancelled, ordered - before - units)
    shown = counts(accepted=ordered - gone - cancelled, gone=gone, cancelled=cancelled)
    found = verdict(dispatch(line(units, before if told else None)), {"1": shown})
    if isinstance(found, Delivered):
        assert arrived or shown.open <= 0
    if isinstance(found, NotThere):
        assert not arrived
    if told:
        assert isinstance(found, Delivered if arrived else NotThere)
