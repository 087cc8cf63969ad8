"""Letters in and out, and everybody who pretends to be somebody else."""

from __future__ import annotations

import asyncio
import json
import time
from dataclasses import replace
from typing import Any

import pytest

from bot.relays.genuine import is_genuine
from bot.relays.sdk import nostr_sdk
from bot.relays.signer import KeySigner, Rumor, Unreadable, Unsendable
from kinds.events import Event, Tag, Unsigned
from kinds.units import Pubkey, Secret
from tests.bot.relays.fakes import T0, new_signer

STRANGE = [
    "",
    "plain",
    'quotes " and \\ and / slashes',
    "line\nfeed\r\ttab \b \f \v \0 \x01 \x1f \x7f \x80 \x9f",
    "\u2028 \u2029 \ufeff \ufffe \uffff é 中文 \U0001f9ff \U0010ffff",
    "<script>&amp;</script>",
]


def keys_of(signer: KeySigner) -> Any:
    return signer._keys


def rumor(author: KeySigner, *readers: KeySigner, text: str = "hello", kind: int = 14) -> Unsigned:
    return Unsigned(author.pubkey, T0, kind, tuple(("p", reader.pubkey) for reader in readers), text)


async def sealed(
    author: KeySigner, reader: KeySigner, inside: object, *, seal_kind: int = 13, spoil: bool = False
) -> Event:
    """A gift wrap made by hand, so that anything can be put in it."""
    text = inside if isinstance(inside, str) else json.dumps(inside)
    seal = await author.sign(Unsigned(author.pubkey, T0, seal_kind, (), await author.encrypt44(reader.pubkey, text)))
    if spoil:
        seal = replace(seal, sig=seal.sig[:-2] + ("00" if seal.sig[-2:] != "00" else "11"))
    return await wrapped(reader, seal.as_json())


async def wrapped(reader: KeySigner, text: str) -> Event:
    ephemeral = new_signer()
    content = await ephemeral.encrypt44(reader.pubkey, text)
    return await ephemeral.sign(Unsigned(ephemeral.pubkey, T0, 1059, (("p", reader.pubkey),), content))


@pytest.mark.parametrize("text", STRANGE)
@pytest.mark.parametrize("tags", [(), (("t", 'a\n"b\\'), ("é", "\x00\x1f", ""), ("e",))], ids=["bare", "tags"])
async def test_ids_and_signatures_are_the_sdks(text: str, tags: tuple[Tag, ...]) -> None:
    signer = new_signer()
    unsigned = Unsigned(signer.pubkey, T0, 1, tags, text)
    theirs = nostr_sdk.UnsignedEvent.from_json(json.dumps({**unsigned.as_dict(), "id": None})).ensure_id()
    assert theirs.id().to_hex() == unsigned.id
    event = await signer.sign(unsigned)
    assert is_genuine(event)
    assert nostr_sdk.Event.from_json(event.as_json()).verify()


@pytest.mark.parametrize("text", [each for each in STRANGE if each])
async def test_a_letter_arrives_with_its_id(text: str) -> None:
    bot, alice = new_signer(), new_signer()
    letter = rumor(bot, alice, text=text)
    first, second = await bot.wrap(alice.pubkey, letter), await bot.wrap(alice.pubkey, letter)
    assert first.id != second.id
    assert first.kind == 1059
    assert first.pubkey not in (bot.pubkey, alice.pubkey)
    assert first.tags == (("p", alice.pubkey),)
    assert is_genuine(first)
    read = [await alice.unwrap(each) for each in (first, second)]
    expected = Rumor(letter.id, bot.pubkey, T0, 14, letter.tags, text)
    assert read == [expected, expected]  # a re-send has the same rumor id


async def test_letters_of_the_sdk_and_for_the_sdk() -> None:
    bot, alice = new_signer(), new_signer()
    theirs = nostr_sdk.nip17_make_private_msg(keys_of(alice), keys_of(bot).public_key(), "from the sdk")
    said = await bot.unwrap(Event.parse(json.loads(theirs.as_json())))
    assert (said.pubkey, said.kind, said.content) == (alice.pubkey, 14, "from the sdk")
    letter = rumor(bot, alice)
    ours = await bot.wrap(alice.pubkey, letter)
    gift = nostr_sdk.UnwrappedGift.from_gift_wrap(keys_of(alice), nostr_sdk.Event.from_json(ours.as_json()))
    assert gift.rumor().id().to_hex() == letter.id
    assert gift.sender().to_hex() == bot.pubkey


async def test_a_rumor_may_name_others_but_must_name_us() -> None:
    bot, alice, carol = new_signer(), new_signer(), new_signer()
    assert (await bot.unwrap(await alice.wrap(bot.pubkey, rumor(alice, carol, bot)))).content == "hello"
    assert (await bot.unwrap(await alice.wrap(bot.pubkey, rumor(alice)))).content == "hello"
    with pytest.raises(Unreadable, match="somebody else"):
        await bot.unwrap(await alice.wrap(bot.pubkey, rumor(alice, carol)))


async def test_forgeries_are_unreadable() -> None:
    bot, alice, mallory = new_signer(), new_signer(), new_signer()
    good = rumor(alice, bot).as_dict()
    assert (await bot.unwrap(await sealed(alice, bot, good))).pubkey == alice.pubkey
    letter = await alice.wrap(bot.pubkey, rumor(alice, bot))
    seal_for_mallory = await alice.sign(
        Unsigned(alice.pubkey, T0, 13, (), await alice.encrypt44(mallory.pubkey, json.dumps(good)))
    )
    bad: dict[str, Event] = {
        "different authors": await sealed(mallory, bot, good),
        "signature is bad": await sealed(alice, bot, good, spoil=True),
        "no seal": await sealed(alice, bot, good, seal_kind=14),
        "no message under": await sealed(alice, bot, "[]"),
        "no events within": await sealed(alice, bot, {**good, "content": 7}),
        "not a gift wrap": replace(letter, kind=1),
        "not NIP-44": replace(letter, content=letter.content[:-8] + "AAAAAAA="),
        "text for us": replace(letter, content=""),
        "NIP-44 text": await wrapped(bot, seal_for_mallory.as_json()),  # Alice wrote to Mallory, not to us
        "within our limits": await wrapped(bot, "{" * 3000),
        "our limits": await wrapped(bot, "plain text"),
    }
    for reason, event in bad.items():
        with pytest.raises(Unreadable, match=reason):
            await bot.unwrap(event)
    with pytest.raises(Unreadable):
        await mallory.unwrap(letter)
    with pytest.raises(Unreadable):  # the public key of the wrap is no point of the curve
        await bot.unwrap(replace(letter, pubkey=Pubkey("ff" * 32)))


async def test_a_lie_about_the_rumor_id_changes_nothing() -> None:
    bot, alice = new_signer(), new_signer()
    letter = rumor(alice, bot)
    for lie in ("00" * 32, None, 7):
        said = await bot.unwrap(await sealed(alice, bot, {**letter.as_dict(), "id": lie}))
        assert said.id == letter.id


async def test_direct_messages_as_mostro_sends_them() -> None:
    bot, alice, carol = new_signer(), new_signer(), new_signer()
    content = await alice.encrypt44(bot.pubkey, "new order")
    event = await alice.sign(Unsigned(alice.pubkey, T0, 14, (("p", bot.pubkey),), content))
    assert await bot.unseal_direct(event) == Rumor(event.id, alice.pubkey, T0, 14, event.tags, "new order")
    for bad in (replace(event, kind=1), replace(event, tags=()), replace(event, pubkey=carol.pubkey)):
        with pytest.raises(Unreadable):
            await bot.unseal_direct(bad)


async def test_nip04() -> None:
    bot, alice = new_signer(), new_signer()
    payload = await alice.nip04_encrypt(bot.pubkey, "legacy é")
    assert await bot.nip04_decrypt(alice.pubkey, payload) == "legacy é"
    for bad in ("", "nonsense", payload[:-3], payload.replace("?iv=", "?"), "?iv="):
        with pytest.raises(Unreadable):
            await bot.nip04_decrypt(alice.pubkey, bad)


async def test_sizes() -> None:
    bot, alice = new_signer(), new_signer()
    assert await bot.decrypt44(alice.pubkey, await alice.encrypt44(bot.pubkey, "x" * 65408)) == "x" * 65408
    for text in ("x" * 65409, ""):
        with pytest.raises(Unsendable):
            await alice.encrypt44(bot.pubkey, text)
    longest = await alice.wrap(bot.pubkey, rumor(alice, bot, text="x" * 28_000))
    assert len((await bot.unwrap(longest)).content) == 28_000
    for size in (40_000, 70_000):
        with pytest.raises(Unsendable):
            await alice.wrap(bot.pubkey, rumor(alice, bot, text="x" * size))
    with pytest.raises(Unsendable):
        await alice.wrap(Pubkey("ff" * 32), rumor(alice, bot))


async def test_batches_keep_order_and_answer_each_for_itself() -> None:
    bot, alice = new_signer(), new_signer()
    letters = [rumor(bot, alice, text=f"letter {number}") for number in range(120)]
    letters[60] = rumor(bot, alice, text="x" * 70_000)
    wraps = await bot.wrap_many([(alice.pubkey, letter) for letter in letters])
    assert [isinstance(each, Unsendable) for each in wraps] == [number == 60 for number in range(120)]
    events = [each for each in wraps if isinstance(each, Event)]
    events[5] = replace(events[5], content="spoilt")
    read = await alice.unwrap_many(events)
    assert [isinstance(each, Unreadable) for each in read] == [number == 5 for number in range(119)]
    assert [each.content for each in read if isinstance(each, Rumor)][-1] == "letter 119"


async def test_the_loop_goes_on_during_a_batch() -> None:
    signer = new_signer()
    batch = asyncio.create_task(signer.sign_many([rumor(signer, text=str(number)) for number in range(3000)]))
    turns = 0
    while not batch.done():
        await asyncio.sleep(0)
        turns += 1
    assert turns > 20
    assert len(batch.result()) == 3000


async def test_only_our_own_words_are_signed() -> None:
    bot, alice = new_signer(), new_signer()
    with pytest.raises(ValueError, match="not ours"):
        await bot.sign(rumor(alice, bot))
    with pytest.raises(ValueError, match="not ours"):
        await bot.wrap(alice.pubkey, rumor(alice, bot))


def test_the_key_does_not_leak() -> None:
    with pytest.raises(ValueError, match="not a secret key") as caught:
        KeySigner(Secret("nsec1notakey"))
    assert "nsec1notakey" not in repr(caught.value)
    assert caught.value.__cause__ is None
    secret = nostr_sdk.Keys.generate().secret_key().to_hex()
    signer = KeySigner(Secret(secret))
    assert secret not in repr(signer) + repr(signer._keys) + str(vars(signer))


async def test_a_wrap_tells_neither_when_nor_by_whom() -> None:
    bot, alice = new_signer(), new_signer()
    wraps = [await bot.wrap(alice.pubkey, rumor(bot, alice)) for _ in range(50)]
    seals = [json.loads(await alice.decrypt44(wrap.pubkey, wrap.content)) for wrap in wraps]
    assert len({wrap.pubkey for wrap in wraps}) == 50, "each by a key of its own"
    assert all(seal["kind"] == 13 and seal["pubkey"] == bot.pubkey and seal["tags"] == [] for seal in seals)
    dates = [*(wrap.created_at for wrap in wraps), *(seal["created_at"] for seal in seals)]
    now = int(time.time())
    assert now - 2 * 86400 - 60 < min(dates)
    assert max(dates) <= now
    assert max(dates) - min(dates) > 3600, "they are spread over two days"
