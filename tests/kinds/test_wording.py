"""Every code has a sentence, and no sentence shows its seams, whatever facts come with it."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest

from kinds.codes import Form, Refused, Told
from kinds.legible import one_line
from kinds.message import render
from kinds.wording.en import SENTENCES
from kinds.wording.template import fill, line
from kinds.wording.words import LABELS, TERMS
from tests.kinds.facts import NOW, PASSED

CODES: list[Refused | Told] = [*Refused, *Told]
CASES = [(code, facts) for code in CODES for facts in PASSED[code]]


def said(code: Refused | Told, facts: dict[str, Any], form: Form) -> str:
    text = render(code, facts, form, NOW)
    return str(json.loads(text)["text"]) if form == "json" else text


def test_no_code_without_a_sentence() -> None:
    assert set(SENTENCES) == set(CODES)
    assert set(PASSED) == set(CODES)


@pytest.mark.parametrize("template", [*SENTENCES.values(), *LABELS.values(), *TERMS])
def test_templates_are_well_formed(template: str) -> None:
    flat = re.sub(r"\[[^\[\]]*\]", "", template)
    assert "[" not in flat
    assert "]" not in flat
    assert (
        re.sub(
            r"\{\w+(:(sats|when|date|span|who|npub|or|list|few|price|rate|word|ahead|percent|says|lines|exact|cap|problem|short|badge|hours))?\}",
            "",
            template,
        ).count("{")
        == 0
    )


@pytest.mark.parametrize("form", ["text", "json"])
@pytest.mark.parametrize(("code", "facts"), CASES, ids=lambda value: str(value)[:24] if isinstance(value, str) else "")
def test_sentences_with_real_facts_show_no_seams(code: Refused | Told, facts: dict[str, Any], form: Form) -> None:
    text = said(code, facts, form)
    text.encode()
    for seam in (
        "{",
        "}",
        "None",
        "***",
        "?]",
        "[word",
        " ,",
        " .",
        "..",
        "?.",
        " ? ",
        ": ?",
        "\n\n",
        "True",
        "False",
        "_msat",
    ):
        assert seam not in text.replace("...", ""), text
    sentences = [row for row in text.split("\n") if not row.startswith((" ", "•"))] if "▀" not in text else []
    assert not any(re.search(r"[a-z]{2}[.:;!?][A-Z]", row) for row in sentences), text
    assert not any("  " in row for row in sentences), text


@pytest.mark.parametrize("form", ["text", "json"])
@pytest.mark.parametrize("code", CODES)
def test_no_missing_or_odd_fact_stops_a_message(code: Refused | Told, form: Form) -> None:
    names = {name for facts in PASSED[code] for name in facts}
    odd: list[Any] = [None, "", 0, -1, 10**30, True, 1.5, "x", [], ["x"], {}, {"x": None}, object()]
    assert said(code, {}, form)
    for name in names:
        for value in odd:
            assert said(code, {**PASSED[code][0], name: value}, form)


def test_what_to_do_next_is_said_with_the_tasks_id() -> None:
    assert "fund nentqaxbnentv" in said(Told.CREATED, PASSED[Told.CREATED][0], "text")
    assert "approve nentqaxbnentv or reject nentqaxbnentv REASON" in said(
        Told.PROOF_ARRIVED, PASSED[Told.PROOF_ARRIVED][0], "text"
    )
    assert "Did you mean claim or cancel?" in said(Refused.UNKNOWN_COMMAND, PASSED[Refused.UNKNOWN_COMMAND][0], "text")


def test_parts_stand_and_fall_with_their_facts() -> None:
    template = "a[ {x}][y? b][!y? c][z=1? d][z!=1? e]"
    assert fill(template, {}, NOW) == "a c e"
    assert fill(template, {"x": "X.", "y": 1, "z": 1}, NOW) == "a X. b d"
    assert fill("{x}.", {"x": "end."}, NOW) == "end."
    assert line("{x} [{y}]", {"y": 1}, NOW) == ""


def test_a_fact_cannot_bring_its_own_template() -> None:
    assert fill("[{x}]", {"x": "[{y}] {y:sats}", "y": "secret"}, NOW) == "[{y}] {y:sats}"


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("a\nb\r\nc\u2028d\u0085e\x00f\x1b[31mg", "a b c d e f [31mg"),
        ("  a   b  ", "a b"),
        ("in\u200bvis\u2060ib\ufeffle", "invisible"),
        ("\u202eevil\u202c \u2066x\u2069", "evil x"),
        ("\ud800x", "x"),
        ("👩‍👩‍👧", "👩‍👩‍👧"),
        ("שלום", "\u2068שלום\u2069"),
        ("", ""),
        ("x" * 500, "x" * 299 + "…"),
    ],
)
def test_other_peoples_words_stay_on_their_line(text: str, shown: str) -> None:
    assert one_line(text) == shown


def test_nothing_untrue_is_said_about_money() -> None:
    """An end says where the money is only as far as its facts prove it."""
    cancelled, _, credited = (said(Told.REFUNDED, facts, "text") for facts in PASSED[Told.REFUNDED])
    assert "back" not in cancelled
    assert "it stands in the employer's account: withdraw INVOICE" in credited
    never_funded = {"task": "nentqaxbnentv", "state": "Refunded", "action": "fund", "may": ["history"]}
    for code in (Refused.WRONG_STATE, Told.STATUS):
        ended = said(code, never_funded | {"title": "T"}, "json")
        assert "no money is held" in ended
        assert "back" not in ended
    used, lost, _ = (said(Told.PAID_EMPLOYER, facts, "text") for facts in PASSED[Told.PAID_EMPLOYER])
    assert "Your held 50,500 sats were used" in used
    assert "used" not in lost


def test_a_service_fee_is_named_before_anything_is_signed_and_only_where_there_is_one() -> None:
    for code in (Told.CREATED, Told.INVOICE):
        free, costs = (said(code, PASSED[code][n], "text") for n in (0, 1))
        assert "service fee" not in free
        assert "1,000 sats service fee" in costs
        assert "49,500 sats for the worker" in costs
    free, costs = (said(Told.CLAIMED, PASSED[Told.CLAIMED][n], "text") for n in (0, 2))
    assert "fee" not in free
    assert "less 500 sats of service fee: you get 49,500 sats" in costs
    assert "invoice over exactly 49,500 sats" in costs
    terms = [said(Told.TERMS, facts, "text") for facts in PASSED[Told.TERMS]]
    assert "Service fee: none.\n" in terms[0]
    assert "Service fee: 0.25 % of the reward. The employer pays it on top of the reward." in terms[1]
    assert "1.25 % of the reward, 50 sats for each task, at least 100 sats. Employer and worker bear half" in terms[2]
    assert "10 % of it are kept in an insurance account." in terms[2]
