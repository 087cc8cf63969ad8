"""Answers as they are sent: secrets reach their owner, programs get facts and decisions ready to sign, nobody fakes a line."""

from __future__ import annotations

import json
from typing import Any

import pytest

from kinds import decision
from kinds.codes import Form, Refused, Told
from kinds.commands import Approve, Cancel, Reject
from kinds.events import Event
from kinds.message import render
from kinds.units import EventId, Pubkey
from tests.kinds.facts import ABOUT, BOT, EMPLOYER, ENTRY, INVOICE, NOW, PASSED, PREIMAGE, STATUS, TASK

Answer = dict[str, Any]


def answer(code: Refused | Told, facts: dict[str, Any]) -> Answer:
    read = json.loads(render(code, facts, "json", NOW))
    assert isinstance(read, dict)
    return read


def test_a_json_answer_says_whether_it_worked_and_what_the_facts_are() -> None:
    good = answer(Told.FUNDED, PASSED[Told.FUNDED][0])
    assert list(good)[:4] == ["v", "ok", "code", "text"]
    assert (good["v"], good["ok"], good["code"], good["amount_msat"]) == (1, True, "funded", 50_500_000)
    bad = answer(Refused.TAKEN, {"task": TASK})
    assert (bad["ok"], bad["code"], bad["task"]) == (False, "taken", TASK)


def test_facts_cannot_pretend_to_be_the_answer() -> None:
    forged = answer(Refused.TAKEN, {"task": TASK, "ok": True, "code": "funded", "text": "all is well", "v": 9})
    assert (forged["v"], forged["ok"], forged["code"]) == (1, False, "taken")
    assert "all is well" not in forged["text"]


@pytest.mark.parametrize("code", [Told.PAID_WORKER, Told.PAID_EMPLOYER, Told.CREDIT_PAID])
def test_a_preimage_reaches_its_owner(code: Told) -> None:
    facts = PASSED[code][0]
    assert PREIMAGE.reveal() in render(code, facts, "text", NOW)
    assert answer(code, facts)["preimage"] == PREIMAGE.reveal()


def test_an_invoice_is_shown_with_its_link() -> None:
    facts = PASSED[Told.INVOICE][0]
    text = render(Told.INVOICE, facts, "text", NOW)
    assert f"lightning:{INVOICE.reveal().upper()}\n" in text
    assert answer(Told.INVOICE, facts)["invoice"] == INVOICE.reveal()
    assert "▀" not in answer(Told.INVOICE, facts)["text"]


def test_help_about_no_command_is_a_refusal() -> None:
    assert answer(Told.HELP, {"topic": "cliam"})["code"] == "unknown_command"
    assert answer(Told.HELP, {"topic": "vote"})["code"] == "not_built"
    assert "submit ID URL SHA256 [NOTES]" in render(Told.HELP, {"topic": None}, "text", NOW)


def sign(code: Told, facts: dict[str, Any]) -> dict[str, Any]:
    return dict(answer(code, facts).get("sign", {}))


def signed(template: dict[str, Any]) -> Event:
    tags = tuple(tuple(tag) for tag in template["tags"])
    return Event(EventId("00" * 32), Pubkey(EMPLOYER), NOW, template["kind"], tags, template["content"], "00" * 64)


def test_the_event_to_sign_is_a_decision_that_we_understand() -> None:
    templates = sign(Told.PROOF_ARRIVED, PASSED[Told.PROOF_ARRIVED][0])
    assert set(templates) == {"approve", "reject"}
    event = signed(templates["approve"])
    assert decision.concerns(event, BOT)
    assert decision.parse(event) == decision.Decided(Approve(task=TASK), ENTRY)
    assert decision.parse(signed(templates["reject"])).command == Reject(task=TASK, reason="")


def test_only_what_can_be_done_is_offered_for_signing() -> None:
    grounds = {"bot": BOT, "basis": ENTRY}
    assert set(sign(Told.STATUS, STATUS | grounds)) == {"approve", "reject", "dispute"}
    assert set(sign(Told.STATUS, STATUS | grounds | {"state": "Funded", "may": ["cancel", "status"]})) == {"cancel"}
    assert sign(Told.STATUS, STATUS | grounds | {"may": ["payout", "submit", "history"]}) == {}


def test_a_share_is_offered_for_signing_only_when_somebody_has_named_it() -> None:
    offered = PASSED[Told.CANCEL_OFFERED][0] | {"bot": BOT, "basis": ENTRY}
    assert decision.parse(signed(sign(Told.CANCEL_OFFERED, offered)["cancel"])).command == Cancel(task=TASK, percent=30)
    assert "cancel" not in sign(Told.STATUS, STATUS | {"bot": BOT, "basis": ENTRY})


@pytest.mark.parametrize("spoiled", [{"bot": None}, {"basis": "x"}, {"task": None}])
def test_nothing_is_offered_for_signing_without_its_grounds(spoiled: dict[str, Any]) -> None:
    assert sign(Told.STATUS, STATUS | {"bot": BOT, "basis": ENTRY} | spoiled) == {}


@pytest.mark.parametrize("evil", ["x\n✅ Paid", "x\r✅ Paid", "x\u2028✅ Paid", "x\x0b✅ Paid", "x\u0085✅ Paid"])
@pytest.mark.parametrize(
    "code", [Told.STATUS, Told.CREATED, Told.INVOICE, Told.TASKS, Told.REJECTED, Told.PROOF_ARRIVED]
)
def test_nobody_fakes_a_line(code: Told, evil: str) -> None:
    facts = {**PASSED[code][0], "title": evil, "reason": evil, "notes": evil, "url": evil, "description": evil}
    if code is Told.TASKS:
        facts = {"tasks": [STATUS | {"title": evil, "task": evil}], "open": []}
    lines = render(code, facts, "text", NOW).splitlines()
    assert not any(each.strip().startswith("✅") for each in lines)


def test_lone_surrogates_do_not_stop_an_answer() -> None:
    forms: tuple[Form, Form] = ("text", "json")
    for form in forms:
        render(Refused.UNKNOWN_TERM, {"term": "\ud800", "near": ["\udfff"], "\ud800": 1}, form, NOW).encode()


def test_a_title_stands_above_what_is_said_about_its_task() -> None:
    assert render(Told.HOLD_LOST, ABOUT, "text", NOW).startswith(f"“Build a landing page” · {TASK}\n")
    assert "“" not in answer(Told.HOLD_LOST, ABOUT)["text"]


@pytest.mark.parametrize("form", ["text", "json"])
def test_the_longest_words_still_fit_into_a_message(form: Form) -> None:
    """NIP-44 carries at most 65,535 bytes."""
    long = "🎉" * 4000
    for code, cases in PASSED.items():
        facts = {
            name: long if name in ("notes", "reason", "description", "feedback") else value
            for name, value in cases[0].items()
        }
        assert len(render(code, facts, form, NOW).encode()) < 65_536, code


def test_what_somebody_wrote_at_length_is_not_cut_off() -> None:
    written = "a long reason " * 200 + "END"
    assert "END" in render(Told.REJECTED, ABOUT | {"reason": written, "until": 0}, "text", NOW)
