"""What a red payout run says: a sentence for finance instead of the inside of a program."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import dagster as dg

from marketplace_sync.defs import naming
from marketplace_sync.defs.settlement_metadata import amounts, at_risk, exceptions

if TYPE_CHECKING:
    from marketplace_sync.flows.settlement_payout import Payout


def needs_a_person(payout: Payout, workbook: Path | None) -> dg.Failure:
    """`workbook`: the last report of this payout, where every difference is."""
    worst = exceptions(payout.problems)[0]
    count = len(payout.problems)
    more = f" That is the largest of {count} differences." if count > 1 else ""
    where = f" The spreadsheet is {workbook}." if workbook else ""
    metadata: dict[str, Any] = {
        "payout": payout.document,
        "differences": count,
        "money_at_risk": at_risk(payout.problems),
        "what_to_do": naming.manual(str(worst["code"])),
    }
    if workbook:
        metadata["spreadsheet"] = dg.MetadataValue.path(str(workbook))
    return dg.Failure(
        f"Payout {payout.document} of {payout.account.name} does not add up: {at_risk(payout.problems)} of it"
        f" {'needs' if count == 1 else 'need'} a person. {worst['what']}{more}{where} What to do"
        f" ({worst['owner']}): {worst['what to do']} Then run this partition again; the journal waits for it.",
        metadata=metadata,
        allow_retries=False,
    )


def lost(payout: Payout) -> dg.Failure:
    """Pennies are unaccounted for: never finance's doing."""
    wrong = [each for each in payout.figures if each.missing]
    missing = amounts((each.missing, each.currency) for each in wrong)
    return dg.Failure(
        f"Payout {payout.document} of {payout.account.name}: {missing} of it cannot be accounted for. The payout may be"
        " right: it is the report that does not add up, so that nothing further was made of it. There is nothing that"
        " you can correct; please report this with the payout's files.",
        metadata={"payout": payout.document, "unaccounted_for": missing},
        allow_retries=False,
    )


def told(problem: Exception, document: str, name: str, *, again: bool) -> dg.Failure:
    """What kept a payout from being looked at at all. `again`: it may be over when it is tried again."""
    return dg.Failure(
        f"Payout {document} of {name} could not be looked at: {problem}", {"payout": document}, allow_retries=again
    )
