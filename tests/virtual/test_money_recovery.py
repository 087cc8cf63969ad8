"""The recovery table row by row (payout x hold), E - M in every state of a payout, and holds that vanish or come back."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest

from bot.nodes.preimages import preimage_of
from bot.nodes.simnet.faults import Faults
from kinds.lightning import HoldRef, HoldStatus, HoldView
from kinds.units import Msat
from tests.virtual.lives import (
    HOLD,
    REWARD,
    SHORT,
    SOON,
    a_town,
    approved,
    balance_of,
    delivered,
    entry,
    funded,
    hired,
    hold_of,
    in_books,
    incidents_of,
    invoiced,
    offered,
    paid_out,
    share_of,
    sound,
    state,
    task_of,
    to_margin,
    told,
)
from tests.virtual.loop import run_virtually
from tests.virtual.world import Town

FEE = 6_000  # msat, of a payout of REWARD in simnet


async def in_flight(town: Town) -> str:
    """An approved task whose payout the payee holds."""
    town.node.network.faults = Faults(payout_stuck=True)
    task = await approved(town, deadline=SOON)
    await in_books(town, task, "in_flight")
    town.node.network.faults = Faults()
    return task


def on_chain(town: Town, task: str) -> None:
    """The payout's channel was closed under it: its HTLC does not end by itself at its height, as it does on a channel. Only so
    can a payout still be in flight at E - M: an attempt's route always ends before."""
    book = town.node.network.book
    waiting = book.invoice(share_of(town, task).payment_hash)
    assert waiting is not None
    with book.transaction():
        book.put_invoice(replace(waiting, due_height=None))


def settle_behind(town: Town, task: str) -> None:
    """The hold is settled, and the daemon has not asked for it yet."""
    hold, network = hold_of(town, task), town.node.network
    network.settle(hold.payment_hash, preimage_of(network.key, hold.ref).hex())


def moved(town: Town, start: tuple[int, int]) -> tuple[int, int]:
    """What the employer has spent and the worker won."""
    return start[0] - town.employer.wallet.balance, town.worker.wallet.balance - start[1]


def money(town: Town) -> tuple[int, int]:
    return town.employer.wallet.balance, town.worker.wallet.balance


async def paid_from_credit(town: Town, task: str, start: tuple[int, int]) -> None:
    """The worker is owed his reward, gets it, and gets it once; what sending it did not cost stays his, to the msat."""
    done = town.log_of(task)[-1]
    assert done["facts"]["credited"] == [{"role": "worker", "to": town.worker.pubkey, "amount_msat": HOLD}]
    assert (done["facts"]["payouts"], moved(town, start)) == ([], (HOLD, 0))
    await told(town, town.worker, "withdraw INVOICE")
    invoices = [town.worker.wallet.invoice(Msat(REWARD), expiry=86400) for _ in range(2)]
    before = len(await town.worker.read())
    for invoice in invoices:  # both at once: only one is owed
        await town.worker.say(f"payout {task} {invoice}")
    receipt = await paid_out(town, town.worker)
    assert (receipt["amount_msat"], receipt["fee_msat"]) == (REWARD, FEE)
    await told(town, town.worker, "(?i)nothing stands in your account|Your account has", since=before)
    assert moved(town, start) == (HOLD, REWARD)
    assert balance_of(town, town.worker) == HOLD - REWARD - FEE
    assert task_of(town, task).insurance == 0


# the payout is complete


@pytest.mark.parametrize("restart", [False, True])
def test_complete_and_held_is_settled_now(restart: bool) -> None:
    async def life() -> None:
        town = await a_town(settings=SHORT)
        start = money(town)
        task = await in_flight(town)
        payout = share_of(town, task).payment_hash
        if restart:
            await town.kill()
        town.node.network.release(payout)
        assert town.node.network.figures().held == HOLD
        if restart:
            await town.start()
        await state(town, task, "Paid")
        assert moved(town, start) == (HOLD, REWARD)
        assert task_of(town, task).insurance == HOLD - REWARD - FEE
        await sound(town)

    run_virtually(life())


@pytest.mark.parametrize("known", [False, True])
def test_complete_and_settled_is_paid(known: bool) -> None:
    """Our settle was carried out and its answer lost with the process; or somebody else settled."""

    async def life() -> None:
        town = await a_town(settings=SHORT)
        start = money(town)
        task = await in_flight(town)
        if known:
            settle_behind(town, task)
            await town.pass_time(90)
            assert (incidents_of(town), town.states()[task]) == (["settled_unasked"], "Verified")
            town.node.network.release(share_of(town, task).payment_hash)
        else:
            town.node.network.faults = Faults(lose_answers=10**6, only=("settle",))
            real = town.node.settle

            async def settle(hold: HoldRef) -> HoldView:
                view = await real(hold)
                town.node.settle = real  # type: ignore[method-assign]
                town.die()
                return view

            town.node.settle = settle  # type: ignore[method-assign]
            town.node.network.release(share_of(town, task).payment_hash)
        await state(town, task, "Paid")
        assert moved(town, start) == (HOLD, REWARD)
        await sound(town)

    run_virtually(life())


@pytest.mark.parametrize("restart", [False, True])
def test_complete_and_gone_is_a_loss_on_record(restart: bool) -> None:
    async def life() -> None:
        town = await a_town(settings=SHORT)
        start = money(town)
        task = await in_flight(town)
        if restart:
            await town.kill()
        town.node.network.lose_hold(hold_of(town, task).payment_hash)
        town.node.network.release(share_of(town, task).payment_hash)
        if restart:
            await town.start()
        await state(town, task, "Paid")
        assert moved(town, start) == (0, REWARD)
        assert [each["type"] for each in town.log_of(task)][-3:] == ["hold.lost", "settlement.completed", "incident"]
        assert {"hold_lost", "loss"} <= set(incidents_of(town))
        assert town.log_of(task)[-1]["facts"]["loss_msat"] == REWARD + FEE
        await sound(town)

    run_virtually(life())


# the payout is in flight


@pytest.mark.parametrize("end", ["complete", "fail"])
@pytest.mark.parametrize("settled", ["by us at E - M", "by another"])
def test_in_flight_and_settled_waits_for_its_end(end: str, settled: str) -> None:
    async def life() -> None:
        town = await a_town(settings=SHORT)
        start = money(town)
        task = await in_flight(town)
        on_chain(town, task)
        if settled == "by another":
            settle_behind(town, task)
            await town.pass_time(90)
        to_margin(town, task, before=0)
        await entry(town, task, "settlement.started", within=300)
        await town.pass_time(300)
        assert (town.states()[task], moved(town, start)) == ("Verified", (HOLD, 0))
        await town.restart()
        await town.pass_time(60)
        town.node.network.release(share_of(town, task).payment_hash, complete=end == "complete")
        await state(town, task, "Paid")
        if end == "complete":
            assert moved(town, start) == (HOLD, REWARD)
        else:
            await paid_from_credit(town, task, start)
        await sound(town)

    run_virtually(life())


@pytest.mark.parametrize("end", ["complete", "fail"])
@pytest.mark.parametrize("restart", [False, True])
def test_in_flight_and_gone_waits_until_every_part_is_terminal(end: str, restart: bool) -> None:
    async def life() -> None:
        town = await a_town(settings=SHORT)
        start = money(town)
        task = await in_flight(town)
        town.node.network.lose_hold(hold_of(town, task).payment_hash)
        await entry(town, task, "hold.lost")
        await town.pass_time(300)
        assert town.states()[task] == "Verified"
        if restart:
            await town.restart()
        town.node.network.release(share_of(town, task).payment_hash, complete=end == "complete")
        await state(town, task, "Paid" if end == "complete" else "Expired", within=900)
        assert moved(town, start) == ((0, REWARD) if end == "complete" else (0, 0))
        if end == "fail":
            assert town.log_of(task)[-1]["facts"]["mark"] is None
        await sound(town)

    run_virtually(life())


# the payout failed for good


@pytest.mark.parametrize("whose", ["ours", "theirs"])
@pytest.mark.parametrize("restart", [False, True])
def test_failed_for_good_and_held_ends_at_e_minus_m(whose: str, restart: bool) -> None:
    """Our trouble: the worker is owed his reward and gets it later. His: the employer has the money back, and the worker a mark."""

    async def life() -> None:
        town = await a_town(settings=SHORT)
        start = money(town)
        town.node.network.faults = Faults(no_outbound=whose == "ours", no_route=whose == "theirs")
        task = await approved(town, deadline=SOON)
        await told(town, town.worker, "did not arrive")
        to_margin(town, task, before=10)
        await town.pass_time(300)
        assert town.states()[task] == "Verified"
        if restart:
            await town.kill()
            to_margin(town, task)
            await town.start()
        else:
            to_margin(town, task)
        await state(town, task, "Paid" if whose == "ours" else "Expired", within=600)
        town.node.network.faults = Faults()
        if whose == "ours":
            await paid_from_credit(town, task, start)
        else:
            last = town.log_of(task)[-1]["facts"]
            assert (last["reason"], last["mark"]) == ("worker_unreachable", town.worker.pubkey)
            assert moved(town, start) == (0, 0)
        await sound(town)

    run_virtually(life())


def test_failed_on_both_sides_is_ours() -> None:
    async def life() -> None:
        town = await a_town(settings=SHORT)
        start = money(town)
        town.node.network.faults = Faults(no_route=True)
        task = await approved(town, deadline=SOON)
        await told(town, town.worker, "did not arrive")
        town.node.network.faults = Faults(no_outbound=True)
        await town.pass_time(300)
        town.node.network.faults = Faults(no_route=True)
        await town.pass_time(300)
        to_margin(town, task)
        await state(town, task, "Paid", within=600)
        town.node.network.faults = Faults()
        await paid_from_credit(town, task, start)
        await sound(town)

    run_virtually(life())


@pytest.mark.parametrize("fault", [Faults(no_route=True), Faults(payout_end="fail")])
def test_failed_for_good_and_settled_by_another_is_owed_never_refunded(fault: Faults) -> None:
    async def life() -> None:
        town = await a_town(settings=SHORT)
        start = money(town)
        town.node.network.faults = fault
        task = await approved(town, deadline=SOON)
        await told(town, town.worker, "did not arrive")
        settle_behind(town, task)
        await town.pass_time(90)
        await town.restart()
        to_margin(town, task)
        await town.pass_time(900)
        town.node.network.faults = Faults()
        assert town.states()[task] == "Paid", "money that was settled cannot go back: he has earned it"
        await paid_from_credit(town, task, start)
        await sound(town)

    run_virtually(life())


@pytest.mark.parametrize("fault", [Faults(no_route=True), Faults(no_outbound=True)])
def test_failed_for_good_and_gone_is_hold_lost(fault: Faults) -> None:
    async def life() -> None:
        town = await a_town(settings=SHORT)
        start = money(town)
        town.node.network.faults = fault
        task = await approved(town, deadline=SOON)
        await told(town, town.worker, "did not arrive")
        town.node.network.lose_hold(hold_of(town, task).payment_hash)
        await state(town, task, "Expired")
        town.node.network.faults = Faults()
        await town.pass_time(1200)
        last = town.log_of(task)[-1]["facts"]
        assert (last["reason"], last["mark"], moved(town, start)) == ("hold_lost", None, (0, 0))
        await sound(town)

    run_virtually(life())


# the payout is absent: the call never reached the node


async def claimed_unsent(town: Town) -> str:
    """An approved task whose call to pay was lost on its way."""
    town.node.network.faults = Faults(lose_requests=1, only=("pay",))
    task = await approved(town, deadline=SOON)
    await in_books(town, task, "claimed")
    return task


@pytest.mark.parametrize("restart", [False, True])
def test_absent_and_held_is_sent_again_after_the_grace_period(restart: bool) -> None:
    async def life() -> None:
        town = await a_town(settings=SHORT)
        start, since = money(town), town.time
        task = await claimed_unsent(town)
        await town.pass_time(590)
        if restart:
            await town.restart()
        assert (town.states()[task], town.worker.wallet.balance) == ("Verified", start[1])
        await state(town, task, "Paid", within=300)
        assert town.time - since > 600
        assert moved(town, start) == (HOLD, REWARD)
        await sound(town)

    run_virtually(life())


@pytest.mark.parametrize("settled", ["by us at E - M", "by another"])
def test_absent_and_settled_is_owed(settled: str) -> None:
    """Claimed and not sent at E - M: the hold is settled at once, the payout is given up after the grace period, then credited."""

    async def life() -> None:
        town = await a_town(settings=SHORT)
        start = money(town)
        task = await claimed_unsent(town)
        if settled == "by another":
            settle_behind(town, task)
        to_margin(town, task)
        await entry(town, task, "settlement.started", within=90)
        await town.pass_time(120)
        assert (town.states()[task], moved(town, start)) == ("Verified", (HOLD, 0))
        await state(town, task, "Paid", within=900)
        await paid_from_credit(town, task, start)
        await sound(town)

    run_virtually(life())


def test_absent_and_gone_is_hold_lost() -> None:
    async def life() -> None:
        town = await a_town(settings=SHORT)
        start = money(town)
        task = await claimed_unsent(town)
        town.node.network.lose_hold(hold_of(town, task).payment_hash)
        await entry(town, task, "hold.lost")
        assert town.states()[task] == "Verified", "the call may still be on its way"
        await state(town, task, "Expired", within=900)
        await town.pass_time(900)
        assert (town.log_of(task)[-1]["facts"]["mark"], moved(town, start)) == (None, (0, 0))
        await sound(town)

    run_virtually(life())


# the payout is unknown: only E - M moves anything


@pytest.mark.parametrize("end", ["complete", "fail", "never sent"])
def test_unknown_at_e_minus_m_settles_and_then_asks_on(end: str) -> None:
    async def life() -> None:
        town = await a_town(settings=SHORT)
        start = money(town)
        if end == "never sent":
            task = await claimed_unsent(town)
        else:
            task = await in_flight(town)
            town.node.network.release(share_of(town, task).payment_hash, complete=end == "complete")
        town.node.network.faults = Faults(lose_requests=10**6, only=("payment", "pay"))
        await town.restart()
        await town.pass_time(900 if end == "never sent" else 120)
        if end == "never sent":
            assert town.states()[task] == "Verified"
        to_margin(town, task)
        await town.pass_time(700)
        assert town.states()[task] in ("Verified", "Paid")
        assert hold_of(town, task).state == "settled"
        town.node.network.faults = Faults()
        await state(town, task, "Paid", within=900)
        if moved(town, start) != (HOLD, REWARD):
            assert end != "complete"
            await paid_from_credit(town, task, start)
        await sound(town)

    run_virtually(life())


# E - M with a payout that was only planned


def test_no_destination_at_e_minus_m() -> None:
    """He was asked and did not answer: the failure is his, and the employer has the money back."""

    async def life() -> None:
        town = await a_town(settings=SHORT)
        start = money(town)
        task = await approved(town, destination=False, deadline=SOON)
        await told(town, town.worker, f"payout {task}")
        to_margin(town, task)
        await state(town, task, "Expired", within=300)
        last = town.log_of(task)[-1]["facts"]
        assert (last["reason"], last["mark"], moved(town, start)) == (
            "worker_unreachable",
            town.worker.pubkey,
            (0, 0),
        )
        await sound(town)

    run_virtually(life())


@pytest.mark.parametrize("restart", [False, True])
def test_e_minus_m_passes_while_the_node_is_down(restart: bool) -> None:
    """It comes back with blocks beyond E - M: in flight it is settled, and the payout's end decides the rest."""

    async def life() -> None:
        town = await a_town(settings=SHORT)
        start = money(town)
        task = await in_flight(town)
        on_chain(town, task)
        town.node.network.faults = Faults(down=True)
        to_margin(town, task)
        town.node.network.mine(5)
        await town.pass_time(600)
        assert town.node.network.figures().held == HOLD
        town.node.network.faults = Faults()
        if restart:
            await town.restart()
        await entry(town, task, "settlement.started", within=120)
        town.node.network.release(share_of(town, task).payment_hash)
        await state(town, task, "Paid")
        assert moved(town, start) == (HOLD, REWARD)
        await sound(town)

    run_virtually(life())


# holds that vanish, or seem to, or come back


def with_holds(town: Town, change: Callable[[HoldView], HoldView]) -> None:
    """What the node says of holds, changed; `change` may be called any number of times."""
    real = town.node.hold

    async def look(hold: HoldRef) -> HoldView:
        return change(await real(hold))

    town.node.hold = look  # type: ignore[method-assign]


def gone_for(town: Town, seconds: float) -> None:
    """The node knows no hold for so long: it is starting, or has lost its database for a while."""
    until = town.loop.time() + seconds

    def change(view: HoldView) -> HoldView:
        return view if town.loop.time() >= until else HoldView(view.payment_hash, HoldStatus.ABSENT)

    with_holds(town, change)


@pytest.mark.parametrize("seconds", [1, 550])
@pytest.mark.parametrize("phase", ["Funded", "Verified", "refunding"])
def test_a_hold_that_is_absent_for_a_moment_is_still_held(seconds: int, phase: str) -> None:
    async def life() -> None:
        town = await a_town(settings=SHORT)
        start = money(town)
        if phase == "Verified":
            task = await in_flight(town)
        else:
            task = await funded(town, deadline=SOON)
        gone_for(town, seconds)
        town.node.network.hints.say([hold_of(town, task).payment_hash])
        if phase == "refunding":
            await town.employer.say(f"cancel {task}")
        await town.pass_time(seconds + 70)
        if phase == "Verified":
            town.node.network.release(share_of(town, task).payment_hash)
            await state(town, task, "Paid")
            assert moved(town, start) == (HOLD, REWARD)
        else:
            if phase == "Funded":
                assert town.states()[task] == "Funded"
                await town.employer.say(f"cancel {task}")
            await state(town, task, "Refunded")
            assert moved(town, start) == (0, 0)
        assert (incidents_of(town), town.node.network.figures().held) == ([], 0)
        await sound(town)

    run_virtually(life())


@pytest.mark.parametrize("phase", ["Funded", "Claimed"])
def test_a_hold_that_stays_absent_is_lost_and_goes_back_when_it_returns(phase: str) -> None:
    async def life() -> None:
        town = await a_town(settings=SHORT)
        start = money(town)
        task = await (funded(town, deadline=SOON) if phase == "Funded" else hired(town))
        gone_for(town, 800)
        await entry(town, task, "hold.lost", within=790)
        await state(town, task, "Expired")
        assert incidents_of(town) == ["hold_lost"]
        assert moved(town, start) == (HOLD, 0)
        await entry(town, task, "funding.stray", within=300)
        await town.pass_time(60)
        assert (moved(town, start), town.node.network.figures().held) == ((0, 0), 0)
        assert town.states()[task] == "Expired"
        await sound(town)

    run_virtually(life())


def test_a_lost_hold_that_returns_after_its_payout_is_shown_to_the_operator() -> None:
    async def life() -> None:
        town = await a_town(settings=SHORT)
        start = money(town)
        task = await in_flight(town)
        gone_for(town, 900)
        await entry(town, task, "hold.lost", within=800)
        town.node.network.release(share_of(town, task).payment_hash)
        await state(town, task, "Paid")
        await town.pass_time(300)
        assert "lost_hold_is_back" in incidents_of(town)
        assert (town.node.network.figures().held, town.worker.wallet.balance - start[1]) == (HOLD, REWARD)
        await sound(town)

    run_virtually(life())


def test_cancelled_held_cancelled() -> None:
    """The node said that an invoice was cancelled when it was not, and it is paid: what goes back a second time is heard too."""

    async def life() -> None:
        town = await a_town(settings=SHORT)
        start = money(town)
        task = await offered(town, deadline=SOON)
        invoice = await invoiced(town, task)
        lying, real = True, town.node.cancel

        def change(view: HoldView) -> HoldView:
            return HoldView(view.payment_hash, HoldStatus.CANCELLED) if lying else view

        async def cancel(hold: HoldRef) -> HoldView:
            return HoldView(hold.payment_hash, HoldStatus.CANCELLED) if lying else await real(hold)

        with_holds(town, change)
        town.node.cancel = cancel  # type: ignore[method-assign]
        town.node.network.hints.say([hold_of(town, task).payment_hash])
        await entry(town, task, "invoice.expired")
        lying = False
        town.employer.wallet.pay(invoice)
        await entry(town, task, "funding.stray")
        await town.pass_time(90)
        assert (hold_of(town, task).state, moved(town, start)) == ("cancelled", (0, 0))
        assert town.states()[task] == "Draft"
        await sound(town)

    run_virtually(life())


@pytest.mark.parametrize("then", ["the node gives it back", "E - M"])
def test_a_force_close_before_the_approval_keeps_the_payout_at_home(then: str) -> None:
    """The hold is no longer on a channel: nothing is paid on it."""

    async def life() -> None:
        town = await a_town(settings=SHORT)
        start = money(town)
        task = await delivered(town, deadline=SOON)
        town.node.network.force_close(hold_of(town, task).payment_hash)
        await town.employer.say(f"approve {task}")
        await told(town, town.worker, "did not arrive")
        await town.pass_time(600)
        assert (town.states()[task], town.worker.wallet.balance) == ("Verified", start[1])
        if then == "E - M":
            to_margin(town, task)
            await state(town, task, "Paid")  # the settle may still win it on the chain; here it does not
            assert (incidents_of(town), moved(town, start)) == (["hold_off_channel"], (0, 0))
            assert town.log_of(task)[-1]["facts"]["credited"][0]["amount_msat"] == HOLD
            await sound(town, loss=HOLD)
        else:
            town.node.network.lose_hold(hold_of(town, task).payment_hash)
            await state(town, task, "Expired")
            assert (town.log_of(task)[-1]["facts"]["mark"], moved(town, start)) == (None, (0, 0))
            assert incidents_of(town) == ["hold_off_channel", "hold_lost"]
            await sound(town)

    run_virtually(life())
