"""The diagrams of ARCHITECTURE.md, made from the code: `python -m docs.generate` writes them, a test compares them.

The task's and the work's machines are read from `handlers.transitions.ROWS`. The machines of fundings, payouts and disputes
have no table in the code; they are spelled out here, and a test holds them against what the handlers do.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from handlers.transitions import ROWS, Cause, Row
from kinds.states import Phase, TaskState

DOCS = Path(__file__).parent
DOCUMENT = DOCS / "ARCHITECTURE.md"
START, END = "<!-- diagram: {name} -->", "<!-- end of diagram -->"
NOTHING = ""  # before the first state, and after the last


@dataclass(frozen=True, slots=True)
class Arrow:
    """One arrow of a machine: '' as a source is the beginning."""

    source: str
    target: str
    why: str


FUNDING = (
    Arrow(NOTHING, "making", "the employer says fund"),
    Arrow("making", "created", "the node made the hold invoice"),
    Arrow("making", "failed", "the node could not make it in time"),
    Arrow("created", "accepted", "every part is held"),
    Arrow("created", "expired", "the invoice ran out"),
    Arrow("created", "cancelled", "it is no longer wanted"),
    Arrow("accepted", "settled", "the node settled it"),
    Arrow("accepted", "cancelled", "the node gave it back"),
    Arrow("accepted", "lost", "it vanished, not by us"),
    *(Arrow(late, "accepted", "paid all the same, and goes back") for late in ("expired", "cancelled", "lost")),
)
PAYOUT = (
    Arrow(NOTHING, "planned", "approved, or asked for out of an account"),
    Arrow("planned", "claimed", "leave to send, written before the call"),
    Arrow("planned", "abandoned", "replaced or disputed"),
    Arrow("planned", "failed", "its invoice ran out, or the hold had to be settled first"),
    Arrow("planned", "complete", "the node says that it is paid"),
    Arrow("claimed", "in_flight", "the node is paying"),
    Arrow("claimed", "complete", "paid"),
    Arrow("claimed", "failed", "another invoice is needed"),
    Arrow("claimed", "abandoned", "disputed or refunded before it went out"),
    Arrow("in_flight", "complete", "paid"),
    Arrow("in_flight", "claimed", "every part failed, so the same invoice again"),
    Arrow("in_flight", "failed", "failed for good"),
)
DISPUTE = (
    Arrow(NOTHING, "open", "one side disputes, or the work is refused"),
    Arrow("open", "resolved", "approved, agreed, or the hold's end"),
)
BREAK = "<br/>"  # between the causes of one arrow


def task_arrows() -> list[Arrow]:
    """From state to state; while the node carries an end out, the phase stands behind the state's name."""
    found: dict[tuple[str, str], list[str]] = {}
    for row in ROWS:
        source, target = _place(row.source, row.phase), _place(row.target, row.phase_after)
        if source != target:
            found.setdefault((source, target), []).append(str(row.cause))
    return [Arrow(source, target, BREAK.join(dict.fromkeys(why))) for (source, target), why in found.items()]


def _place(state: TaskState | None, phase: Phase) -> str:
    return f"{state}, {phase}" if phase else str(state or NOTHING)


def work_arrows() -> list[Arrow]:
    found: dict[tuple[str, str], list[str]] = {}
    for row in ROWS:
        for before in row.work:
            if row.work_after and row.work_after is not before:
                found.setdefault((before, row.work_after), []).append(str(row.cause))
    first = Arrow(NOTHING, str(ROWS[0].work[0]), str(ROWS[0].cause))
    return [first, *(Arrow(a, b, BREAK.join(dict.fromkeys(why))) for (a, b), why in found.items())]


def mermaid(arrows: Iterable[Arrow]) -> str:
    """A state diagram. Names with a comma get an id of their own; a place that nothing leaves is an end."""
    arrows = list(arrows)
    for arrow in arrows:
        if set(arrow.why) & set(":;#"):
            raise ValueError(f"mermaid would cut this label: {arrow.why}")
    left = {arrow.source for arrow in arrows}
    places = dict.fromkeys(place for arrow in arrows for place in (arrow.source, arrow.target) if place)
    lines = ["stateDiagram-v2"]
    lines += [f'    state "{place}" as {_id(place)}' for place in places if _id(place) != place]
    lines += [f"    {_id(arrow.source) or '[*]'} --> {_id(arrow.target)}: {arrow.why}" for arrow in arrows]
    lines += [f"    {_id(place)} --> [*]" for place in places if place not in left]
    return "\n".join(lines)


def _id(place: str) -> str:
    return re.sub(r"\W+", "_", place)


def staying() -> str:
    """The rows that leave the task where it is, as a table; those that hold in many states are told in the text."""
    lines = ["| state | what happens | log entries |", "|---|---|---|"]
    told = (Cause.STRAY_HELD, Cause.FROZEN, Cause.UNFROZEN)
    for row in ROWS:
        stays = (row.source, row.phase) == (row.target, row.phase_after)
        if stays and row.cause not in told:
            lines.append(f"| {_place(row.source, row.phase)} | {row.cause} | {_entries(row)} |")
    return "\n".join(lines)


def _entries(row: Row) -> str:
    return ", ".join(f"`{entry}`" for entry in row.log)


def diagrams() -> dict[str, str]:
    """Name -> mermaid text."""
    return {
        "task": mermaid(task_arrows()),
        "work": mermaid(work_arrows()),
        "funding": mermaid(FUNDING),
        "payout": mermaid(PAYOUT),
        "dispute": mermaid(DISPUTE),
    }


def blocks() -> dict[str, str]:
    """What stands between the markers of ARCHITECTURE.md, by name."""
    drawn = {name: f"```mermaid\n{text}\n```" for name, text in diagrams().items()}
    return drawn | {"staying": staying()}


def document(text: str) -> str:
    """ARCHITECTURE.md with every generated block as it must be. Raises ValueError when a marker is missing."""
    for name, block in blocks().items():
        start = START.format(name=name)
        if text.count(start) != 1:
            raise ValueError(f"ARCHITECTURE.md needs exactly one {start}")
        before, _, rest = text.partition(start)
        _, end, after = rest.partition(END)
        if not end:
            raise ValueError(f"{start} has no {END}")
        text = f"{before}{start}\n{block}\n{END}{after}"
    return text


def main() -> None:
    folder = DOCS / "diagrams"
    folder.mkdir(exist_ok=True)
    for name, text in diagrams().items():
        (folder / f"{name}.mmd").write_text(text + "\n", encoding="utf-8")
    DOCUMENT.write_text(document(DOCUMENT.read_text(encoding="utf-8")), encoding="utf-8")


if __name__ == "__main__":
    main()
