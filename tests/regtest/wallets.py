"""What people do with a real node: pay, in one part or in several, make invoices, keep what arrives, look at their money.

Amounts are msat. These calls block, like those of the town.
"""

from __future__ import annotations

import asyncio
import contextlib
import secrets
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import httpx

from bot.nodes.lnd import wire
from bot.nodes.preimages import hash_of
from kinds import bolt11
from kinds.lightning import PaymentStatus, PaymentView
from kinds.units import Msat, PaymentHash, Secret, sats
from tests.regtest.town import Lnd, NodeError, wait_for

_FEE_LIMIT = str(sats(1_000))


def pay(payer: Lnd, invoice: str) -> str:
    """Begins a payment. What LND refuses at once is not begun: its words, or nothing."""
    asked = {"payment_request": invoice, "fee_limit_msat": _FEE_LIMIT, "timeout_seconds": 30}
    try:
        payer.first("POST", "/v2/router/send", asked, until=lambda row: bool(row["htlcs"]))
    except NodeError as error:
        return str(error)
    return ""


def equal(total: Msat, parts: int) -> list[Msat]:
    """The whole in equal parts; what does not divide goes with the last one."""
    size = total // parts
    return [Msat(size)] * (parts - 1) + [Msat(total - size * (parts - 1))]


def pay_in_parts(payer: Lnd, invoice: str, sizes: Sequence[Msat], total: Msat) -> None:
    """Parts of these sizes, which declare `total` as the whole. Each is on its way when this returns."""
    read = bolt11.decode(invoice)
    before = len(_attempts(payer, read.payment_hash))
    for size in sizes:
        wanted = {"amt_msat": str(size), "final_cltv_delta": read.final_cltv + 3}
        query = partial(payer.ask, "POST", f"/v1/graph/routes/{read.payee}/0", wanted)
        route = wait_for(query, "a route to the payee")["routes"][0]
        secret = wire.in_body(read.payment_secret.reveal())
        route["hops"][-1]["mpp_record"] = {"payment_addr": secret, "total_amt_msat": str(total)}
        asked = {"payment_hash": wire.in_body(read.payment_hash), "route": route}
        threading.Thread(target=_send_part, args=(payer, asked), daemon=True).start()
        before += 1
        wait_for(partial(_begun, payer, read.payment_hash, before), "a part on its way")


def _send_part(payer: Lnd, asked: dict[str, Any]) -> None:
    """Answered only when the part has been settled or given back, or never: nobody waits for it."""
    with contextlib.suppress(httpx.HTTPError, NodeError, RuntimeError):
        payer.ask("POST", "/v2/router/route/send", asked)


def _begun(payer: Lnd, payment_hash: PaymentHash, parts: int) -> bool:
    over = payment(payer, payment_hash).status is PaymentStatus.FAILED
    return over or len(_attempts(payer, payment_hash)) >= parts


def _attempts(payer: Lnd, payment_hash: PaymentHash) -> list[Any]:
    row = _track(payer, payment_hash)
    return [each for each in row["htlcs"] if each["status"] == "IN_FLIGHT"] if row else []


def payment(payer: Lnd, payment_hash: PaymentHash) -> PaymentView:
    """His own view of his payment."""
    row = _track(payer, payment_hash)
    return wire.payment_view(payment_hash, row) if row else PaymentView(payment_hash, PaymentStatus.ABSENT)


def _track(payer: Lnd, payment_hash: PaymentHash) -> dict[str, Any]:
    try:
        return payer.first("GET", f"/v2/router/track/{wire.in_path(payment_hash)}")
    except NodeError as error:
        if wire.NEVER_PAID not in str(error):
            raise
        return {}


def invoice(payee: Lnd, amount: Msat, expiry: int = 3600, cltv: int = 80) -> str:
    made = payee.ask("POST", "/v1/invoices", _terms(amount, expiry, cltv))
    return str(made["payment_request"])


def held_invoice(payee: Lnd, amount: Msat, expiry: int = 3600, cltv: int = 80) -> tuple[str, str]:
    """An invoice of which the payee keeps what arrives until he gives up the preimage: both, the latter in hex."""
    preimage = secrets.token_bytes(32)
    named = {"hash": wire.in_body(hash_of(preimage))}
    made = payee.ask("POST", "/v2/invoices/hodl", _terms(amount, expiry, cltv) | named)
    return str(made["payment_request"]), preimage.hex()


def release(payee: Lnd, preimage: str) -> None:
    payee.ask("POST", "/v2/invoices/settle", {"preimage": wire.in_body(preimage)})


def _terms(amount: Msat, expiry: int, cltv: int) -> dict[str, str]:
    return {"value_msat": str(amount), "expiry": str(expiry), "cltv_expiry": str(cltv)}


def stranger_invoice(amount: Msat, expiry: int = 3600) -> str:
    """Of somebody whom no node of the town knows: there is no route to him."""
    unsigned = bolt11.Bolt11(
        hrp="lnbcrt",
        timestamp=int(time.time()),
        payment_hash=hash_of(secrets.token_bytes(32)),
        payment_secret=Secret(secrets.token_hex(32)),
        amount=amount,
        description="work",
        expiry=expiry,
        final_cltv=80,
    )
    return bolt11.encode(unsigned, secrets.token_bytes(32))


@dataclass(frozen=True, slots=True)
class NodeWallet:
    """A person's wallet in the tests of lives: sat in, msat out."""

    node: Lnd

    async def invoice(self, sat: int, expiry: int) -> str:
        return await asyncio.to_thread(invoice, self.node, sats(sat), expiry)

    async def pay(self, invoice: str, **_: Any) -> dict[str, Any]:
        return {"reason": await asyncio.to_thread(pay, self.node, invoice)}

    async def balance(self) -> int:
        return await asyncio.to_thread(self.node.balance)
