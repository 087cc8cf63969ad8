"""nostr-sdk behind one door, with its slowest line mended.

The Python binding copies every string into Rust byte by byte in a Python loop: `Event.from_json` of 400 bytes took
140 us, of which 120 us were that loop, and a gift wrap three times as much. One memmove does the same. The mended line
is tried with a round trip when this module is imported; if a later version of the SDK looks different, its own line stays.
Import the SDK from here: `from bot.relays.sdk import nostr_sdk`.
"""

from __future__ import annotations

import ctypes
from typing import Any

import nostr_sdk
from nostr_sdk import nostr_sdk as _ffi

__all__ = ["MENDED", "nostr_sdk"]


def _write(builder: Any, value: bytes) -> None:
    """What `_UniffiRustBufferBuilder.write` does: append the bytes, growing the buffer when needed."""
    size = len(value)
    if builder.rbuf.len + size > builder.rbuf.capacity:
        builder.rbuf = _ffi._UniffiRustBuffer.reserve(builder.rbuf, size)
    buffer = builder.rbuf
    ctypes.memmove(ctypes.addressof(buffer.data.contents) + buffer.len, value, size)
    buffer.len += size


def _mend() -> bool:
    """True when strings now cross by memmove; False when this SDK is built differently and was left as it is."""
    try:
        builder, strings = _ffi._UniffiRustBufferBuilder, _ffi._UniffiFfiConverterString
        original = builder.write
    except AttributeError:
        return False
    builder.write = _write
    sample = "round trip: äöü€𝄞 " * 99
    try:
        if strings.lift(strings.lower(sample)) == sample:
            return True
    except (AttributeError, TypeError, ValueError):
        pass
    builder.write = original
    return False


MENDED = _mend()
