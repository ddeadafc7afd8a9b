"""What a vendor remembers, and what it forgets when a handler fails."""

from __future__ import annotations

from pathlib import Path

import pytest

from marketplace_sync.sandbox.state import State


def reopened(path: Path) -> State:
    return State("v", path)


def test_what_was_committed_is_there_after_a_kill(tmp_path: Path) -> None:
    state = State("v", tmp_path / "s.sqlite")
    state.collection("orders").put("1", {"n": 1})
    state.commit()
    state.collection("orders").put("2", {"n": 2})  # never committed, and the state is never closed
    assert dict(reopened(tmp_path / "s.sqlite").collection("orders").items()) == {"1": {"n": 1}}


def test_a_changed_document_keeps_its_place_in_the_listing(tmp_path: Path) -> None:
    state = State("v", tmp_path / "s.sqlite")
    orders = state.collection("orders")
    for key in "abc":
        orders.put(key, {"n": 0})
    state.commit()
    orders.put("a", {"n": 1})
    state.commit()
    assert list(orders.keys()) == list(reopened(tmp_path / "s.sqlite").collection("orders").keys()) == ["a", "b", "c"]


def test_a_deleted_document_stays_deleted(tmp_path: Path) -> None:
    state = State("v", tmp_path / "s.sqlite")
    state.collection("orders").put("1", {})
    state.commit()
    state.collection("orders").delete("1")
    state.commit()
    assert "1" not in reopened(tmp_path / "s.sqlite").collection("orders")


def test_a_rollback_goes_back_to_the_last_commit(tmp_path: Path) -> None:
    state = State("v", tmp_path / "s.sqlite")
    orders = state.collection("orders")
    orders.put("1", {"lines": [1]})
    state.commit()
    orders["1"]["lines"].append(2)
    orders.put("1", orders["1"])
    orders.put("2", {})
    reloads: list[int] = []
    state.on_reload.append(lambda: reloads.append(len(orders)))
    state.rollback()
    assert dict(orders.items()) == {"1": {"lines": [1]}}
    assert reloads == [1]
    state.commit()
    assert dict(reopened(tmp_path / "s.sqlite").collection("orders").items()) == {"1": {"lines": [1]}}


def test_a_rollback_of_nothing_reads_nothing_again(tmp_path: Path) -> None:
    state = State("v", tmp_path / "s.sqlite")
    state.on_reload.append(lambda: pytest.fail("nothing was put"))
    state.rollback()


def test_vendors_share_a_file_and_nothing_else(tmp_path: Path) -> None:
    one, other = State("one", tmp_path / "s.sqlite"), State("other", tmp_path / "s.sqlite")
    one.collection("orders").put("1", {"of": "one"})
    other.collection("orders").put("1", {"of": "other"})
    one.commit()
    other.commit()
    assert State("one", tmp_path / "s.sqlite").collection("orders")["1"] == {"of": "one"}


def test_a_counter_goes_on_after_a_restart(tmp_path: Path) -> None:
    state = State("v", tmp_path / "s.sqlite")
    assert [state.counter("order", 100) for _ in range(2)] == [100, 101]
    state.commit()
    assert reopened(tmp_path / "s.sqlite").counter("order", 100) == 102


def test_a_document_that_is_not_json_is_refused_whole(tmp_path: Path) -> None:
    state = State("v", tmp_path / "s.sqlite")
    state.collection("orders").put("1", {"n": 1})
    state.collection("orders").put("2", {"at": object()})
    with pytest.raises(TypeError):
        state.commit()
    assert len(reopened(tmp_path / "s.sqlite").collection("orders")) == 0


def test_what_waits_for_a_commit_is_known(tmp_path: Path) -> None:
    for state in (State("v", tmp_path / "s.sqlite"), State("v", None)):
        state.collection("orders").put("1", {})
        assert not state.is_committed("orders", "1")
        state.commit()
        assert state.is_committed("orders", "1")
