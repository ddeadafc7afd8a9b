"""A month's statement of one channel: sales, refunds, effective commission rate, fees, payout, days to cash."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date
from decimal import ROUND_HALF_UP, Decimal
from typing import Any

import msgspec

from marketplace_sync.domain.money import decimal_text
from marketplace_sync.domain.settlement.booking import account_of
from marketplace_sync.domain.settlement.line_types import PAYMENT
from marketplace_sync.flows.context import Context
from marketplace_sync.flows.settlement_account import account
from marketplace_sync.ledger import settlement_months as months

_FEES = ("fees", "subscription", "manual", "unknown")


class Statement(msgspec.Struct, frozen=True, kw_only=True):
    """One channel, month and currency. Amounts in minor units, signed from the seller's side: commission and fees are
    negative. Lines count in the month that they are dated in, a payout in the month it was paid."""

    channel: str
    month: date
    currency: str
    orders: int
    orders_refunded: int
    sales: int
    shipping: int
    tax: int
    refunds: int
    commission: int
    commission_vat: int
    fees: int
    reserve: int
    net: int
    """All of the above: what the month's lines come to."""
    payouts: int
    payout: int
    """What was transferred in the month."""
    received: int
    """What the bank received in the month, in this currency."""
    commission_rate: Decimal | None
    """Commission, without VAT, as a share of sales and shipping less refunds, in per cent to two places."""
    days_to_cash: Decimal | None
    """From shipping (else from the order) to the payment, weighted by amount, over sales paid in the month."""

    def as_dict(self) -> dict[str, Any]:
        amounts = ("sales", "shipping", "tax", "refunds", "commission", "commission_vat", "fees", "reserve", "net",
                   "payout", "received")  # fmt: skip
        return {
            "channel": self.channel,
            "month": f"{self.month:%Y-%m}",
            "currency": self.currency,
            "orders": self.orders,
            "orders_refunded": self.orders_refunded,
            **{name: decimal_text(getattr(self, name), self.currency) for name in amounts},
            "payouts": self.payouts,
            "commission_rate_pct": None if self.commission_rate is None else str(self.commission_rate),
            "days_to_cash": None if self.days_to_cash is None else str(self.days_to_cash),
        }


def statement(context: Context, name: str, first: date) -> list[Statement]:
    """One per currency; a month without anything has one in the base currency. Raises UnknownConnection,
    ConfigurationError."""
    owner = account(context, name)
    after = date(first.year + first.month // 12, first.month % 12 + 1, 1)
    with context.ledger.begin() as connection:
        lines = months.sums(connection, name, first, after)
        counts = months.counts(connection, name, first, after)
        waited = {each.currency: each for each in months.days_to_cash(connection, name, first, after)}
        received = months.received(connection, name, first, after)
    currencies = sorted({line.currency for line in lines} | set(received)) or [owner.finance.base_currency]
    return [
        _of_currency(
            owner.channel,
            first,
            currency,
            [line for line in lines if line.currency == currency],
            counts,
            waited.get(currency),
            received.get(currency, 0),
        )
        for currency in currencies
    ]


def _of_currency(
    channel: str,
    month: date,
    currency: str,
    lines: Iterable[months.MonthSum],
    counts: dict[str, Any],
    waited: months.DaysToCash | None,
    received: int,
) -> Statement:
    booked: dict[str, int] = {}
    payout = 0
    for line in lines:
        if line.type == PAYMENT:
            payout -= line.amount
        else:
            name = account_of(line.type)
            booked[name] = booked.get(name, 0) + line.amount
    base = booked.get("sales", 0) + booked.get("shipping", 0) + booked.get("refunds", 0)
    commission = booked.get("commission", 0)
    return Statement(
        channel=channel,
        month=month,
        currency=currency,
        orders=counts["orders"],
        orders_refunded=counts["refunded"],
        **{name: booked.get(name, 0)
           for name in ("sales", "shipping", "tax", "refunds", "commission", "commission_vat", "reserve")},
        fees=sum(booked.get(name, 0) for name in _FEES),
        net=sum(booked.values()),
        payouts=counts["payouts"],
        payout=payout,
        received=received,
        commission_rate=_ratio(-100 * commission, base, "0.01") if base > 0 else None,
        days_to_cash=_ratio(waited.weighted, waited.amount, "0.1") if waited and waited.amount else None,
    )  # fmt: skip


def _ratio(part: int, whole: int, step: str) -> Decimal:
    return (Decimal(part) / Decimal(whole)).quantize(Decimal(step), ROUND_HALF_UP)


class Drift(msgspec.Struct, frozen=True):
    """A month's effective commission rate beside that of the months before it, in per cent."""

    currency: str
    rate: Decimal
    before: Decimal | None
    allowed: Decimal

    @property
    def is_too_much(self) -> bool:
        return self.before is not None and abs(self.rate - self.before) > self.allowed


def commission_drift(context: Context, name: str, first: date, months_before: int = 3) -> list[Drift]:
    """Per currency: the month's rate, and the mean of the `months_before` that have one."""
    allowed = 100 * account(context, name).finance.commission_drift_allowed
    earlier: list[Statement] = []
    month = first
    for _ in range(months_before):
        month = date(month.year - (month.month == 1), (month.month - 2) % 12 + 1, 1)
        earlier += statement(context, name, month)
    found = []
    for now in statement(context, name, first):
        if now.commission_rate is None:
            continue
        rates = [each.commission_rate for each in earlier if each.currency == now.currency and each.commission_rate]
        before = (sum(rates, Decimal(0)) / len(rates)).quantize(Decimal("0.01")) if rates else None
        found.append(Drift(now.currency, now.commission_rate, before, allowed))
    return found
