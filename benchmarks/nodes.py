"""What people do with real nodes without blocking anybody, and the same life on these nodes alone, without a daemon.

Moments are perf_counter's. The client is the daemon's own (`bot.nodes.lnd.rest`), so that both are slowed by the same Python.
"""

from __future__ import annotations

import asyncio
import secrets
import time
from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import dataclass, field
from typing import Any

from benchmarks.life import EXPIRY, PATIENCE, REWARD
from bot.nodes.lnd import Rest, read_certificate, read_macaroon, wire
from bot.nodes.lnd.rest import Refusal, Reply, Row, Silence
from bot.nodes.preimages import hash_of
from kinds import bolt11
from kinds.units import PaymentHash, sats
from tests.regtest.town import Lnd, Town

HOLD_CLTV = 1900  # blocks: room for a deadline of three days, and still what payers accept
_FEE_LIMIT = str(sats(1_000))


class NodeTrouble(RuntimeError):
    """A node did not do what was asked."""


class Purse:
    """One node, asked with all rights."""

    def __init__(self, lnd: Lnd) -> None:
        self._name = lnd.name
        self._rest = Rest(lnd.url, read_certificate(lnd.cert), read_macaroon(lnd.admin_macaroon))

    async def invoice(self, sat: int) -> str:
        terms = {"value_msat": str(sats(sat)), "expiry": str(EXPIRY), "cltv_expiry": "80"}
        return str((await self._ask("POST", "/v1/invoices", terms))["payment_request"])

    async def hold(self, sat: int, payment_hash: PaymentHash) -> str:
        terms = {"value_msat": str(sats(sat)), "expiry": str(EXPIRY), "cltv_expiry": str(HOLD_CLTV)}
        made = await self._ask("POST", "/v2/invoices/hodl", terms | {"hash": wire.in_body(payment_hash)})
        return str(made["payment_request"])

    async def settle(self, preimage: bytes) -> None:
        await self._ask("POST", "/v2/invoices/settle", {"preimage": wire.in_body(preimage.hex())})

    async def pay(self, invoice: str) -> float:
        """The moment at which the payment is complete and its preimage known."""
        asked = {"payment_request": invoice, "fee_limit_msat": _FEE_LIMIT, "timeout_seconds": 60}
        async with aclosing(self._rest.stream("POST", "/v2/router/send", asked)) as replies:
            async for reply in replies:
                match self._sound(reply)["status"]:
                    case "SUCCEEDED":
                        return time.perf_counter()
                    case "FAILED":
                        raise NodeTrouble(f"{self._name} could not pay: {self._sound(reply)['failure_reason']}")
        raise NodeTrouble(f"{self._name} does not say what became of a payment")

    async def watch(self, invoice: str, state: str) -> asyncio.Task[float]:
        """Begins to listen for an invoice of this node; the moment at which it is told to have reached that state."""
        path = f"/v2/invoices/subscribe/{wire.in_path(bolt11.decode(invoice).payment_hash)}"
        replies = self._rest.stream("GET", path)
        self._sound(await anext(replies))  # how it stands now: it is open
        return asyncio.ensure_future(self._reached(replies, state))

    async def _reached(self, replies: AsyncGenerator[Reply, None], state: str) -> float:
        async with asyncio.timeout(PATIENCE), aclosing(replies):
            async for reply in replies:
                if self._sound(reply)["state"] == state:
                    return time.perf_counter()
        raise NodeTrouble(f"an invoice of {self._name} was never {state}")

    async def _ask(self, method: str, path: str, body: Row) -> Row:
        return self._sound(await self._rest.ask(method, path, body))

    def _sound(self, reply: Reply) -> Row:
        if isinstance(reply, (Refusal, Silence)):
            raise NodeTrouble(f"{self._name}: {reply}")
        return reply

    async def aclose(self) -> None:
        await self._rest.aclose()


@dataclass(slots=True)
class RealMoney:
    """The wallets of employers and workers: one node for all of a kind. `watches`: it is noted when their nodes see what happens."""

    employer: Purse
    escrow: Purse
    worker: Purse
    watches: bool
    done: dict[str, asyncio.Task[float]] = field(
        default_factory=dict
    )  # invoice -> its payment is complete at the employer's
    held: dict[str, asyncio.Task[float]] = field(default_factory=dict)  # the escrow node tells that it has arrived
    arrived: dict[str, asyncio.Task[float]] = field(default_factory=dict)  # the worker's node tells that it is paid

    async def pay(self, invoice: str) -> float:
        if self.watches:
            self.held[invoice] = await self.escrow.watch(invoice, "ACCEPTED")
        began = time.perf_counter()
        self.done[invoice] = asyncio.ensure_future(self.employer.pay(invoice))
        return began

    async def invoice(self, sat: int) -> str:
        made = await self.worker.invoice(sat)
        if self.watches:
            self.arrived[made] = await self.worker.watch(made, "SETTLED")
        return made


@dataclass(frozen=True, slots=True)
class Bare:
    """Seconds that the nodes alone take."""

    hold: float  # the employer begins to pay -> held at the escrow node
    payout: float  # the escrow node begins to pay -> paid at the worker's node
    ends: float  # the escrow node begins to pay -> the hold is settled and the employer's payment complete


async def bare(money: RealMoney) -> Bare:
    """A life without a daemon: a hold is made, paid and held, the worker is paid, the hold is settled, each as soon as it can be."""
    preimage = secrets.token_bytes(32)
    hold = await money.escrow.hold(REWARD, PaymentHash(hash_of(preimage)))
    held = await money.escrow.watch(hold, "ACCEPTED")
    paying = time.perf_counter()
    done = asyncio.ensure_future(money.employer.pay(hold))
    accepted = await held
    mine = await money.worker.invoice(REWARD)
    arrived = await money.worker.watch(mine, "SETTLED") if money.watches else None
    decided = time.perf_counter()
    sent = await money.escrow.pay(mine)
    await money.escrow.settle(preimage)
    ended = await done
    return Bare(accepted - paying, (await arrived if arrived else sent) - decided, ended - decided)


class Purses:
    """`async with`: the nodes of a town, for as long as they are asked."""

    def __init__(self, town: Town) -> None:
        self._town = town
        self._all: list[Purse] = []

    async def __aenter__(self) -> Purses:
        self._all = [Purse(lnd) for lnd in self._town.nodes]
        return self

    async def __aexit__(self, *_: Any) -> None:
        for purse in self._all:
            await purse.aclose()

    def money(self, watches: bool) -> RealMoney:
        employer, escrow, worker = self._all
        return RealMoney(employer, escrow, worker, watches)
