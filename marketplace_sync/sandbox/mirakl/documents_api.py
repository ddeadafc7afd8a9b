"""OR72 to OR76 and DO01: files kept with orders, listed, fetched, added and removed."""

from __future__ import annotations

import base64
import io
import json
import zipfile
from email.parser import BytesParser
from email.policy import HTTP
from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from marketplace_sync.sandbox.clock import Clock
from marketplace_sync.sandbox.mirakl.actions import Actions
from marketplace_sync.sandbox.mirakl.gate import Gate, answer, items, text
from marketplace_sync.sandbox.mirakl.order_book import OrderBook
from marketplace_sync.sandbox.mirakl.values import BadValue, iso
from marketplace_sync.sandbox.state import State

TYPES = {
    "CUSTOMER_INVOICE": "Invoice for the customer",
    "SYSTEM_DELIVERY_BILL": "Delivery note",
    "SYSTEM_RETURN_LABEL": "Return label",
}
ENDINGS = frozenset(
    ("csv", "doc", "xls", "xlsx", "ppt", "pdf", "odt", "ods", "odp", "txt", "rtf", "png", "jpg", "gif", "zpl",
     "mov", "mp4")
)  # fmt: skip
MOST = 50
"""Documents of one order. (Mirakl, documents)"""
Kept = dict[str, Any]


class DocumentsApi:
    """Handlers over documents; their bytes are kept in the state, in base64."""

    def __init__(self, state: State, clock: Clock, book: OrderBook, actions: Actions) -> None:
        self._state = state
        self._clock = clock
        self._book = book
        self._actions = actions
        self._kept = state.collection("order_documents")

    def open_in(self, gate: Gate) -> None:
        gate.open("OR72", "GET", "/api/orders/documents", self._list)
        gate.open("OR73", "GET", "/api/orders/documents/download", self._download)
        gate.open("OR74", "POST", "/api/orders/{order_id}/documents", self._upload)
        gate.open("OR76", "DELETE", "/api/orders/documents/{document_id}", self._delete)
        gate.open("DO01", "GET", "/api/documents", self._types)

    def keep(self, order_id: str, kind: str, file_name: str, content: bytes) -> Kept:
        """Raises LookupError for an order that does not exist."""
        self._book.copy_of(order_id)
        number = self._state.counter("order_document")
        kept = {
            "id": number,
            "order_id": order_id,
            "type": kind,
            "file_name": file_name,
            "content": base64.b64encode(content).decode(),
            "size": len(content),
            "uploaded": self._clock.timestamp(),
        }
        self._kept.put(str(number), kept)
        return kept

    def _of(self, order_id: str) -> list[Kept]:
        return [kept for kept in self._kept.values() if kept["order_id"] == order_id]

    async def _types(self, request: Request) -> Response:
        rows = [
            {"code": code, "label": label, "description": label, "entity": "ORDER", "mime_types": []}
            for code, label in TYPES.items()
        ]
        return answer({"documents": rows})

    async def _list(self, request: Request) -> Response:
        ids = _named(request, "order_ids")
        if not ids or len(ids) > 100:
            raise BadValue("The parameter 'order_ids' is required and takes at most 100 ids")
        found = [kept for order_id in ids for kept in self._of(order_id)]
        rows = [
            {
                "id": kept["id"],
                "order_id": kept["order_id"],
                "type": kept["type"],
                "file_name": kept["file_name"],
                "file_size": kept["size"],
                "date_uploaded": iso(kept["uploaded"]),
            }
            for kept in found
        ]
        return answer({"order_documents": rows, "total_count": len(rows)})

    async def _download(self, request: Request) -> Response:
        """One document that is named by its id as it is; whatever else is asked for as an archive by order."""
        ids, orders, codes = (_named(request, name) for name in ("document_ids", "order_ids", "document_codes"))
        found = [
            kept
            for kept in self._kept.values()
            if (not ids or str(kept["id"]) in ids)
            and (not orders or kept["order_id"] in orders)
            and (not codes or kept["type"] in codes)
        ]
        if not (ids or orders) or not found:
            raise LookupError("No document was found")
        if len(ids) == 1:
            return Response(base64.b64decode(found[0]["content"]), media_type="application/octet-stream")
        archive = io.BytesIO()
        with zipfile.ZipFile(archive, "w") as folders:
            for kept in found:
                folders.writestr(f"{kept['order_id']}/{kept['file_name']}", base64.b64decode(kept["content"]))
        return Response(archive.getvalue(), media_type="application/octet-stream")

    async def _upload(self, request: Request) -> Response:
        """200 whatever became of it: the answer lists the files that were not taken."""
        order_id = request.path_params["order_id"]
        self._book.copy_of(order_id)
        sent, named = await _files(request)
        failed = []
        for item in named:
            file_name, kind = text(item, "file_name"), text(item, "type_code")
            problem = self._problem(order_id, file_name, kind, sent)
            if problem is None:
                self.keep(order_id, kind, file_name, sent[file_name])
                self._actions.note("OR74", order_id, file_name=file_name, type_code=kind)
            else:
                field, message = problem
                error = {"code": "VALIDATION_ERROR", "field": field, "message": message}
                failed.append({"input": {"file_name": file_name, "type_code": kind}, "errors": [error]})
        return answer({"errors_count": len(failed), "order_documents": failed})

    def _problem(self, order_id: str, file_name: str, kind: str, sent: dict[str, bytes]) -> tuple[str, str] | None:
        if kind not in TYPES or kind.startswith("SYSTEM_"):
            return "type_code", f"The document type '{kind}' cannot be uploaded"
        if file_name not in sent:
            return "file_name", f"The file '{file_name}' was not sent"
        if not file_name.isascii() or file_name.rpartition(".")[2].lower() not in ENDINGS:
            return "file_name", f"The file name '{file_name}' is not allowed"
        if len(self._of(order_id)) >= MOST:
            return "files", f"An order has at most {MOST} documents"
        return None

    async def _delete(self, request: Request) -> Response:
        number = request.path_params["document_id"]
        if self._kept.get(number) is None:
            raise LookupError(f"The document with id '{number}' was not found")
        self._kept.delete(number)
        self._actions.note("OR76", number)
        return Response(status_code=204)


def _named(request: Request, name: str) -> list[str]:
    return [each for each in request.query_params.get(name, "").split(",") if each]


async def _files(request: Request) -> tuple[dict[str, bytes], list[dict[str, Any]]]:
    """The files by name, and what the seller says of each. Raises BadValue."""
    head = f"Content-Type: {request.headers['content-type']}\r\n\r\n".encode()
    message = BytesParser(policy=HTTP).parsebytes(head + await request.body())
    found: dict[str, bytes] = {}
    said: Any = None
    for part in message.iter_parts():
        content = part.get_payload(decode=True)
        name = part.get_param("name", header="content-disposition")
        if not isinstance(content, bytes):
            continue
        if name == "order_documents":
            try:
                said = json.loads(content)
            except ValueError as problem:
                raise BadValue("The field 'order_documents' has a wrong datatype") from problem
        elif name == "files":
            found[str(part.get_filename())] = content
    if not found or not isinstance(said, dict):
        raise BadValue("The fields 'files' and 'order_documents' are required")
    return found, items(said, "order_documents")
