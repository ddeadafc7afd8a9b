"""The one entry point of Dagster: configuration in, definitions out."""

from __future__ import annotations

import dagster as dg

defs = dg.Definitions()
