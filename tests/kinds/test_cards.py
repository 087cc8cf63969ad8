"""Cards are complete, survive missing facts, and carry QR codes that are exactly those that segno made."""

from __future__ import annotations

import pytest
import segno

from kinds.cards import history_card, invoice_card, status_card, tasks_card, terms_card
from kinds.codes import Told
from kinds.lines import bar
from kinds.qr import MASK, QUIET, qr
from tests.kinds.facts import INVOICE, NOW, PASSED, STATUS, TASK, TERMS

LINK = f"lightning:{INVOICE.reveal()}".upper()


def modules(picture: str, on_dark: bool) -> list[list[bool]]:
    """The dark modules of a picture, read back from its characters, without the quiet zone."""
    rows: list[list[bool]] = []
    for text in picture.split("\n"):
        rows.append([(letter in "▀█") != on_dark for letter in text])
        rows.append([(letter in "▄█") != on_dark for letter in text])
    size = len(rows[0]) - 2 * QUIET
    zone = [row for at, row in enumerate(rows) if not QUIET <= at < QUIET + size]
    zone += [row[:QUIET] + row[QUIET + size :] for row in rows]
    assert not any(any(row) for row in zone), "the quiet zone is light"
    return [row[QUIET : QUIET + size] for row in rows[QUIET : QUIET + size]]


@pytest.mark.parametrize("on_dark", [False, True])
@pytest.mark.parametrize("text", [LINK, "HELLO", "lightning:lower case too"])
def test_the_picture_is_the_code(text: str, on_dark: bool) -> None:
    picture = qr(text, on_dark)
    code = segno.make(text, error="L", boost_error=False, micro=False, mask=MASK)
    assert modules(picture, on_dark) == [[bool(module) for module in row] for row in code.matrix]
    assert {len(row) for row in picture.split("\n")} == {code.symbol_size(border=QUIET)[0]}


def test_light_and_dark_are_negatives() -> None:
    negative = str.maketrans(" ▀▄█", "█▄▀ ")
    assert qr("HELLO").translate(negative) == qr("HELLO", on_dark=True)


def test_upper_case_makes_the_code_small() -> None:
    assert len(qr(LINK).split("\n")[0]) < len(qr(LINK.lower()).split("\n")[0])


@pytest.mark.parametrize("length", [2000, 3000, 10_000])
def test_what_no_phone_could_read_is_left_out(length: int) -> None:
    assert qr("é" * length) == ""


def test_the_invoice_card_ends_with_its_code() -> None:
    facts = PASSED[Told.INVOICE][0] | {"invoice": INVOICE.reveal()}
    card = invoice_card(facts, NOW)
    assert card.endswith(qr(LINK))
    assert f"\nlightning:{INVOICE.reveal().upper()}\n" in card
    for words in ("50,500 sats", "50,000 sats for the worker", "500 sats for sending", "1 h left"):
        assert words in card
    assert invoice_card(facts, NOW, on_dark=True).endswith(qr(LINK, on_dark=True))


def test_the_status_card_says_where_it_stands_and_what_to_do() -> None:
    card = status_card(STATUS, NOW)
    assert card.split("\n")[:6] == [
        f"“Build a landing page” · {TASK}",
        "🟠 Claimed: the work is under review",
        "▓▓▓▓░░ 4/6",
        "Asked for: One page",
        "50,000 sats + up to 500 sats for sending them",
        "⏳ The review ends 2025-11-24 21:00 UTC (5 h left)",
    ]
    assert f"• approve {TASK} [FEEDBACK]\n• reject {TASK} REASON" in card
    assert "Deadline: 2025-11-26 16:00 UTC (2 d left)" in card


def test_a_finished_task_counts_nothing_down() -> None:
    card = status_card(STATUS | {"state": "Paid", "until": None, "step": 6, "may": ["history"]}, NOW)
    assert "left" not in card
    assert "What you can do now" not in card


@pytest.mark.parametrize(
    ("step", "steps", "shown"), [(3, 4, "▓▓▓░ 3/4"), (0, 2, "░░ 0/2"), (9, 2, "▓▓ 2/2"), (-1, 2, "░░ 0/2")]
)
def test_bars(step: int, steps: int, shown: str) -> None:
    assert bar(step, steps) == shown


def test_lists() -> None:
    card = tasks_card(PASSED[Told.TASKS][1], NOW)
    assert card.startswith("Your tasks:\n• Build a landing page\n")
    assert "Open for a claim:" in card
    assert "50,000 sats · employer" in card
    assert "deadline=3d" in tasks_card({"tasks": [], "open": []}, NOW)


def test_a_long_history_shows_its_end() -> None:
    entries = [{"seq": at, "type": "invoice.created", "time": NOW, "state": "Draft"} for at in range(1, 101)]
    card = history_card({"task": TASK, "entries": entries}, NOW)
    assert "… 60 earlier entries" in card
    assert card.endswith("100 · 2025-11-24 16:00 UTC · invoice.created · Draft")


def test_terms_say_that_play_money_is_play_money() -> None:
    assert terms_card(TERMS, NOW).startswith("Play money: this is simnet")
    assert "Service fee: 0.25 % of the reward." in terms_card(PASSED[Told.TERMS][1], NOW)


def test_cards_survive_missing_facts() -> None:
    for make in (status_card, invoice_card, tasks_card, history_card, terms_card):
        make({}, NOW)
