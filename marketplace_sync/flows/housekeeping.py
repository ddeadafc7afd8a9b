"""What is kept no longer than it is of use: webhook deliveries that were handled."""

from __future__ import annotations

from datetime import timedelta

from marketplace_sync.flows.context import Context
from marketplace_sync.ledger import inbox

KEPT = timedelta(days=30)
"""Far longer than any vendor repeats a delivery (Shopify: hours; Marketplacer: days), long enough to look one up."""
_AT_ONCE = 10_000


def clear_inbox(context: Context) -> int:
    """Deletes deliveries that were handled longer ago than `KEPT`. Unreadable ones stay: a person may need them."""
    cleared = 0
    while True:
        with context.ledger.begin() as connection:
            gone = inbox.forget(connection, KEPT, _AT_ONCE)
        cleared += gone
        if gone < _AT_ONCE:
            return cleared
