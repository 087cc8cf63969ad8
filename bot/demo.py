"""Three lives of a task, played by an employer and a worker who are ordinary Nostr clients, against a daemon of their own.

It needs nothing and leaves nothing: free ports, a temporary directory, play money. Every step is one that a person could do; what
is shown is what the person sees.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import secrets
import tempfile
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from rich.console import Console
from rich.panel import Panel
from rich.rule import Rule
from rich.text import Text

from bot.client import Client, Letter, NoBasis, Waited
from bot.config import Daemon, RelaySettings, Settings
from bot.daemon import Ready, run
from bot.door import ask
from bot.keys import new_secret
from kinds.bolt11 import decode
from kinds.cards import card
from kinds.codes import Told
from kinds.commands import Approve, Cancel, Claim, Fund, Payout, Post, Reject, Submit, Withdraw
from kinds.figures import sats_text
from kinds.units import EventId, commitment, task_id
from verifier import Report, verify

DAY = 86400
PATIENCE = 30.0  # seconds for any one step
WORK = b"<h1>Holdfast Bakery</h1>"
DIGEST = hashlib.sha256(WORK).hexdigest()


@dataclass(frozen=True, slots=True)
class Step:
    """Something that happened, as it is told."""

    life: int
    name: str  # one word for programs
    who: str  # employer, worker, bot, anyone
    how: str  # over which door
    what: str  # what was said or done
    state: str  # of the task, afterwards
    task: str
    answer: str = ""


class Narrator(Protocol):
    def begin(self, life: int, title: str) -> None: ...

    def step(self, step: Step) -> None: ...

    def end(self, report: Report, lives: int, **more: int) -> None: ...


class AsJson:
    """One JSON object a line."""

    def begin(self, life: int, title: str) -> None:
        """Programs need no titles."""

    def step(self, step: Step) -> None:
        self._line({"life": step.life, "step": step.name, "state": step.state, "task": step.task})

    def end(self, report: Report, lives: int, **more: int) -> None:
        result = "ok" if report.ok and len(report.tasks) == lives else "violated"
        self._line({"result": result, **(more or {"lives": lives}), "verified": report.ok})

    def _line(self, said: dict[str, Any]) -> None:
        print(json.dumps(said), flush=True)


class AsStory:
    """Who says what over which channel, and what the bot answers."""

    _COLOURS = {"employer": "cyan", "worker": "magenta", "bot": "green", "anyone": "yellow"}  # noqa: RUF012

    def __init__(self) -> None:
        self._console = Console(highlight=False)

    def begin(self, life: int, title: str) -> None:
        self._console.print(Rule(f"Life {life}: {title}"))

    def step(self, step: Step) -> None:
        said = Text.assemble(
            (f"{step.who:>8} ", f"bold {self._COLOURS[step.who]}"), (f"({step.how}) ", "dim"), step.what, "  ",
            (step.state, "bold"),
        )  # fmt: skip
        self._console.print(said)
        if step.answer:
            self._console.print(Panel(Text(step.answer), title="the bot answers", title_align="left", style="green"))

    def end(self, report: Report, lives: int, **more: int) -> None:
        self._console.print(Rule("Anyone verifies the public log"))
        self._console.print(Text(report.to_text()))


class Unplayable(Exception):
    """A step of the demo did not go as it must; the text says which."""


@dataclass(slots=True)
class Stage:
    """What a life is played on."""

    ready: Ready
    employer: Client
    worker: Client
    narrator: Narrator
    life: int = 0
    task: str = ""
    state: str = ""
    seq: int = 0
    last: str = ""  # words of the bot, for the case that nothing more comes

    def begin(self, title: str) -> None:
        self.life, self.task, self.state, self.seq = self.life + 1, "", "", 0
        self.narrator.begin(self.life, title)

    async def reach(self, state: str) -> None:
        """Waits until the public log says so."""
        if state != self.state:
            entry = await self.worker.public.entry(self.task, state=state, after=self.seq)
            self.state, self.seq = state, entry.seq

    async def tell(self, name: str, who: str, how: str, what: str, *, state: str, answer: Letter | None = None) -> None:
        """Waits for the state, then tells the step."""
        shown = legible(answer) if answer else ""
        self.last = shown or self.last
        if answer and not answer.ok:
            raise Unplayable(f"life {self.life}, {name}: the bot refuses: {shown}")
        await self.reach(state)
        self.narrator.step(Step(self.life, name, who, how, what, state, self.task, shown))

    async def at_wallet(self, **request: Any) -> dict[str, Any]:
        """Asks the simulated network. Raises Unplayable when it refuses."""
        answer = await ask(self.ready.data / "simnet.sock", request)
        if "error" in answer:
            raise Unplayable(f"the simulated wallet says: {answer['error']}")
        return answer

    async def pay(self, letter: Letter) -> None:
        """The employer's wallet pays the invoice in this letter."""
        await self.at_wallet(do="pay", wallet="employer", invoice=letter.invoice)

    async def invoice(self, wallet: str, sats: int) -> str:
        """An invoice that lives long enough for a claim."""
        made = await self.at_wallet(do="invoice", wallet=wallet, amount_sat=sats, expiry=7 * DAY)
        return str(made["invoice"])


def legible(letter: Letter) -> str:
    """What the person sees; without the QR code and most of the invoice, since a story is read and not scanned."""
    text = letter.text
    if letter.said:
        try:
            text = card(Told(letter.code), letter.said, int(time.time())) or str(letter.said.get("text"))
        except ValueError:
            text = str(letter.said.get("text", letter.text))
    rows = [row for row in text.splitlines() if not row or set(row) - set("█▀▄ ")]
    return "\n".join(f"{row[:40]}…{row[-8:]}" if row.startswith("lightning:") else row for row in rows)


async def play(narrator: Narrator) -> bool:
    """All three lives and the verification. True when everything went as it must."""
    async with staged(narrator) as stage:
        try:
            tasks = [await paid(stage), await cancelled(stage), await disputed(stage)]
        except (Waited, NoBasis) as error:
            raise Unplayable(f"{error}; the last answer was: {stage.last or 'none'}") from error
        for task in tasks:
            await stage.employer.public.published(task)
        report = await verify(list(stage.ready.relays), stage.ready.pubkey)
        narrator.end(report, len(tasks))
        return report.ok and {verdict.task for verdict in report.tasks} == set(tasks)


@asynccontextmanager
async def staged(narrator: Narrator, **more: Any) -> AsyncIterator[Stage]:
    """A daemon of our own and two people. `more`: other sections of its settings."""
    with tempfile.TemporaryDirectory(prefix="holdfast-demo-") as folder:
        place, relays = Daemon(data=Path(folder)), RelaySettings(embedded_port=0)
        settings = Settings.model_construct(
            daemon=place, relays=relays, **more
        )  # not by the environment: this is play money
        stop, ready = asyncio.Event(), asyncio.get_running_loop().create_future()
        daemon = asyncio.ensure_future(run(settings, ready.set_result, stop))
        try:
            await asyncio.wait([daemon, ready], return_when=asyncio.FIRST_COMPLETED)
            if daemon.done():
                daemon.result()
            house: Ready = ready.result()
            async with (
                Client(house.relays[0], new_secret(), house.pubkey, within=PATIENCE) as employer,
                Client(house.relays[0], new_secret(), house.pubkey, within=PATIENCE) as worker,
            ):
                yield Stage(house, employer, worker, narrator)
        finally:
            stop.set()
            await asyncio.gather(daemon, return_exceptions=True)


async def paid(stage: Stage) -> str:
    """By public, signed events where there is one, and plain messages else: the strongest proof that there is."""
    employer, worker = stage.employer, stage.worker
    stage.begin("a task that is done and paid")
    title, reward = "Build a landing page", 50_000
    terms = {"description": "One page for a bakery."}
    offer = await employer.task(title, reward, int(time.time()) + 3 * DAY, terms=terms)
    stage.task = task = task_id(offer.id)
    answer = await employer.answer(offer.id)
    await stage.tell("task", "employer", "signed event 30078", f"offers “{title}”", state="Draft", answer=answer)

    await employer.ask(Fund(task=task))
    invoice = await employer.letter(lambda letter: bool(letter.invoice) and task in letter.text, "the invoice")
    await stage.tell("fund", "employer", "NIP-17 text", f"fund {task}", state="PendingFunding", answer=invoice)
    await stage.pay(invoice)
    await stage.tell("pay", "employer", "Lightning", "pays the hold invoice; the money is locked", state="Funded")

    mine, salt = await stage.invoice("worker", reward), secrets.token_hex(32)
    claim = Claim(task=task, dest_hash=commitment(salt, decode(mine).payment_hash))
    answer = await worker.answer((await worker.decide(claim)).id)
    what = "claims the task, naming the hash of the invoice to be paid"
    await stage.tell("claim", "worker", "signed decision 78", what, state="Claimed", answer=answer)
    answer = await worker.ask(Payout(task=task, destination=mine, salt=salt))
    await stage.tell("payout", "worker", "NIP-17 text", "sends that invoice in private", state="Claimed", answer=answer)

    url = "https://example.org/landing-page.html"
    proof = await worker.proof(task, url, DIGEST, mime="text/html", notes="Looks well on phones, too.")
    answer = await worker.answer(proof.id)
    await stage.tell("proof", "worker", "signed event 30079", f"delivers {url}", state="Claimed", answer=answer)

    decision = await employer.decide(Approve(task=task, feedback="Lovely!"))
    answer = await employer.answer(decision.id)
    what = "approves, resting on that very proof"
    await stage.tell("approve", "employer", "signed decision 78", what, state="Verified", answer=answer)
    await stage.reach("Paid")
    last = await worker.letter(lambda letter: letter.code == "paid_worker" or "You are paid" in letter.text, "the pay")
    await stage.tell(
        "paid", "bot", "public log", "the worker is paid, then the hold is settled", state="Paid", answer=last
    )
    return task


async def cancelled(stage: Stage) -> str:
    """By the old direct messages alone."""
    employer = stage.employer
    stage.begin("a task that is taken back")
    post = Post(amount=21_000, title="Translate a flyer", terms={"deadline": "2d"})
    question = await employer.tell(post, "nip04")
    stage.task = task = task_id(EventId(question))
    answer = await employer.answer(question)
    await stage.tell("task", "employer", "NIP-04", "post 21000 “Translate a flyer”", state="Draft", answer=answer)

    await employer.ask(Fund(task=task), "nip04")
    invoice = await employer.letter(lambda letter: bool(letter.invoice) and task in letter.text, "the invoice")
    await stage.tell("fund", "employer", "NIP-04", f"fund {task}", state="PendingFunding", answer=invoice)
    await stage.pay(invoice)
    await stage.tell("pay", "employer", "Lightning", "pays the hold invoice; the money is locked", state="Funded")

    answer = await employer.ask(Cancel(task=task), "nip04")
    await stage.tell("cancel", "employer", "NIP-04", f"cancel {task}", state="Refunded", answer=answer)
    balance = await _balance(stage, "employer")
    await stage.tell("refunded", "bot", "Lightning", f"the money is back; the wallet has {balance}", state="Refunded")
    return task


async def disputed(stage: Stage) -> str:
    """By JSON messages, as a program would; the judgements by signed decisions."""
    employer, worker = stage.employer, stage.worker
    stage.begin("a task that is rejected, disputed and split")
    post = Post(amount=10_000, title="Draw a logo", terms={"deadline": "3d"})
    question = await employer.tell(post, form="json")
    stage.task = task = task_id(EventId(question))
    answer = await employer.answer(question)
    await stage.tell("task", "employer", "NIP-17 JSON", "posts “Draw a logo”", state="Draft", answer=answer)

    await employer.ask(Fund(task=task), form="json")
    invoice = await employer.letter(lambda letter: letter.code == "invoice" and letter.task == task, "the invoice")
    await stage.tell("fund", "employer", "NIP-17 JSON", "asks for the invoice", state="PendingFunding", answer=invoice)
    await stage.pay(invoice)
    await stage.tell("pay", "employer", "Lightning", "pays the hold invoice; the money is locked", state="Funded")

    mine = await stage.invoice("worker", 10_000)
    answer = await worker.ask(Claim(task=task, destination=mine), form="json")
    await stage.tell("claim", "worker", "NIP-17 JSON", "claims it with an invoice", state="Claimed", answer=answer)
    answer = await worker.ask(Submit(task=task, url="https://example.org/logo.svg", sha256=DIGEST), form="json")
    await stage.tell("submit", "worker", "NIP-17 JSON", "delivers a link", state="Claimed", answer=answer)

    decision = await employer.decide(Reject(task=task, reason="it is not what we talked about"))
    answer = await employer.answer(decision.id)
    await stage.tell("reject", "employer", "signed decision 78", "rejects the work", state="Disputed", answer=answer)

    answer = await worker.ask(Cancel(task=task, percent=40, reason="half of it is done"))
    await stage.tell("offer", "worker", "NIP-17 text", f"cancel {task} 40", state="Disputed", answer=answer)
    await employer.public.entry(task, "cancel.offered")
    decision = await employer.decide(Cancel(task=task, percent=40))
    answer = await employer.answer(decision.id)
    what = "cancels with the same 40 percent: they agree"
    await stage.tell("agree", "employer", "signed decision 78", what, state="Verified", answer=answer)

    share = await stage.invoice("worker", 4_000)
    answer = await worker.ask(Payout(task=task, destination=share))
    await stage.tell("paid", "worker", "NIP-17 text", "sends an invoice over that share", state="Paid", answer=answer)

    owed = await employer.letter(lambda letter: letter.code == "change_owed" and letter.task == task, "the change")
    change = int(owed.said["payable_msat"]) // 1000
    await stage.tell("credited", "bot", "NIP-17 JSON", "owes the employer the rest", state="Paid", answer=owed)
    back = await stage.invoice("employer", change)
    await employer.ask(Withdraw(destination=back), form="json")
    done = await employer.letter(lambda letter: letter.code == "credit_paid", "the change")
    await stage.tell("change", "employer", "NIP-17 JSON", "withdraws it: an invoice", state="Paid", answer=done)
    return task


async def _balance(stage: Stage, wallet: str) -> str:
    return sats_text((await stage.at_wallet(do="wallet"))["balances_msat"][wallet])
