"""Gives rows that name goods instead of orders to the orders that they pay, where the evidence leaves no choice; what
it does leave stays outside orders, named, with the orders that it may be about."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from datetime import date
from typing import Any

import polars as pl

from marketplace_sync.domain.money import share
from marketplace_sync.domain.settlement.codes import Code
from marketplace_sync.domain.settlement.frames import LINES, ORDER_LINES, Book
from marketplace_sync.domain.settlement.goods import code
from marketplace_sync.domain.settlement.goods_known import RETURN, SALE, KnownGoods, Row
from marketplace_sync.domain.settlement.goods_pairing import Known, Piece, Stated, pair
from marketplace_sync.domain.settlement.line_types import PAYMENT
from marketplace_sync.domain.settlement.result import PLACED

CANDIDATES = 10
"""So many orders are named that a row may be about."""


@dataclass
class Placed:
    """A book whose rows of goods are lines of orders, as far as they can be. `left`: line id -> what is wrong with what
    stays outside, and the orders it may be about."""

    book: Book
    left: dict[str, tuple[Code, str]] = field(default_factory=dict)
    lines: pl.DataFrame = field(default_factory=lambda: pl.DataFrame(schema=PLACED))
    """Of each line that is an order's now, as it was kept: which order's, and how much of it."""


def place(book: Book, as_of: date) -> Placed:
    """Book in, book out: every line's amount is there again, in one line or in several."""
    if book.goods.is_empty():
        return Placed(book)
    named = _by_what_the_buyer_calls_it(book)
    if book.goods.filter(pl.col("sold") + pl.col("returned") > 0).is_empty():
        return named
    placed = _Placing(named.book, as_of).placed()
    return replace(placed, lines=pl.concat([named.lines, placed.lines]))


def _by_what_the_buyer_calls_it(book: Book) -> Placed:
    """A line whose order is not known by the id that it states, or that states none, belongs to the order that bears
    that name, else to the one that the buyer's number names; where it is one order's alone."""
    names = book.names.filter(pl.col("name") != "").unique()
    names = names.filter(~pl.col("name").is_duplicated()).rename({"order_id": "owner"})
    hints = book.goods.select("line_id", "customer_order_number")
    lines = book.lines.with_row_index("n").join(hints, on="line_id", how="inner")
    lines = lines.join(book.orders.select("order_id"), on="order_id", how="anti")
    if lines.is_empty() or names.is_empty():
        return Placed(book)
    found = lines.select("n", "order_id", "customer_order_number")
    found = found.join(names, left_on="order_id", right_on="name", how="left")
    found = found.join(names, left_on="customer_order_number", right_on="name", how="left", suffix="_of_buyer")
    found = found.select("n", pl.coalesce("owner", "owner_of_buyer").alias("owner")).drop_nulls()
    owners = book.lines.with_row_index("n").join(found, on="n", how="left", maintain_order="left")
    moved = owners.filter(pl.col("owner").is_not_null() & (pl.col("type") != PAYMENT))
    moved = moved.with_columns(pl.col("owner").alias("order_id"), pl.col("document", "currency").cast(pl.String))
    order_id = pl.coalesce("owner", "order_id").alias("order_id")
    return Placed(
        replace(book, lines=owners.with_columns(order_id).select(LINES.names())), lines=moved.select(PLACED.names())
    )


@dataclass(slots=True)
class _Goods:
    """A row of a report, and its parts."""

    line: Row
    product: str
    is_known: bool
    sold: Stated | None = None
    returned: Stated | None = None


class _Placing:
    def __init__(self, book: Book, as_of: date) -> None:
        self._book = book
        self._known = KnownGoods(book, as_of)
        self._by_product: dict[int, dict[str, list[Known]]] = {}

    # -- what is stated -------------------------------------------------------------------------------------------

    def _stated(self) -> list[_Goods]:
        lines = self._book.lines.filter(pl.col("order_id") == "")
        rows = lines.join(self._book.goods.filter(pl.col("sold") + pl.col("returned") > 0), on="line_id", how="inner")
        found = []
        for row in rows.sort("line_id").iter_rows(named=True):
            names = [f"{row['currency']} {code(row[name])}" for name in ("ean", "stock_number")]
            known = [self._known.products[name] for name in names if name in self._known.products]
            goods = _Goods(row, known[0] if known else names[0], bool(known))
            sold, returned = row["sold"], row["returned"]
            sale, back = _parts(row["amount"], sold, returned)
            day = row["created_on"]
            if day is not None and known:
                if sold and (sale is None or sale >= 0):
                    goods.sold = Stated(row["line_id"], goods.product, day, sold, sale)
                if returned and (back is None or back >= 0):
                    goods.returned = Stated(row["line_id"], goods.product, day, returned, back)
            found.append(goods)
        return found

    # -- what comes of it -----------------------------------------------------------------------------------------

    def placed(self) -> Placed:
        goods = self._stated()
        sales = pair((each.sold for each in goods if each.sold), self._known.sales, divisible=True)
        sold = _sums(sales)
        for each in goods:
            if each.returned and each.returned.amount is None and each.line["line_id"] in sold:
                # as many came back as were sold: what the sale came to is what the return came to, and the rest
                each.returned.amount = sold[each.line["line_id"]] - each.line["amount"]
        able = [each.returned for each in goods if each.returned and each.returned.amount is not None]
        returns = pair(able, self._known.refunds, divisible=False)
        made, left = self._lines_of(goods, sales, returns)
        book = replace(
            self._book,
            lines=self._with(goods, made),
            order_lines=self._order_lines(sales),
            refunds=self._book.refunds.with_columns(pl.Series("amount", self._known.refund_amounts, pl.Int64)),
        )
        mine = [
            (row["own_id"], row["order_id"], row["document"], row["currency"], row["amount"])
            for row in made
            if row["order_id"]
        ]
        return Placed(book, left, pl.DataFrame(mine, PLACED, orient="row"))

    def _lines_of(
        self, goods: Sequence[_Goods], sales: Sequence[Piece], returns: Sequence[Piece]
    ) -> tuple[list[Row], dict[str, tuple[Code, str]]]:
        pieces: dict[str, list[tuple[str, int, Known]]] = {}
        for kind, sign, found in ((SALE, 1, sales), (RETURN, -1, returns)):
            for piece in found:
                pieces.setdefault(piece.stated.line_id, []).append((kind, sign * piece.amount, piece.known))
        channels = dict(self._book.orders.select("order_id", "channel").iter_rows())
        made: list[Row] = []
        left: dict[str, tuple[Code, str]] = {}
        whole = _fully(goods, pieces)
        for each in goods:
            line_id = each.line["line_id"]
            mine, row = pieces.get(line_id, []), each.line | {"own_id": line_id}
            rest = each.line["amount"] - sum(amount for _, amount, _ in mine)
            alone = len(mine) == 1 and not rest
            for number, (kind, amount, known) in enumerate(mine, 1):
                about: Row = {"order_id": known.order_id, "order_line_id": known.line_id, "refund_id": known.refund_id}
                about |= {"type": kind, "amount": amount, "channel": channels[known.order_id]}
                made.append(row | about | {"line_id": line_id if alone else f"{line_id}#{number}"})
            if rest or not mine:
                made.append(row | {"amount": rest})
                left[line_id] = self._why(each, rest, mine, whole)
        return made, left

    def _with(self, goods: Sequence[_Goods], made: Sequence[Row]) -> pl.DataFrame:
        replaced = pl.DataFrame({"line_id": [each.line["line_id"] for each in goods]}, {"line_id": pl.String})
        others = self._book.lines.join(replaced, on="line_id", how="anti", maintain_order="left")
        rows = [tuple(row[name] for name in LINES.names()) for row in made]
        return pl.concat([others, pl.DataFrame(rows, LINES, orient="row")])

    def _why(
        self,
        goods: _Goods,
        rest: int,
        mine: Sequence[tuple[str, int, Known]],
        whole: dict[tuple[Any, ...], list[str]],
    ) -> tuple[Code, str]:
        twin = whole.get(_said(goods)) if not mine else None
        if twin:
            return Code.DUPLICATE_LINE, _listed(twin)
        is_return = rest < 0 or (not rest and not goods.line["sold"])
        day = goods.line["created_on"]
        known = self._of_product(self._known.refunds if is_return else self._known.sales, goods)
        near = [each.order_id for each in known if day is not None and abs((each.day - day).days) <= 1]
        if is_return and not near and goods.is_known:
            sold = self._of_product(self._known.sales, goods)
            return Code.REFUND_NOT_IN_STORE, _listed(each.order_id for each in sold)
        return Code.UNKNOWN_ORDER, _listed(near)

    def _of_product(self, parts: Sequence[Known], goods: _Goods) -> Sequence[Known]:
        if id(parts) not in self._by_product:
            found: dict[str, list[Known]] = {}
            for part in parts:
                found.setdefault(part.product, []).append(part)
            self._by_product[id(parts)] = found
        return self._by_product[id(parts)].get(goods.product, []) if goods.is_known else []

    def _order_lines(self, sales: Sequence[Piece]) -> pl.DataFrame:
        """On the report's basis; and a line of which only some units are settled in two, so that the others can wait
        or be missed by themselves."""
        settled: dict[tuple[str, str], dict[int, Known]] = {}
        units: dict[tuple[str, str], int] = {}
        adopted: dict[tuple[str, str], int] = {}
        for piece in sales:
            key = (piece.known.order_id, piece.known.line_id)
            settled.setdefault(key, {})[id(piece.known)] = piece.known
            units[key] = units.get(key, 0) + piece.units
            adopted[key] = adopted.get(key, 0) + piece.amount
        rows: list[Row] = []
        for row in self._book.order_lines.iter_rows(named=True):
            key = (row["order_id"], row["line_id"])
            line = self._known.lines.get(key)
            if line is None or line["line_no"] != row["line_no"]:
                price, tax = self._known.worth(row)
                rows.append(row | {"price": price, "tax": tax})
                continue
            price = line["price"]
            if not price and key in units:
                # nobody says what it costs
                price = adopted[key]
            done, wanted = units.get(key, 0), self._known.wanted[key]
            if not 0 < done < wanted:
                rows.append(line | {"price": price})
                continue
            parts = share(price, [done, wanted - done])
            taxes = share(line["tax"] or 0, [done, wanted - done])
            here = list(settled[key].values())
            open_days = [
                each.day for each in self._known.sales if (each.order_id, each.line_id) == key and each not in here
            ]
            rows.append(
                line | {"price": parts[0], "tax": line["tax"] and taxes[0], "quantity": done,
                        "shipped_on": max(each.day for each in here)}
            )  # fmt: skip
            rows.append(
                line | {"line_id": f"{key[1]} (rest)", "line_no": row["line_no"] + 1_000_000, "price": parts[1],
                        "tax": line["tax"] and taxes[1], "shipping": 0, "quantity": wanted - done,
                        "shipped_on": max(open_days, default=line["shipped_on"])}
            )  # fmt: skip
        return pl.DataFrame(
            [tuple(row[name] for name in ORDER_LINES.names()) for row in rows], ORDER_LINES, orient="row"
        )


def _parts(amount: int, sold: int, returned: int) -> tuple[int | None, int | None]:
    """(what the units sold come to, what those returned do), both positive; None where the row's sum does not tell."""
    if not returned:
        return amount, 0
    if not sold:
        return 0, -amount
    if sold == returned:
        return None, None
    sale = (2 * amount * sold + (sold - returned)) // (2 * (sold - returned))
    return sale, sale - amount


def _sums(pieces: Iterable[Piece]) -> dict[str, int]:
    found: dict[str, int] = {}
    for piece in pieces:
        found[piece.stated.line_id] = found.get(piece.stated.line_id, 0) + piece.amount
    return found


def _said(goods: _Goods) -> tuple[Any, ...]:
    row = goods.line
    return goods.product, row["created_on"], row["sold"], row["returned"], row["amount"]


def _fully(
    goods: Sequence[_Goods], pieces: dict[str, list[tuple[str, int, Known]]]
) -> dict[tuple[Any, ...], list[str]]:
    """What rows said that were placed to the last penny -> the orders that they pay."""
    found: dict[tuple[Any, ...], list[str]] = {}
    for each in goods:
        mine = pieces.get(each.line["line_id"], [])
        if mine and each.line["amount"] == sum(amount for _, amount, _ in mine):
            found.setdefault(_said(each), []).extend(known.order_id for _, _, known in mine)
    return found


def _listed(order_ids: Iterable[str]) -> str:
    different = sorted(set(order_ids))
    more = "; …" if len(different) > CANDIDATES else ""
    return "; ".join(different[:CANDIDATES]) + more
