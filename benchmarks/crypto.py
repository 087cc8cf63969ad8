"""The cryptography that nobody can avoid, timed alone: the bare calls of the library over exactly the events of a run.

Everything that Python does around a call is left out: parsing, hashing, checking limits, making the JSON of the answer. So the
figure is a lower bound of what any daemon with this library must spend.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from benchmarks.people import Person
from bot.relays.sdk import nostr_sdk
from kinds.events import DM_RUMOR, DM_SEAL, DM_WRAP, Event
from kinds.units import Pubkey, Secret

_HASH = bytes(range(32))  # in place of an id
_SEAL = {"pubkey": _HASH.hex(), "created_at": 1_700_000_000, "kind": DM_SEAL, "tags": []}


@dataclass(frozen=True, slots=True)
class Share:
    """How often something was done, and the CPU time of doing it so often."""

    count: int
    seconds: float


@dataclass(frozen=True, slots=True)
class Crypto:
    verify: Share  # signatures of what the daemon heard
    unwrap: Share  # letters to it: two decryptions and the seal's signature
    sign: Share  # its public events
    wrap: Share  # its letters

    @property
    def seconds(self) -> float:
        return self.verify.seconds + self.unwrap.seconds + self.sign.seconds + self.wrap.seconds


def unavoidable(
    heard: Sequence[Event],
    published: Sequence[Event],
    letters: Mapping[Pubkey, Person],
    sent: Sequence[Event],
    secret: Secret,
) -> Crypto:
    """`heard`: by people, for the bot; `published`: by the bot; `sent`: its wraps for the owners of `letters`."""
    bot = nostr_sdk.Keys.parse(secret.reveal())
    raw = [event.as_json() for event in heard]
    wraps = [(_key(event.pubkey), event.content) for event in heard if event.kind == DM_WRAP]
    ids = [bytes.fromhex(event.id) for event in published]
    answers = [_letter(bot, letters[Pubkey(event.tag("p") or "")], event) for event in sent]
    return Crypto(
        _timed(lambda one: nostr_sdk.Event.from_json(one).verify(), raw),
        _timed(lambda one: _unwrap(bot, *one), wraps),
        _timed(bot.sign_schnorr, ids),
        _timed(lambda one: _wrap(bot, *one), answers),
    )


def _wrap(bot: Any, reader: Any, rumor: str) -> None:
    """Two encryptions, two signatures and a new key. (The SDK's one call for it takes a third longer.)"""
    once = nostr_sdk.Keys.generate()
    seal = {"id": _HASH.hex(), "sig": 2 * _HASH.hex(), "content": bot.nip44_encrypt(reader, rumor), **_SEAL}
    bot.sign_schnorr(_HASH)
    once.nip44_encrypt(reader, json.dumps(seal, separators=(",", ":")))
    once.sign_schnorr(_HASH)


def _unwrap(bot: Any, author: Any, content: str) -> None:
    seal = nostr_sdk.Event.from_json(bot.nip44_decrypt(author, content))
    seal.verify()
    bot.nip44_decrypt(seal.author(), seal.content())


def _letter(bot: Any, person: Person, wrap: Event) -> tuple[Any, str]:
    """(to whom, the rumor's JSON) of a letter that the bot sent, to be wrapped once more."""
    rumor = person.signer._unwrap(wrap)
    said = {
        "pubkey": str(bot.public_key().to_hex()),
        "created_at": rumor.created_at,
        "kind": DM_RUMOR,
        "tags": rumor.tags,
        "content": rumor.content,
    }
    return _key(person.pubkey), json.dumps({"id": rumor.id, **said}, separators=(",", ":"), ensure_ascii=False)


def _key(pubkey: str) -> Any:
    return nostr_sdk.PublicKey.parse(pubkey)


def _timed(act: Callable[[Any], Any], items: Iterable[Any]) -> Share:
    many = list(items)
    began = time.thread_time()
    for item in many:
        act(item)
    return Share(len(many), time.thread_time() - began)
