"""The table by which a task is rebuilt from its log: it knows every entry that is ever written, and refuses what does not follow."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any

import pytest

from handlers import recovery
from handlers.decision import LogLine
from handlers.task import Task
from handlers.transitions import ROWS
from kinds.events import RECORD, Event
from kinds.lightning import Fault, HoldStatus, PaymentStatus
from kinds.record import Entry
from kinds.states import FundingState, LogType, Phase
from kinds.units import EventId, Pubkey, TaskId
from tests.handlers import builders
from tests.handlers.life import EMPLOYER, WORKER, Life
from tests.handlers.test_deposit_books import AT_END, mixed
from tests.handlers.test_two_holds import OTHER, WHICH, at_margin, backed, in_flight, see, settling


def entry(seq: int, kind: str, **facts: object) -> Entry:
    event = Event(EventId("ab" * 32), Pubkey("cd" * 32), 1000, RECORD, (), "", "00" * 64)
    return Entry(event, seq, kind, 1000, 800_000, "0" * 64, facts, TaskId("0" * 13), "Draft", "PENDING")


def test_every_entry_that_is_ever_written_can_be_read_back() -> None:
    written = {kind for row in ROWS for kind in row.log}
    assert set(recovery.TABLE) == written


@pytest.mark.parametrize(
    "strange",
    [
        entry(2, LogType.TASK_CREATED),
        entry(1, LogType.TASK_CLAIMED, worker="ef" * 32),
        entry(1, LogType.TASK_CREATED),
        entry(1, LogType.DISPUTE_VOTE),
    ],
)
def test_what_does_not_follow_is_refused(strange: Entry) -> None:
    with pytest.raises(recovery.Unreadable):
        recovery.adopt(None, strange)


@pytest.mark.parametrize("phase", [Phase.REFUNDING, Phase.SETTLING])
def test_an_end_out_of_the_books_of_which_the_log_tells_only_the_beginning_is_ended_by_the_node(phase: Phase) -> None:
    start = builders.claimed if phase is Phase.REFUNDING else builders.verified
    life = builders.in_books(start)
    begun = dataclasses.replace(life.task, phase=phase, ending="REFUNDED", reason="agreed")
    life.remembered = recovery.finish(begun)
    assert (life.task.locked, life.task.kept) == (0, ())
    life.see(HoldStatus.SETTLED, life.task.fundings[0])
    who = EMPLOYER if phase is Phase.REFUNDING else WORKER
    assert life.task.state is not None
    assert life.task.state.is_final
    assert life.task.credit(who) == life.task.hold_amount


# ---------------------------------------------------------------------- two holds behind one milestone

H, F = HoldStatus, FundingState


def told(line: LogLine, task: Task) -> Entry:
    """A line of the log as it is read back."""
    event = Event(EventId("ab" * 32), Pubkey("cd" * 32), 1000, RECORD, (), "", "00" * 64)
    return Entry(
        event, line.seq, line.type, 1000, 800_000, "0" * 64, line.facts, task.id, line.state, line.work, line.by, line.proven,
    )  # fmt: skip


def _refunding() -> Life:
    return backed(builders.submitted).agree(0)


def _in_flight_and_settled(which: str) -> Life:
    """At the margin, with one of them settled and a payout that may still fail."""
    life = at_margin(in_flight)
    see(life, OTHER[which], H.SETTLED)
    return life


ENDS: dict[str, tuple[Callable[[str], Life], tuple[Callable[[Life, str], object], ...]]] = {
    "both go back": (lambda _: _refunding(), (lambda life, w: see(life, w, H.CANCELLED), lambda life, w: see(life, OTHER[w], H.CANCELLED))),
    "one is settled instead": (
        lambda _: _refunding(), (lambda life, w: see(life, w, H.SETTLED), lambda life, w: see(life, OTHER[w], H.CANCELLED)),
    ),
    "both are settled": (lambda _: settling(), (lambda life, w: see(life, w, H.SETTLED), lambda life, w: see(life, OTHER[w], H.SETTLED))),
    "one is lost before the payout": (lambda _: backed(), (lambda life, w: see(life, w, H.CANCELLED),)),
    "one is lost, and the payout fails": (
        lambda _: in_flight(), (lambda life, w: see(life, w, H.CANCELLED), lambda life, w: life.fail(Fault.OURS)),
    ),
    "one is lost, and the payout arrives": (
        lambda _: in_flight(),
        (lambda life, w: see(life, w, H.CANCELLED), lambda life, w: life.pay(PaymentStatus.COMPLETE), lambda life, w: see(life, OTHER[w], H.SETTLED)),
    ),
    "out of the books and from the node": (
        lambda w: mixed(builders.disputed, w), (lambda life, w: life.agree(0), lambda life, w: see(life, OTHER[w], H.CANCELLED)),
    ),
    "out of the books, and settled instead": (
        lambda w: mixed(builders.disputed, w), (lambda life, w: life.agree(0), lambda life, w: see(life, OTHER[w], H.SETTLED)),
    ),
    "one is in the books, and the other follows": (
        lambda w: mixed(builders.disputed, w),
        (lambda life, w: life.to_height(life.task.last_safe_height).ticks(), lambda life, w: see(life, OTHER[w], H.SETTLED), lambda life, w: life.agree(0)),
    ),
    "one is in the books, and the other is lost": (lambda w: mixed(builders.submitted, w), (lambda life, w: see(life, OTHER[w], H.CANCELLED),)),
    "paid out of the books and out of the other": (
        lambda w: mixed(lambda **given: builders.in_flight(**given), w),
        (lambda life, w: life.pay(PaymentStatus.COMPLETE), lambda life, w: see(life, OTHER[w], H.SETTLED)),
    ),
    "one is settled, the other lost, and the payout fails": (
        _in_flight_and_settled, (lambda life, w: see(life, w, H.CANCELLED), lambda life, w: life.fail(Fault.OURS)),
    ),
}  # fmt: skip


@pytest.mark.parametrize("which", WHICH)
@pytest.mark.parametrize("end", ENDS)
def test_what_becomes_of_two_holds_is_read_out_of_the_log(end: str, which: str) -> None:
    """As far as the log tells it: what goes back is ordered once more, and what was settled instead stands in the employer's account."""
    start, steps = ENDS[end]
    life = start(which)
    before, known = life.task, len(life.lines)
    for step in steps:
        step(life, which)
    task = before
    for line in life.lines[known:]:
        task = recovery.adopt(task, told(line, task))
    assert (task.state, task.lost) == (life.task.state, life.task.lost)
    assert {f.ref: (f.state, f.goal) for f in task.fundings} == {f.ref: (f.state, f.goal) for f in life.task.fundings}
    assert task.locked == life.task.locked
    assert sorted((e.to, e.amount) for e in task.credits) == sorted((e.to, e.amount) for e in life.task.credits)


@pytest.mark.parametrize(
    ("start", "terms", "goal"),
    [
        (builders.claimed, AT_END, "lock"),
        (builders.disputed, AT_END, "lock"),
        (builders.verified, AT_END, ""),
        (builders.claimed, {}, ""),
    ],
)
def test_a_hold_that_the_lost_memory_settled_may_be_in_the_books(
    start: Callable[..., Life], terms: dict[str, Any], goal: str
) -> None:
    life = start(**terms)
    held = life.hold
    found = recovery.seen(life.task, held.ref, life.hold_view(H.SETTLED, held), "5a" * 16)
    assert found.funding(held.ref) == dataclasses.replace(held, goal=goal)
    if goal:
        life.remembered = found
        life.see(H.SETTLED, found.funding(held.ref))
        assert (life.types[-1], life.task.in_books) == ("ledger.locked", True)
