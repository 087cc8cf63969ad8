"""`holdfast cln-plugin`: the plugin that a Core Lightning node needs to hold payments."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from bot.cli.complaints import Complaint, friendly
from bot.nodes.cln.launcher import CannotInstall, install

cln_plugin_app = typer.Typer(
    no_args_is_help=True, rich_markup_mode=None, help="The plugin by which a Core Lightning node holds payments."
)


@cln_plugin_app.callback()
def _group() -> None:
    """A group of commands, even while there is one."""


@cln_plugin_app.command("install")
@friendly
def install_command(
    folder: Annotated[Path, typer.Argument(metavar="DIRECTORY", help="Where the plugin's program is written to.")],
) -> None:
    """Write the plugin's program into a directory that lightningd can read, and print the line for its config."""
    try:
        program = install(folder, sys.executable)
    except CannotInstall as error:
        raise Complaint(str(error)) from error
    typer.echo(f"wrote {program}")
    typer.echo("add this line to lightningd's config, then restart lightningd:\n")
    typer.echo(f"important-plugin={program}\n")
    typer.echo("lightningd's user must be able to read the program and the Python environment that it names:")
    typer.echo(f"  {sys.executable}")
