"""What is asked of every payout: is every penny accounted for, does anything need a person, is enough matched."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import dagster as dg

from marketplace_sync.defs import naming
from marketplace_sync.defs.settlement_metadata import amounts, at_risk, exceptions

if TYPE_CHECKING:
    from marketplace_sync.flows.settlement_payout import Payout

CONSERVATION = "every_penny_is_accounted_for"
STATED = "the_payout_is_what_the_marketplace_stated"
INVOICED = "fees_are_what_was_invoiced"
FILES = "files_are_what_their_own_totals_say"
MATCH_RATE = "enough_is_matched"
PERSON = "nothing_needs_a_person"

ABOUT = {
    CONSERVATION: "Is matched + waited for + exceptions + lines outside orders what the payout's lines come to, and"
    " opening balance + lines − transferred the closing balance? To the penny, or nothing further is made of it.",
    STATED: "Is what the lines say was transferred what the marketplace states of the payout?",
    INVOICED: "Is what the marketplace took for itself, fees and commission with tax, what its invoice for the payout"
    " says?",
    FILES: "Do the totals that the payout's files state of themselves agree with what was taken of their rows?",
    MATCH_RATE: "Is the share of the payout's orders that are no exceptions as high as `match_rate_wanted`?",
    PERSON: "Is there nothing in the payout that a person has to look at? Closing a work item by hand counts as looked"
    " at. The journal waits for it, unless `journal: wait_for_exceptions: false`.",
}


def conservation(payout: Payout) -> dg.AssetCheckResult:
    missing = sum(each.missing for each in payout.figures)
    parts = ("matched", "waiting", "exceptions", "outside", "lines_total", "opening_balance", "transferred",
             "closing_balance")  # fmt: skip
    return dg.AssetCheckResult(
        passed=missing == 0,
        severity=dg.AssetCheckSeverity.ERROR,
        metadata={
            "missing_minor_units": missing,
            **{name: amounts((getattr(each, name), each.currency) for each in payout.figures) for name in parts},
            "counted_apart": amounts((each.counted, each.currency) for each in payout.figures),
        },
    )


def stated(payout: Payout) -> dg.AssetCheckResult:
    known = [each for each in payout.figures if each.stated is not None]
    difference = sum(abs((each.stated or 0) - each.transferred) for each in known)
    metadata: dict[str, Any] = {
        "difference_minor_units": difference,
        "stated": amounts((each.stated or 0, each.currency) for each in known),
        "transferred": amounts((each.transferred, each.currency) for each in payout.figures),
    }
    if not known:
        metadata["note"] = "the marketplace states nothing of this payout beside its lines"
    return dg.AssetCheckResult(passed=not difference, severity=dg.AssetCheckSeverity.WARN, metadata=metadata)


def invoiced(payout: Payout) -> dg.AssetCheckResult:
    known = [each for each in payout.figures if each.invoiced is not None]
    difference = [(each.fees - (each.invoiced or 0), each.currency) for each in known]
    metadata: dict[str, Any] = {
        "difference": amounts(difference),
        "taken": amounts((each.fees, each.currency) for each in payout.figures),
        "invoiced": amounts((each.invoiced or 0, each.currency) for each in known),
    }
    if not known:
        metadata["note"] = "the marketplace has issued no invoice that bears this payout's number"
    passed = not any(amount for amount, _ in difference)
    return dg.AssetCheckResult(passed=passed, severity=dg.AssetCheckSeverity.WARN, metadata=metadata)


def files(payout: Payout) -> dg.AssetCheckResult:
    rows = [
        {"file": each.file, "line": control["line"], "of": control["of"], "stated": control["stated"] or "no number",
         "taken": control["found"], "difference": control["difference"] or ""}
        for each in payout.files
        for control in each.controls
    ]  # fmt: skip
    wrong = [control for each in payout.files for control in each.controls if not control["agrees"]]
    metadata: dict[str, Any] = {"totals_compared": len(rows), "totals_that_differ": len(wrong)}
    if rows:
        metadata["totals"] = naming.table(rows[:100])
    else:
        metadata["note"] = "the payout's lines came from no file that states totals"
    return dg.AssetCheckResult(passed=not wrong, severity=dg.AssetCheckSeverity.ERROR, metadata=metadata)


def match_rate(payout: Payout) -> dg.AssetCheckResult:
    wanted = 100 * payout.account.finance.match_rate_wanted
    return dg.AssetCheckResult(
        passed=payout.orders - payout.wrong_orders >= wanted * payout.orders / 100,
        severity=dg.AssetCheckSeverity.WARN,
        metadata={
            "match_rate": round(payout.match_rate, 2),
            "wanted": float(wanted),
            "orders": payout.orders,
            "orders_wrong": payout.wrong_orders,
        },
    )


def person(payout: Payout) -> dg.AssetCheckResult:
    metadata: dict[str, Any] = {
        "needs_a_person": len(payout.problems),
        "money_at_risk": at_risk(payout.problems),
        "decided_by_people": len(payout.decided),
    }
    if payout.problems:
        worst = exceptions(payout.problems)
        metadata |= {"offending": naming.table(worst), "what_to_do": naming.manual(str(worst[0]["code"]))}
    return dg.AssetCheckResult(passed=not payout.problems, severity=dg.AssetCheckSeverity.ERROR, metadata=metadata)
