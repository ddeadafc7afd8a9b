"""Payouts: their balance carried from one to the next, pennies that all go one way, and what the bank received."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import date
from fractions import Fraction

from marketplace_sync.domain.money import exponent, share
from marketplace_sync.domain.settlement.codes import Code, document_status
from marketplace_sync.domain.settlement.inputs import BankReceipt
from marketplace_sync.domain.settlement.result import Document
from marketplace_sync.domain.settlement.rounding import of
from marketplace_sync.domain.settlement.settings import FinanceSettings, whole_minor_units


@dataclass(frozen=True, slots=True)
class Payout:
    """The sums of one document's lines, in minor units. `transferred` is None while there is no PAYMENT line."""

    number: str
    currency: str
    lines_total: int
    transferred: int | None
    created_on: date | None
    paid_on: date | None = None
    alone: bool = False
    """What it pays for is in other documents, where reports name no purchase orders: it carries nothing forward."""


@dataclass(slots=True)
class _Bank:
    """What is known of the receipts of one document."""

    currency: str
    expected: int
    received: int = 0
    codes: set[Code] = field(default_factory=set)


def conclude(
    payouts: Iterable[Payout],
    receipts: Sequence[BankReceipt],
    roundings: Iterable[tuple[str, str, int]],
    settings: FinanceSettings,
    as_of: date,
) -> tuple[Document, ...]:
    """Documents in order of creation. `roundings`: (document, currency, difference) of components that differ by
    rounding only."""
    ordered = sorted(payouts, key=lambda p: (p.created_on or date.min, p.number, p.currency))
    systematic = _systematic(roundings, settings)
    bank = _bank(ordered, receipts, settings, as_of)
    balances: dict[str, int] = {}
    documents = []
    for payout in ordered:
        opening = 0 if payout.alone else balances.pop(payout.currency, 0)
        closing = opening + payout.lines_total - (payout.transferred or 0)
        carried = payout.transferred is not None and closing < 0 and not payout.alone
        if carried:
            balances[payout.currency] = closing
        account = bank[payout.number, payout.currency]
        codes = set(account.codes)
        if (payout.number, payout.currency) in systematic:
            codes.add(Code.SYSTEMATIC_ROUNDING)
        documents.append(
            Document(
                accounting_document_number=payout.number,
                currency=payout.currency,
                opening_balance=opening,
                lines_total=payout.lines_total,
                amount_transferred=payout.transferred or 0,
                closing_balance=closing,
                status=document_status(codes, carried_forward=carried),
                codes=tuple(sorted(codes)),
                bank_currency=account.currency,
                bank_expected=account.expected,
                bank_received=account.received,
                created_on=payout.created_on,
                paid_on=payout.paid_on,
            )
        )
    return tuple(documents)


def _systematic(roundings: Iterable[tuple[str, str, int]], settings: FinanceSettings) -> set[tuple[str, str]]:
    found: dict[tuple[str, str], list[int]] = {}
    for number, currency, difference in roundings:
        if difference:
            found.setdefault((number, currency), []).append(difference)
    return {
        key
        for key, differences in found.items()
        if (min(differences) > 0 or max(differences) < 0)
        and abs(sum(differences)) > whole_minor_units(settings.document_rounding_limit, key[1])
    }


def _bank(
    payouts: Sequence[Payout], receipts: Sequence[BankReceipt], settings: FinanceSettings, as_of: date
) -> dict[tuple[str, str], _Bank]:
    accounts = {(p.number, p.currency): _unpaid(p, settings, as_of) for p in payouts}
    by_number: dict[str, list[Payout]] = {}
    for payout in payouts:
        if payout.transferred is not None:
            by_number.setdefault(payout.number, []).append(payout)
    for group in _groups(by_number, receipts):
        _compare(group, accounts, settings)
    return accounts


def _unpaid(payout: Payout, settings: FinanceSettings, as_of: date) -> _Bank:
    """Before any receipt: expected where the bank account is kept, and late some time after the payment."""
    rate = settings.exchange_rate(payout.currency)
    transferred = payout.transferred or 0
    abroad = payout.currency != settings.base_currency and rate is not None
    account = _Bank(
        currency=settings.base_currency if abroad else payout.currency,
        expected=_exchanged(transferred, payout.currency, settings.base_currency, rate) if abroad else transferred,
    )
    paid_on = payout.paid_on
    if transferred > 0 and paid_on is not None and (as_of - paid_on).days > settings.settlement_due_days:
        account.codes.add(Code.PAYOUT_SHORT)
    return account


@dataclass(slots=True)
class _Group:
    """Payouts and receipts that name each other: only together can they be compared."""

    payouts: list[Payout]
    receipts: list[BankReceipt]


def _groups(by_number: dict[str, list[Payout]], receipts: Sequence[BankReceipt]) -> list[_Group]:
    home: dict[str, str] = {}

    def root(number: str) -> str:
        while home.setdefault(number, number) != number:
            number = home[number]
        return number

    named = []
    for receipt in sorted(receipts, key=lambda r: (r.bank_ref, r.received_on or date.min, r.amount, r.documents)):
        numbers = sorted({number for number in receipt.documents if number in by_number})
        if numbers:
            named.append((receipt, numbers[0]))
            for number in numbers[1:]:
                home[root(number)] = root(numbers[0])
    groups: dict[str, _Group] = {}
    for receipt, number in named:
        groups.setdefault(root(number), _Group([], [])).receipts.append(receipt)
    for number, payouts in by_number.items():
        if number in home and root(number) in groups:
            groups[root(number)].payouts += payouts
        elif number in groups:
            groups[number].payouts += payouts
    return list(groups.values())


def _compare(group: _Group, accounts: dict[tuple[str, str], _Bank], settings: FinanceSettings) -> None:
    """Receipts in the documents' own currency first; what is left is expected in the receipts' currency."""
    currencies = sorted({payout.currency for payout in group.payouts})
    abroad = [receipt for receipt in group.receipts if receipt.currency not in currencies]
    for currency in currencies:
        payouts = [payout for payout in group.payouts if payout.currency == currency]
        # what notes take off a payment did not reach the bank, and is no less paid for that
        taken_off = [min(0, payout.transferred or 0) for payout in payouts]
        at_home = sum(receipt.amount for receipt in group.receipts if receipt.currency == currency) - sum(taken_off)
        transferred = [max(0, payout.transferred or 0) for payout in payouts]
        mine = [accounts[payout.number, currency] for payout in payouts]
        for account in mine:
            account.codes.clear()
        if abroad:
            _compare_abroad(payouts, mine, transferred, at_home, abroad, settings)
            continue
        shares = zip(payouts, mine, share(at_home, transferred), taken_off, strict=True)
        for payout, account, received, off in shares:
            account.currency, account.expected, account.received = currency, payout.transferred or 0, received + off
            if at_home < sum(transferred):
                account.codes.add(Code.PAYOUT_SHORT)


def _compare_abroad(
    payouts: list[Payout],
    accounts: list[_Bank],
    transferred: list[int],
    at_home: int,
    abroad: list[BankReceipt],
    settings: FinanceSettings,
) -> None:
    currency = payouts[0].currency
    bank_currency = abroad[0].currency
    received = sum(receipt.amount for receipt in abroad if receipt.currency == bank_currency)
    rate = settings.exchange_rate(currency)
    outside: Code | None = Code.FX_OUT_OF_TOLERANCE
    expected = 0
    if rate is not None:
        expected = _exchanged(sum(transferred) - at_home, currency, bank_currency, rate)
        difference = abs(received - expected)
        if not difference:
            outside = None
        elif difference * 100 <= Fraction(settings.fx_tolerance_pct) * abs(expected):
            outside = Code.FX_DIFFERENCE
    shares = zip(accounts, share(expected, transferred), share(received, transferred), strict=True)
    for account, its_expected, its_received in shares:
        account.currency, account.expected, account.received = bank_currency, its_expected, its_received
        if outside is not None:
            account.codes.add(outside)


def _exchanged(amount: int, currency: str, bank_currency: str, rate: Fraction | None) -> int:
    """`amount × rate` in the bank's minor units, rounded half up."""
    assert rate is not None
    steps = exponent(bank_currency) - exponent(currency)
    return of(rate * Fraction(10) ** steps, amount)
