"""The Lightning node: there, on the right network, in step with the chain, and with margins and liquidity that fit the terms."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import AsyncExitStack

from bot.config import LEAST_ROOM, BadConfig, Settings, policy_from
from bot.findings import Finding, good, note, risk
from bot.nodes.base import NodeAway
from bot.nodes.opening import PLAY, examine_node, need_network
from bot.nodes.preimages import BadKeyFile
from handlers.policy import Policy
from kinds.figures import sats_text
from kinds.lightning import NodeFacts
from kinds.units import EventId, Msat, Pubkey

AREA = "node"
PATIENCE = 20.0  # seconds for all questions to the node together
FEW_SLOTS = 20
A_DAY = 144  # blocks


async def examine(settings: Settings, now: Callable[[], float]) -> list[Finding]:
    if settings.node.kind == PLAY:  # its state belongs to the running daemon alone
        return [
            note(AREA, "simnet is a simulation with play money", "name a real node in the settings when you are ready")
        ]
    try:
        async with asyncio.timeout(PATIENCE), AsyncExitStack() as stack:
            facts, said = await examine_node(settings, stack, now)
            need_network(settings.node.network, facts.network)
    except (BadConfig, BadKeyFile) as error:
        return [risk(AREA, str(error), "change the settings of the node")]
    except (NodeAway, TimeoutError):
        advice = "start it; check its address, its credentials and that this machine may reach it"
        return [risk(AREA, f"the {settings.node.kind} node does not answer", advice)]
    return [*said, *judged(facts, policy_from(settings, Pubkey("0" * 64), facts, EventId("")))]


def judged(facts: NodeFacts, policy: Policy) -> list[Finding]:
    """What the node says of itself, against what the terms need."""
    found = [good(AREA, f"it is on {facts.network}, at block {facts.height}")]
    if not facts.synced:
        advice = "wait until it is; the daemon pays nothing before, and its deadlines stand still"
        found.append(risk(AREA, "it is not in sync with the chain", advice))
    return [*found, _time(policy), *_liquidity(facts, policy)]


def _time(policy: Policy) -> Finding:
    """A hold must outlast the longest payout, the margin to settle it, the review and a dispute, and leave time for the work."""
    left, advice = policy.room(), "raise terms.hold_cltv, or lower terms.payout_limit, dispute_reserve or review_window"
    if left < LEAST_ROOM:
        return risk("terms", f"a hold of {policy.hold_cltv} blocks leaves no time for the work ({left} blocks)", advice)
    said = f"a hold of {policy.hold_cltv} blocks leaves {left} blocks (some {left // 6} h) for the work"
    return good("terms", said) if left >= A_DAY else note("terms", said, advice)


def _liquidity(facts: NodeFacts, policy: Policy) -> list[Finding]:
    reward, fees = policy.max_reward, policy.fees
    paid = Msat(reward - fees.of_worker(reward) + policy.budget(reward))
    held = Msat(paid + fees.of(reward))
    found = []
    sides = [
        ("inbound", facts.inbound, held, "no hold of the largest reward can arrive"),
        ("outbound", facts.outbound, paid, "the largest reward could not be paid before its hold is settled"),
    ]
    sees = "parts" in facts.can
    if not sees:
        advice = f"look there whether {sats_text(held)} can arrive"
        found.append(note(AREA, "inbound liquidity and free HTLC slots are not shown by this kind of node", advice))
    for name, amount, needed, why in sides if sees else sides[1:]:
        if amount < needed:
            advice = f"open or fill channels, or lower terms.max_reward_sat: {why}"
            found.append(note(AREA, f"{name} liquidity is {sats_text(amount)}, less than {sats_text(needed)}", advice))
        else:
            found.append(good(AREA, f"{name} liquidity is {sats_text(amount)}"))
    if sees and facts.free_slots < FEW_SLOTS:
        advice = "each held payment takes one of them for days: open more channels"
        found.append(note(AREA, f"only {facts.free_slots} HTLC slots are free", advice))
    return found
