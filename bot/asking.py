"""What is answered to a question: the facts, gathered from what is remembered. Nothing is changed by it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sqlalchemy import Connection

from bot.reading import Asker, Question
from handlers import account, answers, plan, records
from handlers.policy import Policy
from kinds.codes import Told
from kinds.inputs import Now
from storage import accounts, books, commit, gate, reads
from storage.records import rows_of

_MOST = 100  # lines of a list that still fit into a letter


def facts_for(
    tx: Connection, question: Question, task: str | None, asker: Asker, now: Now, policy: Policy
) -> Mapping[str, Any]:
    """The facts of the answer that has the question's code. Raises Refusal."""
    held = commit.load(tx, task) if task else None
    match question.code:
        case Told.STATUS if held:
            rests_on = reads.entry_id(tx, held.task.id, answers.basis_seq(held.task)) or held.head
            return answers.status(held.task, asker.by, now) | {"basis": rests_on, "bot": policy.bot}
        case Told.OPTIONS if held:
            return plan.options(held.task, policy)
        case Told.HISTORY if held:
            return {"task": held.task.id, "entries": reads.history(tx, held.task.id)}
        case Told.RECEIPT if held:
            about = {"seq": held.task.seq, "head": held.head, "bot": policy.bot, "network": policy.network}
            return {**records.receipt(held.task, rows_of(tx, held.task.id), asker.by, now), **about}
        case Told.TASKS:
            return answers.tasks(reads.mine(tx, asker.by), reads.claimable(tx), asker.by)
        case Told.TERMS:
            return {**answers.terms(policy), "version": policy.terms_version, "paused": gate.load(tx).paused}
        case Told.BALANCE:
            return account.balance(accounts.load(tx, asker.by).account, policy)
        case Told.STATEMENT:
            return books.statement(tx, asker.by, _MOST)
        case Told.HOLDS:
            return answers.holds(reads.holding(tx), now, _MOST)
        case Told.INCIDENTS:
            return reads.newest_incidents(tx, _MOST)
    return {"topic": question.topic or None}
