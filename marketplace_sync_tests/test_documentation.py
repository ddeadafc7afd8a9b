"""What the documentation says exists: pages, keys, defaults, commands, assets, variables, files it links to."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import yaml
from pydantic import BaseModel
from typer.main import get_command

from marketplace_sync import config
from marketplace_sync.cli.effects import effects
from marketplace_sync.cli.main import COMMANDS
from marketplace_sync.connectors import registry
from marketplace_sync.domain.work_items import CODES
from marketplace_sync_tests.configuration_tables import default_of, keys_of, models
from marketplace_sync_tests.defs.asset_specs import loaded

TOP = Path(__file__).parent.parent
DOCS = TOP / "docs"
PAGES = DOCS / "work-items"
README = TOP / "README.md"
MANUAL = DOCS / "manual.md"
CONFIGURATION = DOCS / "configuration.md"
ALL_PAGES = [README, *sorted(DOCS.rglob("*.md")), *sorted((TOP / "deploy").rglob("*.md"))]

SHORTEST, LONGEST = 14, 36
"""Lines of a page about a work item: somebody reads it in the middle of something else."""
PARTS = ("**What happened.**", "**What was kept.**", "**Look closer.**", "**What to do.**", "**Closes by itself**")


def text(path: Path) -> str:
    return path.read_text(encoding="utf-8")


def section(path: Path, heading: str) -> str:
    """What stands below a heading, up to the next one of any level."""
    _, found, rest = text(path).partition(f"\n{heading}")
    assert found, f"{path.relative_to(TOP)} has no heading {heading!r}"
    return re.split(r"\n#{1,6} ", rest, maxsplit=1)[0]


def rows(table: str) -> dict[str, list[str]]:
    """A Markdown table by its first cell, which is code; `\\|` inside a cell is not a border."""
    found = {}
    for line in table.splitlines():
        cells = [cell.strip() for cell in re.split(r"(?<!\\)\|", line)[1:-1]]
        if cells and (named := re.match(r"\[?`([^`]+)`", cells[0])):
            found[named.group(1)] = cells[1:]
    return found


# Work items


def test_every_code_has_its_page_and_every_page_a_code() -> None:
    pages = {page.stem for page in PAGES.glob("*.md")} - {"README"}

    assert pages == set(CODES)


@pytest.mark.parametrize("name", CODES)
def test_a_page_says_what_the_code_says_and_everything_a_person_needs(name: str) -> None:
    code = CODES[name]
    page = TOP / code.manual_page
    assert page.is_file(), f"{name}: what the UI and the command point to, {code.manual_page}, is not there"
    content = text(page)

    assert content.startswith(f"# {name}\n\n{code.title}.")
    assert f"Owner: {code.owner}." in content
    assert f"Severity: {code.severity}." in content
    assert [part for part in PARTS if content.count(part) != 1] == []
    assert [content.index(part) for part in PARTS] == sorted(content.index(part) for part in PARTS)
    assert SHORTEST <= len(content.splitlines()) <= LONGEST


def test_the_index_lists_every_code_with_its_owner() -> None:
    listed = rows(text(PAGES / "README.md"))

    assert set(listed) == set(CODES)
    assert [name for name, cells in listed.items() if CODES[name].owner not in cells] == []
    assert [name for name, cells in listed.items() if CODES[name].severity not in cells] == []


# Configuration


@pytest.mark.parametrize("name", models())
def test_every_key_is_documented_with_its_default(name: str) -> None:
    model: type[BaseModel] = models()[name]
    heading = {"every connection": "## Every connection", "routes": "## Routes", "finance": "### `finance`"}.get(name)
    if heading is None:
        found = re.search(rf"^(## .*\(`platform: {name}`\))$", text(CONFIGURATION), re.MULTILINE)
        assert found, (
            f"docs/configuration.md has no section for the platform {name};"
            f" `python -m marketplace_sync_tests.configuration_tables {name}` prints a draft of its table"
        )
        heading = found.group(1)
    documented = rows(section(CONFIGURATION, heading))
    keys = keys_of(model)

    assert set(documented) == set(keys)
    assert {key: cells[0] for key, cells in documented.items()} == {key: default_of(keys[key]) for key in keys}
    assert [key for key, cells in documented.items() if not cells[1]] == [], "every key says what it means"


@pytest.mark.parametrize("page", [CONFIGURATION, README], ids=lambda page: page.name)
def test_the_example_configuration_is_one(page: Path, tmp_path: Path) -> None:
    (example,) = re.findall(r"```yaml\n(connections:.*?)```", text(page), re.DOTALL)
    file = tmp_path / "marketplace_sync.yaml"
    file.write_text(example, encoding="utf-8")
    environ = dict.fromkeys(re.findall(r"env: (\w+)", example), "a secret")
    for name in re.findall(r"file: ([\w/]+)", example):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text("a secret", encoding="utf-8")

    loaded_configuration = config.load(file, environ)

    assert set(loaded_configuration.connections) == set(yaml.safe_load(example)["connections"])


def test_every_variable_of_the_environment_is_documented() -> None:
    read = set()
    for path in [*(TOP / "marketplace_sync").rglob("*.py"), TOP / "marketplace_sync_tests" / "conftest.py"]:
        read |= set(re.findall(r"\bMARKETPLACE_SYNC_[A-Z_]+\b", text(path)))

    documented = set(re.findall(r"`(MARKETPLACE_SYNC_[A-Z_]+)`", section(CONFIGURATION, "## Environment")))

    assert documented == read


# Commands and assets


def test_the_readme_lists_every_command() -> None:
    listed = rows(section(README, "## Commands"))

    assert {name.removeprefix("marketplace-sync ").split()[0] for name in listed} == set(COMMANDS)


def test_every_command_that_is_shown_exists() -> None:
    decisions = set(get_command(effects).list_commands(None))  # type: ignore[attr-defined]
    unknown = []
    for page in ALL_PAGES:
        for command, following in re.findall(r"marketplace-sync ([a-z][a-z-]+)(?: ([a-z]+))?", text(page)):
            if command not in COMMANDS or (command == "effects" and following and following not in decisions):
                unknown.append(f"{page.relative_to(TOP)}: marketplace-sync {command} {following}")

    assert not unknown


def test_the_manual_lists_every_asset_and_check_of_the_sandbox() -> None:
    """The manual shows one route; every other has the same shape."""
    definitions = loaded()
    assets = {_as_in_the_manual(spec.key.to_user_string()) for spec in definitions.resolve_all_asset_specs()}
    checks = {check.name for check in definitions.resolve_asset_graph().asset_check_keys}

    listed = set(rows(section(MANUAL, "## The UI")))

    assert listed == assets | checks


def _as_in_the_manual(key: str) -> str:
    configuration = config.load(config.PACKAGED, {})
    shown = {"marketplace": "john_lewis", "store": "shopify_main", "marketing": "klaviyo_main"}
    connection, name = key.split("/")
    for marketplace in sorted(configuration.with_role("marketplace"), key=len, reverse=True):
        if name.startswith(f"{marketplace}_"):
            name = f"john_lewis_{name.removeprefix(f'{marketplace}_')}"
            break
    return f"{shown[configuration.role(connection)]}/{name}"


# Links


@pytest.mark.parametrize("page", ALL_PAGES, ids=lambda page: str(page.relative_to(TOP)))
def test_links_lead_somewhere(page: Path) -> None:
    broken = []
    shown = re.sub(r"<!--.*?-->", "", text(page), flags=re.DOTALL)
    for target in re.findall(r"\]\(([^)\s]+)\)", shown):
        if target.startswith(("http://", "https://")):
            continue
        path, _, anchor = target.partition("#")
        file = (page.parent / path).resolve() if path else page
        if not file.exists() or (anchor and file.suffix == ".md" and anchor not in _anchors(file)):
            broken.append(target)

    assert not broken


def _anchors(page: Path) -> set[str]:
    headings = re.findall(r"^#+ (.+)$", text(page), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).strip().replace(" ", "-") for heading in headings}


# deploy/


def test_the_deployed_settings_of_dagster_are_those_that_are_tried_every_day() -> None:
    """A copy that nobody runs goes stale: it may differ in where runs are executed, and in nothing else."""
    deployed = yaml.safe_load(text(TOP / "deploy" / "dagster.yaml"))
    deployed.pop("run_launcher", None)

    assert deployed == yaml.safe_load(text(TOP / "dagster.yaml"))


def test_the_units_start_what_exists_and_read_what_is_documented() -> None:
    units = sorted((TOP / "deploy" / "systemd").glob("*.service"))
    programs = {"marketplace-sync", "python", "dagster", "dagster-daemon", "dagster-webserver"}

    assert units
    for unit in units:
        content = text(unit).replace("\\\n", " ")
        started = re.findall(r"^ExecStart(?:Pre)?=/opt/marketplace_sync/bin/(\S+) (.*)$", content, re.MULTILINE)
        assert started, unit.name
        assert {program for program, _ in started} <= programs
        assert all(words.split()[0] in COMMANDS for program, words in started if program == "marketplace-sync")
        assert "EnvironmentFile=/etc/marketplace_sync/environment" in content
    variables = set(re.findall(r"^(MARKETPLACE_SYNC_\w+|DAGSTER_HOME)=", text(TOP / "deploy" / "environment"), re.M))
    assert variables <= set(rows(section(CONFIGURATION, "## Environment")))


# What connections offer


@pytest.mark.parametrize(
    ("heading", "connections"),
    [("| marketplace |", ["john_lewis", "bazaar", "arcade"]), ("| store |", ["shopify_main", "magento_main"])],
)
def test_the_manual_says_what_each_kind_of_connection_offers(heading: str, connections: list[str]) -> None:
    offered = section(CONFIGURATION, "## What connections offer").split(heading)[1].split("\n\n")[0]
    found = config.load(config.PACKAGED).connections
    said = [registry.package_of(found[name]).capabilities(found[name]) for name in connections]
    flags = [field for field in said[0].__struct_fields__ if isinstance(getattr(said[0], field), bool)]
    assert rows(offered) == {field: ["yes" if getattr(one, field) else "no" for one in said] for field in flags}, (
        "the table and what the packages declare"
    )
