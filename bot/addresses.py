"""Strangers name hosts for us to visit: a name must not lead us into our own network.

So a name is resolved once, every address that it has must be a public one, and the connection goes to the address that was
looked at, never to the name again: between two questions a name may change its mind (DNS rebinding).
"""

from __future__ import annotations

import asyncio
import ipaddress
import socket
import threading
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
Resolve = Callable[[str], Awaitable[Sequence[str]]]

_NOT_PUBLIC = tuple(  # what some versions of `ipaddress` take for public
    ipaddress.ip_network(text)
    for text in (
        "192.0.0.0/24",  # protocol assignments
        "192.88.99.0/24",  # the old 6to4 relays
        "64:ff9b::/96",  # IPv4 behind NAT64: an address of ours may stand in it
        "64:ff9b:1::/48",  # the same, for local use
        "100::/64",  # discarded
        "3fff::/20",  # documentation
        "5f00::/16",  # segment routing inside one network
    )
)


def is_public(address: Address) -> bool:
    """False for every address that may lead to this machine or its own network."""
    if isinstance(address, ipaddress.IPv6Address):
        inner = address.ipv4_mapped or address.sixtofour
        if inner is not None:
            return is_public(inner)
        if address.teredo is not None or address.is_site_local:
            return False
    if any(address in network for network in _NOT_PUBLIC):
        return False
    return address.is_global and not address.is_multicast and not address.is_reserved


async def resolve(host: str) -> list[str]:
    """The addresses of a name, best first; of an address in any spelling, itself. Raises OSError or UnicodeError.

    The question cannot be cancelled, and a stranger's name server may take its time to answer. It is asked in a daemon thread,
    which nobody waits for at the end; the default executor would hold the whole process up.
    """
    loop = asyncio.get_running_loop()
    answer: asyncio.Future[list[str]] = loop.create_future()

    def settle(found: list[str] | Exception) -> None:
        if answer.done():  # whoever asked has gone
            return
        if isinstance(found, Exception):
            answer.set_exception(found)
        else:
            answer.set_result(found)

    def ask() -> None:
        found: list[str] | Exception
        try:
            places = socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)
            found = list(dict.fromkeys(str(place[0]).partition("%")[0] for *_, place in places))
        except (OSError, ValueError) as error:
            found = error
        with suppress(RuntimeError):  # the loop is closed
            loop.call_soon_threadsafe(settle, found)

    threading.Thread(target=ask, name="resolve", daemon=True).start()
    return await answer
