"""A wallet service of the tests: NIP-47 as Alby Hub speaks it, over any Lightning node, and with all the faults of a wallet far away.

It shares no code with the adapter but the curve: its socket, its encryption and its words are its own. Like Alby Hub it keeps a
row per invoice and payment, says "expired" for whatever is unsettled when the invoice has run out, and answers `pay_invoice` when
the payment is over. Amounts are msat, times unix seconds, heights blocks.
"""

from __future__ import annotations

import asyncio
import json
import socket as net
from collections.abc import AsyncIterator, Callable
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, Protocol

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed

from bot.relays.sdk import nostr_sdk
from kinds.bolt11 import BadInvoice, decode
from kinds.lightning import HoldStatus, HoldView, PaymentStatus, PaymentView
from kinds.units import Msat, PaymentHash

METHODS = (
    "pay_invoice get_balance get_info make_invoice lookup_invoice list_transactions make_hold_invoice settle_hold_invoice"
    " cancel_hold_invoice"
)


class Refusal(Exception):
    """The wallet's error: a code of NIP-47 and a message."""

    def __init__(self, code: str, message: str = "") -> None:
        super().__init__(code, message)
        self.code, self.message = code, message


class Backend(Protocol):
    """The Lightning node behind the wallet. Trouble is raised as Refusal."""

    async def info(self) -> dict[str, Any]:
        """network, pubkey, block_height, block_hash"""

    async def balance(self) -> Msat: ...

    async def make_hold(self, payment_hash: PaymentHash, amount: Msat, expiry: int, cltv: int, memo: str) -> None: ...

    async def settle(self, preimage: str) -> None: ...

    async def cancel(self, payment_hash: PaymentHash) -> None: ...

    async def incoming(self, payment_hash: PaymentHash) -> HoldView: ...

    async def pay(self, invoice: str, amount: Msat, fee_limit: Msat) -> PaymentView:
        """Begins it."""

    async def outgoing(self, payment_hash: PaymentHash) -> PaymentView: ...

    def hints(self) -> AsyncIterator[PaymentHash]: ...


@dataclass(slots=True)
class Faults:
    """What the wallet does wrong. All but the last five are for the methods in `only`; empty: for all."""

    only: tuple[str, ...] = ()
    deaf: bool = False  # requests are not carried out, and not answered
    lose: bool = False  # carried out, and not answered
    late: asyncio.Event | None = None  # carried out, and answered when this is set
    twice: bool = False  # answered twice, the second time with an error
    forged: bool = False  # answered by another key, with a lie, before the true answer
    astray: bool = False  # answered for another request, with a lie, before the true answer
    garbage: bool = False  # answered with what is no answer, before the true one
    error: str = ""  # carried out, and answered with this error all the same

    no_deadline: bool = False  # accepted holds have no settle_deadline
    open_stays: bool = True  # an invoice that nobody has paid can't be cancelled, as with Alby Hub
    short: bool = False  # min_cltv_expiry_delta is ignored
    forgets: bool = False  # payments that were not successful are not found
    forgets_paid: bool = False  # nor those that were


@dataclass(slots=True)
class Row:
    type: str
    invoice: str
    amount: int
    created_at: int
    expires_at: int
    settle_deadline: int | None = None
    stopped: bool = False  # the wallet was stopped while this payment was in flight, and has written "failed"


@dataclass(slots=True)
class Wallet:
    """`async with` runs it. `uri` is the connection string; `seen` are the methods of all requests that were carried out."""

    relay: str
    backend: Backend
    clock: Callable[[], float]
    encryption: str = "nip44_v2 nip04"  # "" says nothing, as old wallets do
    methods: str = METHODS
    notices: str = "payment_received payment_sent hold_invoice_accepted"
    faults: Faults = field(default_factory=Faults)
    seen: list[str] = field(default_factory=list)
    params: list[dict[str, Any]] = field(default_factory=list)
    tags: list[dict[str, str]] = field(default_factory=list)
    forms: set[str] = field(default_factory=set)  # of encryption, in which requests came
    rows: dict[tuple[str, PaymentHash], Row] = field(default_factory=dict)

    _keys: Any = field(default_factory=lambda: nostr_sdk.Keys.generate())
    _client: Any = field(default_factory=lambda: nostr_sdk.Keys.generate())
    _socket: ClientConnection | None = None
    _tasks: set[asyncio.Task[None]] = field(default_factory=set)
    _known: set[str] = field(default_factory=set)
    _told: set[PaymentHash] = field(default_factory=set)
    _stirred: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def uri(self) -> str:
        wallet, secret = self._keys.public_key().to_hex(), self._client.secret_key().to_hex()
        return f"nostr+walletconnect://{wallet}?relay={self.relay}&secret={secret}"

    async def __aenter__(self) -> Wallet:
        ready = asyncio.Event()
        self._spawn(self._serve(ready))
        self._spawn(self._watch())
        await ready.wait()
        return self

    async def __aexit__(self, *_: object) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def _spawn(self, work: Any) -> None:
        task = asyncio.ensure_future(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    # The relay

    async def _serve(self, ready: asyncio.Event) -> None:
        """Connects again for ever; requests that a relay gives twice are carried out once."""
        while True:
            with suppress(OSError, ConnectionClosed):
                async with connect(self.relay, ping_interval=None) as socket:
                    self._socket = socket
                    await self.introduce()
                    wanted = {"kinds": [23194], "#p": [self._keys.public_key().to_hex()]}
                    await socket.send(json.dumps(["REQ", "requests", wanted]))
                    async for frame in socket:
                        _acknowledge(socket)
                        match json.loads(frame):
                            case ["EOSE", *_]:
                                ready.set()
                            case ["EVENT", _, raw] if raw["id"] not in self._known:
                                self._known.add(raw["id"])
                                self._spawn(self._carry_out(raw))
            await asyncio.sleep(0.1)

    async def introduce(self) -> None:
        tags = [["notifications", self.notices]] + ([["encryption", self.encryption]] if self.encryption else [])
        await self._publish(13194, f"{self.methods} notifications", tags)

    async def _publish(self, kind: int, content: str, tags: list[list[str]], keys: Any = None) -> None:
        event = nostr_sdk.EventBuilder(nostr_sdk.Kind(kind), content).tags([nostr_sdk.Tag.parse(tag) for tag in tags])
        event = event.custom_created_at(nostr_sdk.Timestamp.from_secs(int(self.clock()))).finalize(keys or self._keys)
        if self._socket is not None:
            with suppress(ConnectionClosed):
                await self._socket.send(f'["EVENT",{event.as_json()}]')

    def _seal(self, form: str, words: object, keys: Any = None) -> str:
        seal = (keys or self._keys).nip04_encrypt if form == "nip04" else (keys or self._keys).nip44_encrypt
        return str(seal(self._client.public_key(), json.dumps(words)))

    # Requests

    async def _carry_out(self, raw: dict[str, Any]) -> None:
        tags = {tag[0]: tag[1] for tag in raw["tags"]}
        if raw["pubkey"] != self._client.public_key().to_hex() or float(tags.get("expiration", "inf")) < self.clock():
            return
        form = tags.get("encryption", "nip04")
        if form not in (self.encryption or "nip04").split():
            await self._answer(raw["id"], "nip44_v2", {"error": {"code": "UNSUPPORTED_ENCRYPTION", "message": "?"}})
            return
        open_ = self._keys.nip04_decrypt if form == "nip04" else self._keys.nip44_decrypt
        request = json.loads(open_(self._client.public_key(), raw["content"]))
        method, faults = request["method"], self.faults
        faulty = not faults.only or method in faults.only
        if faulty and faults.deaf:
            return
        self.forms.add(form)
        self.tags.append(tags)
        self.seen.append(method)
        self.params.append(request["params"])
        try:
            body: dict[str, Any] = {"result": await self._do(method, request["params"])}
        except Refusal as refusal:
            body = {"error": {"code": refusal.code, "message": refusal.message}}
        except (KeyError, BadInvoice) as error:
            body = {"error": {"code": "BAD_REQUEST", "message": repr(error)}}
        answer = {"result_type": method, **body}
        await (self._answer_badly(raw["id"], form, answer) if faulty else self._answer(raw["id"], form, answer))

    async def _answer(self, request: str, form: str, answer: object, keys: Any = None) -> None:
        tags = [["p", self._client.public_key().to_hex()], ["e", request]]
        await self._publish(23195, self._seal(form, answer, keys), tags, keys)

    async def _answer_badly(self, request: str, form: str, answer: dict[str, Any]) -> None:
        faults, method = self.faults, answer["result_type"]
        lie = {"result_type": method, "error": {"code": "NOT_FOUND", "message": "a lie"}}
        if faults.forged:
            await self._answer(request, form, lie, nostr_sdk.Keys.generate())
        if faults.astray:
            await self._answer("ab" * 32, form, lie)
        if faults.garbage:
            me = self._client.public_key().to_hex()
            for content in (
                "",
                "junk",
                "junk?iv=junk",
                self._seal(form, [1]),
                self._seal(form, {"result_type": "x", "result": {}}),
            ):
                await self._publish(23195, content, [["p", me], ["e", request]])
        if faults.late is not None:
            await faults.late.wait()
        if faults.error:
            answer = {"result_type": method, "error": {"code": faults.error, "message": "an error"}}
        if not faults.lose:
            await self._answer(request, form, answer)
        if faults.twice:
            await self._answer(request, form, lie)

    async def _do(self, method: str, params: dict[str, Any]) -> dict[str, Any]:
        if method not in self.methods.split():
            raise Refusal("NOT_IMPLEMENTED", f"Unknown method: {method}")
        match method:
            case "get_info":
                info = await self.backend.info()
                return {
                    "alias": "wallet",
                    "methods": self.methods.split(),
                    "notifications": self.notices.split(),
                    **info,
                }
            case "get_balance":
                return {"balance": await self.backend.balance()}
            case "make_hold_invoice":
                return await self._make_hold(params)
            case "settle_hold_invoice":
                await self.backend.settle(params["preimage"])
                return {}
            case "cancel_hold_invoice":
                await self._cancel(PaymentHash(params["payment_hash"]))
                return {}
            case "lookup_invoice":
                return await self._look_up(PaymentHash(params["payment_hash"]))
            case "pay_invoice":
                return await self._pay(params["invoice"], params.get("amount"))
        raise Refusal("NOT_IMPLEMENTED", method)

    async def _make_hold(self, params: dict[str, Any]) -> dict[str, Any]:
        payment_hash = PaymentHash(params["payment_hash"])
        if ("incoming", payment_hash) in self.rows:
            raise Refusal("INTERNAL", "invoice with payment hash already exists")
        amount, expiry = Msat(params["amount"]), params.get("expiry", 3600)
        cltv = 40 if self.faults.short else params["min_cltv_expiry_delta"]
        await self.backend.make_hold(payment_hash, amount, expiry, cltv, params.get("description", ""))
        made, now = await self.backend.incoming(payment_hash), int(self.clock())
        self.rows["incoming", payment_hash] = Row("incoming", made.invoice.reveal(), amount, now, made.expires_at)
        return await self._look_up(payment_hash)

    async def _cancel(self, payment_hash: PaymentHash) -> None:
        view = await self.backend.incoming(payment_hash)
        takes = (HoldStatus.HELD,) if self.faults.open_stays else (HoldStatus.HELD, HoldStatus.OPEN)
        if view.status not in takes:
            raise Refusal("NOT_FOUND", "failed to find accepted hold invoice")
        await self.backend.cancel(payment_hash)

    async def _pay(self, invoice: str, amount: int | None) -> dict[str, Any]:
        read, now = decode(invoice), int(self.clock())
        whole = Msat(read.amount if read.amount is not None else amount or 0)
        before = await self.backend.outgoing(read.payment_hash)
        if before.status is PaymentStatus.COMPLETE:
            raise Refusal("INTERNAL", "this invoice has already been paid")
        if before.status is PaymentStatus.IN_FLIGHT:
            raise Refusal("INTERNAL", "there is already a payment pending for this invoice")
        reserve = Msat(max(whole // 100, 10_000))
        if await self.backend.balance() < whole + reserve:
            raise Refusal("INSUFFICIENT_BALANCE", "Insufficient balance")
        self.rows["outgoing", read.payment_hash] = Row("outgoing", invoice, whole, now, now + read.expiry)
        view = await self.backend.pay(invoice, whole, reserve)
        while view.status is PaymentStatus.IN_FLIGHT:
            self._stirred.clear()
            await self._stirred.wait()
            view = await self.backend.outgoing(read.payment_hash)
        if view.status is not PaymentStatus.COMPLETE:
            raise Refusal("PAYMENT_FAILED", view.reason)
        return {"preimage": view.preimage.reveal(), "fees_paid": view.fee}

    async def _look_up(self, payment_hash: PaymentHash) -> dict[str, Any]:
        row = self.rows.get(("outgoing", payment_hash)) or self.rows.get(("incoming", payment_hash))
        if row is None:
            raise Refusal("NOT_FOUND", "The transaction requested was not found")
        if row.type == "outgoing":
            paid = await self.backend.outgoing(payment_hash)
            state, preimage, fee = (
                {"complete": "settled", "in_flight": "pending"}.get(paid.status, "failed"),
                paid.preimage,
                paid.fee,
            )
            if self.faults.forgets if state == "failed" else self.faults.forgets_paid:
                raise Refusal("NOT_FOUND", "The transaction requested was not found")
        else:
            view = await self.backend.incoming(payment_hash)
            if view.status is HoldStatus.HELD and not self.faults.no_deadline:
                row.settle_deadline = view.expiry_height
            state, preimage, fee = _STATES[view.status], view.preimage, Msat(0)
        if state == "pending" and row.stopped:
            state = "failed"
        if state != "settled" and self.clock() > row.expires_at:
            state = "expired"
        return {
            "type": row.type,
            "state": state,
            "invoice": row.invoice,
            "payment_hash": payment_hash,
            "preimage": preimage.reveal(),
            "amount": row.amount,
            "fees_paid": fee,
            "created_at": row.created_at,
            "expires_at": row.expires_at,
            "settle_deadline": row.settle_deadline,
        }

    # Notifications

    async def _watch(self) -> None:
        while True:
            async for payment_hash in self.backend.hints():
                self._stirred.set()
                await self._tell(payment_hash)
            await asyncio.sleep(0.02)

    async def _tell(self, payment_hash: PaymentHash) -> None:
        with suppress(Refusal):
            found = await self._look_up(payment_hash)
            kind = {("incoming", "accepted"): "hold_invoice_accepted", ("outgoing", "settled"): "payment_sent"}
            name = kind.get((found["type"], found["state"]))
            if name and name in self.notices and payment_hash not in self._told:
                self._told.add(payment_hash)
                await self.notify({"notification_type": name, "notification": found})

    async def notify(self, words: object) -> None:
        """In both forms, as NIP-47 asks of a wallet that knows both."""
        me = self._client.public_key().to_hex()
        for kind, form in ((23196, "nip04"), (23197, "nip44_v2")):
            if form in (self.encryption or "nip04").split():
                await self._publish(kind, self._seal(form, words), [["p", me]])


def _acknowledge(socket: ClientConnection) -> None:
    """At once: a relay with Nagle's algorithm keeps its next small frame back until then, up to 40 ms."""
    if hasattr(net, "TCP_QUICKACK"):
        socket.transport.get_extra_info("socket").setsockopt(net.IPPROTO_TCP, net.TCP_QUICKACK, 1)


_STATES = {
    HoldStatus.OPEN: "pending",
    HoldStatus.HELD: "accepted",
    HoldStatus.SETTLED: "settled",
    HoldStatus.CANCELLED: "failed",
}
