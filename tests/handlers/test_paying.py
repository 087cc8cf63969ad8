"""The worker's share on its way: destinations, their replacement, retries, and whose fault it is."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from handlers.decision import Pay
from handlers.policy import DAY, HOUR
from kinds.codes import Refused, Told
from kinds.inputs import PayWanted
from kinds.lightning import Fault, PaymentStatus
from kinds.states import LogType, PayoutState, TaskState
from kinds.units import Msat, commitment, sats
from tests.handlers import builders
from tests.handlers.life import EMPLOYER, NODE_KEY, START, WORKER, H, Life, hash_of, invoice, preimage_of

PS = PaymentStatus
OURS, THEIRS = Fault.OURS, Fault.THEIRS
REWARD = sats(50_000)


# ---------------------------------------------------------------------- destinations


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("lnplay1nonsense", Refused.BAD_INVOICE),
        (invoice("x", REWARD)[:-1] + "q", Refused.BAD_INVOICE),
        (invoice("x", REWARD, hrp="lnbcrt"), Refused.BAD_INVOICE),
        (invoice("x", REWARD, expiry=3 * DAY), Refused.BAD_INVOICE),
        (invoice("x", REWARD, START - 10 * DAY, expiry=DAY), Refused.BAD_INVOICE),
        (invoice("x", REWARD, final_cltv=145), Refused.BAD_INVOICE),
        (invoice("x", None), Refused.AMOUNT_MISMATCH),
        (invoice("x", Msat(REWARD + 1)), Refused.AMOUNT_MISMATCH),
        (invoice("x", REWARD, key=NODE_KEY), Refused.OWN_NODE),
        ("worker@example.org", Refused.NOT_BUILT),
        ("lnurl1dp68gurn8ghj7", Refused.NOT_BUILT),
        ("lno1pqps7sjqpgt", Refused.NOT_BUILT),
    ],
    ids=[
        "nonsense", "typing error", "network", "too short", "expired", "final cltv", "no amount", "amount", "own node",
        "address", "lnurl", "offer",
    ],
)  # fmt: skip
def test_a_destination_that_will_not_do(text: str, code: Refused) -> None:
    life = builders.funded()
    assert life.refuses(life.said(WORKER, life.command("claim", destination=text))) is code
    life.claim()
    if code is not Refused.BAD_INVOICE or "expir" in code:
        assert life.refuses(life.said(WORKER, life.command("payout", destination=text))) is code


def test_the_holds_own_hash_is_no_destination() -> None:
    """Whoever knows the hash of the hold could ask for a payout that only the bot can complete."""
    life = builders.funded()
    text = invoice("x", REWARD, payment_hash=life.hold.payment_hash)
    assert life.refuses(life.said(WORKER, life.command("claim", destination=text))) is Refused.HASH_USED


def test_a_signed_claim_commits_to_a_destination_that_goes_by_message() -> None:
    life = builders.funded()
    salt, destination = "5a" * 32, invoice("share", REWARD)
    hidden = commitment(salt, hash_of(preimage_of("share")))
    in_public = life.command("claim", destination=destination)
    assert life.refuses(life.said(WORKER, in_public, signed=True)) is Refused.BAD_USAGE
    life.say(WORKER, life.command("claim", dest_hash=hidden), signed=True)
    wrong = life.command("payout", destination=destination, salt="5b" * 32)
    assert life.refuses(life.said(WORKER, wrong)) is Refused.BAD_HASH
    life.say(WORKER, life.command("payout", destination=destination, salt=salt))
    life.submit()
    life.approve()
    life.leave()
    life.pay(PS.COMPLETE)
    life.see(H.SETTLED)
    assert life.last(LogType.TASK_CLAIMED).facts["dest_hash"] == hidden
    (shown,) = life.last(LogType.SETTLEMENT_COMPLETED).facts["payouts"]
    assert shown["status"] == "proven"
    assert commitment(shown["dest_salt"], shown["payment_hash"]) == hidden


def test_a_destination_in_a_message_is_its_own_commitment() -> None:
    life = builders.funded()
    both = life.command("claim", destination=invoice("share", REWARD), dest_hash="ab" * 32)
    assert life.refuses(life.said(WORKER, both)) is Refused.BAD_USAGE
    life.claim(destination=invoice("share", REWARD))
    life.submit()
    life.approve()
    life.leave()
    life.pay(PS.COMPLETE)
    life.see(H.SETTLED)
    (shown,) = life.last(LogType.SETTLEMENT_COMPLETED).facts["payouts"]
    claimed = life.last(LogType.TASK_CLAIMED).facts["dest_hash"]
    assert commitment(shown["dest_salt"], shown["payment_hash"]) == claimed
    assert shown["status"] == "attested", "only the worker's own signature proves that it was his"


def test_a_claim_without_a_destination_is_asked_at_the_approval() -> None:
    life = builders.verified()
    assert not life.ordered(Pay)
    assert life.told(Told.APPROVED, WORKER)[0].facts["needs_destination"] is True
    life.payout("share")
    assert life.ordered(Pay)


def test_an_invoice_that_expired_before_the_approval_is_asked_for_again() -> None:
    life = builders.claimed()
    life.say(WORKER, life.command("payout", destination=invoice("share", REWARD, expiry=3 * DAY + 60)))
    life.submit(), life.say(EMPLOYER, life.command("dispute"))
    life.wait(3 * DAY + 60)
    life.approve()
    assert life.told(Told.APPROVED, WORKER)[0].facts["needs_destination"] is True
    assert not life.ordered(Pay)


def test_an_invoice_that_expires_while_it_is_tried_is_asked_for_again() -> None:
    life = builders.verified()
    life.payout("share", expiry=HOUR)
    life.leave()
    life.fail(OURS)
    life.wait(HOUR).ticks()
    assert [p.state for p in life.task.payouts] == [PayoutState.FAILED, PayoutState.PLANNED]
    assert life.told(Told.DESTINATION_NEEDED, WORKER)[-1].facts["reason"] == "invoice_expired"
    life.payout("another")
    life.leave()
    life.pay(PS.COMPLETE)
    assert life.stands == "Verified/settling:APPROVED"


def test_a_failure_on_an_expired_invoice_asks_at_once() -> None:
    life = builders.verified()
    life.payout("share", expiry=HOUR)
    life.leave()
    life.wait(HOUR)
    life.fail(THEIRS, "expired")
    assert [p.state for p in life.task.payouts] == [PayoutState.FAILED, PayoutState.PLANNED]


# ---------------------------------------------------------------------- replacing a destination

REPLACE: list[tuple[str, Callable[[], Life], PayoutState | None]] = [
    ("noted", lambda: builders.submitted(True), None),
    ("asked where", builders.verified, None),
    ("ordered", lambda: builders.verified(True), PayoutState.ABANDONED),
    ("resting", builders.resting, PayoutState.FAILED),
    ("resting, theirs", lambda: builders.resting(THEIRS), PayoutState.FAILED),
]


@pytest.mark.parametrize(("start", "old"), [row[1:] for row in REPLACE], ids=[row[0] for row in REPLACE])
def test_another_destination(start: Callable[[], Life], old: PayoutState | None) -> None:
    life = start()
    rows = [p.ref for p in life.task.payouts if p.invoice]
    life.payout("another")
    if life.task.state is TaskState.CLAIMED:
        life.approve()
    if old:
        replaced = life.task.payout(rows[0])
        assert replaced
        assert (replaced.state, replaced.ordered, replaced.next_try) == (old, False, 0)
        stale = life.hear(PayWanted(rows[0]))
        assert getattr(stale, "code", None) is Refused.PAYOUT_BUSY, "the old one gets no leave any more"
    assert life.share.payment_hash == hash_of(preimage_of("another"))
    life.leave()
    life.pay(PS.COMPLETE)
    life.see(H.SETTLED)
    assert life.stands == "Paid:RELEASED"


@pytest.mark.parametrize("start", [builders.leaving, builders.in_flight], ids=["claimed", "in flight"])
def test_no_other_destination_while_one_may_be_on_its_way(start: Callable[[], Life]) -> None:
    life = start()
    other = life.command("payout", destination=invoice("another", REWARD))
    assert life.refuses(life.said(WORKER, other)) is Refused.PAYOUT_BUSY


@pytest.mark.parametrize("start", [lambda: builders.verified(True), builders.resting], ids=["ordered", "resting"])
def test_the_same_invoice_again_is_not_another_one(start: Callable[[], Life]) -> None:
    life = start()
    same = life.command("payout", destination=invoice("share", REWARD))
    assert life.refuses(life.said(WORKER, same)) is Refused.HASH_USED


# ---------------------------------------------------------------------- retries and patience


def test_failures_wait_longer_and_longer() -> None:
    life = builders.verified(True)
    waits = []
    for _ in range(9):
        life.fail(OURS, "node_not_synced")  # never sent: the same order of things as after a real attempt
        waits.append(life.share.next_try - life.time)
        life.wait(waits[-1]).ticks()
    assert waits == [30, 60, 120, 240, 480, 960, 1800, 1800, 1800]
    assert len(life.ordered(Pay)) == 10
    assert len(life.told(Told.PAYOUT_FAILED, WORKER)) == 1


def test_never_sent_is_tried_again_with_the_same_invoice() -> None:
    life = builders.leaving()
    life.pay(PS.ABSENT)
    life.wait(30).ticks()
    assert life.ordered(Pay)[0] == life.ordered(Pay)[1]
    life.leave()
    life.pay(PS.COMPLETE)
    assert life.stands == "Verified/settling:APPROVED"


def test_leave_is_given_once_it_is_ordered_and_wanted() -> None:
    for start in (builders.settling, builders.paid, builders.margin):
        life = start()
        assert life.refuses(PayWanted(life.share.ref)) is Refused.PAYOUT_BUSY
    assert builders.draft().refuses(PayWanted("nothing")) is Refused.PAYOUT_BUSY


def theirs(life: Life, hours: int, every: int = HOUR) -> Life:
    """The destination fails again and again for so many hours."""
    for _ in range(hours * 3600 // every):
        life.wait(every).ticks()
        if life.task.phase or life.task.state is not TaskState.VERIFIED:
            return life
        if life.share.ordered:
            life.leave()
            life.fail(THEIRS)
    return life


def test_a_day_of_failures_on_their_side_ends_it() -> None:
    life = builders.resting(THEIRS).reach(Told.PAYOUT_FAILED)
    theirs(life, 23)
    assert life.stands == "Verified:APPROVED"
    theirs(life, 2)
    assert life.types[-2:] == ["payout.failed", "refund.started"]
    life.see(H.CANCELLED)
    assert life.stands == "Expired:APPROVED"
    assert life.last(LogType.TASK_EXPIRED).facts["mark"] == WORKER


def test_the_day_starts_when_he_was_told_and_not_before() -> None:
    life = theirs(builders.resting(THEIRS), 100)
    assert life.stands == "Verified:APPROVED"
    life.reach(Told.PAYOUT_FAILED, WORKER)
    theirs(life, 23)
    assert life.stands == "Verified:APPROVED"
    theirs(life, 2)
    assert life.stands == "Verified/refunding:APPROVED"


def test_told_of_his_fault_also_after_a_failure_of_ours() -> None:
    life = builders.resting(OURS)
    assert life.told(Told.PAYOUT_FAILED)[-1].ref == ""
    theirs(life, 3)
    assert [say.ref for say in life.told(Told.PAYOUT_FAILED)] == ["", "patience"]


def test_no_destination_for_a_day_is_his_side_too() -> None:
    life = builders.verified()
    life.wait(3 * DAY).ticks()
    assert life.stands == "Verified:APPROVED", "nobody has told him yet"
    life.reach(Told.APPROVED)
    life.wait(DAY - 1).ticks()
    assert life.stands == "Verified:APPROVED"
    life.wait(1).ticks()
    assert life.stands == "Verified/refunding:APPROVED"


def test_both_are_warned_before_the_day_is_over() -> None:
    life = builders.verified().reach(Told.APPROVED)
    life.wait(DAY - 6 * HOUR - 1).ticks()
    assert life.told(Told.WARNING) == []
    life.wait(1).ticks().wait(60).ticks()
    assert [len(life.told(Told.WARNING, who)) for who in (EMPLOYER, WORKER)] == [1, 1]
    life.wait(5 * HOUR).ticks()
    assert [len(life.told(Told.WARNING, who)) for who in (EMPLOYER, WORKER)] == [2, 2]
    assert {say.facts["what"] for say in life.told(Told.WARNING)} == {"unreachable"}
    assert {say.facts["until"] for say in life.told(Told.WARNING)} == {life.task.patience.since + DAY}


def test_nobody_is_warned_while_the_failures_are_ours() -> None:
    life = builders.resting(THEIRS).reach(Told.PAYOUT_FAILED)
    for _ in range(60):
        life.wait(HOUR).ticks()
        life.leave()
        life.fail(OURS)
    assert life.told(Told.WARNING) == []


def test_one_failure_of_ours_starts_the_day_again() -> None:
    life = builders.resting(THEIRS).reach(Told.PAYOUT_FAILED)
    theirs(life, 20)
    life.wait(1800).ticks()
    life.leave()
    life.fail(OURS)
    mixed = life.now.heard
    theirs(life, 20)
    assert life.stands == "Verified:APPROVED"
    theirs(life, 5)
    assert life.stands == "Verified/refunding:APPROVED"
    assert life.now.heard >= mixed + DAY


def test_failures_of_ours_alone_never_blame_him() -> None:
    life = builders.resting(OURS).reach()
    for _ in range(60):
        life.wait(HOUR).ticks()
        life.leave()
        life.fail(OURS)
    assert life.stands == "Verified:APPROVED"


def test_deaf_time_is_not_counted_against_him() -> None:
    life = builders.verified().reach()
    life.wait(DAY, deaf=DAY).ticks()
    assert life.stands == "Verified:APPROVED"
    life.wait(DAY).ticks()
    assert life.stands == "Verified/refunding:APPROVED"


def test_the_day_waits_for_what_is_on_its_way() -> None:
    life = builders.resting(THEIRS).reach(Told.PAYOUT_FAILED)
    life.wait(HOUR).ticks()
    life.leave()
    life.pay(PS.IN_FLIGHT)
    life.wait(2 * DAY).ticks()
    assert life.stands == "Verified:APPROVED"
    life.fail(THEIRS)
    life.ticks()
    assert life.stands == "Verified/refunding:APPROVED"


def test_a_late_acknowledgement_means_nothing_once_he_has_named_one() -> None:
    life = builders.verified()
    life.payout("share")
    life.reach(Told.APPROVED)
    assert life.task.patience.since == 0
