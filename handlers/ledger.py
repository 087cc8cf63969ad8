"""Money that the house takes into its books while nothing is decided yet: the task's own account, `paid_locked`.

Both sides agreed to it: the employer by the terms of his task, the worker by claiming it. With `custody_mode = ledger` the hold is
settled as soon as a worker is bound; with an `on_hold_end` that leads to the ledger it is settled at L, when nobody has decided by then.
The settle is ordered as any other, and the node's word that it is done is the move. Until then the money is held as before, and
everything may still be said and decided. Afterwards no height matters to the task any more, and what goes back to somebody is put
to his account.
"""

from __future__ import annotations

from handlers.decision import Decision, Moment, SettleHold
from handlers.invoices import drop_invoice
from handlers.task import Funding, Task
from handlers.transitions import Cause, move
from kinds.codes import Told
from kinds.units import Secret

LOCK = "lock"


def on_claim(done: Decision) -> Decision:
    """Somebody has been bound to the task: its money moves into the books, where the terms say so from the start."""
    return begin(done) if done.task.terms.custody_mode == "ledger" else done


def begin(done: Decision) -> Decision:
    """The hold is to be settled into the books; nothing else changes. A fresh hold is no longer wanted."""
    hold = done.task.hold
    if hold is None or hold.goal:
        return done
    wanted = drop_invoice(done.on(done.task.with_funding(hold.ref, goal=LOCK)), done.task.rollover)
    return wanted.do(SettleHold(hold.ref, hold.payment_hash))


def locked(done: Decision, funding: Funding, moment: Moment) -> Decision:
    """The node has settled it, and it stands so in the task: from here on the money is the task's own, in the books."""
    moved = move(
        done.change(locked=funding.amount),
        Cause.LOCKED,
        moment,
        funding=funding.ref,
        amount_msat=funding.amount,
        payment_hash=funding.payment_hash,
        hash_salt=funding.salt,
    )
    proof = {"payment_hash": funding.payment_hash, "preimage": funding.preimage}  # the employer's, of his payment
    moved = moved.say(moved.task.employer, Told.LOCKED, amount_msat=funding.amount, **proof)
    return moved.say(moved.task.worker, Told.LOCKED, amount_msat=funding.amount, payment_hash="", preimage=Secret(""))


def may_lock(task: Task, funding: Funding, height: int | None) -> bool:
    """Do the agreed terms say so, now? `height` None: not looked at."""
    if funding.goal != LOCK or task.locked:
        return False
    if task.terms.custody_mode == "ledger":
        return True
    last_safe = task.terms.last_safe(funding.expiry_height)
    return task.terms.outlasts_hold and height is not None and height >= last_safe
