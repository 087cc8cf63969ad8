"""A code and its facts to the text that is sent: words for people, JSON for programs, the same sentence in both.

Secrets are opened here and nowhere else: an invoice or a preimage in a message goes to its owner.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from kinds import cards, events, lines
from kinds.codes import BadWord, Form, Refused, Told
from kinds.decision import DECISION_TAG
from kinds.events import canonical_json, plain_json
from kinds.grammar import VERSION, help_for
from kinds.legible import valid
from kinds.states import TaskState
from kinds.units import Secret, is_hex64
from kinds.wording import en

_UNCLAIMED = (TaskState.DRAFT, TaskState.PENDING_FUNDING, TaskState.FUNDED)
_JUDGE = ("approve", "reject")
_NEXT: Mapping[Told, Sequence[str]] = {
    Told.PROOF_ARRIVED: _JUDGE,
    Told.PROOF_CHANGED: _JUDGE,
    Told.CANCEL_OFFERED: ("cancel",),
    Told.PLAN_PROPOSED: ("agree",),
}


def render(code: Refused | Told, facts: Mapping[str, Any], form: Form, now: int) -> str:
    """The message as it is sent; `now` counts down to the deadlines in it. Never fails for want of a fact."""
    opened: dict[str, Any] = _opened(facts)
    if code is Told.HELP:
        try:
            opened["help"] = help_for(str(opened.get("topic") or ""))
        except BadWord as bad:
            return render(bad.code, bad.facts, form, now)
    if form == "text":
        return cards.card(code, opened, now) or _with_title(code, opened, now)
    answer = {"v": VERSION, "ok": isinstance(code, Told), "code": str(code), "text": en.sentence(code, opened, now)}
    templates = _sign(code, opened)
    if templates:
        answer["sign"] = templates
    rest = {name: value for name, value in opened.items() if name not in answer and name != "help"}
    return plain_json(answer | rest)


def _with_title(code: Refused | Told, facts: Mapping[str, Any], now: int) -> str:
    sentence = en.sentence(code, facts, now)
    return f"{lines.heading(facts)}\n{sentence}" if facts.get("title") else sentence


def _opened(value: Any) -> Any:
    """Facts as plain JSON values: secrets opened, text made valid."""
    if isinstance(value, Secret):
        return valid(value.reveal())
    if isinstance(value, str):
        return valid(value)
    if isinstance(value, Mapping):
        return {valid(str(name)): _opened(each) for name, each in value.items()}
    if isinstance(value, (list, tuple, set, frozenset)):
        return [_opened(each) for each in (sorted(value, key=str) if isinstance(value, (set, frozenset)) else value)]
    return value if value is None or isinstance(value, (bool, int, float)) else valid(str(value))


def _sign(code: Refused | Told, facts: Mapping[str, Any]) -> dict[str, Any]:
    """Ready-to-sign decisions for what can be done next: action -> event without pubkey, created_at, id and signature."""
    task, bot, basis = facts.get("task"), facts.get("bot"), facts.get("basis")
    if not (task and is_hex64(bot) and is_hex64(basis)):
        return {}
    may: Sequence[str] = facts.get("may") or (_NEXT.get(code, ()) if isinstance(code, Told) else ())
    tags = [["d", task], ["t", DECISION_TAG], ["p", bot], ["e", basis, "", "basis"]]
    said = {action: _content(action, str(task), facts) for action in may}
    return {
        action: {"kind": events.RECORD, "tags": tags, "content": canonical_json(content)}
        for action, content in said.items()
        if content
    }


def _content(action: str, task: str, facts: Mapping[str, Any]) -> dict[str, Any] | None:
    """The command to sign; None when somebody must think about its fields first."""
    said: dict[str, Any] = {"v": VERSION, "action": action, "task": task}
    match action:
        case "fund" | "claim" | "abandon" | "approve":
            return said
        case "reject" | "dispute":
            return said | {"reason": ""}  # to be written before it is signed
        case "agree" if isinstance(facts.get("plan"), str):
            return said | {"plan": facts["plan"]}
        case "cancel" if facts.get("state") in _UNCLAIMED:
            return said
        case "cancel" if isinstance(facts.get("percent"), int):  # never a share that nobody has named
            return said | {"percent": facts["percent"]}
    return None
