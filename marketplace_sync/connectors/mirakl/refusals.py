"""How Mirakl says no: as a whole with a 4xx, or with a success whose body lists what failed."""

from __future__ import annotations

from typing import Any

import msgspec

from marketplace_sync.connectors.mirakl import fields
from marketplace_sync.connectors.outcomes import outcome_of
from marketplace_sync.domain.effects import Outcome, Refused
from marketplace_sync.domain.errors import RequestRejected


class _Error(msgspec.Struct):
    message: Any = None


class Errors(msgspec.Struct):
    """What a bulk write answers: 200 or 201 with failures in the body (Mirakl, errors)."""

    shipment_errors: list[_Error] | None = None
    return_errors: list[_Error] | None = None

    def words(self) -> str:
        found = [*(self.shipment_errors or ()), *(self.return_errors or ())]
        return "; ".join(str(error.message or "refused without a reason") for error in found)[:300]


def refused(problem: RequestRejected) -> Outcome:
    """The outcome of a request that was looked at and refused. Code `NOT_SENT`: it never left."""
    if problem.status is None:
        outcome = outcome_of(problem)
        return Refused(outcome.reason, code="NOT_SENT") if isinstance(outcome, Refused) else outcome
    said, code = fields.reason_in(problem.body)
    return Refused(f"the marketplace refused it ({problem.status}): {said or 'without a reason'}",
                   code=code or str(problem.status))  # fmt: skip
