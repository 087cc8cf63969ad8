"""Bech32 letters as numbers and bytes, and their checksum, at the length of an invoice (BIP 173 without its limit of
90).

Words stay text: one letter of the charset is five bits, so Python's own base-32 routines (`int`, `base64`) do the
arithmetic, several times faster than a loop over lists; the package `bech32` is for addresses and keys.
"""

from __future__ import annotations

import base64
from collections.abc import Iterable

CHARSET = "qpzry9x8gf2tvdw0s3jn54khce6mua7l"
CHECKSUM_LETTERS = 6

_TO_INT32 = str.maketrans(CHARSET, "0123456789abcdefghijklmnopqrstuv")
_FROM_RFC4648 = str.maketrans("ABCDEFGHIJKLMNOPQRSTUVWXYZ234567", CHARSET)
_VALUE = {letter: value for value, letter in enumerate(CHARSET)}


def is_words(text: str) -> bool:
    return _VALUE.keys() >= set(text)


def number(words: str) -> int:
    """Big-endian; no words are zero."""
    return int(words.translate(_TO_INT32), 32) if words else 0


def numerals(value: int, width: int = 0) -> str:
    """The fewest words for a number (none for zero), filled up with zeros to `width`; ValueError below zero."""
    if value < 0:
        raise ValueError("words have no sign")
    letters: list[str] = []
    while value or len(letters) < width:
        value, last = divmod(value, 32)
        letters.append(CHARSET[last])
    return "".join(reversed(letters))


def to_words(raw: bytes) -> str:
    """Filled up with zero bits to a whole word."""
    return base64.b32encode(raw).decode().rstrip("=").translate(_FROM_RFC4648)


def to_bytes(words: str) -> bytes:
    """The reverse of `to_words`; ValueError when what does not fill a byte is a whole word or not zero."""
    spare = len(words) * 5 % 8
    value = number(words)
    if spare >= 5 or value & ((1 << spare) - 1):
        raise ValueError("the words do not end in less than a word of zeros")
    return (value >> spare).to_bytes(len(words) * 5 // 8)


def to_bytes_filled(words: str) -> bytes:
    """Every bit kept, filled up with zero bits to a whole byte: what BOLT 11 signs."""
    return (number(words) << -len(words) * 5 % 8).to_bytes((len(words) * 5 + 7) // 8)


def checksum(hrp: str, words: str) -> str:
    """The six words that follow `words` under this human-readable part (lower-case ASCII)."""
    prefix = [*(ord(letter) >> 5 for letter in hrp), 0, *(ord(letter) & 31 for letter in hrp)]
    rest = _polymod([*prefix, *map(_VALUE.__getitem__, words), *[0] * CHECKSUM_LETTERS]) ^ 1
    return numerals(rest, CHECKSUM_LETTERS)


def _remainders() -> list[int]:
    """What the five bits that leave BIP 173's polynomial at the top add to the rest of it."""
    table = [0] * 32
    for top in range(32):
        for bit, step in enumerate((0x3B6A57B2, 0x26508E6D, 0x1EA119FA, 0x3D4233DD, 0x2A1462B3)):
            table[top] ^= step if top >> bit & 1 else 0
    return table


_REMAINDERS = _remainders()


def _polymod(values: Iterable[int]) -> int:
    rest = 1
    for value in values:
        rest = (rest & 0x1FFFFFF) << 5 ^ value ^ _REMAINDERS[rest >> 25]
    return rest
