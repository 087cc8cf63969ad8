"""`holdfast init`: a commented config.toml, made from the settings' own descriptions, and a key."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any, Literal, get_args, get_origin

import typer
from pydantic import BaseModel
from pydantic.fields import FieldInfo

from bot.cli.complaints import Complaint, friendly
from bot.config import Settings
from bot.keys import new_secret, npub, read_key, write_key
from bot.relays.signer import KeySigner

HEAD = """\
# Settings of Holdfast. Every key stands here with its default; to change one, remove the # in front of it.
# The environment goes before this file: HOLDFAST__SECTION__KEY, for example HOLDFAST__RELAYS__EMBEDDED_PORT=7778.
"""


def config_text() -> str:
    """Every section and key, what it means, what is allowed and its default."""
    parts = [HEAD]
    for name, field in Settings.model_fields.items():
        section = field.annotation
        assert isinstance(section, type), "settings are made of sections"
        assert issubclass(section, BaseModel), "settings are made of sections"
        intro = [f"# {section.__doc__}"] if section.__doc__ and section.__doc__ != BaseModel.__doc__ else []
        lines = [_key(key, each, getattr(field.default, key)) for key, each in section.model_fields.items()]
        parts.append("\n".join([f"[{name}]", *intro]) + "\n\n" + "\n".join(lines))
    return "\n".join(parts)


def _key(name: str, field: FieldInfo, default: Any) -> str:
    allowed = _allowed(field)
    return f"# {field.description}{f' ({allowed})' if allowed else ''}\n#{name} = {_toml(default)}\n"


def _allowed(field: FieldInfo) -> str:
    if get_origin(field.annotation) is Literal:
        choices = get_args(field.annotation)
        return " or ".join(_toml(choice) for choice in choices) if len(choices) > 1 else ""
    least = next((each.ge for each in field.metadata if hasattr(each, "ge")), None)
    most = next((each.le for each in field.metadata if hasattr(each, "le")), None)
    return f"{least} to {most}" if least is not None and most is not None else ""


def _toml(value: Any) -> str:
    if isinstance(value, tuple):
        return f"[{', '.join(_toml(each) for each in value)}]"
    if isinstance(value, (bool, int, float)):
        return json.dumps(value)
    return json.dumps(str(value), ensure_ascii=False)


@friendly
def init_command(
    folder: Annotated[Path, typer.Option("--dir", help="Where to; made when it is not there.")] = Path(),
) -> None:
    """Write a commented config.toml and the daemon's key. Nothing that is there is ever overwritten."""
    config, key = folder / "config.toml", folder / "data" / "nostr.key"
    if config.exists():
        raise Complaint(f"{config} is there already and was left as it is; remove it first, or use another --dir")
    key.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    with config.open("x") as file:
        file.write(config_text())
    made = not key.exists()
    if made:
        write_key(key, new_secret())
    who = npub(KeySigner(read_key(key)).pubkey)
    typer.echo(f"wrote {config}")
    typer.echo(f"{'wrote' if made else 'kept'} {key}, the secret key of {who}; keep a copy of it in a safe place")
    typer.echo(f"next: {'' if folder == Path() else f'cd {folder} && '}holdfast run")
