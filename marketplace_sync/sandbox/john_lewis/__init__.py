"""John Lewis as its sellers see it: the supplier API of Virtualstock's Edge, version 4."""

from marketplace_sync.sandbox.john_lewis.vendor import JohnLewis

__all__ = ["JohnLewis"]
