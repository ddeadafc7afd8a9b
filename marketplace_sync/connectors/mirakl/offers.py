"""Offers read back, and whole offers sent: what is not stated is reset, so what a change leaves out is read first."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any
from urllib.parse import quote

import msgspec

from marketplace_sync.connectors.mirakl import fields, files
from marketplace_sync.connectors.mirakl.calls import Calls
from marketplace_sync.connectors.mirakl.kept_fields import kept
from marketplace_sync.connectors.mirakl.settings import MiraklSettings
from marketplace_sync.connectors.selling import ImportReport, ImportState, OfferChange, OfferState, RowProblem
from marketplace_sync.decoding import decoded
from marketplace_sync.domain.money import json_number

_OFFERS = "/api/offers"
_IMPORTS = "/api/offers/imports"


class _Reference(msgspec.Struct):
    reference: Any = None
    reference_type: Any = None


class _Stated(msgspec.Struct):
    offer_id: Any = None
    shop_sku: Any = None
    product_sku: Any = None
    product_title: Any = None
    product_references: list[_Reference] | None = None
    quantity: Any = None
    price: Any = None
    currency_iso_code: Any = None
    active: bool | None = None
    inactivity_reasons: list[Any] | None = None


class _Page(msgspec.Struct):
    offers: list[_Stated]
    total_count: int


class _Rows(msgspec.Struct):
    offers: list[msgspec.Raw]
    total_count: int


class _Named(msgspec.Struct):
    shop_sku: Any = None


class _Import(msgspec.Struct):
    status: str
    has_error_report: bool = False
    lines_in_success: int | None = None
    reason_status: Any = None


class Offers:
    """Thread-safe. Methods raise TransportError."""

    def __init__(self, settings: MiraklSettings, calls: Calls) -> None:
        self._settings = settings
        self._calls = calls

    def all(self) -> Iterator[list[OfferState]]:
        """OF21 to its end: the list is a live view, so one that is added while we read may come twice or not. Raises
        Malformed."""
        offset = 0
        while True:
            params: dict[str, str | int] = {"max": self._settings.page_size, "offset": offset}
            page = self._calls.get(_OFFERS, _Page, params=params, operation="read offers")
            offset += len(page.offers)
            yield [self._offer(stated) for stated in page.offers]
            if self._calls.is_over("read offers", page.offers, offset, page.total_count):
                return

    def _offer(self, stated: _Stated) -> OfferState:
        offer_id = fields.text(stated.offer_id)
        currency = fields.text(stated.currency_iso_code).upper() or self._settings.currency
        where = f"offer {offer_id}"
        references = stated.product_references or ()
        return OfferState(
            offer_id=offer_id,
            sku=stated.shop_sku if isinstance(stated.shop_sku, str) else fields.text(stated.shop_sku),
            product=fields.text(stated.product_sku),
            title=fields.text(stated.product_title),
            eans=tuple(fields.text(one.reference) for one in references if fields.text(one.reference_type) == "EAN"),
            quantity=0 if stated.quantity is None else fields.units(stated.quantity, f"{where} quantity"),
            amount=fields.money(stated.price, currency, f"{where} price"),
            currency=currency,
            active=bool(stated.active),
            inactive_because=tuple(fields.text(reason) for reason in stated.inactivity_reasons or ()),
        )

    def send(self, offers: Sequence[OfferChange], currency: str) -> str:
        """OF24. An import that is sent twice within moments is one: it answers with the earlier number (Mirakl,
        basics: idempotency). What the marketplace has of an offer beyond what its change states is read and sent back
        as it is. Raises ValueError for nothing to send."""
        if not offers:
            raise ValueError("an import of offers names at least one")
        known = self._kept({offer.sku for offer in offers if not offer.delete})
        answer = self._calls.send(
            "POST",
            _OFFERS,
            json={"offers": [{**known.get(offer.sku, {}), **_body(offer, currency)} for offer in offers]},
            bucket="offers",
            operation="send offers",
        )
        import_id = fields.text(self._calls.decoded(answer, files.Taken, "send offers").import_id)
        if not import_id:
            raise self._calls.unreadable("send offers", "it gives the import no number", answer.status)
        return import_id

    def _kept(self, skus: set[str]) -> dict[str, dict[str, object]]:
        """SKU -> what its offer keeps, by OF21; of one offer alone, or of the whole list until all were seen."""
        found: dict[str, dict[str, object]] = {}
        params: dict[str, str | int] = {"max": self._settings.page_size}
        if len(skus) == 1:
            params["sku"] = next(iter(skus))
        offset = 0
        while skus - found.keys():
            page = self._calls.get(_OFFERS, _Rows, params={**params, "offset": offset}, operation="read offers")
            offset += len(page.offers)
            try:
                for row in page.offers:
                    sku = fields.text(decoded(row, _Named).shop_sku)
                    if sku in skus:
                        found[sku] = kept(row)
            except (msgspec.DecodeError, KeyError) as problem:
                raise self._calls.unreadable("read offers", str(problem)[:200], 200) from None
            if self._calls.is_over("read offers", page.offers, offset, page.total_count):
                break
        return found

    def report(self, import_id: str) -> ImportReport:
        """OF02, and OF03 where rows failed: COMPLETE with errors is normal (Mirakl, offers)."""
        path = f"{_IMPORTS}/{quote(import_id, safe='')}"
        found = self._calls.get(path, _Import, bucket="offer_reports", operation="read offer import")
        if found.status not in ("COMPLETE", "FAILED"):
            return ImportReport(import_id=import_id, state=ImportState.UNDER_WAY, status=found.status)
        problems: tuple[RowProblem, ...] = ()
        if found.has_error_report:
            answer = self._calls.raw(
                f"{path}/error_report", bucket="default", operation="read offer errors", headers=files.REPORT
            )
            problems = files.problems(answer.body)
        return ImportReport(
            import_id=import_id,
            state=ImportState.DONE if found.status == "COMPLETE" else ImportState.FAILED,
            status=found.status,
            taken=found.lines_in_success,
            problems=problems,
            reason=fields.text(found.reason_status),
        )


def _body(offer: OfferChange, currency: str) -> dict[str, Any]:
    body: dict[str, Any] = {
        "shop_sku": offer.sku,
        "product_id": offer.product_id,
        "product_id_type": offer.product_id_type,
        "price": json_number(offer.amount, currency),
        "quantity": max(0, offer.quantity),
        "state_code": offer.condition,
        "description": offer.description,
        "update_delete": "delete" if offer.delete else "update",
    }
    if offer.lead_time_days is not None:
        body["leadtime_to_ship"] = offer.lead_time_days
    if offer.discount is not None and offer.discount.discount is not None:
        discount = {"price": json_number(offer.discount.discount, currency)}
        ends = {"start_date": offer.discount.discount_from, "end_date": offer.discount.discount_until}
        body["discount"] = {**discount, **{key: fields.timestamp(at) for key, at in ends.items() if at is not None}}
    return body
