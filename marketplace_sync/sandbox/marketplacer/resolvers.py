"""Every resolver there is: importing the modules that define them fills the table."""

from __future__ import annotations

from marketplace_sync.sandbox.marketplacer import hooks, mutations, order_fields, other_fields, queries
from marketplace_sync.sandbox.marketplacer.wiring import FIELDS

RESOLVERS = FIELDS

__all__ = ["RESOLVERS", "hooks", "mutations", "order_fields", "other_fields", "queries"]
