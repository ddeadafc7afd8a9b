"""The people who buy: made up, British, reachable only at reserved domains and telephone numbers kept for fiction."""

from __future__ import annotations

import random
import unicodedata
from typing import Any

Buyer = dict[str, Any]

FIELDS = frozenset(("full_name", "line_1", "line_2", "city", "state", "postal_code", "country", "phone", "email"))

_FIRST = (
    "Olivia", "George", "Amelia", "Arthur", "Isla", "Noah", "Ava", "Muhammad", "Freya", "Leo", "Priya", "Harry",
    "Zainab", "Oscar", "Siân", "Rhys", "Niamh", "Callum", "Eilidh", "Hamish", "Chloë", "Tomasz", "Agnieszka", "Kwame",
    "Folasade", "Daniel", "Ruth", "Peter", "Margaret", "Joyce", "Stephen", "Gareth", "Bronwen", "Fiona", "Alasdair",
    "Yusuf", "Mei", "José", "Anneliese", "Zoë", "Imogen", "Rupert", "Beatrix", "Winston", "Deborah", "Sunita", "Aarav",
    "Thomas",
)  # fmt: skip
_LAST = (
    "Smith", "Jones", "Taylor", "Brown", "Williams", "Wilson", "Johnson", "Davies", "Patel", "Robinson", "Wright",
    "Thompson", "Evans", "Walker", "White", "Roberts", "Green", "Hall", "Wood", "Khan", "O'Neill", "MacDonald",
    "Begum", "Okonkwo", "Fitzgerald-Hughes", "Nowak", "García", "Llewellyn", "Ó Briain", "St John", "Kowalczyk",
    "Ashworth", "Featherstonehaugh", "Singh", "Mensah", "Clarke", "Bennett", "Whitfield", "Murray", "Campbell",
    "Müller", "Lee",
)  # fmt: skip
_STREETS = (
    "High Street", "Station Road", "Church Lane", "Victoria Avenue", "Mill Lane", "Park Road", "The Crescent",
    "Kings Road", "Orchard Close", "Green Lane", "Albert Terrace", "Manor Drive", "Chapel Hill", "Springfield Gardens",
    "Beech Grove", "Castle View", "Heol y Deri", "Rue de l'Église Mews", "Quayside", "Wharf Street",
)  # fmt: skip
_TOWNS = (
    ("London", None, "SW11"), ("London", None, "N16"), ("London", None, "E8"),
    ("Manchester", "Greater Manchester", "M20"), ("Leeds", "West Yorkshire", "LS6"), ("Bristol", None, "BS6"),
    ("Edinburgh", None, "EH9"), ("Glasgow", None, "G12"), ("Cardiff", "South Glamorgan", "CF14"),
    ("Belfast", "County Antrim", "BT9"), ("Reading", "Berkshire", "RG4"), ("Brighton", "East Sussex", "BN1"),
    ("Norwich", "Norfolk", "NR2"), ("York", "North Yorkshire", "YO10"), ("Bath", "Somerset", "BA2"),
    ("Cambridge", "Cambridgeshire", "CB4"), ("Newcastle upon Tyne", "Tyne and Wear", "NE2"),
    ("Stow-on-the-Wold", "Gloucestershire", "GL54"), ("Llanfairpwllgwyngyll", "Ynys Môn", "LL61"),
    ("St Ives", "Cornwall", "TR26"), ("Kirkwall", "Orkney", "KW15"), ("Douglas", "Isle of Man", "IM1"),
    ("St Helier", "Jersey", "JE2"), ("Wells-next-the-Sea", "Norfolk", "NR23"),
)  # fmt: skip
_LONG_LINE = (
    "The Old Coach House behind the former Methodist Chapel, second entrance on the left past the blue gate, please"
    " ring the lower bell and wait, the upper one has not worked since the spring, c/o The Residents' Association"
)


def buyer(seed: str, number: int, *, missing_email_rate: float, missing_state_rate: float) -> Buyer:
    """The person with this number: always the same one. `email` and `state` may be missing altogether, `line_2` blank.

    Lengths stay within the vendor's: 255 for an address line, 75 for an e-mail address. (Virtualstock, orders read)
    """
    chance = random.Random(f"{seed}:buyer:{number}")
    first, last = chance.choice(_FIRST), chance.choice(_LAST)
    town, county, district = chance.choice(_TOWNS)
    inward = f"{chance.randrange(1, 10)}{chance.choice('ABDEFGHJLNPQRSTUWXYZ')}{chance.choice('ABDEFGHJLNPQRSTUWXYZ')}"
    person: Buyer = {
        "full_name": f"{first} {last}",
        "line_1": f"{chance.randrange(1, 240)} {chance.choice(_STREETS)}",
        "line_2": f"Flat {chance.randrange(1, 30)}" if chance.random() < 0.2 else "",
        "city": town,
        "postal_code": f"{district} {inward}",
        "country": _country(district),
        "phone": _phone(chance),
    }
    if county is not None and chance.random() >= missing_state_rate:
        person["state"] = county
    if chance.random() >= missing_email_rate:
        person["email"] = f"{_plain(first)}.{_plain(last)}{number}@{chance.choice(('example.com', 'example.org'))}"
    _make_awkward(person, chance)
    return person


def _make_awkward(person: Buyer, chance: random.Random) -> None:
    """What people really type, in one order of eleven."""
    kind = chance.randrange(44)
    if kind == 0:
        person["line_2"] = "Leave with Łucja at № 7 🏡🐕"
    elif kind == 1:
        person["full_name"] = f"{person['full_name']} 🎁"
    elif kind == 2:
        person["line_1"] = _LONG_LINE
    elif kind == 3:
        person["postal_code"] = str(person["postal_code"]).lower().replace(" ", "")


def _country(district: str) -> str:
    return {"IM": "IM", "JE": "JE"}.get(district[:2], "GB")


def _phone(chance: random.Random) -> str:
    """Numbers the regulator keeps free for drama, in the ways people write them."""
    last = f"{chance.randrange(1000):03d}"
    return chance.choice((f"07700 900{last}", f"+44 7700 900{last}", f"07700900{last}", f"01632 960{last}"))


def _plain(name: str) -> str:
    """A name as the local part of an address: letters without accents, nothing else."""
    letters = unicodedata.normalize("NFKD", name).encode("ascii", "ignore").decode().lower()
    return "".join(letter for letter in letters if letter.isalpha())
