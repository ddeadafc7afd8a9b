"""How many calls a vendor lets us make, and when the next one may go: pure arithmetic over a bucket's recent use.

A vendor's fixed window starts when the vendor likes. So nothing here knows where windows begin: the limit holds in
every interval of the window's length, wherever it starts, which is the only safe reading.
"""

from __future__ import annotations

import math
from collections.abc import Mapping

import msgspec

SUB_SLOTS = 120
"""A window is counted in this many parts."""
_ON_ITS_WAY = 3
"""Parts from a call's grant to its answer that need no further thought."""
_HELD = SUB_SLOTS + 1 + _ON_ITS_WAY
"""Parts for which a call counts: the window, the part it was granted in, and its way. 120 of 124 is 96.8 % of the
vendor's limit under full load."""
_TOO_SHORT_TO_WATCH = 5.0
"""In windows of fewer seconds nearly every answer is late: counting each call twice would cost more than a refusal."""
_OUTSTANDING_SECONDS = 30.0
_LOOK_AGAIN_SECONDS = 0.25
"""How long somebody waits for points at most while calls are under way: their answers give back what they did not use,
often nearly all of it, long before as much has refilled."""
_SHORTEST_WAIT = 0.001
_MOST_AHEAD = 20
_LONG_ENOUGH_TO_COUNT_AHEAD = 60.0
AHEAD_SECONDS = 0.4
"""How long a call may be counted before it is made: less than a part of the shortest window for which that is done."""


class FixedWindow(msgspec.Struct, frozen=True):
    """At most `limit` calls in any `seconds`."""

    limit: int
    seconds: float


class CostBucket(msgspec.Struct, frozen=True):
    """A bucket of `capacity` points that refills by `restore_per_second`; a call costs points."""

    capacity: float
    restore_per_second: float


BucketSpec = tuple[FixedWindow, ...] | CostBucket
"""Every window must have room; no window at all means that only the vendor's own waits count."""
BudgetSpec = Mapping[str, BucketSpec]
"""Bucket name -> its limits. Calls that name no bucket draw from `default`."""


class Grant(msgspec.Struct, frozen=True):
    """Room for `calls` calls (0: none), which count from `at` on, in seconds of the budget's clock. `noticed` is the
    same moment on the clock of the process that was given it."""

    calls: int
    at: float
    noticed: float


class NoRoom(Exception):
    """The budget has no room within the caller's patience; nothing was taken. `wait`: seconds until there is."""

    def __init__(self, bucket: str, wait: float) -> None:
        self.bucket = bucket
        self.wait = wait
        super().__init__(f"no room in the rate budget {bucket!r} for another {wait:.1f} s")


class Usage(msgspec.Struct, omit_defaults=True):
    """What is remembered of one bucket. Times are seconds of one clock, shared by everybody who draws from it."""

    windows: dict[str, list[tuple[int, int]]] = msgspec.field(default_factory=dict)
    """Window length -> (part number, calls), oldest first."""
    level: float | None = None
    """Points in a cost bucket at `level_at`; None: full."""
    level_at: float = 0.0
    outstanding: list[tuple[float, float]] = msgspec.field(default_factory=list)
    """(granted at, points) of calls whose answer has not told the bucket's level yet."""
    blocked_until: float = 0.0


def take(spec: BucketSpec, usage: Usage, now: float, cost: int = 1, up_to: int = 1) -> tuple[int, float]:
    """Take room for up to `up_to` calls of `cost` each: (calls granted, seconds to wait when none).

    Changes `usage`. Raises ValueError when a single call costs more than the bucket can ever hold.
    """
    if cost < 1 or up_to < 1:
        raise ValueError(f"a call costs at least 1 and at least 1 is asked for, not {cost} and {up_to}")
    if usage.blocked_until > now:
        return 0, usage.blocked_until - now
    if isinstance(spec, CostBucket):
        return _take_points(spec, usage, now, cost, up_to)
    granted = up_to
    wait = 0.0
    for window in spec:
        if cost > window.limit:
            raise ValueError(f"a call that costs {cost} never fits into {window.limit} in {window.seconds:g} s")
        parts = _current(window, usage, now)
        used = sum(calls for _, calls in parts)
        granted = min(granted, max(0, (window.limit - used) // cost))
        wait = max(wait, _frees_in(window, parts, used + cost - window.limit, now))
    if granted == 0:
        return 0, max(_SHORTEST_WAIT, wait)
    for window in spec:
        _count(window, usage, now, granted * cost)
    return granted, 0.0


def ahead(spec: BucketSpec, usage: Usage, now: float) -> int:
    """How many calls may be counted before they are wanted, for somebody who makes many: one in thirty of a limit of
    which less than half is used, so that nobody misses them when they are not made after all."""
    if isinstance(spec, CostBucket) or not spec:
        return 0
    for window in spec:
        used = sum(calls for _, calls in _current(window, usage, now))
        if window.seconds < _LONG_ENOUGH_TO_COUNT_AHEAD or used >= window.limit // 2:
            return 0
    return min(_MOST_AHEAD, min(window.limit for window in spec) // 30)


def is_late(spec: BucketSpec, seconds: float) -> bool:
    """Whether the vendor may have counted a call too long after its grant, if that is how long its answer took."""
    if isinstance(spec, CostBucket):
        return False
    watched = (window.seconds for window in spec if window.seconds >= _TOO_SHORT_TO_WATCH)
    return any(seconds > _ON_ITS_WAY * window / SUB_SLOTS for window in watched)


def answered_late(spec: BucketSpec, usage: Usage, now: float, granted_at: float, calls: int) -> None:
    """Count calls from now, when their answer came, instead of from their grant. When in between the vendor counted
    them nobody knows: they may have left late, been under way for long, or waited at the vendor."""
    if isinstance(spec, CostBucket):
        return
    for window in spec:
        parts = dict(_current(window, usage, now))
        granted, answered = _part(window, granted_at), _part(window, now)
        parts[granted] = max(0, parts.get(granted, 0) - calls)
        parts[answered] = parts.get(answered, 0) + calls
        usage.windows[_key(window)] = sorted(entry for entry in parts.items() if entry[1])


def learn(
    spec: BucketSpec, usage: Usage, now: float, available: float | None = None, blocked_seconds: float | None = None
) -> None:
    """Take in how a call ended: points or calls that the vendor still has for us, how long it wants to be left alone,
    or, with neither, that it said nothing.

    In a cost bucket the vendor's word replaces ours, less what is still under way. Without a word a call gives back
    what it took: what a gateway answered, or nobody, was hardly ever counted, and if it was, the next word says so. To
    keep it would let a bad hour empty the bucket. In windows a word only ever lowers our room (somebody else uses the
    account too): the longest window is charged with the difference.
    """
    if blocked_seconds is not None and blocked_seconds > 0:
        usage.blocked_until = max(usage.blocked_until, now + blocked_seconds)
    if isinstance(spec, CostBucket):
        under_way = [entry for entry in usage.outstanding if entry[0] > now - _OUTSTANDING_SECONDS]
        ended, usage.outstanding = under_way[:1], under_way[1:]
        if available is not None:
            usage.level = min(spec.capacity, max(0.0, available)) - sum(points for _, points in usage.outstanding)
            usage.level_at = now
        elif usage.level is not None:
            usage.level = min(spec.capacity, usage.level + sum(points for _, points in ended))
    elif spec and available is not None:
        longest = max(spec, key=lambda window: window.seconds)
        room = longest.limit - sum(calls for _, calls in _current(longest, usage, now))
        unknown = room - max(0, math.floor(available))
        if unknown > 0:
            _count(longest, usage, now, unknown)


def _take_points(spec: CostBucket, usage: Usage, now: float, cost: int, up_to: int) -> tuple[int, float]:
    if cost > spec.capacity:
        raise ValueError(f"a call that costs {cost} never fits into a bucket of {spec.capacity:g} points")
    level = spec.capacity if usage.level is None else usage.level
    level = min(spec.capacity, level + max(0.0, now - usage.level_at) * spec.restore_per_second)
    granted = min(up_to, max(0, math.floor(level / cost)))
    usage.level = level - granted * cost
    usage.level_at = now
    usage.outstanding = [entry for entry in usage.outstanding if entry[0] > now - _OUTSTANDING_SECONDS]
    if granted == 0:
        refilled = max(_SHORTEST_WAIT, (cost - level) / spec.restore_per_second)
        return 0, min(refilled, _LOOK_AGAIN_SECONDS) if usage.outstanding else refilled
    usage.outstanding.extend([(now, float(cost))] * granted)
    return granted, 0.0


def _key(window: FixedWindow) -> str:
    return f"{window.seconds:g}"


def _part(window: FixedWindow, now: float) -> int:
    return math.floor(now * SUB_SLOTS / window.seconds)


def _current(window: FixedWindow, usage: Usage, now: float) -> list[tuple[int, int]]:
    """The parts that still count. Drops the others, and those of a clock that has since been set back."""
    part = _part(window, now)
    kept = [entry for entry in usage.windows.get(_key(window), ()) if part - _HELD < entry[0] <= part]
    usage.windows[_key(window)] = kept
    return kept


def _frees_in(window: FixedWindow, parts: list[tuple[int, int]], needed: int, now: float) -> float:
    """Seconds until `needed` counted calls have stopped counting."""
    for part, calls in parts:
        if needed <= 0:
            break
        needed -= calls
        if needed <= 0:
            return max(0.0, (part + _HELD) * window.seconds / SUB_SLOTS - now)
    return 0.0


def _count(window: FixedWindow, usage: Usage, now: float, calls: int) -> None:
    parts = usage.windows.setdefault(_key(window), [])
    part = _part(window, now)
    if parts and parts[-1][0] == part:
        parts[-1] = (part, parts[-1][1] + calls)
    else:
        parts.append((part, calls))
