"""The home folder: made once, closed to others, and asked for by many at once."""

from __future__ import annotations

import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from marketplace_sync.home import HomeUnusable, ensure


def test_many_threads_may_ask_at_once(tmp_path: Path) -> None:
    home = tmp_path / "home"
    with ThreadPoolExecutor(16) as pool:
        assert set(pool.map(ensure, [home] * 400)) == {home}
    assert list(home.iterdir()) == []


def test_a_new_home_is_closed_to_others_and_an_old_one_keeps_its_mode(tmp_path: Path) -> None:
    assert ensure(tmp_path / "new").stat().st_mode & 0o777 == 0o700
    old = tmp_path / "old"
    old.mkdir(mode=0o750)
    old.chmod(0o750)
    assert ensure(old).stat().st_mode & 0o777 == 0o750


def test_a_home_that_is_a_file_is_one_sentence(tmp_path: Path) -> None:
    blocked = tmp_path / "file"
    blocked.write_text("x")
    with pytest.raises(HomeUnusable, match="MARKETPLACE_SYNC_HOME"):
        ensure(blocked)


def test_a_user_with_a_number_and_nothing_else_is_told_what_to_set(tmp_path: Path) -> None:
    """As containers have them: no name, no HOME, and no checkout around the package."""
    if os.geteuid() != 0:
        pytest.skip("only root can become another user")
    program = (
        "import os, marketplace_sync.home as home\n"
        "home.checkout = lambda: None\n"
        "os.setuid(54321)\n"
        "try: home.home_folder({})\n"
        "except home.HomeUnusable as told: print(told)"
    )
    environ = {name: value for name, value in os.environ.items() if name not in ("HOME", "XDG_DATA_HOME")}
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, env=environ)
    assert done.stdout == (
        "user 54321 has no home folder: set MARKETPLACE_SYNC_HOME to a folder to keep the data in\n"
    ), done.stderr
