"""The carriers that the platform knows; which of them John Lewis takes is a matter of the contract."""

from __future__ import annotations

import msgspec

from marketplace_sync.connectors.wire import Wire
from marketplace_sync.decoding import decoded
from marketplace_sync.domain.errors import AnswerUnreadable


class _Carrier(msgspec.Struct):
    slug: str | None = None
    name: str | None = None


def carriers(wire: Wire) -> set[str]:
    """Slugs and names of every carrier of the platform: both are in use (John Lewis, carriers). Raises
    TransportError."""
    answer = wire.request(
        "GET", "/restapi/v4/order-tracking-carriers/", params={"format": "json"}, operation="read carriers"
    )
    try:
        found = decoded(answer.body, list[_Carrier])
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as problem:
        raise AnswerUnreadable(
            f"{wire.connection}: the Edge's list of carriers cannot be read: {str(problem)[:200]}",
            connection=wire.connection,
            operation="read carriers",
            status=answer.status,
        ) from None
    return {text for carrier in found for text in (carrier.slug, carrier.name) if text}
