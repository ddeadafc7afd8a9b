"""Accounts of one platform that are reached over another platform's protocol, as the vendor's package declares them.

A vendor knows no other vendor: it says which platform's protocol an account of it speaks and what is different there
(a currency, a rule about carriers), as settings. The protocol's own package does the rest, found by the registry.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from pydantic import create_model

from marketplace_sync.settings import ConnectionSettings


@dataclass(frozen=True)
class Dialect:
    """One rail of a platform, which is another platform's protocol."""

    platform: str
    """Whose protocol it is: a name in the registry."""
    defaults: Mapping[str, Any] = field(default_factory=dict)
    """Keys of that platform's connections that have another default here."""


def spoken(base: type[ConnectionSettings], name: str, dialect: Dialect) -> type[ConnectionSettings]:
    """The settings of connections that name this dialect: the protocol's own keys, with the dialect's defaults.

    Raises KeyError for a default of a key that the protocol does not have.
    """
    changed: dict[str, Any] = {
        "dialect": (Literal[name], name),
        **{key: (base.model_fields[key].rebuild_annotation(), value) for key, value in dialect.defaults.items()},
    }
    return create_model(
        f"{base.__name__}Spoken",
        __base__=base,
        __module__=base.__module__,
        __doc__=base.__doc__,
        **changed,
    )
