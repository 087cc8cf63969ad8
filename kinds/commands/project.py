"""What employer and worker do with a project: look at both ways of being paid, cut it into milestones, agree, talk."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal

from pydantic import BeforeValidator, Field

from kinds.commands.base import Cap, HourRate, Option, Rest, SpanWord, TaskCommand, Text, WholeWord
from kinds.plan import Parts

HOUR, DAY = 3600, 86400


class Options(TaskCommand):
    """Shows both ways in which a project can be paid, whole or by milestones, and which one fits its size."""

    action: ClassVar[str] = "options"
    example: ClassVar[str] = "options 7qk2m0x9t4h1h"


class Milestones(TaskCommand):
    """Proposes the milestones of a project that somebody is hired for, either side; their sum is the project's amount. It is settled
    when the other side agrees to the hash. By the hour: payment_type=HOURLY_RATE rate=AMOUNT cap=HOURS, with milestones behind it, or
    without any for the work as a whole; rate x cap is the project's amount, too."""

    action: ClassVar[str] = "milestones"
    example: ClassVar[str] = (
        'milestones 7qk2m0x9t4h1h "UI design" 5000 2026-12-15: two pages; "Backend" 8000 2026-12-30'
    )
    payment_type: Annotated[Literal["MILESTONE", "HOURLY_RATE"], Option] = "MILESTONE"
    rate: Annotated[HourRate | None, Option] = None  # of one hour, in the unit of the task's amount
    cap: Annotated[Cap | None, WholeWord, Option] = None  # whole hours
    review_window: Annotated[int | None, SpanWord, Option, Field(ge=HOUR, le=30 * DAY)] = None  # None: 5 days
    on_reject: Annotated[Literal["revise", "dispute"] | None, Option] = None  # None: revise
    max_rejects: Annotated[int | None, WholeWord, Option, Field(ge=1, le=100)] = (
        None  # None: 10; of the whole, all three: the task's
    )
    funding: Annotated[Literal["upfront", "on_approval"] | None, Option] = None  # None: as the task's terms have it
    milestones: Annotated[Parts, Rest] = ()  # none: of the work as a whole, by the hour


class Select(TaskCommand):
    """Chooses full payment for a project that somebody is hired for: the employer. Where the money is asked for when the work is approved, the
    work begins with this; else it gives the invoice, as fund does."""

    action: ClassVar[str] = "select"
    example: ClassVar[str] = "select 7qk2m0x9t4h1h full"
    structure: Annotated[
        Literal["full", "milestones"], BeforeValidator(lambda value: value.lower() if isinstance(value, str) else value)
    ]


class Agree(TaskCommand):
    """Agrees to the milestones that the other side has proposed, by their hash (its first 8 letters do). From then on they are locked."""

    action: ClassVar[str] = "agree"
    example: ClassVar[str] = "agree 7qk2m0x9t4h1h 3fa9c1d2"
    plan: Annotated[
        str,
        BeforeValidator(lambda value: value.lower() if isinstance(value, str) else value),
        Field(pattern=r"^[0-9a-f]{8,64}$"),
    ]


class Deposit(TaskCommand):
    """Answers whether a part of a project's money is locked ahead, the employer: accept gives the invoices, decline ends the question, later leaves it
    open. What is not used of it goes back."""

    action: ClassVar[str] = "deposit"
    example: ClassVar[str] = "deposit 7qk2m0x9t4h1h accept"
    answer: Annotated[
        Literal["accept", "decline", "later"],
        BeforeValidator(lambda value: value.lower() if isinstance(value, str) else value),
    ]


class Say(TaskCommand):
    """Sends words to the other side of your task; they are not published."""

    action: ClassVar[str] = "say"
    example: ClassVar[str] = "say 7qk2m0x9t4h1h shall we begin with the design?"
    text: Annotated[Text, Rest, Field(min_length=1)]
