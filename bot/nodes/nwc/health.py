"""What the wallet says about itself and the node behind it, asked for not too often: height, balance, and what it may do."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import replace

import structlog

from bot.nodes.nwc import wire
from bot.nodes.nwc.wire import Answer, Offer
from kinds.lightning import NodeFacts

STILL = 3 * 3600  # seconds without a block after which a chain counts as not synced; by chance once in a thousand years
_BY_HAND = frozenset({"regtest", "simnet"})  # networks whose blocks do not come by themselves
log = structlog.get_logger()


class Health:
    """`facts` at any time, by any number of callers; one asks for all. Times are unix seconds, but for the age of an answer."""

    def __init__(
        self,
        ask: Callable[[str], Awaitable[Answer | None]],
        offer: Callable[[], Offer | None],
        clock: Callable[[], float],
        refresh: float,
    ) -> None:
        """`offer`: the wallet's info event; `refresh`: seconds for which its word about itself is good."""
        self.height = 0  # the chain's, as far as we know; never falls
        self._ask, self._offer, self._clock, self._refresh = ask, offer, clock, refresh
        self._asking = asyncio.Lock()
        self._facts: NodeFacts | None = None
        self._facts_at = 0.0  # loop time
        self._grew_at = 0.0  # when a block last came
        self._complained = ""

    async def facts(self) -> NodeFacts | None:
        async with self._asking:
            now = asyncio.get_running_loop().time()
            if self._facts is None or now - self._facts_at >= self._refresh:
                self._facts, self._facts_at = await self._look(), now
            return self._facts

    async def lacks(self, offer: Offer) -> tuple[str, ...]:
        """What an escrow needs and this wallet, or this connection to it, has not."""
        if not offer.encryption or "get_info" not in offer.methods:
            return offer.missing()  # there is no asking it
        return _granted(await self._ask("get_info"), offer)

    async def _look(self) -> NodeFacts | None:
        info, balance = await asyncio.gather(self._ask("get_info"), self._ask("get_balance"))
        found, offer = wire.node_facts(info, balance), self._offer()
        if offer is not None and (lacks := _granted(info, offer)):
            found = f"it lacks {', '.join(lacks)}"
        if isinstance(found, str):
            if found != self._complained:
                log.warning("the wallet cannot be used", reason=found)
            self._complained = found
            return None
        self._complained = ""
        now = self._clock()
        if found.height > self.height:
            self.height, self._grew_at = found.height, now
        moving = found.network in _BY_HAND or now - self._grew_at < STILL
        return replace(found, height=self.height, synced=moving)


def _granted(info: Answer | None, offer: Offer) -> tuple[str, ...]:
    return (offer if info is None or info.code else wire.granted(info, offer)).missing()
