"""What the vendor knows of a person's consent, and whether an opt-in of ours may be added to it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime

import msgspec

from marketplace_sync.connectors.klaviyo.reading import Reading
from marketplace_sync.decoding import decoded
from marketplace_sync.domain.effects import Subscription
from marketplace_sync.domain.errors import RequestRejected

_PER_READ = 50
_LONGEST_FILTER = 3_000
_LIFTED = ("UNSUBSCRIBE",)
"""The suppression that an opt-in after a known opt-out may lift. No other one is ever lifted by us."""


class Suppression(msgspec.Struct, frozen=True):
    reason: str = ""
    timestamp: datetime | None = None


class ListSuppression(msgspec.Struct, frozen=True):
    list_id: str = ""
    reason: str = ""
    timestamp: datetime | None = None


class Marketing(msgspec.Struct, frozen=True):
    """`subscriptions.email.marketing` of a profile."""

    consent: str = "NEVER_SUBSCRIBED"
    consent_timestamp: datetime | None = None
    last_updated: datetime | None = None
    suppression: list[Suppression] | None = None
    list_suppressions: list[ListSuppression] | None = None

    def last_change(self) -> datetime | None:
        """When the consent became what it is; the later of what the vendor states."""
        return max((moment for moment in (self.consent_timestamp, self.last_updated) if moment), default=None)


class _Email(msgspec.Struct, frozen=True):
    marketing: Marketing | None = None


class _Subscriptions(msgspec.Struct, frozen=True):
    email: _Email | None = None


class _Attributes(msgspec.Struct, frozen=True):
    email: str | None = None
    subscriptions: _Subscriptions | None = None


class _Profile(msgspec.Struct, frozen=True):
    id: str
    attributes: _Attributes


class _Member(msgspec.Struct, frozen=True):
    attributes: _Attributes


def normal(email: str) -> str:
    return email.strip().lower()


def states(reading: Reading, emails: Iterable[str]) -> dict[str, Marketing | None]:
    """E-mail (trimmed, lower case) -> consent as the vendor has it now; None: the vendor does not take it for an
    address. Who is missing is unknown there. Raises TransportError."""
    found: dict[str, Marketing | None] = {}
    groups = list(_groups(sorted({normal(email) for email in emails})))
    while groups:
        group = groups.pop()
        try:
            found.update(_states_of(reading, group))
        except RequestRejected as refusal:
            if refusal.status != 400:
                raise
            if len(group) == 1:
                found[decoded(group[0], str)] = None
            else:
                groups.extend((group[: len(group) // 2], group[len(group) // 2 :]))
    return found


def _states_of(reading: Reading, group: Sequence[str]) -> dict[str, Marketing | None]:
    found: dict[str, Marketing | None] = {}
    params: dict[str, str | int] = {
        "filter": f"any(email,[{','.join(group)}])",
        "additional-fields[profile]": "subscriptions",
        "page[size]": 100,
    }
    pages = reading.pages(
        "/api/profiles", _Profile, params, bucket="profile-reads", operation="read the state of consents"
    )
    for profiles, _ in pages:
        for profile in profiles:
            stated = profile.attributes.subscriptions
            known = stated.email.marketing if stated and stated.email else None
            found[normal(profile.attributes.email or "")] = known or Marketing()
    return found


def members(reading: Reading, list_id: str, emails: Iterable[str]) -> set[str]:
    """Which of these people are on a list. Raises TransportError."""
    found: set[str] = set()
    for group in _groups(sorted({normal(email) for email in emails})):
        params: dict[str, str | int] = {"filter": f"any(email,[{','.join(group)}])", "page[size]": 100}
        pages = reading.pages(
            f"/api/lists/{list_id}/profiles",
            _Member,
            params,
            bucket="list-profiles",
            operation="read who is on a list",
        )
        for people, _ in pages:
            found.update(normal(member.attributes.email or "") for member in people)
    return found


def obstacle(state: Marketing, wanted: Subscription, list_id: str) -> str | None:
    """Why this opt-in must not be sent, in words.

    Subscribing lifts suppressions (Klaviyo, subscribe), so an old opt-in sent late would bring back somebody who has
    left. An opt-out stands unless the person opted in again later and we know of it (`after_opt_out`); a suppression
    for any other reason always stands.
    """
    if state.consent == "UNSUBSCRIBED" and not (wanted.after_opt_out and _before(state.last_change(), wanted)):
        return "the person has unsubscribed in Klaviyo"
    for suppression in state.suppression or ():
        renewed = wanted.after_opt_out and suppression.reason in _LIFTED and _before(suppression.timestamp, wanted)
        if not renewed:
            return f"the address is suppressed in Klaviyo ({suppression.reason or 'no reason stated'})"
    for left in state.list_suppressions or ():
        if left.list_id == list_id and list_id and not (wanted.after_opt_out and _before(left.timestamp, wanted)):
            return "the person has left this list in Klaviyo"
    return None


def _before(moment: datetime | None, wanted: Subscription) -> bool:
    """An opt-out whose time is not stated counts as the newest thing that happened."""
    return moment is not None and moment < wanted.consented_at


def _groups(emails: Sequence[str]) -> Iterator[list[str]]:
    """Addresses quoted for a filter, so few at a time that the address of the request stays short."""
    group: list[str] = []
    for email in emails:
        quoted = msgspec.json.encode(email).decode()
        if group and (len(group) == _PER_READ or sum(map(len, group)) + len(quoted) > _LONGEST_FILTER):
            yield group
            group = []
        group.append(quoted)
    if group:
        yield group
