"""Tries a connection the way it will be used, and says in words what is missing."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

import msgspec

from marketplace_sync.connectors.ports import Finding
from marketplace_sync.connectors.shopify import catalogue_queries
from marketplace_sync.connectors.shopify.catalogue import CatalogueReader
from marketplace_sync.connectors.shopify.graphql import Document, GraphQL
from marketplace_sync.connectors.shopify.identity import UniqueKey
from marketplace_sync.connectors.shopify.settings import ShopifySettings
from marketplace_sync.connectors.shopify.subscriptions import WANTED, Subscriptions
from marketplace_sync.connectors.trying import gone_wrong
from marketplace_sync.domain.errors import TransportError
from marketplace_sync.settings import SecretMissing

NEEDED_SCOPES = (
    "read_orders",
    "write_orders",
    "read_products",
    "read_inventory",
    "read_locations",
    "read_fulfillments",
)


class _Scope(msgspec.Struct):
    handle: str


class _Installation(msgspec.Struct, rename="camel"):
    access_scopes: list[_Scope]


class ScopesAnswer(msgspec.Struct, rename="camel"):
    current_app_installation: _Installation


SCOPES = Document(
    "Scopes",
    "query Scopes {\n  currentAppInstallation { accessScopes { handle } }\n}\n",
    ScopesAnswer,
    cost=5,
)


class Checks:
    """Every look at the shop is its own finding: one that fails does not hide the others."""

    def __init__(
        self,
        settings: ShopifySettings,
        graphql: GraphQL,
        catalogue: CatalogueReader,
        unique_key: UniqueKey,
        subscriptions: Subscriptions,
    ) -> None:
        self._settings = settings
        self._graphql = graphql
        self._catalogue = catalogue
        self._unique_key = unique_key
        self._subscriptions = subscriptions

    def run(self) -> Sequence[Finding]:
        """Never raises for what the vendor does. Makes the definition of the unique order key if it is missing."""
        try:
            found = [self._shop()]
        except TransportError as problem:
            # Without the shop itself every other look would only say the same again.
            keys = ", the token or client id and secret, and that the app is installed"
            return [gone_wrong("shop", problem, f"check base_url{keys if problem.status in (401, 403) else ''}")]
        looks: tuple[tuple[str, Callable[[], Iterator[Finding]]], ...] = (
            ("permissions", self._permissions),
            ("locations", self._locations),
            ("order key", self._order_key),
            ("webhooks", self._webhooks),
        )
        for subject, look in looks:
            try:
                found.extend(look())
            except TransportError as problem:
                found.append(gone_wrong(subject, problem, "see the message"))
        return found

    def _shop(self) -> Finding:
        shop = self._graphql.run(catalogue_queries.SHOP).shop
        taxes = "include" if shop.taxes_included else "do not include"
        return Finding(
            subject="shop",
            works=True,
            detail=f"{shop.name}, {shop.currency_code}, API {self._settings.api_version}; its prices {taxes} tax",
        )

    def _permissions(self) -> Iterator[Finding]:
        granted = {scope.handle for scope in self._graphql.run(SCOPES).current_app_installation.access_scopes}
        # The right to write something contains the right to read it.
        granted |= {scope.replace("write_", "read_", 1) for scope in granted if scope.startswith("write_")}
        missing = [scope for scope in NEEDED_SCOPES if scope not in granted]
        yield Finding(
            subject="permissions",
            works=not missing,
            detail=f"missing: {', '.join(missing)}" if missing else "the app has all it needs",
            fix="add them to the app's scopes and have the shop accept the change" if missing else "",
        )
        yield self._history("read_all_orders" in granted)

    def _history(self, granted: bool) -> Finding:
        """Whether what the configuration says of the 60-day window is so (Shopify, auth: scopes)."""
        limited = "orders older than 60 days cannot be seen without read_all_orders: late refunds stay unnoticed"
        if self._settings.reads_all_orders and not granted:
            fix = "have the app granted read_all_orders, or take reads_all_orders out of the configuration"
            return Finding(subject="order history", works=False, detail=limited, fix=fix)
        if granted and not self._settings.reads_all_orders:
            limited = "the app sees every order, and reads_all_orders is not set: `status` names a window of 60 days"
        return Finding(
            subject="order history",
            works=True,
            detail="every order can be seen" if self._settings.reads_all_orders else limited,
        )

    def _locations(self) -> Iterator[Finding]:
        active = {location.id: location for location in self._catalogue.locations() if location.is_active}
        wanted = dict.fromkeys(self._settings.locations, "locations")
        if self._settings.return_location is not None:
            wanted[self._settings.return_location] = "return_location"
        lost = [f"{location} ({key})" for location, key in wanted.items() if location not in active]
        if lost:
            yield Finding(
                subject="locations",
                works=False,
                detail=f"not an active location of the shop: {', '.join(lost)}",
                fix="correct the location ids, or activate them in the shop",
            )
            return
        counted = self._catalogue.counted(list(active.values()))
        names = ", ".join(sorted(active[location].name for location in counted))
        yield Finding(subject="locations", works=True, detail=f"stock counts at {names}")

    def _order_key(self) -> Iterator[Finding]:
        self._unique_key.ensure()
        yield Finding(subject="order key", works=True, detail="the shop keeps our orders unique")

    def _webhooks(self) -> Iterator[Finding]:
        if not self._settings.signing_secrets():
            yield Finding(
                subject="webhooks",
                works=True,
                detail="no secret to check deliveries with: changes are found by asking regularly, not at once",
            )
            return
        try:
            for secret in self._settings.signing_secrets():
                secret.reveal()
        except SecretMissing as problem:
            yield Finding(subject="webhooks", works=False, detail=str(problem), fix="provide the secret")
            return
        there = {subscription.topic for subscription in self._subscriptions.existing()}
        missing = [topic for topic in WANTED if topic not in there]
        yield Finding(
            subject="webhooks",
            works=not missing or not there,
            detail="not subscribed: changes are found by asking regularly, not at once"
            if not there
            else f"subscriptions are gone: {', '.join(missing)}"
            if missing
            else "all subscriptions are there",
            fix="subscribe again: Shopify deletes subscriptions whose receiver failed for hours"
            if missing and there
            else "",
        )
