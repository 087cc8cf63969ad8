"""A project as two ordinary clients live through it: 20,000 INR in four milestones, one of them rejected and delivered again.

Both decide on the milestones after hiring, talk through the bot, and each milestone has a hold, a rate and a payment of its own: before its work
begins, or when it is approved.
"""

from __future__ import annotations

from collections.abc import Collection
from decimal import Decimal

from bot.client import Letter, NoBasis, Waited
from bot.client.heard import Entry
from bot.demo import DIGEST, Narrator, Stage, Unplayable, staged
from kinds.commands import (
    Agree,
    Approve,
    Claim,
    Deposit,
    Fund,
    Milestones,
    Payout,
    Post,
    Receipt,
    Reject,
    Say,
    Status,
    Submit,
)
from kinds.plan import MilestoneWords
from kinds.units import EventId, task_id
from verifier import verify

WHOLE = 20_000
PARTS = (
    ("UI Design", 5_000, "Homepage & dashboard mockups"),
    ("Backend API", 8_000, "REST API implementation"),
    ("Frontend Dev", 5_000, "React component implementation"),
    ("Testing & QA", 2_000, "Full testing & bug fixes"),
)
REJECTED = 2  # the milestone whose first delivery is refused


async def play_project(narrator: Narrator, funding: str = "upfront", deposit: bool = False) -> bool:
    """All of it and the verification. True when everything went as it must. `funding`: as in the term of that name; `deposit`: the employer
    follows the suggestion to lock a part ahead."""
    async with staged(narrator) as stage:
        try:
            paid, ahead = await project(stage, funding, deposit)
        except (Waited, NoBasis) as error:
            raise Unplayable(f"{error}; the last answer was: {stage.last or 'none'}") from error
        await stage.employer.public.published(stage.task)
        report = await verify(list(stage.ready.relays), stage.ready.pubkey)
        narrator.end(report, 1, milestones=len(PARTS), paid_msat=paid, deposit_msat=ahead)
        return report.ok and {verdict.task for verdict in report.tasks} == {stage.task}


async def project(stage: Stage, funding: str, deposit: bool = False) -> tuple[int, int]:
    """From the offer to the last receipt; what the worker was paid, and what of it was locked ahead, msat."""
    await _hired(stage, funding, deposit)
    await _agreed(stage, 1 if deposit else 14)
    paid = ahead = 0
    covered: set[int] = set()
    for number in range(1, len(PARTS) + 1):
        since = stage.seq
        if funding == "upfront" and number not in covered:
            await _funded(stage, number)
        if deposit and number == 1:
            ahead, covered = await _deposited(stage)
        proof = await _judged(stage, number)
        if funding == "upfront" or number in covered:
            await _approved(stage, proof, "Verified")
        else:
            await _asked(stage, number, proof)
        paid += await _released(stage, number, since)
    await stage.reach("Paid")
    done = await stage.employer.letter(lambda letter: letter.code == "project_completed", "the end of the project")
    await stage.tell(
        "completed", "bot", "NIP-17 text", "the project is completed, all files listed", state="Paid", answer=done
    )
    for who, person in (("employer", stage.employer), ("worker", stage.worker)):
        answer = await person.ask(Receipt(task=stage.task))
        await stage.tell("receipt", who, "NIP-17 text", f"receipt {stage.task}", state="Paid", answer=answer)
    return paid, ahead


async def _hired(stage: Stage, funding: str, deposit: bool) -> None:
    employer, worker = stage.employer, stage.worker
    stage.begin("a project in four milestones")
    # a deposit is held all the time, and no hold lasts for two months
    end = "rollover then refund" if deposit else "rollover then ledger"
    terms = {"deadline": "5d" if deposit else "60d", "order": "hire_first", "on_hold_end": end, "funding": funding}
    question = await employer.tell(Post(amount=WHOLE, currency="INR", title="Build a shop", terms=terms))
    stage.task = task = task_id(EventId(question))
    answer = await employer.answer(question)
    await stage.tell(
        "task", "employer", "NIP-17 text", f"post {WHOLE} INR “Build a shop”", state="Draft", answer=answer
    )
    answer = await worker.ask(Claim(task=task))
    await stage.tell("claim", "worker", "NIP-17 text", f"claim {task}", state="Draft", answer=answer)
    shown = await employer.letter(lambda letter: "A · Full payment" in letter.text, "the options")
    await stage.tell(
        "options", "bot", "NIP-17 text", "shows both the two ways of being paid", state="Draft", answer=shown
    )


async def _agreed(stage: Stage, days: int) -> None:
    """`days` for each of the parts."""
    employer, worker, task = stage.employer, stage.worker, stage.task
    answer = await worker.ask(Say(task=task, text="four parts, the backend first to be seen in the third week?"))
    await stage.tell("say", "worker", "NIP-17 text", f"say {task} ...", state="Draft", answer=answer)
    parts = tuple(
        MilestoneWords(title=title, amount=amount, due=f"{days * number}d", description=about)
        for number, (title, amount, about) in enumerate(PARTS, 1)
    )
    answer = await worker.ask(Milestones(task=task, milestones=parts))
    await stage.tell("milestones", "worker", "NIP-17 text", "proposes four milestones", state="Draft", answer=answer)
    plan = (await worker.public.entry(task, "plan.proposed")).facts["plan"]
    answer = await employer.ask(Agree(task=task, plan=plan))
    await stage.tell("agree", "employer", "NIP-17 text", f"agree {task} {plan[:12]}", state="Draft", answer=answer)


async def _funded(stage: Stage, number: int) -> None:
    """The money first, then the work."""
    employer, task = stage.employer, stage.task
    seen = len(employer.letters())
    await employer.ask(Fund(task=task))
    invoice = await _invoice(stage, seen)
    await stage.tell("fund", "employer", "NIP-17 text", f"fund {task}", state="PendingFunding", answer=invoice)
    await stage.pay(invoice)
    await stage.tell(
        "pay", "employer", "Lightning", f"pays for milestone {number}; the work on it begins", state="Claimed"
    )


async def _deposited(stage: Stage) -> tuple[int, set[int]]:
    """A part is locked ahead: what that comes to, and which milestones it covers as a whole."""
    employer, task = stage.employer, stage.task
    offered = await employer.letter(
        lambda letter: f"deposit {task} accept" in letter.text, "the suggestion of a deposit"
    )
    await stage.tell("suggested", "bot", "NIP-17 text", "suggests to lock 25 % ahead", state="Claimed", answer=offered)
    seen = len(employer.letters())
    answer = await employer.ask(Deposit(task=task, answer="accept"))
    await stage.tell("deposit", "employer", "NIP-17 text", f"deposit {task} accept", state="Claimed", answer=answer)
    covers = (await employer.public.entry(task, "deposit.accepted")).facts["covers"]
    since, paid = 0, set[str]()
    for each in covers:
        invoice = await _invoice(stage, seen, but=paid)
        paid.add(invoice.invoice)
        await stage.pay(invoice)
        held = await employer.public.entry(task, "invoice.accepted", after=max(since, stage.seq))
        since = held.seq
        what = f"locks {each['price']} INR ahead for milestone {each['milestone']}"
        await stage.tell("pay", "employer", "Lightning", what, state="Claimed")
    ahead = int((await employer.ask(Status(task=task), form="json")).said["deposit_msat"])
    whole = {each["milestone"] for each in covers if Decimal(each["price"]) == PARTS[each["milestone"] - 1][1]}
    return ahead, whole


async def _asked(stage: Stage, number: int, proof: Entry) -> None:
    """The work first, then the money."""
    employer = stage.employer
    seen = len(employer.letters())
    await _approved(stage, proof, "Claimed")
    invoice = await _invoice(stage, seen)
    what = f"the invoice for milestone {number} comes by itself"
    await stage.tell("asked", "bot", "NIP-17 text", what, state="Claimed", answer=invoice)
    await stage.pay(invoice)
    await stage.tell(
        "pay", "employer", "Lightning", f"pays for milestone {number}, which is approved", state="Verified"
    )


async def _invoice(stage: Stage, seen: int, but: Collection[str] = ()) -> Letter:
    """The next one; `seen`: letters that were there before. `but`: invoices that were paid already."""
    employer = stage.employer

    def invoiced(letter: Letter) -> bool:
        return (
            bool(letter.invoice)
            and letter.invoice not in but
            and stage.task in letter.text
            and letter in employer.letters()[seen:]
        )

    return await employer.letter(invoiced, "the invoice")


async def _judged(stage: Stage, number: int) -> Entry:
    """Delivered, and one of them refused and delivered again."""
    employer = stage.employer
    proof = await _delivered(stage, number, "first", stage.seq)
    if number == REJECTED:
        reject = Reject(task=stage.task, reason="the login is missing; please revise and deliver again")
        answer = await employer.answer((await employer.decide(reject, proof.id)).id)
        await stage.tell("reject", "employer", "signed decision 78", "rejects the work", state="Claimed", answer=answer)
        proof = await _delivered(stage, number, "revised", proof.seq)
    return proof


async def _approved(stage: Stage, proof: Entry, state: str) -> None:
    decision = await stage.employer.decide(Approve(task=stage.task, feedback="exactly as requested"), proof.id)
    answer = await stage.employer.answer(decision.id)
    what = "approves, resting on that proof"
    await stage.tell("approve", "employer", "signed decision 78", what, state=state, answer=answer)


async def _released(stage: Stage, number: int, since: int) -> int:
    """The worker names where he is paid. `since`: the newest entry before the milestone."""
    employer, worker, task = stage.employer, stage.worker, stage.task
    owed = int((await worker.ask(Status(task=task), form="json")).said["net_msat"])
    mine = await stage.invoice("worker", owed // 1000)
    answer = await worker.ask(Payout(task=task, destination=mine))
    what = f"milestone {number} of {len(PARTS)} is paid and released"
    entry = await employer.public.entry(task, "settlement.completed", after=since)
    state = "Paid" if number == len(PARTS) else entry.state
    await stage.tell("released", "bot", "Lightning", what, state=state, answer=answer)
    return owed


async def _delivered(stage: Stage, number: int, which: str, since: int) -> Entry:
    url = f"https://example.org/shop/{number}-{which}.zip"
    answer = await stage.worker.ask(Submit(task=stage.task, url=url, sha256=DIGEST))
    await stage.tell("submit", "worker", "NIP-17 text", f"delivers {url}", state="Claimed", answer=answer)
    return await stage.employer.public.entry(stage.task, "proof.submitted", after=since)
