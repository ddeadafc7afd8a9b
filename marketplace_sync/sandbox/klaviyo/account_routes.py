"""The account endpoint: whose account a key belongs to, and whether it is a test account."""

from __future__ import annotations

from typing import TYPE_CHECKING

from marketplace_sync.sandbox.klaviyo.answers import Answer, Json, not_found
from marketplace_sync.sandbox.klaviyo.call import Call

if TYPE_CHECKING:
    from marketplace_sync.sandbox.klaviyo.account import Account


class AccountRoutes:
    def __init__(self, account: Account) -> None:
        self.account = account

    def listed(self, call: Call) -> Answer:
        return call.many([self._resource(call)])

    def one(self, call: Call) -> Answer:
        if call.path["id"] != self.account.choices.account_id:
            raise not_found("account", call.path["id"])
        return call.one(self._resource(call))

    def _resource(self, call: Call) -> Json:
        choices = self.account.choices
        return {
            "type": "account",
            "id": choices.account_id,
            "attributes": {
                "test_account": choices.test_account,
                "contact_information": {
                    "default_sender_name": choices.organization,
                    "default_sender_email": "hello@example.com",
                    "website_url": None,
                    "organization_name": choices.organization,
                    "street_address": dict.fromkeys(("address1", "address2", "city", "region", "country", "zip")),
                },
                "industry": "eCommerce",
                "timezone": choices.timezone,
                "preferred_currency": choices.preferred_currency,
                "public_api_key": choices.account_id,
                "locale": choices.locale,
            },
            "links": {"self": f"{call.base}/api/accounts/{choices.account_id}/"},
        }
