"""The consent machine: who may be written to, why, since when, and what is waiting for a confirmation."""

from __future__ import annotations

from typing import Any

from marketplace_sync.sandbox.clock import Clock
from marketplace_sync.sandbox.klaviyo.answers import Json, moment
from marketplace_sync.sandbox.state import State

SUBSCRIBED, UNSUBSCRIBED, NEVER = "SUBSCRIBED", "UNSUBSCRIBED", "NEVER_SUBSCRIBED"
LIFTED_BY_SUBSCRIBING = ("UNSUBSCRIBE", "SPAM_COMPLAINT", "USER_SUPPRESSED")
"""Suppressions that a subscription removes; bounces and invalid addresses stay (Klaviyo, bulk subscribe)."""

EMAIL = "email.marketing"
_NOTHING: Json = {
    "consent": NEVER,
    "consent_timestamp": None,
    "last_updated": None,
    "method": None,
    "method_detail": "",
    "custom_method_detail": None,
    "double_optin": None,
    "created": None,
}


class ConsentBook:
    """Consent per profile and channel (`email.marketing`, `sms.marketing`, …), suppressions, pending confirmations.

    Every change is also appended to the collection `consent_changes`.
    """

    def __init__(self, state: State, clock: Clock) -> None:
        self._documents = state.collection("consents")
        self._changes = state.collection("consent_changes")
        self._state = state
        self._clock = clock
        self.version = 0

    def __len__(self) -> int:
        return len(self._documents)

    def of(self, profile: str) -> Json:
        """The document of a profile; an empty one that is not kept yet when there is none."""
        empty: Json = {"id": profile, "channels": {}, "suppression": [], "list_suppressions": [], "pending": []}
        return self._documents.get(profile) or empty

    def email(self, profile: str) -> Json:
        """What a filter may ask about a profile's e-mail: its suppressions."""
        return self.of(profile)

    def channel(self, profile: str, channel: str) -> Json:
        found: Json = self.of(profile)["channels"].get(channel, _NOTHING)
        return found

    def can_receive_email(self, profile: Json) -> bool:
        """Implicit consent counts: somebody who never subscribed and is not suppressed can be written to."""
        if not profile["email"] or self.of(profile["id"])["suppression"]:
            return False
        return bool(self.channel(profile["id"], EMAIL)["consent"] != UNSUBSCRIBED)

    def subscribe(
        self, profile: str, channels: dict[str, float | None], *, list_id: str | None, source: str, double: bool
    ) -> None:
        """Subscribed from now, or from the moment given per channel. Lifts the suppressions that this lifts."""
        now = int(self._clock.timestamp())
        document = self.of(profile)
        for channel, consented_at in channels.items():
            document["channels"][channel] = {
                "consent": SUBSCRIBED,
                "consent_timestamp": consented_at if consented_at is not None else now,
                "last_updated": now,
                "method": "API",
                "method_detail": list_id or "",
                "custom_method_detail": source or None,
                "double_optin": double,
                "created": document["channels"].get(channel, _NOTHING)["created"] or now,
            }
            self._note(profile, channel, SUBSCRIBED, {"list": list_id, "source": source, "double_optin": double})
        if EMAIL in channels:
            document["suppression"] = [
                one for one in document["suppression"] if one["reason"] not in LIFTED_BY_SUBSCRIBING
            ]
            document["list_suppressions"] = [
                one for one in document["list_suppressions"] if list_id is not None and one["list_id"] != list_id
            ]
        document["pending"] = [one for one in document["pending"] if one["list"] != list_id]
        self._put(document)

    def ask_for_confirmation(self, profile: str, channels: list[str], *, list_id: str | None, source: str) -> None:
        document = self.of(profile)
        document["pending"] = [one for one in document["pending"] if one["list"] != list_id]
        asked: Json = {"list": list_id, "channels": channels, "source": source, "asked": int(self._clock.timestamp())}
        document["pending"].append(asked)
        self._put(document)

    def unsubscribe(
        self, profile: str, channels: list[str], *, reason: str = "UNSUBSCRIBE", method: str = "API"
    ) -> None:
        """Out of the channels altogether. For e-mail this is a suppression as well."""
        now = int(self._clock.timestamp())
        document = self.of(profile)
        for channel in channels:
            before = document["channels"].get(channel, _NOTHING)
            changed: Json = {"consent": UNSUBSCRIBED, "consent_timestamp": now, "last_updated": now, "method": method}
            document["channels"][channel] = {**_NOTHING, **changed, "created": before["created"] or now}
            self._note(profile, channel, UNSUBSCRIBED, {"reason": reason, "method": method})
        document["pending"] = []
        self._put(document)
        if EMAIL in channels:
            self.suppress(profile, reason)

    def unsubscribe_from_list(self, profile: str, list_id: str) -> None:
        """Out of one list only: consent to the account stays."""
        document = self.of(profile)
        kept = [one for one in document["list_suppressions"] if one["list_id"] != list_id]
        now = int(self._clock.timestamp())
        document["list_suppressions"] = [*kept, {"list_id": list_id, "reason": "UNSUBSCRIBE", "timestamp": now}]
        document["pending"] = [one for one in document["pending"] if one["list"] != list_id]
        self._note(profile, EMAIL, "LIST_UNSUBSCRIBED", {"list": list_id})
        self._put(document)

    def suppress(self, profile: str, reason: str) -> bool:
        """False when it was suppressed for this reason already."""
        document = self.of(profile)
        if any(one["reason"] == reason for one in document["suppression"]):
            return False
        document["suppression"].append({"reason": reason, "timestamp": int(self._clock.timestamp())})
        self._note(profile, EMAIL, "SUPPRESSED", {"reason": reason})
        self._put(document)
        return True

    def lift(self, profile: str, reason: str) -> bool:
        """False when there was no suppression for this reason."""
        document = self.of(profile)
        kept = [one for one in document["suppression"] if one["reason"] != reason]
        if len(kept) == len(document["suppression"]):
            return False
        document["suppression"] = kept
        self._note(profile, EMAIL, "UNSUPPRESSED", {"reason": reason})
        self._put(document)
        return True

    def merge(self, source: str, destination: str) -> None:
        """The stricter side wins (the vendor does not publish what happens: an assumption)."""
        if self._documents.get(source) is None:
            return
        given, kept = self.of(source), self.of(destination)
        for channel, consent in given["channels"].items():
            mine = kept["channels"].get(channel)
            if mine is None or (consent["consent"] == UNSUBSCRIBED and mine["consent"] != UNSUBSCRIBED):
                kept["channels"][channel] = consent
        for name, key in (("suppression", "reason"), ("list_suppressions", "list_id"), ("pending", "list")):
            known = {one[key] for one in kept[name]}
            kept[name] += [one for one in given[name] if one[key] not in known]
        self._put(kept)
        self.forget(source)

    def forget(self, profile: str) -> None:
        self.version += 1
        self._documents.delete(profile)

    def _put(self, document: Json) -> None:
        self.version += 1
        self._documents.put(document["id"], document)

    def _note(self, profile: str, channel: str, what: str, details: Json) -> None:
        number = str(self._state.counter("consent_change"))
        change: Json = {"id": number, "profile": profile, "channel": channel, "what": what}
        self._changes.put(number, {**change, "at": int(self._clock.timestamp()), **details})

    def as_subscriptions(self, profile: Json, revision: str) -> Json:
        """The additional field `subscriptions` of a profile."""
        document = self.of(profile["id"])

        def consent(channel: str) -> Json:
            found: Json = document["channels"].get(channel, _NOTHING)
            return found

        def dated(entries: list[Json]) -> list[Json]:
            return [{**one, "timestamp": moment(one["timestamp"])} for one in entries]

        email = _marketing(consent(EMAIL), "can_receive_email_marketing", self.can_receive_email(profile))
        email |= {
            "custom_method_detail": consent(EMAIL)["custom_method_detail"],
            "double_optin": consent(EMAIL)["double_optin"],
            "suppression": dated(document["suppression"]),
            "list_suppressions": dated(document["list_suppressions"]),
        }
        phone = profile["phone_number"]
        found: Json = {"email": {"marketing": email, "open_tracking": _plain(consent("email.open_tracking"), True)}}
        if revision >= "2026-10-15":
            found["email"]["click_tracking"] = _plain(consent("email.click_tracking"), True)
        found["sms"] = {
            kind: _marketing(
                consent(f"sms.{kind}"),
                f"can_receive_sms_{kind}",
                bool(phone) and consent(f"sms.{kind}")["consent"] == SUBSCRIBED,
            )
            for kind in ("marketing", "transactional")
        }
        push = consent("push.marketing")
        found["mobile_push"] = {
            "marketing": {
                "can_receive_push_marketing": push["consent"] == SUBSCRIBED,
                "consent": push["consent"],
                "consent_timestamp": moment(push["consent_timestamp"]),
            }
        }
        found["whatsapp"] = {
            kind: {**_plain(consent(f"whatsapp.{kind}"), False), "phone_number": phone}
            for kind in ("marketing", "transactional", "conversational")
        }
        return found


def _marketing(consent: Json, permission: str, allowed: bool) -> Json:
    found: Json = {permission: allowed, "consent": consent["consent"]}
    found |= {name: moment(consent[name]) for name in ("consent_timestamp", "last_updated")}
    return {**found, "method": consent["method"], "method_detail": consent["method_detail"]}


def _plain(consent: Json, implicit: bool) -> Json:
    state: Any = consent["consent"]
    return {
        "consent": state,
        "consent_timestamp": moment(consent["consent_timestamp"]),
        "last_updated": moment(consent["last_updated"]),
        "created_timestamp": moment(consent["created"]),
        "metadata": None,
        "can_receive": state == SUBSCRIBED or (implicit and state == NEVER),
        "valid_until": None,
    }
