"""The simulated Klaviyo: events, profiles, consent, lists, catalogue, under the vendor's quotas and rules."""

from marketplace_sync.sandbox.klaviyo.acts import Klaviyo

__all__ = ["Klaviyo"]
