"""Money that the house takes into its books while nothing is decided yet: the task's own account, `paid_locked`.

Both sides agreed to it: the employer by the terms of his task, the worker by claiming it. With `custody_mode = ledger` a hold is
settled as soon as a worker is bound; with an `on_hold_end` that leads to the ledger it is settled at its L, when nobody has decided by then.
The settle is ordered as any other, and the node's word that it is done is the move. Until then the money is held as before, and
everything may still be said and decided. Afterwards its height matters to the task no more, and what goes back to somebody is put
to his account. Of two holds each goes by itself; one of a deposit may be there long before the turn of its milestone comes.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from handlers.decision import Decision, Moment, SettleHold
from handlers.holds import of_cover
from handlers.invoices import drop_invoice
from handlers.task import LOCK, Funding, Task
from handlers.transitions import Cause, move, note
from kinds.codes import Told
from kinds.states import LogType
from kinds.units import Msat, Secret


def at_once(done: Decision, holds: Iterable[Funding]) -> Decision:
    """Somebody has been bound to the task: its money moves into the books, where the terms say so from the start."""
    return begin(done, holds) if done.task.terms.custody_mode == "ledger" else done


def begin(done: Decision, holds: Iterable[Funding]) -> Decision:
    """The holds are to be settled into the books; nothing else changes. Fresh ones are no longer wanted."""
    for hold in holds:
        if not hold.goal:
            wanted = done.on(done.task.with_funding(hold.ref, goal=LOCK))
            done = drop_invoice(wanted, wanted.task.renewal(hold.ref)).do(SettleHold(hold.ref, hold.payment_hash))
    return done


def locked(done: Decision, funding: Funding, moment: Moment) -> Decision:
    """The node has settled it, and it stands so in the task: from here on the money is the task's own, in the books."""
    task = replace(done.task, locked=Msat(done.task.locked + funding.amount))
    facts = {
        "funding": funding.ref,
        "amount_msat": funding.amount,
        "payment_hash": funding.payment_hash,
        "hash_salt": funding.salt,
    }
    if funding in task.covers:
        moved = note(done.on(task), LogType.LEDGER_LOCKED, moment, **of_cover(task, funding), **facts)
    else:
        moved = move(done.on(task), Cause.LOCKED, moment, **facts)
    proof = {"payment_hash": funding.payment_hash, "preimage": funding.preimage}  # the employer's, of his payment
    moved = moved.say(task.employer, Told.LOCKED, amount_msat=funding.amount, **proof)
    return moved.say(task.worker, Told.LOCKED, amount_msat=funding.amount, payment_hash="", preimage=Secret(""))


def may_lock(task: Task, funding: Funding, height: int | None) -> bool:
    """Do the agreed terms say so, now? `height` None: not looked at."""
    if funding.goal != LOCK:
        return False
    if task.terms.custody_mode == "ledger":
        return True
    last_safe = task.terms.last_safe(funding.expiry_height)
    return task.terms.outlasts_hold and height is not None and height >= last_safe
