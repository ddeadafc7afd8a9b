"""Shipments of platforms that know single parcels (ST11), and how they are read along with their orders."""

from __future__ import annotations

from typing import Any

import msgspec

from marketplace_sync.connectors.mirakl import fields
from marketplace_sync.connectors.mirakl.progress import SHIPPED

SHIPMENTS = "/api/shipments"
BESIDE = "shipments_read_with_it"
"""The key under which an order as it is kept holds its shipments, which the vendor's answer does not."""


class _Line(msgspec.Struct):
    order_line_id: Any = None
    quantity: Any = None


class _Tracking(msgspec.Struct):
    carrier_code: Any = None
    carrier_name: Any = None
    tracking_number: Any = None
    tracking_url: Any = None


class Shipment(msgspec.Struct):
    """One row of ST11."""

    id: Any = None
    status: Any = None
    shipped_date: Any = None
    tracking: _Tracking | None = None
    shipment_lines: list[_Line] | None = None

    def units(self) -> dict[str, int]:
        """Line id -> units. Raises Malformed."""
        found: dict[str, int] = {}
        for line in self.shipment_lines or ():
            line_id = fields.text(line.order_line_id)
            found[line_id] = found.get(line_id, 0) + fields.units(line.quantity, "shipment_lines quantity")
        return found

    @property
    def has_left(self) -> bool:
        return fields.text(self.status) in SHIPPED


def joined(order: bytes, shipments: list[bytes]) -> bytes:
    """An order of OR11 with its shipments beside, as one JSON object."""
    return b'%b,"%b":[%b]}' % (order.rstrip()[:-1], BESIDE.encode(), b",".join(shipments))
