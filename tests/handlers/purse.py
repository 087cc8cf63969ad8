"""One person's account, decided on step by step: what he says, what the node says, what time does."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from typing import Any

from handlers.account import Account, Movement, Withdrawal
from handlers.booking import Sort, of_account, party
from handlers.check import check_account
from handlers.decide import settle_account
from handlers.decision import Refusal
from handlers.policy import Policy
from kinds.codes import Refused, Told
from kinds.commands import Withdraw
from kinds.inputs import AccountDue, Evidence, Now, OfAccount, Proven, RemitSeen, RemitWanted, Said
from kinds.lightning import Fault, PaymentStatus, PaymentView
from kinds.units import Msat, Secret
from tests.handlers.life import HEIGHT, POLICY, START, WORKER, invoice, preimage_of

PS = PaymentStatus


@dataclass
class Purse:
    account: Account = field(default_factory=lambda: Account(owner=WORKER))
    policy: Policy = POLICY
    time: int = START
    outside: int = 0  # what the node has paid, by the books
    done: list[Movement] = field(default_factory=list)

    @property
    def now(self) -> Now:
        return Now(self.time, HEIGHT, "00" * 32, 0, hashlib.sha256(str(self.time).encode()).hexdigest())

    @property
    def last(self) -> Withdrawal:
        return self.account.withdrawals[-1]

    @property
    def stands(self) -> str:
        """The state of the newest withdrawal, in a word."""
        return str(self.last.state)

    @property
    def told(self) -> list[Told]:
        return [say.code for movement in self.done for say in movement.says]

    def hear(self, what: Said | OfAccount) -> Movement | Refusal:
        """Decides, and asserts what must hold after any decision."""
        before = self.account
        outcome = settle_account(before, what, self.now, self.policy)
        assert settle_account(before, what, self.now, self.policy) == outcome, "the same input, the same answer"
        if isinstance(outcome, Refusal):
            return outcome
        check_account(before, outcome.account)
        lines = of_account(before, outcome.account)
        assert sum(line.amount for line in lines) == 0
        own = sum(line.amount for line in lines if line.account == party(before.owner))
        assert own == outcome.account.available - before.available
        self.outside += sum(line.amount for line in lines if line.account == Sort.NODE)
        assert all(say.to == before.owner for say in outcome.says), "nobody else hears of it"
        self.account = outcome.account
        self.done.append(outcome)
        return outcome

    def did(self, what: Said | OfAccount) -> Movement:
        outcome = self.hear(what)
        assert isinstance(outcome, Movement), f"refused: {outcome}"
        return outcome

    def refuses(self, what: Said | OfAccount) -> Refusal:
        before = self.account
        outcome = self.hear(what)
        assert isinstance(outcome, Refusal), "not refused"
        assert self.account == before
        return outcome

    def asks(self, destination: str) -> Said:
        evidence = Evidence(Proven.ATTESTED, created_at=self.time)
        return Said(self.account.owner, Withdraw(destination=destination), evidence)

    def withdraw(self, amount: int, name: str = "mine", **shape: Any) -> Withdrawal:
        self.did(self.asks(invoice(name, Msat(amount), self.time, **shape)))
        return self.last

    def refused(self, amount: int | None, name: str = "mine", **shape: Any) -> Refused:
        text = invoice(name, None if amount is None else Msat(amount), self.time, **shape)
        return self.refuses(self.asks(text)).code

    def leave(self, which: Withdrawal | None = None) -> Movement:
        return self.did(RemitWanted(self.account.owner, (which or self.last).ref))

    def view(self, which: Withdrawal, status: PaymentStatus, **changes: Any) -> PaymentView:
        words: dict[str, Any] = {"payment_hash": which.payment_hash, "status": status, "amount": which.amount}
        if status is PS.COMPLETE:
            words |= {"preimage": Secret("f" * 64), "fee": Msat(1000)}
        return PaymentView(**(words | changes))

    def sees(self, status: PaymentStatus, which: Withdrawal | None = None, **changes: Any) -> Movement:
        named = which or self.last
        return self.did(RemitSeen(self.account.owner, named.ref, self.view(named, status, **changes)))

    def fails(self, fault: Fault, reason: str = "no_route") -> Movement:
        return self.sees(PS.FAILED, fault=fault, reason=reason)

    def wait(self, seconds: int) -> Movement:
        self.time += seconds
        return self.did(AccountDue(self.account.owner))


def purse(available: int = 50_500_000, **given: Any) -> Purse:
    """With so many msat that tasks have put there."""
    return Purse(Account(owner=WORKER, available=Msat(available), credited=Msat(available), credits=1), **given)


__all__ = ["PS", "Purse", "preimage_of", "purse"]
