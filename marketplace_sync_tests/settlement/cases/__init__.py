"""The labelled cases: small books, each with what a correct matcher concludes from it and why."""

from __future__ import annotations

from marketplace_sync_tests.settlement.cases import (
    adversaries,
    commissions,
    corrections,
    goods,
    outside,
    payouts,
    refunds,
    sales,
    timing,
    totals,
)
from marketplace_sync_tests.settlement.scene import Scene

CASES: tuple[Scene, ...] = tuple(
    case
    for theme in (sales, commissions, refunds, timing, corrections, outside, payouts, goods, totals, adversaries)
    for case in theme.CASES
)
