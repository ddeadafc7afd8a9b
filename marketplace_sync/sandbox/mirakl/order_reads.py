"""OR11 and its export: which orders a query asks for, and pages of them."""

from __future__ import annotations

import uuid
from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from marketplace_sync.sandbox.clock import Clock
from marketplace_sync.sandbox.mirakl.gate import Gate, answer, json_body
from marketplace_sync.sandbox.mirakl.order_book import OrderBook, Wanted
from marketplace_sync.sandbox.mirakl.paging import links, offset_page, time_of
from marketplace_sync.sandbox.mirakl.settings import MiraklSettings
from marketplace_sync.sandbox.mirakl.values import BadValue, iso, moment
from marketplace_sync.sandbox.mirakl.workflow import Refused
from marketplace_sync.sandbox.state import State

_LISTS = ("order_ids", "order_references_for_customer", "order_references_for_seller", "channel_codes")
_YEAR = 366 * 86_400


class OrderReads:
    """Handlers of OR11 and OR13 to OR15. `base_url` is where the vendor is reached."""

    def __init__(self, state: State, clock: Clock, settings: MiraklSettings, book: OrderBook) -> None:
        self.settings = settings
        self.base_url = ""
        self._clock = clock
        self._book = book
        self._exports = state.collection("order_exports")

    def open_in(self, gate: Gate) -> None:
        gate.open("OR11", "GET", "/api/orders", self._orders)
        gate.open("OR13", "POST", "/api/orders/async-export", self._export)
        gate.open("OR14", "GET", "/api/orders/async-export/status/{tracking_id}", self._export_status)
        gate.open("OR15", "GET", "/api/orders/async-export/files/{tracking_id}/{chunk}", self._export_file)

    async def _orders(self, request: Request) -> Response:
        offset, size = offset_page(request)
        query = request.query_params
        paged = query.get("paginate", "true").lower() != "false"
        wanted = self._wanted(request)
        if not paged:
            offset, size = 0, len(self._book) or 1
        if self._never(request):
            total, bodies = 0, list[bytes]()
        else:
            total, bodies = self._book.page(wanted, offset, size)
        body = b'{"orders":[' + b",".join(bodies) + b'],"total_count":' + str(total).encode() + b"}"
        headers = links(request, self.base_url, offset, size, total) if paged else None
        return Response(body, media_type="application/json", headers=headers)

    def _never(self, request: Request) -> bool:
        """Filters on what these orders are all alike in: they match everything or nothing."""
        query = request.query_params
        channels = [code for code in query.get("channel_codes", "").split(",") if code]
        centres = query.getlist("fulfillment_center_code")
        return (
            (bool(channels) and "INIT" not in channels)
            or _flag(query.get("only_null_channel"), "only_null_channel") is True
            or (bool(centres) and "DEFAULT" not in centres)
            or query.get("order_tax_mode", self.settings.order_tax_mode) != self.settings.order_tax_mode
        )

    def _wanted(self, request: Request) -> Wanted:
        query = request.query_params
        for name in _LISTS:
            if query.get(name, "").count(",") >= 100:
                raise BadValue(f"The parameter '{name}' must not have more than 100 items")
        if query.get("sort", "dateCreated") != "dateCreated" or query.get("order", "asc") not in ("asc", "desc"):
            raise BadValue("The parameter 'sort' has an unknown value")
        updated_from = time_of(query, "start_update_date")
        if updated_from is not None:
            updated_from -= self.settings.update_margin_seconds
        ids = _listed(query.get("order_ids"))
        return Wanted(
            states=frozenset(_listed(query.get("order_state_codes"))),
            ids=ids,
            updated_from=updated_from,
            updated_to=_through(time_of(query, "end_update_date")),
            created_from=time_of(query, "start_date"),
            created_to=_through(time_of(query, "end_date")),
            debited=_flag(query.get("customer_debited"), "customer_debited"),
            incident=_flag(query.get("has_incident"), "has_incident"),
            customer_references=frozenset(_listed(query.get("order_references_for_customer"))),
            seller_references=frozenset(_listed(query.get("order_references_for_seller"))),
            payment_workflow=query.get("payment_workflow"),
            descending=query.get("order") == "desc",
        )

    async def _export(self, request: Request) -> Response:
        body = await json_body(request)
        ranges: dict[str, float | None] = {}
        for name in ("date", "update_date"):
            start, end = body.get(f"start_{name}"), body.get(f"end_{name}")
            if (start is None) != (end is None):
                raise BadValue(f"The fields 'start_{name}' and 'end_{name}' must be given together")
            times = [None if each is None else moment(str(each), f"start_{name}") for each in (start, end)]
            ranges[f"start_{name}"], ranges[f"end_{name}"] = times
            if times[0] is not None and times[1] is not None and times[1] - times[0] > _YEAR:
                raise BadValue("The date range must not exceed one year")
        if all(each is None for each in ranges.values()):
            raise BadValue("At least one date range is required")
        if any(export["ready"] > self._clock.timestamp() for export in self._exports.values()):
            raise Refused("An export is already in progress for this shop")
        states = body.get("order_state_codes") or []
        chunk = body.get("items_per_chunk") or 1000
        wanted = Wanted(
            states=frozenset(states),
            created_from=ranges["start_date"],
            created_to=_through(ranges["end_date"]),
            updated_from=ranges["start_update_date"],
            updated_to=_through(ranges["end_update_date"]),
        )
        tracking_id = str(uuid.uuid4())
        now = self._clock.timestamp()
        _, bodies = self._book.page(wanted, 0, len(self._book))
        chunks = [bodies[start : start + chunk] for start in range(0, len(bodies), chunk)]
        export = {
            "id": tracking_id,
            "updated": now,
            "ready": now + self.settings.import_seconds,
            "chunks": [(b"[" + b",".join(part) + b"]").decode() for part in chunks],
        }
        self._exports.put(tracking_id, export)
        return answer({"tracking_id": tracking_id})

    def _found(self, request: Request) -> dict[str, Any]:
        export = self._exports.get(request.path_params["tracking_id"])
        if export is None:
            raise LookupError("The export was not found")
        return export

    async def _export_status(self, request: Request) -> Response:
        export = self._found(request)
        if export["ready"] > self._clock.timestamp():
            return answer({"status": "PENDING", "last_updated": iso(export["updated"])})
        address = f"{self.base_url}/api/orders/async-export/files/{export['id']}"
        urls = [f"{address}/{chunk}" for chunk in range(len(export["chunks"]))]
        return answer({"status": "COMPLETED", "last_updated": iso(export["ready"]), "urls": urls})

    async def _export_file(self, request: Request) -> Response:
        export = self._found(request)
        chunk = request.path_params["chunk"]
        if not chunk.isdecimal() or int(chunk) >= len(export["chunks"]):
            raise LookupError("The file was not found")
        return Response(export["chunks"][int(chunk)], media_type="application/json")


def _through(second: float | None) -> float | None:
    """A limit written in whole seconds means all of its second."""
    return second if second is None or second != int(second) else second + 0.999999


def _listed(text: str | None) -> tuple[str, ...]:
    return tuple(part.strip() for part in (text or "").split(",") if part.strip())


def _flag(text: str | None, name: str) -> bool | None:
    if text is None:
        return None
    if text.lower() not in ("true", "false"):
        raise BadValue(f"The parameter '{name}' has a wrong datatype")
    return text.lower() == "true"
