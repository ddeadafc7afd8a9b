"""The flow recorder: nothing is ever sent, but every message a live flow would send is written down."""

from __future__ import annotations

from collections.abc import Iterable

from marketplace_sync.sandbox.clock import Clock
from marketplace_sync.sandbox.klaviyo.answers import Json, moment
from marketplace_sync.sandbox.klaviyo.identity import Ids
from marketplace_sync.sandbox.state import State

METRIC, LIST, BACK_IN_STOCK = "Metric", "Added to List", "Low Inventory"


class FlowBook:
    """The account's flows, each started by a metric of the API, by a list, or by stock that returns."""

    def __init__(self, state: State, clock: Clock, ids: Ids) -> None:
        self._documents = state.collection("flows")
        self._messages = state.collection("flow_messages")
        self._state = state
        self._clock = clock
        self._ids = ids
        self.reload()

    def reload(self) -> None:
        """Rebuild the index from what is kept."""
        self._of: dict[tuple[str, str], list[str]] = {}
        for one in self._documents.values():
            self._of.setdefault((one["trigger"], one["name_of_trigger"]), []).append(one["id"])

    def seed(self, trigger: str, names: Iterable[str], status: str) -> None:
        """Make sure there is a flow for each metric or list name, with this status (`live`, `draft`, `manual`)."""
        for name in names:
            if not any(
                one["trigger"] == trigger and one["name_of_trigger"] == name for one in self._documents.values()
            ):
                self.add(trigger, name, status)

    def add(self, trigger: str, name: str, status: str) -> Json:
        now = self._clock.timestamp()
        document: Json = {
            "id": self._ids.short("flow"),
            "name": f"After {name}",
            "trigger": trigger,
            "name_of_trigger": name,
            "status": status,
            "created": now,
            "updated": now,
        }
        self._of.setdefault((trigger, name), []).append(document["id"])
        return self._documents.put(document["id"], document)

    def switch(self, metric: str, status: str) -> Json:
        """Give the flow of a metric another status; there is one from then on."""
        found = self.of(METRIC, metric)
        flow = found[0] if found else self.add(METRIC, metric, status)
        flow["status"], flow["updated"] = status, self._clock.timestamp()
        return self._documents.put(flow["id"], flow)

    def of(self, trigger: str, name: str) -> list[Json]:
        return [self._documents[key] for key in self._of.get((trigger, name), [])]

    def of_metric(self, metric: Json) -> list[Json]:
        """Flows listen to metrics of the API only: another integration's namesake does not start them."""
        return self.of(METRIC, metric["name"]) if metric["service"] == "api" else []

    def record(self, flow: Json, profile: Json, deliverable: bool, details: Json) -> None:
        """A live flow takes this profile in. `deliverable` says whether the e-mail would really leave."""
        if flow["status"] != "live":
            return
        number = self._state.counter("flow_message")
        message: Json = {
            "id": str(number),
            "flow": flow["id"],
            "flow_name": flow["name"],
            "trigger": flow["trigger"],
            "profile": profile["id"],
            "email": profile["email"],
            "external_id": profile["external_id"],
            "deliverable": deliverable,
            "at": self._clock.timestamp(),
            **details,
        }
        self._messages.put(message["id"], message)


def as_resource(document: Json, base: str) -> Json:
    """A flow as it is included next to metrics and lists."""
    here = f"{base}/api/flows/{document['id']}"
    return {
        "type": "flow",
        "id": document["id"],
        "attributes": {
            "name": document["name"],
            "status": document["status"],
            "archived": False,
            "created": moment(document["created"]),
            "updated": moment(document["updated"]),
            "trigger_type": document["trigger"],
        },
        "relationships": {
            name: {"links": {"self": f"{here}/relationships/{name}", "related": f"{here}/{name}"}}
            for name in ("flow-actions", "tags")
        },
        "links": {"self": f"{here}/"},
    }
