"""The double of lightningd speaks as real nodes did when they were recorded: the same fields, the same errors."""

from __future__ import annotations

from typing import Any

import pytest

from bot.nodes.cln.rpc import Refused, Rpc
from kinds.lightning import HoldRef, HoldSpec
from kinds.units import sats
from tests.cln.double import Double
from tests.cln.ledger import recorded
from tests.cln.test_payments import rows, spec_for
from tests.contract.cln_bench import ClnBench

OFTEN_LEFT_OUT = {"completed_at", "updated_index", "payment_preimage", "erroronion", "data"}


def shape(value: dict[str, Any]) -> set[str]:
    return set(value) - OFTEN_LEFT_OUT


async def test_the_hooks_questions_have_the_recorded_fields(bench: ClnBench, double: Double) -> None:
    made = await bench.node.make_hold(HoldSpec("task/h1", sats(10), 3600, 100, ""))
    await bench.pay_hold(made.invoice.reveal())
    await bench.node.cancel(HoldRef("task/h1", made.payment_hash))
    asked = double.hooked[0]["request"]
    real = next(
        pair["request"]["params"]
        for pair in recorded("hooks")
        if "payment_secret" in pair["request"]["params"]["onion"]
    )
    assert set(asked) == set(real)
    assert (set(asked["onion"]), set(asked["htlc"])) == (set(real["onion"]), set(real["htlc"]))


async def test_channels_have_the_recorded_fields(bench: ClnBench, double: Double) -> None:
    made = await bench.node.make_hold(HoldSpec("task/h1", sats(10), 3600, 100, ""))
    await bench.pay_hold(made.invoice.reveal())
    real = recorded("channel")
    channel = double.ledger.channels()[0]
    assert set(channel) == set(real)
    assert set(channel["htlcs"][0]) == set(real["htlcs"][0])


async def test_moves_of_money_have_the_recorded_fields(bench: ClnBench, double: Double) -> None:
    rpc = Rpc(double.socket)
    for number, where in enumerate(("channel", "chain")):
        made = await bench.node.make_hold(HoldSpec(f"task/h{number}", sats(10), 3600, 100, ""))
        await bench.pay_hold(made.invoice.reveal())
        [htlc] = double.ledger.on_channel()
        told = (double.ledger.fulfil if where == "channel" else double.ledger.claim)(htlc)
        [listed] = (await rpc.call(f"list{where}moves"))[f"{where}moves"]
        real = recorded("moves")[where]
        assert (set(told), set(listed)) == (set(real["told"]), set(real["listed"]))
        assert listed["payment_hash"] == told["payment_hash"] == made.payment_hash


@pytest.mark.parametrize("status", ["complete", "failed"])
async def test_payments_have_the_recorded_fields(bench: ClnBench, double: Double, status: str) -> None:
    spec = spec_for(await bench.bill(sats(10)))
    if status == "failed":
        double.routes.forget(spec.payment_hash)
    await bench.node.pay(spec)
    assert shape(double.ledger.sendpays[0]) == shape(rows(status)[0])


RECORDED_CALLS = [
    call
    for call in recorded("calls")
    if (call["request"]["method"], call["note"])
    in {
        ("nosuchmethod", None),
        ("datastore", "exists"),
        ("signinvoice", "bad string"),
        ("xpay", "bad invoice"),
        ("xpay", "broken checksum"),
    }
]


@pytest.mark.parametrize("call", RECORDED_CALLS, ids=lambda call: f"{call['request']['method']} {call['note']}")
async def test_errors_are_the_recorded_ones(double: Double, call: dict[str, Any]) -> None:
    rpc, request = Rpc(double.socket), call["request"]
    params = dict(request["params"])
    if request["method"] == "datastore":
        await rpc.call("datastore", params)
    if request["method"] == "xpay":
        params |= {"maxfee": 1, "maxdelay": 1, "retry_for": 1}
    with pytest.raises(Refused) as refused:
        await rpc.call(request["method"], params)
    error = call["response"]["error"]
    assert (refused.value.code, refused.value.message) == (error["code"], error["message"])


async def test_escapes_are_refused_as_lightningd_does(double: Double) -> None:
    with pytest.raises(Refused, match="32602"):
        await Rpc(double.socket).call("makesecret", {"string": "\x07"})


async def test_secrets_are_those_of_the_node(double: Double) -> None:
    rpc = Rpc(double.socket)
    first, again = [await rpc.call("makesecret", {"string": "lab"}) for _ in range(2)]
    assert first == again
    assert len(first["secret"]) == len(next(iter(_results("makesecret")))["secret"])


def _results(method: str) -> list[dict[str, Any]]:
    return [call["response"]["result"] for call in recorded("calls") if call["request"]["method"] == method]
