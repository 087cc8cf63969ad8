"""One complete life of a task, each step as soon as the one before it shows: task event, fund, pay, claim, proof event, signed
approve, Paid."""

from __future__ import annotations

import hashlib
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from benchmarks.people import Crowd, Person
from bot.door import ask
from kinds.commands import Approve, Claim, Fund
from kinds.events import Event
from kinds.units import task_id

REWARD = 2_000  # sats
EXPIRY = 7 * 86400  # seconds that a worker's invoice lives
DIGEST = hashlib.sha256(b"<h1>Holdfast Bakery</h1>").hexdigest()
PATIENCE = 120.0  # seconds for any one step


class Money(Protocol):
    """The wallets of an employer and a worker."""

    async def pay(self, invoice: str) -> float:
        """The employer begins to pay: when (perf_counter)."""

    async def invoice(self, sat: int) -> str:
        """The worker's."""


@dataclass(frozen=True, slots=True)
class PlayMoney:
    """Wallets in the simulated network; it lives inside the daemon, and its work is in the daemon's CPU time."""

    socket: Path

    async def pay(self, invoice: str) -> float:
        began = time.perf_counter()
        await self._ask(do="pay", wallet="employer", invoice=invoice)
        return began

    async def invoice(self, sat: int) -> str:
        made = await self._ask(do="invoice", wallet="worker", amount_sat=sat, expiry=EXPIRY)
        return str(made["invoice"])

    async def _ask(self, **request: Any) -> dict[str, Any]:
        answer = await ask(self.socket, request)
        if "error" in answer:
            raise RuntimeError(f"the simulated wallet says: {answer['error']}")
        return answer


@dataclass(frozen=True, slots=True)
class Lived:
    """The moments of a life (perf_counter), and the invoices that were paid in it."""

    task: str
    hold: str
    payout: str
    began: float
    paying: float  # the employer begins to pay
    funded: float  # the entry that says so is seen
    decided: float  # the signed approve goes out
    verified: float  # its entry is seen
    over: float  # the entry that says that all is settled is seen

    @property
    def seconds(self) -> float:
        """From the task event to Paid."""
        return self.over - self.began

    @property
    def decision(self) -> float:
        """From the signed approve to its published entry."""
        return self.verified - self.decided

    @property
    def paid(self) -> float:
        """From the signed approve to the entry that says that all is settled."""
        return self.over - self.decided


@dataclass(frozen=True, slots=True)
class Hired:
    """A life up to the claim: the money is held, the worker is at work."""

    task: str
    hold: str
    payout: str
    created: Event
    began: float
    paying: float
    funded: float


async def live(crowd: Crowd, employer: Person, worker: Person, money: Money) -> Lived:
    hired = await hire(crowd, employer, worker, money)
    task = hired.task
    url = "https://example.org/landing-page.html"
    await crowd.say(await worker.proof(task, hired.created, employer.pubkey, url, DIGEST))
    proof = await crowd.entry(task, "proof.submitted", PATIENCE)

    decision = await employer.decision(Approve(task=task, feedback="Lovely!"), proof.event.id)
    decided = time.perf_counter()
    await crowd.say(decision)
    verified = await crowd.entry(task, "proof.verified", PATIENCE)
    over = await crowd.entry(task, "settlement.completed", PATIENCE)
    return Lived(task, hired.hold, hired.payout, hired.began, hired.paying, hired.funded, decided, verified.at, over.at)


async def hire(crowd: Crowd, employer: Person, worker: Person, money: Money) -> Hired:
    began = time.perf_counter()
    offer = await employer.offer("Build a landing page", REWARD)
    task = task_id(offer.id)
    await crowd.say(offer)
    created = await crowd.entry(task, "task.created", PATIENCE)

    wrap, _ = await employer.message(Fund(task=task))
    await crowd.say(wrap)
    quote = await employer.letters.first(
        "", lambda letter: bool(letter.invoice) and letter.task == task, PATIENCE, "the invoice"
    )
    paying = await money.pay(quote.invoice)
    funded = await crowd.entry(task, "invoice.accepted", PATIENCE)

    mine = await money.invoice(REWARD)
    wrap, _ = await worker.message(Claim(task=task, destination=mine))
    await crowd.say(wrap)
    await crowd.entry(task, "task.claimed", PATIENCE)
    return Hired(task, quote.invoice, mine, created.event, began, paying, funded.at)
