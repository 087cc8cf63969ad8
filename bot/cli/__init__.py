"""The command line. Exit codes: 0 done, 1 refused or violated, 2 wrong usage."""

from __future__ import annotations

import typer

from bot.cli.auditing import audit_command
from bot.cli.cln import cln_plugin_app
from bot.cli.daemon import run_command
from bot.cli.doctor import doctor_command
from bot.cli.fees import books_command, fees_command
from bot.cli.look import log_command, show_command, tasks_command
from bot.cli.operator import holds_command, incidents_command, operator_commands
from bot.cli.people import client_app
from bot.cli.playing import demo_command
from bot.cli.records import export_command, receipt_command
from bot.cli.recovering import recover_command
from bot.cli.simnet import simnet_app
from bot.cli.starter import init_command
from bot.cli.verifying import verify_command

app = typer.Typer(
    name="holdfast",
    help="Holdfast: escrow for paid tasks over Nostr and Lightning.",
    no_args_is_help=True,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    add_completion=False,
)
for name, command in (
    ("run", run_command),
    ("demo", demo_command),
    ("init", init_command),
    ("doctor", doctor_command),
    ("recover", recover_command),
    ("verify", verify_command),
    ("tasks", tasks_command),
    ("show", show_command),
    ("log", log_command),
    ("export", export_command),
    ("receipt", receipt_command),
    ("fees", fees_command),
    ("books", books_command),
    ("holds", holds_command),
    ("incidents", incidents_command),
    ("audit", audit_command),
):
    app.command(name)(command)
for name, told, command in operator_commands():
    app.command(name, help=told)(command)
app.add_typer(client_app, name="client")
app.add_typer(simnet_app, name="simnet")
app.add_typer(cln_plugin_app, name="cln-plugin")


def main() -> None:
    app()


__all__ = ["app", "main"]
