"""Everything that happens to a task, as stored before it is processed. Each carries its moment (`Now`)."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from kinds.commands import Command
from kinds.lightning import HoldView, PaymentView
from kinds.states import LogType
from kinds.task import Offer
from kinds.units import EventId, Pubkey


@dataclass(frozen=True, slots=True)
class Now:
    """The moment of hearing: never a sender's created_at."""

    time: int  # unix seconds
    height: int  # blocks
    block_hash: str
    deaf: int  # cumulative seconds in which the daemon could not hear
    entropy: str  # 64 hex digits, fresh for this input: salts are derived from it

    @property
    def heard(self) -> int:
        """The clock on which deadlines run: it stands still while the daemon is deaf. Deadlines are stored on it."""
        return self.time - self.deaf


BY_HAND = Pubkey("cli")
"""Who speaks through the command line beside the daemon; no key has this name."""


class Proven(StrEnum):
    """How well it is proven who said something (design: lifecycle, last section)."""

    SIGNED = "signed"  # by a public event that the log embeds
    ATTESTED = "attested"  # by a DM: only the bot says so


@dataclass(frozen=True, slots=True)
class Basis:
    """The log entry of this task that a signed decision rests on."""

    type: LogType
    seq: int


@dataclass(frozen=True, slots=True)
class Evidence:
    proven: Proven
    event: dict[str, Any] | None = None  # the signed public event, verbatim
    basis: Basis | None = None
    created_at: int = 0  # by the sender's clock


@dataclass(frozen=True, slots=True)
class Offered:
    """A task offer, by event or by `post`."""

    by: Pubkey
    offer: Offer
    pinned: EventId  # the event (or DM rumor) that made it, and the source of the task's id
    address: str  # the employer's address; "" for a posted task
    evidence: Evidence


@dataclass(frozen=True, slots=True)
class Said:
    """A command about a task. Handlers see neither its channel nor its form."""

    by: Pubkey
    command: Command
    evidence: Evidence


@dataclass(frozen=True, slots=True)
class HoldMade:
    """The answer to MakeHold; a view that is neither open nor held means that the node could not make it."""

    ref: str
    view: HoldView
    expiry: int = 0  # seconds that were asked for; 0 in what was stored before it was
    salt: str = (
        ""  # under which the log commits to its hash: derived from our key and the ref, so that no backup need hold it
    )


@dataclass(frozen=True, slots=True)
class HoldSeen:
    """The node's word on a hold, whenever it differs from the last one."""

    ref: str
    view: HoldView


@dataclass(frozen=True, slots=True)
class PayWanted:
    """The money worker is about to send this payout and asks for leave; its commit is the write-ahead intent."""

    ref: str


@dataclass(frozen=True, slots=True)
class PaymentSeen:
    """The node's word on a payout."""

    ref: str
    view: PaymentView


@dataclass(frozen=True, slots=True)
class RemitWanted:
    """The same of a withdrawal: leave to send it."""

    owner: Pubkey
    ref: str


@dataclass(frozen=True, slots=True)
class RemitSeen:
    """The node's word on a withdrawal."""

    owner: Pubkey
    ref: str
    view: PaymentView


@dataclass(frozen=True, slots=True)
class AccountDue:
    """The next try of one of this person's withdrawals is due."""

    owner: Pubkey


class Check(StrEnum):
    """What is known of a deliverable."""

    MATCHED = "matched"
    MISMATCHED = "mismatched"
    UNCHECKED = "unchecked"


@dataclass(frozen=True, slots=True)
class Fetched:
    """What came of downloading a deliverable."""

    ref: str
    check: Check
    sha256: str = ""
    reason: str = ""  # why unchecked


@dataclass(frozen=True, slots=True)
class Reached:
    """A relay that somebody reads has acknowledged a message to him that was marked with this ref."""

    ref: str


@dataclass(frozen=True, slots=True)
class Tick:
    """Something is due by time or height."""


What = Offered | Said | HoldMade | HoldSeen | PayWanted | PaymentSeen | Fetched | Reached | Tick
"""What happens to a task."""

OfAccount = RemitWanted | RemitSeen | AccountDue
"""What happens to somebody's account, beside what he says himself."""
