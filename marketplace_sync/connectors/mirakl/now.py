"""One order as it is now, for writes that need its amounts or its state, and for questions about what happened."""

from __future__ import annotations

from marketplace_sync.connectors.mirakl import fields
from marketplace_sync.connectors.mirakl.orders import Line, Stated, currency_of, decoded, line_progress, tax_on_top
from marketplace_sync.connectors.mirakl.progress import Progress
from marketplace_sync.connectors.mirakl.reading import Reader
from marketplace_sync.connectors.mirakl.settings import MiraklSettings
from marketplace_sync.connectors.outcomes import unresolved
from marketplace_sync.connectors.ports import Malformed
from marketplace_sync.domain.effects import InDoubt, Postponed, Refused
from marketplace_sync.domain.errors import TransportError


class OrderNow:
    """One order read again: its state and tracking number, and per line the counts and what OR11 states."""

    def __init__(self, stated: Stated, settings: MiraklSettings) -> None:
        """Raises Malformed."""
        self.order_id = fields.text(stated.order_id)
        self.state = fields.text(stated.order_state)
        self.tracking = fields.text(stated.shipping_tracking)
        self.can_cancel = bool(stated.can_cancel)
        self.tax_on_top = tax_on_top(stated)
        self.tax_mode = fields.text(stated.order_tax_mode)
        self.currency = currency_of(stated, settings)
        self.is_less_cancelations = settings.quantity_after_cancelations
        """Whether lines state units and money less what of them is cancelled."""
        self.lines: dict[str, Line] = {fields.text(line.order_line_id): line for line in stated.order_lines}
        self.counts: dict[str, Progress] = {
            line_id: line_progress(stated, line, settings) for line_id, line in self.lines.items()
        }

    def line_state(self, line_id: str) -> str:
        return fields.text(self.lines[line_id].order_line_state) or self.state


def order_now(reader: Reader, settings: MiraklSettings, order_id: str) -> OrderNow | Refused | Postponed | InDoubt:
    """The order, or why nothing can be said of it: Refused when there is none, InDoubt when it cannot be read."""
    try:
        payload = reader.order(order_id)
        if payload is None:
            return Refused(f"the marketplace has no order {order_id}", code="ORDER_NOT_FOUND")
        return OrderNow(decoded(payload), settings)
    except TransportError as problem:
        return unresolved(problem)
    except Malformed as problem:
        return InDoubt(f"order {order_id} cannot be read to find out: {problem}")
