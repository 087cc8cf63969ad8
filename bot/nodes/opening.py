"""The node that the configuration names, opened and closed with the daemon. The index of the adapters: no other module of
the daemon names one of them.

Real money is never met by accident: a node on bitcoin's main network must be asked for in so many words, and a database
that has held money on one network never meets a node of another.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable
from contextlib import AsyncExitStack
from pathlib import Path

from sqlalchemy import Connection

from bot.config import BadConfig, Settings
from bot.findings import Finding
from bot.nodes.base import Node
from bot.nodes.cln.node import ClnNode
from bot.nodes.cln.rpc import NoAnswer
from bot.nodes.lnd import LndNode, Rest, read_certificate, read_macaroon
from bot.nodes.preimages import Preimages, credential_file, find_keys
from bot.nodes.simnet import Control, Params, SimNode
from kinds.lightning import NodeFacts
from storage import house, reads

MAINNET = "bitcoin"
PLAY = "simnet"
_TRIES = 10
SETTLE_ROOM = 12  # blocks


class NodeAway(RuntimeError):
    """The Lightning node does not answer at start."""


class OtherNode(RuntimeError):
    """This database belongs to another node or network."""


async def open_node(settings: Settings, stack: AsyncExitStack, clock: Callable[[], float]) -> Node:
    """Raises BadConfig for settings that cannot work with this node, and NodeAway when it does not answer."""
    match settings.node.kind:
        case "simnet":
            return await _simnet(settings, stack, clock)
        case "lnd":
            return await _lnd(settings, stack)
        case "cln":
            return await _cln(settings, stack)
        case planned:
            raise BadConfig(f"node.kind = {planned}: planned, but not built yet; what works today: simnet, lnd, cln")


async def _simnet(settings: Settings, stack: AsyncExitStack, clock: Callable[[], float]) -> Node:
    """The simulated node, and the door for people's wallets."""
    data = settings.daemon.data
    node = SimNode(clock, os.urandom, data / "simnet.db", params=Params(block_seconds=settings.node.block_seconds))
    stack.push_async_callback(node.aclose)
    control = Control(node, data / "simnet.sock")
    await control.start()
    stack.push_async_callback(control.aclose)
    return node


async def _lnd(settings: Settings, stack: AsyncExitStack) -> Node:
    """LND. Between the last moment at which we settle and its own cancel there must be time for a settle that fails at first."""
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


async def examine_node(
    settings: Settings, stack: AsyncExitStack, clock: Callable[[], float]
) -> tuple[NodeFacts, list[Finding]]:
    """The node's word about itself, and the adapter's about it. Raises BadConfig, NodeAway."""
    node = await open_node(settings, stack, clock)
    facts = await node.facts()
    if facts is None:
        raise NodeAway("the Lightning node does not answer")
    return facts, await node.examine()


async def _cln(settings: Settings, stack: AsyncExitStack) -> Node:
    """A Core Lightning node with our plugin in it. Raises BadConfig, and NodeAway while it does not answer."""
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


async def first_facts(node: Node, settings: Settings) -> NodeFacts:
    """The node's first word about itself. Raises NodeAway, and BadConfig when it lives on a network that was not asked for."""
    for _ in range(_TRIES):
        facts = await node.facts()
        if facts is not None:
            need_network(settings.node.network, facts.network)
            return facts
        await asyncio.sleep(1.0)
    raise NodeAway("the Lightning node does not answer; is it running, and are its address and credentials right?")


def need_network(wanted: str, found: str) -> None:
    """Raises BadConfig."""
    if wanted and wanted != found:
        raise BadConfig(f"node.network is {wanted}, but the node is on {found}; change the one or the other")
    if found == MAINNET and wanted != MAINNET:
        raise BadConfig(
            "the node is on bitcoin's main network, where money is real; if that is what you want, "
            f'say so in the settings: node.network = "{MAINNET}"'
        )


def bind(tx: Connection, facts: NodeFacts) -> None:
    """This database is for this network for ever, and for this node as long as a hold of it may still change: another node
    knows nothing of our holds, and its silence would look like their loss. Raises OtherNode."""
    known = house.get_json(tx, "node", {"network": facts.network, "pubkey": facts.pubkey})
    if known["network"] != facts.network:
        raise OtherNode(
            f"this data directory is for {known['network']}, and the node is on {facts.network}; "
            "play money and real money are never mixed: use another data directory"
        )
    if known["pubkey"] != facts.pubkey and reads.watched_holds(tx):
        raise OtherNode(
            f"this data directory has holds on the node {known['pubkey']}, and another one answers ({facts.pubkey}); "
            "point the settings at the old node again until those tasks are over, or use another data directory"
        )
    house.put_json(tx, "node", {"network": facts.network, "pubkey": facts.pubkey})
