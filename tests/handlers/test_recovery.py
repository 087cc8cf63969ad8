"""The table by which a task is rebuilt from its log: it knows every entry that is ever written, and refuses what does not follow."""

from __future__ import annotations

import dataclasses

import pytest

from handlers import recovery
from handlers.transitions import ROWS
from kinds.events import RECORD, Event
from kinds.lightning import HoldStatus
from kinds.record import Entry
from kinds.states import LogType, Phase
from kinds.units import EventId, Pubkey, TaskId
from tests.handlers import builders
from tests.handlers.life import EMPLOYER, WORKER


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
    assert (life.task.locked, life.task.kept) == (0, None)
    life.see(HoldStatus.SETTLED, life.task.fundings[0])
    who = EMPLOYER if phase is Phase.REFUNDING else WORKER
    assert life.task.state is not None
    assert life.task.state.is_final
    assert life.task.credit(who) == life.task.hold_amount
