"""What worker and employer do once there is money: claim, deliver, judge, be paid."""

from __future__ import annotations

from typing import Annotated, ClassVar

from kinds.commands.base import Destination, Hours, Mime, Note, Option, Rest, SealKey, Sha256, TaskCommand, Text, Url


class Claim(TaskCommand):
    """Takes a task, or offers to do it where the employer picks; a note tells him why you. The destination is a Lightning invoice for
    exactly the reward; you may also give it later with payout."""

    action: ClassVar[str] = "claim"
    example: ClassVar[str] = "claim 7qk2m0x9t4h1h lnbc500u1p..."
    destination: Destination | None = None
    dest_hash: Annotated[Sha256 | None, Option] = None  # in a signed claim: commits to a destination that goes by DM
    note: Annotated[Note, Option] = ""  # to the employer; in a signed claim everybody can read it


class HoursWorked(TaskCommand):
    """Says how many hours you have worked, where the task is paid by the hour: 12, or 12.5. Say it before you deliver with submit; the last one
    counts, and never more than the task has room for."""

    action: ClassVar[str] = "hours"
    example: ClassVar[str] = "hours 7qk2m0x9t4h1h 12.5"
    hours: Hours


class Submit(TaskCommand):
    """Delivers your work: a link, the sha256 of the file behind it, and notes if you like. A new one replaces the last. Where the task
    accepts it, the file may be sealed: key=KEY then gives me the key, for the employer once he has paid. Where it is paid by the hour,
    hours=12.5 says how many, if you have not said it before."""

    action: ClassVar[str] = "submit"
    example: ClassVar[str] = (
        "submit 7qk2m0x9t4h1h https://example.org/page.zip e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
    )
    url: Url
    sha256: Sha256
    mime: Annotated[Mime | None, Option] = None
    key: Annotated[SealKey | None, Option] = None  # of a sealed file: never in public
    key_hash: Annotated[Sha256 | None, Option] = None  # its sha256, which the log shows
    hours: Annotated[Hours | None, Option] = None  # of work that is paid by the hour
    notes: Annotated[Text, Rest] = ""


class Abandon(TaskCommand):
    """Gives a task back that you claimed, or takes back your offer to do it. It leaves no mark on you."""

    action: ClassVar[str] = "abandon"
    example: ClassVar[str] = "abandon 7qk2m0x9t4h1h"


class Approve(TaskCommand):
    """Accepts the work: the worker is paid at once."""

    action: ClassVar[str] = "approve"
    example: ClassVar[str] = "approve 7qk2m0x9t4h1h well done"
    feedback: Annotated[Text, Rest] = ""


class Reject(TaskCommand):
    """Refuses the work, with a reason. By the task's terms it goes to dispute, or the worker may deliver again."""

    action: ClassVar[str] = "reject"
    example: ClassVar[str] = "reject 7qk2m0x9t4h1h the contact form is missing"
    reason: Annotated[Text, Rest]


class Dispute(TaskCommand):
    """Opens a dispute: the money stays frozen until both agree, the employer approves, or the hold comes to its end."""

    action: ClassVar[str] = "dispute"
    example: ClassVar[str] = "dispute 7qk2m0x9t4h1h delivered as agreed, no answer"
    reason: Annotated[Text, Rest]


class Payout(TaskCommand):
    """Names where your money goes: a Lightning invoice for exactly the amount owed. Replaces an earlier one that is not on its way."""

    action: ClassVar[str] = "payout"
    example: ClassVar[str] = "payout 7qk2m0x9t4h1h lnbc500u1p..."
    destination: Destination
    salt: Annotated[Sha256 | None, Option] = None  # opens the dest_hash of a signed claim
