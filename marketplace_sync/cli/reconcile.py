"""`marketplace-sync import …` and `marketplace-sync reconcile`: what was sold and settled, and what is wrong."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import date
from enum import StrEnum
from functools import partial
from pathlib import Path
from typing import Annotated, Any, BinaryIO

import typer

BAD_INPUT = 2
EXCEPTIONS_FOUND = 3

imports = typer.Typer(no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False)

Connection = Annotated[str, typer.Argument(help="The marketplace connection, as the configuration names it.")]
File = Annotated[Path, typer.Argument(help="CSV (UTF-8, comma, decimal point) or XLSX, or as `finance: files:` says.")]
Json = Annotated[bool, typer.Option("--json", help="Print one JSON document.")]


@imports.callback()
def _imports() -> None:
    """Take in files for reconciliation. The same file twice changes nothing; bad rows are listed and never stop a file.

    Exit code 0: the file was taken, bad rows or not. 2: it cannot be read, or there is no such connection.
    """


@imports.command("store-orders")
def store_orders(connection: Connection, file: File, json: Json = False) -> None:
    """The store's record of a marketplace's orders: one row per order line or refund."""
    _import("store_orders", connection, file, json)


@imports.command("settlement")
def settlement(connection: Connection, file: File, json: Json = False) -> None:
    """Settlement lines, such as a marketplace's transaction log."""
    _import("settlement", connection, file, json)


@imports.command("bank-receipts")
def bank_receipts(connection: Connection, file: File, json: Json = False) -> None:
    """What the bank received, with the documents that each receipt pays."""
    _import("bank_receipts", connection, file, json)


def _import(kind: str, name: str, file: Path, json: bool) -> None:
    from marketplace_sync.cli.opened import opened
    from marketplace_sync.cli.showing import as_json
    from marketplace_sync.domain.settlement.layouts import FileKind
    from marketplace_sync.flows.settlement_import import import_file

    with _bad_input_is_2():
        content = _content(file)
        with opened(prepare=True) as project:
            report = import_file(project.context, name, FileKind(kind), file.name, content)
    if json:
        as_json(report.as_dict())
        return
    for line in _spoken(report.as_dict()):
        print(line)


def _content(file: Path) -> bytes:
    try:
        return file.read_bytes()
    except OSError as problem:
        _complain(f"{file} cannot be read: {problem.strerror}.")
        raise typer.Exit(BAD_INPUT) from None


@contextmanager
def _bad_input_is_2() -> Iterator[None]:
    """What is wrong with what was given is said in words, with an exit code of its own."""
    from marketplace_sync.domain.settlement.rows import UnusableFile
    from marketplace_sync.flows.settlement_account import UnknownConnection

    try:
        yield
    except (UnusableFile, UnknownConnection) as wrong:
        _complain(str(wrong))
        raise typer.Exit(BAD_INPUT) from None


def _complain(said: str) -> None:
    print(f"marketplace-sync: {said}", file=sys.stderr)


def _spoken(report: dict[str, Any]) -> Iterator[str]:
    if report["seen_before"]:
        yield f"{report['file']} was imported before ({report['seen_before']}); nothing was changed"
        return
    counts = [f"{report[name]} {name}" for name in ("new", "changed", "unchanged", "superseded") if report[name]]
    yield f"{report['file']}: {report['rows']} rows; {', '.join(counts) or 'none taken'}"
    if report["elsewhere"]:
        yield f"  {report['elsewhere']} rows belong to other channels and were left aside"
    for total in report["totals"]:
        document = total["document"] or "no payout yet"
        yield f"  {document}: {total['lines']} lines, {total['sum']} {total['currency']}"
    if report["contradicted"]:
        some = ", ".join(report["contradicted"][:10]) + (", …" if len(report["contradicted"]) > 10 else "")
        what = "are stated twice, differently, and the last row of each was taken"
        if report["kind"] == "settlement":
            what = "come with different amounts, and one of each was taken"
        yield f"  {len(report['contradicted'])} ids {what}: {some}"
    for control in report["controls"]:
        stated = control["stated"] or "no number"
        if control["agrees"]:
            yield f"  {control['of']}: {stated}, as line {control['line']} states"
        else:
            yield f"  {control['of']}: line {control['line']} states {stated}, and {control['found']} was taken"
    if report["rejected"]:
        yield f"  {len(report['rejected'])} rows could not be taken:"
        for rejected in report["rejected"][:50]:
            yield f"    line {rejected['line']}: {rejected['reason']}: {rejected['raw'][:200]}"
        if len(report["rejected"]) > 50:
            yield "    … and more: see `--json`"


class Format(StrEnum):
    JSON = "json"
    CSV = "csv"
    XLSX = "xlsx"


def reconcile(
    connection: Connection,
    payout: Annotated[str | None, typer.Option(help="Only this accounting document and its orders.")] = None,
    month: Annotated[
        str | None, typer.Option(help="Only the payouts paid in a month, like 2026-09, and their orders.")
    ] = None,
    as_of: Annotated[
        str | None, typer.Option(help="A day, YYYY-MM-DD: what is dated later is ignored.  [default: today]")
    ] = None,
    form: Annotated[
        Format | None, typer.Option("--format", help="What to write.  [default: a table, or JSON to a file]")
    ] = None,
    output: Annotated[Path | None, typer.Option(help="The file to write; `-` or nothing is standard output.")] = None,
    json: Json = False,
    digest: Annotated[Path | None, typer.Option(help="Also write a page for people: one HTML file.")] = None,
    journal: Annotated[Path | None, typer.Option(help="Also write the payouts as a journal to import (CSV).")] = None,
    fail_on_exceptions: Annotated[
        bool, typer.Option("--fail-on-exceptions", help="Leave with 3 when an order or a payout is an exception.")
    ] = False,
) -> None:
    """Compare what was sold with what was settled and received, and say every difference with its root cause.

    Prints what needs a person, the most money first, and apart from that what a person has dealt with (closed its work
    item); everything is in the file that --format and --output write.

    Exit code 0: it ran, whatever it found. 2: bad usage or input. 3: with --fail-on-exceptions, when there are any.
    """
    from marketplace_sync.cli.opened import opened
    from marketplace_sync.domain.settlement.result import UnknownDocument
    from marketplace_sync.flows.settlement import reconcile_connection
    from marketplace_sync.flows.settlement_items import decided
    from marketplace_sync.flows.settlement_payout import payouts_of_month

    day = _day(as_of)
    if payout is not None and month is not None:
        raise typer.BadParameter("a payout or a month, not both", param_hint="--month")
    if json and form not in (None, Format.JSON):
        raise typer.BadParameter("JSON or another format, not both", param_hint="--json")
    if form is None and (json or output is not None):
        form = Format.JSON
    if form is Format.XLSX and _is_standard_output(output):
        raise typer.BadParameter("a workbook needs a file", param_hint="--output")
    with _bad_input_is_2(), opened(prepare=True) as project:
        done = reconcile_connection(project.context, connection, day)
        try:
            result = done.result if payout is None else done.result.payout(payout)
            if month is not None:
                result = payouts_of_month(project.context, done, _first_of(month))
        except UnknownDocument as wrong:
            _complain(str(wrong))
            raise typer.Exit(BAD_INPUT) from None
        title = f"{connection} as of {done.as_of:%Y-%m-%d}"
        if form is None:
            from marketplace_sync.cli.reconciled import show

            with project.ledger.begin() as session:
                dealt_with = decided(session, done.account, result)
            about = f", payout {payout}" if payout else f", {month}" if month else ""
            show(result, title + about, done.account.name, dealt_with)
        else:
            _write(output, partial(_write_as, form, result, connection))
        if digest is not None:
            from marketplace_sync.reports.settlement_html import write_html

            _write(digest, lambda stream: write_html(result, stream, connection=connection))
        if journal is not None:
            from marketplace_sync.reports.settlement_journal import write_journal

            _write(journal, lambda stream: write_journal(result, stream, done.account.finance.journal))
        control = _exceptions(result)
        if not _is_standard_output(output):
            print(
                f"{title}: {result.orders.height} orders,"
                f" {result.unallocated.height} lines outside orders, {len(result.documents)} payouts;"
                f" {control} exceptions; {done.changes.height} changes since the last run"
            )
    if fail_on_exceptions and control:
        raise typer.Exit(EXCEPTIONS_FOUND)


def _day(text: str | None) -> date | None:
    if text is None:
        return None
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise typer.BadParameter(f"{text!r} is not a day like 2026-09-30", param_hint="--as-of") from None


def _first_of(month: str) -> date:
    try:
        return date.fromisoformat(f"{month}-01")
    except ValueError:
        raise typer.BadParameter(f"{month!r} is not a month like 2026-09", param_hint="--month") from None


def _is_standard_output(output: Path | None) -> bool:
    return output is None or str(output) == "-"


def _exceptions(result: Any) -> int:
    statuses = result.orders["status"].to_list()
    return int(statuses.count("exception") + sum(document.status == "exception" for document in result.documents))


def _write(output: Path | None, write: Callable[[BinaryIO], None]) -> None:
    """Write beside the file and put it in its place when it is whole."""
    if output is None or _is_standard_output(output):
        write(sys.stdout.buffer)
        sys.stdout.buffer.flush()
        return
    part = output.with_name(f".{output.name}.part")
    try:
        with part.open("wb") as stream:
            write(stream)
        part.replace(output)
    except OSError as problem:
        part.unlink(missing_ok=True)
        _complain(f"{output} cannot be written: {problem.strerror}.")
        raise typer.Exit(BAD_INPUT) from None


def _write_as(form: Format, result: Any, connection: str, stream: BinaryIO) -> None:
    if form is Format.JSON:
        from marketplace_sync.reports.settlement_json import write_json

        write_json(result, stream)
    elif form is Format.CSV:
        from marketplace_sync.reports.settlement_csv import write_csv

        write_csv(result, stream)
    else:
        from marketplace_sync.reports.settlement_xlsx import write_xlsx

        write_xlsx(result, stream, connection=connection)
