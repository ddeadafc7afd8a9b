"""Everything that can be wrong with a settled order, one function each: puts it in and writes down what it is."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from datetime import date, timedelta
from fractions import Fraction
from random import Random

from marketplace_sync_tests.settlement.month_drafts import (
    AS_OF,
    PAID_UNTIL,
    Draft,
    half_up,
    rate_of,
    refund_rows,
    state_of,
)


def _pennies(draft: Draft) -> bool:
    if draft.settled_on > PAID_UNTIL or draft.refunds:
        return False
    off = draft.rng.choice([-1, -1, 1])
    draft.rows_of("COMMISSION_VAT")[0]["amount"] += off
    draft.pennies = off
    return _says(draft, "ROUNDING")


def _says(draft: Draft, *codes: str) -> bool:
    draft.codes |= set(codes)
    return True


def _short(draft: Draft) -> bool:
    draft.rows_of("ORDER_AMOUNT")[0]["amount"] -= draft.rng.randrange(2, 200)
    return _says(draft, "AMOUNT_MISMATCH")


def _shipping(draft: Draft) -> bool:
    rows = draft.rows_of("ORDER_SHIPPING_AMOUNT")
    if rows:
        rows[0]["amount"] -= 95
    return bool(rows) and _says(draft, "SHIPPING_MISMATCH")


def _twice(draft: Draft) -> bool:
    row = draft.rng.choice(draft.rows_of("ORDER_AMOUNT") + draft.rows_of("COMMISSION_FEE"))
    draft.add(row)
    return abs(row["amount"]) > 5 and _says(draft, "DUPLICATE_LINE")


def _missing(draft: Draft) -> bool:
    if not draft.old or draft.refunds:
        return False
    draft.rows = []
    return _says(draft, "MISSING_SETTLEMENT")


def _missing_part(draft: Draft) -> bool:
    if not draft.old or len(draft.items) < 2 or draft.refunds:
        return False
    gone = draft.items[-1]["line_id"]
    draft.rows = [row for row in draft.rows if row["order_line_id"] != gone]
    return _says(draft, "MISSING_SETTLEMENT")


def _unknown(draft: Draft) -> bool:
    draft.order["recorded"] = False
    return _says(draft, "UNKNOWN_ORDER")


def _cancelled(draft: Draft) -> bool:
    draft.order["cancelled"] = True
    left: Counter[tuple[str, str]] = Counter()
    for row in draft.rows:
        left[row["order_line_id"], row["type"].removeprefix("REFUND_")] += row["amount"]
    # what was given back to the penny concerns nobody any more
    return _says(draft, "CANCELLED_BUT_CHARGED" if any(left.values()) else "CORRECTED")


def _currency(draft: Draft) -> bool:
    for row in draft.rows:
        row |= {"currency": "EUR", "document": row["document"] and f"EUR-{row['document']}"}
    return _says(draft, "CURRENCY_MISMATCH")


def _at(draft: Draft, kind: str, factor: Fraction, code: str) -> bool:
    """The first amount of a kind times a factor, its VAT with it."""
    rows = draft.rows_of(kind)
    if not rows:
        return False
    row = rows[0]
    vat_kind = {"COMMISSION_FEE": "COMMISSION_VAT", "REFUND_COMMISSION_FEE": "REFUND_COMMISSION_VAT"}.get(kind)
    before = row["amount"]
    row["amount"] = half_up(before * factor)
    if abs(before - row["amount"]) < 20:
        return False
    for vat in draft.rows_of(vat_kind or ""):
        if vat["order_line_id"] == row["order_line_id"]:
            vat["amount"] = half_up(Fraction(row["amount"], 5))
    return _says(draft, code)


def _rate_wrong(draft: Draft) -> bool:
    return not draft.refunds and _at(draft, "COMMISSION_FEE", Fraction(119, 100), "COMMISSION_RATE_MISMATCH")


def _base_wrong(draft: Draft) -> bool:
    item = draft.items[0]
    if item["shipping"] < 200 or draft.refunds:
        return False
    fee = half_up(rate_of(item) * item["price"])
    draft.rows_of("COMMISSION_FEE")[0]["amount"] = -fee
    draft.rows_of("COMMISSION_VAT")[0]["amount"] = -half_up(Fraction(fee, 5))
    return _says(draft, "COMMISSION_BASE_MISMATCH")


def _vat_wrong(draft: Draft) -> bool:
    return not draft.refunds and _at(draft, "COMMISSION_VAT", Fraction(7, 8), "COMMISSION_VAT_MISMATCH")


def _recent_refund_day(draft: Draft) -> date:
    return min(draft.settled_on + timedelta(days=3), PAID_UNTIL)


def _not_in_store(draft: Draft) -> bool:
    if draft.settled_on > PAID_UNTIL or draft.refunds:
        return False
    refund_rows(
        draft, draft.items[0], "R9", draft.items[0]["price"] // 2, recorded=False, day=_recent_refund_day(draft)
    )
    return _says(draft, "REFUND_NOT_IN_STORE")


def _exceeds(draft: Draft) -> bool:
    if draft.settled_on > PAID_UNTIL:
        return False
    much = sum(item["price"] + item["shipping"] for item in draft.items) + 100
    refund_rows(draft, draft.items[0], "R9", much, recorded=False, day=_recent_refund_day(draft))
    return _says(draft, "REFUND_EXCEEDS_ORDER")


def _refund_not_settled(draft: Draft) -> bool:
    if not draft.old or draft.refunds:
        return False
    day = draft.settled_on
    draft.refunds.append({"refund_id": "R9", "line_id": draft.items[0]["line_id"], "refunded_on": day, "amount": 250})
    return _says(draft, "REFUND_NOT_SETTLED")


def _refund_waits(draft: Draft) -> bool:
    if draft.settled_on > PAID_UNTIL:
        return False
    day = AS_OF - timedelta(days=3)
    if draft.refunds:
        return False
    draft.refunds.append({"refund_id": "R9", "line_id": draft.items[0]["line_id"], "refunded_on": day, "amount": 250})
    return _says(draft, "PARTIALLY_SETTLED")


def _no_commission_back(draft: Draft) -> bool:
    if not draft.refunds or abs(draft.rows_of("REFUND_COMMISSION_FEE")[0]["amount"]) < 5:
        return False
    draft.rows = [row for row in draft.rows if not row["type"].startswith("REFUND_COMMISSION")]
    return _says(draft, "COMMISSION_NOT_REFUNDED")


def _little_commission_back(draft: Draft) -> bool:
    return _at(draft, "REFUND_COMMISSION_FEE", Fraction(1, 2), "COMMISSION_REFUND_SHORT")


def _chargeback(draft: Draft) -> bool:
    if not draft.refunds:
        return False
    if draft.rng.random() < 0.5:
        draft.order["refund_reasons"] = {"R1": "CHARGEBACK"}
    else:
        draft.rows_of("REFUND_ORDER_AMOUNT")[0]["description"] = "Chargeback received"
    return _says(draft, "CHARGEBACK")


def _corrected(draft: Draft) -> bool:
    day = draft.settled_on + timedelta(days=4)
    if day > PAID_UNTIL:
        return False
    row = draft.rows_of("ORDER_AMOUNT")[0]
    kind = draft.rng.choice(["ORDER_AMOUNT", "MANUAL_CREDIT"])
    row["amount"] -= 77
    draft.add(row, type=kind, amount=77, created_on=day, **state_of(day))
    return _says(draft, "CORRECTED")


def _penalty(draft: Draft) -> bool:
    draft.add(draft.rows[0], type="SELLER_PENALTY_FEE", amount=-500)
    return _says(draft, "PENALTY_FEE")


def _strange(draft: Draft) -> bool:
    draft.add(draft.rows[0], type="GREEN_LEVY", amount=-3)
    return _says(draft, "UNKNOWN_LINE_TYPE")


def _held_long(draft: Draft) -> bool:
    if not draft.old:
        return False
    for row in draft.rows:
        row |= {"payment_state": "PENDING", "document": ""}
    return not draft.refunds and _says(draft, "HOLD_OVERDUE")


FAULTS: tuple[Callable[[Draft], bool], ...] = (
    _pennies,
    _short,
    _shipping,
    _twice,
    _missing,
    _missing_part,
    _unknown,
    _cancelled,
    _currency,
    _rate_wrong,
    _base_wrong,
    _vat_wrong,
    _not_in_store,
    _exceeds,
    _refund_not_settled,
    _refund_waits,
    _no_commission_back,
    _little_commission_back,
    _chargeback,
    _corrected,
    _penalty,
    _strange,
    _held_long,
)

_ALONE = {"UNKNOWN_ORDER", "CURRENCY_MISMATCH", "CANCELLED_BUT_CHARGED", "MISSING_SETTLEMENT", "HOLD_OVERDUE"}


def put_a_fault_in(draft: Draft, rng: Random) -> None:
    """One fault that the order lends itself to; orders that are held stay held beside it."""
    if draft.settled_on > AS_OF:
        draft.rows, draft.codes = [], {"NOT_YET_DUE"}
        return
    faults = list(FAULTS)
    rng.shuffle(faults)
    for fault in faults:
        before = [dict(row) for row in draft.rows], [dict(r) for r in draft.refunds], dict(draft.order)
        if fault(draft):
            break
        draft.rows, draft.refunds, draft.order = before
    if any(row["payment_state"] == "PENDING" for row in draft.rows) and not draft.codes & _ALONE:
        draft.codes.add("HELD")
