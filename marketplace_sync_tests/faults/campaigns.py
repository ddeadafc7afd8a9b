"""Campaigns against a whole installation: kills, and faults of every kind at its vendors; the books afterwards."""

from __future__ import annotations

import json
import random
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from marketplace_sync_tests.faults.books import Books
from marketplace_sync_tests.faults.documents import JL, KLAVIYO, SHOP
from marketplace_sync_tests.faults.installation import Installation, installation

LIVELY = {
    "orders_per_minute": 60.0, "history": 10, "ship_after_seconds": 2.0, "ship_within_seconds": 6.0,
    "buyer_cancel_rate": 0.08, "return_rate": 0.06, "return_after_seconds": 20.0, "consent_change_rate": 0.0,
}  # fmt: skip
"""A shop in which everything that can happen to an order happens within a minute."""

PARTS = (
    "up", "sandbox", "receiver", "web interface", "daemon", "code server", "run", "pass by hand", "database server",
    "database session",
)  # fmt: skip
"""What is shot at in turn. A code server is where the couriers' threads are; what appears rarely is waited for."""

FAULTS: dict[str, dict[str, Any]] = {
    "delay": {"seconds": 0.3},
    "status": {"retry_after": None},
    "throttle": {},
    "cut": {},
    "lost_answer": {},
    "error_after": {},
    "truncate": {},
    "html": {},
    "garbage": {},
    "huge": {"megabytes": 40},
}
"""Every kind of fault on the wire. Repeated and reordered deliveries are knobs of the webhooks' sender."""


_WELL = 120.0
"""Seconds before an outage: what was begun then goes on in it."""


@dataclass
class Outcome:
    """What a campaign did, and what the vendors' own books say after it."""

    title: str
    done: Counter[str] = field(default_factory=Counter)
    books: Books = field(default_factory=Books)
    seconds: float = 0.0
    open_items: str = ""
    said: str = ""
    """Of the last pass over everything."""

    def text(self) -> str:
        rows = [f"  {count:>7}  {what}" for what, count in sorted(self.done.items())]
        return "\n".join([f"\n{self.title}, {self.seconds:.0f} s", *rows, self.books.text()])

    def check(self) -> None:
        assert self.books.balanced, f"{self.text()}\n{self.open_items}\n{self.said}"


def _turns(chance: random.Random, parts: tuple[str, ...]) -> Iterator[str]:
    while True:
        yield from chance.sample(parts, len(parts))


def kill(
    home: Path,
    *,
    kills: int,
    seed: int,
    parts: tuple[str, ...] = PARTS,
    pause: tuple[float, float] = (0.1, 3.0),
    patience: float = 10.0,
    settle_within: float = 600.0,
    shop: dict[str, Any] | None = None,
    tell: Callable[[str], None] = lambda line: None,
) -> Outcome:
    """An installation under load, of which `kills` processes are shot at random moments, every part in turn."""
    outcome = Outcome(f"{kills} kills (seed {seed})")
    began, chance = time.monotonic(), random.Random(seed)
    with installation(home, {**LIVELY, **(shop or {})}) as running:
        turns = _turns(chance, parts)
        while sum(running.kills.values()) < kills:
            running.keep_passing()
            time.sleep(chance.uniform(*pause))
            part, give_up = next(turns), time.monotonic() + patience
            while part not in running.targets() and time.monotonic() < give_up:
                running.keep_passing()
                time.sleep(0.1)
            shot = running.shoot(chance, part)
            tell(f"{time.monotonic() - began:6.0f} s  {sum(running.kills.values()):>3}  {shot or part + ' had gone'}")
        running.end_passing()
        running.set_shop(orders_per_minute=0.0)
        outcome.done.update({f"killed: {part}": count for part, count in running.kills.items()})
        _settle(running, outcome, settle_within)
    outcome.seconds = time.monotonic() - began
    return outcome


def strike(
    home: Path, *, seconds: float, share: float = 0.2, settle_within: float = 900.0, shop: dict[str, Any]
) -> Outcome:
    """An installation under load for so long while faults of every kind strike this share of all vendors' calls, and
    as many webhooks are lost, repeated and out of order each. Faults go on until the shop has nothing left to do and
    the books balance."""
    outcome = Outcome(f"faults of every kind on {share:.0%} of all calls")
    began = time.monotonic()
    with installation(home, {**LIVELY, **shop}) as running:
        for turn, account in enumerate((JL, SHOP, KLAVIYO)):
            running.set_faults(account, rules(share / len(FAULTS), turn))
            knobs = {"duplicate": share, "reorder": share, "drop": share, "time_scale": 0.1}
            running.ask(f"{account}/webhooks", knobs, "PUT")
        while time.monotonic() - began < seconds:
            running.keep_passing()
            time.sleep(1)
        running.end_passing()
        running.set_shop(orders_per_minute=0.0)
        _settle(running, outcome, settle_within)
        struck(outcome, running.ask("")["accounts"])
    outcome.seconds = time.monotonic() - began
    return outcome


def outage(
    home: Path, *, seconds: float, away: tuple[str, ...], shop: dict[str, Any], tell: Callable[[str], None]
) -> Outcome:
    """An installation whose vendors `away`, after some minutes, answer nothing but 500 for so long while people go on
    ordering, and which is left to itself: no pass by hand. What these vendors had to answer meanwhile is counted, and
    how long everything took to arrive once they were back."""
    outcome = Outcome(f"{', '.join(away)} answer 500 for {seconds:.0f} s")
    began = time.monotonic()
    with installation(home, {**LIVELY, **shop}) as running:
        time.sleep(_WELL)
        for account in away:
            running.set_faults(account, [{"kind": "status", "status": 500, "probability": 1.0}])
        back = time.monotonic() + seconds
        while time.monotonic() < back:
            time.sleep(min(60.0, seconds / 3))
            asked = {name: _struck(running, name) for name in away}
            tell(f"{time.monotonic() - began:6.0f} s  calls answered with 500: {asked}; open: {_codes(running)}")
        outcome.open_items = running.say("work-items")
        for account in away:
            outcome.done[f"calls of {account} that were answered with 500"] = _struck(running, account)
            running.set_faults(account, [])
        running.set_shop(orders_per_minute=0.0)
        back = time.monotonic()
        while not outcome.books.balanced or not outcome.books.counts:
            outcome.books = running.books()
            if time.monotonic() - back > 900:
                break
            time.sleep(5)
        tell(f"{time.monotonic() - back:6.0f} s  after they were back: {_codes(running)}")
        outcome.done["seconds until everything had arrived"] = round(time.monotonic() - back)
        outcome.said = running.say("work-items")
    outcome.seconds = time.monotonic() - began
    return outcome


def _struck(running: Installation, account: str) -> int:
    return int(running.ask("")["accounts"][account]["faults"]["struck"].get("status", 0))


def _codes(running: Installation) -> dict[str, int]:
    return dict(Counter(item["code"] for item in json.loads(running.say("work-items", "--json"))))


def rules(probability: float, turn: int = 0) -> list[dict[str, Any]]:
    """Every kind with this probability. The first to strike a call spares it the others, so each vendor has them in
    another sequence."""
    kinds = list(FAULTS)
    shift = turn * 3 % len(kinds)
    return [{"kind": kind, "probability": probability, **FAULTS[kind]} for kind in [*kinds[shift:], *kinds[:shift]]]


def struck(outcome: Outcome, accounts: dict[str, Any], before: dict[str, Any] | None = None) -> None:
    """Note how often each fault struck, from the sandbox's overview, since an earlier one."""
    for account in (JL, SHOP, KLAVIYO):
        earlier = before[account]["faults"]["struck"] if before else {}
        for kind, count in accounts[account]["faults"]["struck"].items():
            outcome.done[f"struck: {kind}"] += count - earlier.get(kind, 0)


def _settle(running: Installation, outcome: Outcome, within: float) -> None:
    outcome.books, outcome.said = running.settle(within)
    outcome.open_items = running.open_items()
    assert running.ask("")["failures"] == [], "the simulation itself failed"
