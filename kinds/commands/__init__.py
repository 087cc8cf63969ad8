"""Everything a person can tell the daemon: one model per command, in five chapters.

A model's docstring is its help text; the order of its fields is its text grammar (`kinds/grammar.py`); its JSON form is
the same model with `v` and `action` added.
"""

from __future__ import annotations

from kinds.commands.account import Balance, Statement, Withdraw
from kinds.commands.asks import Help, History, Receipt, Status, Tasks, TermsAsked
from kinds.commands.base import Command
from kinds.commands.offer import Cancel, Fund, Hire, Post
from kinds.commands.operator import (
    OPERATOR,
    Ban,
    Compensate,
    Freeze,
    Holds,
    Incidents,
    Pause,
    Resume,
    Unban,
    Unfreeze,
)
from kinds.commands.project import Agree, Deposit, Milestones, Options, Say, Select
from kinds.commands.work import Abandon, Approve, Claim, Dispute, HoursWorked, Payout, Reject, Submit

COMMANDS: tuple[type[Command], ...] = (
    Help, TermsAsked, Tasks, Status, History, Receipt,
    Post, Fund, Hire, Cancel,
    Options, Select, Milestones, Agree, Deposit, Say,
    Claim, HoursWorked, Submit, Abandon, Approve, Reject, Dispute, Payout,
    Balance, Withdraw, Statement,
    *OPERATOR,
)  # fmt: skip

PLANNED = frozenset((
    "evidence", "vote", "rate", "appeal", "reputation",
))  # fmt: skip
"""Words of the protocol that are not built yet: refused by name, so that nobody takes silence for consent."""

__all__ = [
    "COMMANDS", "OPERATOR", "PLANNED", "Abandon", "Agree", "Approve", "Balance", "Ban", "Cancel", "Claim", "Command", "Compensate", "Deposit", "Dispute", "Freeze", "Fund",
    "Help", "Hire", "History", "Holds", "HoursWorked", "Incidents", "Milestones", "Options", "Pause", "Payout", "Post", "Receipt", "Reject", "Resume", "Say", "Select", "Statement", "Status", "Submit", "Tasks", "TermsAsked",
    "Unban", "Unfreeze", "Withdraw",
]  # fmt: skip
