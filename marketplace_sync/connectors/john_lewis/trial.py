"""Tries a John Lewis connection with harmless reads and says what works and how to mend what does not."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from marketplace_sync.connectors.john_lewis.carriers import carriers
from marketplace_sync.connectors.john_lewis.reading import Reader
from marketplace_sync.connectors.john_lewis.settings import JohnLewisSettings
from marketplace_sync.connectors.ports import Finding
from marketplace_sync.connectors.trying import gone_wrong
from marketplace_sync.connectors.wire import Wire
from marketplace_sync.domain.errors import TransportError


def trial(settings: JohnLewisSettings, wire: Wire, reader: Reader) -> Sequence[Finding]:
    """One finding per thing tried: login, retailer, orders, carriers. Stops when the login does not work."""
    found: list[Finding] = []

    def attempt(subject: str, what: Callable[[], tuple[bool, str]], fix: str) -> bool:
        try:
            works, detail = what()
            found.append(Finding(subject=subject, works=works, detail=detail, fix="" if works else fix))
        except TransportError as problem:
            found.append(gone_wrong(subject, problem, fix))
        return found[-1].works

    def login() -> tuple[bool, str]:
        served = reader.retailers()
        names = ", ".join(name or number for number, name in served) or "no retailer"
        return True, f"signed in; the login serves {names}"

    if not attempt("login", login, "check username, password, authentication and base_url (sandbox or live)"):
        return found
    if not attempt(
        "retailer",
        lambda: (True, f"{settings.retailer} is retailer {reader.retailer_id()}"),
        "set retailer_id or retailer",
    ):
        return found
    attempt(
        "orders",
        lambda: (True, f"{reader.first_page()} new orders can be read"),
        "ask John Lewis whether this login may read orders",
    )
    attempt("carriers", lambda: _carriers(settings, wire), "correct approved_carriers")
    return found


def _carriers(settings: JohnLewisSettings, wire: Wire) -> tuple[bool, str]:
    known = carriers(wire)
    if not settings.approved_carriers:
        return True, f"{len(known)} codes and names can be read; which of them John Lewis approved is not configured"
    unknown = [carrier for carrier in settings.approved_carriers if carrier not in known]
    if unknown:
        return False, f"the platform knows no carrier called {', '.join(unknown)}"
    return True, f"all {len(settings.approved_carriers)} approved carriers are known to the platform"
