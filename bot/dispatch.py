"""Inputs are processed: load, parse, decide, commit, answer. All of it runs in the writer's thread, inside its transaction.

One writer takes them in the order in which they came, so the order per task needs no lock. A bug in the pure code marks that
input stuck and freezes its task; everything else goes on.
"""

from __future__ import annotations

import json
import traceback
from collections.abc import Callable, Mapping
from typing import Any

import structlog
from sqlalchemy import Connection
from sqlalchemy.exc import OperationalError

from bot import gatekeeping
from bot.asking import facts_for
from bot.floods import Floods
from bot.reading import Asker, Meant, Question, interpret
from bot.wake import Bell
from bot.world import World
from handlers.account import Movement
from handlers.decide import decide, settle_account
from handlers.decision import Decision, Fetch, Refusal, Say
from handlers.policy import Policy
from handlers.task import in_both
from kinds.codes import BadWord, Form, Refused, Told
from kinds.events import canonical_json
from kinds.grammar import form_of
from kinds.inputs import BY_HAND, AccountDue, OfAccount, RemitSeen, RemitWanted, Said, What
from kinds.message import render
from kinds.units import Pubkey
from storage import accounts, acts, commit, house, inbox, outbox, people, reads
from storage.inbox import NewInput, Row

_BATCH = 32
log = structlog.get_logger()


class _Stumbled(Exception):
    """A bug: the pure code, or our use of it, failed on an input of this task."""

    def __init__(self, task: str | None, error: Exception) -> None:
        super().__init__(task)
        self.task, self.error = task, error


class Dispatch:
    def __init__(self, world: World, said_before: int = 0) -> None:
        """`said_before`: what people said until then (unix seconds) may have been carried out by a memory that was lost."""
        self._world = world
        self._policies: dict[str, Policy] = {world.policy_id: world.policy}
        self._floods = Floods(world.limits.messages_a_minute)
        self._said_before = said_before
        self._held_back: set[str] = set()  # tasks with an input that is stuck
        self._current: str | None = None  # the task of the input being decided
        self._spoken: dict[str, str] = {}  # answers to what is said by hand, until the door takes them
        self._stirred: dict[Bell, None] = {}  # whose work the present transaction has queued, in that order

    async def run(self) -> None:
        """Takes inputs as long as there are any, then waits for the bell."""
        world = self._world
        while True:
            try:
                taken, stirred = await world.writer.do(lambda tx: self.advance(tx, _BATCH))
                for bell in stirred:
                    bell.ring()
            except OperationalError:  # the disk: nothing was lost, and nothing can be done from here
                raise
            except Exception:  # the batch was rolled back: find the one that fails
                taken = await self._one_by_one()
                world.wakes.ring_outbox()
            if taken < _BATCH:  # that was all; what comes from now on rings
                await world.idle(world.wakes.inputs)

    async def ask(self, new: NewInput, and_then: Callable[[Connection], None]) -> str | None:
        """Stores an input, processes everything up to it and, when it was done, `and_then`, all in one commit. Returns '' for
        done, else the refusal's code; None when it could not be processed now, and nothing was stored."""

        def job(tx: Connection) -> tuple[str, list[Bell]]:
            stirred: list[Bell] = []
            inbox.add(tx, new, self._world.moments.now(), self._world.policy_id)
            while (found := inbox.result_of(tx, new.key)) and found[0] == "new":
                stirred += self.advance(tx, 1)[1]
            refused = "" if found and found[0] == "done" else found[1] if found else "unknown"
            if not refused:
                and_then(tx)
            return refused, stirred

        try:
            result, stirred = await self._world.writer.do(job)
        except OperationalError:
            raise
        except Exception:  # an input before it is stuck: the loop of this part finds out which
            self._world.wakes.inputs.ring()
            return None
        for bell in stirred:
            bell.ring()
        return result

    async def by_hand(self, text: str) -> str | None:
        """The operator's word at the machine, carried out at once: the answer, in the form in which it came. None: not now."""
        new = NewInput(f"{BY_HAND}:{self._world.entropy(16).hex()}", BY_HAND, canonical_json({"text": text}))
        await self.ask(new, and_then=lambda tx: None)
        return self._spoken.pop(new.key, None)

    def advance(self, tx: Connection, limit: int) -> tuple[int, tuple[Bell, ...]]:
        """Processes the oldest inputs: how many, and whom to wake once this is durable, since there is work for him now."""
        self._stirred = {}
        rows = inbox.waiting(tx, limit)
        for row in rows:
            self._process(tx, row)
        return len(rows), tuple(self._stirred)

    async def _one_by_one(self) -> int:
        for _ in range(_BATCH):
            rows = await self._world.writer.do(lambda tx: inbox.waiting(tx, 1))
            if not rows:
                return 0
            row = rows[0]
            try:
                await self._world.writer.do(lambda tx, row=row: self._process_known(tx, row))  # type: ignore[misc]
            except _Stumbled as stumble:
                await self._world.writer.do(lambda tx, row=row, stumble=stumble: self._stuck(tx, row, stumble))  # type: ignore[misc]
        return _BATCH

    def _process_known(self, tx: Connection, row: Row) -> None:
        """The same, naming the task over which it stumbles. Trouble with the disk is not the input's fault."""
        try:
            self._process(tx, row)
        except OperationalError:
            raise
        except Exception as error:
            raise _Stumbled(self._current, error) from error

    def _stuck(self, tx: Connection, row: Row, stumble: _Stumbled) -> None:
        """A bug of ours: the input waits for a better version, its task takes no commands until then, the operator is told.
        What the node and the clock say of that task is still processed: its money must not hang on somebody's message."""
        name = type(stumble.error).__name__
        log.error("an input is stuck", input=row.n, sort=row.sort, error=name, where=_where(stumble.error))
        inbox.finish(tx, row.n, "stuck", name, stumble.task)
        asker = _asker_of(row)
        if stumble.task and asker is None:
            self._held_back.add(stumble.task)
        if house.incident(tx, row.now, "input_stuck", stumble.task, {"input": row.key, "error": name}):
            self._alert(tx, row, self._policy(tx, row.policy), "input_stuck", stumble.task)
        if asker:
            self._answer(tx, row, asker, Refused.BROKEN, {})

    def _process(self, tx: Connection, row: Row) -> None:
        self._current = None
        policy = self._policy(tx, row.policy)
        try:
            meant = interpret(tx, row, policy, self._world.limits, self._floods)
        except BadWord as bad:
            asker = _asker_of(row)
            inbox.finish(tx, row.n, "refused", str(bad.code))
            if asker:
                _remember(tx, asker, row)
                self._answer(tx, row, asker, bad.code, bad.facts)
            return
        if meant is None:
            inbox.finish(tx, row.n, "refused", "ignored")
            return
        if self._may_be_done(meant):
            assert meant.asker, "somebody said it"
            inbox.finish(tx, row.n, "refused", str(Refused.SAY_AGAIN), meant.task)
            _remember(tx, meant.asker, row)
            self._answer(tx, row, meant.asker, Refused.SAY_AGAIN, {"task": meant.task} if meant.task else {})
            return
        if meant.asker:
            _remember(tx, meant.asker, row)
        if isinstance(meant.what, Question):
            assert meant.asker, "a question has somebody who asks it"
            try:
                facts = facts_for(tx, meant.what, meant.task, meant.asker, row.now, policy)
            except Refusal as refusal:
                inbox.finish(tx, row.n, "refused", str(refusal.code), meant.task)
                self._answer(tx, row, meant.asker, refusal.code, refusal.facts)
                return
            inbox.finish(tx, row.n, "done", "", meant.task)
            if meant.what.code in (Told.HOLDS, Told.INCIDENTS):
                acts.record(tx, row.now, meant.asker.by, str(meant.what.code), "done")
            self._answer(tx, row, meant.asker, meant.what.code, facts)
        elif isinstance(meant.what, RemitWanted | RemitSeen | AccountDue):
            self._settle(tx, row, meant, meant.what, meant.what.owner, policy)
        elif meant.account and isinstance(meant.what, Said):
            self._settle(tx, row, meant, meant.what, meant.account, policy)
        elif meant.task is None and isinstance(meant.what, Said):
            assert meant.asker, "somebody says it"
            self._rule(tx, row, meant.asker, meant.what, policy)
        else:
            self._decide(tx, row, meant, meant.what, policy)

    def _may_be_done(self, meant: Meant) -> bool:
        """Said before we were recovered: whether it was carried out by what we were then, nobody knows. An offer is known by its id."""
        what = meant.what
        return isinstance(what, Said) and what.by != BY_HAND and what.evidence.created_at <= self._said_before

    def _rule(self, tx: Connection, row: Row, asker: Asker, said: Said, policy: Policy) -> None:
        """The operator's word about the house itself."""
        outcome = gatekeeping.ruled(tx, said, row.now, policy)
        refused = str(outcome.code) if isinstance(outcome, Refusal) else ""
        inbox.finish(tx, row.n, "refused" if refused else "done", refused)
        gatekeeping.audit(tx, row.now, said, refused or "done")
        if isinstance(outcome, Refusal):
            self._answer(tx, row, asker, outcome.code, outcome.facts)
            return
        if outcome.published:
            self._stirred[self._world.wakes.events] = None
        self._answer(tx, row, asker, Told.OPERATED, outcome.told)

    def _settle(
        self, tx: Connection, row: Row, meant: Meant, what: Said | OfAccount, owner: Pubkey, policy: Policy
    ) -> None:
        """What is about somebody's account."""
        held = accounts.load(tx, owner, getattr(what, "ref", ""))
        outcome = settle_account(held.account, what, row.now, policy)
        if isinstance(outcome, Movement) and outcome != Movement(held.account):
            news = gatekeeping.news(tx, None, outcome.incidents)
            outcome = accounts.store(tx, held, outcome, row.now, policy) or outcome
            for code in news if isinstance(outcome, Movement) else ():
                self._alert(tx, row, policy, code, None)
        if isinstance(outcome, Refusal):
            inbox.finish(tx, row.n, "refused", str(outcome.code))
            if meant.asker:
                self._answer(tx, row, meant.asker, outcome.code, outcome.facts)
            return
        inbox.finish(tx, row.n, "done")
        wakes = self._world.wakes
        self._stirred[wakes.timers] = None
        if outcome.effects:
            self._stirred[wakes.money] = None
        if outcome.published:
            self._stirred[wakes.events] = None
        for say in outcome.says:
            to = meant.asker or _as_last(reads.person(tx, say.to), say.to)
            self._answer(tx, row, to, say.code, say.facts)

    def _decide(self, tx: Connection, row: Row, meant: Meant, what: What, policy: Policy) -> None:
        self._current = meant.task
        if meant.asker and meant.task in self._held_back:
            inbox.finish(tx, row.n, "refused", str(Refused.FROZEN), meant.task)
            self._answer(tx, row, meant.asker, Refused.FROZEN, {"task": meant.task, "broken": True})
            return
        held = commit.load(tx, meant.task) if meant.task else None
        known = held.task if held else None
        rate = gatekeeping.rate_for(tx, row, what, known, self._world.prices)
        outcome = decide(known, what, row.now, policy, gatekeeping.house_for(tx, what, self._world.moments.facts, rate))
        if isinstance(outcome, Decision) and _changes(held, outcome):
            news = gatekeeping.news(tx, meant.task, outcome.incidents)
            outcome = commit.store(tx, held, outcome, row.now, policy) or outcome
            self._stir(outcome)
            for code in news if isinstance(outcome, Decision) else ():
                self._alert(tx, row, policy, code, meant.task)
        if gatekeeping.runs_short(tx, row.now, outcome):
            self._alert(tx, row, policy, gatekeeping.NO_ROOM, None)
        if isinstance(outcome, Refusal):
            inbox.finish(tx, row.n, "refused", str(outcome.code), meant.task)
            gatekeeping.audit(tx, row.now, what, str(outcome.code))
            if meant.asker:
                told = in_both(known) if known else {}
                facts = told | {"task": meant.task} | outcome.facts if meant.task else outcome.facts
                if meant.task and isinstance(facts.get("latest"), int):
                    facts = facts | {"latest": reads.entry_id(tx, meant.task, facts["latest"])}
                self._answer(tx, row, meant.asker, outcome.code, facts)
            return
        inbox.finish(tx, row.n, "done", "", outcome.task.id)
        gatekeeping.audit(tx, row.now, what, "done")
        for say in outcome.says:
            self._tell(tx, row, meant, say, outcome)

    def _alert(self, tx: Connection, row: Row, policy: Policy, code: str, task: str | None) -> None:
        """The operator hears of an incident at once, if he has named his key."""
        if policy.operator:
            who = Pubkey(policy.operator)
            self._answer(tx, row, _as_last(reads.person(tx, who), who), Told.INCIDENT, {"task": task, "what": code})

    def _stir(self, stored: Decision | Refusal) -> None:
        if isinstance(stored, Decision):
            wakes = self._world.wakes
            self._stirred |= dict.fromkeys((wakes.timers, wakes.events) if stored.log else (wakes.timers,))
            for effect in stored.effects:
                self._stirred[wakes.fetches if isinstance(effect, Fetch) else wakes.money] = None

    def _tell(self, tx: Connection, row: Row, meant: Meant, say: Say, done: Decision) -> None:
        facts = dict(say.facts)
        if "basis_seq" in facts:
            facts |= {"basis": reads.entry_id(tx, done.task.id, facts.pop("basis_seq")), "bot": self._world.bot}
        asker = meant.asker
        if asker and say.to == asker.by:
            self._answer(tx, row, asker, say.code, facts, say.ref)
            return
        self._answer(tx, row, _as_last(reads.person(tx, say.to), say.to), say.code, facts, say.ref)

    def _answer(
        self, tx: Connection, row: Row, to: Asker, code: Refused | Told, facts: Mapping[str, Any], ref: str = ""
    ) -> None:
        task = facts.get("task")
        text = render(code, facts, to.form, row.now.time)
        if to.channel == BY_HAND:
            self._spoken[row.key] = text
            return
        self._stirred[self._world.wakes.letters] = None
        outbox.write_letter(
            tx,
            source=row.key,
            task=task if isinstance(task, str) and len(task) == 13 else None,
            to=Pubkey(to.by),
            channel=to.channel,
            relay=to.relay,
            created_at=row.now.time,
            reply_to=to.reply_to,
            text=text,
            ref=ref,
        )

    def _policy(self, tx: Connection, name: str) -> Policy:
        if name not in self._policies:
            self._policies[name] = house.policy_by_id(tx, name)
        return self._policies[name]


def _changes(held: commit.Held | None, done: Decision) -> bool:
    return held is None or done.task != held.task or bool(done.log or done.effects or done.incidents)


def _remember(tx: Connection, asker: Asker, row: Row) -> None:
    if asker.channel != BY_HAND:
        people.remember(tx, asker.by, asker.channel, asker.form, asker.relay, row.now.time)


def _as_last(known: Any, who: Pubkey) -> Asker:
    """Somebody who did not ask is told over the channel on which he last spoke."""
    form: Form = "json" if known and known.form == "json" else "text"
    return Asker(who, known.channel if known else "nip17", form, known.relay if known else "", "", 0)


def _asker_of(row: Row) -> Asker | None:
    """Whom to answer, as far as the input tells before it is understood."""
    if row.sort == "dm":
        said = json.loads(row.body)
        return Asker(said["by"], said["channel"], form_of(said["text"]), said["relay"], said["id"], said["created_at"])
    if row.sort == "cli":
        return Asker(BY_HAND, BY_HAND, form_of(json.loads(row.body)["text"]), "", "", row.now.time)
    if row.sort == "event":
        said = json.loads(row.body)
        event = said["event"]
        form: Form = "json" if event["kind"] == 78 else "text"
        return Asker(event["pubkey"], said["channel"] or "nip17", form, said["relay"], event["id"], event["created_at"])
    return None


def _where(error: Exception) -> str:
    """The place of an error, without its text: that may hold what is private."""
    frames = traceback.extract_tb(error.__traceback__)
    return f"{frames[-1].filename.rsplit('/', 1)[-1]}:{frames[-1].lineno}" if frames else ""
