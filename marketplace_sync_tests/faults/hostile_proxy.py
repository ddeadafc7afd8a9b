"""Stands between us and the simulated vendors, and hands out their genuine answers spoilt in one place."""

from __future__ import annotations

import json
import random
import re
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.client import HTTPConnection
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Lock, Thread
from urllib.parse import urlsplit

from marketplace_sync_tests.faults.hostile_values import LARGE, VALUES, paths, with_value, without

JSON = "application/json"
PAGE = b"<html><body><h1>Something went wrong</h1></body></html>"


@dataclass(frozen=True)
class Said:
    """An answer as it goes over the wire. `length` is what the vendor says of it, true or not."""

    status: int
    headers: dict[str, str]
    body: bytes
    length: int | None = None


WHOLE: dict[str, Callable[[Said], Said]] = {
    "a web page": lambda said: Said(200, {"content-type": "text/html"}, PAGE),
    "a web page that calls itself JSON": lambda said: Said(200, {"content-type": JSON}, PAGE),
    "a web page of a gateway": lambda said: Said(502, {"content-type": "text/html"}, PAGE),
    "cut short": lambda said: Said(said.status, said.headers, said.body[: len(said.body) // 2]),
    "nothing": lambda said: Said(said.status, said.headers, b""),
    "beyond the limit": lambda said: Said(said.status, said.headers, said.body + b" " * 3_000_000),
    "all brackets": lambda said: Said(said.status, said.headers, b"[" * 100_000 + b"]" * 100_000),
    "another type of content": lambda said: Said(said.status, {**said.headers, "content-type": "image/png"}, said.body),
    "longer by its own account": lambda said: Said(said.status, said.headers, said.body, len(said.body) + 1000),
    "shorter by its own account": lambda said: Said(said.status, said.headers, said.body, len(said.body) // 3),
    "packed by its own account": lambda said: Said(200, {**said.headers, "content-encoding": "gzip"}, said.body),
    "no text": lambda said: Said(said.status, said.headers, b"\x00\xff\xfe" * 500),
    "a number": lambda said: Said(said.status, said.headers, b"1e400"),
}  # fmt: skip
"""What becomes of a whole answer."""

WAITS = (
    "-5", "0", "1e400", "nan", "soon", "", "Fri, 31 Dec 9999 23:59:59 GMT", "Mon, 01 Jan 0001 00:00:00 -2359", 
    "9" * 5000, "\xb2", "1;2", "0, 0;w=1",
)  # fmt: skip
"""What no vendor means by a header that tells how long to wait, or how much is left."""

Spoil = Callable[[str, Said], Said | None]
"""(operation, genuine answer) -> what is said instead; None leaves it alone. What the vendor did stays done."""


@dataclass
class HostileProxy:
    base_url: str = ""
    upstream: str = ""
    spoil: Spoil | None = None
    spoilt: Counter[str] = field(default_factory=Counter)
    """operation -> answers that were spoilt"""
    log: list[str] = field(default_factory=list)
    """What was done to which answer, in order: for whoever reads a failure."""
    lock: Lock = field(default_factory=Lock)

    def answer(self, operation: str, said: Said) -> Said:
        with self.lock:
            found = None if self.spoil is None else self.spoil(operation, said)
            if found is not None:
                self.spoilt[operation] += 1
        return found or said

    def one_place(self, seed: int, of: str = "", share: float = 0.5) -> Counter[str]:
        """From now on this share of the answers to operations whose name holds `of` has another value in one place, or
        none there, drawn by `seed`. Returns the count of what was put there, as it grows."""
        chance, names, done = random.Random(seed), [*sorted(VALUES.keys() - LARGE), *["missing"] * 6], Counter[str]()

        def spoil(operation: str, said: Said) -> Said | None:
            if of not in operation or not said.body or chance.random() > share:
                return None
            document = json.loads(said.body)
            # an empty rate bucket is believed, and what is believed is waited for
            places = [path for path in paths(document) if "extensions" not in path]
            name = chance.choice(names)
            if not places:
                return None
            path = chance.choice(places)
            body = without(document, path) if name == "missing" else with_value(document, path, VALUES[name])
            done[name] += 1
            self.log.append(f"{operation}: {name} as {'.'.join(map(str, path))}")
            return Said(said.status, said.headers, body)

        self.spoil = spoil
        return done

    def headers(self, seed: int, share: float = 0.6) -> Counter[str]:
        """From now on this share of all answers bears headers of no sense; every fifth of those is a 429 or a 503, of
        which the vendor has done what was asked. Returns the count of each header's value."""
        chance, done = random.Random(seed), Counter[str]()

        def spoil(operation: str, said: Said) -> Said | None:
            if chance.random() > share:
                return None
            value = WAITS[done.total() % len(WAITS)]
            done[value[:20]] += 1
            self.log.append(f"{operation}: headers of {value[:20]!r}")
            about = dict.fromkeys(("retry-after", "ratelimit-remaining", "ratelimit-limit", "date"), value)
            status = chance.choice([429, 503]) if chance.random() < 0.2 else said.status
            return Said(status, {**said.headers, **about}, said.body)

        self.spoil = spoil
        return done

    def whole(self, seed: int, share: float = 0.7, names: Sequence[str] = tuple(WHOLE)) -> Counter[str]:
        """From now on this share of all answers is none, in one of the ways of WHOLE, all of them in turn."""
        chance, done = random.Random(seed), Counter[str]()

        def spoil(operation: str, said: Said) -> Said | None:
            if chance.random() > share:
                return None
            name = names[done.total() % len(names)]
            done[name] += 1
            self.log.append(f"{operation}: {name}")
            return WHOLE[name](said)

        self.spoil = spoil
        return done

    def heal(self) -> None:
        self.spoil = None


def _operation(method: str, path: str, body: bytes) -> str:
    named = re.search(rb"\b(?:query|mutation) (\w+)", body) if path.endswith("/graphql.json") else None
    return named[1].decode() if named else f"{method} {path.partition('?')[0]}"


def _handler(proxy: HostileProxy) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def _pass_on(self) -> None:
            body = self.rfile.read(int(self.headers.get("content-length", 0)))
            headers = {
                name: value
                for name, value in self.headers.items()
                if name.lower() not in ("host", "accept-encoding", "connection", "content-length")
            }
            there = HTTPConnection(urlsplit(proxy.upstream).netloc, timeout=30)
            try:
                there.request(self.command, self.path, body or None, headers)
                got = there.getresponse()
                kept = {
                    name.lower(): value
                    for name, value in got.getheaders()
                    if name.lower() not in ("content-length", "transfer-encoding", "connection", "date", "server")
                }
                genuine = Said(got.status, kept, got.read())
            finally:
                there.close()
            said = proxy.answer(_operation(self.command, self.path, body), genuine)
            self.send_response(said.status)
            for name, value in said.headers.items():
                self.send_header(name, value)
            if said.status != 204:
                self.send_header("content-length", str(len(said.body) if said.length is None else said.length))
            if said.length is not None:
                self.send_header("connection", "close")
                self.close_connection = True
            self.end_headers()
            try:
                self.wfile.write(b"" if said.status == 204 else said.body)
            except OSError:
                self.close_connection = True  # the client has had enough of it

        do_GET = do_POST = do_PATCH = do_PUT = do_DELETE = _pass_on

        def log_message(self, format: str, *args: object) -> None:
            """The test keeps its own log."""

    return Handler


@contextmanager
def hostile_proxy() -> Iterator[HostileProxy]:
    """Listens at once; `upstream` has to be set before the first request."""
    proxy = HostileProxy()
    with ThreadingHTTPServer(("127.0.0.1", 0), _handler(proxy)) as server:
        server.daemon_threads = True
        thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
        thread.start()
        proxy.base_url = f"http://127.0.0.1:{server.server_address[1]}"
        try:
            yield proxy
        finally:
            server.shutdown()
            thread.join()
