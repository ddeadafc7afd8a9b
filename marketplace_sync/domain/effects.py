"""The wishes a flow can have of a vendor, typed: what a courier delivers, in which lane, and what can come of it.

Lanes, most urgent first: a courier always takes the lowest number it may.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from enum import IntEnum, StrEnum
from typing import Any

import msgspec

from marketplace_sync.domain.orders import Order


class Lane(IntEnum):
    URGENT = 1
    """Parcels that left, told to the marketplace and to the buyer: each waits for nothing but earlier facts of its own
    order."""
    ACKNOWLEDGEMENTS = 2
    """Deadlines of the marketplace too, but of hours; after an import there are thousands of them."""
    INJECTION = 3
    EVENTS = 4
    REVERSALS = 5
    """Cancellations and refunds."""
    STOCK = 6
    PROFILES = 7
    CATALOGUE = 8
    BACKFILL = 9


URGENT_LANES = (Lane.URGENT, Lane.ACKNOWLEDGEMENTS, Lane.INJECTION, Lane.EVENTS, Lane.REVERSALS)
BULK_LANES = (Lane.STOCK, Lane.PROFILES, Lane.CATALOGUE, Lane.BACKFILL)


class EffectKind(StrEnum):
    # to a marketplace
    ACKNOWLEDGE_ORDER = "acknowledge_order"
    DISPATCH = "dispatch"
    CANCEL_LINES = "cancel_lines"
    ACKNOWLEDGE_RETURN = "acknowledge_return"
    REFUND_LINES = "refund_lines"
    RECEIVE_RETURN = "receive_return"
    JUDGE_RETURN = "judge_return"
    CLOSE_RETURN = "close_return"
    SET_STOCK = "set_stock"
    STATE_REFERENCE = "state_reference"
    # to a store
    CREATE_ORDER = "create_order"
    CANCEL_ORDER = "cancel_order"
    REMOVE_LINES = "remove_lines"
    RECORD_REFUND = "record_refund"
    # to a marketing platform
    TRACK_EVENT = "track_event"
    UPSERT_PROFILE = "upsert_profile"
    SUBSCRIBE = "subscribe"
    UNSUBSCRIBE = "unsubscribe"


class EffectState(StrEnum):
    PENDING = "pending"
    SENDING = "sending"
    IN_DOUBT = "in_doubt"
    DELIVERED = "delivered"
    REFUSED = "refused"
    DEAD = "dead"
    SUPERSEDED = "superseded"


class LineUnits(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Units of one line of a marketplace order."""

    line_id: str
    quantity: int
    sku: str = ""
    stock_number: str = ""
    before: int | None = None
    """Units of this line that had left, or were cancelled, before this one; None: not known. An estimate while it
    waits, counted anew when it leaves. Tells two partial dispatches apart at marketplaces that only show how many units
    left."""
    ordered: int | None = None
    """Units of the whole line, as ordered; None: not known. Tells how many were cancelled at marketplaces that only
    show the units which were not."""


class AcknowledgeOrder(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    order_id: str
    lines: tuple[LineUnits, ...]
    placed_at: datetime | None = None
    """When the buyer ordered: deliveries are promised from there on. None: not known."""


class Dispatch(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Parcels that left, as the marketplace wants to hear it: `carrier` is the marketplace's own code."""

    order_id: str
    lines: tuple[LineUnits, ...]
    carrier: str
    tracking_number: str
    shipped_at: datetime
    tracking_url: str = ""
    fulfilment_id: str = ""
    completes: bool = False
    """With this parcel nothing of the order is left to leave: all that ships orders as a whole waits for."""


class CancelLines(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Tell the marketplace that units are cancelled: its own request agreed to, or the seller's decision."""

    order_id: str
    lines: tuple[LineUnits, ...]
    requested_by_marketplace: bool
    reason: str = ""


class AcknowledgeReturn(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    order_id: str
    return_id: str
    lines: tuple[LineUnits, ...]


class Judged(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What is stated of the goods of one line that came back."""

    line_id: str
    compliant: bool = True
    reason: str = ""
    """The marketplace's code, of goods that are not as they should be."""
    words: str = ""


class ReceiveReturn(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Tell the marketplace that all goods of a return are back."""

    order_id: str
    return_id: str
    lines: tuple[LineUnits, ...]
    judged: tuple[Judged, ...] = ()
    """What a person said of them; a line that is not named is as it should be."""


class JudgeReturn(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Tell the marketplace whether the goods that came back are as they should be."""

    order_id: str
    return_id: str
    lines: tuple[Judged, ...]


class CloseReturn(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Tell the marketplace that nothing of a return is left to do."""

    order_id: str
    return_id: str


class RefundLines(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Ask the marketplace to give money back for units (marketplaces where the seller refunds)."""

    order_id: str
    refund_key: str
    lines: tuple[LineUnits, ...]
    currency: str
    amounts: tuple[int | None, ...]
    """Minor units per line, gross; None: what the units are worth at the marketplace. Of 0 nothing is given back."""
    delivery: int = 0
    """Minor units, gross, given back besides the lines': delivery, as a rule. What of it the marketplace does not take
    is `not_given_back` in the result."""
    reason: str = ""


class SetStock(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    sku: str
    stock_number: str
    quantity: int


class StateReference(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Tell the marketplace the store's number of an order, where it keeps one: what finance and support look for."""

    order_id: str
    reference: str


class OrderedVariant(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Which store variant a marketplace line is."""

    line_id: str
    variant_id: str
    sku: str


class CreateOrder(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Put a marketplace order into the store, once: `source_identifier` is unique in the store for ever."""

    source_identifier: str
    marketplace: str
    """The connection's display name, e.g. `John Lewis`."""
    order: Order
    variants: tuple[OrderedVariant, ...]
    tags: tuple[str, ...] = ()


class CancelOrder(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    store_order_id: str
    source_identifier: str
    reason: str
    initiator: str


class RemoveLines(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Take unshipped units off a store order. `reference` makes it recognisable and unrepeatable."""

    store_order_id: str
    source_identifier: str
    reference: str
    lines: tuple[LineUnits, ...]
    reason: str = ""


class RecordRefund(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Record in the store that the marketplace gave money back for shipped units."""

    store_order_id: str
    source_identifier: str
    reference: str
    lines: tuple[LineUnits, ...]
    currency: str
    amount: int | None = None
    """Minor units, gross, in the basis the store order was created on; None: what the store's lines are worth."""
    reason: str = ""
    returned: bool = True
    """The goods came back (restock at the store's return location when it has one)."""


class TrackEvent(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One customer event. Its identifiers are fixed for ever: a replay under another identity would double it."""

    metric: str
    unique_id: str
    occurred_at: datetime
    identifiers: dict[str, str]
    """`email`, `external_id`; at least one."""
    properties: dict[str, Any]
    value: int | None = None
    currency: str = ""
    backfill: bool = False
    profile: dict[str, Any] = msgspec.field(default_factory=dict)
    """Further profile attributes (first_name, last_name, location) for the first event of a person."""
    marketplace: str = ""
    """The connection the fact comes from."""
    prices: dict[str, int | None] | None = None
    """With Placed Order of an order at cost: line id -> what the store asked for one unit when it was told, in minor
    units; None where nobody knew. A note for later events of the order: no platform is sent it."""

    @property
    def sync_key(self) -> str:
        """What the event is recognised by when it is read back: `<marketplace>:<unique_id>`."""
        return f"{self.marketplace}:{self.unique_id}" if self.marketplace else self.unique_id


class UpsertProfile(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    identifiers: dict[str, str]
    attributes: dict[str, Any]
    properties: dict[str, Any]


class Subscription(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    identifiers: dict[str, str]
    consented_at: datetime
    """When the person opted in (or out, for an unsubscription)."""
    source: str
    """Who said so, for the record kept at the platform."""
    list_id: str = ""
    after_opt_out: bool = False
    """The person opted in again after an opt-out of which we know: a recorded opt-out older than `consented_at` may be
    replaced. Without it an opt-out stands, however old it is."""


Payload = (
    AcknowledgeOrder | Dispatch | CancelLines | AcknowledgeReturn | RefundLines | ReceiveReturn | JudgeReturn
    | CloseReturn | SetStock | StateReference
    | CreateOrder | CancelOrder | RemoveLines | RecordRefund | TrackEvent | UpsertProfile | Subscription
)  # fmt: skip

PAYLOAD_TYPES: dict[EffectKind, type[Any]] = {
    EffectKind.ACKNOWLEDGE_ORDER: AcknowledgeOrder,
    EffectKind.DISPATCH: Dispatch,
    EffectKind.CANCEL_LINES: CancelLines,
    EffectKind.ACKNOWLEDGE_RETURN: AcknowledgeReturn,
    EffectKind.REFUND_LINES: RefundLines,
    EffectKind.RECEIVE_RETURN: ReceiveReturn,
    EffectKind.JUDGE_RETURN: JudgeReturn,
    EffectKind.CLOSE_RETURN: CloseReturn,
    EffectKind.SET_STOCK: SetStock,
    EffectKind.STATE_REFERENCE: StateReference,
    EffectKind.CREATE_ORDER: CreateOrder,
    EffectKind.CANCEL_ORDER: CancelOrder,
    EffectKind.REMOVE_LINES: RemoveLines,
    EffectKind.RECORD_REFUND: RecordRefund,
    EffectKind.TRACK_EVENT: TrackEvent,
    EffectKind.UPSERT_PROFILE: UpsertProfile,
    EffectKind.SUBSCRIBE: Subscription,
    EffectKind.UNSUBSCRIBE: Subscription,
}


class Effect(msgspec.Struct, frozen=True, kw_only=True):
    """One wish as a courier holds it."""

    effect_id: int
    connection: str
    kind: EffectKind
    subject: str
    lane: Lane
    payload: Any
    """An instance of PAYLOAD_TYPES[kind]."""
    natural_key: str
    attempts: int = 0
    """Tries so far, the one under way included: above 1 the vendor may have seen it before."""
    source: str = ""
    """The marketplace connection whose order caused it; empty when none did."""
    asked_by: dict[str, str] = msgspec.field(default_factory=dict)
    """What `InDoubt` gave to ask its vendor by, whoever's process it was; empty when nothing did."""
    failing_since: datetime | None = None
    """The first of its tries that failed for a reason of its vendor's; None when none did."""
    failing_for: timedelta = timedelta()
    """How long ago that was, by the clock that noted it."""
    broke_at: str = ""
    """Where our own code failed over it; empty when it did not."""
    held_by: datetime | None = None
    """By what its claim, or its doubt, is told from a later one: until when it is claimed, or since when it is in
    doubt."""


class Delivered(msgspec.Struct, frozen=True):
    """The vendor has it. `result` is what later steps need (ids), JSON."""

    result: dict[str, Any] = msgspec.field(default_factory=dict)


class Refused(msgspec.Struct, frozen=True):
    """The vendor looked at it and said no; repeating it unchanged is pointless. `reason` is for a person."""

    reason: str
    code: str = ""


class Postponed(msgspec.Struct, frozen=True):
    """Nothing happened at the vendor and it may work later: throttled, down, busy. `after`: seconds, if it said."""

    reason: str
    after: float | None = None
    counts_as_attempt: bool = True
    """False when it merely waits for its turn, or for a person to put credentials right."""
    of_its_own: bool = False
    """The vendor is there and does not take this one: given up after `max_attempts`, and not after `keep_trying`."""
    shown: bool = False
    """To be shown to a person although it is no attempt: the vendor cannot be asked, or takes no credentials."""

    @property
    def is_failure(self) -> bool:
        return self.counts_as_attempt or self.shown


class InDoubt(msgspec.Struct, frozen=True):
    """The answer was lost: it may have happened. Must be resolved before it is repeated. `ask_by` is kept with the
    effect and handed to `resolve`: the id of a job at the vendor, for one."""

    reason: str
    ask_by: dict[str, str] = msgspec.field(default_factory=dict)


class NotThere(msgspec.Struct, frozen=True):
    """Resolution only: the vendor was asked and does not have it, so it may be sent."""


WAITS_FOR_THE_REST = "WAITS_FOR_THE_REST"
"""The code of a `Refused` that asks nobody: the marketplace ships orders as a whole, and more of this one is to leave.
The parcel is told with the one that completes the order."""
CALLED_OFF = "CALLED_OFF"
"""The same where what is answered is not asked any more: the buyer keeps what was to come back."""
ASKS_NOBODY = (WAITS_FOR_THE_REST, CALLED_OFF)

Outcome = Delivered | Refused | Postponed | InDoubt
Resolution = Delivered | NotThere | Refused | Postponed | InDoubt
