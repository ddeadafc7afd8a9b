"""What goes wrong on the wire, on purpose: one ASGI layer around every vendor, switched by settings or at run time.

    before the write    status, throttle, cut, html, garbage, huge (the vendor never hears of the call); delay (it does)
    after the write     lost_answer (the write happened, the caller gets a cut connection),
                        error_after (the write happened, the caller gets a 500),
                        truncate (the write happened, half of the answer comes)

Duplicated and reordered webhook deliveries are the sender's doing: see `webhooks.py`.
"""

from __future__ import annotations

import asyncio
import random
from dataclasses import asdict, dataclass, field, fields
from typing import Any

from starlette.types import ASGIApp, Message, Receive, Scope, Send

KINDS = (
    "status", "delay", "throttle", "cut", "lost_answer", "error_after", "truncate", "html", "garbage", "huge",
)  # fmt: skip


@dataclass
class FaultRule:
    """One kind of fault with its probability, for the paths that contain `path` (all, when empty)."""

    kind: str
    probability: float = 1.0
    path: str = ""
    method: str = ""
    status: int = 503
    seconds: float = 0.5
    retry_after: int | None = 1
    megabytes: int = 100
    remaining: int | None = None
    """How many more times it strikes; None means for ever."""

    def __post_init__(self) -> None:
        if self.kind not in KINDS:
            raise ValueError(f"unknown fault kind {self.kind!r}: one of {', '.join(KINDS)}")
        if not 0 <= self.probability <= 1:
            raise ValueError(f"probability is between 0 and 1, not {self.probability}")


def fault_rules(described: list[dict[str, Any]]) -> list[FaultRule]:
    """Rules from their fields. Raises ValueError for a field, kind or probability that does not exist."""
    known = {each.name for each in fields(FaultRule)}
    for rule in described:
        if not isinstance(rule, dict) or "kind" not in rule:
            raise ValueError(f"a fault rule is an object with at least a kind, not {rule!r}")
        if unknown := set(rule) - known:
            raise ValueError(f"unknown keys {sorted(unknown)}; a fault rule has {sorted(known)}")
    return [FaultRule(**rule) for rule in described]


@dataclass
class Faults:
    """The fault rules of one vendor and how often each struck."""

    rules: list[FaultRule] = field(default_factory=list)
    struck: dict[str, int] = field(default_factory=dict)
    random: random.Random = field(default_factory=lambda: random.Random(7))

    def draw(self, method: str, path: str) -> FaultRule | None:
        for rule in self.rules:
            if rule.remaining == 0 or rule.path not in path or (rule.method and rule.method != method):
                continue
            if self.random.random() < rule.probability:
                if rule.remaining is not None:
                    rule.remaining -= 1
                self.struck[rule.kind] = self.struck.get(rule.kind, 0) + 1
                return rule
        return None

    def as_json(self) -> dict[str, Any]:
        return {"rules": [asdict(rule) for rule in self.rules], "struck": self.struck}


async def cut(receive: Receive) -> None:
    """Drop the caller's TCP connection without a word, as a dying load balancer does."""
    cycle = getattr(receive, "__self__", None)
    transport = getattr(cycle, "transport", None)
    if transport is None:
        raise RuntimeError("the server hides its transport: a connection can only be cut under uvicorn")
    transport.abort()
    # Lets the server learn of the loss before this request returns, or it complains that no answer was sent.
    while (await receive())["type"] != "http.disconnect":
        pass


class FaultLayer:
    """ASGI middleware that applies the vendor's fault rules."""

    def __init__(self, app: ASGIApp, faults: Faults) -> None:
        self.app = app
        self.faults = faults

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        rule = self.faults.draw(scope["method"], scope["path"]) if scope["type"] == "http" else None
        if rule is None:
            await self.app(scope, receive, send)
            return
        if rule.kind == "delay":
            await asyncio.sleep(rule.seconds)
            await self.app(scope, receive, send)
        elif rule.kind == "cut":
            await cut(receive)
        elif rule.kind in ("status", "throttle"):
            status = 429 if rule.kind == "throttle" else rule.status
            headers = [(b"content-type", b"application/json")]
            if rule.retry_after is not None and status in (429, 503):
                headers.append((b"retry-after", str(rule.retry_after).encode()))
            await _answer(send, status, headers, b'{"detail": "injected fault"}')
        elif rule.kind == "html":
            body = b"<html><head><title>502 Bad Gateway</title></head><body><h1>502 Bad Gateway</h1></body></html>"
            await _answer(send, 502, [(b"content-type", b"text/html")], body)
        elif rule.kind == "garbage":
            await _answer(send, 200, [(b"content-type", b"application/json")], b'{"results": [{"url": 12, ')
        elif rule.kind == "huge":
            await _huge(send, rule.megabytes)
        else:
            await self._after_the_write(rule, scope, receive, send)

    async def _after_the_write(self, rule: FaultRule, scope: Scope, receive: Receive, send: Send) -> None:
        messages: list[Message] = []

        async def hold(message: Message) -> None:
            messages.append(message)

        await self.app(scope, receive, hold)
        if rule.kind == "lost_answer":
            await cut(receive)
        elif rule.kind == "error_after":
            await _answer(send, 500, [(b"content-type", b"text/html")], b"<h1>Internal Server Error</h1>")
        else:  # truncate: the headers promise the whole body, half of it comes
            start = messages[0]
            body = b"".join(message.get("body", b"") for message in messages[1:])
            headers = [(k, v) for k, v in start["headers"] if k.lower() != b"content-length"]
            headers.append((b"content-length", str(len(body) + 1).encode()))
            await send({**start, "headers": headers})
            await send({"type": "http.response.body", "body": body[: len(body) // 2], "more_body": True})
            await cut(receive)


async def _answer(send: Send, status: int, headers: list[tuple[bytes, bytes]], body: bytes) -> None:
    headers = [*headers, (b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})


async def _huge(send: Send, megabytes: int) -> None:
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-type", b"application/json")]})
    chunk = b" " * (1 << 20)
    for _ in range(megabytes):
        await send({"type": "http.response.body", "body": chunk, "more_body": True})
    await send({"type": "http.response.body", "body": b"{}"})
