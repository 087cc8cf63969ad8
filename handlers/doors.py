"""Who may come in: the operator closes the house to new business, or to one person. What is under way is never touched.

A pause is public, in the daemon's own chain; a ban is between the operator and the banned.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from handlers.decision import Moment, refuse
from handlers.guards import need_operator
from handlers.house import House
from kinds.codes import Refused
from kinds.commands import Ban, Pause, Resume, Unban
from kinds.inputs import Said
from kinds.units import Pubkey


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """An entry of the daemon's own chain, before it is chained. `facts` are public."""

    type: str
    facts: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Ruling:
    """The house after the operator's word, what is published of it, and what he is told."""

    house: House
    told: Mapping[str, Any]
    published: tuple[Checkpoint, ...] = ()


def rule(house: House, said: Said, moment: Moment) -> Ruling:
    """Raises Refusal."""
    need_operator(said, moment)
    told = {"action": said.command.action}
    match said.command:
        case Pause():
            _need_change(not house.paused, said)
            return Ruling(replace(house, paused_at=moment.now.time), told, (Checkpoint("house.paused"),))
        case Resume():
            _need_change(house.paused, said)
            opened = Checkpoint("house.resumed", {"since": house.paused_at})
            return Ruling(replace(house, paused_at=0), told, (opened,))
        case Ban(npub=who):
            _need_change(who not in house.banned, said)
            return Ruling(replace(house, banned=house.banned | {Pubkey(who)}), {**told, "who": who})
        case Unban(npub=who):
            _need_change(who in house.banned, said)
            return Ruling(replace(house, banned=house.banned - {Pubkey(who)}), {**told, "who": who})
    raise AssertionError(f"{said.command.action} is not about the house")


def _need_change(changes: bool, said: Said) -> None:
    if not changes:
        raise refuse(Refused.ALREADY, action=said.command.action)
