"""From the settings to a simulated node, and the door for people's wallets."""

from __future__ import annotations

import os
from collections.abc import Callable
from contextlib import AsyncExitStack

from bot.config import Settings
from bot.nodes.base import Node
from bot.nodes.simnet.control import Control
from bot.nodes.simnet.node import SimNode
from bot.nodes.simnet.rules import Params


async def opened(settings: Settings, stack: AsyncExitStack, clock: Callable[[], float]) -> Node:
    data = settings.daemon.data
    node = SimNode(clock, os.urandom, data / "simnet.db", params=Params(block_seconds=settings.node.block_seconds))
    stack.push_async_callback(node.aclose)
    control = Control(node, data / "simnet.sock")
    await control.start()
    stack.push_async_callback(control.aclose)
    return node
