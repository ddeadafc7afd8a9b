"""What the ledger knows of goods that were sent and given back, in the parts that a report may settle."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date
from typing import Any

import polars as pl

from marketplace_sync.domain.money import share
from marketplace_sync.domain.settlement.frames import Book
from marketplace_sync.domain.settlement.goods import code
from marketplace_sync.domain.settlement.goods_pairing import Known

SALE, RETURN = "ORDER_AMOUNT", "REFUND_ORDER_AMOUNT"

Row = dict[str, Any]


class KnownGoods:
    """`sales` and `refunds` may be settled. `lines`, `wanted` (units) and `product_of` by order and order line;
    `products`: what a product may be called -> the product; `refund_amounts`: of the book's refunds, in its order, on
    the report's basis, which is without tax where it says so."""

    def __init__(self, book: Book, as_of: date) -> None:
        self._book, self._as_of = book, as_of
        self._net = bool(book.goods["net_of_tax"].any())
        self.lines: dict[tuple[str, str], Row] = {}
        self.product_of: dict[tuple[str, str], str] = {}
        self.wanted: dict[tuple[str, str], int] = {}
        self.refund_amounts: list[int] = []
        self.sales = self._sent()
        self.refunds = self._given_back()

    def _sent(self) -> list[Known]:
        """Units that left, by order line and day, of orders that no other line settles."""
        orders = {row["order_id"]: row for row in self._book.orders.iter_rows(named=True)}
        by_line: dict[tuple[str, str], list[Row]] = {}
        for row in self._book.dispatches.iter_rows(named=True):
            by_line.setdefault((row["order_id"], row["line_id"]), []).append(row)
        settled = set(self._book.lines.filter((pl.col("order_id") != "") & (pl.col("type") == SALE))["order_id"])
        parts: list[tuple[Row, list[tuple[date, int]], str, bool]] = []
        codes: dict[str, set[str]] = {}
        for line in self._book.order_lines.iter_rows(named=True):
            order, key = orders.get(line["order_id"]), (line["order_id"], line["line_id"])
            if order is None or order["cancelled"] or line["cancelled"] or key in self.lines:
                continue
            line["price"], line["tax"] = self.worth(line)
            stated = by_line.get(key, [])
            called = [code(each) for row in stated[:1] for each in row["codes"]] or [code(line["sku"])]
            called = [each for each in called if each]
            if not called or line["order_id"] in settled or not order["held"]:
                continue
            product = f"{order['currency']} {called[0]}"
            for each in called:
                codes.setdefault(f"{order['currency']} {each}", set()).add(product)
            day = line["shipped_on"] or order["shipped_on"]
            left = [(row["day"], row["quantity"]) for row in stated] or ([(day, line["quantity"])] if day else [])
            self.lines[key], self.product_of[key] = line, product
            self.wanted[key] = max(1, stated[0]["wanted"] if stated else line["quantity"])
            parts.append((line, left, product, not stated or stated[0]["has_cost"]))
        # a product may be called otherwise later: what several are called is no product's name
        self.products = {name: products.pop() for name, products in codes.items() if len(products) == 1}
        return self._known(parts)

    def _known(self, parts: Iterable[tuple[Row, list[tuple[date, int]], str, bool]]) -> list[Known]:
        parts = list(parts)
        costs: dict[str, tuple[int, int]] = {}
        for line, _, product, has_cost in parts:
            if has_cost and line["price"]:
                costs[product] = (line["price"], self.wanted[line["order_id"], line["line_id"]])
        found = []
        for line, left, product, has_cost in parts:
            wanted = self.wanted[line["order_id"], line["line_id"]]
            if not has_cost and not line["price"] and product in costs:
                # what the order does not say, others of the same product do
                line["price"] = costs[product][0] * wanted // costs[product][1]
            sent = [(day, units) for day, units in left if day <= self._as_of and units > 0]
            rest = wanted - sum(units for _, units in sent)
            worth = share(line["price"], [*(units for _, units in sent), max(0, rest)])
            for (day, units), amount in zip(sent, worth, strict=False):
                found.append(Known(line["order_id"], line["line_id"], product, day, units, amount))
        return found

    def worth(self, line: Row) -> tuple[int, int | None]:
        """Price and tax of an order line on the report's basis."""
        if not self._net or not line["tax"]:
            return line["price"], line["tax"]
        return max(0, line["price"] - line["tax"]), 0

    def _given_back(self) -> list[Known]:
        only = {}
        for order_id, line_id in self.lines:
            only[order_id] = "" if order_id in only else line_id
        found = []
        gross = {
            (row["order_id"], row["line_id"]): row["price"] for row in self._book.order_lines.iter_rows(named=True)
        }
        for row in self._book.refunds.iter_rows(named=True):
            key = (row["order_id"], row["line_id"] or only.get(row["order_id"], ""))
            line, amount = self.lines.get(key), row["amount"]
            if line is not None and gross.get(key):
                # on the report's basis, as the sale is
                amount = (2 * amount * line["price"] + gross[key]) // (2 * gross[key])
            self.refund_amounts.append(amount)
            if line is None or row["refunded_on"] is None or not amount:
                continue
            units = row["quantity"] or (self.wanted[key] if row["amount"] == gross.get(key) else 1)
            found.append(
                Known(key[0], key[1], self.product_of[key], row["refunded_on"], units, amount, row["refund_id"])
            )
        return found
