"""Makes whole public records by hand, valid or spoilt, with a signer of its own and without importing the house.

A `Life` is a list of `Line`s. Lines are chained and signed only when `events()` is asked for, so that a test can spoil one fact
and everything else (hashes, signatures, the decisions that rest on an entry) stays right around it.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Self

import secp256k1

from verifier import Report, check

Event = dict[str, Any]
Ids = Mapping[int, str]  # seq -> id of the log entries so far
T0, H0 = 1_800_000_000, 900_000
HOUR, DAY = 3600, 86400
REWARD, BUDGET = 50_000_000, 500_000
MARGIN, LIMIT, CLTV = 58, 288, 2000
LETTERS = "0123456789abcdefghjkmnpqrstvwxyz"


def sha(data: bytes | str) -> str:
    return hashlib.sha256(data.encode() if isinstance(data, str) else data).hexdigest()


def plain(value: object) -> str:
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False)


def commit(salt: str, value: str) -> str:
    return sha(bytes.fromhex(salt) + value.encode())


class Key:
    """Somebody who signs."""

    def __init__(self, name: str) -> None:
        self._secret = secp256k1.PrivateKey(hashlib.sha256(name.encode()).digest())
        self.pub: str = self._secret.pubkey.serialize()[1:].hex()

    def sign(self, kind: int, tags: list[list[str]], content: str, at: int) -> Event:
        said = json.dumps([0, self.pub, at, kind, tags, content], separators=(",", ":"), ensure_ascii=False)
        digest = hashlib.sha256(said.encode()).digest()
        sig = self._secret.schnorr_sign(digest, None, raw=True).hex()
        body = {"pubkey": self.pub, "created_at": at, "kind": kind, "tags": tags, "content": content}
        return {"id": digest.hex(), **body, "sig": sig}


BOT, EMPLOYER, WORKER, STRANGER = Key("bot"), Key("employer"), Key("worker"), Key("stranger")


def task_id(event_id: str) -> str:
    """By the definition: polynomial over GF(32), evaluated term by term."""
    number = int(event_id[:15], 16)
    letters: list[int] = []
    for _ in range(12):
        number, rest = divmod(number, 32)
        letters.insert(0, rest)
    check = 0
    for place, letter in enumerate(letters):
        term = letter
        for _ in range(12 - place):
            term = (term << 1) ^ (0b100101 if term & 16 else 0)
        check ^= term
    return "".join(LETTERS[letter] for letter in (*letters, check))


@dataclass(frozen=True)
class Fee:
    """A service fee: the terms, and what a test has reckoned by hand that they come to."""

    ppm: int = 0
    base: int = 0
    minimum: int = 0
    payer: str = "employer"
    insured: int = 10  # percent
    whole: int = 0
    workers: int = 0

    def terms(self) -> dict[str, Any]:
        return {
            "service_fee_ppm": self.ppm, "service_fee_base_msat": self.base, "service_fee_minimum_msat": self.minimum,
            "service_fee_payer": self.payer, "insurance_percent": self.insured,
        }  # fmt: skip


@dataclass
class Line:
    """One entry of a log before it is chained."""

    type: str
    state: str
    work: str
    by: str
    proven: str
    time: int
    height: int
    facts: dict[str, Any]
    deaf: int = 0
    event: Callable[[Ids], Event] | None = None
    parties: list[str] = field(default_factory=list)
    change: dict[str, Any] = field(default_factory=dict)  # of the content, after everything else
    tags: dict[str, str | None] = field(default_factory=dict)  # replaces a tag's value; None takes it away
    seq: int = 0  # 0: as it stands


def terms_facts(without: str = "") -> dict[str, Any]:
    said: dict[str, Any] = {
        "budget_base_msat": 10_000, "budget_ppm": 10_000, "min_reward_msat": 100_000, "max_reward_msat": 1_000_000_000,
        "min_part_msat": 5_000_000, "max_parts": 8, "custody_modes": ["lightning_self", "ledger"],
        "on_hold_end": ["refund", "ledger"], "dispute_limit": 30 * DAY,
        "margin": MARGIN, "payout_limit": LIMIT, "dispute_reserve": 144, "hold_cltv": CLTV, "hold_timeout": DAY,
        "review_window": DAY, "max_deadline": 90 * DAY,
    }  # fmt: skip
    said.pop(without, None)
    return said


class Life:
    """A task's public record in the making. The clock moves by a minute with each line; `wait` moves it further."""

    def __init__(
        self,
        name: str = "task",
        posted: bool = False,
        terms: dict[str, Any] | None = None,
        fee: Fee | None = None,
        cost: str = "",
        without: str = "",
        **facts: Any,
    ) -> None:
        """`cost`: amount and currency as the offer names them, "4000 INR"; the facts of its rate come by name. `without`: what the
        operator's terms leave out."""
        self.fee = fee or Fee()
        self.net = REWARD - self.fee.workers
        self.hold = self.net + self.fee.whole + BUDGET
        self.time, self.height, self.deaf = T0, H0, 0
        self.lines: list[Line] = []
        self.extra: list[Event] = []  # whatever else is to be found
        self.house: list[tuple[str, int, dict[str, Any]]] = []
        self.state_facts: dict[str, Any] = {}
        self.state_behind = 0
        self.without_state = False
        self.frozen_at = 0
        self.worker = ""
        self.terms = BOT.sign(
            78,
            [["d", "holdfast-terms"], ["t", "holdfast-terms"]],
            plain({"v": 1, **terms_facts(without), **(fee.terms() if fee else {})}),
            T0 - 9,
        )
        self.house += [("start", T0 - 9, {}), ("terms", T0 - 9, {"terms": self.terms["id"]})]
        self.deadline = T0 + 2 * DAY
        self.offer_terms = {"description": "with a form", **(terms or {})}
        self.offer: Event = EMPLOYER.sign(
            30078,
            [["d", name], ["p", BOT.pub], ["t", "holdfast-task"], ["title", "A page"],
             ["amount", cost.split()[0] if cost else "50000"], ["deadline", str(self.deadline)],
             *([["currency", cost.split()[1]]] if cost else [])],
            plain(self.offer_terms), T0 - 5,
        )  # fmt: skip
        self.on_approval = (
            self.offer_terms.get("funding") == "on_approval"
        )  # the money is asked for when the work is approved
        self.posted = posted
        self.id = task_id(self.offer["id"])
        self.address = f"30078:{BOT.pub}:holdfast-{self.id}" if posted else f"30078:{EMPLOYER.pub}:{name}"
        self.preimage, self.salt = sha(f"hold {name}"), sha(f"salt {name}")
        self.hash = sha(bytes.fromhex(self.preimage))
        self.pay_preimage, self.pay_salt = sha(f"pay {name}"), sha(f"dest {name}")
        self.pay_hash = sha(bytes.fromhex(self.pay_preimage))
        said = {
            "employer": EMPLOYER.pub, "title": "A page", "reward_msat": REWARD, "budget_msat": BUDGET,
            "hold_msat": self.hold, "deadline": self.deadline, "review_window": DAY, "hold_timeout": DAY,
            "on_reject": "dispute", "max_rejects": 3, "on_silence": "approve", "on_hold_end": "refund",
            "min_evidence": "attested", "margin": MARGIN, "payout_limit": LIMIT, "custody_mode": "lightning_self",
            "terms": self.terms["id"], "pinned": self.offer["id"], **(terms or {}), **facts,
        }  # fmt: skip
        said.pop("description", None)
        if fee:
            said |= {"net_msat": self.net, "service_fee_msat": fee.whole, **fee.terms(), **facts}
        if posted:
            self.add("task.created", "Draft", "PENDING", EMPLOYER, None, **said)
        else:
            self.add("task.created", "Draft", "PENDING", EMPLOYER, lambda ids: self.offer, **said)

    # the pen

    def add(self, type: str, state: str, work: str, by: Key | str, event: Any = None, /, **facts: Any) -> Line:
        who = by.pub if isinstance(by, Key) else by
        proven = who if isinstance(by, str) else "signed" if event else "attested"
        parties = [EMPLOYER.pub, self.worker] if self.worker else [EMPLOYER.pub]
        line = Line(type, state, work, who, proven, self.time, self.height, facts, self.deaf, event, parties)
        self.lines.append(line)
        return line

    def wait(self, seconds: int = 60) -> None:
        self.time += seconds
        self.height = H0 + (self.time - T0) // 600

    def outage(self, seconds: int) -> None:
        """The daemon hears nothing for a while."""
        self.house.append(("clock.paused", self.time, {"since": self.time}))
        since, self.deaf = self.time, self.deaf + seconds
        self.wait(seconds)
        self.house.append(("clock.resumed", self.time, {"since": since, "until": self.time, "deaf": self.deaf}))

    def decide(
        self, who: Key, action: str, basis: int | str, at: int | None = None, **words: Any
    ) -> Callable[[Ids], Event]:
        """A signed decision, resting on the entry of this number (or on this id)."""
        when = self.time if at is None else at

        def make(ids: Ids) -> Event:
            rests = basis if isinstance(basis, str) else ids[basis]
            tags = [["d", self.id], ["t", "holdfast-decision"], ["p", BOT.pub], ["e", rests, "", "basis"]]
            return who.sign(78, tags, plain({"v": 1, "action": action, "task": self.id, **words}), when)

        return make

    def newest(self, type: str) -> int:
        return max(n for n, line in enumerate(self.lines, 1) if line.type == type)

    def dest(self) -> str:
        """What the worker promises to be paid to."""
        return commit(self.pay_salt, self.pay_hash)

    # the chapters

    def fund(self, **quoted: Any) -> Self:
        self.wait()
        ref = f"{self.id}/h1"
        self.add("invoice.created", "PendingFunding", "PENDING", "node", funding=ref, amount_msat=self.hold,
                 expires_at=self.time + HOUR, hash_commitment=commit(self.salt, self.hash), **quoted)  # fmt: skip
        self.wait()
        self.expiry = self.height + CLTV
        self.safe = self.expiry - MARGIN - LIMIT - 6
        until = min(self.time - self.deaf + DAY, self.deadline) + self.deaf
        self.add("invoice.accepted", "Funded", "PENDING", "node", funding=ref, amount_msat=self.hold, parts=2,
                 expiry_height=self.expiry, last_safe_height=self.safe, until=until)  # fmt: skip
        return self

    def freeze(self, **facts: Any) -> Self:
        self.wait()
        last, self.frozen_at = self.lines[-1], self.time - self.deaf
        self.add("task.frozen", last.state, last.work, "operator", **facts)
        return self

    def unfreeze(self, late: int = 0, **facts: Any) -> Self:
        """`late`: by so much more than it was frozen."""
        self.wait()
        last, took = self.lines[-1], self.time - self.deaf - self.frozen_at + late
        self.deadline += took
        said = {"seconds": took, "deadline": self.deadline + self.deaf, **facts}
        self.add("task.unfrozen", last.state, last.work, "operator", **said)
        return self

    def claim(self, signed: bool = True, who: Key = WORKER) -> Self:
        self.wait()
        self.worker = who.pub
        dest = self.dest()
        event = self.decide(who, "claim", 1, dest_hash=dest) if signed else None
        self.add("task.claimed", "Claimed", "IN_PROGRESS", who, event, worker=who.pub, dest_hash=dest)
        return self

    def proof(self, signed: bool = True, number: int = 1) -> Self:
        self.wait()
        digest, at = sha(f"file {number}"), self.time

        def make(ids: Ids) -> Event:
            root = ids[1] if self.posted else self.offer["id"]
            tags = [["d", f"p{number}"], ["a", self.address], ["e", root], ["p", BOT.pub], ["p", EMPLOYER.pub],
                    ["url", "https://example.org/page.zip"], ["x", digest], ["m", "application/zip"]]  # fmt: skip
            return WORKER.sign(30079, tags, "done", at)

        self.add("proof.submitted", "Claimed", "SUBMITTED", WORKER, make if signed else None, number=number, sha256=digest,
                 mime="application/zip", check="unchecked", check_reason="fetching_off", heard_at=self.time,
                 review_until=self.time + DAY)  # fmt: skip
        return self

    def approve(self, signed: bool = True) -> Self:
        self.wait()
        number = self.lines[self.newest("proof.submitted") - 1].facts["number"]
        event = self.decide(EMPLOYER, "approve", self.newest("proof.submitted")) if signed else None
        facts = {"verified_by": EMPLOYER.pub, "proof": number}
        if self.on_approval:
            return self.to_pay("proof.verified", EMPLOYER, event, **facts)
        self.add("proof.verified", "Verified", "APPROVED", EMPLOYER, event, **facts)
        return self

    # and those of a task that is paid on approval

    def begin(
        self, by: Key | str = "clock", signed: bool = True, action: str = "select", basis: int = 0, **facts: Any
    ) -> Self:
        """The work begins without money: by the clock, or because somebody says so."""
        self.wait()
        event = self.decide(by, action, basis or len(self.lines)) if isinstance(by, Key) and signed else None
        said = {"worker": self.worker, "dest_hash": self.dest() or None, **facts}
        self.add("task.claimed", "Claimed", "IN_PROGRESS", by, event, **said)
        return self

    def to_pay(self, type: str, by: Key | str, event: Any = None, **facts: Any) -> Self:
        """The work is approved by this entry, and the money is asked for."""
        self.add(type, "Claimed", "APPROVED", by, event, **{"pay_until": self.time + 2 * DAY, **facts})
        return self

    def ask(self, number: int = 1, **facts: Any) -> Self:
        self.wait()
        said = {"funding": f"{self.id}/h{number}", "amount_msat": self.hold, "expires_at": self.time + HOUR,
                "hash_commitment": commit(self.salt, self.hash), **facts}  # fmt: skip
        self.add("invoice.created", "Claimed", "APPROVED", "node", **said)
        return self

    def unasked(self, number: int = 1, type: str = "invoice.expired", **facts: Any) -> Self:
        """The invoice is not paid."""
        self.wait()
        self.add(type, "Claimed", "APPROVED", "node", funding=f"{self.id}/h{number}", **facts)
        return self

    def came(self, number: int = 1, **facts: Any) -> Self:
        """The invoice is paid."""
        self.wait()
        self.expiry = self.height + CLTV
        self.safe = self.expiry - MARGIN - LIMIT - 6
        said = {"funding": f"{self.id}/h{number}", "amount_msat": self.hold, "parts": 1, "expiry_height": self.expiry,
                "last_safe_height": self.safe, **facts}  # fmt: skip
        self.add("invoice.accepted", "Verified", "APPROVED", "node", **said)
        return self

    def miss(self, early: int = 0, **facts: Any) -> Self:
        """The time to pay is over."""
        until = next(line for line in reversed(self.lines) if "pay_until" in line.facts).facts["pay_until"]
        self.wait(until + self.deaf - self.time - early)
        said = {"reason": "unpaid", "mark": EMPLOYER.pub, "due_msat": self.hold, **facts}
        for type in ("payment.missed", "task.expired"):
            self.add(type, "Expired", "APPROVED", "clock", **said)
        return self

    def end_bare(self, state: str, work: str, by: Key | str, types: str, event: Any = None, **facts: Any) -> Self:
        """An end before any money: `refund.completed`, alone or behind `dispute.resolved`."""
        for type in types.split():
            self.add(type, state, work, by, event, **{"amount_msat": 0, **facts})
        return self

    # the end

    def settle(self, percent: int = 100, paid: bool = True, change: int = 0, credit: int = 0, fee: int = 1000) -> Self:
        """The end of a paid task. `kept` is what the numbers leave."""
        self.wait()
        ref = f"{self.id}/h1"
        share = self.part(REWARD, percent) - self.part(self.fee.workers, percent)
        due = self.part(self.fee.whole, percent)
        insured = due * self.fee.insured // 100
        by, reason = ("node", "paid") if paid else ("clock", "margin")
        self.add("settlement.started", "Verified", "APPROVED", by, funding=ref, reason=reason)
        self.wait()
        rest = self.hold - due - (share + fee if paid else share + BUDGET)
        kept = insured + rest - change
        owed = [("worker", self.worker, credit and credit + BUDGET), ("employer", EMPLOYER.pub, change)]
        credited = [{"role": role, "to": to, "amount_msat": amount} for role, to, amount in owed if amount]
        self.add("settlement.completed", "Paid", "RELEASED", "node", funding=ref, hold_msat=self.hold,
                 payment_hash=self.hash, hash_salt=self.salt, percent=percent, credited=credited, insurance_msat=kept,
                 payouts=[self.payment(share, fee)] if paid else [], **self.kept(due - insured))  # fmt: skip
        return self

    def part(self, amount: int, percent: int) -> int:
        return amount if percent == 100 else amount * percent // 100 // 1000 * 1000

    def kept(self, fee: int) -> dict[str, int]:
        """The operator's part; a record from before there were fees does not name it."""
        return {"fee_msat": fee} if self.fee.whole else {}

    def payment(self, amount: int, fee: int = 1000) -> dict[str, Any]:
        signed = self.lines[self.newest("task.claimed") - 1].proven == "signed"
        return {
            "role": "worker", "to": self.worker, "amount_msat": amount, "fee_msat": fee, "payment_hash": self.pay_hash,
            "preimage": self.pay_preimage, "dest_salt": self.pay_salt, "status": "proven" if signed else "attested",
        }  # fmt: skip

    def offer_end(self, who: Key, percent: int, signed: bool = True) -> Self:
        self.wait()
        last = self.lines[-1]
        event = self.decide(who, "cancel", len(self.lines), percent=percent) if signed else None
        self.add("cancel.offered", last.state, last.work, who, event, by=who.pub, percent=percent)
        return self

    def refund(self, state: str, work: str, by: Key | str, reason: str, event: Any = None, **facts: Any) -> Self:
        self.add("refund.started", state, work, by, event, funding=f"{self.id}/h1", reason=reason, **facts)
        return self.refunded(work, reason)

    def refunded(self, work: str, reason: str) -> Self:
        self.wait()
        expired = reason in ("hold_timeout", "unclaimed", "no_proof", "worker_unreachable", "abandoned")
        type, state = ("task.expired", "Expired") if expired else ("refund.completed", "Refunded")
        mark = self.worker if reason in ("no_proof", "worker_unreachable") else None
        self.add(type, state, work, "node", funding=f"{self.id}/h1", reason=reason, mark=mark, payment_hash=self.hash,
                 hash_salt=self.salt, amount_msat=self.hold)  # fmt: skip
        return self

    # the press

    def log(self) -> list[Event]:
        ids: dict[int, str] = {}
        made = []
        for place, line in enumerate(self.lines, 1):
            seq = line.seq or place
            embedded = line.event(ids) if line.event else None
            said = {
                "v": 1, "task": self.id, "seq": seq, "type": line.type, "state": line.state, "work": line.work,
                "by": line.by, "proven": line.proven, "time": line.time, "deaf": line.deaf, "height": line.height,
                "block": sha(f"block {line.height}"), "facts": line.facts, "event": embedded, **line.change,
            }  # fmt: skip
            root = (ids.get(1) if self.posted else self.offer["id"]) or None
            tags = {"d": self.id, "t": "holdfast-log", "seq": str(seq), "prev": ids.get(place - 1), "e": root,
                    "a": self.address, "type": line.type, "state": line.state, **line.tags}  # fmt: skip
            listed = [[name, value] for name, value in tags.items() if value is not None]
            listed += [["p", party] for party in line.parties]
            event = BOT.sign(78, listed, plain(said), said["time"])
            ids[place] = event["id"]
            made.append(event)
        return made

    def state_event(self, log: list[Event]) -> Event:
        line, head = self.lines[-1 - self.state_behind], log[-1 - self.state_behind]
        seq = len(log) - self.state_behind
        said = {
            "v": 1, "task": self.id, "title": "A page", "state": line.state, "work": line.work, "seq": seq,
            "head": head["id"], "employer": EMPLOYER.pub, "worker": self.worker or None, "reward_msat": REWARD,
            "hold_msat": self.hold, **self.state_facts,
        }  # fmt: skip
        tags = [["d", f"holdfast-{self.id}"], ["t", "holdfast-state"], ["e", head["id"]], ["seq", str(seq)],
                ["a", self.address], ["e", log[0]["id"], "", "root"]]  # fmt: skip
        return BOT.sign(30078, tags, plain(said), self.time)

    def house_events(self) -> list[Event]:
        made: list[Event] = []
        for seq, (type, time, facts) in enumerate(self.house, 1):
            tags = [["d", "holdfast-checkpoint"], ["t", "holdfast-checkpoint"], ["seq", str(seq)]]
            tags += [["prev", made[-1]["id"]]] if made else []
            said = {"v": 1, "seq": seq, "type": type, "time": time, "height": H0, "block": "", "facts": facts}
            made.append(BOT.sign(78, [*tags, ["type", type]], plain(said), time))
        return made

    def events(self) -> list[Event]:
        log = self.log()
        state = [] if self.without_state else [self.state_event(log)]
        return [self.terms, *self.house_events(), *log, *state, *self.extra]

    def check(self) -> Report:
        return check(self.events(), BOT.pub)


def paid_life(signed: bool = True, **rest: Any) -> Life:
    """The plain life: offered, funded, claimed, delivered, approved, paid."""
    return Life(**rest).fund().claim(signed).proof(signed).approve(signed).settle()


def codes(report: Report) -> set[str]:
    return {finding.code.value for finding in report.all_violations()}


def notes(report: Report) -> set[str]:
    return {finding.code.value for finding in report.all_warnings()}
