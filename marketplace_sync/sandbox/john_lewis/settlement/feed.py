"""The calls that list settlements and serve their files."""

from __future__ import annotations

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from marketplace_sync.sandbox.john_lewis import wire
from marketplace_sync.sandbox.john_lewis.door import Door, NotFound, whole_number
from marketplace_sync.sandbox.john_lewis.settings import EdgeSettings
from marketplace_sync.sandbox.john_lewis.settlement.weekly import Settlements

_PATH = "/sim/jl/settlements/"


class SettlementFeed:
    """GET /sim/jl/settlements/ and, for each of its `files`, /sim/jl/settlements/{id}/{file}. (John Lewis, settlement)

    John Lewis itself has no such calls: its reports are fetched in a portal.
    """

    def __init__(self, settings: EdgeSettings, settlements: Settlements) -> None:
        self.settings = settings
        self._settlements = settlements

    def open_in(self, door: Door) -> None:
        door.slashed(_PATH, GET=self._list)
        door.slashless(f"{_PATH}{{id}}/{{file}}", GET=self._file)

    async def _list(self, request: Request) -> Response:
        self._require_on()
        limit = whole_number(request, "limit", self.settings.default_page_size) or self.settings.default_page_size
        offset, limit = whole_number(request, "offset", 0), min(limit, self.settings.page_ceiling)
        count, found = self._settlements.page(offset, limit)
        rows = [msgspec.json.encode(each) for each in found]
        return Response(wire.listing(_PATH, count, rows, offset, limit, ""), media_type="application/json")

    async def _file(self, request: Request) -> Response:
        self._require_on()
        try:
            content, media_type = self._settlements.file(request.path_params["id"], request.path_params["file"])
        except LookupError as problem:
            raise NotFound from problem
        return Response(content, media_type=media_type)

    def _require_on(self) -> None:
        if not self.settings.settlement_feed:
            raise NotFound
