"""Amounts belong to quantities and to a price basis, and keep to them when orders change."""

from __future__ import annotations

from datetime import UTC, datetime

from msgspec.structs import replace

from marketplace_sync.domain.lifecycle import carried, refund_events, return_events
from marketplace_sync.domain.orders import Order, OrderLine, PriceBasis, Refund, Return, ReturnState

AT = datetime(2026, 3, 2, 9, tzinfo=UTC)
LINE = OrderLine(line_id="1", quantity=3, unit_price=1200, total=3600, tax=600, tax_rate="0.2")
ORDER = Order(
    order_id="7",
    reference="PO7",
    customer_order_number="C7",
    status="ORDER",
    placed_at=AT,
    currency="GBP",
    price_basis=PriceBasis.COST,
    lines=(LINE,),
)


def test_a_line_that_shrank_keeps_the_amounts_of_all_its_units() -> None:
    """The cancelled unit is subtracted once, by whoever ships what is open: not here and there."""
    shrunk = replace(ORDER, lines=(replace(LINE, quantity=2, total=2400, tax=400),))
    (line,) = carried(ORDER, shrunk).lines
    assert (line.quantity, line.cancelled, line.open) == (3, 1, 2)
    assert (line.total, line.tax) == (3600, 600)
    (again,) = carried(carried(ORDER, shrunk), shrunk).lines
    assert again == line


def test_a_line_whose_price_was_corrected_has_the_new_amounts() -> None:
    corrected = replace(ORDER, lines=(replace(LINE, unit_price=1100, total=3300, tax=550),))
    (line,) = carried(ORDER, corrected).lines
    assert (line.unit_price, line.total, line.tax) == (1100, 3300, 550)


def test_the_basis_of_what_was_given_back_goes_with_it() -> None:
    returned = Return(
        return_id="R", order_id="7", line_id="1", quantity=1, state=ReturnState.APPROVED, status="RMA_REC",
        requested_at=AT, changed_at=AT, refund_amount=2000, refund_basis=PriceBasis.RETAIL,
    )  # fmt: skip
    assert {event.detail["basis"] for event in return_events("a", returned)} == {"retail"}
    refund = Refund(
        refund_id="F", order_id="7", line_id="1", quantity=1, amount=900, refunded_at=AT, basis=PriceBasis.COST
    )
    assert [event.detail["basis"] for event in refund_events("a", refund)] == ["cost"]
