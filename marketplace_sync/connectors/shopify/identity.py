"""The unique key of injected orders: a metafield of a type whose values Shopify keeps unique."""

from __future__ import annotations

import threading

import msgspec

from marketplace_sync.connectors.shopify import mutations
from marketplace_sync.connectors.shopify.failures import explained
from marketplace_sync.connectors.shopify.graphql import Document, GraphQL
from marketplace_sync.connectors.shopify.settings import ShopifySettings
from marketplace_sync.domain.errors import CredentialsRefused

_TYPE = "id"


class _TypeName(msgspec.Struct):
    name: str


class _Definition(msgspec.Struct):
    id: str
    type: _TypeName


class _Definitions(msgspec.Struct):
    nodes: list[_Definition]


class DefinitionsAnswer(msgspec.Struct, rename="camel"):
    metafield_definitions: _Definitions


DEFINITIONS = Document(
    "Definitions",
    """
query Definitions($namespace: String!, $key: String!) {
  metafieldDefinitions(ownerType: ORDER, namespace: $namespace, key: $key, first: 1) {
    nodes { id type { name } }
  }
}
""",
    DefinitionsAnswer,
    cost=5,
)


class UniqueKey:
    """The definition of the key, made once per shop (Shopify, order dedupe: custom ids)."""

    def __init__(self, settings: ShopifySettings, graphql: GraphQL) -> None:
        self._namespace = settings.metafield_namespace
        self._key = settings.metafield_key
        self._graphql = graphql
        self._lock = threading.Lock()
        self._is_there = False

    def ensure(self) -> None:
        """See to it that the shop keeps the key unique. Raises TransportError."""
        if self._is_there:
            return
        with self._lock:
            if not self._is_there:
                self._find_or_make()
                self._is_there = True

    def is_there(self) -> bool:
        """Whether orders can be looked up by the key at all. Only reads. Raises TransportError."""
        if not self._is_there:
            self._is_there = self._find()
        return self._is_there

    def _find(self) -> bool:
        where = {"namespace": self._namespace, "key": self._key}
        found = self._graphql.run(DEFINITIONS, where).metafield_definitions.nodes
        if found and found[0].type.name != _TYPE:
            raise self._rejected(
                f"the shop has {self._namespace}.{self._key} as a {found[0].type.name}, which it does not keep unique: "
                "choose another metafield_key"
            )
        return bool(found)

    def _find_or_make(self) -> None:
        if self._find():
            return
        definition = {
            "namespace": self._namespace,
            "key": self._key,
            "ownerType": "ORDER",
            "type": _TYPE,
            "name": "Marketplace order",
        }
        errors = self._graphql.run(
            mutations.DEFINITION_CREATE, {"definition": definition}
        ).metafield_definition_create.user_errors
        # TAKEN: another process was quicker.
        if any(error.code != "TAKEN" for error in errors):
            raise self._rejected(explained(f"the order key {self._namespace}.{self._key}", errors))

    def _rejected(self, why: str) -> CredentialsRefused:
        return CredentialsRefused(
            f"{self._graphql.connection}: no order is injected: {why}",
            connection=self._graphql.connection,
            operation=mutations.DEFINITION_CREATE.name,
            status=403,
        )
