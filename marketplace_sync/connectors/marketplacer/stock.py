"""Sets how much of a product can be sold: one variant by one call, found by its SKU."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from marketplace_sync.connectors.marketplacer import documents, fields
from marketplace_sync.connectors.marketplacer.account import Account
from marketplace_sync.connectors.marketplacer.graphql import GraphQL
from marketplace_sync.connectors.outcomes import outcome_of, unresolved
from marketplace_sync.domain.effects import Delivered, Effect, NotThere, Outcome, Refused, Resolution
from marketplace_sync.domain.errors import TransportError


class _Variant(msgspec.Struct, rename="camel"):
    id: str
    sku: str | None = None
    count_on_hand: int | None = None


class StockLevels:
    """Thread-safe. Setting a level again is harmless."""

    def __init__(self, calls: GraphQL, account: Account) -> None:
        self._calls = calls
        self._account = account

    def send(self, effects: Sequence[Effect]) -> list[Outcome]:
        try:
            known = self._variants([effect.payload.sku for effect in effects])
        except TransportError as problem:
            return [unresolved(problem) for _ in effects]
        return [self._set(effect, known.get(effect.payload.sku, [])) for effect in effects]

    def verdict(self, effect: Effect) -> Resolution:
        try:
            found = self._variants([effect.payload.sku]).get(effect.payload.sku, [])
        except TransportError as problem:
            return unresolved(problem)
        there = [variant.count_on_hand == effect.payload.quantity for variant in found]
        return Delivered({"found": True}) if there == [True] else NotThere()

    def _set(self, effect: Effect, found: Sequence[_Variant]) -> Outcome:
        sku = effect.payload.sku
        if not found:
            return Refused(f"the marketplace has no variant with SKU {sku}", code="UNKNOWN_SKU")
        if len(found) > 1:
            return Refused(
                f"the marketplace has {len(found)} variants with SKU {sku}, of several sellers perhaps: use a seller's"
                " key, or make the SKU unique there",
                code="AMBIGUOUS_SKU",
            )
        given = {"variantId": found[0].id, "attributes": {"countOnHand": effect.payload.quantity}}
        try:
            self._calls.write(documents.SET_STOCK, {"input": given})
        except TransportError as problem:
            return outcome_of(problem)
        return Delivered()

    def _variants(self, skus: Sequence[str]) -> dict[str, list[_Variant]]:
        """SKUs are compared exactly, whatever the marketplace takes for the same. Raises TransportError."""
        found: dict[str, list[_Variant]] = {}
        for page in self._account.pages(documents.VARIANTS, {"skus": list(skus)}, "variantsWhere"):
            for row in page:
                variant = self._account.decoded(documents.VARIANTS, row, _Variant)
                found.setdefault(fields.text(variant.sku), []).append(variant)
        return found
