"""Files whose own totals are not those of what was taken of them: a work item each, until one of the name agrees."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from marketplace_sync.domain.work_items import Problem
from marketplace_sync.ledger import work_items

if TYPE_CHECKING:
    from sqlalchemy import Connection

CODE = "FILE_TOTALS_DIFFER"


def problem_of(name: str, file: str, controls: Sequence[Mapping[str, Any]], rejected: int) -> Problem | None:
    """`controls` as an import report has them; `rejected`: how many rows could not be taken. None when all agree."""
    wrong = [each for each in controls if not each["agrees"]]
    if not wrong:
        return None
    said = "; ".join(
        f"line {each['line']} states {each['stated'] or 'no number'} of `{each['of']}` and {each['found']} was taken"
        for each in wrong[:10]
    )
    unread = f" {rejected} rows could not be taken." if rejected else ""
    return Problem(
        code=CODE,
        subject=_subject(name, file),
        connection=name,
        message=f"{file} is not what its own totals say: {said}.{unread} All other rows were taken.",
        evidence={"controls": [dict(each) for each in wrong[:50]]},
    )


def report_totals(
    connection: Connection, name: str, file: str, controls: Sequence[Mapping[str, Any]], rejected: int
) -> None:
    """Open or close the work item of a file that was taken just now."""
    if not controls:
        return
    problem = problem_of(name, file, controls, rejected)
    if problem is None:
        work_items.close(connection, [CODE], [_subject(name, file)], "a later file of this name agrees with itself")
    else:
        work_items.report(connection, [problem])


def _subject(name: str, file: str) -> str:
    return f"{name}:file:{file}"
