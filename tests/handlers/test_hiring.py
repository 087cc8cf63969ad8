"""Who does the work: offers and the employer's choice, and a worker who is there before the money."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest

from handlers import applying
from handlers.house import House
from handlers.policy import DAY, HOUR
from handlers.task import Task
from kinds.codes import Refused, Told
from kinds.inputs import HoldSeen
from kinds.states import LogType, TaskState
from kinds.units import Pubkey
from storage.codec import read_task, task_text
from tests.handlers import builders
from tests.handlers.life import EMPLOYER, OTHER, STRANGER, WORKER, H, Life, invoice

HIRED_FIRST: dict[str, Any] = {"order": "hire_first"}
PICKED: dict[str, Any] = {"claim": "pick"}


def hire(life: Life, who: Pubkey = WORKER, by: Pubkey = EMPLOYER) -> object:
    return life.say(by, life.command("hire", npub=who))


def refused(life: Life, by: Pubkey, action: str, **fields: object) -> Refused:
    return life.refuses(life.said(by, life.command(action, **fields)))


# ---------------------------------------------------------------------- the worker before the money


def test_the_money_is_not_asked_for_before_somebody_is_hired() -> None:
    life = builders.draft(**HIRED_FIRST)
    assert refused(life, EMPLOYER, "fund") is Refused.NOT_HIRED
    life.claim()
    assert (life.stands, life.task.worker, life.types[-1]) == ("Draft:PENDING", WORKER, "task.accepted")
    [told] = life.told(Told.ACCEPTED, WORKER)
    assert told.facts["net_msat"] == life.task.net
    assert life.told(Told.ACCEPTED_BY, EMPLOYER)
    assert refused(life, STRANGER, "claim") is Refused.TAKEN
    assert refused(life, WORKER, "submit") is Refused.WRONG_STATE
    assert refused(life, WORKER, "cancel") is Refused.WRONG_STATE
    life.fund()
    life.make()
    life.see(H.HELD)
    assert (life.stands, life.types[-2:]) == ("Claimed:IN_PROGRESS", ["invoice.accepted", "task.claimed"])
    assert [say.facts["how"] for say in life.told(Told.CLAIMED, WORKER)] == ["funded"]
    assert life.task.last_safe_height > 0


def test_an_invoice_that_runs_out_leaves_the_worker_bound() -> None:
    life = builders.accepted(fund=True)
    life.see(H.CANCELLED)
    assert (life.stands, life.task.worker) == ("Draft:PENDING", WORKER)
    life.fund()
    life.make()
    life.see(H.HELD)
    assert life.stands == "Claimed:IN_PROGRESS"


@pytest.mark.parametrize("fund", [False, True])
def test_a_worker_gives_it_back_before_the_money(fund: bool) -> None:
    """What is paid at the same moment is a stray and goes back; the next worker's money counts."""
    life = builders.accepted(fund=fund)
    first = life.hold if fund else None
    life.say(WORKER, life.command("abandon"))
    assert (life.stands, life.task.worker, life.task.quote) == ("Draft:PENDING", None, None)
    if first:
        life.see(H.HELD, first)
        assert life.types[-1] == "funding.stray"
    assert refused(life, EMPLOYER, "fund") is Refused.NOT_HIRED
    life.claim(STRANGER)
    life.fund()
    life.make()
    life.see(H.HELD)
    assert (life.stands, life.task.worker) == ("Claimed:IN_PROGRESS", STRANGER)
    assert not life.task.marked


def test_an_invoice_being_made_is_dropped_with_the_worker() -> None:
    life = builders.accepted()
    life.fund()
    life.say(WORKER, life.command("abandon"))
    life.make()
    assert (life.stands, life.told(Told.INVOICE)) == ("Draft:PENDING", [])


def test_unfunded_at_the_deadline_both_are_told_and_nobody_is_marked() -> None:
    life = builders.accepted()
    life.until(life.task.terms.deadline - HOUR).ticks()
    assert [say.facts["what"] for say in life.told(Told.WARNING, WORKER)] == ["unpaid"]
    life.until(life.task.terms.deadline).ticks()
    assert life.last(LogType.TASK_EXPIRED).facts["mark"] is None
    assert life.told(Told.EXPIRED, WORKER)
    assert life.told(Told.EXPIRED, EMPLOYER)


def test_the_worker_hears_of_a_cancelled_draft() -> None:
    life = builders.accepted(fund=True)
    life.cancel(EMPLOYER)
    assert life.task.state is TaskState.REFUNDED
    assert life.told(Told.REFUNDED, WORKER)


def test_a_claim_in_draft_must_fit_a_hold_that_would_be_made_now() -> None:
    life = builders.draft(**HIRED_FIRST, deadline=5 * DAY)
    life.wait(0, blocks=0)
    life.policy = replace(life.policy, hold_cltv=700)
    assert refused(life, WORKER, "claim") is Refused.DOES_NOT_FIT


def test_a_paused_house_binds_nobody_before_the_money() -> None:
    life = builders.draft(**HIRED_FIRST)
    life.house = House(paused_at=1)
    assert refused(life, WORKER, "claim") is Refused.PAUSED
    picked = builders.applied()
    picked.house = House(paused_at=1)
    assert refused(picked, OTHER, "claim") is Refused.PAUSED
    assert refused(picked, EMPLOYER, "hire", npub=WORKER) is Refused.PAUSED
    held = builders.applied(order="fund_first")
    held.house = House(paused_at=1)
    hire(held)
    assert held.stands == "Claimed:IN_PROGRESS"


def test_after_a_claimed_worker_left_the_money_waits_for_the_next() -> None:
    life = builders.accepted(fund=True)
    life.see(H.HELD)
    life.say(WORKER, life.command("abandon"))
    assert life.stands == "Funded:PENDING"
    life.claim(STRANGER)
    assert (life.stands, life.types[-1], life.task.bound) == ("Claimed:IN_PROGRESS", "task.claimed", life.task.seq)


def test_what_was_signed_for_an_earlier_worker_does_not_bind_the_next() -> None:
    """Bound by task.accepted: what rests on an older entry is stale, what rests on that one is not."""
    life = builders.accepted()
    life.say(WORKER, life.command("abandon"))
    life.claim(STRANGER)
    cancel = life.command("cancel")
    old, binding = (replace(life.basis(cancel), seq=seq) for seq in (1, life.task.bound))
    assert life.refuses(life.said(EMPLOYER, cancel, signed=True, basis=old)) is Refused.BASIS_STALE
    life.say(EMPLOYER, cancel, signed=True, basis=replace(binding, type=LogType.TASK_ACCEPTED))


# ---------------------------------------------------------------------- the employer picks


@pytest.mark.parametrize("order", ["fund_first", "hire_first"])
def test_claims_are_offers_and_the_employer_picks(order: str) -> None:
    life = builders.applied(order=order)
    before = life.stands
    assert [each.who for each in life.task.applicants] == [STRANGER, WORKER]
    assert [say.facts["note"] for say in life.told(Told.PROPOSED, EMPLOYER)] == ["I have done ten of these"] * 2
    hire(life)
    assert life.stands == ("Claimed:IN_PROGRESS" if order == "fund_first" else before)
    assert (life.task.worker, life.told(Told.PASSED_OVER)[0].to) == (WORKER, STRANGER)
    assert life.lines[-1].by == EMPLOYER
    assert refused(life, EMPLOYER, "hire", npub=STRANGER) is Refused.ALREADY_HIRED
    assert refused(life, OTHER, "claim") is Refused.TAKEN


def test_nobody_is_hired_who_is_not_on_the_list() -> None:
    life = builders.applied()
    assert refused(life, EMPLOYER, "hire", npub=OTHER) is Refused.NOT_AN_APPLICANT
    assert refused(life, EMPLOYER, "hire", npub=EMPLOYER) is Refused.NOT_AN_APPLICANT
    assert refused(life, STRANGER, "hire", npub=STRANGER) is Refused.NOT_YOUR_TASK
    assert refused(life, EMPLOYER, "claim") is Refused.OWN_TASK
    life.say(WORKER, life.command("abandon"))
    assert refused(life, EMPLOYER, "hire", npub=WORKER) is Refused.NOT_AN_APPLICANT
    life.house = House(banned=frozenset({STRANGER}))
    assert refused(life, EMPLOYER, "hire", npub=STRANGER) is Refused.NOT_AN_APPLICANT
    assert refused(life, STRANGER, "claim") is Refused.BANNED
    first = builders.funded()
    assert refused(first, EMPLOYER, "hire", npub=WORKER) is Refused.NOT_AN_APPLICANT


def test_who_was_passed_over_may_be_hired_when_the_worker_leaves() -> None:
    life = builders.preferred(order="fund_first")
    life.say(WORKER, life.command("abandon"))
    assert life.told(Told.ABANDONED, EMPLOYER)[-1].facts["applicants"] == 1
    assert refused(life, EMPLOYER, "hire", npub=WORKER) is Refused.NOT_AN_APPLICANT
    hire(life, STRANGER)
    assert (life.stands, life.task.worker, life.task.applicants) == ("Claimed:IN_PROGRESS", STRANGER, ())


def test_an_offer_is_replaced_three_times_a_day_at_most() -> None:
    life = builders.draft(**HIRED_FIRST, **PICKED)
    for note in ("one", "two", "three"):
        life.claim(note=note)
    assert [each.note for each in life.task.applicants] == ["three"]
    assert refused(life, WORKER, "claim") is Refused.TOO_MANY_CLAIMS
    life.say(WORKER, life.command("abandon"))
    assert refused(life, WORKER, "claim") is Refused.TOO_MANY_CLAIMS
    life.wait(DAY)
    life.claim(note="another day")
    assert life.types.count("claim.offered") == 4


def test_a_list_has_an_end() -> None:
    life = builders.draft(**HIRED_FIRST, **PICKED)
    people = [Pubkey(f"{number:064x}") for number in range(0xA00, 0xA00 + applying.MOST)]
    for who in people:
        life.claim(who)
    assert refused(life, OTHER, "claim") is Refused.TOO_MANY_APPLICANTS
    life.claim(people[0], note="still here")  # his own offer he may replace
    life.say(people[1], life.command("abandon"))
    life.claim(OTHER)
    assert len(applying.proposals(life.task)) == 20


def test_a_destination_stands_with_the_offer_and_is_used_when_hired() -> None:
    life = builders.funded(**PICKED)
    life.claim(destination=invoice("mine", life.task.net))
    assert refused(life, STRANGER, "claim", destination=invoice("mine", life.task.net)) is Refused.HASH_USED
    assert (
        refused(life, STRANGER, "claim", destination=invoice("less", life.task.net - 1000)) is Refused.AMOUNT_MISMATCH
    )
    hire(life)
    offered, claimed = life.last(LogType.CLAIM_OFFERED), life.last(LogType.TASK_CLAIMED)
    assert claimed.facts == offered.facts
    assert claimed.facts["dest_hash"]
    assert life.task.destination is not None


def test_a_signed_offer_promises_its_own_hash() -> None:
    life = builders.funded(**PICKED)
    life.say(WORKER, life.command("claim", dest_hash="cd" * 32), signed=True)
    life.say(EMPLOYER, life.command("hire", npub=WORKER), signed=True)
    assert life.task.dest_hash == "cd" * 32
    assert life.last(LogType.TASK_CLAIMED).facts["dest_hash"] == "cd" * 32


def test_one_who_was_passed_over_takes_himself_off_with_an_older_basis() -> None:
    life = builders.preferred(order="fund_first")
    life.say(STRANGER, life.command("abandon"), signed=True, basis=replace(life.basis(life.command("claim")), seq=1))
    assert (life.stands, life.task.applicants, life.task.worker) == ("Claimed:IN_PROGRESS", (), WORKER)
    assert refused(life, STRANGER, "abandon") is Refused.NOT_YOUR_TASK


def test_a_frozen_task_hires_nobody() -> None:
    life = builders.freeze(builders.applied())
    assert refused(life, EMPLOYER, "hire", npub=WORKER) is Refused.FROZEN
    assert refused(life, WORKER, "abandon") is Refused.FROZEN
    hire(builders.unfreeze(life))
    assert life.task.worker == WORKER


@pytest.mark.parametrize(("late", "marked"), [(DAY - HOUR, True), (DAY + HOUR, False)])
def test_nobody_is_marked_for_being_called_late(late: int, marked: bool) -> None:
    """Two days were left when he offered it, and this much of them is over when he is hired."""
    life = builders.draft(**HIRED_FIRST, **PICKED)
    life.claim()
    life.wait(late)
    hire(life)
    life.fund()
    life.make()
    life.see(H.HELD)
    life.until(life.task.terms.deadline).ticks()
    life.see(H.CANCELLED)
    assert life.last(LogType.TASK_EXPIRED).facts["mark"] == (WORKER if marked else None)


def test_a_task_of_before_is_read() -> None:
    """Documents without the words of hiring: the claim is what bound the worker."""
    task = builders.claimed().task
    text = task_text(task)
    for gone in ('"bound_seq"', '"consented"', '"rushed"', '"applicants"', '"applied"', '"order"', '"claim"'):
        assert gone in text
    said = json.loads(text)
    for name in ("bound_seq", "consented", "rushed", "applicants", "applied"):
        del said[name]
    for name in ("order", "claim"):
        del said["terms"][name]
    old: Task = read_task(json.dumps(said))
    assert (old.bound, old.hires_first, old.picks) == (task.seq_of(LogType.TASK_CLAIMED), False, False)


@pytest.mark.parametrize("what", ["hire", "claim"])
def test_a_decision_rests_on_the_offer_of_the_task(what: str) -> None:
    life = builders.applied()
    by, fields = (EMPLOYER, {"npub": WORKER}) if what == "hire" else (WORKER, {})
    command = life.command(what, **fields)
    stale = replace(life.basis(command), type=LogType.CLAIM_OFFERED, seq=life.task.seq)
    assert life.refuses(life.said(by, command, signed=True, basis=stale)) is Refused.BASIS_STALE
    life.say(by, command, signed=True)


def test_money_that_comes_for_nobody_is_a_stray() -> None:
    """Paid in the very moment in which the worker left."""
    life = builders.accepted(fund=True)
    quote = life.hold
    life.say(WORKER, life.command("abandon"))
    held = life.hold_view(H.HELD, quote)
    life.did(HoldSeen(quote.ref, held))
    assert (life.stands, life.types[-1]) == ("Draft:PENDING", "funding.stray")
