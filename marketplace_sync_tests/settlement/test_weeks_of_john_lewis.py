"""Weeks of the simulated John Lewis, from order to report to reconciliation; and what comes of wrong reports."""

from __future__ import annotations

import os
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from marketplace_sync.domain.settlement.layouts import FileKind
from marketplace_sync.flows import settlement_inbox
from marketplace_sync.flows.settlement import reconcile_connection
from marketplace_sync.flows.settlement_import import import_file
from marketplace_sync_tests.flows.town import JL, Town, town

RATES = {"aggregate": 0, "itemised": 0.30}
"""What the route takes the commission to be: an aggregate report is of cost prices, from which none is taken."""
EXPECTED: dict[str, dict[str, tuple[set[str], set[str]]]] = {
    "aggregate": {
        "missing_line": ({"MISSING_SETTLEMENT"}, set()),
        "double_line": (set(), {"DUPLICATE_LINE"}),
        "wrong_quantity": (set(), {"UNKNOWN_ORDER"}),
        "unknown_ean": ({"MISSING_SETTLEMENT"}, {"UNKNOWN_ORDER"}),
        "return_without_order": (set(), {"REFUND_NOT_IN_STORE"}),
        "rounding": ({"AMOUNT_MISMATCH"}, set()),
        "fee_without_order": (set(), {"MANUAL_INVOICE_REVIEW"}),
        "slipped_day": (set(), set()),
    },
    "itemised": {
        "missing_line": ({"MISSING_SETTLEMENT"}, set()),
        "double_line": ({"DUPLICATE_LINE"}, set()),
        "wrong_quantity": ({"AMOUNT_MISMATCH"}, set()),
        "unknown_ean": (set(), set()),  # the order is named all the same
        "return_without_order": ({"UNKNOWN_ORDER"}, set()),
        "rounding": ({"ROUNDING"}, set()),
        "fee_without_order": (set(), {"MANUAL_INVOICE_REVIEW"}),
        "slipped_day": (set(), set()),
    },
}
"""Inconsistency to the codes on orders and outside of them. (RECONCILIATION, codes)"""
SKUS = dict(
    zip(
        EXPECTED["aggregate"],
        ("MUG-RED", "MUG-BLUE", "BOWL-RED", "BOWL-BLUE", "PLATE-RED", "PLATE-BLUE", "THROW-GREY", "LAMP-BLACK"),
        strict=True,
    )
)
"""Each to be made with a product of its own, so that what is wrong with one is wrong with nothing else."""


class Weeks:
    """The town, the reports' folder, which is the product's inbox, and a clock that stands on a Monday of the past."""

    def __init__(self, here: Town, inbox: Path) -> None:
        self.here = here
        self.inbox = inbox

    def later(self, days: float) -> None:
        self.here.sandbox.control("POST", "clock", {"advance_seconds": days * 86_400})

    def today(self) -> date:
        return datetime.fromisoformat(self.here.sandbox.control("GET")["now"]).date()

    def sent(self, *skus: str, quantity: int = 1) -> str:
        order_id = self.here.place(*skus, quantity=quantity)
        self.here.settle()
        self.here.ship(order_id)
        self.here.settle()
        return str(order_id)

    def given_back(self, order_id: str, quantity: int) -> None:
        """At John Lewis; the store follows."""
        made = self.here.sandbox.act(JL, "request_return", order_id=int(order_id), line_ref="1", quantity=quantity)
        for step in ("authorise_return", "approve_return"):
            self.here.sandbox.act(JL, step, return_id=made["return_id"])
        self.here.settle()

    def monday(self, count: int) -> None:
        """A week passes, and finance has its report."""
        self.later(7)
        published = self.here.sandbox.eventually(lambda: len(self.settlements()) == count)
        assert published, self.here.sandbox.control("GET")["failures"]
        for path in (self.inbox / JL / "settlement").iterdir():
            os.utime(path, (0, 0))  # so that no file is too new to be whole
        for taken in settlement_inbox.take(self.here.context, JL, self.inbox):
            assert taken.report is not None, taken.problem
            assert (taken.report.rejected, taken.report.contradicted) == ([], [])
            assert taken.report.new > 0

    def bank(self) -> None:
        """The bank receives what each remittance comes to."""
        rows = ["bank_ref,amount,currency,date,documents"]
        for settlement in self.settlements():
            for name, sheet in settlement["sheets"].items():
                if sheet["kind"] == "remittance":
                    pence = sum(row[7] if row[2] == "INVOICE" else -row[7] for row in sheet["rows"])
                    documents = ";".join(row[4] for row in sheet["rows"])
                    rows.append(f"{name},{pence // 100}.{pence % 100:02d},GBP,{sheet['rows'][0][1]},{documents}")
        assert len(rows) > 1
        report = import_file(self.here.context, JL, FileKind.BANK_RECEIPTS, "bank.csv", "\n".join(rows).encode())
        assert report.new == len(rows) - 1

    def settlements(self) -> list[dict[str, Any]]:
        return self.here.sandbox.documents(JL, "settlements")

    def concluded(self, after_days: int = 40) -> tuple[dict[str, set[str]], dict[str, set[str]], Any]:
        """(codes by order, lines outside orders by code, the result) when everything should be settled."""
        as_of = self.today() + timedelta(days=after_days)
        result = reconcile_connection(self.here.context, JL, as_of=as_of).result
        orders = {row["order_id"]: set(row["codes"]) for row in result.orders.iter_rows(named=True)}
        outside: dict[str, set[str]] = defaultdict(set)
        for row in result.unallocated.iter_rows(named=True):
            outside[row["code"]].add(row["line_id"])
        return orders, dict(outside), result


@pytest.fixture
def weeks(database_url: str, tmp_path: Path) -> Callable[..., AbstractContextManager[Weeks]]:
    @contextmanager
    def begun(mode: str, **settings: Any) -> Iterator[Weeks]:
        inbox = tmp_path / "inbox"
        settlement_inbox.prepare(inbox, [JL])
        finance = {"settlement": "files", "commission_rates": {"default": RATES[mode]}, "commission_vat_rate": 0}
        settings = {
            "settlement_mode": mode,
            "settlement_folder": str(inbox / JL / "settlement"),
            "settlement_folder_formats": ["csv"],
            **settings,
        }
        with town(
            database_url,
            tmp_path,
            route={"finance": finance},
            clock_offset_seconds=_to_a_monday_at_nine(),
            settings={JL: settings},
        ) as here:
            yield Weeks(here, inbox)

    return begun


def _to_a_monday_at_nine() -> float:
    """Seconds from now to the last such moment but one: a world whose days are the same whenever a test runs."""
    now = datetime.now(UTC)
    monday = (now - timedelta(days=now.weekday() + 7)).replace(hour=9, minute=0, second=0, microsecond=0)
    return (monday - now).total_seconds()


@pytest.mark.parametrize("mode", ["aggregate", "itemised"])
def test_of_weeks_without_inconsistencies_nothing_is_wrong_and_all_is_paid(
    weeks: Callable[..., AbstractContextManager[Weeks]], mode: str
) -> None:
    with weeks(mode, payment_terms_days=3) as here:
        first = here.sent("MUG-RED", quantity=2)
        second = here.sent("MUG-RED", "LAMP-BLACK")
        cancelled = str(here.here.place("BOWL-SAND"))
        here.here.settle()
        here.here.cancel_in_store(cancelled)
        here.here.settle()
        here.later(2)
        third = here.sent("PLATE-RED", quantity=3)
        here.given_back(third, 1)
        here.monday(1)
        here.given_back(first, 2)
        fourth = here.sent("LAMP-BLACK")
        here.monday(2)
        here.monday(3)
        here.bank()
        orders, outside, result = here.concluded()
        assert orders == {each: set() for each in (first, second, cancelled, third, fourth)}
        assert outside == {}
        for document in result.documents:
            assert document.codes == ()
            if mode == "itemised":
                # each purchase order was paid to the penny: the week's and the ones of its returns
                assert document.closing_balance == 0, document
                assert document.amount_transferred == document.lines_total
        assert here.here.sandbox.control("GET")["failures"] == []


@pytest.mark.parametrize("mode", ["aggregate", "itemised"])
def test_a_week_that_finance_imports_as_csv_and_as_spreadsheet_is_there_once(
    weeks: Callable[..., AbstractContextManager[Weeks]], mode: str
) -> None:
    with weeks(mode, settlement_folder_formats=["csv", "xlsx"]) as here:
        first = here.sent("MUG-RED", quantity=2)
        here.later(7)
        assert here.here.sandbox.eventually(lambda: len(here.settlements()) == 1)
        files = sorted((here.inbox / JL / "settlement").glob("sor_*"))
        reports = [
            import_file(here.here.context, JL, FileKind.SETTLEMENT, file.name, file.read_bytes()) for file in files
        ]
        assert [file.suffix for file in files] == [".csv", ".xlsx"]
        assert [report.new > 0 for report in reports] == [True, False]
        assert [report.contradicted for report in reports] == [[], []]
        orders, outside, _ = here.concluded()
        assert (orders, outside) == ({first: set()}, {})


@pytest.mark.parametrize("mode", ["aggregate", "itemised"])
def test_every_inconsistency_is_found_under_its_code_and_nothing_else_is(
    weeks: Callable[..., AbstractContextManager[Weeks]], mode: str
) -> None:
    with weeks(mode) as here:
        orders_of = {kind: str(here.here.place(sku, quantity=2)) for kind, sku in SKUS.items()}
        untouched = str(here.here.place("CUSHION-MOSS"))
        here.here.settle()
        for order_id in (*orders_of.values(), untouched):
            here.here.ship(order_id)
        late = str(here.here.place("CANDLE-SMALL"))
        here.here.settle()
        for kind, sku in SKUS.items():
            here.here.sandbox.act(JL, "spoil_settlement", kind=kind, sku=sku)
        here.later(5)
        here.here.ship(late)
        here.here.settle()
        here.monday(1)
        before, _, _ = here.concluded(after_days=1)
        assert before[orders_of["slipped_day"]] == {"NOT_YET_DUE"}, "it must not alarm before the next report"
        here.monday(2)
        made = here.here.sandbox.documents(JL, "inconsistencies")
        assert {each["kind"]: each["state"] for each in made} == dict.fromkeys(SKUS, "made")

        orders, outside, _ = here.concluded()

        wanted: dict[str, set[str]] = {each: set() for each in (*orders_of.values(), untouched)}
        # a point for what left too late shows in money only where reports are itemised
        wanted[late] = {"PENALTY_FEE"} if mode == "itemised" else set()
        wanted_outside: dict[str, int] = defaultdict(int)
        for each in made:
            on_orders, outside_orders = EXPECTED[mode][each["kind"]]
            names = [str(line["order_id"]) for line in each["about"]]
            if each["before"] is None and each["after"] is not None and on_orders:
                names = [each["after"]["Order Number"]]
            for name in names:
                wanted[name] = on_orders
            for code in outside_orders:
                wanted_outside[code] += 1
        assert orders == wanted
        assert {code: len(lines) for code, lines in outside.items()} == dict(wanted_outside)
