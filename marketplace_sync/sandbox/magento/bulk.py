"""Operations that wait for a consumer: accepted at once, done later, or open for ever when none runs. (async)"""

from __future__ import annotations

import hashlib
import json
import uuid
from typing import Any

from marketplace_sync.sandbox.magento.body import checked
from marketplace_sync.sandbox.magento.errors import Refused, no_such
from marketplace_sync.sandbox.magento.gate import Call, Gate, Operation
from marketplace_sync.sandbox.magento.shop import Shop
from marketplace_sync.sandbox.state import Document

COMPLETE, MAY_RETRY, FAILED, OPEN, REJECTED = 1, 2, 3, 4, 5
RESOURCE = "Magento_Logging::system_magento_logging_bulk_operations"


class Bulks:
    def __init__(self, shop: Shop) -> None:
        self.shop = shop
        self._gate: Gate | None = None

    def open_in(self, gate: Gate) -> None:
        self._gate = gate
        gate.open("GET", "bulk/{bulkUuid}/status", RESOURCE, lambda call: self._status(call, detailed=False))
        gate.open("GET", "bulk/{bulkUuid}/detailed-status", RESOURCE, lambda call: self._status(call, detailed=True))
        gate.open("GET", "bulk/{bulkUuid}/operation-status/{status}", RESOURCE, self._count)

    def enqueue(self, store: str, kind: str, operation: Operation, bodies: list[dict[str, Any]]) -> dict[str, Any]:
        """The answer to an asynchronous call. What does not fit is rejected at once, the rest waits."""
        operations, items = [], []
        topic = f"async.{operation.template}.{operation.method}".lower().replace("/", ".")
        for number, body in enumerate(bodies):
            rejected = _why_not(operation, body)
            operations.append({
                "id": number, "method": operation.method, "template": operation.template, "body": body, "store": store,
                "topic": topic, "status": REJECTED if rejected else OPEN, "message": rejected, "result": None,
                "error": 400 if rejected else None,
            })  # fmt: skip
            digest = hashlib.md5(json.dumps(body).encode(), usedforsecurity=False).hexdigest()
            item = {"id": number, "data_hash": digest, "status": "rejected" if rejected else "accepted"}
            items.append({**item, "error_message": rejected} if rejected else item)
        key = str(uuid.UUID(int=self.shop.next_id("bulk") << 64 | 0x4000_8000_0000_0000, version=4))
        due = None
        if self.shop.settings.consumer_seconds is not None:
            due = self.shop.clock.timestamp() + self.shop.settings.consumer_seconds
        self.shop.bulks.put(key, {"bulk_id": key, "start_time": self.shop.now(), "operations": operations, "due": due})
        return {
            "bulk_uuid": key,
            "request_items": items,
            "errors": any(one["status"] == REJECTED for one in operations),
        }

    def work_off(self) -> None:
        """What the consumers have got to by now."""
        now = self.shop.clock.timestamp()
        for key, bulk in list(self.shop.bulks.items()):
            if bulk["due"] is not None and bulk["due"] <= now:
                self.run(key)

    def run(self, key: str) -> int:
        """Do the open operations of a bulk; returns how many there were."""
        bulk = self.shop.bulks[key]
        waiting = [one for one in bulk["operations"] if one["status"] == OPEN]
        for one in waiting:
            self._do(one)
        self.shop.bulks.put(key, {**bulk, "due": None})
        return len(waiting)

    def _do(self, one: Document) -> None:
        assert self._gate is not None
        operation, _ = self._gate.find(one["method"], one["template"].split("/"))
        path, body = _split(operation, one["body"])
        try:
            one["result"] = json.dumps(operation.handler(Call(path, [], body, one["store"])))
            one["status"] = COMPLETE
            one["message"] = "Service execution success"
        except Refused as problem:
            one.update(status=FAILED, message=str(problem), error=problem.status)

    def _bulk(self, call: Call) -> Document:
        found = self.shop.bulks.get(call.path["bulkUuid"])
        if found is None:
            raise no_such("bulkUuid", call.path["bulkUuid"])
        return found

    def _status(self, call: Call, detailed: bool) -> dict[str, Any]:
        bulk = self._bulk(call)
        operations = []
        for one in bulk["operations"]:
            row = {
                "id": one["id"], "status": one["status"], "result_message": one["message"], "error_code": one["error"],
            }  # fmt: skip
            if detailed:
                row |= {
                    "bulk_uuid": bulk["bulk_id"], "topic_name": one["topic"], 
                    "serialized_data": json.dumps(one["body"]),
                    "result_serialized_data": one["result"],
                }  # fmt: skip
            operations.append(row)
        return {
            "bulk_id": bulk["bulk_id"], "description": f"Topic {bulk['operations'][0]['topic']}" if operations else "",
            "start_time": bulk["start_time"], "user_id": 1, "user_type": 1, "operation_count": len(operations),
            "operations_list": operations,
        }  # fmt: skip

    def _count(self, call: Call) -> int:
        wanted = call.number("status")
        return sum(one["status"] == wanted for one in self._bulk(call)["operations"])


def _split(operation: Operation, body: dict[str, Any]) -> tuple[dict[str, str], dict[str, Any]]:
    """What stands in the path of the call that is repeated, and what is left for its body."""
    names = [part[1:-1] for part in operation.template.split("/") if part.startswith("{")]
    path = {name: str(body[name]) for name in names if name in body}
    return path, {name: value for name, value in body.items() if name not in names}


def _why_not(operation: Operation, body: Any) -> str | None:
    if not isinstance(body, dict):
        return "The operation is not an object"
    path, rest = _split(operation, body)
    if operation.template.count("{") > len(path):
        return "A parameter of the path is missing"
    try:
        if operation.body is not None:
            checked(operation.body, rest)
    except Refused as problem:
        return str(problem)
    return None
