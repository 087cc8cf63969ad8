"""`holdfast verify`: a thin door to the verifier, which shares no code with the daemon."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Annotated

import typer

from bot.cli.complaints import Complaint, friendly
from bot.keys import pubkey_of
from verifier import Report, SourceError, check, read_jsonl, verify


@friendly
def verify_command(
    task: Annotated[str | None, typer.Argument(metavar="[ID]", help="One task; without it, all of them.")] = None,
    relay: Annotated[
        list[str] | None, typer.Option(envvar="HOLDFAST_RELAY", help="May be given several times.")
    ] = None,
    bot: Annotated[str | None, typer.Option(envvar="HOLDFAST_BOT", help="The npub of the daemon to judge.")] = None,
    file: Annotated[
        Path | None, typer.Option(help="Instead of a relay: a file with one event a line, as `export` writes it.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="The report as JSON.")] = False,
) -> None:
    """Replay what a daemon has published, and say whether it kept to the protocol. Exit code 1 when it did not."""
    try:
        report = _report(task, relay or [], pubkey_of(bot) if bot else None, file)
    except SourceError as error:
        raise Complaint(str(error)) from None
    except ValueError as error:
        raise Complaint(str(error), 2) from None
    typer.echo(report.to_json() if as_json else report.to_text())
    if not report.ok:
        raise typer.Exit(1)


def _report(task: str | None, relays: list[str], bot: str | None, file: Path | None) -> Report:
    if file is not None:
        if bot is None:
            raise ValueError("with --file, also name the daemon: --bot NPUB")
        return check(read_jsonl(file), bot, task)
    if not relays:
        raise ValueError("name a relay: --relay ws://127.0.0.1:7777")
    return asyncio.run(verify(relays, bot, task))
