"""Signs requests as an integration of the shop: OAuth 1.0a with HMAC-SHA256, the only signature Magento accepts."""

from __future__ import annotations

from collections.abc import Mapping


class OAuth1:
    """`wire.Signature`. Method, URL and query are signed, a JSON body is not (Magento, authentication)."""

    def __init__(self, *, consumer_key: str, consumer_secret: str, token: str, token_secret: str) -> None:
        self._consumer_key = consumer_key
        self._consumer_secret = consumer_secret
        self._token = token
        self._token_secret = token_secret

    def signed(self, method: str, url: str) -> Mapping[str, str]:
        """The Authorization header of one try: a nonce must not come twice."""
        # Imported here: commands that talk to no Magento need not load it.
        from oauthlib.oauth1 import SIGNATURE_HMAC_SHA256, Client

        client = Client(
            self._consumer_key,
            client_secret=self._consumer_secret,
            resource_owner_key=self._token,
            resource_owner_secret=self._token_secret,
            signature_method=SIGNATURE_HMAC_SHA256,
        )
        _, headers, _ = client.sign(url, http_method=method)
        return {"authorization": str(headers["Authorization"])}
