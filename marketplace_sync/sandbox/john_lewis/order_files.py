"""The orders once more, as the files that the SFTP rail brings: for whoever writes a connector for that rail.

Only orders for the seller: what the seller would put into `live/outgoing` and `live/inventory` is not read.
"""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from marketplace_sync.sandbox.clock import Clock
from marketplace_sync.sandbox.john_lewis import wire
from marketplace_sync.sandbox.john_lewis.order_book import Order, OrderBook
from marketplace_sync.sandbox.john_lewis.settings import EdgeSettings
from marketplace_sync.sandbox.john_lewis.workflow import ON_HOLD
from marketplace_sync.sandbox.state import Document, State

ORDER_FIELDS = (
    "order_number", "order_date", "po_enduser", "retailer_ref", "shipping_title", "shipping_full_name",
    "shipping_address_1", "shipping_address_2", "shipping_address_3", "shipping_postcode", "shipping_country",
    "shipping_phone", "shipping_email", "expected_delivery_date",
)  # fmt: skip
ITEM_FIELDS = ("part_number", "additional_ref", "line_ref", "quantity", "description", "promised_date")
WRONG = ("wrong_checksum", "no_marker")
RETRY_SECONDS = 60.0
_LONDON = ZoneInfo("Europe/London")
_WHAT_IS_WRONG_NEXT = "next_file"


class OrderFiles:
    """Collection `order_files`: file, folder, order_id, wrong (what it was asked to have wrong, or null) and written.

    A file is whole before it has its name, and has its name before its marker. After a kill in between it is written
    again, the same to the letter: each order at least once.
    """

    def __init__(self, state: State, clock: Clock, settings: EdgeSettings, book: OrderBook) -> None:
        self.settings = settings
        self._files = state.collection("order_files")
        self._switches = state.collection("switches")
        self._state = state
        self._clock = clock
        self._book = book
        book.on_change.append(self._changed)
        state.on_reload.append(self._look_again)
        self._write_again_at = 0.0
        self._look_again()

    def _look_again(self) -> None:
        self._waiting = [key for key, file in self._files.items() if not file["written"]]

    def spoil_next(self, kind: str) -> None:
        """Raises ValueError for a kind that there is not."""
        if kind not in WRONG:
            raise ValueError(f"a file of orders is wrong in these ways: {', '.join(WRONG)}; not {kind!r}")
        self._switches.put(_WHAT_IS_WRONG_NEXT, {"kind": kind})

    def _changed(self, before: Order | None, order: Order) -> None:
        """An order comes once it is one: not while it is held."""
        is_new = before is None or before["status"] == ON_HOLD
        if self.settings.sftp_folder is None or not is_new or order["status"] == ON_HOLD:
            return
        if order["retailer"] != wire.JOHN_LEWIS:
            return
        number = self._state.counter("order_file")
        wrong = self._switches.get(_WHAT_IS_WRONG_NEXT)
        if wrong is not None:
            self._switches.delete(_WHAT_IS_WRONG_NEXT)
        file: dict[str, Any] = {
            "file": f"order-{self._clock.now().astimezone(_LONDON):%Y%m%d%H%M%S}{number % 1_000_000:06d}.txt",
            "folder": "uat/incoming" if order["test"] else "live/incoming",
            "order_id": order["id"],
            "wrong": None if wrong is None else wrong["kind"],
            "written": False,
        }
        self._files.put(str(number), file)
        self._waiting.append(str(number))

    def write(self) -> None:
        """Write what waits. Raises OSError when the folder cannot be written; it waits a minute, then."""
        if self.settings.sftp_folder is None or self._clock.timestamp() < self._write_again_at:
            return
        for key in list(self._waiting):
            self._write_again_at = self._clock.timestamp() + RETRY_SECONDS
            file = self._files[key]
            self._write(Path(self.settings.sftp_folder), file)
            self._files.put(key, {**file, "written": True})
            self._waiting.remove(key)
            self._write_again_at = 0.0

    def _write(self, top: Path, file: Document) -> None:
        order = self._book.get(file["order_id"])
        assert order is not None
        folder, elsewhere = top / file["folder"], top / ".writing"
        for each in (folder, elsewhere):
            each.mkdir(parents=True, exist_ok=True)
        content = self.content(order, checksum_is_wrong=file["wrong"] == "wrong_checksum")
        (elsewhere / file["file"]).write_text(content, encoding="utf-8", newline="")
        (elsewhere / file["file"]).replace(folder / file["file"])
        if file["wrong"] != "no_marker":
            (folder / f"{file['file']}.DONE").touch()

    def content(self, order: Order, *, checksum_is_wrong: bool = False) -> str:
        """Names and values of the order, names and values of its items, and how many lines that is."""
        lines = [ORDER_FIELDS, _order_values(order), ITEM_FIELDS, *(_item_values(line) for line in order["lines"])]
        count = len(lines) + checksum_is_wrong
        return "".join(f"{self._joined(values)}\n" for values in [*lines, (str(count),)])

    def _joined(self, values: tuple[str, ...]) -> str:
        """No value may hold what separates values or lines, and nothing is known of any quoting: a blank it is."""
        delimiter = self.settings.sftp_delimiter
        return delimiter.join(" ".join(value.replace(delimiter, " ").splitlines()) for value in values)


def _order_values(order: Order) -> tuple[str, ...]:
    buyer = order["buyer"]
    promises = [line["promised"] for line in order["lines"] if line["promised"]]
    known = {
        "order_number": order["reference"],
        "order_date": wire.naive(order["ordered_at"]),
        "po_enduser": order["customer_order_number"],
        "retailer_ref": wire.RETAILERS[order["retailer"]]["name"],
        "shipping_full_name": buyer.get("full_name"),
        "shipping_address_1": buyer.get("line_1"),
        "shipping_address_2": buyer.get("line_2"),
        "shipping_address_3": buyer.get("city"),
        "shipping_postcode": buyer.get("postal_code"),
        "shipping_country": buyer.get("country"),
        "shipping_phone": buyer.get("phone"),
        "shipping_email": buyer.get("email"),
        "expected_delivery_date": max(promises, key=datetime.fromisoformat, default=""),
    }
    return tuple(str(known.get(name) or "") for name in ORDER_FIELDS)


def _item_values(line: Document) -> tuple[str, ...]:
    known = {
        "part_number": line["part_number"],
        "line_ref": line["ref"],
        "quantity": line["quantity"],
        "description": line["title"],
        "promised_date": line["promised"],
    }
    return tuple(str(known.get(name) or "") for name in ITEM_FIELDS)
