"""Receipts, through messages: each party gets its own, with its own proof of payment, and the sums are those of the wallets and the log."""

from __future__ import annotations

import hashlib
import json
from typing import Any

import pytest
from sqlalchemy import Connection

from bot.config import FeeSettings, Settings, TermsSettings
from handlers.records import records
from kinds.states import Payer, RecordStatus, RecordType
from kinds.units import Msat
from storage import commit
from storage.records import lines, rows_of
from tests.virtual import ahead
from tests.virtual.lives import (
    HOLD,
    REWARD,
    a_town,
    approved,
    claimed,
    delivered,
    entry,
    funded,
    invoiced,
    offered,
    sound,
    state,
    task_of,
    told,
)
from tests.virtual.loop import run_virtually
from tests.virtual.test_accounts import asks, owed
from tests.virtual.world import Person, Town

LEDGER = Settings(terms=TermsSettings(custody_modes=("lightning_self", "ledger")))


async def receipt(town: Town, person: Person, task: str) -> dict[str, Any]:
    await town.pass_time(2)  # the very same message, at the same moment, would be the same question
    return await asks(town, person, "receipt", task=task)


def kinds(shown: dict[str, Any]) -> list[tuple[str, str, int]]:
    return [(each["type"], each["status"], each["amount_msat"]) for each in shown["transactions"]]


def opens(shown: dict[str, Any]) -> bool:
    """The proof of payment in it proves a payment."""
    proofs = [each for each in shown["transactions"] if each["preimage"]]
    assert all(hashlib.sha256(bytes.fromhex(each["preimage"])).hexdigest() == each["payment_hash"] for each in proofs)
    return bool(proofs)


def stored(town: Town, task: str) -> list[tuple[str, str, int]]:
    def read(tx: Connection) -> list[tuple[str, str, int]]:
        held = commit.load(tx, task)
        assert held
        return [(str(each.type), str(each.status), each.amount) for each in records(held.task, rows_of(tx, task))]

    with town.engine.begin() as tx:
        return read(tx)


def test_both_get_a_receipt_of_their_own() -> None:
    async def life() -> None:
        fees = FeeSettings(ppm=20_000, payer=Payer.SPLIT, insurance_percent=10)
        town = await a_town(settings=Settings(fees=fees))
        task = await approved(town)
        facts = await state(town, task, "Paid")
        log = town.log_of(task)
        bought, sold = await receipt(town, town.employer, task), await receipt(town, town.worker, task)
        net, hold = facts["net_msat"], facts["hold_msat"]
        assert (net, hold) == (REWARD - 500_000, HOLD + 500_000)
        assert kinds(bought) == [("UPFRONT_ESCROW", "SUCCESS", hold), ("FULL_PAYMENT", "SUCCESS", net)]
        assert kinds(sold) == [("FULL_PAYMENT", "SUCCESS", net)]
        assert opens(bought)
        assert opens(sold)
        end = next(each for each in log if each["type"] == "settlement.completed")["facts"]
        paid = end["payouts"][0]
        assert sold["transactions"][0]["preimage"] == paid["preimage"]
        assert bought["transactions"][1]["preimage"] is None, "that proof is the worker's"
        escrow = bought["transactions"][0]
        assert (escrow["payment_hash"], escrow["released_to"]) == (end["payment_hash"], town.worker.pubkey)
        assert (bought["fee_msat"], bought["insurance_msat"]) == (end["fee_msat"], end["insurance_msat"])
        assert bought["routing_fee_msat"] == paid["fee_msat"]
        parts = ("paid_msat", "routing_fee_msat", "fee_msat", "insurance_msat", "refunded_msat")
        assert sum(bought[name] for name in parts) == bought["escrow_msat"] == hold
        assert (bought["seq"], bought["head"], bought["bot"]) == (len(log), log[-1]["id"], town.bot)
        held = next(each for each in log if each["type"] == "invoice.accepted")["time"]
        assert (escrow["created_at"], escrow["released_at"]) == (held, log[-1]["time"])
        assert not {"escrow_msat", "insurance_msat"} & sold.keys(), "what the employer paid beside it is his affair"
        await sound(town)

    run_virtually(life())


def test_a_receipt_in_words_fits_on_a_phone() -> None:
    async def life() -> None:
        town = await a_town()
        task = await approved(town)
        await state(town, task, "Paid")
        await town.employer.say(f"receipt {task[:6]}")
        text = await told(town, town.employer, "Receipt for the employer")
        for words in (
            "50,500 sats",
            "Locked in escrow",
            "Preimage (the proof of payment)",
            "50,000 sats for the worker",
            "play money",
        ):
            assert words in text
        assert f"holdfast verify {task}" in text
        assert len(text) < 1500
        await town.worker.say(f"receipt {task}")
        own = await told(town, town.worker, "Receipt for the worker")
        assert "Preimage" in own
        assert "50,500" not in own
        await sound(town)

    run_virtually(life())


def test_there_is_nothing_to_receipt_before_money_has_moved_and_nothing_for_strangers() -> None:
    async def life() -> None:
        town = await a_town()
        stranger = Person(town, "stranger", 14)
        task = await offered(town)
        for person, code in (
            (town.employer, "no_receipt"),
            (town.worker, "not_your_task"),
            (stranger, "not_your_task"),
        ):
            assert not (await asks(town, person, "receipt", code, task=task))["ok"]
        town.employer.wallet.pay(await invoiced(town, task))
        await state(town, task, "Funded")
        held = await receipt(town, town.employer, task)
        assert kinds(held) == [("UPFRONT_ESCROW", "SUCCESS", HOLD)]
        only = held["transactions"][0]
        assert (only["released_to"], only["released_at"], only["preimage"]) == (None, None, None)
        await town.worker.say(f"claim {task}")
        await state(town, task, "Claimed")
        refusal = await asks(town, town.worker, "receipt", "no_receipt", task=task)
        assert "nothing has been paid to you" in refusal["text"]
        await asks(town, stranger, "receipt", "not_your_task", task=task)
        for wrong in ({"task": "nonsense!"}, {"task": task, "x": 1}, {}, {"task": 7}, {"task": "0" * 41}):
            await asks(town, town.employer, "receipt", "bad_field", **wrong)
        await asks(town, town.employer, "receipt", "unknown_task", task="0000000000000")
        await sound(town)

    run_virtually(life())


def test_a_refund_is_receipted() -> None:
    async def life() -> None:
        town = await a_town()
        task = await funded(town)
        await town.employer.say(f"cancel {task}")
        await state(town, task, "Refunded")
        shown = await receipt(town, town.employer, task)
        assert kinds(shown) == [("UPFRONT_ESCROW", "SUCCESS", HOLD), ("REFUND", "SUCCESS", HOLD)]
        assert (shown["escrow_msat"], shown["refunded_msat"], shown["paid_msat"]) == (HOLD, HOLD, 0)
        assert {each["released_to"] for each in shown["transactions"]} == {town.employer.pubkey}
        assert not opens(shown), "nothing was paid, so there is no proof of a payment"
        await sound(town)

    run_virtually(life())


def test_a_share_is_receipted_with_the_change() -> None:
    async def life() -> None:
        town = await a_town()
        task = await delivered(town, destination=False)
        await town.employer.say(f"reject {task} not as agreed")
        await state(town, task, "Disputed")
        await town.employer.say(f"cancel {task} 40")
        await entry(town, task, "cancel.offered")
        await town.worker.say(f"cancel {task} 40")
        await state(town, task, "Verified")
        await town.worker.say(f"payout {task} {town.worker.wallet.invoice(Msat(REWARD * 2 // 5), expiry=86400)}")
        await state(town, task, "Paid")
        shown = await receipt(town, town.employer, task)
        fee = shown["routing_fee_msat"]
        assert kinds(shown) == [
            ("UPFRONT_ESCROW", "SUCCESS", HOLD), ("FULL_PAYMENT", "SUCCESS", REWARD * 2 // 5),
            ("REFUND", "SUCCESS", HOLD - REWARD * 2 // 5 - fee),
        ]  # fmt: skip
        assert shown["transactions"][2]["what"] == "change"
        assert kinds(await receipt(town, town.worker, task)) == [("FULL_PAYMENT", "SUCCESS", REWARD * 2 // 5)]
        await sound(town)

    run_virtually(life())


def test_what_was_put_to_an_account_is_a_payment_and_a_withdrawal_is_a_line_of_the_books() -> None:
    async def life() -> None:
        town, task = await owed()
        shown = await receipt(town, town.worker, task)
        assert ("FULL_PAYMENT", "SUCCESS", HOLD) in kinds(shown)
        assert shown["paid_msat"] == HOLD
        await town.worker.say(f"withdraw {town.worker.wallet.invoice(Msat(1_000_000), expiry=86400)}")
        await told(town, town.worker, "are paid")
        with town.engine.begin() as tx:
            listed = lines(tx, 0, 1 << 40)
            assert [each.type for each in listed if each.task == ""] == ["WITHDRAWAL"]
            assert lines(tx, 0, listed[0].at) == []
            assert len(lines(tx, 0, 1 << 40, task)) == len(listed) - 1
        await sound(town)

    run_virtually(life())


@pytest.mark.parametrize("end", ["paid", "refunded"])
def test_money_in_the_books_is_in_escrow_until_it_is_decided(end: str) -> None:
    async def life() -> None:
        town = await a_town(settings=LEDGER)
        task = await claimed(town, custody_mode="ledger")
        await entry(town, task, "ledger.locked")
        shown = await receipt(town, town.employer, task)
        assert kinds(shown) == [("UPFRONT_ESCROW", "SUCCESS", HOLD)]
        assert opens(shown)
        assert shown["transactions"][0]["released_to"] is None
        if end == "paid":
            await town.worker.say(f"submit {task} https://example.org/x {'ab' * 32}")
            await entry(town, task, "proof.submitted")
            await town.employer.say(f"approve {task}")
            await state(town, task, "Paid")
        else:
            await town.worker.say(f"cancel {task} 0")
            await entry(town, task, "cancel.offered")
            await town.employer.say(f"cancel {task} 0")
            await state(town, task, "Refunded")
        shown = await receipt(town, town.employer, task)
        got = town.worker if end == "paid" else town.employer
        assert shown["transactions"][0]["released_to"] == got.pubkey
        assert shown["paid_msat" if end == "paid" else "refunded_msat"] == (REWARD if end == "paid" else HOLD)
        await sound(town)

    run_virtually(life())


@pytest.mark.parametrize("end", ["Paid", "Refunded"])
def test_a_deposit_in_the_books_is_in_escrow_until_it_is_used_or_goes_back(end: str) -> None:
    each = (ahead.deliver, ahead.due, ahead.pay, ahead.take)
    rest = (*each, ahead.deliver, ahead.approve, ahead.take) if end == "Paid" else (ahead.part_ways,)

    async def life() -> None:
        town = await a_town(settings=LEDGER)
        task = await ahead.posted(town, **ahead.LATER, deposit_percent=50, on_hold_end="ledger")
        for step in (ahead.hire, ahead.cut(), ahead.accept(2), ahead.lock, ahead.to_books):
            await step(town, task)
        shown = await receipt(town, town.employer, task)
        assert opens(shown)
        assert {(each["type"], each["what"], each["released_to"]) for each in shown["transactions"]} == {
            ("UPFRONT_ESCROW", "deposit", None)
        }
        amounts = [each["amount_msat"] for each in shown["transactions"]]
        for step in rest:
            await step(town, task)
        await state(town, task, end)
        shown = await receipt(town, town.employer, task)
        got = town.worker if end == "Paid" else town.employer
        assert {each["released_to"] for each in shown["transactions"] if each["what"] == "deposit"} == {got.pubkey}
        back = [each["amount_msat"] for each in shown["transactions"] if each["type"] == "REFUND"]
        assert back == ([] if end == "Paid" else amounts)
        await sound(town)

    run_virtually(life())


def test_what_the_document_forgets_the_rows_keep() -> None:
    async def life() -> None:
        town = await a_town()
        task = await approved(town)
        await state(town, task, "Paid")
        whole = stored(town, task)
        assert len(whole) == 2
        with town.engine.begin() as tx:
            held = commit.load(tx, task)
            assert held
            emptied = json.loads(tx.exec_driver_sql("select document from tasks").scalar_one())
            emptied |= {"fundings": [], "payouts": [], "credits": []}
            tx.exec_driver_sql("update tasks set document = ?", (json.dumps(emptied),))
        assert task_of(town, task).fundings == ()
        assert stored(town, task) == whole
        shown = await receipt(town, town.employer, task)
        assert opens(shown)

    run_virtually(life())


def test_records_after_a_recovery_are_those_of_before() -> None:
    async def life() -> None:
        town = await a_town()
        task = await delivered(town)
        backup = town.backup()
        await town.employer.say(f"approve {task}")
        await state(town, task, "Paid")
        before = await receipt(town, town.employer, task)
        await sound(town)
        await town.kill()
        town.restore(backup)
        await town.recover()
        await town.start()
        await town.pass_time(60)
        after = await receipt(town, town.employer, task)
        assert kinds(after) == kinds(before)
        times = [(each["created_at"], each["released_at"]) for each in before["transactions"]]
        found = [(each["created_at"], each["released_at"]) for each in after["transactions"]]
        assert all(
            abs(a - b) <= 5 for one, other in zip(times, found, strict=True) for a, b in zip(one, other, strict=True)
        )

    run_virtually(life())


def test_the_words_are_those_of_the_protocol() -> None:
    assert [str(each) for each in RecordType] == [
        "UPFRONT_ESCROW", "MILESTONE_PAYMENT", "FULL_PAYMENT", "REFUND", "COMPENSATION",
    ]  # fmt: skip
    assert [str(each) for each in RecordStatus] == ["PENDING", "SUCCESS", "FAILED"]
