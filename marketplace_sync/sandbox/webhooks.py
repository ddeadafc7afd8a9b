"""Sends webhooks as vendors do: signed by the vendor's code, retried with back-off, sometimes twice or out of order."""

from __future__ import annotations

import asyncio
import base64
import functools
import itertools
import random
import time
import uuid
from collections import deque
from collections.abc import Callable
from typing import Any

import httpx

from marketplace_sync.sandbox.clock import Clock
from marketplace_sync.sandbox.state import State

_trusted = functools.cache(httpx.create_ssl_context)
_LOOK_EVERY = 0.05
"""Real seconds between two looks at the clock while an answer is waited for."""
_AT_LEAST = 2.0
"""Real seconds that an answer may take even though the clock has moved on: a jump is not the receiver's fault."""


class WebhookSender:
    """A persistent queue of deliveries. `enqueue` inside a handler; `run` sends until the server stops.

    Knobs (changed at run time through the control endpoint): `duplicate` and `reorder` are probabilities, `delay` is
    seconds before a first try, `time_scale` multiplies the vendor's retry delays, `drop` loses deliveries for good.
    """

    def __init__(self, state: State, clock: Clock) -> None:
        self._deliveries = state.collection("_webhook_deliveries")
        self._state = state
        self._clock = clock
        self._wake = asyncio.Event()
        self._random = random.Random(11)
        self.duplicate = 0.0
        self.reorder = 0.0
        self.drop = 0.0
        self.delay = 0.0
        self.time_scale = 1.0
        self.retry_delays: tuple[float, ...] = (10, 60, 300, 900, 1800, 3600, 3600, 3600)
        self.timeout_seconds = 5.0
        """How long a whole answer may take by the sandbox's clock. One that takes longer counts as none."""
        self.on_given_up: Callable[[dict[str, Any]], None] = lambda delivery: None
        """Told of a delivery that failed its last retry (Shopify then deletes the subscription)."""
        self.renewed: Callable[[dict[str, Any]], dict[str, Any]] = lambda delivery: delivery
        """Gives a delivery the address and headers of now, where a vendor's retries use the current definition."""
        self.answered: Callable[[dict[str, Any], int | None], bool] = lambda delivery, status: True
        """Told of every try and its status (None: no answer); False when this delivery is not to be tried again."""
        self.sent = 0
        self.failed = 0
        self.first_tries: deque[dict[str, Any]] = deque(maxlen=10_000)
        """`about` and `sent_at` (seconds since 1970) of the latest deliveries' first tries, oldest first."""

    def enqueue(
        self, url: str, body: bytes, headers: dict[str, str], *, subscription: str = "", about: str = ""
    ) -> str:
        """Queue one delivery; it goes out after the state is committed. `about` says of what it tells, for those who
        look at the log of first tries. Returns the delivery's key."""
        key = str(uuid.uuid4())
        if self._random.random() < self.drop:
            return key
        self._deliveries.put(
            key,
            {
                "key": key,
                "url": url,
                "body": base64.b64encode(body).decode(),
                "headers": headers,
                "subscription": subscription,
                "about": about,
                "attempts": 0,
                "due": self._clock.timestamp() + self.delay,
            },
        )
        self._wake.set()
        return key

    def waiting(self) -> int:
        return len(self._deliveries)

    async def run(self) -> None:
        """Send what is due, up to eight at once, until cancelled."""
        async with httpx.AsyncClient(verify=_trusted(), timeout=None, follow_redirects=False) as client:
            while True:
                self._wake.clear()
                due = self._due(8)
                if not due:
                    try:
                        await asyncio.wait_for(self._wake.wait(), timeout=0.2)
                    except TimeoutError:
                        continue
                    continue
                await asyncio.gather(*(self._send_in_turn(client, one_after_another) for one_after_another in due))
                self._state.commit()

    def _due(self, most: int) -> list[list[dict[str, Any]]]:
        """What to send now, as queues: in order within a subscription, unless this batch is to be out of order."""
        now = self._clock.timestamp()
        due = list(
            itertools.islice(
                (
                    delivery
                    for key, delivery in self._deliveries.items()
                    # What is not durable yet may still be forgotten, and nobody may have heard of it then.
                    if delivery["due"] <= now and self._state.is_committed(self._deliveries.name, key)
                ),
                most,
            )
        )
        if len(due) > 1 and self._random.random() < self.reorder:
            self._random.shuffle(due)
            return [[delivery] for delivery in due]
        queues: dict[str, list[dict[str, Any]]] = {}
        for delivery in due:
            queues.setdefault(delivery["subscription"], []).append(delivery)
        return list(queues.values())

    async def _send_in_turn(self, client: httpx.AsyncClient, deliveries: list[dict[str, Any]]) -> None:
        for delivery in deliveries:
            await self._send(client, delivery)

    async def _send(self, client: httpx.AsyncClient, delivery: dict[str, Any]) -> None:
        times = 2 if self._random.random() < self.duplicate else 1
        accepted, status = False, None
        delivery = self.renewed(delivery)
        if delivery["attempts"] == 0:
            self.first_tries.append({"about": delivery.get("about", ""), "sent_at": self._clock.timestamp()})
        for _ in range(times):
            status = await self._answer(client, delivery)
            accepted = status is not None and 200 <= status < 300
        goes_on = self.answered(delivery, status)
        if accepted:
            self.sent += 1
            self._deliveries.delete(delivery["key"])
            return
        self.failed += 1
        delivery["attempts"] += 1
        if not goes_on or delivery["attempts"] > len(self.retry_delays):
            self._deliveries.delete(delivery["key"])
            self.on_given_up(delivery)
            return
        delivery["due"] = self._clock.timestamp() + self.retry_delays[delivery["attempts"] - 1] * self.time_scale
        self._deliveries.put(delivery["key"], delivery)

    async def _answer(self, client: httpx.AsyncClient, delivery: dict[str, Any]) -> int | None:
        """The status of the answer; None when none comes in time, or none can."""
        until, at_least = self._clock.timestamp() + self.timeout_seconds, time.monotonic() + _AT_LEAST
        body = base64.b64decode(delivery["body"])
        sending = asyncio.ensure_future(client.post(delivery["url"], content=body, headers=delivery["headers"]))
        try:
            while not sending.done():
                if self._clock.timestamp() >= until and time.monotonic() >= at_least:
                    return None
                await asyncio.wait({sending}, timeout=_LOOK_EVERY)
            return sending.result().status_code
        except (httpx.HTTPError, httpx.InvalidURL):
            return None
        finally:
            sending.cancel()
