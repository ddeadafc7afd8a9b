"""The clean majority, column by column: orders in which every part is settled as expected, or nothing is settled yet.

Whatever is not plainly one of those is left to the careful judgement of single orders (`order`); a test holds both to
the same conclusions. All arithmetic is exact, in 64-bit integers.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, timedelta
from fractions import Fraction

import polars as pl

from marketplace_sync.domain.settlement.attaching import Attached, letters, may_say, part_of
from marketplace_sync.domain.settlement.bulk_expectation import expected_lines, half_up
from marketplace_sync.domain.settlement.codes import Code, Status
from marketplace_sync.domain.settlement.line_types import (
    COMMISSION_KINDS,
    COMPONENT_ORDER,
    Component,
)
from marketplace_sync.domain.settlement.result import COMPONENTS
from marketplace_sync.domain.settlement.rules import Rules
from marketplace_sync.domain.settlement.settings import FinanceSettings

SALE = (Component.PRODUCT, Component.SHIPPING, Component.TAX, Component.COMMISSION, Component.COMMISSION_VAT)
REFUND = (
    Component.REFUND,
    Component.REFUND_SHIPPING,
    Component.REFUND_COMMISSION,
    Component.REFUND_COMMISSION_VAT,
)
_PENNIES = [COMPONENT_ORDER[component] for component in COMMISSION_KINDS]
_FIRST_REFUND = COMPONENT_ORDER[Component.REFUND]
_REFUNDS_COME_LATER = 2**24
ORDERS_AT_ONCE = 65_536
"""Of a month of a million lines some 250,000 are looked at together, which take 60 MB instead of 240."""


@dataclass(frozen=True)
class Clean:
    """Conclusions on clean orders, and the numbers of the orders that are left to be judged one by one."""

    orders: pl.DataFrame
    """o, status, codes, expected, settled, held."""
    components: pl.DataFrame
    roundings: pl.DataFrame
    """document, currency, difference: one row per order and document that differs by rounding."""
    left: pl.Series


class _Marks:
    """A yes or no per order, set by order number."""

    def __init__(self, count: int) -> None:
        self.series = pl.repeat(False, count, dtype=pl.Boolean, eager=True)

    def add(self, numbers: pl.Series) -> None:
        chosen = numbers.drop_nulls()
        if len(chosen):
            self.series = self.series.scatter(chosen, True)

    def without(self, frame: pl.DataFrame) -> pl.DataFrame:
        """Rows of the orders that are not marked."""
        return frame.filter(~self.series.gather(frame["o"])) if frame.height else frame


def conclude(book: Attached, settings: FinanceSettings, as_of: date) -> Clean:
    """Concludes what is clean. Whatever is marked as odd on the way is left to the careful judgement. A long book is
    concluded in parts: what an order comes to depends on no other, and a part's notes are gone before the next."""
    found = []
    for first in range(0, max(book.orders.height, 1), ORDERS_AT_ONCE):
        clean = _conclude(part_of(book, first, ORDERS_AT_ONCE), settings, as_of)
        found.append(clean if not first else _moved(clean, first))
    if len(found) == 1:
        return found[0]
    return Clean(
        orders=pl.concat([part.orders for part in found]),
        components=pl.concat([part.components for part in found]),
        roundings=pl.concat([part.roundings for part in found]),
        left=pl.concat([part.left for part in found]),
    )


def _moved(clean: Clean, first: int) -> Clean:
    """With the numbers that the orders have in the whole book."""

    def moved(frame: pl.DataFrame) -> pl.DataFrame:
        return frame.with_columns((pl.col("o") + first).cast(pl.UInt32))

    return Clean(moved(clean.orders), moved(clean.components), clean.roundings, (clean.left + first).cast(pl.UInt32))


def _conclude(book: Attached, settings: FinanceSettings, as_of: date) -> Clean:
    expected = expected_lines(book.order_lines, book.orders, settings, as_of)
    odd = _Marks(book.orders.height)
    odd.add(expected.filter("odd")["o"])
    standing_alone = book.orders.select(~pl.col("held") | pl.col("cancelled")).to_series()
    odd.add(book.lines["o"].filter(standing_alone.gather(book.lines["o"])))
    for numbers in _said_to_be_chargebacks(book, settings):
        odd.add(numbers)
    odd.add(_lines_that_are_not_plain(book))
    lines = odd.without(book.lines)
    cells = pl.concat([_sale_cells(expected, lines, odd), _refund_cells(expected, book, lines, settings, odd)])
    cells = _with_codes(odd.without(cells), book.orders, settings, as_of)
    orders = _orders(cells, book.orders, settings, as_of)
    odd.add(orders.filter("odd")["o"])
    orders = odd.without(_with_empty_orders(orders, book.orders.height))
    cells = odd.without(cells)
    left = book.orders["o"].filter(odd.series)
    return Clean(orders=orders, components=_components(cells, book), roundings=_roundings(cells), left=left)


def _lines_that_are_not_plain(book: Attached) -> pl.Series:
    """Orders with a line that is no cell of its own."""
    lines = book.lines
    is_refund = pl.col("kind") >= _FIRST_REFUND
    other_currency = lines["currency"] != book.orders["currency"].gather(lines["o"])
    odd = lines.select(
        pl.col("kind").is_null()
        | pl.col("l").is_null()
        | ~pl.col("counted")
        | (is_refund != pl.col("names_refund")).fill_null(True)
    ).to_series()
    return lines["o"].filter(odd | other_currency)


_CELL = ("o", "l", "r", "place", "kind", "expected", "amount", "is_held", "created_on", "document", "currency", "due")


def _cells(
    settled: pl.DataFrame, amounts: list[pl.Series], owner: pl.Series, kinds: list[int], of: str
) -> tuple[pl.DataFrame, pl.Series]:
    """Settlement lines beside what was expected, without a join: `amounts` are the expected columns, one per kind, by
    row number `of`; `owner` is the order of each row. Returns the cells (amount null where nothing was settled) and
    orders in which a cell has more than one line."""
    rows = len(owner)
    flat = pl.concat(amounts) if rows else pl.Series([], dtype=pl.Int64)
    block = pl.col("kind").replace_strict({kind: place for place, kind in enumerate(kinds)}, return_dtype=pl.Int64)
    settled = settled.with_columns((block * rows + pl.col(of).cast(pl.Int64)).alias("cell"))
    repeated = settled["o"].filter(settled["cell"].is_duplicated())
    settled = settled.with_columns(flat.gather(settled["cell"]).alias("expected"))
    waiting = flat != 0
    if settled.height:
        waiting = waiting.scatter(settled["cell"], False)
    missing = pl.DataFrame({"cell": waiting.arg_true().cast(pl.Int64)})
    row = missing["cell"] % max(rows, 1)
    missing = missing.select(
        owner.gather(row).alias("o"),
        row.cast(pl.UInt32).alias(of),
        (pl.col("cell") // max(rows, 1)).replace_strict(dict(enumerate(kinds)), return_dtype=pl.Int8).alias("kind"),
        flat.gather(missing["cell"]).alias("expected"),
    )
    return pl.concat([settled.drop("cell"), missing], how="diagonal"), repeated


def _sale_cells(expected: pl.DataFrame, lines: pl.DataFrame, odd: _Marks) -> pl.DataFrame:
    settled = lines.filter(pl.col("kind") < _FIRST_REFUND).drop("n", "names_refund", "counted")
    kinds = [COMPONENT_ORDER[component] for component in SALE]
    cells, repeated = _cells(settled, [expected[component] for component in SALE], expected["o"], kinds, "l")
    odd.add(repeated)
    odd.add(_on_several_days(cells, "l"))
    return cells.with_columns(
        (expected["line_no"].gather(cells["l"]) * 16 + pl.col("kind")).cast(pl.UInt32).alias("place"),
        expected["due"].gather(cells["l"]),
        pl.lit(None, pl.UInt32).alias("r"),
    ).select(_CELL)


def _on_several_days(cells: pl.DataFrame, of: str) -> pl.Series:
    """Orders in which the parts of one sale or refund came on different days: something may have been put right."""
    there = cells.filter(pl.col("amount").is_not_null())
    day = pl.col("created_on").fill_null(date.min)
    spread = there.group_by(of).agg(pl.col("o").first(), day.min().alias("first"), day.max().alias("last"))
    return spread.filter(pl.col("first") != pl.col("last"))["o"]


def _refund_cells(
    expected: pl.DataFrame, book: Attached, lines: pl.DataFrame, settings: FinanceSettings, odd: _Marks
) -> pl.DataFrame:
    recorded = _recorded(expected, book.refunds, settings)
    odd.add(recorded.filter("odd")["o"])
    kinds = [COMPONENT_ORDER[component] for component in REFUND]
    found = lines.filter(pl.col("kind") >= _FIRST_REFUND)
    found = found.with_columns(book.refund_ids.gather(found["n"])).drop("n", "names_refund", "counted")
    clean = recorded.filter(~pl.col("odd")).select("l", "refund_id", "r")
    found = found.join(clean, on=["l", "refund_id"], how="left", maintain_order="left").drop("refund_id")
    odd.add(found.filter(pl.col("r").is_null())["o"])
    found = found.filter(pl.col("r").is_not_null())
    cells, repeated = _cells(found, [recorded[component] for component in REFUND], recorded["o"], kinds, "r")
    odd.add(repeated)
    odd.add(cells.filter(pl.col("amount").is_null())["o"])
    odd.add(_on_several_days(cells, "r"))
    ranks = recorded.select(pl.struct("refund_id", "line_no").rank("ordinal").alias("rank"))["rank"]
    return cells.with_columns(
        recorded["l"].gather(cells["r"]).alias("l"),
        pl.lit(None, pl.Date).alias("due"),
        (ranks.gather(cells["r"]) * 16 + pl.col("kind") + _REFUNDS_COME_LATER).cast(pl.UInt32).alias("place"),
    ).select(_CELL)


def _recorded(expected: pl.DataFrame, refunds: pl.DataFrame, settings: FinanceSettings) -> pl.DataFrame:
    """Refunds of the record by their number `r`, with the amount expected per component (none where it is odd)."""
    about = expected.select(
        "l",
        "line_no",
        "num",
        "den",
        "price",
        Component.PRODUCT,
        Component.SHIPPING,
        pl.coalesce("base_price", "price").alias("base_product"),
        pl.col("tax").fill_null(0).alias("line_tax"),
    )
    recorded = refunds.join(about, on="l", how="left", maintain_order="left").with_row_index("r")
    odd = (
        pl.col("l").is_null()
        | (pl.col("refund_id") == "")
        | (pl.col("base_product") != pl.col("price"))
        | (pl.lit(settings.tax_mode == "TAX_EXCLUDED") & (pl.col("line_tax") != 0))
        | pl.struct("l", "refund_id").is_duplicated()
        | (pl.col("amount").sum().over("l") > pl.col(Component.PRODUCT))
        | (pl.col("shipping_refund").sum().over("l") > pl.col(Component.SHIPPING))
        | (pl.min_horizontal("amount", "shipping_refund") < 0)
    ).fill_null(True)
    base = pl.col("amount") + (pl.col("shipping_refund") if settings.commission_on_shipping else 0)
    vat = Fraction(settings.commission_vat_rate)
    recorded = recorded.with_columns(odd.alias("odd"), half_up(pl.col("num") * base, pl.col("den")).alias("fee"))
    amounts = {
        Component.REFUND: -pl.col("amount"),
        Component.REFUND_SHIPPING: -pl.col("shipping_refund"),
        Component.REFUND_COMMISSION: pl.col("fee"),
        Component.REFUND_COMMISSION_VAT: half_up(pl.col("fee") * vat.numerator, vat.denominator),
    }
    return recorded.with_columns(
        pl.when(pl.col("odd")).then(0).otherwise(amount).alias(component) for component, amount in amounts.items()
    )


def _said_to_be_chargebacks(book: Attached, settings: FinanceSettings) -> list[pl.Series]:
    """Orders that may be chargebacks by any word: the careful judgement reads the words."""
    names = [letters(reason) for reason in settings.chargeback_reasons]
    if not names:
        return []
    reasons = [frame.filter(may_say("reason", names))["o"] for frame in (book.refunds, book.refund_reasons)]
    return [*reasons, book.lines["o"].filter(book.lines["spoken"])]


def _with_codes(cells: pl.DataFrame, orders: pl.DataFrame, settings: FinanceSettings, as_of: date) -> pl.DataFrame:
    limits = _limits(orders, settings, as_of, "component_tolerance")
    overdue_before = as_of - timedelta(days=settings.settlement_due_days)
    cells = cells.with_columns(
        (pl.col("amount").fill_null(0) - pl.col("expected")).alias("difference"),
        limits.gather(cells["o"]).alias("tolerance"),
        pl.col("is_held").fill_null(False),
    )
    there = pl.col("amount").is_not_null()
    off = there & (pl.col("difference") != 0)
    penny = pl.col("kind").is_in(_PENNIES) & (pl.col("difference").abs() <= pl.col("tolerance"))
    return cells.with_columns(
        there.alias("there"),
        off.alias("off"),
        (off & ~penny).alias("wrong"),
        (pl.col("is_held") & (pl.col("created_on") < overdue_before).fill_null(False)).alias("held_late"),
        (~there & (pl.col("due") < overdue_before).fill_null(False)).alias("missing_late"),
    ).drop("tolerance")


def _limits(orders: pl.DataFrame, settings: FinanceSettings, as_of: date, name: str) -> pl.Series:
    """A tolerance per order, by its currency."""
    rules = {c: getattr(Rules.of(settings, c, as_of), name) for c in orders["currency"].unique()}
    if not rules:
        return pl.Series([], dtype=pl.Int64)
    return orders["currency"].replace_strict(rules, return_dtype=pl.Int64)


def _orders(cells: pl.DataFrame, orders: pl.DataFrame, settings: FinanceSettings, as_of: date) -> pl.DataFrame:
    """One row per order with cells: its sums, its codes, and whether it is not clean after all."""
    amount = pl.col("amount").fill_null(0)
    off = pl.col("off")
    found = cells.group_by("o").agg(
        pl.col("expected").sum(),
        (amount * ~pl.col("is_held")).sum().alias("settled"),
        (amount * pl.col("is_held")).sum().alias("held"),
        (pl.col("difference").abs() * off).sum().alias("pennies"),
        pl.len().alias("cells"),
        *(pl.col(name).sum() for name in ("there", "off", "wrong", "missing_late", "held_late")),
        pl.col("is_held").sum().alias("holds"),
    )
    limit = _limits(orders, settings, as_of, "order_tolerance").gather(found["o"])
    missing = pl.col("cells") - pl.col("there")
    flags = {
        Code.HELD: pl.col("holds") > pl.col("held_late"),
        Code.HOLD_OVERDUE: pl.col("held_late") > 0,
        Code.MISSING_SETTLEMENT: pl.col("missing_late") > 0,
        Code.NOT_YET_DUE: (missing > 0) & (pl.col("missing_late") == 0),
        Code.ROUNDING: pl.col("off") > 0,
    }
    names = [pl.when(flag).then(pl.lit(code.value)) for code, flag in sorted(flags.items())]
    status = (
        pl.when(flags[Code.HOLD_OVERDUE] | flags[Code.MISSING_SETTLEMENT])
        .then(pl.lit(Status.EXCEPTION.value))
        .when(flags[Code.HELD] | flags[Code.NOT_YET_DUE])
        .then(pl.lit(Status.PENDING.value))
        .when(flags[Code.ROUNDING])
        .then(pl.lit(Status.MATCHED_TOLERANCE.value))
        .otherwise(pl.lit(Status.MATCHED.value))
    )
    odd = (
        (pl.col("wrong") > 0)
        | ((missing > 0) & (pl.col("there") > 0))
        | ((pl.col("missing_late") > 0) & (pl.col("missing_late") < missing))
        | (pl.col("pennies") > limit)
    )
    return found.select(
        "o",
        status.alias("status"),
        pl.concat_list(names).list.drop_nulls().alias("codes"),
        "expected",
        "settled",
        "held",
        odd.alias("odd"),
    )


def _with_empty_orders(orders: pl.DataFrame, count: int) -> pl.DataFrame:
    """Orders of which nothing is expected and nothing settled are matched."""
    empty = pl.repeat(True, count, dtype=pl.Boolean, eager=True)
    if orders.height:
        empty = empty.scatter(orders["o"], False)
    nothing = pl.DataFrame({"o": empty.arg_true()}).select(
        "o",
        pl.lit(Status.MATCHED.value).alias("status"),
        pl.lit([], pl.List(pl.String)).alias("codes"),
        *(pl.lit(0, pl.Int64).alias(name) for name in ("expected", "settled", "held")),
    )
    return pl.concat([orders.drop("odd"), nothing])


def _components(cells: pl.DataFrame, book: Attached) -> pl.DataFrame:
    names = {number: name for name, number in COMPONENT_ORDER.items()}
    amount = pl.col("amount").fill_null(0)
    code = (
        pl.when("off").then(pl.lit(Code.ROUNDING.value))
        .when("held_late").then(pl.lit(Code.HOLD_OVERDUE.value))
        .when("is_held").then(pl.lit(Code.HELD.value))
        .when("missing_late").then(pl.lit(Code.MISSING_SETTLEMENT.value))
        .when("there").then(pl.lit(""))
        .otherwise(pl.lit(Code.NOT_YET_DUE.value))
    )  # fmt: skip
    return cells.select(
        "o",
        "place",
        book.order_lines["line_id"].gather(cells["l"]).alias("order_line_id"),
        book.refunds["refund_id"].gather(cells["r"]).fill_null("").alias("refund_id"),
        pl.col("kind").replace_strict(names, return_dtype=COMPONENTS["component"]).alias("component"),
        "expected",
        (amount * ~pl.col("is_held")).alias("settled"),
        (amount * pl.col("is_held")).alias("held"),
        code.cast(COMPONENTS["code"]).alias("code"),
    ).sort("o", "place")


def _roundings(cells: pl.DataFrame) -> pl.DataFrame:
    return (
        cells.filter("off")
        .with_columns(pl.col("document").cast(pl.String))
        .filter(pl.col("document") != "")
        .group_by("o", "document", "currency")
        .agg(pl.col("difference").sum())
        .filter(pl.col("difference") != 0)
        .select("document", "currency", "difference")
    )
