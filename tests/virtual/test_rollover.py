"""A dispute that outlasts its hold: the whole daemon renews it, whatever happens to the old hold and to the daemon meanwhile."""

from __future__ import annotations

import re
from typing import Any

import pytest

from bot.config import Settings, TermsSettings
from bot.nodes.simnet.faults import Faults
from tests.virtual.lives import (
    HOLD,
    REWARD,
    SOON,
    a_town,
    delivered,
    entry,
    sound,
    state,
    task_of,
    told,
)
from tests.virtual.loop import run_virtually
from tests.virtual.world import Town

SETTINGS = Settings(terms=TermsSettings(hold_cltv=700, review_window=3600))
TERMS: dict[str, Any] = {"on_hold_end": "rollover then refund", "deadline": SOON}


async def disputed(town: Town) -> str:
    task = await delivered(town, **TERMS)
    await town.worker.say(f"dispute {task} no answer")
    await state(town, task, "Disputed")
    return task


async def asked(town: Town, task: str) -> str:
    """The blocks come, and the employer gets an invoice for a fresh hold."""
    before = len(await town.employer.read())
    network = town.node.network
    network.mine(task_of(town, task).rollover_height - network.height)
    await entry(town, task, "rollover.asked", within=300)
    card = await told(town, town.employer, r"(?i)renews the hold(.|\n)*lightning:lnplay", since=before)
    found = re.search(r"(?i)lnplay[0-9a-z]+", card)
    assert found, card
    return found.group(0).lower()


@pytest.mark.parametrize("killed", [False, True])
def test_a_dispute_outlasts_two_holds_and_is_paid_out_of_the_third(killed: bool) -> None:
    async def life() -> None:
        town = await a_town(settings=SETTINGS)
        start = town.employer.wallet.balance, town.worker.wallet.balance
        task = await disputed(town)
        for round_ in (1, 2):
            invoice = await asked(town, task)
            if killed:
                town.die_before = town.commits + 3
            town.employer.wallet.pay(invoice)
            held = len(town.log_of(task))

            async def renewed(round_: int = round_) -> bool:
                return [each["type"] for each in town.log_of(task)].count("rollover.completed") == round_

            await town.until(renewed, 1500)
            assert len(town.log_of(task)) == held + 1
            await town.pass_time(700)
            assert start[0] - town.employer.wallet.balance == HOLD, "only one hold is held"
        assert town.states()[task] == "Disputed"
        await town.employer.say(f"approve {task}")
        await state(town, task, "Paid", within=1500)
        assert (start[0] - town.employer.wallet.balance, town.worker.wallet.balance - start[1]) == (HOLD, REWARD)
        await sound(town)

    run_virtually(life())


def test_a_fresh_hold_that_nobody_pays_leaves_everything_as_agreed() -> None:
    async def life() -> None:
        town = await a_town(settings=SETTINGS)
        start = town.employer.wallet.balance
        task = await disputed(town)
        invoice = await asked(town, task)
        network = town.node.network
        network.mine(task_of(town, task).last_safe_height - network.height)
        await state(town, task, "Refunded", within=600)
        town.employer.wallet.pay(invoice)  # too late: it was cancelled with the task
        await town.pass_time(300)
        assert town.employer.wallet.balance == start
        await sound(town)

    run_virtually(life())


def test_the_old_hold_goes_back_though_the_node_is_slow_to_do_it() -> None:
    async def life() -> None:
        town = await a_town(settings=SETTINGS)
        start = town.employer.wallet.balance
        task = await disputed(town)
        invoice = await asked(town, task)
        town.employer.wallet.pay(invoice)
        town.node.network.faults = Faults(lose_requests=8, only=("cancel",))
        await entry(town, task, "rollover.completed", within=300)
        assert start - town.employer.wallet.balance == 2 * HOLD
        await town.pass_time(1200)
        assert start - town.employer.wallet.balance == HOLD
        await town.worker.say(f"cancel {task}")
        await entry(town, task, "cancel.offered")
        await town.employer.say(f"cancel {task}")
        await state(town, task, "Refunded", within=300)
        assert town.employer.wallet.balance == start
        await sound(town)

    run_virtually(life())
