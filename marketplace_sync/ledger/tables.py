"""The ledger's tables. Money is integer minor units plus currency; times are timezone-aware UTC.

Vendors' payloads are kept verbatim (`statements.payload`, `inbox.body`) beside what was read out of them.
"""

from __future__ import annotations

from sqlalchemy import (
    JSON,
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    Date,
    DateTime,
    Identity,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    SmallInteger,
    Table,
    Text,
    UniqueConstraint,
    Uuid,
    text,
)
from sqlalchemy.dialects.postgresql import JSONB

SCHEMA = "ledger"

metadata = MetaData(
    schema=SCHEMA,
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "ck": "ck_%(table_name)s_%(constraint_name)s",
        "pk": "pk_%(table_name)s",
    },
)


def _time(name: str, *, nullable: bool = False) -> Column[object]:
    return Column(name, DateTime(timezone=True), nullable=nullable)


orders = Table(
    "orders",
    metadata,
    Column("connection", Text, primary_key=True),
    Column("order_id", Text, primary_key=True),
    Column("reference", Text, nullable=False),
    Column("customer_order_number", Text, nullable=False),
    Column("status", Text, nullable=False),
    _time("placed_at"),
    _time("first_seen_at"),
    _time("changed_at"),
    Column("currency", Text, nullable=False),
    Column("is_test", Boolean, nullable=False),
    Column("open_units", Integer, nullable=False),
    Column("unacknowledged_units", Integer, nullable=False),
    _time("acknowledge_by", nullable=True),
    _time("dispatch_by", nullable=True),
    # The order as read and carried forward (domain.orders.Order as JSON); json, not jsonb: it is read whole.
    Column("document", JSON, nullable=False),
    Index("ix_orders_open", "connection", "acknowledge_by", postgresql_where=text("unacknowledged_units > 0")),
    Index("ix_orders_to_dispatch", "connection", "dispatch_by", postgresql_where=text("open_units > 0")),
    Index("ix_orders_first_seen", "connection", "first_seen_at"),
)

order_lines = Table(
    "order_lines",
    metadata,
    Column("connection", Text, primary_key=True),
    Column("order_id", Text, primary_key=True),
    Column("line_id", Text, primary_key=True),
    Column("sku", Text, nullable=False),
    Column("stock_number", Text, nullable=False),
    Column("quantity", Integer, nullable=False),
    Column("acknowledged", Integer, nullable=False),
    Column("dispatched", Integer, nullable=False),
    Column("cancelled", Integer, nullable=False),
    Column("unit_price", BigInteger),
    Column("promised_on", Date),
)

# Rows of up to a page stay uncompressed (migration 0013): twice the space, a third of the processor time.
statements = Table(
    "statements",
    metadata,
    Column("connection", Text, primary_key=True),
    Column("kind", Text, primary_key=True),
    Column("key", Text, primary_key=True),
    Column("version", Integer, primary_key=True),
    Column("content_hash", LargeBinary, nullable=False),
    _time("seen_at"),
    Column("payload", LargeBinary, nullable=False),
)

reversals = Table(
    "reversals",
    metadata,
    Column("connection", Text, primary_key=True),
    Column("kind", Text, primary_key=True),
    Column("key", Text, primary_key=True),
    Column("order_id", Text, nullable=False),
    Column("state", Text, nullable=False),
    _time("changed_at"),
    Column("document", JSON, nullable=False),
    Index("ix_reversals_order", "connection", "order_id"),
    Index(
        "ix_reversals_returns_open",
        "connection",
        postgresql_where=text("kind = 'return' AND state IN ('requested', 'authorised', 'received')"),
    ),
)

order_events = Table(
    "order_events",
    metadata,
    Column("event_id", Uuid, primary_key=True),
    Column("connection", Text, nullable=False),
    Column("order_id", Text, nullable=False),
    Column("kind", Text, nullable=False),
    Column("line_id", Text, nullable=False),
    Column("key", Text, nullable=False),
    Column("quantity", Integer, nullable=False),
    Column("initiator", Text, nullable=False),
    Column("amount", BigInteger),
    Column("detail", JSON, nullable=False),
    _time("occurred_at"),
    _time("seen_at"),
    Index("ix_order_events_order", "connection", "order_id"),
    Index("ix_order_events_seen", "connection", "kind", "seen_at"),
)

effects = Table(
    "effects",
    metadata,
    Column("effect_id", BigInteger, Identity(), primary_key=True),
    Column("connection", Text, nullable=False),
    Column("natural_key", Text, nullable=False),
    Column("kind", Text, nullable=False),
    Column("subject", Text, nullable=False),
    Column("lane", SmallInteger, nullable=False),
    Column("payload", JSON, nullable=False),
    Column("state", Text, nullable=False, server_default="pending"),
    Column("attempts", Integer, nullable=False, server_default="0"),
    _time("not_before"),
    _time("created_at"),
    _time("sending_until", nullable=True),
    _time("in_doubt_since", nullable=True),
    Column("ask_by", JSON, nullable=True),
    _time("failing_since", nullable=True),
    Column("broke_at", Text, nullable=True),
    _time("finished_at", nullable=True),
    Column("order_connection", Text),
    Column("order_id", Text),
    Column("result", JSON),
    Column("last_problem", Text),
    UniqueConstraint("connection", "natural_key"),
    CheckConstraint(
        "state IN ('pending','sending','in_doubt','delivered','refused','dead','superseded')", name="state"
    ),
    # What a courier looks for: only what is not begun, so the index stays small whatever the history. Not one state
    # more: a server that last counted while nothing waited takes every index of what is unfinished for empty, and
    # looked here for what came before each effect, through all that waits.
    Index("ix_effects_waiting", "connection", "lane", "effect_id", postgresql_where=text("state = 'pending'")),
    Index(
        # The subject first, so that nobody takes this index for a list of what waits for a connection.
        "ix_effects_unfinished_subject",
        "subject",
        "connection",
        "effect_id",
        postgresql_where=text("state IN ('pending','sending','in_doubt')"),
    ),
    # What a courier begins with: next to nothing, however much waits.
    Index("ix_effects_unsettled", "connection", "effect_id", postgresql_where=text("state IN ('sending','in_doubt')")),
    # What a courier ends with: what fails, and what our own code fails over.
    Index(
        "ix_effects_failing",
        "connection",
        "failing_since",
        postgresql_where=text("failing_since IS NOT NULL AND state IN ('pending','sending','in_doubt')"),
    ),
    Index("ix_effects_broken", "connection", postgresql_where=text("broke_at IS NOT NULL")),
    Index("ix_effects_order", "order_connection", "order_id"),
    Index(
        "ix_effects_finished",
        "connection",
        "kind",
        "finished_at",
        postgresql_where=text("finished_at IS NOT NULL"),
    ),
)

inbox = Table(
    "inbox",
    metadata,
    Column("connection", Text, primary_key=True),
    Column("delivery_id", Text, primary_key=True),
    Column("topic", Text, nullable=False),
    Column("body", LargeBinary, nullable=False),
    _time("received_at"),
    Column("state", Text, nullable=False, server_default="received"),
    Column("attempts", Integer, nullable=False, server_default="0"),
    _time("not_before"),
    _time("finished_at", nullable=True),
    Column("problem", Text),
    CheckConstraint("state IN ('received','processed','unreadable')", name="state"),
    Index("ix_inbox_waiting", "connection", "not_before", postgresql_where=text("state = 'received'")),
)

watermarks = Table(
    "watermarks",
    metadata,
    Column("connection", Text, primary_key=True),
    Column("feed", Text, primary_key=True),
    Column("value", Text),
    _time("read_at"),
    _time("whole_from", nullable=True),
    Column("read_count", BigInteger, nullable=False, server_default="0"),
    Column("changed_count", BigInteger, nullable=False, server_default="0"),
)

work_items = Table(
    "work_items",
    metadata,
    Column("work_item_id", BigInteger, Identity(), primary_key=True),
    Column("code", Text, nullable=False),
    Column("subject", Text, nullable=False),
    Column("owner", Text, nullable=False),
    Column("severity", Text, nullable=False),
    Column("connection", Text),
    Column("order_id", Text),
    Column("message", Text, nullable=False),
    Column("action", Text, nullable=False),
    Column("impact", BigInteger),
    Column("currency", Text),
    Column("evidence", JSONB, nullable=False),
    Column("state", Text, nullable=False, server_default="open"),
    Column("assigned_to", Text),
    _time("first_seen_at"),
    _time("last_seen_at"),
    _time("closed_at", nullable=True),
    Column("closed_because", Text),
    Column("closed_by", Text),
    Column("times_seen", Integer, nullable=False, server_default="1"),
    Column("times_opened", Integer, nullable=False, server_default="1"),
    UniqueConstraint("code", "subject"),
    CheckConstraint("state IN ('open','closed')", name="state"),
    Index("ix_work_items_open", "owner", "last_seen_at", postgresql_where=text("state = 'open'")),
)

store_variants = Table(
    "store_variants",
    metadata,
    Column("connection", Text, primary_key=True),
    Column("sku", Text, primary_key=True),
    Column("variant_id", Text, primary_key=True),
    Column("document", JSON, nullable=False),
    _time("seen_at"),
)

store_orders = Table(
    "store_orders",
    metadata,
    Column("connection", Text, primary_key=True),
    Column("store_order_id", Text, primary_key=True),
    Column("name", Text, nullable=False),
    Column("source_identifier", Text, nullable=False),
    Column("order_connection", Text),
    Column("order_id", Text),
    _time("updated_at"),
    _time("cancelled_at", nullable=True),
    _time("seen_at"),
    Column("document", JSON, nullable=False),
    Index("ix_store_orders_order", "order_connection", "order_id"),
    Index("ix_store_orders_source", "connection", "source_identifier"),
)

order_identities = Table(
    "order_identities",
    metadata,
    Column("connection", Text, primary_key=True),
    Column("order_connection", Text, primary_key=True),
    Column("order_id", Text, primary_key=True),
    # Under which identifiers this order's events are sent to this marketing account, for ever.
    Column("identifiers", JSON, nullable=False),
    Column("profile_key", Text, nullable=False),
    _time("created_at"),
)
