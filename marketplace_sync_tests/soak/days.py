"""Days in the life of a brand, one pass of ours after another while a share of all calls goes wrong, and the account of
them."""

from __future__ import annotations

import os
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from marketplace_sync.flows.sync import sync
from marketplace_sync.ledger import work_items
from marketplace_sync_tests.faults.books import Books
from marketplace_sync_tests.faults.installation import CARRIERS
from marketplace_sync_tests.soak.brand import BAZAAR, HOME, KLAVIYO, MAGENTO, SHOPIFY, STORE_OF, Brand, rules
from marketplace_sync_tests.soak.brand_books import Roles, brand_balance

_MOST_AT_ONCE = 200
"""The simulated shop places no more orders than this at one jump of the clock."""
_DAY = 86_400
ROLES = Roles({name: STORE_OF[name] for name in (HOME, BAZAAR)}, SHOPIFY, MAGENTO, KLAVIYO)


@dataclass
class Account:
    """What days were like and what was there at their end. `problems`: sentences of passes, by connection."""

    days: int
    orders: int = 0
    books: Books = field(default_factory=Books)
    settled: bool = False
    passes: int = 0
    problems: Counter[str] = field(default_factory=Counter)
    struck: Counter[str] = field(default_factory=Counter)
    open_items: dict[str, int] = field(default_factory=dict)
    failures: list[str] = field(default_factory=list)
    """Of the simulation itself."""
    seconds: float = 0.0
    """From the first order to the last pass, without the counting."""
    processor_seconds: float = 0.0
    """Of our process."""
    peak_mebibytes: float = 0.0

    def text(self) -> str:
        return "\n".join(
            [
                f"\n{self.days} days, {self.orders} orders, {self.passes} passes",
                self.books.text(),
                f"  faults: {sum(self.struck.values())} {dict(sorted(self.struck.items()))}",
                f"  problems that passes met: {dict(sorted(self.problems.items()))}",
                f"  work items left: {self.open_items}",
                f"  wall {self.seconds:.0f} s, our processor time {self.processor_seconds:.0f} s,"
                f" our peak memory {self.peak_mebibytes:.0f} MiB",
            ]
        )


def live(brand: Brand, days: int, orders_a_day: int, parts: int, share: float, patience: float) -> Account:
    """Each day has so many parts, at whose beginnings people order, and a pass of ours in each. `share` of all calls of
    every vendor go wrong, in all ways there are. Afterwards none does, and passes go on until nothing is left to do;
    `patience` is for how many seconds at most."""
    account = Account(days)
    began, worked = time.monotonic(), time.process_time()
    _forget_peak()
    _pass(brand, account)
    brand.set_faults(rules(share))
    for day in range(1, days + 1):
        for part in range(1, parts + 1):
            due = (day - 1) * orders_a_day + orders_a_day * part // parts
            seconds = _DAY / parts
            while (wanted := due - brand.placed()) > 0:
                brand.trade(min(wanted, _MOST_AT_ONCE), seconds)
                seconds = 60.0
            _pass(brand, account)
    for seen in brand.ask()["accounts"].values():
        account.struck += Counter({kind: int(times) for kind, times in seen["faults"]["struck"].items()})
    brand.set_faults([])
    _until(lambda: _quiet(brand, account), patience)
    account.peak_mebibytes = _peak()
    account.seconds, account.processor_seconds = time.monotonic() - began, time.process_time() - worked
    _until(lambda: _balanced(brand, account), patience)
    account.orders = brand.placed()
    account.failures = brand.ask()["failures"]
    with brand.project.ledger.begin() as connection:
        account.open_items = dict(work_items.counts(connection))
    return account


def _pass(brand: Brand, account: Account) -> int:
    report = sync(brand.project.context)
    account.passes += 1
    account.problems.update(problem.partition(":")[0] for problem in report.problems)
    return sum(report.delivered.values()) + len(report.problems)


def _quiet(brand: Brand, account: Account) -> bool:
    """Whether hours go by in which neither the shop nor ours does anything."""
    brand.jump(7 * 3600)
    return _pass(brand, account) == 0 and not brand.planned()


def _balanced(brand: Brand, account: Account) -> bool:
    account.books = brand_balance(brand.ask, ROLES, set(CARRIERS))
    if not account.books.balanced:
        _quiet(brand, account)
    return account.books.balanced


def _until(there: Callable[[], bool], seconds: float) -> None:
    give_up = time.monotonic() + seconds
    while not there() and time.monotonic() < give_up:
        pass


def _forget_peak() -> None:
    """What this process needed before says nothing about the days."""
    Path("/proc/self/clear_refs").write_text("5", encoding="ascii")


def _peak() -> float:
    status = Path("/proc/self/status").read_text(encoding="ascii").splitlines()
    return next(int(line.split()[1]) / 1024 for line in status if line.startswith("VmHWM:"))


def dose(name: str, default: int) -> int:
    """A parameter of a run: `SOAK_DAYS=3 SOAK_ORDERS_A_DAY=200 SOAK_PARTS_OF_A_DAY=6 make soak`."""
    return int(os.environ.get(name, default))
