"""The BOLT 11 invoice of a hold. lightningd signs it and otherwise knows nothing of it: an HTLC for it that this plugin does not
take is failed back (`signinvoice`), where an invoice of lightningd's own would be paid out without us.
"""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Mapping
from typing import Any

from bot.nodes.cln.plugin.keeper import Trouble
from bot.nodes.cln.plugin.lightningd import Lightningd
from bot.nodes.cln.plugin.records import Record
from bot.nodes.cln.plugin.verdict import CANCEL_BLOCKS
from bot.nodes.cln.wire import BAD_CALL
from kinds import bolt11
from kinds.units import Msat, PaymentHash, Secret

HRP = {"bitcoin": "lnbc", "testnet": "lntb", "testnet4": "lntb", "signet": "lntbs", "regtest": "lnbcrt"}
"""BOLT 11 prefixes of lightningd's networks."""
MOST_BLOCKS = 2006
"""Payers bound a route to 2016 blocks; the rest is for the hops on the way."""
MOST_EXPIRY = 10 * 365 * 86400
MOST_HINTS = 3


class Refusal(ValueError):
    """Such a hold is not made."""

    code = BAD_CALL


def check(ref: str, amount: int, expiry: int, cltv: int) -> None:
    """Raises Refusal."""
    if not 0 < len(ref) <= 200:
        raise Refusal("ref: 1 to 200 characters that name the hold, never used before")
    if not 0 < amount <= bolt11.MAX_MSAT:
        raise Refusal("amount_msat: above zero")
    if not 0 < expiry <= MOST_EXPIRY:
        raise Refusal("expiry: seconds, above zero")
    if not CANCEL_BLOCKS < cltv <= MOST_BLOCKS:
        raise Refusal(f"cltv: {CANCEL_BLOCKS + 1} to {MOST_BLOCKS} blocks")


def make(
    lightningd: Lightningd, ref: str, preimage: bytes, amount: int, expiry: int, cltv: int, memo: str, now: int
) -> Record:
    """A record with its signed invoice; nothing is stored yet. Raises Trouble and Refusal."""
    info = lightningd.ask("getinfo")
    hrp = HRP.get(str(info.get("network")))
    if hrp is None:
        raise Trouble(f"there are no invoices for the network {info.get('network')}")
    wanted = bolt11.Bolt11(
        hrp=hrp,
        timestamp=now,
        payment_hash=PaymentHash(hashlib.sha256(preimage).hexdigest()),
        payment_secret=Secret(secrets.token_hex(32)),
        amount=Msat(amount),
        description=memo,
        expiry=expiry,
        final_cltv=cltv,
        payee=str(info.get("id")),
        route_hints=_hints(lightningd, amount),
    )
    try:
        unsigned = bolt11.encode(wanted, secrets.token_bytes(32))  # the signature is replaced, so any key will do
    except ValueError as error:
        raise Refusal(str(error)) from None
    signed = str(lightningd.ask("signinvoice", invstring=unsigned).get("bolt11"))
    try:
        exact = bolt11.decode(signed) == wanted
    except bolt11.BadInvoice as error:
        raise Trouble(f"signinvoice: {error.sentence}") from None
    if not exact:
        raise Trouble("signinvoice: another invoice than the one to sign")
    return Record(
        ref=ref,
        payment_hash=wanted.payment_hash,
        payment_secret=wanted.payment_secret.reveal(),
        amount=amount,
        cltv=cltv,
        expires_at=wanted.expires_at,
        invoice=signed,
    )


def _hints(lightningd: Lightningd, amount: int) -> tuple[tuple[bolt11.Hop, ...], ...]:
    """Ways in by private channels, when no public one can take the amount. Without an answer there are none."""
    try:
        incoming = lightningd.ask("listincoming").get("incoming", [])
        wide = [entry for entry in incoming if int(entry["incoming_capacity_msat"]) >= amount]
        if any(entry.get("public") for entry in wide):
            return ()
        private = sorted(
            (entry for entry in incoming if not entry.get("public")),
            key=lambda entry: int(entry["incoming_capacity_msat"]),
            reverse=True,
        )
        names = _peers_names(lightningd) if private else {}
        known = [entry for entry in private if entry["short_channel_id"] in names]
        return tuple((_hop(entry, names[entry["short_channel_id"]]),) for entry in known[:MOST_HINTS])
    except (Trouble, KeyError, ValueError, TypeError, AttributeError):
        return ()


def _peers_names(lightningd: Lightningd) -> dict[str, str]:
    """Our name of a channel, and the one by which its other side forwards payments to us: BOLT 2 wants the alias of its choice for
    private channels, and refuses others."""
    names: dict[str, str] = {}
    for channel in lightningd.ask("listpeerchannels").get("channels", []):
        real, alias = channel.get("short_channel_id"), channel.get("alias", {})
        theirs = alias.get("remote") or real
        if theirs:
            names |= {str(own): str(theirs) for own in (real, alias.get("local")) if own}
    return names


def _hop(entry: Mapping[str, Any], channel: str) -> bolt11.Hop:
    return bolt11.Hop(
        pubkey=str(entry["id"]),
        channel=channel,
        base=Msat(int(entry["fee_base_msat"])),
        ppm=int(entry["fee_proportional_millionths"]),
        cltv_delta=int(entry["cltv_expiry_delta"]),
    )
