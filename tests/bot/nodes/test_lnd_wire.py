"""What LND says, read. The rows are excerpts of conversations recorded with LND v0.21.2-beta on regtest (throw-away keys)."""

from __future__ import annotations

import copy
from typing import Any

import pytest

from bot.nodes.lnd import wire
from kinds.lightning import Fault, HoldStatus, HoldView, Part, PaymentStatus, PaymentView
from kinds.units import Msat, PaymentHash, sats

HASH = PaymentHash("5d02c79ea074a51afed55d6471f5969d9a55ac10da3c452b3ba537f4da6ab2d6")
PREIMAGE = "ec68a705734db24890c8a8b6e619495fc4758334b5e647c6e304043f3d383377"
CHANNEL = 558551906975744
INFO: dict[str, Any] = {
    "version": "0.21.2-beta commit=",
    "identity_pubkey": "03467d161ffefd02248e7fbd9a4c453c7f826dbfd2f53b5865f925982dab61d99b",
    "num_active_channels": 2,
    "block_height": 519,
    "block_hash": "3c45c859eb44fd24480ca05a0431a940b385d3cc6f7bc39c4aad25bfab9dc816",
    "synced_to_chain": True,
    "chains": [{"chain": "bitcoin", "network": "regtest"}],
}
PENDING: dict[str, Any] = {
    "incoming": True,
    "amount": "10000",
    "hash_lock": "XQLHnqB0pRr+1V1kcfWWnZpVrBDaPEUrO6U39NpqstY=",
    "expiration_height": 602,
    "htlc_index": "0",
    "forwarding_channel": "0",
    "forwarding_htlc_index": "0",
    "locked_in": True,
}
OPEN_CHANNEL: dict[str, Any] = {
    "active": True,
    "chan_id": str(CHANNEL),
    "capacity": "16000000",
    "local_balance": "7999056",
    "remote_balance": "8000000",
    "commit_fee": "284",
    "fee_per_kw": "253",
    "pending_htlcs": [PENDING],
    "initiator": True,
    "local_constraints": {"chan_reserve_sat": "160000", "dust_limit_sat": "354", "max_accepted_htlcs": 483},
    "remote_constraints": {"chan_reserve_sat": "160000", "dust_limit_sat": "354", "max_accepted_htlcs": 483},
    "alias_scids": [],
    "zero_conf_confirmed_scid": "0",
    "peer_scid_alias": "0",
}
ACCEPTED: dict[str, Any] = {
    "memo": "Holdfast task",
    "r_preimage": "",
    "r_hash": "XQLHnqB0pRr+1V1kcfWWnZpVrBDaPEUrO6U39NpqstY=",
    "value_msat": "10000000",
    "creation_date": "1795386208",
    "payment_request": "lnbcrt100u1...",
    "expiry": "3600",
    "amt_paid_msat": "10000000",
    "state": "ACCEPTED",
    "htlcs": [
        {
            "chan_id": str(CHANNEL),
            "htlc_index": "0",
            "amt_msat": "10000000",
            "accept_height": 519,
            "expiry_height": 602,
            "state": "ACCEPTED",
            "mpp_total_amt_msat": "10000000",
        }
    ],
}
PAYMENT: dict[str, Any] = {
    "payment_hash": HASH,
    "payment_preimage": "0" * 64,
    "value_msat": "9900000",
    "status": "IN_FLIGHT",
    "fee_msat": "0",
    "failure_reason": "FAILURE_REASON_NONE",
    "htlcs": [],
}
HELD = HoldView(
    HASH,
    HoldStatus.HELD,
    Msat(10_000_000),
    (Part("508x1x0", 0, Msat(10_000_000), 602, True),),
    expires_at=1795389808,
)


def channels(*rows: dict[str, Any]) -> wire.Channels:
    found = wire.channels_of({"channels": list(rows)})
    assert found is not None
    return found


def seen(row: dict[str, Any], *rows: dict[str, Any]) -> HoldView:
    return wire.hold_view(HASH, row, channels(*rows))


def test_an_accepted_hold() -> None:
    view = seen(ACCEPTED, OPEN_CHANNEL)
    assert view == HoldView(
        HASH, HoldStatus.HELD, HELD.amount, HELD.parts, invoice=view.invoice, expires_at=HELD.expires_at
    )
    assert (view.expiry_height, view.received, view.invoice.reveal()) == (602, 10_000_000, "lnbcrt100u1...")


@pytest.mark.parametrize(
    "change",
    [
        {"pending_htlcs": []},
        {"pending_htlcs": [PENDING | {"incoming": False}]},
        {"pending_htlcs": [PENDING | {"htlc_index": "1"}]},
        {"pending_htlcs": [PENDING | {"hash_lock": "y2LLJXN+XJcy0w64uPqP+whjH+WPZlo58IC0TYsD2mQ="}]},
        {"chan_id": str(CHANNEL + 1)},
    ],
)
def test_a_part_that_is_on_no_channel(change: dict[str, Any]) -> None:
    """Another index, another hash, another direction or another channel is not this part."""
    view = seen(ACCEPTED, OPEN_CHANNEL | change)
    assert (view.status, [part.on_channel for part in view.parts]) == (HoldStatus.HELD, [False])


@pytest.mark.parametrize("name", ["alias_scids", "zero_conf_confirmed_scid", "peer_scid_alias"])
def test_a_channel_goes_by_several_names(name: str) -> None:
    named = [str(CHANNEL)] if name == "alias_scids" else str(CHANNEL)
    view = seen(ACCEPTED, OPEN_CHANNEL | {"chan_id": str(CHANNEL + 7), name: named})
    assert view.parts[0].on_channel


def test_parts_on_several_channels_and_the_lowest_end() -> None:
    second = ACCEPTED["htlcs"][0] | {"chan_id": str(CHANNEL + 65536), "htlc_index": "4", "expiry_height": 598}
    gone = second | {"htlc_index": "3", "state": "CANCELED", "expiry_height": 100}
    row = ACCEPTED | {"htlcs": [*ACCEPTED["htlcs"], gone, second]}
    other = OPEN_CHANNEL | {"chan_id": str(CHANNEL + 65536), "pending_htlcs": [PENDING | {"htlc_index": "4"}]}
    view = seen(row, OPEN_CHANNEL, other)
    assert [(part.channel, part.htlc, part.on_channel) for part in view.parts] == [
        ("508x1x0", 0, True),
        ("508x2x0", 4, True),
    ]
    assert (view.expiry_height, view.received) == (598, 20_000_000)


def test_settled_is_only_what_has_left_the_channels() -> None:
    settled = ACCEPTED | {"state": "SETTLED", "r_preimage": "7GinBXNNskiQyKi25hlJX8R1gzS15kfG4wQEPz04M3c="}
    settled["htlcs"] = [ACCEPTED["htlcs"][0] | {"state": "SETTLED"}]
    still = seen(settled, OPEN_CHANNEL)
    assert (still.status, len(still.parts), still.preimage.reveal()) == (HoldStatus.HELD, 1, "")
    over = seen(settled, OPEN_CHANNEL | {"pending_htlcs": []})
    assert (over.status, over.parts, over.preimage.reveal()) == (HoldStatus.SETTLED, (), PREIMAGE)


def test_cancelled_is_so_at_once() -> None:
    """What is still on the channel can never be settled any more: nothing may rest on it."""
    row = ACCEPTED | {"state": "CANCELED", "htlcs": [ACCEPTED["htlcs"][0] | {"state": "CANCELED"}]}
    for channel in (OPEN_CHANNEL, OPEN_CHANNEL | {"pending_htlcs": []}):
        view = seen(row, channel)
        assert (view.status, view.parts) == (HoldStatus.CANCELLED, ())


def test_without_the_channels_nothing_is_said_about_parts() -> None:
    assert wire.needs_channels(ACCEPTED)
    assert wire.hold_view(HASH, ACCEPTED, None).status is HoldStatus.UNKNOWN
    unpaid = ACCEPTED | {"state": "OPEN", "htlcs": []}
    assert not wire.needs_channels(unpaid)
    assert wire.hold_view(HASH, unpaid, None).status is HoldStatus.OPEN


@pytest.mark.parametrize(
    "change",
    [
        {"r_hash": "y2LLJXN+XJcy0w64uPqP+whjH+WPZlo58IC0TYsD2mQ="},
        {"r_hash": "***"},
        {"state": "SOMETHING_NEW"},
        {"state": None},
        {"value_msat": "-5"},
        {"value_msat": 1.5},
        {"value_msat": "9" * 30},
        {"htlcs": None},
        {"htlcs": []},
        {"htlcs": [{"state": "ACCEPTED"}]},
        {"htlcs": ["x"]},
    ],
)
def test_an_invoice_that_makes_no_sense_is_unknown(change: dict[str, Any]) -> None:
    assert seen(ACCEPTED | change, OPEN_CHANNEL).status is HoldStatus.UNKNOWN


@pytest.mark.parametrize("gone", sorted(ACCEPTED.keys() - {"memo", "amt_paid_msat"}))
def test_an_invoice_that_lacks_something_is_unknown(gone: str) -> None:
    row = copy.deepcopy(ACCEPTED)
    if gone != "r_preimage":
        del row[gone]
        assert seen(row, OPEN_CHANNEL).status is HoldStatus.UNKNOWN


def test_what_the_node_can_send_and_receive() -> None:
    """As initiator we keep back the reserve and the fees of a commitment with twenty HTLCs; so the figure does not change
    with every HTLC that arrives."""
    alone = channels(OPEN_CHANNEL)
    fees = 253 * (1124 + 20 * 172) // 1000
    assert alone.outbound == sats(7_999_056 + 284 - 160_000 - fees)
    assert alone.inbound == sats(8_000_000 - 160_000)
    assert (alone.free_in, alone.free_out) == (482, 483)
    theirs = channels(OPEN_CHANNEL | {"initiator": False})
    assert theirs.outbound == sats(7_999_056 - 160_000)
    assert theirs.inbound == sats(8_000_000 + 284 - 160_000 - fees)
    asleep = channels(OPEN_CHANNEL | {"active": False})
    assert (asleep.outbound, asleep.inbound, asleep.free_in) == (0, 0, 0)
    assert asleep.arrived == alone.arrived  # an HTLC on a sleeping channel is still on it
    empty = channels(OPEN_CHANNEL | {"local_balance": "100000"})
    assert empty.outbound == 0


def test_the_node_about_itself() -> None:
    facts = wire.node_facts(INFO, channels(OPEN_CHANNEL))
    assert facts is not None
    assert (facts.network, facts.hrp, facts.height, facts.synced) == ("regtest", "lnbcrt", 519, True)
    assert (facts.pubkey, facts.block_hash, facts.free_slots) == (INFO["identity_pubkey"], INFO["block_hash"], 482)


@pytest.mark.parametrize(
    ("name", "network", "hrp"),
    [
        ("mainnet", "bitcoin", "lnbc"),
        ("testnet", "testnet", "lntb"),
        ("signet", "signet", "lntbs"),
        ("simnet", "lnd-simnet", "lnsb"),
    ],
)
def test_each_network_by_the_houses_name(name: str, network: str, hrp: str) -> None:
    facts = wire.node_facts(INFO | {"chains": [{"chain": "bitcoin", "network": name}]}, channels())
    assert facts is not None
    assert (facts.network, facts.hrp) == (network, hrp)


@pytest.mark.parametrize(
    "change",
    [
        {"chains": [{"chain": "bitcoin", "network": "elsewhere"}]},
        {"chains": []},
        {"block_hash": ""},
        {"block_height": None},
        {"identity_pubkey": ""},
    ],
)
def test_no_facts_from_what_makes_no_sense(change: dict[str, Any]) -> None:
    assert wire.node_facts(INFO | change, channels()) is None


@pytest.mark.parametrize("change", [{"channels": None}, {}, {"channels": [{"active": True}]}, {"channels": [7]}])
def test_no_channels_from_what_makes_no_sense(change: dict[str, Any]) -> None:
    assert wire.channels_of(change) is None


def test_payments() -> None:
    in_flight = PaymentView(HASH, PaymentStatus.IN_FLIGHT, Msat(9_900_000))
    assert wire.payment_view(HASH, PAYMENT) == in_flight
    assert wire.payment_view(HASH, PAYMENT | {"status": "INITIATED"}) == in_flight
    paid = wire.payment_view(HASH, PAYMENT | {"status": "SUCCEEDED", "fee_msat": "7", "payment_preimage": PREIMAGE})
    assert (paid.status, paid.fee, paid.preimage.reveal()) == (PaymentStatus.COMPLETE, 7, PREIMAGE)
    assert str(paid.preimage) == "***"


@pytest.mark.parametrize(
    ("failure", "reason", "fault"),
    [
        ("FAILURE_REASON_TIMEOUT", "timeout", Fault.OURS),
        ("FAILURE_REASON_NO_ROUTE", "no_route", Fault.OURS),
        ("FAILURE_REASON_ERROR", "error", Fault.OURS),
        ("FAILURE_REASON_INCORRECT_PAYMENT_DETAILS", "refused", Fault.THEIRS),
        ("FAILURE_REASON_INSUFFICIENT_BALANCE", "no_balance", Fault.OURS),
        ("FAILURE_REASON_CANCELED", "cancelled", Fault.OURS),
        ("FAILURE_REASON_NEW", "unknown", Fault.OURS),
    ],
)
def test_failures_and_whose_trouble_they_are(failure: str, reason: str, fault: Fault) -> None:
    view = wire.payment_view(HASH, PAYMENT | {"status": "FAILED", "failure_reason": failure})
    assert (view.status, view.reason, view.fault, view.preimage.reveal()) == (PaymentStatus.FAILED, reason, fault, "")


@pytest.mark.parametrize(
    "change", [{"status": "UNKNOWN"}, {"status": None}, {"payment_hash": "ab" * 32}, {"value_msat": "x"}]
)
def test_a_payment_that_makes_no_sense_is_unknown(change: dict[str, Any]) -> None:
    assert wire.payment_view(HASH, PAYMENT | change).status is PaymentStatus.UNKNOWN


@pytest.mark.parametrize(
    ("message", "reason", "fault"),
    [
        ("invoice expired. Valid until 2026-11-22 22:23:30 +0000 UTC", "expired", Fault.THEIRS),
        ("cltv limit 5 should be greater than 83", "cltv_limit", Fault.OURS),
        ("self-payments not allowed", "self_payment", Fault.OURS),
        ("permission denied", "no_permission", Fault.OURS),
    ],
)
def test_refusals_before_anything_was_sent(message: str, reason: str, fault: Fault) -> None:
    assert wire.unsent(message) == (reason, fault)


@pytest.mark.parametrize(
    "message", ["payment is in transition", "invoice is already paid", "router rpc server shutting down", ""]
)
def test_words_that_do_not_prove_that_nothing_was_sent(message: str) -> None:
    assert wire.unsent(message) is None
