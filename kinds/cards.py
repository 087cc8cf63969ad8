"""What is shown rather than said: a task's status, an invoice with its QR code, lists, terms. For a phone's narrow screen.

A card is lines of text; the words on them stand in `wording`. Only lines whose facts are there are shown.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from kinds.codes import Refused, Told
from kinds.commands import COMMANDS, Post
from kinds.commands.usage import usage
from kinds.figures import moment_text
from kinds.legible import one_line
from kinds.qr import qr
from kinds.wording.template import fill, line
from kinds.wording.words import BADGES, LABELS, SERVICE_FEE, TERMS, WORK

Facts = Mapping[str, Any]

_USAGE = {command.action: usage(command) for command in COMMANDS}
_LOOKS = ("status", "history")  # need no line of their own
_ENTRIES, _TASKS = 40, 30  # more than a person reads in one message


def card(code: Refused | Told, facts: Facts, now: int) -> str:
    """The card for this code; "" when a sentence says it all."""
    match code:
        case Told.STATUS:
            return status_card(facts, now)
        case Told.INVOICE:
            return invoice_card(facts, now)
        case Told.TASKS:
            return tasks_card(facts, now)
        case Told.HISTORY:
            return history_card(facts, now)
        case Told.TERMS:
            return terms_card(facts, now)
        case Told.BALANCE:
            return balance_card(facts, now)
        case Told.STATEMENT:
            return statement_card(facts, now)
        case Told.HOLDS:
            return holds_card(facts, now)
        case Told.INCIDENTS:
            return incidents_card(facts, now)
    return ""


def heading(facts: Facts) -> str:
    """What a message about a task begins with."""
    title = one_line(str(facts.get("title") or ""), 200)
    return f"“{title}” · {one_line(str(facts['task']))}" if facts.get("task") else f"“{title}”"


def bar(step: int, steps: int) -> str:
    """▓▓▓░ 3/4"""
    done = min(max(0, step), steps)
    return f"{'▓' * done}{'░' * (steps - done)} {done}/{steps}"


def status_card(facts: Facts, now: int) -> str:
    """Where a task stands: state, progress, countdown, what to do now."""
    state, work = str(facts.get("state") or ""), WORK.get(str(facts.get("work")))
    lines = [heading(facts), BADGES.get(state, one_line(state)) + (f": {work}" if work and state == "Claimed" else "")]
    if isinstance(facts.get("step"), int) and isinstance(facts.get("steps"), int):
        lines.append(bar(facts["step"], min(facts["steps"], 50)))
    ended, proof = facts.get("step") == facts.get("steps"), facts.get("proof")
    lines += [
        _label("description", facts, now),
        _label("price", facts, now),
        _label("cost", facts, now),
        _label("phase", facts, now),
        _label("frozen", facts, now) if facts.get("frozen") else "",
        _label("until", facts, now),
        "" if ended or facts.get("until") == facts.get("deadline") else _label("deadline", facts, now),
        _label("height", facts, now),
        _label("books", facts, now) if facts.get("custody") == "ledger" else "",
        _label("proof", proof if isinstance(proof, Mapping) else {}, now),
        _label("parties", facts, now),
        _label("role", facts, now),
        _label("order", facts, now) if state == "Draft" and facts.get("order") == "hire_first" else "",
        *_proposals(facts, now),
        _label("credit", facts, now) if facts.get("credit_msat") else "",
    ]
    todo = _todo(facts)
    return _joined([*lines, _label("now", facts, now) if todo else "", *todo])


def invoice_card(facts: Facts, now: int, on_dark: bool = False) -> str:
    """The invoice to pay: amounts, a link that opens a wallet, and a QR code of the same. `on_dark`: see `qr`."""
    link = f"lightning:{facts.get('invoice') or ''}".upper()
    lines = [heading(facts)] if facts.get("title") else []
    shown = (
        ("renews", "invoice", "share", "price", "expires", "pending")
        if facts.get("renews")
        else ("invoice", "share", "price", "expires", "pending")
    )
    lines += [_label(name, facts, now) for name in shown]
    if not facts.get("invoice"):
        return _joined(lines)
    link = one_line(link, 8000)
    return _joined([*lines, link.replace("LIGHTNING:", "lightning:", 1), qr(link, on_dark)])


def tasks_card(facts: Facts, now: int) -> str:
    """The asker's tasks, and those that are open for a claim."""
    mine, open_ones = _listed(facts.get("tasks")), _listed(facts.get("open"))
    if mine:
        lines = [_label("your tasks", facts, now), *(_task_line(each) for each in mine[:_TASKS])]
    else:
        lines = [_label("no tasks", {"example": Post.example}, now)]
    if open_ones:
        lines += [_label("open tasks", facts, now), *(_task_line(each) for each in open_ones[:_TASKS])]
    return _joined(lines)


def history_card(facts: Facts, now: int) -> str:
    """The published entries, oldest first."""
    entries = _listed(facts.get("entries"))
    earlier = [_label("earlier", {"count": len(entries) - _ENTRIES}, now)] if len(entries) > _ENTRIES else []
    return _joined([_label("history", facts, now), *earlier, *(_entry_line(each) for each in entries[-_ENTRIES:])])


def balance_card(facts: Facts, now: int) -> str:
    """What somebody has here, what is on its way to him, and what he can do now."""
    lines = [_label("balance", facts, now)]
    if facts.get("payable_msat"):
        lines.append(_label("payable", facts, now))
    elif facts.get("available_msat"):
        lines.append(_label("too little", facts, now))
    moving = _listed(facts.get("withdrawals"))
    if moving:
        lines += [_label("under way", facts, now), *(_label("withdrawal", each, now) for each in moving)]
    return _joined(lines)


def statement_card(facts: Facts, now: int) -> str:
    """What came to somebody's account and left it."""
    lines = _listed(facts.get("lines"))
    if not lines:
        return _label("no lines", facts, now)
    earlier = facts["earlier"] if isinstance(facts.get("earlier"), int) else 0
    left = earlier + len(lines[_ENTRIES:])
    told = _label("earlier", {"count": left}, now) if left > 0 else ""
    return _joined([_label("statement", facts, now), *(_label("line", each, now) for each in lines[:_ENTRIES]), told])


def holds_card(facts: Facts, now: int) -> str:
    """What is held, that which is over first at the top."""
    holds = _listed(facts.get("holds"))
    if not holds:
        return _label("no holds", facts, now)
    lines = [line for each in holds[:_TASKS] for line in (_task_line(each), _label("hold", each, now))]
    left = facts["count"] - _TASKS if isinstance(facts.get("count"), int) else 0
    return _joined([_label("holds", facts, now), *lines, _label("more", {"count": left}, now) if left > 0 else ""])


def incidents_card(facts: Facts, now: int) -> str:
    incidents = _listed(facts.get("incidents"))
    if not incidents:
        return _label("no incidents", facts, now)
    count = facts.get("count")
    earlier = count - len(incidents[-_ENTRIES:]) if isinstance(count, int) else 0
    lines = [_label("incident", {**(each.get("facts") or {}), **each}, now) for each in incidents[-_ENTRIES:]]
    told = _label("earlier", {"count": earlier}, now) if earlier > 0 else ""
    return _joined([_label("incidents", facts, now), told, *lines])


def terms_card(facts: Facts, now: int) -> str:
    fee = [said for said in (fill(words, facts, now) for words in SERVICE_FEE) if said]
    if fee:
        facts = {
            **facts,
            "service_fee": fee,
            "payer": facts.get("service_fee_payer"),
            "insured": facts.get("insurance_percent"),
        }
    return _joined([fill(words, facts, now) for words in TERMS])


def _proposals(facts: Facts, now: int) -> list[str]:
    """How many have offered to do it, and to the employer who they are."""
    count, shown = facts.get("applicants"), _listed(facts.get("proposals"))
    if not (isinstance(count, int) and count > 0):
        return []
    left = count - len(shown) if shown else 0
    more = [_label("more", {"count": left}, now)] if left > 0 else []
    return [_label("applicants", facts, now), *(_label("proposal", each, now) for each in shown), *more]


def _todo(facts: Facts) -> list[str]:
    """The actions that fit, as they are written for this task."""
    may = facts.get("may")
    actions = [str(action) for action in may if action not in _LOOKS] if isinstance(may, (list, tuple)) else []
    task = one_line(str(facts.get("task") or "ID"))
    return [f"• {_USAGE.get(action, action).replace(' ID', f' {task}')}" for action in actions]


def _task_line(task: Facts) -> str:
    state = str(task.get("state") or "")
    own = "reward_msat" if task.get("role") == "employer" else "net_msat"  # what it is about for him
    amount = task.get("amount_msat", task.get(own))
    money = fill("{amount:sats}", {**task, "amount": amount}, 0) if isinstance(amount, int) else ""
    title = one_line(str(task.get("title") or ""), 60)
    words = [
        one_line(str(task.get("task") or "")),
        BADGES.get(state, state),
        money,
        one_line(str(task.get("role") or "")),
        "❄️" if task.get("frozen") else "",
    ]
    return f"• {title}\n  {' · '.join(word for word in words if word)}"


def _entry_line(entry: Facts) -> str:
    at = entry.get("time")
    when = moment_text(at) if isinstance(at, int) else ""
    words = [one_line(str(entry.get(name) or "")) for name in ("seq", "type", "state")]
    return " · ".join(word for word in (words[0], when, words[1], words[2]) if word)


def _label(name: str, facts: Facts, now: int) -> str:
    return line(LABELS[name], facts, now)


def _listed(value: Any) -> list[Facts]:
    return [each for each in value if isinstance(each, Mapping)] if isinstance(value, Sequence) else []


def _joined(lines: Sequence[str]) -> str:
    return "\n".join(each for each in lines if each)
