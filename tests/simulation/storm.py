"""Everything that goes wrong around the daemon, by chance: relays, node, process, clock, operator. Each trouble begins, lasts a while
and ends; after `calm` none is left."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from bot.nodes.simnet.book import NODE
from kinds.lightning import HoldStatus, PaymentStatus
from tests.simulation.guard import LONGEST_CALL
from tests.simulation.sea import Weather

if TYPE_CHECKING:
    from tests.simulation.city import City

HOUR = 3600


class Storm:
    def __init__(self, city: City, chance: random.Random) -> None:
        self._city, self._chance = city, chance
        self._params = city.node.network.params
        self._troubles: dict[str, tuple[float, Callable[[], Any]]] = {
            "relay down": (3, self._relay_down),
            "relay mute": (2, self._relay_mute),
            "relay forgets": (1, self._relay_forgets),
            "relay wiped": (1, self._relay_wiped),
            "relay weather": (6, self._relay_weather),
            "node down": (2, lambda: self._node(900, down=True)),
            "node not synced": (1, lambda: self._node(1800, unsynced=True)),
            "node loses requests": (3, lambda: self._node(0, lose_requests=self._some(6), only=())),
            "node loses answers": (4, lambda: self._node(0, lose_answers=self._some(6), only=())),
            "node loses settles": (1, lambda: self._node(0, lose_answers=2, only=("settle", "cancel", "pay"))),
            "node tells old news": (2, lambda: self._node(HOUR, old_news=True)),
            "node's stream is mute": (2, lambda: self._node(2 * HOUR, deaf=True)),
            "node is slow": (2, self._slow),
            "node restarts": (2, self._node_restarts),
            "blocks in a burst": (2, self._burst),
            "blocks late": (1, lambda: self._city.no_blocks(self._some(12))),
            "fees rise": (1, self._fees_rise),
            "no outbound": (1, lambda: self._node(HOUR, no_outbound=True)),
            "no route": (1, lambda: self._node(HOUR, no_route=True)),
            "parts refused": (1, lambda: self._node(0, refuse_parts=self._some(3))),
            "payouts late": (2, lambda: self._node(HOUR, payout_delay=60 + self._some(3000))),
            "payouts held": (1, self._payouts_held),
            "payouts refused": (1, lambda: self._node(HOUR, payout_delay=1, payout_end="fail")),
            "hold lost": (0.3, self._hold_lost),
            "killed": (8, self._killed),
            "clock jumps": (0.5, self._clock_jumps),
            "disk fails": (2, self._disk_fails),
            "disk full": (0.5, self._disk_full),
        }
        self._mending: set[asyncio.Task[None]] = set()

    async def rage(self, mean: float) -> None:
        """A new trouble every so many seconds, on average."""
        names = list(self._troubles)
        weights = [self._troubles[name][0] for name in names]
        while True:
            await asyncio.sleep(self._chance.expovariate(1 / mean))
            name = self._chance.choices(names, weights)[0]
            self._city.story.fault(name, name)
            self._troubles[name][1]()

    def calm(self) -> None:
        """All is well from now on."""
        city = self._city
        for task in tuple(self._mending):
            task.cancel()
        for relay in city.relays:
            relay.down = relay.forgets = False
            relay.speak()
            relay.weather = Weather()
        network = city.node.network
        network.faults = type(network.faults)()
        network.params = self._params
        city.disk.full, city.disk.fails_in, city.wire_slow = False, 0, 0.0
        self._release()
        city.process_dies_at(0)
        city.story.tell("calm from now on")

    def _some(self, most: int) -> int:
        return self._chance.randint(1, most)

    def _later(self, seconds: float, mend: Callable[[], None]) -> None:
        async def wait() -> None:
            await asyncio.sleep(seconds)
            mend()

        task = asyncio.ensure_future(wait())
        self._mending.add(task)
        task.add_done_callback(self._mending.discard)

    def _duration(self, mean: float) -> float:
        """Never so long that a hold could reach its end unattended."""
        return min(self._chance.expovariate(1 / mean), 3 * mean)

    # Relays

    def _relay(self, seconds: float, name: str) -> None:
        relay = self._chance.choice(self._city.relays)
        setattr(relay, name, True)
        self._later(self._duration(seconds), lambda: setattr(relay, name, False))

    def _relay_down(self) -> None:
        self._relay(1800, "down")

    def _relay_mute(self) -> None:
        relay = self._chance.choice(self._city.relays)
        relay.mute = True
        self._later(self._duration(1800), relay.speak)

    def _relay_forgets(self) -> None:
        self._relay(600, "forgets")

    def _relay_wiped(self) -> None:
        """It loses what the daemon has published; what people have said to it stays with the others."""
        relay = self._chance.choice(self._city.relays)
        for event in [event for event in relay.events.values() if event.pubkey == self._city.bot]:
            relay.drop(event)

    def _relay_weather(self) -> None:
        relay, chance = self._chance.choice(self._city.relays), self._chance.random
        relay.weather = Weather(
            delay=chance() * 300, lost=chance() * 0.5, twice=chance() * 0.5, forged=chance() * 0.5, slow=chance() * 15,
            unacknowledged=chance() * 0.5,
        )  # fmt: skip
        self._later(self._duration(2 * HOUR), lambda: setattr(relay, "weather", Weather()))

    # The node

    def _node(self, seconds: float, **faults: Any) -> None:
        network = self._city.node.network
        network.faults = replace(network.faults, **faults)
        if seconds:
            well = {name: getattr(type(network.faults)(), name) for name in faults}

            def mend() -> None:
                network.faults = replace(network.faults, **well)

            self._later(self._duration(seconds), mend)

    def _slow(self) -> None:
        city = self._city
        city.wire_slow = self._chance.random() * LONGEST_CALL / 2
        self._later(self._duration(1800), lambda: setattr(city, "wire_slow", 0.0))

    def _node_restarts(self) -> None:
        self._city.node.network.restart()

    def _burst(self) -> None:
        self._city.mine(self._some(12))

    def _fees_rise(self) -> None:
        """Whoever routes payouts takes what he can get, up to the budget or beyond it."""
        network = self._city.node.network
        network.params = replace(self._params, fee_ppm=self._chance.choice((5_000, 9_000, 50_000)))
        self._later(self._duration(HOUR), lambda: setattr(network, "params", self._params))

    def _payouts_held(self) -> None:
        self._node(HOUR, payout_stuck=True)
        self._later(self._duration(4 * HOUR), self._release)

    def _release(self) -> None:
        """Whoever holds a payout lets it go: mostly he takes it."""
        network = self._city.node.network
        for payment in network.book.payments(NODE):
            if payment.status is PaymentStatus.IN_FLIGHT:
                row = network.book.invoice(payment.hash)
                if row is not None and row.status is HoldStatus.HELD and row.due_time is None:
                    network.release(payment.hash, complete=self._chance.random() < 0.7)

    def _hold_lost(self) -> None:
        """The node gives an accepted hold back by itself; not while it tells old news, since nobody could know of it then."""
        city = self._city
        if city.node.network.faults.old_news:
            return
        held = [h for hashes in city.guard.holds.values() for h in hashes if city.guard.is_held(h)]
        if held:
            city.guard.lose_hold(self._chance.choice(held))

    # The process

    def _killed(self) -> None:
        self._city.process_dies_at(self._some(300))

    def _disk_fails(self) -> None:
        self._city.disk.fails_in = 1 + self._some(100)

    def _disk_full(self) -> None:
        disk = self._city.disk
        disk.full = True
        self._later(self._duration(600), lambda: setattr(disk, "full", False))

    def _clock_jumps(self) -> None:
        """The machine slept, or its clock was set."""
        self._city.clock_ahead += self._chance.choice((60, 600, 2 * HOUR))
