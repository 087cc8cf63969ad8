"""A QR code made of characters, for a monospace message or a terminal: two rows of modules in each line of half blocks.

Characters have the colour of the text. A scanner wants dark modules on a light ground, so a picture for dark text on light and one
for light text on dark are each other's negative; the quiet zone around it is part of the picture.
"""

from __future__ import annotations

import segno
from segno.encoder import DataOverflowError

QUIET = 4  # modules; ISO 18004 asks for four
MASK = 0  # every scanner reads every mask; to look for the prettiest takes ten milliseconds of the writer's thread
_MOST_VERSION = 25  # above that, no phone reads it from a screen
_BLOCKS = {(0, 0): " ", (1, 0): "▀", (0, 1): "▄", (1, 1): "█"}  # (upper, lower) module; 1 is dark
_NEGATIVE = {(0, 0): "█", (1, 0): "▄", (0, 1): "▀", (1, 1): " "}


def qr(text: str, on_dark: bool = False) -> str:
    """The picture; "" when the text is too long for one. `on_dark`: it is shown as light text on a dark ground."""
    try:
        code = segno.make(text, error="L", boost_error=False, micro=False, mask=MASK)
    except DataOverflowError:
        return ""
    if not isinstance(code.version, int) or code.version > _MOST_VERSION:
        return ""
    side, width = bytes(QUIET), len(code.matrix) + 2 * QUIET
    edge = [bytes(width)] * QUIET
    rows = [*edge, *(side + row + side for row in code.matrix), *edge]
    if width % 2:
        rows.append(bytes(width))
    blocks = _NEGATIVE if on_dark else _BLOCKS
    return "\n".join(
        "".join(map(blocks.__getitem__, zip(upper, lower, strict=True)))
        for upper, lower in zip(rows[::2], rows[1::2], strict=True)
    )
