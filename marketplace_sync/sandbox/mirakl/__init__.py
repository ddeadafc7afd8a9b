"""A marketplace run on Mirakl, simulated: what a seller's API key reaches, and the operator and buyers behind it."""

from marketplace_sync.sandbox.mirakl.vendor import Mirakl

__all__ = ["Mirakl"]
