"""What subscribing, unsubscribing and suppressing look like in requests."""

from __future__ import annotations

from typing import Any, Literal

import msgspec

from marketplace_sync.sandbox.klaviyo.reading import Body


class Given(Body):
    consent: Literal["SUBSCRIBED"]
    consented_at: str | None = None


class GivenPlain(Body):
    consent: Literal["SUBSCRIBED"]


class GivenEmail(Body):
    marketing: Given | None = None
    open_tracking: GivenPlain | None = None
    click_tracking: GivenPlain | None = None


class GivenSms(Body):
    marketing: Given | None = None
    transactional: Given | None = None


class GivenPush(Body):
    marketing: Given
    tokens: list[dict[str, Any]] | None = None
    anonymous_id: str | None = None


class GivenChannels(Body):
    email: GivenEmail | None = None
    sms: GivenSms | None = None
    whatsapp: GivenSms | None = None
    push: GivenPush | None = None


class SubscribeAttributes(Body):
    subscriptions: GivenChannels
    email: str | None = None
    phone_number: str | None = None
    age_gated_date_of_birth: str | None = None


class SubscribeProfile(Body):
    type: Literal["profile"]
    attributes: SubscribeAttributes
    id: str | None = None


class SubscribeProfiles(Body):
    data: list[SubscribeProfile]


class SubscribeJobAttributes(Body):
    profiles: SubscribeProfiles
    custom_source: str | None = None
    historical_import: bool | None = None


class ListReference(Body):
    type: Literal["list"]
    id: str


class ListRelation(Body):
    data: ListReference


class OneList(Body):
    list: ListRelation | None = None


class SubscribeJob(Body):
    type: Literal["profile-subscription-bulk-create-job"]
    attributes: SubscribeJobAttributes
    relationships: OneList | None = None


class Subscribe(Body):
    data: SubscribeJob


class Taken(Body):
    consent: Literal["UNSUBSCRIBED"]


class TakenEmail(Body):
    marketing: Taken | None = None
    open_tracking: Taken | None = None
    click_tracking: Taken | None = None


class TakenSms(Body):
    marketing: Taken | None = None
    transactional: Taken | None = None


class TakenWhatsapp(TakenSms):
    conversational: Taken | None = None


class TakenPush(Body):
    marketing: Taken
    tokens: list[dict[str, Any]]


class TakenChannels(Body):
    email: TakenEmail | None = None
    sms: TakenSms | None = None
    whatsapp: TakenWhatsapp | None = None
    push: TakenPush | None = None


class UnsubscribeAttributes(Body):
    subscriptions: TakenChannels
    email: str | None = None
    phone_number: str | None = None


class UnsubscribeProfile(Body):
    type: Literal["profile"]
    attributes: UnsubscribeAttributes


class UnsubscribeProfiles(Body):
    data: list[UnsubscribeProfile]


class UnsubscribeJobAttributes(Body):
    profiles: UnsubscribeProfiles


class UnsubscribeJob(Body):
    type: Literal["profile-subscription-bulk-delete-job"]
    attributes: UnsubscribeJobAttributes
    relationships: OneList | None = None


class Unsubscribe(Body):
    data: UnsubscribeJob


class SuppressAttributes(Body):
    email: str


class SuppressProfile(Body):
    type: Literal["profile"]
    attributes: SuppressAttributes


class SuppressProfiles(Body):
    data: list[SuppressProfile]


class SegmentReference(Body):
    type: Literal["segment"]
    id: str


class SegmentRelation(Body):
    data: SegmentReference


class OneGroup(Body):
    list: ListRelation | None = None
    segment: SegmentRelation | None = None


class SuppressJobAttributes(Body):
    profiles: SuppressProfiles | None = None


class SuppressJob(Body):
    type: Literal["profile-suppression-bulk-create-job", "profile-suppression-bulk-delete-job"]
    attributes: SuppressJobAttributes
    relationships: OneGroup | None = None


class Suppress(Body):
    data: SuppressJob


def channels(wanted: GivenChannels | TakenChannels) -> dict[str, str | None]:
    """Channel (`email.marketing`, `sms.transactional`, …) to its `consented_at`, for every channel that is named."""
    found: dict[str, str | None] = {}
    for medium in ("email", "sms", "whatsapp", "push"):
        kinds = getattr(wanted, medium)
        for kind in ("marketing", "transactional", "conversational", "open_tracking", "click_tracking"):
            one = getattr(kinds, kind, None)
            if isinstance(one, msgspec.Struct):
                found[f"{medium}.{kind}"] = getattr(one, "consented_at", None)
    return found
