"""What a person can say about his own account: what stands in it, how that came, and where it goes."""

from __future__ import annotations

from typing import ClassVar

from kinds.commands.base import Command, Destination


class Balance(Command):
    """Shows what you are owed here, what of it is on its way to you, and how much you can withdraw now."""

    action: ClassVar[str] = "balance"
    example: ClassVar[str] = "balance"


class Withdraw(Command):
    """Pays out what you are owed, or a part of it: a Lightning invoice that names its amount. What sending it costs comes out of your
    account too; what was kept for that and not used goes back to it."""

    action: ClassVar[str] = "withdraw"
    example: ClassVar[str] = "withdraw lnbc500u1p..."
    destination: Destination


class Statement(Command):
    """Lists what came to your account and what left it, the newest first."""

    action: ClassVar[str] = "statement"
    example: ClassVar[str] = "statement"
