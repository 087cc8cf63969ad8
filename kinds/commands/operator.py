"""What the operator of the house may say, and nobody else: one hand on the brake, none on anybody's money."""

from __future__ import annotations

from typing import ClassVar

from kinds.commands.base import Command, TaskCommand


class Freeze(TaskCommand):
    """Stops a task where it stands: no claim, funding, verdict or new payout until it is unfrozen. The money stays where it is."""

    action: ClassVar[str] = "freeze"
    example: ClassVar[str] = "freeze 7qk2m0x9t4h1h"


class Unfreeze(TaskCommand):
    """Lets a frozen task go on. Its deadlines move by the time for which it was frozen."""

    action: ClassVar[str] = "unfreeze"
    example: ClassVar[str] = "unfreeze 7qk2m0x9t4h1h"


OPERATOR: tuple[type[Command], ...] = (Freeze, Unfreeze)
"""The commands that only the operator may give."""
