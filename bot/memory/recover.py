"""`holdfast recover`: what the relays and the node know of us and we do not comes home, in one transaction, and the daemon may open again.

Everything is gathered first and nothing written: a death at any moment leaves the database as it was, and the next try begins anew.
Entries are taken over as they were signed; nothing is signed here. Of a fork (two copies have both signed) the branch of this database
goes on, the other one's entries are known from then on, its task pays nobody until the operator has looked, and it is an incident: what
two copies have published stands for ever, and every verifier sees it.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field, replace

from sqlalchemy import Connection, select
from sqlalchemy.exc import IntegrityError

from bot.memory import relays
from bot.world import World
from handlers import recovery
from handlers.check import Broken, check
from handlers.decision import Effect, Pay
from handlers.policy import Policy
from handlers.task import Task
from kinds.figures import npub, read_npub
from kinds.inputs import Now
from kinds.lightning import HoldRef, HoldStatus, PaymentStatus
from kinds.record import Entry
from kinds.states import PayoutState
from kinds.units import EventId, PaymentHash, Pubkey, commitment
from storage import accounts, books, commit, house, memory, outbox
from storage.commit import Held
from storage.schema import tasks
from storage.statements import word

_PROBED = 3  # names after the last known one under which the lost memory may have asked for a hold
_SKEW = 600  # seconds by which a sender's clock may be ahead (bot.reading)


class CannotRecover(RuntimeError):
    """Something is missing or does not answer; the text says what. Nothing was changed."""


@dataclass(frozen=True, slots=True)
class Line:
    """What became, or would become, of one task; `task` is "" for the daemon's own chain."""

    task: str
    title: str
    was: str  # state before; "" when it was not known
    now: str
    entries: int  # imported
    look: tuple[str, ...] = ()  # what a person must look at


@dataclass(slots=True)
class _Restored:
    task: str
    before: Held | None
    entries: list[Entry]
    steps: list[tuple[EventId, Task]]
    root: EventId
    effects: list[Effect] = field(default_factory=list)
    look: list[str] = field(default_factory=list)
    unnamed: list[HoldRef] = field(default_factory=list)  # holds of ours that no log names

    @property
    def last(self) -> Task:
        return self.steps[-1][1]


@dataclass(frozen=True, slots=True)
class _Found:
    chains: dict[str, list[Entry]]  # that follow ours, by task
    forks: dict[str, list[Entry]]


async def recover(world: World, dry: bool = False) -> list[Line]:
    """Raises CannotRecover."""
    found = await _gather(world)
    restored = [await _restore(world, task, some) for task, some in sorted(found.chains.items()) if task]
    quiet = await _others(world, {each.task for each in restored}, set(found.forks))
    if not dry:
        for hold in (hold for each in (*restored, *quiet) for hold in each.unnamed):
            await world.node.cancel(hold)
        try:
            await world.writer.do(lambda tx: _write(tx, world, found, [*restored, *quiet]))
        except (Broken, IntegrityError) as error:
            raise CannotRecover(
                "what the log tells does not fit the books of this database: is it the right backup?"
            ) from error
    own = found.chains.get("", [])
    lines = [Line("", "the daemon's own chain", "", "", len(own))] if own else []
    for each in (*restored, *quiet):
        was = str(each.before.task.state) if each.before else ""
        if each.entries or each.look or each.task in found.forks:
            look = (*each.look, *(["two copies have signed: see the incident"] if each.task in found.forks else []))
            lines.append(Line(each.task, each.last.title, was, str(each.last.state), len(each.entries), look))
    return lines + await _unsure_accounts(world, dry)


async def _gather(world: World) -> _Found:
    reads = await relays.read_all(world, whole=True)
    silent = [read.url for read in reads if read.entries is None]
    if len(silent) > len(reads) // 2:
        raise CannotRecover(f"too few relays answer to the end: {', '.join(silent)} did not; try again when they do")
    entries = {entry.id: entry for read in reads for entry in read.entries or ()}
    heads = await world.writer.do(memory.heads)
    by_task: dict[str, list[Entry]] = defaultdict(list)
    for entry in entries.values():
        by_task[entry.task].append(entry)
    chains: dict[str, list[Entry]] = {}
    forks: dict[str, list[Entry]] = {}
    for task, some in by_task.items():
        seq, head = heads.get(task, (0, ""))
        follows, rest = relays.chain_of(some, seq, head)
        if rest and _forked(rest, follows, seq):
            forks[task] = rest
        elif rest:
            where = f"of task {task}" if task else "of the daemon's own chain"
            gap = (follows[-1].seq if follows else seq) + 1
            raise CannotRecover(
                f"entry {gap} {where} is on no relay that answers, and later ones are: list more relays"
            )
        if follows:
            chains[task] = follows
    return _Found(chains, forks)


def _forked(rest: Iterable[Entry], follows: list[Entry], seq: int) -> bool:
    """Some entry has the place of one that we have, or of one that is taken over, or shares its own with another."""
    places = [entry.seq for entry in rest]
    top = follows[-1].seq if follows else seq
    return min(places) <= top or len(places) != len(set(places))


async def _restore(world: World, task: str, entries: list[Entry]) -> _Restored:
    """The task as its entries and the node tell it."""
    before = await world.writer.do(lambda tx: commit.load(tx, task))
    now: Task | None = before.task if before else None
    steps: list[tuple[EventId, Task]] = []
    for entry in entries:
        try:
            now = recovery.adopt(now, entry)
        except recovery.Unreadable as error:
            raise CannotRecover(f"task {task}: {error}") from error
        steps.append((entry.id, now))
    assert now is not None
    first = entries[0]
    root = before.root if before else first.id if now.posted else now.pinned
    made = _Restored(task, before, entries, steps, root)
    after = await _with_holds(world, made, now)
    await _finish(world, made, after)
    made.effects += recovery.effects(made.last)
    return made


async def _with_holds(world: World, made: _Restored, task: Task) -> Task:
    """The private part of each funding that the log names: found at the node by its name."""
    promised = {
        str(e.facts["funding"]): str(e.facts["hash_commitment"]) for e in made.entries if "hash_commitment" in e.facts
    }
    for funding in task.fundings:
        if funding.payment_hash and funding.salt and funding.ref not in promised:
            continue
        view = await world.node.find(funding.ref)
        if view.status is HoldStatus.UNKNOWN:
            raise CannotRecover(f"the node does not answer about the hold {funding.ref}; try again when it does")
        if view.status is HoldStatus.ABSENT and not funding.payment_hash:
            made.look.append(
                f"the node knows no hold {funding.ref}: is it the same node, with the same key of preimages?"
            )
            continue
        task = recovery.seen(task, funding.ref, view, world.signer.secret_of(f"salt {funding.ref}"))
        opened = next(each for each in task.fundings if each.ref == funding.ref)
        if funding.ref in promised and commitment(opened.salt, opened.payment_hash) != promised[funding.ref]:
            made.look.append(f"the commitment to the hash of {funding.ref} cannot be opened: a verifier will say so")
    return task


async def _finish(world: World, made: _Restored, task: Task) -> None:
    """Names are passed over, holds that no log names go back, and what was paid out is asked of the node."""
    for number in range(task.counter + 1, task.counter + 1 + _PROBED):
        ref = f"{task.id}/h{number}"
        view = await world.node.find(ref)
        if view.status in (HoldStatus.OPEN, HoldStatus.HELD):
            made.unnamed.append(HoldRef(ref, view.payment_hash))
            made.look.append(f"the hold {ref}, which no log names, goes back")
    task = recovery.finish(task)
    share = task.share
    if share is not None and share.payment_hash and not share.ordered:
        paid = await world.node.payment(share.payment_hash)
        if paid.status is PaymentStatus.UNKNOWN:
            raise CannotRecover("the node does not answer about a payout; try again when it does")
        if paid.status in (PaymentStatus.COMPLETE, PaymentStatus.IN_FLIGHT):
            ref, payment_hash = share.ref, share.payment_hash
            followed = task.with_payout(ref, state=PayoutState.CLAIMED, ordered=True, next_try=0)
            task = replace(followed, unsure=False)
            made.effects.append(Pay(ref, payment_hash))
    if task.unsure:
        made.look.append(_owes(task))
    try:
        check(task)
    except Broken as error:
        raise CannotRecover(f"task {task.id} cannot be restored from its log: {error}") from error
    made.steps.append((EventId(""), task))


def _owes(task: Task) -> str:
    amount = task.share.amount if task.share else 0
    return (
        f"{amount // 1000} sat are owed, and may have been paid: look at the node's payments, then "
        f"holdfast recover --unpaid {task.id}, or --paid {task.id}=PAYMENT_HASH"
    )


async def _others(world: World, done: set[str], forked: set[str]) -> list[_Restored]:
    """Tasks of which the log tells nothing new: they too may have used names, and paid somebody, without a public word yet. What is over
    pays nobody, but for a fork that somebody must look at."""

    def job(tx: Connection) -> list[Held]:
        over = (word("Paid"), word("Refunded"), word("Expired"))
        names = {row.id for row in tx.execute(select(tasks.c.id).where(tasks.c.state.not_in(over)))} | forked
        return [held for name in sorted(names - done) if (held := commit.load(tx, name))]

    found = []
    for held in await world.writer.do(job):
        task = held.task
        made = _Restored(task.id, held, [], [], held.root)
        await _finish(world, made, task)
        if task.id in forked:
            made.steps = [(EventId(""), replace(made.last, unsure=True))]
        found.append(made)
    return found


def _write(tx: Connection, world: World, found: _Found, restored: list[_Restored]) -> None:
    """All of it, or nothing."""
    now = world.moments.now()
    for entry in found.chains.get("", []):
        memory.add_entry(tx, entry)
    _hearing(tx, [*found.chains.get("", []), *(entry for each in restored for entry in each.entries)])
    for each in sorted(restored, key=lambda one: one.last.compensated):  # the insurance gets before it gives
        for entry in each.entries:
            memory.add_entry(tx, entry)
        commit.restore(tx, each.before, each.steps, each.root, now, world.policy)
        for effect in each.effects:
            outbox.order(tx, each.task, effect)
    _restore_accounts(tx, [*found.chains.get("", []), *found.forks.get("", [])], restored, now, world.policy)
    for task, some in found.forks.items():
        memory.heed(tx, [entry.id for entry in some])
        house.incident(tx, now, "fork", task or None, {"entries": sorted(entry.id for entry in some)})
    newest = max((entry.time for some in found.chains.values() for entry in some), default=0)
    memory.lift_seal(tx, max(now.time, newest + _SKEW))


def _hearing(tx: Connection, entries: list[Entry]) -> None:
    """The hearing clock goes on where the lost memory left it: outages that are over by its own chain, and heard until its last word."""
    known = house.get_json(tx, "hearing", {"confirmed": None, "deaf": 0})
    deaf, since = memory.last_resumed(tx)
    last = max(entries, key=lambda entry: entry.time, default=None)
    confirmed = known["confirmed"] or 0
    if last is not None:
        confirmed = max(confirmed, last.time - max(0, last.deaf - deaf))
    if since is not None:
        confirmed = since
    if confirmed:
        house.put_json(tx, "hearing", {"confirmed": confirmed, "deaf": max(deaf, 0)})


def _restore_accounts(tx: Connection, own: list[Entry], restored: list[_Restored], now: Now, policy: Policy) -> None:
    """What was paid out of people's accounts by the word of our own chain; the rest of what stands in them is unsure, and so is what
    comes to a worker whose share may have been paid already."""
    for entry in own:
        if entry.type == "account.paid":
            accounts.restore(tx, Pubkey(str(entry.facts["to"])), entry.facts, now, policy)
    shares = {each.last.worker: 0 for each in restored if each.last.unsure and each.last.worker}
    accounts.put_unsure(tx, accounts.unsure(tx) | shares | books.people(tx))


async def _unsure_accounts(world: World, dry: bool) -> list[Line]:
    """`dry`: those that would be, by what stands in them now."""
    lines = []
    for who, amount in sorted((await world.writer.do(books.people if dry else accounts.unsure)).items()):
        name = npub(Pubkey(who))
        words = (
            f"{amount // 1000} sat stand in it, and may have been paid out: look at the node's payments, then holdfast recover"
            f" --paid {name}=PAYMENT_HASH for each of them, and at last --unpaid {name}"
        )
        lines.append(Line(name, "an account", "", "", 0, (words,)))
    return lines


async def _tell_of_account(world: World, owner: Pubkey, payment_hash: PaymentHash | None) -> None:
    view = await world.node.payment(payment_hash) if payment_hash else None
    if view is not None and view.status is not PaymentStatus.COMPLETE:
        raise CannotRecover(
            f"the node says that its payment of this hash is {view.status}: only one that has arrived counts"
        )

    def job(tx: Connection) -> None:
        open_still = accounts.unsure(tx)
        if owner not in open_still:
            raise CannotRecover(f"there is no question open about the account of {npub(owner)}")
        if view is None:
            accounts.put_unsure(tx, {who: amount for who, amount in open_still.items() if who != owner})
            return
        there, now = accounts.load(tx, owner).account, world.moments.now()
        facts = {
            "to": owner, "amount_msat": view.amount, "fee_msat": view.fee, "payment_hash": view.payment_hash,
            "preimage": view.preimage.reveal(), "credits": there.credits, "credited_msat": there.credited,
        }  # fmt: skip
        accounts.restore(tx, owner, facts, now, world.policy)
        house.add_checkpoint(tx, world.bot, "account.paid", now, facts)

    await world.writer.do(job)


async def tell_unpaid(world: World, task: str) -> None:
    """The operator has looked: nobody was paid in this task, or nothing more out of this person's account. Raises CannotRecover."""
    if owner := read_npub(task):
        return await _tell_of_account(world, Pubkey(owner), None)
    await world.writer.do(lambda tx: _told(tx, world, task, None))


async def tell_paid(world: World, task: str, payment_hash: PaymentHash) -> None:
    """The operator has found the payment. Raises CannotRecover."""
    if owner := read_npub(task):
        return await _tell_of_account(world, Pubkey(owner), payment_hash)
    view = await world.node.payment(payment_hash)
    if view.status not in (PaymentStatus.COMPLETE, PaymentStatus.IN_FLIGHT):
        raise CannotRecover(
            f"the node says that its payment of this hash is {view.status}: only one that it made counts"
        )
    await world.writer.do(lambda tx: _told(tx, world, task, payment_hash))


def _told(tx: Connection, world: World, task: str, payment_hash: PaymentHash | None) -> None:
    held = commit.load(tx, task)
    if held is None or not held.task.unsure:
        raise CannotRecover(f"there is no question open about task {task}")
    now: Now = world.moments.now()
    if payment_hash is None:
        after, effect = replace(held.task, unsure=False), None
    else:
        after, effect = recovery.paid(held.task, payment_hash)
    commit.restore(tx, held, [(EventId(""), after)], held.root, now, world.policy)
    if effect:
        outbox.order(tx, task, effect)
