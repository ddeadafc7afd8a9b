"""`marketplace-sync sandbox`: the simulated vendors alone, for whoever develops against them."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from marketplace_sync.config import SANDBOX_PORT


def sandbox(
    port: Annotated[int, typer.Option(min=0, max=65535, help="Listen here on 127.0.0.1; 0 takes a free port.")] = (
        SANDBOX_PORT
    ),
    state: Annotated[
        Path | None, typer.Option(help="Keep the world in this file over restarts; without it, in memory.")
    ] = None,
    seed: Annotated[int, typer.Option(help="Everything random follows from this number.")] = 1,
    orders_per_minute: Annotated[
        float | None, typer.Option(min=0, help="How busy the shop is.  [default: 4, or what was set before]")
    ] = None,
    clock_speed: Annotated[float, typer.Option(min=0, help="Simulated seconds per real second.")] = 1.0,
    shop: Annotated[bool, typer.Option(help="Whether anything happens by itself.")] = True,
    account: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME=PLATFORM", help="A further account, beside the packaged ones; may be repeated."),
    ] = None,
) -> None:
    """Run the simulated vendors on this machine's loopback address until Ctrl-C."""
    import sys

    from marketplace_sync.sandbox import default_world
    from marketplace_sync.sandbox.serve import PortInUse, serve
    from marketplace_sync.sandbox.world import StateInUse, WorldSettings

    settings = WorldSettings(
        state_file=state,
        seed=seed,
        accounts={**default_world.ACCOUNTS, **_further(account or [])},
        settings=dict(default_world.SETTINGS),
        shop=shop,
        clock_speed=clock_speed,
        shop_settings={} if orders_per_minute is None else {"orders_per_minute": orders_per_minute},
    )
    try:
        serve(settings, port)
    except (PortInUse, StateInUse) as problem:
        print(f"marketplace-sync: {problem}", file=sys.stderr)
        raise typer.Exit(1) from None


def _further(accounts: list[str]) -> dict[str, str]:
    """`["markt=mirakl"]` -> account to platform. Raises BadParameter."""
    from marketplace_sync.sandbox.world import platforms

    found = {}
    for text in accounts:
        name, _, platform = text.partition("=")
        if not name or platform not in platforms():
            raise typer.BadParameter(
                f"{text!r} is not NAME=PLATFORM; platforms are {', '.join(sorted(platforms()))}",
                param_hint="--account",
            )
        found[name] = platform
    return found
