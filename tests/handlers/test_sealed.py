"""Sealed work, by the rules alone: when a key is taken, and to whom it is given."""

from __future__ import annotations

import dataclasses

import pytest

from handlers import answers
from handlers.check import check
from kinds.codes import Refused, Told
from kinds.lightning import HoldStatus, PaymentStatus
from kinds.states import LogType, TaskState
from kinds.units import Secret, hash_of
from tests.handlers import builders
from tests.handlers.life import EMPLOYER, STRANGER, WORKER, Life

KEY = Secret("5e" * 32)


def claimed(**given: object) -> Life:
    return builders.claimed(True, sealed="accepted", **given)


def delivered(**given: object) -> Life:
    life = claimed(**given)
    life.say(WORKER, life.command("submit", key=KEY.reveal()))
    return life


def pay(life: Life) -> Life:
    life.approve()
    life.leave()
    life.pay(PaymentStatus.COMPLETE)
    life.see(HoldStatus.SETTLED)
    return life


def keys(life: Life) -> list[str]:
    return [str(say.to) for say in life.says for fact in say.facts.values() if fact == KEY]


@pytest.mark.parametrize("named", [False, True])
@pytest.mark.parametrize("signed", [False, True])
def test_the_log_shows_the_hash_of_the_key(named: bool, signed: bool) -> None:
    life = claimed()
    fields = {"key": KEY.reveal(), **({"key_hash": hash_of(KEY)} if named else {})}
    life.say(WORKER, life.command("submit", **fields), signed=signed)
    facts = life.last(LogType.PROOF_SUBMITTED).facts
    assert facts["key_hash"] == hash_of(KEY)
    assert KEY not in facts.values()
    assert keys(life) == []
    [told] = life.told(Told.PROOF_ARRIVED, EMPLOYER)
    assert told.facts["key_hash"] == hash_of(KEY)


@pytest.mark.parametrize(
    ("fields", "code"),
    [
        ({"key": KEY.reveal(), "key_hash": "ab" * 32}, Refused.BAD_KEY),
        ({"key_hash": hash_of(KEY)}, Refused.BAD_KEY),
    ],
)
def test_without_the_right_key_nothing_is_delivered(fields: dict[str, str], code: Refused) -> None:
    life = claimed()
    assert life.refuses(life.said(WORKER, life.command("submit", **fields))) is code


def test_by_default_no_task_takes_it() -> None:
    life = builders.claimed(True)
    assert "sealed" not in life.last(LogType.TASK_CREATED).facts
    for fields in ({"key": KEY.reveal()}, {"key_hash": hash_of(KEY)}):
        assert life.refuses(life.said(WORKER, life.command("submit", **fields))) is Refused.SEALED_REFUSED


def test_an_open_file_is_as_good_as_ever() -> None:
    life = claimed()
    life.submit()
    assert "key_hash" not in life.last(LogType.PROOF_SUBMITTED).facts
    pay(life)
    assert not life.told(Told.KEY)
    assert not life.told(Told.KEY_LOST)


def test_it_is_given_to_the_employer_at_paid_and_shown_to_him_from_then_on() -> None:
    life = delivered()
    life.approve()
    assert keys(life) == []
    assert _shown(life) == {EMPLOYER: None, WORKER: None, STRANGER: None}
    life.leave()
    life.pay(PaymentStatus.COMPLETE)
    assert keys(life) == [], "the worker is paid, the hold is not settled yet"
    life.see(HoldStatus.SETTLED)
    assert life.task.state is TaskState.PAID
    assert keys(life) == [EMPLOYER]
    assert _shown(life) == {EMPLOYER: KEY, WORKER: None, STRANGER: None}


def _shown(life: Life) -> dict[str, object]:
    return {who: answers.status(life.task, who, life.now)["proof"]["key"] for who in (EMPLOYER, WORKER, STRANGER)}


def test_a_key_that_a_restored_memory_lost_is_missed_aloud() -> None:
    life = delivered()
    proof = life.task.current.proof
    assert proof is not None
    life.remembered = life.task.with_milestone(proof=dataclasses.replace(proof, key=Secret("")))
    pay(life)
    assert {say.to for say in life.told(Told.KEY_LOST)} == {EMPLOYER, WORKER}
    assert [found.code for found in life.incidents] == ["key_lost"]
    check(life.task)


def test_a_worker_who_gives_it_back_takes_his_key_with_him() -> None:
    life = delivered()
    life.say(WORKER, life.command("abandon"))
    assert life.task.current.proof is None
    assert KEY not in repr(life.task)


def test_nothing_shows_it_as_text() -> None:
    life = delivered()
    command = life.command("submit", key=KEY.reveal())
    for value in (life.task, life.task.current, command, life.says):
        assert KEY.reveal() not in f"{value!r}{value}"
