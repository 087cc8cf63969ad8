"""This machine's clock against those of the relays, as their web servers tell it (HTTP's Date): people's clocks and ours must agree
within minutes, since what is said too far ahead or back is refused, and block heights bound everything else.
"""

from __future__ import annotations

import statistics
from collections.abc import Sequence

from bot.findings import Finding, good, note, risk

AREA = "clock"
CLOSE, WRONG = 30, 300  # seconds


def examine(ahead: Sequence[float]) -> list[Finding]:
    """`ahead`: by how many seconds our clock is ahead of each relay that told its time."""
    if not ahead:
        return [note(AREA, "no relay told its time", "see that this machine's clock is kept right (NTP)")]
    off = statistics.median(ahead)
    told = f"this clock is {abs(off):.0f} s {'ahead' if off > 0 else 'behind'} by {len(ahead)} relays' word"
    if abs(off) > WRONG:
        return [
            risk(
                AREA,
                told,
                "set the clock and keep it right (NTP): people's messages would be refused as too old or too new",
            )
        ]
    if abs(off) > CLOSE:
        return [note(AREA, told, "let the clock be kept right (NTP)")]
    return [good(AREA, f"this clock agrees with {len(ahead)} relays within {CLOSE} s")]
