"""A house, three people, and `Life`: one task, the clocks around it, and everything that was decided about it.

Every decision of a test goes through `Life.hear`, which asserts what must hold after each one (`musts`).
"""

from __future__ import annotations

import dataclasses
import functools
import hashlib
from collections.abc import Mapping
from decimal import Decimal
from typing import Any, TypeVar

from handlers.decide import decide
from handlers.decision import Decision, Effect, Incident, LogLine, MakeHold, Refusal, Say
from handlers.house import OPEN, House
from handlers.policy import DAY, Policy
from handlers.task import Funding, Payout, Task
from kinds import bolt11, commands
from kinds.codes import Refused, Told
from kinds.inputs import (
    Basis,
    Check,
    Evidence,
    Fetched,
    HoldMade,
    HoldSeen,
    Now,
    Offered,
    PaymentSeen,
    PayWanted,
    Proven,
    Reached,
    Said,
    Tick,
    What,
)
from kinds.lightning import Fault, HoldStatus, HoldView, NodeFacts, Part, PaymentStatus, PaymentView
from kinds.rate import Rate
from kinds.states import LogType, Role
from kinds.task import offer
from kinds.units import EventId, Msat, PaymentHash, Pubkey, Secret, TaskId, sats
from tests.handlers.musts import is_due, must_hold

H, PS = HoldStatus, PaymentStatus
E = TypeVar("E", bound=Effect)

BOT, EMPLOYER, WORKER, STRANGER, OTHER = (Pubkey(letter * 64) for letter in "b1234")
NODE_KEY, WORKER_KEY = b"\x11" * 32, b"\x22" * 32
START, HEIGHT = 1_800_000_000, 800_000
SHA = "ab" * 32
LINK = "https://example.org/work.zip"

POLICY = Policy(
    bot=BOT,
    network="simnet",
    hrp="lnplay",
    node=bolt11.public_key(NODE_KEY),
    terms_version=EventId("77" * 32),
    hold_cltv=2000,
    currencies=("INR",),
    rate_sources=("one", "two", "three"),
    deposit_above=sats(1_000_000),  # a deposit is suggested only where a test wants it
    deposit_above_price=1_000_000,
)


def preimage_of(name: str) -> str:
    return hashlib.sha256(f"preimage {name}".encode()).hexdigest()


def hash_of(preimage: str) -> PaymentHash:
    return PaymentHash(hashlib.sha256(bytes.fromhex(preimage)).hexdigest())


@functools.cache
def invoice(
    name: str,
    amount: Msat | None,
    at: int = START,
    *,
    expiry: int = 60 * DAY,
    final_cltv: int = 40,
    hrp: str = "lnplay",
    key: bytes = WORKER_KEY,
    payment_hash: str = "",
) -> str:
    """A BOLT11 invoice whose preimage is `preimage_of(name)`."""
    words = bolt11.Bolt11(
        hrp=hrp,
        timestamp=at,
        payment_hash=PaymentHash(payment_hash) or hash_of(preimage_of(name)),
        payment_secret=Secret("5e" * 32),
        amount=amount,
        description=name,
        expiry=expiry,
        final_cltv=final_cltv,
    )
    return bolt11.encode(words, key)


@dataclasses.dataclass
class Life:
    """One task, the clocks around it, and everything that was decided."""

    policy: Policy = POLICY
    house: House = OPEN
    market: Decimal | None = None  # what a bitcoin costs in rupees at this moment; None: nobody knows
    remembered: Task | None = None
    time: int = START
    height: int = HEIGHT
    deaf: int = 0
    inputs: int = 0
    lines: list[LogLine] = dataclasses.field(default_factory=list)
    effects: list[Effect] = dataclasses.field(default_factory=list)
    says: list[Say] = dataclasses.field(default_factory=list)
    incidents: list[Incident] = dataclasses.field(default_factory=list)
    warned: set[tuple[str, str]] = dataclasses.field(default_factory=set)

    # ------------------------------------------------------------------ what is remembered

    @property
    def task(self) -> Task:
        assert self.remembered is not None, "nothing was offered yet"
        return self.remembered

    @property
    def now(self) -> Now:
        entropy = hashlib.sha256(f"entropy {self.inputs}".encode()).hexdigest()
        return Now(self.time, self.height, f"{self.height:064x}", self.deaf, entropy)

    @property
    def stands(self) -> str:
        """Where the task stands: state, phase and work in a word."""
        task = self.task
        return f"{task.state}{'/' if task.phase else ''}{task.phase}:{task.current.state}"

    @property
    def hold(self) -> Funding:
        found = [f for f in self.task.fundings if f.goal != "stray"]
        return found[-1]

    @property
    def share(self) -> Payout:
        """The newest payout of the worker's share."""
        return [p for p in self.task.payouts if p.role is Role.WORKER][-1]

    @property
    def types(self) -> list[str]:
        return [str(line.type) for line in self.lines]

    def told(self, code: Told, to: Pubkey | None = None) -> list[Say]:
        return [say for say in self.says if say.code is code and to in (None, say.to)]

    def last(self, kind: LogType) -> LogLine:
        return [line for line in self.lines if line.type is kind][-1]

    def last_facts(self, kind: str) -> Mapping[str, Any]:
        return self.last(LogType(kind)).facts

    def ordered(self, kind: type[E]) -> list[E]:
        return [effect for effect in self.effects if isinstance(effect, kind)]

    def copy(self) -> Life:
        return dataclasses.replace(
            self,
            lines=[*self.lines],
            effects=[*self.effects],
            says=[*self.says],
            incidents=[*self.incidents],
            warned={*self.warned},
        )

    # ------------------------------------------------------------------ one input

    def hear(self, what: What) -> Decision | Refusal:
        """Decides, and asserts what must hold after any decision."""
        self.inputs += 1
        before, house = self.remembered, self.house
        if self.market is not None:
            house = dataclasses.replace(house, rate=Rate("INR", self.market, ("one", "two"), self.time))
        outcome = decide(before, what, self.now, self.policy, house)
        assert decide(before, what, self.now, self.policy, house) == outcome, "the same input, the same answer"
        if isinstance(outcome, Refusal):
            return outcome
        must_hold(before, outcome, self.now, self.policy)
        self._check_warnings(outcome)
        self.remembered = outcome.task
        self.lines += outcome.log
        self.effects += outcome.effects
        self.says += outcome.says
        self.incidents += outcome.incidents
        return outcome

    def did(self, what: What) -> Decision:
        outcome = self.hear(what)
        assert isinstance(outcome, Decision), f"refused: {outcome}"
        return outcome

    def refuses(self, what: What) -> Refused:
        """The refusal's code; the task must be exactly as before."""
        before = self.remembered
        outcome = self.hear(what)
        assert isinstance(outcome, Refusal), f"not refused: now {self.stands}"
        assert self.remembered == before
        return outcome.code

    def _check_warnings(self, done: Decision) -> None:
        for say in done.says:
            if say.code is Told.WARNING:
                assert (say.to, say.ref) not in self.warned, f"warned twice: {say.ref}"
                self.warned.add((say.to, say.ref))

    # ------------------------------------------------------------------ people

    def offer(
        self,
        reward: Msat = sats(50_000),
        deadline: int = 2 * DAY,
        by: Pubkey = EMPLOYER,
        rupees: str = "",
        **terms: Any,
    ) -> Life:
        cost = (rupees, "INR") if rupees else (str(reward // 1000), "sats")
        words = offer("Build a page", cost[0], START + deadline, terms, cost[1])
        pinned = EventId(hashlib.sha256(b"offer").hexdigest())
        evidence = Evidence(Proven.SIGNED, {"id": pinned}, None, self.time)
        self.did(Offered(by, words, pinned, f"30078:{by}:page", evidence))
        return self

    def said(
        self,
        by: Pubkey,
        command: commands.Command,
        *,
        signed: bool = False,
        basis: Basis | None = None,
        created_at: int | None = None,
    ) -> Said:
        at = self.time if created_at is None else created_at
        if not signed:
            return Said(by, command, Evidence(Proven.ATTESTED, created_at=at))
        event = {"id": f"{self.inputs:064x}", "pubkey": by}
        return Said(by, command, Evidence(Proven.SIGNED, event, basis or self.basis(command), at))

    def basis(self, command: commands.Command) -> Basis:
        """The entry that a careful client names: the newest of the kind that the protocol asks for, else the newest."""
        wants = {
            "claim": LogType.TASK_CREATED,
            "hire": LogType.TASK_CREATED,
            "approve": LogType.PROOF_SUBMITTED,
            "reject": LogType.PROOF_SUBMITTED,
            "cancel": LogType.CANCEL_OFFERED,
            "agree": LogType.PLAN_PROPOSED,
        }
        kind = wants.get(command.action)
        newest = [line for line in self.lines if line.type is kind] or self.lines
        return Basis(newest[-1].type, newest[-1].seq)

    def say(self, by: Pubkey, command: commands.Command, **how: Any) -> Decision:
        return self.did(self.said(by, command, **how))

    @property
    def id(self) -> TaskId:
        return self.task.id

    def command(self, action: str, **fields: Any) -> commands.Command:
        """A command about this task, with harmless fields where it needs some."""
        usual: dict[str, dict[str, Any]] = {
            "submit": {"url": LINK, "sha256": SHA, **self._all_hours()},
            "reject": {"reason": "no"},
            "dispute": {"reason": "no"},
            "hire": {"npub": WORKER},
            "milestones": {"milestones": 'One 20000 1d; "Two" 30000 2d'},
            "agree": {"plan": "ab" * 32},
            "say": {"text": "shall we?"},
            "compensate": {"amount": 5_000, "reason": "the hold was lost"},
        }
        model = next(model for model in commands.COMMANDS if model.action == action)
        return model.model_validate({"task": self.id} | usual.get(action, {}) | fields)

    def _all_hours(self) -> dict[str, str]:
        """As many as there is room for, where the work is paid by the hour."""
        most = self.task.most_hours
        return {"hours": f"{most // 100}.{most % 100:02}"} if most else {}

    def fund(self) -> Decision:
        return self.say(EMPLOYER, self.command("fund"))

    def claim(self, by: Pubkey = WORKER, **fields: Any) -> Decision:
        return self.say(by, self.command("claim", **fields))

    def submit(self, by: Pubkey = WORKER, sha256: str = SHA, **how: Any) -> Decision:
        return self.say(by, self.command("submit", sha256=sha256), **how)

    def approve(self, **how: Any) -> Decision:
        return self.say(EMPLOYER, self.command("approve"), **how)

    def reject(self, **how: Any) -> Decision:
        return self.say(EMPLOYER, self.command("reject"), **how)

    def dispute(self, by: Pubkey = WORKER) -> Decision:
        return self.say(by, self.command("dispute"))

    def cancel(self, by: Pubkey, percent: int | None = None, **how: Any) -> Decision:
        return self.say(by, self.command("cancel", percent=percent), **how)

    def agree(self, percent: int) -> Life:
        self.cancel(EMPLOYER, percent)
        self.cancel(WORKER, percent)
        return self

    def payout(self, name: str = "share", amount: Msat | None = None, by: Pubkey = WORKER, **shape: Any) -> Decision:
        """Names a destination for what this person is owed now."""
        owed = amount
        if owed is None:
            owed = self.task.share.amount if self.task.share else self.task.net
        return self.say(by, self.command("payout", destination=invoice(name, owed, self.time, **shape)))

    # ------------------------------------------------------------------ the node

    def hold_view(self, status: HoldStatus, funding: Funding | None = None, **changes: Any) -> HoldView:
        hold = funding or self.hold
        expiry = hold.expiry_height or self.height + self.policy.hold_cltv
        parts = (Part("1x1x1", 0, hold.amount, expiry, True),) if status is H.HELD else ()
        words: dict[str, Any] = {
            "payment_hash": hold.payment_hash or hash_of(preimage_of(hold.ref)),
            "status": status,
            "amount": hold.amount,
            "parts": parts,
            "preimage": Secret(preimage_of(hold.ref)) if status is H.SETTLED else Secret(""),
        }
        return HoldView(**(words | changes))

    def make(self, status: HoldStatus = H.OPEN, **changes: Any) -> Decision:
        """The node's answer to the newest MakeHold."""
        hold, expiry = self.hold, self.asked.expiry
        words = {"invoice": Secret(self.hold_invoice()), "expires_at": self.time + expiry}
        return self.did(HoldMade(hold.ref, self.hold_view(status, hold, **(words | changes)), expiry))

    @property
    def asked(self) -> MakeHold:
        """The newest order for a hold."""
        return [effect for effect in self.effects if isinstance(effect, MakeHold)][-1]

    def hold_invoice(self, **otherwise: Any) -> str:
        """The invoice that was asked for, or one that differs from it."""
        name, amount = self.asked.ref, otherwise.pop("amount", self.asked.amount)
        words = {"at": self.time, "expiry": self.asked.expiry, "final_cltv": self.asked.cltv, "key": NODE_KEY}
        return invoice(name, amount, **(words | otherwise))

    def see(self, status: HoldStatus, funding: Funding | None = None, **changes: Any) -> Decision:
        hold = funding or self.hold
        return self.did(HoldSeen(hold.ref, self.hold_view(status, hold, **changes)))

    def leave(self) -> Decision:
        """The money worker asks for leave to pay the share."""
        return self.did(PayWanted(self.share.ref))

    def payment_view(self, payout: Payout, status: PaymentStatus, **changes: Any) -> PaymentView:
        words: dict[str, Any] = {"payment_hash": payout.payment_hash, "status": status, "amount": payout.amount}
        if status is PS.COMPLETE:
            words |= {"preimage": Secret("f" * 64), "fee": Msat(1000)}
        return PaymentView(**(words | changes))

    def pay(self, status: PaymentStatus, payout: Payout | None = None, **changes: Any) -> Decision:
        """The node's word on the share's payout, or on another one."""
        which = payout or self.share
        return self.did(PaymentSeen(which.ref, self.payment_view(which, status, **changes)))

    def fail(self, fault: Fault, reason: str = "no_route") -> Decision:
        return self.pay(PS.FAILED, fault=fault, reason=reason)

    def facts(self, **changes: Any) -> NodeFacts:
        words: dict[str, Any] = {
            "network": "simnet",
            "hrp": "lnplay",
            "pubkey": self.policy.node,
            "height": self.height,
            "block_hash": "00" * 32,
            "synced": True,
            "outbound": sats(10_000_000),
            "inbound": sats(10_000_000),
            "free_slots": 400,
        }
        return NodeFacts(**(words | changes))

    def fetched(self, result: Check, number: int | None = None, **words: Any) -> Decision:
        arriving = self.task.current.arriving
        number = number or (arriving.number if arriving else 1)
        return self.did(Fetched(f"{self.id}/proof/{number}", result, **words))

    # ------------------------------------------------------------------ time

    def wait(self, seconds: int = 0, *, blocks: int | None = None, deaf: int = 0) -> Life:
        """Time passes; a block comes every ten minutes unless said otherwise. `deaf` of the seconds were not heard."""
        self.time += seconds
        self.height += seconds // 600 if blocks is None else blocks
        self.deaf += deaf
        return self

    def until(self, heard: int) -> Life:
        return self.wait(max(0, heard - self.now.heard))

    def to_height(self, height: int) -> Life:
        blocks = max(0, height - self.height)
        return self.wait(blocks * 600)

    def tick(self) -> Decision:
        return self.did(Tick())

    def ticks(self) -> Life:
        """Ticks as the timers do: as long as something is due now."""
        for _ in range(60):
            if not is_due(self.task, self.now):
                return self
            self.tick()
        raise AssertionError("the timers would spin")

    def reach(self, code: Told | None = None, to: Pubkey | None = None) -> Life:
        """A relay that the person reads acknowledges the letters that the task waits for."""
        for say in [*self.says]:
            if say.ref and code in (None, say.code) and to in (None, say.to):
                self.did(Reached(say.ref))
        return self
