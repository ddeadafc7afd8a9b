"""Months of trade made up from a seed, with discrepancies of every kind put in on purpose and written down."""

from __future__ import annotations

from datetime import date
from random import Random

from marketplace_sync.domain.settlement.inputs import BankReceipt, SettlementLine, SoldLine, SoldOrder, StoreRefund
from marketplace_sync_tests.settlement.month_drafts import (
    AS_OF,
    CHANNEL,
    PAID_UNTIL,
    SETTINGS,
    Draft,
    Month,
    Row,
    draft_of,
)
from marketplace_sync_tests.settlement.month_faults import put_a_fault_in


def month(seed: int, orders: int = 1000, faults: float = 0.1, items: tuple[int, ...] = (1, 1, 2, 3)) -> Month:
    """`orders` orders, of which about the share `faults` is wrong; a few lines outside orders; payouts and receipts.
    `items`: how many lines an order may have, each as likely."""
    rng = Random(seed)
    made = Month()
    pennies: dict[str, list[int]] = {}
    for number in range(orders):
        draft = draft_of(rng, f"{CHANNEL.upper()}-{number:07d}-A", rng.choice(items))
        if rng.random() < faults:
            put_a_fault_in(draft, rng)
        elif draft.settled_on > AS_OF:
            draft.rows, draft.codes = [], {"NOT_YET_DUE"}
        elif draft.settled_on > PAID_UNTIL:
            draft.codes = {"HELD"}
        if draft.pennies:
            pennies.setdefault(draft.rows[0]["document"], []).append(draft.pennies)
        _finish(draft, made)
    _outside(rng, made)
    _payouts(rng, made, pennies)
    rng.shuffle(made.lines)
    return made


def _finish(draft: Draft, made: Month) -> None:
    common: Row = {"channel": CHANNEL, "currency": "GBP"}
    order = common | draft.order
    if order.pop("recorded", True):
        lines = tuple(SoldLine(**item) for item in draft.items)
        refunds = tuple(StoreRefund(**refund) for refund in draft.refunds)
        made.sold.append(SoldOrder(**order, lines=lines, refunds=refunds))
    made.lines += [SettlementLine(**common | row) for row in draft.rows]
    made.orders[draft.order["order_id"]] = draft.codes


# What goes wrong. Each fault says False when the order does not lend itself to it.


def _outside(rng: Random, made: Month) -> None:
    for number, day in enumerate((date(2026, 9, 1), date(2026, 9, 11), date(2026, 10, 1), date(2026, 10, 21))):
        for kind, amount, code in (
            ("SUBSCRIPTION_FEE", -3999, "SUBSCRIPTION"),
            ("SUBSCRIPTION_VAT", -800, "SUBSCRIPTION"),
            ("MANUAL_INVOICE", -1000 - number, "MANUAL_INVOICE_REVIEW"),
            ("MANUAL_CREDIT", 250 + number, "MANUAL_CREDIT_REVIEW"),
            ("RESERVE_FUNDING", -5000, "RESERVE_OVERDUE" if number == 0 else "RESERVE"),
            ("STARDUST", 1, "UNKNOWN_LINE_TYPE"),
        ):
            name = f"out/{number}/{kind}"
            created = date(2026, 7, 1) if code == "RESERVE_OVERDUE" else day
            made.lines.append(
                SettlementLine(line_id=name, type=kind, amount=amount, currency="GBP", channel=CHANNEL,
                               payment_state="PAID", document=f"INV-{day:%Y%m%d}", created_on=created)
            )  # fmt: skip
            made.outside[name] = code


def _payouts(rng: Random, made: Month, pennies: dict[str, list[int]]) -> None:
    totals: dict[tuple[str, str], int] = {}
    for line in made.lines:
        if line.document:
            key = (line.document, line.currency)
            totals[key] = totals.get(key, 0) + line.amount
    carried: dict[str, int] = {}
    for document, currency in sorted(totals, key=lambda key: (key[0][-8:], key)):
        end = date(int(document[-8:-4]), int(document[-4:-2]), int(document[-2:]))
        balance = totals[document, currency] + carried.pop(currency, 0)
        transferred = max(0, balance)
        if balance < 0:
            carried[currency] = balance
        made.lines.append(
            SettlementLine(line_id=f"pay/{document}", type="PAYMENT", amount=-transferred, currency=currency,
                           channel=CHANNEL, payment_state="PAID", document=document, created_on=end)
        )  # fmt: skip
        short = rng.random() < 0.2 and transferred > 1000
        codes = {"PAYOUT_SHORT"} if short else set()
        received = transferred - 1000 if short else transferred
        made.receipts.append(
            BankReceipt(
                bank_ref=f"bank/{document}", amount=received, currency=currency, received_on=end, documents=(document,)
            )
        )
        off = pennies.get(document, [])
        if off and (min(off) > 0 or max(off) < 0) and abs(sum(off)) > 5:
            codes.add("SYSTEMATIC_ROUNDING")
        made.documents[document] = codes


__all__ = ["AS_OF", "SETTINGS", "Month", "month"]
