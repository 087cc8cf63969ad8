"""A simulated node under a clock of the test's own."""

from __future__ import annotations

import random
from collections.abc import Coroutine
from pathlib import Path
from typing import Any, TypeVar

from bot.nodes.simnet import Params, SimNode
from kinds.bolt11 import decode
from kinds.lightning import HoldRef, HoldSpec, HoldView, PaySpec
from kinds.units import Msat, Secret, sats

START = 1_900_000_000
T = TypeVar("T")


class Clock:
    def __init__(self) -> None:
        self.now: float = START

    def __call__(self) -> float:
        return self.now


def sim(clock: Clock, path: Path | None = None, key: bytes | None = None, params: Params | None = None) -> SimNode:
    return SimNode(clock, random.Random(3).randbytes, path, key, params)


def done(call: Coroutine[Any, Any, T]) -> T:
    """The result of a call that waits for nothing, without an event loop."""
    try:
        call.send(None)
    except StopIteration as end:
        return end.value  # type: ignore[no-any-return]
    raise AssertionError("the call waits")


def hold_spec(ref: str = "task/h1", amount: Msat = sats(10_000), expiry: int = 3600, cltv: int = 100) -> HoldSpec:
    return HoldSpec(ref, amount, expiry, cltv, "Holdfast task")


def hold_ref(view: HoldView, ref: str = "task/h1") -> HoldRef:
    return HoldRef(ref, view.payment_hash)


def pay_spec(invoice: str, cltv_limit: int = 288) -> PaySpec:
    read = decode(invoice)
    assert read.amount is not None
    return PaySpec("task/p1", read.payment_hash, Secret(invoice), read.amount, sats(1_000), cltv_limit, timeout=30)
