"""Every operation the account has answers as it should, and each answer fits the vendor's description."""

from __future__ import annotations

from collections.abc import Iterator
from urllib.parse import quote

import pytest

from marketplace_sync.sandbox.klaviyo.operations import OPERATIONS, Operation
from marketplace_sync_tests.sandbox.klaviyo_caller import Caller, Json, account, bulk, event, resource

PREFIX = "$custom:::$default:::"
KIM: Json = {"type": "profile", "attributes": {"email": "kim@example.com"}}


def _item(key: str) -> Json:
    attributes = {"external_id": key, "title": "Mug", "description": "A mug", "url": "https://shop.example/mug"}
    return {"type": "catalog-item", "attributes": attributes}


def _variant(key: str) -> Json:
    more = {"sku": key, "inventory_quantity": 1, "price": 9.5}
    related = {"item": {"data": {"type": "catalog-item", "id": f"{PREFIX}ITEM"}}}
    return {"type": "catalog-variant", "attributes": _item(key)["attributes"] | more, "relationships": related}


def _category(key: str) -> Json:
    return {"type": "catalog-category", "attributes": {"external_id": key, "name": key}}


ROWS = {"item": _item, "variant": _variant, "category": _category}
PLURALS = {"item": "items", "variant": "variants", "category": "categories"}


class World:
    """An account with one of everything, and a valid request for each operation."""

    def __init__(self, caller: Caller) -> None:
        self.caller = caller
        self.made = 0
        caller.post("/api/events", event("A-1"))
        caller.settle()
        self.profile = caller.profile("kim@example.com")["id"]
        self.metric = caller.metric("Placed Order")
        self.event = caller.read("/api/events")["data"][0]["id"]
        caller.act("subscribe", email="kim@example.com", list_id="SbxNws")
        for kind in ("item", "variant", "category"):
            caller.post(f"/api/catalog-{PLURALS[kind]}", {"data": ROWS[kind](kind.upper())})
        caller.settle()

    def fresh(self, kind: str) -> str:
        """The external id of a new catalogue entry."""
        self.made += 1
        key = f"{kind.upper()}-{self.made}"
        answer = self.caller.post(f"/api/catalog-{PLURALS[kind]}", {"data": ROWS[kind](key)})
        assert answer.status_code == 201
        return key

    def path(self, operation: Operation) -> str:
        """The operation's path with the names of things that exist."""
        if "{" not in operation.path:
            return operation.path
        if "{job_id}" in operation.path or "/profile-bulk-import-jobs/{id}" in operation.path:
            family = operation.path.partition("/{")[0]
            creating = next(one for one in OPERATIONS if one.key == f"POST {family}")
            answer = self.caller.post(family, self.body(creating, family))
            self.caller.settle()
            key = answer.json()["data"]["id"]
        elif operation.method == "DELETE" and operation.path == "/api/lists/{id}":
            key = self.caller.act("create_list", name="Short-lived")["id"]
        elif operation.path.startswith("/api/catalog-"):
            kind = next(kind for kind, plural in PLURALS.items() if operation.path.startswith(f"/api/catalog-{plural}"))
            gone = operation.method == "DELETE" and operation.path.endswith("{id}")
            key = PREFIX + (self.fresh(kind) if gone else kind.upper())
        else:
            area = operation.path.split("/")[2]
            keys = {"accounts": "SbxAcc", "events": self.event, "metrics": self.metric, "mapped-metrics": "revenue"}
            key = (keys | {"profiles": self.profile, "lists": "SbxNws", "segments": "SbxBuy"})[area]
        return operation.path.replace("{job_id}", key).replace("{id}", quote(key, safe=""))

    def body(self, operation: Operation, path: str) -> Json | None:
        if operation.method == "GET" or (operation.method == "DELETE" and "relationships" not in path):
            return None
        if path.startswith("/api/catalog-"):
            return self._catalog(operation, path)
        named = {"data": {"type": "profile", "id": self.profile}}
        related_list = {"list": {"data": {"type": "list", "id": "SbxNws"}}}
        filters = ["greater-or-equal(datetime,2026-11-01T00:00:00)", "less-than(datetime,2026-12-01T00:00:00)"]
        query = {"metric_id": self.metric, "measurements": ["count", "sum_value", "unique"], "filter": filters}
        metric = {"metric": {"data": {"type": "metric", "id": self.metric}}}

        def consent(value: str) -> Json:
            given = {"email": "kim@example.com", "subscriptions": {"email": {"marketing": {"consent": value}}}}
            return {"profiles": {"data": [{"type": "profile", "attributes": given}]}}

        variant = {"variant": {"data": {"type": "catalog-variant", "id": f"{PREFIX}VARIANT"}}}
        suppressed = {"profiles": {"data": [KIM]}}
        self.made += 1
        new = f"new-{self.made}@example.com"
        bodies: dict[str, Json] = {
            "POST /api/events": event(f"A-{self.made}"),
            "POST /api/event-bulk-create-jobs": bulk((KIM["attributes"], [event(f"B-{self.made}")])),
            "POST /api/metric-aggregates": resource("metric-aggregate", query),
            "PATCH /api/mapped-metrics/{id}": {
                "data": {"type": "mapped-metric", "id": "revenue", "relationships": metric}
            },
            "POST /api/profiles": resource("profile", {"email": new}),
            "PATCH /api/profiles/{id}": resource("profile", {"first_name": "Kim"}, id=self.profile),
            "POST /api/profile-import": resource("profile", {"email": "kim@example.com", "last_name": "Lee"}),
            "POST /api/profile-bulk-import-jobs": resource("profile-bulk-import-job", {"profiles": {"data": [KIM]}}),
            "POST /api/data-privacy-deletion-jobs": resource(
                "data-privacy-deletion-job",
                {"profile": {"data": {"type": "profile", "attributes": {"email": "none@example.com"}}}},
            ),
            "POST /api/profile-subscription-bulk-create-jobs": resource(
                "profile-subscription-bulk-create-job", consent("SUBSCRIBED"), relationships=related_list
            ),
            "POST /api/profile-subscription-bulk-delete-jobs": resource(
                "profile-subscription-bulk-delete-job", consent("UNSUBSCRIBED"), relationships=related_list
            ),
            "POST /api/profile-suppression-bulk-create-jobs": resource(
                "profile-suppression-bulk-create-job", suppressed
            ),
            "POST /api/profile-suppression-bulk-delete-jobs": resource(
                "profile-suppression-bulk-delete-job", suppressed
            ),
            "POST /api/lists": resource("list", {"name": "Another"}),
            "PATCH /api/lists/{id}": resource("list", {"name": "Newsletter"}, id="SbxNws"),
            "POST /api/lists/{id}/relationships/profiles": {"data": [named["data"]]},
            "DELETE /api/lists/{id}/relationships/profiles": {"data": [named["data"]]},
            "POST /api/back-in-stock-subscriptions": resource(
                "back-in-stock-subscription", {"channels": ["EMAIL"], "profile": {"data": KIM}}, relationships=variant
            ),
        }
        if operation.key == "POST /api/profile-merge":
            made = self.caller.post("/api/profiles", resource("profile", {"email": new})).json()["data"]["id"]
            related = {"profiles": {"data": [{"type": "profile", "id": made}]}}
            return {"data": {"type": "profile-merge", "id": self.profile, "relationships": related}}
        return bodies[operation.key]

    def _catalog(self, operation: Operation, path: str) -> Json:
        self.made += 1
        if "relationships" in path:
            other = "category" if path.endswith("categories") else "item"
            return {"data": [{"type": f"catalog-{other}", "id": f"{PREFIX}{other.upper()}"}]}
        if "-bulk-" not in path:
            kind = next(kind for kind, plural in PLURALS.items() if path.startswith(f"/api/catalog-{plural}"))
            if operation.method == "POST":
                return {"data": ROWS[kind](f"{kind.upper()}-{self.made}")}
            return {"data": {"type": f"catalog-{kind}", "id": f"{PREFIX}{kind.upper()}", "attributes": {}}}
        kind, action = path.removeprefix("/api/catalog-").removesuffix("-jobs").split("-bulk-")
        row: Json = {"type": f"catalog-{kind}", "id": f"{PREFIX}{kind.upper()}", "attributes": {}}
        if action == "create":
            row = ROWS[kind](f"{kind.upper()}-{self.made}")
        if action == "delete":
            row = {"type": f"catalog-{kind}", "id": f"{PREFIX}{self.fresh(kind)}"}
        return resource(f"catalog-{kind}-bulk-{action}-job", {PLURALS[kind]: {"data": [row]}})


@pytest.fixture(scope="module")
def world() -> Iterator[World]:
    with account(rate_limits=False) as caller:
        yield World(caller)


@pytest.mark.parametrize("operation", OPERATIONS, ids=[one.key for one in OPERATIONS])
def test_the_operation_answers_with_success(world: World, operation: Operation) -> None:
    path = world.path(operation)
    answer = world.caller.send(operation.method, path, world.body(operation, path))
    assert 200 <= answer.status_code < 300, answer.text
    assert (answer.content == b"") == (answer.status_code == 204 or "content-type" not in answer.headers)
    world.caller.settle()
    assert world.caller.sandbox.control("GET").get("failures", []) == [], "the simulation itself failed"


@pytest.mark.parametrize(
    "operation", [one for one in OPERATIONS if one.include], ids=[one.key for one in OPERATIONS if one.include]
)
def test_everything_that_can_be_included_can_be_asked_for(world: World, operation: Operation) -> None:
    answer = world.caller.send("GET", world.path(operation), query={"include": ",".join(operation.include)})
    assert answer.status_code == 200, answer.text
    assert isinstance(answer.json()["included"], list)


@pytest.mark.parametrize(
    "operation", [one for one in OPERATIONS if one.sort], ids=[one.key for one in OPERATIONS if one.sort]
)
def test_every_sort_key_works_both_ways(world: World, operation: Operation) -> None:
    path = world.path(operation)
    for key in operation.sort:
        answer = world.caller.send("GET", path, query={"sort": key})
        assert answer.status_code == 200, answer.text


VALUES = {"string": '"x"', "date-time": "2026-01-01T00:00:00Z", "number": "1", "boolean": "true"}


@pytest.mark.parametrize(
    "operation", [one for one in OPERATIONS if one.filters], ids=[one.key for one in OPERATIONS if one.filters]
)
def test_every_filter_with_every_operator_is_understood(world: World, operation: Operation) -> None:
    path = world.path(operation)
    for field, (kind, operators) in operation.filters.items():
        for operator in operators.split():
            value = "" if operator == "has" else f",[{VALUES[kind]}]" if operator == "any" else f",{VALUES[kind]}"
            answer = world.caller.send("GET", path, query={"filter": f"{operator}({field}{value})"})
            assert answer.status_code == 200, f"{operator}({field}{value}): {answer.text}"


def test_nothing_without_an_id_answers_for_things_that_do_not_exist(world: World) -> None:
    for operation in OPERATIONS:
        if "{" in operation.path and operation.method == "GET":
            path = operation.path.replace("{id}", "nothing").replace("{job_id}", "nothing")
            assert world.caller.get(path).status_code == 404, operation.key
