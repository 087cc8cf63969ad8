"""One complete life of a task, each step as soon as the one before it shows: task event, fund, pay, claim, proof event, signed
approve, Paid."""

from __future__ import annotations

import hashlib
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.people import Crowd, Person
from bot.nodes.simnet.control import ask
from kinds.commands import Approve, Claim, Fund
from kinds.units import task_id

REWARD = 2_000  # sats
DIGEST = hashlib.sha256(b"<h1>Holdfast Bakery</h1>").hexdigest()
PATIENCE = 120.0  # seconds for any one step


@dataclass(frozen=True, slots=True)
class Lived:
    task: str
    seconds: float  # from the task event to Paid
    decision: float  # seconds from the signed approve to its published entry
    paid: float  # seconds from the signed approve to the entry that says that all is settled


async def live(crowd: Crowd, employer: Person, worker: Person, wallets: Path) -> Lived:
    began = time.perf_counter()
    offer = await employer.offer("Build a landing page", REWARD)
    task = task_id(offer.id)
    await crowd.say(offer)
    created = await crowd.entry(task, "task.created", PATIENCE)

    wrap, _ = await employer.message(Fund(task=task))
    await crowd.say(wrap)
    invoice = await employer.letters.first("", lambda letter: bool(letter.invoice), PATIENCE, "the invoice")
    await at_wallet(wallets, do="pay", wallet="employer", invoice=invoice.invoice)
    await crowd.entry(task, "invoice.accepted", PATIENCE)

    mine = (await at_wallet(wallets, do="invoice", wallet="worker", amount_sat=REWARD, expiry=7 * 86400))["invoice"]
    wrap, _ = await worker.message(Claim(task=task, destination=mine))
    await crowd.say(wrap)
    await crowd.entry(task, "task.claimed", PATIENCE)

    url = "https://example.org/landing-page.html"
    await crowd.say(await worker.proof(task, created.event, employer.pubkey, url, DIGEST))
    proof = await crowd.entry(task, "proof.submitted", PATIENCE)

    decision = await employer.decision(Approve(task=task, feedback="Lovely!"), proof.event.id)
    decided = time.perf_counter()
    await crowd.say(decision)
    verified = await crowd.entry(task, "proof.verified", PATIENCE)
    paid = await crowd.entry(task, "settlement.completed", PATIENCE)
    return Lived(task, paid.at - began, verified.at - decided, paid.at - decided)


async def at_wallet(wallets: Path, **request: Any) -> dict[str, Any]:
    """Somebody's wallet in the simulated network; it lives inside the daemon, and its work is in the daemon's CPU time."""
    answer = await ask(wallets, request)
    if "error" in answer:
        raise RuntimeError(f"the simulated wallet says: {answer['error']}")
    return answer
