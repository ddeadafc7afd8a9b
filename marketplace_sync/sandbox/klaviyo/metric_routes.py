"""The metric endpoints: what is measured, what flows start from it, what it means to the account."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import msgspec

from marketplace_sync.sandbox.klaviyo import flows
from marketplace_sync.sandbox.klaviyo.answers import Answer, Json, invalid, moment, not_found
from marketplace_sync.sandbox.klaviyo.call import Call, references
from marketplace_sync.sandbox.klaviyo.metrics import MAPPED, as_resource, integration
from marketplace_sync.sandbox.klaviyo.reading import Body, read

if TYPE_CHECKING:
    from marketplace_sync.sandbox.klaviyo.account import Account


class MetricReference(Body):
    type: Literal["metric"]
    id: str


class MetricRelation(Body):
    data: MetricReference


class CustomMetricReference(Body):
    type: Literal["custom-metric"]
    id: str


class CustomMetricRelation(Body):
    data: CustomMetricReference


class MappingRelations(Body):
    metric: MetricRelation | None = None
    custom_metric: CustomMetricRelation | None = msgspec.field(default=None, name="custom-metric")


class MappingResource(Body):
    type: Literal["mapped-metric"]
    id: str
    relationships: MappingRelations


class Mapping(Body):
    data: MappingResource


class MetricRoutes:
    def __init__(self, account: Account) -> None:
        self.account = account

    def listed(self, call: Call) -> Answer:
        return call.listing(
            self.account.metrics.values(),
            fields={
                "integration.name": lambda one: integration(one["service"])["name"],
                "integration.category": lambda one: integration(one["service"])["category"],
            },
            keys={"": lambda one: one["created"]},
            render=lambda one: self._shown(call, one),
            included=lambda found: self._included(call, found),
        )

    def one(self, call: Call) -> Answer:
        metric = self._metric(call)
        return call.one(self._shown(call, metric), self._included(call, [metric]))

    def flows(self, call: Call) -> Answer:
        started = self.account.flows.of_metric(self._metric(call))
        return call.many([flows.as_resource(one, call.base) for one in started])

    def flow_ids(self, call: Call) -> Answer:
        return call.many(references("flow", [one["id"] for one in self.account.flows.of_metric(self._metric(call))]))

    def mapped(self, call: Call) -> Answer:
        found = [self.account.metrics.mapped(meaning) for meaning in MAPPED]
        return call.many([self._mapping(call, one) for one in found], None, self._mapped_metrics(call, found))

    def mapped_one(self, call: Call) -> Answer:
        if call.path["id"] not in MAPPED:
            raise not_found("mapped-metric", call.path["id"])
        found = self.account.metrics.mapped(call.path["id"])
        return call.one(self._mapping(call, found), self._mapped_metrics(call, [found]))

    def map(self, call: Call) -> Answer:
        wanted = read(Mapping, call.body).data
        if call.path["id"] not in MAPPED or wanted.id != call.path["id"]:
            raise not_found("mapped-metric", call.path["id"])
        if wanted.relationships.metric is None:
            raise invalid("A metric is required: custom metrics are not simulated.", "/data/relationships")
        metric = self.account.metrics.get(wanted.relationships.metric.data.id)
        if metric is None:
            raise not_found("metric", wanted.relationships.metric.data.id)
        return call.one(self._mapping(call, self.account.metrics.map(wanted.id, metric["id"])))

    def _metric(self, call: Call) -> Json:
        metric = self.account.metrics.get(call.path["id"])
        if metric is None:
            raise not_found("metric", call.path["id"])
        return metric

    def _shown(self, call: Call, metric: Json) -> Json:
        started = None
        if "flow-triggers" in call.include:
            started = [one["id"] for one in self.account.flows.of_metric(metric)]
        return as_resource(metric, call.base, started)

    def _included(self, call: Call, found: list[Json]) -> list[Json]:
        if "flow-triggers" not in call.include:
            return []
        started = {one["id"]: one for metric in found for one in self.account.flows.of_metric(metric)}
        return [flows.as_resource(one, call.base) for one in started.values()]

    def _mapping(self, call: Call, mapping: Json) -> Json:
        here = f"{call.base}/api/mapped-metrics/{mapping['id']}"
        relationships: Json = {
            name: {"links": {"self": f"{here}/relationships/{name}", "related": f"{here}/{name}"}}
            for name in ("metric", "custom-metric")
        }
        if mapping["metric"] is not None:
            relationships["metric"]["data"] = {"type": "metric", "id": mapping["metric"]}
        return {
            "type": "mapped-metric",
            "id": mapping["id"],
            "attributes": {"updated": moment(mapping["updated"])},
            "relationships": relationships,
            "links": {"self": f"{here}/"},
        }

    def _mapped_metrics(self, call: Call, found: list[Json]) -> list[Json]:
        if "metric" not in call.include:
            return []
        wanted = [self.account.metrics.get(key) for key in dict.fromkeys(one["metric"] for one in found) if key]
        return [as_resource(one, call.base) for one in wanted if one is not None]
