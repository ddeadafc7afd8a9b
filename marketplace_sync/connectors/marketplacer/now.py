"""One order as it is now, for writes that need its invoices, and for questions about what happened."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from marketplace_sync.connectors.marketplacer import fields, stated
from marketplace_sync.connectors.marketplacer.reading import Reader
from marketplace_sync.connectors.marketplacer.settings import MarketplacerSettings
from marketplace_sync.connectors.outcomes import unresolved
from marketplace_sync.connectors.ports import Malformed
from marketplace_sync.domain.effects import InDoubt, LineUnits, Postponed, Refused
from marketplace_sync.domain.errors import TransportError


class OrderNow:
    """Raises Malformed when not all of the order was stated: nothing can be said of what it lacks."""

    def __init__(self, order: stated.Order) -> None:
        self.order_id = order.id
        self.placed_at = fields.moment(order.created_at)
        self._purged_at = order.purged_at
        self.invoices = {one.id: one for one in stated.invoices_of(order)}
        self.invoice_of = {line.id: invoice.id for invoice in self.invoices.values() for line in invoice.line_items}

    def is_purged(self, invoice_id: str) -> bool:
        """Whether notes and external ids of it may have been wiped (sheet, 7)."""
        return bool(self._purged_at or self.invoices[invoice_id].order_purged_at)

    def by_invoice(self, lines: Sequence[LineUnits]) -> Mapping[str, dict[str, int]] | Refused:
        """Invoice id -> line id -> units: one order's lines may be of several sellers, each with an invoice."""
        if not lines:
            return Refused("it names no line of the order", code="NO_LINES")
        found: dict[str, dict[str, int]] = {}
        for units in lines:
            invoice = self.invoice_of.get(units.line_id)
            if invoice is None:
                return Refused(f"order {self.order_id} has no line {units.line_id}", code="NO_SUCH_LINE")
            found.setdefault(invoice, {})[units.line_id] = units.quantity
        return found


def order_now(
    reader: Reader, settings: MarketplacerSettings, order_id: str
) -> OrderNow | Refused | Postponed | InDoubt:
    """The order, or why nothing can be said of it: Refused when there is none, InDoubt when it cannot be read."""
    try:
        found = reader.whole([order_id])
        if not found:
            return Refused(f"the marketplace has no order {order_id}", code="ORDER_NOT_FOUND")
        return OrderNow(stated.decoded(found[0].payload, seller=settings.key_of == "seller")[1])
    except TransportError as problem:
        return unresolved(problem)
    except Malformed as problem:
        return InDoubt(f"order {order_id} cannot be read to find out: {problem}")
