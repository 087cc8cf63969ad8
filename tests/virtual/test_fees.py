"""Lives of a house that takes a service fee, each ending for each payer: who has what afterwards, to the msat, on every side."""

from __future__ import annotations

import json
from dataclasses import dataclass

import pytest

from bot.config import FeeSettings, Settings, TermsSettings
from bot.nodes.simnet.faults import Faults
from kinds.states import Payer
from kinds.units import Msat
from storage import books
from tests.virtual.lives import (
    HASH,
    SOON,
    a_town,
    approved,
    balance_of,
    claimed,
    delivered,
    entry,
    funded,
    hold_of,
    in_books,
    invoiced,
    offered,
    paid_out,
    payable,
    share_of,
    sound,
    state,
    task_of,
    to_margin,
    told,
)
from tests.virtual.loop import run_virtually
from tests.virtual.world import Town

SAT = 1000
# of 50,000 sats: 1.003 percent is 501 sats, of which a tenth, 50,100 msat, is insurance; half of it is 250 sats
WHOLE, HALF, BUDGET = 501 * SAT, 250 * SAT, 500 * SAT
WORKERS = {Payer.EMPLOYER: 0, Payer.WORKER: WHOLE, Payer.SPLIT: HALF}


@dataclass(frozen=True)
class Deal:
    """What a task of 50,000 sats costs and brings under these terms, reckoned by hand."""

    payer: Payer

    @property
    def net(self) -> int:
        return 50_000 * SAT - WORKERS[self.payer]

    @property
    def hold(self) -> int:
        return self.net + WHOLE + BUDGET

    @property
    def settings(self) -> Settings:
        return Settings(
            terms=TermsSettings(hold_cltv=560, review_window=3600), fees=FeeSettings(ppm=10_030, payer=self.payer)
        )


each_payer = pytest.mark.parametrize("deal", [Deal(payer) for payer in Payer], ids=lambda deal: str(deal.payer))


def balances(town: Town) -> tuple[int, int]:
    return town.employer.wallet.balance, town.worker.wallet.balance


def moved(town: Town, start: tuple[int, int]) -> tuple[int, int]:
    """What the employer has spent and the worker won."""
    return start[0] - town.employer.wallet.balance, town.worker.wallet.balance - start[1]


def earned(town: Town) -> int:
    """What the operator's node has more than at its start."""
    network = town.node.network
    return network.figures().node - network.params.node_balance


@each_payer
def test_paid(deal: Deal) -> None:
    async def life() -> None:
        town = await a_town(settings=deal.settings)
        start = balances(town)
        task = await offered(town, deadline=SOON)
        text = await told(town, town.employer, "It costs")
        assert f"{deal.hold // SAT:,} sats" in text
        assert "501 sats service fee" in text
        invoice = await invoiced(town, task)
        await told(town, town.employer, r"sats for the worker \+ 501 sats service fee \+ 500 sats")
        town.employer.wallet.pay(invoice)
        await state(town, task, "Funded")
        before = len(await town.worker.read())
        await town.worker.say("tasks")
        assert f"{deal.net // SAT:,} sats" in await told(town, town.worker, "Open for a claim", since=before)
        await town.worker.say(f"status {task}")
        assert f"{deal.net // SAT:,} sats for the worker" in await told(town, town.worker, "service fee", since=before)
        assert town.state_of(task)["net_msat"] == deal.net
        if deal.payer is not Payer.EMPLOYER:
            await town.worker.say(f"claim {task} {town.worker.wallet.invoice(Msat(50_000 * SAT), expiry=30 * 86400)}")
            await told(town, town.worker, f"exactly {deal.net // SAT:,} sats", since=before)
        await town.worker.say(f"claim {task} {town.worker.wallet.invoice(Msat(deal.net), expiry=30 * 86400)}")
        await state(town, task, "Claimed")
        await town.worker.say(f"submit {task} https://example.org/page.zip {HASH} done")
        await entry(town, task, "proof.submitted")
        await town.employer.say(f"approve {task}")
        await state(town, task, "Paid")
        assert moved(town, start) == (deal.hold, deal.net)
        done, routed = town.log_of(task)[-1]["facts"], share_of(town, task).fee
        assert (done["fee_msat"], done["insurance_msat"]) == (450_900, 50_100 + BUDGET - routed)
        assert earned(town) == done["fee_msat"] + done["insurance_msat"]
        await told(town, town.employer, "The service fee: 501 sats")
        await sound(town)

    run_virtually(life())


@each_payer
def test_an_agreed_share(deal: Deal) -> None:
    """33 percent: 165 sats of fee; the worker's part of it 165 or 82 sats."""

    async def life() -> None:
        town = await a_town(settings=deal.settings)
        start = balances(town)
        task = await delivered(town, deadline=SOON)
        await town.employer.say(f"cancel {task} 33")
        await entry(town, task, "cancel.offered")
        await town.worker.say(f"cancel {task} 33")
        await state(town, task, "Verified")
        share = 16_500 * SAT - {Payer.EMPLOYER: 0, Payer.WORKER: 165, Payer.SPLIT: 82}[deal.payer] * SAT
        await town.worker.say(f"payout {task} {town.worker.wallet.invoice(Msat(share))}")
        await state(town, task, "Paid")
        done = town.log_of(task)[-1]["facts"]
        assert done["fee_msat"] == 148_500
        change = next(each["amount_msat"] for each in done["credited"] if each["role"] == "employer")
        assert change == deal.hold - share - 165 * SAT - routed(town, task)
        back = payable(change)
        await town.employer.say(f"withdraw {town.employer.wallet.invoice(Msat(back))}")
        fee = (await paid_out(town, town.employer, back))["fee_msat"]
        assert moved(town, start) == (deal.hold - back, share)
        kept = task_of(town, task)
        assert kept.fee + kept.insurance == 165 * SAT
        assert earned(town) == 165 * SAT + change - back - fee == 165 * SAT + balance_of(town, town.employer)
        await sound(town)

    run_virtually(life())


def routed(town: Town, task: str) -> int:
    return sum(payout.fee for payout in task_of(town, task).payouts)


@each_payer
def test_owed_at_the_end_of_the_hold_and_paid_later(deal: Deal) -> None:
    async def life() -> None:
        town = await a_town(settings=deal.settings)
        start = balances(town)
        town.node.network.faults = Faults(no_outbound=True)
        task = await approved(town, deadline=SOON)
        await town.pass_time(120)
        to_margin(town, task)
        await state(town, task, "Paid")
        town.node.network.faults = Faults()
        done = town.log_of(task)[-1]["facts"]
        assert [each["amount_msat"] for each in done["credited"]] == [deal.net + BUDGET]
        assert (done["fee_msat"], done["insurance_msat"]) == (450_900, 50_100)
        await town.worker.say(f"payout {task} {town.worker.wallet.invoice(Msat(deal.net))}")
        fee = (await paid_out(town, town.worker, deal.net))["fee_msat"]
        assert moved(town, start) == (deal.hold, deal.net)
        kept = task_of(town, task)
        assert kept.fee + kept.insurance == WHOLE
        assert balance_of(town, town.worker) == BUDGET - fee
        assert earned(town) == WHOLE + BUDGET - fee
        await sound(town)

    run_virtually(life())


@each_payer
@pytest.mark.parametrize("ending", ["Refunded", "Expired", "agreed"])
def test_what_goes_back_costs_nothing(deal: Deal, ending: str) -> None:
    async def life() -> None:
        town = await a_town(settings=deal.settings)
        start = balances(town)
        if ending == "Refunded":
            task = await funded(town, deadline=SOON)
            await town.employer.say(f"cancel {task}")
        elif ending == "Expired":
            task = await claimed(town, deadline=SOON)
        else:
            task = await delivered(town, deadline=SOON)
            await town.employer.say(f"cancel {task} 0")
            await entry(town, task, "cancel.offered")
            await town.worker.say(f"cancel {task} 0")
        await state(town, task, "Expired" if ending == "Expired" else "Refunded", within=SOON + 3600)
        assert moved(town, start) == (0, 0)
        kept = task_of(town, task)
        assert earned(town) == kept.fee == kept.insurance == 0
        await sound(town)

    run_virtually(life())


@each_payer
def test_a_lost_hold_brings_no_fee(deal: Deal) -> None:
    async def life() -> None:
        town = await a_town(settings=deal.settings)
        start = balances(town)
        town.node.network.faults = Faults(payout_stuck=True)
        task = await approved(town, deadline=SOON)
        payout = await in_books(town, task, "in_flight")
        town.node.network.lose_hold(hold_of(town, task).payment_hash)
        town.node.network.release(payout.payment_hash)
        await state(town, task, "Paid")
        done = town.log_of(task)[-1]["facts"]
        assert moved(town, start) == (0, deal.net)
        assert (done["fee_msat"], done["insurance_msat"], done["loss_msat"]) == (0, 0, deal.net + routed(town, task))
        await sound(town)

    run_virtually(life())


def test_the_insurance_makes_good_for_a_lost_hold() -> None:
    """Fees of one task fill the account; another one's hold is lost after the approval; the worker is credited and paid."""

    async def life() -> None:
        fees = FeeSettings(ppm=100_000, payer=Payer.SPLIT, insurance_percent=50)
        town = await a_town(settings=Settings(terms=TermsSettings(hold_cltv=560, review_window=3600), fees=fees))
        first = await approved(town, deadline=SOON)
        await state(town, first, "Paid")
        second = await delivered(town, deadline=SOON, d="second")
        refused = json.loads(await by_hand(town, second, 1_000))
        assert refused["code"] == "no_loss"
        town.node.network.lose_hold(hold_of(town, second).payment_hash)
        await state(town, second, "Expired")
        before, insured = balances(town), task_of(town, first).insurance
        assert insured == 2_500 * SAT + BUDGET - routed(town, first)
        refused = json.loads(await by_hand(town, second, 2_973))
        assert (refused["code"], refused["covered_msat"]) == ("not_covered", 2_964 * SAT)
        given = json.loads(await by_hand(town, second, 2_000))
        assert given["code"] == "operated"
        line = (await entry(town, second, "compensation"))["facts"]
        assert (line["to"], line["amount_msat"]) == (town.worker.pubkey, 2_020 * SAT)
        await told(town, town.worker, "You are owed 2,020 sats \\(the channel was closed\\)")
        again = json.loads(await by_hand(town, second, 2_000))
        assert again["code"] == "already"
        await town.worker.say(f"payout {second} {town.worker.wallet.invoice(Msat(2_000 * SAT))}")
        fee = (await paid_out(town, town.worker, 2_000 * SAT))["fee_msat"]
        assert moved(town, before) == (0, 2_000 * SAT)
        with town.engine.begin() as tx:
            left = books.insured(tx)
        assert left == insured - 2_020 * SAT
        assert earned(town) == task_of(town, first).fee + left + 20 * SAT - fee
        await sound(town)

    run_virtually(life())


async def by_hand(town: Town, task: str, sat: int) -> str:
    """Said at the machine, in JSON; the answer."""
    words = {"v": 1, "action": "compensate", "task": task, "amount": sat, "reason": "the channel was closed"}
    answer = await town.dispatch.by_hand(json.dumps(words))
    assert answer is not None
    return answer
