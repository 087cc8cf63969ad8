"""What can go wrong around an older memory: relays that forget, lie or are away, the node's word, a death in the middle of the recovery,
words that are heard a second time, and two copies that have both signed.
"""

from __future__ import annotations

import asyncio
import json
from dataclasses import replace
from typing import Any

import pytest

from bot.memory.recover import CannotRecover
from bot.nodes.simnet.faults import Faults
from kinds.bolt11 import decode
from kinds.events import RECORD, Event, Unsigned, canonical_json
from kinds.figures import npub
from kinds.units import Secret
from tests.virtual.lives import (
    HOLD,
    REWARD,
    SHORT,
    SOON,
    a_town,
    approved,
    claim,
    claimed,
    delivered,
    entry,
    funded,
    hold_of,
    in_books,
    incidents_of,
    invoiced,
    offered,
    sound,
    state,
    stuck_inputs,
    task_of,
    to_margin,
    told,
)
from tests.virtual.loop import run_virtually
from tests.virtual.test_memory import money, open_again, published, restarted, sealed, stays_read_only
from tests.virtual.world import InlineSigner, Town


async def opened(town: Town, within: float = 60.0) -> None:
    async def there() -> bool:
        return town.life.dispatch is not None

    await town.until(there, within)


def whats(town: Town) -> set[str]:
    assert town.life.seal is not None
    return {each.what for each in town.life.seal.missing}


def forget(town: Town) -> None:
    """The relays lose everything by the daemon; what people have said to it is still there."""
    for relay in town.relays:
        for event in [event for event in relay.events.values() if event.pubkey == town.bot]:
            del relay.events[event.id]


# the node's word, where no relay remembers


@pytest.mark.parametrize("what", ["settled", "paid", "unknown_hold"])
def test_the_node_stops_an_older_memory_when_no_relay_remembers(what: str) -> None:
    async def life() -> None:
        town = await a_town()
        if what == "settled":
            task = await delivered(town)
            backup = town.backup()
            await town.employer.say(f"approve {task}")
            await state(town, task, "Paid")
        elif what == "paid":
            task = await delivered(town)
            backup = town.backup()
            town.node.network.faults = Faults(payout_stuck=True)
            await town.employer.say(f"approve {task}")
            await in_books(town, task, "in_flight")
            town.node.network.faults = Faults()
        else:
            task = await offered(town)
            backup = town.backup()
            town.employer.wallet.pay(await invoiced(town, task))
            await state(town, task, "Funded")
        await town.kill()
        forget(town)
        before = money(town)
        town.restore(backup)
        await town.start()
        await stays_read_only(town)
        assert whats(town) >= {what}
        assert (money(town), published(town)) == (before, set())
        await town.kill()

    run_virtually(life())


def test_what_the_operator_does_with_his_node_beside_us_never_counts() -> None:
    async def life() -> None:
        town = await a_town()
        task = await claimed(town)
        other = town.node.wallet("shop")
        bill = other.invoice(1_000_000, expiry=3600)  # type: ignore[arg-type]
        town.employer.wallet.pay(bill)
        await town.restart()
        await opened(town)
        assert town.life.seal is None
        assert town.states()[task] == "Claimed"

    run_virtually(life())


# relays that lie


@pytest.mark.parametrize("lie", ["forged", "foreign", "malformed", "old"])
def test_lies_of_a_relay_are_no_memory(lie: str) -> None:
    async def life() -> None:
        town = await a_town()
        task = await funded(town)
        await town.kill()
        relay = town.relays[0]
        last = max(
            (e for e in relay.events.values() if e.tag("d") == task and e.kind == RECORD),
            key=lambda e: int(e.tag("seq") or 0),
        )
        stranger = InlineSigner(Secret(f"{98:064x}"))
        said = json.loads(last.content)
        said |= {"seq": said["seq"] + 1}
        tags = tuple(
            tag if tag[0] not in ("seq", "prev") else (tag[0], {"seq": str(said["seq"]), "prev": last.id}[tag[0]])
            for tag in last.tags
        )
        made = Unsigned(town.bot, last.created_at, RECORD, tags, canonical_json(said))
        if lie == "forged":
            event = Event(made.id, made.pubkey, made.created_at, made.kind, made.tags, made.content, last.sig)
        elif lie == "foreign":
            event = await stranger.sign(replace(made, pubkey=stranger.pubkey))
        elif lie == "malformed":
            event = await town._signer.sign(replace(made, content=json.dumps(said) + " "))
        else:
            event = last
        relay.events[event.id] = event
        await town.start()
        await opened(town)
        assert town.life.seal is None
        await claim(town, task)
        if lie in ("malformed", "forged"):
            del relay.events[event.id]  # the verifier is right to complain about it
        await sound(town)

    run_virtually(life())


def test_a_genuine_entry_of_ours_is_proof_whoever_keeps_it() -> None:
    """The counterpart: the same entry, truly signed by our key."""

    async def life() -> None:
        town = await a_town()
        task = await funded(town)
        backup = town.backup()
        await claim(town, task)
        await town.kill()
        [claim_entry] = [e for e in town.relays[0].events.values() if e.tag("type") == "task.claimed"]
        forget(town)
        town.restore(backup)
        town.relays[0].events[claim_entry.id] = claim_entry
        await town.start()
        await sealed(town)
        assert whats(town) == {"longer_chain"}
        await town.kill()

    run_virtually(life())


def test_a_gap_is_filled_by_another_relay_and_by_nothing_else() -> None:
    async def life() -> None:
        town = await a_town(relays=2)
        task = await offered(town)
        await town.pass_time(30)
        backup = town.backup()
        town.employer.wallet.pay(await invoiced(town, task))
        await state(town, task, "Funded")
        await claim(town, task)
        await town.pass_time(30)
        log = town.log_of(task)
        await restarted(town, backup)
        await sealed(town)
        await town.kill()
        gone = next(each["id"] for each in log if each["type"] == "invoice.accepted")
        lost = [relay.events.pop(gone) for relay in town.relays]
        before = town.backup()
        with pytest.raises(CannotRecover, match="entry 3"):
            await town.recover()
        await town.start()
        await sealed(town)
        await town.kill()
        town.restore(before)
        town.relays[1].events[gone] = lost[1]
        await town.recover()
        await town.start()
        await opened(town)
        assert town.log_of(task) == log
        await sound(town)

    run_virtually(life())


def test_more_events_than_a_relay_gives_at_once_are_all_read() -> None:
    async def life() -> None:
        town = await a_town()
        town.relays[0].page = 7  # events in an answer at most, the newest first
        tasks = [await offered(town, d=f"job{number}") for number in range(3)]
        backup = town.backup()
        for task in tasks:
            town.employer.wallet.pay(await invoiced(town, task))
            await state(town, task, "Funded")
            await town.pass_time(2)
        more = []
        for number in range(6):
            more.append(await offered(town, d=f"later{number}"))
            await town.pass_time(2)  # more in one second than fit into an answer could not be told apart
        await town.pass_time(20)
        logs = {task: town.log_of(task) for task in (*tasks, *more)}
        await restarted(town, backup)
        await sealed(town)
        assert {each.task for each in town.life.seal.missing} == {*tasks, *more}  # type: ignore[union-attr]
        await open_again(town)
        assert {task: town.log_of(task) for task in logs} == logs
        await sound(town)

    run_virtually(life())


def test_a_second_with_more_than_a_relay_gives_at_once_is_read_task_by_task() -> None:
    async def life() -> None:
        town = await a_town()
        town.relays[0].page = 4
        tasks = [await offered(town, d=f"job{number}") for number in range(6)]
        invoices = [await invoiced(town, task) for task in tasks]
        await town.pass_time(20)
        backup = town.backup()
        for invoice in invoices:
            town.employer.wallet.pay(invoice)
        for task in tasks:
            await state(town, task, "Funded")
        assert len({town.log_of(task)[-1]["time"] for task in tasks}) == 1
        await restarted(town, backup)
        await sealed(town)
        assert {each.task for each in town.life.seal.missing} == set(tasks)  # type: ignore[union-attr]
        await open_again(town)
        await sound(town)

    run_virtually(life())


# relays that are away


def test_without_any_relay_nothing_is_decided_and_approved_work_is_settled_at_e_minus_m() -> None:
    async def life() -> None:
        town = await a_town(settings=SHORT)
        start = money(town)
        town.node.network.faults = Faults(no_outbound=True)
        task = await approved(town, deadline=SOON)
        await told(town, town.worker, "did not arrive")
        await town.kill()
        log = len(town.log_of(task))
        town.relays[0].down = True
        town.node.network.faults = Faults()
        await town.start()
        await town.pass_time(3600)
        assert money(town) == (start[0] - HOLD, start[1]), "held, and nobody is paid"
        assert "no relay" in town.life.closed
        to_margin(town, task, before=2)
        await town.pass_time(600)
        assert task_of(town, task).state == "Verified"
        assert town.node.network.figures().held == HOLD
        to_margin(town, task)
        await town.pass_time(120)
        assert town.node.network.figures().held == 0, "settled at E - M"
        assert len(town.log_of(task)) == log
        await town.restart()  # and it is no sign of an older memory
        await town.pass_time(60)
        town.relays[0].down = False
        await opened(town)
        await state(town, task, "Paid", within=300)
        assert town.log_of(task)[-1]["facts"]["credited"][0]["amount_msat"] == HOLD
        await sound(town)

    run_virtually(life())


def test_a_relay_that_comes_back_later_may_still_know_more() -> None:
    async def life() -> None:
        town = await a_town(relays=2)
        task = await offered(town)
        await town.pass_time(30)
        backup = town.backup()
        town.employer.wallet.pay(await invoiced(town, task))
        await state(town, task, "Funded")
        await town.kill()
        full = dict(town.relays[1].events)
        forget(town)
        town.relays[1].down = True
        town.node.own_holds = _cannot_tell  # type: ignore[method-assign]
        town.restore(backup)
        await town.start()
        await opened(town)
        town.relays[1].events |= full
        town.relays[1].down = False
        await sealed(town, 120)
        assert "longer_chain" in whats(town) or "fork" in whats(town)
        await town.kill()

    run_virtually(life())


async def _cannot_tell(since: int) -> Any:
    return None


# the recovery itself


@pytest.mark.parametrize("where", ["before", "after"])
@pytest.mark.parametrize("at", range(1, 14))
def test_a_death_in_the_middle_of_the_recovery_harms_nothing(where: str, at: int) -> None:
    async def life() -> None:
        town = await a_town()
        task = await offered(town)
        await town.pass_time(30)
        backup = town.backup()
        town.employer.wallet.pay(await invoiced(town, task))
        await state(town, task, "Funded")
        await claim(town, task)
        await town.pass_time(30)
        log = town.log_of(task)
        await restarted(town, backup)
        await sealed(town)
        await town.kill()
        setattr(town, f"die_{where}", town.commits + at)
        dying = asyncio.ensure_future(town.recover())
        await asyncio.wait([dying], timeout=30)
        dying.cancel()
        await asyncio.gather(dying, return_exceptions=True)
        town.die()
        await open_again(town)
        assert town.log_of(task) == log
        assert task_of(town, task).state == "Claimed"
        await sound(town)

    run_virtually(life())


def test_a_dry_run_changes_nothing_and_says_the_same() -> None:
    async def life() -> None:
        town = await a_town()
        task = await offered(town)
        await town.pass_time(30)
        backup = town.backup()
        town.employer.wallet.pay(await invoiced(town, task))
        await state(town, task, "Funded")
        await restarted(town, backup)
        await sealed(town)
        await town.kill()
        before = town.backup()
        lines = await town.recover(dry=True)
        assert town.backup() == before
        assert [(line.task, line.was, line.now) for line in lines if line.task] == [(task, "Draft", "Funded")]
        assert await town.recover() == lines
        assert [line for line in await town.recover() if line.entries] == [], "it is done"

    run_virtually(life())


def test_tasks_that_were_made_after_the_backup_are_rebuilt_from_their_logs() -> None:
    async def life() -> None:
        town = await a_town()
        backup = town.backup()
        task = await delivered(town)
        await town.employer.say("post 2k Write a poem deadline=2d")
        await told(town, town.employer, "Write a poem")
        await town.pass_time(20)
        posted = next(each for each in town.states() if each != task)
        logs = {each: town.log_of(each) for each in (task, posted)}
        await restarted(town, backup)
        await stays_read_only(town)
        assert whats(town) == {"unknown_task", "longer_chain"} or whats(town) == {"unknown_task"}
        await open_again(town)
        await town.pass_time(60)
        assert {each: town.log_of(each) for each in logs} == logs, "the same words make no second task"
        assert set(town.states()) == {task, posted}
        await town.worker.say(f"payout {task} {town.worker.wallet.invoice(REWARD, expiry=30 * 86400)}")  # type: ignore[arg-type]
        await told(town, town.worker, "I have your invoice")
        await town.employer.say(f"approve {task}")
        await state(town, task, "Paid")
        await town.employer.say(f"cancel {posted}")
        await state(town, posted, "Refunded")
        assert not stuck_inputs(town)
        await sound(town)

    run_virtually(life())


# words that are heard a second time


def test_an_approval_that_came_too_early_then_is_not_done_now() -> None:
    """It was refused when it was said; by the state that the log tells it would be carried out, and pay for work that he never saw."""

    async def life() -> None:
        town = await a_town()
        task = await funded(town)
        await town.pass_time(30)
        backup = town.backup()
        await claim(town, task)
        before = len(await town.employer.read())
        await town.employer.say(f"approve {task}")
        await told(town, town.employer, "(?i)claimed|in progress", since=before)
        await town.worker.say(f"submit {task} https://example.org/page.zip {'ab' * 32} done")
        await entry(town, task, "proof.submitted")
        await town.pass_time(20)
        log = town.log_of(task)
        await restarted(town, backup)
        await sealed(town)
        await open_again(town)
        await told(town, town.employer, "say it again")
        await town.pass_time(600)
        assert (town.log_of(task), town.states()[task]) == (log, "Claimed")
        await sound(town)

    run_virtually(life())


def test_a_credit_that_may_have_been_paid_waits_for_the_operator() -> None:
    """The lost memory has paid it out of the account and died before it could say so; another invoice must not be paid as well."""

    async def life() -> None:
        town = await a_town(settings=SHORT)
        start = money(town)
        town.node.network.faults = Faults(no_outbound=True)
        task = await approved(town, deadline=SOON)
        await told(town, town.worker, "did not arrive")
        to_margin(town, task)
        await state(town, task, "Paid", within=600)
        await told(town, town.worker, "stand in your account")
        await town.pass_time(60)
        backup = town.backup()
        town.node.network.faults = Faults(payout_stuck=True)
        first, second = (town.worker.wallet.invoice(REWARD, expiry=10 * 86400) for _ in range(2))  # type: ignore[arg-type]
        await town.worker.say(f"withdraw {first}")
        await told(town, town.worker, "I have your invoice")
        await town.employer.say("post 2k Another one deadline=2h")  # something public, after the backup
        await told(town, town.employer, "Another one")
        await town.pass_time(20)
        town.node.network.faults = Faults()
        paid = decode(first).payment_hash
        town.node.network.release(paid)
        await restarted(town, backup)
        await sealed(town)
        await town.kill()
        lines = await town.recover()
        mine = npub(town.worker.pubkey)
        assert any(f"--unpaid {mine}" in words for line in lines for words in line.look)
        await town.start()
        await opened(town)
        await town.pass_time(700)  # until then a clock that is ahead may have dated what was said before
        before = len(await town.worker.read())
        await town.worker.say(f"withdraw {second}")
        await told(town, town.worker, "restored from a backup", since=before)
        await town.pass_time(600)
        assert town.worker.wallet.balance - start[1] == REWARD, "once"
        await town.kill()
        with pytest.raises(CannotRecover, match="absent"):
            await town.tell_paid(mine, "ab" * 32)  # type: ignore[arg-type]
        await town.tell_paid(mine, paid)
        await town.tell_unpaid(mine)
        await town.start()
        before = len(await town.worker.read())
        await town.worker.say(f"withdraw {second}")
        await told(town, town.worker, "Your account has", since=before)
        assert town.worker.wallet.balance - start[1] == REWARD
        await sound(town)

    run_virtually(life())


def test_a_share_that_the_lost_memory_paid_is_not_given_once_more_by_the_end_of_the_hold() -> None:
    """It published that it settles, and died before it could say whom it had paid: the share goes to an account that pays nobody yet."""

    async def life() -> None:
        town = await a_town(settings=SHORT)
        start = money(town)
        task = await approved(town, destination=False, deadline=SOON)
        await town.pass_time(30)
        backup = town.backup()
        town.node.network.faults = Faults(lose_requests=10**6, only=("settle",))
        first, second = (town.worker.wallet.invoice(REWARD, expiry=10 * 86400) for _ in range(2))  # type: ignore[arg-type]
        await town.worker.say(f"payout {task} {first}")
        await entry(town, task, "settlement.started")
        assert town.worker.wallet.balance - start[1] == REWARD
        await restarted(town, backup)
        await sealed(town)
        await town.kill()
        town.node.network.faults = Faults()
        lines = await town.recover()
        assert any(f"--paid {task}" in words for line in lines for words in line.look)
        await town.start()
        await opened(town)
        await town.pass_time(700)
        to_margin(town, task)
        await entry(town, task, "settlement.completed")
        await told(town, town.worker, "stand in your account")
        before = len(await town.worker.read())
        await town.worker.say(f"withdraw {second}")
        await told(town, town.worker, "restored from a backup", since=before)
        await town.kill()
        mine = npub(town.worker.pubkey)
        await town.tell_paid(mine, decode(first).payment_hash)
        await town.tell_unpaid(mine)
        await town.start()
        await opened(town)
        before = len(await town.worker.read())
        await town.worker.say(f"withdraw {second}")
        await told(town, town.worker, "Your account has|Nothing stands", since=before)
        await town.pass_time(600)
        assert town.worker.wallet.balance - start[1] == REWARD, "once"

    run_virtually(life())


# a refund under way


@pytest.mark.parametrize("over", [False, True])
def test_a_refund_that_the_lost_memory_began_is_finished_once(over: bool) -> None:
    async def life() -> None:
        town = await a_town()
        start = money(town)
        task = await funded(town)
        await town.pass_time(30)
        backup = town.backup()
        if not over:
            town.node.network.faults = Faults(lose_requests=10**6, only=("cancel",))
        await town.employer.say(f"cancel {task}")
        await entry(town, task, "refund.started")
        if over:
            await state(town, task, "Refunded")
        await town.pass_time(20)
        await restarted(town, backup)
        await stays_read_only(town)
        town.node.network.faults = Faults()
        await open_again(town)
        await state(town, task, "Refunded")
        assert money(town) == start
        await sound(town)

    run_virtually(life())


# two copies that have both signed


def test_a_fork_is_on_record_and_pays_nobody_until_the_operator_has_looked() -> None:
    async def life() -> None:
        town = await a_town()
        task = await funded(town)
        await town.pass_time(30)
        other = Town(seed=3)
        other.node = town.node
        other.restore(town.backup())
        await claim(town, task)
        await town.pass_time(20)
        await town.kill()
        # the other copy could hear nothing of it, and signs another next entry
        other.relays[0].events |= {
            e.id: e for e in town.relays[0].events.values() if e.pubkey == town.bot and e.tag("type") != "task.claimed"
        }
        other.node.own_holds = _cannot_tell  # type: ignore[method-assign]
        await other.start()
        await opened(other)
        await other.employer.say(f"cancel {task}")
        await entry(other, task, "refund.started")
        await other.kill()
        other.relays[0].events |= town.relays[0].events
        await other.start()
        await sealed(other)
        assert "fork" in whats(other)
        await other.kill()
        lines = await other.recover()
        assert any("two copies" in words for line in lines for words in line.look)
        assert "fork" in incidents_of(other)
        assert task_of(other, task).unsure
        await other.start()
        await opened(other)
        await other.kill()
        assert hold_of(other, task).goal == "cancel", "the branch of this database goes on"

    run_virtually(life())
