"""What every card is made of: its heading, lines out of `wording`, a progress bar."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from kinds.legible import one_line
from kinds.wording.template import line
from kinds.wording.words import LABELS

Facts = Mapping[str, Any]


def heading(facts: Facts) -> str:
    """What a message about a task begins with."""
    title = one_line(str(facts.get("title") or ""), 200)
    return f"“{title}” · {one_line(str(facts['task']))}" if facts.get("task") else f"“{title}”"


def bar(step: int, steps: int) -> str:
    """▓▓▓░ 3/4; a long one is drawn shorter, and its numbers are exact."""
    done, width = min(max(0, step), steps), min(steps, 20)
    full = done * width // steps if steps else 0
    return f"{'▓' * full}{'░' * (width - full)} {done}/{steps}"


def label(name: str, facts: Facts, now: int) -> str:
    """A line of a card; "" when what it needs is not there."""
    return line(LABELS[name], facts, now)


def listed(value: Any) -> list[Facts]:
    return [each for each in value if isinstance(each, Mapping)] if isinstance(value, Sequence) else []


def joined(lines: Sequence[str]) -> str:
    return "\n".join(each for each in lines if each)
