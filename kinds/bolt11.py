"""BOLT 11 invoices: read strictly, and written by the nodes that sign for themselves.

The daemon pays what a stranger pastes, and the node that pays parses the text a second time. So anything that two
readers could read differently is refused here: a repeated field, a field of a wrong length, a number with leading
zeros. Amounts are msat, times unix seconds, `expiry` seconds, `final_cltv` blocks. Every refusal is a `BadInvoice`
with a code and a sentence.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache

from secp256k1 import ECDSA, PrivateKey, PublicKey

from kinds import bech32_words as bech32
from kinds.units import Msat, PaymentHash, Secret, is_hex64

NETWORKS = frozenset({"lnbc", "lntb", "lntbs", "lnbcrt", "lnplay"})  # lnplay: the house's own simulated network
MAX_LETTERS = 4096
MAX_MSAT = 21_000_000 * 100_000_000_000  # every bitcoin there will be
DEFAULT_EXPIRY = 3600
DEFAULT_FINAL_CLTV = 18

VAR_ONION, PAYMENT_SECRET, BASIC_MPP = 8, 14, 16  # BOLT 9; the even bit is "required", the odd one above it "supported"
KNOWN_FEATURES = frozenset({VAR_ONION, PAYMENT_SECRET, BASIC_MPP})
USUAL_FEATURES = frozenset({VAR_ONION, PAYMENT_SECRET, BASIC_MPP + 1})

_TIMESTAMP, _SIGNATURE = 7, 104  # letters of the fixed parts; a field starts with 1 of its name and 2 of its length
_FIXED = {"p": 52, "s": 52, "h": 52, "n": 53}
_NUMBERS = {"x": 7, "c": 4}  # the most letters that make sense: a thousand years, a million blocks
_ONCE = frozenset("pshndxc9")
_PER_BTC = {"": 100_000_000_000, "m": 100_000_000, "u": 100_000, "n": 100}  # msat; a pico-bitcoin is a tenth of one
_HOP_BYTES = 33 + 8 + 4 + 4 + 2


class BadInvoice(ValueError):
    """Why a text is no invoice to pay: a `code` for programs, a sentence for people. Never quotes the invoice."""

    def __init__(self, code: str, sentence: str) -> None:
        super().__init__(sentence)
        self.code = code
        self.sentence = sentence


@dataclass(frozen=True, slots=True)
class Hop:
    """One step of a private route to the payee (field `r`)."""

    pubkey: str  # compressed, 66 hex digits: the node at the channel's start
    channel: str  # short channel id, "block x transaction x output"
    base: Msat
    ppm: int
    cltv_delta: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Bolt11:
    hrp: str  # the network's prefix, without the amount
    timestamp: int
    payment_hash: PaymentHash
    payment_secret: Secret  # 64 hex digits
    amount: Msat | None = None  # None: any amount
    description: str | None = None  # exactly one of description and description_hash
    description_hash: str | None = None
    expiry: int = DEFAULT_EXPIRY
    final_cltv: int = DEFAULT_FINAL_CLTV
    payee: str = ""  # compressed, 66 hex digits; `encode` takes it from the key
    features: frozenset[int] = USUAL_FEATURES
    route_hints: tuple[tuple[Hop, ...], ...] = ()

    @property
    def expires_at(self) -> int:
        return self.timestamp + self.expiry


@lru_cache(
    maxsize=256
)  # an invoice is a value, and who has read one mostly reads it again: when it is checked, paid, settled
def decode(text: str) -> Bolt11:
    """The invoice in `text` (all lower or all upper case, nothing around it), or BadInvoice."""
    hrp, words = _unwrap(text)
    network, amount = _read_hrp(hrp)
    signed, signature = words[:-_SIGNATURE], words[-_SIGNATURE:]
    fields = list(_split(signed[_TIMESTAMP:]))
    once = {name: value for name, value in fields if name in _ONCE}
    if len(once) < sum(name in _ONCE for name, _ in fields):
        raise BadInvoice("repeated", "the invoice has one field twice")
    if "p" not in once:
        raise BadInvoice("no_hash", "the invoice has no payment hash")
    if "s" not in once:
        raise BadInvoice("no_secret", "the invoice has no payment secret")
    if ("d" in once) == ("h" in once):
        raise BadInvoice("description", "the invoice needs either a description or the hash of one")
    return Bolt11(
        hrp=network,
        timestamp=bech32.number(signed[:_TIMESTAMP]),
        payment_hash=PaymentHash(_bytes(once["p"]).hex()),
        payment_secret=Secret(_bytes(once["s"]).hex()),
        amount=amount,
        description=_read_text(once["d"]) if "d" in once else None,
        description_hash=_bytes(once["h"]).hex() if "h" in once else None,
        expiry=bech32.number(once["x"]) if "x" in once else DEFAULT_EXPIRY,
        final_cltv=bech32.number(once["c"]) if "c" in once else DEFAULT_FINAL_CLTV,
        payee=_payee(_digest(hrp, signed), _bytes(signature), _bytes(once["n"]) if "n" in once else None),
        features=_read_features(once.get("9", "")),
        route_hints=tuple(_read_hops(value) for name, value in fields if name == "r"),
    )


def encode(invoice: Bolt11, private_key: bytes) -> str:
    """The invoice as text, signed with a 32-byte key; `payee` is not read, it follows from the key.

    A caller's mistake (an amount of zero, both descriptions, a description of more than 639 bytes) is a ValueError.
    """
    if (invoice.description is None) == (invoice.description_hash is None):
        raise ValueError("an invoice needs either a description or the hash of one")
    if invoice.hrp not in NETWORKS or not 0 <= invoice.timestamp < 1 << 35:
        raise ValueError("an invoice is of a known network and of a time that fits 35 bits")
    if not is_hex64(invoice.payment_hash) or not is_hex64(invoice.payment_secret.reveal()):
        raise ValueError("payment hash and payment secret are 32 bytes in hex")
    fields = [("s", _hex_words(invoice.payment_secret.reveal())), ("p", _hex_words(invoice.payment_hash))]
    if invoice.description is not None:
        fields.append(("d", _hex_words(invoice.description.encode().hex())))
    if invoice.description_hash is not None:
        fields.append(("h", _hex_words(invoice.description_hash)))
    if invoice.expiry != DEFAULT_EXPIRY:
        fields.append(("x", bech32.numerals(invoice.expiry)))
    if invoice.final_cltv != DEFAULT_FINAL_CLTV:
        fields.append(("c", bech32.numerals(invoice.final_cltv)))
    fields += [("r", _hex_words("".join(map(_hop_hex, route)))) for route in invoice.route_hints]
    if invoice.features:
        fields.append(("9", bech32.numerals(sum(1 << bit for bit in invoice.features))))
    hrp = invoice.hrp + _amount_text(invoice.amount)
    signed = bech32.numerals(invoice.timestamp, _TIMESTAMP) + "".join(map(_field, fields))
    key = _key(private_key)
    compact, recovery = key.ecdsa_recoverable_serialize(key.ecdsa_sign_recoverable(_digest(hrp, signed), raw=True))
    words = signed + _hex_words(compact.hex() + f"{recovery:02x}")
    return f"{hrp}1{words}{bech32.checksum(hrp, words)}"


def public_key(private_key: bytes) -> str:
    """The compressed public key of a 32-byte private key, 66 hex digits: the `payee` of what that key signs."""
    return bytes(_key(private_key).pubkey.serialize()).hex()


@lru_cache(maxsize=256)  # its public key takes as long as a signature
def _key(private_key: bytes) -> PrivateKey:
    return PrivateKey(private_key)


def _unwrap(text: str) -> tuple[str, str]:
    """Bech32 (BIP 173, without its limit of 90 letters): the human-readable part and the words without the checksum."""
    if len(text) > MAX_LETTERS:
        raise BadInvoice("too_long", f"an invoice of more than {MAX_LETTERS} letters is not read")
    if text not in (text.lower(), text.upper()):
        raise BadInvoice("mixed_case", "the invoice mixes upper and lower case")
    hrp, _, words = text.lower().rpartition("1")
    if not hrp.isascii() or not hrp.startswith("ln") or not words or not bech32.is_words(words):
        raise BadInvoice("not_bech32", "the text is not a Lightning invoice")
    if bech32.checksum(hrp, words[: -bech32.CHECKSUM_LETTERS]) != words[-bech32.CHECKSUM_LETTERS :]:
        raise BadInvoice("checksum", "the invoice has a typing mistake or is cut off: its checksum is wrong")
    if len(words) < _TIMESTAMP + _SIGNATURE + bech32.CHECKSUM_LETTERS:
        raise BadInvoice("too_short", "the invoice is too short to be complete")
    return hrp, words[: -bech32.CHECKSUM_LETTERS]


def _read_hrp(hrp: str) -> tuple[str, Msat | None]:
    found = re.fullmatch(r"([a-z]+)(.*)", hrp, re.ASCII | re.DOTALL)
    network, amount = found.groups() if found else ("", "")
    if network not in NETWORKS:
        raise BadInvoice("network", "the invoice is of an unknown network")
    if not amount:
        return network, None
    number = re.fullmatch(r"([1-9][0-9]{0,19})([munp]?)", amount)
    if number is None:
        raise BadInvoice("amount", "the invoice's amount cannot be read")
    digits, unit = int(number[1]), number[2]
    if unit == "p" and digits % 10:
        raise BadInvoice("amount", "the invoice's amount has a fraction of a millisatoshi")
    msat = digits // 10 if unit == "p" else digits * _PER_BTC[unit]
    if msat > MAX_MSAT:
        raise BadInvoice("amount", "the invoice asks for more bitcoin than will exist")
    return network, Msat(msat)


def _amount_text(amount: Msat | None) -> str:
    if amount is None:
        return ""
    if not 0 < amount <= MAX_MSAT:
        raise ValueError("an invoice's amount lies above zero and below all bitcoin")
    for unit, msat in _PER_BTC.items():
        if amount % msat == 0:
            return f"{amount // msat}{unit}"
    return f"{amount * 10}p"


def _split(words: str) -> Iterable[tuple[str, str]]:
    """The tagged fields in order, lengths checked where they are fixed or bounded; unknown ones are the caller's."""
    while words:
        name, length = words[0], bech32.number(words[1:3]) if len(words) >= 3 else len(words)
        value, words = words[3 : 3 + length], words[3 + length :]
        if len(value) != length:
            raise BadInvoice("too_short", "the invoice ends inside a field")
        if length != _FIXED.get(name, length) or length > _NUMBERS.get(name, length):
            raise BadInvoice("length", f"field {name} of the invoice has a wrong length")
        if name in "xc9" and value[:1] == "q":
            raise BadInvoice("length", f"field {name} of the invoice starts with a zero")
        yield name, value


def _read_features(words: str) -> frozenset[int]:
    number = bech32.number(words)
    bits = frozenset(bit for bit in range(number.bit_length()) if number >> bit & 1)
    unknown = sorted(bit for bit in bits - KNOWN_FEATURES if bit % 2 == 0)
    if unknown:
        raise BadInvoice("feature", f"the invoice requires feature {unknown[0]}, which is not known here")
    return bits


def _read_text(words: str) -> str:
    try:
        return _bytes(words).decode()
    except UnicodeDecodeError:
        raise BadInvoice("description", "the invoice's description is not UTF-8") from None


def _read_hops(words: str) -> tuple[Hop, ...]:
    raw = _bytes(words)
    if not raw or len(raw) % _HOP_BYTES:
        raise BadInvoice("length", "a route hint of the invoice has a wrong length")
    return tuple(_read_hop(raw[start : start + _HOP_BYTES]) for start in range(0, len(raw), _HOP_BYTES))


def _read_hop(raw: bytes) -> Hop:
    channel, base, ppm, delta = (int.from_bytes(raw[a:b]) for a, b in ((33, 41), (41, 45), (45, 49), (49, 51)))
    scid = f"{channel >> 40}x{channel >> 16 & 0xFFFFFF}x{channel & 0xFFFF}"
    return Hop(raw[:33].hex(), scid, Msat(base), ppm, delta)


def _hop_hex(hop: Hop) -> str:
    block, transaction, output = (int(part) for part in hop.channel.split("x"))
    return f"{hop.pubkey}{block:06x}{transaction:06x}{output:04x}{hop.base:08x}{hop.ppm:08x}{hop.cltv_delta:04x}"


def _payee(digest: bytes, signature: bytes, named: bytes | None) -> str:
    """Who signed. With a field `n` the signature must be low-S and fit it; without one the key is recovered."""
    compact, recovery = signature[:64], signature[64]
    library = ECDSA()
    try:
        if named is not None:
            key = PublicKey(named, raw=True)
            valid = key.ecdsa_verify(digest, library.ecdsa_deserialize_compact(compact), raw=True)
            recovered = key if valid else None
        else:
            found = library.ecdsa_recover(digest, library.ecdsa_recoverable_deserialize(compact, recovery), raw=True)
            recovered = PublicKey(found) if found else None
    except Exception:  # the library raises bare Exception and TypeError for bytes that are no signature or no key
        recovered = None
    if recovered is None:
        raise BadInvoice("signature", "the invoice's signature is not valid")
    return bytes(recovered.serialize()).hex()


def _digest(hrp: str, signed: str) -> bytes:
    return hashlib.sha256(hrp.encode() + bech32.to_bytes_filled(signed)).digest()


def _field(named: tuple[str, str]) -> str:
    name, words = named
    if len(words) > _NUMBERS.get(name, 1023):
        raise ValueError(f"field {name} is too long")
    return name + bech32.numerals(len(words), 2) + words


def _hex_words(hexadecimal: str) -> str:
    return bech32.to_words(bytes.fromhex(hexadecimal))


def _bytes(words: str) -> bytes:
    try:
        return bech32.to_bytes(words)
    except ValueError:
        raise BadInvoice("padding", "a field of the invoice is not filled up with zeros") from None
