"""Real BOLT 11 invoices of the simulated network, signed by the node or by a wallet."""

from __future__ import annotations

from bot.nodes.simnet import rules
from bot.nodes.simnet.book import Invoice
from bot.nodes.simnet.network import Network
from kinds import bolt11
from kinds.lightning import HoldStatus
from kinds.units import Msat, PaymentHash, Secret


def issue(
    network: Network,
    payee: str,
    payment_hash: PaymentHash,
    *,
    amount: Msat,
    expiry: int,
    cltv: int,
    memo: str,
    ref: str = "",
    preimage: str = "",
) -> Invoice:
    """A new invoice of this account. Expiry in seconds, cltv in blocks; ValueError for what no node would sign."""
    if expiry <= 0 or cltv < rules.MIN_FINAL_CLTV:
        raise ValueError("an invoice asks for something, lives for a while and has a final delta of 18 blocks or more")
    unsigned = bolt11.Bolt11(
        hrp=rules.HRP,
        timestamp=network.now(),
        payment_hash=payment_hash,
        payment_secret=Secret(network.entropy(32).hex()),
        amount=amount,
        description=memo,
        expiry=expiry,
        final_cltv=cltv,
    )
    invoice = Invoice(
        hash=payment_hash,
        payee=payee,
        ref=ref,
        bolt11=bolt11.encode(unsigned, network.signing_key(payee)),
        amount=amount,
        cltv=cltv,
        expires_at=unsigned.expires_at,
        status=HoldStatus.OPEN,
        preimage=preimage,
        due_time=unsigned.expires_at,
    )
    network.add_invoice(invoice)
    return invoice
