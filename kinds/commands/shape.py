"""A command's fields as the text grammar sees them. Read from the models once, so that a new command needs no grammar."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import Annotated, Any, get_args, get_origin

from pydantic import TypeAdapter, ValidationError
from pydantic.fields import FieldInfo

from kinds.commands.base import Command, InCurrency, InSats, Option, Phrase, Rest


@dataclass(frozen=True, slots=True)
class Place:
    """One field that text fills by position."""

    name: str
    required: bool
    whole: bool  # an int
    sats: bool  # an amount
    fractions: bool  # ... that may have decimals
    phrase: bool  # several words: in quotes, or all words that are no option
    adapter: TypeAdapter[Any]

    def fits(self, word: str) -> bool:
        """May this word be meant for the field? Only asked of fields that can be left out."""
        try:
            self.adapter.validate_python(word)
        except ValidationError:
            return False
        return True


@dataclass(frozen=True, slots=True)
class Shape:
    places: tuple[Place, ...]
    options: tuple[str, ...]  # written key=value
    words: str | None  # the field that takes every other key=value
    rest: str | None  # the field that takes what is left of the text


@cache
def shape(command: type[Command]) -> Shape:
    fields = command.model_fields
    options = [name for name, field in fields.items() if Option in field.metadata]
    words = next((name for name in options if get_origin(fields[name].annotation) is dict), None)
    rest = next((name for name, field in fields.items() if Rest in field.metadata), None)
    places = tuple(_place(name, field) for name, field in fields.items() if name not in options and name != rest)
    return Shape(places, tuple(name for name in options if name != words), words, rest)


def _place(name: str, field: FieldInfo) -> Place:
    said: Any = field.annotation
    return Place(
        name=name,
        required=field.is_required(),
        whole=int in _plain_types(said),
        sats=InSats in field.metadata or InCurrency in field.metadata,
        fractions=InCurrency in field.metadata,
        phrase=Phrase in field.metadata,
        adapter=TypeAdapter(Annotated[said, field]),
    )


def _plain_types(annotation: Any) -> set[Any]:
    """The types that an annotation comes down to, through Annotated and unions."""
    if get_origin(annotation) is Annotated:
        return _plain_types(get_args(annotation)[0])
    parts = get_args(annotation)
    return {kind for part in parts for kind in _plain_types(part)} if parts else {annotation}
