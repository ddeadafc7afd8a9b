"""Keeps a few programs running: starts them, writes down what they print, restarts the ones that die, ends them all."""

from __future__ import annotations

import contextlib
import os
import selectors
import signal
import subprocess
import sys
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import psutil

from marketplace_sync.cli import launch
from marketplace_sync.cli.logs import ErrorEcho, RotatingLog

FIRST_PAUSE = 0.5
LONGEST_PAUSE = 30.0
"""Seconds between the death of a program and its restart: doubled from the first to the longest."""
HEALTHY_AFTER = 60.0
"""Seconds after which a program that still runs has recovered, and its next death is a first one again."""
STOPS_WITHIN = 15.0
"""Seconds a program gets to end by itself, runs of Dagster that are under way included."""

Say = Callable[[str], None]


class StopRequested(Exception):
    """Somebody wants everything to end: Ctrl-C, SIGTERM, or the terminal was closed."""


@dataclass(frozen=True)
class Program:
    name: str
    """What people call it."""
    command: Sequence[str]
    """Never with a secret: command lines are public. The first word is a path."""
    environment: Mapping[str, str] = field(default_factory=dict, repr=False)
    """On top of what all programs get."""


@dataclass(frozen=True)
class Finished:
    """How a program ended that was run to its end."""

    code: int
    lines: list[str]
    """The last that it printed."""


class _Child:
    """One program and its current process, if it has one."""

    def __init__(self, program: Program, log: RotatingLog, say: Say) -> None:
        self.program = program
        self.log = log
        self.echo = ErrorEcho(program.name, say)
        self.process: subprocess.Popen[bytes] | None = None
        self.started = 0.0
        self.deaths = 0
        self.restart_at: float | None = None
        self.last_lines: deque[str] = deque(maxlen=20)


class Supervisor:
    """One thread, one loop: `tick` reads what was printed, buries the dead and starts what is due. Whoever waits for
    something calls `tick` until it has happened. Programs get a session of their own, so that a Ctrl-C in the terminal
    reaches this process only, and whole groups can be ended."""

    def __init__(
        self, logs: Path, environment: Mapping[str, str], say: Say, remember: Callable[[list[psutil.Process]], None]
    ) -> None:
        """`remember` is told the processes after every start, for an `up` that comes after a killed one."""
        self._logs = logs
        self._environment = dict(environment)
        self._say = say
        self._remember = remember
        self._children: dict[str, _Child] = {}
        self._selector = selectors.DefaultSelector()
        self._stop_requests = 0
        self._stopping = False
        self._wake_up, self._waker = os.pipe()
        os.set_blocking(self._wake_up, False)
        os.set_blocking(self._waker, False)
        self._selector.register(self._wake_up, selectors.EVENT_READ)

    def listen_to_signals(self) -> None:
        """SIGINT, SIGTERM and SIGHUP make `tick` raise StopRequested from now on; a second one ends everything hard."""
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, self._on_signal)
        signal.set_wakeup_fd(self._waker, warn_on_full_buffer=False)

    def _on_signal(self, number: int, frame: object) -> None:
        self._stop_requests += 1

    def start(self, program: Program) -> None:
        child = _Child(program, RotatingLog(self._logs / _file_name(program)), self._say)
        self._children[program.name] = child
        self._spawn(child)

    def set_environment(self, name: str, value: str) -> None:
        """For all programs that are started from now on."""
        self._environment[name] = value

    def deaths(self, name: str) -> int:
        return self._children[name].deaths

    def last_lines(self, name: str) -> list[str]:
        return list(self._children[name].last_lines)

    def log(self, name: str) -> Path:
        return self._children[name].log.path

    def run(self, program: Program, seconds: float) -> Finished:
        """Run a program that ends by itself, to its end; after `seconds` it is ended. Raises StopRequested."""
        child = _Child(program, RotatingLog(self._logs / _file_name(program)), self._say)
        self._children[program.name] = child
        self._spawn(child)
        process = child.process
        assert process is not None
        give_up = time.monotonic() + seconds
        try:
            while process.poll() is None and time.monotonic() < give_up:
                self._read(0.05)
                self._raise_if_stopping()
        finally:
            _signal_group(process, signal.SIGKILL)
            code = process.wait()
            self._drain(child)
            self._close_output(child)
            del self._children[program.name]
        return Finished(code, list(child.last_lines))

    def tick(self, seconds: float = 0.2) -> None:
        """At most `seconds` of waiting, reading and restarting. Raises StopRequested."""
        self._read(seconds)
        self._raise_if_stopping()
        now = time.monotonic()
        for child in self._children.values():
            if child.process is not None and child.process.poll() is not None:
                self._bury(child, now)
            if child.restart_at is not None and now >= child.restart_at:
                child.restart_at = None
                self._spawn(child)

    def stop(self, *first: str) -> list[str]:
        """End every program and everything they started; `first` are waited for before the others are asked, because
        they use those to finish what they are at. The names of those that had to be killed."""
        self._stopping = True
        running = [c for c in self._children.values() if c.process is not None]
        killed = self._end([c for c in running if c.program.name in first])
        killed += self._end([c for c in running if c.program.name not in first])
        self._selector.close()
        return killed

    def _end(self, children: list[_Child]) -> list[str]:
        ending = [(child, child.process) for child in children if child.process is not None]
        for _, process in ending:
            process.terminate()
        give_up = time.monotonic() + STOPS_WITHIN
        while any(process.poll() is None for _, process in ending):
            if time.monotonic() > give_up or self._stop_requests > 1:
                break
            self._read(0.05)
        killed = [child.program.name for child, process in ending if process.poll() is None]
        for child, process in ending:
            # Also when the program itself is gone: what it started may still be there, in its group.
            _signal_group(process, signal.SIGKILL)
            process.wait()
            self._drain(child)
            self._close_output(child)
        return killed

    def _raise_if_stopping(self) -> None:
        if self._stop_requests and not self._stopping:
            raise StopRequested

    def _spawn(self, child: _Child) -> None:
        command = [sys.executable, "-I", "-S", launch.__file__, str(os.getpid()), *child.program.command]
        child.process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            env={**self._environment, **child.program.environment},
        )
        child.started = time.monotonic()
        assert child.process.stdout is not None
        os.set_blocking(child.process.stdout.fileno(), False)
        self._selector.register(child.process.stdout, selectors.EVENT_READ, child)
        self._remember(self.processes())

    def processes(self) -> list[psutil.Process]:
        found = []
        for child in self._children.values():
            if child.process is not None:
                with contextlib.suppress(psutil.NoSuchProcess):
                    found.append(psutil.Process(child.process.pid))
        return found

    def _bury(self, child: _Child, now: float) -> None:
        assert child.process is not None
        self._drain(child)
        code = child.process.returncode
        # What it started must not do the work of the next one twice. Hard, because a run of Dagster that is killed is
        # tried again by Dagster, and one that is asked to stop is not.
        _signal_group(child.process, signal.SIGKILL)
        self._close_output(child)
        child.process = None
        if now - child.started > HEALTHY_AFTER:
            child.deaths = 0
        child.deaths += 1
        pause = min(FIRST_PAUSE * 2 ** (child.deaths - 1), LONGEST_PAUSE)
        child.restart_at = now + pause
        self._say(
            f"{child.program.name} died ({_cause(code)}); starting it again in {pause:g} s, log: {child.log.path}"
        )

    def _read(self, seconds: float) -> None:
        for key, _ in self._selector.select(seconds):
            if key.data is None:
                with contextlib.suppress(BlockingIOError):
                    os.read(self._wake_up, 512)
            else:
                self._take(key.data)

    def _take(self, child: _Child) -> bool:
        """Read what is there; False at the end of the output."""
        assert child.process is not None
        assert child.process.stdout is not None
        try:
            data = os.read(child.process.stdout.fileno(), 65536)
        except BlockingIOError:
            return True
        if not data:
            self._close_output(child)
            return False
        child.log.write(data)
        for line in child.echo.lines(data):
            child.last_lines.append(line)
        return True

    def _drain(self, child: _Child) -> None:
        process = child.process
        while process is not None and process.stdout is not None and not process.stdout.closed:
            ready = selectors.DefaultSelector()
            ready.register(process.stdout, selectors.EVENT_READ)
            waiting = bool(ready.select(0))
            ready.close()
            if not waiting or not self._take(child):
                return

    def _close_output(self, child: _Child) -> None:
        output = child.process.stdout if child.process is not None else None
        if output is not None and not output.closed:
            with contextlib.suppress(KeyError, ValueError):
                self._selector.unregister(output)
            output.close()


def _signal_group(process: subprocess.Popen[bytes], number: int) -> None:
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, number)


def _cause(code: int) -> str:
    if code >= 0:
        return f"exit code {code}"
    try:
        return signal.Signals(-code).name
    except ValueError:
        return f"signal {-code}"


def _file_name(program: Program) -> str:
    return f"{program.name.replace(' ', '-')}.log"
