"""The vocabulary of conclusions: every code, what it makes of its subject, who deals with it and what it means."""

from __future__ import annotations

from collections.abc import Iterable
from enum import StrEnum

import msgspec


class Status(StrEnum):
    """What became of an order or a document. Declared from best to worst: the worst of several codes wins."""

    MATCHED = "matched"
    MATCHED_TOLERANCE = "matched_tolerance"
    PENDING = "pending"
    CARRIED_FORWARD = "carried_forward"
    EXCEPTION = "exception"


_RANK = {status: rank for rank, status in enumerate(Status)}


class Code(StrEnum):
    ROUNDING = "ROUNDING"
    SYSTEMATIC_ROUNDING = "SYSTEMATIC_ROUNDING"
    REFUND_NOT_IN_STORE = "REFUND_NOT_IN_STORE"
    REFUND_NOT_SETTLED = "REFUND_NOT_SETTLED"
    REFUND_EXCEEDS_ORDER = "REFUND_EXCEEDS_ORDER"
    COMMISSION_NOT_REFUNDED = "COMMISSION_NOT_REFUNDED"
    COMMISSION_REFUND_SHORT = "COMMISSION_REFUND_SHORT"
    COMMISSION_RATE_MISMATCH = "COMMISSION_RATE_MISMATCH"
    COMMISSION_BASE_MISMATCH = "COMMISSION_BASE_MISMATCH"
    COMMISSION_VAT_MISMATCH = "COMMISSION_VAT_MISMATCH"
    SHIPPING_MISMATCH = "SHIPPING_MISMATCH"
    AMOUNT_MISMATCH = "AMOUNT_MISMATCH"
    DUPLICATE_LINE = "DUPLICATE_LINE"
    MISSING_SETTLEMENT = "MISSING_SETTLEMENT"
    NOT_YET_DUE = "NOT_YET_DUE"
    PARTIALLY_SETTLED = "PARTIALLY_SETTLED"
    HELD = "HELD"
    HOLD_OVERDUE = "HOLD_OVERDUE"
    UNKNOWN_ORDER = "UNKNOWN_ORDER"
    ORDER_AWAITED = "ORDER_AWAITED"
    CANCELLED_BUT_CHARGED = "CANCELLED_BUT_CHARGED"
    CURRENCY_MISMATCH = "CURRENCY_MISMATCH"
    CHARGEBACK = "CHARGEBACK"
    CORRECTED = "CORRECTED"
    PENALTY_FEE = "PENALTY_FEE"
    SUBSCRIPTION = "SUBSCRIPTION"
    RESERVE = "RESERVE"
    RESERVE_OVERDUE = "RESERVE_OVERDUE"
    MANUAL_INVOICE_REVIEW = "MANUAL_INVOICE_REVIEW"
    MANUAL_CREDIT_REVIEW = "MANUAL_CREDIT_REVIEW"
    UNKNOWN_LINE_TYPE = "UNKNOWN_LINE_TYPE"
    FX_DIFFERENCE = "FX_DIFFERENCE"
    FX_OUT_OF_TOLERANCE = "FX_OUT_OF_TOLERANCE"
    PAYOUT_SHORT = "PAYOUT_SHORT"


class Meaning(msgspec.Struct, frozen=True):
    """`status`: what the code alone makes of an order or a document that carries it. `owner`: the team, as work items
    name it; empty when there is nothing to do. `action`: the suggested next step."""

    status: Status
    owner: str
    title: str
    action: str


def _nothing(status: Status, title: str) -> Meaning:
    return Meaning(status, "", title, "Nothing to do.")


_X, _P, _M = Status.EXCEPTION, Status.PENDING, Status.MATCHED
_FIN, _OPS, _CX = "finance", "operations", "cx"

MEANINGS: dict[Code, Meaning] = {
    Code.ROUNDING: _nothing(Status.MATCHED_TOLERANCE, "Commission or its VAT differs by pennies inside the tolerance"),
    Code.SYSTEMATIC_ROUNDING: Meaning(
        _M, _FIN, "Rounding differences of a payout all go one way",
        "Ask the marketplace how it rounds commission; each order alone is within tolerance, the sum is not."),
    Code.REFUND_NOT_IN_STORE: Meaning(
        _X, _CX, "The marketplace refunded a buyer and the store does not know",
        "Record the refund in the store, or dispute it at the marketplace."),
    Code.REFUND_NOT_SETTLED: Meaning(
        _X, _FIN, "The store refunded a buyer and the marketplace never settled it",
        "Ask the marketplace whether it made the refund; if so, for its commission back."),
    Code.REFUND_EXCEEDS_ORDER: Meaning(
        _X, _FIN, "More was refunded than was sold", "Claim the difference from the marketplace."),
    Code.COMMISSION_NOT_REFUNDED: Meaning(
        _X, _FIN, "A refund came without the commission on it", "Claim the commission and its VAT."),
    Code.COMMISSION_REFUND_SHORT: Meaning(
        _X, _FIN, "A refund gave back less commission than the sale was charged", "Claim the difference."),
    Code.COMMISSION_RATE_MISMATCH: Meaning(
        _X, _FIN, "Commission was charged at another rate than agreed",
        "Compare with the contract: correct `commission_rates`, or claim the difference."),
    Code.COMMISSION_BASE_MISMATCH: Meaning(
        _X, _FIN, "Commission was charged at the agreed rate, on another amount",
        "Compare with the contract: correct `commission_on_shipping`, or claim the difference."),
    Code.COMMISSION_VAT_MISMATCH: Meaning(
        _X, _FIN, "The VAT is not the VAT on the commission charged", "Ask for a corrected invoice."),
    Code.SHIPPING_MISMATCH: Meaning(
        _X, _FIN, "Another shipping amount was settled than sold", "Claim the difference."),
    Code.AMOUNT_MISMATCH: Meaning(_X, _FIN, "Another amount was settled than sold", "Claim the difference."),
    Code.DUPLICATE_LINE: Meaning(
        _X, _FIN, "The same thing was settled twice", "Ask the marketplace to reverse the second line."),
    Code.MISSING_SETTLEMENT: Meaning(
        _X, _FIN, "Shipped long ago and still neither settled nor held", "Ask the marketplace for the settlement."),
    Code.NOT_YET_DUE: _nothing(_P, "Nothing settled yet, and nothing is late"),
    Code.PARTIALLY_SETTLED: _nothing(_P, "A part is settled, and the rest is not late"),
    Code.HELD: _nothing(_P, "The marketplace holds the money"),
    Code.HOLD_OVERDUE: Meaning(
        _X, _FIN, "The marketplace holds the money longer than agreed", "Ask the marketplace to release it."),
    Code.UNKNOWN_ORDER: Meaning(
        _X, _OPS, "Money for an order that the store does not have",
        "Find the order: it may have been imported twice, never imported, or belong to another account."),
    Code.ORDER_AWAITED: _nothing(_P, "Money for an order that is on its way to us, or into the store"),
    Code.CANCELLED_BUT_CHARGED: Meaning(
        _X, _FIN, "A cancelled order has settlement lines", "Ask the marketplace to reverse them."),
    Code.CURRENCY_MISMATCH: Meaning(
        _X, _FIN, "Settled in another currency than sold",
        "Ask the marketplace for a settlement in the order's currency."),
    Code.CHARGEBACK: Meaning(
        _X, _FIN, "The buyer's bank took the money back", "Answer the chargeback with the proof of delivery."),
    Code.CORRECTED: _nothing(_M, "Was wrong, and a later line put it right"),
    Code.PENALTY_FEE: Meaning(
        _X, _OPS, "The marketplace charged a penalty to an order", "Find out why; dispute it if it is not ours."),
    Code.SUBSCRIPTION: _nothing(_M, "The marketplace's subscription fee"),
    Code.RESERVE: _nothing(_M, "A reserve taken or given back"),
    Code.RESERVE_OVERDUE: Meaning(
        _M, _FIN, "A reserve was not given back in time", "Ask the marketplace to give it back."),
    Code.MANUAL_INVOICE_REVIEW: Meaning(
        _M, _FIN, "The marketplace charged something by hand", "Ask for the reason; book it or dispute it."),
    Code.MANUAL_CREDIT_REVIEW: Meaning(
        _M, _FIN, "The marketplace credited something by hand", "Ask for the reason; book it."),
    Code.UNKNOWN_LINE_TYPE: Meaning(
        _X, _FIN, "The marketplace uses a line type that is not known here",
        "Ask what it is; it is counted all the same."),
    Code.FX_DIFFERENCE: _nothing(_M, "The bank received another currency, close to the agreed rate"),
    Code.FX_OUT_OF_TOLERANCE: Meaning(
        _X, _FIN, "The bank received another currency, far from the agreed rate",
        "Compare `fx_rate` with the day's rate; ask bank and marketplace about charges."),
    Code.PAYOUT_SHORT: Meaning(
        _X, _FIN, "The bank received less than the marketplace says it transferred",
        "Ask the marketplace for the proof of payment."),
}  # fmt: skip

ORDER_REVIEW = frozenset({Code.MANUAL_INVOICE_REVIEW, Code.MANUAL_CREDIT_REVIEW})
"""On an order these are a difference that nothing explains, therefore an exception there."""


def order_status(codes: Iterable[Code]) -> Status:
    """The worst that the codes of an order make of it; MATCHED without codes."""
    found = (Status.EXCEPTION if code in ORDER_REVIEW else MEANINGS[code].status for code in codes)
    return max(found, key=_RANK.__getitem__, default=Status.MATCHED)


def document_status(codes: Iterable[Code], *, carried_forward: bool) -> Status:
    """The worst that the codes of a document make of it, where nothing is worse than an exception."""
    start = Status.CARRIED_FORWARD if carried_forward else Status.MATCHED
    return max((start, *(MEANINGS[code].status for code in codes)), key=_RANK.__getitem__)
