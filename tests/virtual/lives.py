"""Steps of a life, as people take them; each waits for what the world shows, not for time."""

from __future__ import annotations

import json
import re
from collections import defaultdict
from collections.abc import Sequence
from typing import Any, Protocol

from sqlalchemy import Engine, select

from bot.config import Settings, TermsSettings
from bot.nodes.simnet import SimNode
from handlers.booking import Sort, party
from handlers.task import Funding, Payout, Task
from kinds.events import DM_WRAP
from kinds.states import TaskState
from kinds.units import Msat, PaymentHash, Pubkey
from storage import books as ledger
from storage import commit
from storage.codec import read_withdrawal
from storage.schema import events, fundings, incidents, inputs, letters, payouts, tasks, withdrawals
from tests.handlers.life import POLICY
from tests.virtual.hub import Relay
from tests.virtual.world import Person, Town
from verifier import Report, check

HASH = "ab" * 32
REWARD, HOLD = 50_000_000, 50_500_000  # msat, of the task that `offered` offers by itself
SHORT = Settings(terms=TermsSettings(hold_cltv=560, review_window=3600))  # with a deadline in 2 h: L within half a day
SOON = 2 * 3600  # a deadline, in seconds, that fits into SHORT


async def a_town(**more: Any) -> Town:
    """A town with its daemon running."""
    town = Town(**more)
    await town.start()
    return town


def task_of(town: Town, task: str) -> Task:
    """The task as the daemon remembers it."""
    with town.engine.begin() as tx:
        held = commit.load(tx, task)
    assert held is not None
    return held.task


def hold_of(town: Town, task: str) -> Funding:
    """The newest funding of a task."""
    return task_of(town, task).fundings[-1]


def share_of(town: Town, task: str) -> Payout:
    """The newest payout of a task."""
    return task_of(town, task).payouts[-1]


def incidents_of(town: Town) -> list[str]:
    with town.engine.begin() as tx:
        return [row.code for row in tx.execute(select(incidents).order_by(incidents.c.n))]


def stuck_inputs(town: Town) -> list[str]:
    with town.engine.begin() as tx:
        return [row.key for row in tx.execute(select(inputs).where(inputs.c.state == "stuck"))]


def seen_by(town: Town, payment_hash: str) -> str:
    """How the node sees its payment of that hash."""
    payment = town.node.network.book.payment("@node", PaymentHash(payment_hash))
    return payment.status.value if payment else "absent"


async def sound(town: Town, loss: int = 0, stuck: bool = False) -> Report:
    """What must be true at every end: everything is public and verifies, no msat came from or went to nowhere, what the daemon's
    books say is what its node has, and nobody was told another's secrets. `loss`: msat that the operator has lost."""

    async def published() -> bool:
        with town.engine.begin() as tx:
            return not tx.execute(select(events.c.n).where(events.c.state == "pending").limit(1)).first()

    await town.until(published, 1800)
    report = check(town.public_events(), str(town.bot))
    assert report.ok, report.to_text()
    with town.engine.begin() as tx:
        known = {row.id for row in tx.execute(select(tasks.c.id))}
    assert {verdict.task for verdict in report.tasks} == known
    assert stuck or not stuck_inputs(town)
    figures = town.node.network.figures()
    assert figures.total == figures.minted
    books(town, loss)
    secrets_kept(town)
    return report


class Kept(Protocol):
    """A world whose books can be read: a Town, or a city of the simulation."""

    node: SimNode
    engine: Engine

    @property
    def relays(self) -> Sequence[Relay]: ...


def books(town: Kept, loss: int) -> None:
    """Of what the node has won since its start, every msat is owed to somebody, a booked fee or kept for the insurance, by the tasks' books."""
    kept = booked = 0
    with town.engine.begin() as tx:
        found = [commit.load(tx, row.id) for row in tx.execute(select(tasks.c.id))]
        outside, wrong = ledger.balance(tx, Sort.NODE), ledger.differences(tx)
        assert sum(each.amount for each in ledger.classes(tx)) == 0
        for sent_out in tx.execute(select(withdrawals).where(withdrawals.c.state == "complete")):
            kept -= sent_out.amount + sent_out.fee
            booked -= sent_out.amount + sent_out.fee
        settled: dict[str, int] = {}
        for row in tx.execute(select(fundings).where(fundings.c.state == "settled")):
            settled[row.task] = settled.get(row.task, 0) + row.amount
        spent: dict[str, int] = {}
        for row in tx.execute(select(payouts).where(payouts.c.state == "complete")):
            spent[row.task] = spent.get(row.task, 0) + row.amount + row.fee
        lost: dict[str, int] = {}  # what was paid out of holds that were not there any more
        for row in tx.execute(select(incidents).where(incidents.c.code == "loss")):
            lost[row.task] = lost.get(row.task, 0) + json.loads(row.facts)["amount_msat"]
    for each in (held.task for held in found if held):
        came, went = settled.get(each.id, 0), spent.get(each.id, 0)
        kept += came - went
        if each.state is not None and each.state.is_final:
            going = sum(p.amount + p.budget for p in each.payouts if not p.state.is_final)
            given = sum(entry.amount for entry in each.credits) - each.compensated
            assert came - went + lost.get(each.id, 0) == each.fee + each.insurance + given + going
        booked += each.locked + each.fee + each.insurance - each.compensated
        booked += sum(entry.amount for entry in each.credits)
    assert (outside, wrong) == (-booked, []), "the double-entry books say what the tasks and withdrawals say"
    network = town.node.network
    sent = sum(part.amount + part.fee for part in _own_parts(town))
    assert network.figures().node + sent - network.params.node_balance - kept == -loss


def _own_parts(town: Kept) -> list[Any]:
    book = town.node.network.book
    return [part for payment in book.payments("@node") for part in book.parts(payment.hash) if part.payer == "@node"]


def secrets_kept(town: Kept) -> None:
    """Invoices are for those who pay or made them, preimages of holds for who paid; nobody else reads them, and no relay."""
    with town.engine.begin() as tx:
        found = [commit.load(tx, row.id) for row in tx.execute(select(tasks.c.id))]
        said: dict[str, str] = defaultdict(str)  # to whom, and all of it
        for row in tx.execute(select(letters.c.to, letters.c.text)):
            said[row.to] += row.text.lower() + "\n"
        own = [(row.owner, read_withdrawal(row.document)) for row in tx.execute(select(withdrawals))]
    for owner, each_out in own:
        invoice = each_out.invoice.reveal().lower()
        assert not [
            to
            for to, text in said.items()
            if to != owner and ((invoice and invoice in text) or each_out.payment_hash in text)
        ]
    public = "\n".join(
        event.content.lower() for relay in town.relays for event in relay.events.values() if event.kind != DM_WRAP
    )
    for each in (held.task for held in found if held):
        secrets = [(each.employer, secret.reveal()) for f in each.fundings for secret in (f.invoice, f.preimage)]
        secrets += [(payout.to, payout.invoice.reveal()) for payout in each.payouts]
        proof, paid = each.current.proof, each.state is TaskState.PAID
        secrets.append((each.employer if paid else Pubkey("nobody"), proof.key.reveal() if proof else ""))
        secrets += [(a.who, a.destination.invoice.reveal()) for a in each.applicants if a.destination]
        if each.destination and each.worker:
            secrets.append((each.worker, each.destination.invoice.reveal()))
        for owner, secret in secrets:
            if secret:
                assert not [to for to, text in said.items() if to != owner and secret.lower() in text]
                assert secret.lower() not in public


async def state(town: Town, task: str, wanted: str, within: float = 240.0) -> dict[str, Any]:
    """The public state event says so."""

    async def there() -> dict[str, Any] | None:
        facts = [each for each in town.state_events() if each["task"] == task]
        return facts[0] if facts and facts[0]["state"] == wanted else None

    return await town.until(there, within)


async def told(town: Town, person: Person, pattern: str, within: float = 120.0, since: int = 0) -> str:
    """The person has been told something that matches."""

    async def there() -> str | None:
        return next((text for text in (await person.read())[since:] if re.search(pattern, text)), None)

    return await town.until(there, within)


async def paid_out(town: Town, person: Person, amount: int = 0, within: float = 120.0) -> dict[str, Any]:
    """The newest payment out of this person's account, of this amount if one is named, as the daemon's own chain shows it."""

    async def there() -> dict[str, Any] | None:
        chain = [json.loads(e["content"]) for e in town.public_events() if ["t", "holdfast-checkpoint"] in e["tags"]]
        own = [each for each in chain if each["type"] == "account.paid" and each["facts"]["to"] == person.pubkey]
        found = max(own, key=lambda each: int(each["seq"]), default=None)
        facts: dict[str, Any] | None = found["facts"] if found else None
        return facts if facts and amount in (0, facts["amount_msat"]) else None

    return await town.until(there, within)


def payable(amount: int) -> int:
    """What of so much in an account can be sent at once, by the terms of a house that has the usual ones."""
    return POLICY.affordable(Msat(amount))


def balance_of(town: Town, person: Person) -> int:
    """What stands in his account, msat."""
    with town.engine.begin() as tx:
        return ledger.balance(tx, party(person.pubkey))


async def entry(town: Town, task: str, kind: str, within: float = 120.0) -> dict[str, Any]:
    """The newest log entry of that type."""

    async def there() -> dict[str, Any] | None:
        found = [each for each in town.log_of(task) if each["type"] == kind]
        return found[-1] if found else None

    return await town.until(there, within)


async def offered(town: Town, sat: int = 50_000, deadline: int = 3 * 86400, d: str = "job", **terms: Any) -> str:
    """A signed task event, until it is Draft; returns the task's id."""
    event = await town.employer.offer(sat, "Build a landing page", town.time + deadline, d, **terms)

    async def there() -> str | None:
        return next((s["task"] for s in town.state_events() if s["root"] == event.id), None)

    return await town.until(there)


async def invoiced(town: Town, task: str) -> str:
    before = len(await town.employer.read())
    await town.employer.say(f"fund {task}")
    card = await told(town, town.employer, r"(?i)lightning:lnplay", since=before)
    found = re.search(r"(?i)lnplay[0-9a-z]+", card)
    assert found, card
    return found.group(0).lower()


async def funded(town: Town, **terms: Any) -> str:
    task = await offered(town, **terms)
    invoice = await invoiced(town, task)
    town.employer.wallet.pay(invoice)
    await state(town, task, "Funded")
    return task


async def claimed(town: Town, destination: bool = True, **terms: Any) -> str:
    task = await funded(town, **terms)
    await claim(town, task, destination)
    return task


async def claim(town: Town, task: str, destination: bool = True) -> None:
    net = town.state_of(task)["net_msat"]
    invoice = town.worker.wallet.invoice(net, expiry=30 * 86400) if destination else ""
    await town.worker.say(f"claim {task} {invoice}".strip())
    await state(town, task, "Claimed")


async def delivered(town: Town, destination: bool = True, **terms: Any) -> str:
    task = await claimed(town, destination, **terms)
    await town.worker.say(f"submit {task} https://example.org/page.zip {HASH} done")
    await entry(town, task, "proof.submitted")
    return task


async def approved(town: Town, destination: bool = True, **terms: Any) -> str:
    """Delivered and approved: the payout begins."""
    task = await delivered(town, destination, **terms)
    await town.employer.say(f"approve {task}")
    await entry(town, task, "proof.verified")
    return task


async def hired(town: Town, destination: bool = True) -> str:
    """Claimed, with terms that let a hold end soon (SHORT)."""
    return await claimed(town, destination, deadline=SOON)


async def in_books(town: Town, task: str, wanted: str, within: float = 120.0) -> Payout:
    """The newest payout is in that state."""

    async def there() -> Payout | None:
        payouts = task_of(town, task).payouts
        return payouts[-1] if payouts and payouts[-1].state == wanted else None

    return await town.until(there, within)


def to_margin(town: Town, task: str, before: int = 0) -> None:
    """Blocks are mined up to E - M, or that many blocks before it."""
    network = town.node.network
    network.mine(max(0, task_of(town, task).settle_height - before - network.height))
