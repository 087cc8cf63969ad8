"""Every check of the verifier, each with a record that breaks it and nothing else, and the code that it must be caught by."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from tests.verifier.forge import (
    BOT,
    BUDGET,
    DAY,
    EMPLOYER,
    HOUR,
    MARGIN,
    REWARD,
    STRANGER,
    T0,
    WORKER,
    Event,
    Fee,
    Life,
    Line,
    codes,
    commit,
    notes,
    paid_life,
    plain,
    sha,
)
from tests.verifier.test_witness_rates import FORGED
from verifier import Code, check

Spoil = Callable[[], Life]
INVOICE = "lnplay500u1p" + "q" * 120
NSEC = "nsec1" + "q" * 58


# of 50,000 sats, 1.003 percent: 501.5 sats, and 501 when it is rounded; half of it 250
FEES = {
    "employer": Fee(10_030, payer="employer", whole=501_000),
    "worker": Fee(10_030, payer="worker", whole=501_000, workers=501_000),
    "split": Fee(10_030, payer="split", whole=501_000, workers=250_000),
    "least": Fee(10_030, base=20_000, minimum=600_000, payer="worker", insured=33, whole=600_000, workers=600_000),
    "base": Fee(10_030, base=20_000, minimum=520_000, payer="split", insured=0, whole=521_000, workers=260_000),
}


def at(life: Life, type: str) -> Line:
    return next(line for line in life.lines if line.type == type)


def fact(type: str, /, **changed: Any) -> Spoil:
    """A paid life in which an entry says something else; a value may be a function of the old one."""

    def make() -> Life:
        life = paid_life()
        line = at(life, type)
        for name, value in changed.items():
            line.facts[name] = value(line.facts[name]) if callable(value) else value
        return life

    return make


def content(type: str, /, **changed: Any) -> Spoil:
    def make() -> Life:
        life = paid_life()
        at(life, type).change |= changed
        return life

    return make


def tags(type: str, /, **changed: str | None) -> Spoil:
    def make() -> Life:
        life = paid_life()
        at(life, type).tags |= changed
        return life

    return make


def embedded(type: str, change: Callable[[Event, Life], Event]) -> Spoil:
    """A paid life in which an entry rests on another event than the genuine one."""

    def make() -> Life:
        life = paid_life()
        line = at(life, type)
        genuine = line.event
        assert genuine is not None
        line.event = lambda ids: change(genuine(ids), life)
        return life

    return make


def resigned(type: str, /, **changed: Any) -> Spoil:
    """The person himself signed something else."""
    keys = {EMPLOYER.pub: EMPLOYER, WORKER.pub: WORKER}

    def change(event: Event, life: Life) -> Event:
        words = {**event, **{name: value(event[name]) if callable(value) else value for name, value in changed.items()}}
        return keys[event["pubkey"]].sign(words["kind"], words["tags"], words["content"], words["created_at"])

    return embedded(type, change)


def retagged(name: str, value: str | None) -> Callable[[list[list[str]]], list[list[str]]]:
    """Replaces the tags of this name, or takes them away."""
    fresh = [] if value is None else [[name, value]]
    return lambda old: [tag for tag in old if tag[0] != name] + fresh


def edited(life: Life, edit: Callable[[Life], object]) -> Life:
    edit(life)
    return life


def payout(**changed: Any) -> Spoil:
    def make() -> Life:
        life = paid_life()
        at(life, "settlement.completed").facts["payouts"][0] |= changed
        return life

    return make


# lives that go another way


def reviewing(**terms: Any) -> Life:
    return Life(terms=terms).fund().claim().proof()


def silent(early: int = 0, **terms: Any) -> Life:
    life = reviewing(**terms)
    life.wait(DAY - early)
    life.add("proof.verified", "Verified", "APPROVED", "clock", verified_by="silence", proof=1)
    return life.settle()


def prolonged(times: int, until: int = 0) -> Life:
    life = reviewing()
    for _ in range(times):
        life.wait(DAY)
        life.add("review.prolonged", "Claimed", "SUBMITTED", "clock", until=life.time + DAY + until)
    return life


def rejected(life: Life, again: bool = True, late: int = 0) -> Life:
    life.wait()
    event = life.decide(EMPLOYER, "reject", life.newest("proof.submitted"))
    if again:
        until = max(life.time + DAY, life.deadline) + late
        life.add("proof.rejected", "Claimed", "REJECTED", EMPLOYER, event, until=until)
    else:
        life.add("proof.rejected", "Disputed", "REJECTED", EMPLOYER, event, by=EMPLOYER.pub)
        life.add("dispute.opened", "Disputed", "REJECTED", EMPLOYER, event, by=EMPLOYER.pub)
    return life


def revising(**terms: Any) -> Life:
    return rejected(reviewing(on_reject="revise", **terms))


def agreed(percent: int, offered: int | None = None, by: Any = EMPLOYER) -> Life:
    """Both want to end it with this percentage; `offered`: what the first one really offered."""
    life = reviewing().offer_end(by, percent if offered is None else offered)
    life.wait()
    event = life.decide(WORKER, "cancel", life.newest("cancel.offered"), percent=percent)
    if percent:
        facts = {"verified_by": "agreement", "how": "agreement", "percent": percent}
        life.add("proof.verified", "Verified", "APPROVED", WORKER, event, **facts)
        return life.settle(percent, change=(REWARD * (100 - percent) // 100) + 333_000 if percent == 30 else 0)
    return life.refund("Claimed", "SUBMITTED", WORKER, "agreed", event, how="agreement", percent=0)


def split() -> Life:
    """30 percent, with the change to the msat: rest = 50,500,000 - 15,001,000 = 35,499,000 -> 35,147 sat and a budget of 352 sat."""
    life = reviewing().offer_end(EMPLOYER, 30)
    life.wait()
    event = life.decide(WORKER, "cancel", life.newest("cancel.offered"), percent=30)
    facts = {"verified_by": "agreement", "how": "agreement", "percent": 30}
    life.add("proof.verified", "Verified", "APPROVED", WORKER, event, **facts)
    life.settle(30)
    end = at(life, "settlement.completed").facts
    change = {"role": "employer", "to": EMPLOYER.pub, "amount_msat": 35_499_000}
    end["credited"] = [change]
    end["insurance_msat"] = 0
    return life


def split_with_fee() -> Life:
    """The same of which each side bears half of the fee: share 15,000,000 - 75,000, fee 150,000, of which 15,000 are insurance.
    Rest = 50,751,000 - 14,926,000 - 150,000 = 35,675,000."""
    life = Life(fee=FEES["split"]).fund().claim().proof().offer_end(EMPLOYER, 30)
    life.wait()
    event = life.decide(WORKER, "cancel", life.newest("cancel.offered"), percent=30)
    facts = {"verified_by": "agreement", "how": "agreement", "percent": 30}
    life.add("proof.verified", "Verified", "APPROVED", WORKER, event, **facts)
    life.settle(30)
    end = at(life, "settlement.completed").facts
    assert (end["payouts"][0]["amount_msat"], end["fee_msat"]) == (14_925_000, 135_000)
    end["credited"] = [{"role": "employer", "to": EMPLOYER.pub, "amount_msat": 35_675_000}]
    end["insurance_msat"] = 15_000
    return life


def fee_fact(type: str, /, payer: str = "split", **changed: Any) -> Spoil:
    """A paid life with a service fee in which an entry says something else of it; None takes a fact away."""

    def make() -> Life:
        life = paid_life(fee=FEES[payer])
        facts = at(life, type).facts
        for name, value in changed.items():
            facts[name] = value(facts[name]) if callable(value) else value
            if value is None:
                del facts[name]
        return life

    return make


def uninsured() -> Life:
    """The operator keeps the insurance's share for himself."""
    life = paid_life(fee=FEES["worker"])
    end = at(life, "settlement.completed").facts
    end["fee_msat"], end["insurance_msat"] = end["fee_msat"] + 50_100, end["insurance_msat"] - 50_100
    return life


def margin(fee: Fee | None = None) -> Life:
    """Nobody could be paid until the hold had to be settled: the worker is owed his reward."""
    life = Life(fee=fee).fund().claim().proof().approve()
    life.time, life.height = life.time + DAY, life.expiry - MARGIN
    life.settle(paid=False, credit=life.net)
    life.lines[-1].facts["insurance_msat"] = life.fee.whole * life.fee.insured // 100
    for line in life.lines[-2:]:
        line.height = life.expiry - MARGIN
    return life


def withdrawn(life: Life, amount: int, who: str = WORKER.pub, name: str = "mine", **facts: Any) -> Life:
    """So much is paid out of somebody's account. What tasks have put there is what the life's credits say, unless said otherwise."""
    life.wait()
    credits = [line.facts for line in life.lines if line.type == "compensation"]
    credits += [each for line in life.lines for each in line.facts.get("credited", [])]
    own = [each["amount_msat"] for each in credits if each["to"] == who]
    preimage = sha(name)
    said = {
        "to": who, "amount_msat": amount, "fee_msat": 1000, "payment_hash": sha(bytes.fromhex(preimage)), "preimage": preimage,
        "credits": len(own), "credited_msat": sum(own), **facts,
    }  # fmt: skip
    life.house.append(("account.paid", life.time, said))
    return life


def hidden_credit() -> Life:
    """The daemon names two credits of a person, and the log of one of them is not at hand."""
    return withdrawn(margin(), 60_000_000, credits=2, credited_msat=101_000_000)


def ended(reason: str, early: int = 0, freeze: bool = False, **terms: Any) -> Life:
    life = Life(terms=terms).fund()
    if freeze:
        life.freeze()
    if reason == "cancelled":
        life.wait()
        return life.refund("Funded", "PENDING", EMPLOYER, reason, life.decide(EMPLOYER, "cancel", 3))
    if reason == "hold_timeout":
        life.wait(DAY - early)
        return life.refund("Funded", "PENDING", "clock", reason)
    life.claim()
    life.wait(life.deadline - life.time - early)
    return life.refund("Claimed", "IN_PROGRESS", "clock", reason)


def hold_end(early: int = 0, freeze: bool = False) -> Life:
    life = rejected(reviewing(), again=False)
    if freeze:
        life.freeze()
    life.wait()
    life.height = life.safe - early
    facts = {"funding": f"{life.id}/h1", "reason": "hold_end", "how": "hold_end", "percent": 0}
    for type in ("dispute.resolved", "refund.started"):
        life.add(type, "Disputed", "REJECTED", "clock", **facts)
    life.refunded("REJECTED", "hold_end").lines[-1].height = life.safe
    return life


def unreachable(early: int = 0) -> Life:
    life = reviewing().approve()
    life.wait(DAY - early)
    facts = {"funding": f"{life.id}/h1", "reason": "worker_unreachable"}
    for type in ("payout.failed", "refund.started"):
        life.add(type, "Verified", "APPROVED", "clock", **facts)
    return life.refunded("APPROVED", "worker_unreachable")


def given_back(basis: int = 4) -> Life:
    life = Life().fund().claim()
    life.wait()
    event = life.decide(WORKER, "abandon", basis)
    worker, life.worker = life.worker, ""
    life.add("task.abandoned", "Funded", "PENDING", WORKER, event, worker=worker)
    return life


def abandoned(signed: bool = False) -> Life:
    return given_back().claim(signed).proof().approve().settle()


def cancelled_after_abandoning() -> Life:
    life = given_back()
    life.wait()
    return life.refund("Funded", "PENDING", EMPLOYER, "cancelled", life.decide(EMPLOYER, "cancel", 2))


def approved_on(basis: int) -> Life:
    """Disputed before anything was delivered; the employer approves all the same, resting on this entry."""
    life = disputed_on(4)
    life.wait()
    facts = {"verified_by": EMPLOYER.pub, "proof": None, "how": "approve", "percent": 100}
    event = life.decide(EMPLOYER, "approve", basis)
    life.add("dispute.resolved", "Verified", "APPROVED", EMPLOYER, event, **facts)
    return life


def disputed_on(basis: int) -> Life:
    life = Life().fund().claim()
    life.wait()
    event = life.decide(WORKER, "dispute", basis)
    life.add("dispute.opened", "Disputed", "IN_PROGRESS", WORKER, event, by=WORKER.pub)
    return life


def offered_on(basis: int) -> Life:
    life = Life().fund().claim().offer_end(EMPLOYER, 30)
    life.lines[-1].event = life.decide(EMPLOYER, "cancel", basis, percent=30)
    return life


def offered_before_a_dispute() -> Life:
    """The worker accepts in the dispute what the employer had offered before it."""
    life = reviewing().offer_end(EMPLOYER, 0)
    life.wait()
    life.add("dispute.opened", "Disputed", "SUBMITTED", WORKER, life.decide(WORKER, "dispute", 5), by=WORKER.pub)
    life.wait()
    event = life.decide(WORKER, "cancel", 6, percent=0)
    facts = {"funding": f"{life.id}/h1", "reason": "agreed", "how": "agreement", "percent": 0}
    for type in ("dispute.resolved", "refund.started"):
        life.add(type, "Disputed", "SUBMITTED", WORKER, event, **facts)
    return life


def restarted(life: Life, seconds: int = 40) -> None:
    """Deaf for a moment, and that is published only when it is over."""
    since, life.deaf = life.time, life.deaf + seconds
    life.wait(seconds)
    life.house.append(("clock.resumed", life.time, {"since": since, "until": life.time, "deaf": life.deaf}))


def told_twice(life: Life) -> None:
    life.outage(HOUR)
    life.house.insert(-1, life.house[-2])


def opening(life: Life) -> dict[str, str]:
    return {"funding": f"{life.id}/h1", "payment_hash": life.hash, "hash_salt": life.salt}


def lost() -> Life:
    life = Life().fund().claim()
    life.wait()
    for type in ("hold.lost", "task.expired"):
        life.add(type, "Expired", "IN_PROGRESS", "node", reason="hold_lost", mark=None, **opening(life))
    return life


def lost_after_payout(fee: Fee | None = None, frozen: bool = False) -> Life:
    life = Life(fee=fee).fund().claim().proof().approve()
    life.wait()
    life.add("hold.lost", "Verified", "APPROVED", "node", **opening(life))
    if frozen:
        life.freeze().unfreeze()
    facts = {
        "funding": f"{life.id}/h1", "hold_msat": life.hold, "payment_hash": life.hash, "hash_salt": life.salt,
        "percent": 100, "payouts": [life.payment(life.net)], "credited": [], "insurance_msat": 0, **life.kept(0),
        "loss_msat": life.net + 1000, "incident": "hold_lost_after_payout",
    }  # fmt: skip
    for type in ("settlement.completed", "incident"):
        life.add(type, "Paid", "RELEASED", "node", **facts)
    return life


def made_good(life: Life, **changed: Any) -> Life:
    """The insurance gives 5,000 sats: to the worker of a lost hold, or the employer when the worker was paid."""
    life.wait()
    last = life.lines[-1]
    worker = last.state == "Expired" and bool(life.worker)
    facts: dict[str, Any] = {"role": "worker" if worker else "employer", "to": life.worker if worker else EMPLOYER.pub}
    facts |= {"amount_msat": 5_050_000, **changed}
    life.add("compensation", last.state, last.work, "operator", **facts)
    return life


def paid_by_message(**changed: str) -> Life:
    life = paid_life(signed=False)
    at(life, "settlement.completed").facts["payouts"][0] |= changed
    return life


SOUND: dict[str, Spoil] = {
    "paid, signed": paid_life,
    "paid, by message": lambda: paid_life(signed=False),
    "posted": lambda: paid_life(posted=True),
    "silence approves": silent,
    "prolonged three times": lambda: prolonged(3),
    "rejected and delivered again": lambda: revising().proof(number=2).approve().settle(),
    "agreed on a share": split,
    "agreed on nothing": lambda: agreed(0),
    **{f"paid, with a fee: {name}": lambda fee=fee: paid_life(fee=fee) for name, fee in FEES.items()},  # type: ignore[misc]
    **{f"credited, with a fee: {name}": lambda fee=fee: margin(fee) for name, fee in FEES.items()},  # type: ignore[misc]
    "agreed on a share, with a fee": split_with_fee,
    "lost after the payout, with a fee": lambda: lost_after_payout(FEES["split"]),
    "credited, and paid later": lambda: withdrawn(margin(), REWARD, fee_msat=7),
    "credited, and paid in parts": lambda: withdrawn(withdrawn(margin(), 20_000_000), 30_000_000, name="rest"),
    "change, paid later": lambda: withdrawn(split(), 35_147_000, EMPLOYER.pub, fee_msat=352_000),
    "credited, paid to the last msat": lambda: withdrawn(margin(), REWARD + BUDGET, fee_msat=0),
    "paid out of a credit that is not at hand": hidden_credit,
    "ended: cancelled": lambda: ended("cancelled"),
    "ended: hold_timeout": lambda: ended("hold_timeout"),
    "ended: no_proof": lambda: ended("no_proof"),
    "the hold's end": hold_end,
    "unreachable": unreachable,
    "abandoned and taken again": abandoned,
    "abandoned and taken again, signed": lambda: abandoned(signed=True),
    "abandoned and cancelled on an old entry": cancelled_after_abandoning,
    "approved once more after a dispute": lambda: reapproved(),
    "approved in a dispute without a proof": lambda: approved_on(4),
    "lost under a payout, and frozen meanwhile": lambda: lost_after_payout(frozen=True),
    "lost before a payout": lost,
    "lost, and made good for": lambda: made_good(lost()),
    "lost, made good for and paid": lambda: withdrawn(made_good(lost()), 5_000_000),
    "lost, made good for twice and paid at once": lambda: withdrawn(made_good(made_good(lost())), 10_000_000),
    "lost after the payout, and made good for": lambda: made_good(lost_after_payout()),
    "lost after the payout": lost_after_payout,
    "a restart": lambda: edited(Life(), lambda life: restarted(life)).fund(),
    "a pause that is told twice": lambda: edited(Life(), lambda life: told_twice(life)).fund(),
    "deaf for an hour": lambda: edited(Life(), lambda life: life.outage(HOUR)).fund(),
    "paused, opened and paused": lambda: doors("house.paused", "house.resumed", "house.paused"),
    "frozen, and late only by the old deadlines": lambda: (
        thawed(Life().fund(), 2 * DAY).claim().proof().approve().settle()
    ),
    "frozen and deaf": lambda: edited(Life().fund().freeze(), lambda life: life.outage(HOUR)).unfreeze().claim(),
    "frozen at the hold's end": lambda: hold_end(freeze=True),
    "frozen in a silence that becomes deafness": lambda: overtaken(Life().fund()).claim(),
}


@pytest.mark.parametrize("name", SOUND)
def test_a_sound_record_is_sound(name: str) -> None:
    report = SOUND[name]().check()
    assert report.ok, report.to_text()


def swap_lines(life: Life) -> Life:
    life.lines[2], life.lines[3] = life.lines[3], life.lines[2]
    return life


def drop(life: Life, type: str) -> Life:
    """The entry is not there, and the later ones keep their numbers and hashes."""
    whole = life.log()
    gone = whole[next(n for n, line in enumerate(life.lines) if line.type == type)]
    state = life.state_event(whole)
    life.log = lambda: [event for event in whole if event is not gone]  # type: ignore[method-assign]
    life.state_event = lambda log: state  # type: ignore[method-assign]
    return life


def forked(life: Life) -> Life:
    twin = Life(title="another page")
    twin.lines[0].facts["title"] = "another page"
    life.extra = twin.log()
    return life


def changed_event(life: Life, **changed: Any) -> Life:
    """The last entry as a forger would alter it, without the daemon's key."""
    whole = life.log()
    whole[-1] |= changed
    life.log = lambda: whole  # type: ignore[method-assign]
    life.without_state = True
    return life


def again(life: Life, type: str, **facts: Any) -> Life:
    last = life.lines[-1]
    life.wait()
    life.add(type, last.state, last.work, "node", **facts)
    return life


def replayed() -> Life:
    """The employer's approval of the first life is used once more in a second one of the same daemon."""
    first, second = paid_life(), Life("other").fund().claim().proof()
    approval = first.log()[5]["content"]
    signed = json.loads(approval)["event"]
    second.approve().lines[-1].event = lambda ids: signed
    second.settle()
    second.extra = first.log()
    return second


def reapproved() -> Life:
    """Approved, disputed by the worker, and approved again on the same proof by a second signature."""
    life = reviewing().approve()
    life.wait()
    life.add("dispute.opened", "Disputed", "SUBMITTED", WORKER, life.decide(WORKER, "dispute", 6), by=WORKER.pub)
    life.wait()
    event = life.decide(EMPLOYER, "approve", 5)
    facts = {"verified_by": EMPLOYER.pub, "proof": 1, "how": "approve", "percent": 100}
    life.add("dispute.resolved", "Verified", "APPROVED", EMPLOYER, event, **facts)
    return life


def stale_basis() -> Life:
    life = reviewing().proof(number=2)
    life.wait()
    event = life.decide(EMPLOYER, "approve", 5)
    life.add("proof.verified", "Verified", "APPROVED", EMPLOYER, event, verified_by=EMPLOYER.pub, proof=2)
    return life.settle()


def same_hash_twice() -> Life:
    life, other = paid_life(), paid_life(name="other")
    at(other, "task.claimed").facts["dest_hash"] = commit(other.pay_salt, life.pay_hash)
    line = at(other, "task.claimed")
    line.event = other.decide(WORKER, "claim", 1, line.time, dest_hash=commit(other.pay_salt, life.pay_hash))
    at(other, "settlement.completed").facts["payouts"][0] |= {
        "payment_hash": life.pay_hash,
        "preimage": life.pay_preimage,
    }
    other.extra = life.log()
    return other


def one_address_twice() -> Life:
    life = Life()
    again = Life(terms={"description": "another"})
    life.extra = again.log()
    return life


def claimed_by(who: Any, life: Life | None = None) -> Life:
    return (life or Life()).fund().claim(who=who)


def late_claim() -> Life:
    life = Life().fund()
    life.wait(DAY)
    return life.claim()


def late_proof(by: int = 0) -> Life:
    life = Life().fund().claim()
    life.wait(life.deadline - life.time + by)
    return life.proof()


def opened_late(by: int, heard: int | None = None) -> Life:
    """A proof that another entry has overtaken."""
    life = Life().fund().claim()
    life.wait(HOUR)
    life.offer_end(EMPLOYER, 30)
    line = life.proof().lines[-1]
    line.time = life.lines[-2].time
    line.facts |= {"heard_at": line.time - (by if heard is None else heard), "review_until": line.time - by + DAY}
    return life


def thawed(life: Life, wait: int = HOUR, late: int = 0, **facts: Any) -> Life:
    """Frozen for so long, and let go on."""
    life.freeze().wait(wait)
    return life.unfreeze(late, **facts)


def overtaken(life: Life) -> Life:
    """The silence began before the freeze and was counted behind it: the hearing clock falls back, and no time moves."""
    life.freeze()
    since = life.time - 400
    life.wait()
    life.deaf += life.time - since
    life.house.append(("clock.resumed", life.time, {"since": since, "until": life.time, "deaf": life.deaf}))
    return life.unfreeze(
        late=340
    )  # frozen for 120 s, deaf for 460 s: by the hearing clock it was lifted before it came


def silent_while_frozen() -> Life:
    life = reviewing().freeze()
    life.wait(2 * DAY)
    life.add("proof.verified", "Verified", "APPROVED", "clock", verified_by="silence", proof=1)
    return life


def too_long_frozen() -> Life:
    """Not late by the published deadline, but that one was moved too far."""
    life = thawed(Life().fund().claim(), late=DAY)
    life.wait(2 * DAY + HOUR)
    return life.proof()


def late_by_deafness() -> Life:
    """The daemon says that it was deaf, and so accepts a late proof; its own chain does not say so."""
    life = Life().fund().claim()
    life.deaf = HOUR
    life.wait(life.deadline - life.time)
    life.proof()
    life.lines[-1].facts["review_until"] = life.time + DAY
    return life


def hidden_deafness() -> Life:
    """It was deaf for a day and takes no account of it: the worker's time runs out early."""
    life = Life().fund().claim()
    life.outage(DAY)
    life.deaf = 0
    life.wait(life.deadline - life.time)
    return life.refund("Claimed", "IN_PROGRESS", "clock", "no_proof")


def unpublished_terms() -> Life:
    life = paid_life()
    life.terms = BOT.sign(78, [["d", "holdfast-terms"], ["t", "holdfast-terms"]], plain({"v": 1, "margin": 1}), T0)
    return life


def unproven_agreement() -> Life:
    life = reviewing()
    life.wait()
    facts = {"verified_by": "agreement", "how": "agreement", "percent": 30}
    life.add("proof.verified", "Verified", "APPROVED", WORKER, life.decide(WORKER, "cancel", 5, percent=30), **facts)
    return life


def ignored_agreement() -> Life:
    return reviewing().offer_end(EMPLOYER, 40).offer_end(WORKER, 40)


def unsigned_under_signed_terms() -> Life:
    return Life(terms={"min_evidence": "signed"}).fund().claim(signed=False)


def against_silence() -> Life:
    return silent(on_silence="dispute")


def house_gap(life: Life) -> Life:
    events = life.house_events()
    life.house_events = lambda: events[1:]  # type: ignore[method-assign]
    return life


def house_lies(**facts: int | None) -> Life:
    """One outage of an hour, and its end says something else."""
    life = Life()
    life.outage(HOUR)
    life.house[-1][2].update(facts)
    return life


def doors(*types: str, **said: int | None) -> Life:
    """The operator closes and opens the house, a minute apart."""
    life, since = Life().fund(), T0
    for type in types:
        life.wait()
        since = life.time if type == "house.paused" else since
        life.house.append((type, life.time, {"since": since, **said} if type == "house.resumed" else {}))
    return life


def overlapping() -> Life:
    life = Life()
    life.outage(HOUR)
    again = {"since": T0 + HOUR // 2, "until": T0 + HOUR, "deaf": HOUR + HOUR // 2}
    life.house.append(("clock.resumed", life.time, again))
    return life


def early_secret(secret: str) -> Life:
    life = paid_life()
    at(life, "invoice.accepted").facts["note"] = getattr(life, secret)
    return life


SPOILT: dict[str, tuple[str, Spoil]] = {
    # the bytes
    "an altered content": ("bad_id", lambda: changed_event(paid_life(), content="{}")),
    "a forged signature": ("bad_signature", lambda: changed_event(paid_life(), sig="11" * 64)),
    "a signature in capitals": ("malformed", lambda: changed_event(paid_life(), sig="AB" * 64)),
    "an author in whose name nobody can sign": ("bad_id", lambda: changed_event(paid_life(), pubkey="ff" * 32)),
    "not an event at all": ("malformed", lambda: edited(paid_life(), lambda life: life.extra.append({"id": 7}))),
    "a content that is not canonical": ("bad_content", lambda: loosely_written()),
    "another version": ("bad_content", content("task.claimed", v=2)),
    "one key too many": ("bad_content", content("task.claimed", extra=1)),
    "an amount that is text": ("bad_facts", fact("invoice.created", amount_msat="50500000")),
    "a fact is missing": ("bad_facts", lambda: edited(paid_life(), lambda life: at(life, "task.claimed").facts.pop("worker"))),
    "an amount that is true": ("bad_facts", fact("invoice.accepted", parts=True)),
    "an unknown type": ("unknown_type", lambda: edited(paid_life(), lambda life: setattr(life.lines[3], "type", "task.stolen"))),
    "a type without a rule": ("illegal_move", lambda: edited(paid_life(), lambda life: setattr(life.lines[3], "type", "task.frozen"))),
    # tags and content
    "tag type differs": ("tags_disagree", tags("task.claimed", type="task.created")),
    "tag state differs": ("tags_disagree", tags("task.claimed", state="Paid")),
    "content names another task": ("tags_disagree", content("task.claimed", task="0" * 13)),
    "created_at is not the time": ("tags_disagree", lambda: forged_time()),
    "tag e is missing": ("wrong_root", tags("task.claimed", e=None)),
    "tag e names another event": ("wrong_root", tags("task.claimed", e="ab" * 32)),
    "tag a differs": ("wrong_address", tags("task.claimed", a="30078:x:y")),
    "tag p leaves the worker out": ("wrong_parties", lambda: edited(paid_life(), lambda life: at(life, "proof.verified").parties.pop())),
    "another task's id": ("wrong_task_id", lambda: edited(Life(), lambda life: setattr(life, "id", "0" * 13))),
    "another pinned id": ("wrong_task_id", fact("task.created", pinned="ab" * 32)),
    "a pinned id that is not the task event": ("wrong_root", fact("task.created", pinned=lambda old: old[:32] + "0" * 32)),
    "no pinned id": ("bad_facts", lambda: edited(paid_life(), lambda life: life.lines[0].facts.pop("pinned"))),
    "another posted task's id": ("wrong_task_id", lambda: edited(Life(posted=True), lambda life: life.lines[0].facts.update(pinned="ab" * 32))),
    # the chain
    "a missing entry": ("gap", lambda: drop(paid_life(), "task.claimed")),
    "a missing first entry": ("gap", lambda: drop(paid_life(), "task.created")),
    "the last entry is hidden": ("state_ahead", lambda: drop(paid_life(), "settlement.completed")),
    "two entries of one number": ("fork", lambda: forked(paid_life())),
    "reordered": ("illegal_move", lambda: swap_lines(paid_life())),
    "prev of another entry": ("wrong_prev", tags("task.claimed", prev="cd" * 32)),
    "no prev": ("wrong_prev", tags("task.claimed", prev=None)),
    "a prev before the first": ("wrong_prev", tags("task.created", prev="cd" * 32)),
    "time goes back": ("time_backwards", lambda: edited(paid_life(), lambda life: setattr(life.lines[2], "time", T0 - 5))),
    "deaf time becomes less": ("deaf_backwards", lambda: edited(edited(Life(), lambda life: life.outage(HOUR)).fund(), lambda life: setattr(life.lines[-1], "deaf", 0))),
    "the height falls": ("height_backwards", lambda: edited(paid_life(), lambda life: setattr(life.lines[2], "height", 1))),
    "a number that is none": ("tags_disagree", tags("task.claimed", seq="four")),
    # the moves
    "a state that does not follow": ("illegal_move", lambda: edited(paid_life(), lambda life: setattr(at(life, "task.claimed"), "state", "Verified"))),
    "a work state that does not follow": ("illegal_move", lambda: edited(paid_life(), lambda life: setattr(at(life, "proof.verified"), "work", "SUBMITTED"))),
    "completed without being started": ("illegal_move", lambda: edited(paid_life(), lambda life: life.lines.remove(at(life, "settlement.started")))),
    "refunded without being started": ("illegal_move", lambda: Life().fund().refunded("PENDING", "cancelled")),
    "a refund of what is being settled": ("illegal_move", lambda: edited(paid_life(), lambda life: life.lines.pop()).refunded("APPROVED", "agreed")),
    "half of a move": ("illegal_move", lambda: edited(hold_end(), lambda life: life.lines.remove(at(life, "refund.started")))),
    "a refund of a lost hold": ("illegal_move", lambda: refunded_loss()),
    "an entry after the end": ("after_final", lambda: again(paid_life(), "hold.lost", funding="x", payment_hash="ab" * 32, hash_salt="ab" * 32)),
    "two entries of one move differ": ("bad_facts", lambda: edited(hold_end(), lambda life: setattr(at(life, "refund.started"), "facts", {**at(life, "refund.started").facts, "percent": 3}))),
    "another reason at the end": ("illegal_move", lambda: edited(ended("hold_timeout"), lambda life: life.lines[-1].facts.update(reason="unclaimed"))),
    # who
    "the worker approves": ("wrong_author", lambda: edited(paid_life(), lambda life: setattr(at(life, "proof.verified"), "by", WORKER.pub))),
    "the employer delivers": ("wrong_author", lambda: edited(paid_life(), lambda life: setattr(at(life, "proof.submitted"), "by", EMPLOYER.pub))),
    "a stranger disputes": ("wrong_author", lambda: edited(reviewing(), lambda life: life.add("dispute.opened", "Disputed", "SUBMITTED", STRANGER, by=STRANGER.pub))),
    "the clock cancels": ("wrong_author", lambda: edited(ended("cancelled"), lambda life: setattr(at(life, "refund.started"), "by", "clock"))),
    "the employer claims": ("wrong_author", lambda: claimed_by(EMPLOYER)),
    "the daemon claims": ("wrong_author", lambda: claimed_by(BOT)),
    "the worker is not the claimant": ("wrong_author", fact("task.claimed", worker=STRANGER.pub)),
    "the task is made for somebody else": ("wrong_author", fact("task.created", employer=STRANGER.pub)),
    # evidence
    "signed, without the event": ("evidence_mismatch", lambda: edited(paid_life(), lambda life: setattr(at(life, "proof.verified"), "event", None))),
    "attested, with an event": ("evidence_mismatch", content("proof.verified", proven="attested")),
    "the node's word with an event": ("evidence_mismatch", lambda: edited(paid_life(), lambda life: setattr(at(life, "invoice.accepted"), "event", life.decide(EMPLOYER, "fund", 1)))),
    "proven by nothing known": ("evidence_mismatch", content("invoice.accepted", proven="attested")),
    "a message where signatures are agreed": ("evidence_too_weak", unsigned_under_signed_terms),
    "an embedded event is altered": ("embedded_bad_id", embedded("proof.verified", lambda event, life: {**event, "content": "{}"})),
    "an embedded signature is forged": ("embedded_bad_signature", embedded("proof.verified", lambda event, life: {**event, "sig": "22" * 64})),
    "the worker signed the approval": ("embedded_wrong_author", embedded("proof.verified", lambda event, life: WORKER.sign(78, event["tags"], event["content"], event["created_at"]))),
    "a decision of another kind": ("embedded_wrong_kind", resigned("proof.verified", kind=1)),
    "a task of another kind": ("embedded_wrong_kind", lambda: spoilt_offer(tags=retagged("t", "art"))),
    "a decision without its topic": ("embedded_wrong_kind", resigned("proof.verified", tags=retagged("t", None))),
    "a decision for another daemon": ("embedded_not_for_bot", resigned("proof.verified", tags=retagged("p", STRANGER.pub))),
    "a decision about another task": ("embedded_wrong_task", resigned("proof.verified", tags=retagged("d", "0" * 13))),
    "a command about another task": ("embedded_wrong_task", resigned("proof.verified", content=plain({"v": 1, "action": "approve", "task": "z"}))),
    "a proof for another task": ("embedded_wrong_task", resigned("proof.submitted", tags=retagged("a", "30078:x:y"))),
    "a proof of another pinned event": ("embedded_wrong_task", resigned("proof.submitted", tags=retagged("e", "ab" * 32))),
    "a reject that is counted as an approval": ("embedded_wrong_action", resigned("proof.verified", content=lambda old: old.replace("approve", "reject"))),
    "a decision that is no command": ("embedded_wrong_action", resigned("proof.verified", content="yes")),
    "a decision that expires": ("embedded_expires", resigned("proof.verified", tags=lambda old: [*old, ["expiration", "1"]])),
    "a decision from the future": ("embedded_future", resigned("proof.verified", created_at=lambda old: old + HOUR)),
    "an ancient decision": ("embedded_ancient", resigned("proof.verified", created_at=T0 - 3 * DAY)),
    "another destination than signed": ("embedded_disagrees", fact("task.claimed", dest_hash="ab" * 32)),
    "another file than signed": ("embedded_disagrees", fact("proof.submitted", sha256="ab" * 32)),
    "another mime type than signed": ("embedded_disagrees", fact("proof.submitted", mime=None)),
    "a proof without a link": ("embedded_disagrees", resigned("proof.submitted", tags=retagged("url", None))),
    "another title than signed": ("embedded_disagrees", fact("task.created", title="Another")),
    "another deadline than signed": ("embedded_disagrees", fact("task.created", deadline=lambda old: old - 60)),
    "other terms than signed": ("embedded_disagrees", fact("task.created", on_silence="dispute")),
    "another review than signed": ("embedded_disagrees", fact("task.created", review_window=60)),
    "a signed term that is not built": ("embedded_disagrees", lambda: Life(terms={"verification": "auto"})),
    "another percentage than signed": ("embedded_disagrees", lambda: edited(reviewing().offer_end(EMPLOYER, 30), lambda life: life.lines[-1].facts.update(percent=20))),
    # basis
    "no basis": ("basis_missing", resigned("proof.verified", tags=retagged("e", None))),
    "a basis of another chain": ("basis_foreign", resigned("proof.verified", tags=retagged("e", "ab" * 32))),
    "an approval that rests on the claim": ("basis_wrong_type", lambda: rests_on("proof.verified", 4)),
    "an approval of an earlier proof": ("basis_stale", stale_basis),
    "an approval that names an earlier proof": ("basis_stale", lambda: edited(reviewing().proof(number=2).approve().settle(), lambda life: at(life, "proof.verified").facts.update(proof=1))),
    "an acceptance that names no offer": ("basis_wrong_type", lambda: accepted_on(5)),
    "an acceptance of an offer that was replaced": ("basis_stale", lambda: accepted_on(6)),
    "a replayed approval": ("event_replayed", replayed),
    "an abandonment from before the claim": ("basis_stale", lambda: given_back(3)),
    "a dispute from before the claim": ("basis_stale", lambda: disputed_on(1)),
    "an offer from before the claim": ("basis_stale", lambda: offered_on(2)),
    "an approval without a proof from before the claim": ("basis_stale", lambda: approved_on(3)),
    # money
    "an invoice that is off by one msat": ("wrong_amount", fact("invoice.created", amount_msat=lambda old: old + 1)),
    "a hold that is off by one msat": ("wrong_amount", fact("invoice.accepted", amount_msat=lambda old: old - 1)),
    "a hold that is not reward and budget": ("wrong_amount", fact("task.created", hold_msat=lambda old: old + 1)),
    "a settled hold that is off by one msat": ("wrong_amount", fact("settlement.completed", hold_msat=lambda old: old - 1)),
    "a refund that is off by one msat": ("wrong_amount", lambda: edited(ended("cancelled"), lambda life: life.lines[-1].facts.update(amount_msat=1))),
    "another reward than signed": ("embedded_disagrees", fact("task.created", reward_msat=REWARD - 1000, hold_msat=REWARD + BUDGET - 1000)),
    "a funding that nobody made": ("wrong_funding", fact("invoice.accepted", funding="x/h9")),
    "a funding of another name": ("wrong_funding", fact("invoice.created", funding="h1")),
    "another funding is settled": ("wrong_funding", fact("settlement.started", funding="x/h9")),
    "a share that is off by one msat": ("wrong_share", payout(amount_msat=REWARD - 1)),
    "a payment to the employer": ("wrong_share", payout(role="employer")),
    "a payment to somebody else": ("wrong_share", payout(to=STRANGER.pub)),
    "two payments": ("wrong_share", lambda: edited(paid_life(), lambda life: at(life, "settlement.completed").facts["payouts"].append(life.payment(REWARD)))),
    "another percentage at the end": ("wrong_share", fact("settlement.completed", percent=99)),
    "a share that is not rounded down": ("wrong_share", lambda: edited(split(), lambda life: life.lines[-1].facts["payouts"][0].update(amount_msat=15_000_001))),
    "a fee above the budget": ("fee_above_budget", payout(fee_msat=BUDGET + 1)),
    "a service fee that is off by a sat": ("wrong_fee", fee_fact("task.created", service_fee_msat=lambda old: old + 1000)),
    "a service fee below its minimum": ("wrong_fee", fee_fact("task.created", "least", service_fee_msat=521_000)),
    "a service fee that is not shown": ("wrong_fee", fee_fact("task.created", service_fee_msat=None)),
    "a worker who bears more than his half": ("wrong_fee", fee_fact("task.created", net_msat=lambda old: old - 1000)),
    "a hold without the service fee": ("wrong_amount", fee_fact("task.created", hold_msat=lambda old: old - 501_000)),
    "a fee that somebody else pays": ("bad_facts", fee_fact("task.created", service_fee_payer="nobody")),
    "a fee below a sat": ("bad_facts", fee_fact("task.created", service_fee_base_msat=500)),
    "half of a fee's terms": ("bad_facts", fee_fact("task.created", service_fee_minimum_msat=None)),
    "a fee that is off by an msat": ("wrong_fee", fee_fact("settlement.completed", fee_msat=lambda old: old + 1)),
    "a fee that nobody books": ("wrong_fee", fee_fact("settlement.completed", fee_msat=None)),
    "a fee that nobody agreed to": ("wrong_fee", lambda: edited(paid_life(), lambda life: life.lines[-1].facts.update(fee_msat=1000, insurance_msat=BUDGET - 2000))),
    "insurance that the operator keeps": ("wrong_fee", uninsured),
    "insurance that disappears": ("unbalanced", fee_fact("settlement.completed", insurance_msat=lambda old: old - 50_100)),
    "the whole fee for a part of the work": ("wrong_fee", lambda: edited(split_with_fee(), lambda life: life.lines[-1].facts.update(fee_msat=450_900))),
    "a worker who is paid before the fee": ("wrong_share", lambda: edited(paid_life(fee=FEES["worker"]), lambda life: life.lines[-1].facts["payouts"][0].update(amount_msat=REWARD))),
    "a fee out of a lost hold": ("unbalanced", lambda: edited(lost_after_payout(FEES["split"]), lambda life: [line.facts.update(fee_msat=450_900) for line in life.lines[-2:]])),
    "a wrong preimage": ("wrong_preimage", payout(preimage="ab" * 32)),
    "a hold's commitment that does not open": ("commitment_broken", fact("settlement.completed", hash_salt="ab" * 32)),
    "a destination that does not open": ("commitment_broken", payout(dest_salt="ab" * 32)),
    "proven without a salt": ("commitment_broken", payout(dest_salt="")),
    "proven by a claim by message": ("commitment_broken", lambda: paid_by_message(status="proven")),
    "a message's destination that does not open": ("commitment_broken", lambda: paid_by_message(dest_salt="ab" * 32)),
    "less than it proves": ("commitment_broken", payout(status="attested")),
    "a status of its own": ("commitment_broken", payout(status="sure")),
    "a lost hold's commitment that does not open": ("commitment_broken", lambda: edited(lost(), lambda life: [line.facts.update(hash_salt="ab" * 32) for line in life.lines[-2:]])),
    "a lost hold of another name": ("wrong_funding", lambda: edited(lost_after_payout(), lambda life: at(life, "hold.lost").facts.update(funding="x/h9"))),
    "a refund whose commitment does not open": ("commitment_broken", lambda: edited(ended("cancelled"), lambda life: life.lines[-1].facts.update(payment_hash="ab" * 32))),
    "an msat disappears": ("unbalanced", fact("settlement.completed", insurance_msat=lambda old: old - 1)),
    "an msat is made": ("unbalanced", fact("settlement.completed", insurance_msat=lambda old: old + 1)),
    "the change is short by a sat": ("unbalanced", lambda: edited(split(), lambda life: life.lines[-1].facts["credited"][0].update(amount_msat=35_146_000))),
    "paid, and no payment is shown": ("unbalanced", fact("settlement.completed", payouts=[])),
    "a credit for somebody else": ("wrong_share", lambda: edited(margin(), lambda life: life.lines[-1].facts["credited"][0].update(to=STRANGER.pub))),
    "a credit that is short": ("wrong_share", lambda: edited(margin(), lambda life: life.lines[-1].facts["credited"][0].update(amount_msat=1))),
    "made good for where nothing was lost": ("illegal_move", lambda: made_good(paid_life())),
    "made good for to the one who was paid": ("wrong_share", lambda: made_good(lost_after_payout(), role="worker", to=WORKER.pub)),
    "made good for to somebody else": ("wrong_share", lambda: made_good(lost(), to=STRANGER.pub)),
    "made good for with half a sat": ("wrong_amount", lambda: made_good(lost(), amount_msat=5_000_500)),
    "made good for with nothing": ("wrong_amount", lambda: made_good(lost(), amount_msat=0)),
    "made good for by the clock": ("wrong_author", lambda: edited(made_good(lost()), lambda life: life.lines[-1].__dict__.update(by="clock", proven="clock"))),
    "a credit that holds more than the share and its budget": ("wrong_share", lambda: edited(margin(), lambda life: life.lines[-1].facts["credited"][0].update(amount_msat=REWARD + BUDGET + 1))),
    "a credit without an amount": ("bad_facts", lambda: edited(margin(), lambda life: life.lines[-1].facts["credited"][0].pop("amount_msat"))),
    "a receipt in a task's log": ("illegal_move", lambda: edited(margin(), lambda life: life.add("receipt", "Paid", "RELEASED", "node", **life.payment(REWARD)))),
    "an account pays more than was given": ("unbalanced", lambda: withdrawn(made_good(lost()), 5_050_000)),
    "an account pays what was given twice": ("unbalanced", lambda: withdrawn(withdrawn(margin(), REWARD), REWARD, name="again")),
    "an account pays somebody to whom nothing was given": ("unbalanced", lambda: withdrawn(margin(), 1000, STRANGER.pub)),
    "an account names more than tasks gave": ("unbalanced", lambda: withdrawn(margin(), 60_000_000, credited_msat=101_000_000)),
    "an account's credits become less": ("unbalanced", lambda: withdrawn(withdrawn(margin(), 1000, credits=2, credited_msat=90_000_000), 1000, name="b")),
    "an account grows without a credit": ("unbalanced", lambda: withdrawn(withdrawn(margin(), 1000), 1000, name="b", credited_msat=90_000_000)),
    "an account's payment without its preimage": ("wrong_preimage", lambda: withdrawn(margin(), 1000, preimage=sha("another"))),
    "an account's payment of nothing": ("wrong_amount", lambda: withdrawn(margin(), 0)),
    "one payment shown for two withdrawals": ("hash_reused", lambda: withdrawn(withdrawn(margin(), 1000), 1000)),
    "a task's payment shown as a withdrawal": ("hash_reused", lambda: withdrawn((life := paid_life()), 1000, payment_hash=life.pay_hash, preimage=life.pay_preimage)),
    "an account's payment to nobody": ("bad_facts", lambda: withdrawn(margin(), 1000, to="me")),
    "an account's payment without its sum": ("bad_facts", lambda: edited(withdrawn(margin(), 1000), lambda life: life.house[-1][2].pop("credited_msat"))),
    "made good for before the end": ("illegal_move", lambda: made_good(reviewing())),
    "one payment for two tasks": ("hash_reused", same_hash_twice),
    "the hold pays itself": ("hash_reused", lambda: edited(paid_life(), lambda life: at(life, "settlement.completed").facts["payouts"][0].update(payment_hash=life.hash, preimage=life.preimage))),
    "a mark where there is none": ("wrong_mark", lambda: edited(ended("hold_timeout"), lambda life: life.lines[-1].facts.update(mark=WORKER.pub))),
    "a mark is missing": ("wrong_mark", lambda: edited(ended("no_proof"), lambda life: life.lines[-1].facts.update(mark=None))),
    "a loss that is not the payment": ("unbalanced", lambda: edited(lost_after_payout(), lambda life: [line.facts.update(loss_msat=1) for line in life.lines[-2:]])),
    # time
    "a late claim": ("too_late", late_claim),
    "a late proof": ("too_late", late_proof),
    "a proof that is dated back": ("too_late", lambda: edited(late_proof(2 * HOUR), lambda life: life.lines[-1].facts.update(heard_at=life.deadline - 1))),
    "a proof opened late that is dated back too far": ("too_late", lambda: opened_late(661)),
    "a review that begins before a proof that was opened late": ("wrong_until", lambda: opened_late(661, heard=0)),
    "a proof heard before the claim": ("too_late", fact("proof.submitted", heard_at=T0)),
    "a resubmission that is late": ("too_late", lambda: edited(revising(), lambda life: life.wait(2 * DAY)).proof(number=2)),
    "silence before its time": ("too_early", lambda: silent(early=5)),
    "a hold timeout before its time": ("too_early", lambda: ended("hold_timeout", early=5)),
    "no proof before the deadline": ("too_early", lambda: ended("no_proof", early=5)),
    "the hold's end before its height": ("too_early", lambda: hold_end(early=1)),
    "unreachable after less than a day": ("too_early", lambda: unreachable(early=601)),
    "prolonged before the end": ("too_early", lambda: edited(prolonged(1), lambda life: setattr(life.lines[-1], "time", life.time - DAY))),
    "settled at a margin that is not reached": ("too_early", lambda: lower(margin())),
    "unfunded before the deadline": ("too_early", lambda: edited(Life(), lambda life: life.add("task.expired", "Expired", "PENDING", "clock", reason="unfunded", mark=None))),
    "no resubmission before its time": ("too_early", lambda: revising().refund("Claimed", "REJECTED", "clock", "no_resubmission")),
    "a review that is short": ("wrong_until", fact("proof.submitted", review_until=lambda old: old - HOUR)),
    "a review that is long": ("wrong_until", fact("proof.submitted", review_until=lambda old: old + 1)),
    "a hold timeout that is long": ("wrong_until", fact("invoice.accepted", until=lambda old: old + 1)),
    "a prolongation that is long": ("wrong_until", lambda: prolonged(1, until=1)),
    "a resubmission time that is short": ("wrong_until", lambda: edited(revising(), lambda life: life.lines[-1].facts.update(until=life.time + HOUR))),
    "a last safe height that is off": ("wrong_height", fact("invoice.accepted", last_safe_height=lambda old: old + 1)),
    "deafness that is not on record": ("deaf_unaccounted", late_by_deafness),
    "deafness that is not counted": ("deaf_unaccounted", hidden_deafness),
    "outages that do not add up": ("deaf_unaccounted", lambda: house_lies(deaf=2 * HOUR)),
    "an outage that ends after it is published": ("deaf_unaccounted", lambda: house_lies(until=T0 + 2 * HOUR, deaf=2 * HOUR)),
    "an outage that ends before it began": ("deaf_unaccounted", lambda: house_lies(until=T0 - 1, deaf=-1)),
    "an outage that began at another time": ("deaf_unaccounted", lambda: house_lies(since=T0 + 60, deaf=HOUR - 60)),
    "an outage without a beginning": ("deaf_unaccounted", lambda: house_lies(since=None)),
    "outages that overlap": ("deaf_unaccounted", overlapping),
    # terms
    "four prolongations": ("against_terms", lambda: prolonged(4)),
    "silence where it disputes": ("against_terms", against_silence),
    "another try that the terms do not give": ("against_terms", lambda: rejected(reviewing())),
    "a dispute where another try is due": ("against_terms", lambda: rejected(reviewing(on_reject="revise"), again=False)),
    "an agreement that nobody offered": ("no_agreement", unproven_agreement),
    "an agreement on an offer from before the dispute": ("no_agreement", offered_before_a_dispute),
    "an agreement at another percentage": ("no_agreement", lambda: agreed(0, offered=10)),
    "an agreement with oneself": ("no_agreement", lambda: agreed(0, by=WORKER)),
    "an agreement that is not carried out": ("agreement_ignored", ignored_agreement),
    "terms that were never published": ("terms_missing", unpublished_terms),
    "a fee budget outside the terms": ("outside_terms", lambda: Life(budget_msat=BUDGET + 1000, hold_msat=REWARD + BUDGET + 1000)),
    "a fee outside the terms": ("outside_terms", lambda: Life(net_msat=REWARD, service_fee_msat=501_000, hold_msat=REWARD + BUDGET + 501_000, **FEES["employer"].terms())),
    "another payer than in the terms": ("outside_terms", fee_fact("task.created", service_fee_payer="worker")),
    "less insurance than in the terms": ("outside_terms", fee_fact("task.created", insurance_percent=0)),
    "a margin outside the terms": ("outside_terms", lambda: Life(margin=1)),
    "a custody outside the terms": ("outside_terms", lambda: Life(custody_mode="ledger")),
    "too many parts": ("outside_terms", fact("invoice.accepted", parts=9)),
    "one address, two tasks": ("address_reused", one_address_twice),
    # beside the log
    "a state event that says something else": ("state_contradicts", lambda: edited(paid_life(), lambda life: life.state_facts.update(state="Refunded"))),
    "a state event of another head": ("state_contradicts", lambda: edited(paid_life(), lambda life: setattr(life, "state_event", lambda log: Life.state_event(life, [log[0]] * len(log))))),
    "a gap in the daemon's own chain": ("gap", lambda: house_gap(paid_life())),
    # secrets
    "an invoice in public": ("secret_leak", fact("settlement.started", reason=INVOICE)),
    "paused twice": ("house_contradicts", lambda: doors("house.paused", "house.paused")),
    "opened without a pause": ("house_contradicts", lambda: doors("house.resumed")),
    "opened twice": ("house_contradicts", lambda: doors("house.paused", "house.resumed", "house.resumed")),
    "paused at another time": ("house_contradicts", lambda: doors("house.paused", "house.resumed", since=T0 - HOUR)),
    "opened without saying since when": ("house_contradicts", lambda: doors("house.paused", "house.resumed", since=None)),
    "a claim while it is frozen": ("while_frozen", lambda: Life().fund().freeze().claim()),
    "an invoice while it is frozen": ("while_frozen", lambda: Life().freeze().fund()),
    "an approval while it is frozen": ("while_frozen", lambda: Life().fund().claim().proof().freeze().approve()),
    "a verdict of silence while it is frozen": ("while_frozen", silent_while_frozen),
    "an end by time while it is frozen": ("while_frozen", lambda: ended("hold_timeout", freeze=True)),
    "frozen twice": ("illegal_move", lambda: Life().freeze().freeze()),
    "let go on twice": ("illegal_move", lambda: thawed(Life()).unfreeze()),
    "let go on without a freeze": ("illegal_move", lambda: edited(Life(), lambda life: setattr(life, "frozen_at", T0)).unfreeze()),
    "frozen at the end": ("after_final", lambda: paid_life().freeze()),
    "frozen by a party": ("wrong_author", lambda: edited(Life().freeze(), lambda life: life.lines[-1].change.update(by=EMPLOYER.pub))),
    "a freeze that is proven by an event": ("evidence_mismatch", lambda: edited(Life().freeze(), lambda life: life.lines[-1].change.update(proven="attested"))),
    "a freeze that moves the task": ("illegal_move", lambda: edited(Life().freeze(), lambda life: setattr(life.lines[-1], "state", "Funded"))),
    "deadlines that move too far": ("wrong_until", too_long_frozen),
    "another deadline than the one that moved": ("wrong_until", lambda: thawed(Life(), deadline=T0 + 3 * DAY)),
    "unfrozen without saying for how long": ("bad_facts", lambda: thawed(Life(), seconds="long")),
    "a key in public": ("secret_leak", lambda: edited(paid_life(), lambda life: life.house.append(("incident", T0 + HOUR, {"what": NSEC})))),
    "the hold's preimage too early": ("secret_leak", lambda: early_secret("preimage")),
    "the hold's payment hash too early": ("secret_leak", lambda: early_secret("hash")),
    "the worker's preimage too early": ("secret_leak", lambda: early_secret("pay_preimage")),
}  # fmt: skip


def lower(life: Life) -> Life:
    """The last two entries a block below the margin."""
    for line in life.lines[-2:]:
        line.height = life.expiry - MARGIN - 1
    return life


def forged_time() -> Life:
    """Signed by the daemon itself, with another created_at than the content's time."""
    life = paid_life()
    whole = life.log()
    last = whole[-1]
    whole[-1] = BOT.sign(78, last["tags"], last["content"], last["created_at"] + 1)
    life.log = lambda: whole  # type: ignore[method-assign]
    return life


def loosely_written() -> Life:
    """The same content, with spaces."""
    life = paid_life()
    whole = life.log()
    last = whole[-1]
    whole[-1] = BOT.sign(78, last["tags"], json.dumps(json.loads(last["content"]), sort_keys=True), last["created_at"])
    life.log = lambda: whole  # type: ignore[method-assign]
    return life


def refunded_loss() -> Life:
    """The hold is lost, and then it is given back."""
    life = unreachable()
    life.lines.insert(6, Line("hold.lost", "Verified", "APPROVED", "node", "node", life.lines[5].time, life.lines[5].height,
                              opening(life), parties=life.lines[5].parties))  # fmt: skip
    return life


def spoilt_offer(**changed: Any) -> Life:
    life = Life()
    words = {**life.offer, **{name: change(life.offer[name]) for name, change in changed.items()}}
    life.offer = EMPLOYER.sign(words["kind"], words["tags"], words["content"], words["created_at"])
    return life


def accepted_on(seq: int) -> Life:
    """The employer offers 0, then 10, then 0 again; the worker's acceptance of 0 rests on this entry."""
    life = reviewing().offer_end(EMPLOYER, 0).offer_end(EMPLOYER, 10).offer_end(EMPLOYER, 0)
    life.wait()
    event = life.decide(WORKER, "cancel", seq, percent=0)
    return life.refund("Claimed", "SUBMITTED", WORKER, "agreed", event, how="agreement", percent=0)


def rests_on(type: str, seq: int) -> Life:
    life = paid_life()
    line = at(life, type)
    line.event = life.decide(EMPLOYER, "approve", seq, line.time)
    return life


@pytest.mark.parametrize("name", SPOILT)
def test_a_spoilt_record_is_caught(name: str) -> None:
    code, spoil = SPOILT[name]
    report = spoil().check()
    assert not report.ok
    assert code in codes(report), report.to_text()


def test_all_codes_of_violations_are_tested() -> None:
    only_noted = {
        "forged_copy", "state_stale", "state_missing", "house_missing", "terms_incomplete", "terms_unannounced",
        "unknown_fact", "secret_quoted", "hold_lost", "overdue", "relay", "credits_unseen",
    }  # fmt: skip
    asked_for_by_name = {"not_found"}
    of_projects = {"wrong_milestone"}  # in test_witness_projects
    tested = {code for code, _ in (*SPOILT.values(), *FORGED.values())}
    assert {code.value for code in Code} - only_noted - asked_for_by_name - of_projects == tested


def test_the_first_violation_is_the_earliest_in_the_log() -> None:
    life = paid_life()
    at(life, "settlement.completed").facts["insurance_msat"] += 1
    at(life, "invoice.accepted").facts["last_safe_height"] += 1
    (verdict,) = life.check().tasks
    assert verdict.first is not None
    assert (verdict.first.code, verdict.first.seq) == ("wrong_height", 3)


@pytest.mark.parametrize(
    ("make", "evidence", "paid"),
    [
        (paid_life, "signed", "proven"),
        (lambda: paid_life(signed=False), "attested", "attested"),
        (lambda: Life().fund().claim().proof().approve(signed=False).settle(), "attested", "proven"),
        (silent, "silence", "proven"),
        (margin, "signed", "credited"),
        (lambda: ended("cancelled"), "signed", None),
        (lambda: ended("hold_timeout"), "silence", None),
        (lambda: agreed(0), "signed", None),
        (lambda: Life().fund().claim(), None, None),
    ],
)
def test_the_weakest_evidence(make: Spoil, evidence: str | None, paid: str | None) -> None:
    (verdict,) = make().check().tasks
    assert (verdict.evidence, verdict.payout) == (evidence, paid)


@pytest.mark.parametrize(
    ("code", "make"),
    [
        ("state_stale", lambda: edited(paid_life(), lambda life: setattr(life, "state_behind", 1))),
        ("state_missing", lambda: edited(paid_life(), lambda life: setattr(life, "without_state", True))),
        ("house_missing", lambda: edited(paid_life(), lambda life: setattr(life, "house", []))),
        ("unknown_fact", fact("settlement.started", colour="blue")),
        ("hold_lost", lost_after_payout),
        ("forged_copy", lambda: edited(paid_life(), lambda life: life.extra.append({**life.log()[3], "content": "{}"}))),
        ("terms_unannounced", lambda: edited(paid_life(), lambda life: life.house.append(("terms", T0, {"terms": sha("x")})))),
        ("overdue", lambda: edited(reviewing(), lambda life: life.extra.extend(height_of(life)))),
        ("credits_unseen", hidden_credit),
    ],
)  # fmt: skip
def test_what_is_only_noted(code: str, make: Spoil) -> None:
    report = make().check()
    assert report.ok, report.to_text()
    assert code in notes(report)


def height_of(life: Life) -> list[Event]:
    """Another task of the same daemon, much later."""
    other = Life("later")
    other.lines[0].height = life.expiry
    return other.log()


def test_what_people_publish_themselves_is_only_noted() -> None:
    life = paid_life()
    line = at(life, "proof.submitted")
    genuine = line.event
    assert genuine is not None
    line.event = lambda ids: WORKER.sign(30079, genuine(ids)["tags"], f"pay me at {INVOICE}", line.time)
    report = life.check()
    assert report.ok, report.to_text()
    assert "secret_quoted" in notes(report)


def test_a_task_is_found_by_the_beginning_of_its_id() -> None:
    life, other = paid_life(), paid_life(name="other")
    events = [*life.events(), *other.log()]
    assert [verdict.task for verdict in check(events, BOT.pub, life.id[:4].upper()).tasks] == [life.id]
    assert len(check(events, BOT.pub).tasks) == 2
    report = check(events, BOT.pub, "0000")
    assert codes(report) == {"not_found"}


def test_others_are_passed_over() -> None:
    life = paid_life()
    stranger = [STRANGER.sign(78, event["tags"], event["content"], event["created_at"]) for event in life.log()]
    assert check([*life.events(), *stranger], BOT.pub).ok
    with pytest.raises(ValueError, match="64"):
        check([], "npub1")


def test_the_report_reads_well() -> None:
    report = fact("settlement.completed", insurance_msat=0)().check()
    text = report.to_text()
    assert "VIOLATED" in text
    assert "unbalanced" in text
    said = json.loads(report.to_json())
    assert said["ok"] is False
    assert said["tasks"][0]["violations"][0]["code"] == "unbalanced"
    assert said["tasks"][0]["violations"][0]["seq"] == 8
