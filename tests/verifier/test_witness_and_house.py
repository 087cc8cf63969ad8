"""The verifier's table against the daemon's, and against what the daemon's rules really write. The only test here that sees the house."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from handlers import transitions
from handlers.answers import terms as published_terms
from handlers.check import check as check_task
from handlers.decide import decide
from handlers.decision import Decision
from handlers.policy import Policy
from handlers.task import Destination, Task
from kinds import bolt11
from kinds import log as words
from kinds.commands import Abandon, Approve, Cancel, Claim, Dispute, Freeze, Fund, Reject, Submit, Unfreeze
from kinds.events import Event as HouseEvent
from kinds.events import Unsigned
from kinds.inputs import (
    BY_HAND,
    Basis,
    Evidence,
    HoldMade,
    HoldSeen,
    Now,
    Offered,
    PaymentSeen,
    PayWanted,
    Proven,
    Reached,
    Said,
    Tick,
)
from kinds.lightning import Fault, HoldStatus, HoldView, Part, PaymentStatus, PaymentView
from kinds.state import state as state_words
from kinds.states import LogType, TaskState
from kinds.task import parse as parse_offer
from kinds.units import EventId, Msat, PaymentHash, Pubkey, Secret
from tests.verifier import forge
from tests.verifier.forge import BOT, DAY, EMPLOYER, H0, HOUR, T0, WORKER, Key, codes, notes, sha
from verifier import Report, check
from verifier.rules import FINAL, MOVES, TYPES

Row = tuple[str, str, frozenset[str], tuple[str, ...], str, str, str, str]


NOT_YET: set[
    Row
] = {  # what the daemon does not write yet: a deposit is paid out when the employer does not pay the rest
    ("Claimed", "awaiting_payment", frozenset({"APPROVED"}), ("payment.missed",), "clock", "Verified", "", ""),
    (
        "Verified",
        "settling",
        frozenset({"APPROVED"}),
        ("settlement.completed", "task.expired"),
        "node",
        "Expired",
        "",
        "",
    ),
}


def test_both_tables_say_the_same() -> None:
    house: set[Row] = set()
    for row in transitions.ROWS:
        works = frozenset(str(work) for work in row.work)
        types = tuple(str(type) for type in row.log)
        after = str(row.work_after or "")
        house.add(
            (str(row.source or ""), str(row.phase), works, types, row.by, str(row.target), str(row.phase_after), after)
        )
    ours: set[Row] = {
        (m.state, m.phase, m.works, m.types, m.by, m.state_after, m.phase_after, m.work_after) for m in MOVES
    }
    assert house - ours == set()
    assert ours - house - NOT_YET == set()


def test_both_know_the_same_words() -> None:
    assert {str(type) for type in LogType} == TYPES
    assert {str(state) for state in TaskState if state.is_final} == FINAL


class Town:
    """The daemon's rules without the daemon: decisions are made, chained and signed, nothing is sent."""

    def __init__(self, **terms: Any) -> None:
        self.time, self.deaf, self.height = T0, 0, H0
        self.letter: tuple[int, int, int] | None = (
            None  # time, deaf time and height of one that was heard and is not opened yet
        )
        self.mined = 0  # blocks that came beside the clock
        blank = Policy(
            bot=Pubkey(BOT.pub),
            network="simnet",
            hrp="lnplay",
            node="02" * 33,
            terms_version=EventId("00" * 32),
            hold_cltv=2000,
        )
        self.record = self.sign(words.terms_record(Pubkey(BOT.pub), T0 - 9, published_terms(blank)))
        self.policy = replace(blank, terms_version=EventId(self.record["id"]))
        self.public: list[dict[str, Any]] = [self.record]
        self.log: list[dict[str, Any]] = []
        self.house: list[dict[str, Any]] = []
        self.checkpoint("start", {"terms": self.record["id"]})
        self.checkpoint("terms", {"terms": self.record["id"]})
        self.known: Task | None = None
        life = forge.Life(terms=terms)
        self.offer = life.offer
        self.said: list[Any] = []
        self.happen(
            Offered(
                Pubkey(EMPLOYER.pub), parse_offer(HouseEvent.parse(self.offer)), EventId(self.offer["id"]), life.address,
                Evidence(Proven.SIGNED, self.offer),
            )
        )  # fmt: skip

    @property
    def task(self) -> Task:
        assert self.known is not None
        return self.known

    def sign(self, event: Unsigned) -> dict[str, Any]:
        return BOT.sign(event.kind, [list(tag) for tag in event.tags], event.content, event.created_at)

    def checkpoint(self, type: str, facts: dict[str, Any]) -> None:
        prev = EventId(self.house[-1]["id"]) if self.house else None
        self.house.append(self.sign(words.checkpoint(
            bot=Pubkey(BOT.pub), seq=len(self.house) + 1, prev=prev, type=type, time=self.time, height=self.height,
            block_hash="", facts=facts,
        )))  # fmt: skip

    def wait(self, seconds: int) -> None:
        self.time += seconds
        self.height = H0 + (self.time - T0) // 600 + self.mined

    def mine(self, height: int) -> None:
        self.mined += height - self.height
        self.tick(0)

    def outage(self, seconds: int) -> None:
        since = self.time
        self.checkpoint("clock.paused", {"since": since})
        self.wait(seconds)
        self.deaf += seconds
        self.checkpoint("clock.resumed", {"since": since, "until": self.time, "deaf": self.deaf})

    def happen(self, what: Any) -> Decision:
        (time, deaf, height), self.letter = self.letter or (self.time, self.deaf, self.height), None
        now = Now(time, height, sha(f"b{height}"), deaf, sha(f"e{time}{len(self.log)}"))
        done = decide(self.known, what, now, self.policy)
        assert isinstance(done, Decision), done
        check_task(done.task)
        self.known = done.task
        if self.log:  # as the storage stamps them
            last = json.loads(self.log[-1]["content"])
            now = replace(now, time=max(time, last["time"]), deaf=max(deaf, last["deaf"]))
            if last["height"] > height:
                now = replace(now, height=last["height"], block_hash=last["block"])
        for line in done.log:
            said = words.entry(
                bot=Pubkey(BOT.pub), task=done.task.id, address=done.task.address, root=EventId(self.offer["id"]),
                parties=(done.task.employer, done.task.worker) if done.task.worker else (done.task.employer,),
                seq=line.seq, prev=EventId(self.log[-1]["id"]) if self.log else None, type=str(line.type),
                state=str(line.state), work=line.work, by=line.by, proven=line.proven, time=now.time, deaf=now.deaf,
                height=now.height, block_hash=now.block_hash, facts=line.facts, event=line.event,
            )  # fmt: skip
            self.log.append(self.sign(said))
        return done

    def opened_late(self, step: Callable[[], Any], meanwhile: Callable[[], Any], outage: int) -> None:
        """What he says is heard now and opened behind an outage, when something else has been written."""
        self.wait(60)
        heard = self.time, self.deaf, self.height
        if outage:
            self.outage(outage)
        meanwhile()
        self.letter = heard
        step()

    def tick(self, seconds: int) -> Decision:
        self.wait(seconds)
        return self.happen(Tick())

    def command(self, who: Key, command: Any, basis: LogType | None = None, signed: bool = True) -> Decision:
        self.wait(60)
        if not signed:
            return self.happen(Said(Pubkey(who.pub), command, Evidence(Proven.ATTESTED, created_at=self.time)))
        seq = self.task.seq_of(basis) if basis else self.task.seq
        tags = [
            ["d", self.task.id],
            ["t", "holdfast-decision"],
            ["p", BOT.pub],
            ["e", self.log[seq - 1]["id"], "", "basis"],
        ]
        content = {"v": 1, "action": command.action, **command.model_dump(exclude_none=True)}
        event = who.sign(78, tags, json.dumps(content), self.time)
        return self.happen(Said(Pubkey(who.pub), command, Evidence(Proven.SIGNED, event, self.basis(seq), self.time)))

    def basis(self, seq: int) -> Basis:
        return Basis(LogType(next(tag[1] for tag in self.log[seq - 1]["tags"] if tag[0] == "type")), seq)

    # the chapters

    def fund(self, pay: bool = True) -> Town:
        self.command(EMPLOYER, Fund(task=self.task.id))
        funding = self.task.fundings[-1]
        self.preimage = sha(f"pre {funding.ref}")
        self.hash = PaymentHash(sha(bytes.fromhex(self.preimage)))
        invoice = bolt11.Bolt11(
            hrp="lnplay", timestamp=self.time, payment_hash=self.hash, payment_secret=Secret("5e" * 32),
            amount=funding.amount, description="hold",
        )  # fmt: skip
        text = Secret(bolt11.encode(invoice, b"\x11" * 32))
        view = HoldView(self.hash, HoldStatus.OPEN, funding.amount, (), text, invoice.expires_at)
        self.happen(HoldMade(funding.ref, view))
        if pay:
            self.wait(60)
            part = Part("1x1x1", 1, funding.amount, self.height + 2000, True)
            self.happen(HoldSeen(funding.ref, replace(view, status=HoldStatus.HELD, parts=(part,))))
        return self

    def claim(self, signed: bool = True) -> Town:
        self.pay_preimage, self.pay_salt = sha("pay"), sha("salt")
        self.pay_hash = PaymentHash(sha(bytes.fromhex(self.pay_preimage)))
        dest = forge.commit(self.pay_salt, self.pay_hash) if signed else None  # a message promises nothing
        self.command(WORKER, Claim(task=self.task.id, dest_hash=dest), LogType.TASK_CREATED, signed)
        return self

    def name_destination(self) -> Town:
        """As `payout` by message would, after the invoice was checked."""
        named = Destination(
            invoice=Secret("lnplay"), payment_hash=self.pay_hash, amount=self.task.reward, expires_at=self.time + 30 * DAY,
            final_cltv=80, salt=self.pay_salt, promised=True,
        )  # fmt: skip
        self.known = replace(self.task, destination=named)
        return self

    def proof(self) -> Town:
        self.wait(60)
        tags = [["d", "p"], ["a", self.task.address], ["e", self.offer["id"]], ["p", BOT.pub],
                ["url", "https://example.org/x"], ["x", sha(f"file{self.time}")]]  # fmt: skip
        event = WORKER.sign(30079, tags, "", self.time)
        command = Submit(task=self.task.id, url="https://example.org/x", sha256=sha(f"file{self.time}"))
        self.happen(
            Said(Pubkey(WORKER.pub), command, Evidence(Proven.SIGNED, event, self.basis(self.task.seq), self.time))
        )
        return self

    def approve(self) -> Town:
        self.command(EMPLOYER, Approve(task=self.task.id), LogType.PROOF_SUBMITTED)
        return self

    def reject(self) -> Town:
        self.command(EMPLOYER, Reject(task=self.task.id, reason="no"), LogType.PROOF_SUBMITTED)
        return self

    def pay(self) -> Town:
        self.wait(60)
        share = self.task.share
        assert share is not None
        self.happen(PayWanted(share.ref))
        view = PaymentView(
            share.payment_hash, PaymentStatus.COMPLETE, share.amount, Msat(1234), Secret(self.pay_preimage)
        )
        self.happen(PaymentSeen(share.ref, view))
        return self

    def node(self, status: HoldStatus) -> Town:
        self.wait(60)
        funding = self.task.fundings[-1]
        preimage = Secret(self.preimage if status is HoldStatus.SETTLED else "")
        self.happen(HoldSeen(funding.ref, HoldView(self.hash, status, funding.amount, preimage=preimage)))
        return self

    def judge(self) -> Report:
        task = self.task
        state = state_words(
            bot=Pubkey(BOT.pub), task=task.id, address=task.address, root=EventId(self.offer["id"]), parties=(task.employer,),
            head=EventId(self.log[-1]["id"]), seq=len(self.log), created_at=self.time,
            facts={"state": str(task.state), "work": str(task.current.state), "worker": task.worker},
        )  # fmt: skip
        return check([*self.public, *self.house, *self.log, self.sign(state)], BOT.pub)


def paid(town: Town) -> Town:
    return paid_on(town.fund())


def paid_on(town: Town) -> Town:
    """From Funded to Paid."""
    return town.claim().name_destination().proof().approve().pay().node(HoldStatus.SETTLED)


def disputed() -> Town:
    town = Town().fund().claim().proof().reject()
    assert town.task.state is TaskState.DISPUTED
    return town


def unreachable() -> Town:
    town = Town().fund().claim().name_destination().proof().approve()
    assert town.task.share is not None
    share = town.task.share
    town.happen(PayWanted(share.ref))
    view = PaymentView(share.payment_hash, PaymentStatus.FAILED, fault=Fault.THEIRS, reason="offline")
    town.happen(PaymentSeen(share.ref, view))
    town.happen(Reached("patience"))
    for _ in range(60):
        town.tick(3600)
        if town.task.phase:
            return town.node(HoldStatus.CANCELLED)
        if town.task.share and town.task.share.ordered:
            town.happen(PayWanted(town.task.share.ref))
            town.happen(PaymentSeen(town.task.share.ref, view))
    raise AssertionError("it never ended")


def unreachable_after_deafness() -> Town:
    """Approved in a silence that turns out to be deafness before the worker is told: the hearing clock falls back behind the approval."""
    town = Town().fund().claim().proof()
    since = town.time
    town.wait(540)
    town.approve().wait(60)
    town.checkpoint("clock.paused", {"since": since})
    town.deaf += town.time - since
    town.checkpoint("clock.resumed", {"since": since, "until": town.time, "deaf": town.deaf})
    town.happen(Reached("patience"))
    town.tick(DAY)
    return town.node(HoldStatus.CANCELLED)


def opened_late(what: str, outage: int = 0, wait: int = 400) -> Town:
    """A letter is overtaken by what the other side signs in public, or by the node."""
    town = Town(on_reject="revise", max_rejects=2)
    offered = LogType.TASK_CLAIMED

    def offer(who: Key, percent: int) -> None:
        town.wait(wait)
        town.command(who, Cancel(task=town.task.id, percent=percent), offered)

    def submit() -> None:
        command = Submit(task=town.task.id, url="https://example.org/x", sha256=sha(f"file{town.time}"))
        town.command(WORKER, command, signed=False)

    def claim_again() -> None:
        town.wait(wait)
        town.claim()

    town.fund().claim()
    match what:
        case "proof":
            town.opened_late(submit, lambda: offer(EMPLOYER, 30), outage)
        case "proof before the claim":
            town.command(WORKER, Abandon(task=town.task.id))
            town.opened_late(submit, claim_again, outage)
        case "rejection":
            town.proof()
            reject = Reject(task=town.task.id, reason="no")
            town.opened_late(lambda: town.command(EMPLOYER, reject, signed=False), lambda: offer(WORKER, 30), outage)
            town.proof()
    return town.approve()


def at_margin() -> Town:
    town = Town().fund().claim().proof().approve()
    town.mine(town.task.settle_height)
    return town.node(HoldStatus.SETTLED)


def outlived() -> Town:
    town = Town().fund().claim()
    town.outage(DAY)
    town.proof().tick(DAY)
    return town


def prolonged() -> Town:
    town = Town().fund().claim().proof()
    for _ in range(4):
        town.tick(DAY)
    return town


def lost(after: str) -> Town:
    town = Town().fund().claim()
    if after == "claim":
        return town.node(HoldStatus.CANCELLED)
    town.name_destination().proof().approve()
    assert town.task.share is not None
    if after == "paid":
        return town.pay().node(HoldStatus.CANCELLED)
    town.happen(PayWanted(town.task.share.ref))
    share = town.task.share
    town.node(HoldStatus.CANCELLED)
    status = PaymentStatus.COMPLETE if after == "flight" else PaymentStatus.FAILED
    town.happen(
        PaymentSeen(
            share.ref, PaymentView(share.payment_hash, status, share.amount, Msat(5), Secret(town.pay_preimage))
        )
    )
    return town


def revised() -> Town:
    town = Town(on_reject="revise", max_rejects=1).fund().claim().proof().reject().proof().reject()
    assert town.task.state is TaskState.DISPUTED
    town.command(EMPLOYER, Approve(task=town.task.id), LogType.PROOF_SUBMITTED)
    return town


def abandoned(late: bool) -> Town:
    town = Town().fund().claim().proof()
    if late:
        town.wait(2 * DAY - 3600)
    town.command(WORKER, Abandon(task=town.task.id))
    return town.node(HoldStatus.CANCELLED) if late else town.claim(signed=False).proof()


def cancelled_after_abandoning() -> Town:
    """An employer who cancels an open task may rest on what was said before the worker who gave it back."""
    town = Town().fund().claim()
    town.command(WORKER, Abandon(task=town.task.id))
    town.command(EMPLOYER, Cancel(task=town.task.id), LogType.TASK_CREATED)
    return town.node(HoldStatus.CANCELLED)


def taken_again() -> Town:
    """The same worker claims once more, by a new signature on the same entry."""
    town = Town().fund().claim()
    town.command(WORKER, Abandon(task=town.task.id))
    return paid_on(town)


def short_outage() -> Town:
    """A restart: a few deaf seconds, published only when they are over."""
    town = Town().fund()
    since = town.time
    town.wait(40)
    town.deaf += 40
    town.checkpoint("clock.resumed", {"since": since, "until": town.time, "deaf": town.deaf})
    return paid_on(town)


def cancelled(at: str) -> Town:
    town = Town()
    if at != "Draft":
        town.fund(pay=at == "Funded")
    town.command(EMPLOYER, Cancel(task=town.task.id))
    return town.node(HoldStatus.CANCELLED) if at == "Funded" else town


def disputed_after_approval() -> Town:
    town = Town().fund().claim().proof().approve()
    town.command(WORKER, Dispute(task=town.task.id, reason="the wrong file"))
    town.command(EMPLOYER, Approve(task=town.task.id), LogType.PROOF_SUBMITTED)
    return town


def split(percent: int, dispute: bool) -> Town:
    town = disputed() if dispute else Town().fund().claim().proof()
    town.command(EMPLOYER, Cancel(task=town.task.id, percent=percent))
    town.command(WORKER, Cancel(task=town.task.id, percent=percent), LogType.CANCEL_OFFERED)
    if percent == 0:
        return town.node(HoldStatus.CANCELLED)
    town.mine(town.task.settle_height)
    return town.node(HoldStatus.SETTLED)


def overdue(state: str) -> Town:
    if state == "Draft":
        town = Town()
        town.tick(2 * DAY + 1)
        return town
    town = Town().fund()
    if state == "Claimed":
        town.claim()
        town.tick(2 * DAY)
        return town.node(HoldStatus.CANCELLED)
    town.tick(DAY + 61)
    return town.node(HoldStatus.CANCELLED)


def hold_end() -> Town:
    town = disputed()
    town.mine(town.task.last_safe_height)
    return town.node(HoldStatus.CANCELLED)


def freeze(town: Town, seconds: int, deaf: int = 0) -> Town:
    """Frozen for so long, and let go on."""
    by_hand = Evidence(Proven.ATTESTED)
    town.happen(Said(BY_HAND, Freeze(task=town.task.id), by_hand))
    town.wait(seconds)
    if deaf:
        town.outage(deaf)
    town.happen(Said(BY_HAND, Unfreeze(task=town.task.id), by_hand))
    return town


def frozen_everywhere() -> Town:
    """A life that is stopped for a while wherever it stands, longer than any of its times."""
    town = freeze(Town(on_reject="revise", hold_timeout=3600), 3000)
    town = freeze(town.fund(), 7200, deaf=1800).claim().name_destination()
    town = freeze(freeze(town, 7200).proof(), DAY + 3600)
    town = freeze(town.reject(), DAY + 3600).proof().approve()
    town = freeze(town, 3600).pay()
    return freeze(town, 3600).node(HoldStatus.SETTLED)


def frozen_silence() -> Town:
    """The review ends in silence as if nothing had been, counted without the freeze."""
    town = freeze(Town().fund().claim().proof(), 3 * DAY)
    town.happen(Reached("shown/1"))
    town.tick(DAY)
    assert town.task.state is TaskState.VERIFIED
    return town


def frozen_until(state: str) -> Town:
    """At L, or at E - M, the freeze does not help any more."""
    town = Town().fund().claim()
    if state == "Verified":
        town.proof().approve()
    town.happen(Said(BY_HAND, Freeze(task=town.task.id), Evidence(Proven.ATTESTED)))
    town.mine(town.task.settle_height if state == "Verified" else town.task.last_safe_height)
    return town.node(HoldStatus.SETTLED if state == "Verified" else HoldStatus.CANCELLED)


LIVES: dict[str, Any] = {
    "paid": lambda: paid(Town()),
    "worker unreachable": unreachable,
    "worker unreachable, told after deafness": unreachable_after_deafness,
    **{
        f"a {what} opened late, {outage} s of outage": (lambda what=what, outage=outage: opened_late(what, outage))
        for what in ("proof", "proof before the claim", "rejection")
        for outage in (0, 2 * HOUR)
    },
    "credited at the margin": at_margin,
    "an outage": outlived,
    "prolonged": prolonged,
    "revised": revised,
    "abandoned": lambda: abandoned(late=False),
    "abandoned late": lambda: abandoned(late=True),
    "abandoned and cancelled": cancelled_after_abandoning,
    "abandoned and taken again by the same": taken_again,
    "a restart": short_outage,
    "disputed after approval": disputed_after_approval,
    **{f"lost after {after}": (lambda after=after: lost(after)) for after in ("claim", "paid", "flight", "failure")},
    **{f"cancelled in {at}": (lambda at=at: cancelled(at)) for at in ("Draft", "PendingFunding", "Funded")},
    "agreed on 30": lambda: split(30, dispute=False),
    "agreed on 100": lambda: split(100, dispute=False),
    "disputed, agreed on 0": lambda: split(0, dispute=True),
    "disputed, agreed on 70": lambda: split(70, dispute=True),
    "agreed on 0": lambda: split(0, dispute=False),
    "the hold's end in a dispute": hold_end,
    "frozen everywhere": frozen_everywhere,
    "frozen under review": frozen_silence,
    **{
        f"frozen to the end of a hold in {state}": (lambda state=state: frozen_until(state))
        for state in ("Claimed", "Verified")
    },
    **{f"overdue in {state}": (lambda state=state: overdue(state)) for state in ("Draft", "Funded", "Claimed")},
}


@pytest.mark.parametrize("name", LIVES)
def test_what_the_daemon_writes_is_sound(name: str) -> None:
    report = LIVES[name]().judge()
    assert report.ok, report.to_text()
    assert not notes(report) - {"hold_lost"}, report.to_text()
    assert codes(report) == set()
