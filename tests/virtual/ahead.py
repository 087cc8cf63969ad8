"""Steps of lives with a deposit, as people take them: each waits for what the world shows, long enough for a daemon that was killed."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Awaitable, Callable
from typing import Any

from kinds.units import Msat
from tests.virtual.lives import HASH, entry, offered, task_of, told
from tests.virtual.test_projects import counted, types
from tests.virtual.world import Town

Step = Callable[[Town, str], Awaitable[None]]
LONG = 1500.0  # seconds: a payment that was perhaps never sent is waited for
PLAN = '"One" 12000 20h; "Two" 8000 60h'
LATER: dict[str, Any] = {"order": "hire_first", "funding": "on_approval"}
FIRST: dict[str, Any] = {"order": "hire_first"}


async def posted(town: Town, **terms: Any) -> str:
    """A signed offer of 20,000 sats."""
    return await offered(town, sat=20_000, **terms)


async def hire(town: Town, task: str) -> None:
    await town.worker.say(f"claim {task}")
    await entry(town, task, "task.accepted", within=LONG)


async def select(town: Town, task: str) -> None:
    """All of it at once, and the work begins."""
    await town.employer.say(f"select {task} full")
    await entry(town, task, "task.claimed", within=LONG)


def cut(plan: str = PLAN) -> Step:
    """The milestones, which both agree on."""

    async def step(town: Town, task: str) -> None:
        await town.worker.say(f"milestones {task} {plan}")
        wanted = (await entry(town, task, "plan.proposed", within=LONG))["facts"]["plan"]
        await town.employer.say(f"agree {task} {wanted[:12]}")
        await entry(town, task, "plan.agreed", within=LONG)

    return step


async def begin(town: Town, task: str) -> None:
    await counted(town, task, "task.claimed", 1)


async def cards(town: Town, since: int, count: int) -> list[str]:
    """So many invoices that the employer was told of, each once."""

    async def there() -> list[str] | None:
        said = (await town.employer.read())[since:]
        found = [m.group(0).lower() for card in said if (m := re.search(r"(?i)lnplay[0-9a-z]+", card))]
        return list(dict.fromkeys(found)) if len(set(found)) >= count else None

    return await town.until(there, LONG)


def accept(count: int) -> Step:
    """So many invoices come, and are not paid yet."""

    async def step(town: Town, task: str) -> None:
        since, asked = len(await town.employer.read()), covers_in(town, task, "invoice.created")
        await town.employer.say(f"deposit {task} accept")
        await cards(town, since, count)

        async def logged() -> bool:
            return covers_in(town, task, "invoice.created") >= asked + count

        await town.until(logged, LONG)

    return step


def covers_in(town: Town, task: str, kind: str) -> int:
    """So many entries of this type about the deposit."""
    return sum(each["type"] == kind and "covers" in each["facts"] for each in town.log_of(task))


async def lock(town: Town, task: str) -> None:
    """All invoices of the deposit are paid; where they have run out, new ones."""
    if not task_of(town, task).cover_invoices:
        parts = task_of(town, task).deposit
        await accept(len(parts.parts) if parts else 1)(town, task)
    due = task_of(town, task).cover_invoices
    held = covers_in(town, task, "invoice.accepted")
    for each in due:
        town.employer.wallet.pay(each.invoice.reveal())

    async def there() -> bool:
        return covers_in(town, task, "invoice.accepted") >= held + len(due)

    await town.until(there, LONG)


async def fund(town: Town, task: str) -> None:
    """What is still asked for, up front."""
    number = types(town, task).count("task.claimed") + 1
    since = len(await town.employer.read())
    await town.employer.say(f"fund {task}")
    town.employer.wallet.pay((await cards(town, since, 1))[-1])
    await counted(town, task, "task.claimed", number)


async def deliver(town: Town, task: str) -> None:
    number = types(town, task).count("proof.submitted") + 1
    since = len(await town.employer.read())
    await town.worker.say(f"submit {task} https://example.org/{number}.zip {HASH}")
    await counted(town, task, "proof.submitted", number)
    await told(town, town.employer, "approve", since=since, within=LONG)
    await town.pass_time(30)


async def approve(town: Town, task: str) -> None:
    number = types(town, task).count("proof.verified") + 1
    proof = [each["id"] for each in town.log_of(task) if each["type"] == "proof.submitted"][-1]
    await town.employer.decide(task, "approve", proof)
    await counted(town, task, "proof.verified", number)


async def due(town: Town, task: str) -> None:
    """Approved, and the invoice of what is due has come."""
    since = len(await town.employer.read())
    await approve(town, task)
    await cards(town, since, 1)


async def pay(town: Town, task: str) -> None:
    """What is due is paid; where its invoice has run out, a new one."""
    number = types(town, task).count("invoice.accepted") + 1
    if task_of(town, task).quote is None:
        since = len(await town.employer.read())
        await town.employer.say(f"fund {task}")
        await cards(town, since, 1)
    quote = task_of(town, task).quote
    assert quote is not None, "it was asked for"
    town.employer.wallet.pay(quote.invoice.reveal())
    await counted(town, task, "invoice.accepted", number)


async def take(town: Town, task: str) -> None:
    number = types(town, task).count("settlement.completed") + 1
    owed = task_of(town, task).share_amount
    await town.worker.say(f"payout {task} {town.worker.wallet.invoice(Msat(owed), expiry=30 * 86400)}")
    await counted(town, task, "settlement.completed", number)


async def miss(town: Town, task: str) -> None:
    """The time to pay what is due goes by."""
    await entry(town, task, "payment.missed", within=3 * 86400)


async def part_ways(town: Town, task: str) -> None:
    """Both want the end."""
    await town.worker.say(f"cancel {task} 0")
    await entry(town, task, "cancel.offered", within=LONG)
    await town.employer.say(f"cancel {task} 0")

    async def over() -> bool:
        return town.states()[task] == "Refunded"

    await town.until(over, LONG)


async def to_renewal(town: Town, task: str) -> None:
    """The blocks come at which the deposit is to be renewed; the invoices are there."""
    known, network = task_of(town, task), town.node.network
    asked = types(town, task).count("rollover.asked")
    network.mine(max(known.renews_at(each) for each in known.covers) - network.height)
    await counted(town, task, "rollover.asked", asked + len(known.covers))


async def renew(town: Town, task: str) -> None:
    """They are paid, and the old holds go back."""
    open_ones = [f for f in task_of(town, task).fundings if f.replaces and f.state == "created" and not f.goal]
    done = types(town, task).count("rollover.completed")
    for each in open_ones:
        town.employer.wallet.pay(each.invoice.reveal())
    await counted(town, task, "rollover.completed", done + len(open_ones))


async def to_end(town: Town, task: str) -> None:
    """The deposit comes to the end of its holds and goes back; the task goes on."""
    known, network = task_of(town, task), town.node.network
    back = types(town, task).count("deposit.returned")
    network.mine(max(known.terms.last_safe(each.expiry_height) for each in known.covers) - network.height)
    await counted(town, task, "deposit.returned", back + len(known.covers))


async def to_books(town: Town, task: str) -> None:
    """The holds of the deposit end, and its money goes into the books; the task goes on."""
    known, network = task_of(town, task), town.node.network
    there = types(town, task).count("ledger.locked")
    network.mine(max(known.terms.last_safe(each.expiry_height) for each in known.covers) - network.height)
    await counted(town, task, "ledger.locked", there + len(known.covers))


async def lose(town: Town, task: str) -> None:
    """The node loses the first hold of the deposit."""
    lost = types(town, task).count("hold.lost")
    town.node.network.lose_hold(task_of(town, task).covers[0].payment_hash)
    await counted(town, task, "hold.lost", lost + 1)


async def wait_out(town: Town, task: str) -> None:
    """Nobody pays, and the invoices run out."""
    gone, there = types(town, task).count("invoice.expired"), len(task_of(town, task).cover_invoices)
    await town.pass_time(2 * 3600)
    await counted(town, task, "invoice.expired", gone + there)


def told_by(town: Town, task: str) -> Counter[str]:
    """The entries of the log, in whatever order."""
    return Counter(types(town, task))


async def decline(town: Town, task: str) -> None:
    known = types(town, task).count("deposit.declined")
    await town.pass_time(2)  # the same words at the same moment are the same message
    await town.employer.say(f"deposit {task} decline")
    await counted(town, task, "deposit.declined", known + 1)


async def leave(town: Town, task: str) -> None:
    """The worker gives it back; what is locked ahead stays."""
    await town.worker.say(f"abandon {task}")
    await entry(town, task, "task.abandoned", within=LONG)


async def come_back(town: Town, task: str) -> None:
    number = types(town, task).count("task.claimed") + 1
    await town.pass_time(2)
    await town.worker.say(f"claim {task}")
    await counted(town, task, "task.claimed", number)


async def dispute(town: Town, task: str) -> None:
    await town.worker.say(f"dispute {task} no answer")
    await entry(town, task, "dispute.opened", within=LONG)


async def split(town: Town, task: str) -> None:
    """Both agree on a part, which is the end; what is due of it is asked for."""
    since = len(await town.employer.read())
    await town.worker.say(f"cancel {task} 40")
    await entry(town, task, "cancel.offered", within=LONG)
    await town.employer.say(f"cancel {task} 40")
    await cards(town, since, 1)
