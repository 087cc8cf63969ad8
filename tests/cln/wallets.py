"""What people do with a real Core Lightning node."""

from __future__ import annotations

import asyncio
import secrets
import threading
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from bot.nodes.cln import wire
from kinds.units import sats
from tests.cln.regtest import Lightningd, wait_for


def pay(payer: Lightningd, invoice: str) -> None:
    """Begins a payment; `xpay` answers when it is over, and nobody waits for it."""
    threading.Thread(target=_xpay, args=(payer, invoice), daemon=True).start()


def _xpay(payer: Lightningd, invoice: str) -> None:
    with suppress(Exception):
        payer.rpc.call("xpay", {"invstring": invoice})


def paid(payer: Lightningd, payment_hash: str) -> str:
    """The payer's own word on his payment."""
    rows = payer.rpc.call("listsendpays", {"payment_hash": payment_hash})["payments"]
    return str(rows[-1]["status"]) if rows else ""


def invoice(payee: Lightningd, sat: int, expiry: int) -> str:
    asked = {"amount_msat": sats(sat), "label": secrets.token_hex(8), "description": "work"}
    return str(payee.rpc.call("invoice", {**asked, "expiry": expiry, "cltv": 80})["bolt11"])


def held_invoice(payee: Lightningd, sat: int, expiry: int) -> str:
    """Of a payee who keeps what arrives."""
    asked = {"ref": secrets.token_hex(8), "amount_msat": sats(sat), "expiry": expiry, "cltv": 80, "memo": "work"}
    return str(payee.rpc.call(wire.CREATE, asked)["bolt11"])


def holds(payee: Lightningd, payment_hash: str) -> bool:
    """Has it arrived at the payee?"""
    return bool(payee.rpc.call(wire.LOOKUP, {"payment_hash": payment_hash})["state"] == wire.State.HELD)


def release(payee: Lightningd, payment_hash: str) -> None:
    """Once it has arrived."""
    taken = (wire.State.SETTLING, wire.State.SETTLED)
    wait_for(
        "the payee's settle", lambda: payee.rpc.call(wire.SETTLE, {"payment_hash": payment_hash})["state"] in taken
    )


@dataclass(frozen=True, slots=True)
class NodeWallet:
    """A person's wallet in the tests of lives: sat in, msat out."""

    node: Lightningd

    async def invoice(self, sat: int, expiry: int) -> str:
        return await asyncio.to_thread(invoice, self.node, sat, expiry)

    async def pay(self, invoice: str, **_: Any) -> dict[str, Any]:
        pay(self.node, invoice)
        return {}

    async def balance(self) -> int:
        return await asyncio.to_thread(self.node.balance)
