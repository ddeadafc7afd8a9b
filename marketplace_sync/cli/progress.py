"""Shows how far `up` is: one line per step, with colours and a line in the making where there is a terminal."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.markup import escape


class Progress:
    """Prints to standard output. No thread of its own: the line in the making stands still, and that is enough."""

    def __init__(self, console: Console | None = None) -> None:
        self._console = console or Console(highlight=False, soft_wrap=True)
        self._pending = ""

    @contextmanager
    def step(self, name: str) -> Iterator[None]:
        """A step that takes a moment. When it fails, its exception says why."""
        began = time.monotonic()
        self._pending = name
        if self._console.is_terminal:
            self._console.print(f"  … {escape(name)}", style="dim", end="\r")
        try:
            yield
        except BaseException:
            self._clear()
            self._pending = ""
            raise
        self._clear()
        self._pending = ""
        self._console.print(f"[green]✓[/green] {escape(name)} [dim]({time.monotonic() - began:.1f} s)[/dim]")

    def say(self, line: str) -> None:
        """Something that happened, among the steps or long after them."""
        self._clear()
        self._console.print(f"[yellow]{time.strftime('%H:%M:%S')}[/yellow] {escape(line)}")
        if self._pending and self._console.is_terminal:
            self._console.print(f"  … {escape(self._pending)}", style="dim", end="\r")

    def plain(self, line: str = "") -> None:
        self._console.print(escape(line))

    def _clear(self) -> None:
        if self._console.is_terminal:
            self._console.file.write("\x1b[2K\r")
