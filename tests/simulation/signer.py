"""A signer without secrets: true signatures on what is public and on what is said to the daemon, letters in plain text. It is fast, and
one seed gives one life."""

from __future__ import annotations

from collections.abc import Sequence

from secp256k1 import PrivateKey

from bot.relays.signer import KeySigner, Rumor, Unreadable, Unsendable
from kinds.events import DM_WRAP, BadEvent, Event, Unsigned, plain_json, read_json
from kinds.units import Pubkey, Secret


class PlainSigner(KeySigner):
    """Wraps are dated now and hold the rumor as it is; everything else is the key's own work, without a thread. The people of the
    simulation do not check signatures, so those of the daemon's envelopes are spared; the others are made by libsecp256k1 itself, which
    takes half the time."""

    def __init__(self, secret: Secret) -> None:
        super().__init__(secret)
        self._key = PrivateKey(bytes.fromhex(secret.reveal()))

    def _sign(self, unsigned: Unsigned) -> Event:
        if unsigned.pubkey != self.pubkey:
            raise ValueError("this event is not ours to sign")
        name, said = unsigned.id, unsigned
        sig = self._key.schnorr_sign(bytes.fromhex(name), None, raw=True).hex()
        return Event(name, said.pubkey, said.created_at, said.kind, said.tags, said.content, sig)

    async def sign_many(self, unsigned: Sequence[Unsigned]) -> list[Event]:
        return [self._sign(each) for each in unsigned]

    async def wrap(self, to: Pubkey, rumor: Unsigned) -> Event:
        outer = _envelope(to, rumor)
        return Event(outer.id, outer.pubkey, outer.created_at, outer.kind, outer.tags, outer.content, "00" * 64)

    async def wrap_many(self, letters: Sequence[tuple[Pubkey, Unsigned]]) -> list[Event | Unsendable]:
        return [await self.wrap(to, rumor) for to, rumor in letters]

    async def unwrap_many(self, wraps: Sequence[Event]) -> list[Rumor | Unreadable]:
        return [self._opened(wrap) for wrap in wraps]

    def _opened(self, wrap: Event) -> Rumor | Unreadable:
        try:
            return self._unwrap(wrap)
        except Unreadable as error:
            return error

    def _wrap(self, to: Pubkey, rumor: Unsigned) -> Event:
        return _ENVELOPE._sign(_envelope(to, rumor))

    def _unwrap(self, wrap: Event) -> Rumor:
        try:
            inner = Event.parse({**_mapping(wrap.content), "id": wrap.id, "sig": wrap.sig})
        except BadEvent as error:
            raise Unreadable("this is no letter") from error
        said = Unsigned(inner.pubkey, inner.created_at, inner.kind, inner.tags, inner.content)
        return Rumor(said.id, inner.pubkey, inner.created_at, inner.kind, inner.tags, inner.content)


_ENVELOPE = PlainSigner(Secret(f"{99:064x}"))  # who "wrapped" every letter


def _envelope(to: Pubkey, rumor: Unsigned) -> Unsigned:
    return Unsigned(_ENVELOPE.pubkey, rumor.created_at, DM_WRAP, (("p", to),), plain_json(rumor.as_dict()))


def _mapping(text: str) -> dict[str, object]:
    said = read_json(text)
    if not isinstance(said, dict):
        raise BadEvent("this is no letter")
    return said
