"""The people who buy on the marketplace: made up, reachable only at reserved domains and numbers kept for fiction."""

from __future__ import annotations

import random
from typing import Any

FIELDS = frozenset(("full_name", "line_1", "line_2", "city", "state", "postal_code", "phone", "email"))
_FIRST = ("Alice", "Benedict", "Chloë", "Dafydd", "Esme", "Femi", "Gwen", "Hugh", "Ines", "Jakub", "Kirsty", "Lorna")
_LAST = ("Adams", "Byrne", "Cartwright", "D'Arcy", "Edwards", "Fraser", "Gupta", "Hughes-Rees", "Iqbal", "Østergaard")
_STREETS = ("Bridge Street", "Elm Grove", "Foundry Lane", "Harbour View", "Long Acre", "Rectory Close", "Tollgate Road")
_TOWNS = (
    ("Sheffield", "South Yorkshire", "S10"),
    ("Exeter", "Devon", "EX4"),
    ("Perth", None, "PH1"),
    ("Swansea", None, "SA2"),
    ("Derry", "County Londonderry", "BT48"),
    ("Lincoln", "Lincolnshire", "LN5"),
)


def buyer(seed: str, number: int) -> dict[str, Any]:
    """The person with this number: always the same one."""
    chance = random.Random(f"{seed}:buyer:{number}")
    town, county, district = chance.choice(_TOWNS)
    last = f"{chance.randrange(1000):03d}"
    return {
        "full_name": f"{chance.choice(_FIRST)} {chance.choice(_LAST)}",
        "line_1": f"{chance.randrange(1, 200)} {chance.choice(_STREETS)}",
        "line_2": f"Flat {chance.randrange(1, 20)}" if chance.random() < 0.2 else None,
        "city": town,
        "state": county,
        "postal_code": f"{district} {chance.randrange(1, 10)}{chance.choice('ABDEFGHJ')}{chance.choice('LNPQRSTU')}",
        "phone": chance.choice((f"07700 900{last}", f"+44 7700 900{last}", f"01632 960{last}")),
        "email": f"buyer{number}@{chance.choice(('example.com', 'example.org'))}",
    }
