"""The province codes that parcels within a country cannot do without, by code and by name (ISO 3166-2)."""

from __future__ import annotations

_UNITED_STATES = (
    "AL Alabama, AK Alaska, AZ Arizona, AR Arkansas, CA California, CO Colorado, CT Connecticut, DE Delaware, "
    "DC District of Columbia, FL Florida, GA Georgia, HI Hawaii, ID Idaho, IL Illinois, IN Indiana, IA Iowa, "
    "KS Kansas, KY Kentucky, LA Louisiana, ME Maine, MD Maryland, MA Massachusetts, MI Michigan, MN Minnesota, "
    "MS Mississippi, MO Missouri, MT Montana, NE Nebraska, NV Nevada, NH New Hampshire, NJ New Jersey, "
    "NM New Mexico, NY New York, NC North Carolina, ND North Dakota, OH Ohio, OK Oklahoma, OR Oregon, "
    "PA Pennsylvania, PR Puerto Rico, RI Rhode Island, SC South Carolina, SD South Dakota, TN Tennessee, TX Texas, "
    "UT Utah, VT Vermont, VA Virginia, WA Washington, WV West Virginia, WI Wisconsin, WY Wyoming"
)
_CANADA = (
    "AB Alberta, BC British Columbia, MB Manitoba, NB New Brunswick, NL Newfoundland and Labrador, "
    "NS Nova Scotia, NT Northwest Territories, NU Nunavut, ON Ontario, PE Prince Edward Island, QC Quebec, "
    "SK Saskatchewan, YT Yukon"
)
_AUSTRALIA = (
    "ACT Australian Capital Territory, NSW New South Wales, NT Northern Territory, QLD Queensland, "
    "SA South Australia, TAS Tasmania, VIC Victoria, WA Western Australia"
)


def _codes(listed: str) -> dict[str, str]:
    """Code or name, folded -> code."""
    pairs = [entry.partition(" ") for entry in listed.split(", ")]
    return {key.casefold(): code for code, _, name in pairs for key in (code, name)}


_KNOWN = {"US": _codes(_UNITED_STATES), "CA": _codes(_CANADA), "AU": _codes(_AUSTRALIA)}


def province_code(country: str, region: str) -> str:
    """`("US", "California")` -> `"CA"`; empty when the region is not known for certain."""
    return _KNOWN.get(country, {}).get(region.strip().casefold(), "")
