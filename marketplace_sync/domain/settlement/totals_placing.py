"""Lines that state what an invoice came to in one amount, split into product and shipping, as orders are compared."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from typing import Any

import polars as pl

from marketplace_sync.domain.settlement.frames import LINES, Book

SALE, REFUND = "ORDER_TOTAL_AMOUNT", "REFUND_TOTAL_AMOUNT"
_PRODUCT = {SALE: "ORDER_AMOUNT", REFUND: "REFUND_ORDER_AMOUNT"}
_SHIPPING = {SALE: "ORDER_SHIPPING_AMOUNT", REFUND: "REFUND_ORDER_SHIPPING_AMOUNT"}
MOST_PARTS = 16
"""Of so many order lines or refunds every choice is looked at."""

_LAST = r"/[^/]*$"

Row = dict[str, Any]


def split(book: Book) -> Book:
    """Whole amounts of orders as product and shipping. An amount is that of the order lines, or of the store's refunds,
    which alone come to it, among those of the invoice that the line is about; what is left, shipping first. A line of
    an order that nobody knows stays whole."""
    is_total = pl.col("type").is_in([SALE, REFUND]) & (pl.col("order_id") != "")
    totals = book.lines.filter(is_total)
    if totals.is_empty():
        return book
    keys = totals.select("channel", "order_id").unique()
    about = book.order_lines.select("channel", "order_id", "line_id", "sku", "invoice")
    about = about.filter(pl.col("line_id") != "").unique(["channel", "order_id", "line_id"], keep="first")
    refunds = book.refunds.join(about, on=["channel", "order_id", "line_id"], how="left")
    parts = {SALE: _by_order(book.order_lines, keys, "price"), REFUND: _by_order(refunds, keys, "amount")}
    made: list[Row] = []
    for (channel, order_id, kind), rows in _grouped(totals):
        known = parts[kind].get((channel, order_id))
        made += _of_order(rows, known, kind) if known else rows
    lines = pl.DataFrame([tuple(row[name] for name in LINES.names()) for row in made], LINES, orient="row")
    others = _with_what_they_are_about(book.lines.filter(~is_total), totals, made)
    return replace(book, lines=pl.concat([others, lines]))


def _with_what_they_are_about(others: pl.DataFrame, totals: pl.DataFrame, made: Sequence[Row]) -> pl.DataFrame:
    """The commission of a remittance is about the order line, and the refund, that its amount is about, where that is
    one. Lines of one row of a file begin alike."""
    about: dict[str, set[tuple[str, str]]] = {}
    for row in made:
        about.setdefault(_stem(row["line_id"]), set()).add((row["order_line_id"], row["refund_id"]))
    rows = [(stem, *found.pop()) for stem, found in about.items() if len(found) == 1]
    known = pl.DataFrame(rows, {"stem": pl.String, "its_line": pl.String, "its_refund": pl.String}, orient="row")
    stem = pl.col("line_id").str.replace(_LAST, "").alias("stem")
    found = others.with_columns(stem).join(known, on="stem", how="left", maintain_order="left")
    is_mine = pl.col("its_line").is_not_null() & pl.col("order_id").is_in(totals["order_id"].unique().to_list())
    return found.with_columns(
        pl.when(is_mine & (pl.col(name) == "")).then(other).otherwise(name).alias(name)
        for name, other in (("order_line_id", "its_line"), ("refund_id", "its_refund"))
    ).select(LINES.names())


def _stem(line_id: str) -> str:
    return re.sub(_LAST, "", line_id)


def _by_order(frame: pl.DataFrame, keys: pl.DataFrame, amount: str) -> dict[tuple[str, str], list[Row]]:
    """What may be settled: line_id, refund_id, product and shipping, whole."""
    found: dict[tuple[str, str], list[Row]] = {}
    of_these = frame.join(keys.cast(pl.String), on=["channel", "order_id"], how="semi")
    for row in of_these.sort("order_id", "line_id", amount).iter_rows(named=True):
        if row.get("cancelled"):
            continue
        part = {"line_id": row["line_id"], "refund_id": row.get("refund_id", "")}
        part |= {"product": row[amount], "shipping": row["shipping"]}
        part |= {"sku": row["sku"] or "", "invoice": (row["invoice"] or "").split()}
        found.setdefault((row["channel"], row["order_id"]), []).append(part)
    return found


def _grouped(totals: pl.DataFrame) -> Iterator[tuple[tuple[str, str, str], list[Row]]]:
    groups: dict[tuple[str, str, str], list[Row]] = {}
    for row in totals.sort("line_id").iter_rows(named=True):
        groups.setdefault((row["channel"], row["order_id"], row["type"]), []).append(row)
    yield from sorted(groups.items())


def _of_order(rows: Sequence[Row], known: list[Row], kind: str) -> Iterator[Row]:
    left = list(known)
    waiting = []
    for row in rows:
        mine = _about(row, known)
        free = [part for part in left if _is_in(part, mine)]
        # what was settled before may be settled twice
        chosen = _only_choice(free, abs(row["amount"])) or _only_choice(mine, abs(row["amount"]))
        if not chosen:
            waiting.append((row, mine))
            continue
        left = [part for part in left if not _is_in(part, chosen)]
        yield from _numbered(row, _parts(row, chosen, kind))
    unsent = {id(part): part["shipping"] for part in left}
    for row, mine in waiting:
        sign = -1 if row["amount"] < 0 else 1
        sent = 0
        for part in mine:
            some = min(unsent.get(id(part), 0), abs(row["amount"]) - sent)
            unsent[id(part)] = unsent.get(id(part), 0) - some
            sent += some
        only = mine[0]["line_id"] if kind == SALE and len(mine) == 1 else ""
        about = {"order_line_id": row["order_line_id"] or only}
        parts = [
            (about | {"type": _SHIPPING[kind]}, sign * sent),
            (about | {"type": _PRODUCT[kind]}, row["amount"] - sign * sent),
        ]
        yield from _numbered(row, parts)


def _is_in(part: Row, parts: Sequence[Row]) -> bool:
    """The very same: two refunds may say the same."""
    return any(part is each for each in parts)


def _about(row: Row, known: Sequence[Row]) -> list[Row]:
    """Those of the order line that a row names, else of the invoice, where an order line is known to be of it."""
    if row["order_line_id"]:
        return [part for part in known if part["line_id"] == row["order_line_id"]]
    return [part for part in known if row["description"] in part["invoice"]] or list(known)


def _parts(row: Row, chosen: Iterable[Row], kind: str) -> Iterator[tuple[Row, int]]:
    sign = -1 if row["amount"] < 0 else 1
    for part in chosen:
        about = {"order_line_id": part["line_id"] or row["order_line_id"]}
        about["refund_id"] = part["refund_id"] or row["refund_id"]
        yield about | {"type": _PRODUCT[kind]}, sign * part["product"]
        yield about | {"type": _SHIPPING[kind]}, sign * part["shipping"]


def _numbered(row: Row, parts: Iterable[tuple[Row, int]]) -> Iterator[Row]:
    some = [(about, amount) for about, amount in parts if amount] or [({"type": _PRODUCT[str(row["type"])]}, 0)]
    for number, (about, amount) in enumerate(some, 1):
        name = row["line_id"] if len(some) == 1 else f"{row['line_id']}#{number}"
        yield row | about | {"line_id": name, "amount": amount}


def _only_choice(parts: Sequence[Row], amount: int) -> list[Row]:
    """The one choice of whole parts that comes to an amount; all of them before anything else. Of choices that differ
    in nothing but the lines' names the first is as right as any other."""
    if parts and sum(map(_worth, parts)) == amount:
        return list(parts)
    if len(parts) > MOST_PARTS:
        return []
    found: list[list[Row]] = [[]]
    sums = [0]
    for part in parts:
        for place in range(len(found)):
            found.append([*found[place], part])
            sums.append(sums[place] + _worth(part))
    fitting = [choice for choice, total in zip(found, sums, strict=True) if choice and total == amount]
    said = {tuple(sorted((part["sku"], part["product"], part["shipping"]) for part in choice)) for choice in fitting}
    return fitting[0] if len(said) == 1 else []


def _worth(part: Row) -> int:
    return int(part["product"] + part["shipping"])
