"""`holdfast doctor`: is everything well, and what is to be done."""

from __future__ import annotations

import asyncio
import json
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from bot.cli.complaints import REFUSED, friendly
from bot.cli.daemon import settings_from
from bot.doctor import examine
from bot.findings import Finding, Grade

_LOOK = {Grade.GOOD: "[green]good[/]", Grade.NOTE: "[yellow]note[/]", Grade.RISK: "[bold red]RISK[/]"}


@friendly
def doctor_command(
    config: Annotated[Path | None, typer.Option(help="Settings; ./config.toml is read when it is there.")] = None,
    data: Annotated[Path | None, typer.Option(help="The daemon's data directory.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object instead of a table.")] = False,
) -> None:
    """Examine files, database, node, relays, clock and exchange rates. Exit code 1 when money would be at risk. May run beside the daemon."""
    found = asyncio.run(examine(settings_from(config, data)))
    at_risk = any(each.grade is Grade.RISK for each in found)
    if as_json:
        typer.echo(json.dumps({"ok": not at_risk, "findings": [asdict(each) for each in found]}, ensure_ascii=False))
    else:
        console = Console()
        console.print(table(found))
        console.print(
            "Money would be at risk: mend what is marked RISK first." if at_risk else "Nothing puts money at risk."
        )
    if at_risk:
        raise typer.Exit(REFUSED)


def table(found: list[Finding]) -> Table:
    made = Table("", "area", "what was found", "what to do", show_lines=True)
    for each in found:
        made.add_row(_LOOK[each.grade], each.area, each.what, each.advice)
    return made
