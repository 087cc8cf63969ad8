"""Bugs of our own and long troubles of the node: what is stuck is stuck alone, what is late comes late, and nothing is lost."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from dataclasses import replace
from typing import Any

import pytest

import bot.dispatch
import handlers.decide
from bot.limits import Limits
from bot.nodes.opening import OtherNode, bind
from bot.nodes.simnet.faults import Faults
from handlers.decision import Decision
from handlers.decision import Refusal as Refused
from handlers.task import Task
from kinds.commands import Approve
from kinds.inputs import Offered, PaymentSeen, Said, Tick, What
from kinds.lightning import PaymentStatus
from storage import reads
from tests.virtual.lives import (
    HASH,
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
    hired,
    hold_of,
    in_books,
    incidents_of,
    invoiced,
    offered,
    seen_by,
    share_of,
    sound,
    state,
    stuck_inputs,
    told,
)
from tests.virtual.loop import run_virtually
from tests.virtual.world import Person, Town

Decide = Callable[..., Decision | Refused]
REAL: Decide = handlers.decide.decide


def choke(monkeypatch: pytest.MonkeyPatch, on: Callable[[Task | None, What], bool]) -> None:
    """From now on our code has a bug: it fails on such an input."""

    def decide(task: Task | None, what: What, *house: Any) -> Decision | Refused:
        if on(task, what):
            raise ZeroDivisionError("a bug of ours")
        return REAL(task, what, *house)

    monkeypatch.setattr(bot.dispatch, "decide", decide)


def mend(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bot.dispatch, "decide", REAL)


def balances(town: Town) -> tuple[int, int]:
    return town.employer.wallet.balance, town.worker.wallet.balance


def moved(town: Town, start: tuple[int, int]) -> tuple[int, int]:
    return start[0] - town.employer.wallet.balance, town.worker.wallet.balance - start[1]


def test_a_new_stream_of_hints_is_a_reason_to_look_at_everything() -> None:
    """What happened while nobody listened is found when the stream is opened again, not only by the slow poll."""

    async def life() -> None:
        town = await a_town(settings=SHORT)
        task = await offered(town, deadline=SOON)
        invoice, network = await invoiced(town, task), town.node.network
        await town.pass_time(61)  # the slow poll has just looked
        network.faults = Faults(deaf=True)
        town.employer.wallet.pay(invoice)
        await town.pass_time(20)
        assert town.states()[task] == "PendingFunding"
        network.hints.close()
        await state(town, task, "Funded", within=5)
        await sound(town)

    run_virtually(life())


# an input that our code cannot digest


def test_an_offer_that_chokes_us_is_stuck_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    async def life() -> None:
        choke(monkeypatch, lambda _, what: isinstance(what, Offered) and what.offer.title == "choke")
        town = await a_town(settings=SHORT)
        start = balances(town)
        poison = await town.employer.offer(1000, "choke", town.time + SOON, "poison")
        await told(town, town.employer, "broken on my side", within=5)
        task = await approved(town, deadline=SOON)
        await state(town, task, "Paid", within=5)
        assert moved(town, start) == (HOLD, REWARD)
        assert (len(stuck_inputs(town)), incidents_of(town)) == (1, ["input_stuck"])
        await sound(town, stuck=True)
        mend(monkeypatch)
        await town.restart()

        async def made() -> bool:
            return any(each["root"] == poison.id for each in town.state_events())

        await town.until(made, 10)
        await sound(town)

    run_virtually(life())


def test_a_command_that_chokes_us_leaves_its_task_alive(monkeypatch: pytest.MonkeyPatch) -> None:
    """The approval with the poisoned words is stuck; another one settles the task; the stuck one then finds it done."""

    async def life() -> None:
        town = await a_town(settings=SHORT)
        start = balances(town)
        task, other = await delivered(town, deadline=SOON), await delivered(town, deadline=SOON, d="other")

        def on(_: Task | None, what: What) -> bool:
            return isinstance(what, Said) and isinstance(what.command, Approve) and "choke" in what.command.feedback

        choke(monkeypatch, on)
        await town.employer.say(f"approve {task} choke")
        await told(town, town.employer, "broken on my side", within=5)
        await town.employer.say(f"approve {other} fine")
        await state(town, other, "Paid", within=5)
        await town.employer.say(f"approve {task} fine")
        await state(town, task, "Paid", within=5)
        assert moved(town, start) == (2 * HOLD, 2 * REWARD)
        mend(monkeypatch)
        await town.restart()
        await told(town, town.employer, "(?i)does not fit", within=30)
        assert moved(town, start) == (2 * HOLD, 2 * REWARD)
        await sound(town)

    run_virtually(life())


def test_a_stuck_approval_is_carried_out_by_the_next_version(monkeypatch: pytest.MonkeyPatch) -> None:
    async def life() -> None:
        town = await a_town(settings=SHORT)
        start = balances(town)
        task = await delivered(town, deadline=SOON)
        choke(monkeypatch, lambda _, what: isinstance(what, Said) and isinstance(what.command, Approve))
        await town.employer.say(f"approve {task}")
        await told(town, town.employer, "broken on my side", within=5)
        await town.restart()  # the same bug: it gets stuck again, and the daemon lives
        await asyncio.sleep(60)
        assert (town.states()[task], len(stuck_inputs(town))) == ("Claimed", 1)
        mend(monkeypatch)
        await town.restart()
        await state(town, task, "Paid", within=30)
        assert moved(town, start) == (HOLD, REWARD)
        await sound(town)

    run_virtually(life())


def test_the_money_of_a_task_settles_though_a_word_of_the_node_is_stuck(monkeypatch: pytest.MonkeyPatch) -> None:
    """IN_FLIGHT chokes us: the task takes no commands, and what the node says next is heard all the same."""

    async def life() -> None:
        town = await a_town(settings=SHORT)
        start = balances(town)
        first = await funded(town, deadline=SOON, d="first")
        await claim(town, first)
        await town.worker.say(f"submit {first} https://example.org/page.zip {HASH} done")
        await entry(town, first, "proof.submitted")
        town.node.network.faults = Faults(payout_delay=300)

        def on(task: Task | None, what: What) -> bool:
            flying = isinstance(what, PaymentSeen) and what.view.status is PaymentStatus.IN_FLIGHT
            return flying and task is not None and task.id == first

        choke(monkeypatch, on)
        await town.employer.say(f"approve {first}")
        await state(town, first, "Verified")
        await asyncio.sleep(60)
        assert len(stuck_inputs(town)) == 1
        before = len(await town.worker.read())
        await town.worker.say(f"dispute {first} why does it take so long")
        await told(town, town.worker, "(?i)stands still", since=before)
        other = await delivered(town, deadline=SOON, d="other")
        await town.employer.say(f"approve {other}")
        await state(town, first, "Paid", within=600)
        await state(town, other, "Paid", within=600)
        assert moved(town, start) == (2 * HOLD, 2 * REWARD)
        mend(monkeypatch)
        await town.restart()
        await asyncio.sleep(30)
        await sound(town)

    run_virtually(life())


def test_the_last_word_on_a_payout_is_stuck_and_heard_by_the_next_version(monkeypatch: pytest.MonkeyPatch) -> None:
    """COMPLETE chokes us: nothing is settled and nothing is paid twice until the bug is mended."""

    async def life() -> None:
        town = await a_town(settings=SHORT)
        start = balances(town)
        choke(monkeypatch, lambda _, what: isinstance(what, PaymentSeen))
        task = await approved(town, deadline=SOON)
        await asyncio.sleep(120)
        assert (town.states()[task], moved(town, start)) == ("Verified", (HOLD, REWARD))
        assert town.node.network.figures().held == HOLD
        other = await funded(town, deadline=SOON, d="other")
        mend(monkeypatch)
        await town.restart()
        await state(town, task, "Paid", within=30)
        assert town.states()[other] == "Funded"
        assert moved(town, start) == (2 * HOLD, REWARD)
        await sound(town)

    run_virtually(life())


# ticks


@pytest.mark.parametrize("later", ["time", "height"])
def test_a_tick_that_changes_nothing_does_not_block_what_is_due_later(
    monkeypatch: pytest.MonkeyPatch, later: str
) -> None:
    """The first tick, of a warning ahead of the deadline, does nothing; the deadline itself and the hold's end still count."""

    async def life() -> None:
        town = await a_town(settings=SHORT)
        start = balances(town)
        task = await hired(town)
        ticks = 0

        def decide(held: Task | None, what: What, *house: Any) -> Decision | Refused:
            nonlocal ticks
            if isinstance(what, Tick) and held is not None and held.id == task:
                ticks += 1
                if ticks == 1:
                    return Decision(held)
            return REAL(held, what, *house)

        monkeypatch.setattr(bot.dispatch, "decide", decide)
        await asyncio.sleep(SOON * 3 // 4 + 120)
        assert ticks >= 1
        if later == "height":
            network = town.node.network
            network.mine(int(town.state_of(task)["last_safe_height"]) - network.height)
            await state(town, task, "Refunded", within=120)
        else:
            await state(town, task, "Expired", within=SOON // 4 + 720)
        assert balances(town) == start
        await sound(town)

    run_virtually(life())


@pytest.mark.parametrize("stubborn", [0, 220])
def test_three_hundred_tasks_that_are_due_at_once_all_end(monkeypatch: pytest.MonkeyPatch, stubborn: int) -> None:
    """`stubborn`: tasks, due first, whose ticks change nothing as long as our code has that bug."""

    async def life() -> None:
        town = await a_town(settings=SHORT, limits=Limits(messages_a_minute=10_000))
        patient = True

        def decide(held: Task | None, what: What, *house: Any) -> Decision | Refused:
            if patient and isinstance(what, Tick) and held is not None and held.title.startswith("stubborn"):
                return Decision(held)
            return REAL(held, what, *house)

        monkeypatch.setattr(bot.dispatch, "decide", decide)
        deadline = town.time + 1800
        for n in range(300):
            late = n >= stubborn
            title = f"{'task' if late else 'stubborn'} {n}"
            await town.employer.offer(1000 + n, title, deadline if late else deadline - 30, f"n{n}")
        await asyncio.sleep(deadline - town.time - 60)
        assert list(town.states().values()) == ["Draft"] * 300
        await asyncio.sleep(150)
        assert list(town.states().values()).count("Expired") == 300 - stubborn
        patient = False
        await asyncio.sleep(700)
        assert list(town.states().values()) == ["Expired"] * 300
        await sound(town)

    run_virtually(life())


# the node is down, for an hour, at any step


async def at_offer(town: Town) -> str:
    return await offered(town, deadline=SOON)


async def at_invoice(town: Town) -> str:
    task = await offered(town, deadline=SOON)
    await invoiced(town, task)
    return task


async def at_flight(town: Town) -> str:
    town.node.network.faults = Faults(payout_delay=1800)
    task = await approved(town, deadline=SOON)
    await in_books(town, task, "in_flight")
    return task


STEPS: dict[str, Callable[[Town], Coroutine[Any, Any, str]]] = {
    "before the invoice": at_offer,
    "invoice open": at_invoice,
    "funded": lambda town: funded(town, deadline=SOON),
    "claimed": lambda town: claimed(town, deadline=SOON),
    "delivered": lambda town: delivered(town, deadline=SOON),
    "in flight": at_flight,
}


@pytest.mark.parametrize("step", STEPS)
@pytest.mark.parametrize("way", ["down", "unsynced", "down over a restart"])
def test_the_node_is_away_for_an_hour(step: str, way: str) -> None:
    """What people ask for meanwhile is done when it is back; the deadlines have stood still."""

    async def life() -> None:
        town = await a_town(settings=SHORT)
        start = balances(town)
        task = await STEPS[step](town)
        network = town.node.network
        network.faults = Faults(down=way != "unsynced", unsynced=way == "unsynced")
        if step == "before the invoice":
            await town.employer.say(f"fund {task}")
        if step == "delivered":
            await town.employer.say(f"approve {task}")
        if step == "claimed":
            await town.worker.say(f"submit {task} https://example.org/page.zip {HASH} done")
        if way == "down over a restart":
            await town.kill()
        await asyncio.sleep(3600)
        network.faults = Faults()
        if way == "down over a restart":
            await town.start()
        await asyncio.sleep(90)
        if step in ("before the invoice", "invoice open"):
            await _fund_again(town, task)
        if step in ("before the invoice", "invoice open", "funded"):
            await claim(town, task)
        if step not in ("delivered", "in flight"):
            if step != "claimed":
                await town.worker.say(f"submit {task} https://example.org/page.zip {HASH} done")
            await entry(town, task, "proof.submitted")
            await town.employer.say(f"approve {task}")
        await state(town, task, "Paid", within=1900)
        assert moved(town, start) == (HOLD, REWARD)
        await sound(town)

    run_virtually(life())


async def _fund_again(town: Town, task: str) -> None:
    """The invoice, old or new: it may have run out meanwhile, or not have been made at all."""
    await asyncio.sleep(30)
    town.employer.wallet.pay(await invoiced(town, task))
    await state(town, task, "Funded")


@pytest.mark.parametrize("end", ["settle", "cancel"])
@pytest.mark.parametrize("restart", [False, True])
def test_the_node_goes_away_between_the_decision_and_the_end_of_the_hold(end: str, restart: bool) -> None:
    async def life() -> None:
        town = await a_town(settings=SHORT)
        start = balances(town)
        network = town.node.network
        network.faults = Faults(lose_requests=10**6, only=(end,))
        if end == "settle":
            task = await approved(town, deadline=SOON)
            await entry(town, task, "settlement.started")
        else:
            task = await funded(town, deadline=SOON)
            await town.employer.say(f"cancel {task}")
            await entry(town, task, "refund.started")
        network.faults = Faults(down=True)
        await asyncio.sleep(3000)
        if restart:
            network.faults = Faults()
            await town.restart()
        network.faults = Faults()
        await state(town, task, "Paid" if end == "settle" else "Refunded", within=300)
        assert moved(town, start) == ((HOLD, REWARD) if end == "settle" else (0, 0))
        await sound(town)

    run_virtually(life())


@pytest.mark.parametrize("end", ["paid", "refunded"])
def test_the_slow_poll_finds_what_hints_would_have_told(end: str) -> None:
    """The stream of hints is open and says nothing, all life long."""

    async def life() -> None:
        town = await a_town(settings=SHORT)
        start = balances(town)
        town.node.network.faults = Faults(deaf=True, payout_delay=200)
        task = await hired(town)
        if end == "paid":
            await town.worker.say(f"submit {task} https://example.org/page.zip {HASH} done")
            await entry(town, task, "proof.submitted")
            await town.employer.say(f"approve {task}")
            await state(town, task, "Paid", within=400)
        else:
            town.node.network.lose_hold(hold_of(town, task).payment_hash)
            await state(town, task, "Expired", within=90)
        assert moved(town, start) == ((HOLD, REWARD) if end == "paid" else (0, 0))
        await sound(town)

    run_virtually(life())


def test_hints_that_are_wrong_or_repeated_change_nothing() -> None:
    async def life() -> None:
        town = await a_town(settings=SHORT)
        start = balances(town)
        task = await hired(town)
        hints = town.node.network.hints
        for _ in range(50):
            hints.say([hold_of(town, task).payment_hash, "ab" * 32, "not a hash at all"])  # type: ignore[list-item]
            await asyncio.sleep(0.2)
        await town.worker.say(f"submit {task} https://example.org/page.zip {HASH} done")
        await entry(town, task, "proof.submitted")
        await town.employer.say(f"approve {task}")
        for _ in range(50):
            payouts = share_of(town, task).payment_hash if town.states()[task] in ("Verified", "Paid") else "ab" * 32
            hints.say([hold_of(town, task).payment_hash, payouts])  # type: ignore[list-item]
            await asyncio.sleep(0.05)
        await state(town, task, "Paid")
        assert moved(town, start) == (HOLD, REWARD)
        await sound(town)

    run_virtually(life())


@pytest.mark.parametrize("end", ["paid", "refunded"])
@pytest.mark.parametrize("restart", [False, True])
def test_old_news_of_the_node_only_delays(end: str, restart: bool) -> None:
    """For two hours it says that what is over is still under way: nothing is done twice, and in the end all is told."""

    async def life() -> None:
        town = await a_town(settings=SHORT)
        start, network = balances(town), town.node.network
        task = await (delivered if end == "paid" else funded)(town, deadline=SOON)
        network.faults = Faults(old_news=True, payout_delay=60)
        if end == "paid":
            await town.employer.say(f"approve {task}")
            share = await in_books(town, task, "in_flight")
        else:
            await town.employer.say(f"cancel {task}")
            await entry(town, task, "refund.started")
        await asyncio.sleep(3600)
        if restart:
            await town.restart()
        await asyncio.sleep(3600)
        assert town.states()[task] == ("Verified" if end == "paid" else "Funded")
        if end == "paid":
            assert seen_by(town, share.payment_hash) == "complete", "long ago"
        network.faults = Faults()
        await state(town, task, "Paid" if end == "paid" else "Refunded", within=300)
        assert moved(town, start) == ((HOLD, REWARD) if end == "paid" else (0, 0))
        await sound(town)

    run_virtually(life())


def test_a_database_with_a_payout_under_way_meets_no_other_node(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of that payout another node would say that it was never sent, and send it again. A credit's payout has no hold beside it."""

    async def life() -> None:
        town = await a_town()
        task = await delivered(town)
        town.node.network.faults = Faults(payout_stuck=True)
        await town.employer.say(f"approve {task}")
        share = await in_books(town, task, "in_flight")
        facts = await town.node.facts()
        assert facts is not None
        other = replace(facts, pubkey="03" + "ef" * 32)
        monkeypatch.setattr(reads, "watched_holds", lambda *_: [])
        with town.engine.begin() as tx:
            bind(tx, facts)
            with pytest.raises(OtherNode, match="holds or payouts"):
                bind(tx, other)
        monkeypatch.undo()
        town.node.network.faults = Faults()
        town.node.network.release(share.payment_hash)
        await state(town, task, "Paid", within=300)
        with town.engine.begin() as tx:
            bind(tx, other)

    run_virtually(life())


@pytest.mark.parametrize("every", [3, 7, 20])
def test_the_daemon_restarts_all_the_time(every: int) -> None:
    """Every few seconds, through two lives at once: one paid, one refunded."""

    async def life() -> None:
        town = await a_town(settings=SHORT, seed=every)
        friend = Person(town, "friend", 13)
        start = balances(town)
        restarting = True

        async def restarts() -> None:
            while restarting:
                await asyncio.sleep(every + town.random.random() * 2)
                await town.restart()

        trouble = asyncio.ensure_future(restarts())
        second = await funded(town, deadline=SOON, d="second")
        task = await delivered(town, deadline=SOON)
        await town.employer.say(f"approve {task}")
        await town.employer.say(f"cancel {second}")
        await friend.say("help")
        await state(town, task, "Paid", within=900)
        await state(town, second, "Refunded", within=900)
        restarting = False
        await trouble
        assert moved(town, start) == (HOLD, REWARD)
        await told(town, friend, "help")
        await sound(town)

    run_virtually(life())
