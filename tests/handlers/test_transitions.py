"""The one table: every row is walked by some life, nothing is walked that is not in it, and it says what the design says."""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

import handlers
from handlers import transitions
from handlers.decision import Decision, Moment
from handlers.policy import DAY
from handlers.tick import _deadlines
from handlers.transitions import ROWS, TABLE, Cause, IllegalMove, Row, move
from kinds.codes import Told
from kinds.inputs import Check
from kinds.lightning import Fault, HoldStatus, PaymentStatus
from kinds.states import Phase, TaskState, WorkState
from tests.handlers import builders
from tests.handlers.life import EMPLOYER, POLICY, STRANGER, WORKER, H, Life
from tests.handlers.test_fundings import STARTS, first_quote_void

S, P, W, PS = TaskState, Phase, WorkState, PaymentStatus


def ends(start: Callable[[], Life], *steps: Callable[[Life], object]) -> Callable[[], None]:
    def walk() -> None:
        life = start()
        for step in steps:
            step(life)

    return walk


def sees(status: HoldStatus) -> Callable[[Life], object]:
    return lambda life: life.see(status)


def at_hold_end(life: Life) -> Life:
    return life.wait(60, blocks=life.task.last_safe_height - life.height).ticks()


def asks_for_a_fresh_hold(life: Life) -> Decision:
    life.wait(0, blocks=life.task.rollover_height - life.height).ticks()
    return life.make()


def at_deadline(life: Life) -> Life:
    return life.until(life.task.terms.deadline).ticks()


def owed_after_refund(life: Life) -> None:
    """The node settled what should have gone back: it is put to the employer's account."""
    life.see(H.SETTLED)


def settled_ahead(life: Life) -> Decision:
    """The worker is paid out of what was locked ahead, and its hold is settled."""
    life.payout()
    life.leave()
    life.pay(PS.COMPLETE)
    return life.see(H.SETTLED, life.task.holds[0])


def abandon(life: Life) -> Decision:
    return life.say(WORKER, life.command("abandon"))


def withdraw(life: Life) -> Decision:
    return life.say(STRANGER, life.command("abandon"))


RENEWS: dict[str, Any] = {"on_hold_end": "rollover then refund"}
SOON: dict[str, Any] = {"deadline": 9 * DAY}  # the hold's end comes soon after the deadline


def reached_and_late(life: Life) -> None:
    """The worker was told that he cannot be paid, and a day has passed."""
    life.reach(Told.PAYOUT_FAILED).wait(2 * DAY).ticks()


def while_locking(start: Callable[..., Life], *then: Callable[[Life], object]) -> Callable[[], Life]:
    """The node is settling the hold into the books, and something else happens first."""

    def walk() -> Life:
        life = start(policy=builders.BOOKS, custody_mode="ledger")
        for step in then:
            step(life)
        return life

    return walk


IN_TIME: dict[str, Callable[[], Life]] = {
    "claimed": while_locking(builders.claimed),
    "disputed": while_locking(builders.disputed),
    "verified": while_locking(builders.verified),
    "given back": while_locking(builders.claimed, abandon),
    "given back, then taken back": while_locking(builders.claimed, abandon, lambda life: life.cancel(EMPLOYER)),
    "agreed to end": while_locking(builders.claimed, lambda life: life.agree(0)),
    "agreed in a dispute": while_locking(builders.disputed, lambda life: life.agree(0)),
}

WALKS: tuple[Callable[[], object], ...] = (
    builders.released,
    builders.paid,
    builders.expired,
    ends(builders.unreachable, sees(H.CANCELLED)),
    builders.refunded,
    ends(builders.draft, lambda life: life.cancel(EMPLOYER)),
    ends(builders.pending, lambda life: life.cancel(EMPLOYER)),
    ends(builders.draft, at_deadline),
    ends(builders.pending, at_deadline),
    ends(builders.pending, sees(H.CANCELLED)),
    ends(builders.pending, lambda life: life.see(H.HELD, parts=())),
    ends(builders.funded, lambda life: life.wait(DAY).ticks(), sees(H.CANCELLED)),
    ends(lambda: builders.funded(deadline=DAY // 2), at_deadline, sees(H.CANCELLED)),
    ends(builders.funded, lambda life: life.cancel(EMPLOYER), sees(H.CANCELLED)),
    ends(builders.submitted, abandon),
    ends(builders.claimed, at_hold_end, sees(H.CANCELLED)),
    ends(builders.submitted, lambda life: life.until(life.task.terms.deadline), abandon, sees(H.CANCELLED)),
    ends(builders.rejected, lambda life: life.approve()),
    ends(builders.submitted, lambda life: life.reject()),
    ends(builders.rejected, lambda life: life.until(life.task.current.resubmit_until).ticks(), sees(H.CANCELLED)),
    ends(builders.submitted, at_hold_end),
    ends(lambda: builders.submitted(on_silence="dispute"), at_hold_end, sees(H.CANCELLED)),
    ends(builders.submitted, lambda life: life.until(life.task.current.review_until).ticks()),
    ends(builders.claimed, lambda life: life.agree(0), sees(H.CANCELLED)),
    ends(builders.disputed, lambda life: life.agree(0), sees(H.CANCELLED)),
    ends(builders.claimed, lambda life: life.agree(40)),
    ends(builders.disputed, lambda life: life.agree(40)),
    ends(builders.disputed, lambda life: life.approve()),
    ends(builders.verified, lambda life: life.dispute(WORKER)),
    ends(builders.margin, sees(H.SETTLED)),
    *(
        ends(start, sees(H.CANCELLED))
        for start in (
            builders.funded, builders.claimed, builders.disputed, builders.verified, builders.settling, builders.margin,
        )
    ),
    ends(builders.in_flight, sees(H.CANCELLED), lambda life: life.fail(Fault.OURS)),
    ends(builders.in_flight, sees(H.CANCELLED), lambda life: life.pay(PS.COMPLETE)),
    ends(lambda: builders.margin(builders.in_flight), sees(H.CANCELLED), lambda life: life.fail(Fault.OURS)),
    ends(lambda: builders.refunding(builders.submitted), owed_after_refund),
    ends(lambda: builders.claimed(), at_deadline, owed_after_refund),
    *(
        ends(lambda start=start: first_quote_void(start), lambda life: life.see(H.HELD, life.task.fundings[0]))  # type: ignore[misc]
        for start in (*STARTS.values(), builders.draft)
        if start is not builders.draft
    ),
    ends(builders.pending, sees(H.CANCELLED), sees(H.HELD)),
    *(ends(start, builders.freeze, builders.unfreeze) for start in builders.OPEN.values()),
    *(
        ends(start, asks_for_a_fresh_hold, *then)
        for start in (lambda: builders.rejected(**RENEWS), lambda: builders.disputed(**RENEWS))
        for then in ((sees(H.HELD),), (sees(H.CANCELLED),), (lambda life: life.see(H.HELD, parts=()),))
    ),
    *(ends(start, sees(H.SETTLED)) for start in IN_TIME.values()),
    ends(builders.in_books, abandon, lambda life: life.cancel(EMPLOYER)),
    ends(lambda: builders.in_books(builders.disputed), lambda life: life.until(next(at for at, _ in _deadlines(life.task))).ticks()),
    ends(lambda: builders.in_books(lambda **given: builders.resting(Fault.THEIRS, **given)), reached_and_late),
    *(
        ends(start, leave)
        for start, leave in (
            (builders.applied, withdraw),
            (builders.accepted, abandon),
            (lambda: builders.accepted(fund=True), abandon),
            (lambda: builders.accepted(fund=True), sees(H.HELD)),
            (builders.preferred, withdraw),
            (lambda: builders.preferred(fund=True), withdraw),
            (lambda: builders.applied(order="fund_first"), withdraw),
            (lambda: builders.preferred(order="fund_first"), withdraw),
        )
    ),
    ends(
        lambda: builders.owing(True), sees(H.CANCELLED), lambda life: life.fund(), lambda life: life.make(),
        lambda life: life.see(H.HELD, life.task.fundings[0]),
    ),
    ends(lambda: builders.owing(True), lambda life: life.see(H.HELD, parts=())),
    builders.covered,
    lambda: builders.pay_later(builders.cut_later()),
    *(
        ends(start, *steps)
        for start, steps in (
            (builders.started, (abandon,)),
            (builders.started, (at_deadline,)),
            (builders.started, (lambda life: life.agree(0),)),
            (builders.started, (lambda life: life.agree(40),)),
            (builders.at_odds, (lambda life: life.agree(0),)),
            (builders.at_odds, (lambda life: life.agree(40),)),
            (builders.at_odds, (lambda life: life.approve(),)),
            (builders.at_odds, (lambda life: life.until(next(at for at, _ in _deadlines(life.task))).ticks(),)),
            (builders.sent_back, (lambda life: life.until(life.task.current.resubmit_until).ticks(),)),
            (builders.handed_in, (lambda life: life.reach(Told.PROOF_ARRIVED), lambda life: life.until(life.task.current.review_until).ticks())),
            (builders.fallen_short, (settled_ahead,)),
            (builders.owing, (lambda life: life.make(H.ABSENT), lambda life: life.until(life.task.current.pay_until).ticks())),
        )
    ),
    *(ends(start, builders.compensate) for start in (builders.lost, builders.lost_after_payout)),
)  # fmt: skip


class Walked(dict[tuple[TaskState | None, Phase, Cause], Row]):
    """The table, remembering which rows were asked for."""

    def __init__(self) -> None:
        super().__init__(TABLE)
        self.seen: set[tuple[TaskState | None, Phase, Cause]] = set()

    def get(self, key: Any, default: Any = None) -> Any:
        self.seen.add(key)
        return super().get(key, default)


def test_every_row_is_walked_and_no_other(monkeypatch: pytest.MonkeyPatch) -> None:
    walked = Walked()
    monkeypatch.setattr(transitions, "TABLE", walked)
    for walk in WALKS:
        walk()
    assert walked.seen <= set(TABLE)
    # strays are declared for every state in every phase; where no other row leads, there is nobody to meet one
    nowhere = {(s, p, Cause.STRAY_HELD) for s in S for p in P} - {
        (row.target, row.phase_after, Cause.STRAY_HELD) for row in ROWS if row.cause is not Cause.STRAY_HELD
    }
    left = set(TABLE) - walked.seen - nowhere
    assert not {f"{state} {phase} {cause.name}" for state, phase, cause in left}


def test_a_row_for_each_case_only_once() -> None:
    assert len(TABLE) == len(ROWS)
    for row in ROWS:
        assert row.log, "each move has an entry"
        assert row.source is None or not row.source.is_final or row.source is row.target, "what is final stays so"
        assert row.work


# What lifecycle.md's table of the Task allows, state to state, a state's own rows left out.
ALLOWED = """
           > Draft
Draft      > PendingFunding, Claimed, Refunded, Expired
PendingFunding > Draft, Funded, Claimed, Refunded, Expired
Funded     > Claimed, Refunded, Expired
Claimed    > Draft, Funded, Verified, Disputed, Refunded, Expired
Verified   > Draft, Claimed, Disputed, Paid, Expired
Disputed   > Claimed, Verified, Refunded, Expired
Paid       >
Refunded   >
Expired    >
"""


def test_the_states_follow_each_other_as_designed() -> None:
    rows = [line.split(">") for line in ALLOWED.splitlines() if line.strip()]
    designed = {
        (source.strip(), target.strip()) for source, targets in rows for target in targets.split(",") if target.strip()
    }
    assert {pair for pair in transitions.pairs() if pair[0] != pair[1]} == designed
    assert {source.strip() for source, _ in rows} == {"", *map(str, TaskState)}


def test_the_work_follows_as_designed() -> None:
    """lifecycle.md, Milestone; the worker's dispute leads from APPROVED back to SUBMITTED."""
    designed = {
        (W.PENDING, W.IN_PROGRESS),
        *((before, W.SUBMITTED) for before in (W.IN_PROGRESS, W.SUBMITTED, W.REJECTED, W.APPROVED)),
        *((before, W.APPROVED) for before in (W.IN_PROGRESS, W.SUBMITTED, W.REJECTED)),
        (W.SUBMITTED, W.REJECTED),
        *((before, W.PENDING) for before in (W.IN_PROGRESS, W.SUBMITTED, W.REJECTED)),
        (W.APPROVED, W.RELEASED),
    }
    found = {(before, row.work_after) for row in ROWS if row.work_after for before in row.work}
    assert found == designed


def test_what_the_node_is_doing_ends_only_by_the_nodes_word() -> None:
    for row in ROWS:
        if Phase.AWAITING in (row.phase, row.phase_after):  # there the employer is at work
            continue
        if row.phase is not Phase.NONE and row.by == "operator":
            assert (row.source, row.phase, row.work_after) == (row.target, row.phase_after, None), (
                "a freeze leads nowhere"
            )
        elif row.phase is not Phase.NONE:
            assert row.by == "node", f"{row.cause} during {row.phase}"
        if row.phase_after is not Phase.NONE and row.phase is Phase.NONE:
            assert row.source is row.target


@pytest.mark.parametrize("cause", list(Cause))
def test_every_cause_has_a_row(cause: Cause) -> None:
    assert any(row.cause is cause for row in ROWS)


def test_a_move_that_is_not_in_the_table_is_a_bug() -> None:
    life = builders.draft()
    moment = Moment(life.now, POLICY, "node")
    with pytest.raises(IllegalMove):
        move(Decision(life.task), Cause.HELD, moment)
    with pytest.raises(IllegalMove):
        move(Decision(builders.claimed().task), Cause.APPROVED, Moment(life.now, POLICY, EMPLOYER))  # no proof yet
    with pytest.raises(IllegalMove):
        move(Decision(builders.submitted().task), Cause.APPROVED, Moment(life.now, POLICY, WORKER))  # not his to say
    with pytest.raises(IllegalMove):
        move(Decision(builders.pending().task), Cause.HELD, Moment(life.now, POLICY, "clock"))


# ---------------------------------------------------------------------- only `move` writes where a task stands


def _sources() -> Iterator[tuple[Path, ast.Module]]:
    for path in sorted(Path(handlers.__file__).parent.glob("*.py")):
        yield path, ast.parse(path.read_text())


def test_only_move_writes_the_state() -> None:
    """`replace`, `change` and `with_milestone` may name everything but the state, the phase and the work's state."""
    found = []
    for path, tree in _sources():
        for call in (node for node in ast.walk(tree) if isinstance(node, ast.Call)):
            name = call.func.attr if isinstance(call.func, ast.Attribute) else getattr(call.func, "id", "")
            named = {word.arg for word in call.keywords}
            first = ast.unparse(call.args[0]) if call.args else ""
            writes_work = name == "with_milestone" and "state" in named
            writes_task = name == "change" and named & {"state", "phase", "milestones", "seq", "latest"}
            writes_either = name == "replace" and (
                named & {"phase", "latest"} or ("state" in named and "task" in first)
            )
            makes = name in ("Task", "Milestone") and named & {"state", "phase", "seq"}
            if writes_work or writes_task or writes_either or makes:
                found.append(f"{path.name}:{name}({', '.join(sorted(filter(None, named)))})")
    assert sorted(found) == [
        "transitions.py:replace(frozen_at, latest, phase, seq, state)",
        "transitions.py:replace(latest, seq)",
        "transitions.py:with_milestone(state)",
    ]


def test_only_the_bottle_neck_asks_the_table() -> None:
    for path, tree in _sources():
        names = {node.id for node in ast.walk(tree) if isinstance(node, ast.Name)}
        assert path.name == "transitions.py" or not names & {"TABLE", "ROWS"}, path


def test_a_download_of_nobody_changes_nothing() -> None:
    life = builders.submitted()
    before = life.task
    life.fetched(Check.MATCHED)
    assert life.task == before
