"""`python -m benchmarks.relay`: the embedded relay, in memory, in a process of its own, until its standard input ends."""

from __future__ import annotations

import asyncio
import sys

from bot.relays.embedded import embedded_relay


async def serve() -> None:
    async with embedded_relay("127.0.0.1", 0) as url:
        print(url, flush=True)
        await asyncio.get_running_loop().run_in_executor(None, sys.stdin.read)


if __name__ == "__main__":
    asyncio.run(serve())
