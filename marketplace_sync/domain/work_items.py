"""The catalogue of what a person may have to look at: one code each, with its owner, its severity and what to do."""

from __future__ import annotations

from enum import StrEnum
from typing import Any

import msgspec

from marketplace_sync.domain.settlement import codes as settlement


class Team(StrEnum):
    OPERATIONS = "operations"
    FINANCE = "finance"
    MARKETING = "marketing"
    CX = "cx"
    MERCHANDISING = "merchandising"


class Severity(StrEnum):
    WARNING = "warning"
    ERROR = "error"


class Code(msgspec.Struct, frozen=True):
    """`action` is the suggested next step; the manual has one page per code, named after it."""

    name: str
    owner: Team
    severity: Severity
    title: str
    action: str

    @property
    def manual_page(self) -> str:
        return f"docs/work-items/{self.name}.md"


def _codes(*codes: Code) -> dict[str, Code]:
    return {code.name: code for code in codes}


_E, _W = Severity.ERROR, Severity.WARNING

CODES: dict[str, Code] = _codes(
    Code("UNKNOWN_SKU", Team.MERCHANDISING, _E, "An order names a product that the store does not have",
         "Create the SKU in the store or correct it at the marketplace; the order goes through by itself afterwards."),
    Code("NOT_ENOUGH_STOCK", Team.OPERATIONS, _E, "An order waits for our acceptance and the store has too few units",
         "Restock the store, or accept or refuse the order at the marketplace before it does so by itself."),
    Code("UNUSABLE_ADDRESS", Team.CX, _E, "An order has no address that a parcel could be sent to",
         "Ask the buyer or the marketplace; when the marketplace states a usable address the order goes through."),
    Code("ORDER_INCOMPLETE", Team.OPERATIONS, _W, "An order costs more than the lines that it states",
         "Nothing, if the rest follows; else compare the order at the marketplace with the store's."),
    Code("LINE_NOT_IN_STORE", Team.OPERATIONS, _E, "The marketplace stated a line after the store had the order",
         "Add it to the order in the store, or ship it otherwise and state the parcel at the marketplace."),
    Code("ADDRESS_CHANGED", Team.CX, _E, "The marketplace changed a delivery address after the store got the order",
         "Correct the address of the order in the store before it ships."),
    Code("UNMAPPED_CARRIER", Team.OPERATIONS, _E, "A parcel left with a carrier the marketplace's list does not have",
         "Add the carrier to the route's `carriers`; the dispatch is sent as soon as it is mapped."),
    Code("TRACKING_MISSING", Team.OPERATIONS, _E, "A parcel left without its tracking number",
         "Add the tracking number where the parcel was stated: in the store, or at the marketplace."),
    Code("TRACKING_CHANGED", Team.OPERATIONS, _W, "A tracking number was changed after the marketplace was told it",
         "Correct it in the marketplace's portal, and tell the buyer; then close the item."),
    Code("ACKNOWLEDGE_DUE", Team.OPERATIONS, _W, "An order must be acknowledged soon",
         "See what keeps it from the store: the order's other work items, or its waiting effects."),
    Code("ACKNOWLEDGE_OVERDUE", Team.OPERATIONS, _E, "An order was not acknowledged in time",
         "Acknowledge it at the marketplace by hand if the store cannot take it now."),
    Code("DISPATCH_DUE", Team.OPERATIONS, _W, "An order must leave soon to meet its promise",
         "Pick and ship it first."),
    Code("DISPATCH_OVERDUE", Team.OPERATIONS, _E, "An order did not leave in time",
         "Ship it, or cancel it at the marketplace before the marketplace does."),
    Code("EFFECT_REFUSED", Team.OPERATIONS, _E, "A vendor refused what we sent",
         "Read the vendor's reason; then `effects retry`, `effects edit` or `effects skip`."),
    Code("EFFECT_DEAD", Team.OPERATIONS, _E, "A delivery was given up",
         "Look at the vendor's state; then `effects retry` or `effects skip`."),
    Code("EFFECT_IN_DOUBT", Team.OPERATIONS, _W, "Nobody can tell whether a delivery happened",
         "Look at the vendor; then `effects skip` if it is there. It is asked about again until then."),
    Code("MALFORMED_STATEMENT", Team.OPERATIONS, _E, "A marketplace said something that cannot be read",
         "The statement is kept. Report it to the marketplace; it is read again when it is stated differently."),
    Code("ODD_STATEMENT", Team.OPERATIONS, _W, "A marketplace said something unusual",
         "Check the order at the marketplace; it was imported all the same."),
    Code("TOLD_BY_MARKETPLACE", Team.MARKETING, _W, "A marketplace's operator tells Klaviyo of orders itself",
         "Have the operator's integration switched off, or set native_klaviyo: coexist on the connection."),
    Code("ORDER_NOT_HELD", Team.OPERATIONS, _E, "A return or refund belongs to an order we do not hold",
         "Check whether the order is older than this installation, or belongs to another account."),
    Code("UNREADABLE_WEBHOOK", Team.OPERATIONS, _E, "A genuine webhook delivery cannot be understood",
         "The delivery is kept; polling covers what it was about. Report it if it repeats."),
    Code("FORGED_WEBHOOK", Team.OPERATIONS, _W, "Webhook deliveries carry a signature that does not fit",
         "See that the vendor signs with the connection's webhook_secrets; materialise `<connection>/webhooks`."),
    Code("WEBHOOKS_SWITCHED_OFF", Team.OPERATIONS, _W, "A vendor has switched off its deliveries to us",
         "Find what answered it with a 4xx; then switch the hooks on again, or set `re_enable_webhooks`."),
    Code("DELIVERIES_FAILING", Team.OPERATIONS, _W, "What we send to a vendor keeps failing",
         "Nothing is lost and everything is tried again; look at the vendor's status page and at the last problem."),
    Code("INTERNAL_ERROR", Team.OPERATIONS, _E, "Our own code fails over a delivery",
         "The delivery is kept. Report the place to whoever maintains this installation, then `effects retry`."),
    Code("CONNECTION_REFUSED", Team.OPERATIONS, _E, "A vendor does not accept our credentials",
         "Run `marketplace-sync check-config`; renew the credentials."),
    Code("CONNECTION_DOWN", Team.OPERATIONS, _W, "A vendor cannot be reached",
         "Nothing is lost and everything is tried again; look at the vendor's status page if it lasts."),
    Code("ORDER_NOT_IN_STORE", Team.OPERATIONS, _E, "The store does not have an order it should have",
         "See the order's waiting or refused injection."),
    Code("ORDER_TWICE_IN_STORE", Team.OPERATIONS, _E, "The store has one marketplace order twice",
         "Cancel the later one in the store before it ships."),
    Code("DISPATCH_NOT_AT_MARKETPLACE", Team.OPERATIONS, _E, "A parcel left and the marketplace does not show it",
         "See the dispatch's delivery; state it at the marketplace by hand if it cannot be delivered."),
    Code("EVENT_NOT_IN_KLAVIYO", Team.MARKETING, _E, "Klaviyo does not show an event that was delivered to it",
         "Send it again with `effects retry`, or accept it if the profile was deleted on purpose."),
    Code("FULFILMENT_UNDONE", Team.OPERATIONS, _E, "The store cancelled a fulfilment the marketplace was told of",
         "Marketplaces do not un-ship: settle it with the marketplace's support."),
    Code("SHIPPED_MORE_THAN_ORDERED", Team.OPERATIONS, _E, "The store shipped more units than the marketplace ordered",
         "Only the ordered units are dispatched at the marketplace; correct the fulfilment in the store."),
    Code("CANCELLED_AFTER_DISPATCH", Team.CX, _E, "A cancellation was asked for after the parcel had left",
         "The dispatch stands. Agree a return with the buyer."),
    Code("INCIDENT_OPEN", Team.CX, _E, "A buyer complained about an order at the marketplace",
         "Answer the buyer at the marketplace and close the incident there; its lines are not paid while it is open."),
    Code("PRIVACY_REQUEST", Team.CX, _E, "A buyer asked a store what is kept about them",
         "Hand over what is kept of the orders named, within thirty days."),
    Code("PRIVACY_ERASURE", Team.CX, _E, "Buyers' data are to be erased",
         "Erase what is kept of the orders named, here and at the marketing account, within thirty days."),
    Code("SELLER_REFUND", Team.CX, _E, "The store refunded an order whose refunds the marketplace makes",
         "Ask the marketplace to refund the buyer, or undo the refund in the store."),
    Code("RETURN_OVERDUE", Team.CX, _W, "An accepted return is not over after a long time",
         "Find out whether the goods are back; then `returns received`, or end the return at the marketplace."),
    Code("REMOVE_BY_HAND", Team.CX, _E, "Units were cancelled that only a person can take off the store's order",
         "Take the units off the order in the store before it ships; the marketplace is answered by itself then."),
    Code("SELLER_CANCEL_UNSUPPORTED", Team.CX, _E, "The store cancelled units and the marketplace cannot be told",
         "Cancel them at the marketplace by hand."),
    Code("DUPLICATE_SKU", Team.MERCHANDISING, _W, "The store has one SKU on more than one variant",
         "Give each variant its own SKU; until then the first variant is used."),
    Code("FILE_TOTALS_DIFFER", Team.FINANCE, _E, "A file is not what its own totals say",
         "Compare the rows that could not be taken; ask the marketplace for the file again."),
    Code("TEST_ORDER", Team.OPERATIONS, _W, "The marketplace placed a test order",
         "Answer it as the marketplace's onboarding asks, or set `import_test_orders`."),
)  # fmt: skip

CODES |= {
    code.value: Code(code.value, Team(meaning.owner), _E, meaning.title, meaning.action)
    for code, meaning in settlement.MEANINGS.items()
    if meaning.owner
}
"""What reconciliation concludes and somebody has to deal with."""


class Problem(msgspec.Struct, frozen=True, kw_only=True):
    """One thing for a person. Code and subject make it unique; `message` says what happened and what was kept."""

    code: str
    subject: str
    message: str
    connection: str = ""
    order_id: str = ""
    impact: int | None = None
    currency: str = ""
    evidence: dict[str, Any] = msgspec.field(default_factory=dict)
