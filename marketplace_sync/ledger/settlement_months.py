"""What a month's settlement lines, payouts and receipts add up to, straight from the ledger."""

from __future__ import annotations

from datetime import date
from typing import Any

import msgspec
from sqlalchemy import Connection, text


class MonthSum(msgspec.Struct, frozen=True):
    """What the lines of one type and currency, dated in the month, come to in minor units."""

    type: str
    currency: str
    lines: int
    amount: int


class DaysToCash(msgspec.Struct, frozen=True):
    """Of sales whose payout was paid in the month: Σ amount × days from shipping (else from the order, else from the
    line) to the payment, and Σ amount."""

    currency: str
    weighted: int
    amount: int


def sums(connection: Connection, name: str, first: date, after: date) -> list[MonthSum]:
    """By currency and type; what was only announced, in no payment state that counts, is left out."""
    rows = connection.execute(
        text(
            "SELECT type, currency, count(*), sum(amount)::bigint FROM ledger.settlement_lines"
            " WHERE connection = :name AND created_on >= :first AND created_on < :after"
            " AND payment_state NOT IN ('NOT_APPLICABLE') GROUP BY type, currency ORDER BY currency, type"
        ),
        {"name": name, "first": first, "after": after},
    )
    return [MonthSum(*row) for row in rows]


def counts(connection: Connection, name: str, first: date, after: date) -> dict[str, Any]:
    """`orders` sold and `refunded` in the month, `payouts` paid in it."""
    row = (
        connection.execute(
            text(
                "SELECT count(DISTINCT order_id) FILTER (WHERE type IN ('ORDER_AMOUNT', 'ORDER_TOTAL_AMOUNT'))"
                "  AS orders,"
                " count(DISTINCT order_id) FILTER (WHERE type IN ('REFUND_ORDER_AMOUNT', 'REFUND_TOTAL_AMOUNT'))"
                "  AS refunded,"
                " count(DISTINCT document) FILTER (WHERE type = 'PAYMENT') AS payouts"
                " FROM ledger.settlement_lines"
                " WHERE connection = :name AND created_on >= :first AND created_on < :after"
            ),
            {"name": name, "first": first, "after": after},
        )
        .mappings()
        .one()
    )
    return dict(row)


def days_to_cash(connection: Connection, name: str, first: date, after: date) -> list[DaysToCash]:
    rows = connection.execute(
        text(
            "WITH paid AS (SELECT document, currency, min(created_on) AS day FROM ledger.settlement_lines"
            "  WHERE connection = :name AND type = 'PAYMENT' AND document <> '' GROUP BY document, currency"
            "  HAVING min(created_on) >= :first AND min(created_on) < :after),"
            " shipped AS (SELECT order_id, max(shipped_on) AS day FROM (SELECT order_id, shipped_on"
            "   FROM ledger.sold_orders WHERE connection = :name"
            "   UNION ALL SELECT order_id, shipped_on FROM ledger.sold_lines WHERE connection = :name) every"
            "  GROUP BY order_id),"
            " placed AS (SELECT order_id, min(placed_on) AS day FROM ledger.sold_orders WHERE connection = :name"
            "  GROUP BY order_id)"
            " SELECT l.currency, sum(l.amount * (paid.day - COALESCE(shipped.day, placed.day, l.created_on)))::bigint,"
            "  sum(l.amount)::bigint FROM ledger.settlement_lines l JOIN paid USING (document, currency)"
            " LEFT JOIN shipped ON shipped.order_id = l.order_id LEFT JOIN placed ON placed.order_id = l.order_id"
            " WHERE l.connection = :name AND l.type IN ('ORDER_AMOUNT', 'ORDER_TOTAL_AMOUNT')"
            "  AND l.amount > 0"
            "  AND COALESCE(shipped.day, placed.day, l.created_on) IS NOT NULL GROUP BY l.currency ORDER BY l.currency"
        ),
        {"name": name, "first": first, "after": after},
    )
    return [DaysToCash(*row) for row in rows]


def received(connection: Connection, name: str, first: date, after: date) -> dict[str, int]:
    """What the bank received in the month, by its currency."""
    rows = connection.execute(
        text(
            "SELECT currency, sum(amount)::bigint AS amount FROM ledger.bank_receipts WHERE connection = :name"
            " AND received_on >= :first AND received_on < :after GROUP BY currency ORDER BY currency"
        ),
        {"name": name, "first": first, "after": after},
    )
    return {str(row.currency): int(row.amount) for row in rows}


def dates_of(connection: Connection, name: str, order_ids: list[str]) -> dict[str, tuple[date | None, date | None]]:
    """Order -> (when it was placed, when its last part was shipped), as far as anybody says."""
    rows = connection.execute(
        text(
            "SELECT o.order_id, min(o.placed_on) AS placed, max(COALESCE(o.shipped_on, l.shipped_on)) AS shipped"
            " FROM ledger.sold_orders o LEFT JOIN ledger.sold_lines l USING (connection, source, order_id)"
            " WHERE o.connection = :name AND o.order_id = ANY(:order_ids) GROUP BY o.order_id"
        ),
        {"name": name, "order_ids": order_ids},
    )
    return {str(row.order_id): (row.placed, row.shipped) for row in rows}
