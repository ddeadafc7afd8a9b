"""The table of contents of the `marketplace-sync` command: each sub-command is imported when it is called."""

from __future__ import annotations

import errno
import importlib
import os
import sys
from typing import Annotated, Any

import typer
from typer.core import TyperCommand, TyperGroup

COMMANDS: dict[str, tuple[str, str]] = {
    "up": ("marketplace_sync.cli.up:up", "Start everything and keep it running until Ctrl-C."),
    "sync": ("marketplace_sync.cli.sync:sync", "One headless pass over everything; the exit code tells."),
    "status": ("marketplace_sync.cli.status:status", "How every connection stands."),
    "work-items": ("marketplace_sync.cli.work_items:work_items", "What needs a person; show, assign or close it."),
    "effects": ("marketplace_sync.cli.effects:effects", "What was wished of vendors; retry, edit or skip it."),
    "returns": ("marketplace_sync.cli.returns:returns", "Returns under way; say that their goods are back."),
    "check-config": (
        "marketplace_sync.cli.check_config:check_config",
        "Judge the configuration and try every connection.",
    ),
    "import": ("marketplace_sync.cli.reconcile:imports", "Take in settlement, store order and bank files."),
    "statement": ("marketplace_sync.cli.statement:statement", "What a month came to, per channel."),
    "reconcile": ("marketplace_sync.cli.reconcile:reconcile", "What is wrong with the payouts, and why."),
    "sandbox": ("marketplace_sync.cli.sandbox:sandbox", "Run the simulated vendors alone."),
    "migrate": ("marketplace_sync.cli.database:migrate", "Bring the database to this version's schema."),
    "backup": ("marketplace_sync.cli.database:backup", "Write the whole database into one file."),
    "restore": ("marketplace_sync.cli.database:restore", "Put a backup back in place of the database."),
}
"""Name -> (module:function, one line of help). The target is a function with typer's annotations, or a Typer for a
group of commands. A further command is a further line."""


class _LazyGroup(TyperGroup):
    """Knows every command's name and line of help, and imports only the one that runs."""

    def list_commands(self, ctx: Any) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: Any, cmd_name: str) -> TyperCommand | None:
        if cmd_name not in COMMANDS:
            return None
        return TyperCommand(cmd_name, help=COMMANDS[cmd_name][1])

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        """(name, command, its arguments), with the real command in place of the line of help."""
        name, command, rest = super().resolve_command(ctx, args)
        return name, command if command is None or name is None else _load(name), rest

    def invoke(self, ctx: Any) -> Any:
        """Run the command. What the project raises on purpose is for people: they get its words, not a traceback."""
        from marketplace_sync.domain.errors import ConfigurationError, MarketplaceSyncError

        try:
            result = super().invoke(ctx)
            # Now, while there is somebody to tell that it was written nowhere.
            sys.stdout.flush()
            return result
        except ConfigurationError as wrong:
            _complain("the configuration has problems:", *(f"  {problem}" for problem in wrong.problems))
            raise typer.Exit(2) from None
        except MarketplaceSyncError as wrong:
            _complain(str(wrong))
            raise typer.Exit(1) from None

    def main(self, *args: Any, **kwargs: Any) -> Any:
        """Everything, with what cannot be written anywhere told in words."""
        try:
            return super().main(*args, **kwargs)
        except OSError as wrong:
            if wrong.errno not in (errno.ENOSPC, errno.EDQUOT):
                raise
            where = f" to {wrong.filename}" if wrong.filename else ""
            _complain(f"it could not all be written{where}: {wrong.strerror}")
            # What is still buffered would only fail once more, on the way out.
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            sys.exit(1)


def _load(name: str) -> Any:
    module, _, attribute = COMMANDS[name][0].partition(":")
    target = getattr(importlib.import_module(module), attribute)
    if isinstance(target, typer.Typer):
        group = typer.main.get_group(target)
        group.name = name
        return group
    single = typer.Typer(add_completion=False, pretty_exceptions_enable=False)
    single.command(name)(target)
    return typer.main.get_command(single)


def _complain(*lines: str) -> None:
    first, *rest = lines
    print(f"marketplace-sync: {first}", *rest, sep="\n", file=sys.stderr)


def _print_version(asked: bool) -> None:
    if asked:
        from importlib.metadata import version

        print(f"marketplace-sync {version('marketplace-sync')}")
        raise typer.Exit


app = typer.Typer(
    cls=_LazyGroup,
    add_completion=False,
    # A traceback that prints local variables would print passwords.
    pretty_exceptions_enable=False,
    no_args_is_help=True,
)


@app.callback()
def _options(
    version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version and leave.")
    ] = False,
) -> None:
    """Keeps marketplaces, stores and Klaviyo in step.

    Start with `marketplace-sync up`: with no configuration it runs against simulated vendors on this machine.
    """
