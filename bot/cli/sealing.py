"""`holdfast client seal` and `open`: files that can be opened only with a key. Neither needs a daemon."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Annotated

import typer

from bot.cli.complaints import Complaint, friendly
from bot.client import sealing
from bot.client.sealing import NotOpened
from kinds.units import Secret

Json = Annotated[bool, typer.Option("--json", help="The answer as JSON.")]
Out = Annotated[
    Path | None, typer.Option("--out", help="Where the result goes; a file that is there is never overwritten.")
]
_ENDING = ".sealed"


@friendly
def seal_command(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="What you deliver.")],
    out: Out = None,
    as_json: Json = False,
) -> None:
    """Seal a file with a new key: the employer can open it when he has paid. Put the sealed file somewhere, and deliver it with its key."""
    made = sealing.seal(file, out or file.with_name(file.name + _ENDING), sealing.new_key())
    if as_json:
        said = {"file": str(made.file), "sha256": made.sha256, "key": made.key.reveal(), "key_hash": made.key_hash}
        typer.echo(json.dumps(said, ensure_ascii=False))
        return
    typer.echo(f"Sealed file: {made.file}\nsha256: {made.sha256}\nKey: {made.key.reveal()}")
    typer.echo(
        "Keep the key to yourself. Deliver with: submit ID LINK SHA256 key=KEY, or holdfast client proof ID --key KEY"
    )


@friendly
def open_command(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="The sealed file.")],
    key: Annotated[str, typer.Argument(metavar="KEY", help="Its key; - reads it from the standard input.")],
    out: Out = None,
) -> None:
    """Open a sealed file with the key that you got when you had paid."""
    target = out or file.with_name(
        file.name.removesuffix(_ENDING) if file.name.endswith(_ENDING) else f"{file.name}.opened"
    )
    try:
        sealing.unseal(file, target, read_seal_key(key))
    except NotOpened as error:
        raise Complaint(f"{file} cannot be opened: {error}") from None
    typer.echo(f"Opened: {target}")


def read_seal_key(text: str) -> Secret:
    """Raises Complaint, without the text."""
    try:
        return sealing.read_key(sys.stdin.readline() if text == "-" else text)
    except NotOpened as error:
        raise Complaint(str(error), 2) from None
