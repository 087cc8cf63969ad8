"""How a task ends: the hold is cancelled or settled at the node, and the node's word on it is the end. Also when the hold is lost.

The money may rest on two holds, one of them a deposit's. Then both go the same way, and the end is there when the node has said so of both.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Any

from handlers import ledger, project, rollover
from handlers.crediting import credit, out_of_the_books, public_credits, tell_credits
from handlers.decision import CancelHold, Decision, Moment, SettleHold
from handlers.task import LOCK, CreditEntry, Funding, Payout, Proof, Task
from handlers.transitions import Cause, move
from kinds.codes import Told
from kinds.lightning import HoldView
from kinds.states import FundingState, PayoutState, Phase, Role, TaskState
from kinds.units import Msat, Secret, opens

P = PayoutState


def begin_refund(done: Decision, cause: Cause, moment: Moment, reason: str, end: Cause, **facts: Any) -> Decision:
    """Cancel what is held; the node's word on it will be the end (`end`: REFUNDED or ENDED)."""
    hold = _first(done.task.backing)
    moved = move(done, cause, moment, funding=hold.ref, reason=reason, **facts)
    moved = moved.change(ending=end.name, reason=reason, funded_until=0)
    moved = moved.on(moved.task.with_milestone(review_until=0, resubmit_until=0, arriving=None))
    moved = _drop_waiting(rollover.drop(moved))
    held = [each for each in moved.task.holds if each.goal != LOCK]  # the node may be settling others just now
    return _given_back(_cancel(moved, held, "cancel"), moment)


def _cancel(done: Decision, holds: Iterable[Funding], goal: str) -> Decision:
    for each in holds:
        done = done.on(done.task.with_funding(each.ref, goal=goal)).do(CancelHold(each.ref, each.payment_hash))
    return done


def _first(holds: Sequence[Funding]) -> Funding:
    """The one that the log names where it names one: the one that is no deposit's, if there is one."""
    assert holds, "nothing ends without money but what never had any"
    return next((each for each in holds if not each.covers), holds[0])


def _given_back(done: Decision, moment: Moment) -> Decision:
    """What is in the books is put to the employer's account, and that is the end where nothing is held any more."""
    known = len(done.task.credits)
    done = out_of_the_books(done, done.task.kept)
    back = done.task.credits[known:]
    if not done.task.holds:
        done = _ended(done, replace(moment, by="node", evidence=None))
    return tell_credits(done, back, moment)


def refunded(done: Decision, funding: Funding, moment: Moment) -> Decision:
    """The node has given the money back, or a part of it: then the end waits for the rest."""
    done = done.on(done.task.with_funding(funding.ref, state=FundingState.CANCELLED))
    if done.task.phase is not Phase.REFUNDING or done.task.holds:
        return done
    return _ended(done, moment)


def begin_settle(done: Decision, cause: Cause, moment: Moment, reason: str) -> Decision:
    """Settle what is held: the worker's share has arrived, or it is the last moment for approved work."""
    holds = done.task.holds
    moved = move(done, cause, moment, funding=_first((*holds, *done.task.kept)).ref, reason=reason)
    for hold in holds:
        moved = moved.on(moved.task.with_funding(hold.ref, goal="settle")).do(SettleHold(hold.ref, hold.payment_hash))
    return moved if holds else finish(moved, replace(moment, by="node", evidence=None))  # it was settled before


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
    if funding.goal == LOCK:
        kept = taken.task.funding(funding.ref) or funding
        in_books = ledger.locked(taken, kept, moment)
        goes_back = kept in in_books.task.kept and in_books.task.phase is Phase.REFUNDING
        return _given_back(in_books, moment) if goes_back else in_books
    taken = taken.on(project.came_late(taken.task, funding))
    taken = credit(taken, Role.EMPLOYER, funding.amount, "refund", funding.milestone)  # all of it is owed
    taken = taken.incident("settled_instead_of_refunded", funding=funding.ref, amount_msat=funding.amount)
    owed = taken.task.credits[len(done.task.credits) :]
    if taken.task.phase is Phase.REFUNDING and funding.goal != "stray" and not taken.task.holds:
        taken = _ended(taken, moment)
    return tell_credits(taken, owed, moment)


def finish(done: Decision, moment: Moment) -> Decision:
    """The end of a settled task, as soon as all that was held is settled and no payout can be on its way: what is unpaid is credited."""
    task = done.task
    if task.lost:
        return after_loss(done, moment)
    came = Msat(sum(f.amount for f in task.backing if f.is_booked or _is_settled(f)))
    if not came or task.holds or _is_sent(task):
        return done
    done = _drop_waiting(done)
    paid = task.paid_share
    rest = came - (paid.amount + paid.fee if paid else 0)
    if paid is None:
        owed = Msat(task.share_amount + task.budget)
        done = credit(done, Role.WORKER, owed, "unpaid at the end of the hold")
        rest -= owed
    fee = task.fee_due
    insured = task.terms.fees.insured(fee)
    rest -= fee
    change = max(0, came - task.hold_amount) if task.takes_all else rest  # a deposit may be more than what is due
    done = credit(done, Role.EMPLOYER, Msat(change), "change")
    rest -= change
    booked = done.task.with_milestone(fee=Msat(fee - insured), insurance=Msat(task.current.insurance + insured + rest))
    done = _all_used(done.on(booked))
    credited = done.task.credits[len(task.credits) :]
    facts = _final_facts(done.task, credited)
    if project.goes_on(task):
        facts |= {"next_deadline": project.next_due(task, moment.now.heard) + moment.now.deaf}
        told = _paid_for(move(done, Cause.RELEASED, moment, **facts), credited, moment)
        return project.go_on(told, moment)
    if (short := task.current.short) is not None:
        over = move(done, Cause.SETTLED_SHORT, moment, **facts, reason="unpaid", mark=None)
        return tell_both(_paid_for(over, credited, moment), Told.EXPIRED, reason="unpaid", unpaid_msat=short)
    told = _paid_for(move(done, Cause.SETTLED, moment, **facts), credited, moment)
    return _tell_completed(told) if task.is_project and not task.closing else told


def _is_settled(funding: Funding) -> bool:
    return funding.state is FundingState.SETTLED and funding.goal == "settle"


def _all_used(done: Decision) -> Decision:
    """What was in the books for this milestone is somebody's now."""
    for each in done.task.kept:
        used = done.task.with_funding(each.ref, goal="settle")
        done = done.on(replace(used, locked=Msat(used.locked - each.amount)))
    return done


def _is_sent(task: Task) -> bool:
    """The worker's share may be on its way to him."""
    share = task.share
    return share is not None and (share.state is P.IN_FLIGHT or share.ordered)


def _paid_for(done: Decision, owed: Sequence[CreditEntry], moment: Moment) -> Decision:
    """Both are told that it is paid, the employer gets the key of a sealed file, and who was credited learns of it."""
    return tell_credits(_hand_over(_tell_paid(done), done.task.current.proof), owed, moment)


def hold_lost(done: Decision, funding: Funding, moment: Moment) -> Decision:
    """The node no longer holds the money and we did not ask for it: the employer has it back, or it was lost on chain. Where it rested on two
    holds, the loss of one is that of the agreement; what becomes of the other one follows from the worker's payout."""
    done = rollover.drop(done.on(done.task.with_funding(funding.ref, state=FundingState.LOST)))
    done = done.incident("hold_lost", funding=funding.ref, amount_msat=funding.amount)
    task = done.task
    if not (task.paid_share or _is_sent(task)) and task.phase is Phase.NONE:
        facts = _opened(funding) | _others([*task.holds, *task.kept])
        done = out_of_the_books(_cancel(_drop_waiting(done), task.holds, "stray"), task.kept)
        owed = done.task.credits[len(task.credits) :]
        facts |= {"credited": public_credits(owed)} if owed else {}
        done = move(done, Cause.LOST, moment, reason="hold_lost", mark=None, **facts)
        return tell_credits(tell_both(done, Told.HOLD_LOST), owed, moment)
    done = move(done, Cause.LOST_PAYING, moment, **_opened(funding)).change(lost=True)
    return after_loss(tell_both(done, Told.HOLD_LOST), moment)


def _opened(funding: Funding) -> dict[str, Any]:
    """Opens the commitment to a hold's payment hash, which is public once the hold is over."""
    return {"funding": funding.ref, "payment_hash": funding.payment_hash, "hash_salt": funding.salt}


def _others(holds: Sequence[Funding]) -> dict[str, Any]:
    """The same of the holds that are over together with the one that the entry names; nothing where there was one."""
    opened = [
        {"funding": f.ref, "amount_msat": f.amount, "payment_hash": f.payment_hash, "hash_salt": f.salt} for f in holds
    ]
    return {"other_holds": opened} if opened else {}


def after_loss(done: Decision, moment: Moment) -> Decision:
    """A hold vanished under a payout: its fate is waited for. If it arrived, what else is held is settled for it, else that goes back."""
    task = done.task
    if _is_sent(task):
        return done
    if not task.paid_share:
        return lost_unpaid(_drop_waiting(done), moment)
    if task.holds:
        return done if task.phase is Phase.SETTLING else begin_settle(done, Cause.SHARE_PAID, moment, "paid")
    return lost_paid(done, moment)


def lost_paid(done: Decision, moment: Moment) -> Decision:
    """The worker was paid and a hold is gone: he keeps his money. What no other hold has brought is the house's loss, and on record; what that
    one has brought above it is insurance."""
    task, paid = done.task, done.task.paid_share
    assert paid is not None, "only a paid share can be lost"
    came = sum(f.amount for f in task.backing if f.state is FundingState.SETTLED)
    left = came - (paid.amount + paid.fee)
    loss = Msat(max(0, -left))
    if loss:
        done = done.incident("loss", amount_msat=loss)
    done = _all_used(done.on(task.with_milestone(insurance=Msat(task.current.insurance + max(0, left)))))
    facts = _final_facts(done.task, ()) | {"loss_msat": loss, "incident": "hold_lost_after_payout"}
    return _hand_over(_tell_paid(move(done, Cause.LOST_PAID, moment, **facts)), task.current.proof)


def lost_unpaid(done: Decision, moment: Moment) -> Decision:
    """The worker was not paid, and a hold is gone: the other one goes back, out of the books if it is there, or has been settled meanwhile."""
    task = done.task
    taken = [f for f in task.backing if _is_settled(f)]
    facts = _others([*task.holds, *task.kept, *taken])
    done = out_of_the_books(_cancel(done, task.holds, "stray"), task.kept)
    for each in taken:
        done = credit(done.on(done.task.with_funding(each.ref, goal="cancel")), Role.EMPLOYER, each.amount, "refund")
    owed = done.task.credits[len(task.credits) :]
    facts |= {"credited": public_credits(owed)} if owed else {}
    done = move(done, Cause.LOST_UNPAID, moment, reason="hold_lost", mark=None, **facts)
    return tell_credits(tell_both(done, Told.EXPIRED, reason="hold_lost"), owed, moment)


def _ended(done: Decision, moment: Moment) -> Decision:
    """All of it is back: given back by the node, or put to the employer's account where it was settled instead."""
    task = done.task
    mark = task.worker if task.marked else None
    named, others = _named(task)
    owed = [f for f in task.backing if f.state is FundingState.SETTLED]
    facts: dict[str, Any] = {"amount_msat": sum(f.amount for f in task.backing if f not in owed)}
    if owed:
        facts |= {
            "credited": [{"role": str(Role.EMPLOYER), "to": task.employer, "amount_msat": f.amount} for f in owed]
        }
    opened = {"payment_hash": named.payment_hash, "hash_salt": named.salt, **facts, **_others(others)}
    ended = move(done, Cause[task.ending], moment, funding=named.ref, reason=task.reason, mark=mark, **opened)
    code = Told.REFUNDED if ended.task.state is TaskState.REFUNDED else Told.EXPIRED
    return tell_both(ended, code, reason=task.reason, marked=bool(mark), **facts)


def _named(task: Task) -> tuple[Funding, list[Funding]]:
    """The hold that the entry of an end names, and the others."""
    named = _first(task.backing)
    return named, [f for f in task.backing if f.ref != named.ref]


def _final_facts(task: Task, owed: Sequence[CreditEntry]) -> dict[str, Any]:
    named, others = _named(task)
    return {
        "funding": named.ref,
        "hold_msat": sum(f.amount for f in task.backing),
        "payment_hash": named.payment_hash,
        "hash_salt": named.salt,
        "percent": task.split,
        "payouts": [public(payout) for payout in task.own_payouts if payout.state is P.COMPLETE],
        "credited": public_credits(owed),
        "fee_msat": task.current.fee,
        "insurance_msat": task.current.insurance,
        **_others(others),
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


def _tell_paid(done: Decision) -> Decision:
    """The employer gets the proof of his payment: of the hold that was settled, if one of two is lost."""
    task, paid = done.task, done.task.paid_share
    if paid:
        done = done.say(
            task.worker,
            Told.PAID_WORKER,
            amount_msat=paid.amount,
            payment_hash=paid.payment_hash,
            preimage=paid.preimage,
        )
    used = [f for f in task.backing if f.state is FundingState.SETTLED] or task.backing
    funding = _first(used)
    proof = {"payment_hash": funding.payment_hash, "preimage": funding.preimage}
    facts: dict[str, Any] = {
        "amount_msat": task.share_amount,
        "hold_msat": sum(f.amount for f in used),
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
