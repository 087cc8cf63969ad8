"""At the house's gate: what of the house a decision may depend on, what the operator's word does to it, and what goes on record."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from typing import Any

from sqlalchemy import Connection

from bot.prices.board import Board
from handlers import liquidity
from handlers.decide import rule
from handlers.decision import Decision, Incident, MakeHold, Refusal
from handlers.doors import Ruling
from handlers.house import OPEN, House
from handlers.policy import Policy
from handlers.task import Task
from kinds.codes import Refused
from kinds.commands import OPERATOR, Approve, Cancel, Compensate, Deposit, Fund, Hire, Select
from kinds.grammar import write_text
from kinds.inputs import Now, Offered, Said, What
from kinds.lightning import NodeFacts
from kinds.rate import Rate
from kinds.units import Msat
from storage import acts, gate, house, rates
from storage.inbox import Row

NO_ROOM = "no_room"


def house_for(tx: Connection, what: What, facts: NodeFacts | None, rate: Rate | None = None) -> House:
    """The house as far as this input may depend on it. `facts`: the node's last word about itself; `rate`: what `rate_for` found."""
    if not isinstance(what, Offered | Said):
        return OPEN
    insurance = isinstance(what, Said) and isinstance(what.command, Compensate)
    about = {what.by, *([what.command.npub] if isinstance(what, Said) and isinstance(what.command, Hire) else [])}
    there = gate.load(tx, *about, insurance=insurance)
    if facts and isinstance(what, Said) and isinstance(what.command, Fund | Select | Deposit):
        return replace(there, room=gate.measure(tx, facts), rate=rate)
    return replace(there, rate=rate) if rate else there


def rate_for(tx: Connection, row: Row, what: What, task: Task | None, board: Board) -> Rate | None:
    """The rate for an offer or a question for the invoice, where the price is in a currency. It is on record with the input: deciding it
    again meets the same."""
    currency = ""
    if isinstance(what, Offered):
        currency = what.offer.currency
    elif isinstance(what, Said) and task and _asks_for_money(what, task):
        currency = task.currency
    if not currency:
        return None
    if (known := rates.met(tx, row.n)) is not None:
        return known[0]
    found = board.rate(tx, currency, row.now.time)
    rates.meet(tx, row.n, found)
    return found


def _asks_for_money(said: Said, task: Task) -> bool:
    """Where nothing is held yet, what ends the judgement does so, too."""
    return isinstance(said.command, Fund | Select | Deposit) or (
        task.unfunded and isinstance(said.command, Approve | Cancel)
    )


def ruled(tx: Connection, said: Said, now: Now, policy: Policy) -> Ruling | Refusal:
    """The operator's word about the house, carried out, published and on record."""
    before = gate.load(tx, said.by, getattr(said.command, "npub", ""))
    outcome = rule(before, said, now, policy)
    if isinstance(outcome, Ruling):
        gate.keep(tx, before, outcome.house, now)
        for entry in outcome.published:
            house.add_checkpoint(tx, policy.bot, entry.type, now, entry.facts)
    return outcome


def audit(tx: Connection, now: Now, what: What, result: str) -> None:
    """Every act of the operator is on record, done or refused."""
    if isinstance(what, Said) and isinstance(what.command, OPERATOR):
        acts.record(tx, now, what.by, write_text(what.command), result)


def news(tx: Connection, task: str | None, incidents: Sequence[Incident]) -> list[str]:
    """Those of a decision's incidents, asked before it is stored, that are not on record yet."""
    return [each.code for each in incidents if not house.is_known(tx, each.code, task, each.facts)]


def runs_short(tx: Connection, now: Now, outcome: Decision | Refusal) -> bool:
    """True when an episode without room for new invoices begins here; that is an incident, once."""
    if isinstance(outcome, Refusal):
        return outcome.code is Refused.NO_ROOM and _refused(tx, now, outcome.facts)
    made = [effect.amount for effect in outcome.effects if isinstance(effect, MakeHold)]
    if made and (before := gate.tight(tx)):
        gate.keep_tight(tx, liquidity.made(before, Msat(sum(made))))
    return False


def _refused(tx: Connection, now: Now, facts: Mapping[str, Any]) -> bool:
    before = gate.tight(tx)
    after = liquidity.refused(before, facts["what"], facts["amount_msat"], now)
    gate.keep_tight(tx, after)
    return before is None and house.incident(tx, now, NO_ROOM, None, asdict(after))
