"""What a handler answers: a Decision (the next version of the task, log lines, effects, messages) or a Refusal.

Effects are goals, not calls: the outbox carries them out, looks at the node first, and reports what it found as an input.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from handlers.house import OPEN, House
from handlers.policy import Policy
from handlers.task import Task, in_both
from kinds.codes import Refused, Told
from kinds.inputs import Evidence, Now
from kinds.states import LogType, TaskState
from kinds.units import Msat, PaymentHash, Pubkey, Secret


@dataclass(frozen=True, slots=True)
class Moment:
    """In which circumstances something is decided: when, by the rules of which house, and on whose word."""

    now: Now
    policy: Policy
    by: str  # a pubkey, or "node", "clock", "operator"
    evidence: Evidence | None = None
    house: House = OPEN


@dataclass(frozen=True, slots=True)
class LogLine:
    """One entry of the public log before it is chained. `facts` are public: no secret, no DM text."""

    type: LogType
    seq: int
    state: TaskState
    work: str
    by: str
    proven: str  # signed, attested, node, clock
    facts: Mapping[str, Any]
    event: Mapping[str, Any] | None = None


@dataclass(frozen=True, slots=True)
class MakeHold:
    ref: str  # funding
    amount: Msat
    expiry: int
    cltv: int
    memo: str
    give_up_at: int  # unix seconds


@dataclass(frozen=True, slots=True)
class SettleHold:
    ref: str  # funding
    payment_hash: PaymentHash


@dataclass(frozen=True, slots=True)
class CancelHold:
    ref: str  # funding
    payment_hash: PaymentHash


@dataclass(frozen=True, slots=True)
class Pay:
    ref: str  # payout
    payment_hash: PaymentHash


@dataclass(frozen=True, slots=True)
class Fetch:
    ref: str  # "<task>/proof/<number>"
    url: str
    sha256: str


@dataclass(frozen=True, slots=True)
class Remit:
    """Sends what somebody withdraws from his account."""

    owner: Pubkey
    ref: str  # withdrawal
    payment_hash: PaymentHash


Effect = MakeHold | SettleHold | CancelHold | Pay | Fetch | Remit


@dataclass(frozen=True, slots=True)
class Say:
    """A message to one person. `ref`: the task wants to know (input Reached) when a relay that he reads has it."""

    to: Pubkey
    code: Told
    facts: Mapping[str, Any]
    ref: str = ""


@dataclass(frozen=True, slots=True)
class Incident:
    """Something that the operator must see."""

    code: str
    facts: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Decision:
    task: Task
    log: tuple[LogLine, ...] = ()
    effects: tuple[Effect, ...] = ()
    says: tuple[Say, ...] = ()
    incidents: tuple[Incident, ...] = ()

    def change(self, **changes: Any) -> Decision:
        return self.on(replace(self.task, **changes))

    def on(self, task: Task) -> Decision:
        return Decision(task, self.log, self.effects, self.says, self.incidents)

    def do(self, *effects: Effect) -> Decision:
        return replace(self, effects=self.effects + effects)

    def say(self, to: Pubkey | None, code: Told, ref: str = "", **facts: Any) -> Decision:
        """Tell somebody about this task; nobody when `to` is None."""
        if to is None:
            return self
        told = Say(to, code, {"task": self.task.id, "title": self.task.title, **in_both(self.task), **facts}, ref)
        return replace(self, says=(*self.says, told))

    def incident(self, code: str, **facts: Any) -> Decision:
        return replace(self, incidents=(*self.incidents, Incident(code, {"task": self.task.id, **facts})))


@dataclass(slots=True)
class Refusal(Exception):
    """Nothing changes; the person is told why and what to do next. Raised by guards, caught by `decide` alone."""

    code: Refused
    facts: dict[str, Any] = field(default_factory=dict)


def refuse(code: Refused, **facts: Any) -> Refusal:
    return Refusal(code, facts)


@dataclass(frozen=True, slots=True)
class Salted:
    """A private value and the salt under which the log commits to it."""

    salt: str
    value: Secret
