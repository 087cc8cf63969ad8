"""The control door, through its socket, as another process would use it."""

from __future__ import annotations

import asyncio
import json
import os
import stat
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from bot.door import MAX_LINE, ask
from bot.nodes.simnet import Control, SimNode
from kinds.lightning import HoldStatus, PaymentStatus
from kinds.units import sats
from tests.bot.nodes.simnet_bench import Clock, hold_ref, hold_spec, pay_spec, sim


@pytest.fixture
async def node() -> AsyncIterator[SimNode]:
    made = sim(Clock())
    yield made
    await made.aclose()


@pytest.fixture
async def door(node: SimNode, tmp_path: Path) -> AsyncIterator[Path]:
    path = tmp_path / "simnet.sock"
    control = Control(node, path)
    await control.start()
    yield path
    await control.aclose()
    assert not os.listdir(tmp_path)


async def test_a_life_from_outside(node: SimNode, door: Path) -> None:
    made = await node.make_hold(hold_spec())
    paid = await ask(door, {"do": "pay", "wallet": "employer", "invoice": made.invoice.reveal(), "parts": 2})
    assert (paid["status"], paid["amount_msat"], paid["hash"]) == ("in_flight", 10_000_000, made.payment_hash)
    assert (await ask(door, {"do": "preimage", "wallet": "employer", "hash": made.payment_hash})).keys() == {"error"}
    invoice = (await ask(door, {"do": "invoice", "wallet": "worker", "amount_sat": 9_000, "memo": "payout"}))["invoice"]
    assert (await node.pay(pay_spec(invoice))).status is PaymentStatus.COMPLETE
    await node.settle(hold_ref(made))
    proof = await ask(door, {"do": "preimage", "wallet": "employer", "hash": made.payment_hash})
    assert proof == {"preimage": (await node.hold(hold_ref(made))).preimage.reveal()}
    balances = await ask(door, {"do": "wallet"})
    assert balances == {"balances_msat": {"employer": sats(9_990_000), "worker": sats(10_009_000)}}


async def test_parts_by_size_and_another_amount(node: SimNode, door: Path) -> None:
    made = await node.make_hold(hold_spec())
    request = {"do": "pay", "wallet": "employer", "invoice": made.invoice.reveal(), "amount_sat": 12_000}
    await ask(door, {**request, "parts": [7_000]})
    await ask(door, {**request, "parts": [5_000]})
    assert (await node.hold(hold_ref(made))).received == sats(12_000)


async def test_chain_state_and_faults(node: SimNode, door: Path) -> None:
    assert (await ask(door, {"do": "mine", "blocks": 6}))["height"] == 800_006
    assert (await ask(door, {"do": "fault", "down": True, "only": ["pay"]}))["faults"]["down"] is True
    assert node.network.faults.only == ("pay",)
    state = await ask(door, {"do": "state"})
    assert state["money_msat"]["total"] == state["money_msat"]["minted"]
    assert (await ask(door, {"do": "fault"}))["faults"]["down"] is False
    made = await node.make_hold(hold_spec())
    node.wallet("employer").pay(made.invoice.reveal())
    await ask(door, {"do": "force_close", "hash": made.payment_hash})
    assert not (await node.hold(hold_ref(made))).parts[0].on_channel
    await ask(door, {"do": "lose_hold", "hash": made.payment_hash})
    assert (await node.hold(hold_ref(made))).status is HoldStatus.CANCELLED
    assert "error" in await ask(door, {"do": "release", "hash": made.payment_hash})
    assert (await ask(door, {"do": "restart"}))["height"] == 800_006


@pytest.mark.parametrize(
    "request_",
    [
        {"do": "dance"},
        {},
        {"do": "mine", "blocks": 0},
        {"do": "mine", "blocks": True},
        {"do": "pay", "wallet": "employer"},
        {"do": "pay", "wallet": "employer", "invoice": "lnplay1junk"},
        {"do": "pay", "wallet": "../x", "invoice": "lnplay1junk"},
        {"do": "invoice", "wallet": "worker", "amount_sat": -1},
        {"do": "invoice", "wallet": "worker", "amount_sat": 1, "cltv": 5},
        {"do": "invoice", "wallet": "worker", "amount_sat": 1.5},
        {"do": "preimage", "wallet": "worker", "hash": "xyz"},
        {"do": "fault", "explode": True},
        {"do": "fault", "payout_end": "maybe"},
        {"do": "wallet", "extra": 1},
    ],
)
async def test_what_cannot_be_done_is_said(door: Path, request_: dict[str, Any]) -> None:
    answer = await ask(door, request_)
    assert answer.keys() == {"error"}
    assert answer["error"]


async def test_junk_and_long_lines(door: Path) -> None:
    reader, writer = await asyncio.open_unix_connection(str(door))
    writer.write(b"not json\n[1]\n")
    for _ in range(2):
        assert "error" in json.loads(await reader.readline())
    writer.write(b"x" * (MAX_LINE + 10) + b"\n")
    assert "at most" in json.loads(await reader.readline())["error"]
    assert await reader.read() == b""
    writer.close()
    await writer.wait_closed()


async def test_the_door_is_the_owners_alone(door: Path) -> None:
    assert stat.S_IMODE(os.stat(door).st_mode) == 0o600


async def test_a_path_too_long_for_a_socket(node: SimNode, tmp_path: Path) -> None:
    deep = tmp_path / ("d" * 120)
    deep.mkdir()
    control = Control(node, deep / "simnet.sock")
    await control.start()
    short = Path((deep / "simnet.sock.path").read_text())
    assert (await ask(deep / "simnet.sock", {"do": "state"}))["height"] == 800_000
    await control.aclose()
    assert not short.parent.exists()
    assert list(deep.iterdir()) == []


async def test_closing_ends_idle_callers_and_a_new_door_replaces_a_dead_one(node: SimNode, tmp_path: Path) -> None:
    path = tmp_path / "simnet.sock"
    path.write_text("left over")
    control = Control(node, path)
    await control.start()
    reader, writer = await asyncio.open_unix_connection(str(path))
    await ask(path, {"do": "state"})
    await control.aclose()
    assert await reader.read() == b""
    writer.close()
    await writer.wait_closed()
    with pytest.raises(OSError, match="No such file"):
        await ask(path, {"do": "state"})
