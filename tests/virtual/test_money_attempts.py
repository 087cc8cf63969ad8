"""One share is paid once, whatever becomes of a call: late, lost, failed before, held by its payee, or cut off by a crash."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from bot.nodes.simnet.faults import Faults
from kinds.lightning import PaymentStatus as S
from kinds.lightning import PaymentView, PaySpec
from kinds.units import Msat, PaymentHash
from tests.virtual.lives import (
    HOLD,
    REWARD,
    SHORT,
    SOON,
    a_town,
    approved,
    delivered,
    entry,
    hired,
    in_books,
    incidents_of,
    share_of,
    sound,
    state,
    told,
)
from tests.virtual.loop import run_virtually
from tests.virtual.world import Town

Pay = Callable[[PaySpec], Awaitable[PaymentView]]


def slow_wire(town: Town, seconds: float, then_die: bool = False) -> tuple[list[str], list[asyncio.Task[Any]]]:
    """The next call to `pay` reaches the node so much later; its caller is told UNKNOWN at once, or dies. Later calls are normal.
    Returns the hashes that were sent to the node, in order, and the late call once it was made."""
    real: Pay = town.node.pay
    sent: list[str] = []
    under_way: list[asyncio.Task[Any]] = []

    async def arrive(spec: PaySpec) -> None:
        await asyncio.sleep(seconds)
        sent.append(spec.payment_hash)
        await real(spec)

    async def pay(spec: PaySpec) -> PaymentView:
        if under_way:
            sent.append(spec.payment_hash)
            return await real(spec)
        under_way.append(asyncio.ensure_future(arrive(spec)))
        if then_die:
            town.die()
            await asyncio.sleep(3600)
        return PaymentView(spec.payment_hash, S.UNKNOWN)

    town.node.pay = pay  # type: ignore[method-assign]
    return sent, under_way


async def called(town: Town, under_way: list[asyncio.Task[Any]]) -> None:
    """The late call has been made."""

    async def there() -> bool:
        return bool(under_way)

    await town.until(there, 120)


async def failed_once(town: Town) -> str:
    """A task whose first attempt to pay has failed on the way; the next one waits for its time."""
    network = town.node.network
    network.faults = Faults(no_route=True)
    task = await approved(town, deadline=SOON)
    await told(town, town.worker, "did not arrive")
    assert share_of(town, task).attempts == 1
    network.faults = Faults()
    return task


async def name_another(town: Town, task: str) -> None:
    """The worker names a second invoice, as he does when he is impatient."""
    await town.worker.say(f"payout {task} {town.worker.wallet.invoice(Msat(REWARD), expiry=86400)}")


@pytest.mark.parametrize("crash", [False, True])
def test_a_failure_of_the_attempt_before_proves_nothing_of_this_one(crash: bool) -> None:
    """The second attempt is late on its way to the node; what the node says of the hash is still the first one's failure. A second
    invoice that the worker names meanwhile must not be paid beside it."""

    async def life() -> None:
        town = await a_town(settings=SHORT)
        start = town.employer.wallet.balance, town.worker.wallet.balance
        task = await failed_once(town)
        sent, late = slow_wire(town, 200, then_die=crash)
        await called(town, late)
        await town.pass_time(20)
        before = len(await town.worker.read())
        await name_another(town, task)
        await told(town, town.worker, "may be on its way", since=before)
        await town.pass_time(60)
        await name_another(town, task)
        await state(town, task, "Paid", within=900)
        assert (len(sent), len(set(sent))) == (1, 1)
        assert (start[0] - town.employer.wallet.balance, town.worker.wallet.balance - start[1]) == (HOLD, REWARD)
        await sound(town)

    run_virtually(life())


@pytest.mark.parametrize("crash", [False, True])
def test_an_attempt_that_was_lost_is_made_again_after_the_grace_period(crash: bool) -> None:
    """It never reaches the node: the old failure is believed after ten minutes, and the same invoice is paid."""

    async def life() -> None:
        town = await a_town(settings=SHORT)
        start = town.worker.wallet.balance
        task = await failed_once(town)
        sent, late = slow_wire(town, 10**6, then_die=crash)
        await called(town, late)
        since = town.time
        await state(town, task, "Paid", within=1200)
        assert town.time - since > 600
        assert (len(sent), town.worker.wallet.balance - start) == (1, REWARD)
        await sound(town)

    run_virtually(life())


def test_what_arrives_after_it_was_given_up_goes_on_record() -> None:
    """Later than any grace: the first invoice was given up, a second one paid, and then the first payment arrives as well."""

    async def life() -> None:
        town = await a_town(settings=SHORT)
        start = town.worker.wallet.balance
        task = await failed_once(town)
        _, late = slow_wire(town, 1000)
        await called(town, late)
        await town.pass_time(400)
        town.node.network.faults = Faults(no_route=True)

        async def believed() -> bool:
            return share_of(town, task).attempts >= 2 and not share_of(town, task).ordered

        await town.until(believed, 600)
        town.node.network.faults = Faults()
        await name_another(town, task)
        await state(town, task, "Paid", within=120)
        assert town.worker.wallet.balance - start == REWARD
        await town.pass_time(900)
        assert town.worker.wallet.balance - start == 2 * REWARD
        assert any("given_up" in code or "late" in code for code in incidents_of(town)), incidents_of(town)
        await sound(town, loss=REWARD + 6_000)

    run_virtually(life())


@pytest.mark.parametrize("when", ["before", "after"])
def test_a_crash_between_the_intent_and_the_call(when: str) -> None:
    """The payout is claimed and its order started; the call was never made, or the commit itself was lost."""

    async def life() -> None:
        town = await a_town(settings=SHORT)
        start = town.employer.wallet.balance, town.worker.wallet.balance
        task = await delivered(town, deadline=SOON)
        real = town.node.hold

        async def look(hold: Any) -> Any:
            view = await real(hold)
            town.node.hold = real  # type: ignore[method-assign]
            if when == "before":  # the look right before the attempt is followed by the commit of the intent
                town.die_before = town.commits + 1
            else:
                town.die_after = town.commits + 1
            return view

        town.node.hold = look  # type: ignore[method-assign]
        await town.employer.say(f"approve {task}")
        await state(town, task, "Paid", within=1500)
        assert (start[0] - town.employer.wallet.balance, town.worker.wallet.balance - start[1]) == (HOLD, REWARD)
        await sound(town)

    run_virtually(life())


def stopped_looks(town: Town) -> tuple[asyncio.Event, asyncio.Event, list[str]]:
    """An attempt's looks at task, hold and node are over, that at the payment is not until `go`. (looking, go, hashes sent)"""
    look, send = town.node.payment, town.node.pay
    looking, go, sent = asyncio.Event(), asyncio.Event(), list[str]()

    async def payment(payment_hash: PaymentHash) -> PaymentView:
        looking.set()
        await go.wait()
        return await look(payment_hash)

    async def pay(spec: PaySpec) -> PaymentView:
        sent.append(spec.payment_hash)
        return await send(spec)

    town.node.payment, town.node.pay = payment, pay  # type: ignore[method-assign]
    return looking, go, sent


@pytest.mark.parametrize("meanwhile", ["dispute", "freeze", "another invoice"])
def test_what_happens_between_the_looks_and_the_leave_stops_the_attempt(meanwhile: str) -> None:
    """All that an attempt rests on was fine when it was looked at; before the intent is committed the world moves on."""

    async def life() -> None:
        town = await a_town(settings=SHORT)
        start = town.employer.wallet.balance, town.worker.wallet.balance
        task = await delivered(town, deadline=SOON)
        looking, go, sent = stopped_looks(town)
        await town.employer.say(f"approve {task}")
        await looking.wait()
        await town.pass_time(5)  # the other looks are over
        first = share_of(town, task).payment_hash
        match meanwhile:
            case "dispute":
                await town.worker.say(f"dispute {task} not what we agreed")
                await state(town, task, "Disputed")
            case "freeze":
                await town.dispatch.by_hand(f"freeze {task}")
                await entry(town, task, "task.frozen")
            case _:
                await name_another(town, task)
                await told(town, town.worker, "I have your invoice")
        go.set()
        await town.pass_time(60)
        assert first not in sent
        if meanwhile == "dispute":
            await town.employer.say(f"approve {task}")
            await name_another(town, task)
        if meanwhile == "freeze":
            assert not sent
            await town.dispatch.by_hand(f"unfreeze {task}")
        await state(town, task, "Paid", within=3600)
        assert len(sent) == 1
        assert (start[0] - town.employer.wallet.balance, town.worker.wallet.balance - start[1]) == (HOLD, REWARD)
        await sound(town)

    run_virtually(life())


@pytest.mark.parametrize("restart", [False, True])
def test_no_outbound_is_our_trouble_and_is_tried_again(restart: bool) -> None:
    async def life() -> None:
        town = await a_town(settings=SHORT)
        start = town.employer.wallet.balance, town.worker.wallet.balance
        town.node.network.faults = Faults(no_outbound=True)
        task = await approved(town, deadline=SOON)
        assert "trouble is on my side" in await told(town, town.worker, "did not arrive")
        await town.pass_time(600)
        assert share_of(town, task).attempts >= 3
        if restart:
            await town.restart()
        town.node.network.faults = Faults()
        await state(town, task, "Paid", within=1800)
        texts = [text for text in await town.worker.read() if "did not arrive" in text]
        assert len(texts) == 1, "he is told once, not at every attempt"
        assert (start[0] - town.employer.wallet.balance, town.worker.wallet.balance - start[1]) == (HOLD, REWARD)
        await sound(town)

    run_virtually(life())


@pytest.mark.parametrize("another", [False, True])
def test_an_unreachable_payee_is_tried_again_or_names_another_invoice(another: bool) -> None:
    async def life() -> None:
        town = await a_town(settings=SHORT)
        start = town.employer.wallet.balance, town.worker.wallet.balance
        town.node.network.faults = Faults(no_route=True)
        task = await approved(town, deadline=SOON)
        assert "trouble is on my side" not in await told(town, town.worker, "did not arrive")
        await town.pass_time(200)
        town.node.network.faults = Faults()
        if another:
            first = share_of(town, task).payment_hash
            await name_another(town, task)
        await state(town, task, "Paid", within=1800)
        assert (start[0] - town.employer.wallet.balance, town.worker.wallet.balance - start[1]) == (HOLD, REWARD)
        if another:
            assert town.log_of(task)[-1]["facts"]["payouts"][0]["payment_hash"] != first
        await sound(town)

    run_virtually(life())


@pytest.mark.parametrize("end", ["complete", "fail"])
@pytest.mark.parametrize("restart", [False, True])
def test_a_payout_that_its_payee_holds_past_its_timeout_is_waited_for(end: str, restart: bool) -> None:
    """In flight for hours: never a second one beside it, never another invoice; it ends as it ends."""

    async def life() -> None:
        town = await a_town(settings=SHORT)
        start = town.employer.wallet.balance, town.worker.wallet.balance
        town.node.network.faults = Faults(payout_stuck=True)
        task = await approved(town, deadline=SOON)
        payout = await in_books(town, task, "in_flight")
        before = len(await town.worker.read())
        await name_another(town, task)
        await told(town, town.worker, "may be on its way", since=before)
        await town.worker.say(f"dispute {task} I want more")
        await told(town, town.worker, "does not fit", since=before)
        await town.pass_time(3600)
        if restart:
            await town.restart()
        await town.pass_time(600)
        assert (town.states()[task], share_of(town, task).payment_hash) == ("Verified", payout.payment_hash)
        town.node.network.faults = Faults()
        town.node.network.release(payout.payment_hash, complete=end == "complete")
        await state(town, task, "Paid", within=300)
        assert (start[0] - town.employer.wallet.balance, town.worker.wallet.balance - start[1]) == (HOLD, REWARD)
        assert len(town.log_of(task)[-1]["facts"]["payouts"]) == 1
        await sound(town)

    run_virtually(life())


@pytest.mark.parametrize("silent", ["payment", "pay", "hold", "facts"])
def test_a_node_that_does_not_answer_is_only_asked_again(silent: str) -> None:
    """UNKNOWN moves nothing: not the payout, not the hold, not the person."""

    async def life() -> None:
        town = await a_town(settings=SHORT)
        start = town.employer.wallet.balance, town.worker.wallet.balance
        task = await delivered(town, deadline=SOON)
        town.node.network.faults = Faults(lose_requests=10**6, only=(silent,))
        await town.employer.say(f"approve {task}")
        await state(town, task, "Verified")
        await town.pass_time(400)
        await town.restart() if silent != "facts" else None
        await town.pass_time(500)
        assert town.states()[task] == "Verified"
        assert (town.worker.wallet.balance, town.node.network.figures().held) == (start[1], HOLD)
        town.node.network.faults = Faults()
        await state(town, task, "Paid", within=1800)
        assert (start[0] - town.employer.wallet.balance, town.worker.wallet.balance - start[1]) == (HOLD, REWARD)
        await sound(town)

    run_virtually(life())


@pytest.mark.parametrize("call", ["make_hold", "hold", "settle", "cancel", "pay", "payment", "facts"])
@pytest.mark.parametrize("lost", ["lose_requests", "lose_answers"])
@pytest.mark.parametrize("end", ["paid", "refunded"])
def test_calls_and_answers_get_lost(call: str, lost: str, end: str) -> None:
    """The first three of one kind; nothing happens twice and nothing is missing at the end."""

    async def life() -> None:
        town = await a_town(settings=SHORT)
        start = town.employer.wallet.balance, town.worker.wallet.balance
        town.node.network.faults = Faults(
            only=(call,),
            lose_requests=3 if lost == "lose_requests" else 0,
            lose_answers=3 if lost == "lose_answers" else 0,
        )
        task = await hired(town)
        if end == "paid":
            await town.worker.say(f"submit {task} https://example.org/page.zip {'ab' * 32} done")
            await entry(town, task, "proof.submitted")
            await town.employer.say(f"approve {task}")
            await state(town, task, "Paid", within=3600)
        else:
            await town.employer.say(f"cancel {task} 0")
            await entry(town, task, "cancel.offered")
            await town.worker.say(f"cancel {task} 0")
            await state(town, task, "Refunded", within=600)
        moved = start[0] - town.employer.wallet.balance, town.worker.wallet.balance - start[1]
        assert moved == ((HOLD, REWARD) if end == "paid" else (0, 0))
        await sound(town)

    run_virtually(life())


def test_every_answer_of_the_node_takes_twenty_seconds() -> None:
    async def life() -> None:
        town = Town(settings=SHORT)
        await town.start()
        town.node.network.faults = Faults(delay=20.0)
        start = town.employer.wallet.balance, town.worker.wallet.balance
        task = await approved(town, deadline=SOON)
        await state(town, task, "Paid", within=600)
        assert (start[0] - town.employer.wallet.balance, town.worker.wallet.balance - start[1]) == (HOLD, REWARD)
        await sound(town)

    run_virtually(life())
