"""What the operator is told of a memory that is not the newest: at the door, in the banner, in the doctor's table, by letter."""

from __future__ import annotations

from storage.memory import Missing, Seal

LOOKING = "the daemon has just started and looks whether its memory is complete; ask again in a moment"
WAITING = (
    "no relay answers, so the daemon cannot know whether its memory is complete: it decides nothing until half of its relays do. "
    "Approved work is settled at the last moment all the same"
)
_WHY = {
    "older": "its database is older than what it has published or what its node has done (a restored backup, or a copy)",
    "second": "another daemon with the same key, which started before it, is running",
}
_SAYS = 3


def why(seal: Seal) -> str:
    """One sentence, and what to do."""
    more = "; ".join(line(each) for each in seal.missing[:_SAYS])
    rest = f"; and {len(seal.missing) - _SAYS} more" if len(seal.missing) > _SAYS else ""
    found = f" Found: {more}{rest}." if more else ""
    return f"the daemon is read-only: {_WHY[seal.why]}.{found} Stop it and run: holdfast recover"


def line(missing: Missing) -> str:
    return f"task {missing.task}: {missing.detail}" if missing.task else missing.detail


def alert_text(seal: Seal) -> str:
    return f"Incident: {why(seal)}"
