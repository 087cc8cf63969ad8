"""Chance writes the lives of accounts: credits, withdrawals, a node that is late, lies or repeats itself, and a process that dies before
a commit. In = out + held + fees, to the msat, and nothing is ever below zero, by a model that knows only what was really paid."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule, run_state_machine_as_test
from sqlalchemy import select
from sqlalchemy.exc import IntegrityError

from handlers.account import Movement, Withdrawal
from handlers.booking import Sort, party
from handlers.decide import settle_account
from handlers.decision import Refusal
from kinds.inputs import AccountDue, RemitSeen, RemitWanted
from kinds.lightning import Fault, PaymentView
from kinds.units import Msat, sats
from storage import accounts, books
from storage.codec import read_withdrawal
from storage.commit import Stale
from storage.schema import withdrawals
from tests.handlers.life import invoice
from tests.handlers.purse import PS
from tests.storage.bank import Bank, Crash

WHICH = st.integers(0, 20)


class Accounts(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self.bank = Bank()
        self.came = 0  # what tasks have put there
        self.names = 0
        self.node: dict[str, PaymentView] = {}  # what the node really did, by hash
        self.said: list[RemitSeen] = []  # every word of the node, to be said again

    # -------------------------------------------------------------- what happens

    def _try(self, step: Callable[[], Any], crash: bool) -> Any:
        """The process may die before the commit: then it happens once more."""
        self.bank.crashes = crash
        with contextlib.suppress(Crash):
            result = step()
            self.bank.crashes = False
            return result
        return step()

    @rule(amount=st.integers(1, 60_000_000))
    def a_task_gives(self, amount: int) -> None:
        self.bank.credit(amount, f"t{self.came % 7}")
        self.came += amount

    @rule(amount=st.integers(1, 40_000_000), crash=st.booleans(), lives=st.sampled_from((200, 3600, 90 * 86400)))
    def he_withdraws(self, amount: int, crash: bool, lives: int) -> None:
        self.names += 1
        said = self.bank.asks(invoice(f"{self.names}", Msat(amount), self.bank.time, expiry=lives))
        before = self.bank.read("").available
        outcome = self._try(lambda: self.bank.hear(said), crash)
        if isinstance(outcome, Refusal):
            assert self.bank.read("").available == before
        else:
            assert amount + self.bank.policy.budget(Msat(amount)) <= before

    @precondition(lambda self: self._all())
    @rule(which=WHICH)
    def the_same_invoice_again(self, which: int) -> None:
        old = self._all()[which % len(self._all())]
        assert isinstance(self.bank.hear(self.bank.asks(old.invoice.reveal())), Refusal)

    @precondition(lambda self: self._open())
    @rule(which=WHICH, crash=st.booleans(), how=st.sampled_from(("complete", "in_flight", "ours", "theirs", "unsent")))
    def the_worker_sends(self, which: int, crash: bool, how: str) -> None:
        """Leave is asked for, the intent committed, the node called; `unsent`: the call is lost."""
        one = self._open()[which % len(self._open())]
        if not one.ordered or one.payment_hash in self.node:
            return
        leave = self._try(lambda: self.bank.hear(RemitWanted(self.bank.owner, one.ref)), crash)
        if isinstance(leave, Refusal) or how == "unsent":
            return
        view = self.bank.view(one, PS.IN_FLIGHT)
        self.node[one.payment_hash] = view
        if how != "in_flight":
            self._resolve(one, how)
        self._tell(one, self.node[one.payment_hash], crash)

    @precondition(lambda self: self._open())
    @rule(which=WHICH, how=st.sampled_from(("complete", "ours", "theirs")), told=st.booleans(), crash=st.booleans())
    def the_node_ends_it(self, which: int, how: str, told: bool, crash: bool) -> None:
        one = self._open()[which % len(self._open())]
        view = self.node.get(one.payment_hash)
        if view and view.status is PS.IN_FLIGHT:
            self._resolve(one, how)
        if view and told:
            self._tell(one, self.node[one.payment_hash], crash)

    @precondition(lambda self: self._open())
    @rule(which=WHICH)
    def it_was_never_sent(self, which: int) -> None:
        """Only of what the node truly does not know: the worker's grace is over."""
        one = self._open()[which % len(self._open())]
        if one.payment_hash not in self.node and one.ordered:
            self._tell(one, self.bank.view(one, PS.ABSENT), False)

    @precondition(lambda self: self.said)
    @rule(which=st.integers(0, 100))
    def an_old_word_is_said_again(self, which: int) -> None:
        """About what is over: it changes nothing. A failure of an attempt that another followed is the worker's to hold back."""
        word = self.said[which % len(self.said)]
        found = self.bank.read(word.ref).withdrawal(word.ref)
        if found and found.state.is_final:
            self.bank.did(word)

    @precondition(lambda self: self._all())
    @rule(which=WHICH)
    def the_node_knows_nothing_or_lies(self, which: int) -> None:
        one = self._all()[which % len(self._all())]
        self._tell(one, self.bank.view(one, PS.UNKNOWN), False)
        self._tell(one, self.bank.view(one, PS.COMPLETE, payment_hash="00" * 32), False)

    @rule(seconds=st.sampled_from((30, 600, 3600, 86400)), crash=st.booleans())
    def time_passes(self, seconds: int, crash: bool) -> None:
        self.bank.time += seconds
        self._try(lambda: self.bank.did(AccountDue(self.bank.owner)), crash)

    # -------------------------------------------------------------- what must hold

    @invariant()
    def everything_is_accounted_for(self) -> None:
        out = sum(view.amount + view.fee for view in self._paid())
        with self.bank.engine.begin() as tx:
            held = books.balance(tx, party(self.bank.owner))
            moving = books.balance(tx, f"moving:{self.bank.owner}")
            outside = books.balance(tx, Sort.NODE)
            assert books.differences(tx) == []
        assert min(held, moving) >= 0
        assert outside == -(held + moving)
        assert self.came == out + held + moving - self._known_only_to_the_node()
        assert moving == sum(one.amount + one.budget for one in self._open())

    def _known_only_to_the_node(self) -> int:
        """Paid, and not reported yet: still reserved in the books."""
        told = {one.payment_hash for one in self._all() if one.state.is_final}
        return sum(view.amount + view.fee for view in self._paid() if view.payment_hash not in told)

    def _paid(self) -> list[PaymentView]:
        return [view for view in self.node.values() if view.status is PS.COMPLETE]

    def _all(self) -> list[Withdrawal]:
        with self.bank.engine.begin() as tx:
            return [
                read_withdrawal(row.document) for row in tx.execute(select(withdrawals).order_by(withdrawals.c.ref))
            ]

    def _open(self) -> list[Withdrawal]:
        return [one for one in self._all() if not one.state.is_final]

    def _resolve(self, one: Withdrawal, how: str) -> None:
        if how == "complete":
            self.node[one.payment_hash] = self.bank.view(one, PS.COMPLETE, fee=Msat(one.budget // 2))
        else:
            fault = Fault.THEIRS if how == "theirs" else Fault.OURS
            self.node[one.payment_hash] = self.bank.view(one, PS.FAILED, fault=fault, reason=how)

    def _tell(self, one: Withdrawal, view: PaymentView, crash: bool) -> None:
        word = RemitSeen(self.bank.owner, one.ref, view)
        self.said.append(word)
        self._try(lambda: self.bank.did(word), crash)
        if view.status is PS.FAILED:
            self.node.pop(one.payment_hash, None)  # the node would try it again when it is asked to


def test_chance_writes_the_lives_of_accounts() -> None:
    run_state_machine_as_test(Accounts, settings=settings(max_examples=60, stateful_step_count=40, deadline=None))


def test_two_writers_are_noticed() -> None:
    bank = Bank()
    bank.credit(sats(60_000))
    bank.withdraw(sats(100))
    with bank.engine.begin() as tx:
        stale = accounts.load(tx, bank.owner)
    said = bank.asks(invoice("late", sats(100), bank.time))
    late = settle_account(stale.account, said, bank.now, bank.policy)
    assert isinstance(late, Movement)
    bank.withdraw(sats(100), "meanwhile")
    with pytest.raises((Stale, IntegrityError)), bank.engine.begin() as tx:
        accounts.store(tx, stale, late, bank.now, bank.policy)
    assert len(bank.read("").open) == 2
