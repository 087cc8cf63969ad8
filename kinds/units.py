"""The units and identifiers that every room shares.

Money is integer millisatoshi (msat) everywhere inside; satoshi appear only where people read or write them.
Times are integer unix seconds, durations integer seconds, heights and deltas integer blocks.
"""

from __future__ import annotations

import hashlib
import re
from typing import Any, NewType

from pydantic_core import core_schema

Msat = NewType("Msat", int)
Pubkey = NewType("Pubkey", str)  # x-only public key, 64 lower-case hex digits (BIP340, NIP-01)
EventId = NewType("EventId", str)  # sha256 of a NIP-01 event, 64 lower-case hex digits
PaymentHash = NewType("PaymentHash", str)  # sha256 of a preimage, 64 lower-case hex digits (BOLT 2)
TaskId = NewType("TaskId", str)  # 12 letters of Crockford base32 and a check letter

MSAT_PER_SAT = 1000
SECONDS_PER_BLOCK = 600  # the whole house counts one block as ten minutes

_HEX64 = re.compile(r"[0-9a-f]{64}")
_ALPHABET = "0123456789abcdefghjkmnpqrstvwxyz"  # Crockford's: no i, l, o, u
_TASK_LETTERS = 12
TASK_LETTERS = _TASK_LETTERS + 1  # with the check letter


class Secret(str):
    """Text that must not leak: a preimage, an invoice, a key. It prints as '***'; `reveal` is the only way out."""

    __slots__ = ()

    def __repr__(self) -> str:
        return "'***'"

    def __str__(self) -> str:
        return "***"

    def __format__(self, format_spec: str) -> str:
        return "***"

    def reveal(self) -> str:
        return str.__str__(self)

    @classmethod
    def __get_pydantic_core_schema__(cls, source: Any, handler: Any) -> core_schema.CoreSchema:
        """Stored documents keep the text: they are private, unlike logs."""
        return core_schema.no_info_after_validator_function(
            cls, core_schema.str_schema(), serialization=core_schema.plain_serializer_function_ser_schema(cls.reveal)
        )


def is_hex64(value: object) -> bool:
    """True for 64 lower-case hex digits: the form of pubkeys, event ids, payment hashes and preimages."""
    return isinstance(value, str) and _HEX64.fullmatch(value) is not None


def opens(preimage: Secret, payment_hash: str) -> bool:
    """Is this the preimage of that payment hash (BOLT 2)?"""
    text = preimage.reveal()
    return is_hex64(text) and hashlib.sha256(bytes.fromhex(text)).hexdigest() == payment_hash


def hash_of(secret: Secret) -> str:
    """The sha256, in hex, of a secret of 32 bytes that is written in hex."""
    return hashlib.sha256(bytes.fromhex(secret.reveal())).hexdigest()


def sats(amount: int) -> Msat:
    """Satoshi to millisatoshi."""
    return Msat(amount * MSAT_PER_SAT)


def _check_letter(letters: str) -> str:
    """One check letter over GF(32): any wrong letter and any swap of two letters changes it."""
    check = 0
    for letter in letters:
        check ^= _ALPHABET.index(letter)
        check <<= 1
        if check & 32:
            check ^= 0b100101  # x^5 + x^2 + 1, primitive over GF(2)
    return _ALPHABET[check]


def task_id(pinned: EventId) -> TaskId:
    """The speakable id of the task that was made by this event: its first 60 bits and a check letter."""
    number = int(pinned[:15], 16)
    letters = "".join(_ALPHABET[(number >> (5 * place)) & 31] for place in reversed(range(_TASK_LETTERS)))
    return TaskId(letters + _check_letter(letters))


def read_task_id(text: str) -> str | None:
    """A task id or a prefix of one as a person types it; None when a letter is impossible or the check letter is wrong.

    Crockford's rules: case does not matter, i and l mean 1, o means 0, hyphens are ignored.
    """
    letters = text.lower().replace("-", "").translate(str.maketrans("ilo", "110"))
    if not letters or len(letters) > _TASK_LETTERS + 1 or any(letter not in _ALPHABET for letter in letters):
        return None
    if len(letters) == _TASK_LETTERS + 1 and _check_letter(letters[:-1]) != letters[-1]:
        return None
    return letters


def commitment(salt: str, value: str) -> str:
    """What the public log shows of a private value: sha256(salt | value) in hex; salt is 64 hex digits."""
    return hashlib.sha256(bytes.fromhex(salt) + value.encode()).hexdigest()
