"""Programs are kept running and ended whole; what they print is kept, and their errors shown, a few at a time."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest

from marketplace_sync.cli.logs import KEPT, LARGEST, ErrorEcho, RotatingLog
from marketplace_sync.cli.supervisor import Program, StopRequested, Supervisor

WAITS = "import time; print('here', flush=True); time.sleep(600)"
HAS_A_CHILD = f"""
import subprocess, sys, time
child = subprocess.Popen([sys.executable, "-c", {WAITS!r}])
print("child", child.pid, flush=True)
time.sleep(600)
"""
DEAF = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('here', flush=True); time.sleep(600)"


class Running:
    """A supervisor and what it said."""

    def __init__(self, logs: Path) -> None:
        self.said: list[str] = []
        self.remembered: list[psutil.Process] = []
        self.supervisor = Supervisor(logs, os.environ, self.said.append, self._remember)

    def _remember(self, processes: list[psutil.Process]) -> None:
        self.remembered = processes

    def start(self, name: str, code: str, **environment: str) -> None:
        self.supervisor.start(Program(name, [sys.executable, "-c", code], environment))

    def until(self, true: Callable[[], object], seconds: float = 20) -> None:
        give_up = time.monotonic() + seconds
        while not true():
            assert time.monotonic() < give_up, f"waited in vain; it said {self.said}"
            self.supervisor.tick(0.02)

    def process(self) -> psutil.Process:
        (process,) = self.supervisor.processes()
        return process


@pytest.fixture
def running(tmp_path: Path) -> Iterator[Running]:
    found = Running(tmp_path)
    yield found
    found.supervisor.stop()


def test_a_killed_program_is_started_again_and_the_cause_said(running: Running) -> None:
    running.start("worker", WAITS)
    running.until(lambda: running.supervisor.last_lines("worker"))
    first = running.process()
    first.send_signal(signal.SIGKILL)
    running.until(lambda: running.supervisor.processes() not in ([], [first]))
    assert running.process().pid != first.pid
    assert running.said == [
        f"worker died (SIGKILL); starting it again in 0.5 s, log: {running.supervisor.log('worker')}"
    ]


def test_a_program_that_dies_again_and_again_is_tried_ever_more_rarely(running: Running) -> None:
    running.start("broken", "import sys; sys.exit(3)")
    running.until(lambda: running.supervisor.deaths("broken") == 3)
    assert [line.split(", log")[0] for line in running.said] == [
        "broken died (exit code 3); starting it again in 0.5 s",
        "broken died (exit code 3); starting it again in 1 s",
        "broken died (exit code 3); starting it again in 2 s",
    ]


def test_what_a_program_started_ends_with_it(running: Running) -> None:
    running.start("parent", HAS_A_CHILD)
    running.until(lambda: running.supervisor.last_lines("parent"))
    child = psutil.Process(int(running.supervisor.last_lines("parent")[0].split()[1]))
    running.process().send_signal(signal.SIGKILL)
    running.until(lambda: running.supervisor.deaths("parent") == 1)
    running.until(lambda: not child.is_running() or child.status() == psutil.STATUS_ZOMBIE)


def test_stopping_ends_grandchildren_and_programs_that_do_not_listen(
    running: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("marketplace_sync.cli.supervisor.STOPS_WITHIN", 0.5)
    running.start("parent", HAS_A_CHILD)
    running.start("deaf", DEAF)
    running.until(lambda: running.supervisor.last_lines("parent") and running.supervisor.last_lines("deaf"))
    child = psutil.Process(int(running.supervisor.last_lines("parent")[0].split()[1]))
    everybody = [*running.supervisor.processes(), child]
    assert running.supervisor.stop() == ["deaf"]
    _, alive = psutil.wait_procs(everybody, timeout=10)
    assert alive == []


def test_programs_end_with_a_supervisor_that_is_killed(tmp_path: Path) -> None:
    """Or they would hold their ports, and work unseen, when it is started again."""
    program = f"""
import os, sys, time
from pathlib import Path
from marketplace_sync.cli.supervisor import Program, Supervisor
supervisor = Supervisor(Path({str(tmp_path)!r}), os.environ, print, lambda processes: None)
supervisor.start(Program("worker", [sys.executable, "-c", {WAITS!r}]))
while not supervisor.last_lines("worker"):
    supervisor.tick()
print(supervisor.processes()[0].pid, flush=True)
time.sleep(600)
"""
    above = subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, text=True)
    assert above.stdout is not None
    worker = psutil.Process(int(above.stdout.readline()))
    above.kill()
    above.wait()
    worker.wait(timeout=10)


def test_secrets_reach_a_program_by_its_environment_and_not_its_command_line(running: Running) -> None:
    running.start("worker", f"import os; print(os.environ['KEY'], flush=True); {WAITS}", KEY="hush")
    running.until(lambda: "hush" in running.supervisor.last_lines("worker"))
    assert "hush" not in " ".join(running.process().cmdline())
    assert "hush" not in repr(Program("worker", ["/bin/true"], {"KEY": "hush"}))


def test_a_request_to_stop_ends_the_wait(running: Running) -> None:
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)}
    try:
        running.supervisor.listen_to_signals()
        os.kill(os.getpid(), signal.SIGTERM)
        with pytest.raises(StopRequested):
            running.supervisor.tick(5)
    finally:
        signal.set_wakeup_fd(-1)
        for number, handler in before.items():
            signal.signal(number, handler)


def test_a_program_that_is_run_to_its_end_tells_its_code_and_last_words(running: Running) -> None:
    finished = running.supervisor.run(
        Program("short", [sys.executable, "-c", "print('nearly'); raise SystemExit(4)"]), 20
    )
    assert (finished.code, finished.lines) == (4, ["nearly"])
    running.supervisor.tick(0.01)
    assert running.said == [], "it is not restarted"


def test_everything_printed_is_in_the_log_and_errors_are_shown(running: Running) -> None:
    code = "print('all is well'); print('\\x1b[31mERROR\\x1b[0m it broke', flush=True); import time; time.sleep(600)"
    running.start("worker", code)
    running.until(lambda: running.said)
    assert running.said == ["worker: ERROR it broke"]
    assert running.supervisor.log("worker").read_text() == "all is well\nERROR it broke\n"
    assert running.supervisor.log("worker").stat().st_mode & 0o777 == 0o600


def test_a_flood_of_errors_is_cut_short_and_the_next_ones_are_shown_again() -> None:
    said: list[str] = []
    now = 100.0
    echo = ErrorEcho("worker", said.append, clock=lambda: now)
    list(echo.lines(b"ERROR again\n" * 1000))
    assert said == ["worker: ERROR again"] * 5 + ["worker: more errors, see its log"]
    now += 60
    list(echo.lines(b"ERROR later\n"))
    assert said[-1] == "worker: ERROR later"


def test_lines_that_arrive_in_pieces_are_read_whole() -> None:
    said: list[str] = []
    echo = ErrorEcho("worker", said.append)
    assert list(echo.lines(b"one\nERR")) == ["one"]
    assert list(echo.lines(b"OR two\n")) == ["ERROR two"]
    assert said == ["worker: ERROR two"]


def test_of_a_traceback_the_line_that_says_what_happened_is_shown() -> None:
    said: list[str] = []
    traceback = b'Traceback (most recent call last):\n  File "x.py", line 1\n    ERROR()\nValueError: no such order\n'
    list(ErrorEcho("worker", said.append).lines(traceback))
    assert said == ["worker: ValueError: no such order"]


def test_a_log_does_not_grow_for_ever(tmp_path: Path) -> None:
    log = RotatingLog(tmp_path / "worker.log")
    for number in range(KEPT + 3):
        log.write(bytes([65 + number]) * LARGEST)
    log.write(b"end")
    files = sorted(path.name for path in tmp_path.iterdir())
    assert files == ["worker.log", *(f"worker.log.{number}" for number in range(1, KEPT + 1))]
    assert (tmp_path / "worker.log").read_bytes() == b"end"
    assert (tmp_path / "worker.log.1").read_bytes()[:1] == bytes([65 + KEPT + 2])
