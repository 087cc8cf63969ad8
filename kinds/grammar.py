"""What people and programs say, to commands: one grammar for all of them, derived from the models' own fields.

Text is cut into words in the order of a model's fields, and the model alone judges them: there is no second validation here.
Where a word could be a number that was written otherwise than we can read, it is refused rather than taken for something else.
"""

from __future__ import annotations

import difflib
import inspect
import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from pydantic import ValidationError

from kinds.codes import BadWord, Form, Refused
from kinds.commands import COMMANDS, OPERATOR, PLANNED, Command
from kinds.commands.problems import bad_word
from kinds.commands.shape import Place, shape
from kinds.commands.usage import usage
from kinds.events import MAX_CONTENT, BadEvent, read_json
from kinds.figures import looks_like_number, read_amount
from kinds.plan import write_parts
from kinds.rate import DIGITS, read_fraction
from kinds.words import Word, as_word, quote, word_at

VERSION = 1
BY_ACTION = {command.action: command for command in COMMANDS}

_NAMES = {"task": "task's id", "hours": "number of hours"}
_UNITS = {*DIGITS, "SAT", "SATS"}
_BLANK = "".join(filter(str.isspace, map(chr, range(0x3001)))) + "\ufeff\u200b\u200e\u200f\u2060"
"""What keyboards and clients leave around a message."""


@dataclass(frozen=True, slots=True)
class Spoken:
    command: Command
    form: Form


def form_of(text: str) -> Form:
    """In which form this message is written, whether or not it can be understood."""
    return "json" if text.lstrip(_BLANK).startswith("{") else "text"


def read_message(text: str) -> Spoken:
    """A message in either form. Raises BadWord, which knows the form too."""
    form = form_of(text)
    try:
        return Spoken(read_command_json(text) if form == "json" else read_command_text(text), form)
    except BadWord as error:
        error.form = form
        raise


def read_command_json(text: str) -> Command:
    """{"v":1,"action":"fund","task":"ID",...}, strictly. Raises BadWord."""
    _need_short(text)
    try:
        said = read_json(text.strip(_BLANK))
    except BadEvent as error:
        raise BadWord(Refused.BAD_JSON, problem=str(error)) from None
    if not isinstance(said, dict):
        raise BadWord(Refused.BAD_JSON, problem="a command is a JSON object")
    version, action = said.pop("v", None), said.pop("action", None)
    if type(version) is not int or version != VERSION:
        raise BadWord(Refused.BAD_FIELD, field="v", problem=f"it must be {VERSION}, the version of the protocol")
    if not isinstance(action, str):
        raise BadWord(Refused.BAD_FIELD, field="action", problem="it must name a command")
    return _build(find_command(action), said)


def read_command_text(text: str) -> Command:
    """A command in words: the command, then its fields in order. Raises BadWord."""
    _need_short(text)
    text = text.strip(_BLANK)
    first = (text.split(maxsplit=1) or [""])[0]
    word = first.lower()
    command = find_command(word[1:] if word[:1] in ("/", "!") else word)
    return _build(command, _Reader(command, text, len(first)).read())


def write_json(command: Command) -> str:
    """What `read_command_json` reads back to the same command."""
    said = {"v": VERSION, "action": command.action, **command.model_dump(exclude_defaults=True)}
    return json.dumps(said, ensure_ascii=False, separators=(",", ":"))


def write_text(command: Command) -> str:
    """What `read_command_text` reads back to the same command; the last words stand in quotes only when they have to."""
    plain = _write(command, str)
    try:
        if read_command_text(plain) == command:
            return plain
    except BadWord:
        pass
    return _write(command, quote)


def help_for(topic: str = "") -> str:
    """All commands, or one explained. Raises BadWord for a word that is none."""
    if not topic:
        people = [usage(command) for command in COMMANDS if command not in OPERATOR]
        return "\n".join([*people, f"The operator only: {', '.join(usage(command) for command in OPERATOR)}"])
    command = find_command(topic.lower().lstrip("/!"))
    lines = [usage(command), inspect.getdoc(command) or "", f"Example: {command.example}"]
    if shape(command).options:
        lines.insert(2, "Options: " + " ".join(f"{name}=..." for name in shape(command).options))
    return "\n".join(lines)


class _Reader:
    """Cuts the text behind the command's word into raw values for its fields."""

    def __init__(self, command: type[Command], text: str, at: int) -> None:
        self.command, self.text, self.at = command, text, at
        self.shape = shape(command)
        self.values: dict[str, Any] = {}
        self.doubtful = False  # the last word may have been meant as the first of the next field

    def read(self) -> dict[str, Any]:
        for place in self.shape.places:
            self._options()
            self._fill(place)
        self._options()
        if self.shape.rest is not None:
            self._rest(self.shape.rest)
        elif self._peek() is not None:
            raise self._bad("there are more words than it takes")
        return self.values

    def _fill(self, place: Place) -> None:
        word = self._peek()
        if word is None and place.required:
            raise self._bad(f"the {_NAMES.get(place.name, place.name)} is missing")
        if word is None or not (place.required or self._is_meant(place, word)):
            return
        self.at = word.end
        if place.whole:
            self.values[place.name] = _number(place, word)
        elif place.phrase:
            self.values[place.name] = self._phrase(place, word)
        else:
            self.values[place.name] = word.text
            self.doubtful = not place.required and read_amount(f"1 {word.text}") is None  # "sats" is surely meant

    def _is_meant(self, place: Place, word: Word) -> bool:
        """Is this word the value of a field that can be left out, or already that of the next one?"""
        if not place.whole:
            return place is self.shape.places[-1] or (not word.quoted and place.fits(word.text))
        if (
            place.fractions
        ):  # what stands before a title in quotes, or before a currency, is an amount, however it is written
            return not (word.quoted or word.text.upper() in _UNITS)
        if not word.quoted and looks_like_number(word.text):
            return True
        if not word.quoted and "%" in self._left():
            raise self._bad("a percentage stands right behind the task's id, words with a % in quotes")
        return False

    def _phrase(self, place: Place, word: Word) -> str:
        if word.quoted:
            return word.text
        words = [word]
        self._options()
        while (following := self._peek()) is not None:
            words.append(following)
            self.at = following.end
            self._options()
        if self.doubtful or looks_like_number(word.text) or any(each.quoted for each in words):
            raise self._bad(f'put the {place.name} in quotes: "..."')
        return " ".join(each.text for each in words)

    def _options(self) -> None:
        """Takes the key=value words that stand here."""
        while (word := self._peek()) is not None and word.key:
            named = word.key in self.shape.options
            values = self.values if named else self.values.setdefault(str(self.shape.words), {})
            if word.key in values:
                raise self._bad(f"{word.key} is given twice")
            values[word.key] = word.text
            self.at = word.end

    def _rest(self, name: str) -> None:
        word = self._peek()
        if word is not None:
            self.values[name] = word.text if word.quoted and word.end == len(self.text) else self._left()
        elif self.command.model_fields[name].is_required():
            raise self._bad(f"the {name} is missing")

    def _peek(self) -> Word | None:
        return word_at(self.text, self.at, lambda key: self.shape.words is not None or key in self.shape.options)

    def _left(self) -> str:
        return self.text[self.at :].strip()

    def _bad(self, problem: str) -> BadWord:
        return BadWord(Refused.BAD_USAGE, action=self.command.action, usage=usage(self.command), problem=problem)


def _number(place: Place, word: Word) -> int | str:
    if place.sats:
        amount = read_amount(word.text)
        if amount is not None:
            return amount
        if fraction := read_fraction(word.text) if place.fractions else None:
            return fraction
        more = ", or 12.50 in a currency that has decimals" if place.fractions else ""
        problem = f"an amount is a whole number of sats, like 50000, 50,000 or 50k{more}"
        if not place.required:
            problem += ", and a title stands in quotes"
        raise BadWord(Refused.BAD_AMOUNT, problem=problem)
    digits = word.text.removesuffix("%")
    if not (digits.isascii() and digits.isdigit() and len(digits) <= 16):
        raise BadWord(Refused.BAD_FIELD, field=place.name, problem="it must be a whole number")
    return int(digits)


def _write(command: Command, write_rest: Callable[[str], str]) -> str:
    fields = shape(type(command))
    said = command.model_dump(exclude_defaults=True)
    words = [command.action, *(_write_place(place, said[place.name]) for place in fields.places if place.name in said)]
    options = {name: said[name] for name in fields.options if name in said} | said.get(str(fields.words), {})
    words += [f"{name}={as_word(str(value))}" for name, value in options.items()]
    if fields.rest in said:
        rest = said[fields.rest]
        words.append(write_rest(rest) if isinstance(rest, str) else write_parts(rest))
    return " ".join(words)


def _write_place(place: Place, value: str | int) -> str:
    return str(value) if isinstance(value, int) else quote(value) if place.phrase else as_word(value)


def find_command(word: str) -> type[Command]:
    """The command of this name. Raises BadWord: with near misses, or by its name when it is planned."""
    if word in BY_ACTION:
        return BY_ACTION[word]
    if word in PLANNED:
        raise BadWord(Refused.NOT_BUILT, what=f"the command {word}")
    near = difflib.get_close_matches(word[:40].lower(), BY_ACTION, n=3, cutoff=0.6)
    raise BadWord(Refused.UNKNOWN_COMMAND, word=word[:40], near=near)


def _build(command: type[Command], values: dict[str, Any]) -> Command:
    try:
        return command.model_validate(values)
    except ValidationError as error:
        raise bad_word(error) from None


def _need_short(text: str) -> None:
    if len(text) > MAX_CONTENT or len(text.encode(errors="surrogatepass")) > MAX_CONTENT:
        raise BadWord(Refused.TOO_LONG, limit=MAX_CONTENT)
