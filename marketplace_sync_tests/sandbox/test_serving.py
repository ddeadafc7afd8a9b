"""The sandbox as a program: it says when it is ready, stops cleanly, and survives being killed while it writes."""

from __future__ import annotations

import signal
import socket
import subprocess
import sys
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest

from marketplace_sync.sandbox.serve import RunningSandbox
from marketplace_sync.sandbox.world import StateInUse, WorldSettings, build

LOGIN = ("sandbox-seller", "sandbox-john-lewis")


def command(port: int, state: Path, *more: str) -> list[str]:
    world = ["--no-shop", "--no-oddities", "--account", "jl=john_lewis"]
    program = [sys.executable, "-m", "marketplace_sync.sandbox.serve"]
    return [*program, "--port", str(port), "--state", str(state), *world, *more]


@contextmanager
def served(state: Path, *more: str) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """The program on a port that the system chooses, and its address."""
    process = subprocess.Popen(command(0, state, *more), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert process.stdout is not None
    try:
        yield process, process.stdout.readline().split()[3]
    finally:
        process.kill()
        process.communicate()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_it_says_when_it_is_ready_and_stops_cleanly(tmp_path: Path, number: signal.Signals) -> None:
    with served(tmp_path / "w.sqlite") as (process, address):
        assert httpx.get(f"{address}/control").json()["accounts"]["jl"]["base_url"] == f"{address}/jl"
        process.send_signal(number)
        out, err = process.communicate(timeout=20)
        assert (process.returncode, out, err) == (0, "", "")


def test_a_port_in_use_is_one_line(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        done = subprocess.run(command(port, tmp_path / "w.sqlite"), capture_output=True, text=True, timeout=30)
    assert done.returncode == 1
    assert done.stderr.splitlines() == [
        f"sandbox: the sandbox cannot listen on 127.0.0.1:{port} (Address already in use): choose another port"
    ]


def test_two_sandboxes_on_one_state_file_are_refused(tmp_path: Path) -> None:
    state = tmp_path / "w.sqlite"
    with RunningSandbox(accounts={"jl": "john_lewis"}, state_file=state):
        with pytest.raises(StateInUse, match="another sandbox is running"):
            build(WorldSettings(state_file=state))
        done = subprocess.run(command(0, state), capture_output=True, text=True, timeout=30)
        assert (done.returncode, len(done.stderr.splitlines())) == (1, 1)


@pytest.mark.parametrize("account", ["jl", "jl=", "jl=ebay"])
def test_an_account_that_cannot_be_is_one_line(tmp_path: Path, account: str) -> None:
    done = subprocess.run(
        command(0, tmp_path / "w.sqlite", "--account", account), capture_output=True, text=True, timeout=30
    )
    assert (done.returncode, len(done.stderr.splitlines())) == (1, 1)


def test_settings_for_an_account_that_does_not_exist_are_refused() -> None:
    with pytest.raises(ValueError, match="accounts that do not exist: nobody"):
        build(WorldSettings(accounts={"jl": "john_lewis"}, settings={"nobody": {}}))


def test_killed_while_it_writes_it_has_everything_it_answered_for(tmp_path: Path) -> None:
    """Three times: sellers acknowledge and dispatch as fast as they can, the process is killed, a new one looks."""
    state = tmp_path / "w.sqlite"
    answered: Counter[tuple[str, int]] = Counter()
    with served(state) as (_, address):
        httpx.post(f"{address}/control/jl/act/configure", json={"limit": None}).raise_for_status()
        httpx.post(f"{address}/control/jl/act/place_orders", json={"count": 600}, timeout=60).raise_for_status()
    for _ in range(3):
        with served(state) as (process, address):
            _check(address, answered)
            sellers = [threading.Thread(target=_work, args=(address, part, answered)) for part in range(2)]
            for seller in sellers:
                seller.start()
            for seller in sellers:
                seller.join(timeout=0.6)
            process.kill()
            for seller in sellers:
                seller.join()
    with served(state) as (_, address):
        _check(address, answered)
    assert len(answered) > 50


def _work(address: str, part: int, answered: Counter[tuple[str, int]]) -> None:
    dispatch = {"carrier": "dpd", "tracking_number": "1", "supplier_dispatch_date": "2026-11-23"}
    httpx.post(f"{address}/control/jl/act/configure", json={"limit": None}).raise_for_status()
    with httpx.Client(base_url=f"{address}/jl/restapi/v4", auth=LOGIN) as http:
        try:
            for action, status in (("dispatch", "ORDER_ACK"), ("acknowledge", "ORDER")):
                for order in http.get("/orders/", params={"status": status, "limit": 100}).json()["results"]:
                    order_id = int(order["url"].split("/")[-2])
                    if order_id % 2 != part:
                        continue
                    items = [
                        {
                            "part_number": item["part_number"],
                            "line_ref": item["line_reference"],
                            "quantity": item["quantity"],
                            **dispatch,
                        }
                        for item in order["items"]
                    ]
                    if http.post(f"/orders/{order_id}/{action}/", json={"items": items}).status_code == 200:
                        answered[(action, order_id)] += 1
        except httpx.TransportError:
            return  # killed


def _check(address: str, answered: Counter[tuple[str, int]]) -> None:
    orders = httpx.get(f"{address}/control/jl/state/orders?limit=100000", timeout=60).json()
    actions = httpx.get(f"{address}/control/jl/state/actions?limit=100000", timeout=60).json()
    lines = {order["id"]: len(order["lines"]) for order in orders}
    kept = Counter((action["action"], action["order_id"]) for action in actions)
    assert len(orders) == 600
    assert set(answered) <= set(kept)
    for (action, order_id), count in kept.items():
        assert count == lines[order_id], f"{action} of order {order_id} was kept in part or twice"
    for order in orders:
        done = [action for action, order_id in kept if order_id == order["id"]]
        expected = "DISPATCH" if "dispatch" in done else "ORDER_ACK" if done else "ORDER"
        assert {line["status"] for line in order["lines"]} == {expected}
