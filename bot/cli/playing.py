"""`holdfast demo`: three lives, told as a story or as JSON lines."""

from __future__ import annotations

import asyncio
from typing import Annotated

import typer

from bot.cli.complaints import Complaint, friendly
from bot.cli.logs import start_logging
from bot.client import Waited
from bot.demo import AsJson, AsStory, Unplayable, play


@friendly
def demo_command(
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object a line instead of a story.")] = False,
) -> None:
    """Play three complete lives of a task against a daemon of its own, with play money."""
    start_logging("error", False)
    try:
        fine = asyncio.run(play(AsJson() if as_json else AsStory()))
    except (Unplayable, Waited) as error:
        raise Complaint(f"the demo did not go through: {error}") from error
    if not fine:
        raise Complaint("the demo did not go through: the public log does not pass its verification")
