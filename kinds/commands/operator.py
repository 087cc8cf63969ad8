"""What the operator of the house may say, and nobody else: a hand on the brake, and one in the insurance."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal

from pydantic import Field

from kinds.commands.base import Command, InSats, Npub, Option, Rest, TaskCommand, Text


class Pause(Command):
    """Closes the house to new business: no new offers, no new invoices. Everything that is under way goes on."""

    action: ClassVar[str] = "pause"
    example: ClassVar[str] = "pause"


class Resume(Command):
    """Opens a paused house again."""

    action: ClassVar[str] = "resume"
    example: ClassVar[str] = "resume"


class Freeze(TaskCommand):
    """Stops a task where it stands: no claim, funding, verdict or new payout until it is unfrozen. The money stays where it is."""

    action: ClassVar[str] = "freeze"
    example: ClassVar[str] = "freeze 7qk2m0x9t4h1h"


class Unfreeze(TaskCommand):
    """Lets a frozen task go on. Its deadlines move by the time for which it was frozen."""

    action: ClassVar[str] = "unfreeze"
    example: ClassVar[str] = "unfreeze 7qk2m0x9t4h1h"


class Ban(Command):
    """Lets somebody offer, fund and claim nothing new. What he has under way goes on as agreed."""

    action: ClassVar[str] = "ban"
    example: ClassVar[str] = "ban npub180cvv07tjdrrgpa0j7j7tmnyl2yr6yr7l8j4s3evf6u64th6gkwsyjh6w6"
    npub: Npub


class Unban(Command):
    """Lets somebody in again who was banned."""

    action: ClassVar[str] = "unban"
    example: ClassVar[str] = "unban npub180cvv07tjdrrgpa0j7j7tmnyl2yr6yr7l8j4s3evf6u64th6gkwsyjh6w6"
    npub: Npub


class Compensate(TaskCommand):
    """Gives so many sats of the insurance account to the one who lost in a task whose hold was lost: the worker, or the employer if
    the worker was paid or there was none. The same sats for the same words are given once, unless you add again=yes. At the machine
    only."""

    action: ClassVar[str] = "compensate"
    example: ClassVar[str] = "compensate 7qk2m0x9t4h1h 5000 the hold was lost after the approval"
    amount: Annotated[int, InSats, Field(ge=1, le=2_100_000_000_000_000)]
    again: Annotated[Literal["", "yes"], Option] = ""  # the same sats for the same words once more
    reason: Annotated[Text, Rest, Field(min_length=1)]


class Holds(Command):
    """Lists the payments that are held: for which task, how much, since when, and until which block."""

    action: ClassVar[str] = "holds"
    example: ClassVar[str] = "holds"


class Incidents(Command):
    """Lists what needs the operator's eye, the newest last."""

    action: ClassVar[str] = "incidents"
    example: ClassVar[str] = "incidents"


ACTS: tuple[type[Command], ...] = (Pause, Resume, Freeze, Unfreeze, Ban, Unban, Compensate)
"""What changes something."""

OPERATOR: tuple[type[Command], ...] = (*ACTS, Holds, Incidents)
"""All that only the operator may say."""
