"""Projects on real LND nodes: four milestones, one of them refused once, each with a real hold and a real payment; up front and on approval."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Collection
from pathlib import Path

import pytest

from kinds.commands import Agree, Approve, Claim, Deposit, Fund, Milestones, Payout, Reject, Submit
from kinds.plan import MilestoneWords
from tests.lives.people import Person
from tests.regtest.test_lives_on_lnd import Money, check, house
from tests.regtest.town import Town, shared

pytestmark = pytest.mark.regtest
PARTS = (("UI Design", 50_000), ("Backend API", 80_000), ("Frontend Dev", 50_000), ("Testing & QA", 20_000))  # sats
COST = sum(
    1_000 * (sat + sat // 100) for _, sat in PARTS
)  # msat, with the fee budgets, of which direct channels take nothing
PAID = sum(1_000 * sat for _, sat in PARTS)
DIGEST = "cd" * 32


@pytest.fixture
async def town() -> AsyncIterator[Town]:
    there = shared()
    yield there
    await asyncio.to_thread(there.tidy)


async def agreed(employer: Person, worker: Person, funding: str) -> str:
    """Hired, and the four milestones are settled."""
    more = {"order": "hire_first", "on_hold_end": "rollover then refund", "funding": funding}
    task = await employer.drafted(sat=sum(sat for _, sat in PARTS), terms=more)
    await worker.ask(Claim(task=task))
    parts = tuple(MilestoneWords(title=title, amount=sat, due=f"{12 * n}h") for n, (title, sat) in enumerate(PARTS, 1))
    await worker.ask(Milestones(task=task, milestones=parts))
    plan = (await employer.client.public.entry(task, "plan.proposed")).facts["plan"]
    await employer.ask(Agree(task=task, plan=plan))
    await employer.client.public.entry(task, "plan.agreed")
    return task


async def delivered(employer: Person, worker: Person, task: str, since: int) -> str:
    await worker.ask(Submit(task=task, url="https://example.org/part.zip", sha256=DIGEST))
    return (await employer.client.public.entry(task, "proof.submitted", after=since)).id


async def invoice(employer: Person, task: str, seen: int) -> str:
    """The next one behind so many letters."""
    client = employer.client
    found = await client.letter(
        lambda each: bool(each.invoice) and task in each.text and each in client.letters()[seen:], "the invoice"
    )
    return found.invoice


async def deposited(employer: Person, task: str) -> None:
    """A quarter is locked ahead: all of the fourth milestone, and three fifths of the third."""
    client, public = employer.client, employer.client.public
    seen = len(client.letters())
    await employer.tell(Deposit(task=task, answer="accept"))
    paid: set[str] = set()
    for _ in range(2):
        found = await client.letter(
            lambda each: bool(each.invoice) and each.invoice not in paid and each in client.letters()[seen:],
            "the invoice",
        )
        paid.add(found.invoice)
        await employer.pay(found.invoice)
    since = (await public.entry(task, "deposit.accepted")).seq
    for _ in range(2):
        since = (await public.entry(task, "invoice.accepted", after=since)).seq


async def milestone(
    employer: Person, worker: Person, task: str, number: int, since: int, funding: str, covered: Collection[int] = ()
) -> int:
    """One of them, to its release; the seq of that entry. `covered`: those for which a deposit has all that they cost."""
    public = employer.client.public
    seen = len(employer.client.letters())
    if funding == "upfront" and number not in covered:
        await employer.tell(Fund(task=task))
        await employer.pay(await invoice(employer, task, seen))
    begun = (await public.entry(task, "task.claimed", after=since)).seq
    proof = await delivered(employer, worker, task, begun)
    if number == 2:
        await employer.decide(Reject(task=task, reason="the errors are not handled"), proof)
        refused = await public.entry(task, "proof.rejected", after=begun)
        proof = await delivered(employer, worker, task, refused.seq)
    await employer.decide(Approve(task=task), proof)
    await public.entry(task, "proof.verified", after=begun)
    if funding == "on_approval" and number not in covered:
        await public.entry(task, "invoice.created", after=begun)
        await employer.pay(await invoice(employer, task, seen))
        await public.entry(task, "invoice.accepted", after=begun)
    await worker.ask(Payout(task=task, destination=await worker.make_invoice(PARTS[number - 1][1])))
    return (await public.entry(task, "settlement.completed", after=begun)).seq


@pytest.mark.parametrize("funding", ["upfront", "on_approval"])
async def test_four_milestones(town: Town, tmp_path: Path, funding: str) -> None:
    before = await Money.now(town)
    async with house(town, tmp_path) as (_, employer, worker):
        task = await agreed(employer, worker, funding)
        seq = 0
        for number in range(1, 5):
            seq = await milestone(employer, worker, task, number, seq, funding)
        await employer.client.public.entry(task, state="Paid")
        await employer.told("project_completed")
        types = await check(town, employer, task, before, Money(-COST, COST - PAID, PAID))
        assert [types.count(kind) for kind in ("invoice.accepted", "task.claimed", "settlement.completed")] == [4, 4, 4]
        assert types.count("proof.rejected") == 1


@pytest.mark.parametrize("funding", ["upfront", "on_approval"])
async def test_four_milestones_with_a_deposit(town: Town, tmp_path: Path, funding: str) -> None:
    """One real payment to the worker rests on two real holds, and another on one that was locked from the start."""
    before = await Money.now(town)
    async with house(town, tmp_path) as (_, employer, worker):
        task = await agreed(employer, worker, funding)
        seq = 0
        if funding == "on_approval":
            await employer.client.public.entry(task, "task.claimed")
            await deposited(employer, task)
        for number in range(1, 5):
            seq = await milestone(employer, worker, task, number, seq, funding, {4})
            if number == 1 and funding == "upfront":
                await deposited(employer, task)
        await employer.client.public.entry(task, state="Paid")
        types = await check(town, employer, task, before, Money(-COST, COST - PAID, PAID))
        assert types.count("invoice.accepted") == 5
        assert types.count("deposit.returned") == 0
