"""The keeper under chance: payments, replays, deaths, calls and trouble in any order never break what money rests on."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from bot.nodes.cln.plugin.keeper import Trouble
from bot.nodes.cln.plugin.verdict import Htlc
from bot.nodes.cln.wire import State
from tests.cln.town import AMOUNT, Asked, Town

PIECES = (AMOUNT // 4, AMOUNT // 2, AMOUNT)


class Chance(RuleBasedStateMachine):
    """lightningd's side is played here: an HTLC lives until it is answered, and is asked about again after a restart."""

    def __init__(self) -> None:
        super().__init__()
        self.town = Town()
        self.there: dict[Htlc, list[Asked]] = {}  # unresolved, with this life's questions
        self.taken: list[Htlc] = []
        self.given: list[Htlc] = []
        self.number = 0

    @rule(amount=st.sampled_from(PIECES), total=st.sampled_from((AMOUNT, AMOUNT, AMOUNT, AMOUNT - 1)))
    def somebody_pays(self, amount: int, total: int) -> None:
        self.number += 1
        self._ask(self.town.htlc(self.number, amount, total=total))

    @precondition(lambda self: self.there)
    @rule(data=st.data())
    def lightningd_asks_twice(self, data: st.DataObject) -> None:
        self._ask(data.draw(st.sampled_from(list(self.there))))

    @rule()
    def settle(self) -> None:
        self._call(lambda: self.town.keeper.settle(self.town.hash))

    @rule()
    def cancel(self) -> None:
        self._call(lambda: self.town.keeper.cancel(self.town.hash))

    @rule(seconds=st.sampled_from((1, 20, 70, 4000)))
    def time_passes(self, seconds: int) -> None:
        self._call(lambda: self.town.later(seconds))

    @rule(blocks=st.sampled_from((1, 100)))
    def blocks_are_found(self, blocks: int) -> None:
        self._call(lambda: self.town.mine_to(self.town.keeper.height + blocks))

    @rule(forgets=st.booleans())
    def the_process_dies(self, forgets: bool) -> None:
        """Alone, so that lightningd gives everything back; or with lightningd, which asks again."""
        self._hear()
        if forgets:
            self.given += self.there
            self.there.clear()
        self.there = {htlc: [] for htlc in self.there}
        self._books()
        self.town.restart()
        for htlc in list(self.there):
            self._ask(htlc)

    @rule(what=st.sampled_from(("save", "secret", "moves", "on_channels")), late=st.booleans())
    def lightningd_has_trouble(self, what: str, late: bool) -> None:
        (self.town.lightning.late if late else self.town.lightning.broken).add(what)

    @rule()
    def trouble_ends(self) -> None:
        self.town.lightning.late.clear()
        self.town.lightning.broken.clear()

    def _ask(self, htlc: Htlc) -> None:
        asked = Asked()
        self.there.setdefault(htlc, []).append(asked)
        self._books()

        def arrive() -> None:
            try:
                self.town.keeper.arrive(htlc, asked)
            except Trouble:
                if not self.town.keeper.keeps(htlc):
                    asked.fail("2002")  # as the shell does

        self._call(arrive)

    def _call(self, call: Callable[[], None]) -> None:
        with suppress(Trouble):
            call()
        self._hear()

    def _hear(self) -> None:
        """lightningd acts on the first answer about an HTLC."""
        for htlc, questions in list(self.there.items()):
            said = next((question.said for question in questions if question.said), "")
            if said:
                del self.there[htlc]
                if said.startswith("resolve"):
                    assert said == self.town.resolved
                    self.taken.append(htlc)
                    self.town.lightning.credits[self.town.hash] = sum(each.amount for each in self.taken)
                else:
                    assert said.startswith("fail")
                    self.given.append(htlc)
        self._books()

    def _books(self) -> None:
        there = self.town.lightning.there
        (there.add if self.there else there.discard)(self.town.hash)

    @invariant()
    def nothing_is_taken_that_was_not_decided(self) -> None:
        if self.taken:
            assert self.town.stored.state in (State.SETTLING, State.SETTLED)
            assert {htlc.key for htlc in self.taken} <= {part.key for part in self.town.stored.parts}

    @invariant()
    def what_is_taken_was_the_whole(self) -> None:
        if self.taken:
            assert self.town.stored.received >= AMOUNT

    @invariant()
    def a_payment_that_is_taken_is_never_given_back_by_us(self) -> None:
        """Only lightningd's own default, at the death of the process, can give a part of it back."""
        if self.taken:
            ours = {part.key for part in self.town.stored.parts}
            assert not [htlc for htlc in self.there if htlc.key in ours and self.town.state is State.CANCELLED]

    @invariant()
    def held_means_that_it_is_here(self) -> None:
        if self.town.state is State.HELD:
            assert self.town.sight.parts
            assert {part.key for part in self.town.sight.parts} <= {htlc.key for htlc in self.there}

    @invariant()
    def an_end_is_an_end(self) -> None:
        if self.town.state in (State.CANCELLED, State.LOST):
            assert not self.taken
        if self.town.state is State.SETTLED:
            assert self.taken

    @invariant()
    def nobody_hangs(self) -> None:
        """An HTLC without an answer is in the keeper's hands, or lightningd will ask again."""
        for htlc, questions in self.there.items():
            if questions:
                assert self.town.keeper.keeps(htlc)


Chance.TestCase.settings = settings(max_examples=150, stateful_step_count=30, deadline=None)
TestChance = Chance.TestCase
