"""BOLT 11: the specification's own examples, invoices of real nodes, and what must never be read."""

from __future__ import annotations

import dataclasses
import hashlib

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from secp256k1 import PrivateKey

from kinds import bech32_words as bech32
from kinds.bolt11 import NETWORKS, BadInvoice, Bolt11, Hop, decode, encode, public_key
from kinds.units import Msat, PaymentHash, Secret
from tests.kinds.bolt11_examples import NODES, SPEC, SPEC_HASH, SPEC_KEY, SPEC_PAYEE, SPEC_SECRET

ORDER = 0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFEBAAEDCE6AF48A03BBFD25E8CD0364141


def base(**changes: object) -> Bolt11:
    plain = Bolt11(
        hrp="lnplay",
        timestamp=1_800_000_000,
        payment_hash=PaymentHash(SPEC_HASH),
        payment_secret=Secret(SPEC_SECRET),
        amount=Msat(1_234_000),
        description="a task",
    )
    return dataclasses.replace(plain, **changes)  # type: ignore[arg-type]


def signed(hrp: str, words: str) -> str:
    """An invoice with any fields at all, rightly signed and summed."""
    key = PrivateKey(SPEC_KEY)
    digest = hashlib.sha256(hrp.encode() + bech32.to_bytes_filled(words)).digest()
    compact, recovery = key.ecdsa_recoverable_serialize(key.ecdsa_sign_recoverable(digest, raw=True))
    words += bech32.to_words(compact + bytes([recovery]))
    return f"{hrp}1{words}{bech32.checksum(hrp, words)}"


def field(name: str, words: str) -> str:
    return name + bech32.numerals(len(words), 2) + words


HASH = field("p", bech32.to_words(bytes.fromhex(SPEC_HASH)))
SECRET = field("s", bech32.to_words(bytes.fromhex(SPEC_SECRET)))
TEXT = field("d", bech32.to_words(b"tea"))
TIME = bech32.numerals(1_800_000_000, 7)


@pytest.mark.parametrize("name", ["donation", "coffee", "nonsense", "hashed"])
def test_examples_are_read_and_written_back_letter_by_letter(name: str) -> None:
    invoice = decode(SPEC[name])
    assert invoice.payee == SPEC_PAYEE == public_key(SPEC_KEY)
    assert (invoice.payment_hash, invoice.payment_secret.reveal()) == (SPEC_HASH, SPEC_SECRET)
    assert invoice.timestamp == 1_496_314_658
    assert encode(invoice, SPEC_KEY) == SPEC[name]


def test_fields_of_the_examples() -> None:
    donation, coffee, nonsense = decode(SPEC["donation"]), decode(SPEC["coffee"]), decode(SPEC["nonsense"])
    assert (donation.amount, donation.expiry, donation.final_cltv) == (None, 3600, 18)
    assert (coffee.amount, coffee.description, coffee.expiry) == (250_000_000, "1 cup coffee", 60)
    assert coffee.expires_at == 1_496_314_658 + 60
    assert nonsense.description == "ナンセンス 1杯"
    hashed = decode(SPEC["hashed"])
    assert hashed.description is None
    assert hashed.description_hash == "3925b6f67e2c340036ed12093dd44e0368df1b6ea26c53dbe4811f58fd5db8c1"
    assert decode(SPEC["testnet"]).hrp == "lntb"
    assert decode(SPEC["pico"]).amount == 967_878_534
    assert decode(SPEC["pico"]).final_cltv == 10
    assert decode(SPEC["beans"]).features == {8, 14, 99}
    assert decode(SPEC["upper"]) == decode(SPEC["beans"])
    # The example names no payee; this one was recovered with plain arithmetic, without the library.
    assert decode(SPEC["high_s"]).payee == "02d0139ce7427d6dfffd26a326c18be754ef1e64672b42694ba5b23ef6e6e7803d"


def test_route_hints_of_an_example() -> None:
    (route,) = decode(SPEC["routes"]).route_hints
    assert route == (
        Hop(
            "029e03a901b85534ff1e92c43c74431f7ce72046060fcf7a95c37e148f78c77255",
            "66051x263430x1800",
            Msat(1),
            20,
            3,
        ),
        Hop(
            "039e03a901b85534ff1e92c43c74431f7ce72046060fcf7a95c37e148f78c77255",
            "197637x395016x2314",
            Msat(2),
            30,
            4,
        ),
    )


@pytest.mark.parametrize(
    ("name", "code"),
    [
        ("ignored", "length"),  # the example is older than the rule that such fields fail the payment
        ("metadata", "feature"),
        ("feature100", "feature"),
        ("checksum", "checksum"),
        ("no_separator", "not_bech32"),
        ("mixed", "mixed_case"),
        ("unrecoverable", "signature"),
        ("short", "too_short"),
        ("multiplier", "amount"),
        ("sub_msat", "amount"),
        ("no_secret", "no_secret"),
        ("high_s_with_n", "repeated"),
    ],
)
def test_examples_that_must_be_refused(name: str, code: str) -> None:
    with pytest.raises(BadInvoice) as caught:
        decode(SPEC[name])
    assert caught.value.code == code
    assert caught.value.sentence


def test_invoices_of_real_nodes() -> None:
    hold = decode(NODES["lnd_hold"])
    assert (hold.hrp, hold.amount, hold.expiry, hold.final_cltv) == ("lnbcrt", 10_000_000, 3600, 80)
    assert hold.payee == "03467d161ffefd02248e7fbd9a4c453c7f826dbfd2f53b5865f925982dab61d99b"
    assert hold.payment_hash == "5d02c79ea074a51afed55d6471f5969d9a55ac10da3c452b3ba537f4da6ab2d6"
    assert (hold.description, hold.timestamp) == ("Holdfast task", 1_795_386_208)
    assert decode(NODES["lnd_cltv_3000"]).final_cltv == 3000
    assert decode(NODES["lnd_any_amount"]).amount is None
    routed = decode(NODES["cln_routes"])
    assert (routed.amount, routed.description, routed.final_cltv, routed.expiry) == (123_456, "décode ☕", 100, 600)
    assert routed.payee == "0335cbd28c9b6419961b416fec91a274415525ff9a04618f052c3eca14c8b3e93f"
    (hop,) = routed.route_hints[0]
    assert (hop.channel, hop.base, hop.ppm, hop.cltv_delta) == ("113x1x0", 1, 10, 6)
    assert routed.features == {8, 14, 17, 25}
    assert decode(NODES["cln_any_amount"]).description == ""
    with pytest.raises(BadInvoice, match="checksum"):
        decode(NODES["cln_broken"])


@pytest.mark.parametrize(
    ("hrp", "words", "code"),
    [
        ("lnxx", TIME + HASH + SECRET + TEXT, "network"),
        ("lnbcx", TIME + HASH + SECRET + TEXT, "network"),
        ("ln", TIME + HASH + SECRET + TEXT, "network"),
        ("lnbc0u", TIME + HASH + SECRET + TEXT, "amount"),
        ("lnbc01u", TIME + HASH + SECRET + TEXT, "amount"),
        ("lnbc2.5m", TIME + HASH + SECRET + TEXT, "amount"),
        ("lnbc1mm", TIME + HASH + SECRET + TEXT, "amount"),
        ("lnbc21000001", TIME + HASH + SECRET + TEXT, "amount"),
        ("lnbc", TIME + SECRET + TEXT, "no_hash"),
        ("lnbc", TIME + HASH + TEXT, "no_secret"),
        ("lnbc", TIME + HASH + SECRET, "description"),
        ("lnbc", TIME + HASH + SECRET + TEXT + field("h", "q" * 52), "description"),
        ("lnbc", TIME + HASH + SECRET + field("d", bech32.to_words(b"\xff\xfe")), "description"),
        ("lnbc", TIME + HASH + HASH + SECRET + TEXT, "repeated"),
        ("lnbc", TIME + HASH + SECRET + TEXT + TEXT, "repeated"),
        ("lnbc", TIME + field("p", "q" * 51) + SECRET + TEXT, "length"),
        ("lnbc", TIME + HASH + SECRET + TEXT + field("x", "p" * 8), "length"),
        ("lnbc", TIME + HASH + SECRET + TEXT + field("c", "qp"), "length"),
        ("lnbc", TIME + HASH + SECRET + TEXT + field("r", "q" * 52), "length"),
        ("lnbc", TIME + HASH + SECRET + TEXT + "x", "too_short"),
        ("lnbc", TIME + HASH + SECRET + TEXT + "xqzp", "too_short"),
        ("lnbc", TIME + field("p", "q" * 51 + "l") + SECRET + TEXT, "padding"),
        ("lnbc", TIME + HASH + SECRET + TEXT + field("n", "q" * 53), "signature"),
    ],
)
def test_rightly_signed_and_still_refused(hrp: str, words: str, code: str) -> None:
    with pytest.raises(BadInvoice) as caught:
        decode(signed(hrp, words))
    assert caught.value.code == code


def test_unknown_fields_and_fallbacks_are_passed_over() -> None:
    words = TIME + HASH + field("2", "qqq") + field("f", "3" + "q" * 8) + SECRET + TEXT
    assert decode(signed("lntbs", words)).description == "tea"


@pytest.mark.parametrize(
    ("hrp", "network", "amount"),
    [
        ("lnplay", "lnplay", None),
        ("lnplay10u", "lnplay", 1_000_000),
        ("lnbcrt1", "lnbcrt", 10**11),
        ("lntbs7n", "lntbs", 700),
    ],
)
def test_prefix_and_amount(hrp: str, network: str, amount: int | None) -> None:
    invoice = decode(signed(hrp, TIME + HASH + SECRET + TEXT))
    assert (invoice.hrp, invoice.amount) == (network, amount)


def test_a_named_payee_must_be_who_signed() -> None:
    named = TIME + HASH + SECRET + TEXT + field("n", bech32.to_words(bytes.fromhex(SPEC_PAYEE)))
    assert decode(signed("lnbc", named)).payee == SPEC_PAYEE
    stranger = field("n", bech32.to_words(bytes.fromhex(public_key(b"\x07" * 32))))
    with pytest.raises(BadInvoice, match="signature"):
        decode(signed("lnbc", TIME + HASH + SECRET + TEXT + stranger))


def _with_high_s(text: str) -> str:
    """The other valid signature of the same invoice: n - s, and the other recovery id."""
    hrp, _, words = text.rpartition("1")
    words = words[: -bech32.CHECKSUM_LETTERS]
    raw = bech32.to_bytes(words[-104:])
    high = raw[:32] + (ORDER - int.from_bytes(raw[32:64])).to_bytes(32) + bytes([raw[64] ^ 1])
    words = words[:-104] + bech32.to_words(high)
    return f"{hrp}1{words}{bech32.checksum(hrp, words)}"


def test_high_s_is_recovered_but_not_verified_against_a_name() -> None:
    plain = signed("lnbc", TIME + HASH + SECRET + TEXT)
    assert decode(_with_high_s(plain)).payee == SPEC_PAYEE
    named = signed("lnbc", TIME + HASH + SECRET + TEXT + field("n", bech32.to_words(bytes.fromhex(SPEC_PAYEE))))
    with pytest.raises(BadInvoice, match="signature"):
        decode(_with_high_s(named))


def test_an_overlong_text_is_not_read() -> None:
    with pytest.raises(BadInvoice) as caught:
        decode("lnbc1" + "q" * 5000)
    assert caught.value.code == "too_long"


@pytest.mark.parametrize(
    "text", ["", "1", "ln1", "lnbc1", "lnbc1qqqqqq", "hello", "lnbc1\n", " ", "LNBC1É", "lnbc1" + "ſ" * 120]
)
def test_junk_is_refused(text: str) -> None:
    with pytest.raises(BadInvoice):
        decode(text)


@given(st.text(max_size=300) | st.text("qpzry9x8gf2tvdw0s3jn54khce6mua7l1").map("lnbc1".__add__))
def test_no_text_at_all_does_anything_but_decode_or_refuse(text: str) -> None:
    with pytest.raises(BadInvoice):
        decode(text)


hops = st.builds(
    Hop,
    pubkey=st.binary(min_size=33, max_size=33).map(bytes.hex),
    channel=st.builds(
        "{}x{}x{}".format, st.integers(0, 2**24 - 1), st.integers(0, 2**24 - 1), st.integers(0, 2**16 - 1)
    ),
    base=st.integers(0, 2**32 - 1).map(Msat),
    ppm=st.integers(0, 2**32 - 1),
    cltv_delta=st.integers(0, 2**16 - 1),
)
digests = st.binary(min_size=32, max_size=32).map(bytes.hex)
keys = st.integers(1, ORDER - 1).map(lambda number: number.to_bytes(32))


@st.composite
def invoices(draw: st.DrawFn) -> Bolt11:
    said = draw(st.one_of(st.text(max_size=150).map(lambda text: (text, None)), digests.map(lambda text: (None, text))))
    return Bolt11(
        hrp=draw(st.sampled_from(sorted(NETWORKS))),
        timestamp=draw(st.integers(0, 2**35 - 1)),
        payment_hash=PaymentHash(draw(digests)),
        payment_secret=Secret(draw(digests)),
        amount=draw(st.none() | st.integers(1, 21 * 10**17).map(Msat)),
        description=said[0],
        description_hash=said[1],
        expiry=draw(st.integers(0, 2**35 - 1)),
        final_cltv=draw(st.integers(0, 2**20 - 1)),
        features=draw(st.frozensets(st.sampled_from([8, 9, 14, 15, 16, 17, 25, 99]))),
        route_hints=tuple(draw(st.lists(st.lists(hops, min_size=1, max_size=3).map(tuple), max_size=3))),
    )


@given(invoices(), keys)
def test_what_is_written_is_read_back(invoice: Bolt11, key: bytes) -> None:
    text = encode(invoice, key)
    assert decode(text) == dataclasses.replace(invoice, payee=public_key(key))
    assert decode(text.upper()) == decode(text)


@given(st.integers(1, 21 * 10**17))
@example(1)
@example(10)
@example(100)
@example(21 * 10**17)
def test_every_amount_comes_back(amount: int) -> None:
    text = encode(base(amount=Msat(amount)), SPEC_KEY)
    assert decode(text).amount == amount


@pytest.mark.parametrize(
    ("msat", "written"),
    [(1, "10p"), (99, "990p"), (100, "1n"), (100_000, "1u"), (250_000_000, "2500u"), (10**8, "1m"), (10**11, "1")],
)
def test_amounts_are_written_with_the_largest_unit(msat: int, written: str) -> None:
    assert encode(base(amount=Msat(msat)), SPEC_KEY).startswith(f"lnplay{written}1")


@given(st.data())
def test_any_changed_letter_is_noticed(data: st.DataObject) -> None:
    text = encode(base(), SPEC_KEY)
    place = data.draw(st.integers(0, len(text) - 1))
    letter = data.draw(st.sampled_from([other for other in bech32.CHARSET + "1bio" if other != text[place]]))
    with pytest.raises(BadInvoice):
        decode(text[:place] + letter + text[place + 1 :])


@given(st.data())
def test_a_changed_bit_under_a_right_checksum_changes_the_payee_or_is_refused(data: st.DataObject) -> None:
    """Without `n` a forged invoice is valid, but it is somebody else's: whoever pays must look at the payee."""
    hrp, _, words = encode(base(), SPEC_KEY).rpartition("1")
    words = words[: -bech32.CHECKSUM_LETTERS]
    place = data.draw(st.integers(0, len(words) - 1))
    other = data.draw(st.sampled_from([letter for letter in bech32.CHARSET if letter != words[place]]))
    words = words[:place] + other + words[place + 1 :]
    try:
        invoice = decode(f"{hrp}1{words}{bech32.checksum(hrp, words)}")
    except BadInvoice:
        return
    assert invoice.payee != public_key(SPEC_KEY)


@pytest.mark.parametrize(
    "changes",
    [
        {"amount": Msat(0)},
        {"amount": Msat(-1)},
        {"description": None},
        {"description_hash": "00" * 32},
        {"description": "x" * 640},
        {"hrp": "lnxx"},
        {"timestamp": -1},
        {"timestamp": 2**35},
        {"expiry": -1},
        {"final_cltv": 2**20},
        {"payment_hash": "00"},
        {"payment_secret": Secret("zz" * 32)},
    ],
)
def test_what_no_invoice_can_say_is_not_written(changes: dict[str, object]) -> None:
    with pytest.raises(ValueError, match=r"\w"):
        encode(base(**changes), SPEC_KEY)


def test_neither_refusal_nor_invoice_shows_its_secrets() -> None:
    assert SPEC_SECRET not in repr(decode(SPEC["coffee"]))
    for name in ("feature100", "unrecoverable", "no_secret"):
        with pytest.raises(BadInvoice) as caught:
            decode(SPEC[name])
        assert not any(word in str(caught.value) for word in (SPEC_HASH, SPEC_SECRET, SPEC[name]))
