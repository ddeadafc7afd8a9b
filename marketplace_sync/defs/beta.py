"""Keeps quiet what Dagster says to itself about our sensors and schedules."""

from __future__ import annotations

import warnings

from dagster import BetaWarning


def keep_quiet() -> None:
    """Whenever Dagster copies a sensor or a schedule, to give it its jobs, it names the parameter `owners`, which is in
    beta, and warns of it in its own name. We use no owners there. Whoever does is still told: then the warning is about
    a line of theirs."""
    warnings.filterwarnings(
        "ignore",
        message="Parameter `owners` of initializer",
        category=BetaWarning,
        module=r"dagster\._core\.definitions\.(sensor|schedule)_definition",
    )
