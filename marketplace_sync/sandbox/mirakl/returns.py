"""Returns: asked for by buyers, decided and followed by the seller. They move no money. (Mirakl, returns)"""

from __future__ import annotations

import uuid
from collections.abc import Callable
from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from marketplace_sync.sandbox.clock import Clock
from marketplace_sync.sandbox.mirakl.actions import Actions
from marketplace_sync.sandbox.mirakl.carriers import REASONS, is_reason
from marketplace_sync.sandbox.mirakl.gate import Gate, answer, items, json_body, text, whole
from marketplace_sync.sandbox.mirakl.order_book import OrderBook
from marketplace_sync.sandbox.mirakl.paging import asked, seek, several, time_of
from marketplace_sync.sandbox.mirakl.settings import MiraklSettings
from marketplace_sync.sandbox.mirakl.values import BadValue, iso
from marketplace_sync.sandbox.mirakl.workflow import Refused, line_of
from marketplace_sync.sandbox.state import State

Return = dict[str, Any]
METHODS = ("BY_MAIL", "DROP_OFF_POINT", "HOME_PICKUP", "IN_STORE", "RETURNLESS")
_DAY = 86_400


class Returns:
    """Handlers of RT01 to RT29, and what buyers do about returns."""

    def __init__(self, state: State, clock: Clock, settings: MiraklSettings, book: OrderBook, actions: Actions) -> None:
        self.settings = settings
        self._state = state
        self._clock = clock
        self._book = book
        self._actions = actions
        self._returns = state.collection("returns")

    def open_in(self, gate: Gate) -> None:
        gate.open("RT11", "GET", "/api/returns", self._list)
        gate.open("RT01", "POST", "/api/returns", self._create)
        gate.open("RT12", "GET", "/api/returns/items_to_return", self._returnable)
        gate.open("RT04", "PUT", "/api/returns", self._each("RT04", self._patch))
        gate.open("RT21", "PUT", "/api/returns/accept", self._each("RT21", self._decide))
        gate.open("RT25", "PUT", "/api/returns/receive", self._each("RT25", self._receive))
        gate.open("RT26", "PUT", "/api/returns/compliance", self._each("RT26", self._comply))
        gate.open("RT27", "PUT", "/api/returns/close", self._each("RT27", self._close))
        gate.open("RT29", "PUT", "/api/returns/cancel", self._each("RT29", self._cancel))

    def request(self, order_id: str, wanted: list[tuple[str, int]], reason: str, message: str | None) -> Return:
        """A buyer sends lines back: (line id, quantity). Raises LookupError, Refused."""
        if not self.settings.returns:
            raise Refused("Returns are not enabled on this platform: a return shows as a refund only")
        if not is_reason(reason, "RETURN"):
            raise Refused(f"The reason '{reason}' was not found")
        order = self._book.copy_of(order_id)
        now = self._clock.timestamp()
        for line_id, quantity in wanted:
            line = line_of(order, line_id)
            if not self._in_window(line):
                raise Refused(f"Order line {line_id} cannot be returned in state {line['state']}")
            if not 0 < quantity <= line["quantity"] - self._coming_back(line_id):
                raise Refused(f"Order line {line_id}: quantity {quantity} exceeds what can be returned")
        number = self._state.counter("return")
        found = {
            "id": str(uuid.uuid5(uuid.NAMESPACE_URL, f"{order_id}/returns/{number}")),
            "number": number,
            "order_id": order_id,
            "commercial_id": order["commercial_id"],
            "customer_id": order["customer_id"],
            "rma": f"RMA-{number:05d}",
            "state": "WAITING_ACCEPTANCE" if self.settings.return_acceptance else "IN_PROGRESS",
            "reason_code": reason,
            "method_code": "RETURN_METHOD_BY_MAIL",
            "description": message,
            "created": now,
            "updated": now,
            "label_url": None,
            "tracking": None,
            "rejection_reason_code": None,
            "lines": [
                {"order_line_id": line_id, "quantity": quantity, "reason_code": reason, "compliance": []}
                for line_id, quantity in wanted
            ],
        }
        return self._returns.put(found["id"], found)

    def _in_window(self, line: dict[str, Any]) -> bool:
        until = self._clock.timestamp() - self.settings.return_window_days * _DAY
        return line["received"] is not None and line["received"] >= until

    def _coming_back(self, line_id: str) -> int:
        return sum(
            line["quantity"]
            for found in self._returns.values()
            if found["state"] not in ("REFUSED", "CANCELED")
            for line in found["lines"]
            if line["order_line_id"] == line_id
        )

    def get(self, return_id: str) -> Return:
        """Raises LookupError."""
        found = self._returns.get(return_id)
        if found is None:
            raise LookupError(f"no return {return_id}")
        return found

    def step(self, found: Return, sources: tuple[str, ...], target: str, **changes: Any) -> Return:
        """Raises Refused when the step does not follow the state."""
        if found["state"] not in sources:
            raise Refused(f"The return is {found['state']}, not {' or '.join(sources)}")
        changed = {**found, **changes, "state": target, "updated": self._clock.timestamp()}
        return self._returns.put(found["id"], changed)

    def _each(self, operation: str, do: Callable[[Return, dict[str, Any]], Return]) -> Callable[[Request], Any]:
        """A handler that does something to each return of a body for itself, 200 whatever happens."""

        async def handle(request: Request) -> Response:
            done: list[dict[str, Any]] = []
            errors = []
            for item in items(await json_body(request), "returns", 100):
                return_id = text(item, "id")
                try:
                    found = self._returns.get(return_id)
                    if found is None:
                        raise Refused(f"The return with id '{return_id}' was not found")
                    changed = do(found, item)
                    self._actions.note(operation, return_id, state=changed["state"])
                    done.append(self._row(changed) if operation == "RT04" else {"id": return_id})
                except (Refused, BadValue) as problem:
                    errors.append({"id": return_id, "message": str(problem)})
            return answer({"return_success": done, "return_errors": errors})

        return handle

    async def _create(self, request: Request) -> Response:
        """The seller announces returns itself; each stands for itself, 200 whatever happens."""
        done, errors = [], []
        for item in items(await json_body(request), "returns", 200):
            basket = text(item, "order_commercial_id")
            wanted = [(text(line, "order_line_id"), whole(line, "quantity")) for line in items(item, "return_lines")]
            reason = item.get("reason_code") or text(items(item, "return_lines")[0], "reason_code")
            try:
                orders = {self._order_of(basket, line_id) for line_id, _ in wanted}
                found = self.request(min(orders), wanted, reason, item.get("description"))
                changes = {name: item[name] for name in ("rma", "label_url", "method_code") if name in item}
                state = "IN_PROGRESS" if item.get("accepted") is True else found["state"]
                found = self.step(found, (found["state"],), state, **changes)
                self._actions.note("RT01", found["id"], order_id=found["order_id"])
                done.append(self._row(found))
            except (Refused, BadValue) as problem:
                errors.append({"order_commercial_id": basket, "message": str(problem)})
        return answer({"return_success": done, "return_errors": errors})

    def _order_of(self, basket: str, line_id: str) -> str:
        try:
            order = self._book.of_line(line_id)
        except LookupError:
            raise Refused(f"The order line with id '{line_id}' was not found") from None
        if order["commercial_id"] != basket:
            raise Refused(f"The order line '{line_id}' is not of the order '{basket}'")
        return str(order["id"])

    async def _returnable(self, request: Request) -> Response:
        """Lines that may still come back; without a filter those of every order that was received."""
        query, start = asked(request)
        baskets, lines = several(query, "order_commercial_id"), several(query, "order_line_id")
        found: dict[int, tuple[str, dict[str, Any]]] = {}
        if self.settings.returns:
            for order in reversed(self._book.newest("RECEIVED", 1_000_000)):
                for line in order["lines"]:
                    found[len(found)] = (order["commercial_id"], line)
        places = [(0.0, number) for number in found]

        def wanted(row: tuple[str, dict[str, Any]]) -> bool:
            basket, line = row
            return (
                (not baskets or basket in baskets)
                and (not lines or line["id"] in lines)
                and self._in_window(line)
                and line["quantity"] > self._coming_back(line["id"])
            )

        return answer(seek(query, start, places, found.__getitem__, wanted).body(self._returnable_row))

    def _returnable_row(self, row: tuple[str, dict[str, Any]]) -> dict[str, Any]:
        basket, line = row
        return {
            "order_commercial_id": basket,
            "order_line_id": line["id"],
            "returnable_quantity": line["quantity"] - self._coming_back(line["id"]),
            "return_window": self.settings.return_window_days,
            "available_return_methods": [f"RETURN_METHOD_{method}" for method in METHODS],
            "available_return_reasons": [code for code, _, kind, _ in REASONS if kind == "RETURN"],
        }

    def _patch(self, found: Return, item: dict[str, Any]) -> Return:
        if found["state"] in ("CLOSED", "REFUSED", "CANCELED"):
            raise Refused(f"The return is {found['state']}")
        changes = {name: item[name] for name in ("rma", "label_url", "method_code", "tracking") if name in item}
        return self.step(found, (found["state"],), found["state"], **changes)

    def _decide(self, found: Return, item: dict[str, Any]) -> Return:
        accepted = item.get("accepted")
        if not isinstance(accepted, bool):
            raise BadValue("The field 'accepted' has a wrong datatype")
        if accepted:
            return self.step(found, ("WAITING_ACCEPTANCE",), "IN_PROGRESS")
        reason = item.get("rejection_reason_code")
        if not is_reason(reason, "RETURN_REJECTION"):
            raise Refused(f"The reason '{reason}' was not found")
        return self.step(found, ("WAITING_ACCEPTANCE",), "REFUSED", rejection_reason_code=reason)

    def _receive(self, found: Return, item: dict[str, Any]) -> Return:
        return self.step(found, ("IN_PROGRESS",), "RECEIVED")

    def _comply(self, found: Return, item: dict[str, Any]) -> Return:
        said = {text(each, "order_line_id"): each for each in items(item, "return_lines")}
        if unknown := set(said) - {line["order_line_id"] for line in found["lines"]}:
            raise Refused(f"The return has no line '{min(unknown)}'")
        lines = []
        for line in found["lines"]:
            each = said.get(line["order_line_id"])
            if each is None:
                lines.append(line)
                continue
            if not isinstance(each.get("compliant"), bool):
                raise BadValue("The field 'compliant' has a wrong datatype")
            names = ("compliant", "non_compliance_reason_code", "non_compliance_additional_info")
            lines.append({**line, "compliance": [{name: each[name] for name in names if name in each}]})
        return self.step(found, ("RECEIVED",), "RECEIVED", lines=lines)

    def _close(self, found: Return, item: dict[str, Any]) -> Return:
        return self.step(found, ("RECEIVED", "NO_RECEPTION", "IN_PROGRESS"), "CLOSED")

    def _cancel(self, found: Return, item: dict[str, Any]) -> Return:
        return self.step(found, ("WAITING_ACCEPTANCE", "IN_PROGRESS"), "CANCELED")

    async def _list(self, request: Request) -> Response:
        query, start = asked(request)
        filters = [
            ("id", several(query, "return_id")),
            ("state", several(query, "return_state")),
            ("commercial_id", several(query, "order_commercial_id")),
            ("rma", several(query, "return_rma")),
            ("customer_id", several(query, "customer_id")),
        ]
        lines = several(query, "order_line_id")
        times = [
            (field, time_of(query, f"{name}_from"), time_of(query, f"{name}_to"))
            for field, name in (("created", "return_creation_date"), ("updated", "return_last_updated"))
        ]

        def wanted(found: Return) -> bool:
            return (
                all(not values or found[field] in values for field, values in filters)
                and (not lines or any(line["order_line_id"] in lines for line in found["lines"]))
                and all(since is None or found[field] >= since for field, since, _ in times)
                and all(until is None or found[field] < until + 1 for field, _, until in times)
            )

        by_number = {found["number"]: found for found in self._returns.values()}
        places = sorted((found["created"], number) for number, found in by_number.items())
        return answer(seek(query, start, places, by_number.__getitem__, wanted).body(self._row))

    def _row(self, found: Return) -> dict[str, Any]:
        names = ("id", "rma", "order_id", "state", "reason_code", "method_code", "description", "label_url")
        return {
            **{name: found[name] for name in names},
            "order_commercial_id": found["commercial_id"],
            "rejection_reason_code": found["rejection_reason_code"],
            "date_created": iso(found["created"]),
            "last_updated": iso(found["updated"]),
            "documents": [],
            "tracking": found["tracking"],
            "return_address": {
                "street1": "1 Returns Way",
                "city": "Reading",
                "zip_code": "RG1 1AA",
                "country_iso_code": self.settings.country,
            },
            "return_lines": found["lines"],
        }
