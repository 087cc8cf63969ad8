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
from kinds.events import DM_RUMOR, DM_WRAP, Event
from kinds.units import Pubkey, Secret


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
        _timed(lambda one: nostr_sdk.nip59_make_gift_wrap(bot, *one), answers),
    )


def _unwrap(bot: Any, author: Any, content: str) -> None:
    seal = nostr_sdk.Event.from_json(bot.nip44_decrypt(author, content))
    seal.verify()
    bot.nip44_decrypt(seal.author(), seal.content())


def _letter(bot: Any, person: Person, wrap: Event) -> tuple[Any, Any]:
    """(to whom, the rumor) of a letter that the bot sent, to be wrapped once more."""
    rumor = person.signer._unwrap(wrap)
    said = {
        "pubkey": str(bot.public_key().to_hex()),
        "created_at": rumor.created_at,
        "kind": DM_RUMOR,
        "tags": rumor.tags,
        "content": rumor.content,
    }
    return _key(person.pubkey), nostr_sdk.UnsignedEvent.from_json(json.dumps(said, ensure_ascii=False))


def _key(pubkey: str) -> Any:
    return nostr_sdk.PublicKey.parse(pubkey)


def _timed(act: Callable[[Any], Any], items: Iterable[Any]) -> Share:
    many = list(items)
    began = time.thread_time()
    for item in many:
        act(item)
    return Share(len(many), time.thread_time() - began)
