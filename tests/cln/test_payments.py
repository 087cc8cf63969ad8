"""Outgoing payments: what is concluded from lightningd's rows and errors, and what is not."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from bot.nodes.cln import paying
from bot.nodes.cln.node import ClnNode
from bot.nodes.cln.payments import LOST_WORD, Why, view, why_failed
from bot.nodes.cln.plugin.keeper import GRACE
from kinds import bolt11
from kinds.lightning import Fault, PaymentStatus, PaySpec
from kinds.units import Msat, PaymentHash, Secret, sats
from tests.cln.double import Double
from tests.cln.ledger import recorded
from tests.contract.bench import until
from tests.contract.cln_bench import ClnBench

HASH = PaymentHash("ab" * 32)
AMOUNT = sats(10_000)


def rows(status: str, parts: int = 1) -> list[dict[str, Any]]:
    """Parts as a real node told them."""
    for call in recorded("calls"):
        found = call["response"].get("result", {}).get("payments", [])
        if len(found) == parts and all(part["status"] == status for part in found):
            return list(found)
    raise AssertionError(status)


def test_recorded_payments_are_read() -> None:
    pending, failed = view(HASH, rows("pending"), LOST_WORD), view(HASH, rows("failed"), Why(Fault.THEIRS, "refused"))
    assert (pending.status, pending.amount) == (PaymentStatus.IN_FLIGHT, 10_000_000)
    assert (failed.status, failed.fault, failed.reason) == (PaymentStatus.FAILED, Fault.THEIRS, "refused")
    done = view(HASH, rows("complete"), LOST_WORD)
    assert (done.status, done.amount, done.fee) == (PaymentStatus.COMPLETE, 1_000_000, 11)
    assert len(done.preimage.reveal()) == 64
    both = view(HASH, rows("complete", parts=2), LOST_WORD)
    assert (both.status, both.amount, both.fee) == (PaymentStatus.COMPLETE, 20_000_000, 0)
    assert view(HASH, [], LOST_WORD).status is PaymentStatus.ABSENT


def test_one_pending_part_is_not_a_failure() -> None:
    assert view(HASH, [*rows("failed"), *rows("pending")], LOST_WORD).status is PaymentStatus.IN_FLIGHT


def test_one_complete_part_is_a_payment_made() -> None:
    seen = view(HASH, [*rows("failed"), *rows("pending"), *rows("complete")], LOST_WORD)
    assert (seen.status, seen.amount, seen.fee) == (PaymentStatus.COMPLETE, 11_000_000, 11)


RECORDED_ERRORS = {203: Fault.THEIRS, 205: Fault.THEIRS, 206: Fault.OURS, 207: Fault.THEIRS, -3: Fault.OURS}


def test_recorded_errors_of_xpay_are_somebodys_trouble() -> None:
    met = set()
    for call in recorded("calls"):
        error = call["response"].get("error")
        if call["request"]["method"] == "xpay" and error and error["code"] in RECORDED_ERRORS:
            met.add(error["code"])
            assert why_failed(error["code"], error["message"], enough=True).fault is RECORDED_ERRORS[error["code"]]
    assert met == set(RECORDED_ERRORS)


@pytest.mark.parametrize(
    ("code", "message", "enough", "fault"),
    [
        (205, "Failed: We could not find a usable set of paths.", False, Fault.OURS),
        (205, "Failed: Could not find route without excessive delays", True, Fault.OURS),
        (209, "Failed after 1 attempts. We got temporary_channel_failure", True, Fault.OURS),
        (-1, "", True, Fault.OURS),
        (12345, "news", True, Fault.OURS),
    ],
)
def test_what_is_not_surely_theirs_is_ours(code: int, message: str, enough: bool, fault: Fault) -> None:
    assert why_failed(code, message, enough).fault is fault


# --- against the double ------------------------------------------------------------------------------------------


def spec_for(invoice: str, **changes: Any) -> PaySpec:
    read = bolt11.decode(invoice)
    given: dict[str, Any] = {"amount": read.amount or AMOUNT, "fee_limit": sats(100), "cltv_limit": 288, "timeout": 5}
    return PaySpec("task/p1", read.payment_hash, Secret(invoice), **(given | changes))


async def test_a_refusing_payee_is_his_own_trouble_and_stays_it(bench: ClnBench, double: Double) -> None:
    spec = spec_for(await bench.bill(AMOUNT))
    double.routes.forget(spec.payment_hash)
    view_of = await bench.node.pay(spec)
    assert (view_of.status, view_of.fault, view_of.reason) == (PaymentStatus.FAILED, Fault.THEIRS, "refused")
    assert await bench.node.payment(spec.payment_hash) == view_of


async def test_rows_that_say_pending_after_the_error_are_waited_for(bench: ClnBench, double: Double) -> None:
    """`xpay` has its error about 80 ms before the rows say so."""
    spec = spec_for(await bench.bill(AMOUNT))
    double.routes.forget(spec.payment_hash)
    double.routes.lag = 0.1
    assert (await bench.node.pay(spec)).status is PaymentStatus.FAILED


async def test_an_error_while_a_part_is_out_is_not_a_failure(bench: ClnBench, double: Double) -> None:
    spec = spec_for(await bench.bill(AMOUNT))
    double.routes.forget(spec.payment_hash)
    double.routes.lag = 30
    assert (await bench.node.pay(spec)).status is PaymentStatus.IN_FLIGHT
    assert (await bench.node.pay(spec)).status is PaymentStatus.IN_FLIGHT


async def test_an_attempt_of_an_earlier_life_is_met_and_not_repeated(bench: ClnBench, double: Double) -> None:
    await bench.payee_holds()
    spec = spec_for(await bench.bill(AMOUNT))
    assert (await bench.node.pay(spec)).status is PaymentStatus.IN_FLIGHT
    await bench.node.aclose()
    next_life = ClnNode(double.socket, patience=0.2)
    assert (await next_life.payment(spec.payment_hash)).status is PaymentStatus.IN_FLIGHT
    assert (await next_life.pay(spec)).status is PaymentStatus.IN_FLIGHT
    await bench.release(spec.payment_hash)
    made = await until(bench, lambda: next_life.payment(spec.payment_hash), PaymentStatus.COMPLETE)
    assert (await next_life.pay(spec)) == made
    assert len(double.ledger.sendpays) == 1
    await next_life.aclose()


@pytest.mark.parametrize("sent", [True, False])
async def test_a_part_that_lightningd_wrote_down_and_did_not_live_to_send_has_failed(
    bench: ClnBench, double: Double, sent: bool
) -> None:
    await bench.payee_holds()
    spec = spec_for(await bench.bill(AMOUNT))
    await bench.node.pay(spec)
    if not sent:
        double.ledger.unsent.add(1)
    await bench.restart()
    fresh = ClnNode(double.socket, patience=0.2)  # of a new life of the daemon
    assert (await fresh.payment(spec.payment_hash)).status is PaymentStatus.IN_FLIGHT, (
        "lightningd has only just started"
    )
    await bench.wait(GRACE)
    view = await fresh.payment(spec.payment_hash)
    assert view.status is (PaymentStatus.IN_FLIGHT if sent else PaymentStatus.FAILED)
    assert view.fault is Fault.OURS
    assert (await fresh.pay(spec)).status is view.status, "lightningd refuses to send it again"
    await fresh.aclose()


async def test_an_attempt_whose_answer_was_lost_has_not_failed(bench: ClnBench, double: Double) -> None:
    """The call may still be trying inside lightningd."""
    spec = spec_for(await bench.bill(AMOUNT))
    double.mute.add("xpay")
    paying = asyncio.create_task(bench.node.pay(spec))
    await double.hears("xpay")
    await double.cut_connections()
    assert (await paying).status is PaymentStatus.UNKNOWN
    assert (await bench.node.payment(spec.payment_hash)).status is PaymentStatus.UNKNOWN
    assert (await bench.node.pay(spec)).status is PaymentStatus.UNKNOWN


async def test_reasons_are_not_kept_without_end(
    bench: ClnBench, double: Double, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(paying, "_WORDS", 2)
    specs = [spec_for(await bench.bill(AMOUNT)) for _ in range(3)]
    for spec in specs:
        double.routes.forget(spec.payment_hash)
        await bench.node.pay(spec)
    seen = [await bench.node.payment(spec.payment_hash) for spec in specs]
    assert [view.status for view in seen] == [PaymentStatus.FAILED] * 3
    assert [view.reason for view in seen] == [LOST_WORD.reason, "refused", "refused"]


async def test_two_callers_pay_once(bench: ClnBench, double: Double) -> None:
    spec = spec_for(await bench.bill(AMOUNT))
    await asyncio.gather(*(bench.node.pay(spec) for _ in range(5)))
    assert [row["status"] for row in double.ledger.sendpays] == ["complete"]


async def test_an_invoice_without_an_amount_is_told_one(bench: ClnBench, double: Double) -> None:
    bill = bolt11.decode(await bench.bill(AMOUNT))
    open_bill = bolt11.encode(
        bolt11.Bolt11(
            hrp="lnbcrt",
            timestamp=bill.timestamp,
            payment_hash=bill.payment_hash,
            payment_secret=bill.payment_secret,
            description="any",
            final_cltv=80,
        ),
        double.routes.payee_key,
    )
    made = await bench.node.pay(spec_for(open_bill, amount=sats(777)))
    assert (made.status, made.amount) == (PaymentStatus.COMPLETE, sats(777))


async def test_the_node_never_pays_itself(bench: ClnBench, double: Double) -> None:
    own = double.routes.bill(AMOUNT, 3600, 80, key=double.our_key)
    refused = await bench.node.pay(spec_for(own))
    assert (refused.status, refused.reason) == (PaymentStatus.FAILED, "self_payment")
    assert "xpay" not in double.heard


async def test_a_closed_node_answers_unknown(bench: ClnBench) -> None:
    spec = spec_for(await bench.bill(AMOUNT))
    await bench.node.aclose()
    assert (await bench.node.pay(spec)).status is PaymentStatus.UNKNOWN
    assert (await bench.node.payment(spec.payment_hash)).status is PaymentStatus.UNKNOWN
    assert Msat(0) == (await bench.node.payment(spec.payment_hash)).amount
