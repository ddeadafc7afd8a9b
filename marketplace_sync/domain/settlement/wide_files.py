"""Files that state several amounts in one row, such as a sale with its commission and fee: each becomes a line."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Sequence
from decimal import Decimal

from marketplace_sync.domain.money import NotMoney
from marketplace_sync.domain.settlement.layouts import FileKind, FileLayout, columns_of
from marketplace_sync.domain.settlement.numbers import plain
from marketplace_sync.domain.settlement.rows import TEXT_KEPT, Rejected, Rows, UnusableFile

ANY_KIND = "*"
UNSTATED = "DIFFERENCE_TO_STATED_NET"
"""The type of a line for what a row's net amount says beyond its parts: unknown, so somebody looks, and counted."""


class Unfolding:
    """Turns rows of one file into lines. Rows that are equal to the letter are told apart by how often they came."""

    def __init__(self, layout: FileLayout, header: Sequence[str]) -> None:
        self._layout = layout
        self._place = {name.strip(): place for place, name in enumerate(header) if name.strip()}
        self._seen: Counter[str] = Counter()
        named = {layout.row_kind, layout.net, *layout.row_key, *(c for kind in layout.amounts.values() for c in kind)}
        missing = sorted(named - {""} - set(self._place))
        if missing:
            raise UnusableFile(
                f"The file has no column {', '.join(missing)}; it has: {', '.join(self._place)[:500]}. Nothing was"
                " imported. Its layout is declared under `finance: files: settlement:`."
            )

    def lines(self, cells: Sequence[Sequence[str]], numbers: Sequence[int], raws: Sequence[str]) -> Rows:
        columns: dict[str, list[str]] = {name: [] for name in columns_of(FileKind.SETTLEMENT)}
        found = Rows(columns, [], [])
        for row, number, raw in zip(cells, numbers, raws, strict=True):
            try:
                parts = self._parts(row)
            except _Unreadable as problem:
                found.rejected.append(Rejected(number, str(problem), raw[:TEXT_KEPT]))
                continue
            key = self._key(row)
            shared = {name: self._shared(name, row) for name in columns}
            for line_type, amount in parts:
                # written as the file writes amounts: whoever reads it next knows no other way
                written = f"{amount:f}".replace(".", self._layout.decimal)
                line = shared | {"id": f"{key}/{line_type}", "type": line_type, "amount": written}
                for name, values in columns.items():
                    values.append(line[name])
                found.lines.append(number)
                found.raws.append(raw)
        return found

    def _parts(self, row: Sequence[str]) -> list[tuple[str, Decimal]]:
        layout = self._layout
        kind = self._cell(layout.row_kind, row) if layout.row_kind else ANY_KIND
        amounts = layout.amounts.get(kind, layout.amounts.get(ANY_KIND))
        net = self._amount(layout.net, row) if layout.net else None
        if amounts is None:
            if net is None:
                raise _Unreadable(f"no amounts are declared for rows whose `{layout.row_kind}` is {kind!r}")
            amounts = {}
        elif layout.nameless and not self._is_about_something(row):
            amounts = dict.fromkeys(amounts, layout.nameless)
        sums: dict[str, Decimal] = {}
        for column, meaning in amounts.items():
            amount = self._amount(column, row)
            for each in meaning.split("&") if amount else ():
                line_type, signed = _read(each.strip(), amount)
                sums[line_type] = sums.get(line_type, Decimal(0)) + signed
        if net is not None and net != sum(sums.values()):
            rest = (kind.upper().replace(" ", "_") or UNSTATED) if not amounts else UNSTATED
            sums[rest] = net - sum(sums.values())
        parts = [(line_type, amount) for line_type, amount in sums.items() if amount]
        if not parts and amounts and self._names_goods(row):
            # as many came back as were sold: worth nothing, and said all the same
            parts = [(_read(next(iter(amounts.values())), Decimal(1))[0], Decimal(0))]
        return parts

    def _is_about_something(self, row: Sequence[str]) -> bool:
        names = ("order_id", "order_line_id", "customer_order_number", "ean", "stock_number")
        return any(self._shared(name, row) for name in names) or self._names_goods(row)

    def _names_goods(self, row: Sequence[str]) -> bool:
        return any(self._shared(name, row).strip("0.-+ ") for name in ("quantity", "returned_quantity"))

    def _key(self, row: Sequence[str]) -> str:
        names = self._layout.row_key or tuple(self._place)
        key = hashlib.sha256("\x1f".join(self._said(name, row) for name in names).encode()).hexdigest()[:20]
        self._seen[key] += 1
        return key if self._seen[key] == 1 else f"{key}.{self._seen[key]}"

    def _said(self, name: str, row: Sequence[str]) -> str:
        """A cell as every format of the same report has it: a spreadsheet keeps 36 of what its CSV calls 36.00."""
        written = self._cell(name, row)
        if self._layout.decimal not in written:
            return written
        try:
            return f"{Decimal(plain(written, self._layout)).normalize():f}"
        except NotMoney:
            return written

    def _shared(self, name: str, row: Sequence[str]) -> str:
        column = self._layout.columns.get(name, "")
        value = self._cell(column, row) if column else ""
        value = value or self._layout.constants.get(name, "")
        return self._layout.values.get(name, {}).get(value, value)

    def _cell(self, column: str, row: Sequence[str]) -> str:
        place = self._place.get(column)
        return row[place].strip() if place is not None and place < len(row) else ""

    def _amount(self, column: str, row: Sequence[str]) -> Decimal:
        written = self._cell(column, row)
        if not written:
            return Decimal(0)
        try:
            return Decimal(plain(written, self._layout))
        except NotMoney as problem:
            raise _Unreadable(f"`{column}` is {written[:40]!r}, which {problem}") from None


class _Unreadable(Exception):
    """Why a row cannot be taken."""


def _read(meaning: str, amount: Decimal) -> tuple[str, Decimal]:
    """`TYPE`: as it is signed. `+TYPE`, `-TYPE`: owed to, or taken from the seller, however it is signed. `ONE|OTHER`:
    one when it is positive, the other when it is negative. `~` before either: turned round."""
    if meaning[0] == "~":
        line_type, signed = _read(meaning[1:].strip(), amount)
        return line_type, -signed
    if "|" in meaning:
        positive, negative = meaning.split("|")
        return (positive if amount > 0 else negative).strip(), amount
    if meaning[0] in "+-":
        return meaning[1:], abs(amount) if meaning[0] == "+" else -abs(amount)
    return meaning, amount
