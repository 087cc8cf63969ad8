"""Events that prove themselves: NIP-01 ids, BIP340 signatures by libsecp256k1, commitments, and the ids of tasks."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import secp256k1

from verifier.findings import Code

_HEX64 = re.compile(r"[0-9a-f]{64}")
_HEX128 = re.compile(r"[0-9a-f]{128}")
_LETTERS = "0123456789abcdefghjkmnpqrstvwxyz"  # Crockford's base32
BECH32 = "qpzry9x8gf2tvdw0s3jn54khce6mua7l"
_READ_AS = str.maketrans("ilo", "110", "-")


@dataclass(frozen=True, slots=True)
class Event:
    """A NIP-01 event whose id and signature have been checked. Only `read` makes one."""

    id: str
    pubkey: str
    created_at: int
    kind: int
    tags: tuple[tuple[str, ...], ...]
    content: str

    def values(self, name: str) -> list[str]:
        """The first values of all tags of this name."""
        return [tag[1] for tag in self.tags if tag[0] == name and len(tag) > 1]

    def first(self, name: str) -> str | None:
        return next(iter(self.values(name)), None)


@dataclass(frozen=True, slots=True)
class Bad:
    """What was given instead of a genuine event. `ids`: the one that it claims and the one that it really has."""

    code: Code
    detail: str
    ids: tuple[str, ...] = ()


def read(raw: object) -> Event | Bad:
    """A decoded JSON object to an event, or why it is none. Never raises."""
    if not isinstance(raw, Mapping):
        return Bad(Code.MALFORMED, "an event is a JSON object")
    fields = [raw.get(name) for name in ("id", "pubkey", "created_at", "kind", "tags", "content", "sig")]
    event_id, pubkey, created_at, kind, tags, content, sig = fields
    claimed = (str(event_id),) if is_hex64(event_id) else ()
    if not claimed or not is_hex64(pubkey) or not (isinstance(sig, str) and _HEX128.fullmatch(sig)):
        return Bad(Code.MALFORMED, "id, pubkey and sig are lower-case hex", claimed)
    if type(created_at) is not int or type(kind) is not int or created_at < 0 or not isinstance(content, str):
        return Bad(Code.MALFORMED, "created_at and kind are whole numbers, content is text", claimed)
    if not isinstance(tags, list | tuple) or not all(_is_tag(tag) for tag in tags):
        return Bad(Code.MALFORMED, "tags are lists of words", claimed)
    try:
        said = json.dumps([0, pubkey, created_at, kind, tags, content], separators=(",", ":"), ensure_ascii=False)
        digest = hashlib.sha256(said.encode()).digest()
    except UnicodeEncodeError:
        return Bad(Code.MALFORMED, "the text is not valid Unicode", claimed)
    if digest.hex() != event_id:
        return Bad(Code.BAD_ID, "the id is not the hash of what the event says", (*claimed, digest.hex()))
    if not _signed(digest, str(pubkey), sig):
        return Bad(Code.BAD_SIGNATURE, "the signature is not its author's", claimed)
    return Event(digest.hex(), str(pubkey), created_at, kind, tuple(tuple(tag) for tag in tags), content)


def _is_tag(tag: object) -> bool:
    return isinstance(tag, list | tuple) and len(tag) > 0 and all(isinstance(word, str) for word in tag)


def _signed(digest: bytes, pubkey: str, sig: str) -> bool:
    try:
        key = secp256k1.PublicKey(b"\x02" + bytes.fromhex(pubkey), raw=True)
    except Exception:  # the library raises the bare class for a point that is not on the curve
        return False
    return bool(key.schnorr_verify(digest, bytes.fromhex(sig), None, raw=True))


def is_hex64(value: object) -> bool:
    return isinstance(value, str) and _HEX64.fullmatch(value) is not None


def canonical(value: object) -> str:
    """JSON with sorted keys, no spaces, plain UTF-8: the one form of a log entry's content."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False)


def read_json(text: str) -> Any:
    """JSON that a stranger signed. Raises ValueError, also for what nests too deep."""
    try:
        return json.loads(text)
    except RecursionError as error:
        raise ValueError("nested too deep") from error


def commit(salt: str, value: str) -> str:
    """sha256(salt | value) in hex: 32 bytes of salt, then the value as text."""
    return hashlib.sha256(bytes.fromhex(salt) + value.encode()).hexdigest()


def opens(preimage: str, payment_hash: str) -> bool:
    return hashlib.sha256(bytes.fromhex(preimage)).hexdigest() == payment_hash


def task_id(event_id: str) -> str:
    """The first 60 bits of the event's id as 12 letters, and a check letter: Horner's rule with x = 2 over GF(32)."""
    bits = int(event_id, 16) >> (256 - 60)
    letters = [(bits >> shift) & 31 for shift in range(55, -1, -5)]
    check = 0
    for letter in letters:
        check = _double(check ^ letter)
    return "".join(_LETTERS[n] for n in (*letters, check))


def _double(n: int) -> int:
    """Times x in GF(2)[x] / (x^5 + x^2 + 1)."""
    return n << 1 if n < 16 else (n << 1) ^ 0b100101


def read_task_id(text: str) -> str:
    """A task's id, or a beginning of one, as people type it. Raises ValueError."""
    letters = text.strip().lower().translate(_READ_AS)
    if not letters or len(letters) > 13 or any(letter not in _LETTERS for letter in letters):
        raise ValueError("a task's id is 13 letters and digits, or the beginning of one")
    return letters


def public_key(text: object) -> str:
    """A public key as people write it, npub or hex, in hex; "" for what is neither. The checksum is left to who took it."""
    word = text.strip().lower().removeprefix("nostr:") if isinstance(text, str) else ""
    if is_hex64(word):
        return word
    letters = word.removeprefix("npub1")[:52]
    if not word.startswith("npub1") or len(word) != 63 or not set(letters) <= set(BECH32):
        return ""
    number = 0
    for letter in letters:
        number = number << 5 | BECH32.index(letter)
    return f"{number >> 4:064x}"
