"""One Klaviyo account: its books, its gate, and what is done later."""

from __future__ import annotations

import random
from collections.abc import Sequence
from typing import Any

from starlette.routing import BaseRoute, Route

from marketplace_sync.sandbox.clock import Clock
from marketplace_sync.sandbox.klaviyo import profile_views
from marketplace_sync.sandbox.klaviyo.account_routes import AccountRoutes
from marketplace_sync.sandbox.klaviyo.aggregates import AggregateRoutes
from marketplace_sync.sandbox.klaviyo.answers import Json
from marketplace_sync.sandbox.klaviyo.call import Call
from marketplace_sync.sandbox.klaviyo.catalog import CATEGORY, ITEM, VARIANT, CatalogBook
from marketplace_sync.sandbox.klaviyo.catalog_jobs import CatalogJobs
from marketplace_sync.sandbox.klaviyo.catalog_routes import CategoryRoutes, ItemRoutes, StockRoutes, VariantRoutes
from marketplace_sync.sandbox.klaviyo.consent import ConsentBook
from marketplace_sync.sandbox.klaviyo.consent_routes import ConsentRoutes
from marketplace_sync.sandbox.klaviyo.event_routes import EventRoutes
from marketplace_sync.sandbox.klaviyo.events import EventBook
from marketplace_sync.sandbox.klaviyo.flows import BACK_IN_STOCK, LIST, METRIC, FlowBook
from marketplace_sync.sandbox.klaviyo.gate import Gate, GateSettings, Handler
from marketplace_sync.sandbox.klaviyo.identity import Ids
from marketplace_sync.sandbox.klaviyo.import_routes import ImportRoutes
from marketplace_sync.sandbox.klaviyo.jobs import JobBook
from marketplace_sync.sandbox.klaviyo.list_routes import ListRoutes, SegmentRoutes
from marketplace_sync.sandbox.klaviyo.lists import ListBook, SegmentBook
from marketplace_sync.sandbox.klaviyo.metric_routes import MetricRoutes
from marketplace_sync.sandbox.klaviyo.metrics import MetricBook
from marketplace_sync.sandbox.klaviyo.operations import OPERATIONS
from marketplace_sync.sandbox.klaviyo.paging import Cursors
from marketplace_sync.sandbox.klaviyo.pipeline import Pipeline
from marketplace_sync.sandbox.klaviyo.profile_routes import ProfileRoutes
from marketplace_sync.sandbox.klaviyo.profiles import ProfileBook
from marketplace_sync.sandbox.klaviyo.rates import RateBook
from marketplace_sync.sandbox.klaviyo.settings import choices_of
from marketplace_sync.sandbox.klaviyo.suppression_routes import SuppressionRoutes
from marketplace_sync.sandbox.state import State
from marketplace_sync.sandbox.vendor import Vendor

METHODS = ["GET", "POST", "PATCH", "PUT", "DELETE"]


class Account(Vendor):
    """The account's machinery, without the people (see `acts`). Its settings are the fields of `settings.Choices`."""

    platform = "klaviyo"

    def __init__(
        self,
        account: str,
        *,
        state: State,
        clock: Clock,
        seed: int = 1,
        settings: dict[str, Any] | None = None,
    ) -> None:
        super().__init__(account, state=state, clock=clock, seed=seed, settings=settings)
        self.choices = choices_of(self.settings)
        self.random = random.Random(f"{seed}:{account}")
        self.ids = Ids(state)
        self.pipeline = Pipeline(state, clock)
        self.profiles = ProfileBook(state, clock, self.ids)
        self.metrics = MetricBook(state, clock, self.ids)
        self.events = EventBook(state, clock, self.ids, self.profiles, self.metrics)
        self.flows = FlowBook(state, clock, self.ids)
        self.consents = ConsentBook(state, clock)
        self.lists = ListBook(self)
        self.segments = SegmentBook(self)
        self.deleted = state.collection("deleted_profiles")
        self.rates = RateBook(clock, self.choices.rate_scale, self.choices.rate_limits)
        self.cursors = Cursors(clock.timestamp, self.choices.cursor_lifetime)
        self.jobs = JobBook(state, clock, self.ids, self.pipeline, self.choices.job_seconds)
        self.catalog = CatalogBook(state, clock)
        self.consent = ConsentRoutes(self)
        profiles = ProfileRoutes(self)
        self.areas: dict[str, Any] = {
            "accounts": AccountRoutes(self),
            "events": EventRoutes(self),
            "metrics": MetricRoutes(self),
            "aggregates": AggregateRoutes(self),
            "profiles": profiles,
            "imports": ImportRoutes(self, profiles),
            "consent": self.consent,
            "suppressions": SuppressionRoutes(self),
            "lists": ListRoutes(self),
            "segments": SegmentRoutes(self),
            "catalog_items": ItemRoutes(self),
            "catalog_variants": VariantRoutes(self),
            "catalog_categories": CategoryRoutes(self),
            "stock": StockRoutes(self),
            **{
                f"catalog_{kind.name}_{action}": CatalogJobs(self, kind, action)
                for kind in (ITEM, VARIANT, CATEGORY)
                for action in ("create", "update", "delete")
            },
        }
        state.on_reload.append(self.reload)
        self._wire()
        self._furnish()
        self.state.commit()

    def _wire(self) -> None:
        self.metrics.default_mapping = self.choices.mapped_metrics
        self.events.sms_enabled = self.choices.sms_enabled
        self.events.on_stored = self._event_stored
        self.events.on_join = self.join_profiles
        self.pipeline.worker("events", self.events.process)
        self.pipeline.worker("merge", self._merge)
        self.pipeline.worker("forget", self._forget)
        self.pipeline.worker("wait-for-stock", self._wait_for_stock)
        self.catalog.on_restock = self._restocked

    def _furnish(self) -> None:
        """What an account has before anybody uses it."""
        self.metrics.seed(self.choices.native_metrics)
        self.flows.seed(METRIC, self.choices.live_flows, "live")
        self.flows.seed(METRIC, self.choices.draft_flows, "draft")
        self.flows.seed(LIST, self.choices.live_list_flows, "live")
        self.flows.seed(BACK_IN_STOCK, ["stock"], "live")
        for one in self.choices.lists:
            if self.lists.get(one.id) is None:
                self.lists.add(one.name, one.opt_in_process, one.id)
        for key, name, rule in (
            ("SbxSub", "E-mail subscribers", "subscribed"),
            ("SbxBuy", "Has placed an order", "metric:Placed Order"),
        ):
            if self.segments.get(key) is None:
                self.segments.add(name, rule, key)

    def routes(self) -> Sequence[BaseRoute]:
        choices = self.choices
        settings = GateSettings(
            keys={choices.api_key: choices.scopes, **choices.more_keys},
            agent_hints=choices.agent_hints,
            unknown_attributes=choices.unknown_attributes,
            drop_retry_after=choices.drop_retry_after,
            plain_413=choices.plain_413,
        )
        gate = Gate(self._handlers(), settings, self.rates, self.cursors, self.clock)
        return [Route("/{path:path}", gate.endpoint(lambda: self.base_url, self.catch_up), methods=METHODS)]

    def _handlers(self) -> dict[str, Handler]:
        found: dict[str, Handler] = {}
        for operation in OPERATIONS:
            area, _, method = operation.handler.partition(".")
            found[operation.key] = getattr(self.areas[area], method)
        return found

    async def tick(self) -> None:
        self.catch_up()

    def catch_up(self) -> None:
        """Do what is due."""
        self.pipeline.run_due()

    def reload(self) -> None:
        """Build every index again from what was kept (a handler failed half way and was undone)."""
        for book in (self.profiles, self.metrics, self.events, self.flows, self.lists, self.catalog, self.pipeline):
            book.reload()

    def show_profile(self, call: Call, profile: Json) -> Json:
        """A profile with the additional fields that were asked for."""
        wanted = call.additional("profile")
        subscriptions = self.consents.as_subscriptions(profile, call.revision) if "subscriptions" in wanted else None
        analytics = self._analytics(profile) if "predictive_analytics" in wanted else None
        return profile_views.as_resource(
            profile,
            call.base,
            subscriptions=subscriptions,
            analytics=analytics,
            conversations="conversations" in call.operation.include,
        )

    def _analytics(self, profile: Json) -> Json:
        names = ("predicted_clv", "total_clv", "predicted_number_of_orders", "average_days_between_orders")
        late = ("churn_probability", "expected_date_of_next_order", "ranked_channel_affinity")
        revenue = self.metrics.mapped("revenue")["metric"]
        orders = [one for one in self.events.of_profile(profile["id"]) if one["metric"] == revenue and one["value"]]
        total = sum(one["value"] for one in orders)
        found: Json = {"historic_clv": total, "historic_number_of_orders": len(orders)}
        found["average_order_value"] = total / len(orders) if orders else None
        # Predictions need hundreds of buyers and half a year of orders: an account this small has none.
        return {**found, **dict.fromkeys((*names, *late))}

    def _event_stored(self, event: Json, profile: Json) -> None:
        if event["backfill"]:
            return
        metric = self.metrics.get(event["metric"])
        for flow in self.flows.of_metric(metric) if metric else []:
            details = {
                "event": event["id"],
                "metric": metric["name"] if metric else None,
                "unique_id": event["unique_id"],
                "order_id": event["properties"].get("OrderId"),
                "event_time": event["time"],
            }
            self.flows.record(flow, profile, self.consents.can_receive_email(profile), details)

    def list_joined(self, document: Json, profile: Json) -> None:
        for flow in self.flows.of(LIST, document["name"]):
            self.flows.record(flow, profile, self.consents.can_receive_email(profile), {"list": document["id"]})

    def _wait_for_stock(self, content: Json) -> None:
        matches = self.profiles.matches(content["row"])
        profile = matches[0] if matches else self.profiles.create(content["row"])
        self.catalog.wait(content["variant"], profile["id"], content["channels"])

    def _restocked(self, variant: Json, waiting: Json) -> None:
        profile = self.profiles.get(waiting["profile"])
        if profile is None:
            return
        details = {"variant": variant["id"], "sku": variant["sku"], "channels": waiting["channels"]}
        for flow in self.flows.of(BACK_IN_STOCK, "stock"):
            self.flows.record(flow, profile, bool(profile["email"]), details)

    def join_profiles(self, destination: Json, source: Json) -> None:
        """Two profiles turned out to be one person: the source ceases to exist."""
        for one in self.lists.of(source["id"]):
            self.lists.join(one["id"], destination, start_flows=False)
        self.lists.leave_all(source["id"])
        self.profiles.absorb(destination, source)
        self.events.move(source["id"], destination["id"])
        self.catalog.move(source["id"], destination["id"])
        self.consents.merge(source["id"], destination["id"])

    def _merge(self, content: Json) -> None:
        destination = self.profiles.get(content["destination"])
        source = self.profiles.get(content["source"])
        if destination is not None and source is not None:
            self.join_profiles(destination, source)

    def _forget(self, content: Json) -> None:
        """Delete every profile with this identifier; its events stay, blacked out."""
        (kind, value), *_ = content.items()
        while (profile := self.profiles.find(kind, value)) is not None:
            now = self.clock.timestamp()
            self.deleted.put(profile["id"], {"id": profile["id"], "by": kind, "identifier": value, "deleted": now})
            self.events.redact(profile)
            self.consents.forget(profile["id"])
            self.lists.leave_all(profile["id"])
            self.profiles.delete(profile)
