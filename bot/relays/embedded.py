"""A relay inside the daemon, so that a newcomer needs nothing else. Not meant for the open internet.

It is nostr-sdk's LocalRelay: in memory 2,400 events/s and more, the newest 75,000 events, gone when the process ends, which
is enough because the daemon republishes from its own copy; with a path LMDB keeps the events at some 135 a second.
Limits of its own that no option lifts: 64 KiB an event, 500 events an answer, 1,200 queries a connection and 20 more a
second, 6,000 messages a connection without a pause.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from bot.relays.sdk import nostr_sdk
from bot.relays.values import normal_url

FAREWELLS, PAUSE = (
    4,
    0.02,
)  # a connection that answers in the moment of a shutdown misses it, and would live on: it is told again
GRACE = 0.3  # seconds after shutdown: without them LMDB crashed 16 of 40 processes at exit (SIGSEGV)
MAX_REQS = 5000  # open at once, per connection
NOTES_A_MINUTE = 10_000_000  # per connection: no limit; the SDK's own is 60


class NoRelay(Exception):
    """The embedded relay could not be started; the text says why and what to do."""


@asynccontextmanager
async def embedded_relay(
    host: str, port: int, path: Path | None = None, *, notes_a_minute: int = NOTES_A_MINUTE
) -> AsyncIterator[str]:
    """The address of a relay that runs until the block is left. Port 0: any free one. Raises NoRelay."""
    nostr_sdk.uniffi_set_event_loop(asyncio.get_running_loop())
    builder = (
        nostr_sdk.LocalRelayBuilder()
        .addr(host)
        .rate_limit(nostr_sdk.RateLimit(max_reqs=MAX_REQS, notes_per_minute=notes_a_minute))
    )
    if port:
        builder = builder.port(port)
    try:
        if path is not None:
            await asyncio.to_thread(path.mkdir, parents=True, exist_ok=True)
            builder = builder.database(await nostr_sdk.NostrLmdb.open(str(path)))
        relay = builder.build()
        await relay.run()
    except (OSError, nostr_sdk.NostrSdkError) as error:
        if "address already in use" in str(error).lower():
            raise NoRelay(
                f"port {port} on {host} is taken, perhaps by another holdfast: stop that program or choose another port"
            ) from error
        raise NoRelay(f"the embedded relay cannot start on {host}:{port}: {error}") from error
    try:
        yield normal_url(str(await relay.url()))
    finally:
        for _ in range(FAREWELLS):
            relay.shutdown()
            await asyncio.sleep(PAUSE)
        if path is not None:
            await asyncio.sleep(GRACE)
