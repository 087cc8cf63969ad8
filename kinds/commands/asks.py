"""Questions: answered from what is remembered, changing nothing."""

from __future__ import annotations

from typing import ClassVar

from kinds.commands.base import Command, Name, TaskCommand


class Help(Command):
    """Lists the commands, or explains one."""

    action: ClassVar[str] = "help"
    example: ClassVar[str] = "help claim"
    topic: Name = ""


class TermsAsked(Command):
    """Shows the operator's terms: fees, limits, margins, what happens when time runs out."""

    action: ClassVar[str] = "terms"
    example: ClassVar[str] = "terms"


class Tasks(Command):
    """Lists your tasks and those that are open for a claim."""

    action: ClassVar[str] = "tasks"
    example: ClassVar[str] = "tasks"


class Status(TaskCommand):
    """Shows where a task stands, its deadlines and what can be done now."""

    action: ClassVar[str] = "status"
    example: ClassVar[str] = "status 7qk2m0x9t4h1h"


class History(TaskCommand):
    """Lists the published log entries of a task."""

    action: ClassVar[str] = "history"
    example: ClassVar[str] = "history 7qk2m0x9t4h1h"


class Receipt(TaskCommand):
    """Shows what was locked, paid and given back in a task of yours, when, and your proof of payment. For your own books; keep it."""

    action: ClassVar[str] = "receipt"
    example: ClassVar[str] = "receipt 7qk2m0x9t4h1h"
