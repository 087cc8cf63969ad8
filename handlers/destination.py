"""Where somebody wants to be paid, checked before it is believed."""

from __future__ import annotations

from handlers.decision import Moment, refuse
from handlers.task import Destination, Task
from kinds.bolt11 import BadInvoice, decode
from kinds.codes import Refused
from kinds.units import Msat, PaymentHash, Secret

_OTHER_KINDS = ("lnurl", "lno1", "bc1", "tb1", "bcrt1")


def check_destination(task: Task, text: str, amount: Msat, live_until: int, moment: Moment) -> Destination:
    """A BOLT11 invoice of our network for exactly this amount that lives long enough, and not one that this task has used
    already. Raises Refusal. That no other task used its hash is the database's to say, at the commit."""
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
    if invoice.amount != amount:
        raise refuse(Refused.AMOUNT_MISMATCH, wanted_msat=amount, got_msat=invoice.amount or 0)
    if invoice.expires_at <= now.time:
        raise refuse(Refused.BAD_INVOICE, problem="it has expired")
    if invoice.expires_at < live_until:
        raise refuse(Refused.BAD_INVOICE, problem="it expires too early", live_until=live_until)
    if invoice.final_cltv > policy.max_final_cltv:
        raise refuse(Refused.BAD_INVOICE, problem=f"its final CLTV is above {policy.max_final_cltv} blocks")
    if invoice.payee == policy.node:
        raise refuse(Refused.OWN_NODE)
    if invoice.payment_hash in {f.payment_hash for f in task.fundings} | {p.payment_hash for p in task.payouts}:
        raise refuse(Refused.HASH_USED)
    return Destination(
        invoice=Secret(word),
        payment_hash=PaymentHash(invoice.payment_hash),
        amount=amount,
        expires_at=invoice.expires_at,
        final_cltv=invoice.final_cltv,
    )
