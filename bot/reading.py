"""What an input means: which task, who says it, how well it is proven. Parsing is `kinds`' business; finding is storage's."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection

from bot.floods import Floods, Verdict
from bot.limits import Limits
from handlers.guards import is_operator
from handlers.policy import Policy
from kinds import decision, proof, task
from kinds.codes import BadWord, Form, Refused, Told
from kinds.commands import (
    OPERATOR,
    Balance,
    Command,
    Fund,
    Help,
    History,
    Holds,
    Incidents,
    Options,
    Payout,
    Post,
    Receipt,
    Statement,
    Status,
    Tasks,
    TermsAsked,
    Withdraw,
)
from kinds.commands.base import TaskCommand
from kinds.events import PROOF, RECORD, TASK, Event
from kinds.grammar import read_message
from kinds.inputs import (
    BY_HAND,
    AccountDue,
    Evidence,
    Now,
    OfAccount,
    Offered,
    Proven,
    RemitSeen,
    RemitWanted,
    Said,
    What,
)
from kinds.post import offer_of
from kinds.units import EventId, Pubkey, TaskId, task_id
from storage import commit, inbox, people, reads
from storage.codec import read_fact
from storage.inbox import Row

ABOUT_TASK = (Status, History, Options, Receipt)
"""Questions about one task."""
_BACK = 48 * 3600
_AHEAD = 600
MAX_EMBEDDED = 24_000  # letters of a signed event: the log embeds it, and relays refuse events above 64 KiB


@dataclass(frozen=True, slots=True)
class Asker:
    """Whom to answer, over which channel, in which form."""

    by: Pubkey
    channel: str  # nip17, nip04; cli: beside the daemon
    form: Form
    relay: str
    reply_to: str
    created_at: int


@dataclass(frozen=True, slots=True)
class Question:
    code: Told
    topic: str = ""


@dataclass(frozen=True, slots=True)
class Meant:
    task: TaskId | None
    what: What | OfAccount | Question
    asker: Asker | None
    account: Pubkey | None = None  # whose it is about


def interpret(tx: Connection, row: Row, policy: Policy, limits: Limits, floods: Floods) -> Meant | None:
    """None: nothing that concerns us. Raises BadWord for what deserves an answer but no decision."""
    if row.sort == "event":
        return _event(tx, row, policy, limits, floods)
    if row.sort == "dm":
        return _letter(tx, row, policy, limits, floods)
    if row.sort == "cli":
        return _by_hand(tx, row)
    fact = read_fact(row.sort, row.body)
    if isinstance(fact, RemitWanted | RemitSeen | AccountDue):
        return Meant(None, fact, None, fact.owner)
    return Meant(TaskId(row.task or ""), fact, None)


def _admit(
    tx: Connection, who: str, event: Event | None, now: Now, limits: Limits, floods: Floods, known: bool = False
) -> bool:
    """False: drop it in silence. Raises BadWord when the person is told why. `event`: what the relay delivered, whose id shows
    the work; being told that it is missing counts as talk, so that nobody is answered without end. `known`: no stranger, though
    he is in no task."""
    verdict = floods.take(who, now.time)
    if verdict is Verdict.TOLD:
        raise BadWord(Refused.RATE_LIMITED, what="messages", wait=60)
    if verdict is Verdict.SILENT:
        return False
    work = event.work if event and limits.stranger_bits else 0
    if work < limits.stranger_bits and not known and people.is_stranger(tx, who):
        raise BadWord(Refused.NEEDS_WORK, bits=limits.stranger_bits)
    return True


def _need_fresh(created_at: int, now: Now) -> None:
    if created_at > now.time + _AHEAD:
        raise BadWord(Refused.BAD_CREATED_AT, problem="future")
    if created_at < now.heard - _BACK:  # deaf time does not age what was said
        raise BadWord(Refused.BAD_CREATED_AT, problem="ancient")


def _event(tx: Connection, row: Row, policy: Policy, limits: Limits, floods: Floods) -> Meant | None:
    said = json.loads(row.body)
    event = Event.parse(said["event"])
    if not _admit(tx, event.pubkey, event, row.now, limits, floods):
        raise BadWord(
            Refused.RATE_LIMITED, what="events", wait=60
        )  # a signed event is consumed: it is never dropped in silence
    if len(row.body) > MAX_EMBEDDED:
        raise BadWord(Refused.TOO_LONG, limit=MAX_EMBEDDED)
    channel, form = _usual(tx, event.pubkey)
    if event.kind == RECORD:
        form = "json"
    asker = Asker(event.pubkey, said["channel"] or channel, form, said["relay"], event.id, event.created_at)
    if event.created_at > row.now.time + _AHEAD:
        raise BadWord(Refused.BAD_CREATED_AT, problem="future")
    if event.kind == TASK:
        return _offered(tx, event, said["event"], asker)
    _need_fresh(event.created_at, row.now)
    if event.kind == PROOF:
        return _proof(tx, event, said["event"], asker, said.get("key"))
    return _decision(tx, event, said["event"], asker, row.now, limits)


def _usual(tx: Connection, who: str) -> tuple[str, Form]:
    """A public event is answered over the channel, and in the form, in which its author last wrote to us."""
    known = reads.person(tx, who)
    return (known.channel if known else "nip17"), "json" if known and known.form == "json" else "text"


def _offered(tx: Connection, event: Event, raw: dict[str, Any], asker: Asker) -> Meant:
    known = reads.task_by_address(tx, task.address(event))
    if known:
        raise BadWord(Refused.ADDRESS_TAKEN, task=known)
    offered = Offered(
        event.pubkey,
        task.parse(event),
        event.id,
        task.address(event),
        Evidence(Proven.SIGNED, raw, None, event.created_at),
    )
    return Meant(task_id(event.id) if reads.find_task(tx, task_id(event.id), None) else None, offered, asker)


def _proof(tx: Connection, event: Event, raw: dict[str, Any], asker: Asker, key: str | None) -> Meant:
    pinned = event.tag("e") or ""
    found = reads.task_by_pinned(tx, pinned)
    if found is None or reads.task_by_address(tx, event.tag("a") or "") != found:
        raise BadWord(Refused.UNKNOWN_TASK, id=pinned[:16])
    command = proof.parse(event, found, key)
    basis = reads.head(tx, found)  # a proof names the task; it rests on how that stands
    evidence = Evidence(Proven.SIGNED, raw, basis, event.created_at)
    return Meant(found, Said(event.pubkey, command, evidence), asker)


def _decision(tx: Connection, event: Event, raw: dict[str, Any], asker: Asker, now: Now, limits: Limits) -> Meant:
    decided = decision.parse(event)
    if isinstance(decided.command, OPERATOR):
        raise BadWord(Refused.NOT_OPERATOR, action=decided.command.action)  # his word is a message, never public
    named = event.tag("d") or ""
    found = _find(tx, named, named, asker)
    if isinstance(decided.command, ABOUT_TASK):
        return _question(found, decided.command, asker)
    _need_quota(tx, event.pubkey, found, decided.command, now, limits)
    basis = reads.basis(tx, found, decided.basis) if decided.basis else None
    evidence = Evidence(Proven.SIGNED, raw, basis, event.created_at)
    return Meant(found, Said(event.pubkey, decided.command, evidence), asker)


def _letter(tx: Connection, row: Row, policy: Policy, limits: Limits, floods: Floods) -> Meant | None:
    said = json.loads(row.body)
    outer = inbox.heard_event(tx, said["outer"]) if limits.stranger_bits else None
    operator = is_operator(said["by"], policy)
    if not _admit(tx, said["by"], outer, row.now, limits, floods, known=operator):
        return None
    _need_fresh(said["created_at"], row.now)
    spoken = read_message(said["text"])
    asker = Asker(Pubkey(said["by"]), said["channel"], spoken.form, said["relay"], said["id"], said["created_at"])
    command, evidence = spoken.command, Evidence(Proven.ATTESTED, created_at=said["created_at"])
    if isinstance(command, OPERATOR):
        if not operator:
            raise BadWord(Refused.NOT_OPERATOR, action=command.action)
        return _operated(tx, command, asker, evidence)
    if isinstance(command, Post):
        pinned = EventId(said["id"])
        if known_task := reads.task_by_pinned(tx, pinned):  # heard again by a memory that was restored
            raise BadWord(Refused.ADDRESS_TAKEN, task=known_task)
        return Meant(None, Offered(Pubkey(said["by"]), offer_of(command, row.now.time), pinned, "", evidence), asker)
    if isinstance(command, Withdraw):
        return Meant(None, Said(asker.by, command, evidence), asker, asker.by)
    if not isinstance(command, TaskCommand):
        return _question(None, command, asker)
    found = _find(tx, command.letters, command.task, asker)
    if isinstance(command, Payout) and _is_credited(tx, found, asker.by):
        return Meant(None, Said(asker.by, Withdraw(destination=command.destination), evidence), asker, asker.by)
    if isinstance(command, ABOUT_TASK):
        return _question(found, command, asker)
    _need_quota(tx, said["by"], found, command, row.now, limits)
    return Meant(found, Said(Pubkey(said["by"]), command, evidence), asker)


def _is_credited(tx: Connection, task: TaskId, who: Pubkey) -> bool:
    """Has this task ended and put something to his account? Then a destination for it is one of the account."""
    held = commit.load(tx, task)
    return held is not None and held.task.state is not None and held.task.state.is_final and bool(held.task.credit(who))


def _by_hand(tx: Connection, row: Row) -> Meant:
    """Said at the machine itself, through the door in the data directory."""
    spoken = read_message(json.loads(row.body)["text"])
    asker = Asker(BY_HAND, BY_HAND, spoken.form, "", "", row.now.time)
    if not isinstance(spoken.command, OPERATOR):
        raise BadWord(
            Refused.BAD_USAGE,
            action=spoken.command.action,
            usage=f"holdfast client {spoken.command.action}",
            problem="this door is the operator's; what people say comes over the relays",
        )
    return _operated(tx, spoken.command, asker, Evidence(Proven.ATTESTED, created_at=row.now.time))


def _operated(tx: Connection, command: Command, asker: Asker, evidence: Evidence) -> Meant:
    """The operator may name any task by the beginning of its id."""
    if isinstance(command, Holds):
        return Meant(None, Question(Told.HOLDS), asker)
    if isinstance(command, Incidents):
        return Meant(None, Question(Told.INCIDENTS), asker)
    found = (
        _find(tx, command.letters, command.task, asker, among_all=True) if isinstance(command, TaskCommand) else None
    )
    return Meant(found, Said(asker.by, command, evidence), asker)


def _need_quota(tx: Connection, who: str, found: TaskId, command: Command, now: Now, limits: Limits) -> None:
    """Invoices cost the node something: so many a day for one person, over all tasks. The one that is open costs nothing."""
    if not isinstance(command, Fund):
        return
    asked = reads.invoices_since(tx, who, now.time - 86400)
    if len(asked) >= limits.invoices_a_day:
        held = commit.load(tx, found)
        if held and held.task.quote:
            return
        raise BadWord(Refused.RATE_LIMITED, what="invoices", wait=asked[-limits.invoices_a_day] + 86400 - now.time)


def _find(tx: Connection, letters: str, written: str, asker: Asker, among_all: bool = False) -> TaskId:
    found = reads.find_task(tx, letters, None if among_all else asker.by)
    if not found:
        raise BadWord(Refused.UNKNOWN_TASK, id=written)
    if len(found) > 1:
        raise BadWord(Refused.AMBIGUOUS_TASK, id=written, tasks=found)
    return found[0]


def _question(found: TaskId | None, command: Command, asker: Asker) -> Meant:
    match command:
        case Status():
            return Meant(found, Question(Told.STATUS), asker)
        case Options():
            return Meant(found, Question(Told.OPTIONS), asker)
        case History():
            return Meant(found, Question(Told.HISTORY), asker)
        case Receipt():
            return Meant(found, Question(Told.RECEIPT), asker)
        case Tasks():
            return Meant(None, Question(Told.TASKS), asker)
        case Balance():
            return Meant(None, Question(Told.BALANCE), asker)
        case Statement():
            return Meant(None, Question(Told.STATEMENT), asker)
        case TermsAsked():
            return Meant(None, Question(Told.TERMS), asker)
        case Help(topic=topic):
            return Meant(None, Question(Told.HELP, topic), asker)
    raise BadWord(Refused.UNKNOWN_COMMAND, word=command.action, near=[])
