"""Who bought: addresses that appear when an order may be shipped, and e-mail addresses that are nobody's own."""

from __future__ import annotations

from typing import Any

import msgspec

from marketplace_sync.connectors.mirakl import fields
from marketplace_sync.connectors.mirakl.countries import alpha_2
from marketplace_sync.connectors.mirakl.settings import MiraklSettings
from marketplace_sync.domain.orders import Address

Text = str | int | None


class StatedAddress(msgspec.Struct):
    firstname: Text = None
    lastname: Text = None
    company: Text = None
    company_2: Text = None
    street_1: Text = None
    street_2: Text = None
    additional_info: Text = None
    zip_code: Text = None
    city: Text = None
    state: Text = None
    country_iso_code: Text = None
    phone: Text = None
    phone_secondary: Text = None


class Customer(msgspec.Struct):
    customer_id: Text = None
    firstname: Text = None
    lastname: Text = None
    locale: Text = None
    shipping_address: StatedAddress | None = None
    billing_address: StatedAddress | None = None


class AdditionalField(msgspec.Struct):
    code: Text = None
    value: Any = None


def address(stated: StatedAddress | None, customer: Customer) -> Address:
    """Before an order may be shipped there is only a name. The country is told by its code: its label is in the
    operator's language (Mirakl, basics: country codes)."""
    if stated is None:
        return Address(full_name=_name(customer.firstname, customer.lastname))
    second = [fields.text(stated.street_2), fields.text(stated.additional_info)]
    company = [fields.text(stated.company), fields.text(stated.company_2)]
    return Address(
        full_name=_name(stated.firstname, stated.lastname) or _name(customer.firstname, customer.lastname),
        company=", ".join(filter(None, company)),
        line_1=fields.text(stated.street_1),
        line_2=", ".join(filter(None, second)),
        city=fields.text(stated.city),
        region=fields.text(stated.state),
        postal_code=fields.text(stated.zip_code),
        country=alpha_2(fields.text(stated.country_iso_code)),
        phone=fields.text(stated.phone) or fields.text(stated.phone_secondary),
    )


def email(notification: Text, additional: list[AdditionalField] | None, settings: MiraklSettings) -> tuple[str, bool]:
    """(address, whether it stands for the order and not for a person). The notification address always does; the
    configured additional field holds the buyer's own, unless it is in one of the relay domains."""
    for one in additional or ():
        if settings.email_field and fields.text(one.code) == settings.email_field and isinstance(one.value, str):
            own = one.value.strip()
            if own:
                return own, own.rpartition("@")[2].lower() in settings.relay_domains
    found = fields.text(notification)
    return found, bool(found)


def _name(first: Text, last: Text) -> str:
    return " ".join(filter(None, (fields.text(first), fields.text(last))))
