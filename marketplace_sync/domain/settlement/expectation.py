"""What one order line should bring over its whole life: amounts, commission base and rate, and other known bases."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from fractions import Fraction

from marketplace_sync.domain.settlement.inputs import SoldLine, SoldOrder, StoreRefund
from marketplace_sync.domain.settlement.rounding import of
from marketplace_sync.domain.settlement.rules import Rules


@dataclass(frozen=True, slots=True)
class Expectation:
    """Positive minor units. `rate` is None when neither the settings nor the order say what commission is due."""

    line: SoldLine
    product: int
    shipping: int
    tax: int | None
    base_product: int
    base_shipping: int
    rate: Fraction | None
    shipped_on: date | None
    stranger: bool = False
    """Only the settlement knows this order line: nothing is expected of it."""

    def commission(self, rules: Rules) -> int | None:
        """On the contract base: price, plus shipping where commission is due on it."""
        if self.rate is None:
            return None
        return of(self.rate, self.base_product + (self.base_shipping if rules.commission_on_shipping else 0))

    def refund_base(self, amount: int, shipping: int, rules: Rules) -> Fraction | int:
        """What commission is refunded on, in the proportion in which the sale's base stands to the price."""
        counted = shipping if rules.commission_on_shipping else 0
        if self.base_product == self.line.price or not self.line.price:
            return amount + counted
        return Fraction(amount * self.base_product, self.line.price) + counted

    def refunded_commission(self, amount: int, shipping: int, rules: Rules) -> int | None:
        if self.rate is None:
            return None
        base = self.refund_base(amount, shipping, rules)
        return of(self.rate, base) if isinstance(base, int) else of(self.rate * base, 1)


def expectation(order: SoldOrder, line: SoldLine, rules: Rules) -> Expectation:
    nothing_due = line.cancelled or order.cancelled
    base_product = line.price if line.base_price is None else line.base_price
    base_shipping = line.shipping if line.base_shipping is None else line.base_shipping
    shipped_on = line.shipped_on or order.shipped_on
    rate = rules.settings.commission_rates.rate(line.sku, line.categories, order.placed_on or shipped_on or rules.as_of)
    if rate is None and line.own_commission is not None:
        base = base_product + (base_shipping if rules.commission_on_shipping else 0)
        rate = Fraction(line.own_commission, base) if base else Fraction(0)
    return Expectation(
        line=line,
        product=0 if nothing_due else line.price,
        shipping=0 if nothing_due else line.shipping,
        tax=0 if nothing_due else line.tax,
        base_product=0 if nothing_due else base_product,
        base_shipping=0 if nothing_due else base_shipping,
        rate=rate,
        shipped_on=shipped_on,
    )


def stranger(known: list[Expectation], rules: Rules) -> Expectation:
    """An order line that nobody sold: whatever it brings is wrong, but not its commission as well."""
    nothing = SoldLine(price=0)
    return Expectation(nothing, 0, 0, 0, 0, 0, blended_rate(known, rules), None, stranger=True)


def blended_rate(known: list[Expectation], rules: Rules) -> Fraction | None:
    """The rate that several order lines come to together, for a refund that names none of them."""
    rates = {e.rate for e in known}
    if None in rates:
        return None
    if len(rates) == 1:
        return rates.pop()
    bases = [e.base_product + (e.base_shipping if rules.commission_on_shipping else 0) for e in known]
    commissions = [e.commission(rules) or 0 for e in known]
    return Fraction(sum(commissions), sum(bases)) if sum(bases) else Fraction(0)


def other_commissions(covered: list[Expectation]) -> set[int]:
    """Commission at the agreed rate on every other base that is known for these lines: product only, product and
    shipping, the price before the seller's discount, the price after a promotion that the operator funds."""
    found = set()
    prices = max((2 + len(e.line.other_prices) for e in covered), default=0)
    for place in range(prices):
        for shipping_share in range(3):
            amounts = []
            for e in covered:
                if e.rate is None:
                    return set()
                products = (e.base_product, e.line.price, *e.line.other_prices)
                product = products[place] if place < len(products) else e.line.price
                shipping = (0, e.base_shipping, e.line.shipping)[shipping_share]
                amounts.append(of(e.rate, product + shipping))
            found.add(sum(amounts))
    return found


def refund_tax(expected: Expectation, refund: StoreRefund) -> int | None:
    """The tax on a refund: as stated, else the line's tax in proportion. None when neither is known."""
    if refund.tax is not None or expected.line.tax is None:
        return refund.tax
    sold = expected.line.price + expected.line.shipping
    return of(Fraction(expected.line.tax, sold), refund.amount + refund.shipping) if sold else 0
