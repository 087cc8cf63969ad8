"""What all commands share, and the small words that their fields are made of."""

from __future__ import annotations

from typing import Annotated, Any, ClassVar

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, PlainValidator

from kinds.figures import read_npub, read_span
from kinds.hours import MOST_HOURS, read_hours
from kinds.rate import is_fraction
from kinds.units import Secret, is_hex64, read_task_id


class Rest:
    """Marks the last field of a command that takes the rest of the line as it stands."""


class Option:
    """Marks a field that is written key=value in text. A dict takes every key that is not another option's name."""


class InSats:
    """Marks an amount that people may write as 50,000 or 50k."""


class InCurrency:
    """Marks an amount that people may write as 50,000 or 50k, or 12.50 in a currency that has decimals."""


class Phrase:
    """Marks a field of several words: in quotes, or all the words that are not key=value."""


class Command(BaseModel):
    """Something said to the daemon."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, str_strip_whitespace=True)

    action: ClassVar[str]
    example: ClassVar[str] = ""


class TaskCommand(Command):
    """A command about one task, named by its id or, among the sender's own tasks, by a unique prefix of it."""

    task: TaskRef  # as its author wrote it

    @property
    def letters(self) -> str:
        """The id or prefix that is meant."""
        return read_task_id(self.task) or ""


def _task(text: str) -> str:
    if read_task_id(text) is None:
        raise ValueError("a task's id has 13 letters and digits; check for a typing error")
    return text


def _hash(text: str) -> str:
    if not is_hex64(text.lower()):
        raise ValueError("a sha256 is 64 hex digits")
    return text.lower()


def _seal_key(key: Secret) -> Secret:
    text = key.reveal().lower()
    if not is_hex64(text):
        raise ValueError("a key is 64 hex digits, as holdfast client seal prints it")
    return Secret(text)


def _url(text: str) -> str:
    scheme, sep, rest = text.partition("://")
    if (
        scheme.lower() not in ("http", "https", "ipfs", "magnet", "nostr")
        or not sep
        or not rest
        or any(c.isspace() for c in text)
    ):
        raise ValueError("a link starts with https:// (or http, ipfs, magnet, nostr) and has no spaces")
    return text


def _spelled(value: Any) -> Any:
    """Numbers as text: what a term's value means is decided where the terms are read."""
    return str(value) if type(value) is int and abs(value) < 10**18 else value


def _amount(value: Any) -> int | str:
    """A whole number, or decimals as text, which no program must take for binary fractions."""
    if type(value) is int or (type(value) is str and is_fraction(value)):
        return value
    raise ValueError('it is a whole number, or in a currency with decimals also text like "12.50"')


def _hour_rate(value: Any) -> int | str:
    """What an hour costs: a whole number, or decimals as text, as for amounts."""
    digits = isinstance(value, str) and value.isascii() and value.isdigit() and len(value) <= 16
    if type(value) is int or digits or (type(value) is str and is_fraction(value)):
        return value  # type: ignore[no-any-return]
    raise ValueError('it is what one hour costs: a whole number, or in a currency with decimals also text like "12.50"')


def _hours(value: Any) -> str:
    """A whole number, or decimals as text."""
    text = str(value) if type(value) is int else value
    if type(text) is str and read_hours(text) is not None:
        return text
    raise ValueError('it is a number above zero with two decimals at most, like 12 or 12.5 (in JSON text: "12.5")')


def _key(text: str) -> str:
    key = read_npub(text)
    if key is None:
        raise ValueError("it must be an npub or 64 hex digits; check for a typing error")
    return key


def _whole(value: Any) -> Any:
    return int(value) if isinstance(value, str) and value.isascii() and value.isdigit() and len(value) <= 9 else value


def _span(value: Any) -> Any:
    span = read_span(value) if isinstance(value, str) else None
    return _whole(value) if span is None else span


WholeWord = BeforeValidator(_whole)
"""For a number that is written key=value."""
SpanWord = BeforeValidator(_span)
"""For seconds that are written key=value, also as 90m, 24h, 3d."""
Npub = Annotated[str, Field(max_length=80), AfterValidator(_key)]
TaskRef = Annotated[str, Field(max_length=40), AfterValidator(_task)]
Sha256 = Annotated[str, Field(max_length=64), AfterValidator(_hash)]
SealKey = Annotated[Secret, AfterValidator(_seal_key)]
Url = Annotated[str, Field(max_length=2000), AfterValidator(_url)]
Mime = Annotated[str, Field(max_length=100, pattern=r"^[A-Za-z0-9][\w.+-]*/[\w.+*-]+$")]
Title = Annotated[str, Field(min_length=1, max_length=200)]
Text = Annotated[str, Field(max_length=4000)]
Note = Annotated[str, Field(max_length=500)]
Destination = Annotated[str, Field(min_length=1, max_length=4096)]
Name = Annotated[str, Field(max_length=60)]
Amount = Annotated[int | str, PlainValidator(_amount)]
Hours = Annotated[str, PlainValidator(_hours)]
HourRate = Annotated[int | str, PlainValidator(_hour_rate)]
Cap = Annotated[int, Field(ge=1, le=MOST_HOURS)]
Currency = Annotated[str, Field(pattern=r"^(?i:sats?|[a-z]{3})$")]
TermName = Annotated[str, Field(pattern=r"^[a-z_]{1,40}$")]
TermValue = Annotated[str, BeforeValidator(_spelled), Field(max_length=4000)]
Percent = Annotated[int, Field(ge=0, le=100)]

TaskCommand.model_rebuild()
