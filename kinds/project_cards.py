"""Cards of a project: the two ways of being paid, a plan to agree to, the way from one milestone to the next. Short, for a phone."""

from __future__ import annotations

from collections.abc import Sequence

from kinds.lines import Facts, bar, heading, joined, label, listed

_SHOWN = 12  # milestones on a card; the ones around the current one


def options_card(facts: Facts, now: int) -> str:
    """Full payment or milestones, with the one that is recommended for this size."""
    both = (
        ("option hours", "option parts", "hours in parts", "upfront", "on approval")
        if facts.get("hourly_rate")
        else ("option whole", "option parts", "upfront", "on approval")
    )
    lines = [heading(facts), label("total", facts, now), *(label(name, facts, now) for name in both)]
    instead = [] if facts.get("hourly_rate") else [label("hours instead", facts, now)]
    chosen = (
        [label("selected", facts, now)]
        if facts.get("selected")
        else [label("choose", facts, now), label("open plan", facts, now), *instead]
    )
    return joined([*lines, *chosen])


def plan_card(facts: Facts, now: int) -> str:
    """A plan as a whole, with what it costs and how it is judged."""
    head = label("plan" if facts.get("stage") in ("agreed", "begun", "whole") else "proposed by", facts, now)
    rules = [label(name, facts, now) for name in ("by hour", "plan total", "plan cost", "plan rules")]
    return joined(
        [heading(facts), head, *milestone_lines(facts, now, whole=True), *rules, label("plan next", facts, now)]
    )


def deposit_card(facts: Facts, now: int) -> str:
    """Whether a part is locked ahead: three answers, none of which is pressed for."""
    return joined(
        [heading(facts), *(label(name, facts, now) for name in ("deposit", "deposit rules", "deposit answers"))]
    )


def released_card(facts: Facts, now: int) -> str:
    """One milestone is paid, the next one begins."""
    done, of, upcoming = facts.get("released"), facts.get("of"), facts.get("upcoming")
    progress = bar(done, of) if isinstance(done, int) and isinstance(of, int) else ""
    coming = {**facts, **upcoming} if isinstance(upcoming, dict) else facts
    return joined(
        [
            heading(facts),
            label("released", facts, now),
            progress,
            label("upcoming", coming, now),
            label("upcoming next", facts, now),
        ]
    )


def completed_card(facts: Facts, now: int) -> str:
    """All milestones are paid; the employer gets the list of what was delivered."""
    of = facts.get("of")
    files = [label("file", each, now) for each in listed(facts.get("files"))]
    progress = bar(of, of) if isinstance(of, int) else ""
    return joined([heading(facts), label("completed", facts, now), progress, *files])


def milestone_lines(facts: Facts, now: int, whole: bool = False) -> Sequence[str]:
    """A line for each milestone; of a long project those around the current one. `whole`: all, with what they ask for, since that is what
    somebody agrees to."""
    unit = {name: facts[name] for name in ("currency", "rate", "indicative") if name in facts}
    parts = [{**unit, **each} for each in listed(facts.get("milestones"))]
    if whole:
        return [label(name, each, now) for each in parts for name in ("part", "part about")]
    at = facts["milestone"] - 1 if isinstance(facts.get("milestone"), int) else 0
    first = max(0, min(at - 2, len(parts) - _SHOWN))
    shown = parts[first : first + _SHOWN]
    before = [label("earlier parts", {"count": first}, now)] if first else []
    left = len(parts) - first - len(shown)
    return [
        *before,
        *(label("part", each, now) for each in shown),
        *([label("more", {"count": left}, now)] if left > 0 else []),
    ]
