"""From the settings to a Core Lightning node with our plugin in it."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack

from bot.config import BadConfig, Settings
from bot.nodes.base import Node, NodeAway
from bot.nodes.cln.node import ClnNode
from bot.nodes.cln.rpc import NoAnswer

_TRIES = 10


async def opened(settings: Settings, stack: AsyncExitStack) -> Node:
    """Raises BadConfig, and NodeAway while lightningd does not answer."""
    node = ClnNode(settings.cln.rpc.expanduser(), settings.cln.timeout)
    stack.push_async_callback(node.aclose)
    for _ in range(_TRIES):
        try:
            problem = await node.problem()
        except NoAnswer:
            await asyncio.sleep(1.0)
            continue
        if problem:
            raise BadConfig(problem)
        return node
    raise NodeAway(
        f"lightningd does not answer at {settings.cln.rpc}; is it running, and is that its socket (cln.rpc)?"
    )
