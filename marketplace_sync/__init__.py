"""Keeps marketplaces, stores and Klaviyo in step, and proves it."""

__version__ = "0.1.0"
