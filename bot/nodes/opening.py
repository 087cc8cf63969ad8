"""The node that the configuration names, opened and closed with the daemon. The index of the adapters: no other module of
the daemon names one of them.

Real money is never met by accident: a node on bitcoin's main network must be asked for in so many words, and a database
that has held money on one network never meets a node of another.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import AsyncExitStack

from sqlalchemy import Connection

from bot.config import BadConfig, Settings
from bot.findings import Finding
from bot.nodes.base import Node, NodeAway
from bot.nodes.cln import opening as cln
from bot.nodes.lnd import opening as lnd
from bot.nodes.nwc import opening as nwc
from bot.nodes.simnet import opening as simnet
from kinds.lightning import NodeFacts
from storage import house, reads

MAINNET = "bitcoin"
PLAY = "simnet"
_TRIES = 10


class OtherNode(RuntimeError):
    """This database belongs to another node or network."""


async def open_node(settings: Settings, stack: AsyncExitStack, clock: Callable[[], float]) -> Node:
    """Raises BadConfig for settings that cannot work with this node, NodeAway when it does not answer."""
    match settings.node.kind:
        case "simnet":
            return await simnet.opened(settings, stack, clock)
        case "cln":
            return await cln.opened(settings, stack)
        case "nwc":
            return await nwc.opened(settings, stack, clock)
        case "lnd":
            return await lnd.opened(settings, stack)


async def examine_node(
    settings: Settings, stack: AsyncExitStack, clock: Callable[[], float]
) -> tuple[NodeFacts, list[Finding]]:
    """The node's word about itself, and the adapter's about it. Raises BadConfig, NodeAway."""
    node = await open_node(settings, stack, clock)
    facts = await node.facts()
    if facts is None:
        raise NodeAway("the Lightning node does not answer")
    return facts, await node.examine()


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
    """This database is for this network for ever, and for this node as long as a hold of it may still change or a payout may be on
    its way: another node knows nothing of them, so that a hold would look lost, and a payout never sent. Raises OtherNode."""
    known = house.get_json(tx, "node", {"network": facts.network, "pubkey": facts.pubkey})
    if known["network"] != facts.network:
        raise OtherNode(
            f"this data directory is for {known['network']}, and the node is on {facts.network}; "
            "play money and real money are never mixed: use another data directory"
        )
    if known["pubkey"] != facts.pubkey and (reads.watched_holds(tx, "", 1) or reads.payouts_under_way(tx)):
        raise OtherNode(
            f"this data directory has holds or payouts on the node {known['pubkey']}, and another one answers "
            f"({facts.pubkey}); point the settings at the old node again until they are over, or use another data directory"
        )
    house.put_json(tx, "node", {"network": facts.network, "pubkey": facts.pubkey})
