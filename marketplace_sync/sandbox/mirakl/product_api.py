"""P41 to P51: product files, turned into products of the operator's catalogue or into rows of a report."""

from __future__ import annotations

from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from marketplace_sync.sandbox.clock import Clock
from marketplace_sync.sandbox.mirakl.actions import Actions
from marketplace_sync.sandbox.mirakl.gate import Gate, Handler, answer
from marketplace_sync.sandbox.mirakl.offers import Offers
from marketplace_sync.sandbox.mirakl.paging import links, offset_page
from marketplace_sync.sandbox.mirakl.settings import MiraklSettings
from marketplace_sync.sandbox.mirakl.uploads import parts, rows, written
from marketplace_sync.sandbox.mirakl.values import BadValue, iso
from marketplace_sync.sandbox.state import State

ATTRIBUTES = ("shop_sku", "ean", "title", "brand", "category")
"""The columns of this operator's files, all of them required."""
_STAGES = ("TRANSFORMATION_WAITING", "WAITING", "RUNNING", "SENT")
Job = dict[str, Any]


class ProductApi:
    """Handlers of P31, P41, P42, P44 to P47 and P51; `base_url` is where they are. (Mirakl, catalogue)"""

    def __init__(self, state: State, clock: Clock, settings: MiraklSettings, offers: Offers, actions: Actions) -> None:
        self.settings = settings
        self.base_url = ""
        self._state = state
        self._clock = clock
        self._offers = offers
        self._actions = actions
        self._jobs = state.collection("product_imports")

    def open_in(self, gate: Gate) -> None:
        gate.open("P31", "GET", "/api/products", self._known)
        gate.open("P41", "POST", "/api/products/imports", self._upload)
        gate.open("P51", "GET", "/api/products/imports", self._list)
        gate.open("P42", "GET", "/api/products/imports/{number}", self._one)
        gate.open("P44", "GET", "/api/products/imports/{number}/error_report", self._report("invalid"))
        gate.open("P45", "GET", "/api/products/imports/{number}/new_product_report", self._report("added"))
        gate.open("P46", "GET", "/api/products/imports/{number}/transformed_file", self._transformed)
        gate.open("P47", "GET", "/api/products/imports/{number}/transformation_error_report", self._report("unmapped"))

    async def _known(self, request: Request) -> Response:
        found = []
        for pair in request.query_params.get("product_references", "").split(",")[:100]:
            kind, _, reference = pair.partition("|")
            product = self._offers.product(kind, reference)
            if product is not None:
                found.append(
                    {
                        "product_id": reference,
                        "product_id_type": kind,
                        "product_sku": product["sku"],
                        "product_title": product["title"],
                        "category_code": _code(product["category"]),
                        "category_label": product["category"],
                    }
                )
        return answer({"products": found, "total_count": len(found)})

    async def _upload(self, request: Request) -> Response:
        sent = await parts(request)
        found = rows(sent["file"])
        if not found:
            raise BadValue("The file has no rows")
        number = self._state.counter("product_import", 6001)
        now = self._clock.timestamp()
        job = {
            "number": number,
            "created": now,
            "ready": now + self.settings.import_seconds,
            "done": False,
            "rows": found,
            "invalid": [],
            "added": [],
            "unmapped": [],
            "mapped": [],
        }
        self._jobs.put(str(number), job)
        self._actions.note("P41", str(number), rows=len(found))
        location = f"{self.base_url}/api/products/imports/{number}"
        return answer({"import_id": number}, 201, {"Location": location})

    def time_passed(self) -> None:
        now = self._clock.timestamp()
        for job in list(self._jobs.values()):
            if not job["done"] and job["ready"] <= now:
                self._jobs.put(str(job["number"]), self._run({**job, "done": True}))

    def _run(self, job: Job) -> Job:
        """A row without an attribute fails in the mapping, one with a wrong EAN at the operator; the rest are added."""
        invalid, added, unmapped, mapped = [], [], [], []
        for number, row in enumerate(job["rows"], start=1):
            sku = row.get("shop_sku", "")
            if missing := [name for name in ATTRIBUTES if not row.get(name)]:
                unmapped.append([number, sku, f"The attribute '{missing[0]}' is required"])
                continue
            mapped.append([_code(row[name]) if name == "category" else row[name] for name in ATTRIBUTES])
            if not (row["ean"].isdecimal() and len(row["ean"]) == 13 and _has_check_digit(row["ean"])):
                invalid.append([number, sku, f"'{row['ean']}' is not a valid EAN"])
            else:
                if self._offers.product("EAN", row["ean"]) is None:
                    added.append([number, sku, f"P-{row['ean']}"])
                self._offers.add_product(sku, row["ean"], row["title"], row["brand"], row["category"])
        return {**job, "invalid": invalid, "added": added, "unmapped": unmapped, "mapped": mapped}

    def _status(self, job: Job) -> str:
        if job["done"]:
            return "COMPLETE"
        passed = (self._clock.timestamp() - job["created"]) / (job["ready"] - job["created"])
        return _STAGES[min(len(_STAGES) - 1, int(passed * len(_STAGES)))]

    def _row(self, job: Job) -> dict[str, Any]:
        count, unmapped, invalid = len(job["rows"]), len(job["unmapped"]), len(job["invalid"])
        row = {
            "import_id": job["number"],
            "date_created": iso(job["created"]),
            "import_status": self._status(job),
            "shop_id": self.settings.shop_id,
            "has_error_report": invalid > 0,
            "has_new_product_report": bool(job["added"]),
            "has_transformed_file": bool(job.get("mapped")),
            "has_transformation_error_report": unmapped > 0,
            "transform_lines_read": count if job["done"] else 0,
            "transform_lines_in_success": count - unmapped if job["done"] else 0,
            "transform_lines_in_error": unmapped,
            "transform_lines_with_warning": 0,
        }
        if job["done"]:
            row["integration_details"] = {
                "invalid_products": invalid,
                "products_successfully_synchronized": count - unmapped - invalid,
                "rejected_products": 0,
            }
        return row

    def _found(self, request: Request) -> Job:
        job = self._jobs.get(request.path_params["number"])
        if job is None:
            raise LookupError(f"The import with id '{request.path_params['number']}' was not found")
        return job

    async def _one(self, request: Request) -> Response:
        return answer(self._row(self._found(request)))

    async def _list(self, request: Request) -> Response:
        offset, size = offset_page(request)
        jobs = list(self._jobs.values())
        if request.query_params.get("order") == "desc":
            jobs.reverse()
        shown = [self._row(job) for job in jobs[offset : offset + size]]
        headers = links(request, self.base_url, offset, size, len(jobs))
        return answer({"product_import_trackings": shown, "total_count": len(jobs)}, headers=headers)

    async def _transformed(self, request: Request) -> Response:
        """The rows that fitted the mapping, as the operator goes on with them: categories by their codes."""
        job = self._found(request)
        if not job.get("mapped"):
            raise LookupError(f"The import '{job['number']}' has no transformed file")
        return Response(written(ATTRIBUTES, job["mapped"]), media_type="text/csv")

    def _report(self, kind: str) -> Handler:
        header = ("line", "shop_sku", "product-sku" if kind == "added" else "error-message")

        async def report(request: Request) -> Response:
            job = self._found(request)
            if not job[kind]:
                raise LookupError(f"The import '{job['number']}' has no such report")
            return Response(written(header, job[kind]), media_type="application/octet-stream")

        return report


def _code(category: str) -> str:
    return category.upper().replace(" ", "_")


def _has_check_digit(ean: str) -> bool:
    return sum(int(digit) * (3 if place % 2 else 1) for place, digit in enumerate(ean)) % 10 == 0
