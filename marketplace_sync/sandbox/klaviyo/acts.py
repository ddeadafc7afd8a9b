"""What people do at the account: subscribe, opt out, complain, suppress by hand, and what a director of tests asks."""

from __future__ import annotations

from typing import Any

from marketplace_sync.sandbox.klaviyo import consent
from marketplace_sync.sandbox.klaviyo.account import Account
from marketplace_sync.sandbox.klaviyo.answers import Json
from marketplace_sync.sandbox.klaviyo.operations import OPERATIONS


class Klaviyo(Account):
    """A simulated Klaviyo account, with everybody who acts on it.

    Acts raise LookupError when somebody or something does not exist, and ValueError when it is not possible.
    """

    def _caught_up(self) -> None:
        self.catch_up()
        # What had come due is done, whatever becomes of the act.
        self.state.commit()

    def _known(self, email: str) -> Json:
        self._caught_up()
        profile = self.profiles.by_email(email)
        if profile is None:
            raise LookupError(f"no profile has the e-mail address {email}")
        return profile

    def act_unsubscribe(self, email: str, list_id: str | None = None) -> Json:
        """The profile follows the unsubscribe link: out of everything, or out of one list."""
        profile = self._known(email)
        if list_id is None:
            self.consents.unsubscribe(profile["id"], [consent.EMAIL], method="PREFERENCE_PAGE")
        else:
            self.lists.leave(list_id, profile["id"])
            self.consents.unsubscribe_from_list(profile["id"], list_id)
        return self._touched(profile)

    def act_subscribe(self, email: str, list_id: str | None = None) -> Json:
        """The profile fills in a form. There need not be a profile before."""
        self._caught_up()
        address = email.strip().lower()
        profile = self.profiles.by_email(address)
        if profile is None:
            profile = self.profiles.create({"id": None, "attributes": {"email": address}})
        if list_id is not None and self.lists.get(list_id) is None:
            raise LookupError(f"there is no list {list_id}")
        self.consents.subscribe(
            profile["id"], {consent.EMAIL: None}, list_id=list_id, source="Sign-up form", double=False
        )
        if list_id is not None:
            self.lists.join(list_id, profile)
        return self._touched(profile)

    def act_confirm_double_opt_in(self, email: str) -> Json:
        """The profile clicks the confirmation it was sent."""
        profile = self._known(email)
        if self.consent.confirm(profile) == 0:
            raise ValueError(f"{email} was not asked to confirm anything")
        return self._touched(profile)

    def act_suppress(self, email: str) -> Json:
        """Somebody at the brand suppresses the address by hand."""
        return self._suppressed(email, "USER_SUPPRESSED")

    def act_bounce(self, email: str) -> Json:
        """A message to the address came back for good."""
        return self._suppressed(email, "HARD_BOUNCE")

    def act_complain(self, email: str) -> Json:
        """The profile marks a message as spam, which unsubscribes it as well."""
        profile = self._known(email)
        self.consents.unsubscribe(profile["id"], [consent.EMAIL], reason="SPAM_COMPLAINT", method="SPAM_COMPLAINT")
        return self._touched(profile)

    def _suppressed(self, email: str, reason: str) -> Json:
        profile = self._known(email)
        self.consents.suppress(profile["id"], reason)
        return self._touched(profile)

    def _touched(self, profile: Json) -> Json:
        self.profiles.touch(profile)
        return self.act_consent_of(profile["email"])

    def act_consent_of(self, email: str) -> Json:
        """Profile id, e-mail consent, suppressions, pending confirmations and lists of an address."""
        profile = self._known(email)
        document = self.consents.of(profile["id"])
        return {
            "profile": profile["id"],
            "consent": self.consents.channel(profile["id"], consent.EMAIL)["consent"],
            "can_receive_email_marketing": self.consents.can_receive_email(profile),
            "suppression": document["suppression"],
            "list_suppressions": document["list_suppressions"],
            "pending": document["pending"],
            "lists": [one["id"] for one in self.lists.of(profile["id"])],
        }

    def act_profile_of(self, email: str) -> Json:
        """The whole profile behind an address, as it is kept."""
        return self._known(email)

    def act_events_of(self, key: str) -> list[Json]:
        """Every stored event whose unique_id, or whose OrderId property, is `key`; with the metric's name."""
        self._caught_up()
        found: list[Json] = []
        for event in self.events.values():
            if key in (event["unique_id"], event["properties"].get("OrderId")):
                metric = self.metrics.get(event["metric"])
                found.append({**event, "metric_name": metric["name"] if metric else None})
        return sorted(found, key=lambda event: (event["time"], event["number"]))

    def act_create_list(self, name: str, opt_in_process: str = "single_opt_in") -> Json:
        """Somebody makes a list in the app."""
        if opt_in_process not in ("single_opt_in", "double_opt_in"):
            raise ValueError(f"opt_in_process is single_opt_in or double_opt_in, not {opt_in_process!r}")
        return self.lists.add(name, opt_in_process)

    def act_create_segment(self, name: str, rule: str) -> Json:
        """Somebody makes a segment; `rule` is subscribed, suppressed or metric:<name>."""
        return self.segments.add(name, rule)

    def act_set_flow(self, metric: str, status: str) -> Json:
        """Somebody switches the flow of a metric: live, manual or draft."""
        if status not in ("live", "manual", "draft"):
            raise ValueError(f"a flow is live, manual or draft, not {status!r}")
        return self.flows.switch(metric, status)

    def act_map_metric(self, meaning: str, metric: str, service: str = "api") -> Json:
        """Somebody points `revenue` (or another meaning) at a metric, perhaps at the wrong one."""
        found = self.metrics.named(metric, service)
        if found is None:
            raise LookupError(f"there is no metric {metric!r} of {service!r} yet")
        return self.metrics.map(meaning, found["id"])

    def act_lose_metric(self, name: str) -> None:
        """The vendor can no longer resolve a metric of the API; its events stay."""
        found = self.metrics.named(name)
        if found is None:
            raise LookupError(f"there is no metric {name!r}")
        self.metrics.lose(found)

    def act_add_competitor_load(self, endpoint: str, per_second: float) -> dict[str, float]:
        """Another client of the same account calls `endpoint` (like "POST /api/events") so often; 0 stops it."""
        if endpoint not in {operation.key for operation in OPERATIONS}:
            raise LookupError(f"there is no endpoint {endpoint!r}; write it like 'POST /api/events'")
        self.rates.competitors[endpoint] = float(per_second)
        return self.rates.competitors

    def act_expire_cursors(self) -> None:
        """Every cursor handed out so far is refused from now on."""
        self.cursors.expired_before = self.clock.timestamp()

    def act_waiting(self) -> dict[str, Any]:
        """What has been accepted and is not done yet."""
        self._caught_up()
        return {"waiting": len(self.pipeline)}

    def act_requests(self) -> dict[str, dict[str, int]]:
        """How many requests passed the quota and how many were refused, per endpoint, since the start."""
        return {"passed": self.rates.passed, "refused": self.rates.refused}
