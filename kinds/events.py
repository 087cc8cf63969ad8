"""Nostr events as plain values (NIP-01): canonical bytes, ids, tags, limits on size and depth.

Signatures are made and checked at the edge (`bot/relays`, `verifier`); nothing here trusts one.
"""

from __future__ import annotations

import hashlib
import json
import re
from dataclasses import dataclass
from itertools import accumulate
from typing import Any, Self

from pydantic_core import to_json

from kinds.units import EventId, Pubkey, is_hex64

TASK = 30078  # NIP-78, addressable: task offers by employers; our state and terms
PROOF = 30079  # proof of work by workers
RECORD = 78  # NIP-78's regular sibling: signed decisions by people; our log
DM_NIP04 = 4
DM_SEAL = 13
DM_RUMOR = 14
DM_WRAP = 1059

MAX_CONTENT = 64 * 1024  # bytes of UTF-8
MAX_TAGS = 100
MAX_TAG_TEXT = 4096  # bytes of UTF-8 over one tag
MAX_DEPTH = 8  # nesting of JSON in a content

Tag = tuple[str, ...]

_STRINGS = re.compile(r'"[^"\\]*+(?:\\.[^"\\]*+)*+(?:"|\\?\Z)', re.DOTALL)  # possessive: linear on hostile text
_BRACKETS = re.compile(r"[\[\]{}]")


class BadEvent(ValueError):
    """This is not a NIP-01 event within our limits."""


def canonical(pubkey: str, created_at: int, kind: int, tags: tuple[Tag, ...], content: str) -> bytes:
    """The bytes whose sha256 is the event's id (NIP-01); JSON as by `plain_json`."""
    return to_json([0, pubkey, created_at, kind, tags, content])


@dataclass(frozen=True, slots=True)
class Unsigned:
    """An event before its signature; its id is fixed by what it says."""

    pubkey: Pubkey
    created_at: int
    kind: int
    tags: tuple[Tag, ...]
    content: str

    @property
    def id(self) -> EventId:
        return EventId(
            hashlib.sha256(canonical(self.pubkey, self.created_at, self.kind, self.tags, self.content)).hexdigest()
        )

    def as_dict(self) -> dict[str, Any]:
        return {
            "id": self.id,
            "pubkey": self.pubkey,
            "created_at": self.created_at,
            "kind": self.kind,
            "tags": [list(tag) for tag in self.tags],
            "content": self.content,
        }


@dataclass(frozen=True, slots=True)
class Event:
    """A signed event as it came. `parse` checks its form and size, not its signature."""

    id: EventId
    pubkey: Pubkey
    created_at: int
    kind: int
    tags: tuple[Tag, ...]
    content: str
    sig: str

    @classmethod
    def parse(cls, raw: object) -> Self:
        """From the decoded JSON object of a relay message. Raises BadEvent."""
        if not isinstance(raw, dict):
            raise BadEvent("an event is a JSON object")
        for name in ("id", "pubkey"):
            if not is_hex64(raw.get(name)):
                raise BadEvent(f"{name} is 64 lower-case hex digits")
        created_at, kind, content, sig, tags = (
            raw.get(name) for name in ("created_at", "kind", "content", "sig", "tags")
        )
        if not (type(created_at) is int and 0 <= created_at < 2**53 and type(kind) is int and 0 <= kind <= 65535):
            raise BadEvent("created_at or kind is out of range")
        if not (isinstance(sig, str) and is_hex64(sig[:64]) and is_hex64(sig[64:])):
            raise BadEvent("sig is 128 lower-case hex digits")
        if not isinstance(content, str) or not _fits(content, MAX_CONTENT):
            raise BadEvent(f"content is text of at most {MAX_CONTENT} bytes")
        if not isinstance(tags, list) or len(tags) > MAX_TAGS:
            raise BadEvent(f"tags is a list of at most {MAX_TAGS}")
        for tag in tags:
            if not (isinstance(tag, list) and tag):
                raise BadEvent("a tag is a list of words")
            try:
                text = "".join(tag)
            except TypeError:
                raise BadEvent("a tag is a list of words") from None
            if not _fits(text, MAX_TAG_TEXT):
                raise BadEvent(f"a tag holds at most {MAX_TAG_TEXT} bytes")
        return cls(EventId(raw["id"]), Pubkey(raw["pubkey"]), created_at, kind, tuple(map(tuple, tags)), content, sig)

    @property
    def true_id(self) -> EventId:
        """The id that the content really has; differs from `id` in a forged copy."""
        return EventId(
            hashlib.sha256(canonical(self.pubkey, self.created_at, self.kind, self.tags, self.content)).hexdigest()
        )

    @property
    def work(self) -> int:
        """Bits of proof of work (NIP-13): the leading zeros of the id, and never more than its author has committed to,
        since what is beyond that is luck."""
        zeros = 256 - int(self.id, 16).bit_length()
        target = next((tag[2] for tag in self.tags if tag[0] == "nonce" and len(tag) > 2), None)
        if target is None:
            return zeros
        return min(zeros, int(target)) if target.isascii() and target.isdigit() and len(target) < 4 else 0

    def tag(self, name: str) -> str | None:
        """The first value of the first tag of that name."""
        for tag in self.tags:
            if tag[0] == name and len(tag) > 1:
                return tag[1]
        return None

    def tag_values(self, name: str) -> list[str]:
        """The first values of all tags of that name."""
        return [tag[1] for tag in self.tags if tag[0] == name and len(tag) > 1]

    def as_dict(self) -> dict[str, Any]:
        return {
            "id": self.id,
            "pubkey": self.pubkey,
            "created_at": self.created_at,
            "kind": self.kind,
            "tags": [list(tag) for tag in self.tags],
            "content": self.content,
            "sig": self.sig,
        }

    def as_json(self) -> str:
        return plain_json(self.as_dict())


def _fits(text: str, limit: int) -> bool:
    """True when the text is valid Unicode (no lone surrogates) of at most `limit` bytes of UTF-8."""
    if len(text) > limit or text.isascii():
        return len(text) <= limit
    try:
        return len(text.encode()) <= limit
    except UnicodeEncodeError:
        return False


def read_json(text: str) -> Any:
    """JSON from strangers: bounded size and depth, no NaN, no duplicate keys. Raises BadEvent."""
    if not _fits(text, MAX_CONTENT):
        raise BadEvent("the text is too long or is not valid Unicode")
    if (
        text.count("[") + text.count("{") > MAX_DEPTH and _depth(text) > MAX_DEPTH
    ):  # asked first, since a parser recurses
        raise BadEvent(f"the JSON is nested deeper than {MAX_DEPTH}")
    try:
        return _READER.decode(text)
    except ValueError as error:
        raise BadEvent("this is not JSON") from error


def _depth(text: str) -> int:
    steps = (1 if letter in "[{" else -1 for letter in _BRACKETS.findall(_STRINGS.sub("", text)))
    return max(accumulate(steps), default=0)


def _no_constant(name: str) -> Any:
    raise BadEvent(f"{name} is not a number")


def _no_twins(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise BadEvent("a key stands twice")
    return found


_CANONICAL = json.JSONEncoder(sort_keys=True, separators=(",", ":"), ensure_ascii=False)
_READER = json.JSONDecoder(parse_constant=_no_constant, object_pairs_hook=_no_twins)


def plain_json(value: object) -> str:
    """JSON as it crosses the wire: no spaces, plain UTF-8, the keys as they stand. Letter for letter what `json.dumps` makes,
    which NIP-01's ids rest on, in a third of the time. Raises ValueError for lone surrogates."""
    return to_json(value).decode()


def canonical_json(value: object) -> str:
    """The one way this house writes JSON that is hashed or signed: sorted keys, no spaces, plain UTF-8."""
    return _CANONICAL.encode(value)
