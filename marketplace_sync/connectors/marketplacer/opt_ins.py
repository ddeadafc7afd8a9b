"""Which buyers joined the instance's marketing list: nothing links an entry to an order but the address and the time.

The list has no opt-out and is read by day (sheet, 3 and 5). Given with the order is an entry near its time; where there
is none, one from before the order counts (sheet, 10: precedence).
"""

from __future__ import annotations

import threading
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec

from marketplace_sync.connectors.marketplacer import documents, fields
from marketplace_sync.connectors.marketplacer.account import Account
from marketplace_sync.connectors.marketplacer.settings import MarketplacerSettings

_AT_MOST_EVERY = timedelta(minutes=1)
_PAGE = 500
"""Entries are flat; pages of this size are what the vendor recommends at most (sheet, 1)."""


class OptIn(msgspec.Struct, frozen=True, rename="camel"):
    email: Any = None
    source_type: Any = None
    subscribed_at: Any = None


class OptIns:
    """Thread-safe; remembers the list and reads only what is new of it. Everything raises TransportError."""

    def __init__(self, settings: MarketplacerSettings, account: Account) -> None:
        self._settings = settings
        self._account = account
        self._lock = threading.Lock()
        self._known: dict[str, set[tuple[str, str]]] = {}
        """Address -> (subscribedAt, sourceType)."""
        self._since: datetime | None = None
        self._newest: datetime | None = None
        self._read_at: datetime | None = None

    def matching(self, buyers: Iterable[tuple[str, str, datetime]]) -> Mapping[str, list[OptIn]]:
        """Order id -> entries of the buyer's address that may be the order's consent, of (order id, address, time of
        the order): all of those near its time, else the last one before it."""
        wanted = [(order_id, email.lower(), at) for order_id, email, at in buyers if email]
        if not self._settings.opt_ins or self._account.is_seller or not wanted:
            return {}
        window = self._settings.opt_in_window
        times = [at for _, _, at in wanted]
        self._learn(min(times) - max(window, self._settings.older_opt_ins), max(times) + window)
        found: dict[str, list[OptIn]] = {}
        with self._lock:
            for order_id, email, at in wanted:
                entries = sorted(
                    (moment, said, source)
                    for said, source in self._known.get(email, ())
                    if (moment := fields.moment(said)) is not None
                )
                near = [entry for entry in entries if abs(entry[0] - at) <= window]
                older = [entry for entry in entries if at - self._settings.older_opt_ins <= entry[0] < at]
                if chosen := near or older[-1:]:
                    found[order_id] = [OptIn(email, source, said) for _, said, source in chosen]
        return found

    def _learn(self, since: datetime, until: datetime) -> None:
        """The list from `since` on. What was read is kept; the end of it is read again once it may have grown, at most
        once a minute."""
        now = datetime.now(UTC)
        with self._lock:
            covered = self._since is not None and since >= self._since
            recent = self._read_at is not None and (until < self._read_at or now - self._read_at < _AT_MOST_EVERY)
            if covered and recent:
                return
            begin = self._newest if covered and self._newest is not None else since
        fresh: list[OptIn] = []
        variables = {"since": begin.date().isoformat()}
        for page in self._account.pages(documents.OPT_INS, variables, "emailMarketingSubscriptions", _PAGE):
            fresh += [self._account.decoded(documents.OPT_INS, row, OptIn) for row in page]
        with self._lock:
            for one in fresh:
                said = fields.text_if_any(one.subscribed_at)
                moment = fields.moment(said)
                if moment is not None:
                    entry = (said, fields.text_if_any(one.source_type))
                    self._known.setdefault(fields.text_if_any(one.email).lower(), set()).add(entry)
                    self._newest = max(self._newest or moment, moment)
            self._since = since if self._since is None else min(self._since, since)
            self._read_at = now
