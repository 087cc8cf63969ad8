"""A person's account that is remembered: every decision is stored and read back, as the daemon does it; and a crash loses the last one."""

from __future__ import annotations

from dataclasses import dataclass, field

from sqlalchemy import Engine

from handlers.account import Account, Movement
from handlers.booking import Posting, Sort, party
from handlers.decision import Refusal
from kinds.inputs import OfAccount, Said
from kinds.units import Msat, Pubkey
from storage import accounts, books
from tests.handlers.purse import Purse
from tests.storage.memory import fresh


class Crash(Exception):
    """The process died before its commit."""


@dataclass
class Bank(Purse):
    engine: Engine = field(default_factory=fresh)
    crashes: bool = False  # the next commit is lost

    @property
    def owner(self) -> Pubkey:
        return self.account.owner

    def credit(self, amount: int, task: str = "a", why: str = "change") -> None:
        """A task puts so much there."""
        lines = (Posting(party(self.owner), Msat(amount), why), Posting(Sort.NODE, Msat(-amount)))
        with self.engine.begin() as tx:
            books.write(tx, lines, self.time, task)
        self.account = self.read("")

    def read(self, ref: str) -> Account:
        with self.engine.begin() as tx:
            return accounts.load(tx, self.owner, ref).account

    def hear(self, what: Said | OfAccount) -> Movement | Refusal:
        with self.engine.begin() as tx:
            held = accounts.load(tx, self.owner, getattr(what, "ref", ""))
        self.account = held.account
        outcome = super().hear(what)
        if isinstance(outcome, Refusal):
            return outcome
        refused: Refusal | None = None
        try:
            with self.engine.begin() as tx:
                refused = accounts.store(tx, held, outcome, self.now, self.policy)
                if self.crashes:
                    raise Crash
        except Crash:
            self.crashes = False
            self.account = held.account
            raise
        if refused:
            self.account = held.account
            return refused
        named = getattr(what, "ref", outcome.account.withdrawals[-1].ref if outcome.account.withdrawals else "")
        self.account = self.read(named)
        assert self.account.available == outcome.account.available, "what is read is what was decided"
        assert self.account.counter == outcome.account.counter
        return outcome
