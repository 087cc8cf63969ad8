"""Where somebody wants to be paid, checked before it is believed. That no hash is used twice is the database's to say, at the commit."""

from __future__ import annotations

from handlers.decision import Moment, refuse
from handlers.task import Destination, Task
from kinds.bolt11 import BadInvoice, decode
from kinds.codes import Refused
from kinds.units import Msat, PaymentHash, Secret

_OTHER_KINDS = ("lnurl", "lno1", "bc1", "tb1", "bcrt1")


def check_destination(task: Task, text: str, amount: Msat, live_until: int, moment: Moment) -> Destination:
    """An invoice for exactly this amount, and not one that this task has used already. Raises Refusal."""
    destination = read_destination(text, live_until, moment, amount)
    if destination.payment_hash in {f.payment_hash for f in task.fundings} | {p.payment_hash for p in task.payouts}:
        raise refuse(Refused.HASH_USED)
    return destination


def read_destination(text: str, live_until: int, moment: Moment, amount: Msat | None = None) -> Destination:
    """A BOLT11 invoice of our network, for exactly this amount if one is wanted, that lives long enough and is not our own. Its amount is
    0 when it names none. Raises Refusal."""
    policy, now = moment.policy, moment.now
    word = text.strip().removeprefix("lightning:").removeprefix("LIGHTNING:")
    if "@" in word or word.lower().startswith(_OTHER_KINDS):
        raise refuse(Refused.NOT_BUILT, what="this kind of destination", built=["BOLT11 invoice"])
    try:
        invoice = decode(word)
    except BadInvoice as error:
        raise refuse(Refused.BAD_INVOICE, problem=str(error)) from None
    if invoice.hrp != policy.hrp:
        raise refuse(
            Refused.BAD_INVOICE, problem=f"it is for another network: this one's invoices start with {policy.hrp}"
        )
    if amount is not None and invoice.amount != amount:
        raise refuse(Refused.AMOUNT_MISMATCH, wanted_msat=amount, got_msat=invoice.amount or 0)
    if invoice.expires_at <= now.time:
        raise refuse(Refused.BAD_INVOICE, problem="it has expired")
    if invoice.expires_at < live_until:
        raise refuse(Refused.BAD_INVOICE, problem="it expires too early", live_until=live_until)
    if invoice.final_cltv > policy.max_final_cltv:
        raise refuse(Refused.BAD_INVOICE, problem=f"its final CLTV is above {policy.max_final_cltv} blocks")
    if invoice.payee == policy.node:
        raise refuse(Refused.OWN_NODE)
    return Destination(
        invoice=Secret(word),
        payment_hash=PaymentHash(invoice.payment_hash),
        amount=Msat(invoice.amount or 0),
        expires_at=invoice.expires_at,
        final_cltv=invoice.final_cltv,
    )
