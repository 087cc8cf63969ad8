"""What people publish: task offers, proofs and signed decisions, read or refused with a code that says what is wrong."""

from __future__ import annotations

import json
from typing import Any

import pytest

from kinds import decision, proof, task
from kinds.codes import BadWord, Refused
from kinds.commands import Approve, Cancel, Submit
from kinds.events import Event, Tag
from kinds.units import EventId, Pubkey, task_id

BOT, EMPLOYER = Pubkey("cc" * 32), Pubkey("aa" * 32)
PINNED, ENTRY = EventId("ab" * 32), EventId("dd" * 32)
TASK = task_id(PINNED)
SHA = "ef" * 32


def event(kind: int, tags: list[Tag], content: str = "") -> Event:
    return Event(EventId("00" * 32), EMPLOYER, 1_764_000_000, kind, tuple(tags), content, "00" * 64)


def changed(tags: list[Tag], name: str, *values: str) -> list[Tag]:
    """The tags with that one replaced; without values, removed."""
    return [tag for tag in tags if tag[0] != name] + ([(name, *values)] if values else [])


def code_of(call: Any, *words: Any) -> Refused:
    with pytest.raises(BadWord) as caught:
        call(*words)
    return caught.value.code


# --- task ---

OFFER: list[Tag] = [
    ("d", "my-task"), ("p", BOT), ("t", "holdfast-task"), ("title", "A page"), ("amount", "50000"), ("deadline", "1764500000"),
]  # fmt: skip


def test_a_task_event_is_an_offer() -> None:
    said = event(30078, OFFER, '{"on_reject":"revise","review_window":3600}')
    assert task.concerns(said, BOT)
    assert task.address(said) == f"30078:{EMPLOYER}:my-task"
    made = task.parse(said)
    assert (made.title, made.reward, made.deadline) == ("A page", 50_000_000, 1_764_500_000)
    assert (made.terms.on_reject, made.terms.review_window) == ("revise", 3600)
    assert task.parse(event(30078, OFFER, "  ")).terms == task.TermsWords()


@pytest.mark.parametrize(
    ("kind", "tags"), [(30079, OFFER), (30078, changed(OFFER, "t", "other")), (30078, changed(OFFER, "p", "ee" * 32))]
)
def test_foreign_uses_of_the_kind_are_not_tasks(kind: int, tags: list[Tag]) -> None:
    assert not task.concerns(event(kind, tags), BOT)


@pytest.mark.parametrize(
    ("name", "value", "code"),
    [
        ("d", "", Refused.BAD_TAG),
        ("d", "a:b", Refused.BAD_TAG),
        ("d", "x" * 201, Refused.BAD_TAG),
        *(
            ("amount", bad, Refused.BAD_AMOUNT)
            for bad in ("", "0", "-5", "1.5", "50k", "٥٠", "1e5", "9" * 17, "9" * 16, "x")
        ),
        *(("deadline", bad, Refused.BAD_DEADLINE) for bad in ("", "0", "-5", "soon", "9" * 16)),
        *(("currency", bad, Refused.BAD_AMOUNT) for bad in ("", "XXX", "US", "USDT", "ＵＳＤ", "€", "x" * 5000)),
        ("title", "", Refused.BAD_FIELD),
        ("title", "x" * 201, Refused.BAD_FIELD),
    ],
)
def test_bad_task_tags_are_refused(name: str, value: str, code: Refused) -> None:
    assert code_of(task.parse, event(30078, changed(OFFER, name, value))) is code


@pytest.mark.parametrize("name", ["d", "amount", "deadline", "title"])
def test_missing_task_tags_are_refused(name: str) -> None:
    code_of(task.parse, event(30078, changed(OFFER, name)))


@pytest.mark.parametrize(
    ("content", "code"),
    [
        ("hello", Refused.BAD_JSON),
        ("[]", Refused.BAD_JSON),
        ("null", Refused.BAD_JSON),
        ("[" * 50_000, Refused.BAD_JSON),
        ('{"order":"fund_first","order":"hire_first"}', Refused.BAD_JSON),
        ('{"colour":"red"}', Refused.UNKNOWN_TERM),
        ('{"\\ud800":1}', Refused.UNKNOWN_TERM),
        ('{"order":"later"}', Refused.BAD_FIELD),
        ('{"max_rejects":"3"}', Refused.BAD_FIELD),
        ('{"max_rejects":true}', Refused.BAD_FIELD),
        ('{"review_window":59}', Refused.BAD_FIELD),
        ('{"deposit_percent":101}', Refused.BAD_FIELD),
        (json.dumps({"description": "x" * 4001}), Refused.BAD_FIELD),
    ],
)
def test_bad_terms_are_refused(content: str, code: Refused) -> None:
    assert code_of(task.parse, event(30078, OFFER, content)) in (code, Refused.BAD_FIELD)


# --- proof ---

PROVEN: list[Tag] = [
    ("d", "proof"), ("a", f"30078:{EMPLOYER}:my-task"), ("e", PINNED), ("p", BOT), ("p", EMPLOYER),
    ("url", "https://example.org/x.zip"), ("x", SHA), ("m", "application/zip"),
]  # fmt: skip


def test_a_proof_event_is_a_submit() -> None:
    said = event(30079, PROVEN, "see the readme")
    assert proof.concerns(said, BOT)
    wanted = Submit(
        task=TASK, url="https://example.org/x.zip", sha256=SHA, mime="application/zip", notes="see the readme"
    )
    assert proof.parse(said, TASK) == wanted


@pytest.mark.parametrize(
    ("name", "values"), [("e", ()), ("e", ("x",)), ("a", ()), ("a", ("30023:x:y",)), ("p", ("ee" * 32,))]
)
def test_foreign_uses_are_not_proofs(name: str, values: tuple[str, ...]) -> None:
    assert not proof.concerns(event(30079, changed(PROVEN, name, *values)), BOT)


@pytest.mark.parametrize(
    ("name", "values", "code"),
    [
        ("url", (), Refused.BAD_URL),
        ("url", ("",), Refused.BAD_URL),
        ("url", ("javascript:alert(1)",), Refused.BAD_URL),
        ("url", ("file:///etc/passwd",), Refused.BAD_URL),
        ("url", ("https://x y",), Refused.BAD_URL),
        ("url", ("https://" + "x" * 2000,), Refused.BAD_URL),
        ("x", (), Refused.BAD_HASH),
        ("x", (SHA[1:],), Refused.BAD_HASH),
        ("x", ("z" * 64,), Refused.BAD_HASH),
        ("m", ("zip",), Refused.BAD_FIELD),
    ],
)
def test_bad_proofs_are_refused(name: str, values: tuple[str, ...], code: Refused) -> None:
    assert code_of(proof.parse, event(30079, changed(PROVEN, name, *values)), TASK) is code


def test_too_long_notes_are_refused() -> None:
    assert code_of(proof.parse, event(30079, PROVEN, "x" * 4001), TASK) is Refused.BAD_FIELD


# --- decision ---

SAID = json.dumps({"v": 1, "action": "approve", "task": TASK})
DECIDED: list[Tag] = [("d", TASK), ("t", "holdfast-decision"), ("p", BOT), ("e", ENTRY, "", "basis")]


def test_a_decision_rests_on_its_basis() -> None:
    said = event(78, DECIDED, SAID)
    assert decision.concerns(said, BOT)
    assert decision.parse(said) == decision.Decided(Approve(task=TASK), ENTRY)
    other: Tag = ("e", "11" * 32, "", "mention")
    assert decision.parse(event(78, [other, *DECIDED], SAID)).basis == ENTRY
    assert decision.parse(event(78, changed(DECIDED, "e", ENTRY), SAID)).basis == ENTRY
    assert decision.parse(event(78, changed(DECIDED, "e"), SAID)).basis is None


def test_a_decision_may_carry_fields() -> None:
    said = json.dumps({"v": 1, "action": "cancel", "task": TASK, "percent": 30})
    assert decision.parse(event(78, DECIDED, said)).command == Cancel(task=TASK, percent=30)


@pytest.mark.parametrize(
    ("tags", "content", "code"),
    [
        ([*DECIDED, ("expiration", "1764500000")], SAID, Refused.BAD_TAG),
        (changed(DECIDED, "d"), SAID, Refused.BAD_TAG),
        (changed(DECIDED, "d", "another"), SAID, Refused.BAD_TAG),
        (changed(DECIDED, "e", "x", "", "basis"), SAID, Refused.BAD_TAG),
        (DECIDED, "approve it", Refused.BAD_JSON),
        (DECIDED, '{"v":1,"action":"tasks"}', Refused.BAD_USAGE),
        (DECIDED, '{"v":1,"action":"vote"}', Refused.NOT_BUILT),
        (DECIDED, "", Refused.BAD_JSON),
        (DECIDED, "{" * 60_000, Refused.BAD_JSON),
    ],
)
def test_bad_decisions_are_refused(tags: list[Tag], content: str, code: Refused) -> None:
    assert code_of(decision.parse, event(78, tags, content)) is code
