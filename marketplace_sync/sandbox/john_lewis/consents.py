"""John Lewis' customer records: who accepts marketing, since when, and in which order that last changed."""

from __future__ import annotations

import bisect
from datetime import UTC, datetime
from typing import Any

from marketplace_sync.sandbox.clock import Clock
from marketplace_sync.sandbox.john_lewis.settings import EdgeSettings
from marketplace_sync.sandbox.state import Document, State


class Consents:
    """Customers by e-mail address, listed by the time of their last change."""

    def __init__(self, state: State, clock: Clock, settings: EdgeSettings) -> None:
        self.settings = settings
        self._state = state
        self._clock = clock
        self._customers = state.collection("customers")
        state.on_reload.append(self._rebuild)
        self._rebuild()

    def _rebuild(self) -> None:
        self._by_change = sorted((customer["updated_at"], email) for email, customer in self._customers.items())

    def met(self, email: str, full_name: str, accepts: bool | None, drawn: float) -> None:
        """Somebody ordered: a record begins, unless there is one and nothing was said about marketing."""
        if email.lower() in self._customers:
            if accepts is not None:
                self.change(email, accepts=accepts, source="checkout")
            return
        first, _, last = full_name.partition(" ")
        decided = accepts if accepts is not None else drawn < self.settings.consent_rate
        self._write(email, first, last, decided, "checkout", self._clock.now(), self._clock.now())

    def change(
        self,
        email: str,
        *,
        accepts: bool | None,
        source: str = "preference centre",
        at: str | None = None,
        first_name: str | None = None,
        last_name: str | None = None,
    ) -> Document:
        """Somebody changed their mind at `at` (now, unless told); noted now. `accepts` None: nobody ever asked them."""
        known = self._customers.get(email.lower()) or {}
        decided_at = self._clock.now() if at is None else datetime.fromisoformat(at)
        if decided_at.tzinfo is None:
            raise ValueError(f"at needs a zone, e.g. {at}+00:00")
        return self._write(
            email,
            first_name or known.get("first_name", ""),
            last_name or known.get("last_name", ""),
            accepts,
            source,
            decided_at,
            self._clock.now(),
        )

    def _write(
        self, email: str, first: str, last: str, accepts: bool | None, source: str, decided: datetime, noted: datetime
    ) -> Document:
        key = email.lower()
        known = self._customers.get(key)
        if known is not None:
            del self._by_change[bisect.bisect_left(self._by_change, (known["updated_at"], key))]
        reference = known["customer_ref"] if known else f"JLC{self._state.counter('customer', 700_001)}"
        document: dict[str, Any] = {
            "customer_ref": reference,
            "email": email,
            "first_name": first,
            "last_name": last,
            "accepts_marketing": accepts,
            "consent_source": None if accepts is None else source,
            "consent_updated_at": None if accepts is None else decided.isoformat(),
            "updated_at": noted.isoformat(timespec="microseconds"),
        }
        self._customers.put(key, document)
        bisect.insort(self._by_change, (document["updated_at"], key))
        return document

    def page(self, updated_since: datetime | None, offset: int, limit: int) -> tuple[int, list[Document]]:
        """Customers changed at or after that time, the oldest change first."""
        first = 0
        if updated_since is not None:
            since = updated_since.astimezone(UTC).isoformat(timespec="microseconds")
            first = bisect.bisect_left(self._by_change, (since, ""))
        found = self._by_change[first:]
        return len(found), [self._customers[email] for _, email in found[offset : offset + limit]]
