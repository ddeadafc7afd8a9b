"""The house keeps its shape: who may import whom, and which library lives where."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from marketplace_sync.cli.main import COMMANDS
from marketplace_sync.connectors import registry

TOP = Path(__file__).parent.parent
PACKAGE = TOP / "marketplace_sync"

# What each part of the house may import of ours. A part is a package or a module directly under `marketplace_sync`;
# `connectors.ports` allows that one module. Whatever a part imports of itself is its own affair. The top of the package
# holds the version and imports nothing, so everybody may ask it.
ARROWS: dict[str, set[str]] = {
    "domain": set(),
    "decoding": set(),
    "settings": set(),
    "log": set(),
    "home": {"domain"},
    "ledger": {"decoding", "domain", "home"},
    "connectors": {"decoding", "domain", "settings"},
    "flows": {
        "decoding", "domain", "ledger", "settings", "connectors.ports", "connectors.selling", "connectors.wire",
    },
    "reports": {"domain", "ledger", "flows"},
    "config_reading": {"domain"},
    "config_sentences": {"settings"},
    "config_capabilities": {"connectors.registry", "settings"},
    "config": {
        "config_capabilities", "config_reading", "config_sentences", "connectors.registry", "domain", "home",
        "settings",
    },
    "project": {"config", "connectors.registry", "domain", "flows", "ledger", "log", "settings"},
    "defs": {"domain", "ledger", "flows", "reports", "connectors.ports", "project"},
    "definitions": {"defs"},
    "instance": {"home", "ledger"},
    "receiver": {"domain", "ledger", "flows", "connectors.ports", "project"},
    "cli": {
        "config", "config_sentences", "connectors.budget", "connectors.ports", "connectors.registry", "domain", "flows",
        "home", "ledger", "log", "project", "reports", "sandbox",
    },
    "sandbox": set(),
}  # fmt: skip

# Libraries that have a place: only modules that begin with one of these may import them.
HOMES_OF_LIBRARIES: dict[str, tuple[str, ...]] = {
    "dagster": ("defs", "definitions", "instance"),
    "dagster_postgres": ("instance",),
    "httpx": ("connectors.transport", "connectors.streams", "sandbox"),
    "httpcore": ("connectors.streams",),
    "sqlalchemy": ("ledger", "flows", "receiver"),
    "psycopg": ("ledger", "cli.database"),
    "psycopg2": (),
    "alembic": ("ledger",),
    "starlette": ("receiver", "sandbox"),
    "uvicorn": ("receiver", "sandbox"),
    "typer": ("cli",),
    "rich": ("cli",),
    "requests": (),
}

HEAVY = ("dagster", "pandas", "polars", "numpy")
"""What a run of Dagster can wait for, and a webhook or a person at a terminal cannot."""


@dataclass(frozen=True)
class Import:
    module: str
    """Ours, without `marketplace_sync.`, e.g. `flows.advance`."""
    line: int
    name: str
    """What is imported, in full."""

    @property
    def library(self) -> str:
        return self.name.partition(".")[0]

    @property
    def ours(self) -> str | None:
        """What of ours is imported, without `marketplace_sync.`; None for a library."""
        if self.library != PACKAGE.name:
            return None
        return self.name.partition(".")[2] or PACKAGE.name

    def __str__(self) -> str:
        return f"{self.module}:{self.line} imports {self.name}"


def python_files(*folders: Path) -> list[Path]:
    return sorted(path for folder in folders if folder.is_dir() for path in folder.rglob("*.py"))


def module_name(path: Path) -> str:
    parts = path.relative_to(PACKAGE).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts) or PACKAGE.name


def imports_of(path: Path) -> Iterator[Import]:
    """Every import of a file, those inside functions and under TYPE_CHECKING too. `from a import b` is `a.b`."""
    module = module_name(path)
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield Import(module, node.lineno, alias.name)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{module}:{node.lineno}: imports name their module in full"
            for alias in node.names:
                yield Import(module, node.lineno, f"{node.module}.{alias.name}")


ALL_IMPORTS = [found for path in python_files(PACKAGE) for found in imports_of(path)]


def part_of(module: str) -> str:
    return module.partition(".")[0]


def within(name: str, place: str) -> bool:
    return name == place or name.startswith(f"{place}.")


def test_every_part_of_the_house_has_its_arrows() -> None:
    parts = {part_of(module_name(path)) for path in python_files(PACKAGE)} - {PACKAGE.name}

    assert parts == set(ARROWS), "a new part is a decision: say in ARROWS what it may import"
    assert [str(found) for found in ALL_IMPORTS if found.module == PACKAGE.name] == []


@pytest.mark.parametrize("part", ARROWS)
def test_imports_point_one_way(part: str) -> None:
    against = [
        str(found)
        for found in ALL_IMPORTS
        if part_of(found.module) == part
        and found.ours not in (None, PACKAGE.name, f"{PACKAGE.name}.__version__", "__version__")
        and part_of(str(found.ours)) != part
        and not any(within(found.ours, allowed) for allowed in ARROWS[part])
    ]

    assert not against, "\n".join(against)


def test_the_arrows_make_no_circle() -> None:
    order: list[str] = []

    def visit(part: str, path: tuple[str, ...]) -> None:
        assert part not in path, f"a circle: {' -> '.join((*path, part))}"
        if part not in order:
            for target in ARROWS.get(part, ()):
                visit(part_of(target), (*path, part))
            order.append(part)

    for part in ARROWS:
        visit(part, ())


def test_a_vendor_knows_no_other_vendor_and_nothing_shared_knows_a_vendor() -> None:
    """A further system is one folder here, one in the sandbox and one line in the registry."""
    against = []
    for found in ALL_IMPORTS:
        if found.ours is None:
            continue
        for place in ("connectors", "sandbox"):
            for vendor in registry.PLATFORMS:
                folder = f"{place}.{vendor}"
                if within(found.ours, folder) and not within(found.module, folder):
                    against.append(str(found))

    assert not against, "\n".join(against)


def test_flows_and_definitions_name_no_platform() -> None:
    """Behaviour hangs on what a connector declares of itself, never on which one it is."""
    named = [
        f"{module_name(path)}:{node.lineno} says {node.value!r}"
        for path in python_files(PACKAGE / "flows", PACKAGE / "defs", PACKAGE / "receiver", PACKAGE / "ledger")
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Constant) and node.value in registry.PLATFORMS
    ]

    assert not named, "\n".join(named)


@pytest.mark.parametrize("library", HOMES_OF_LIBRARIES)
def test_a_library_stays_where_it_lives(library: str) -> None:
    against = [
        str(found)
        for found in ALL_IMPORTS
        if found.library == library and not any(within(found.module, home) for home in HOMES_OF_LIBRARIES[library])
    ]

    assert not against, "\n".join(against)


def test_the_domain_does_no_input_or_output() -> None:
    talking = {"socket", "subprocess", "urllib", "http", "asyncio", "threading", "tempfile", "shutil", "os", "sqlite3"}
    against = [
        str(found)
        for found in ALL_IMPORTS
        if part_of(found.module) == "domain" and (found.library in talking or found.name.startswith("pathlib"))
    ]

    assert not against, "\n".join(against)


def test_definitions_import_heavy_libraries_only_inside_functions() -> None:
    """Every run and every tick starts a fresh interpreter: what it imports at its top, it waits for."""
    against = []
    for path in python_files(PACKAGE / "defs", PACKAGE / "flows", PACKAGE / "ledger", PACKAGE / "connectors"):
        for node in ast.parse(path.read_text(encoding="utf-8")).body:
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            if isinstance(node, ast.ImportFrom):
                names = [str(node.module)]
            against += [
                f"{module_name(path)}:{node.lineno} imports {name} at its top"
                for name in names
                if name.partition(".")[0] in ("pandas", "polars", "numpy")
            ]

    assert not against, "\n".join(against)


@pytest.mark.parametrize(
    "module",
    sorted(
        {
            "marketplace_sync.receiver.app",
            "marketplace_sync.receiver.__main__",
            "marketplace_sync.cli.main",
            "marketplace_sync.project",
            *(target.partition(":")[0] for target, _ in COMMANDS.values()),
        }
    ),
)
def test_the_receiver_and_every_command_start_without_the_heavy_libraries(module: str) -> None:
    program = f"import sys, {module}; print(*sorted(name for name in {HEAVY} if name in sys.modules))"

    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, cwd=TOP, timeout=120)

    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == []


def test_dagster_loads_the_definitions_without_pandas_or_polars() -> None:
    """Dagster starts an interpreter for every run; the frames are for the few that need them."""
    program = f"import sys, marketplace_sync.definitions; print(*sorted(n for n in {HEAVY[1:]} if n in sys.modules))"

    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, cwd=TOP, timeout=120)

    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == []
