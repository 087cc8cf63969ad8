"""What the documents name exists: states, commands, entries, codes, tables, make targets, settings, files; diagrams are in step."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from bot.cli import app
from bot.config import Settings
from docs import generate
from handlers import answers
from handlers.policy import DAY
from handlers.transitions import ROWS, Cause
from kinds.codes import Refused, Told
from kinds.commands import COMMANDS, PLANNED
from kinds.lightning import Fault, HoldStatus, PaymentStatus
from kinds.states import FundingState, LogType, PayoutState, Phase, TaskState, WorkState
from kinds.task import TermsWords
from storage.schema import metadata
from tests.handlers import builders
from tests.handlers.life import EMPLOYER, POLICY, Life
from tests.handlers.test_transitions import WALKS
from tests.kinds.facts import FROZEN, PASSED

ROOT = Path(__file__).parents[1]
OURS = ("README.md", "CONTRIBUTING.md", "docs/ARCHITECTURE.md", "docs/OPERATIONS.md", "docs/SECURITY.md")
ALL = (*OURS, "docs/PROTOCOL.md")
TEXTS = {name: ROOT.joinpath(name).read_text(encoding="utf-8") for name in ALL}
ROOMS = ("bot", "handlers", "kinds", "storage", "verifier", "tests", "docs", "benchmarks", ".ci")


def quoted(text: str) -> Iterator[str]:
    """What stands in `backquotes`, outside of blocks of code."""
    outside = re.sub(r"^```.*?^```", "", text, flags=re.DOTALL | re.MULTILINE)
    return (found.group(1) for found in re.finditer(r"`([^`\n]+)`", outside))


def blocks(text: str) -> str:
    return "\n".join(re.findall(r"^```\w*\n(.*?)^```", text, flags=re.DOTALL | re.MULTILINE))


def test_every_test_that_is_named_exists() -> None:
    named = re.findall(r"`(tests/[\w/]+\.py)::(\w+)`", TEXTS["docs/SECURITY.md"])
    assert len(named) > 30
    missing = {f"{path}::{name}" for path, name in named if not re.search(rf"def {name}\b", (ROOT / path).read_text())}
    assert missing == set()


# ---------------------------------------------------------------------- diagrams


def test_the_diagrams_in_the_text_are_those_of_the_table() -> None:
    text = TEXTS["docs/ARCHITECTURE.md"]
    assert generate.document(text) == text, "run: python -m docs.generate"


def test_the_diagrams_in_files_are_the_same() -> None:
    files = {path.stem: path.read_text(encoding="utf-8") for path in ROOT.joinpath("docs/diagrams").iterdir()}
    assert files == {name: text + "\n" for name, text in generate.diagrams().items()}, "run: python -m docs.generate"


def test_every_row_is_drawn_or_listed() -> None:
    drawn, listed = generate.diagrams()["task"], generate.staying()
    for row in ROWS:
        moves = (row.source, row.phase) != (row.target, row.phase_after)
        told = row.cause in (Cause.STRAY_HELD, Cause.FROZEN, Cause.UNFROZEN)
        assert told or str(row.cause) in (drawn if moves else listed)
    for state in TaskState:
        assert re.search(rf"\b{state}\b", drawn)


def _then(start: Callable[[], Life], *steps: Callable[[Life], object]) -> Callable[[], None]:
    def walk() -> None:
        life = start()
        for step in steps:
            step(life)

    return walk


def _late(life: Life) -> None:
    """The first invoice is paid although nobody wants it any more."""
    life.see(HoldStatus.HELD, life.task.fundings[0])


def _gone(life: Life) -> None:
    life.see(HoldStatus.CANCELLED, life.task.fundings[0])


LATE_AND_RARE = (
    _then(builders.making, lambda life: life.make(HoldStatus.ABSENT)),
    _then(builders.pending, lambda life: life.cancel(EMPLOYER), _gone, _late),
    _then(builders.funded, _gone, _late),
    _then(builders.leaving, lambda life: life.pay(PaymentStatus.COMPLETE)),
    _then(builders.in_flight, lambda life: life.fail(Fault.OURS)),
    _then(builders.resting, lambda life: life.payout("another")),
    _then(lambda: builders.resting(Fault.THEIRS), Life.reach, lambda life: life.wait(DAY).ticks()),
    _then(lambda: builders.verified(True), lambda life: life.pay(PaymentStatus.COMPLETE)),
    _then(lambda: builders.margin(lambda: builders.verified(True)), lambda life: life.fail(Fault.OURS)),
)


def test_the_other_machines_are_as_the_handlers_walk_them(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every step that is drawn is taken by some life, and no life takes another."""
    walked = _walked(monkeypatch, (*WALKS, *LATE_AND_RARE))
    for name, arrows in (("funding", generate.FUNDING), ("payout", generate.PAYOUT), ("dispute", generate.DISPUTE)):
        assert walked[name] == {(arrow.source, arrow.target) for arrow in arrows}, name
    assert {arrow.target for arrow in generate.FUNDING} == {*map(str, FundingState)} - {"pending"}
    assert {arrow.target for arrow in generate.PAYOUT} == {*map(str, PayoutState)}


def _walked(
    monkeypatch: pytest.MonkeyPatch, walks: tuple[Callable[[], object], ...]
) -> dict[str, set[tuple[str, str]]]:
    """The steps of fundings, payouts and disputes that these lives take."""
    seen: dict[str, set[tuple[str, str]]] = {"funding": set(), "payout": set(), "dispute": set()}
    hear = Life.hear

    def standing(life: Life) -> dict[tuple[str, str], str]:
        task = life.remembered
        if task is None:
            return {}
        found = {("funding", f.ref): str(f.state) for f in task.fundings}
        found |= {("payout", p.ref): str(p.state) for p in task.payouts}
        return found | ({("dispute", str(task.dispute.opened)): str(task.dispute.state)} if task.dispute else {})

    def watched(life: Life, what: object) -> object:
        before = standing(life)
        outcome = hear(life, what)  # type: ignore[arg-type]
        for key, state in standing(life).items():
            if before.get(key, "") != state:
                seen[key[0]].add((before.get(key, ""), state))
        return outcome

    monkeypatch.setattr(Life, "hear", watched)
    for walk in walks:
        walk()
    return seen


@pytest.mark.parametrize("label", ["a: b", "a; b", "a # b"])
def test_a_label_that_mermaid_would_cut_is_refused(label: str) -> None:
    with pytest.raises(ValueError, match="would cut"):
        generate.mermaid([generate.Arrow("", "here", label)])


# ---------------------------------------------------------------------- words of the protocol


def test_the_protocol_lists_every_command_and_no_other() -> None:
    section = TEXTS["docs/PROTOCOL.md"].split("## 2. Commands")[1].split("### ")[0]
    listed = set(re.findall(r"^\| `(\w+)", section, flags=re.MULTILINE))
    assert listed == {command.action for command in COMMANDS}


def test_the_protocol_lists_every_planned_word() -> None:
    section = TEXTS["docs/PROTOCOL.md"].split("## 10.")[1]
    missing = {word for word in PLANNED if f"`{word}`" not in section}
    assert missing == set()


def test_the_protocol_lists_every_code() -> None:
    section = TEXTS["docs/PROTOCOL.md"].split("## 3. Answers and codes")[1].split("## 4.")[0]
    listed = set(re.findall(r"`(\w+)`", section))
    assert {str(code) for code in (*Refused, *Told)} - listed == set()


def test_the_protocol_lists_every_fact_of_a_notice() -> None:
    section = TEXTS["docs/PROTOCOL.md"].split("**Notices.**")[1].split("## 4.")[0]
    rows = [line.split("|")[1:4] for line in section.splitlines() if line.startswith("| `")]
    listed = {code: set(re.findall(r"`(\w+)`", row[2])) for row in rows for code in re.findall(r"`(\w+)`", row[0])}
    assert listed.keys() == {str(code) for code in Told}
    assert {name for name in FROZEN if f"`{name}`" not in section} == set()
    named_elsewhere = {"terms": answers.terms(POLICY).keys(), "proof_arrived": listed["proof_received"]}
    for code, cases in PASSED.items():
        if isinstance(code, Told):
            facts = set[str]().union(*cases) - {"task", "title", "head", *FROZEN} - set(named_elsewhere.get(code, ()))
            assert facts - listed[code] == set(), code


def test_the_protocol_names_every_term() -> None:
    section = TEXTS["docs/PROTOCOL.md"].split("### A task offer")[1].split("### A proof")[0]
    assert {name for name in TermsWords.model_fields if f"`{name}`" not in section} == set()


@pytest.mark.parametrize("name", ALL)
def test_entries_that_are_named_exist(name: str) -> None:
    families = {entry.split(".")[0] for entry in LogType}
    known = {*map(str, LogType), "dispute.py", "incident", "receipt", "rating", "compensation"}
    for word in quoted(TEXTS[name]):
        if re.fullmatch(r"[a-z]+\.[a-z]+", word) and word.split(".")[0] in families:
            assert word in known, word


@pytest.mark.parametrize("name", ALL)
def test_states_that_are_named_exist(name: str) -> None:
    """Words that look like a state of task or work, wherever they stand in a table or in quotes."""
    states = {*map(str, TaskState), *map(str, WorkState)}
    for found in re.finditer(
        r"\b(Draft|Pending\w+|Funded|Claimed|Verified|Paid|Refunded|Disputed|Expired)\b", TEXTS[name]
    ):
        assert found.group(1) in states
    for word in re.findall(r"\b(?:IN_[A-Z]+|SUBMITTED|APPROVED|RELEASED|REJECTED)\b", TEXTS[name]):
        assert word in states
    for phase in re.findall(r"\b[A-Z]\w+/(\w+)\b", TEXTS[name]) if name == "docs/PROTOCOL.md" else []:
        if phase.endswith("ing"):
            assert phase in {*map(str, Phase)}


def test_every_state_is_told_in_the_architecture() -> None:
    text = TEXTS["docs/ARCHITECTURE.md"]
    assert [state for state in (*TaskState, *WorkState, *FundingState, *PayoutState) if state not in text] == []


def test_what_people_write_in_the_readme_is_understood() -> None:
    """Lines after '> ' are messages; the first word of each is a command, but for the one that shows a near miss."""
    actions = {command.action for command in COMMANDS}
    said = re.findall(r"^> (\w+)", blocks(TEXTS["README.md"]), flags=re.MULTILINE)
    assert len(said) > 5
    assert set(said) <= actions


# ---------------------------------------------------------------------- commands, targets, settings, tables


def _subcommands() -> dict[str, set[str]]:
    groups = {
        group.name or "": {_name(command) for command in (group.typer_instance or app).registered_commands}
        for group in app.registered_groups
    }
    return groups | {_name(command): set() for command in app.registered_commands}


def _name(command: object) -> str:
    name = getattr(command, "name", None) or getattr(command, "callback").__name__  # noqa: B009
    return str(name)


@pytest.mark.parametrize("name", ALL)
def test_holdfast_commands_that_are_named_exist(name: str) -> None:
    known = _subcommands()
    for first, second in re.findall(
        r"\bholdfast (?!client --)([a-z]+(?:-[a-z]+)*)(?: ([a-z]+)\b)?", _commands(TEXTS[name])
    ):
        assert first in known, f"holdfast {first}"
        assert not second or not known[first] or second in known[first], f"holdfast {first} {second}"


def _commands(text: str) -> str:
    """Where commands stand: in quotes, and in blocks at the beginning of a line or inside $( )."""
    lines = re.findall(r"(?:^\$? ?|\$\()(holdfast .*)$", blocks(text), flags=re.MULTILINE)
    return "\n".join([*quoted(text), *lines])


def test_the_readme_names_every_holdfast_command() -> None:
    assert [name for name in _subcommands() if f"`{name}`" not in TEXTS["README.md"].replace("holdfast ", "")] == []


@pytest.mark.parametrize("name", ALL)
def test_make_targets_that_are_named_exist(name: str) -> None:
    makefile = ROOT.joinpath("Makefile").read_text(encoding="utf-8")
    targets = set(re.findall(r"^([a-z.][\w./-]*):", makefile, flags=re.MULTILINE))
    places = "\n".join([*quoted(TEXTS[name]), *re.findall(r"^make .*$", blocks(TEXTS[name]), flags=re.MULTILINE)])
    for target in re.findall(r"\bmake ([a-z]+)", places):
        assert target in targets, f"make {target}"


def test_every_make_target_for_people_is_told() -> None:
    makefile = ROOT.joinpath("Makefile").read_text(encoding="utf-8")
    phony = re.findall(r"^\.PHONY: (.*)$", makefile, flags=re.MULTILINE)[0].split()
    told = TEXTS["README.md"] + TEXTS["CONTRIBUTING.md"]
    assert [target for target in phony if target != ".venv" and f"make {target}" not in told] == []


@pytest.mark.parametrize("name", OURS)
def test_settings_that_are_named_exist(name: str) -> None:
    for word in quoted(TEXTS[name]):
        section, dot, key = word.partition(".")
        if dot and section in Settings.model_fields and not word.endswith((".py", ".toml", ".sock", ".key", ".db")):
            if word in {*map(str, LogType)}:
                continue
            assert key in getattr(Settings.model_fields[section].annotation, "model_fields", {}), word


def test_every_table_is_told() -> None:
    section = TEXTS["docs/ARCHITECTURE.md"].split("## 6. Memory")[1].split("## 7.")[0]
    told = {word for row in re.findall(r"^\| (`.*?) \|", section, flags=re.MULTILINE) for word in quoted(row)}
    assert told == set(metadata.tables)


# ---------------------------------------------------------------------- files and links


def paths_in(name: str) -> Iterator[str]:
    """Paths that are named: in quotes, from the root or from the text's own room, and in links."""
    for word in quoted(TEXTS[name]):
        if re.fullmatch(r"[\w.-]+(/[\w.-]+)+/?|[\w.-]+\.(py|md|toml|lock)|\w+/", word) and not word.startswith("30078"):
            yield word
    yield from re.findall(r"\]\(([^)#\s]+)", TEXTS[name])


@pytest.mark.parametrize("name", ALL)
def test_files_that_are_named_exist(name: str) -> None:
    here = ROOT.joinpath(name).parent
    for path in paths_in(name):
        if "/" in path and path.split("/")[0] not in (*ROOMS, "..") and not path.endswith((".md", ".py")):
            continue  # no file: funding/refunding, data/
        assert here.joinpath(path).exists() or ROOT.joinpath(path).exists() or any(ROOT.glob(f"*/**/{path}")), path


@pytest.mark.parametrize("name", ALL)
def test_links_inside_a_text_lead_somewhere(name: str) -> None:
    headings = {
        re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")
        for heading in re.findall(r"^#+ (.*)$", TEXTS[name], flags=re.MULTILINE)
    }
    assert set(re.findall(r"\]\(#([^)]+)\)", TEXTS[name])) <= headings


@pytest.mark.parametrize("name", [*ALL, "docs/generate.py"])
def test_no_address_of_somebodys_machine(name: str) -> None:
    """No absolute path, no package index, no host but the reader's own and examples."""
    text = ROOT.joinpath(name).read_text(encoding="utf-8")
    text = re.sub(r"/(?:etc|opt|var/lib)/(?:holdfast|lnd)\b", "", text)  # where services keep their things anywhere
    assert re.findall(r"(?<![\w.:/~)`-])/(?:home|root|tmp|work|usr|opt|var|etc|Users|mnt)\b\S*", text) == []
    hosts = set(re.findall(r"\b(?:https?|wss?)://([\w.-]+)", text))
    assert hosts <= {"127.0.0.1", "example.org"}, hosts
    assert re.findall(r"(?i)\b(?:index-url|pypi\.\w+|registry\.\w+|PIP_INDEX)\b", text) == []


def test_nothing_is_left_to_be_filled_in() -> None:
    for name in ALL:
        assert re.findall(r"\b(?:TODO|TBD|FIXME|XXX)\b|^[A-Z]{4,}$", TEXTS[name], flags=re.MULTILINE) == [], name
