"""Proofs and how they are judged: by the employer, by his silence, in rounds, and by whom nobody could reach."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from itertools import pairwise

import pytest

from handlers.decision import Fetch
from handlers.policy import DAY, HOUR
from kinds.codes import Refused, Told
from kinds.inputs import Basis, Check, Reached
from kinds.states import LogType, TaskState, WorkState
from kinds.units import Pubkey
from tests.handlers import builders
from tests.handlers.life import EMPLOYER, OTHER, POLICY, SHA, WORKER, H, Life

FETCHING = dataclasses.replace(POLICY, fetch=True)
SHORT = dataclasses.replace(POLICY, hold_cltv=864)


def review_over(life: Life) -> Life:
    return life.until(life.task.current.review_until).ticks()


# ---------------------------------------------------------------------- proofs


def test_a_new_proof_supersedes_and_restarts_the_review() -> None:
    life = builders.submitted()
    life.wait(10 * HOUR)
    life.submit(sha256="cd" * 32)
    assert life.task.current.review_until == life.now.heard + DAY
    assert life.task.current.proof
    assert life.task.current.proof.number == 2


def test_three_proofs_a_day() -> None:
    life = builders.claimed()
    for _ in range(3):
        life.submit()
    assert life.refuses(life.said(WORKER, life.command("submit"))) is Refused.TOO_MANY_PROOFS
    life.wait(DAY)
    life.submit()


def test_a_download_is_waited_for() -> None:
    life = builders.claimed(policy=FETCHING)
    life.submit()
    assert life.stands == "Claimed:IN_PROGRESS"
    assert isinstance(life.effects[-1], Fetch)
    heard = life.now.heard
    life.wait(300)
    life.fetched(Check.MATCHED)
    assert life.stands == "Claimed:SUBMITTED"
    submitted = life.last(LogType.PROOF_SUBMITTED).facts
    assert (submitted["check"], submitted["heard_at"]) == ("matched", heard)


def test_a_download_that_cannot_be_had_is_recorded_as_unchecked() -> None:
    life = builders.claimed(policy=FETCHING)
    life.submit()
    life.fetched(Check.UNCHECKED, reason="timeout")
    assert life.last(LogType.PROOF_SUBMITTED).facts["check_reason"] == "timeout"
    life.say(WORKER, life.command("submit", url="ipfs://bafy"))
    assert life.last(LogType.PROOF_SUBMITTED).facts["check_reason"] == "scheme"


def test_a_file_of_another_hash_is_no_proof() -> None:
    life = builders.claimed(policy=FETCHING)
    life.submit()
    life.fetched(Check.MISMATCHED, sha256="00" * 32)
    assert life.stands == "Claimed:IN_PROGRESS"
    assert life.told(Told.PROOF_MISMATCHED, WORKER)
    life.fetched(Check.MATCHED, number=1)  # the same download again
    assert life.stands == "Claimed:IN_PROGRESS"


def test_a_proof_heard_in_time_counts_though_its_download_ends_later() -> None:
    life = builders.claimed(policy=FETCHING)
    life.until(life.task.terms.deadline - 1)
    life.submit()
    life.wait(300).ticks()
    assert life.stands == "Claimed:IN_PROGRESS"
    other = life.copy()
    life.fetched(Check.MATCHED)
    assert life.stands == "Claimed:SUBMITTED"
    other.fetched(Check.MISMATCHED)
    other.ticks()
    assert other.stands == "Claimed/refunding:IN_PROGRESS"
    assert other.task.marked


def test_a_download_that_never_ends_does_not_keep_the_hold_past_its_end() -> None:
    life = builders.claimed(policy=FETCHING)
    life.submit()
    life.to_height(life.task.last_safe_height + 5).ticks()
    assert life.stands == "Claimed:IN_PROGRESS"
    life.to_height(life.task.last_safe_height + 6).ticks()
    assert life.stands == "Claimed/refunding:IN_PROGRESS"


def test_a_failed_replacement_leaves_the_review_of_the_proof_before_as_it_was() -> None:
    """Neither the reminders nor what was acknowledged of them start again."""
    life = builders.submitted(policy=FETCHING)
    life.fetched(Check.MATCHED)
    life.wait(13 * HOUR).ticks().reach(Told.WARNING)
    warnings = len(life.told(Told.WARNING, EMPLOYER))
    life.submit()
    life.fetched(Check.MISMATCHED)
    life.ticks()
    assert len(life.told(Told.WARNING, EMPLOYER)) == warnings
    review_over(life)
    assert life.stands == "Verified:APPROVED", "he was reached, so there is nothing to prolong"


# ---------------------------------------------------------------------- the employer's word


def test_approved_twice_is_approved_once() -> None:
    for signed in (False, True):
        life = builders.submitted()
        life.approve(signed=signed)
        again = life.said(EMPLOYER, life.command("approve"), signed=signed)
        assert life.refuses(again) is Refused.WRONG_STATE
        assert len(life.task.payouts) == 1


def test_a_signed_approval_of_an_earlier_proof_is_stale() -> None:
    life = builders.submitted()
    first = life.basis(life.command("approve"))
    life.submit()
    for action in ("approve", "reject"):
        said = life.said(EMPLOYER, life.command(action), signed=True, basis=first)
        assert life.refuses(said) is Refused.BASIS_STALE
        elsewhere = Basis(LogType.TASK_CREATED, 1)
        assert (
            life.refuses(life.said(EMPLOYER, life.command(action), signed=True, basis=elsewhere)) is Refused.BASIS_STALE
        )
    life.approve(signed=True)
    assert life.stands == "Verified:APPROVED"


def test_a_signed_decision_without_a_basis() -> None:
    life = builders.submitted()
    said = life.said(EMPLOYER, life.command("approve"), signed=True)
    said = dataclasses.replace(said, evidence=dataclasses.replace(said.evidence, basis=None))
    assert life.refuses(said) is Refused.BASIS_MISSING


def test_a_dispute_opens_the_question_again_also_for_signatures() -> None:
    life = builders.submitted()
    life.approve(signed=True)
    life.dispute(WORKER)
    life.approve(signed=True)
    assert life.stands == "Verified:APPROVED"


@pytest.mark.parametrize("by", [WORKER, OTHER])
def test_a_task_given_back_may_be_claimed_by_signature_again(by: Pubkey) -> None:
    life = builders.draft(min_evidence="signed")
    life.say(EMPLOYER, life.command("fund"), signed=True)
    life.make()
    life.see(H.HELD)
    life.say(WORKER, life.command("claim"), signed=True)
    life.say(WORKER, life.command("abandon"), signed=True)
    life.say(by, life.command("claim"), signed=True)
    assert life.stands == "Claimed:IN_PROGRESS"


def test_what_was_signed_about_an_earlier_worker_is_stale() -> None:
    life = builders.claimed()
    before = life.basis(life.command("dispute"))
    life.say(WORKER, life.command("abandon"))
    life.claim(OTHER)
    for action in ("dispute", "cancel"):
        said = life.said(EMPLOYER, life.command(action), signed=True, basis=before)
        assert life.refuses(said) is Refused.BASIS_STALE


def test_terms_that_ask_for_signatures() -> None:
    life = builders.draft(min_evidence="signed")
    assert life.refuses(life.said(EMPLOYER, life.command("fund"))) is Refused.SIGNED_ONLY
    life.say(EMPLOYER, life.command("fund"), signed=True)
    life.make()
    life.see(H.HELD)
    assert life.refuses(life.said(WORKER, life.command("claim"))) is Refused.SIGNED_ONLY
    life.say(WORKER, life.command("claim"), signed=True)
    life.submit(signed=True)
    assert life.refuses(life.said(EMPLOYER, life.command("approve"))) is Refused.SIGNED_ONLY
    life.approve(signed=True)
    life.payout("share")  # an invoice is private: by message even here
    assert life.share.ordered


def test_a_message_judges_the_proof_that_its_sender_was_shown() -> None:
    life = builders.submitted()
    life.reach()
    spoken = life.time
    life.wait(60)
    life.submit()
    for action in ("approve", "reject"):
        life.say(EMPLOYER, life.command(action), created_at=spoken)
        assert life.stands == "Claimed:SUBMITTED"
    assert len(life.told(Told.PROOF_CHANGED, EMPLOYER)) == 2
    life.reach(Told.PROOF_CHANGED)
    life.approve(created_at=spoken)
    assert life.stands == "Claimed:SUBMITTED", "he wrote it before the newest proof came"
    life.approve()
    assert life.stands == "Verified:APPROVED"


def test_a_message_in_a_dispute_too() -> None:
    life = builders.submitted()
    life.reach()
    spoken = life.time
    life.wait(60)
    life.submit()
    life.dispute()
    life.approve(created_at=spoken)
    assert life.stands == "Disputed:SUBMITTED"
    life.reach(Told.PROOF_CHANGED)
    life.approve()
    assert life.stands == "Verified:APPROVED"


def test_refused_work_goes_to_dispute() -> None:
    life = builders.submitted()
    life.reject()
    assert life.types[-2:] == ["proof.rejected", "dispute.opened"]
    assert life.stands == "Disputed:REJECTED"


@pytest.mark.parametrize("rounds", [1, 3])
def test_rounds_of_revision_up_to_the_agreed_number(rounds: int) -> None:
    life = builders.submitted(on_reject="revise", max_rejects=rounds)
    for n in range(rounds):
        life.reject()
        assert life.stands == "Claimed:REJECTED"
        assert life.task.current.resubmit_until >= life.now.heard + DAY
        life.wait(DAY - 60 if n else HOUR)
        life.submit()
        life.reach()
    life.reject()
    assert life.stands == "Disputed:REJECTED"


def test_refused_work_may_still_be_approved() -> None:
    life = builders.rejected()
    life.approve()
    assert life.stands == "Verified:APPROVED"


def test_no_other_try_in_time() -> None:
    life = builders.rejected()
    life.until(life.task.current.resubmit_until - 1).ticks()
    assert life.stands == "Claimed:REJECTED"
    late = life.copy()
    life.submit()
    assert life.stands == "Claimed:SUBMITTED"
    late.wait(1)
    assert late.refuses(late.said(WORKER, late.command("submit"))) is Refused.TOO_LATE
    late.ticks()
    late.see(H.CANCELLED)
    assert late.stands == "Refunded:REJECTED"
    assert late.last(LogType.REFUND_COMPLETED).facts["mark"] is None


def test_another_try_never_lasts_past_the_last_safe_height() -> None:
    life = builders.submitted(policy=SHORT, deadline=36 * HOUR, on_reject="revise")
    life.to_height(life.task.last_safe_height - 10)
    life.reject()
    left = (life.task.last_safe_height - life.height) * 600
    assert life.task.current.resubmit_until == life.now.heard + left


# ---------------------------------------------------------------------- silence


@pytest.mark.parametrize(
    ("on_silence", "stands"), [("approve", "Verified:APPROVED"), ("dispute", "Disputed:SUBMITTED")]
)
def test_silence_decides_as_agreed(on_silence: str, stands: str) -> None:
    life = builders.submitted(on_silence=on_silence).reach()
    life.until(life.task.current.review_until - 1).ticks()
    assert life.stands == "Claimed:SUBMITTED"
    assert len(life.told(Told.WARNING, EMPLOYER)) == 2
    review_over(life)
    assert life.stands == stands
    assert life.lines[-1].proven == "clock"


def test_deaf_time_is_not_silence() -> None:
    life = builders.submitted().reach()
    life.wait(3 * DAY, deaf=2 * DAY + HOUR).ticks()
    assert life.stands == "Claimed:SUBMITTED"
    life.wait(HOUR).ticks()
    assert life.stands == "Verified:APPROVED"


def test_who_cannot_be_reached_gets_three_days_more() -> None:
    life = builders.submitted()
    ends = []
    for _ in range(4):
        ends.append(life.task.current.review_until)
        review_over(life)
    assert life.types.count("review.prolonged") == 3
    assert [after - before for before, after in pairwise(ends)] == [DAY] * 3
    assert life.stands == "Verified:APPROVED"


@pytest.mark.parametrize("what", ["card", "first reminder", "second reminder"])
def test_one_acknowledged_word_is_enough(what: str) -> None:
    life = builders.submitted()
    life.until(life.task.current.review_until - 1).ticks()
    reminders = life.told(Told.WARNING, EMPLOYER)
    ref = {
        "card": life.told(Told.PROOF_ARRIVED)[0].ref,
        "first reminder": reminders[0].ref,
        "second reminder": reminders[1].ref,
    }[what]
    life.did(Reached(ref))
    review_over(life)
    assert life.stands == "Verified:APPROVED"


def test_what_reached_him_of_an_earlier_proof_does_not_count() -> None:
    life = builders.submitted().reach()
    life.wait(HOUR)
    life.submit()
    review_over(life)
    assert life.types[-1] == "review.prolonged"


def test_no_prolongation_past_the_last_safe_height() -> None:
    life = builders.submitted(policy=SHORT, deadline=30 * HOUR)
    while life.stands == "Claimed:SUBMITTED":
        until = life.task.current.review_until
        assert life.height + (until - life.now.heard) // 600 <= life.task.last_safe_height
        review_over(life)
    assert life.types.count("review.prolonged") < 3
    assert life.stands == "Verified:APPROVED"
    assert life.height < life.task.last_safe_height


# ---------------------------------------------------------------------- L


@pytest.mark.parametrize(
    ("life", "stands"),
    [
        (lambda: builders.funded(hold_timeout=30 * DAY, deadline=9 * DAY), "Funded/refunding:PENDING"),
        (lambda: builders.claimed(deadline=9 * DAY), "Claimed/refunding:IN_PROGRESS"),
        (lambda: builders.rejected(deadline=9 * DAY), "Claimed/refunding:REJECTED"),
        (lambda: builders.submitted(deadline=8 * DAY, review_window=2 * DAY), "Verified:APPROVED"),
        (
            lambda: builders.submitted(deadline=8 * DAY, review_window=2 * DAY, on_silence="dispute"),
            "Disputed:SUBMITTED",
        ),
        (lambda: builders.disputed(WorkState.IN_PROGRESS), "Disputed/refunding:IN_PROGRESS"),
        (lambda: builders.disputed(WorkState.SUBMITTED), "Disputed/refunding:SUBMITTED"),
        (lambda: builders.disputed(WorkState.REJECTED), "Disputed/refunding:REJECTED"),
    ],
    ids=["unclaimed", "no proof", "rejected", "undecided", "undecided, disputes", "d1", "d2", "d3"],
)
def test_the_hold_comes_to_its_end(life: object, stands: str) -> None:
    """Blocks come faster than ten minutes, so that no deadline is over yet."""
    assert callable(life)
    now: Life = life()
    now.wait(60, blocks=now.task.last_safe_height - 1 - now.height).ticks()
    assert not now.task.phase
    now.wait(60, blocks=1)
    now.tick()
    assert now.stands == stands
    assert not now.task.marked


def test_a_dispute_opened_by_silence_at_the_end_of_the_hold_is_refunded_at_once() -> None:
    life = builders.submitted(deadline=8 * DAY, review_window=2 * DAY, on_silence="dispute")
    life.wait(60, blocks=life.task.last_safe_height - life.height).ticks()
    assert life.stands == "Disputed/refunding:SUBMITTED"
    life.see(H.CANCELLED)
    assert life.task.state is TaskState.REFUNDED


@pytest.mark.parametrize("on_silence", ["approve", "dispute"])
def test_both_are_warned_before_the_review_ends(on_silence: str) -> None:
    """The worker once and with what silence will mean; that he was reached prolongs nothing and shortens nothing."""
    life = builders.submitted(on_silence=on_silence)
    until = life.task.current.review_until
    while life.now.heard < until - 60:
        life.wait(min(HOUR, until - 60 - life.now.heard)).ticks()
    assert [say.facts["what"] for say in life.told(Told.WARNING, EMPLOYER)] == ["review", "review"]
    (told,) = life.told(Told.WARNING, WORKER)
    assert (told.facts["what"], told.facts["until"], told.facts["on_silence"]) == ("judgement", until, on_silence)
    life.reach(Told.WARNING, WORKER)
    life.until(until).ticks()
    assert life.told(Told.REVIEW_PROLONGED, EMPLOYER), "the employer was not reached"


def test_both_are_warned_before_the_time_for_new_work_is_over() -> None:
    life = builders.rejected()
    until = life.task.current.resubmit_until
    life.until(until - HOUR - 1).ticks()
    assert life.told(Told.WARNING) == []
    life.wait(1).ticks().wait(60).ticks()
    assert [(say.to, say.facts["what"]) for say in life.told(Told.WARNING)] == [
        (WORKER, "resubmit"),
        (EMPLOYER, "resubmit"),
    ]


def test_both_are_warned_of_the_holds_end_once() -> None:
    life = builders.disputed()
    life.to_height(life.task.last_safe_height - 72).ticks()
    assert [len(life.told(Told.WARNING, who)) for who in (EMPLOYER, WORKER)] == [1, 1]
    life.to_height(life.task.last_safe_height - 1).ticks()
    assert [len(life.told(Told.WARNING, who)) for who in (EMPLOYER, WORKER)] == [1, 1]


def test_the_log_says_what_was_delivered() -> None:
    life = builders.submitted()
    assert life.last(LogType.PROOF_SUBMITTED).facts["sha256"] == SHA
    assert "url" not in life.last(LogType.PROOF_SUBMITTED).facts


# ---------------------------------------------------------------------- the hearing clock


def test_every_deadline_stands_still_while_the_daemon_is_deaf() -> None:
    """An hour short of each deadline the daemon is deaf for a day: the last hour is still there, and then it is over."""
    cases: list[tuple[Callable[[], Life], Callable[[Life], int], Pubkey, str]] = [
        (builders.draft, lambda life: life.task.terms.deadline, EMPLOYER, "fund"),
        (builders.funded, lambda life: life.task.funded_until, WORKER, "claim"),
        (builders.claimed, lambda life: life.task.terms.deadline, WORKER, "submit"),
        (builders.rejected, lambda life: life.task.current.resubmit_until, WORKER, "submit"),
    ]
    for start, deadline, who, action in cases:
        life = start()
        until = deadline(life)
        life.until(until - HOUR).ticks()
        life.wait(DAY, blocks=0, deaf=DAY).ticks()
        stands = life.stands
        life.copy().say(who, life.command(action))
        life.wait(HOUR - 1, blocks=0).ticks()
        assert life.stands == stands
        life.wait(1, blocks=0)
        assert life.refuses(life.said(who, life.command(action))) is Refused.TOO_LATE
        life.ticks()
        assert life.stands != stands


def test_the_heights_do_not_wait_for_our_ears() -> None:
    life = builders.disputed()
    life.wait(60 * DAY, blocks=life.task.last_safe_height - life.height, deaf=60 * DAY).ticks()
    assert life.stands == "Disputed/refunding:SUBMITTED"


def test_a_deadline_is_told_in_the_time_of_the_reader() -> None:
    life = builders.draft()
    life.wait(DAY, deaf=DAY)
    life.fund()
    life.make()
    life.see(H.HELD)
    (told,) = life.told(Told.FUNDED)
    assert told.facts["deadline"] == life.task.terms.deadline + DAY
    assert told.facts["until"] == life.time + DAY
