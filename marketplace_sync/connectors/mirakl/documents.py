"""Files that belong to orders, listed, fetched and added; and incidents that a seller may close."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any
from urllib.parse import quote

import msgspec

from marketplace_sync.connectors.mirakl import fields, files
from marketplace_sync.connectors.mirakl.calls import Calls
from marketplace_sync.connectors.selling import Document
from marketplace_sync.domain.errors import RequestRejected

_DOCUMENTS = "/api/orders/documents"
_ORDERS_AT_ONCE = 100


class _Stated(msgspec.Struct):
    id: Any = None
    order_id: Any = None
    type: Any = None
    file_name: Any = None
    file_size: int | None = None
    date_uploaded: Any = None


class _Page(msgspec.Struct):
    order_documents: list[_Stated]


class _Error(msgspec.Struct):
    code: Any = None
    field: Any = None
    message: Any = None


class _Failed(msgspec.Struct):
    errors: list[_Error] | None = None


class _Uploaded(msgspec.Struct):
    order_documents: list[_Failed]


class Documents:
    """Thread-safe. Methods raise TransportError."""

    def __init__(self, calls: Calls) -> None:
        self._calls = calls

    def of(self, order_ids: Sequence[str]) -> list[Document]:
        """OR72, for at most a hundred orders at once."""
        found: list[Document] = []
        for start in range(0, len(order_ids), _ORDERS_AT_ONCE):
            asked = ",".join(order_ids[start : start + _ORDERS_AT_ONCE])
            page = self._calls.get(_DOCUMENTS, _Page, params={"order_ids": asked}, operation="read documents")
            found += [_document(stated) for stated in page.order_documents]
        return found

    def content(self, document_id: str) -> bytes:
        """OR73 for one document, which comes as it is; several would come as an archive (Mirakl, documents)."""
        return self._calls.raw(
            f"{_DOCUMENTS}/download",
            params={"document_ids": document_id},
            bucket="default",
            operation="fetch document",
            headers={"accept": "application/octet-stream, */*"},
        ).body

    def add(self, order_id: str, type_code: str, file_name: str, content: bytes) -> None:
        """OR74. Its success lists what failed. Raises ValueError for a name that is not US-ASCII, RequestRejected with
        the marketplace's words."""
        if not file_name.isascii() or not file_name.isprintable() or '"' in file_name:
            raise ValueError(f"{file_name!r} is no name for a document at Mirakl: only plain letters, digits and signs")
        named = {"order_documents": [{"file_name": file_name, "type_code": type_code}]}
        body = files.multipart(
            files.Part("files", content, "application/octet-stream", file_name),
            files.Part("order_documents", json.dumps(named).encode(), "application/json"),
        )
        answer = self._calls.send(
            "POST",
            f"/api/orders/{quote(order_id, safe='')}/documents",
            content=body,
            headers={"content-type": files.CONTENT_TYPE},
            operation="add document",
        )
        failed = self._calls.decoded(answer, _Uploaded, "add document").order_documents
        words = "; ".join(
            fields.text(error.message) or fields.text(error.code) for one in failed for error in one.errors or ()
        )
        if failed:
            raise RequestRejected(
                f"{self._calls.connection}: document {file_name} of order {order_id} was not taken:"
                f" {words[:300] or 'no reason was given'}",
                connection=self._calls.connection,
                operation="add document",
                status=answer.status,
            )

    def close_incident(self, order_id: str, line_id: str, reason_code: str) -> None:
        """OR64: the line is paid again. Raises RequestRejected, also when no incident is open."""
        self._calls.send(
            "PUT",
            f"/api/orders/{quote(order_id, safe='')}/lines/{quote(line_id, safe='')}/resolve_incident",
            json={"reason_code": reason_code},
            operation="close incident",
        )


def _document(stated: _Stated) -> Document:
    return Document(
        document_id=fields.text(stated.id),
        order_id=fields.text(stated.order_id),
        type=fields.text(stated.type),
        file_name=fields.text(stated.file_name),
        bytes=stated.file_size,
        uploaded_at=fields.moment(stated.date_uploaded),
    )
