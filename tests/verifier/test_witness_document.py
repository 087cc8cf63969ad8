"""docs/PROTOCOL.md says what the verifier does: the table of moves, the facts, the codes, the test vectors."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.verifier.forge import task_id as by_definition
from verifier import Code
from verifier.crypto import task_id
from verifier.rules import BESIDE, FACTS, MOVES, TYPES

TEXT = Path(__file__).parents[2].joinpath("docs/PROTOCOL.md").read_text(encoding="utf-8")
WORKING = frozenset({"IN_PROGRESS", "SUBMITTED", "REJECTED"})

Row = tuple[str, frozenset[str], tuple[str, ...], str, str, str, str]


def _rows() -> set[Row]:
    section = TEXT.split("## 6. Moves")[1].split("## 7.")[0]
    found: set[Row] = set()
    for line in section.splitlines():
        cells = [cell.strip() for cell in line.strip("|").split("|")]
        if len(cells) != 7 or cells[0] in ("before", "---", "Paid, Refunded, Expired", "Paid, Expired"):
            continue
        before, works, types, by, after, work_after, why = cells
        work = WORKING if works == "*working*" else frozenset(works.split(", ") if works else ["PENDING"])
        after_word = "" if before == "nothing" else work_after
        who = "party" if by == "either party" else by
        found.add(
            (before.replace("nothing", ""), work, tuple(re.findall("`(.*?)`", types)), who, after, after_word, why)
        )
    return found


def _place(state: str, phase: str) -> str:
    return f"{state}/{phase}" if phase else state


def test_the_table_of_moves() -> None:
    ours = {
        (_place(m.state, m.phase), m.works, m.types, m.by, _place(m.state_after, m.phase_after), m.work_after, m.why)
        for m in MOVES
        if not {"funding.stray", "compensation", "task.frozen", "task.unfrozen"} & set(m.types)
    }
    assert _rows() == ours


def test_the_table_of_what_is_said_of_a_deposit() -> None:
    section = TEXT.split("## 6. Moves")[1].split("## 7.")[0]
    cells = [[cell.strip() for cell in line.strip("|").split("|")] for line in section.splitlines()]
    found = {row[0].strip("`"): row for row in cells if len(row) == 4 and row[0].startswith("`")}
    assert {type: row[1].replace("by its reason", "") for type, row in found.items()} == BESIDE
    for type, row in found.items():
        said = set(re.findall("`(.*?)`", row[2]))
        known = {fact.name: fact.optional for fact in FACTS[type]}
        assert said <= set(known)
        assert {name for name, optional in known.items() if not optional} <= said
        assert ("covers" in said) == (not type.startswith("deposit.") or type == "deposit.accepted")
        assert ("milestone" in said) == (not type.startswith("deposit.") or type == "deposit.returned")


@pytest.mark.parametrize("type", sorted(FACTS))
def test_the_facts(type: str) -> None:
    section = TEXT.split("### Facts")[1].split("### Commitments")[0]
    (line,) = [line for line in section.splitlines() if line.startswith(f"| `{type}` |")]
    if type in ("incident", "task.expired", "hold.lost"):
        return  # described by another type's
    assert "has `milestone`" in section, "in every type"
    missing = [fact.name for fact in FACTS[type] if fact.name != "milestone" and f"`{fact.name}`" not in line]
    lent = {"settlement.completed": {"loss_msat", "incident"}, "task.abandoned": {"funding", "reason"}}
    assert set(missing) <= lent.get(type, set())


def test_the_codes_and_the_types() -> None:
    assert [code.value for code in Code if f"`{code.value}`" not in TEXT] == []
    assert [type for type in TYPES if f"`{type}`" not in TEXT] == []


def test_the_vectors_of_task_ids() -> None:
    for event, letters in (
        ("0" * 64, "0" * 13),
        ("f" * 64, "zzzzzzzzzzzzr"),
        ("0123456789abcdef" * 4, "04hmasw9nf6yv"),
    ):
        assert task_id(event) == by_definition(event) == letters
        assert f"`{letters}`" in TEXT
