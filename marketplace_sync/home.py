"""Where an installation keeps what is its own: database, logs, the sandbox's world. One folder, easy to move."""

from __future__ import annotations

import os
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path

from marketplace_sync.domain.errors import MarketplaceSyncError

VARIABLE = "MARKETPLACE_SYNC_HOME"
ROOT_HOME = Path("/var/lib/marketplace_sync")


class HomeUnusable(MarketplaceSyncError):
    """The home folder cannot be made or written to. The message names the folder and the fix."""


def home_folder(environ: Mapping[str, str] = os.environ) -> Path:
    """The home, absolute, whether it exists or not.

    MARKETPLACE_SYNC_HOME wins. Without it: `.marketplace_sync` at the top of the checkout, so that a trial leaves
    nothing elsewhere; for an installed package the usual place for a user's data; for root a system folder, because
    a checkout may lie in somebody's private home. Raises HomeUnusable where no usual place can be found.
    """
    named = environ.get(VARIABLE, "").strip()
    if named:
        return Path(os.path.abspath(os.path.expanduser(named)))
    if os.geteuid() == 0:
        return ROOT_HOME
    top = checkout()
    if top is not None:
        return top / ".marketplace_sync"
    if sys.platform == "darwin":
        return _private() / "Library" / "Application Support" / "marketplace_sync"
    data = environ.get("XDG_DATA_HOME", "").strip()
    return (Path(data) if data else _private() / ".local" / "share") / "marketplace_sync"


def _private() -> Path:
    try:
        return Path.home()
    except RuntimeError:  # a container's user may have a number, and neither a name nor HOME
        raise HomeUnusable(f"{_user()} has no home folder: set {VARIABLE} to a folder to keep the data in") from None


def checkout() -> Path | None:
    """The top of the source checkout this package runs from; None when it is installed as a package."""
    top = Path(__file__).resolve().parent.parent
    return top if (top / "pyproject.toml").is_file() else None


def ensure(home: Path) -> Path:
    """Make the home, closed to others, and prove that it can be written. Folders that exist keep their modes.
    Raises HomeUnusable."""
    try:
        if not home.is_dir():
            home.mkdir(mode=0o700, parents=True, exist_ok=True)
        # a name of its own: several threads of one process may be asking at once
        with tempfile.NamedTemporaryFile(dir=home, prefix=".writable-"):
            pass
    except OSError as problem:
        raise HomeUnusable(
            f"the home folder {home} cannot be used ({problem.strerror or problem}):"
            f" set {VARIABLE} to a folder that {_user()} can write to"
        ) from None
    return home


def _user() -> str:
    import pwd

    try:
        return f"user {pwd.getpwuid(os.geteuid()).pw_name}"
    except KeyError:
        return f"user {os.geteuid()}"
