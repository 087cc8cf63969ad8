"""LND's streams, made into hints: a hold that is paid, and a payout that has ended.

LND tells nobody about accepted holds but the one who has subscribed to that invoice, so each open hold has a stream of its own,
which begins with the invoice's present state: what happened while the connection was away is heard when it is back. One more
stream tells of all payments; it begins with nothing, so after it has broken every listener's stream is ended. Whoever opens a
new one must look at everything again (`bot/watch.py` does).

Streams are only for speed. What they lose is found by the slow poll.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable, Coroutine
from contextlib import aclosing

from bot.nodes.hints import Hints, Listener
from bot.nodes.lnd import wire
from bot.nodes.lnd.rest import Refusal, Rest, Silence
from kinds.units import PaymentHash, is_hex64

MOST_STREAMS = 256  # holds beyond that are found by the poll
_FIRST, _LONGEST = 0.5, 30.0  # seconds until a broken stream is opened again


class Ears:
    def __init__(self, rest: Rest) -> None:
        self._rest = rest
        self._hints = Hints()
        self._tasks: dict[str, asyncio.Task[None]] = {}  # by the hash of a hold, or "payments"
        self._closed = False

    def listen(self) -> Listener:
        listener = self._hints.listen()
        if self._closed:
            listener.close()
        self._start("payments", self._payments)
        return listener

    def follow(self, payment_hash: PaymentHash) -> None:
        """From now on, until it is no longer open, this hold's stream is read."""
        if len(self._tasks) < MOST_STREAMS:
            self._start(payment_hash, lambda: self._hold(payment_hash))

    async def aclose(self) -> None:
        self._closed = True
        tasks = tuple(self._tasks.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        self._hints.close()

    def _start(self, name: str, begin: Callable[[], Coroutine[None, None, None]]) -> None:
        if not self._closed and name not in self._tasks:
            task = self._tasks[name] = asyncio.create_task(begin())
            task.add_done_callback(lambda _: self._tasks.pop(name, None))

    async def _hold(self, payment_hash: PaymentHash) -> None:
        path, pause = f"/v2/invoices/subscribe/{wire.in_path(payment_hash)}", _FIRST
        while True:
            async with aclosing(self._rest.stream("GET", path)) as replies:
                async for reply in replies:
                    if isinstance(reply, Refusal):
                        return  # the next look at this hold, if it is still open, follows it again
                    if isinstance(reply, Silence):
                        break
                    pause = _FIRST
                    if reply.get("state") != "OPEN":
                        self._hints.say([payment_hash])
                        return
            pause = await _pause(pause)

    async def _payments(self) -> None:
        only_ends, pause = {"no_inflight_updates": "true"}, _FIRST
        while True:
            async with aclosing(self._rest.stream("GET", "/v2/router/payments", params=only_ends)) as replies:
                async for reply in replies:
                    if isinstance(reply, (Refusal, Silence)):
                        break
                    pause = _FIRST
                    payment_hash = reply.get("payment_hash")
                    if is_hex64(payment_hash):
                        self._hints.say([PaymentHash(str(payment_hash))])
            pause = await _pause(
                pause
            )  # longer each time, or an LND that refuses this stream would have all looked at all the time
            while isinstance(await self._rest.ask("GET", "/v1/getinfo"), (Refusal, Silence)):
                pause = await _pause(pause)
            self._hints.close()  # it is back: everybody looks at everything again


async def _pause(seconds: float) -> float:
    """Waits about so long; the next wait is twice as long."""
    await asyncio.sleep(seconds * random.uniform(0.7, 1.3))
    return min(_LONGEST, 2 * seconds)
