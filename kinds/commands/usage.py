"""How a command is written, in one line; made from its model, so that it cannot be out of date."""

from __future__ import annotations

from kinds.commands.base import Command
from kinds.commands.shape import Place, shape


def usage(command: type[Command]) -> str:
    """claim ID [DESTINATION]. The options of programs (dest_hash=...) are left to the long help."""
    fields = shape(command)
    words = [command.action, *(_place(place) for place in fields.places)]
    if fields.words is not None:
        words.append("[key=value ...]")
    if fields.rest is not None:
        words.append(_bracket(fields.rest.upper(), command.model_fields[fields.rest].is_required()))
    return " ".join(words)


def _place(place: Place) -> str:
    name = "ID" if place.name == "task" else place.name.upper()
    return _bracket(f'"{name}"' if place.phrase else name, place.required)


def _bracket(word: str, required: bool) -> str:
    return word if required else f"[{word}]"
