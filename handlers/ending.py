"""How a task ends: the hold is cancelled or settled at the node, and the node's word on it is the end. Also when the hold is lost."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from handlers import ledger, project
from handlers.decision import CancelHold, Decision, Moment, SettleHold
from handlers.holds import drop_invoice
from handlers.task import CreditEntry, Funding, Payout, Proof, Task
from handlers.transitions import Cause, move
from kinds.codes import Told
from kinds.lightning import HoldView
from kinds.states import FundingState, PayoutState, Phase, Role, TaskState
from kinds.units import Msat, Secret, opens

P = PayoutState


def begin_refund(done: Decision, cause: Cause, moment: Moment, reason: str, end: Cause, **facts: Any) -> Decision:
    """Cancel the hold; the node's word on it will be the end (`end`: REFUNDED or ENDED)."""
    hold = done.task.hold or done.task.kept
    assert hold is not None, "only a held task is refunded"
    moved = move(done, cause, moment, funding=hold.ref, reason=reason, **facts)
    moved = moved.change(ending=end.name, reason=reason, funded_until=0)
    moved = moved.on(moved.task.with_milestone(review_until=0, resubmit_until=0, arriving=None))
    moved = _drop_waiting(drop_invoice(moved, moved.task.rollover))
    if moved.task.locked:
        return _give_back(moved, hold, moment)
    if moved.task.locking:  # the node may be settling it just now: it is given back out of the books, once it is there
        return moved
    return moved.on(moved.task.with_funding(hold.ref, goal="cancel")).do(CancelHold(hold.ref, hold.payment_hash))


def _give_back(done: Decision, funding: Funding, moment: Moment) -> Decision:
    """The money is in the books: it is put to the employer's account, and that is the end."""
    known = len(done.task.credits)
    done = credit(done.change(locked=Msat(0)), Role.EMPLOYER, funding.amount, "back from the books")
    as_node = replace(moment, by="node", evidence=None)
    ended = _ended(done, funding, as_node, amount_msat=0, credited=public_credits(done.task, known))
    return _tell_credits(ended, moment, known)


def refunded(done: Decision, funding: Funding, moment: Moment) -> Decision:
    """The node has given the money back."""
    done = done.on(done.task.with_funding(funding.ref, state=FundingState.CANCELLED))
    if done.task.phase is not Phase.REFUNDING:
        return done
    return _ended(done, funding, moment, amount_msat=funding.amount)


def begin_settle(done: Decision, cause: Cause, moment: Moment, reason: str) -> Decision:
    """Settle the hold: the worker's share has arrived, or it is the last moment for approved work."""
    hold = done.task.hold or done.task.kept
    assert hold is not None, "only a held task is settled"
    moved = move(done, cause, moment, funding=hold.ref, reason=reason)
    moved = moved.on(moved.task.with_funding(hold.ref, goal="settle"))
    if moved.task.locked:  # it was settled before
        return finish(moved, replace(moment, by="node", evidence=None))
    return moved.do(SettleHold(hold.ref, hold.payment_hash))


def settled(done: Decision, funding: Funding, view: HoldView, moment: Moment) -> Decision:
    """The node says that the hold is settled."""
    if not funding.goal:
        return done.incident("settled_unasked", funding=funding.ref)
    shown = view.preimage if opens(view.preimage, funding.payment_hash) else Secret("")  # no false proof of payment
    taken = done.on(done.task.with_funding(funding.ref, state=FundingState.SETTLED, preimage=shown))
    if not shown:
        taken = taken.incident("hold_preimage_unknown", funding=funding.ref)
    if funding.goal == "settle":
        return finish(taken, moment)
    if funding.goal == ledger.LOCK:
        kept = taken.task.funding(funding.ref) or funding
        in_books = ledger.locked(taken, kept, moment)
        return _give_back(in_books, kept, moment) if in_books.task.phase is Phase.REFUNDING else in_books
    taken = taken.on(project.came_late(taken.task, funding))
    taken = credit(taken, Role.EMPLOYER, funding.amount, "refund", funding.milestone)  # all of it is owed
    taken = taken.incident("settled_instead_of_refunded", funding=funding.ref, amount_msat=funding.amount)
    known = len(done.task.credits)
    if taken.task.phase is Phase.REFUNDING and funding.goal != "stray":
        taken = _ended(taken, funding, moment, amount_msat=0, credited=public_credits(taken.task, known))
    return _tell_credits(taken, moment, known)


def finish(done: Decision, moment: Moment) -> Decision:
    """The end of a settled task, as soon as the hold is settled and no payout can be on its way: what is unpaid is credited."""
    task = done.task
    funding = next((f for f in task.own_fundings if f.state is FundingState.SETTLED and f.goal == "settle"), None)
    if funding is None or (task.share and (task.share.state is P.IN_FLIGHT or task.share.ordered)):
        return done
    done = _drop_waiting(done)
    paid = task.paid_share
    rest = funding.amount - (paid.amount + paid.fee if paid else 0)
    if paid is None:
        owed = Msat(task.share_amount + task.budget)
        done = credit(done, Role.WORKER, owed, "unpaid at the end of the hold")
        rest -= owed
    fee = task.fee_due
    insured = task.terms.fees.insured(fee)
    rest -= fee
    if not task.takes_all:
        done = credit(done, Role.EMPLOYER, Msat(rest), "change")
        rest = 0
    booked = done.task.with_milestone(fee=Msat(fee - insured), insurance=Msat(task.current.insurance + insured + rest))
    done = done.on(replace(booked, locked=Msat(0)))
    known = len(task.credits)
    facts = _final_facts(done.task, funding, known)
    if project.goes_on(task):
        facts |= {"next_deadline": project.next_due(task, moment.now.heard) + moment.now.deaf}
        told = _paid_for(move(done, Cause.RELEASED, moment, **facts), funding, moment, known)
        return project.go_on(told, moment)
    told = _paid_for(move(done, Cause.SETTLED, moment, **facts), funding, moment, known)
    return _tell_completed(told) if task.is_project and not task.closing else told


def _paid_for(done: Decision, funding: Funding, moment: Moment, known: int) -> Decision:
    """Both are told that it is paid, the employer gets the key of a sealed file, and who was credited learns of it."""
    return _tell_credits(_hand_over(_tell_paid(done, funding), done.task.current.proof), moment, known)


def hold_lost(done: Decision, funding: Funding, moment: Moment) -> Decision:
    """The node no longer holds the money and we did not ask for it: the employer has it back, or it was lost on chain."""
    task = done.task.with_funding(funding.ref, state=FundingState.LOST)
    done = drop_invoice(done.on(task), task.rollover).incident(
        "hold_lost", funding=funding.ref, amount_msat=funding.amount
    )
    task = done.task
    share = task.share
    paying = task.paid_share or (share and (share.state is P.IN_FLIGHT or share.ordered))
    if not paying and task.phase is Phase.NONE:
        done = move(_drop_waiting(done), Cause.LOST, moment, reason="hold_lost", mark=None, **_opened(funding))
        return tell_both(done, Told.HOLD_LOST)
    done = move(done, Cause.LOST_PAYING, moment, **_opened(funding)).change(lost=True)
    done = tell_both(done, Told.HOLD_LOST)
    if task.paid_share:
        return lost_paid(done, moment)
    return done if paying else lost_unpaid(_drop_waiting(done), moment)


def _opened(funding: Funding) -> dict[str, Any]:
    """Opens the commitment to a hold's payment hash, which is public once the hold is over."""
    return {"funding": funding.ref, "payment_hash": funding.payment_hash, "hash_salt": funding.salt}


def lost_paid(done: Decision, moment: Moment) -> Decision:
    """The worker was paid and the hold is gone: he keeps his money, the loss is the house's and on record."""
    task, paid = done.task, done.task.paid_share
    assert paid is not None, "only a paid share can be lost"
    funding = next(f for f in task.own_fundings if f.state is FundingState.LOST)
    loss = Msat(paid.amount + paid.fee)
    done = done.incident("loss", amount_msat=loss)
    facts = _final_facts(task, funding, len(task.credits)) | {"loss_msat": loss, "incident": "hold_lost_after_payout"}
    return _hand_over(_tell_paid(move(done, Cause.LOST_PAID, moment, **facts), funding), task.current.proof)


def lost_unpaid(done: Decision, moment: Moment) -> Decision:
    return tell_both(
        move(done, Cause.LOST_UNPAID, moment, reason="hold_lost", mark=None), Told.EXPIRED, reason="hold_lost"
    )


def _ended(done: Decision, funding: Funding, moment: Moment, **facts: Any) -> Decision:
    task = done.task
    mark = task.worker if task.marked else None
    opening = {"payment_hash": funding.payment_hash, "hash_salt": funding.salt}
    ended = move(
        done, Cause[task.ending], moment, funding=funding.ref, reason=task.reason, mark=mark, **opening, **facts
    )
    code = Told.REFUNDED if ended.task.state is TaskState.REFUNDED else Told.EXPIRED
    return tell_both(ended, code, reason=task.reason, marked=bool(mark), **facts)


def _final_facts(task: Task, funding: Funding, known: int) -> dict[str, Any]:
    return {
        "funding": funding.ref,
        "hold_msat": funding.amount,
        "payment_hash": funding.payment_hash,
        "hash_salt": funding.salt,
        "percent": task.split,
        "payouts": [public(payout) for payout in task.own_payouts if payout.state is P.COMPLETE],
        "credited": public_credits(task, known),
        "fee_msat": task.current.fee,
        "insurance_msat": task.current.insurance,
    }


def public(payout: Payout) -> dict[str, Any]:
    """What the log shows of a payout that arrived. It is `proven` when the worker's own signed claim promised its payment hash,
    which the salt opens, and the preimage opens that in turn; else it is `attested`."""
    return {
        "role": str(payout.role),
        "amount_msat": payout.amount,
        "fee_msat": payout.fee,
        "payment_hash": payout.payment_hash,
        "preimage": payout.preimage.reveal(),
        "dest_salt": payout.salt,
        "to": payout.to,
        "status": "proven" if payout.promised else "attested",
    }


def public_credits(task: Task, known: int) -> list[dict[str, Any]]:
    """Those behind the first `known` ones."""
    return [{"role": str(entry.role), "to": entry.to, "amount_msat": entry.amount} for entry in task.credits[known:]]


def credit(done: Decision, role: Role, amount: Msat, why: str, milestone: int = 0) -> Decision:
    """Puts money of this task to somebody's account; the commit books it there. `milestone`: 0 for the current one."""
    to = done.task.worker if role is Role.WORKER else done.task.employer
    if amount <= 0 or to is None:
        return done
    number = milestone or done.task.current.number
    entry = CreditEntry(role=role, to=to, amount=amount, why=why, milestone=number)
    return done.change(credits=(*done.task.credits, entry))


def _drop_waiting(done: Decision) -> Decision:
    """Payouts that are surely not on their way are given up."""
    task = done.task
    for payout in task.payouts:
        if payout.state is P.PLANNED or (payout.state is P.CLAIMED and not payout.ordered):
            task = task.with_payout(payout.ref, state=P.ABANDONED, ordered=False, next_try=0)
    return done.on(task)


def tell_both(done: Decision, code: Told, **facts: Any) -> Decision:
    for who in (done.task.employer, done.task.worker):
        done = done.say(who, code, **facts)
    return done


def _tell_paid(done: Decision, funding: Funding) -> Decision:
    task, paid = done.task, done.task.paid_share
    if paid:
        done = done.say(
            task.worker,
            Told.PAID_WORKER,
            amount_msat=paid.amount,
            payment_hash=paid.payment_hash,
            preimage=paid.preimage,
        )
    proof = {"payment_hash": funding.payment_hash, "preimage": funding.preimage}
    facts: dict[str, Any] = {
        "amount_msat": task.share_amount,
        "hold_msat": funding.amount,
        "service_fee_msat": 0 if task.lost else task.fee_due,
        **({"milestone": task.current.number} if task.is_project else {}),
    }
    return done.say(task.employer, Told.PAID_EMPLOYER, **facts, **proof)


def _tell_completed(done: Decision) -> Decision:
    """The last milestone is released: what was delivered, all of it."""
    proofs = [each.proof for each in done.task.milestones if each.proof]
    files = [{"url": proof.url, "sha256": proof.sha256} for proof in proofs]
    facts: dict[str, Any] = {
        "of": len(done.task.milestones),
        "total_msat": sum(done.task.worked(each.reward, each) for each in done.task.milestones),
    }
    return done.say(done.task.employer, Told.PROJECT_COMPLETED, files=files, **facts).say(
        done.task.worker, Told.PROJECT_COMPLETED, **facts
    )


def _hand_over(done: Decision, proof: Proof | None) -> Decision:
    """The work is paid for, in full or with an agreed share: the key of a sealed file is the employer's now, and nobody else's."""
    if proof is None or not proof.key_hash:
        return done
    facts = {"url": proof.url, "sha256": proof.sha256, "key_hash": proof.key_hash}
    if proof.key:
        return done.say(done.task.employer, Told.KEY, key=proof.key, **facts)
    return tell_both(done.incident("key_lost", proof=proof.number), Told.KEY_LOST, **facts)


def _tell_credits(done: Decision, moment: Moment, known: int) -> Decision:
    """Those behind the first `known` ones."""
    for entry in done.task.credits[known:]:
        code = Told.CREDITED if entry.role is Role.WORKER else Told.CHANGE_OWED
        payable = moment.policy.affordable(entry.amount)
        done = done.say(entry.to, code, amount_msat=entry.amount, payable_msat=payable, reason=entry.why)
    return done
