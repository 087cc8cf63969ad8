"""What the words of NIP-47 mean for us, and what is not believed."""

from __future__ import annotations

import hashlib
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from bot.nodes.nwc import wire
from bot.nodes.nwc.connection import BadConnection, connection_from, parse_connection
from bot.nodes.nwc.verdicts import LONGEST, Verdict, Verdicts
from bot.nodes.nwc.wire import ACCEPTED, METHODS, Answer, Offer
from kinds import bolt11
from kinds.events import Event
from kinds.lightning import Fault, HoldStatus, NodeFacts, PaymentStatus, PaySpec
from kinds.units import EventId, Msat, PaymentHash, Pubkey, Secret

WALLET, SECRET = "ab" * 32, "cd" * 32
URI = f"nostr+walletconnect://{WALLET}?relay=wss%3A%2F%2Frelay.example&secret={SECRET}"
PREIMAGE = "07" * 32
HASH = PaymentHash(hashlib.sha256(bytes.fromhex(PREIMAGE)).hexdigest())
AMOUNT = Msat(50_000_000)
NODE_KEY = b"\x02" * 32
NOW = 1_900_000_000


def bill(payment_hash: str = HASH, amount: Msat | None = AMOUNT, hrp: str = "lnbcrt", key: bytes = b"\x01" * 32) -> str:
    words = bolt11.Bolt11(
        hrp=hrp,
        timestamp=NOW,
        payment_hash=PaymentHash(payment_hash),
        payment_secret=Secret("11" * 32),
        amount=amount,
        description="work",
        expiry=3600,
        final_cltv=80,
    )
    return bolt11.encode(words, key)


INVOICE = bill()
HOLD: dict[str, Any] = {
    "type": "incoming", "state": "pending", "invoice": INVOICE, "payment_hash": HASH, "amount": AMOUNT, "preimage": "",
    "created_at": NOW, "expires_at": NOW + 3600, "settle_deadline": None,
}  # fmt: skip
PAYOUT: dict[str, Any] = HOLD | {"type": "outgoing", "fees_paid": 7000}
INFO: dict[str, Any] = {
    "network": "regtest", "pubkey": bolt11.public_key(NODE_KEY), "block_height": 500, "block_hash": "ef" * 32,
}  # fmt: skip


# The connection string


@pytest.mark.parametrize(
    "text",
    [URI, f" {URI}\n", URI.replace("://", ":"), URI + "&lud16=me@example.org", URI.replace(WALLET, WALLET.upper())],
)
def test_a_connection_string(text: str) -> None:
    connection = parse_connection(text)
    assert (connection.wallet, connection.secret.reveal()) == (WALLET, SECRET)
    assert connection.relays == ("wss://relay.example",)
    assert SECRET not in repr(connection)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "nostr.walletconnect"),
        (URI.replace("nostr+", "http"), "begins with"),
        (URI.replace(WALLET, "ab"), "64 hex digits"),
        (URI.replace(SECRET, "zz" * 32), "64 hex digits"),
        (URI.replace("&secret=", "&s="), "64 hex digits"),
        (URI.replace("wss%3A", "http%3A"), "usable relay"),
        (URI.replace("relay=", "r="), "one to eight relays"),
        (URI + "".join(f"&relay=wss://relay{n}.example" for n in range(8)), "one to eight relays"),
        ("nostr+walletconnect://[", "cannot be read"),
    ],
)
def test_a_broken_connection_string_is_refused_and_not_shown(text: str, words: str) -> None:
    with pytest.raises(BadConnection, match=words) as refusal:
        parse_connection(text)
    assert SECRET not in str(refusal.value)


def test_a_connection_comes_from_a_file_of_its_owner_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "nwc.connection"
    with pytest.raises(BadConnection, match="cannot be read: No such file"):
        connection_from(path)
    path.write_text(URI)
    path.chmod(0o644)
    with pytest.raises(BadConnection, match="chmod 600"):
        connection_from(path)
    path.chmod(0o600)
    assert connection_from(path).wallet == WALLET
    path.write_text("nostr+walletconnect://nothing")
    with pytest.raises(BadConnection, match=r"nwc\.connection: .*64 hex"):
        connection_from(path)
    path.write_bytes(b"\xff")
    with pytest.raises(BadConnection, match="it is no text"):
        connection_from(path)
    given = tmp_path / "credentials"
    given.mkdir()
    (given / "nwc.connection").write_text(URI)
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(given))
    assert connection_from(path).wallet == WALLET


# What a wallet offers


def offered(content: str, *tags: tuple[str, ...]) -> Offer:
    return wire.offer_of(Event(EventId("00" * 32), Pubkey(WALLET), NOW, wire.INFO, tags, content, "00" * 64))


def test_an_offer_is_complete_or_lacks_something_by_name() -> None:
    whole = offered(
        " ".join((*METHODS, "make_invoice")),
        ("encryption", "nip44_v2 nip04"),
        ("notifications", f"payment_sent {ACCEPTED}"),
    )
    assert (whole.missing(), whole.encryption) == ((), "nip44_v2")
    assert offered(" ".join(METHODS), ("notifications", ACCEPTED)).encryption == "nip04"
    spread = offered(" ".join(METHODS), ("notifications", ACCEPTED), ("encryption", "nip04", "nip44_v2"))
    assert spread.encryption == "nip44_v2"
    poor = offered("pay_invoice lookup_invoice get_info get_balance", ("encryption", "nip99"))
    assert poor.missing() == (
        "make_hold_invoice",
        "settle_hold_invoice",
        "cancel_hold_invoice",
        f"the notification {ACCEPTED}",
        "the encryption nip44_v2",
    )


def test_a_connection_may_do_less_than_its_wallet() -> None:
    whole = Offer(frozenset(METHODS), frozenset({ACCEPTED}), frozenset({"nip44_v2"}))
    assert wire.granted(Answer({}), whole) == whole
    assert wire.granted(Answer({"methods": list(METHODS), "notifications": [ACCEPTED, 3]}), whole) == whole
    less = wire.granted(Answer({"methods": METHODS[1:], "notifications": []}), whole)
    assert less.methods == frozenset(METHODS)  # a tuple is no JSON list: not understood, so it takes nothing away
    less = wire.granted(Answer({"methods": list(METHODS[1:]), "notifications": []}), whole)
    assert less.missing() == (METHODS[0], f"the notification {ACCEPTED}")


# Answers


def test_an_answer_is_a_result_or_an_error() -> None:
    result = {"result_type": "get_balance", "result": {"balance": 1}}
    assert wire.answer_of(json.dumps(result), "get_balance") == Answer({"balance": 1})
    assert wire.answer_of(json.dumps(result | {"error": None}), "get_balance") == Answer({"balance": 1})
    error = {"result_type": "pay_invoice", "error": {"code": "QUOTA_EXCEEDED", "message": "no"}, "result": None}
    assert wire.answer_of(json.dumps(error), "pay_invoice") == Answer({}, "QUOTA_EXCEEDED", "no")
    assert wire.answer_of('{"error": {}}', "pay_invoice") == Answer({}, "OTHER", "")


@pytest.mark.parametrize(
    "text",
    [
        "", "junk", "[]", "{}", "null", '"x"', '{"result_type":"get_info","result":{}}', '{"result_type":"get_balance"}',
        '{"result_type":"get_balance","result":[]}', '{"result_type":"get_balance","error":"no","result":{}}',
        '{"result_type":"get_balance","result":{"a":1,"a":2}}', "[" * 5000,
    ],
)  # fmt: skip
def test_what_is_no_answer_is_silence(text: str) -> None:
    assert wire.answer_of(text, "get_balance") is None


@pytest.mark.parametrize(
    ("text", "found"),
    [
        (json.dumps({"notification_type": ACCEPTED, "notification": {"payment_hash": HASH}}), HASH),
        (json.dumps({"notification_type": "never heard of", "notification": {"payment_hash": HASH}}), HASH),
        (json.dumps({"notification": {"payment_hash": HASH.upper()}}), None),
        (json.dumps({"notification": [HASH]}), None),
        ("{}", None),
        ("junk", None),
    ],
)
def test_a_notification_is_a_hash_to_look_at(text: str, found: str | None) -> None:
    assert wire.notice_of(text) == found


# Holds


def held(height: int = 500, *, given_back: bool = False, **changes: Any) -> Any:
    return wire.hold_view(HASH, Answer(HOLD | changes), height, given_back=given_back)


@pytest.mark.parametrize(
    ("changes", "status"),
    [
        ({}, HoldStatus.OPEN),
        ({"state": "accepted", "settle_deadline": 900}, HoldStatus.HELD),
        ({"state": "accepted"}, HoldStatus.HELD),
        ({"state": "settled", "preimage": PREIMAGE}, HoldStatus.SETTLED),
        ({"state": "failed"}, HoldStatus.CANCELLED),
        ({"state": "failed", "settle_deadline": 900}, HoldStatus.CANCELLED),
        ({"state": "expired"}, HoldStatus.CANCELLED),
        ({"state": "expired", "settle_deadline": 900}, HoldStatus.HELD),  # its invoice has expired, the hold has not
        ({"state": "settled"}, HoldStatus.UNKNOWN),  # nobody settles without the preimage
        ({"state": "settled", "preimage": "08" * 32}, HoldStatus.UNKNOWN),
        ({"state": "accepted", "type": "outgoing"}, HoldStatus.UNKNOWN),
        ({"state": None}, HoldStatus.UNKNOWN),
        ({"state": "SETTLED", "preimage": PREIMAGE}, HoldStatus.UNKNOWN),
        ({"state": ["accepted"]}, HoldStatus.UNKNOWN),
        ({"invoice": ""}, HoldStatus.UNKNOWN),
        ({"invoice": bill("ee" * 32)}, HoldStatus.UNKNOWN),  # somebody else's hash
        ({"invoice": bill(amount=Msat(1000))}, HoldStatus.UNKNOWN),  # another amount than it says
        ({"amount": "50000000"}, HoldStatus.UNKNOWN),
        ({"amount": True}, HoldStatus.UNKNOWN),
    ],
)
def test_what_a_look_says_about_a_hold(changes: dict[str, Any], status: HoldStatus) -> None:
    assert held(**changes).status is status


def test_a_hold_is_one_part_that_ends_at_its_settle_deadline() -> None:
    view = held(state="accepted", settle_deadline=900)
    assert (view.received, view.expiry_height, len(view.parts)) == (AMOUNT, 900, 1)
    assert view.parts[0].on_channel
    assert not held(900, state="accepted", settle_deadline=900).parts[0].on_channel  # what the wallet remembers is over
    assert held(state="accepted", settle_deadline=-5).expiry_height == 0
    assert held(state="accepted", settle_deadline="900").expiry_height == 0
    opened = held()
    assert (opened.invoice.reveal(), opened.amount, opened.expires_at) == (INVOICE, AMOUNT, NOW + 3600)
    assert held(state="settled", preimage=PREIMAGE).preimage.reveal() == PREIMAGE


def test_expired_after_a_confirmed_cancel_is_cancelled_and_nothing_else_is() -> None:
    assert held(given_back=True, state="expired", settle_deadline=900).status is HoldStatus.CANCELLED
    assert held(given_back=True, state="accepted", settle_deadline=900).status is HoldStatus.HELD


def test_only_not_found_is_absent() -> None:
    for code, hold, payment in (
        ("NOT_FOUND", HoldStatus.ABSENT, PaymentStatus.ABSENT),
        ("INTERNAL", HoldStatus.UNKNOWN, PaymentStatus.UNKNOWN),
        ("RESTRICTED", HoldStatus.UNKNOWN, PaymentStatus.UNKNOWN),
        ("never heard of", HoldStatus.UNKNOWN, PaymentStatus.UNKNOWN),
    ):
        assert wire.hold_view(HASH, Answer({}, code), 500, given_back=False).status is hold
        assert wire.payment_view(HASH, Answer({}, code), None, NOW).status is payment
    assert wire.hold_view(HASH, None, 500, given_back=False).status is HoldStatus.UNKNOWN
    assert wire.payment_view(HASH, None, None, NOW).status is PaymentStatus.UNKNOWN


# Payouts

NO = Verdict("no_route", Fault.OURS, begun=True)
UNSENT = Verdict("quota_exceeded", Fault.OURS, begun=False)


@pytest.mark.parametrize(
    ("changes", "verdict", "status"),
    [
        ({}, None, PaymentStatus.IN_FLIGHT),
        ({}, NO, PaymentStatus.IN_FLIGHT),  # an error is no proof
        ({"state": "settled", "preimage": PREIMAGE}, None, PaymentStatus.COMPLETE),
        ({"state": "settled", "preimage": PREIMAGE}, NO, PaymentStatus.COMPLETE),
        ({"state": "settled"}, None, PaymentStatus.UNKNOWN),
        ({"state": "settled", "preimage": "08" * 32}, None, PaymentStatus.UNKNOWN),
        ({"state": "failed"}, NO, PaymentStatus.FAILED),
        ({"state": "failed"}, UNSENT, PaymentStatus.FAILED),
        ({"state": "failed"}, None, PaymentStatus.UNKNOWN),  # the wallet was perhaps stopped, and the payment lives
        ({"state": "failed", "created_at": NOW - 21 * 86400}, None, PaymentStatus.FAILED),  # no HTLC lives that long
        ({"state": "failed", "created_at": 0}, None, PaymentStatus.UNKNOWN),
        ({"state": "expired"}, None, PaymentStatus.UNKNOWN),  # the invoice has; the payment may be in flight
        ({"state": "expired", "created_at": NOW - 21 * 86400}, None, PaymentStatus.FAILED),
        ({"state": "expired"}, NO, PaymentStatus.FAILED),
        ({"state": "failed", "type": "incoming"}, NO, PaymentStatus.UNKNOWN),
        ({"state": "failed", "payment_hash": "ee" * 32}, NO, PaymentStatus.UNKNOWN),
        ({"state": "accepted"}, None, PaymentStatus.UNKNOWN),
        ({"state": 5}, None, PaymentStatus.UNKNOWN),
    ],
)
def test_what_a_look_says_about_a_payout(
    changes: dict[str, Any], verdict: Verdict | None, status: PaymentStatus
) -> None:
    view = wire.payment_view(HASH, Answer(PAYOUT | changes), verdict, NOW)
    assert view.status is status
    if status is PaymentStatus.FAILED:
        assert (view.reason, view.fault) == ((verdict.reason, verdict.fault) if verdict else ("failed", Fault.OURS))


def test_a_complete_payout_shows_fee_and_preimage() -> None:
    view = wire.payment_view(HASH, Answer(PAYOUT | {"state": "settled", "preimage": PREIMAGE}), None, NOW)
    assert (view.amount, view.fee, view.preimage.reveal()) == (AMOUNT, 7000, PREIMAGE)
    odd = wire.payment_view(
        HASH, Answer(PAYOUT | {"state": "settled", "preimage": PREIMAGE, "fees_paid": -1}), None, NOW
    )
    assert odd.fee == 0


@pytest.mark.parametrize(
    ("code", "message", "reason", "fault"),
    [
        ("PAYMENT_FAILED", "a secret text", "payment_failed", Fault.OURS),
        ("QUOTA_EXCEEDED", "", "quota_exceeded", Fault.OURS),
        ("INSUFFICIENT_BALANCE", "", "no_balance", Fault.OURS),
        ("INTERNAL", "FAILURE_REASON_INSUFFICIENT_BALANCE", "no_balance", Fault.OURS),
        ("INTERNAL", "FAILURE_REASON_NO_ROUTE", "no_route", Fault.OURS),
        ("INTERNAL", "FAILURE_REASON_TIMEOUT", "failed", Fault.OURS),
        ("INTERNAL", "received payment failed event: RouteNotFound", "no_route", Fault.OURS),
        ("INTERNAL", "received payment failed event: RetriesExhausted", "failed", Fault.OURS),
        ("INTERNAL", "FAILURE_REASON_INCORRECT_PAYMENT_DETAILS", "refused", Fault.THEIRS),
        ("INTERNAL", "received payment failed event: RecipientRejected", "refused", Fault.THEIRS),
        ("INTERNAL", "received payment failed event: PaymentExpired", "expired", Fault.THEIRS),
    ],
)
def test_whose_trouble_a_failure_is(code: str, message: str, reason: str, fault: Fault) -> None:
    """Every unknown is ours; the wallet's own text is never passed on."""
    verdict = wire.verdict_of(Answer({}, code, message))
    assert verdict == Verdict(reason, fault, begun=code not in wire.UNSENT)


@pytest.mark.parametrize(
    ("code", "message"),
    [
        ("INTERNAL", "context canceled"),
        ("INTERNAL", "rpc error: code = Unavailable desc = error reading from server: EOF"),
        ("INTERNAL", "rpc error: code = AlreadyExists desc = payment is in transition"),
        ("INTERNAL", "there is already a payment pending for this invoice"),
        ("OTHER", ""),
        ("never heard of", "no"),
    ],
)
def test_an_error_that_is_not_final_is_no_verdict(code: str, message: str) -> None:
    assert wire.verdict_of(Answer({}, code, message)) is None


def test_a_payment_that_the_wallet_would_not_begin_has_failed_and_any_other_is_absent() -> None:
    unknown = Answer({}, "NOT_FOUND")
    assert wire.payment_view(HASH, unknown, UNSENT, NOW).status is PaymentStatus.FAILED
    assert wire.payment_view(HASH, unknown, NO, NOW).status is PaymentStatus.ABSENT
    assert wire.payment_view(HASH, unknown, None, NOW).status is PaymentStatus.ABSENT


FACTS = wire.node_facts(Answer(INFO), Answer({"balance": 10**9}))
SPEC = PaySpec("task/p1", HASH, Secret(INVOICE), AMOUNT, Msat(500_000), 288, 60)


@pytest.mark.parametrize(
    ("changes", "now", "reason"),
    [
        ({}, NOW, None),
        ({"invoice": bill(amount=None)}, NOW, None),
        ({"invoice": "junk"}, NOW, "bad_invoice"),
        ({"invoice": bill(hrp="lnbc")}, NOW, "bad_invoice"),
        ({"invoice": bill("ee" * 32)}, NOW, "bad_invoice"),
        ({"amount": Msat(AMOUNT + 1)}, NOW, "wrong_amount"),
        ({"amount": Msat(0), "invoice": bill(amount=None)}, NOW, "wrong_amount"),
        ({"invoice": bill(key=NODE_KEY)}, NOW, "self_payment"),
        ({}, NOW + 3600, "expired"),
    ],
)
def test_what_is_not_even_tried(changes: dict[str, Any], now: int, reason: str | None) -> None:
    assert isinstance(FACTS, NodeFacts)
    if "invoice" in changes:
        changes = changes | {"invoice": Secret(changes["invoice"])}
    no = wire.unsendable(replace(SPEC, **changes), FACTS, now)
    assert (no and no.reason) == reason
    if no is not None:
        assert no.status is PaymentStatus.FAILED
        assert no.fault is (Fault.THEIRS if reason == "expired" else Fault.OURS)


# The node behind the wallet


@pytest.mark.parametrize(
    ("network", "name", "hrp"),
    [
        ("mainnet", "bitcoin", "lnbc"),
        ("bitcoin", "bitcoin", "lnbc"),
        ("testnet", "testnet", "lntb"),
        ("signet", "signet", "lntbs"),
    ],
)
def test_a_node_tells_its_network(network: str, name: str, hrp: str) -> None:
    facts = wire.node_facts(Answer(INFO | {"network": network}), Answer({"balance": 5000}))
    assert isinstance(facts, NodeFacts)
    assert (facts.network, facts.hrp, facts.height, facts.outbound) == (name, hrp, 500, 5000)
    assert (facts.inbound, facts.free_slots, facts.can) == (0, 0, frozenset())


@pytest.mark.parametrize(
    ("info", "balance", "words"),
    [
        (None, {"balance": 1}, "does not answer"),
        (INFO, None, "does not answer"),
        (INFO | {"network": None}, {"balance": 1}, "permission get_info"),
        (INFO | {"network": "liquid"}, {"balance": 1}, "no network that is known"),
        ({"methods": []}, {"balance": 1}, "permission get_info"),
        (INFO | {"block_height": None}, {"balance": 1}, "no block_height"),
        (INFO | {"block_height": 0}, {"balance": 1}, "no block_height"),
        (INFO | {"block_height": True}, {"balance": 1}, "no block_height"),
        (INFO | {"pubkey": ""}, {"balance": 1}, "no pubkey"),
        (INFO | {"pubkey": "ab" * 32}, {"balance": 1}, "no pubkey"),
        (INFO, {"balance": "1"}, "no balance"),
        (INFO, {}, "no balance"),
    ],
)
def test_what_cannot_be_trusted_is_said_in_words(info: Any, balance: Any, words: str) -> None:
    found = wire.node_facts(info and Answer(info), None if balance is None else Answer(balance))
    assert isinstance(found, str)
    assert words in found


def test_an_error_is_named_by_its_code_alone() -> None:
    assert (
        wire.node_facts(Answer({}, "RESTRICTED", "secret"), Answer({"balance": 1}))
        == "it answers get_info with RESTRICTED"
    )
    assert wire.node_facts(Answer(INFO), Answer({}, "INTERNAL", "secret")) == "it answers get_balance with INTERNAL"


def test_a_missing_block_hash_is_no_reason_to_refuse() -> None:
    facts = wire.node_facts(Answer(INFO | {"block_hash": ""}), Answer({"balance": -5}))
    assert isinstance(facts, NodeFacts)
    assert (facts.block_hash, facts.outbound) == ("0" * 64, 0)


# What is kept of payouts that failed


def test_verdicts_are_kept_over_a_restart_until_the_hash_is_sent_again(tmp_path: Path) -> None:
    path, other = tmp_path / "wallet.verdicts", PaymentHash("ee" * 32)
    first = Verdicts(path, NOW)
    first.ended(HASH, NO, NOW)
    first.ended(other, UNSENT, NOW)
    assert path.stat().st_mode & 0o777 == 0o600
    assert (Verdicts(path, NOW).get(HASH), Verdicts(path, NOW).get(other)) == (NO, UNSENT)
    assert first.sending(HASH)
    assert first.sending(PaymentHash("dd" * 32))
    assert (first.get(HASH), Verdicts(path, NOW).get(HASH), Verdicts(path, NOW).get(other)) == (None, None, UNSENT)
    assert Verdicts(path, NOW + LONGEST).get(other) is None


def test_a_broken_line_of_verdicts_is_no_verdict(tmp_path: Path) -> None:
    path = tmp_path / "wallet.verdicts"
    Verdicts(path, NOW).ended(HASH, NO, NOW)
    with path.open("a") as file:
        file.write(
            '[1]\n{"hash": "aa", "reason": "x"}\n{"hash": "aa", "reason": "x", "fault": "mine", "begun": 1, "at": 1}\n{"ha'
        )
    verdicts = Verdicts(path, NOW)
    assert verdicts.get(HASH) == NO
    assert verdicts.sending(HASH)  # behind the line that was cut off
    assert Verdicts(path, NOW).get(HASH) is None


def test_what_cannot_be_written_down_is_not_sent(tmp_path: Path) -> None:
    path = tmp_path / "folder" / "wallet.verdicts"
    path.parent.mkdir()
    verdicts = Verdicts(path, NOW)
    verdicts.ended(HASH, NO, NOW)
    path.unlink()
    path.mkdir()
    assert not verdicts.sending(HASH)
    assert verdicts.get(HASH) == NO
