"""`holdfast demo`: three lives, or a project, told as a story or as JSON lines."""

from __future__ import annotations

import asyncio
from enum import StrEnum
from typing import Annotated

import typer

from bot.cli.complaints import Complaint, friendly
from bot.cli.logs import start_logging
from bot.client import Waited
from bot.demo import AsJson, AsStory, Unplayable, play
from bot.demo_project import play_project


class Play(StrEnum):
    """What is played."""

    TASKS = "tasks"
    PROJECT = "project"


class Paid(StrEnum):
    """When each milestone of the project is paid for."""

    UPFRONT = "upfront"
    ON_APPROVAL = "on_approval"


@friendly
def demo_command(
    what: Annotated[
        Play, typer.Argument(help="tasks: three short lives; project: four milestones, priced in rupees.")
    ] = Play.TASKS,
    funding: Annotated[
        Paid, typer.Option(help="Of the project: the money is held before the work, or asked for when it is approved.")
    ] = Paid.UPFRONT,
    deposit: Annotated[bool, typer.Option("--deposit", help="Of the project: a part of it is locked ahead.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object a line instead of a story.")] = False,
) -> None:
    """Play complete lives against a daemon of its own, with play money."""
    start_logging("error", False)
    try:
        narrator = AsJson() if as_json else AsStory()
        project = what is Play.PROJECT
        fine = asyncio.run(play_project(narrator, funding.value, deposit) if project else play(narrator))
    except (Unplayable, Waited) as error:
        raise Complaint(f"the demo did not go through: {error}") from error
    if not fine:
        raise Complaint("the demo did not go through: the public log does not pass its verification")
