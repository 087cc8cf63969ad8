"""From the settings to an LND node."""

from __future__ import annotations

import os
from contextlib import AsyncExitStack
from pathlib import Path

from bot.config import BadConfig, Settings
from bot.nodes.base import Node
from bot.nodes.lnd.credentials import read_certificate, read_macaroon
from bot.nodes.lnd.node import LndNode
from bot.nodes.lnd.rest import Rest
from bot.nodes.preimages import Preimages, credential_file, find_keys

SETTLE_ROOM = 12  # blocks between the last moment at which we settle and LND's own cancel: a settle may fail at first


async def opened(settings: Settings, stack: AsyncExitStack) -> Node:
    """Raises BadConfig, and BadKeyFile for the keys of the preimages."""
    lnd, data = settings.lnd, settings.daemon.data
    if settings.terms.margin < lnd.hold_expiry_delta + SETTLE_ROOM:
        raise BadConfig(
            f"terms.margin is {settings.terms.margin}, and LND cancels a hold by itself {lnd.hold_expiry_delta} blocks before its "
            f"end (lnd.hold_expiry_delta): make the margin {lnd.hold_expiry_delta + SETTLE_ROOM} or more"
        )
    if not lnd.tls_cert:
        raise BadConfig("lnd.tls_cert: name the file of LND's certificate, for example /var/lib/lnd/tls.cert")
    macaroon = Path(lnd.macaroon) if lnd.macaroon else credential_file("lnd.macaroon")
    if macaroon is None:
        raise BadConfig(
            "lnd.macaroon: name the file of a macaroon for the daemon; docs/OPERATIONS.md says how to make one"
        )
    rest = Rest(lnd.url, read_certificate(Path(lnd.tls_cert)), read_macaroon(macaroon))
    keys = find_keys(Path(lnd.preimage_key) if lnd.preimage_key else None, data / "preimage.key", os.urandom)
    node = LndNode(rest, Preimages(keys), lnd.private_channels)
    stack.push_async_callback(node.aclose)
    return node
