"""`holdfast run`: the daemon in the foreground, until SIGTERM or SIGINT."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import signal
import sys
import threading
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.panel import Panel

from bot.cli.complaints import friendly
from bot.cli.logs import start_logging
from bot.config import Settings, load
from bot.daemon import Ready, run
from bot.keys import npub

MOST_PATIENCE = 4.5  # seconds from the first signal to the end of the process, whatever happens
DEFAULT_FILE = Path("config.toml")


@friendly
def run_command(
    config: Annotated[Path | None, typer.Option(help="Settings; ./config.toml is read when it is there.")] = None,
    data: Annotated[Path | None, typer.Option(help="Directory of the database, keys and the simulated node.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON line on stdout when it is ready.")] = False,
    take_over: Annotated[
        bool, typer.Option("--take-over", help="Another daemon with this key that is still running becomes read-only.")
    ] = False,
) -> None:
    """Run the escrow daemon. Without settings: an embedded relay and play money, for trying it out."""
    settings = settings_from(config, data)
    start_logging(settings.log.level, settings.log.json_lines)
    asyncio.run(_until_told(settings, as_json, take_over))


def settings_from(config: Path | None, data: Path | None) -> Settings:
    """Raises BadConfig."""
    return load(config or (DEFAULT_FILE if DEFAULT_FILE.exists() else None), data)


async def _until_told(settings: Settings, as_json: bool, take_over: bool) -> None:
    stop, loop = asyncio.Event(), asyncio.get_running_loop()

    def told(_number: int, _frame: object) -> None:
        """Any number of times; installed until the process is gone, so that a late signal does no harm."""
        if not loop.is_closed() and not stop.is_set():
            watchdog = threading.Timer(MOST_PATIENCE, os._exit, (0,))  # what matters is in the database by then
            watchdog.daemon = True
            watchdog.start()
            loop.call_soon_threadsafe(stop.set)

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, told)
    await run(
        settings,
        lambda ready: _announce(ready, as_json),
        stop,
        begun=lambda: None if as_json else Console().print(banner(settings)),
        take_over=take_over,
    )


def _announce(ready: Ready, as_json: bool) -> None:
    if as_json:
        typer.echo(json.dumps(ready_facts(ready)))
    else:
        Console().print(readiness(ready), soft_wrap=True, highlight=False)


def banner(settings: Settings) -> Panel:
    """What kind of money this is, before anything else."""
    if settings.node.kind != "simnet":
        real = settings.node.network == "bitcoin"
        money = (
            "[bold red]REAL MONEY.[/] Bitcoin's main network."
            if real
            else "[bold]TEST COINS.[/] Not bitcoin's main network."
        )
        return Panel.fit(
            f"{money} The Lightning node is asked by its {settings.node.kind} interface.", title="Holdfast"
        )
    return Panel.fit(
        "[bold]PLAY MONEY.[/] This daemon uses simnet, a simulated Lightning network inside the program.\n"
        "Its invoices are paid by nobody's wallet, and nothing here is worth anything: try whatever you like.",
        title="Holdfast",
    )


def ready_facts(ready: Ready) -> dict[str, object]:
    return {
        "ready": True,
        "npub": npub(ready.pubkey),
        "pubkey": ready.pubkey,
        "relays": list(ready.relays),
        "network": ready.network,
        "closed": ready.closed or None,
    }


def readiness(ready: Ready) -> str:
    """The line that says that it runs, where, and what to do next."""
    relay, bot = ready.relays[0], npub(ready.pubkey)
    if ready.closed:
        return f"[bold red]Not open[/] on {', '.join(ready.relays)} as [bold]{bot}[/]: {ready.closed}"
    return (
        f"[bold green]Ready[/] on {', '.join(ready.relays)} as [bold]{bot}[/]\n"
        "Try it from another terminal:\n"
        f"  {program()} client --relay {relay} --bot {bot} --key me.key --new-key help\n"
        f"or connect any Nostr client to {relay} and send that npub the message: help"
    )


def program() -> str:
    """How this program is called from here; `make run` starts it from a virtual environment that is not on the path."""
    called = Path(sys.argv[0])
    return os.path.relpath(called) if called.name == "holdfast" and not shutil.which("holdfast") else "holdfast"
