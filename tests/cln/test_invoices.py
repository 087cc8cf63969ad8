"""The invoice of a hold: what it says, who signs it, and how it is reached by private channels."""

from __future__ import annotations

import hashlib
from typing import Any

import pytest

from bot.nodes.cln.plugin.invoices import make
from bot.nodes.cln.plugin.keeper import Trouble
from bot.nodes.cln.plugin.lightningd import Lightningd
from kinds import bolt11
from kinds.units import Msat
from tests.cln.ledger import OUR_KEY, PAYER_KEY

PREIMAGE = b"\x07" * 32
AMOUNT = 20_000_000
PEER = bolt11.public_key(PAYER_KEY)


def way(channel: str, capacity: int, public: bool = False) -> dict[str, Any]:
    fees = {"fee_base_msat": 1000, "fee_proportional_millionths": 10, "cltv_expiry_delta": 34}
    return {"id": PEER, "short_channel_id": channel, "incoming_capacity_msat": capacity, "public": public, **fees}


CHANNELS: list[dict[str, Any]] = [
    {"short_channel_id": "1x1x1"},
    {"short_channel_id": "2x2x2", "alias": {"local": "20x20x20", "remote": "22x22x22"}},
    {"alias": {"local": "30x30x30", "remote": "33x33x33"}},
    {"alias": {"local": "40x40x40"}},
]


class Fake(Lightningd):
    """A lightningd that signs with `key`, and knows these ways in (None: it does not say)."""

    def __init__(self, incoming: list[dict[str, Any]] | None, key: bytes = OUR_KEY, network: str = "signet") -> None:
        super().__init__("nowhere")
        self._incoming, self._key, self._network = incoming, key, network

    def ask(self, method: str, **params: object) -> dict[str, Any]:
        match method:
            case "getinfo":
                return {"id": bolt11.public_key(OUR_KEY), "network": self._network}
            case "listincoming" if self._incoming is not None:
                return {"incoming": self._incoming}
            case "listpeerchannels":
                return {"channels": CHANNELS}
            case "signinvoice":
                return {"bolt11": bolt11.encode(bolt11.decode(str(params["invstring"])), self._key)}
        raise Trouble(method)


def made(fake: Fake) -> bolt11.Bolt11:
    record = make(fake, "task/h1", PREIMAGE, AMOUNT, 3600, 144, "memo", 1_900_000_000)
    return bolt11.decode(record.invoice)


def test_it_says_what_was_asked_for_and_is_signed_by_the_node() -> None:
    record = make(Fake([]), "task/h1", PREIMAGE, AMOUNT, 3600, 144, "memo", 1_900_000_000)
    invoice = bolt11.decode(record.invoice)
    assert (invoice.hrp, invoice.payee) == ("lntbs", bolt11.public_key(OUR_KEY))
    assert invoice.payment_hash == hashlib.sha256(PREIMAGE).hexdigest() == record.payment_hash
    assert (invoice.amount, invoice.description, invoice.final_cltv) == (AMOUNT, "memo", 144)
    assert (invoice.expires_at, record.expires_at) == (1_900_003_600, 1_900_003_600)
    assert invoice.payment_secret.reveal() == record.payment_secret
    assert invoice.features == bolt11.USUAL_FEATURES


def test_each_invoice_has_a_secret_of_its_own() -> None:
    assert made(Fake([])).payment_secret.reveal() != made(Fake([])).payment_secret.reveal()


def test_private_ways_are_told_when_no_public_one_is_wide_enough() -> None:
    hints = made(
        Fake([way("1x1x1", AMOUNT), way("2x2x2", 5 * AMOUNT), way("3x3x3", AMOUNT - 1, public=True)])
    ).route_hints
    assert [hint[0].channel for hint in hints] == ["22x22x22", "1x1x1"]
    assert hints[0][0] == bolt11.Hop(PEER, "22x22x22", Msat(1000), 10, 34)


def test_a_private_way_goes_by_the_name_that_its_peer_knows() -> None:
    ours = ["20x20x20", "30x30x30", "40x40x40", "5x5x5"]
    hints = made(Fake([way(channel, AMOUNT) for channel in ours])).route_hints
    assert [hint[0].channel for hint in hints] == ["22x22x22", "33x33x33"]


@pytest.mark.parametrize(
    "incoming", [None, [], [{"junk": 1}], [way("1x1x1", AMOUNT), way("3x3x3", AMOUNT, public=True)]]
)
def test_no_private_way_is_told_without_need(incoming: list[dict[str, Any]] | None) -> None:
    assert made(Fake(incoming)).route_hints == ()


def test_an_invoice_that_somebody_else_signed_is_not_used() -> None:
    with pytest.raises(Trouble, match="another invoice"):
        made(Fake([], key=PAYER_KEY))


def test_a_network_without_invoices_is_refused() -> None:
    with pytest.raises(Trouble, match="network"):
        made(Fake([], network="liquid"))


def test_the_preimage_is_nowhere_in_it() -> None:
    record = make(Fake([]), "r", PREIMAGE, AMOUNT, 3600, 144, "", 1_900_000_000)
    assert PREIMAGE.hex() not in repr(record)
