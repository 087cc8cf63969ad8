"""Every command, by everybody, wherever a task can stand, by message and signed: what lifecycle.md says happens, and only that."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import cache

import pytest

from handlers.decision import Refusal
from kinds.codes import Refused
from kinds.states import TaskState, WorkState
from kinds.units import Pubkey
from tests.handlers import builders
from tests.handlers.life import EMPLOYER, STRANGER, WORKER, H, Life, invoice

PLACES: dict[str, Callable[[], Life]] = {
    "Draft": builders.draft,
    "Draft, making": builders.making,
    "PendingFunding": builders.pending,
    "Funded": builders.funded,
    "Funded, refunding": lambda: builders.refunding(builders.funded),
    "Claimed, IN_PROGRESS": builders.claimed,
    "Claimed, SUBMITTED": builders.submitted,
    "Claimed, REJECTED": builders.rejected,
    "Claimed, refunding": lambda: builders.refunding(builders.submitted),
    "Disputed, IN_PROGRESS": lambda: builders.disputed(WorkState.IN_PROGRESS),
    "Disputed, SUBMITTED": lambda: builders.disputed(WorkState.SUBMITTED),
    "Disputed, REJECTED": lambda: builders.disputed(WorkState.REJECTED),
    "Disputed, refunding": lambda: builders.refunding(builders.disputed),
    "Verified, asked where": builders.verified,
    "Verified, ordered": lambda: builders.verified(True),
    "Verified, claimed": builders.leaving,
    "Verified, resting": builders.resting,
    "Verified, in flight": builders.in_flight,
    "Verified, hold lost": lambda: _lost(builders.in_flight()),
    "Verified, hold lost, ordered": lambda: _lost(builders.verified(True)),
    "Verified, refunding": builders.unreachable,
    "settling, paid": builders.settling,
    "settling, unpaid": builders.margin,
    "settling, in flight": lambda: builders.margin(builders.in_flight),
    "Paid": builders.paid,
    "Paid, owed": builders.credited,
    "Paid, change": lambda: builders.split(33),
    "Refunded": builders.refunded,
    "Refunded, unclaimed": lambda: builders.refunded(builders.funded),
    "Expired": builders.expired,
}

# Who it is, where the task stands, and what each command does there. A state: it goes there. '=': done, and nothing moves.
# '+': an entry more, the task stays. A word in small letters: refused so. Every place stands once for each person;
# "*" is every place that has no line of its own; "~": the place by its first word, wherever it has no line of its own.
EXPECTED = """
                                  | fund         | claim     | submit        | abandon     | approve     | reject            | dispute           | cancel           | payout
employer
Draft                             | =            | own_task  | not_your_task | not_your_task | wrong_state | wrong_state     | wrong_state       | Refunded         | nothing_owed
Draft, making                     | =            | own_task  | not_your_task | not_your_task | wrong_state | wrong_state     | wrong_state       | Refunded         | nothing_owed
PendingFunding                    | =            | own_task  | not_your_task | not_your_task | wrong_state | wrong_state     | wrong_state       | Refunded         | nothing_owed
Funded                            | wrong_state  | own_task  | not_your_task | not_your_task | wrong_state | wrong_state     | wrong_state       | Funded/refunding | nothing_owed
Claimed, IN_PROGRESS              | wrong_state  | own_task  | not_your_task | not_your_task | wrong_state | wrong_state     | Disputed:IN_PROGRESS | +             | nothing_owed
Claimed, SUBMITTED                | wrong_state  | own_task  | not_your_task | not_your_task | Verified    | Disputed:REJECTED | Disputed:SUBMITTED | +             | nothing_owed
Claimed, REJECTED                 | wrong_state  | own_task  | not_your_task | not_your_task | Verified    | wrong_state     | Disputed:REJECTED | +                | nothing_owed
Disputed, IN_PROGRESS             | wrong_state  | own_task  | not_your_task | not_your_task | Verified    | wrong_state     | wrong_state       | +                | nothing_owed
Disputed, SUBMITTED               | wrong_state  | own_task  | not_your_task | not_your_task | Verified    | wrong_state     | wrong_state       | +                | nothing_owed
Disputed, REJECTED                | wrong_state  | own_task  | not_your_task | not_your_task | Verified    | wrong_state     | wrong_state       | +                | nothing_owed
*                                 | wrong_state  | own_task  | not_your_task | not_your_task | wrong_state | wrong_state     | wrong_state       | wrong_state      | nothing_owed
worker
Draft                             | not_your_task | wrong_state | not_your_task | not_your_task | not_your_task | not_your_task | not_your_task     | not_your_task    | not_your_task
Draft, making                     | not_your_task | wrong_state | not_your_task | not_your_task | not_your_task | not_your_task | not_your_task     | not_your_task    | not_your_task
PendingFunding                    | not_your_task | wrong_state | not_your_task | not_your_task | not_your_task | not_your_task | not_your_task     | not_your_task    | not_your_task
Funded                            | not_your_task | Claimed:IN_PROGRESS | not_your_task | not_your_task | not_your_task | not_your_task | not_your_task | not_your_task | not_your_task
Funded, refunding                 | not_your_task | wrong_state | not_your_task | not_your_task | not_your_task | not_your_task | not_your_task     | not_your_task    | not_your_task
Refunded, unclaimed               | not_your_task | wrong_state | not_your_task | not_your_task | not_your_task | not_your_task | not_your_task     | not_your_task    | not_your_task
Claimed, IN_PROGRESS              | not_your_task | wrong_state | Claimed:SUBMITTED | Funded    | not_your_task | not_your_task | Disputed:IN_PROGRESS | +             | =
Claimed, SUBMITTED                | not_your_task | wrong_state | Claimed:SUBMITTED | Funded    | not_your_task | not_your_task | Disputed:SUBMITTED | +               | =
Claimed, REJECTED                 | not_your_task | wrong_state | Claimed:SUBMITTED | Funded    | not_your_task | not_your_task | Disputed:REJECTED | +                | =
Disputed, IN_PROGRESS             | not_your_task | wrong_state | wrong_state   | wrong_state | not_your_task | not_your_task   | wrong_state       | +                | wrong_state
Disputed, SUBMITTED               | not_your_task | wrong_state | wrong_state   | wrong_state | not_your_task | not_your_task   | wrong_state       | +                | wrong_state
Disputed, REJECTED                | not_your_task | wrong_state | wrong_state   | wrong_state | not_your_task | not_your_task   | wrong_state       | +                | wrong_state
Verified, asked where             | not_your_task | wrong_state | wrong_state   | wrong_state | not_your_task | not_your_task   | Disputed:SUBMITTED | wrong_state     | =
Verified, ordered                 | not_your_task | wrong_state | wrong_state   | wrong_state | not_your_task | not_your_task   | Disputed:SUBMITTED | wrong_state     | =
Verified, claimed                 | not_your_task | wrong_state | wrong_state   | wrong_state | not_your_task | not_your_task   | wrong_state       | wrong_state      | payout_busy
Verified, resting                 | not_your_task | wrong_state | wrong_state   | wrong_state | not_your_task | not_your_task   | wrong_state       | wrong_state      | =
Verified, in flight               | not_your_task | wrong_state | wrong_state   | wrong_state | not_your_task | not_your_task   | wrong_state       | wrong_state      | payout_busy
Verified, hold lost               | not_your_task | wrong_state | wrong_state   | wrong_state | not_your_task | not_your_task   | wrong_state       | wrong_state      | payout_busy
Verified, hold lost, ordered      | not_your_task | wrong_state | wrong_state   | wrong_state | not_your_task | not_your_task   | wrong_state       | wrong_state      | payout_busy
settling, unpaid                  | not_your_task | wrong_state | wrong_state   | wrong_state | not_your_task | not_your_task   | wrong_state       | wrong_state      | payout_busy
settling, in flight               | not_your_task | wrong_state | wrong_state   | wrong_state | not_your_task | not_your_task   | wrong_state       | wrong_state      | payout_busy
*                                 | not_your_task | wrong_state | wrong_state   | wrong_state | not_your_task | not_your_task   | wrong_state       | wrong_state      | wrong_state
stranger
Draft                             | not_your_task | wrong_state | not_your_task | not_your_task | not_your_task | not_your_task | not_your_task     | not_your_task    | not_your_task
Draft, making                     | not_your_task | wrong_state | not_your_task | not_your_task | not_your_task | not_your_task | not_your_task     | not_your_task    | not_your_task
PendingFunding                    | not_your_task | wrong_state | not_your_task | not_your_task | not_your_task | not_your_task | not_your_task     | not_your_task    | not_your_task
Funded                            | not_your_task | Claimed:IN_PROGRESS | not_your_task | not_your_task | not_your_task | not_your_task | not_your_task | not_your_task | not_your_task
Funded, refunding                 | not_your_task | wrong_state | not_your_task | not_your_task | not_your_task | not_your_task | not_your_task     | not_your_task    | not_your_task
Paid                              | not_your_task | wrong_state | not_your_task | not_your_task | not_your_task | not_your_task | not_your_task     | not_your_task    | not_your_task
Paid, owed                        | not_your_task | wrong_state | not_your_task | not_your_task | not_your_task | not_your_task | not_your_task     | not_your_task    | not_your_task
Paid, change                      | not_your_task | wrong_state | not_your_task | not_your_task | not_your_task | not_your_task | not_your_task     | not_your_task    | not_your_task
Refunded                          | not_your_task | wrong_state | not_your_task | not_your_task | not_your_task | not_your_task | not_your_task     | not_your_task    | not_your_task
Refunded, unclaimed               | not_your_task | wrong_state | not_your_task | not_your_task | not_your_task | not_your_task | not_your_task     | not_your_task    | not_your_task
Expired                           | not_your_task | wrong_state | not_your_task | not_your_task | not_your_task | not_your_task | not_your_task     | not_your_task    | not_your_task
*                                 | not_your_task | taken     | not_your_task | not_your_task | not_your_task | not_your_task | not_your_task     | not_your_task    | not_your_task
"""

PEOPLE: dict[str, Pubkey] = {"employer": EMPLOYER, "worker": WORKER, "stranger": STRANGER}


def _lost(life: Life) -> Life:
    life.see(H.CANCELLED)
    return life


def _cells() -> Iterator[tuple[str, str, str, str]]:
    """(person, place, command, what is expected), from the table."""
    header, *rows = [line for line in EXPECTED.splitlines() if line.strip()]
    actions = [word.strip() for word in header.split("|")[1:]]
    told: dict[str, dict[str, list[str]]] = {}
    for row in rows:
        place, *cells = [word.strip() for word in row.split("|")]
        if not cells:
            person = place
            told[person] = {}
        else:
            assert len(cells) == len(actions), row
            assert place in ("*", *PLACES), row
            assert place not in told[person], row
            told[person][place] = cells
    for person, lines in told.items():
        for place in PLACES:
            for action, cell in zip(actions, lines.get(place, lines["*"]), strict=True):
                yield person, place, action, cell


@cache
def _life(place: str) -> Life:
    return PLACES[place]()


def _fields(life: Life, action: str, by: Pubkey) -> dict[str, object]:
    if action != "payout":
        return {}
    share = life.task.share
    owed = share.amount if share else life.task.reward
    return {"destination": invoice("a fresh one", owed)}


CELLS = list(_cells())


@pytest.mark.parametrize("signed", [False, True], ids=["dm", "signed"])
@pytest.mark.parametrize("person", PEOPLE)
@pytest.mark.parametrize("place", PLACES)
def test_every_command_everywhere(place: str, person: str, signed: bool) -> None:
    wrong = []
    for _, _, action, expected in (cell for cell in CELLS if cell[:2] == (person, place)):
        if action == "payout" and signed:
            expected = "bad_usage"  # an invoice is never said in public
        found = _outcome(_life(place).copy(), action, PEOPLE[person], signed, expected)
        if found != expected:
            wrong.append(f"{action}: {found}, but it should be {expected}")
    assert not wrong, "; ".join(wrong)


def _outcome(life: Life, action: str, by: Pubkey, signed: bool, expected: str) -> str:
    before, entries = life.task, len(life.lines)
    outcome = life.hear(life.said(by, life.command(action, **_fields(life, action, by)), signed=signed))
    if isinstance(outcome, Refusal):
        assert life.task == before, "a refusal changes nothing"
        return str(outcome.code)
    said = life.lines[entries:]
    for line in said:
        assert line.by == by
        assert line.proven == ("signed" if signed else "attested")
        assert (line.event is not None) == signed
    same = (before.state, before.phase, before.current.state) == (
        life.task.state, life.task.phase, life.task.current.state,
    )  # fmt: skip
    if same and expected in ("=", "+"):
        return "+" if said else "="
    return life.stands if ":" in expected else life.stands.split(":")[0]


def test_the_table_says_everything_once() -> None:
    commands = {cell[2] for cell in CELLS}
    assert commands == {"fund", "claim", "submit", "abandon", "approve", "reject", "dispute", "cancel", "payout"}
    assert len({cell[:3] for cell in CELLS}) == len(CELLS) == len(PEOPLE) * len(PLACES) * len(commands)


def test_the_places_are_every_state() -> None:
    stands = {name: _life(name) for name in PLACES}
    assert {str(life.task.state) for life in stands.values()} == {str(state) for state in TaskState}
    assert {life.stands for life in stands.values()} >= {
        "Claimed:IN_PROGRESS", "Claimed:SUBMITTED", "Claimed:REJECTED",
        "Disputed:IN_PROGRESS", "Disputed:SUBMITTED", "Disputed:REJECTED",
        "Verified:APPROVED", "Verified/settling:APPROVED", "Verified/refunding:APPROVED",
        "Funded/refunding:PENDING", "Claimed/refunding:SUBMITTED", "Disputed/refunding:SUBMITTED",
    }  # fmt: skip


def test_a_task_that_was_never_offered_is_unknown() -> None:
    life = builders.draft()
    said = life.said(EMPLOYER, life.command("fund"))
    assert Life().refuses(said) is Refused.UNKNOWN_TASK


def test_an_offer_is_taken_once() -> None:
    life = builders.draft()
    with pytest.raises(AssertionError, match="address_taken"):
        life.offer()
