"""`holdfast recover`: a database that is older than the world is brought up to date, while the daemon is stopped."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from bot.cli.complaints import Complaint, friendly
from bot.cli.daemon import settings_from
from bot.config import Settings
from bot.daemon import opened
from bot.memory import recover
from bot.memory.recover import CannotRecover, Line
from bot.world import World
from kinds.units import PaymentHash, is_hex64
from storage.open import exclusive


@friendly
def recover_command(
    config: Annotated[Path | None, typer.Option(help="Settings; ./config.toml is read when it is there.")] = None,
    data: Annotated[Path | None, typer.Option(help="The daemon's data directory.")] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what would be done, and do nothing.")] = False,
    unpaid: Annotated[
        list[str] | None,
        typer.Option(
            metavar="ID|NPUB",
            help="You have looked at the node: in this task, or out of this account, nobody was paid (any more).",
        ),
    ] = None,
    paid: Annotated[
        list[str] | None,
        typer.Option(
            metavar="ID|NPUB=HASH", help="You have found the payment that the lost memory made: its payment hash."
        ),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="JSON instead of a table.")] = False,
) -> None:
    """Import what the relays and the node know and this database does not. Stop the daemon first. Exit code 1 when it cannot be done."""
    named = [_paid(each) for each in paid or ()]
    try:
        lines = asyncio.run(_recover(settings_from(config, data), dry_run, unpaid or [], named))
    except CannotRecover as error:
        raise Complaint(f"{error}. Nothing was changed") from error
    if as_json:
        typer.echo(json.dumps({"dry_run": dry_run, "restored": [asdict(line) for line in lines]}, ensure_ascii=False))
    elif unpaid or named:
        typer.echo("Noted: start the daemon, it goes on by that.")
    else:
        _show(lines, dry_run)


def _paid(text: str) -> tuple[str, PaymentHash]:
    task, _, payment_hash = text.partition("=")
    if not (task and is_hex64(payment_hash)):
        raise Complaint("--paid takes a task's id, =, and a payment hash of 64 hex digits")
    return task, PaymentHash(payment_hash)


async def _recover(settings: Settings, dry: bool, unpaid: list[str], paid: list[tuple[str, PaymentHash]]) -> list[Line]:
    async with _world(settings) as world:
        for task in unpaid:
            await recover.tell_unpaid(world, task)
        for task, payment_hash in paid:
            await recover.tell_paid(world, task, payment_hash)
        return [] if unpaid or paid else await recover.recover(world, dry)


@asynccontextmanager
async def _world(settings: Settings) -> AsyncIterator[World]:
    """The daemon's world without its parts; only the connections to the relays run."""
    with exclusive(settings.daemon.data):
        async with opened(settings, time.time) as life:
            relays = asyncio.ensure_future(life.world.relays.run())
            try:
                await life.world.relays.speaking(10.0)
                yield life.world
            finally:
                relays.cancel()
                await asyncio.gather(relays, return_exceptions=True)


def _show(lines: list[Line], dry: bool) -> None:
    would = "would be " if dry else ""
    if not lines:
        typer.echo("Nothing is missing: the relays know nothing that this database does not.")
        return
    table = Table("task", "title", "was", "is now", "entries", "look at", show_lines=True)
    for line in lines:
        table.add_row(line.task, line.title, line.was or "unknown", line.now, str(line.entries), "\n".join(line.look))
    Console().print(table)
    look = sum(bool(line.look) for line in lines)
    typer.echo(f"{len(lines)} chains {would}brought up to date; {look} need your eye.")
    if not dry:
        typer.echo("Start the daemon: it goes on from there. People are asked to say again what they said meanwhile.")
