"""Money ahead: an employer may lock a part of the whole before its turn comes, as a sign of good will, and gets it back where it is not used.

A deposit is one hold for each milestone that it covers, from the last one backwards; one that covers a part of a milestone is over that part of
the reward alone, and what else the milestone costs comes with the rest. Until a milestone's turn comes its cover stands beside the task: it
is renewed, or goes back or into the books at its end, and its loss changes nothing but the deposit. Its entries in the log move nothing (`transitions.note`).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from handlers import ledger, pricing, rollover
from handlers.decision import Decision, Moment, Refusal, refuse
from handlers.guards import latest_deadline, may_plan, need_evidence, need_role, need_room, need_welcome, wrong_state
from handlers.holds import invoice_card, of_cover, order, public, refused, stray, wrong_parts
from handlers.invoices import drop_invoice, put
from handlers.policy import DAY, Policy
from handlers.task import Deposit, Funding, Task
from handlers.transitions import give_back, note
from kinds import commands
from kinds.codes import Refused, Told
from kinds.inputs import Said
from kinds.lightning import HoldView
from kinds.rate import in_smallest, plain
from kinds.states import FundingState, LogType, Phase, Role, TaskState
from kinds.units import MSAT_PER_SAT, Msat, commitment

F, S = FundingState, TaskState


def deposit(task: Task, said: Said, command: commands.Deposit, moment: Moment) -> Decision:
    """The employer's answer: the invoices of the deposit, or no word of it any more, or not now."""
    need_role(task, said, Role.EMPLOYER)
    if command.answer == "later":
        return Decision(task).say(said.by, Told.DEPOSIT_LATER)
    need_evidence(task, said)
    if command.answer == "decline":
        if task.state is None or task.state.is_final or task.lost:
            raise wrong_state(task, said.by, command)
        if task.undeposited:
            return Decision(task).say(said.by, Told.DEPOSIT_DECLINED)
        noted = note(Decision(replace(task, undeposited=True)), LogType.DEPOSIT_DECLINED, moment)
        return noted.say(said.by, Told.DEPOSIT_DECLINED)
    if task.phase not in (Phase.NONE, Phase.AWAITING) or task.state is None or task.state.is_final:
        raise wrong_state(task, said.by, command)
    if task.worker is None:
        raise refuse(Refused.NOT_HIRED, task=task.id, claim=task.terms.claim)
    return _go_on(task, moment) if _runs(task) else _begin(task, said, moment)


def _runs(task: Task) -> bool:
    """Something of the deposit is held or asked for."""
    return bool(task.covers or task.cover_invoices)


def _begin(task: Task, said: Said, moment: Moment) -> Decision:
    wanted = reckon(task, moment.policy)
    if wanted is None:
        raise refuse(Refused.NO_DEPOSIT, task=task.id)
    parts = [
        {**({"milestone": number} if task.is_project else {}), "price": _price(task, part)}
        for number, part in wanted.parts
    ]
    done = Decision(replace(task, deposit=wanted, undeposited=False))
    done = note(
        done, LogType.DEPOSIT_ACCEPTED, moment, percent=wanted.percent, price=_price(task, wanted.price), covers=parts
    )
    return _order(done, wanted.parts, moment)


def _go_on(task: Task, moment: Moment) -> Decision:
    """What is open is shown once more, and what has run out is asked for again."""
    done = Decision(task)
    for invoice in (*task.cover_invoices, *filter(None, (task.renewal(cover.ref) for cover in task.covers))):
        done = (
            invoice_card(done, invoice) if invoice.state is F.CREATED else done.say(task.employer, Told.MAKING_INVOICE)
        )
    try:
        return _again(done, moment)
    except Refusal:
        if not done.says:
            raise
        return done


def _again(done: Decision, moment: Moment) -> Decision:
    """Invoices of the deposit that nobody has paid in time: of what it shall cover, and of fresh holds. Raises Refusal."""
    task, height = done.task, moment.now.height
    for cover in task.covers:
        if 0 < task.renews_at(cover) <= height < task.terms.last_safe(cover.expiry_height) and not task.renewal(
            cover.ref
        ):
            _need_quote(task, cover.milestone, moment)
            done = rollover.renew(done, cover, moment).say(task.employer, Told.MAKING_INVOICE)
    there = {each.milestone for each in (*task.covers, *task.cover_invoices)}
    gone = task.deposit.parts if task.deposit else ()
    if again := tuple((number, part) for number, part in gone if number not in there and may_cover(task, number)):
        return _order(done, again, moment)
    if done.says:
        return done
    held = Msat(sum(cover.amount for cover in task.covers))
    return done.say(task.employer, Told.DEPOSIT_HELD, amount_msat=held, held_msat=held)


def _need_quote(task: Task, number: int, moment: Moment) -> None:
    """One more invoice of the deposit for this milestone today."""
    now, limit = moment.now, moment.policy.quotes_a_day
    today = [f.asked for f in task.fundings if f.covers and f.milestone == number and f.asked > now.time - DAY]
    if len(today) >= limit:
        raise refuse(Refused.TOO_MANY_QUOTES, limit=limit, wait=today[0] + DAY - now.time)


def _order(done: Decision, parts: tuple[tuple[int, int], ...], moment: Moment) -> Decision:
    """The invoice of each part is asked of the node, of a house that is open to new business. Raises Refusal."""
    need_welcome(moment)
    task, policy = done.task, moment.policy
    for number, _ in parts:
        _need_quote(task, number, moment)
    amounts, costs = [], [_cost(task, number, part, moment) for number, part in parts]
    for (_, part), quoted in zip(parts, costs, strict=True):
        amounts.append(quoted.hold_amount if part == quoted.price_of(quoted.current) else _part(quoted, part))
    need_room(task, Msat(sum(amounts)), moment, len(amounts))
    life = policy.rate_expiry if task.currency else policy.invoice_expiry
    for (number, part), quoted, amount in zip(parts, costs, amounts, strict=True):
        done = order(done, moment, life, amount, quoted.current.rate, milestone=number, covers=part)
    return done.say(task.employer, Told.MAKING_INVOICE)


def _cost(task: Task, number: int, part: int, moment: Moment) -> Task:
    """The task at that milestone, at the present rate. Raises Refusal."""
    there = replace(task, at=number - 1)
    return pricing.quote(there, moment, limits=part == task.price_of(there.current))


def _part(quoted: Task, part: int) -> Msat:
    rate = quoted.current.rate
    return rate.reward(part) if rate else Msat(part * MSAT_PER_SAT)


def reckon(task: Task, policy: Policy) -> Deposit | None:
    """So many percent of the whole, as far as there is something left that is not held, from the last milestone backwards; None: nothing is."""
    percent = task.terms.deposit_percent or policy.deposit_percent
    left = sum(task.price_of(each) for each in task.milestones) * percent // 100
    parts: list[tuple[int, int]] = []
    for each in reversed(task.milestones):
        part = min(left, task.price_of(each))
        if part and may_cover(task, each.number):
            parts.insert(0, (each.number, part))
            left -= part
    return Deposit(percent=percent, parts=tuple(parts)) if parts else None


def may_cover(task: Task, number: int) -> bool:
    """Money ahead for this milestone still makes sense: nothing else is held or asked for it. Its turn may have come where it is paid for later."""
    if task.state is None or task.state.is_final or task.phase is Phase.REFUNDING or task.lost:
        return False
    if number != task.current.number:
        return number > task.current.number and not may_plan(task)
    if task.state is S.DRAFT:
        return task.on_approval and not may_plan(task)
    return task.state is S.CLAIMED and task.phase is Phase.NONE and task.unfunded


def suggest(done: Decision, moment: Moment) -> Decision:
    """The work has begun. Of a large task the employer is asked once, and again with each milestone until he has said yes or no."""
    task, policy = done.task, moment.policy
    if task.undeposited or task.deposit:
        return done
    wanted = reckon(task, policy)
    if wanted is None or not (task.terms.deposit_percent or _is_large(task, policy)):
        return done
    if not task.seq_of(LogType.DEPOSIT_OFFERED):
        facts: dict[str, Any] = {"percent": wanted.percent, "price": _price(task, wanted.price)}
        done = note(done, LogType.DEPOSIT_OFFERED, replace(moment, by="clock", evidence=None), **facts)
    about = Msat(sum(_estimate(task, number, part) for number, part in wanted.parts))
    return done.say(task.employer, Told.DEPOSIT_OFFERED, percent=wanted.percent, deposit_msat=about)


def _estimate(task: Task, number: int, part: int) -> Msat:
    return _part(replace(task, at=number - 1), part)


def _is_large(task: Task, policy: Policy) -> bool:
    whole = sum(task.price_of(each) for each in task.milestones)
    if task.currency:
        return whole > in_smallest(policy.deposit_above_price, task.currency)
    return whole * MSAT_PER_SAT > policy.deposit_above


def _price(task: Task, part: int) -> str:
    return plain(part, task.currency) if task.currency else str(part)


def made(done: Decision, funding: Funding, moment: Moment) -> Decision:
    """The node has made the invoice of a cover that is still wanted."""
    if pricing.is_stale(funding, moment):
        told = {"reason": "old_rate", **of_cover(done.task, funding)}
        return drop_invoice(done, funding).say(done.task.employer, Told.INVOICE_FAILED, **told)
    rate = funding.rate
    at = {"rate": str(rate.price), "rate_sources": list(rate.sources), "rate_time": rate.time} if rate else {}
    facts: dict[str, Any] = {
        **of_cover(done.task, funding),
        "funding": funding.ref,
        "amount_msat": funding.amount,
        "expires_at": funding.expires_at,
        "hash_commitment": commitment(funding.salt, funding.payment_hash),
        **at,
    }
    return invoice_card(note(done, LogType.INVOICE_CREATED, moment, **facts), funding)


def paid(done: Decision, funding: Funding, view: HoldView, moment: Moment) -> Decision:
    """The money of a cover is held: its part of the price is what it is from now on."""
    task = done.task
    if funding.goal or not may_cover(task, funding.milestone):
        return stray(done, funding, view, moment)
    soon = task.terms.last_safe(view.expiry_height) - moment.policy.reserve <= moment.now.height
    problem = wrong_parts(funding, view, moment) or ("expires_too_soon" if soon else "")
    if problem:
        return refused(done, funding, view, None, problem, moment)
    held = replace(funding, state=F.ACCEPTED, accepted_at=moment.now.heard, expiry_height=view.expiry_height)
    facts = public(task, held, len(view.parts))
    noted = note(put(done, held), LogType.INVOICE_ACCEPTED, moment, **of_cover(task, held), **facts)
    noted = noted.on(pricing.cover(noted.task, held.milestone, held.covers, held.rate))
    noted = ledger.at_once(noted, [held])
    return _tell(
        noted, Told.DEPOSIT_HELD, held, held_msat=sum(cover.amount for cover in noted.task.covers) or held.amount
    )


def void(done: Decision, funding: Funding, moment: Moment) -> Decision:
    """Nobody paid it in time."""
    task = done.task
    if funding.goal or task.state is None or task.state.is_final:
        return done.on(task.with_funding(funding.ref, state=F.CANCELLED))
    gone = done.on(task.with_funding(funding.ref, state=F.EXPIRED))
    noted = note(gone, LogType.INVOICE_EXPIRED, moment, **of_cover(task, funding), funding=funding.ref)
    return noted.say(task.employer, Told.DEPOSIT_EXPIRED, **of_cover(task, funding))


def lost(done: Decision, funding: Funding, moment: Moment) -> Decision:
    """The node no longer holds it, and we did not ask for that: the task is the same, the deposit less."""
    task = done.task
    opened = {"funding": funding.ref, "payment_hash": funding.payment_hash, "hash_salt": funding.salt}
    gone = done.on(pricing.cover(task, funding.milestone, 0).with_funding(funding.ref, state=F.LOST, goal="stray"))
    gone = drop_invoice(gone, task.renewal(funding.ref)).incident(
        "hold_lost", funding=funding.ref, amount_msat=funding.amount
    )
    noted = note(gone, LogType.HOLD_LOST, moment, **of_cover(task, funding), **opened)
    return _tell(noted, Told.DEPOSIT_BACK, funding, reason="hold_lost")


def heights(task: Task) -> Iterator[tuple[int, str]]:
    """What a height does to a deposit."""
    for cover in _held(task):
        yield task.terms.last_safe(cover.expiry_height), "cover_end"
        asked = task.lost or any(f.replaces == cover.ref for f in task.fundings)
        if (renewal := task.renews_at(cover)) and not asked:
            yield renewal, "cover_renewal"


def end(task: Task, moment: Moment) -> Decision:
    """The first cover that has come to its last safe height goes back, or into the books where the terms say so; the task is the same."""
    height = moment.now.height
    cover = next(each for each in _held(task) if task.terms.last_safe(each.expiry_height) <= height)
    if task.terms.outlasts_hold:
        return ledger.begin(Decision(task), [cover])
    return returned(Decision(task), cover, "hold_end", moment)


def _held(task: Task) -> Iterator[Funding]:
    """The covers that a height ends: those which are, and stay, held payments."""
    return (cover for cover in task.covers if not cover.goal)


def due_for_renewal(task: Task, height: int) -> Funding:
    """The first cover whose time for a fresh hold has come."""
    asked = {f.replaces for f in task.fundings}
    return next(each for each in task.covers if 0 < task.renews_at(each) <= height and each.ref not in asked)


def returned(done: Decision, cover: Funding, reason: str, moment: Moment) -> Decision:
    """It goes back before its milestone is over, and both are told."""
    back = give_back(done, cover, reason, moment)
    return _tell(back, Told.DEPOSIT_BACK, cover, reason=reason)


def drop_open(done: Decision, number: int) -> Decision:
    """What was asked for a milestone ahead is not wanted any more: all that it costs is asked for now."""
    for invoice in done.task.cover_invoices:
        if invoice.milestone == number:
            done = drop_invoice(done, invoice)
    return done


def fitting(done: Decision, moment: Moment) -> Decision:
    """The work on the current milestone is to be paid for now: a cover whose hold does not last through it goes back, unless it may go
    into the books when it ends."""
    task = done.task
    for cover in task.covers:
        if cover.milestone != task.current.number or task.terms.outlasts_hold:
            continue
        latest = latest_deadline(moment.now, task.terms.review_window, cover.expiry_height, moment.policy, task.terms)
        if task.deadline > latest:
            done = returned(done, cover, "too_short", moment)
    return done


def _tell(done: Decision, code: Told, cover: Funding, **facts: Any) -> Decision:
    for who in (done.task.employer, done.task.worker):
        done = done.say(who, code, amount_msat=cover.amount, **of_cover(done.task, cover), **facts)
    return done
