"""What an offer has that a change of it does not state, as a whole offer has to say it: what is not sent is reset.

Values go back as they came, byte for byte: they are none of our business.
"""

from __future__ import annotations

import msgspec

from marketplace_sync.decoding import decoded

Raw = dict[str, msgspec.Raw]

_SAME = (
    "internal_description",
    "price_additional_info",
    "leadtime_to_ship",
    "min_order_quantity",
    "max_order_quantity",
    "package_quantity",
    "min_quantity_alert",
    "product_tax_code",
    "allow_quote_requests",
    "eco_contributions",
    "offer_additional_fields",
    "msrp",
)
_RENAMED = {"available_start_date": "available_started", "available_end_date": "available_ended"}
_OF_A_PRICE = ("channel_code", "unit_origin_price", "unit_discount_price", "discount_start_date", "discount_end_date")
_OF_A_VOLUME = ("quantity_threshold", "unit_origin_price", "unit_discount_price")
_NOTHING = b"null"


def kept(row: bytes) -> dict[str, object]:
    """The fields of OF24 that one row of OF21 says (Mirakl, offers). `price`, `quantity`, `description`, `discount` and
    the condition are always stated by the change; a `pricing_unit` is shown nowhere, so it cannot be kept. Raises
    msgspec.DecodeError, KeyError."""
    stated = decoded(row, Raw)
    found: dict[str, object] = dict(_some(stated, _SAME))
    found |= {ours: stated[theirs] for theirs, ours in _RENAMED.items() if _is_stated(stated, theirs)}
    if _is_stated(stated, "logistic_class"):
        found["logistic_class"] = decoded(stated["logistic_class"], Raw)["code"]
    if retail := _list(stated, "retail_prices"):
        found["retail_prices"] = [_some(one, _OF_A_PRICE) for one in retail]
    # Prices for everybody are what the change states; those of single channels are not.
    of_channels = [one for one in _list(stated, "all_prices") if _is_stated(one, "channel_code")]
    if of_channels:
        found["all_prices"] = [
            {
                **_some(one, _OF_A_PRICE),
                "volume_prices": [_some(volume, _OF_A_VOLUME) for volume in _list(one, "volume_prices")],
            }
            for one in of_channels
        ]
    return found


def _list(stated: Raw, name: str) -> list[Raw]:
    return decoded(stated[name], list[Raw]) if _is_stated(stated, name) else []


def _some(stated: Raw, names: tuple[str, ...]) -> Raw:
    return {name: stated[name] for name in names if _is_stated(stated, name)}


def _is_stated(stated: Raw, name: str) -> bool:
    return name in stated and bytes(stated[name]) != _NOTHING
