"""The rate budget never lets more calls out than the vendor allows, and hardly fewer."""

from __future__ import annotations

import heapq
import threading
from bisect import bisect_right

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from marketplace_sync.connectors.budget import BudgetSpec, CostBucket, FixedWindow, Grant, LocalBudget, NoRoom


class Time:
    """A clock that only moves when somebody sleeps."""

    def __init__(self, start: float = 1_000_000.37) -> None:
        self.now = start
        self.slept = 0

    def read(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        assert seconds > 0
        self.now += seconds
        self.slept += 1


def budget(time: Time, spec: BudgetSpec) -> LocalBudget:
    return LocalBudget(spec, clock=time.read, sleep=time.sleep)


def most_in_any_interval(moments: list[float], seconds: float) -> int:
    """The largest number of moments in any half-open interval of that length."""
    ordered = sorted(moments)
    return max(bisect_right(ordered, start + seconds - 1e-6) - index for index, start in enumerate(ordered))


def test_a_caller_in_a_hurry_reaches_95_percent_of_the_limit_and_never_exceeds_it() -> None:
    time = Time()
    room = budget(time, {"default": (FixedWindow(250, 60.0),)})
    started, moments = time.now, []
    while time.now < started + 3600:
        room.acquire("default")
        moments.append(time.now)
        time.now += 0.011
    assert most_in_any_interval(moments, 60.0) <= 250
    assert len(moments) >= 0.95 * 250 * 60


def test_a_burst_window_and_a_steady_window_hold_together() -> None:
    time = Time()
    room = budget(time, {"events": (FixedWindow(10, 1.0), FixedWindow(150, 60.0))})
    moments = []
    for _ in range(600):
        room.acquire("events")
        moments.append(time.now)
    assert most_in_any_interval(moments, 1.0) <= 10
    assert most_in_any_interval(moments, 60.0) <= 150
    assert moments[149] - moments[0] < 16


@settings(max_examples=60, deadline=None)
@given(
    limit=st.integers(1, 40),
    seconds=st.sampled_from([1.0, 10.0, 60.0]),
    pauses=st.lists(st.floats(0, 1.5), min_size=20, max_size=120),
    delays=st.lists(st.floats(0, 1 / 41), min_size=7, max_size=7),
    several=st.integers(1, 9),
)
def test_the_limit_holds_wherever_the_vendors_window_begins_and_though_calls_take_a_little_to_arrive(
    limit: int, seconds: float, pauses: list[float], delays: list[float], several: int
) -> None:
    time = Time()
    room = budget(time, {"default": (FixedWindow(limit, seconds),)})
    arrivals: list[float] = []
    for index, pause in enumerate(pauses):
        time.now += pause * seconds / limit
        granted = room.acquire("default", up_to=several)
        assert 1 <= granted.calls <= several
        arrivals += [time.now + delays[(index + call) % 7] * seconds for call in range(granted.calls)]
    assert most_in_any_interval(arrivals, seconds) <= limit


@settings(max_examples=60, deadline=None)
@given(
    limit=st.integers(1, 20),
    seconds=st.sampled_from([10.0, 60.0, 3600.0]),
    calls=st.lists(st.tuples(st.floats(0, 1.5), st.floats(0, 0.9), st.floats(0, 1)), min_size=20, max_size=80),
)
def test_the_limit_holds_though_calls_arrive_late_and_are_answered_later(
    limit: int, seconds: float, calls: list[tuple[float, float, float]]
) -> None:
    time = Time()
    under_way: list[tuple[float, int, Grant]] = []

    def pass_by(wait: float) -> None:
        until = time.now + wait
        while under_way and under_way[0][0] <= until:
            time.now, _, grant = heapq.heappop(under_way)
            room.answered("default", grant)
        time.now = until

    room = LocalBudget({"default": (FixedWindow(limit, seconds),)}, clock=time.read, sleep=pass_by)
    arrivals: list[float] = []
    for number, (pause, took, arrived) in enumerate(calls):
        pass_by(pause * seconds / limit)
        grant = room.acquire("default")
        arrivals.append(time.now + took * arrived * seconds)
        heapq.heappush(under_way, (time.now + took * seconds, number, grant))
    assert most_in_any_interval(arrivals, seconds) <= limit


@pytest.mark.parametrize("late", [1.6, 3.0, 59.0, 200.0])
def test_a_call_that_was_answered_late_counts_from_its_answer(late: float) -> None:
    time = Time()
    room = budget(time, {"default": (FixedWindow(2, 60.0),)})
    room.acquire("default")
    stuck = room.acquire("default")
    time.now += late
    answered = time.now
    room.answered("default", stuck)
    room.acquire("default")  # in the place of the call that was in time
    assert time.now <= max(answered, 1_000_000.37 + 62.5)
    room.acquire("default")
    assert answered + 60 <= time.now <= answered + 62.5
    assert len(room._usage["default"].windows["60"]) <= 2


def test_what_a_costly_call_gives_back_is_used_as_soon_as_its_answer_says_so() -> None:
    time = Time()
    room = budget(time, {"graphql": CostBucket(1000, 10.0)})
    room.acquire("graphql", 900)
    answered = time.now + 0.6

    def sleep(seconds: float) -> None:
        time.sleep(seconds)
        if time.now >= answered:
            room.learn("graphql", available=980)

    room._sleep = sleep
    room.acquire("graphql", 900)
    assert time.now - answered < 0.3


def test_a_costly_call_draws_its_cost_from_a_window() -> None:
    time = Time()
    room = budget(time, {"default": (FixedWindow(10, 60.0),)})
    assert room.acquire("default", 4, up_to=5).calls == 2
    assert room.acquire("default", 2).calls == 1
    with pytest.raises(NoRoom):
        room.acquire("default", 1, patience=5)
    with pytest.raises(ValueError, match="never fits"):
        room.acquire("default", 11)


def test_a_cost_bucket_refills_at_its_rate_and_follows_the_vendors_word() -> None:
    time = Time()
    room = budget(time, {"graphql": CostBucket(1000, 50.0)})
    assert room.acquire("graphql", 400, up_to=9).calls == 2
    started = time.now
    room.acquire("graphql", 400)
    assert time.now - started == pytest.approx(4.0, abs=0.01)
    # Three calls are under way; the answer to one of them says what was left when two had not arrived yet.
    room.learn("graphql", available=990)
    started = time.now
    room.acquire("graphql", 190)
    assert time.now == started
    room.acquire("graphql", 100)
    assert time.now - started == pytest.approx(2.0, abs=0.01)


def test_calls_that_end_without_a_word_about_the_bucket_do_not_empty_it() -> None:
    time = Time()
    room = budget(time, {"graphql": CostBucket(1000, 50.0)})
    for _ in range(20):
        room.acquire("graphql", 900)
        room.learn("graphql")
    assert time.slept == 0
    room.acquire("graphql", 300)
    room.acquire("graphql", 300)
    room.learn("graphql")
    room.learn("graphql", available=400)  # of nothing else under way
    room.acquire("graphql", 400, patience=0)
    with pytest.raises(NoRoom):
        room.acquire("graphql", 100, patience=0)


def test_a_vendor_that_asks_to_be_left_alone_is_left_alone() -> None:
    time = Time()
    room = budget(time, {"default": (), "other": ()})
    room.learn("default", blocked_seconds=30)
    room.learn("default", blocked_seconds=5)
    room.acquire("other")
    assert time.slept == 0
    with pytest.raises(NoRoom) as full:
        room.acquire("default", patience=29)
    assert full.value.wait == pytest.approx(30)
    started = time.now
    room.acquire("default")
    assert time.now - started == pytest.approx(30)


def test_when_somebody_else_uses_the_account_too_our_room_shrinks_to_what_the_vendor_says() -> None:
    time = Time()
    room = budget(time, {"default": (FixedWindow(100, 60.0),)})
    room.acquire("default", up_to=10)
    room.learn("default", available=95)
    assert room.acquire("default", up_to=100).calls == 90
    time.now += 120
    room.learn("default", available=3)
    assert room.acquire("default", up_to=100).calls == 3


def test_threads_share_the_room_without_losing_count() -> None:
    granted: list[int] = []
    room = LocalBudget({"default": (FixedWindow(100, 3600.0),)})

    def take_all() -> None:
        while True:
            try:
                granted.append(room.acquire("default", up_to=3, patience=0).calls)
            except NoRoom:
                return

    threads = [threading.Thread(target=take_all) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sum(granted) == 100


def test_a_bucket_nobody_declared_is_a_mistake() -> None:
    with pytest.raises(KeyError):
        LocalBudget({"default": ()}).acquire("defualt")
