"""NIP-47 as plain values. Pure: what an answer means is decided here and nowhere else.

NIP-47 knows a hold as one invoice with one `settle_deadline`, no parts, no channels, no limits of a payment; so a hold is
shown as one part that ends there. What else had to be found out, in Alby Hub's sources (2026-08):
- `state` is "expired" for everything unsettled whose invoice has run out: also for a hold that is accepted and for a payout
  that is in flight. Only `settle_deadline` tells an accepted hold from one that nobody paid.
- "accepted" is a row of the wallet's own: it stays when the node behind it has lost the HTLC. So is "failed": it is also written
  when the wallet is stopped while a payout is in flight.
- `cancel_hold_invoice` answers NOT_FOUND for a hold that is not accepted; an unpaid invoice can't be cancelled.
- The fee limit of a payment is the wallet's: 1 %, at least 10 sat. "No route" may mean that limit.
Amounts are msat, heights blocks, times unix seconds.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from bot.nodes.nwc.verdicts import LONGEST, Verdict
from kinds import bolt11
from kinds.events import BadEvent, Event, read_json
from kinds.lightning import Fault, HoldStatus, HoldView, NodeFacts, Part, PaymentStatus, PaymentView, PaySpec
from kinds.units import Msat, PaymentHash, Secret, is_hex64

INFO, REQUEST, ANSWER, NOTICE_NIP04, NOTICE = 13194, 23194, 23195, 23196, 23197
NIP44, NIP04 = "nip44_v2", "nip04"
METHODS = (
    "make_hold_invoice",
    "settle_hold_invoice",
    "cancel_hold_invoice",
    "pay_invoice",
    "lookup_invoice",
    "get_info",
    "get_balance",
)
ACCEPTED = "hold_invoice_accepted"
UNSENT = frozenset(
    {
        "RATE_LIMITED",
        "NOT_IMPLEMENTED",
        "INSUFFICIENT_BALANCE",
        "QUOTA_EXCEEDED",
        "RESTRICTED",
        "UNAUTHORIZED",
        "UNSUPPORTED_ENCRYPTION",
        "BAD_REQUEST",
        "EXPIRED",
    }
)
"""Errors by which a wallet refuses a payment before anything is sent; the last two are Alby Hub's own."""

_NETWORKS = {
    "mainnet": ("bitcoin", "lnbc"),
    "bitcoin": ("bitcoin", "lnbc"),
    "testnet": ("testnet", "lntb"),
    "signet": ("signet", "lntbs"),
    "regtest": ("regtest", "lnbcrt"),
    "simnet": ("simnet", "lnplay"),  # the house's own simulated network
}
_REASONS = (  # words of LND and LDK that Alby Hub passes on in its messages; the first that fits
    ("FAILURE_REASON_INCORRECT_PAYMENT_DETAILS", "refused", Fault.THEIRS),
    ("event: RecipientRejected", "refused", Fault.THEIRS),
    ("event: PaymentExpired", "expired", Fault.THEIRS),
    ("INSUFFICIENT_BALANCE", "no_balance", Fault.OURS),
    ("FAILURE_REASON_NO_ROUTE", "no_route", Fault.OURS),  # perhaps only none within the wallet's own fee limit
    ("event: RouteNotFound", "no_route", Fault.OURS),
    ("FAILURE_REASON_", "failed", Fault.OURS),
    ("payment failed event: ", "failed", Fault.OURS),
    ("PaymentSendingFailed", "failed", Fault.OURS),
    ("PAYMENT_FAILED", "payment_failed", Fault.OURS),
)
"""They are final. Others are not ("context canceled", "payment is in transition"): the attempt, or one before it, may live on."""


@dataclass(frozen=True, slots=True)
class Offer:
    """What the wallet's info event (13194) says that it can do."""

    methods: frozenset[str]
    notices: frozenset[str]
    encryptions: frozenset[str]

    @property
    def encryption(self) -> str:
        """The better one that both sides know, or ''. A wallet that says nothing knows NIP-04 (NIP-47, Encryption)."""
        return next((each for each in (NIP44, NIP04) if each in self.encryptions), "")

    def missing(self) -> tuple[str, ...]:
        """What an escrow needs and this wallet lacks, by name."""
        lacks = [name for name in METHODS if name not in self.methods]
        lacks += [] if ACCEPTED in self.notices else [f"the notification {ACCEPTED}"]
        return (*lacks, *(() if self.encryption else (f"the encryption {NIP44}",)))


@dataclass(frozen=True, slots=True)
class Answer:
    """A verified answer to a request of ours: a result, or an error's code and message."""

    result: Mapping[str, Any]
    code: str = ""
    message: str = ""


def offer_of(event: Event) -> Offer:
    def words(name: str) -> frozenset[str]:
        return frozenset(word for tag in event.tags if tag[0] == name for value in tag[1:] for word in value.split())

    return Offer(frozenset(event.content.split()), words("notifications"), words("encryption") or frozenset({NIP04}))


def answer_of(text: str, method: str) -> Answer | None:
    """None for what is no answer to this method: it is worth as much as silence."""
    said = _object(text)
    error, result = said.get("error"), said.get("result")
    if isinstance(error, dict):
        return Answer({}, _text(error, "code")[:40] or "OTHER", _text(error, "message"))
    if error is not None or said.get("result_type") != method or not isinstance(result, dict):
        return None
    return Answer(result)


def notice_of(text: str) -> PaymentHash | None:
    """The hash that a notification speaks of; what it says about it is looked up."""
    about = _object(text).get("notification")
    payment_hash = _text(about, "payment_hash") if isinstance(about, dict) else ""
    return PaymentHash(payment_hash) if is_hex64(payment_hash) else None


def _object(text: str) -> dict[str, Any]:
    try:
        said = read_json(text)
    except BadEvent:
        return {}
    return said if isinstance(said, dict) else {}


def hold_view(payment_hash: PaymentHash, answer: Answer | None, height: int, *, given_back: bool) -> HoldView:
    """What an answer to `lookup_invoice` says about a hold. `height`: the chain's, 0 when it is not known. `given_back`: it was
    accepted, and the wallet has confirmed a cancel since; decides only what "expired" leaves open."""
    unknown = HoldView(payment_hash, HoldStatus.UNKNOWN)
    if answer is None or answer.code:
        absent = answer is not None and answer.code == "NOT_FOUND"
        return replace(unknown, status=HoldStatus.ABSENT) if absent else unknown
    found, invoice = answer.result, _text(answer.result, "invoice")
    amount, deadline = Msat(_number(found, "amount")), _number(found, "settle_deadline")
    if found.get("type") != "incoming" or not _is_for(invoice, payment_hash, amount):
        return unknown
    view = replace(unknown, amount=amount, invoice=Secret(invoice), expires_at=_number(found, "expires_at"))
    match found.get("state"):
        case "pending":
            return replace(view, status=HoldStatus.OPEN)
        case "settled":
            preimage = _preimage(found, payment_hash)
            return replace(view, status=HoldStatus.SETTLED, preimage=preimage) if preimage else unknown
        case "failed":
            return replace(view, status=HoldStatus.CANCELLED)
        case "expired" if not deadline or given_back:
            return replace(view, status=HoldStatus.CANCELLED)
        case "accepted" | "expired":
            live = not deadline or height < deadline
            return replace(view, status=HoldStatus.HELD, parts=(Part("", 0, amount, deadline, on_channel=live),))
    return unknown


def verdict_of(error: Answer) -> Verdict | None:
    """The end of an attempt that an error to `pay_invoice` speaks of, or None when it leaves that open."""
    begun, said = error.code not in UNSENT, f"{error.code} {error.message}"
    for sign, reason, fault in _REASONS:
        if sign in said:
            return Verdict(reason, fault, begun)
    return None if begun else Verdict(error.code.lower(), Fault.OURS, begun)


def payment_view(payment_hash: PaymentHash, answer: Answer | None, verdict: Verdict | None, now: float) -> PaymentView:
    """What an answer to `lookup_invoice` says about a payout. `verdict`: what the wallet answered to our last request to pay it; it
    is no failure by itself, but without it a failure is only believed when no HTLC can live any more."""
    unknown = PaymentView(payment_hash, PaymentStatus.UNKNOWN)
    if answer is None or answer.code not in ("", "NOT_FOUND"):
        return unknown
    failed = replace(unknown, status=PaymentStatus.FAILED, reason="failed")
    if verdict is not None:
        failed = replace(failed, reason=verdict.reason, fault=verdict.fault)
    if answer.code:
        never = verdict is not None and not verdict.begun
        return failed if never else replace(unknown, status=PaymentStatus.ABSENT)
    found = answer.result
    if found.get("type") != "outgoing" or found.get("payment_hash") != payment_hash:
        return unknown
    amount, began = Msat(_number(found, "amount")), _number(found, "created_at")
    match found.get("state"):
        case "pending":
            return replace(unknown, status=PaymentStatus.IN_FLIGHT, amount=amount)
        case "settled":
            return complete(replace(unknown, amount=amount), found) or unknown
        case "failed" | "expired" if verdict is not None or 0 < began < now - LONGEST:
            return replace(failed, amount=amount)
    return unknown


def complete(view: PaymentView, found: Mapping[str, Any]) -> PaymentView | None:
    """The view of a payment that shows the preimage of its hash; that proves it, whatever else is said."""
    preimage = _preimage(found, view.payment_hash)
    if not preimage:
        return None
    return replace(view, status=PaymentStatus.COMPLETE, fee=Msat(_number(found, "fees_paid")), preimage=preimage)


def unsendable(spec: PaySpec, facts: NodeFacts, now: float) -> PaymentView | None:
    """Why this payment is not even tried."""
    no = PaymentView(spec.payment_hash, PaymentStatus.FAILED, amount=spec.amount)
    try:
        invoice = bolt11.decode(spec.invoice.reveal())
    except bolt11.BadInvoice:
        return replace(no, reason="bad_invoice")
    if invoice.hrp != facts.hrp or invoice.payment_hash != spec.payment_hash:
        return replace(no, reason="bad_invoice")
    if spec.amount <= 0 or invoice.amount not in (None, spec.amount):
        return replace(no, reason="wrong_amount")
    if invoice.payee == facts.pubkey:
        return replace(no, reason="self_payment")
    return replace(no, fault=Fault.THEIRS, reason="expired") if now >= invoice.expires_at else None


def node_facts(info: Answer | None, balance: Answer | None) -> NodeFacts | str:
    """The node behind the wallet, or what is missing in its answers, for the operator."""
    if info is None or balance is None:
        return "it does not answer"
    for method, answer in (("get_info", info), ("get_balance", balance)):
        if answer.code:
            return f"it answers {method} with {answer.code}"
    network, pubkey, height = (info.result.get(name) for name in ("network", "pubkey", "block_height"))
    if network not in _NETWORKS:
        return "get_info names no network that is known here; the connection needs the permission get_info"
    if type(height) is not int or height <= 0:
        return "get_info gives no block_height; without it nobody knows when a hold must be settled"
    if not (isinstance(pubkey, str) and len(pubkey) == 66 and is_hex64(pubkey[2:])):
        return "get_info gives no pubkey of the node; without it a payout to ourselves cannot be recognized"
    if type(balance.result.get("balance")) is not int:
        return "get_balance gives no balance"
    name, hrp = _NETWORKS[network]
    block, spendable = info.result.get("block_hash"), _number(balance.result, "balance")
    return NodeFacts(
        network=name,
        hrp=hrp,
        pubkey=pubkey,
        height=height,
        block_hash=str(block) if is_hex64(block) else "0" * 64,
        synced=True,
        outbound=Msat(spendable),
        inbound=Msat(0),
        free_slots=0,
        can=frozenset(),
    )


def granted(info: Answer, offer: Offer) -> Offer:
    """What this connection may do: `get_info` speaks for the connection, the info event sometimes for the whole wallet."""

    def both(name: str, offered: frozenset[str]) -> frozenset[str]:
        words = info.result.get(name)
        return offered & {str(word) for word in words} if isinstance(words, list) else offered

    return replace(offer, methods=both("methods", offer.methods), notices=both("notifications", offer.notices))


def _is_for(invoice: str, payment_hash: PaymentHash, amount: Msat) -> bool:
    try:
        read = bolt11.decode(invoice)
    except bolt11.BadInvoice:
        return False
    return read.payment_hash == payment_hash and read.amount == amount


def _preimage(found: Mapping[str, Any], payment_hash: PaymentHash) -> Secret:
    preimage = found.get("preimage")
    if not isinstance(preimage, str) or not is_hex64(preimage):
        return Secret("")
    return Secret(preimage if hashlib.sha256(bytes.fromhex(preimage)).hexdigest() == payment_hash else "")


def _text(found: Mapping[str, Any], name: str) -> str:
    value = found.get(name)
    return value if isinstance(value, str) else ""


def _number(found: Mapping[str, Any], name: str) -> int:
    """A count of msat, blocks or seconds; 0 when there is none."""
    value = found.get(name)
    return value if type(value) is int and 0 <= value < 2**53 else 0
