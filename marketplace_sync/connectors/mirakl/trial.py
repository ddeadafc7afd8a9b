"""Tries a Mirakl connection with harmless reads and says what works and how to mend what does not."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from marketplace_sync.connectors.mirakl.account import Account
from marketplace_sync.connectors.mirakl.reading import Reader
from marketplace_sync.connectors.mirakl.settings import MiraklSettings
from marketplace_sync.connectors.ports import Finding
from marketplace_sync.connectors.trying import gone_wrong
from marketplace_sync.domain.errors import Throttled, TransportError


def trial(settings: MiraklSettings, account: Account, reader: Reader) -> Sequence[Finding]:
    """One finding per thing tried: shop, platform, orders, carriers, reasons. Stops when the key does not work."""
    found: list[Finding] = []

    def attempt(subject: str, what: Callable[[], tuple[bool, str]], fix: str) -> bool:
        try:
            works, detail = what()
            found.append(Finding(subject=subject, works=works, detail=detail, fix="" if works else fix))
        except Throttled as busy:
            # Most of these may be asked once a minute, some once a day. The shop comes first, so the key is known then.
            asked = Finding(subject=subject, works=True, detail=f"it answers, and was asked just before ({busy})")
            found.append(asked if found else gone_wrong(subject, busy, fix))
        except TransportError as problem:
            found.append(gone_wrong(subject, problem, fix))
        return found[-1].works

    if not attempt(
        "shop",
        lambda: _shop(settings, account),
        "check api_key, shop_id and base_url (each environment has its own key), and that the shop is open",
    ):
        return found
    attempt("platform", lambda: _platform(account), "ask the operator whether this user may read the configuration")
    attempt(
        "orders",
        lambda: (True, f"{reader.order_count()} orders can be read"),
        "ask the operator whether this user may read orders",
    )
    attempt("carriers", lambda: _carriers(account), "ask the operator to register carriers")
    attempt("reasons", lambda: _reasons(settings, account), "correct cancel_reason and refund_reason")
    return found


def _shop(settings: MiraklSettings, account: Account) -> tuple[bool, str]:
    shop = account.shop()
    model = shop.model or "of an unstated model"
    words = f"shop {shop.shop_name} ({shop.shop_id}) is {shop.shop_state or 'there'}, {model}: prices are taken as"
    return shop.shop_state not in ("SUSPENDED", "TERMINATED"), f"{words} {account.price_basis.value}"


def _platform(account: Account) -> tuple[bool, str]:
    parcels = "one shipment per parcel" if account.multi_shipment() else "orders ship as a whole"
    returns = "returns are stated" if account.has_returns() else "returns show only as refunds"
    return True, f"{account.platform().platform_name or 'the platform'}: {parcels}, {returns}"


def _carriers(account: Account) -> tuple[bool, str]:
    known = account.carriers()
    others = "no others" if account.only_registered_carriers() else "others by name"
    return bool(known) or not account.only_registered_carriers(), f"{len(known)} carriers are registered; {others}"


def _reasons(settings: MiraklSettings, account: Account) -> tuple[bool, str]:
    problems = []
    for setting, kind in (("cancel_reason", "CANCELATION"), ("refund_reason", "REFUND")):
        codes = [reason.code for reason in account.reasons(kind)]
        wanted = getattr(settings, setting)
        if wanted and wanted not in codes:
            problems.append(f"{setting} {wanted!r} is none of: {', '.join(codes) or 'none'}")
        elif not codes:
            problems.append(f"no reason of type {kind} that sellers may use")
    return not problems, "; ".join(problems) or "there are reasons for cancellations and refunds by the seller"
