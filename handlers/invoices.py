"""An invoice in a decision: another version of it, and the end of one that nobody wants."""

from __future__ import annotations

from dataclasses import replace

from handlers.decision import CancelHold, Decision
from handlers.task import Funding
from kinds.states import FundingState

F = FundingState


def put(done: Decision, funding: Funding) -> Decision:
    task = done.task
    return done.on(replace(task, fundings=tuple(funding if f.ref == funding.ref else f for f in task.fundings)))


def drop_invoice(done: Decision, funding: Funding | None) -> Decision:
    """Nobody wants this invoice any more: cancel it at the node; if it is paid first, it is a stray and goes back."""
    if funding is None:
        return done
    unwanted = replace(funding, goal="cancel")
    wish = [] if funding.state is F.MAKING else [CancelHold(funding.ref, funding.payment_hash)]
    return put(done, unwanted).do(*wish)
