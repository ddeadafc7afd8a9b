"""Calls a simulated Klaviyo like any client would, and judges every exchange by the vendor's description."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import httpx

from marketplace_sync.sandbox.serve import RunningSandbox
from marketplace_sync_tests.conformance import klaviyo_schema
from marketplace_sync_tests.loopback import NO_TLS

ACCOUNT = "klaviyo_main"
KEY = "pk_sandbox_klaviyo"
JSON_API = "application/vnd.api+json"

Json = dict[str, Any]


class Caller:
    """One account in a running sandbox. `get`, `post` and so on send the headers a proper client sends.

    Where the vendor's description is at hand, an exchange that departs from it fails the test, unless `judge` is off.
    """

    def __init__(self, sandbox: RunningSandbox, revision: str = "2026-10-15") -> None:
        self.sandbox = sandbox
        self.revision = revision
        self.base_url = f"{sandbox.base_url}/{ACCOUNT}"
        self.http = httpx.Client(verify=NO_TLS, base_url=self.base_url, timeout=30)
        self.judged = 0

    def send(
        self,
        method: str,
        path: str,
        body: Any = None,
        *,
        query: dict[str, str] | None = None,
        headers: dict[str, str] | None = None,
        content: bytes | None = None,
        judge: bool = True,
    ) -> httpx.Response:
        sent = {"authorization": f"Klaviyo-API-Key {KEY}", "revision": self.revision, "accept": JSON_API}
        if body is not None or content is not None:
            sent["content-type"] = JSON_API
        data = content if content is not None else None if body is None else json.dumps(body).encode()
        answer = self.http.request(method, path, params=query, content=data, headers={**sent, **(headers or {})})
        if judge and klaviyo_schema.available() and content is None:
            self._judge(method, path, query or {}, body, answer)
        return answer

    def _judge(self, method: str, path: str, query: dict[str, str], body: Any, answer: httpx.Response) -> None:
        url = httpx.URL(path)
        problems = klaviyo_schema.validate_exchange(
            method,
            url.raw_path.decode().partition("?")[0],
            {**dict(url.params), **query},
            body,
            answer.status_code,
            answer.json() if answer.content else None,
            unknown_in_answers="report",
            revision=self.revision,
        )
        assert problems == [], "\n".join(problems)
        self.judged += 1

    def get(self, path: str, **query: str) -> httpx.Response:
        return self.send("GET", path, query=query or None)

    def read(self, path: str, **query: str) -> Json:
        """The document of a GET that must succeed."""
        answer = self.get(path, **query)
        assert answer.status_code == 200, answer.text
        found: Json = answer.json()
        return found

    def post(self, path: str, body: Any, **options: Any) -> httpx.Response:
        return self.send("POST", path, body, **options)

    def patch(self, path: str, body: Any, **options: Any) -> httpx.Response:
        return self.send("PATCH", path, body, **options)

    def delete(self, path: str, body: Any = None, **options: Any) -> httpx.Response:
        return self.send("DELETE", path, body, **options)

    def every(self, path: str, **query: str) -> Iterator[Json]:
        """Every resource of a collection, following `links.next` until there is none."""
        answer = self.read(path, **query)
        while True:
            yield from answer["data"]
            following = answer["links"]["next"]
            if following is None:
                return
            assert following.startswith(self.base_url)
            answer = self.read(following.removeprefix(self.base_url))

    def act(self, act: str, /, **arguments: Any) -> Any:
        return self.sandbox.control("POST", f"{ACCOUNT}/act/{act}", arguments)

    def kept(self, collection: str) -> list[Json]:
        """What the vendor holds in a collection, behind its API."""
        return self.sandbox.documents(ACCOUNT, collection)

    def advance(self, seconds: float) -> None:
        self.sandbox.control("POST", "clock", {"advance_seconds": seconds})

    def settle(self) -> None:
        """Let time pass until nothing is waiting, and every quota is whole again."""
        for _ in range(10):
            self.advance(60)
            if self.act("waiting")["waiting"] == 0:
                return
        raise AssertionError("the account still has work waiting after ten minutes")

    def profile(self, email: str, *, subscriptions: bool = False) -> Json:
        """The profile with this address, which must exist."""
        extra = {"additional-fields[profile]": "subscriptions"} if subscriptions else {}
        found = self.read("/api/profiles", filter=f'equals(email,"{email}")', **extra)["data"]
        assert len(found) == 1, found
        only: Json = found[0]
        return only

    def metric(self, name: str, integration: str = "API") -> str:
        """The id of a metric, found as clients have to: by reading all and matching name and integration."""
        found = [
            one["id"]
            for one in self.every("/api/metrics")
            if one["attributes"]["name"] == name and one["attributes"]["integration"]["name"] == integration
        ]
        assert len(found) == 1, found
        key: str = found[0]
        return key


@contextmanager
def account(revision: str = "2026-10-15", **settings: Any) -> Iterator[Caller]:
    """A fresh account with these settings, for as long as the block lasts. Its clock stands still until advanced."""
    world: Json = {"accounts": {ACCOUNT: "klaviyo"}, "settings": {ACCOUNT: settings}, "clock_speed": 0.0}
    with RunningSandbox(**world) as sandbox:
        caller = Caller(sandbox, revision)
        try:
            yield caller
        finally:
            caller.http.close()


def event(unique_id: str | None = "A-1", *, email: str | None = "kim@example.com", **changes: Any) -> Json:
    """A Placed Order; `changes` are attributes, and `profile` replaces the profile's attributes."""
    profile = changes.pop("profile", None) or ({"email": email} if email else {})
    attributes: Json = {
        "metric": {"data": {"type": "metric", "attributes": {"name": changes.pop("metric", "Placed Order")}}},
        "profile": {"data": {"type": "profile", "attributes": profile}},
        "properties": {"OrderId": unique_id},
        "time": "2026-11-19T08:30:00Z",
        "value": 120.5,
        "value_currency": "GBP",
        **changes,
    }
    if unique_id is not None:
        attributes["unique_id"] = unique_id
    return {"data": {"type": "event", "attributes": attributes}}


def bulk(*groups: tuple[Json, list[Json]], **attributes: Any) -> Json:
    """A bulk request of (profile attributes, events as `event` makes them); `attributes` go to every group."""
    rows = []
    for profile, events in groups:
        bare = [
            {"type": "event", "attributes": {k: v for k, v in one["data"]["attributes"].items() if k != "profile"}}
            for one in events
        ]
        group = {"profile": {"data": {"type": "profile", "attributes": profile}}, "events": {"data": bare}}
        rows.append({"type": "event-bulk-create", "attributes": {**group, **attributes}})
    job = {"type": "event-bulk-create-job", "attributes": {"events-bulk-create": {"data": rows}}}
    return {"data": job}


def resource(kind: str, attributes: Json, **members: Any) -> Json:
    """`{"data": {"type", "attributes", …}}`."""
    return {"data": {"type": kind, "attributes": attributes, **members}}


def errors(answer: httpx.Response, status: int) -> list[Json]:
    """The errors of an answer that must have this status."""
    assert answer.status_code == status, f"{answer.status_code}: {answer.text[:500]}"
    found: list[Json] = answer.json()["errors"]
    assert all({"id", "status", "code", "title", "detail", "source", "meta"} <= set(one) for one in found)
    assert all(one["status"] == status for one in found)
    return found


def pointers(answer: httpx.Response, status: int = 400) -> list[str]:
    """Where the errors of an answer point to."""
    return [one["source"].get("pointer", one["source"].get("parameter")) for one in errors(answer, status)]
