"""What an employer does before there is a worker: offer a task, fund it, take it back."""

from __future__ import annotations

from typing import Annotated, ClassVar

from pydantic import Field

from kinds.commands.base import (
    Amount,
    Command,
    Currency,
    InCurrency,
    Name,
    Npub,
    Option,
    Percent,
    Phrase,
    Rest,
    TaskCommand,
    TermName,
    TermValue,
    Text,
    Title,
)


class Post(Command):
    """Offers a task by message: the amount in sats or in a currency (500 INR, 12.50 USD; a rate turns it into sats when the money is asked for), a
    title in quotes, and terms as key=value (deadline=3d is the usual one). Paid by the hour: payment_type=HOURLY_RATE rate=AMOUNT cap=HOURS, and
    the amount may be left out."""

    action: ClassVar[str] = "post"
    example: ClassVar[str] = 'post 50000 sats "Build a landing page" deadline=3d'
    amount: Annotated[Amount | None, InCurrency] = None  # of work that is paid by the hour it is rate x cap
    currency: Currency = "sats"
    title: Annotated[Title, Phrase]
    terms: Annotated[dict[TermName, TermValue], Option] = Field(default_factory=dict)


class Fund(TaskCommand):
    """Asks for the invoice that locks the money of your task. Asking again gives the same invoice while it is valid."""

    action: ClassVar[str] = "fund"
    example: ClassVar[str] = "fund 7qk2m0x9t4h1h"
    mode: Name = ""


class Hire(TaskCommand):
    """Picks the worker among those who have offered to do your task; status lists them."""

    action: ClassVar[str] = "hire"
    example: ClassVar[str] = "hire 7qk2m0x9t4h1h npub180cvv07tjdrrgpa0j7j7tmnyl2yr6yr7l8j4s3evf6u64th6gkwsyjh6w6"
    npub: Npub


class Cancel(TaskCommand):
    """Takes your task back before a claim; after it, offers the other side to end it, with a percentage for the worker (0 if none).
    It ends when the other side cancels with the same percentage."""

    action: ClassVar[str] = "cancel"
    example: ClassVar[str] = "cancel 7qk2m0x9t4h1h 30 we agreed on a part"
    percent: Percent | None = None
    reason: Annotated[Text, Rest] = ""
