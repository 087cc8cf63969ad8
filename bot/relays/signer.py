"""The daemon's key: signatures, sealed letters (NIP-17, NIP-44, NIP-59) and their old form (NIP-04).

Everything that a stranger encrypted is opened here and checked here: whoever reads a `Rumor` knows that its author wrote
it for us. `Signer` is asynchronous because the key may live elsewhere; `KeySigner` holds it in this process.

Sizes: NIP-44 of this SDK takes 65,408 bytes, and kinds.events allows 64 KiB of content in the wrap: a rumor's JSON of up
to some 28,000 bytes fits through both. Anything longer is refused with Unsendable.
"""

from __future__ import annotations

import asyncio
import hmac
import secrets
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Protocol, TypeVar

from bot.relays.genuine import is_genuine
from bot.relays.sdk import nostr_sdk
from kinds.events import DM_RUMOR, DM_SEAL, DM_WRAP, MAX_CONTENT, BadEvent, Event, Tag, Unsigned, plain_json, read_json
from kinds.units import EventId, Pubkey, Secret

BACKDATED = 2 * 86400  # seconds
CHUNK = 50  # events that one call into the worker thread signs or wraps

A = TypeVar("A")
B = TypeVar("B")


class Unreadable(Exception):
    """This message cannot be read, or its author is not who it says; the text names no content."""


class Unsendable(ValueError):
    """The message does not fit into an encrypted event, or it is addressed to what is not a key."""


class SignerAway(Exception):
    """The key lives elsewhere and does not answer now; the same call may succeed later."""


@dataclass(frozen=True, slots=True)
class Rumor:
    """What somebody wrote to us. `id` is computed from the rest, never taken from the sender."""

    id: EventId
    pubkey: Pubkey
    created_at: int
    kind: int
    tags: tuple[Tag, ...]
    content: str


class Signer(Protocol):
    """Each call may raise SignerAway. `wrap` is random: store its event and re-send that one; the rumor's id stays."""

    @property
    def pubkey(self) -> Pubkey: ...

    def secret_of(self, name: str) -> str:
        """32 bytes in hex that only this key can derive, and always the same for a name. They may be published; the key stays safe."""

    async def sign(self, unsigned: Unsigned) -> Event: ...

    async def sign_many(self, unsigned: Sequence[Unsigned]) -> list[Event]: ...

    async def wrap(self, to: Pubkey, rumor: Unsigned) -> Event:
        """A gift wrap (1059) for `to` around our sealed rumor. Raises Unsendable."""

    async def wrap_many(self, letters: Sequence[tuple[Pubkey, Unsigned]]) -> list[Event | Unsendable]: ...

    async def unwrap(self, wrap: Event) -> Rumor:
        """Opens a gift wrap whose own signature was verified. Raises Unreadable."""

    async def unwrap_many(self, wraps: Sequence[Event]) -> list[Rumor | Unreadable]: ...

    async def unseal_direct(self, event: Event) -> Rumor:
        """Opens a verified, signed kind 14 event with NIP-44 content, as Mostro 0.20 sends it. Raises Unreadable."""

    async def encrypt44(self, to: Pubkey, text: str) -> str: ...

    async def decrypt44(self, author: Pubkey, payload: str) -> str: ...

    async def nip04_encrypt(self, to: Pubkey, text: str) -> str: ...

    async def nip04_decrypt(self, author: Pubkey, payload: str) -> str: ...


class KeySigner:
    """The key in this process. Single calls run in the event loop (0.1 to 0.5 ms), batches in one worker thread:
    a second thread brought nothing when measured, since a call holds Python's lock longer than it computes outside it.
    """

    def __init__(self, secret: Secret) -> None:
        """`secret` is hex or nsec. Raises ValueError, without the text, when it is neither."""
        try:
            self._keys = nostr_sdk.Keys.parse(secret.reveal())
        except nostr_sdk.NostrSdkError:
            raise ValueError("this is not a secret key (64 hex digits or nsec1...)") from None
        self._pubkey = Pubkey(self._keys.public_key().to_hex())
        self._worker = ThreadPoolExecutor(1, "signer")

    @property
    def pubkey(self) -> Pubkey:
        return self._pubkey

    def secret_of(self, name: str) -> str:
        key = bytes.fromhex(str(self._keys.secret_key().to_hex()))
        return hmac.digest(key, f"holdfast {name}".encode(), "sha256").hex()

    async def sign(self, unsigned: Unsigned) -> Event:
        return self._sign(unsigned)

    async def sign_many(self, unsigned: Sequence[Unsigned]) -> list[Event]:
        return await self._each(self._sign, unsigned)

    async def wrap(self, to: Pubkey, rumor: Unsigned) -> Event:
        return self._wrap(to, rumor)

    async def wrap_many(self, letters: Sequence[tuple[Pubkey, Unsigned]]) -> list[Event | Unsendable]:
        def wrap(letter: tuple[Pubkey, Unsigned]) -> Event | Unsendable:
            try:
                return self._wrap(*letter)
            except Unsendable as error:
                return error

        return await self._each(wrap, letters)

    async def unwrap(self, wrap: Event) -> Rumor:
        return self._unwrap(wrap)

    async def unwrap_many(self, wraps: Sequence[Event]) -> list[Rumor | Unreadable]:
        def unwrap(event: Event) -> Rumor | Unreadable:
            try:
                return self._unwrap(event)
            except Unreadable as error:
                return error

        return await self._each(unwrap, wraps)

    async def unseal_direct(self, event: Event) -> Rumor:
        if event.kind != DM_RUMOR or self.pubkey not in event.tag_values("p"):
            raise Unreadable("this is not a direct message to us")
        text = self._decrypt(event.pubkey, event.content)
        return Rumor(event.id, event.pubkey, event.created_at, event.kind, event.tags, text)

    async def encrypt44(self, to: Pubkey, text: str) -> str:
        return self._encrypt(self._keys.nip44_encrypt, to, text)

    async def decrypt44(self, author: Pubkey, payload: str) -> str:
        return self._decrypt(author, payload)

    async def nip04_encrypt(self, to: Pubkey, text: str) -> str:
        return self._encrypt(self._keys.nip04_encrypt, to, text)

    async def nip04_decrypt(self, author: Pubkey, payload: str) -> str:
        try:
            return str(self._keys.nip04_decrypt(_public_key(author), payload))
        except (nostr_sdk.NostrSdkError, Unsendable):
            raise Unreadable("this is not NIP-04 text for us") from None

    async def _each(self, work: Callable[[A], B], items: Sequence[A]) -> list[B]:
        """All of it in the worker thread, in order, a chunk at a time so that cancelling takes effect soon."""

        def work_on(chunk: Sequence[A]) -> list[B]:
            return [work(item) for item in chunk]

        loop, done = asyncio.get_running_loop(), list[B]()
        for first in range(0, len(items), CHUNK):
            done += await loop.run_in_executor(self._worker, work_on, items[first : first + CHUNK])
        return done

    def _sign(self, unsigned: Unsigned) -> Event:
        if unsigned.pubkey != self.pubkey:
            raise ValueError("this event is not ours to sign")
        return _signed(self._keys, unsigned)

    def _wrap(self, to: Pubkey, rumor: Unsigned) -> Event:
        """As NIP-59 has it: sealed by us, wrapped by a key that is used once. By hand, since the SDK's own call goes back into
        Python for each of its steps."""
        if rumor.pubkey != self.pubkey:
            raise ValueError("this rumor is not ours to send")
        receiver, once = _public_key(to), nostr_sdk.Keys.generate()
        try:
            letter = str(self._keys.nip44_encrypt(receiver, plain_json(rumor.as_dict())))
            seal = _signed(self._keys, Unsigned(self.pubkey, _before_now(), DM_SEAL, (), letter))
            content = str(once.nip44_encrypt(receiver, seal.as_json()))
        except nostr_sdk.NostrSdkError:
            raise Unsendable("the message does not fit into a gift wrap") from None
        if len(content) > MAX_CONTENT:
            raise Unsendable("the message does not fit into a gift wrap")
        stranger = Pubkey(once.public_key().to_hex())
        return _signed(once, Unsigned(stranger, _before_now(), DM_WRAP, (("p", to),), content))

    def _unwrap(self, wrap: Event) -> Rumor:
        if wrap.kind != DM_WRAP:
            raise Unreadable("this is not a gift wrap")
        try:
            seal = Event.parse(read_json(self._decrypt(wrap.pubkey, wrap.content)))
            if seal.kind != DM_SEAL:
                raise Unreadable("there is no seal in the gift wrap")
            if not is_genuine(seal):
                raise Unreadable("the seal's signature is bad")
            said = read_json(self._decrypt(seal.pubkey, seal.content))
            if not isinstance(said, dict):
                raise Unreadable("there is no message under the seal")
            inner = Event.parse(
                {**said, "id": seal.id, "sig": seal.sig}
            )  # its form and limits; a rumor has no signature
        except BadEvent as error:
            raise Unreadable("the gift wrap holds no events within our limits") from error
        if inner.pubkey != seal.pubkey:
            raise Unreadable("the seal and the message have different authors")
        readers = inner.tag_values("p")
        if readers and self.pubkey not in readers:
            raise Unreadable("the message is for somebody else")
        rumor_id = Unsigned(inner.pubkey, inner.created_at, inner.kind, inner.tags, inner.content).id
        return Rumor(rumor_id, inner.pubkey, inner.created_at, inner.kind, inner.tags, inner.content)

    def _encrypt(self, encrypt: Callable[[object, str], str], to: Pubkey, text: str) -> str:
        receiver = _public_key(to)
        try:
            return str(encrypt(receiver, text))
        except nostr_sdk.NostrSdkError:
            raise Unsendable("an encrypted text has 1 to 65408 bytes") from None

    def _decrypt(self, author: Pubkey, payload: str) -> str:
        try:
            return str(self._keys.nip44_decrypt(_public_key(author), payload))
        except (nostr_sdk.NostrSdkError, Unsendable):
            raise Unreadable("this is not NIP-44 text for us") from None


def _signed(keys: Any, unsigned: Unsigned) -> Event:
    event_id = unsigned.id
    sig = keys.sign_schnorr(bytes.fromhex(event_id))
    return Event(
        event_id, unsigned.pubkey, unsigned.created_at, unsigned.kind, unsigned.tags, unsigned.content, str(sig)
    )


def _before_now() -> int:
    """The date of a seal or a wrap: somewhere in the last two days, so that it does not tell when the letter was written."""
    return int(time.time()) - secrets.randbelow(BACKDATED)


@lru_cache(4096)
def _public_key(pubkey: Pubkey) -> object:
    try:
        return nostr_sdk.PublicKey.parse(pubkey)
    except nostr_sdk.NostrSdkError:
        raise Unsendable("this is not a public key") from None
