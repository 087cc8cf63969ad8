"""Opening a socket: one set of limits for listed relays and for relays that strangers name.

No compression (a small message must not unfold into a large one), no proxy from the environment, pings of our own.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import WebSocketException

from bot.relays.session import Session

RETRY_FIRST, RETRY_MOST = 0.5, 60.0  # seconds between connections, doubling
CONNECT_WAIT = 10.0  # seconds for TCP, TLS and the opening handshake
CLOSE_WAIT = 0.3  # seconds for the closing handshake; then the socket is cut
MAX_FRAME = 2**20  # bytes
LARGEST_FRAME = 2**25  # bytes: see `Ear`

TROUBLE = (OSError, TimeoutError, EOFError, WebSocketException)  # what opening or losing a connection may raise


def dial(url: str, *, max_frame: int = MAX_FRAME, address: str | None = None) -> connect:
    """The connection as a context manager. `address`: an IP to connect to instead of asking the resolver again."""
    place: dict[str, Any] = {} if address is None else {"host": address}
    return connect(
        url,
        compression=None,
        proxy=None,
        open_timeout=CONNECT_WAIT,
        close_timeout=CLOSE_WAIT,
        ping_interval=None,
        max_size=max_frame,
        max_queue=16,
        **place,
    )


@asynccontextmanager
async def conversation(
    url: str, session_over: Callable[[ClientConnection], Session], *, address: str | None = None
) -> AsyncIterator[tuple[Session, asyncio.Task[None]]]:
    """A connection for questions and letters: its session, and the task that is done when the connection has ended.

    Raises what is in TROUBLE when it cannot be opened.
    """
    async with dial(url, address=address) as socket:
        session = session_over(socket)
        reading = asyncio.create_task(session.read())
        try:
            yield session, reading
        finally:
            session.end()
            session.abort()
            reading.cancel()
            await asyncio.wait([reading])
            if not reading.cancelled():
                reading.exception()  # LineDown: whoever waited knows by now
