"""Days in the life of a brand while a share of all calls goes wrong, and the account of them: couriers and webhooks all
day, feeds read at each part of it, a pass over everything at its end."""

from __future__ import annotations

import contextlib
import json
import os
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from marketplace_sync.connectors.ports import Malformed
from marketplace_sync.domain.errors import TransportError
from marketplace_sync.flows import import_orders, observe_store
from marketplace_sync.flows.attend import Attendant
from marketplace_sync.flows.context import Context
from marketplace_sync.flows.sync import sync
from marketplace_sync.ledger import work_items
from marketplace_sync_tests.faults.books import Books
from marketplace_sync_tests.faults.installation import CARRIERS
from marketplace_sync_tests.soak.brand import (
    ARCADE,
    BAZAAR,
    HOME,
    KLAVIYO,
    MAGENTO,
    SHOPIFY,
    STORE_OF,
    TELLING,
    Brand,
    rules,
)  # fmt: skip
from marketplace_sync_tests.soak.brand_books import Roles, brand_balance
from marketplace_sync_tests.soak.open_items import unexplained

Tell = Callable[[str], None]

_MOST_AT_ONCE = 200
"""The simulated shop places no more orders than this at one jump of the clock."""
_DAY = 86_400
_MOMENT = 0.3
"""Seconds. Longer than a courier and a webhook take to answer each other."""
_ATTENDED_FOR = 3600.0
"""Seconds: longer than a part of a day takes."""
ROLES = Roles({name: STORE_OF[name] for name in (HOME, BAZAAR)}, ARCADE, SHOPIFY, MAGENTO, KLAVIYO, frozenset({HOME}))


@dataclass
class Account:
    """What days were like and what was there at their end. `problems`: sentences of passes, by connection."""

    days: int
    orders: int = 0
    books: Books = field(default_factory=Books)
    settled: bool = False
    passes: int = 0
    webhooks: int = 0
    """Deliveries that were handled."""
    problems: Counter[str] = field(default_factory=Counter)
    struck: Counter[str] = field(default_factory=Counter)
    open_items: dict[str, int] = field(default_factory=dict)
    unexplained: list[str] = field(default_factory=list)
    """Open work items that are not about anything that the simulation leaves undone."""
    failures: list[str] = field(default_factory=list)
    """Of the simulation itself."""
    seconds: float = 0.0
    """From the first order to the last pass, without the counting."""
    processor_seconds: float = 0.0
    """Of our process."""
    peak_mebibytes: float = 0.0
    interruptions: int = 0
    """How often everything was ended between the first order and the last, and went on later."""

    def keep(self, file: Path, seconds: float, processor_seconds: float, struck: Counter[str]) -> None:
        """For whoever lives on after an interruption; the numbers are this time's."""
        kept = {
            "passes": self.passes,
            "webhooks": self.webhooks,
            "problems": self.problems,
            "struck": self.struck + struck,
            "seconds": self.seconds + seconds,
            "processor_seconds": self.processor_seconds + processor_seconds,
            "peak_mebibytes": max(self.peak_mebibytes, _peak()),
            "interruptions": self.interruptions,
        }
        file.write_text(json.dumps(kept), encoding="utf-8")

    def recall(self, file: Path) -> None:
        kept = json.loads(file.read_text(encoding="utf-8"))
        self.interruptions = kept["interruptions"] + 1
        self.passes, self.webhooks = kept["passes"], kept["webhooks"]
        self.problems, self.struck = Counter(kept["problems"]), Counter(kept["struck"])
        self.seconds, self.processor_seconds = kept["seconds"], kept["processor_seconds"]
        self.peak_mebibytes = kept["peak_mebibytes"]

    def text(self) -> str:
        return "\n".join(
            [
                f"\n{self.days} days, {self.orders} orders, {self.webhooks} webhooks, {self.passes} whole passes",
                self.books.text(),
                f"  faults: {sum(self.struck.values())} {dict(sorted(self.struck.items()))}",
                f"  problems that passes met: {dict(sorted(self.problems.items()))}",
                f"  work items left: {self.open_items}, of them unexplained: {len(self.unexplained)}",
                *self.unexplained[:15],
                f"  interrupted {self.interruptions} times" if self.interruptions else "  in one stretch",
                f"  wall {self.seconds:.0f} s, our processor time {self.processor_seconds:.0f} s,"
                f" our peak memory {self.peak_mebibytes:.0f} MiB",
            ]
        )


def live(
    brand: Brand,
    days: int,
    orders_a_day: int,
    parts: int,
    share: float,
    patience: float,
    tell: Tell = lambda line: None,
    lived: Path | None = None,
) -> Account:
    """Each day has so many parts, at whose beginnings people order, and a pass of ours in each. `share` of all calls of
    every vendor go wrong, in all ways there are. Afterwards none does, and passes go on until nothing is left to do;
    `patience` is for how many seconds at most. `tell` hears of each day. `lived` is the file in which each day's end is
    kept: with it, days that a brand lived before are not lived again."""
    account = Account(days)
    if lived is not None and lived.exists():
        account.recall(lived)
    began, worked = time.monotonic(), time.process_time()
    _forget_peak()
    _pass(brand, account)
    brand.set_faults(rules(share))
    for day in range(brand.placed() // orders_a_day + 1, days + 1):
        with _attended(brand.project.context) as attendants:
            for part in range(1, parts + 1):
                due = (day - 1) * orders_a_day + orders_a_day * part // parts
                seconds = _DAY / parts
                while (wanted := due - brand.placed()) > 0:
                    brand.trade(min(wanted, _MOST_AT_ONCE), seconds)
                    seconds = 60.0
                _read_feeds(brand.project.context, account)
                _until(lambda: _idle(brand, account, attendants), patience)
        _pass(brand, account)
        tell(f"{time.monotonic() - began:6.0f} s  day {day}, {brand.placed()} orders, {_peak():.0f} MiB")
        if lived is not None:
            account.keep(lived, time.monotonic() - began, time.process_time() - worked, _struck(brand))
    account.struck += _struck(brand)
    brand.set_faults([])
    _until(lambda: _quiet(brand, account), patience)
    account.peak_mebibytes = max(account.peak_mebibytes, _peak())
    account.seconds += time.monotonic() - began
    account.processor_seconds += time.process_time() - worked
    _until(lambda: _balanced(brand, account), patience)
    account.orders = brand.placed()
    account.failures = brand.ask()["failures"]
    with brand.project.ledger.begin() as connection:
        account.open_items = dict(work_items.counts(connection))
    account.unexplained = unexplained(brand.project, account.books)
    return account


def _struck(brand: Brand) -> Counter[str]:
    """Faults of each kind since the vendors' process began."""
    seen = brand.ask()["accounts"].values()
    return sum((Counter(account["faults"]["struck"]) for account in seen), Counter())


@contextlib.contextmanager
def _attended(context: Context) -> Iterator[list[Attendant]]:
    """Webhooks are handled and effects brought the moment they are there, as while `up` runs."""
    attendants = [Attendant(context, name) for name in context.connections]
    try:
        for attendant in attendants:
            attendant.stay(_ATTENDED_FOR)
        yield attendants
    finally:
        # together, because each looks only now and then whether it is to leave
        with ThreadPoolExecutor(len(attendants), thread_name_prefix="leaving") as leaving:
            list(leaving.map(Attendant.leave, attendants))


def _read_feeds(context: Context, account: Account) -> None:
    """Everything that is asked and does not tell, each connection by a thread of its own."""
    asked = [name for name in (*context.marketplaces, *context.stores) if name not in TELLING]
    with ThreadPoolExecutor(len(asked), thread_name_prefix="feeds") as readers:
        for name, problems in zip(asked, readers.map(partial(_read_one, context), asked), strict=True):
            account.problems[name] += problems


def _read_one(context: Context, name: str) -> int:
    """Returns how many of its feeds could not be read to their end."""
    reads: list[Callable[[], object]] = [partial(observe_store.poll_orders, context, name)]
    if name in context.marketplaces:
        feeds = context.marketplaces[name].feeds()
        reads = [partial(import_orders.import_feed, context, name, feed.name) for feed in feeds]
    problems = 0
    for read in reads:
        try:
            read()
        except (TransportError, Malformed):
            problems += 1
    return problems


def _idle(brand: Brand, account: Account, attendants: Sequence[Attendant]) -> bool:
    """Whether for a moment nothing was delivered in either direction. What waits for a pause to end is due at the next
    part of the day."""
    time.sleep(_MOMENT)
    busy = False
    for attendant in attendants:
        report = attendant.stay(_ATTENDED_FOR)
        account.webhooks += report.webhooks
        account.problems[report.connection] += report.refused + report.dead + report.in_doubt
        busy = busy or bool(report.webhooks or report.delivered)
    return not busy and not brand.under_way()


def _pass(brand: Brand, account: Account) -> int:
    report = sync(brand.project.context)
    account.passes += 1
    account.problems.update(problem.partition(":")[0] for problem in report.problems)
    return sum(report.delivered.values()) + len(report.problems)


def _quiet(brand: Brand, account: Account) -> bool:
    """Whether a day goes by in which neither the shop nor ours does anything."""
    brand.jump(_DAY)
    busy = _pass(brand, account) > 0
    if busy:
        # what happened while it was read: else a warehouse of another day ships what was cancelled on this one
        _pass(brand, account)
    return not busy and not brand.planned()


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
