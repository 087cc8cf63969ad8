"""Money in the daemon's books, as a verifier sees it: sound records of each way, and one that breaks each rule."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from tests.verifier.forge import BUDGET, DAY, EMPLOYER, REWARD, T0, WORKER, Life, codes
from verifier import Code

LIMIT = 30 * DAY
BOOKS: dict[str, Any] = {"terms": {"custody_mode": "ledger"}, "dispute_limit": LIMIT}
AT_END: dict[str, Any] = {"terms": {"on_hold_end": "ledger"}, "dispute_limit": LIMIT}


def lock(life: Life, **facts: Any) -> Life:
    life.wait()
    last = life.lines[-1]
    said = {"funding": f"{life.id}/h1", "amount_msat": life.hold, "payment_hash": life.hash, "hash_salt": life.salt}
    life.add("ledger.locked", last.state, last.work, "node", **(said | facts))
    return life


def claimed(**given: Any) -> Life:
    return lock(Life(**(given or BOOKS)).fund().claim())


def to_hold_end(life: Life) -> Life:
    life.wait((life.safe - life.height) * 600)
    return life


def disputed(life: Life) -> Life:
    life.wait()
    life.add("dispute.opened", "Disputed", life.lines[-1].work, WORKER, None, by=WORKER.pub)
    return life


def back(life: Life, work: str, reason: str, amount: int | None = None, **facts: Any) -> Life:
    """Out of the books to the employer's account."""
    expired = reason in ("no_proof", "hold_timeout", "unclaimed")
    type, state = ("task.expired", "Expired") if expired else ("refund.completed", "Refunded")
    owed = [{"role": "employer", "to": EMPLOYER.pub, "amount_msat": life.hold if amount is None else amount}]
    said = {"funding": f"{life.id}/h1", "reason": reason, "payment_hash": life.hash, "hash_salt": life.salt}
    mark = life.worker if reason == "no_proof" else None
    life.add(type, state, work, "node", **(said | {"mark": mark, "amount_msat": 0, "credited": owed} | facts))
    return life


def given_up(life: Life, reason: str = "no_proof", **facts: Any) -> Life:
    life.wait(life.deadline - life.time)
    life.add("refund.started", "Claimed", "IN_PROGRESS", "clock", funding=f"{life.id}/h1", reason=reason)
    return back(life, "IN_PROGRESS", reason, **facts)


def dispute_over(life: Life, after: int = LIMIT, **facts: Any) -> Life:
    life.wait(after)
    said = {"how": "dispute_limit", "percent": 0, "funding": f"{life.id}/h1", "reason": "dispute_limit"}
    for type in ("dispute.resolved", "refund.started"):
        life.add(type, "Disputed", life.lines[-1].work, "clock", **(said | facts))
    return back(life, life.lines[-1].work, "dispute_limit")


def unreached(life: Life, after: int = 2 * DAY, reason: str = "unreached") -> Life:
    """Approved, and nobody could be paid."""
    life.wait(after)
    life.settle(paid=False, credit=REWARD)
    started = next(line for line in life.lines if line.type == "settlement.started")
    started.facts = started.facts | {"reason": reason}
    return life


def approved(life: Life) -> Life:
    return life.proof().approve()


SOUND: dict[str, Callable[[], Life]] = {
    "locked at the claim, paid": lambda: approved(claimed()).settle(),
    "locked while the worker is being paid": lambda: lock(approved(Life(**BOOKS).fund().claim())).settle(),
    "locked at the hold's end, in a dispute": lambda: dispute_over(
        lock(to_hold_end(disputed(Life(**AT_END).fund().claim().proof())))
    ),
    "back after the deadline": lambda: given_up(claimed()),
    "owed to a worker who cannot be paid": lambda: unreached(approved(claimed())),
    "an agreed share": lambda: share(claimed()),
    "given back by the worker and claimed again": lambda: approved(again(claimed())).settle(),
    "a review that outlasts the hold": lambda: silent(
        claimed(**{**BOOKS, "terms": {**BOOKS["terms"], "review_window": 40 * DAY}})
    ),
}


def share(life: Life) -> Life:
    life.offer_end(EMPLOYER, 40).wait()
    event = life.decide(WORKER, "cancel", life.newest("cancel.offered"), percent=40)
    life.add(
        "proof.verified", "Verified", "APPROVED", WORKER, event, verified_by="agreement", how="agreement", percent=40
    )
    return life.settle(40, change=life.hold - 20_000_000 - 1000)


def again(life: Life) -> Life:
    life.wait()
    life.worker = ""
    life.add("task.abandoned", "Funded", "PENDING", WORKER, None, worker=WORKER.pub)
    return life.claim(signed=False)


def silent(life: Life) -> Life:
    life.proof()
    line = life.lines[-1]
    line.facts = line.facts | {"review_until": line.time + 40 * DAY}
    life.wait(41 * DAY)
    life.add("proof.verified", "Verified", "APPROVED", "clock", verified_by="silence", proof=1)
    return life.settle()


@pytest.mark.parametrize("name", SOUND)
def test_a_sound_record(name: str) -> None:
    report = SOUND[name]().check()
    assert report.ok, report.to_text()


BROKEN: dict[str, tuple[Code, Callable[[], Life]]] = {
    "against the terms": (Code.AGAINST_TERMS, lambda: approved(lock(Life().fund().claim())).settle()),
    "before anybody has claimed it": (Code.ILLEGAL_MOVE, lambda: lock(Life(**BOOKS).fund())),
    "at the end, but too early": (Code.TOO_EARLY, lambda: approved(lock(Life(**AT_END).fund().claim())).settle()),
    "twice": (Code.ILLEGAL_MOVE, lambda: approved(lock(claimed())).settle()),
    "another amount": (
        Code.WRONG_AMOUNT,
        lambda: approved(lock(Life(**BOOKS).fund().claim(), amount_msat=REWARD)).settle(),
    ),
    "another hold": (Code.WRONG_FUNDING, lambda: approved(lock(Life(**BOOKS).fund().claim(), funding="x/h2")).settle()),
    "another payment hash": (
        Code.COMMITMENT_BROKEN,
        lambda: approved(lock(Life(**BOOKS).fund().claim(), payment_hash="ab" * 32)).settle(),
    ),
    "given back by the node": (Code.WRONG_AMOUNT, lambda: given_up(claimed(), amount_msat=REWARD + BUDGET)),
    "given back to nobody": (Code.UNBALANCED, lambda: given_up(claimed(), credited=[])),
    "given back in part": (Code.UNBALANCED, lambda: given_up(claimed(), amount=REWARD)),
    "a dispute without the agreed limit": (
        Code.TOO_EARLY,
        lambda: dispute_over(disputed(claimed()), after=LIMIT - 60 * 3),
    ),
    "a limit for a dispute about a hold": (Code.ILLEGAL_MOVE, lambda: dispute_over(disputed(Life().fund().claim()))),
    "a worker who could not yet be tried": (Code.TOO_EARLY, lambda: unreached(approved(claimed()), after=DAY // 2)),
    "money in the books has no margin": (Code.ILLEGAL_MOVE, lambda: unreached(approved(claimed()), reason="margin")),
    "a hold waits for nobody": (Code.ILLEGAL_MOVE, lambda: unreached(approved(Life().fund().claim()))),
    "refunded at the hold's end against the terms": (
        Code.AGAINST_TERMS,
        lambda: to_hold_end(Life(**AT_END, deadline=T0 + 60 * DAY).fund().claim()).refund(
            "Claimed", "IN_PROGRESS", "clock", "hold_end"
        ),
    ),
    "no limit in the terms": (
        Code.OUTSIDE_TERMS,
        lambda: approved(lock(Life(terms=BOOKS["terms"]).fund().claim())).settle(),
    ),
    "another limit than the operator's": (
        Code.OUTSIDE_TERMS,
        lambda: approved(claimed(**{**BOOKS, "dispute_limit": DAY})).settle(),
    ),
}


@pytest.mark.parametrize("name", BROKEN)
def test_a_broken_record(name: str) -> None:
    code, make = BROKEN[name]
    assert code.value in codes(make().check())
