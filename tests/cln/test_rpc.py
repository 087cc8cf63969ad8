"""The socket to lightningd: whatever comes back, or does not, is an answer of a known kind, in bounded time."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from bot.nodes.cln.node import ClnNode
from bot.nodes.cln.rpc import NoAnswer, Refused, Rpc, Shared, msat, rows
from kinds.lightning import HoldRef, HoldSpec, HoldStatus, PaymentStatus, PaySpec
from kinds.units import PaymentHash, Secret, sats
from tests.cln.double import Double
from tests.cln.ledger import recorded


@pytest.fixture
async def place() -> AsyncIterator[Path]:
    with TemporaryDirectory(prefix="cln") as folder:
        yield Path(folder) / "rpc"


async def serving(place: Path, answer: bytes | None) -> asyncio.Server:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\n\n")
        if answer is None:
            await reader.read()  # until the other side has had enough
        else:
            writer.write(answer)
        writer.close()

    return await asyncio.start_unix_server(serve, place)


@pytest.mark.parametrize(
    "answer",
    [
        b"",
        b"{",
        b"junk\n\n",
        b"[]\n\n",
        b'{"id":"another","result":{}}\n\n',
        b'{"jsonrpc":"2.0","result":{}}\n\n',
    ],
)
async def test_junk_is_no_answer(place: Path, answer: bytes) -> None:
    async with await serving(place, answer):
        with pytest.raises(NoAnswer):
            await Rpc(place).call("getinfo")


async def test_silence_is_no_answer_in_time(place: Path) -> None:
    async with await serving(place, None):
        async with asyncio.timeout(5):
            with pytest.raises(NoAnswer, match="TimeoutError"):
                await Rpc(place, seconds=0.05).call("getinfo")


async def test_nobody_there_is_no_answer(place: Path) -> None:
    with pytest.raises(NoAnswer):
        await Rpc(place).call("getinfo")


async def test_every_call_of_a_node_that_is_away_is_an_answer(place: Path) -> None:
    node = ClnNode(place)
    ref, payment_hash = HoldRef("r", PaymentHash("ab" * 32)), PaymentHash("cd" * 32)
    assert await node.facts() is None
    for view in (await node.hold(ref), await node.settle(ref), await node.cancel(ref)):
        assert (view.payment_hash, view.status) == (ref.payment_hash, HoldStatus.UNKNOWN)
    assert (await node.make_hold(HoldSpec("r", sats(1), 60, 100, ""))).status is HoldStatus.UNKNOWN
    assert (await node.payment(payment_hash)).status is PaymentStatus.UNKNOWN
    spec = PaySpec("r", payment_hash, Secret("lnbcrt1"), sats(1), sats(1), 288, 5)
    assert (await node.pay(spec)).status is PaymentStatus.UNKNOWN
    with pytest.raises(NoAnswer):
        await node.problem()
    await node.aclose()


async def test_errors_of_lightningd_keep_their_code_and_quote_nothing(double: Double) -> None:
    with pytest.raises(Refused) as refused:
        await Rpc(double.socket).call("nosuchmethod")
    real = next(c for c in recorded("calls") if c["request"]["method"] == "nosuchmethod")["response"]["error"]
    assert (refused.value.code, refused.value.message) == (real["code"], real["message"])
    assert str(refused.value) == f"error {real['code']}"


async def test_a_hundred_calls_do_not_hold_up_the_loop(double: Double) -> None:
    rpc = Rpc(double.socket)
    answers = await asyncio.gather(*(rpc.call("getinfo") for _ in range(100)))
    assert {answer["blockheight"] for answer in answers} == {double.ledger.height}


async def test_shared_answers_are_never_older_than_the_question(double: Double) -> None:
    shared = Shared(Rpc(double.socket), "getinfo")
    double.heard.clear()  # the plugin has asked too
    first = await asyncio.gather(*(shared.get() for _ in range(20)))
    assert double.heard.count("getinfo") == 1
    under_way = asyncio.create_task(shared.get())
    await double.hears("getinfo", times=2)
    double.mine()
    assert (await shared.get())["blockheight"] == first[0]["blockheight"] + 1
    await under_way
    assert double.heard.count("getinfo") == 3


async def test_shared_trouble_is_everybodys(place: Path) -> None:
    answers = await asyncio.gather(
        *(shared.get() for shared in [Shared(Rpc(place), "getinfo")] * 3), return_exceptions=True
    )
    assert [type(answer) for answer in answers] == [NoAnswer] * 3


def test_amounts_and_rows_of_another_form() -> None:
    assert (msat({"a": 5}, "a"), msat({"a": "5msat"}, "a"), msat({}, "a")) == (5, 5, 0)
    with pytest.raises(NoAnswer):
        msat({"a": "five"}, "a")
    with pytest.raises(NoAnswer):
        rows({"a": [1]}, "a")
    with pytest.raises(NoAnswer):
        rows({"a": {}}, "a")
