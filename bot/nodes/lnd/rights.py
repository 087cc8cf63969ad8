"""What a macaroon of LND allows, read from the macaroon itself: LND tells it only to those who may ask for more than we may.

A macaroon is fields of (type, length, bytes); its identifier is the byte 3 and then protobuf: nonce (1), storage id (2), and the
operations (3), each an entity (1) and its actions (2), as gopkg.in/macaroon-bakery.v2 writes them. Pure; None for anything else.
"""

from __future__ import annotations

from collections.abc import Iterator

NEEDED = frozenset({"info:read", "invoices:read", "invoices:write", "offchain:read", "offchain:write"})
BAKE = f"lncli bakemacaroon --save_to holdfast.macaroon {' '.join(sorted(NEEDED))}"
_VERSION, _IDENTIFIER, _BAKERY = 2, 2, 3


def rights_of(macaroon: bytes) -> frozenset[str] | None:
    """Like `invoices:read`; None when it is not one of LND's."""
    try:
        identifier = _identifier(macaroon)
        if not identifier or identifier[0] != _BAKERY:
            return None
        return frozenset(right for number, raw in _fields(identifier[1:]) if number == 3 for right in _operation(raw))
    except (IndexError, UnicodeDecodeError, ValueError):
        return None


def _identifier(macaroon: bytes) -> bytes:
    if macaroon[0] != _VERSION:
        raise ValueError("not the binary format of version 2")
    place = 1
    while macaroon[place] != 0:  # 0 ends the header
        kind = macaroon[place]
        length, place = _number(macaroon, place + 1)
        if kind == _IDENTIFIER:
            return macaroon[place : place + length]
        place += length
    raise ValueError("no identifier")


def _operation(raw: bytes) -> Iterator[str]:
    fields = [(number, value.decode()) for number, value in _fields(raw)]
    for entity in (value for number, value in fields if number == 1):
        yield from (f"{entity}:{value}" for number, value in fields if number == 2)


def _fields(raw: bytes) -> Iterator[tuple[int, bytes]]:
    """Protobuf fields of bytes; there are no others here."""
    place = 0
    while place < len(raw):
        tag, place = _number(raw, place)
        length, place = _number(raw, place)
        if tag & 7 != 2 or place + length > len(raw):
            raise ValueError("not a field of bytes")
        yield tag >> 3, raw[place : place + length]
        place += length


def _number(raw: bytes, place: int) -> tuple[int, int]:
    """A varint, and where it ends."""
    value = shift = 0
    while True:
        byte = raw[place]
        value |= (byte & 0x7F) << shift
        place, shift = place + 1, shift + 7
        if byte < 0x80:
            return value, place
