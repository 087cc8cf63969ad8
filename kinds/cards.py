"""What is shown rather than said: a task's status, an invoice with its QR code, lists, terms. For a phone's narrow screen.

A card is lines of text; the words on them stand in `wording`. Only lines whose facts are there are shown.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from kinds.codes import Refused, Told
from kinds.commands import COMMANDS, Post
from kinds.commands.usage import usage
from kinds.figures import moment_text, sats_text
from kinds.legible import one_line
from kinds.lines import Facts, bar, heading, joined, label, listed
from kinds.project_cards import completed_card, deposit_card, milestone_lines, options_card, plan_card, released_card
from kinds.qr import qr
from kinds.wording.template import fill
from kinds.wording.words import BADGES, LABELS, SERVICE_FEE, TERMS, WORK

_USAGE = {command.action: usage(command) for command in COMMANDS}
_LOOKS = ("status", "history")  # need no line of their own
SUMS = ("paid_msat", "routing_fee_msat", "fee_msat", "insurance_msat", "refunded_msat")  # of a receipt
_ENTRIES, _TASKS = 40, 30  # more than a person reads in one message


def card(code: Refused | Told, facts: Facts, now: int) -> str:
    """The card for this code; "" when a sentence says it all."""
    match code:
        case Told.STATUS:
            return status_card(facts, now)
        case Told.INVOICE | Told.DEPOSIT_INVOICE:
            return invoice_card(facts, now)
        case Told.DEPOSIT_OFFERED:
            return deposit_card(facts, now)
        case Told.OPTIONS:
            return options_card(facts, now)
        case Told.PLAN_PROPOSED | Told.PLAN_AGREED:
            return plan_card(facts, now)
        case Told.MILESTONE_RELEASED:
            return released_card(facts, now)
        case Told.PROJECT_COMPLETED:
            return completed_card(facts, now)
        case Told.TASKS:
            return tasks_card(facts, now)
        case Told.HISTORY:
            return history_card(facts, now)
        case Told.RECEIPT:
            return receipt_card(facts, now)
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


def status_card(facts: Facts, now: int) -> str:
    """Where a task stands: state, progress, countdown, what to do now."""
    state, work = str(facts.get("state") or ""), WORK.get(str(facts.get("work")))
    lines = [heading(facts), BADGES.get(state, one_line(state)) + (f": {work}" if work and state == "Claimed" else "")]
    if isinstance(facts.get("step"), int) and isinstance(facts.get("steps"), int):
        lines.append(bar(facts["step"], facts["steps"]))
    ended, proof = facts.get("step") == facts.get("steps"), facts.get("proof")
    lines += [
        label("description", facts, now),
        *milestone_lines(facts, now),
        label("price", facts, now),
        label("by hour", facts, now),
        label("hours", facts, now),
        label("hours named", facts, now),
        label("cost", facts, now),
        label("deposit held", facts, now) if facts.get("deposit_msat") else "",
        label("phase", facts, now),
        label("frozen", facts, now) if facts.get("frozen") else "",
        label("until", facts, now),
        "" if ended or facts.get("until") == facts.get("deadline") else label("deadline", facts, now),
        label("height", facts, now),
        label("books", facts, now) if facts.get("custody") == "ledger" else "",
        label("proof", proof if isinstance(proof, Mapping) else {}, now),
        label("sealed", facts, now) if facts.get("sealed") == "accepted" and not proof else "",
        label("parties", facts, now),
        label("role", facts, now),
        label("order", facts, now) if state == "Draft" and facts.get("order") == "hire_first" else "",
        *_proposals(facts, now),
        label("credit", facts, now) if facts.get("credit_msat") else "",
    ]
    todo = _todo(facts)
    return joined([*lines, label("now", facts, now) if todo else "", *todo])


def invoice_card(facts: Facts, now: int, on_dark: bool = False) -> str:
    """The invoice to pay: amounts, a link that opens a wallet, and a QR code of the same. `on_dark`: see `qr`."""
    link = f"lightning:{facts.get('invoice') or ''}".upper()
    lines = [heading(facts)] if facts.get("title") else []
    shown: tuple[str, ...] = ("invoice", "share", "price", "expires", "pending")
    if facts.get("covers"):
        shown = ("deposit invoice", "expires", "deposit pending")
        shown = ("deposit renews", *shown) if facts.get("renews") else shown
    elif facts.get("renews"):
        shown = ("renews", *shown)
    lines += [label(name, facts, now) for name in shown]
    if not facts.get("invoice"):
        return joined(lines)
    link = one_line(link, 8000)
    return joined([*lines, link.replace("LIGHTNING:", "lightning:", 1), qr(link, on_dark)])


def tasks_card(facts: Facts, now: int) -> str:
    """The asker's tasks, and those that are open for a claim."""
    mine, open_ones = listed(facts.get("tasks")), listed(facts.get("open"))
    if mine:
        lines = [label("your tasks", facts, now), *(_task_line(each) for each in mine[:_TASKS])]
    else:
        lines = [label("no tasks", {"example": Post.example}, now)]
    if open_ones:
        lines += [label("open tasks", facts, now), *(_task_line(each) for each in open_ones[:_TASKS])]
    return joined(lines)


def history_card(facts: Facts, now: int) -> str:
    """The published entries, oldest first."""
    entries = listed(facts.get("entries"))
    earlier = [label("earlier", {"count": len(entries) - _ENTRIES}, now)] if len(entries) > _ENTRIES else []
    return joined([label("history", facts, now), *earlier, *(_entry_line(each) for each in entries[-_ENTRIES:])])


def receipt_card(facts: Facts, now: int) -> str:
    """What was locked, paid and given back, and the proofs of payment that are the reader's own. Complete on a phone."""
    found = listed(facts.get("transactions"))
    state = str(facts.get("state") or "")
    earlier = facts["earlier"] if isinstance(facts.get("earlier"), int) else 0
    many = isinstance(facts.get("milestones"), int) and facts["milestones"] > 1
    lines = [
        heading(facts),
        label("receipt", facts, now),
        BADGES.get(state, one_line(state)),
        label("by hour", facts, now),
        label("reward", {**facts, "milestones": facts.get("milestones") if many else None}, now),
        label("earlier", {"count": earlier}, now) if earlier > 0 else "",
    ]
    for each in found:
        lines += [transaction_line(each, many, now), label("proof of payment", each, now)]
    lines += [
        *receipt_sums(facts, now),
        *(label(name, facts, now) for name in ("log", "operator", "check")),
    ]
    return joined(lines)


def receipt_sums(facts: Facts, now: int) -> list[str]:
    """What became of the money that the employer has locked, once all is over."""
    if not (facts.get("final") and facts.get("escrow_msat")):
        return []
    return [label("sums", facts, now), *(label(name, facts, now) for name in SUMS if facts.get(name))]


def transaction_line(each: Facts, many: bool, now: int) -> str:
    """One transaction in words; its milestone where a task has several."""
    return label("transaction", {**each, **transaction_words(each, many)}, now)


def transaction_words(each: Facts, many: bool) -> dict[str, Any]:
    kind, status = str(each.get("type") or ""), str(each.get("status") or "")
    over = None if kind == "UPFRONT_ESCROW" else each.get("released_at")
    return {
        "name": LABELS.get(kind, one_line(kind)),
        "of_milestone": each.get("milestone") if many else None,
        "when": over or each.get("created_at"),
        "done": LABELS.get(status, one_line(status)),
    }


def balance_card(facts: Facts, now: int) -> str:
    """What somebody has here, what is on its way to him, and what he can do now."""
    lines = [label("balance", facts, now)]
    if facts.get("payable_msat"):
        lines.append(label("payable", facts, now))
    elif facts.get("available_msat"):
        lines.append(label("too little", facts, now))
    moving = listed(facts.get("withdrawals"))
    if moving:
        lines += [label("under way", facts, now), *(label("withdrawal", each, now) for each in moving)]
    return joined(lines)


def statement_card(facts: Facts, now: int) -> str:
    """What came to somebody's account and left it."""
    lines = listed(facts.get("lines"))
    if not lines:
        return label("no lines", facts, now)
    earlier = facts["earlier"] if isinstance(facts.get("earlier"), int) else 0
    left = earlier + len(lines[_ENTRIES:])
    told = label("earlier", {"count": left}, now) if left > 0 else ""
    return joined([label("statement", facts, now), *(label("line", each, now) for each in lines[:_ENTRIES]), told])


def holds_card(facts: Facts, now: int) -> str:
    """What is held, that which is over first at the top."""
    holds = listed(facts.get("holds"))
    if not holds:
        return label("no holds", facts, now)
    lines = [line for each in holds[:_TASKS] for line in (_task_line(each), label("hold", each, now))]
    left = facts["count"] - _TASKS if isinstance(facts.get("count"), int) else 0
    return joined([label("holds", facts, now), *lines, label("more", {"count": left}, now) if left > 0 else ""])


def incidents_card(facts: Facts, now: int) -> str:
    incidents = listed(facts.get("incidents"))
    if not incidents:
        return label("no incidents", facts, now)
    count = facts.get("count")
    earlier = count - len(incidents[-_ENTRIES:]) if isinstance(count, int) else 0
    lines = [label("incident", {**(each.get("facts") or {}), **each}, now) for each in incidents[-_ENTRIES:]]
    told = label("earlier", {"count": earlier}, now) if earlier > 0 else ""
    return joined([label("incidents", facts, now), told, *lines])


def terms_card(facts: Facts, now: int) -> str:
    fee = [said for said in (fill(words, facts, now) for words in SERVICE_FEE) if said]
    if fee:
        facts = {
            **facts,
            "service_fee": fee,
            "payer": facts.get("service_fee_payer"),
            "insured": facts.get("insurance_percent"),
        }
    return joined([fill(words, facts, now) for words in TERMS])


def _proposals(facts: Facts, now: int) -> list[str]:
    """How many have offered to do it, and to the employer who they are."""
    count, shown = facts.get("applicants"), listed(facts.get("proposals"))
    if not (isinstance(count, int) and count > 0):
        return []
    left = count - len(shown) if shown else 0
    more = [label("more", {"count": left}, now)] if left > 0 else []
    return [label("applicants", facts, now), *(label("proposal", each, now) for each in shown), *more]


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
    moved = entry.get("amount_msat")
    amount = sats_text(moved) if isinstance(moved, int) else ""
    hours = label("entry hours", entry, 0)
    return " · ".join(word for word in (words[0], when, words[1], words[2], hours, amount) if word)
