"""Only genuine events pass here, and an id is remembered only after its event has passed.

Mostro #892: a copy with a forged signature and a known id came first, the id was remembered, and the genuine event was
taken for a duplicate. So the id is recomputed from the content each time, and the memory, which only saves the second
signature check of the same event from the next relay, is asked with the id and the signature that were verified.
"""

from __future__ import annotations

from collections import OrderedDict
from functools import lru_cache

from secp256k1 import PublicKey

from bot.relays.values import Drop
from kinds.events import BadEvent, Event


class Dropped(Exception):
    """The event was not let in; `reason` is for the counters."""

    def __init__(self, reason: Drop) -> None:
        super().__init__(reason.value)
        self.reason = reason


def is_genuine(event: Event) -> bool:
    """True when the id is that of the content and the signature is the author's (NIP-01, BIP340)."""
    key = _key(event.pubkey)
    return (
        key is not None
        and event.true_id == event.id
        and bool(key.schnorr_verify(bytes.fromhex(event.id), bytes.fromhex(event.sig), None, raw=True))
    )


@lru_cache(4096)
def _key(pubkey: str) -> PublicKey | None:
    try:
        return PublicKey(b"\x02" + bytes.fromhex(pubkey), raw=True)
    except Exception:  # the library raises the bare class for what is no point of the curve
        return None


class Gate:
    """Checks raw events for all relays together; remembers the last `memory` verified ones (some 250 bytes each)."""

    def __init__(self, memory: int = 50_000) -> None:
        self._memory = memory
        self._verified: OrderedDict[str, str] = OrderedDict()  # id -> signature

    def admit(self, raw: object) -> Event:
        """The genuine event in a decoded JSON value. Raises Dropped."""
        try:
            event = Event.parse(raw)
        except BadEvent as error:
            raise Dropped(Drop.MALFORMED) from error
        if self._verified.get(event.id) == event.sig and event.true_id == event.id:
            self._verified.move_to_end(event.id)
            return event
        if not is_genuine(event):
            raise Dropped(Drop.FORGED)
        self._verified[event.id] = event.sig
        self._verified.move_to_end(event.id)
        if len(self._verified) > self._memory:
            self._verified.popitem(last=False)
        return event
