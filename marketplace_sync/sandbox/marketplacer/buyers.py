"""The people who buy on the marketplace: made up, reachable only at reserved domains and numbers kept for fiction."""

from __future__ import annotations

import random
from typing import Any

_FIRST = ("Amara", "Bryn", "Cecily", "Dougal", "Elin", "Farid", "Greta", "Hamish", "Imogen", "Joaquín", "Katya", "Leif")
_LAST = ("Abbott", "Bains", "Coyle", "Drummond", "Evans", "Fitzroy", "Grant", "Holm", "Ibbotson", "O'Keefe")
_TOWNS = (("Leeds", "LS1 4AP"), ("Bristol", "BS1 5TR"), ("Glasgow", "G1 2FF"), ("Cardiff", "CF10 1EP"))


def buyer(seed: str, number: int) -> dict[str, Any]:
    """The person with this number, as fields of an order: always the same one."""
    chance = random.Random(f"{seed}:buyer:{number}")
    first, last = chance.choice(_FIRST), chance.choice(_LAST)
    town, postcode = chance.choice(_TOWNS)
    address = {
        "address": f"{chance.randrange(1, 200)} Mill Lane", "subaddress": None, "city": town, "postcode": postcode,
        "state": None, "country": None,
    }  # fmt: skip
    email, phone = f"shopper{number}@example.com", f"07700 900{chance.randrange(1000):03d}"
    return {
        "emailAddress": email, "firstName": first, "surname": last, "phone": phone, "companyName": None,
        "address": address, "billingAddress": dict(address), "billingEmailAddress": email,
        "billingFirstName": first, "billingSurname": last, "billingPhone": phone, "billingCompanyName": None,
    }  # fmt: skip
