"""What people do with an agreement: they read the public log and their letters, and act by their temper. Every move is one thing that a
real person or program could do; which one, and when, is chance."""

from __future__ import annotations

import asyncio
import hashlib
import random
from collections.abc import Callable
from dataclasses import dataclass, field
from decimal import Decimal
from enum import StrEnum
from typing import Any

from kinds.hours import read_hours
from kinds.units import EventId, task_id
from tests.simulation.gazette import Gazette, Public
from tests.simulation.person import Person
from tests.simulation.story import Story

HOUR = 3600
_CRUMBS = 20_000  # msat: less than that is left where it is


class Temper(StrEnum):
    HONEST = "honest"
    FORGETFUL = "forgetful"  # late, or never
    PICKY = "picky"  # rejects and disputes
    FICKLE = "fickle"  # cancels and abandons
    HOSTILE = "hostile"  # anything at all, at the worst time


@dataclass(slots=True)
class Said:
    """The truth about what was said, for the judge at the end."""

    at: int
    who: str
    action: str
    percent: int = 0


@dataclass(slots=True)
class Ahead:
    """What an employer does with a deposit: he accepts, puts it off, declines; and pays all that he is asked for then, some of it or nothing."""

    chance: random.Random
    accepts: float = 0.0  # per turn, once he is asked
    pays: float = 0.0  # per turn and invoice
    in_four: bool = False  # milestones, where somebody proposes some
    pesters: float = 0.0  # per turn: says something about it whether it fits or not


@dataclass(slots=True)
class Deal:
    """One agreement, from its people's side."""

    number: int
    employer: Person
    worker: Person
    thief: Person
    tempers: dict[str, Temper]
    sat: int
    terms: dict[str, Any]
    deadline: int
    posted: bool
    rupees: str = ""  # the price, where it is not in sats
    task: str = ""
    said: list[Said] = field(default_factory=list)
    hurry: dict[str, asyncio.Event] = field(default_factory=dict)  # by role: act now
    ahead: Ahead | None = None  # whether the employer locks a deposit; None: he is never asked
    tired: bool = False  # nobody renews the hold of a dispute any more, so that it ends


Weights = dict[str, float]

# by (state, work) as the log shows them: what an honest person may do, with weights; '' is waiting
EMPLOYER: dict[tuple[str, str], Weights] = {
    ("Draft", "PENDING"): {
        "fund": 8,
        "": 1,
        "hire": 4,
        "select": 2,
        "propose": 2,
        "propose_later": 1,
        "propose_hours": 1,
        "agree_plan": 6,
    },
    ("PendingFunding", "PENDING"): {"lock": 8, "fund": 1},
    ("Funded", "PENDING"): {"": 5, "hire": 4},
    ("Claimed", "IN_PROGRESS"): {"": 9},
    ("Claimed", "SUBMITTED"): {"approve": 8, "": 1},
    ("Claimed", "REJECTED"): {"": 6, "approve": 1},
    ("Claimed", "APPROVED"): {"lock": 8, "fund": 2, "": 1},
    ("Verified", "APPROVED"): {"": 9},
    ("Disputed", "*"): {"": 8, "approve": 1, "agree": 2, "lock": 2},
}
WORKER: dict[tuple[str, str], Weights] = {
    ("Draft", "PENDING"): {
        "": 5,
        "claim_open": 4,
        "propose": 4,
        "propose_later": 1,
        "propose_hours": 1,
        "agree_plan": 6,
    },
    ("Funded", "PENDING"): {"claim": 6, "claim_later": 3, "": 1},
    ("Claimed", "IN_PROGRESS"): {"submit": 7, "": 2},
    ("Claimed", "SUBMITTED"): {"": 8, "submit": 1},
    ("Claimed", "REJECTED"): {"submit": 5, "": 2},
    ("Claimed", "APPROVED"): {"": 8},
    ("Verified", "APPROVED"): {"payout": 8},
    ("Disputed", "*"): {"": 4, "agree": 4},
}
_NAMES_HOURS = (("Claimed", "IN_PROGRESS"), ("Claimed", "REJECTED"))  # where work is paid by the hour
# added to these by temper, in any state
MOODS: dict[Temper, dict[str, Weights]] = {
    Temper.HONEST: {"employer": {}, "worker": {}},
    Temper.FORGETFUL: {"employer": {"": 20}, "worker": {"": 12}},
    Temper.PICKY: {
        "employer": {"reject": 6, "dispute": 2, "cancel_part": 2},
        "worker": {"dispute": 2, "cancel_part": 2, "submit": 1},
    },
    Temper.FICKLE: {"employer": {"cancel": 3, "cancel_part": 2}, "worker": {"abandon": 4, "cancel": 2, "cancel_part": 1}},
    Temper.HOSTILE: {
        "employer": dict.fromkeys(("cancel", "reject", "dispute", "cancel_part", "approve", "claim", "lock_wrong", "lock_parts", "lock_old", "repost", "replay", "fund", "lock", "hire", "withdraw"), 2),
        "worker": dict.fromkeys(("claim", "submit", "dispute", "abandon", "cancel_part", "approve", "payout", "payout_swap", "payout_bad", "replay", "claim_bad", "cancel", "withdraw"), 2),
    },
}  # fmt: skip
THIEF = (
    "claim", "approve", "cancel", "submit", "payout", "reject", "dispute", "abandon", "fund", "replay", "lock", "payout_bad",
    "claim_bad", "hire", "withdraw",
)  # fmt: skip


class Player:
    """One person in one deal."""

    def __init__(self, deal: Deal, role: str, gazette: Gazette, story: Story, clock: Callable[[], int]) -> None:
        self.deal, self.role, self.gazette, self.story, self.clock = deal, role, gazette, story, clock
        self.me: Person = {"employer": deal.employer, "worker": deal.worker, "thief": deal.thief}[role]
        self.chance: random.Random = self.me.chance
        self.temper = deal.tempers[role]
        deal.hurry[role] = asyncio.Event()
        self._withdrawn: set[int] = set()

    async def play(self) -> None:
        if self.role == "employer":
            self._offer()
        while True:
            await self._pause()
            public = self.gazette.of(self.deal.task)
            if public is None:
                continue
            move = self._choose(public)
            renews = move.startswith("lock") and public.newest["state"] == "Disputed"
            if move and not (renews and self.deal.tired):
                self._do(move, public)
            if self.role == "employer" and self.deal.ahead:
                self._think_ahead(self.deal.ahead, public)
            if public.is_final and self.me.payable < _CRUMBS and self.chance.random() < 0.5:
                return

    async def _pause(self) -> None:
        """Minutes, or hours for some; or at the same moment as somebody else."""
        mean = (
            HOUR if self.role == "thief" else {Temper.FORGETFUL: 2 * HOUR, Temper.HOSTILE: 900}.get(self.temper, 1200)
        )
        seconds = min(self.chance.expovariate(1 / mean), 4 * HOUR)
        hurry = self.deal.hurry[self.role]
        try:
            async with asyncio.timeout(seconds):
                await hurry.wait()
        except TimeoutError:
            pass
        hurry.clear()

    def _choose(self, public: Public) -> str:
        newest = public.newest
        if self.role == "thief":
            return self.chance.choice(THIEF)
        if public.is_final:
            return "withdraw"
        table = EMPLOYER if self.role == "employer" else WORKER
        key = (newest["state"], newest["work"])
        weights = dict(table.get(key) or table.get((newest["state"], "*")) or {"": 1})
        if self.role == "worker" and public.most_hours and key in _NAMES_HOURS:
            weights["hours"] = 3
        for name, weight in MOODS[self.temper][self.role].items():
            weights[name] = weights.get(name, 0) + weight
        return self.chance.choices(list(weights), list(weights.values()))[0]

    def _do(self, move: str, public: Public) -> None:
        deal, me = self.deal, self.me
        self.story.tell(f"{me.name} ({self.role}, {self.temper}): {move}", deal.task)
        getattr(self, f"_{move}")(public)
        if self.chance.random() < 0.2:  # the others act in the same moment
            for role, hurry in deal.hurry.items():
                if role != self.role:
                    hurry.set()

    def _think_ahead(self, plan: Ahead, public: Public) -> None:
        """About the deposit, by its own chance."""
        chance, desk = plan.chance, self.me.desk(self.deal.task)
        if public.is_final and chance.random() < 0.9:
            return
        accepted = public.last("deposit.accepted")
        if chance.random() < plan.pesters:
            move = chance.choice(("accept_deposit", "accept_deposit", "later_deposit", "decline_deposit"))
        elif desk.asked_ahead and not accepted and chance.random() < 0.7:
            likes = chance.random() < plan.accepts
            move = "accept_deposit" if likes else chance.choice(("later_deposit", "later_deposit", "decline_deposit"))
        elif desk.covers and chance.random() < plan.pays:
            move = chance.choice(("lock_ahead", "lock_ahead", "lock_one_ahead", "lock_ahead_wrong"))
        elif desk.renewals and not self.deal.tired and chance.random() < plan.pays:
            move = "lock_renewals"
        else:
            return
        self._do(move, public)

    # The moves

    def _accept_deposit(self, public: Public) -> None:
        self._answer("accept", public)

    def _later_deposit(self, public: Public) -> None:
        self._answer("later", public)

    def _decline_deposit(self, public: Public) -> None:
        self._answer("decline", public)

    def _answer(self, answer: str, public: Public) -> None:
        self.deal.said.append(Said(self.clock(), self.me.name, "deposit", {"accept": 1, "decline": 0}.get(answer, 2)))
        self._say("deposit", public, answer=answer)

    def _lock_ahead(self, public: Public) -> None:
        """Every invoice of a deposit that he was shown."""
        while self.me.desk(self.deal.task).covers:
            self._lock_one_ahead(public)

    def _lock_one_ahead(self, public: Public, factor: float = 1.0) -> None:
        covers = self.me.desk(self.deal.task).covers
        if covers:
            self.me.pay(covers.pop(0), factor=factor)

    def _lock_ahead_wrong(self, public: Public) -> None:
        self._lock_one_ahead(public, 2.0)

    def _lock_renewals(self, public: Public) -> None:
        """Fresh holds, of the agreement and of the deposit beside it."""
        renewals = self.me.desk(self.deal.task).renewals
        while renewals:
            self.me.pay(renewals.pop(0))

    def _say(self, action: str, public: Public | None = None, basis: str = "", **words: Any) -> None:
        """By letter, or signed where the terms or chance want it."""
        deal = self.deal
        deal.said.append(Said(self.clock(), self.me.name, action, words.get("percent", 0)))
        signed = deal.terms.get("min_evidence") == "signed" or self.chance.random() < 0.25
        if signed and public and action not in ("payout",):
            entry = (public.last(basis) if basis else None) or public.newest
            words.pop("destination", None)
            self.me.decide(action, deal.task, entry["id"], **words)
        else:
            self.me.tell(action, deal.task, **words)

    def _offer(self) -> None:
        deal = self.deal
        if deal.posted:
            terms = {name: str(value) for name, value in deal.terms.items()} | {"deadline": str(deal.deadline)}
            cost: dict[str, Any] = {"amount": deal.rupees, "currency": "INR"} if deal.rupees else {"amount": deal.sat}
            if "cap" in deal.terms and deal.number % 2:
                cost.pop("amount")
            pinned = self.me.tell("post", **cost, title=f"Job {deal.number}", terms=terms)
        else:
            price = (deal.rupees, "INR") if deal.rupees else (str(deal.sat), "")
            price = ("", price[1]) if "cap" in deal.terms and deal.number % 2 else price
            pinned = self.me.offer(price, f"Job {deal.number}", deal.deadline, f"job-{deal.number}", deal.terms)
        deal.task = task_id(EventId(pinned))
        cost_told = f"{deal.rupees} INR" if deal.rupees else f"{deal.sat} sat"
        self.story.tell(f"{self.me.name} offers {cost_told}, {deal.tempers}", deal.task)

    def _repost(self, public: Public) -> None:
        """The same address with another amount."""
        if not self.deal.posted:
            self.me.offer(
                (str(self.deal.sat * 2), ""), "changed", self.deal.deadline, f"job-{self.deal.number}", self.deal.terms
            )

    def _fund(self, public: Public) -> None:
        if self.temper is Temper.HOSTILE or self.me.desk(self.deal.task).rests_until <= self.clock():
            self._say("fund", public)

    def _lock(self, public: Public, **how: Any) -> None:
        invoices = self.me.desk(self.deal.task).invoices
        if invoices:
            self.me.pay(invoices[-1], **how)

    def _lock_wrong(self, public: Public) -> None:
        self._lock(public, factor=self.chance.choice((0.5, 0.999, 1.5, 2.0)))

    def _lock_much(self, public: Public) -> None:
        self._lock(public, factor=2.0)

    def _lock_half(self, public: Public) -> None:
        self._lock(public, factor=0.5)

    def _lock_dust(self, public: Public) -> None:
        self._lock(public, parts=15)

    def _lock_parts(self, public: Public) -> None:
        self._lock(public, parts=self.chance.choice((2, 3, 9)))

    def _lock_old(self, public: Public) -> None:
        invoices = self.me.desk(self.deal.task).invoices
        if invoices:
            self.me.pay(self.chance.choice(invoices))

    def _claim(self, public: Public) -> None:
        if self.chance.random() < 0.7:
            self._say("claim", destination=self._named(public.net))
        else:
            self._claim_later(public)

    def _claim_named(self, public: Public) -> None:
        """With a destination that lives as long as anything here."""
        invoice = self.me.invoice(public.net)
        self.me.desk(self.deal.task).named.append(invoice)
        self._say("claim", destination=invoice)

    def _claim_open(self, public: Public) -> None:
        """Where the worker comes before the money."""
        if self.deal.terms.get("order") == "hire_first":
            self._claim(public)

    def _hire(self, public: Public) -> None:
        """One of those who have offered to do it, or sometimes one who has not."""
        offers = [entry["by"] for entry in public.entries.values() if entry["type"] == "claim.offered"]
        if self.temper is Temper.HOSTILE and self.chance.random() < 0.3:
            offers = [self.deal.worker.pubkey, self.deal.thief.pubkey]
        if offers:
            self._say("hire", public, "task.created", npub=self.chance.choice(offers))

    def _hire_worker(self, public: Public) -> None:
        self._say("hire", public, "task.created", npub=self.deal.worker.pubkey)

    def _select(self, public: Public) -> None:
        """Full payment."""
        self._say("select", public, structure="full")

    def _propose_later(self, public: Public) -> None:
        """Milestones that are paid for when they are approved."""
        self._propose(public, funding="on_approval")

    def _propose_hours(self, public: Public) -> None:
        """To be paid by the hour, as a whole or in milestones; in other hands more than the whole, or nothing."""
        unit = int(Decimal(self.deal.rupees or self.deal.sat) * (100 if self.deal.rupees else 1))
        cap = self.chance.choice([hours for hours in (1, 2, 3, 5, 7, 40) if unit % hours == 0])
        rate = unit // cap + (self.temper is Temper.HOSTILE and self.chance.randint(-1, 1))
        written = f"{rate // 100}.{rate % 100:02}" if self.deal.rupees else rate
        parts = self.chance.random() < 0.4
        self._propose(public, parts, payment_type="HOURLY_RATE", rate=written, cap=cap)

    def _propose_whole(self, public: Public) -> None:
        """By the hour, as a whole."""
        self._propose(public, False, payment_type="HOURLY_RATE", rate=self.deal.sat // 40, cap=40)

    def _propose(self, public: Public, in_parts: bool = True, **words: Any) -> None:
        """Two milestones of odd sizes, the second one due with the task; where somebody is hired, and nothing is agreed on."""
        if public.last("task.accepted") is None or (public.last("plan.agreed") and self.temper is not Temper.HOSTILE):
            return
        if self.deal.ahead and self.deal.ahead.in_four:
            return self._propose_four(public, **words)
        whole = Decimal(self.deal.rupees or self.deal.sat)
        first = (whole / 2).quantize(Decimal("0.01") if self.deal.rupees else Decimal(1)) + self.chance.randint(-5, 5)
        half = self.deal.deadline - (self.deal.deadline - int(self.clock())) // 3
        parts = [(first, half), (whole - first, self.deal.deadline)]
        written = [
            {"title": f"Part {n}", "amount": str(amount) if self.deal.rupees else int(amount), "due": str(due)}
            for n, (amount, due) in enumerate(parts, 1)
        ]
        self._say(
            "milestones",
            public,
            milestones=written if in_parts else [],
            review_window=3600,
            on_reject=self.deal.terms.get("on_reject", "dispute"),
            **words,
        )

    def _propose_four(self, public: Public, **words: Any) -> None:
        """5, 8, 5 and 2 twentieths of the whole."""
        whole = Decimal(self.deal.rupees or self.deal.sat)
        unit = Decimal("0.01") if self.deal.rupees else Decimal(1)
        amounts = [(whole * part / 20).quantize(unit) for part in (5, 8, 5)]
        amounts.append(whole - sum(amounts))
        left = self.deal.deadline - int(self.clock())
        dues = [self.deal.deadline - left * later // 8 for later in (3, 2, 1, 0)]
        written = [
            {"title": f"Part {n}", "amount": str(amount) if self.deal.rupees else int(amount), "due": str(due)}
            for n, (amount, due) in enumerate(zip(amounts, dues, strict=True), 1)
        ]
        self._say("milestones", public, milestones=written, review_window=3600, on_reject="dispute", **words)

    def _agree_plan(self, public: Public) -> None:
        proposed = public.last("plan.proposed")
        if proposed and (proposed["by"] != self.me.pubkey or self.temper is Temper.HOSTILE):
            self._say("agree", public, "plan.proposed", plan=proposed["facts"]["plan"])

    def _claim_later(self, public: Public) -> None:
        self._say("claim", public, "task.created")

    def _claim_bad(self, public: Public) -> None:
        self._say("claim", destination=self._bad(public.net))

    def _submit(self, public: Public) -> None:
        sha256 = hashlib.sha256(self.chance.randbytes(8)).hexdigest()
        hours = self._worked(public)
        if self.chance.random() < 0.5 or self.deal.terms.get("min_evidence") == "signed":
            self.deal.said.append(Said(self.clock(), self.me.name, "submit"))
            self.me.prove(self.deal.task, public, self.deal.employer.pubkey, sha256, hours)
        else:
            words: dict[str, Any] = {"hours": hours} if hours else {}
            self._say("submit", url="https://example.org/file.zip", sha256=sha256, **words)

    def _hours(self, public: Public) -> None:
        """How many hours the next delivery is about, by letter."""
        hours = self._number(public)
        if hours:
            self.me.tell("hours", self.deal.task, hours=hours)

    def _worked(self, public: Public) -> str:
        """The hours of a delivery, where it is paid by the hour; sometimes they were said before, or just now."""
        if "cap" not in self.deal.terms or self.chance.random() < 0.3:
            return ""
        if self.chance.random() < 0.3 and self.deal.terms.get("min_evidence") != "signed":
            self._hours(public)
            return ""
        return self._number(public)

    def _number(self, public: Public) -> str:
        """All hours, or some; in other hands too many, none, or nonsense."""
        chance, most = self.chance, public.most_hours
        if not most:
            return ""
        if self.temper is Temper.HOSTILE and chance.random() < 0.4:
            written = chance.choice(("0", "0.001", "1e2", "NaN", "99999", f"{most // 100 + 1}", "0.01"))
        else:
            hours = most if chance.random() < 0.3 else chance.randint(1, most)
            written = f"{hours // 100}.{hours % 100:02}"
        self.deal.said.append(Said(self.clock(), self.me.name, "hours", read_hours(written) or 0))
        return written

    def _approve(self, public: Public) -> None:
        self._say("approve", public, "proof.submitted")

    def _reject(self, public: Public) -> None:
        self._say("reject", public, "proof.submitted", reason="not what we agreed on")

    def _reject_signed(self, public: Public) -> None:
        """Of the very work that he has seen."""
        self.deal.said.append(Said(self.clock(), self.me.name, "reject"))
        proof = public.last("proof.submitted") or public.newest
        self.me.decide("reject", self.deal.task, proof["id"], reason="not what we agreed on")

    def _dispute(self, public: Public) -> None:
        self._say("dispute", public, reason="this is wrong")

    def _abandon(self, public: Public) -> None:
        self._say("abandon", public)

    def _cancel(self, public: Public) -> None:
        self._say("cancel", public, "cancel.offered")

    def _cancel_part(self, public: Public) -> None:
        self._say("cancel", public, "cancel.offered", percent=self.chance.choice((0, 1, 33, 50, 99, 100)))

    def _agree(self, public: Public) -> None:
        """To what the other has offered; or an offer."""
        offer = public.last("cancel.offered")
        if offer is None or offer["by"] == self.me.pubkey:
            self._say("cancel", public, percent=50)
        else:
            self._say("cancel", public, "cancel.offered", percent=offer["facts"]["percent"])

    def _payout(self, public: Public) -> None:
        desk = self.me.desk(self.deal.task)
        if desk.owed:
            self._say("payout", destination=self._named(desk.owed))
            desk.owed = 0

    def _payout_swap(self, public: Public) -> None:
        """Another destination while one may be on its way."""
        self._say("payout", destination=self._named(public.net))

    def _payout_bad(self, public: Public) -> None:
        self._say("payout", destination=self._bad(public.net))

    def _withdraw(self, public: Public) -> None:
        """All of what stands in his account, a part, or more than that; in the words of an account or of a task."""
        me, chance = self.me, self.chance
        move = chance.random()
        if me.payable < _CRUMBS or move < 0.1:
            me.tell(chance.choice(("balance", "balance", "statement")))
        elif move < 0.2 and self.temper is Temper.HOSTILE:
            me.tell(
                "withdraw",
                destination=chance.choice([me.invoice(me.payable * 2), self._bad(me.payable), *me.sent_to_him]),
            )
        else:
            amount = max(1000, me.payable // chance.choice((1, 1, 1, 2, 3)))
            invoice = me.invoice(amount, chance.choice((200, HOUR, 30 * 86400)))
            me.sent_to_him.append(invoice)
            if move < 0.8:
                me.tell("withdraw", destination=invoice)
            else:
                me.tell("payout", self.deal.task, destination=invoice)

    def _withdraw_all(self, public: Public) -> None:
        """What stands in his account, as far as he knows."""
        self.me.tell("withdraw", destination=self.me.invoice(max(1000, self.me.payable)))

    def _replay(self, public: Public) -> None:
        """Something that was said before, by anybody, once more."""
        old = self.deal.employer.spoken + self.deal.worker.spoken
        if old:
            for relay in self.me._relays:
                relay.take(self.chance.choice(old))

    def _named(self, amount: int) -> str:
        """A destination; many expire soon, and are asked for again."""
        invoice = self.me.invoice(amount, self.chance.choice((HOUR, 30 * 86400, 30 * 86400)))
        self.me.desk(self.deal.task).named.append(invoice)
        return invoice

    def _bad(self, amount: int) -> str:
        """A destination that must be refused: another amount, one that is used, the node's own, nonsense. What the other side has
        named stays out of it: it may never have been used, and then who names it gives his own money away."""
        used = [*self.me.desk(self.deal.task).named, *self.deal.employer.desk(self.deal.task).invoices]
        return self.chance.choice(
            [self.me.invoice(amount + 1000), self.me.invoice(amount // 2 or 1), "lnbc1nonsense", *used]
        )
