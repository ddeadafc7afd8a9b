"""`marketplace-sync statement`: what a month came to, per channel."""

from __future__ import annotations

import csv
import sys
from datetime import UTC, date, datetime
from enum import StrEnum
from typing import Annotated

import typer

BAD_INPUT = 2


class Format(StrEnum):
    TABLE = "table"
    JSON = "json"
    CSV = "csv"


def statement(
    connection: Annotated[
        str | None, typer.Argument(help="A marketplace connection.  [default: every one that states settlements]")
    ] = None,
    month: Annotated[str | None, typer.Option(help="Like 2026-09.  [default: the last month]")] = None,
    form: Annotated[Format, typer.Option("--format", help="How to print it.")] = Format.TABLE,
    json: Annotated[bool, typer.Option("--json", help="One JSON document instead of a table.")] = False,
) -> None:
    """Sales, refunds, effective commission rate, fees, payout and days to cash of a month, one row per channel and
    currency. Lines count in the month they are dated in, a payout in the month it was paid.

    Exit code 0: printed. 2: no such connection, or no such month.
    """
    from marketplace_sync.cli.opened import opened
    from marketplace_sync.cli.showing import as_json, as_table
    from marketplace_sync.flows.settlement_account import UnknownConnection
    from marketplace_sync.flows.settlement_feed import is_settled
    from marketplace_sync.flows.settlement_statement import statement as state

    if json:
        if form is Format.CSV:
            raise typer.BadParameter("JSON or another format, not both", param_hint="--json")
        form = Format.JSON
    first = _month(month)
    with opened(prepare=True) as project:
        context = project.context
        names = [connection] if connection else [n for n in context.marketplaces if is_settled(context, n)]
        try:
            rows = [each.as_dict() for name in names for each in state(context, name, first)]
        except UnknownConnection as wrong:
            print(f"marketplace-sync: {wrong}", file=sys.stderr)
            raise typer.Exit(BAD_INPUT) from None
    if form is Format.JSON:
        as_json(rows)
    elif not rows:
        print("no marketplace states settlements, and no route says `finance:`")
    elif form is Format.CSV:
        writer = csv.DictWriter(sys.stdout, list(rows[0]), lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
    else:
        titles = [f"{row['channel']} {row['currency']}" for row in rows]
        shown = [key for key in rows[0] if key not in ("channel", "month", "currency")]
        cells = [[key.replace("_", " "), *(row[key] for row in rows)] for key in shown]
        as_table(f"{first:%B %Y}", ["", *titles], cells)


def _month(text: str | None) -> date:
    if text is None:
        today = datetime.now(UTC).date()
        return date(today.year - (today.month == 1), (today.month - 2) % 12 + 1, 1)
    try:
        return date.fromisoformat(f"{text}-01")
    except ValueError:
        raise typer.BadParameter(f"{text!r} is not a month like 2026-09", param_hint="--month") from None
