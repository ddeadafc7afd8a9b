"""What an instance says of itself: its schema, whose key ours is, its currency, its carriers, its own Klaviyo."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Mapping
from typing import Any, TypeVar

import msgspec

from marketplace_sync.connectors.marketplacer import documents, fields
from marketplace_sync.connectors.marketplacer.graphql import Document, GraphQL
from marketplace_sync.connectors.marketplacer.settings import MarketplacerSettings
from marketplace_sync.decoding import decoded
from marketplace_sync.domain.errors import CredentialsRefused, RequestRejected

_VALID_SECONDS = 3600.0
T = TypeVar("T")


class PageInfo(msgspec.Struct, rename="camel"):
    has_next_page: bool = False
    end_cursor: str | None = None


class Rows(msgspec.Struct, rename="camel"):
    page_info: PageInfo
    total_count: int = 0
    nodes: list[msgspec.Raw] | None = None


class _Seller(msgspec.Struct, rename="camel"):
    id: str
    business_name: str | None = None


class Principal(msgspec.Struct):
    name: str | None = None
    seller: _Seller | None = None


class _Country(msgspec.Struct, rename="camel"):
    code: str | None = None
    currency_code: str | None = None
    tax_inclusive: bool | None = None


class _MemberSettings(msgspec.Struct, rename="camel"):
    advanced_refunds_enabled: bool | None = None


class Instance(msgspec.Struct, rename="camel"):
    vertical_code: str = ""
    site_name: str = ""
    production_environment: bool | None = None
    country: _Country | None = None
    member_settings: _MemberSettings | None = None


class NativeKlaviyo(msgspec.Struct, rename="camel"):
    status: str = ""
    ecommerce_tracking_enabled: bool | None = None
    edm_enabled: bool | None = None

    @property
    def tells_of_orders(self) -> bool:
        return self.status == "CONNECTED" and bool(self.ecommerce_tracking_enabled)


class Carrier(msgspec.Struct, rename="camel"):
    id: str
    name: str = ""
    tracking_url: Any = None
    """The base of its tracking links."""


class _Fields(msgspec.Struct):
    name: str
    fields: list[_Field] | None = None


class _Field(msgspec.Struct):
    name: str


class Account:
    """Thread-safe; remembers what it learnt for an hour. Everything raises TransportError."""

    def __init__(self, settings: MarketplacerSettings, calls: GraphQL) -> None:
        self._settings = settings
        self._calls = calls
        self._lock = threading.Lock()
        self._known: dict[str, tuple[float, Any]] = {}

    @property
    def is_seller(self) -> bool:
        return self._settings.key_of == "seller"

    def schema(self) -> Mapping[str, frozenset[str]]:
        """Type -> its fields; empty where the key may not ask."""
        return self._remembered("schema", self._ask_schema)

    def principal(self) -> Principal | None:
        found = self._calls.ask(documents.PRINCIPAL, {}).data.get("apiKeyPrincipal")
        return None if found is None else self.decoded(documents.PRINCIPAL, found, Principal)

    def instance(self) -> Instance:
        return self._remembered("instance", self._ask_instance)

    def native_klaviyo(self) -> NativeKlaviyo:
        """Of a seller's key nobody knows: then nothing is said of it."""
        return self._remembered("klaviyo", self._ask_klaviyo)

    def klaviyo_if_known(self) -> NativeKlaviyo | None:
        """What `native_klaviyo` was told within the last hour; asks nobody."""
        with self._lock:
            at, found = self._known.get("klaviyo", (0.0, None))
        return found if found is not None and time.monotonic() - at < _VALID_SECONDS else None

    def carriers(self) -> dict[str, Carrier]:
        """By name, every carrier that parcels may leave with."""
        return self._remembered("carriers", self._ask_carriers)

    def tracking_links(self) -> dict[str, str]:
        """Carrier -> the base of its tracking links; nothing where the key may not ask."""
        try:
            known = self.carriers()
        except (RequestRejected, CredentialsRefused) as problem:
            if problem.status == 401:
                raise
            return {}
        return {name: base for name, one in known.items() if (base := fields.text_if_any(one.tracking_url))}

    def pages(
        self, document: Document, variables: Mapping[str, Any], field: str, size: int | None = None
    ) -> Iterator[list[msgspec.Raw]]:
        """Every page of a list, by cursor; of `size` rows, or as many as the settings say."""
        after: str | None = None
        first = size or self._settings.page_size
        while True:
            said = self._calls.ask(document, {**variables, "first": first, "after": after})
            rows = self.rows(document, said.data.get(field))
            yield [row for row in rows.nodes or () if bytes(row) != b"null"]
            if not rows.page_info.has_next_page:
                return
            if not rows.page_info.end_cursor or rows.page_info.end_cursor == after:
                raise self._calls.unreadable(document, "it says that there is more and not where")
            after = rows.page_info.end_cursor

    def rows(self, document: Document, raw: msgspec.Raw | None) -> Rows:
        return Rows(page_info=PageInfo(), nodes=[]) if raw is None else self.decoded(document, raw, Rows)

    def decoded(self, document: Document, raw: msgspec.Raw | bytes, kind: type[T]) -> T:
        try:
            return decoded(raw, kind)
        except (msgspec.DecodeError, RecursionError) as problem:
            raise self._calls.unreadable(document, str(problem)[:200]) from None

    def _remembered(self, name: str, ask: Callable[[], T]) -> T:
        with self._lock:
            at, found = self._known.get(name, (0.0, None))
        if found is not None and time.monotonic() - at < _VALID_SECONDS:
            known: T = found
            return known
        fresh = ask()
        with self._lock:
            self._known[name] = (time.monotonic(), fresh)
        return fresh

    def _ask_schema(self) -> dict[str, frozenset[str]]:
        try:
            said = self._calls.ask(documents.INTROSPECTION, {})
        except (RequestRejected, CredentialsRefused) as problem:
            if problem.status == 401:
                raise
            return {}
        found = [self.decoded(documents.INTROSPECTION, raw, _Fields) for raw in said.data.values()]
        return {one.name: frozenset(each.name for each in one.fields or ()) for one in found}

    def _ask_instance(self) -> Instance:
        found = self._calls.ask(documents.INSTANCE, {}).data.get("siteConfig")
        if found is None:
            raise self._calls.unreadable(documents.INSTANCE, "it names no instance")
        return self.decoded(documents.INSTANCE, found, Instance)

    def _ask_klaviyo(self) -> NativeKlaviyo:
        if self.is_seller:
            return NativeKlaviyo()
        try:
            found = self._calls.ask(documents.NATIVE_KLAVIYO, {}).data.get("klaviyoSettings")
        except (RequestRejected, CredentialsRefused) as problem:
            if problem.status == 401:
                raise
            return NativeKlaviyo(status="UNKNOWN")
        return NativeKlaviyo() if found is None else self.decoded(documents.NATIVE_KLAVIYO, found, NativeKlaviyo)

    def _ask_carriers(self) -> dict[str, Carrier]:
        document = documents.carriers(self.schema())
        rows = [row for page in self.pages(document, {}, "shipmentCarriers") for row in page]
        known = [self.decoded(document, row, Carrier) for row in rows]
        return {fields.text(one.name): one for one in known}
