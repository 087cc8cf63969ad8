"""What we say over one connection: events that wait for their OK side by side, and the proof of our key (NIP-42)."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager

from bot.relays.signer import Signer, SignerAway
from bot.relays.values import Ack, NoAnswer
from kinds.events import Unsigned

AUTH = 22242
AUTH_WAIT = 8.0  # seconds for the challenge, the signer and the relay's OK together


class Outgoing:
    """`send` writes one frame and raises NoAnswer when the connection is over."""

    def __init__(
        self, url: str, send: Callable[[str], Awaitable[None]], signer: Signer | None, clock: Callable[[], int]
    ) -> None:
        self._url = url
        self._send = send
        self._signer = signer
        self._clock = clock
        self._waiting: dict[str, list[asyncio.Future[Ack]]] = {}
        self._challenge = ""
        self._challenged = asyncio.Event()
        self._proved = ""  # the challenge to which the relay accepted our answer
        self._proving = asyncio.Lock()

    async def publish(self, event_json: str, event_id: str, within: float) -> Ack:
        """Sends the event and waits for its OK, beside any number of others. Never raises."""
        try:
            async with asyncio.timeout(within):
                ack = await self._submit("EVENT", event_json, event_id)
                if ack.accepted is False and wants_proof(ack.message) and await self.prove():
                    ack = await self._submit("EVENT", event_json, event_id)
                return ack
        except TimeoutError:
            return Ack(None, "no answer in time")
        except NoAnswer as trouble:
            return Ack(None, str(trouble))

    @property
    def pending(self) -> bool:
        """True while anyone waits for an OK."""
        return bool(self._waiting)

    @property
    def proved(self) -> bool:
        """True once the relay has accepted the proof of our key (NIP-42)."""
        return bool(self._proved)

    async def prove(self) -> bool:
        """Proves our key to the relay, once per challenge. False when that is not possible now."""
        if self._signer is None:
            return False
        try:
            async with asyncio.timeout(AUTH_WAIT), self._proving:
                await self._challenged.wait()  # some relays send it after the refusal
                challenge = self._challenge
                if self._proved == challenge:
                    return True
                tags = (("relay", self._url), ("challenge", challenge))
                proof = await self._signer.sign(Unsigned(self._signer.pubkey, self._clock(), AUTH, tags, ""))
                if (await self._submit("AUTH", proof.as_json(), proof.id)).accepted:
                    self._proved = challenge
                    return True
        except (TimeoutError, SignerAway, NoAnswer):
            pass
        return False

    def forget_proof(self) -> None:
        """The relay does not know us any more: the next `prove` answers the same challenge again."""
        self._proved = ""

    def challenged(self, challenge: str) -> None:
        self._challenge = challenge
        self._challenged.set()

    def answered(self, event_id: str, accepted: bool, said: str) -> None:
        """The relay's OK. What it has already is as good as accepted."""
        ack = Ack(accepted or said.startswith("duplicate:"), said)
        for waiting in self._waiting.get(event_id, ()):
            if not waiting.done():
                waiting.set_result(ack)

    def end(self) -> None:
        for waiting in [each for futures in self._waiting.values() for each in futures if not each.done()]:
            waiting.set_result(Ack(None, "connection lost"))

    async def _submit(self, word: str, event_json: str, event_id: str) -> Ack:
        with self._waiting_for(event_id) as answer:
            await self._send(f'["{word}",{event_json}]')
            return await answer

    @contextmanager
    def _waiting_for(self, event_id: str) -> Iterator[asyncio.Future[Ack]]:
        answer: asyncio.Future[Ack] = asyncio.get_running_loop().create_future()
        waiting = self._waiting.setdefault(event_id, [])
        waiting.append(answer)
        try:
            yield answer
        finally:
            waiting.remove(answer)
            if not waiting:
                self._waiting.pop(event_id, None)


def wants_proof(reason: str) -> bool:
    """True for NIP-42's prefix, also behind strfry's 'ERROR: '."""
    return reason.removeprefix("ERROR:").strip().startswith("auth-required")
