"""A person's word that the goods of a return are back, and what they are like: for what no store can say."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from marketplace_sync.domain.effects import Judged
from marketplace_sync.domain.orders import ReturnState
from marketplace_sync.flows import goods_back
from marketplace_sync.flows.context import Context
from marketplace_sync.flows.decide import NotPossible
from marketplace_sync.ledger import orders, returns


def listing(context: Context, limit: int) -> list[dict[str, Any]]:
    """Lines of returns that are not over, the oldest first, of marketplaces that are told how they go on."""
    names = [name for name, one in context.marketplaces.items() if one.capabilities.follows_returns]
    with context.ledger.begin() as connection:
        found = returns.open_ones(connection, names, limit)
    return [
        {
            "connection": name,
            "return": one.of,
            "order": one.order_id,
            "line": one.line_id,
            "units": one.quantity,
            "state": one.state.value,
            "asked_for_at": one.requested_at,
            "reason": one.reason,
        }
        for name, one in found
    ]


def received(context: Context, name: str, return_id: str, not_compliant: Mapping[str, str], words: str = "") -> str:
    """All goods of a return are back. `not_compliant`: line id -> the marketplace's code of what is wrong with its
    goods; `words` go with each of them. Raises NotPossible."""
    if name not in context.marketplaces:
        raise NotPossible(f"there is no marketplace {name!r}; there are {', '.join(context.marketplaces)}")
    if not context.marketplaces[name].capabilities.follows_returns:
        raise NotPossible(f"{name} finds out itself when goods are back; nothing is to be told")
    with context.ledger.begin() as connection:
        order_id = returns.order_of(connection, name, return_id)
        order = orders.load(connection, name, [order_id], lock=True).get(order_id) if order_id else None
        if order is None:
            raise NotPossible(f"{name} has stated no return {return_id} of an order that is held here")
        lines = [one for one in returns.of_order(connection, name, order.order_id) if one.of == return_id]
        unknown = sorted(set(not_compliant) - {line.line_id for line in lines})
        if unknown:
            raise NotPossible(
                f"return {return_id} has no line {', '.join(unknown)}; it has {', '.join(one.line_id for one in lines)}"
            )
        if goods_back.received(connection, name, lines) is not None:
            raise NotPossible(f"that the goods of return {return_id} are back was said before; see `effects list`")
        if lines[0].state is not ReturnState.AUTHORISED and not all(
            goods_back.is_accepted(connection, name, line) for line in lines
        ):
            raise NotPossible(f"return {return_id} is {lines[0].state.value}: only an accepted one can be received")
        judged = [
            Judged(line_id=line_id, compliant=False, reason=reason, words=words)
            for line_id, reason in not_compliant.items()
        ]
        goods_back.receive(connection, name, order, lines, judged)
    wrong = f", {len(judged)} of its lines with a fault" if judged else ""
    return f"{name} is told that the goods of return {return_id} are back{wrong}"
