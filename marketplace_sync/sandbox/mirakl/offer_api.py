"""OF01 to OF26, STO01 to STO03 and PRI01 to PRI03: offers read back, and imports with their reports."""

from __future__ import annotations

from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from marketplace_sync.sandbox.clock import Clock
from marketplace_sync.sandbox.mirakl.actions import Actions
from marketplace_sync.sandbox.mirakl.gate import Gate, Handler, answer, items, json_body
from marketplace_sync.sandbox.mirakl.imports import Imports, Job
from marketplace_sync.sandbox.mirakl.offers import Offer, Offers
from marketplace_sync.sandbox.mirakl.paging import asked, links, offset_page, seek, several
from marketplace_sync.sandbox.mirakl.settings import MiraklSettings
from marketplace_sync.sandbox.mirakl.uploads import parts, rows, written
from marketplace_sync.sandbox.mirakl.values import BadValue, iso, money

_OFFER_JOBS = ("OF24", "OF01")
_REQUIRED = ("shop_sku", "product_id", "product_id_type", "price", "state_code", "update_delete")
_COLUMNS = {
    "STO01": ("offer-sku", "quantity"),
    "PRI01": ("offer-sku", "price"),
    "OF01": ("sku", "product-id", "product-id-type", "price", "state"),
}


class OfferApi:
    """Handlers over offers and imports. `base_url` is where the vendor is reached. (Mirakl, offers)"""

    def __init__(
        self, clock: Clock, settings: MiraklSettings, offers: Offers, imports: Imports, actions: Actions
    ) -> None:
        self.settings = settings
        self.base_url = ""
        self._clock = clock
        self._offers = offers
        self._imports = imports
        self._actions = actions

    def open_in(self, gate: Gate) -> None:
        gate.open("OF21", "GET", "/api/offers", self._list)
        gate.open("OF24", "POST", "/api/offers", self._update)
        gate.open("OF01", "POST", "/api/offers/imports", self._upload("OF01"))
        gate.open("OF04", "GET", "/api/offers/imports", self._jobs)
        gate.open("OF02", "GET", "/api/offers/imports/{key}", self._job)
        gate.open("OF03", "GET", "/api/offers/imports/{key}/error_report", self._report(_OFFER_JOBS))
        gate.open("OF22", "GET", "/api/offers/{number}", self._one)
        gate.open("OF26", "GET", "/api/offers/{number}/quantity", self._quantity)
        gate.open("STO01", "POST", "/api/offers/stock/imports", self._upload("STO01"))
        gate.open("STO02", "GET", "/api/offers/stock/imports/{key}/status", self._stock_status)
        gate.open("STO03", "GET", "/api/offers/stock/imports/{key}/error_report", self._report(("STO01",)))
        gate.open("PRI01", "POST", "/api/offers/pricing/imports", self._upload("PRI01"))
        gate.open("PRI02", "GET", "/api/offers/pricing/imports", self._price_jobs)
        gate.open("PRI03", "GET", "/api/offers/pricing/imports/{key}/error_report", self._report(("PRI01",)))

    async def _update(self, request: Request) -> Response:
        sent = items(await json_body(request), "offers")
        for offer in sent:
            for name in _REQUIRED:
                if offer.get(name) in (None, ""):
                    raise BadValue(f"The field 'offers.{name}' is required")
        return self._taken("OF24", self._imports.start("OF24", sent, repeatable=False), len(sent))

    def _taken(self, kind: str, job: Job, count: int) -> Response:
        if "repeated" not in job:
            self._actions.note(kind, job["key"], rows=count)
        paths = {
            "STO01": f"/api/offers/stock/imports/{job['key']}/status",
            "PRI01": f"/api/offers/pricing/imports?import_id={job['key']}",
        }
        location = self.base_url + paths.get(kind, f"/api/offers/imports/{job['key']}")
        key = job["key"] if kind in paths else job["number"]
        body = {"import_id": key, "importId": key} if kind == "PRI01" else {"import_id": key}
        return answer(body, 201, {"Location": location})

    def _upload(self, kind: str) -> Handler:
        async def upload(request: Request) -> Response:
            sent = await parts(request)
            found = rows(sent["file"])
            if missing := [name for name in _COLUMNS[kind] if not found or name not in found[0]]:
                raise BadValue(f"The file has no column '{missing[0]}'")
            mode = sent.get("import_mode", "NORMAL")
            if mode not in ("NORMAL", "REPLACE", "PARTIAL_UPDATE"):
                raise BadValue("The field 'import_mode' has an unknown value")
            read = [_from_file(row) for row in found] if kind == "OF01" else found
            job = self._imports.start(kind, read, mode=mode, repeatable=kind != "OF01")
            return self._taken(kind, job, len(read))

        return upload

    def _report(self, kinds: tuple[str, ...]) -> Handler:
        async def report(request: Request) -> Response:
            job = self._imports.get(request.path_params["key"], kinds)
            if not job["errors"]:
                raise LookupError(f"The import '{job['key']}' has no error report")
            if kinds == _OFFER_JOBS:
                content = written(
                    ("sku", "error-line", "error-message"), ((sku, n, why) for n, sku, why in job["errors"])
                )
                return Response(content, media_type="application/octet-stream")
            content = written(("line-number", "error-message"), ((n, why) for n, _, why in job["errors"]))
            return Response(content, media_type="text/csv")

        return report

    def _job_row(self, job: Job) -> dict[str, Any]:
        done = job["done"]
        return {
            "import_id": job["number"],
            "date_created": iso(job["created"]),
            "status": self._imports.status(job),
            "reason_status": None,
            "mode": job["mode"],
            "type": "OFFER",
            "has_error_report": bool(job["errors"]),
            "lines_read": len(job["rows"]) if done else 0,
            "lines_in_success": job["success"],
            "lines_in_error": len(job["errors"]),
            "lines_in_pending": 0 if done else len(job["rows"]),
            "offer_inserted": job["inserted"],
            "offer_updated": job["updated"],
            "offer_deleted": job["deleted"],
        }

    async def _job(self, request: Request) -> Response:
        return answer(self._job_row(self._imports.get(request.path_params["key"], _OFFER_JOBS)))

    async def _jobs(self, request: Request) -> Response:
        def row(job: Job) -> dict[str, Any]:
            shown = {name: value for name, value in self._job_row(job).items() if name != "type"}
            return {**shown, "origin": "API", "shop_id": self.settings.shop_id}

        return self._page_of(request, _OFFER_JOBS, row)

    def _page_of(self, request: Request, kinds: tuple[str, ...], row: Any) -> Response:
        query, start = asked(request)
        ids, status = several(query, "import_id"), query.get("status")
        by_number = {job["number"]: job for job in self._imports.of_kind(kinds)}
        places = sorted((job["created"], number) for number, job in by_number.items())

        def wanted(job: Job) -> bool:
            return (not ids or job["key"] in ids) and status in (None, self._imports.status(job))

        return answer(seek(query, start, places, by_number.__getitem__, wanted).body(row))

    async def _stock_status(self, request: Request) -> Response:
        return answer(self._short_row(self._imports.get(request.path_params["key"], ("STO01",))))

    def _short_row(self, job: Job) -> dict[str, Any]:
        row = {
            "import_id": job["key"],
            "date_created": iso(job["created"]),
            "status": self._imports.status(job),
            "has_error_report": bool(job["errors"]),
            "shop_id": self.settings.shop_id,
        }
        if job["done"]:
            row.update(lines_in_error=len(job["errors"]), lines_in_success=job["success"])
        return row

    async def _price_jobs(self, request: Request) -> Response:
        def row(job: Job) -> dict[str, Any]:
            counted = {
                "lines_in_error": len(job["errors"]),
                "lines_in_success": job["success"],
                "offers_in_error": len({sku for _, sku, _ in job["errors"]}),
                "offers_updated": job["success"],
            }
            return {**self._short_row(job), **counted, "origin": "API", "reason_status": None}

        return self._page_of(request, ("PRI01",), row)

    async def _list(self, request: Request) -> Response:
        offset, size = offset_page(request)
        query = request.query_params
        states = [each for each in query.get("offer_state_codes", "").split(",") if each]
        found = [
            offer
            for offer in self._offers.all()
            if query.get("sku", offer["sku"]) == offer["sku"]
            and query.get("product_id", offer["product_sku"]) in (offer["product_sku"], offer["ean"])
            and (not states or "11" in states)
        ]
        shown = [self._row(offer) for offer in found[offset : offset + size]]
        headers = links(request, self.base_url, offset, size, len(found))
        return answer({"offers": shown, "total_count": len(found)}, headers=headers)

    def _numbered(self, request: Request) -> Offer:
        text = request.path_params["number"]
        if not text.isdecimal():
            raise BadValue("The parameter 'offer' has a wrong datatype")
        return self._offers.by_id(int(text))

    async def _one(self, request: Request) -> Response:
        return answer(self._row(self._numbered(request)))

    async def _quantity(self, request: Request) -> Response:
        offer = self._numbered(request)
        return answer({"offer_id": offer["id"], "quantity": offer["quantity"]})

    def _row(self, offer: Offer) -> dict[str, Any]:
        currency = self.settings.currency
        now = self._offers.price_now(offer)
        discount = offer["discount"]
        reasons = self._offers.inactivity(offer)
        pricing: dict[str, Any] = {
            "price": money(now, currency),
            "unit_origin_price": money(offer["price"], currency),
            "volume_prices": [],
        }
        if discount is not None:
            pricing["unit_discount_price"] = money(discount["price"], currency)
            pricing["discount_start_date"] = iso(discount["start"])
            pricing["discount_end_date"] = iso(discount["end"])
        row: dict[str, Any] = {
            "offer_id": offer["id"],
            "shop_sku": offer["sku"],
            "product_sku": offer["product_sku"],
            "product_title": offer["title"],
            "product_brand": offer["brand"],
            "product_references": [{"reference": offer["ean"], "reference_type": "EAN"}],
            "category_code": offer["category"].upper().replace(" ", "_"),
            "category_label": offer["category"],
            "active": not reasons,
            "inactivity_reasons": reasons,
            "state_code": "11",
            "quantity": offer["quantity"],
            "warehouses": offer["warehouses"],
            "price": money(now, currency),
            "total_price": money(now + self.settings.shipping_price, currency),
            "currency_iso_code": currency,
            "applicable_pricing": pricing,
            "all_prices": [pricing],
            "channels": ["INIT"],
            "fulfillment": {"center": {"code": "DEFAULT"}},
            "description": offer["description"],
            "internal_description": offer["internal_description"],
            "price_additional_info": offer["price_additional_info"],
            "product_tax_code": offer["product_tax_code"],
            "leadtime_to_ship": offer["leadtime_to_ship"] or self.settings.lead_time_days,
            "logistic_class": {"code": offer["logistic_class"], "label": offer["logistic_class"]},
            "shipping_deadline": iso(self._clock.timestamp() + self.settings.lead_time_days * 86_400),
            "min_shipping_price": money(self.settings.shipping_price, currency),
            "min_shipping_price_additional": money(self.settings.shipping_price, currency),
            "min_shipping_type": "STD",
            "min_shipping_zone": "HOME",
            "available_start_date": iso(offer["available_started"]),
            "available_end_date": iso(offer["available_ended"]),
        }
        for name in ("min_order_quantity", "max_order_quantity", "package_quantity", "min_quantity_alert"):
            row[name] = offer[name]
        retail = [money(one, currency) for one in offer["retail_prices"]]
        row["retail_prices"] = [{"price": one, "unit_origin_price": one} for one in retail]
        if offer["msrp"] is not None:
            row["msrp"] = money(offer["msrp"], currency)
        if discount is not None:
            row["discount"] = {
                "discount_price": money(discount["price"], currency),
                "origin_price": money(offer["price"], currency),
                "start_date": iso(discount["start"]),
                "end_date": iso(discount["end"]),
                "ranges": [],
            }
        return row


def _from_file(row: dict[str, str]) -> dict[str, Any]:
    """A line of the offers file as the JSON import has it."""
    found: dict[str, Any] = {name.replace("-", "_"): value for name, value in row.items()}
    found["shop_sku"] = found.pop("sku")
    found["state_code"] = found.pop("state", "")
    for given, meant in (("available_start_date", "available_started"), ("available_end_date", "available_ended")):
        found[meant] = found.pop(given, "")
    if found.get("discount_price"):
        dates = {"start_date": found.get("discount_start_date"), "end_date": found.get("discount_end_date")}
        found["discount"] = {"price": found["discount_price"], **dates}
    return found
