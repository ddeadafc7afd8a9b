"""The command answers at once, and speaks to people."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from importlib import import_module
from pathlib import Path

import pytest

from marketplace_sync.cli.main import COMMANDS
from marketplace_sync_tests.cli.command import COMMAND, run


def test_help_lists_every_command_and_imports_none_of_them() -> None:
    program = (
        "import sys; sys.argv[1:] = ['--help']\n"
        "from marketplace_sync.cli.main import app\n"
        "try: app()\n"
        "finally:\n"
        "    heavy = {'dagster', 'sqlalchemy', 'psycopg', 'pydantic', 'httpx'} & set(sys.modules)\n"
        "    print(*sorted(heavy), file=sys.stderr)"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, env={**os.environ, "COLUMNS": "200"}
    )
    assert done.returncode == 0
    assert done.stderr.strip() == ""
    for name, (_, line) in COMMANDS.items():
        assert name in done.stdout
        assert line in done.stdout


def test_every_command_in_the_table_exists() -> None:
    for target, _ in COMMANDS.values():
        module, _, attribute = target.partition(":")
        assert callable(getattr(import_module(module), attribute))


def test_no_command_imports_dagster() -> None:
    """Half a second of nothing, each time."""
    modules = sorted({target.partition(":")[0] for target, _ in COMMANDS.values()})
    program = f"import sys, importlib; [importlib.import_module(m) for m in {modules}]; print('dagster' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert done.stdout.strip() == "False", done.stderr


def test_the_version_is_printed() -> None:
    code, output, _ = run("--version")
    assert (code, output.split()[0]) == (0, "marketplace-sync")


def test_what_goes_wrong_is_told_without_a_traceback(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    code, output, complaint = run("migrate", environ={"MARKETPLACE_SYNC_HOME": str(tmp_path / "file" / "home")})
    assert (code, output) == (1, "")
    assert complaint.startswith("marketplace-sync: the home folder ")
    assert complaint.count("\n") == 1


def test_a_pass_says_once_of_each_connection_that_nothing_listens_there_and_asks_nobody(short_folder: Path) -> None:
    environ = {"MARKETPLACE_SYNC_HOME": str(short_folder / "home"), "MARKETPLACE_SYNC_SANDBOX_PORT": "9"}
    code, output, complaint = run("sync", environ=environ)
    assert (code, complaint) == (1, "")
    *lines, last = output.splitlines()
    assert last == "0 delivered, 8 problem(s)"
    assert len(lines) == len({line.split(":")[0] for line in lines}) == 8
    for line in lines:
        assert "nothing listens on 127.0.0.1:9; start the simulated vendors (`marketplace-sync sandbox`" in line
        assert line.endswith("or name the port that theirs is on in MARKETPLACE_SYNC_SANDBOX_PORT")
    code, output, _ = run("work-items", "--json", "--code", "CONNECTION_DOWN", environ=environ)
    down = {item["connection"] for item in json.loads(output)}
    assert "john_lewis" in down
    assert "klaviyo_main" not in down, "nothing is read there, so nothing would take it back"


def test_a_wrong_configuration_leaves_with_2_and_every_problem(tmp_path: Path) -> None:
    file = tmp_path / "marketplace_sync.yaml"
    file.write_text("connections: {a: {platform: nowhere}}\nroutes: {a: {}}\n")
    environ = {"MARKETPLACE_SYNC_HOME": str(tmp_path / "home"), "MARKETPLACE_SYNC_CONFIG": str(file)}
    code, _, complaint = run("up", environ=environ)
    assert code == 2
    assert "Traceback" not in complaint
    assert "connections.a.platform: 'nowhere' is not known" in complaint
    assert "routes.a: it leads nowhere" in complaint
    assert not (tmp_path / "home").exists(), "nothing was begun"


def test_a_log_level_that_there_is_not_is_refused_with_those_that_there_are(tmp_path: Path) -> None:
    environ = {"MARKETPLACE_SYNC_HOME": str(tmp_path / "home"), "MARKETPLACE_SYNC_LOG": "loud"}
    said = "MARKETPLACE_SYNC_LOG: 'loud' is no level; write one of debug, info, warning, error, critical"
    code, output, complaint = run("status", environ=environ)
    assert (code, output) == (2, "")
    assert said in complaint
    code, output, complaint = run("check-config", environ=environ)
    assert (code, complaint) == (2, "")
    assert said in output
    assert not (tmp_path / "home").exists(), "nothing was begun"


def test_output_that_is_written_nowhere_is_a_failure_in_words() -> None:
    full = Path("/dev/full")
    if not full.exists():
        pytest.skip("this system has no /dev/full")
    with full.open("w") as nowhere:
        done = subprocess.run([*COMMAND, "--help"], stdout=nowhere, stderr=subprocess.PIPE, text=True)
    assert done.returncode == 1
    assert done.stderr == "marketplace-sync: it could not all be written: No space left on device\n"
