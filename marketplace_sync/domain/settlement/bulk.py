"""The clean majority, column by column: orders in which every part is settled as expected, or nothing is settled yet.

Whatever is not plainly one of those is left to the careful judgement of single orders (`order`); a test holds both to
the same conclusions. All arithmetic is exact, in 64-bit integers.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import date, timedelta
from fractions import Fraction

import polars as pl

from marketplace_sync.domain.settlement.bulk_expectation import expected_lines, half_up
from marketplace_sync.domain.settlement.codes import Code, Status
from marketplace_sync.domain.settlement.inputs import HELD_STATE
from marketplace_sync.domain.settlement.line_types import (
    COMMISSION_KINDS,
    COMPONENT_ORDER,
    KNOWN,
    Component,
    LineType,
    Place,
)
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
_REFUNDS_COME_LATER = 2**24


def _plain(line_type: LineType) -> bool:
    """Lines that need no netting and no interpretation."""
    return (
        line_type.place is Place.ORDER
        and not line_type.operator_nets
        and not line_type.name.startswith(("PURCHASE", "REFUND_PURCHASE"))
        and line_type.component is not Component.FEE
        and not (line_type.refund and line_type.component is Component.TAX)
        and not line_type.shipping_tax
    )


PLAIN_TYPES: dict[str, int] = {t.name: COMPONENT_ORDER[t.component] for t in KNOWN.values() if _plain(t)}
_FIRST_REFUND = COMPONENT_ORDER[Component.REFUND]


@dataclass(frozen=True)
class Attached:
    """The book with numbers for keys: `o` is the order's row in `orders`, `l` the order line's in `order_lines`.
    `lines` are those on orders; `l` is null where the order line is not known."""

    orders: pl.DataFrame
    order_lines: pl.DataFrame
    refunds: pl.DataFrame
    refund_reasons: pl.DataFrame
    lines: pl.DataFrame


@dataclass(frozen=True)
class Clean:
    """Conclusions on clean orders, and the numbers of the orders that are left to be judged one by one."""

    orders: pl.DataFrame
    """o, status, codes, expected, settled, held."""
    components: pl.DataFrame
    roundings: pl.DataFrame
    """document, currency, difference: one row per order and document that differs by rounding."""
    left: pl.Series


def conclude(book: Attached, settings: FinanceSettings, as_of: date) -> Clean:
    expected = expected_lines(book.order_lines, book.orders, settings, as_of)
    lines, odd_lines = _plain_lines(book)
    cells, odd_cells = _sale_cells(expected, lines)
    refund_cells, odd_refunds = _refund_cells(expected, book.refunds, lines, settings)
    cells = pl.concat([cells, refund_cells])
    odd = pl.concat(
        [
            odd_lines,
            odd_cells,
            odd_refunds,
            expected.filter("odd")["o"],
            _said_to_be_chargebacks(book, settings),
            book.orders.filter(~pl.col("held") | pl.col("cancelled")).join(book.lines, on="o", how="semi")["o"],
        ]
    ).unique()
    cells = cells.join(odd.to_frame(), on="o", how="anti", maintain_order="left")
    cells = _with_codes(cells.join(_tolerances(book.orders, settings, as_of), on="o"), settings, as_of)
    orders = _orders(cells)
    wrong = orders.filter("odd")["o"]
    left = pl.concat([odd, wrong]).unique().sort()
    orders = _with_empty_orders(orders, book.orders, left)
    cells = cells.join(left.to_frame(), on="o", how="anti", maintain_order="left")
    return Clean(orders=orders, components=_components(cells, book), roundings=_roundings(cells), left=left)


def _plain_lines(book: Attached) -> tuple[pl.DataFrame, pl.Series]:
    """Lines that are cells of their own, and orders with any other line."""
    about = book.orders.select("o", pl.col("currency").alias("order_currency"))
    kind = pl.col("type").replace_strict(PLAIN_TYPES, default=None, return_dtype=pl.Int8)
    lines = book.lines.with_columns(kind.alias("kind")).join(about, on="o", how="left", maintain_order="left")
    is_refund = pl.col("kind") >= _FIRST_REFUND
    odd = (
        pl.col("kind").is_null()
        | pl.col("l").is_null()
        | ~pl.col("counted")
        | (pl.col("currency") != pl.col("order_currency"))
        | (is_refund & (pl.col("refund_id") == ""))
        | (~is_refund & (pl.col("refund_id") != ""))
    )
    odd_orders = lines.filter(odd)["o"].unique()
    held = (pl.col("payment_state") == HELD_STATE).alias("is_held")
    return lines.with_columns(held).join(odd_orders.to_frame(), on="o", how="anti", maintain_order="left"), odd_orders


_LINE = ("amount", "is_held", "created_on", "document", "currency")


def _sale_cells(expected: pl.DataFrame, lines: pl.DataFrame) -> tuple[pl.DataFrame, pl.Series]:
    wanted = pl.concat(
        expected.filter(pl.col(component) != 0).select(
            "o",
            "l",
            pl.lit(COMPONENT_ORDER[component], pl.Int8).alias("kind"),
            pl.col(component).alias("expected"),
        )
        for component in SALE
    )
    settled = lines.filter(pl.col("kind") < _FIRST_REFUND).select("o", "l", "kind", *_LINE)
    cells, odd = _laid_beside(wanted, settled, "l")
    about = expected.select("l", "line_no", "due")
    cells = cells.join(about, on="l", how="left", maintain_order="left").with_columns(
        (pl.col("line_no") * 16 + pl.col("kind")).cast(pl.UInt32).alias("place"),
        pl.lit(None, pl.UInt32).alias("r"),
    )
    return cells.select(_CELL), pl.concat([odd, _on_several_days(cells, "l")])


_CELL = ("o", "l", "r", "kind", "expected", *_LINE, "due", "place")


def _laid_beside(wanted: pl.DataFrame, settled: pl.DataFrame, of: str) -> tuple[pl.DataFrame, pl.Series]:
    """Expected beside settled, cell by cell; orders in which a cell has more than one line are odd."""
    key = (pl.col(of).cast(pl.Int64) * 16 + pl.col("kind")).alias("cell")
    wanted, settled = wanted.with_columns(key), settled.with_columns(key)
    repeated = settled.filter(settled["cell"].is_duplicated())["o"].unique()
    settled = settled.join(repeated.to_frame(), on="o", how="anti", maintain_order="left")
    cells = wanted.join(settled, on="cell", how="full")
    return cells.with_columns(
        pl.coalesce("o", "o_right").alias("o"),
        pl.coalesce(of, f"{of}_right").alias(of),
        pl.coalesce("kind", "kind_right").alias("kind"),
        pl.col("expected").fill_null(0),
    ).drop("cell", "cell_right", "o_right", f"{of}_right", "kind_right"), repeated


def _on_several_days(cells: pl.DataFrame, of: str) -> pl.Series:
    """Orders in which the parts of one sale or refund came on different days: something may have been put right."""
    there = cells.filter(pl.col("amount").is_not_null())
    day = pl.col("created_on")
    spread = there.group_by(of).agg(
        pl.col("o").first(),
        ((day.min() != day.max()) | ((day.null_count() > 0) & (day.null_count() < pl.len()))).alias("spread"),
    )
    return spread.filter("spread")["o"]


def _refund_cells(
    expected: pl.DataFrame, refunds: pl.DataFrame, lines: pl.DataFrame, settings: FinanceSettings
) -> tuple[pl.DataFrame, pl.Series]:
    about = expected.select(
        "l", "line_no", "num", "den", "price", pl.coalesce("base_price", "price").alias("base_product"),
        pl.col("tax").fill_null(0).alias("line_tax"), Component.PRODUCT, Component.SHIPPING,
    )  # fmt: skip
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
    )
    odd_orders = recorded.filter(odd.fill_null(True))["o"].unique()
    recorded = recorded.join(odd_orders.to_frame(), on="o", how="anti", maintain_order="left")
    base = pl.col("amount") + (pl.col("shipping_refund") if settings.commission_on_shipping else 0)
    vat = Fraction(settings.commission_vat_rate)
    recorded = recorded.with_columns(half_up(pl.col("num") * base, pl.col("den")).alias("fee"))
    amounts = {
        Component.REFUND: -pl.col("amount"),
        Component.REFUND_SHIPPING: -pl.col("shipping_refund"),
        Component.REFUND_COMMISSION: pl.col("fee"),
        Component.REFUND_COMMISSION_VAT: half_up(pl.col("fee") * vat.numerator, vat.denominator),
    }
    wanted = pl.concat(
        recorded.select(
            "o", "r", pl.lit(COMPONENT_ORDER[component], pl.Int8).alias("kind"), amount.alias("expected")
        ).filter(pl.col("expected") != 0)
        for component, amount in amounts.items()
    )
    found = lines.filter(pl.col("kind") >= _FIRST_REFUND).join(
        recorded.select("l", "refund_id", "r"), on=["l", "refund_id"], how="left", maintain_order="left"
    )
    unknown = found.filter(pl.col("r").is_null())["o"]
    settled = found.filter(pl.col("r").is_not_null()).select("o", "r", "kind", *_LINE)
    cells, repeated = _laid_beside(wanted, settled, "r")
    unsettled = cells.filter(pl.col("amount").is_null())["o"]
    order = recorded.sort("refund_id", "line_no").select("r", "l").with_row_index("rank")
    cells = cells.join(order, on="r", how="left", maintain_order="left").with_columns(
        pl.lit(None, pl.Date).alias("due"),
        (pl.col("rank") * 16 + pl.col("kind") + _REFUNDS_COME_LATER).cast(pl.UInt32).alias("place"),
    )
    late = _on_several_days(cells, "r")
    return cells.select(_CELL), pl.concat([odd_orders, unknown, repeated, unsettled, late])


def _said_to_be_chargebacks(book: Attached, settings: FinanceSettings) -> pl.Series:
    """Orders that may be chargebacks by any word: the careful judgement reads the words."""
    names = [re.sub(r"[\W_]+", "", reason).casefold() for reason in settings.chargeback_reasons]

    def says(frame: pl.DataFrame, column: str) -> pl.Series:
        spoken = frame.filter(pl.col(column) != "")
        letters = pl.col(column).str.to_lowercase().str.replace_all(r"[\W_]+", "")
        return spoken.filter(letters.str.contains_any(names))["o"] if names else spoken["o"].head(0)

    return pl.concat(
        [
            says(book.refunds, "reason"),
            says(book.refund_reasons, "reason"),
            says(book.lines, "description"),
        ]
    )


def _tolerances(orders: pl.DataFrame, settings: FinanceSettings, as_of: date) -> pl.DataFrame:
    rules = {currency: Rules.of(settings, currency, as_of) for currency in orders["currency"].unique()}
    return orders.select(
        "o",
        *(
            pl.col("currency")
            .replace_strict({c: getattr(r, name) for c, r in rules.items()}, default=0, return_dtype=pl.Int64)
            .alias(name)
            for name in ("component_tolerance", "order_tolerance")
        ),
    )


def _with_codes(cells: pl.DataFrame, settings: FinanceSettings, as_of: date) -> pl.DataFrame:
    overdue_before = as_of - timedelta(days=settings.settlement_due_days)
    cells = cells.with_columns((pl.col("amount").fill_null(0) - pl.col("expected")).alias("difference"))
    there = pl.col("amount").is_not_null()
    off = there & (pl.col("difference") != 0)
    penny = pl.col("kind").is_in(_PENNIES) & (pl.col("difference").abs() <= pl.col("component_tolerance"))
    held_late = (pl.col("created_on") < overdue_before).fill_null(False)
    late = (pl.col("due") < overdue_before).fill_null(False)
    holds = there & pl.col("is_held")
    return cells.with_columns(
        pl.when(off).then(pl.lit(Code.ROUNDING.value)).alias("pennies"),
        pl.when(holds & held_late).then(pl.lit(Code.HOLD_OVERDUE.value)).when(holds).then(pl.lit(Code.HELD.value))
        .alias("hold"),
        pl.when(~there & late).then(pl.lit(Code.MISSING_SETTLEMENT.value))
        .when(~there).then(pl.lit(Code.NOT_YET_DUE.value)).alias("timing"),
        (off & ~penny).alias("wrong"),
    )  # fmt: skip


def _orders(cells: pl.DataFrame) -> pl.DataFrame:
    """One row per order with cells: its sums, its codes, and whether it is not clean after all."""
    codes = [
        pl.when((pl.col(column) == code.value).any()).then(pl.lit(code.value)).alias(code.value)
        for column, code in (
            ("hold", Code.HELD),
            ("hold", Code.HOLD_OVERDUE),
            ("timing", Code.MISSING_SETTLEMENT),
            ("timing", Code.NOT_YET_DUE),
            ("pennies", Code.ROUNDING),
        )
    ]
    missing = pl.col("amount").is_null()
    pennies = pl.col("difference").filter(pl.col("pennies").is_not_null()).abs().sum()
    settled = pl.when(~pl.col("is_held")).then("amount").sum()
    orders = cells.group_by("o").agg(
        pl.col("expected").sum(),
        settled.alias("settled"),
        pl.when("is_held").then("amount").sum().alias("held"),
        (
            pl.col("wrong").any()
            | (missing.any() & ~missing.all())
            | (pl.col("timing").n_unique() > 1)
            | (pennies > pl.col("order_tolerance").first())
        ).alias("odd"),
        *codes,
    )
    names = sorted(code.value for code in (Code.HELD, Code.HOLD_OVERDUE, Code.MISSING_SETTLEMENT, Code.NOT_YET_DUE,
                                           Code.ROUNDING))  # fmt: skip
    return orders.with_columns(
        pl.concat_list(names).list.drop_nulls().alias("codes"),
        pl.when(pl.any_horizontal(pl.col(c.value).is_not_null() for c in (Code.HOLD_OVERDUE, Code.MISSING_SETTLEMENT)))
        .then(pl.lit(Status.EXCEPTION.value))
        .when(pl.any_horizontal(pl.col(c.value).is_not_null() for c in (Code.HELD, Code.NOT_YET_DUE)))
        .then(pl.lit(Status.PENDING.value))
        .when(pl.col(Code.ROUNDING.value).is_not_null())
        .then(pl.lit(Status.MATCHED_TOLERANCE.value))
        .otherwise(pl.lit(Status.MATCHED.value))
        .alias("status"),
    ).select("o", "status", "codes", "expected", "settled", "held", "odd")


def _with_empty_orders(orders: pl.DataFrame, every: pl.DataFrame, left: pl.Series) -> pl.DataFrame:
    """Orders of which nothing is expected and nothing settled are matched."""
    empty = every.select("o").join(orders.select("o"), on="o", how="anti")
    orders = pl.concat(
        [
            orders.drop("odd"),
            empty.select(
                "o",
                pl.lit(Status.MATCHED.value).alias("status"),
                pl.lit([], pl.List(pl.String)).alias("codes"),
                *(pl.lit(0, pl.Int64).alias(name) for name in ("expected", "settled", "held")),
            ),
        ]
    )
    return orders.join(left.to_frame(), on="o", how="anti")


def _components(cells: pl.DataFrame, book: Attached) -> pl.DataFrame:
    names = {number: name for name, number in COMPONENT_ORDER.items()}
    lines = book.order_lines.select("l", pl.col("line_id").alias("order_line_id"))
    refunds = book.refunds.select("refund_id").with_row_index("r")
    settled = pl.when(~pl.col("is_held")).then("amount").fill_null(0)
    return (
        cells.join(lines, on="l", how="left")
        .join(refunds, on="r", how="left")
        .select(
            "o",
            "place",
            "order_line_id",
            pl.col("refund_id").fill_null(""),
            pl.col("kind").replace_strict(names, return_dtype=pl.String).alias("component"),
            "expected",
            settled.alias("settled"),
            pl.when("is_held").then("amount").fill_null(0).alias("held"),
            pl.coalesce("pennies", "hold", "timing").fill_null("").alias("code"),
        )
    )


def _roundings(cells: pl.DataFrame) -> pl.DataFrame:
    return (
        cells.filter(pl.col("pennies").is_not_null() & (pl.col("document") != ""))
        .group_by("o", "document", "currency")
        .agg(pl.col("difference").sum())
        .filter(pl.col("difference") != 0)
        .select("document", "currency", "difference")
    )
