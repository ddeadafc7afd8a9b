"""What comes of trying something at a vendor that did not go well: it failed, or it could not be tried at all."""

from __future__ import annotations

from marketplace_sync.connectors.ports import Finding
from marketplace_sync.domain.errors import CredentialsRefused, Throttled, TransportError


def gone_wrong(subject: str, problem: TransportError, fix: str) -> Finding:
    """`fix` is for a vendor that looked at it and said no. Where it was not looked at because the connection's rate
    budget is used up, or the vendor asked to be left alone, nothing is known and nothing is to be mended."""
    if isinstance(problem, Throttled):
        return Finding(subject=subject, works=False, detail=str(problem), free_in=problem.retry_after)
    mend = fix if isinstance(problem, CredentialsRefused) or problem.status else f"{fix}; or try again later"
    return Finding(subject=subject, works=False, detail=str(problem), fix=mend)
