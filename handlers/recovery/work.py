"""What the log tells of the agreement and its work: terms, claims, proofs, judgements, disputes, freezes."""

from __future__ import annotations

from dataclasses import replace

from handlers import due, freezing
from handlers.fees import Fees
from handlers.guards import next_ref
from handlers.recovery import money
from handlers.recovery.money import drop_waiting, no_quote, no_renewal, quiet
from handlers.recovery.projects import parts
from handlers.task import LOCK, Applicant, Dispute, Milestone, Patience, Payout, Proof, Task, Terms
from kinds.inputs import Check
from kinds.record import Entry
from kinds.states import DisputeState, Payer, PayoutState, Role, TaskState
from kinds.units import EventId, Msat, Pubkey, task_id

P, S = PayoutState, TaskState


def created(entry: Entry) -> Task:
    facts = entry.facts
    address = entry.event.tag("a") or ""
    fees = Fees(
        ppm=int(facts["service_fee_ppm"]),
        base=Msat(facts["service_fee_base_msat"]),
        minimum=Msat(facts["service_fee_minimum_msat"]),
        payer=Payer(facts["service_fee_payer"]),
        insurance_percent=int(facts["insurance_percent"]),
    )
    terms = Terms(
        version=EventId(facts["terms"]),
        deadline=facts["deadline"] - entry.deaf,
        review_window=facts["review_window"],
        hold_timeout=facts["hold_timeout"],
        on_reject=facts["on_reject"],
        max_rejects=facts["max_rejects"],
        on_silence=facts["on_silence"],
        on_hold_end=facts["on_hold_end"],
        min_evidence=facts["min_evidence"],
        margin=facts["margin"],
        payout_limit=facts["payout_limit"],
        fees=fees,
        custody_mode=facts["custody_mode"],
        dispute_limit=int(facts.get("dispute_limit", 0)),
        order=str(facts.get("order", "fund_first")),
        claim=str(facts.get("claim", "first")),
        payment_type=str(facts.get("payment_type", "FIXED_PRICE")),
        sealed=str(facts.get("sealed", "refused")),
        funding=str(facts.get("funding", "upfront")),
        pricing=money.agreed(facts),
        hourly=money.by_hour(facts, str(facts.get("currency", ""))),
        deposit_percent=int(facts.get("deposit_percent", 0)),
    )
    if task_id(EventId(facts["pinned"])) != entry.task:
        raise ValueError("another task's event")
    reward = Msat(facts["reward_msat"])
    whole = Milestone(
        number=1, title=facts["title"], reward=reward, budget=Msat(facts["budget_msat"]), **money.price(facts)
    )
    return Task(
        id=entry.task,
        address=address,
        pinned=EventId(facts["pinned"]),
        posted=address.split(":")[1] == entry.event.pubkey,
        employer=Pubkey(facts["employer"]),
        title=facts["title"],
        description="",
        terms=terms,
        created=entry.time,
        milestones=parts(facts["milestones"], entry.deaf, whole.rate) if "milestones" in facts else (whole,),
    )


def offered(task: Task, entry: Entry) -> Task:
    """Somebody would do it; what he wrote, and where he would be paid, is not in the log."""
    who = Pubkey(entry.facts["worker"])
    fresh = Applicant(who=who, seq=entry.seq, heard=entry.heard, note="", dest_hash=_promised(entry))
    return replace(task, applicants=(*(each for each in task.applicants if each.who != who), fresh))


def accepted(task: Task, entry: Entry) -> Task:
    """Somebody is bound: by his own word, or picked from those who offered."""
    who = Pubkey(entry.facts["worker"])
    offer = next((each for each in task.applicants if each.who == who), None)
    return replace(
        task, worker=who, destination=offer.destination if offer else None,
        dest_hash=offer.dest_hash if offer else _promised(entry),
        applicants=tuple(each for each in task.applicants if each.who != who), bound_seq=entry.seq,
        consented=offer.heard if offer else entry.heard,
    )  # fmt: skip


def claimed(task: Task, entry: Entry) -> Task:
    """The work begins. Money that is to go into the books does so from here on."""
    if task.worker is None:  # else he was bound before
        task = accepted(task, entry)
    if task.terms.custody_mode == "ledger":
        for hold in task.holds:
            task = task if hold.goal else task.with_funding(hold.ref, goal=LOCK)
    rushed = 2 * (task.deadline - entry.heard) < task.deadline - task.consented
    return replace(task, claimed_at=entry.heard, funded_until=0, rushed=rushed)


def _promised(entry: Entry) -> str | None:
    """The commitment of a signed claim is the worker's own; a destination that came with a letter is not in the log."""
    return entry.facts["dest_hash"] if entry.proven == "signed" else None


def abandoned(task: Task, entry: Entry) -> Task:
    who = entry.facts.get("worker")
    if who is not None and who != task.worker:
        return replace(task, applicants=tuple(each for each in task.applicants if each.who != who))
    if entry.state not in (S.FUNDED, S.DRAFT):
        return task  # the refund follows
    now = entry.heard
    task = no_renewal(task) if entry.state == S.FUNDED else no_quote(task)
    until = min(now + task.terms.hold_timeout, task.deadline) if entry.state == S.FUNDED else 0
    return replace(
        task.with_current(task.current.anew()), worker=None, claimed_at=0, funded_until=until, destination=None,
        dest_hash=None, offers=(), proposal=None, bound_seq=0, consented=0, rushed=False,
    )  # fmt: skip


def proof(task: Task, entry: Entry) -> Task:
    facts, event = entry.facts, entry.embedded
    tags = {tag[0]: tag[1] for tag in event["tags"] if len(tag) > 1} if event else {}
    proof = Proof(
        number=facts["number"], seq=entry.seq, heard=facts["heard_at"] - entry.deaf, time=facts["heard_at"],
        url=str(tags.get("url", "")), sha256=facts["sha256"], mime=facts["mime"],
        notes=str(event["content"]) if event else "", check=Check(facts["check"]),
        check_reason=facts["check_reason"], event=dict(event) if event else None, key_hash=facts.get("key_hash", ""),
        hours=int(facts.get("hours", 0)),
    )  # fmt: skip
    times = (*task.current.proof_times, proof.time)
    if proof.hours:
        task = replace(task, offers=())
    return task.with_milestone(
        proof=proof, hours=proof.hours, arriving=None, proofs=proof.number, proof_times=times, prolonged=0, resubmit_until=0,
        review_until=facts["review_until"] - entry.deaf,
    )  # fmt: skip


def rejected(task: Task, entry: Entry) -> Task:
    if entry.state == S.DISPUTED:
        return task  # the dispute follows
    until = entry.facts["until"] - entry.deaf
    return task.with_milestone(rejects=task.current.rejects + 1, resubmit_until=until, review_until=0)


def prolonged(task: Task, entry: Entry) -> Task:
    until = entry.facts["until"] - entry.deaf
    return task.with_milestone(review_until=until, prolonged=task.current.prolonged + 1)


def verified(task: Task, entry: Entry) -> Task:
    """The worker's share is planned; where nothing is held for it, the employer is asked for the money first."""
    split = int(entry.facts.get("percent", 100))
    closing = entry.facts.get("how") == "agreement"
    task = quiet(replace(no_renewal(task), split=split, offers=(), closing=closing))
    if task.unfunded:
        task = due.asking(task, entry.heard)
    if entry.state == S.CLAIMED:
        until = entry.facts["pay_until"] - entry.deaf
        resolved = replace(task.dispute, state=DisputeState.RESOLVED) if task.dispute else None
        return replace(task, dispute=resolved).with_milestone(pay_until=until)
    return planned(task)


def planned(task: Task) -> Task:
    """The share, to the destination that is known, if any is."""
    assert task.worker is not None
    named, amount = task.destination, task.share_amount
    ref, counter = next_ref(task, "p")
    share = Payout(
        ref=ref, role=Role.WORKER, to=task.worker, amount=amount, budget=task.budget, milestone=task.current.number
    )
    if named and named.amount == amount:
        share = replace(
            share, invoice=named.invoice, payment_hash=named.payment_hash, expires_at=named.expires_at,
            final_cltv=named.final_cltv, salt=named.salt, promised=named.promised,
        )  # fmt: skip
    return replace(
        task, payouts=(*task.payouts, share), counter=counter, destination=None, patience=Patience(),
        dispute=replace(task.dispute, state=DisputeState.RESOLVED) if task.dispute else None,
    )  # fmt: skip


def held(task: Task, entry: Entry) -> Task:
    """Every part is held: before the work, or for work that was approved."""
    task = money.accepted(task, entry)
    return planned(task) if entry.state == S.VERIFIED else task


def missed(task: Task, entry: Entry) -> Task:
    """The employer has not paid: what a deposit has for it is the worker's."""
    if entry.state != S.VERIFIED:
        return task
    return planned(task.with_milestone(short=Msat(entry.facts["short_msat"])))


def disputed(task: Task, entry: Entry) -> Task:
    by = entry.facts.get("by")
    opened = Dispute(
        state=DisputeState.OPEN, by=Pubkey(by) if by and by != "silence" else task.employer, opened=entry.heard
    )
    return replace(quiet(drop_waiting(task)), dispute=opened, offers=(), closing=False)


def resolved(task: Task, entry: Entry) -> Task:
    if entry.state in (S.VERIFIED, S.CLAIMED):
        return verified(task, entry)
    resolved = replace(task.dispute, state=DisputeState.RESOLVED) if task.dispute else None
    return replace(task, dispute=resolved, split=int(entry.facts.get("percent", task.split)), offers=())


def offered_end(task: Task, entry: Entry) -> Task:
    by = Pubkey(entry.facts["by"])
    others = tuple(offer for offer in task.offers if offer[0] != by)
    return replace(task, offers=(*others, (by, int(entry.facts["percent"]), entry.seq)))


def unreachable(task: Task, _entry: Entry) -> Task:
    return replace(drop_waiting(task), marked=True)


def frozen(task: Task, entry: Entry) -> Task:
    return replace(task, frozen_at=entry.heard)


def unfrozen(task: Task, entry: Entry) -> Task:
    return freezing.later(replace(task, frozen_at=0), int(entry.facts["seconds"]))


def incident(task: Task, _entry: Entry) -> Task:
    return task
