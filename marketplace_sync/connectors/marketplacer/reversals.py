"""Tells cancellations, returns and refunds apart: by whether the units had left (`dispatched`), and who was paid."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from msgspec.structs import replace

from marketplace_sync.connectors.marketplacer import fields
from marketplace_sync.connectors.marketplacer.stated import (
    AmendedLine,
    Amendment,
    Invoice,
    Line,
    RefundLine,
    RefundRequest,
)
from marketplace_sync.domain.money import share
from marketplace_sync.domain.orders import Initiator, Refund, Return, ReturnState

_STATES = {
    "PENDING_APPROVAL": ReturnState.REQUESTED,
    "AWAITING_RETURN": ReturnState.AUTHORISED,
    "REFUND_ACCEPTED": ReturnState.AUTHORISED,
    "REFUND_DENIED": ReturnState.DECLINED,
    "REFUNDED": ReturnState.APPROVED,
}
_WHO = {"BUYER": Initiator.CUSTOMER, "SELLER": Initiator.SELLER, "ADMIN": Initiator.MARKETPLACE}
_SAME = timedelta(minutes=10)
"""How near an amendment and a refund of the same units are to be one fact (sheet, 10)."""
_OF_A_LINE = "#"


@dataclass
class Undone:
    """What never left, of one line."""

    cancelled: int = 0
    requested: int = 0
    reason: str = ""
    initiator: Initiator = Initiator.UNKNOWN
    crossed: int = 0
    """Units that were cancelled although they had left: these are among `returned`, as refunds."""
    paid_back: list[Refund] = field(default_factory=list)
    """What the buyer got back with the units cancelled, request by request, as the refunds that they are if the units
    had left."""


@dataclass
class Reversals:
    undone: dict[str, Undone] = field(default_factory=dict)
    """Line id -> units cancelled, or asked to be, before they left."""
    returned: list[Return | Refund] = field(default_factory=list)
    odd: list[str] = field(default_factory=list)
    """What a person should know of."""


def reversals(
    order_id: str, invoices: Sequence[Invoice], currency: str, placed_at: datetime, marker_key: str
) -> Reversals:
    """All of an order's. Money taken back from the seller alone (`onlyRemittance`) is none of the buyer's business.
    `marker_key`: the external id by which requests of ours are known. Raises Malformed."""
    found = Reversals()
    for invoice in invoices:
        for request in invoice.refund_requests:
            given_back = _given_back(request, currency)
            ours = any(fields.text(one.key) == marker_key for one in request.external_ids or ())
            for line in request.line_items:
                if not line.only_remittance:
                    _requested(found, order_id, request, line, given_back, currency, placed_at, ours)
            if ours and fields.text(request.status) == "DENIED":
                found.odd.append(f"refund request {request.id}, which we made for what the store did, was denied")
        covered = _covered(invoice, currency)
        for amendment in invoice.amendments:
            for amended in amendment.line_items:
                if (amendment.id, amended.id) not in covered:
                    _amended(found, order_id, amendment, amended, currency, placed_at)
        for invoice_line in invoice.line_items:
            undone = found.undone.get(invoice_line.id)
            if undone is not None:
                found.returned += _crossed(undone, invoice_line, invoice)
    return found


def _crossed(undone: Undone, line: Line, invoice: Invoice) -> Iterator[Refund]:
    """A cancellation and a parcel of the same units passed each other, and the operator refunded it all the same: then
    the buyer has the money, and nothing is left to cancel. Nobody ships what is cancelled (sheet, 7: quantity above
    undispatched), so of several those that were refunded last had left. Raises Malformed."""
    if any(shipment.shipped_items is None for shipment in invoice.shipments):
        return  # nobody knows whether it took what was cancelled before
    left = sum(
        fields.units(item.quantity, f"shipment {shipment.id} quantity")
        for shipment in invoice.shipments
        for item in shipment.shipped_items or ()
        if item.line_item is not None and item.line_item.id == line.id
    )
    over = min(left, undone.cancelled + left - fields.units(line.quantity, f"line {line.id} quantity"))
    for refund in sorted(undone.paid_back, key=lambda one: (one.refunded_at, one.refund_id), reverse=True):
        units = min(over, refund.quantity)
        if units <= 0:
            return
        over -= units
        undone.cancelled -= units
        undone.crossed += units
        amount = None if refund.amount is None else share(refund.amount, [units, refund.quantity - units])[0]
        yield replace(refund, quantity=units, amount=amount)


def reversal_id(request: RefundRequest, line: RefundLine) -> str:
    """The request's own id; with the line's behind it where the request has several. Lines that name no goods count
    only where there are no others: an operator may add such to a request while refunding it (sheet, 7), and what was
    told of the goods before has to stay the same fact."""
    goods = [one for one in _counted(request) if one.line_item is not None]
    among = goods or _counted(request)
    return request.id if [one.id for one in among] == [line.id] else f"{request.id}{_OF_A_LINE}{line.id}"


def _former_id(request: RefundRequest, line: RefundLine) -> str:
    """What releases called it that counted every line, where that differs."""
    differs = reversal_id(request, line) == request.id and len(_counted(request)) > 1
    return f"{request.id}{_OF_A_LINE}{line.id}" if differs else ""


def _counted(request: RefundRequest) -> list[RefundLine]:
    return [one for one in request.line_items if not one.only_remittance]


def _given_back(request: RefundRequest, currency: str) -> dict[str, int]:
    """Line id -> what the buyer got back for it, where that is less or more than what was asked for: the request's own
    amount (sheet, 10), shared out over its refunded lines by what each came to. Raises Malformed."""
    whole = fields.cents(
        request.refund_amount_cents, request.refund_amount_formatted, currency, f"refund {request.id} refundAmount"
    )
    lines = [one for one in _counted(request) if fields.text(one.status) == "REFUNDED"]
    amounts = [fields.cents(one.amount_cents, one.amount_formatted, currency, "amount") for one in lines]
    asked = [0 if amount is None else abs(amount) for amount in amounts]
    if whole is None or not sum(asked):
        return {}
    found, passed, given = {}, 0, 0
    for line, amount in zip(lines, asked, strict=True):
        passed += amount
        until = abs(whole) * passed // sum(asked)
        found[line.id], given = until - given, until
    return found


def _requested(
    found: Reversals,
    order_id: str,
    request: RefundRequest,
    line: RefundLine,
    given_back: Mapping[str, int],
    currency: str,
    placed_at: datetime,
    ours: bool,
) -> None:
    status = fields.text(line.status)
    quantity = fields.units(line.quantity, f"refund {request.id} quantity")
    who = _WHO.get(fields.text(request.initiated_by), Initiator.UNKNOWN)
    asked = fields.cents(line.amount_cents, line.amount_formatted, currency, f"refund {request.id} amount")
    amount = given_back.get(line.id, asked)
    requested_at = fields.moment(request.created_at) or placed_at
    changed_at = fields.moment(request.refunded_at) or fields.moment(request.updated_at) or requested_at
    refund = Refund(
        refund_id=reversal_id(request, line),
        order_id=order_id,
        line_id=line.line_item.id if line.line_item else "",
        quantity=quantity if line.line_item else 0,
        amount=None if amount is None else abs(amount),
        refunded_at=changed_at,
        reason=fields.text(line.reason),
        initiator=who.value,
        formerly=_former_id(request, line),
    )
    if line.dispatched is False and line.line_item is not None:
        if status == "REFUND_DENIED":
            return
        undone = found.undone.setdefault(line.line_item.id, Undone())
        if status == "REFUNDED":
            undone.cancelled += quantity
            undone.paid_back.append(refund)
        else:
            undone.requested += quantity
        undone.reason, undone.initiator = fields.text(line.reason), who
        return
    if line.line_item is None or ours:
        # what the store gave back, and we ask for: no buyer wants to return anything
        if status == "REFUNDED":
            found.returned.append(refund)
        return
    found.returned.append(
        Return(
            return_id=refund.refund_id,
            order_id=order_id,
            line_id=line.line_item.id,
            quantity=quantity,
            state=_state(request, status),
            status=status,
            requested_at=requested_at,
            changed_at=changed_at,
            reason=refund.reason,
            refund_amount=refund.amount,
            initiator=who.value,
            formerly=refund.formerly,
        )
    )


def _state(request: RefundRequest, status: str) -> ReturnState:
    """Of a line. That the goods are back only the request says; its lines still wait then (sheet, 4)."""
    is_over = status in ("REFUND_DENIED", "REFUNDED")
    if not is_over and fields.text(request.status) == "RETURNED":
        return ReturnState.RECEIVED
    return _STATES.get(status, ReturnState.UNKNOWN)


def _amended(
    found: Reversals, order_id: str, amendment: Amendment, line: AmendedLine, currency: str, placed_at: datetime
) -> None:
    quantity = fields.units(line.quantity, f"amendment {amendment.id} quantity")
    amount = fields.cents(line.total_cents, line.total_formatted, currency, f"amendment {amendment.id} total")
    refund = Refund(
        refund_id=amendment.id if len(amendment.line_items) == 1 else f"{amendment.id}{_OF_A_LINE}{line.id}",
        order_id=order_id,
        line_id=line.line_item.id if line.line_item else "",
        quantity=quantity if line.line_item else 0,
        amount=None if amount is None else abs(amount),
        refunded_at=fields.moment(amendment.created_at) or placed_at,
        initiator=Initiator.MARKETPLACE.value,
    )
    if line.line_item is not None and (line.dispatched is False or fields.text(line.status) == "CANCELLED"):
        undone = found.undone.setdefault(line.line_item.id, Undone())
        undone.cancelled += quantity
        undone.paid_back.append(refund)
        undone.initiator = Initiator.MARKETPLACE
        return
    found.returned.append(refund)


def _covered(invoice: Invoice, currency: str) -> set[tuple[str, str]]:
    """Amended lines (amendment, line) of which a refund request of the same invoice says the same: of as many units
    of the same line at nearly the same time (sheet, 10). Each refund says it of one: of its own amount before others,
    then of the nearest. Raises Malformed."""
    pairs = []
    for amendment in invoice.amendments:
        at = fields.moment(amendment.created_at)
        for amended in amendment.line_items:
            for line, refunded in _refunded(invoice):
                if line.line_item is None or amended.line_item is None or at is None or refunded is None:
                    continue
                same = line.line_item.id == amended.line_item.id and line.quantity == amended.quantity
                if same and abs(at - refunded) <= _SAME:
                    told = fields.cents(line.amount_cents, line.amount_formatted, currency, "amount")
                    total = fields.cents(amended.total_cents, amended.total_formatted, currency, "amendment total")
                    differs = told is None or total is None or abs(told) != abs(total)
                    pairs.append((differs, abs(at - refunded), (amendment.id, amended.id), line.id))
    covered: set[tuple[str, str]] = set()
    spent: set[str] = set()
    for _, _, amended_line, refund_line in sorted(pairs):
        if amended_line not in covered and refund_line not in spent:
            covered.add(amended_line)
            spent.add(refund_line)
    return covered


def _refunded(invoice: Invoice) -> Iterator[tuple[RefundLine, datetime | None]]:
    for request in invoice.refund_requests:
        for line in _counted(request):
            if fields.text(line.status) == "REFUNDED":
                yield line, fields.moment(request.refunded_at) or fields.moment(request.updated_at)
