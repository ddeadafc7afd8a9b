"""Carries consents to the vendor: reads what it knows first, and never brings back somebody who has left."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

import msgspec

from marketplace_sync.connectors.klaviyo import consent
from marketplace_sync.connectors.klaviyo.batch import Batch
from marketplace_sync.connectors.klaviyo.calls import Calls, no_answer
from marketplace_sync.connectors.klaviyo.events import instant
from marketplace_sync.connectors.klaviyo.narrowing import send_narrowing
from marketplace_sync.connectors.klaviyo.reading import Reading
from marketplace_sync.connectors.klaviyo.refusals import errors, refused
from marketplace_sync.connectors.wire import Answer
from marketplace_sync.domain.effects import (
    Delivered,
    Effect,
    EffectKind,
    InDoubt,
    NotThere,
    Outcome,
    Postponed,
    Refused,
    Resolution,
    Subscription,
)
from marketplace_sync.domain.errors import TransportError

MAX_PEOPLE = 100
"""Per job: the vendor takes 1,000 opt-ins but only 100 opt-outs (Klaviyo, subscribe and unsubscribe)."""

_OPT_INS = "/api/profile-subscription-bulk-create-jobs"
_OPT_OUTS = "/api/profile-subscription-bulk-delete-jobs"
_POINTER = re.compile(r"/profiles/data/(\d+)")


class _Row(msgspec.Struct, frozen=True):
    position: int
    wanted: Subscription

    @property
    def email(self) -> str:
        return consent.normal(self.wanted.identifiers["email"])


class _Route(msgspec.Struct, frozen=True):
    """What all consents of one job share."""

    subscribes: bool
    list_id: str
    source: str


class Subscribing:
    """Delivers `subscribe` and `unsubscribe` effects of e-mail marketing. Thread-safe: it keeps nothing between
    calls."""

    def __init__(self, calls: Calls, reading: Reading, list_id: str) -> None:
        self._calls = calls
        self._reading = reading
        self._list_id = list_id

    def deliver(self, effects: Sequence[Effect]) -> list[Outcome]:
        """One outcome per effect, in order. When the state of consents cannot be read, nothing is sent.

        A delivered opt-in says in its result whether the person is `subscribed` now; when an opt-out stood in its way,
        it says so under `because`, and nothing was sent.
        """
        batch = Batch(len(effects))
        subscribes = bool(effects) and effects[0].kind is EffectKind.SUBSCRIBE
        rows: list[_Row] = []
        for position, effect in enumerate(effects):
            wanted: Subscription = effect.payload
            if wanted.identifiers.get("email", "").strip():
                rows.append(_Row(position, wanted))
            else:
                batch.settle(position, Refused("A consent was not sent: it has no e-mail address.", code="unfit"))
        try:
            rows = self._needed(batch, rows) if subscribes else self._not_gone(batch, rows)
        except TransportError as problem:
            for row in rows:
                batch.settle(row.position, no_answer(problem))
            return batch.outcomes()
        jobs: dict[_Route, list[_Row]] = {}
        seen: dict[tuple[str, str], int] = {}
        for row in rows:
            route = _Route(subscribes, self._list(row.wanted, subscribes), row.wanted.source if subscribes else "")
            if (first := seen.setdefault((row.email, route.list_id), row.position)) != row.position:
                batch.same(row.position, first)
            else:
                jobs.setdefault(route, []).append(row)
        for route, job in jobs.items():
            for start in range(0, len(job), MAX_PEOPLE):
                self._send(batch, job[start : start + MAX_PEOPLE], route)
        return batch.outcomes()

    def resolve(self, effect: Effect) -> Resolution:
        """Whether a consent in doubt is there. Raises TransportError."""
        wanted: Subscription = effect.payload
        email = consent.normal(wanted.identifiers.get("email", ""))
        state = consent.states(self._reading, [email]).get(email) if email else None
        if effect.kind is EffectKind.UNSUBSCRIBE:
            return _done(False) if state is not None and state.consent == "UNSUBSCRIBED" else NotThere()
        list_id = self._list(wanted, True)
        subscribed = state is not None and state.consent == "SUBSCRIBED"
        if subscribed and (not list_id or consent.members(self._reading, list_id, [email])):
            return _done(True)
        return NotThere()

    def _list(self, wanted: Subscription, subscribes: bool) -> str:
        """People join our list unless the consent names another; they leave everything unless it names one."""
        return wanted.list_id or (self._list_id if subscribes else "")

    def _needed(self, batch: Batch, rows: Sequence[_Row]) -> list[_Row]:
        """Opt-ins that are new to the vendor and may be sent; the others are settled. Raises TransportError."""
        states = consent.states(self._reading, [row.email for row in rows])
        needed = []
        for row in rows:
            wanted, list_id = row.wanted, self._list(row.wanted, True)
            state = states.get(row.email, consent.Marketing())
            if state is None:
                reason = f"An opt-in from {wanted.source} was not sent: Klaviyo does not take it for an e-mail address."
                batch.settle(row.position, Refused(reason, code="unfit"))
            elif obstacle := consent.obstacle(state, wanted, list_id):
                # The wish is settled: an opt-out is nobody's failure, and must not hold up what comes after it.
                batch.settle(row.position, Delivered({"subscribed": False, "because": obstacle}))
            elif state.consent == "SUBSCRIBED" and not list_id:
                batch.settle(row.position, _done(True, already=True))
            else:
                needed.append(row)
        return needed

    def _not_gone(self, batch: Batch, rows: Sequence[_Row]) -> list[_Row]:
        """Opt-outs that change something; the others are settled. Raises TransportError.

        An opt-out of one list is only sent for its members: for anybody else it would be an opt-out of everything
        (Klaviyo, unsubscribe). People the vendor does not know are sent: it then keeps their opt-out.
        """
        states = consent.states(self._reading, [row.email for row in rows])
        on_list: dict[str, set[str]] = {}
        for list_id in sorted({row.wanted.list_id for row in rows} - {""}):
            emails = [row.email for row in rows if row.wanted.list_id == list_id]
            on_list[list_id] = consent.members(self._reading, list_id, emails)
        needed = []
        for row in rows:
            state = states.get(row.email)
            gone = state is not None and state.consent == "UNSUBSCRIBED"
            if gone or (row.wanted.list_id and row.email not in on_list[row.wanted.list_id]):
                batch.settle(row.position, _done(False, already=True))
            else:
                needed.append(row)
        return needed

    def _send(self, batch: Batch, rows: Sequence[_Row], route: _Route) -> None:
        """One job; when it is refused, the consents at fault are found and refused alone."""

        def send(part: Sequence[_Row]) -> Answer | Postponed | InDoubt:
            return self._calls.write(
                _OPT_INS if route.subscribes else _OPT_OUTS,
                _body(part, route),
                bucket="subscribe" if route.subscribes else "unsubscribe",
                operation="subscribe people" if route.subscribes else "unsubscribe people",
            )

        def accepted(part: Sequence[_Row], answer: Answer) -> Sequence[_Row]:
            for row in part:
                batch.settle(row.position, _done(route.subscribes))
            return []

        for row in send_narrowing(batch, rows, send=send, pointed_at=_pointed_at, accepted=accepted):
            batch.settle(row.position, batch.closed() or self._verdict(send([row]), row, route))

    def _verdict(self, answer: Answer | Postponed | InDoubt, row: _Row, route: _Route) -> Outcome:
        if not isinstance(answer, Answer):
            return answer
        if answer.status < 300:
            return _done(route.subscribes)
        what = "an opt-in" if route.subscribes else "an opt-out"
        return refused(f"{what} from {row.wanted.source}", answer.status, errors(answer.body), [row.email])


def _done(subscribed: bool, *, already: bool = False) -> Delivered:
    return Delivered({"subscribed": subscribed, **({"already": True} if already else {})})


def _pointed_at(rows: Sequence[_Row], pointer: str) -> Sequence[_Row]:
    found = _POINTER.search(pointer)
    return [rows[int(found.group(1))]] if found and int(found.group(1)) < len(rows) else []


def _body(rows: Sequence[_Row], route: _Route) -> bytes:
    """An opt-in is told as history with its own time: the person has already said yes to the marketplace and gets no
    message asking for it again, and no flow starts (Klaviyo, subscribe)."""
    attributes: dict[str, Any] = {"profiles": {"data": [_profile(row, route) for row in rows]}}
    kind = "profile-subscription-bulk-delete-job"
    if route.subscribes:
        kind = "profile-subscription-bulk-create-job"
        attributes = {"custom_source": route.source, "historical_import": True, **attributes}
    data: dict[str, Any] = {"type": kind, "attributes": attributes}
    if route.list_id:
        data["relationships"] = {"list": {"data": {"type": "list", "id": route.list_id}}}
    return msgspec.json.encode({"data": data})


def _profile(row: _Row, route: _Route) -> dict[str, Any]:
    marketing = {"consent": "UNSUBSCRIBED"}
    if route.subscribes:
        marketing = {"consent": "SUBSCRIBED", "consented_at": instant(row.wanted.consented_at)}
    return {
        "type": "profile",
        "attributes": {
            "email": row.wanted.identifiers["email"].strip(),
            "subscriptions": {"email": {"marketing": marketing}},
        },
    }
