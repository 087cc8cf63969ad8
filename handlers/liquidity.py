"""Is there room for another hold? The node's word and what is promised already, against the floors and the ceiling of the terms.

Approved work comes first: what it needs is taken off what the node can send before a new invoice is thought of. When an invoice is
refused for want of room, an episode begins, of which the operator hears once; it ends when one of that size fits again.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from handlers.policy import Policy
from kinds.inputs import Now
from kinds.lightning import NodeFacts
from kinds.units import Msat


@dataclass(frozen=True, slots=True, kw_only=True)
class Room:
    """msat; None for what this kind of node cannot tell."""

    inbound: Msat | None
    outbound: Msat
    slots: int | None
    held: Msat  # held now, and asked for by invoices that are open
    approved: Msat  # approved or owed, and not on its way yet, with what may be spent on sending it


def room(facts: NodeFacts, held: Msat, approved: Msat) -> Room:
    sees = "parts" in facts.can
    return Room(
        inbound=facts.inbound if sees else None,
        outbound=facts.outbound,
        slots=facts.free_slots if sees else None,
        held=held,
        approved=approved,
    )


def shortage(found: Room, amount: Msat, policy: Policy, holds: int = 1) -> str:
    """What an invoice of this amount, or so many together, would break, in a word; "" when there is room."""
    if policy.max_held and found.held + amount > policy.max_held:
        return "held_ceiling"
    if found.inbound is not None and found.inbound - amount < policy.min_inbound:
        return "no_inbound"
    if found.slots is not None and found.slots - holds < policy.min_slots:
        return "no_slots"
    return "no_outbound" if found.outbound - found.approved < policy.min_outbound else ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Tight:
    """An episode: since when invoices were refused, first for what, and the smallest of them."""

    since: int  # unix seconds
    what: str
    amount: Msat


def refused(tight: Tight | None, what: str, amount: Msat, now: Now) -> Tight:
    """The episode after another refusal; the first one begins it."""
    if tight is None:
        return Tight(since=now.time, what=what, amount=amount)
    return replace(tight, amount=min(tight.amount, amount))


def made(tight: Tight | None, amount: Msat) -> Tight | None:
    """The episode after an invoice was ordered: over, when it is as large as one that was refused."""
    return None if tight is None or amount >= tight.amount else tight
