"""The table by which a task is rebuilt from its log: it knows every entry that is ever written, and refuses what does not follow."""

from __future__ import annotations

import pytest

from handlers import recovery
from handlers.transitions import ROWS
from kinds.events import RECORD, Event
from kinds.record import Entry
from kinds.states import LogType
from kinds.units import EventId, Pubkey, TaskId


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
