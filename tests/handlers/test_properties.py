"""Whatever people say, whatever the node does and however late it tells: no impossible move, no money lost or made, an end."""

from __future__ import annotations

import dataclasses
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule, run_state_machine_as_test

from handlers.decision import Decision, Refusal
from handlers.fees import Fees
from handlers.policy import DAY, HOUR
from handlers.task import Task
from kinds.inputs import BY_HAND, Basis, HoldSeen, PaymentSeen, Reached, Tick
from kinds.lightning import HoldStatus, PaymentStatus
from kinds.states import Payer, TaskState, WorkState
from kinds.units import Msat, sats
from tests.handlers.life import EMPLOYER, OTHER, POLICY, STRANGER, WORKER, Life, invoice
from tests.handlers.town import MOODS, Town

PEOPLE = (EMPLOYER, WORKER, OTHER, STRANGER)
ACTIONS = ("fund", "claim", "submit", "abandon", "approve", "reject", "dispute", "cancel", "payout")
PERCENTS = (None, 0, 1, 33, 50, 99, 100)
fee_terms = st.builds(
    Fees,
    ppm=st.sampled_from([0, 333, 10_000, 250_000]),
    base=st.sampled_from([sats(0), sats(7)]),
    minimum=st.sampled_from([sats(0), sats(51)]),
    payer=st.sampled_from(Payer),
    insurance_percent=st.sampled_from([0, 10, 100]),
)
moods = st.sampled_from((*MOODS, "complete", "complete", "complete"))

USUAL = settings(
    max_examples=100, stateful_step_count=40, deadline=None, suppress_health_check=list(HealthCheck), print_blob=True
)
DEEP = settings(USUAL, max_examples=1500, stateful_step_count=80)


def standing(task: Task) -> tuple[object, ...]:
    return task.state, task.phase, task.current.state, task.worker, task.share_amount


class Chance(RuleBasedStateMachine):
    """A task whose people, node and clocks do as they like; the node tells the truth, late or again and again."""

    lying = False

    def __init__(self) -> None:
        super().__init__()
        self.life = Life()
        self.town = Town(self.life, self.lying)
        self.final: tuple[object, ...] | None = None
        self.names = 0

    @initialize(
        reward=st.sampled_from([100, 101, 5_000, 50_001, 1_000_000]),
        deadline=st.sampled_from([HOUR, 20 * HOUR, 36 * HOUR, 5 * DAY]),
        terms=st.fixed_dictionaries(
            {},
            optional={
                "on_reject": st.just("revise"),
                "max_rejects": st.integers(1, 3),
                "on_silence": st.just("dispute"),
                "review_window": st.sampled_from([60, HOUR, DAY]),
                "hold_timeout": st.sampled_from([60, HOUR, 3 * DAY]),
            },
        ),
        fetch=st.booleans(),
        fees=fee_terms,
        rupees=st.sampled_from(["", "", "8", "400.5", "79000"]),
        steps=st.lists(st.tuples(st.integers(0, 9), moods), max_size=9),
    )
    def begin(
        self, reward: int, deadline: int, terms: dict[str, Any], fetch: bool, fees: Fees, rupees: str,
        steps: list[tuple[int, str]],
    ) -> None:  # fmt: skip
        self.life.policy = dataclasses.replace(POLICY, fetch=fetch, fees=fees)
        self.life.market = Decimal(8_000_000)
        self.life.offer(sats(reward), deadline, rupees=rupees, **terms)
        for kind, mood in steps:
            self.next_step(kind, mood)

    @rule(price=st.sampled_from([None, "8000000", "7654321.09", "8888888.88"]))
    def the_rate_moves(self, price: str | None) -> None:
        """Or is not known for a while."""
        self.life.market = Decimal(price) if price else None

    def after(self) -> None:
        """Final is final."""
        task = self.life.task
        if self.final is not None:
            assert standing(task) == self.final
        elif task.state is not None and task.state.is_final:
            self.final = standing(task)
        self.town.collect()

    # ------------------------------------------------------------------ people

    @rule(
        by=st.sampled_from(PEOPLE),
        action=st.sampled_from(ACTIONS),
        percent=st.sampled_from(PERCENTS),
        signed=st.booleans(),
        basis=st.integers(0, 30),
        back=st.sampled_from([0, 0, 60, DAY]),
    )
    def anybody_says_anything(
        self, by: Any, action: str, percent: int | None, signed: bool, basis: int, back: int
    ) -> None:
        fields: dict[str, Any] = {"percent": percent} if action == "cancel" else {}
        if action == "payout":
            fields = {"destination": self.destination(by, basis)}
        command = self.life.command(action, **fields)
        line = self.life.lines[basis % len(self.life.lines)]
        rests_on = Basis(line.type, line.seq) if basis % 3 else None
        self.life.hear(self.life.said(by, command, signed=signed, basis=rests_on, created_at=self.life.time - back))
        self.after()

    def destination(self, by: Any, pick: int) -> str:
        """Mostly a fresh invoice over what is owed; sometimes an old one, a wrong one or a short one."""
        task = self.life.task
        owed = task.credit(by) or (task.share.amount if task.share else task.net)
        self.names += 1
        name = f"invoice {self.names if pick % 5 else max(1, self.names - 1)}"
        expiry = {1: 120, 2: HOUR}.get(pick % 7, 60 * DAY)
        return invoice(name, Msat(owed + (pick % 11 == 10)), self.life.time // HOUR * HOUR, expiry=expiry + HOUR)

    @rule(mood=moods, kind=st.integers(0, 9))
    def somebody_does_what_comes_next(self, mood: str, kind: int) -> None:
        self.next_step(kind, mood)

    @rule(mood=moods, kind=st.integers(0, 9))
    def somebody_goes_on(self, mood: str, kind: int) -> None:
        self.next_step(kind, mood)

    def next_step(self, kind: int, mood: str) -> None:
        life, task = self.life, self.life.task
        worker = task.worker or WORKER
        by_place: dict[object, list[tuple[Any, str]]] = {
            TaskState.DRAFT: [(EMPLOYER, "fund")],
            TaskState.PENDING_FUNDING: [(EMPLOYER, "fund")],
            TaskState.FUNDED: [(WORKER, "claim"), (OTHER, "claim")],
            WorkState.IN_PROGRESS: [
                (worker, "submit"),
                (worker, "submit"),
                (worker, "payout"),
                (EMPLOYER, "cancel"),
                (worker, "cancel"),
                (worker, "abandon"),
                (worker, "dispute"),
            ],
            WorkState.SUBMITTED: [
                (EMPLOYER, "approve"),
                (EMPLOYER, "approve"),
                (EMPLOYER, "reject"),
                (worker, "cancel"),
                (EMPLOYER, "cancel"),
                (EMPLOYER, "dispute"),
            ],
            WorkState.REJECTED: [(worker, "submit"), (EMPLOYER, "approve"), (worker, "dispute")],
            TaskState.DISPUTED: [(EMPLOYER, "approve"), (EMPLOYER, "cancel"), (worker, "cancel")],
            TaskState.VERIFIED: [(worker, "payout"), (worker, "payout"), (worker, "dispute")],
        }
        place = task.current.state if task.state is TaskState.CLAIMED else task.state
        if place is TaskState.PENDING_FUNDING and kind < 9:
            self.town.paid_by_employer(life.hold.ref, (task.hold_amount,))
            self.town.report_hold(life.hold.ref)
            return self.after()
        steps = by_place.get(place, [(EMPLOYER, "payout"), (worker, "payout")])
        by, action = steps[kind % len(steps)]
        fields: dict[str, Any] = {
            "payout": {"destination": self.destination(by, 3)},
            "cancel": {"percent": 33 * (kind < 5)},
        }
        life.hear(life.said(by, life.command(action, **fields.get(action, {}))))
        self.town.collect()
        if self.town.orders:
            self.town.work(0, mood)
        self.after()

    @rule(action=st.sampled_from(["freeze", "unfreeze", "unfreeze"]), chance=st.integers(0, 2))
    def the_operator_lends_a_hand(self, action: str, chance: int) -> None:
        if chance == 0 or self.life.task.frozen:
            self.life.hear(self.life.said(BY_HAND, self.life.command(action)))
            self.after()

    # ------------------------------------------------------------------ money

    @precondition(lambda self: self.town.holds)
    @rule(which=st.integers(0, 5), how=st.sampled_from(["exact", "exact", "over", "parts", "dust"]))
    def an_invoice_is_paid(self, which: int, how: str) -> None:
        ref = sorted(self.town.holds)[which % len(self.town.holds)]
        amount = self.town.holds[ref].amount
        split = {"over": (Msat(amount + 1),), "parts": (Msat(amount // 2), Msat(amount - amount // 2))}
        split["dust"] = (Msat(amount - 1000), Msat(1000))
        self.town.paid_by_employer(ref, split.get(how, (amount,)))

    @precondition(lambda self: self.town.orders)
    @rule(which=st.integers(0, 3), mood=moods)
    def the_money_worker_takes_a_step(self, which: int, mood: str) -> None:
        self.town.work(which, mood)
        self.after()

    @precondition(lambda self: self.town.sent)
    @rule(which=st.integers(0, 3), mood=moods)
    def a_payment_ends(self, which: int, mood: str) -> None:
        self.town.resolve(sorted(self.town.sent)[which % len(self.town.sent)], mood)

    @precondition(lambda self: self.town.holds)
    @rule(which=st.integers(0, 5), unknown=st.booleans())
    def the_watch_looks(self, which: int, unknown: bool) -> None:
        ref = sorted(self.town.holds)[which % len(self.town.holds)]
        if unknown:
            self.life.did(HoldSeen(ref, dataclasses.replace(self.town.holds[ref], status=HoldStatus.UNKNOWN)))
        else:
            self.town.report_hold(ref)
        self.after()

    @precondition(lambda self: self.town.words)
    @rule(which=st.integers(0, 10))
    def a_word_of_a_hold_comes_late(self, which: int) -> None:
        held = [word for word in self.town.words if isinstance(word, HoldSeen)]
        if held:
            self.life.did(held[which % len(held)])
        self.after()

    @precondition(lambda self: self.town.holds)
    @rule(chance=st.integers(0, 30))
    def a_hold_vanishes(self, chance: int) -> None:
        held = [ref for ref, view in self.town.holds.items() if view.status is HoldStatus.HELD]
        if held and chance == 0:
            self.town.lose(held[0])

    # ------------------------------------------------------------------ time

    @rule(
        seconds=st.sampled_from([1, 60, 600, HOUR, 6 * HOUR, DAY, 3 * DAY]),
        pace=st.sampled_from([0, 1, 1, 1, 3]),
        deaf=st.booleans(),
    )
    def time_passes(self, seconds: int, pace: int, deaf: bool) -> None:
        self.life.wait(seconds, blocks=seconds // 600 * pace, deaf=seconds if deaf else 0)
        self.town.age()

    @rule()
    def blocks_come_in_a_burst(self) -> None:
        task = self.life.task
        if task.hold:
            goal = max(task.last_safe_height, self.life.height)
            self.life.height = min(goal, self.life.height + 300)
            self.town.age()

    @rule(to=st.sampled_from(["deadline", "height"]))
    def the_timers_look(self, to: str) -> None:
        self.life.ticks()
        self.life.did(Tick())
        self.after()

    @precondition(lambda self: any(say.ref for say in self.life.says))
    @rule(which=st.integers(0, 40))
    def a_letter_arrives(self, which: int) -> None:
        refs = [say.ref for say in self.life.says if say.ref]
        self.life.did(Reached(refs[which % len(refs)]))
        self.after()

    # ------------------------------------------------------------------ the end

    def teardown(self) -> None:
        if self.life.remembered is None:
            return
        if (
            self.life.task.frozen and self.life.task.hold is None
        ):  # nothing but the operator ends this; a hold ends by itself
            self.life.say(BY_HAND, self.life.command("unfreeze"))
        self.town.go_on_fairly()
        self.after()
        if not self.lying and not self.town.accident:
            has, should = self.town.balance()
            assert has == should, f"the node has {has} more than before, the task says {should}"
            assert not self.life.task.lost


class Lies(Chance):
    """The node also contradicts itself. Money may be lost to a lie; but no move is impossible and there is an end."""

    lying = True

    @precondition(lambda self: self.town.holds)
    @rule(which=st.integers(0, 5), status=st.sampled_from(HoldStatus), received=st.booleans())
    def the_node_lies_about_a_hold(self, which: int, status: HoldStatus, received: bool) -> None:
        ref = sorted(self.town.holds)[which % len(self.town.holds)]
        self.life.did(HoldSeen(ref, dataclasses.replace(self.town.holds[ref], status=status)))
        self.after()

    @rule(which=st.integers(0, 5), status=st.sampled_from(PaymentStatus))
    def the_node_lies_about_a_payment(self, which: int, status: PaymentStatus) -> None:
        named = [p for p in self.life.task.payouts if p.payment_hash]
        if named:
            payout = named[which % len(named)]
            self.life.did(PaymentSeen(payout.ref, self.life.payment_view(payout, status, fee=payout.budget)))
        self.after()

    @precondition(lambda self: self.town.words)
    @rule(which=st.integers(0, 10))
    def any_word_comes_again(self, which: int) -> None:
        self.life.did(self.town.words[which % len(self.town.words)])
        self.after()


@pytest.mark.parametrize("machine", [Chance, Lies])
def test_chance(machine: type[RuleBasedStateMachine]) -> None:
    run_state_machine_as_test(machine, settings=USUAL)


@pytest.mark.slow
@pytest.mark.parametrize("machine", [Chance, Lies])
def test_chance_for_long(machine: type[RuleBasedStateMachine]) -> None:
    run_state_machine_as_test(machine, settings=DEEP)


def test_what_hear_returns_is_one_of_two() -> None:
    life = Life().offer()
    assert isinstance(life.hear(Tick()), Decision)
    assert isinstance(life.hear(life.said(STRANGER, life.command("fund"))), Refusal)
