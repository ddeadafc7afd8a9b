"""What supervised programs print: kept in files that do not grow for ever, its errors shown to whoever looks on."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterator
from pathlib import Path

LARGEST = 10 * 1024 * 1024
KEPT = 3
"""Bytes of one log file, and how many older ones are kept beside it (up.log.1 is the youngest of them)."""

_ERROR = re.compile(r"\b(ERROR|CRITICAL|FATAL|PANIC)\b")
_TRACEBACK = "Traceback (most recent call last)"
_COLOURS = re.compile(rb"\x1b\[[0-9;]*m")
_SHOWN = 5
_WINDOW = 30.0
"""At most so many errors of one program in so many seconds: a flood helps nobody, and the log has them all."""


class RotatingLog:
    """Appends bytes to a file, and begins a new one when it is large."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._file = path.open("ab", buffering=0)
        path.chmod(0o600)

    def write(self, data: bytes) -> None:
        self._file.write(_COLOURS.sub(b"", data))
        if self._file.tell() >= LARGEST:
            self._rotate()

    def _rotate(self) -> None:
        self._file.close()
        for number in range(KEPT, 0, -1):
            older = self.path.with_name(f"{self.path.name}.{number}")
            newer = self.path if number == 1 else self.path.with_name(f"{self.path.name}.{number - 1}")
            if newer.exists():
                newer.replace(older)
        self._file = self.path.open("ab", buffering=0)
        self.path.chmod(0o600)


class ErrorEcho:
    """Cuts output into lines, and says those that tell of an error, a few at a time."""

    def __init__(self, name: str, say: Callable[[str], None], clock: Callable[[], float] = time.monotonic) -> None:
        self._name = name
        self._say = say
        self._clock = clock
        self._rest = b""
        self._in_traceback = False
        self._since = 0.0
        self._shown = 0

    def lines(self, data: bytes) -> Iterator[str]:
        """The complete lines so far, without terminal colours."""
        *complete, self._rest = (self._rest + data).split(b"\n")
        if len(self._rest) > 65536:
            complete, self._rest = [*complete, self._rest], b""
        for raw in complete:
            line = _COLOURS.sub(b"", raw).decode(errors="replace").rstrip()
            if self._tells_of_an_error(line):
                self._tell(line)
            yield line

    def _tells_of_an_error(self, line: str) -> bool:
        """Of a traceback it is the line at its end that says what happened."""
        if line.startswith(_TRACEBACK):
            self._in_traceback = True
            return False
        if self._in_traceback and line and not line.startswith((" ", "\t")):
            self._in_traceback = False
            return True
        return not self._in_traceback and _ERROR.search(line) is not None

    def _tell(self, line: str) -> None:
        now = self._clock()
        if now - self._since > _WINDOW:
            self._since, self._shown = now, 0
        self._shown += 1
        if self._shown <= _SHOWN:
            self._say(f"{self._name}: {line[:500]}")
        elif self._shown == _SHOWN + 1:
            self._say(f"{self._name}: more errors, see its log")
