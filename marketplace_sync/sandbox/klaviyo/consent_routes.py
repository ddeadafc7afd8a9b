"""The endpoints that change consent in bulk: accepted at once, effective later, with nothing to poll."""

from __future__ import annotations

from typing import TYPE_CHECKING

from marketplace_sync.sandbox.klaviyo.answers import Answer, Json, invalid
from marketplace_sync.sandbox.klaviyo.call import Call
from marketplace_sync.sandbox.klaviyo.consent import EMAIL
from marketplace_sync.sandbox.klaviyo.consent_shapes import (
    GivenChannels,
    OneList,
    Subscribe,
    SubscribeAttributes,
    TakenChannels,
    Unsubscribe,
    UnsubscribeAttributes,
    channels,
)
from marketplace_sync.sandbox.klaviyo.reading import check_phone, clean_email, read, read_time

if TYPE_CHECKING:
    from marketplace_sync.sandbox.klaviyo.account import Account

SUBSCRIBED_PER_REQUEST, UNSUBSCRIBED_PER_REQUEST = 1_000, 100
AT = "/data/attributes/profiles/data"


class ConsentRoutes:
    def __init__(self, account: Account) -> None:
        self.account = account
        account.pipeline.worker("subscribe", self._subscribe)
        account.pipeline.worker("unsubscribe", self._unsubscribe)
        self._confirmations = account.state.collection("confirmation_messages")

    def subscribe(self, call: Call) -> Answer:
        job = read(Subscribe, call.body).data
        profiles = job.attributes.profiles.data
        if not 1 <= len(profiles) <= SUBSCRIBED_PER_REQUEST:
            raise invalid(f"Between 1 and {SUBSCRIBED_PER_REQUEST} profiles may be subscribed.", AT)
        historical = bool(job.attributes.historical_import)
        rows: list[Json] = []
        for number, profile in enumerate(profiles):
            at = f"{AT}/{number}/attributes"
            row = self._row(call, profile.attributes, at, known=profile.id is not None)
            row["id"] = profile.id
            if not (row["id"] or row["email"] or row["phone_number"]):
                raise invalid("One of the profile identifiers is required.", at)
            row["channels"] = {
                channel: self._consented_at(call, channel, text, historical, at)
                for channel, text in channels(profile.attributes.subscriptions).items()
            }
            texting = any(one.startswith("sms.") for one in row["channels"])
            if self.account.choices.age_gating and texting and profile.attributes.age_gated_date_of_birth is None:
                raise invalid("A date of birth is required for SMS consent.", f"{at}/age_gated_date_of_birth")
            rows.append(row)
        content: Json = {"rows": rows, "list": self._list(job.relationships), "historical": historical}
        content["source"] = job.attributes.custom_source or ""
        self.account.pipeline.later("subscribe", content, self.account.choices.visibility_delay)
        return Answer(202)

    def unsubscribe(self, call: Call) -> Answer:
        job = read(Unsubscribe, call.body).data
        profiles = job.attributes.profiles.data
        if not 1 <= len(profiles) <= UNSUBSCRIBED_PER_REQUEST:
            raise invalid(f"Between 1 and {UNSUBSCRIBED_PER_REQUEST} profiles may be unsubscribed.", AT)
        rows: list[Json] = []
        for number, profile in enumerate(profiles):
            at = f"{AT}/{number}/attributes"
            row = self._row(call, profile.attributes, at, known=False)
            if not (row["email"] or row["phone_number"]):
                raise invalid("One of the profile identifiers is required.", at)
            rows.append({**row, "id": None, "channels": list(channels(profile.attributes.subscriptions))})
        content: Json = {"rows": rows, "list": self._list(job.relationships)}
        self.account.pipeline.later("unsubscribe", content, self.account.choices.visibility_delay)
        return Answer(202)

    def _row(
        self, call: Call, attributes: SubscribeAttributes | UnsubscribeAttributes, at: str, *, known: bool
    ) -> Json:
        """The identifiers of a row, checked; and that each channel has the identifier it works with."""
        row: Json = {"email": None, "phone_number": None}
        if attributes.email:
            row["email"] = clean_email(attributes.email, f"{at}/email")
        if attributes.phone_number:
            ineligible = self.account.choices.ineligible_phones
            row["phone_number"] = check_phone(attributes.phone_number, f"{at}/phone_number", ineligible)
        wanted: GivenChannels | TakenChannels = attributes.subscriptions
        named = channels(wanted)
        if not named:
            raise invalid("At least one channel is required.", f"{at}/subscriptions")
        if "email.click_tracking" in named and call.revision < "2026-10-15":
            raise invalid("'click_tracking' is not a valid field.", f"{at}/subscriptions/email/click_tracking")
        if any(one.startswith(("sms.", "whatsapp.")) for one in named) and not (row["phone_number"] or known):
            raise invalid("A phone number is required for this channel.", f"{at}/phone_number")
        if any(one.startswith("email.") for one in named) and not (row["email"] or known):
            raise invalid("An e-mail address is required for this channel.", f"{at}/email")
        return row

    @staticmethod
    def _consented_at(call: Call, channel: str, text: str | None, historical: bool, at: str) -> float | None:
        pointer = f"{at}/subscriptions/{channel.replace('.', '/')}/consented_at"
        if not historical:
            if text is not None:
                raise invalid("consented_at is only allowed with historical_import.", pointer)
            return None
        if text is None:
            if "tracking" in channel:
                return None
            raise invalid("consented_at is required with historical_import.", pointer)
        moment = read_time(text, pointer)
        if moment >= call.now:
            raise invalid("consented_at must be in the past.", pointer)
        return moment

    def _list(self, relations: OneList | None) -> str | None:
        if relations is None or relations.list is None:
            return None
        key = relations.list.data.id
        if self.account.lists.get(key) is None:
            raise invalid(f"A list with id {key} does not exist.", "/data/relationships/list/data/id")
        return key

    def _person(self, row: Json) -> Json | None:
        """The profile of a row, made if there is none; None for an id nobody has."""
        named = {kind: row[kind] for kind in ("email", "phone_number") if row[kind]}
        matches = self.account.profiles.matches({"id": row["id"], "attributes": named})
        if matches:
            return matches[0]
        return self.account.profiles.create({"id": None, "attributes": named}) if named else None

    def _subscribe(self, content: Json) -> None:
        consents, lists = self.account.consents, self.account.lists
        document = lists.get(content["list"]) if content["list"] else None
        process = document["opt_in_process"] if document else self.account.choices.default_opt_in
        for row in content["rows"]:
            profile = self._person(row)
            if profile is None:
                continue
            key = document["id"] if document else None
            marketing = [one for one in row["channels"] if "tracking" not in one]
            if process == "double_opt_in" and not content["historical"] and marketing:
                consents.ask_for_confirmation(profile["id"], marketing, list_id=key, source=content["source"])
                self._record_confirmation(profile, key)
                rest = {one: at for one, at in row["channels"].items() if one not in marketing}
                if rest:
                    consents.subscribe(profile["id"], rest, list_id=key, source=content["source"], double=False)
            else:
                consents.subscribe(profile["id"], row["channels"], list_id=key, source=content["source"], double=False)
                if key is not None:
                    lists.join(key, profile, start_flows=not content["historical"])
            self.account.profiles.touch(profile)

    def _record_confirmation(self, profile: Json, key: str | None) -> None:
        number = str(self.account.state.counter("confirmation"))
        message: Json = {"id": number, "profile": profile["id"], "email": profile["email"], "list": key}
        self._confirmations.put(number, {**message, "at": self.account.clock.timestamp()})

    def confirm(self, profile: Json) -> int:
        """The profile clicks every confirmation it was sent. Returns how many."""
        pending = self.account.consents.of(profile["id"])["pending"]
        for one in list(pending):
            wanted = dict.fromkeys(one["channels"])
            self.account.consents.subscribe(
                profile["id"], wanted, list_id=one["list"], source=one["source"], double=True
            )
            if one["list"] is not None and self.account.lists.get(one["list"]) is not None:
                self.account.lists.join(one["list"], profile)
        self.account.profiles.touch(profile)
        return len(pending)

    def _unsubscribe(self, content: Json) -> None:
        """From the list for those who are on it; everybody else globally (Klaviyo, bulk unsubscribe)."""
        for row in content["rows"]:
            profile = self._person(row)
            if profile is None:
                continue
            key = content["list"]
            if key is not None and EMAIL in row["channels"] and self.account.lists.holds(key, profile["id"]):
                self.account.lists.leave(key, profile["id"])
                self.account.consents.unsubscribe_from_list(profile["id"], key)
                row["channels"] = [one for one in row["channels"] if one != EMAIL]
            if row["channels"]:
                self.account.consents.unsubscribe(profile["id"], row["channels"])
            self.account.profiles.touch(profile)
