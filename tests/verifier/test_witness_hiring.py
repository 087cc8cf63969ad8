"""What the verifier knows of hiring: records that are sound, and forgeries of each rule, each with the code that it must be caught by."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Self

import pytest

from tests.verifier.forge import (
    BOT,
    CLTV,
    DAY,
    EMPLOYER,
    HOUR,
    STRANGER,
    WORKER,
    Key,
    Life,
    codes,
    commit,
    notes,
)

FIRST: dict[str, Any] = {"order": "hire_first", "claim": "first"}
PICK: dict[str, Any] = {"order": "fund_first", "claim": "pick"}
BOTH: dict[str, Any] = {"order": "hire_first", "claim": "pick"}
LETTERS = "qpzry9x8gf2tvdw0s3jn54khce6mua7l"


def npub(key: Key) -> str:
    """As clients write it; the checksum is for readers, and the verifier is none."""
    bits = int(key.pub, 16) << 4
    return "npub1" + "".join(LETTERS[bits >> 5 * place & 31] for place in range(51, -1, -1)) + "q" * 6


class Hiring(Life):
    """A record of a task whose worker is hired."""

    def __init__(self, terms: dict[str, Any], **rest: Any) -> None:
        super().__init__(terms=terms, **rest)

    @property
    def here(self) -> tuple[str, str]:
        return self.lines[-1].state, self.lines[-1].work

    def apply(self, who: Key = WORKER, signed: bool = True, basis: int = 1, **facts: Any) -> Self:
        self.wait()
        event = self.decide(who, "claim", basis, dest_hash=self.dest(), note="I can") if signed else None
        said = {"worker": who.pub, "dest_hash": self.dest(), **facts}
        self.add("claim.offered", *self.here, who, event, **said)
        return self

    def withdraw(self, who: Key = WORKER, **facts: Any) -> Self:
        self.wait()
        said = {"worker": who.pub, **facts}
        self.add("task.abandoned", *self.here, who, self.decide(who, "abandon", 1), **said)
        return self

    def bind(
        self, by: Key = EMPLOYER, who: Key = WORKER, named: str = "", action: str = "", basis: int = 1, **facts: Any
    ) -> Self:
        """By the employer's choice, or the worker's own claim."""
        self.wait()
        action = action or ("hire" if by is EMPLOYER else "claim")
        words: dict[str, Any] = {"npub": named or who.pub} if action == "hire" else {"dest_hash": self.dest() or None}
        event = self.decide(by, action, basis, **words)
        self.worker = who.pub
        said = {"worker": who.pub, "dest_hash": self.dest() or None, **facts}
        if self.here[0] == "Draft":
            self.add("task.accepted", "Draft", "PENDING", by, event, **said)
        else:
            self.add("task.claimed", "Claimed", "IN_PROGRESS", by, event, **said)
        return self

    def invoiced(self, number: int = 1) -> Self:
        self.wait()
        self.add("invoice.created", "PendingFunding", "PENDING", "node", funding=f"{self.id}/h{number}", amount_msat=self.hold,
                 expires_at=self.time + HOUR, hash_commitment=commit(self.salt, self.hash))  # fmt: skip
        return self

    def held(self, types: tuple[str, ...] = ("invoice.accepted", "task.claimed"), **facts: Any) -> Self:
        self.wait()
        self.expiry = self.height + CLTV
        self.safe = self.expiry - 58 - 288 - 6
        said = {"funding": f"{self.id}/h1", "amount_msat": self.hold, "parts": 1, "expiry_height": self.expiry,
                "last_safe_height": self.safe, "worker": self.worker, "dest_hash": self.dest(), **facts}  # fmt: skip
        for type in types:
            self.add(type, "Claimed", "IN_PROGRESS", "node", **said)
        return self

    def give_back(self, state: str, who: Key = WORKER) -> Self:
        self.wait()
        event, self.worker = self.decide(who, "abandon", len(self.lines)), ""
        self.add("task.abandoned", state, "PENDING", who, event, worker=who.pub)
        return self

    def payment(self, amount: int, fee: int = 1000) -> dict[str, Any]:
        """What he signed is in the entry that bound him, or in his offer."""
        return super().payment(amount, fee) | {"status": "proven"}

    def end(self) -> Self:
        return self.proof().approve().settle()


def funded(terms: dict[str, Any]) -> Hiring:
    life = Hiring(terms)
    life.fund()
    return life


def late(after: int, mark: bool) -> Life:
    """Hired so long after he offered it, two days before the deadline; and no work came."""
    life = Hiring(BOTH).apply()
    life.wait(after)
    life.bind().invoiced().held()
    life.wait(life.deadline - life.time)
    life.refund("Claimed", "IN_PROGRESS", "clock", "no_proof")
    life.lines[-1].facts["mark"] = WORKER.pub if mark else None
    return life


SOUND: dict[str, Callable[[], Life]] = {
    "hired first": lambda: Hiring(FIRST).bind(WORKER).invoiced().held().end(),
    "picked with the money": lambda: funded(PICK).apply(STRANGER).apply().bind().end(),
    "picked before it": lambda: Hiring(BOTH).apply().apply(STRANGER).bind().invoiced().held().end(),
    "by npub": lambda: Hiring(BOTH).apply().bind(named=npub(WORKER)).invoiced().held().end(),
    "offered twice": lambda: Hiring(BOTH).apply(dest_hash=None, signed=False).apply().bind().invoiced().held().end(),
    "taken back and offered again": lambda: Hiring(BOTH).apply().withdraw().apply().bind().invoiced().held().end(),
    "given back before the money": lambda: Hiring(FIRST).bind(STRANGER, STRANGER).give_back("Draft", STRANGER).bind(WORKER).invoiced().held().end(),
    "given back with the invoice": lambda: Hiring(FIRST).bind(STRANGER, STRANGER).invoiced(2).give_back("Draft", STRANGER).bind(WORKER).invoiced().held().end(),
    "the next of the list": lambda: funded(PICK).apply(STRANGER).apply().bind(who=STRANGER).give_back("Funded", STRANGER).bind().end(),
    "off the list while another works": lambda: funded(PICK).apply(STRANGER).apply().bind().withdraw(STRANGER).end(),
    "called late": lambda: late(DAY + HOUR, mark=False),
    "called in time": lambda: late(DAY - HOUR, mark=True),
}  # fmt: skip


@pytest.mark.parametrize("name", SOUND)
def test_a_sound_record_is_accepted(name: str) -> None:
    report = SOUND[name]().check()
    assert report.ok, report.to_text()
    assert not notes(report), report.to_text()


def test_the_offer_to_do_it_is_what_the_payment_is_proven_by() -> None:
    [proven] = funded(PICK).apply().bind().end().check().tasks
    assert (proven.payout, proven.evidence) == ("proven", "signed")
    life = funded(PICK).apply(signed=False).bind().end()
    life.lines[-1].facts["payouts"][0]["status"] = "attested"
    [attested] = life.check().tasks
    assert (attested.ok, attested.payout, attested.evidence) == (True, "attested", "attested")


SPOILT: dict[str, tuple[str, Callable[[], Life]]] = {
    "hired who never offered": ("no_agreement", lambda: funded(PICK).apply(STRANGER).bind()),
    "hired who took it back": ("no_agreement", lambda: funded(PICK).apply().withdraw().bind()),
    "a worker who hires himself": ("against_terms", lambda: funded(PICK).apply().bind(WORKER)),
    "a worker who hires himself before the money": ("against_terms", lambda: Hiring(BOTH).apply().bind(WORKER)),
    "an employer who picks where the first wins": ("against_terms", lambda: funded({}).bind()),
    "an offer where the first wins": ("against_terms", lambda: funded({}).apply()),
    "an offer before the money": ("against_terms", lambda: Hiring(PICK).apply()),
    "bound before the money": ("against_terms", lambda: Hiring({}).bind(WORKER)),
    "hired somebody else than signed": ("embedded_disagrees", lambda: funded(PICK).apply().bind(named=STRANGER.pub)),
    "hired by another npub": ("embedded_disagrees", lambda: funded(PICK).apply().bind(named=npub(STRANGER))),
    "hired by a stranger": ("against_terms", lambda: funded(PICK).apply().bind(by=STRANGER, action="hire")),
    "an approval taken for a hire": ("embedded_wrong_action", lambda: funded(PICK).apply().bind(action="approve")),
    "a hire that rests on another entry": ("basis_wrong_type", lambda: funded(PICK).apply().bind(basis=3)),
    "an offer that rests on another entry": ("basis_wrong_type", lambda: funded(PICK).apply(basis=2)),
    "an offer in another's name": ("wrong_author", lambda: funded(PICK).apply(worker=STRANGER.pub)),
    "the employer offers it himself": ("wrong_author", lambda: funded(PICK).apply(EMPLOYER)),
    "the bot is hired": ("wrong_author", lambda: funded(PICK).apply(BOT)),
    "taken back for another": ("bad_facts", lambda: funded(PICK).apply().withdraw(worker=STRANGER.pub)),
    "taken back what was never offered": ("wrong_author", lambda: funded(PICK).apply().withdraw(STRANGER)),
    "another destination": ("commitment_broken", lambda: funded(PICK).apply().bind(dest_hash="ab" * 32)),
    "another destination with the money": ("commitment_broken", lambda: Hiring(FIRST).bind(WORKER).invoiced().held(dest_hash="ab" * 32)),
    "another worker with the money": ("wrong_author", lambda: Hiring(FIRST).bind(WORKER).invoiced().held(worker=STRANGER.pub)),
    "claimed, and never accepted": ("against_terms", lambda: Hiring(FIRST).invoiced().held(worker=WORKER.pub)),
    "accepted twice": ("illegal_move", lambda: Hiring(FIRST).bind(WORKER).bind(STRANGER, STRANGER)),
    "hired twice": ("illegal_move", lambda: Hiring(BOTH).apply().apply(STRANGER).bind().bind(who=STRANGER)),
    "an offer while somebody is bound": ("illegal_move", lambda: Hiring(BOTH).apply().bind().apply(STRANGER)),
    "funded before it is accepted": ("against_terms", lambda: Hiring(FIRST).fund()),
    "funded, and the work does not begin": ("illegal_move", lambda: Hiring(FIRST).bind(WORKER).fund()),
    "the money alone begins the work": ("illegal_move", lambda: Hiring(FIRST).bind(WORKER).invoiced().held(("invoice.accepted",))),
    "a parcel that disagrees": ("bad_facts", lambda: _unlike()),
    "an invoice that was dropped is paid": ("wrong_funding", lambda: Hiring(FIRST).bind(STRANGER, STRANGER).invoiced(2).give_back("Draft", STRANGER).bind(WORKER).invoiced().held(funding=f"{Hiring(FIRST).id}/h2")),
    "an offer after the deadline": ("too_late", lambda: _too_late()),
    "marked though called late": ("wrong_mark", lambda: late(DAY + HOUR, mark=True)),
    "not marked though called in time": ("wrong_mark", lambda: late(DAY - HOUR, mark=False)),
    "other terms of hiring than signed": ("embedded_disagrees", lambda: Hiring(BOTH, claim="first")),
    "terms of hiring that are not told": ("embedded_disagrees", lambda: _untold()),
    "words that are none": ("bad_facts", lambda: Hiring({"order": "pay_never"})),
    "a decision for the worker before": ("basis_stale", lambda: _stale()),
    "the same offer twice": ("event_replayed", lambda: _replayed()),
}  # fmt: skip


def _unlike() -> Life:
    life = Hiring(FIRST).bind(WORKER).invoiced().held()
    life.lines[-1].facts = {**life.lines[-1].facts, "parts": 2}
    return life


def _too_late() -> Life:
    life = Hiring(BOTH)
    life.wait(2 * DAY + HOUR)
    return life.apply()


def _untold() -> Life:
    life = Hiring(BOTH)
    del life.lines[0].facts["claim"]
    return life


def _stale() -> Life:
    """The employer's offer to end it was signed for a worker who is gone."""
    life = Hiring(FIRST).bind(STRANGER, STRANGER).give_back("Draft", STRANGER).bind(WORKER).invoiced().held()
    life.wait()
    event = life.decide(EMPLOYER, "cancel", 2, percent=10)
    life.add("cancel.offered", "Claimed", "IN_PROGRESS", EMPLOYER, event, by=EMPLOYER.pub, percent=10)
    return life


def _replayed() -> Life:
    life = Hiring(BOTH).apply()
    event = life.lines[-1].event
    life.withdraw().apply()
    life.lines[-1].event = event
    return life


@pytest.mark.parametrize("name", SPOILT)
def test_a_forgery_is_caught(name: str) -> None:
    code, spoil = SPOILT[name]
    report = spoil().check()
    assert code in codes(report), report.to_text()
