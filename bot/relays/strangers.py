"""Short visits to relays that people name for their letters (kind 10050): strangers choose the address.

So: few connections at a time, soon closed again; nothing is subscribed or believed; and the address must be a public one,
resolved here and connected to as resolved, or a name could point into our own network. A redirect elsewhere is refused,
since websockets follows none when the address is given.
"""

from __future__ import annotations

import asyncio
import ipaddress
import logging
import socket
from collections import Counter
from collections.abc import Callable
from urllib.parse import urlsplit

from websockets.asyncio.client import ClientConnection

from bot.relays.dial import TROUBLE, conversation
from bot.relays.genuine import Gate
from bot.relays.session import Session
from bot.relays.signer import Signer
from bot.relays.values import Ack, BadRelayUrl, Drop, NoAnswer, RelayTrouble

MAX_VISITS = 16
IDLE = 60.0  # seconds

log = logging.getLogger(__name__)

_TRANSLATED = ipaddress.ip_network("64:ff9b::/96")  # IPv4 behind NAT64: an address of ours may stand in it

Address = ipaddress.IPv4Address | ipaddress.IPv6Address


def is_public(address: Address) -> bool:
    """False for every address that may lead to this machine or its own network."""
    if isinstance(address, ipaddress.IPv6Address):
        inner = address.ipv4_mapped or address.sixtofour
        if inner is not None:
            return is_public(inner)
        if address in _TRANSLATED or address.teredo is not None or address.is_site_local:
            return False
    return address.is_global and not address.is_multicast and not address.is_reserved


async def public_address(url: str) -> str:
    """An IP of the url's host. Raises BadRelayUrl when any of its addresses is not public, OSError when it has none."""
    parts = urlsplit(url)
    port = parts.port or (443 if parts.scheme == "wss" else 80)
    found = await asyncio.get_running_loop().getaddrinfo(parts.hostname, port, type=socket.SOCK_STREAM)
    addresses = [str(place[0]).partition("%")[0] for *_, place in found]
    if not all(is_public(ipaddress.ip_address(each)) for each in addresses):
        raise BadRelayUrl("the relay has no public address")
    return addresses[0]


class _Visit:
    """One connection, from the first letter for this relay until it was idle for a while."""

    def __init__(self) -> None:
        self.session: asyncio.Future[Session] = asyncio.get_running_loop().create_future()
        self.letters = 0  # under way now
        self.used = asyncio.get_running_loop().time()
        self.task: asyncio.Task[None] | None = None


class Strangers:
    """The visits under way. `run` ends them all when it is cancelled."""

    def __init__(
        self, gate: Gate, signer: Signer | None, clock: Callable[[], int], *, allow_private: bool = False
    ) -> None:
        self._gate = gate
        self._signer = signer
        self._clock = clock
        self._allow_private = allow_private
        self._visits: dict[str, _Visit] = {}
        self._tasks: asyncio.TaskGroup | None = None

    async def run(self) -> None:
        async with asyncio.TaskGroup() as tasks:
            self._tasks = tasks
            try:
                await asyncio.get_running_loop().create_future()
            finally:
                self._tasks = None

    async def publish(self, url: str, event_json: str, event_id: str, within: float) -> Ack:
        """Never raises; `within` includes connecting."""
        if self._tasks is None:
            return Ack(None, "not connected")
        visit = self._visits.get(url)
        if visit is None:
            if not self._make_room():
                return Ack(None, "too many visits to other relays now")
            visit = self._visits[url] = _Visit()
            visit.task = self._tasks.create_task(self._stay(url, visit))
        visit.letters += 1
        try:
            async with asyncio.timeout(within):
                session = await asyncio.shield(visit.session)
                return await session.outgoing.publish(event_json, event_id, within)
        except TimeoutError:
            return Ack(None, "no answer in time")
        except BadRelayUrl as trouble:
            return Ack(False, str(trouble))
        except RelayTrouble as trouble:
            return Ack(None, str(trouble))
        finally:
            visit.letters -= 1
            visit.used = asyncio.get_running_loop().time()

    def _make_room(self) -> bool:
        if len(self._visits) < MAX_VISITS:
            return True
        idle = [(visit.used, url) for url, visit in self._visits.items() if not visit.letters]
        if not idle:
            return False
        oldest = self._visits.pop(min(idle)[1])
        if oldest.task is not None:
            oldest.task.cancel()
        return True

    async def _stay(self, url: str, visit: _Visit) -> None:
        trouble: Exception = NoAnswer("the visit is over")
        try:
            address = None if self._allow_private else await public_address(url)
            async with conversation(url, lambda socket: self._session(socket, url), address=address) as (
                session,
                reading,
            ):
                visit.session.set_result(session)
                while not reading.done() and (left := self._left(visit)) > 0:
                    await asyncio.wait([reading], timeout=left)
        except BadRelayUrl as error:
            trouble = error
        except TROUBLE as error:
            trouble = NoAnswer(f"cannot connect: {str(error)[:200] or type(error).__name__}")
        except Exception:  # a defect of ours that a stranger found must not end the daemon
            log.exception("visit to %s", url)
        finally:
            if self._visits.get(url) is visit:
                del self._visits[url]
            if not visit.session.done():
                visit.session.set_exception(trouble)
                visit.session.exception()  # somebody may have stopped waiting: then nobody else asks

    def _session(self, socket: ClientConnection, url: str) -> Session:
        return Session(socket, url, self._gate, Counter[Drop](), self._signer, self._clock)

    def _left(self, visit: _Visit) -> float:
        """Seconds until this visit has been idle for long enough."""
        if visit.letters:
            return IDLE
        return visit.used + IDLE - asyncio.get_running_loop().time()
