"""From the settings to a wallet far away."""

from __future__ import annotations

import os
from collections.abc import Callable
from contextlib import AsyncExitStack
from pathlib import Path

from bot.config import BadConfig, Settings
from bot.nodes.base import Node
from bot.nodes.nwc.connection import BadConnection, connection_from
from bot.nodes.nwc.node import NwcNode
from bot.nodes.preimages import BadKeyFile, Preimages, find_keys

_GREETING = 10.0  # seconds for a wallet to say what it can do


async def opened(settings: Settings, stack: AsyncExitStack, clock: Callable[[], float]) -> Node:
    """One that cannot hold is refused by what it lacks (BadConfig); one that does not answer is found out by its first facts."""
    data, wish = settings.daemon.data, settings.nwc
    try:
        connection = connection_from(data / wish.connection)
        named = Path(wish.preimage_key) if wish.preimage_key else None
        node = NwcNode(
            connection,
            Preimages(find_keys(named, data / "preimage.key", os.urandom)),
            clock,
            refresh=wish.refresh_seconds,
            extra_cltv=wish.extra_cltv,
            verdicts=data / "wallet.verdicts",
        )
    except (BadConnection, BadKeyFile, OSError) as error:
        raise BadConfig(str(error)) from error
    node.start()
    stack.push_async_callback(node.aclose)
    if lacks := await node.lacks(_GREETING):
        raise BadConfig(
            f"the wallet, or this connection to it, lacks {', '.join(lacks)}; an escrow needs all of it: give the connection its "
            "permissions, or use another wallet"
        )
    return node
