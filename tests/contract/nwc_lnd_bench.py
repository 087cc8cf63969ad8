"""The NIP-47 adapter on a real LND: the wallet service of the tests at the escrow node, as Alby Hub sits on one. Time is real."""

from __future__ import annotations

import asyncio
import base64
import os
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx

from bot.relays.embedded import embedded_relay
from kinds.bolt11 import decode
from kinds.lightning import HoldStatus, HoldView, Part, PaymentStatus, PaymentView
from kinds.units import Msat, PaymentHash, Secret
from tests.contract.bench import Bench
from tests.contract.lnd_bench import LndBench
from tests.contract.nwc_bench import NwcBench
from tests.contract.nwc_wallet import Faults, Refusal, Wallet
from tests.regtest.town import Lnd, NodeError, shared

_HOLDS = {
    "OPEN": HoldStatus.OPEN,
    "ACCEPTED": HoldStatus.HELD,
    "SETTLED": HoldStatus.SETTLED,
    "CANCELED": HoldStatus.CANCELLED,
}
_PAYMENTS = {"SUCCEEDED": PaymentStatus.COMPLETE, "FAILED": PaymentStatus.FAILED}
_PATIENCE = 50  # seconds for new attempts of a payment, as with Alby Hub


class LndBackend:
    """LND as the wallet's node, by its REST interface. It is asked again and again about what may still change."""

    def __init__(self, lnd: Lnd) -> None:
        self._lnd = lnd
        self._open: set[PaymentHash] = set()
        self.mute = False

    async def info(self) -> dict[str, Any]:
        said = await self._ask("GET", "/v1/getinfo")
        return {
            "network": said["chains"][0]["network"],
            "pubkey": said["identity_pubkey"],
            "block_height": said["block_height"],
            "block_hash": said["block_hash"],
        }

    async def balance(self) -> Msat:
        said = await self._ask("GET", "/v1/balance/channels")
        return Msat(int(said["local_balance"]["msat"]))

    async def make_hold(self, payment_hash: PaymentHash, amount: Msat, expiry: int, cltv: int, memo: str) -> None:
        asked = {"memo": memo, "hash": _body(payment_hash), "value_msat": str(amount)}
        await self._ask("POST", "/v2/invoices/hodl", asked | {"expiry": str(expiry), "cltv_expiry": str(cltv)})
        self._open.add(payment_hash)

    async def settle(self, preimage: str) -> None:
        await self._ask("POST", "/v2/invoices/settle", {"preimage": _body(preimage)})

    async def cancel(self, payment_hash: PaymentHash) -> None:
        await self._ask("POST", "/v2/invoices/cancel", {"payment_hash": _body(payment_hash)})

    async def incoming(self, payment_hash: PaymentHash) -> HoldView:
        row = await self._ask("GET", f"/v2/invoices/lookup?payment_hash={_path(payment_hash)}")
        status = _HOLDS[row["state"]]
        held = [each for each in row["htlcs"] if each["state"] == "ACCEPTED"] if status is HoldStatus.HELD else []
        preimage = base64.b64decode(row["r_preimage"]).hex() if status is HoldStatus.SETTLED else ""
        return HoldView(
            payment_hash,
            status,
            amount=Msat(int(row["value_msat"])),
            parts=tuple(
                Part(
                    each["chan_id"],
                    int(each["htlc_index"]),
                    Msat(int(each["amt_msat"])),
                    int(each["expiry_height"]),
                    True,
                )
                for each in held
            ),
            invoice=Secret(row["payment_request"]),
            expires_at=int(row["creation_date"]) + int(row["expiry"]),
            preimage=Secret(preimage),
        )

    async def pay(self, invoice: str, amount: Msat, fee_limit: Msat) -> PaymentView:
        payment_hash, asked = (
            decode(invoice).payment_hash,
            {"payment_request": invoice, "fee_limit_msat": str(fee_limit)},
        )
        self._open.add(payment_hash)
        return _payment(
            payment_hash, await self._first("POST", "/v2/router/send", asked | {"timeout_seconds": _PATIENCE})
        )

    async def outgoing(self, payment_hash: PaymentHash) -> PaymentView:
        try:
            return _payment(payment_hash, await self._first("GET", f"/v2/router/track/{_path(payment_hash)}"))
        except Refusal as refusal:
            if "isn't initiated" not in refusal.message:
                raise
            return PaymentView(payment_hash, PaymentStatus.ABSENT)

    async def hints(self) -> AsyncIterator[PaymentHash]:
        while True:
            for payment_hash in [] if self.mute else list(self._open):
                yield payment_hash
            await asyncio.sleep(0.1)

    async def _ask(self, method: str, path: str, body: object = None) -> dict[str, Any]:
        return await self._trouble(lambda: self._lnd.ask(method, path, body))

    async def _first(self, method: str, path: str, body: object = None) -> dict[str, Any]:
        return await self._trouble(lambda: self._lnd.first(method, path, body))

    async def _trouble(self, call: Any) -> dict[str, Any]:
        """What the wallet says of its node's trouble. While it starts anew it does not run at all (AssertionError)."""
        try:
            found: dict[str, Any] = await asyncio.to_thread(call)
        except (NodeError, httpx.HTTPError, AssertionError, OSError) as error:
            raise Refusal("INTERNAL", str(error)[:200]) from error
        return found


def _payment(payment_hash: PaymentHash, row: dict[str, Any]) -> PaymentView:
    return PaymentView(
        payment_hash,
        _PAYMENTS.get(row["status"], PaymentStatus.IN_FLIGHT),
        amount=Msat(int(row["value_msat"])),
        fee=Msat(int(row["fee_msat"])),
        preimage=Secret(row["payment_preimage"]),
        reason=row["failure_reason"],
    )


def _body(hex_: str) -> str:
    return base64.b64encode(bytes.fromhex(hex_)).decode()


def _path(hex_: str) -> str:
    return base64.urlsafe_b64encode(bytes.fromhex(hex_)).decode()


class NwcLndBench(NwcBench[LndBench]):
    async def silence_hints(self) -> None:
        backend = self.wallet.backend
        assert isinstance(backend, LndBackend)
        backend.mute = True


@asynccontextmanager
async def opened(folder: Path) -> AsyncIterator[Bench]:
    town = shared()
    async with (
        embedded_relay("127.0.0.1", 0) as relay,
        Wallet(relay, LndBackend(town.escrow), time.time, faults=Faults(open_stays=False)) as wallet,
    ):
        bench = NwcLndBench(LndBench(town, folder), wallet, os.urandom(32))
        bench.node.start()
        try:
            yield bench
        finally:
            await bench.aclose()
