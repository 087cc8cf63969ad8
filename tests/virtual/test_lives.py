"""Whole lives in virtual time: each ending that waits for hours or days, and what the log, the node and the people say of it."""

from __future__ import annotations

import pytest

from bot.config import Settings, TermsSettings
from kinds.events import TASK, Unsigned
from kinds.units import EventId, Msat, task_id
from tests.virtual.lives import (
    HOLD,
    REWARD,
    a_town,
    claimed,
    delivered,
    entry,
    funded,
    invoiced,
    offered,
    paid_out,
    payable,
    share_of,
    sound,
    state,
    told,
)
from tests.virtual.loop import run_virtually
from tests.virtual.world import Town


def types(town: Town, task: str) -> list[str]:
    return [each["type"] for each in town.log_of(task)]


def test_paid() -> None:
    async def life() -> None:
        town = await a_town()
        start = town.employer.wallet.balance, town.worker.wallet.balance
        task = await delivered(town)
        await town.employer.say(f"approve {task} well done")
        await state(town, task, "Paid")
        await told(town, town.worker, "You are paid")
        card = await told(town, town.employer, "preimage")
        assert (start[0] - town.employer.wallet.balance, town.worker.wallet.balance - start[1]) == (HOLD, REWARD)
        assert any(preimage in card for preimage in town.employer.wallet.preimages.values())
        assert types(town, task) == [
            "task.created", "invoice.created", "invoice.accepted", "task.claimed", "proof.submitted", "proof.verified",
            "settlement.started", "settlement.completed",
        ]  # fmt: skip
        await sound(town)

    run_virtually(life())


@pytest.mark.parametrize("stage", ["Draft", "PendingFunding", "Funded"])
def test_refunded_by_the_employer(stage: str) -> None:
    async def life() -> None:
        town = await a_town()
        start = town.employer.wallet.balance
        task = await offered(town)
        if stage != "Draft":
            invoice = await invoiced(town, task)
        if stage == "Funded":
            town.employer.wallet.pay(invoice)
            await state(town, task, "Funded")
        await town.employer.say(f"cancel {task} no longer needed")
        await state(town, task, "Refunded")
        assert types(town, task)[-1] == "refund.completed"
        if stage == "PendingFunding":  # the old invoice is dead: a payment of it comes back
            await town.pass_time(60)
            town.employer.wallet.pay(invoice)
            await town.pass_time(60)
        assert town.employer.wallet.balance == start
        await town.employer.say(f"approve {task}")
        assert "no money is held for it" in await told(town, town.employer, "does not fit now")
        await sound(town)

    run_virtually(life())


def test_an_offer_that_is_heard_may_be_old() -> None:
    """It only needs a deadline ahead."""

    async def life() -> None:
        town = await a_town()
        tags = (
            ("d", "old"), ("p", town.bot), ("t", "holdfast-task"), ("title", "T"), ("amount", "5000"),
            ("deadline", str(town.time + 86400)),
        )  # fmt: skip
        offer = await town.employer.post(Unsigned(town.employer.pubkey, town.time - 30 * 86400, TASK, tags, ""))
        await state(town, task_id(EventId(offer.id)), "Draft")
        await sound(town)

    run_virtually(life())


@pytest.mark.parametrize("stage", ["Draft", "PendingFunding"])
def test_expired_without_money(stage: str) -> None:
    """The deadline comes first; an invoice that is still open then is dead."""

    async def life() -> None:
        town = await a_town()
        start = town.employer.wallet.balance
        task = await offered(town, deadline=6 * 3600)
        if stage == "PendingFunding":
            await town.pass_time(5.5 * 3600)
            invoice = await invoiced(town, task)
        await state(town, task, "Expired", within=7 * 3600)
        last = town.log_of(task)[-1]
        assert (last["type"], last["facts"]["reason"], last["facts"]["mark"]) == ("task.expired", "unfunded", None)
        await told(town, town.employer, "it was not funded in time")
        if stage == "PendingFunding":
            await town.pass_time(60)
            town.employer.wallet.pay(invoice)
            await town.pass_time(60)
        assert (town.employer.wallet.balance, town.node.network.figures().held) == (start, 0)
        await sound(town)

    run_virtually(life())


def test_expired_unclaimed() -> None:
    async def life() -> None:
        town = await a_town()
        start = town.employer.wallet.balance
        task = await funded(town)
        await town.pass_time(23.9 * 3600)
        assert town.state_of(task)["state"] == "Funded"
        await state(town, task, "Expired", within=3600)
        last = town.log_of(task)[-1]
        assert (last["type"], last["facts"]["reason"], last["facts"]["mark"]) == ("task.expired", "hold_timeout", None)
        assert town.employer.wallet.balance == start
        await told(town, town.employer, "(?i)1 h|hour|runs out|comes back")
        await sound(town)

    run_virtually(life())


def test_expired_at_the_deadline_without_a_claim() -> None:
    async def life() -> None:
        town = await a_town()
        task = await funded(town, deadline=6 * 3600)
        await state(town, task, "Expired", within=7 * 3600)
        assert town.log_of(task)[-1]["facts"]["reason"] == "unclaimed"
        await sound(town)

    run_virtually(life())


def test_expired_without_a_proof_marks_the_worker() -> None:
    async def life() -> None:
        town = await a_town()
        start = town.employer.wallet.balance
        task = await claimed(town, deadline=6 * 3600)
        await state(town, task, "Expired", within=7 * 3600)
        last = town.log_of(task)[-1]
        assert (last["facts"]["reason"], last["facts"]["mark"]) == ("no_proof", town.worker.pubkey)
        assert town.employer.wallet.balance == start
        await sound(town)

    run_virtually(life())


def test_expired_when_the_worker_cannot_be_reached_for_a_day() -> None:
    async def life() -> None:
        town = await a_town()
        start = town.employer.wallet.balance, town.worker.wallet.balance
        task = await delivered(town, destination=False)
        await town.employer.say(f"approve {task}")
        await state(town, task, "Verified")
        await town.pass_time(23.5 * 3600)
        assert town.state_of(task)["state"] == "Verified"
        await state(town, task, "Expired", within=3600)
        last = town.log_of(task)[-1]
        assert (last["facts"]["reason"], last["facts"]["mark"]) == ("worker_unreachable", town.worker.pubkey)
        assert (town.employer.wallet.balance, town.worker.wallet.balance) == start
        assert "payout.failed" in types(town, task)
        await sound(town)

    run_virtually(life())


def test_silence_approves() -> None:
    async def life() -> None:
        town = await a_town()
        task = await delivered(town)
        await state(town, task, "Paid", within=25 * 3600)
        verified = next(each for each in town.log_of(task) if each["type"] == "proof.verified")
        assert verified["facts"]["verified_by"] == "silence"
        await sound(town)

    run_virtually(life())


def test_a_dispute_freezes_until_the_hold_ends() -> None:
    async def life() -> None:
        short = Settings(terms=TermsSettings(hold_cltv=560, review_window=3600))
        town = await a_town(settings=short)
        start = town.employer.wallet.balance, town.worker.wallet.balance
        task = await delivered(town, deadline=6 * 3600)
        await town.employer.say(f"reject {task} the form is missing")
        await state(town, task, "Disputed")
        await town.pass_time(86400)
        held = town.node.network.figures().held
        assert (held, town.state_of(task)["state"]) == (HOLD, "Disputed")
        blocks = town.state_of(task)["last_safe_height"] - town.node.network.height
        await state(town, task, "Refunded", within=(blocks + 2) * 600)
        assert (town.employer.wallet.balance, town.worker.wallet.balance) == start
        await sound(town)

    run_virtually(life())


def test_both_agree_on_a_share_in_a_dispute() -> None:
    async def life() -> None:
        town = await a_town()
        start = town.employer.wallet.balance, town.worker.wallet.balance
        task = await delivered(town)
        await town.employer.say(f"reject {task} half of it is missing")
        await state(town, task, "Disputed")
        await town.employer.say(f"cancel {task} 30 for what is there")
        await entry(town, task, "cancel.offered")
        await town.worker.say(f"cancel {task} 30")
        await state(town, task, "Verified")
        await town.worker.say(f"payout {task} {town.worker.wallet.invoice(Msat(15_000_000))}")
        await state(town, task, "Paid")
        done = town.log_of(task)[-1]["facts"]
        owed = next(each["amount_msat"] for each in done["credited"] if each["role"] == "employer")
        assert owed == HOLD - 15_000_000 - share_of(town, task).fee
        back = payable(owed)
        await town.employer.say(f"withdraw {town.employer.wallet.invoice(Msat(back))}")
        await paid_out(town, town.employer, back)
        assert town.worker.wallet.balance - start[1] == 15_000_000
        assert town.employer.wallet.balance == start[0] - HOLD + back
        await sound(town)

    run_virtually(life())
