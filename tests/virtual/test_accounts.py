"""A person's account through his messages: what he is owed by several tasks is paid out as he likes, once, whatever happens to the daemon."""

from __future__ import annotations

import json
from typing import Any

import pytest
from sqlalchemy import select

from bot.nodes.simnet import Faults
from kinds.inputs import RemitSeen
from kinds.lightning import Fault, PaymentStatus, PaymentView
from kinds.units import Msat
from storage import inbox
from storage.codec import body_of
from storage.inbox import NewInput
from storage.schema import withdrawals
from tests.virtual.lives import (
    HOLD,
    REWARD,
    SHORT,
    SOON,
    a_town,
    approved,
    balance_of,
    incidents_of,
    paid_out,
    sound,
    state,
    to_margin,
    told,
)
from tests.virtual.loop import run_virtually
from tests.virtual.world import Person, Town


async def owed(**more: Any) -> tuple[Town, str]:
    """A town in which the worker's reward could not be sent in time: it stands in his account."""
    town = await a_town(settings=SHORT, **more)
    task = await owed_by(town)
    return town, task


async def owed_by(town: Town, **more: Any) -> str:
    town.node.network.faults = Faults(no_outbound=True)
    task = await approved(town, deadline=SOON, **more)
    await town.pass_time(120)
    to_margin(town, task)
    await state(town, task, "Paid")
    town.node.network.faults = Faults()
    return task


async def asks(town: Town, person: Person, action: str, code: str = "", **words: Any) -> dict[str, Any]:
    """In JSON; the newest answer with this code."""
    since = len(await person.read())
    await person.say(json.dumps({"v": 1, "action": action, **words}))
    answer = json.loads(await told(town, person, f'"code":"{code or action}"', since=since))
    assert isinstance(answer, dict)
    return answer


def test_what_several_tasks_owe_is_one_balance_and_one_invoice() -> None:
    async def life() -> None:
        town, first = await owed()
        second = await owed_by(town, d="second")
        start = town.worker.wallet.balance
        shown = await asks(town, town.worker, "balance")
        assert (shown["available_msat"], shown["under_way_msat"], shown["withdrawals"]) == (2 * HOLD, 0, [])
        assert shown["payable_msat"] == 2 * REWARD
        invoice = town.worker.wallet.invoice(Msat(shown["payable_msat"]))
        noted = await asks(town, town.worker, "withdraw", "withdrawal_noted", destination=invoice)
        assert (noted["amount_msat"], noted["available_msat"]) == (2 * REWARD, 0)
        paid = await paid_out(town, town.worker, 2 * REWARD)
        assert (paid["credits"], paid["credited_msat"]) == (2, 2 * HOLD)
        assert town.worker.wallet.balance == start + 2 * REWARD
        listed = await asks(town, town.worker, "statement")
        lines = [(each["amount_msat"], each["balance_msat"], each["task"]) for each in listed["lines"]]
        left = 2 * (HOLD - REWARD) - paid["fee_msat"]
        assert lines == [
            (left, left, None), (-2 * HOLD, 0, None), (HOLD, 2 * HOLD, second), (HOLD, HOLD, first),
        ]  # fmt: skip
        await sound(town)

    run_virtually(life())


def test_refusals_say_what_is_possible() -> None:
    async def life() -> None:
        town, _ = await owed()
        worker, wallet = town.worker, town.worker.wallet
        much = await asks(town, worker, "withdraw", "too_much", destination=wallet.invoice(Msat(REWARD + 1)))
        assert (much["payable_msat"], much["available_msat"]) == (REWARD, HOLD)
        assert "50,000 sats" in much["text"]
        none = await asks(
            town, town.employer, "withdraw", "nothing_owed", destination=town.employer.wallet.invoice(Msat(1000))
        )
        assert "Nothing stands in your account" in none["text"]
        await asks(town, worker, "withdraw", "bad_invoice", destination="lnplay1nonsense")
        short = wallet.invoice(Msat(1000), expiry=60)
        await asks(town, worker, "withdraw", "bad_invoice", destination=short)
        await asks(town, worker, "withdraw", "not_built", destination="me@example.org")
        await asks(town, worker, "withdraw", "bad_field", destination=7)
        assert (await asks(town, worker, "balance"))["available_msat"] == HOLD, "nothing was lost by asking"
        assert (await asks(town, town.employer, "balance"))["available_msat"] == 0, "and nobody sees another's"
        await sound(town)

    run_virtually(life())


def test_the_same_invoice_pays_once_however_often_it_is_sent() -> None:
    async def life() -> None:
        town, task = await owed()
        start = town.worker.wallet.balance
        invoice = town.worker.wallet.invoice(Msat(1_000_000), expiry=86400)
        for words in (f"withdraw {invoice}", f"withdraw {invoice}", f"payout {task} {invoice}"):
            await town.worker.say(words)
        await paid_out(town, town.worker, 1_000_000)
        await told(town, town.worker, "used here before")
        await town.worker.say(f"withdraw {invoice}")
        await town.pass_time(600)
        assert town.worker.wallet.balance == start + 1_000_000
        await sound(town)

    run_virtually(life())


@pytest.mark.parametrize("restart", [False, True])
@pytest.mark.parametrize(
    "fault",
    [
        Faults(no_outbound=True),
        Faults(payout_delay=900),
        Faults(unsynced=True),
        Faults(lose_answers=1000, only=("pay", "payment")),
    ],
)
def test_trouble_of_ours_only_delays_it(fault: Faults, restart: bool) -> None:
    async def life() -> None:
        town, _ = await owed()
        start = town.worker.wallet.balance
        town.node.network.faults = fault
        await town.worker.say(f"withdraw {town.worker.wallet.invoice(Msat(REWARD), expiry=86400)}")
        await town.pass_time(200)
        if restart:
            await town.restart()
        assert balance_of(town, town.worker) == 0, "it stays reserved"
        town.node.network.faults = Faults()
        await paid_out(town, town.worker, REWARD, within=4000)
        assert town.worker.wallet.balance == start + REWARD
        await sound(town)

    run_virtually(life())


def test_refused_by_his_wallet_it_is_his_again() -> None:
    async def life() -> None:
        town, _ = await owed()
        town.node.network.faults = Faults(no_route=True)
        await town.worker.say(f"withdraw {town.worker.wallet.invoice(Msat(REWARD))}")
        await told(town, town.worker, "could not be sent")
        assert balance_of(town, town.worker) == HOLD
        town.node.network.faults = Faults()
        await town.worker.say(f"withdraw {town.worker.wallet.invoice(Msat(REWARD))}")
        await paid_out(town, town.worker, REWARD)
        await sound(town)

    run_virtually(life())


def test_held_at_a_far_wallet_it_stays_reserved_and_the_rest_is_free() -> None:
    async def life() -> None:
        town, _ = await owed()
        town.node.network.faults = Faults(payout_stuck=True)
        stuck = town.worker.wallet.invoice(Msat(10_000_000), expiry=86400)
        await town.worker.say(f"withdraw {stuck}")
        await town.pass_time(60)
        town.node.network.faults = Faults()
        await town.worker.say(f"withdraw {town.worker.wallet.invoice(Msat(20_000_000))}")
        await paid_out(town, town.worker, 20_000_000)
        await town.restart()
        await town.pass_time(4 * 3600)
        shown = await asks(town, town.worker, "balance")
        assert [(each["amount_msat"], each["state"]) for each in shown["withdrawals"]] == [(10_000_000, "in_flight")]
        with town.engine.begin() as tx:
            row = tx.execute(select(withdrawals.c.payment_hash).where(withdrawals.c.open == 1)).one()
        town.node.network.release(row.payment_hash)
        await paid_out(town, town.worker, 10_000_000, within=4000)
        assert incidents_of(town) == []
        await sound(town)

    run_virtually(life())


async def withdrawing(town: Town) -> None:
    """One withdrawal, said once; what the dead process did not hear waits on the relay."""
    start = town.worker.wallet.balance
    await town.worker.say(f"withdraw {town.worker.wallet.invoice(Msat(REWARD), expiry=86400)}")
    fee = (await paid_out(town, town.worker, REWARD, within=1500))["fee_msat"]
    assert town.worker.wallet.balance == start + REWARD
    assert balance_of(town, town.worker) == HOLD - REWARD - fee
    await sound(town)


def commits_of_a_withdrawal() -> int:
    async def life() -> int:
        town, _ = await owed()
        first = town.commits
        await withdrawing(town)
        return town.commits - first

    return run_virtually(life())


@pytest.mark.parametrize("where", ["before", "after"])
def test_killed_at_every_commit_of_a_withdrawal(where: str) -> None:
    async def life(at: int) -> None:
        town, _ = await owed()
        if where == "before":
            town.die_before = town.commits + at
        else:
            town.die_after = town.commits + at
        await withdrawing(town)

    many = commits_of_a_withdrawal()
    assert many > 5
    for at in range(1, many + 1):
        try:
            run_virtually(life(at))
        except BaseException as error:
            raise AssertionError(f"killed {where} commit {at}") from error


def test_no_pause_and_no_ban_stands_before_it() -> None:
    async def life() -> None:
        town, _ = await owed()
        for said in ({"action": "pause"}, {"action": "ban", "npub": town.worker.pubkey}):
            answer = await town.dispatch.by_hand(json.dumps({"v": 1, **said}))
            assert answer is not None
            assert json.loads(answer)["ok"]
        await withdrawing(town)

    run_virtually(life())


def test_what_arrives_after_the_node_called_it_failed_is_on_record_and_taken_from_nobody() -> None:
    async def life() -> None:
        town, _ = await owed()
        start = town.worker.wallet.balance
        town.node.network.faults = Faults(payout_stuck=True)
        await town.worker.say(f"withdraw {town.worker.wallet.invoice(Msat(10_000_000), expiry=86400)}")
        await town.pass_time(60)
        world = town.world
        assert world is not None
        with town.engine.begin() as tx:
            row = tx.execute(select(withdrawals)).one()
            lie = PaymentView(row.payment_hash, PaymentStatus.FAILED, fault=Fault.THEIRS, reason="refused")
            word = NewInput("a lie", "remit_seen", body_of(RemitSeen(row.owner, row.ref, lie)))
            inbox.add(tx, word, world.moments.now(), world.policy_id)
        await told(town, town.worker, "could not be sent")
        assert balance_of(town, town.worker) == HOLD
        town.node.network.release(row.payment_hash)
        await town.pass_time(300)
        assert town.worker.wallet.balance == start + 10_000_000
        assert (incidents_of(town), balance_of(town, town.worker)) == (["paid_after_given_up"], HOLD)
        payment = town.node.network.book.payment("@node", row.payment_hash)
        assert payment is not None
        await sound(town, loss=10_000_000 + payment.fee)

    run_virtually(life())
