"""Tries a Marketplacer connection with harmless reads and says what works and how to mend what does not."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from marketplace_sync.connectors.marketplacer import documents
from marketplace_sync.connectors.marketplacer.account import Account
from marketplace_sync.connectors.marketplacer.reading import FEEDS, Reader
from marketplace_sync.connectors.marketplacer.settings import MarketplacerSettings
from marketplace_sync.connectors.marketplacer.webhooks import switched_off
from marketplace_sync.connectors.ports import Finding
from marketplace_sync.connectors.trying import gone_wrong
from marketplace_sync.domain.errors import TransportError


def trial(settings: MarketplacerSettings, account: Account, reader: Reader) -> Sequence[Finding]:
    """One finding per thing tried: key, schema, instance, lists, hooks, carriers, the operator's own Klaviyo. Stops
    when the key does not work."""
    found: list[Finding] = []

    def attempt(subject: str, what: Callable[[], tuple[bool, str]], fix: str) -> bool:
        try:
            works, detail = what()
            found.append(Finding(subject=subject, works=works, detail=detail, fix="" if works else fix))
        except TransportError as problem:
            found.append(gone_wrong(subject, problem, fix))
        return found[-1].works

    if not attempt("key", lambda: _key(settings, account), "check api_key, key_of, base_url and the gate's password"):
        return found
    attempt("schema", lambda: _schema(account), "ask the operator which release the instance runs")
    if not account.is_seller:
        attempt("instance", lambda: _instance(account), "give the key the scope to read the site's configuration")
        attempt(
            "klaviyo",
            lambda: _klaviyo(settings, account),
            "switch the operator's integration off, or write native_klaviyo: coexist to tell Klaviyo what it lacks",
        )
    attempt("lists", lambda: _lists(reader), "give the key the scopes to read orders and refunds")
    attempt("carriers", lambda: _carriers(account), "ask the operator to register carriers")
    if settings.webhook_secrets:
        attempt("webhooks", lambda: _hooks(account), "see why in the operator's portal, then set re_enable_webhooks")
    return found


def _key(settings: MarketplacerSettings, account: Account) -> tuple[bool, str]:
    principal = account.principal()
    if principal is None:
        return True, "the instance does not say whose key it is"
    owner = f"the seller {principal.seller.business_name or ''}" if principal.seller else "the operator"
    fits = (principal.seller is not None) == account.is_seller
    return fits, f"the key is {owner}'s" + ("" if fits else f", and key_of says {settings.key_of}")


def _schema(account: Account) -> tuple[bool, str]:
    schema = account.schema()
    if not schema:
        return True, "the key may not ask for the schema; it is taken to be that of 2024"
    missing = documents.missing(schema)
    if missing:
        return False, f"this instance lacks what orders cannot be read without: {', '.join(missing)}"
    left_out = documents.left_out(schema)
    return True, f"orders are read without: {', '.join(left_out)}" if left_out else "everything that is read is there"


def _instance(account: Account) -> tuple[bool, str]:
    instance = account.instance()
    currency = instance.country.currency_code if instance.country else None
    kind = "production" if instance.production_environment else "not production"
    return bool(currency), f"{instance.site_name} ({instance.vertical_code}), {kind}, in {currency or 'no currency'}"


def _klaviyo(settings: MarketplacerSettings, account: Account) -> tuple[bool, str]:
    native = account.native_klaviyo()
    if native.status == "UNKNOWN":
        return False, "the key may not ask whether the operator's own Klaviyo integration is on"
    if not native.tells_of_orders:
        return True, f"the operator's own Klaviyo integration tells of no orders ({native.status or 'none'})"
    if settings.native_klaviyo == "coexist":
        return True, "the operator's own Klaviyo integration tells of placed orders; Klaviyo gets the rest from here"
    return False, (
        "the operator's own Klaviyo integration tells Klaviyo of orders, so nothing is told to Klaviyo from here:"
        " every order would count twice"
    )


def _lists(reader: Reader) -> tuple[bool, str]:
    for feed in reader.feeds():
        reader.try_list(feed)
    return True, f"{len(reader.feeds())} of {len(FEEDS)} lists are read: {', '.join(reader.feeds())}"


def _carriers(account: Account) -> tuple[bool, str]:
    known = account.carriers()
    return bool(known), f"{len(known)} carriers: {', '.join(sorted(known)[:20])}"


def _hooks(account: Account) -> tuple[bool, str]:
    off = switched_off(account)
    return not off, f"the instance has switched off: {', '.join(off)}" if off else "no hook is switched off"
