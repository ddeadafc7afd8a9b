"""What lies in the repository: files of readable size and honest names, no secret, no trace of where it was made."""

from __future__ import annotations

import ast
import os
import re
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any, get_args
from urllib.parse import urlsplit

import pytest
import yaml
from pydantic import BaseModel

from marketplace_sync import config
from marketplace_sync.connectors import registry
from marketplace_sync.settings import Secret

TOP = Path(__file__).parent.parent
PACKAGE = TOP / "marketplace_sync"
TESTS = TOP / "marketplace_sync_tests"
LONGEST_FILE = 450
"""Lines. A file that needs scrolling to understand is two files; most are far below."""

_BUILT = {"build", "dist", "marketplace_sync.egg-info"}


def python_files(*folders: Path) -> list[Path]:
    return sorted(path for folder in folders if folder.is_dir() for path in folder.rglob("*.py"))


def test_no_module_is_a_drawer_for_odds_and_ends() -> None:
    drawers = {"util", "utils", "helper", "helpers", "manager", "managers", "common", "misc", "tools"}
    found = [
        str(path.relative_to(TOP))
        for path in python_files(PACKAGE, TESTS, TOP / "benchmarks")
        if drawers & set(path.relative_to(TOP).with_suffix("").parts)
    ]

    assert not found


def test_every_module_says_why_it_exists() -> None:
    silent = [
        str(path.relative_to(TOP))
        for path in python_files(PACKAGE, TESTS, TOP / "benchmarks")
        if not (ast.get_docstring(ast.parse(text := path.read_text(encoding="utf-8"))) or "").strip()
        # a package of tests may be an empty file; ours may not
        and (text.strip() or PACKAGE in path.parents)
    ]

    assert not silent


def test_no_file_needs_scrolling_to_understand() -> None:
    long = {
        str(path.relative_to(TOP)): lines
        for path in python_files(PACKAGE, TESTS, TOP / "benchmarks")
        if (lines := len(path.read_text(encoding="utf-8").splitlines())) > LONGEST_FILE
    }

    assert not long


def test_the_packaged_configuration_knows_only_the_sandboxs_own_passwords() -> None:
    """A `default` is a public password: it may only open doors on this machine."""
    content = yaml.safe_load(config.PACKAGED.read_text(encoding="utf-8"))
    for name, connection in content["connections"].items():
        host = urlsplit(connection["base_url"]).hostname
        assert host in config.LOOPBACK, f"{name} leads to {host}"
        for place, value in _mappings(connection, name):
            if "default" in value:
                assert value.get("env"), f"{place}: a person must be able to put a real secret in its place"
                assert "sandbox" in value["default"], f"{place}: {value['default']} is not a password of the sandbox"


@pytest.mark.parametrize("platform", registry.PLATFORMS)
def test_what_is_secret_can_only_be_referred_to(platform: str) -> None:
    settings: type[BaseModel] = registry.package(platform).SETTINGS
    secret_sounding = re.compile(r"password|secret|token|api_key|username|client_id|private")
    for name, field in settings.model_fields.items():
        if secret_sounding.search(name):
            assert Secret in _classes(field.annotation), f"{platform}.{name} could be written into the file"
        if Secret in _classes(field.annotation) and not field.is_required():
            assert not field.get_default(), f"{platform}.{name} has a secret in the source"


def _mappings(value: Any, place: str) -> Iterator[tuple[str, dict[str, Any]]]:
    if isinstance(value, dict):
        yield place, value
        for key, inner in value.items():
            yield from _mappings(inner, f"{place}.{key}")
    elif isinstance(value, list):
        for position, inner in enumerate(value):
            yield from _mappings(inner, f"{place}[{position}]")


def _classes(annotation: Any) -> list[Any]:
    return [annotation, *(found for part in get_args(annotation) for found in _classes(part))]


def everything_in_the_repository() -> list[Path]:
    """Text that is published: all files but what tools keep in folders of their own."""
    found = []
    for folder, inner, names in os.walk(TOP):
        inner[:] = [name for name in inner if name == ".ci" or not (name.startswith((".", "__")) or name in _BUILT)]
        found += [Path(folder, name) for name in names if not name.endswith((".png", ".pyc"))]
    return found


def test_nothing_says_where_packages_were_downloaded_from() -> None:
    """Whoever installs this chooses the index; the hashes in the lock files say that it is the same package."""
    # written in pieces, so that this file does not find itself
    places = ("py" + "pi.org", "python" + "hosted", "arti" + "factory", "npm" + "js.", "--index" + "-url h")
    found = [
        f"{path.relative_to(TOP)}: {place}"
        for path in everything_in_the_repository()
        for place in places
        if place in path.read_text(encoding="utf-8", errors="replace").lower()
    ]

    assert not found


def test_nothing_names_a_folder_of_whoever_wrote_it() -> None:
    private = re.compile(r"(?<![\w.])/(?:work|root|home/\w+|Users/\w+)/")
    found = [
        f"{path.relative_to(TOP)}:{number}"
        for path in everything_in_the_repository()
        for number, line in enumerate(path.read_text(encoding="utf-8", errors="replace").splitlines(), 1)
        if private.search(line) and path != Path(__file__)
    ]

    assert not found


def test_dagster_dev_and_up_call_the_code_location_the_same() -> None:
    """`dagster dev` without -w reads pyproject.toml. Dagster knows what people switched off by the location's name."""
    with (TOP / "pyproject.toml").open("rb") as file:
        dev = tomllib.load(file)["tool"]["dagster"]
    (up,) = yaml.safe_load((TOP / "workspace.yaml").read_text())["load_from"]
    assert (dev["code_location_name"], dev["module_name"]) == (
        up["python_module"]["location_name"],
        up["python_module"]["module_name"],
    )
